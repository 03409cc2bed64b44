/*
 * signals.c -- one thread receives all signals: stop at a good place, stop now, say how it goes.
 *
 * Every thread blocks them, so no system call is interrupted and no handler runs in the middle of
 * anything; the signal thread does plain calls. SIGPIPE keeps its default: it ends us quietly.
 *
 * SIGUSR2 is the exception, for ourselves: its handler does nothing, and once a stop is asked for
 * the signal thread sends it to a thread that waits for input (cmd_reading), so that its read ends.
 * SIGXFSZ is ignored: a file beyond the limit is then a write that fails (EFBIG), told and cleaned
 * up after like any other.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cmd_internal.h"

static atomic_int      stopped;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool     polite;
static bool            waits_for_input;
static pthread_t       reader;

static atomic_int requests; /* SIGUSR1 */

int cmd_status_requests(void)
{
    return atomic_load_explicit(&requests, memory_order_relaxed);
}

int cmd_stopped(void)
{
    return atomic_load_explicit(&stopped, memory_order_relaxed);
}

void cmd_reading(bool begins)
{
    pthread_mutex_lock(&lock);
    waits_for_input = begins;
    reader = pthread_self();
    pthread_mutex_unlock(&lock);
}

/* Ends the system call that a reader may be waiting in. */
static void interrupted(int sig)
{
    (void)sig;
}

/* A second time, or nothing under way that is worth finishing: as if the signal was never caught.
 */
static _Noreturn void die(int sig)
{
    sigset_t only;
    vlp_outputs_remove();
    signal(sig, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, sig);
    raise(sig);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    _exit(CMD_SIGNALLED + sig);
}

/* What comes again without anybody's impatience: the end of a terminal is told by its system and by
 * its shell, the end of the CPU time once a second. */
static bool repeats_itself(int sig)
{
    return sig == SIGHUP || sig == SIGXCPU;
}

static void *receive(void *arg)
{
    const sigset_t       *set = arg;
    const struct timespec tenth = {0, 100000000};
    for (;;) {
        const int sig = cmd_stopped() ? sigtimedwait(set, NULL, &tenth) : sigwaitinfo(set, NULL);
        if (sig == SIGUSR1) {
            atomic_fetch_add(&requests, 1);
            cmd_progress_print_status();
        } else if (sig > 0 && !(cmd_stopped() && repeats_itself(sig))) {
            if (!polite || cmd_stopped()) die(sig);
            atomic_store(&stopped, sig);
            cmd_note("stopping after what is under way%s",
                     repeats_itself(sig) ? "" : "; once more to stop at once");
        }
        if (!cmd_stopped()) continue;
        pthread_mutex_lock(&lock);
        if (waits_for_input) pthread_kill(reader, SIGUSR2);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

void cmd_stop_politely(void)
{
    atomic_store(&polite, true);
}

void cmd_signals_start(void)
{
    static sigset_t        set;
    sigset_t               before;
    const struct sigaction interrupt = {.sa_handler = interrupted}; /* no SA_RESTART */
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN);
    sigaction(SIGUSR2, &interrupt, NULL);
    sigemptyset(&set);
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU, SIGUSR1};
    for (size_t i = 0; i < VLP_COUNT(wanted); i++) {
        /* Born with SIGINT ignored, in the background, or with SIGHUP, under nohup: so be it. */
        struct sigaction was;
        if (sigaction(wanted[i], NULL, &was) == 0 && was.sa_handler == SIG_IGN) continue;
        sigaddset(&set, wanted[i]);
    }
    pthread_sigmask(SIG_BLOCK, &set, &before);
    pthread_t      id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&id, &attr, receive, &set) != 0) {
        /* nobody to answer it; the others end us, as they do by default */
        signal(SIGUSR1, SIG_IGN);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attr);
}
