/*
 * vle_write.c -- embedding streams out: each block goes to its place in one piece, so that whoever
 * is killed leaves whole blocks and at most a torn one, which the next to continue cuts off. What
 * it replaces stays until the first block is there: a job that comes to nothing has lost nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embedding_internal.h"

/* A block is written when it has this many bytes of ids and metas, or of vectors. */
enum { FULL_TEXT = 4 << 20, FULL_VECTORS = 32 << 20 };

struct vle_writer {
    int      fd;
    bool     regular; /* can be cut back */
    uint64_t at;      /* file: the end of what is sound */
    uint64_t count;   /* records written since the header */
    size_t   row;
    uint32_t n, flags;

    /* Written as a whole: `fd` is the temporary file's, and `old` what it will replace, locked
     * until then; -1: nothing. */
    struct vlp_output whole;
    int               old;
    bool              waits; /* with the first block to replace `old`; `fd` is -1 until then */
    mode_t            mode;
    char             *made; /* the file that was made, where links led to; else NULL */

    struct vlp_buf record_flags, id_ends, meta_ends, ids, metas, vectors, block;
};

static enum vlp_status put_bytes(struct vlp_embedding_writer *w, const void *data, size_t size,
                                 struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    const uint8_t     *p = data;
    size_t             left = size;
    while (left) {
        const ssize_t put = write(v->fd, p, left);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            const int why = errno;
            w->failed = true;
            if (v->regular) v->regular = ftruncate(v->fd, (off_t)v->at) == 0;
            return vlp_fail(err, VLP_ERR_IO, "%s: %s", w->path, strerror(why));
        }
        p += put;
        left -= (size_t)put;
    }
    v->at += size;
    return VLP_OK;
}

/* ---- where it goes ----------------------------------------------------------------- */

/* Is the file no more than the beginning of a header, left by a writer that was killed? */
static bool only_begun(int fd, uint64_t size)
{
    uint8_t      p[VLE_HEADER_BYTES];
    const size_t have = size < sizeof p ? (size_t)size : sizeof p;
    if (pread(fd, p, have, 0) != (ssize_t)have) return false;
    const size_t magic = have < VLE_MAGIC_BYTES ? have : VLE_MAGIC_BYTES;
    if (memcmp(p, vle_header_magic, magic) != 0) return false;
    return have < sizeof p || (vle_header_size(p) && size < vle_header_size(p));
}

bool vlp_embedding_is_blank(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return true;
    if (!S_ISREG(st.st_mode)) return false;
    const int  fd = open(path, O_RDONLY | O_CLOEXEC);
    const bool blank = fd >= 0 && only_begun(fd, (uint64_t)st.st_size);
    if (fd >= 0) close(fd);
    return blank;
}

/* Find the end of the sound part of `path`, and that its header is ours. */
static enum vlp_status find_end(struct vlp_embedding_writer *w, uint64_t *end, uint64_t *count,
                                struct vlp_error *err)
{
    struct vlp_embedding_reader      *r;
    struct vlp_embedding_block        b;
    struct vlp_embedding_read_options opt = {.format = "vle"};
    VLP_TRY(vlp_embedding_open_with(&r, w->path, &opt, err));
    enum vlp_status s = VLP_OK;
    const char     *differs = vle_headers_differ(&r->header, &w->header);
    if (differs)
        s = vlp_fail(err, VLP_ERR_MISMATCH,
                     "%s: cannot be continued: it has another %s (%d values of %s, model %s) than "
                     "the new vectors (%d values of %s, model %s)",
                     w->path, differs, r->header.dim, vlp_dtype_name(r->header.dtype),
                     r->header.fingerprint[0] ? r->header.fingerprint : "unknown", w->header.dim,
                     vlp_dtype_name(w->header.dtype),
                     w->header.fingerprint[0] ? w->header.fingerprint : "unknown");
    do {
        b.n = 0;
        if (s == VLP_OK) s = vlp_embedding_next(r, &b, err);
    } while (s == VLP_OK && b.n > 0);
    if (s == VLP_OK) {
        *end = vle_sound_end(r);
        *count = vle_sound_count(r);
    }
    vlp_embedding_close(r);
    return s;
}

/* Continue the stream that is there. */
static enum vlp_status continue_file(struct vlp_embedding_writer *w, uint64_t size,
                                     bool *needs_header, struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    uint64_t           end = 0;
    *needs_header = only_begun(v->fd, size);
    if (!*needs_header) VLP_TRY(find_end(w, &end, &v->count, err));
    if ((end < size && ftruncate(v->fd, (off_t)end) != 0) || lseek(v->fd, (off_t)end, SEEK_SET) < 0)
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", w->path, strerror(errno));
    v->at = end;
    return VLP_OK;
}

/* Is the open file still the one that its path names? Not after somebody removed or replaced it. */
static bool is_in_place(const struct vlp_embedding_writer *w, int fd)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(w->path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

/* Is the open file still what the caller read, if it did? */
static bool is_as_seen(int fd, const struct stat *seen)
{
    struct stat st;
    return !seen ||
           (fstat(fd, &st) == 0 && st.st_dev == seen->st_dev && st.st_ino == seen->st_ino &&
            st.st_size == seen->st_size && st.st_mtim.tv_sec == seen->st_mtim.tv_sec &&
            st.st_mtim.tv_nsec == seen->st_mtim.tv_nsec);
}

/* One writer at a time. Who was too late for the lock may hold it on a file that is gone by now, or
 * that has grown since it was read. */
static enum vlp_status lock(const struct vlp_embedding_writer *w, int fd, const struct stat *seen,
                            struct vlp_error *err)
{
    const bool taken = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!taken && is_in_place(w, fd) && is_as_seen(fd, seen)) return VLP_OK;
    return vlp_fail(err, VLP_ERR_IO, "%s: another program is writing to it", w->path);
}

/* Open and lock what is about to be replaced, lest its writer go on into a file without a name. */
static enum vlp_status lock_old(struct vlp_embedding_writer *w, const struct stat *seen,
                                struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    v->old = open(w->path, O_RDWR | O_CLOEXEC); /* NFS locks what is open for writing */
    if (v->old < 0) v->old = open(w->path, O_RDONLY | O_CLOEXEC);
    if (v->old < 0) return vlp_fail(err, VLP_ERR_IO, "%s: %s", w->path, strerror(errno));
    return lock(w, v->old, seen, err);
}

static void close_old(struct vle_writer *v)
{
    if (v->old >= 0) close(v->old);
    v->old = -1;
}

/* What is overwritten is replaced, not emptied: whoever has it mapped keeps it. That the folder
 * takes new files is found out now. */
static enum vlp_status wait_for_block(struct vlp_embedding_writer *w, mode_t mode,
                                      struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    struct vlp_output  trial;
    VLP_TRY(vlp_output_open(&trial, w->path, true, err));
    vlp_output_abort(&trial);
    /* who may read it may read what follows, and its owner go on with it */
    v->mode = (mode & 07777) | S_IWUSR;
    v->waits = true;
    return VLP_OK;
}

/* Put a header and the first block, or the end, where `old` was. */
static enum vlp_status replace_old(struct vlp_embedding_writer *w, const void *data, size_t size,
                                   struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    struct vlp_output  o;
    struct vlp_buf     header = {0};
    v->waits = false;
    VLP_TRY(vlp_output_open(&o, w->path, true, err));
    v->fd = fcntl(fileno(o.file), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    enum vlp_status s = VLP_OK;
    if (v->fd < 0) s = vlp_fail(err, VLP_ERR_IO, "%s: %s", w->path, strerror(errno));
    if (v->fd >= 0) fchmod(v->fd, v->mode); /* some file systems know no modes */
    vle_put_header(&header, &w->header);
    if (s == VLP_OK) s = put_bytes(w, header.data, header.len, err);
    if (s == VLP_OK) s = put_bytes(w, data, size, err);
    vlp_buf_free(&header);
    if (s == VLP_OK) flock(v->fd, LOCK_EX | LOCK_NB); /* nobody else knows it yet */
    if (s == VLP_OK)
        s = vlp_output_commit(&o, err);
    else
        vlp_output_abort(&o);
    if (s != VLP_OK) w->failed = true;
    close_old(v);
    return s;
}

static enum vlp_status write_bytes(struct vlp_embedding_writer *w, const void *data, size_t size,
                                   struct vlp_error *err)
{
    const struct vle_writer *v = w->state;
    return v->waits ? replace_old(w, data, size, err) : put_bytes(w, data, size, err);
}

static enum vlp_status open_file(struct vlp_embedding_writer              *w,
                                 const struct vlp_embedding_write_options *opt, bool *needs_header,
                                 struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    struct stat        st;
    const bool         there = stat(w->path, &st) == 0;
    const bool         regular = !there || S_ISREG(st.st_mode);
    if (there && S_ISDIR(st.st_mode)) return vlp_fail(err, VLP_ERR_IO, "%s: is a folder", w->path);
    if (there && regular && !opt->append && !opt->force)
        return vlp_fail(err, VLP_ERR_EXISTS, "%s: exists (-f overwrites it)", w->path);
    const bool continues = there && regular && opt->append;
    if (there && regular && !continues) VLP_TRY(lock_old(w, opt->seen, err));
    v->regular = regular;
    if (regular && opt->whole) {
        VLP_TRY(vlp_output_open(&v->whole, w->path, opt->force, err));
        v->fd = fileno(v->whole.file);
        return VLP_OK;
    }
    if (regular && !continues) v->made = vlp_end_of_links(w->path);
    if (v->old >= 0) return wait_for_block(w, st.st_mode, err);
    const int how = !regular ? O_WRONLY : continues ? O_RDWR : O_RDWR | O_CREAT | O_EXCL;
    v->fd = open(v->made ? v->made : w->path, how | O_CLOEXEC, 0666);
    if (v->fd < 0) return vlp_fail(err, VLP_ERR_IO, "%s: %s", w->path, strerror(errno));
    if (!regular) return VLP_OK;
    VLP_TRY(lock(w, v->fd, continues ? opt->seen : NULL, err));
    if (!continues) return VLP_OK;
    if (fstat(v->fd, &st) != 0)
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", w->path, strerror(errno));
    return continue_file(w, (uint64_t)st.st_size, needs_header, err);
}

/* Blocks in a file that nobody can find are lost: that is told at the next block, not at the end
 * of a long job. */
static enum vlp_status check_in_place(struct vlp_embedding_writer *w, struct vlp_error *err)
{
    const struct vle_writer *v = w->state;
    if (!v->regular || v->whole.file || is_in_place(w, v->waits ? v->old : v->fd)) return VLP_OK;
    w->failed = true;
    return vlp_fail(err, VLP_ERR_IO, "%s: was removed or replaced while it was being written",
                    w->path);
}

static void free_state(struct vlp_embedding_writer *w)
{
    struct vle_writer *v = w->state;
    if (v->fd > STDERR_FILENO && !v->whole.file) close(v->fd);
    vlp_output_abort(&v->whole);
    close_old(v);
    free(v->made);
    vlp_buf_free(&v->record_flags);
    vlp_buf_free(&v->id_ends);
    vlp_buf_free(&v->meta_ends);
    vlp_buf_free(&v->ids);
    vlp_buf_free(&v->metas);
    vlp_buf_free(&v->vectors);
    vlp_buf_free(&v->block);
    free(v);
    w->state = NULL;
}

enum vlp_status vle_create(struct vlp_embedding_writer              *w,
                           const struct vlp_embedding_write_options *opt, struct vlp_error *err)
{
    struct vle_writer *v = vlp_calloc(1, sizeof *v);
    bool               needs_header = true;
    w->state = v;
    v->fd = STDOUT_FILENO;
    v->old = -1;
    v->row = row_size(w->header.dtype, w->header.dim);
    enum vlp_status s = VLP_OK;
    if (!w->standard) {
        v->fd = -1;
        s = open_file(w, opt, &needs_header, err);
    }
    if (s == VLP_OK && needs_header && !v->waits) {
        vle_put_header(&v->block, &w->header);
        s = write_bytes(w, v->block.data, v->block.len, err);
    }
    if (s != VLP_OK) free_state(w);
    return s;
}

/* ---- records ----------------------------------------------------------------------- */

static void add_u32(struct vlp_buf *b, uint32_t v)
{
    uint8_t p[4];
    vlp_store_u32(p, v);
    vlp_buf_add(b, p, sizeof p);
}

static void pad(struct vlp_buf *b, size_t size)
{
    vlp_buf_reserve(b, size - b->len);
    memset(b->data + b->len, 0, size - b->len);
    b->len = size;
}

enum vlp_status vle_flush(struct vlp_embedding_writer *w, struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    struct vlp_buf    *out = &v->block;
    VLP_TRY(check_in_place(w, err));
    if (v->n == 0) return VLP_OK;
    struct vle_block_head h = {.n = v->n,
                               .flags = v->flags,
                               .ids_size = (uint32_t)v->ids.len,
                               .metas_size = (uint32_t)v->metas.len,
                               .first = v->count};
    h.size = vle_vectors_at(&h) + vle_padded(v->vectors.len);
    vlp_buf_clear(out);
    vlp_buf_reserve(out, (size_t)h.size);
    pad(out, VLE_RECORD_BYTES);
    vlp_buf_add(out, v->record_flags.data, v->record_flags.len);
    vlp_buf_add(out, v->id_ends.data, v->id_ends.len);
    vlp_buf_add(out, v->meta_ends.data, v->meta_ends.len);
    vlp_buf_add(out, v->ids.data, v->ids.len);
    vlp_buf_add(out, v->metas.data, v->metas.len);
    pad(out, (size_t)vle_vectors_at(&h));
    vlp_buf_add(out, v->vectors.data, v->vectors.len);
    pad(out, (size_t)h.size);
    h.sum = vlp_hash64(out->data + VLE_RECORD_BYTES, out->len - VLE_RECORD_BYTES);
    vle_put_block_head((uint8_t *)out->data, &h);
    VLP_TRY(write_bytes(w, out->data, out->len, err));
    v->count += v->n;
    v->n = v->flags = 0;
    vlp_buf_clear(&v->record_flags);
    vlp_buf_clear(&v->id_ends);
    vlp_buf_clear(&v->meta_ends);
    vlp_buf_clear(&v->ids);
    vlp_buf_clear(&v->metas);
    vlp_buf_clear(&v->vectors);
    return VLP_OK;
}

enum vlp_status vle_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                          struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    /* what earlier versions wrote can be deleted */
    if (!(r->flags & VLP_RECORD_DELETED)) VLP_TRY(strings_check(w, r, err));
    add_u32(&v->record_flags, r->flags);
    vlp_buf_add(&v->ids, r->id, r->id_len);
    vlp_buf_add_char(&v->ids, '\0');
    add_u32(&v->id_ends, (uint32_t)v->ids.len);
    if (r->meta) {
        vlp_buf_add(&v->metas, r->meta, r->meta_len);
        vlp_buf_add_char(&v->metas, '\0');
    }
    add_u32(&v->meta_ends, (uint32_t)v->metas.len);
    const size_t at = v->vectors.len;
    pad(&v->vectors, at + v->row);
    if (r->vector) row_from_f32(v->vectors.data + at, w->header.dtype, r->vector, w->header.dim);
    if (r->flags & VLP_RECORD_DELETED) v->flags |= VLE_BLOCK_DELETES;
    v->n++;
    const bool full = v->n == VLP_EMBEDDING_BLOCK || v->ids.len + v->metas.len >= FULL_TEXT ||
                      v->vectors.len >= FULL_VECTORS;
    return full ? vle_flush(w, err) : VLP_OK;
}

/* What was written reaches the disk, and its name where it was written as a whole. */
static enum vlp_status settle(struct vlp_embedding_writer *w, struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    const int          fd = v->fd > STDERR_FILENO ? v->fd : -1;
    if (!v->whole.file && v->regular && fdatasync(fd) != 0) {
        const int why = errno;
        /* what is not on the disk does not pass for complete */
        if (!w->partial) v->regular = ftruncate(fd, (off_t)(v->at - VLE_RECORD_BYTES)) == 0;
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", w->path, strerror(why));
    }
    v->fd = -1;
    if (v->whole.file) return vlp_output_commit(&v->whole, err);
    if (fd >= 0 && close(fd) != 0)
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", w->path, strerror(errno));
    if (v->made) vlp_sync_folder_of(v->made);
    return VLP_OK;
}

enum vlp_status vle_finish(struct vlp_embedding_writer *w, bool commit, struct vlp_error *err)
{
    struct vle_writer *v = w->state;
    enum vlp_status    s = VLP_OK;
    if (commit) {
        uint8_t end[VLE_RECORD_BYTES];
        s = vle_flush(w, err);
        vle_put_end(end, v->count);
        if (s == VLP_OK && !w->partial) s = write_bytes(w, end, sizeof end, err);
        if (s == VLP_OK) s = settle(w, err);
    }
    free_state(w);
    return s;
}
