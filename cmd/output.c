/*
 * output.c -- stdout as a place for data: checked to the end, escaped where a format needs it.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd_internal.h"

void cmd_refuse_terminal(const char *path, bool force)
{
    if (!force && vlp_is_terminal(path ? path : "-"))
        cmd_usage_error("binary data would go to the terminal: give -o FILE, a pipe, or -f");
}

enum vlp_status cmd_refuse_existing(const char *const *path, size_t n, bool force,
                                    struct vlp_error *err)
{
    struct stat st;
    for (size_t i = 0; i < n && !force; i++)
        if (path[i] && strcmp(path[i], "-") != 0 && stat(path[i], &st) == 0 && S_ISREG(st.st_mode))
            return vlp_fail(err, VLP_ERR_EXISTS, "%s: exists (-f overwrites it)", path[i]);
    return VLP_OK;
}

const char *cmd_stdin_among(const char *const *paths, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(paths[i], "-") == 0) return paths[i];
    return NULL;
}

void cmd_one_each(const char *stream, const struct cmd_stream_use *use, size_t n)
{
    const char *taken = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!use[i].path || strcmp(use[i].path, "-") != 0) continue;
        if (taken) cmd_usage_error("%s and %s both want %s", taken, use[i].option, stream);
        taken = use[i].option;
    }
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
    struct vlp_buf b = {0};
    vlp_buf_add_tsv(&b, s, len);
    fwrite(b.data, 1, b.len, f);
    vlp_buf_free(&b);
}

void cmd_put_json(FILE *f, const char *s, size_t len)
{
    struct vlp_buf b = {0};
    vlp_buf_add_json(&b, s, len);
    fwrite(b.data, 1, b.len, f);
    vlp_buf_free(&b);
}
