/*
 * progress.c -- how far a long job is: a line on the terminal, or now and then one in the log.
 */
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd_internal.h"

static const double PAINT_EVERY = 1.0 / 6, LOG_EVERY = 30.0; /* seconds */

/* Everything under the lock of the messages. */
static struct {
    const char *unit;
    int64_t     total, done, failed;
    double      start, painted;
    bool        on, line, log; /* a job runs; a line may be painted; plain lines instead */
    bool        visible;
    char        remark[96];
} p;

void cmd_progress_erase(void)
{
    if (p.visible) fputs("\r\033[K", stderr);
    p.visible = false;
}

static int put_time(char *out, size_t size, double seconds)
{
    const long s = (long)(seconds + 0.5);
    if (s >= 3600) return snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    return snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

static void describe(char *out, size_t size)
{
    const double took = vlp_now() - p.start;
    const double rate = took > 0 ? (double)p.done / took : 0;
    size_t       n = 0;
    if (p.total >= 0)
        n += (size_t)snprintf(out, size, "%lld of %lld %s", (long long)p.done, (long long)p.total,
                              p.unit);
    else
        n += (size_t)snprintf(out, size, "%lld %s", (long long)p.done, p.unit);
    n += (size_t)snprintf(out + n, size - n, ", %.*f/s", rate < 10 ? 1 : 0, rate);
    if (p.total > p.done && rate > 0) {
        n += (size_t)snprintf(out + n, size - n, ", ");
        n += (size_t)put_time(out + n, size - n, (double)(p.total - p.done) / rate);
        n += (size_t)snprintf(out + n, size - n, " left");
    }
    if (p.failed > 0)
        n += (size_t)snprintf(out + n, size - n, ", %lld skipped", (long long)p.failed);
    if (p.remark[0]) snprintf(out + n, size - n, ", %s", p.remark);
}

static int terminal_width(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) return w.ws_col;
    return 80;
}

static void paint(bool now)
{
    const double t = vlp_now();
    if (!p.on || (!now && t - p.painted < (p.line ? PAINT_EVERY : LOG_EVERY))) return;
    char text[256];
    describe(text, sizeof text);
    if (p.line) {
        fprintf(stderr, "\r%.*s\033[K", terminal_width() - 1, text);
        p.visible = true;
        fflush(stderr);
    } else if (p.log) {
        fprintf(stderr, "%s: %s\n", cmd_program_name(), text);
    }
    p.painted = t;
}

void cmd_progress_start(const char *unit, int64_t total)
{
    cmd_messages_lock();
    memset(&p, 0, sizeof p);
    p.unit = unit;
    p.total = total;
    p.start = vlp_now();
    p.painted = p.start;
    p.on = true;
    p.line = !cmd_common.quiet && (cmd_common.progress || isatty(STDERR_FILENO));
    p.log = !cmd_common.quiet && cmd_common.verbose > 0;
    cmd_messages_unlock();
}

void cmd_progress_total(int64_t total)
{
    cmd_messages_lock();
    p.total = total;
    cmd_messages_unlock();
}

void cmd_progress_remark(const char *text)
{
    cmd_messages_lock();
    snprintf(p.remark, sizeof p.remark, "%s", text);
    cmd_messages_unlock();
}

void cmd_progress_add(int64_t done, int64_t failed)
{
    cmd_messages_lock();
    p.done += done;
    p.failed += failed;
    if (p.line || p.log) paint(false);
    cmd_messages_unlock();
}

void cmd_progress_end(void)
{
    cmd_messages_lock();
    if (p.line && cmd_common.progress && !isatty(STDERR_FILENO)) {
        paint(true); /* asked for in a log: leave the last state there */
        fputc('\n', stderr);
        p.visible = false;
    }
    cmd_progress_erase();
    fflush(stderr);
    p.on = false;
    cmd_messages_unlock();
}

void cmd_progress_print_status(void)
{
    char text[256] = "nothing under way";
    cmd_messages_lock();
    cmd_progress_erase();
    if (p.on) describe(text, sizeof text);
    fprintf(stderr, "%s: %s\n", cmd_program_name(), text);
    fflush(stderr);
    cmd_messages_unlock();
}
