/*
 * signals.c -- one thread receives all signals: stop at a good place, stop now, say how it goes.
 *
 * Every thread blocks them, so no system call is interrupted and no handler runs in the middle of
 * anything; the signal thread does plain calls. SIGPIPE keeps its default: it ends us quietly.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd_internal.h"

static atomic_int      stopped;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void (*wake_call)(void *ctx);
static void *wake_ctx;

int cmd_stopped(void)
{
    return atomic_load_explicit(&stopped, memory_order_relaxed);
}

void cmd_on_stop(void (*wake)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&lock);
    wake_call = wake;
    wake_ctx = ctx;
    pthread_mutex_unlock(&lock);
}

static void *receive(void *arg)
{
    sigset_t *set = arg;
    for (int sig; sigwait(set, &sig) == 0;) {
        if (sig == SIGUSR1) {
            cmd_progress_print_status();
            continue;
        }
        pthread_mutex_lock(&lock);
        const bool polite = wake_call != NULL && !cmd_stopped();
        if (polite) {
            atomic_store(&stopped, sig);
            wake_call(wake_ctx);
        }
        pthread_mutex_unlock(&lock);
        if (!polite) {
            /* A second time, or nothing under way that is worth finishing: as if never caught. */
            signal(sig, SIG_DFL);
            sigset_t only;
            sigemptyset(&only);
            sigaddset(&only, sig);
            raise(sig);
            pthread_sigmask(SIG_UNBLOCK, &only, NULL);
            _exit(CMD_SIGNALLED + sig);
        }
        cmd_note("stopping after what is under way; once more to stop at once");
    }
    return NULL;
}

void cmd_signals_start(void)
{
    static sigset_t set;
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&set);
    static const int wanted[] = {SIGINT, SIGTERM, SIGUSR1};
    for (size_t i = 0; i < VLP_COUNT(wanted); i++) {
        struct sigaction was; /* a job in the background is born with SIGINT ignored: so be it */
        if (sigaction(wanted[i], NULL, &was) == 0 && was.sa_handler == SIG_IGN) continue;
        sigaddset(&set, wanted[i]);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_t      id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_create(&id, &attr, receive, &set);
    pthread_attr_destroy(&attr);
}
