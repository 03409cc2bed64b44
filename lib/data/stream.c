/*
 * stream.c -- the bytes of a file, of stdin or of memory, in order, through a buffer of fixed size.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_internal.h"

enum vlp_status stream_open(struct stream *s, const char *path, struct vlp_error *err)
{
    const bool  standard = strcmp(path, "-") == 0;
    struct stat st;
    *s = (struct stream){.fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)};
    if (s->fd < 0) /* a pipe may wait for its writer */
        return vlp_fail(err, errno == EINTR ? VLP_ERR_STOPPED : vlp_status_of_errno(errno),
                        "%s: %s", path, strerror(errno));
    if (fstat(s->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (!standard) close(s->fd);
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(EISDIR));
    }
    s->name = vlp_strdup(standard ? "standard input" : path);
    s->buf = vlp_malloc(STREAM_BUFFER);
    return VLP_OK;
}

void stream_of_memory(struct stream *s, const char *bytes, size_t len, const char *name)
{
    *s = (struct stream){.fd = -1, .memory = bytes, .memory_left = len, .name = vlp_strdup(name)};
    s->buf = vlp_malloc(STREAM_BUFFER);
}

void stream_close(struct stream *s)
{
    if (!s->buf) return;
    if (s->fd > STDIN_FILENO) close(s->fd);
    free(s->name);
    free(s->buf);
    *s = (struct stream){0};
}

static ssize_t take(struct stream *s, void *to, size_t most)
{
    if (s->fd >= 0) return read(s->fd, to, s->step && s->step < most ? s->step : most);
    const size_t n = most < s->memory_left ? most : s->memory_left;
    memcpy(to, s->memory, n);
    s->memory += n;
    s->memory_left -= n;
    return (ssize_t)n;
}

enum vlp_status stream_fill(struct stream *s, size_t want, struct vlp_error *err)
{
    if (s->end - s->begin >= want) return VLP_OK;
    if (s->begin) {
        memmove(s->buf, s->buf + s->begin, s->end - s->begin);
        s->end -= s->begin;
        s->begin = 0;
    }
    while (!s->eof && s->end < want) {
        if (s->opt && s->opt->stop && s->opt->stop(s->opt->stop_ctx))
            return vlp_fail(err, VLP_ERR_STOPPED, "%s: reading was stopped", s->name);
        const ssize_t got = take(s, s->buf + s->end, STREAM_BUFFER - s->end);
        if (got < 0 && errno == EINTR)
            return vlp_fail(err, VLP_ERR_STOPPED, "%s: reading was interrupted", s->name);
        if (got < 0) return vlp_fail(err, VLP_ERR_IO, "%s: %s", s->name, strerror(errno));
        if (got == 0) s->eof = true;
        s->end += (size_t)got;
    }
    return VLP_OK;
}

enum vlp_status stream_line(struct stream *s, int delimiter, size_t limit, struct vlp_buf *out,
                            bool *too_long, bool *more, struct vlp_error *err)
{
    vlp_buf_clear(out);
    *too_long = false;
    *more = false;
    s->unended = false;
    const uint64_t from = s->offset;
    for (;;) {
        VLP_TRY(stream_fill(s, 1, err));
        const size_t have = s->end - s->begin;
        s->unended = have == 0 && *more;
        if (have == 0) return VLP_OK;
        *more = true;
        const uint8_t *p = s->buf + s->begin, *end = memchr(p, delimiter, have);
        const size_t   part = end ? (size_t)(end - p) : have;
        const size_t   room = limit - out->len;
        vlp_buf_add(out, p, part < room ? part : room);
        if (part > room) *too_long = true;
        if (s->offset - from > LINE_LIMIT)
            return vlp_fail(err, VLP_ERR_LIMIT, "%s: a line of more than %d bytes", s->name,
                            LINE_LIMIT);
        s->begin += end ? part + 1 : part;
        s->offset += end ? part + 1 : part;
        if (end) return VLP_OK;
    }
}
