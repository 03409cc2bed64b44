/*
 * output.c -- stdout as a place for data: checked to the end, escaped where a format needs it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cmd_internal.h"

void cmd_refuse_terminal(bool force)
{
    if (!force && isatty(STDOUT_FILENO))
        cmd_usage_error("binary data would go to the terminal: give -o FILE, a pipe, or -f");
}

int cmd_finish(int status)
{
    cmd_progress_end();
    errno = 0;
    const bool bad = fflush(stdout) != 0 || ferror(stdout);
    const int  why = errno;
    /* Somebody may have closed it before us: nothing was written then, and nothing is lost. */
    if ((fclose(stdout) != 0 && errno != EBADF) || bad) {
        const char *reason = bad && why ? strerror(why) : errno ? strerror(errno) : "write failed";
        /* A job that failed has said why; most often it was this. */
        if (status != CMD_FAILED) cmd_error("standard output: %s", reason);
        if (status == CMD_OK || status == CMD_SKIPPED || status == CMD_NO_MATCH) return CMD_FAILED;
    }
    return status;
}

void cmd_put_tsv(FILE *f, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) switch (s[i]) {
        case '\t': fputs("\\t", f); break;
        case '\n': fputs("\\n", f); break;
        case '\r': fputs("\\r", f); break;
        case '\\': fputs("\\\\", f); break;
        default: putc(s[i], f);
        }
}

void cmd_put_json(FILE *f, const char *s, size_t len)
{
    const char *end = s + len;
    putc('"', f);
    while (s < end) {
        const char   *at = s;
        const int32_t c = vlp_utf8_next(&s, end);
        if (c < 0)
            fputs("\\ufffd", f);
        else if (c == '"' || c == '\\')
            fprintf(f, "\\%c", (int)c);
        else if (c == '\n')
            fputs("\\n", f);
        else if (c == '\t')
            fputs("\\t", f);
        else if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\u%04x", (unsigned)c);
        else
            fwrite(at, 1, (size_t)(s - at), f);
    }
    putc('"', f);
}
