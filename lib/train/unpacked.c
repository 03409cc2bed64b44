/*
 * unpacked.c -- pictures of compressed shards, unpacked once into a file that has no name.
 *
 * A compressed shard can only be read from its beginning, and training jumps about. The file is
 * unlinked as soon as it is open, so that it goes with the process, whatever ends it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unpacked_internal.h"

static enum vlp_status open_file(struct unpacked *u, const char *folder, struct vlp_error *err)
{
    struct vlp_buf name = {0};
    const char    *tmp = getenv("TMPDIR");
    if (!folder) folder = tmp && *tmp ? tmp : "/tmp";
    vlp_buf_printf(&name, "%s/vlp-unpacked-XXXXXX", folder);
    u->fd = mkstemp(name.data);
    const int why = errno;
    if (u->fd >= 0) {
        unlink(name.data);
        u->folder = vlp_strdup(folder);
    }
    vlp_buf_free(&name);
    return u->folder ? VLP_OK
                     : vlp_fail(err, VLP_ERR_IO, "%s: no file for unpacked pictures: %s", folder,
                                strerror(why));
}

enum vlp_status unpacked_add(struct unpacked *u, const char *folder, const uint8_t *bytes,
                             size_t len, int64_t *offset, struct vlp_error *err)
{
    if (!u->folder) VLP_TRY(open_file(u, folder, err));
    for (size_t at = 0; at < len;) {
        const ssize_t put = pwrite(u->fd, bytes + at, len - at, u->size + (int64_t)at);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0)
            return vlp_fail(err, VLP_ERR_IO,
                            "%s: no room for the unpacked pictures of compressed shards after %lld "
                            "MiB: %s (take another cache folder, or plain tar files, which need "
                            "none)",
                            u->folder, (long long)u->size >> 20,
                            strerror(put < 0 ? errno : ENOSPC));
        at += (size_t)put;
    }
    *offset = u->last = u->size;
    u->last_hash = vlp_hash64(bytes, len);
    u->size += (int64_t)len;
    return VLP_OK;
}

bool unpacked_is_last(const struct unpacked *u, const uint8_t *bytes, size_t len)
{
    return u->folder && (int64_t)len == u->size - u->last && vlp_hash64(bytes, len) == u->last_hash;
}

enum vlp_status unpacked_read(const struct unpacked *u, int64_t offset, size_t size,
                              struct vlp_arena *mem, uint8_t **out, struct vlp_error *err)
{
    return read_piece(u->fd, u->folder, offset, size, mem, out, err);
}

void unpacked_close(struct unpacked *u)
{
    if (u->folder) close(u->fd);
    free(u->folder);
    *u = (struct unpacked){0};
}

enum vlp_status read_piece(int fd, const char *name, int64_t offset, size_t size,
                           struct vlp_arena *mem, uint8_t **out, struct vlp_error *err)
{
    *out = vlp_arena_alloc(mem, size + 1);
    for (size_t at = 0; at < size;) {
        const ssize_t got = pread(fd, *out + at, size - at, offset + (int64_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return vlp_fail(err, VLP_ERR_IO, "%s: %s", name, strerror(errno));
        if (got == 0) return vlp_fail(err, VLP_ERR_IO, "%s: ends too early", name);
        at += (size_t)got;
    }
    return VLP_OK;
}
