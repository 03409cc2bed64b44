/*
 * feed.c -- the bytes of a file or a pipe, seen through a window that moves forward.
 *
 * A regular file is mapped, where it can be, and the window is all of it. Anything else is read
 * into a buffer whose start stays 64-byte aligned, so that records padded to 64 bytes stay aligned
 * too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embedding_internal.h"

enum { FEED_STEP = 256 * 1024 };

enum vlp_status feed_open(struct feed *f, const char *path, struct vlp_error *err)
{
    const bool  standard = strcmp(path, "-") == 0;
    struct stat st;
    *f = (struct feed){.fd = -1};
    /* A file that the address space has no room for is read as a pipe is. */
    f->is_file = !standard && stat(path, &st) == 0 && S_ISREG(st.st_mode);
    if (f->is_file && vlp_map_open(&f->map, path, NULL) == VLP_OK) {
        f->mapped = true;
        f->end = f->map.size;
        f->eof = true;
    } else {
        f->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
        if (f->fd < 0) /* a pipe may wait for its writer */
            return vlp_fail(err, errno == EINTR ? VLP_ERR_STOPPED : VLP_ERR_IO, "%s: %s", path,
                            strerror(errno));
        if (fstat(f->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
            if (!standard) close(f->fd);
            return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(EISDIR));
        }
    }
    f->name = vlp_strdup(standard ? "standard input" : path);
    return VLP_OK;
}

void feed_close(struct feed *f)
{
    if (f->mapped) vlp_map_close(&f->map);
    if (f->fd > STDIN_FILENO) close(f->fd);
    free(f->buf);
    free(f->name);
    *f = (struct feed){.fd = -1};
}

static const uint8_t *base_of(const struct feed *f)
{
    return f->mapped ? f->map.data : f->buf;
}

/* Room for at least one more byte at the end of the buffer. */
static void make_room(struct feed *f)
{
    if (f->begin > 0) {
        memmove(f->buf, f->buf + f->begin, f->end - f->begin);
        f->end -= f->begin;
        f->begin = 0;
    }
    if (f->cap - f->end >= FEED_STEP) return;
    const size_t cap = f->cap ? 2 * f->cap : 2 * FEED_STEP;
    void        *bigger = vlp_malloc_aligned(VLE_ALIGN, cap);
    if (f->end) memcpy(bigger, f->buf, f->end);
    free(f->buf);
    f->buf = bigger;
    f->cap = cap;
}

enum vlp_status feed_see(struct feed *f, size_t want, const uint8_t **p, size_t *have,
                         struct vlp_error *err)
{
    while (!f->eof && f->end - f->begin < want) {
        if (f->cap - f->end < FEED_STEP) make_room(f);
        const ssize_t got = read(f->fd, f->buf + f->end, f->cap - f->end);
        if (got < 0 && errno == EINTR)
            return vlp_fail(err, VLP_ERR_STOPPED, "%s: reading was interrupted", f->name);
        if (got < 0) return vlp_fail(err, VLP_ERR_IO, "%s: %s", f->name, strerror(errno));
        if (got == 0) f->eof = true;
        f->end += (size_t)got;
    }
    *have = f->end - f->begin;
    *p = *have ? base_of(f) + f->begin : (const uint8_t *)"";
    return VLP_OK;
}

void feed_step(struct feed *f, size_t n)
{
    f->begin += n;
    f->offset += n;
}

enum vlp_status feed_line(struct feed *f, size_t limit, const char **line, size_t *len,
                          struct vlp_error *err)
{
    size_t         want = 1, have, looked = 0;
    const uint8_t *p, *end;
    for (;;) {
        VLP_TRY(feed_see(f, want, &p, &have, err));
        end = have > looked ? memchr(p + looked, '\n', have - looked) : NULL;
        if (end || have < want) break;
        looked = have;
        if (have > limit) break;
        want = have + 1;
    }
    *len = end ? (size_t)(end - p) : have;
    *line = *len || end ? (const char *)p : NULL;
    if (*len > limit)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: a line is longer than %zu bytes", f->name, limit);
    feed_step(f, end ? *len + 1 : *len);
    if (*len && p[*len - 1] == '\r') --*len;
    return VLP_OK;
}
