/*
 * status.c -- failures as sentences: filling and prefixing a struct vlp_error.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vlp/base.h>

const char *vlp_status_name(enum vlp_status s)
{
    static const char *const name[VLP_STATUS_COUNT] = {
        [VLP_OK] = "ok",
        [VLP_ERR_IO] = "io",
        [VLP_ERR_FORMAT] = "format",
        [VLP_ERR_LIMIT] = "limit",
        [VLP_ERR_SUPPORT] = "unsupported",
        [VLP_ERR_MISMATCH] = "mismatch",
        [VLP_ERR_USAGE] = "usage",
        [VLP_ERR_EXISTS] = "exists",
        [VLP_ERR_STOPPED] = "stopped",
        [VLP_ERR_SHORTAGE] = "shortage",
    };
    return (unsigned)s < VLP_STATUS_COUNT ? name[s] : "unknown";
}

enum vlp_status vlp_status_of_errno(int why)
{
    return why == EMFILE || why == ENFILE || why == ENOMEM ? VLP_ERR_SHORTAGE : VLP_ERR_IO;
}

/* A file name may hold any byte: messages stay one line. */
static char shown(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

static void one_line(char *text)
{
    for (; *text; text++) *text = shown(*text);
}

enum vlp_status vlp_fail(struct vlp_error *err, enum vlp_status s, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        err->status = s;
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        one_line(err->text);
    }
    return s;
}

void vlp_fail_in(struct vlp_error *err, const char *fmt, ...)
{
    if (!err) return;
    char    old[sizeof err->text];
    va_list ap;
    memcpy(old, err->text, sizeof old);
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n + 2 < sizeof err->text) {
        const size_t room = sizeof err->text - (size_t)n - 3, len = strlen(old);
        memcpy(err->text + n, ": ", 2);
        memcpy(err->text + n + 2, old, len < room ? len : room);
        err->text[(size_t)n + 2 + (len < room ? len : room)] = '\0';
    }
    one_line(err->text);
}

const char *vlp_without_name(const char *sentence, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (sentence[i] != shown(name[i])) return sentence;
    if (sentence[len] != ':') return sentence;
    return sentence + len + 1 + strspn(sentence + len + 1, " ");
}
