/*
 * tar_reader.c -- members of a tar shard, plain or compressed, from a file or from stdin.
 *
 * libarchive unpacks (but for gzip, whose sums it does not compare); nothing is ever written, so
 * names are only names. Only the tar format and filters that run in this process are switched on.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tar_internal.h"

enum { BLOCK = 512 }; /* bytes, of tar */

/* What libarchive met behind the mark for the end it takes for the end as well, or for damage of
 * all: so the block where a header is due is looked at as it goes by. */
static void look_at_header(struct tar_reader *t)
{
    const int64_t begin = t->fed_end - t->fed_len;
    const int64_t end = vlp_min_i64(t->fed_end, t->due + BLOCK);
    for (int64_t i = vlp_max_i64(begin, t->due); i < end; i++) {
        t->due_zeros += t->fed[i - begin] == 0;
        t->due_used |= t->fed[i - begin] != 0;
    }
}

static void expect_header(struct tar_reader *t, int64_t at)
{
    if (at == t->due) return;
    t->due = at;
    t->due_zeros = 0;
    t->due_used = false;
    look_at_header(t);
}

static la_ssize_t feed(struct tar_reader *t, const uint8_t *bytes, size_t len)
{
    t->fed = bytes;
    t->fed_len = (int64_t)len;
    t->fed_end += t->fed_len;
    look_at_header(t);
    return (la_ssize_t)len;
}

static la_ssize_t feed_unpacked(struct archive *a, struct tar_reader *t, const void **out)
{
    size_t len;
    t->feed_status = gunzip_next(t->gunzip, &t->stream, out, &len, &t->fault, &t->feed_error);
    if (t->feed_status != VLP_OK || t->fault) {
        archive_set_error(a, EIO, "reading failed");
        return -1;
    }
    return feed(t, *out, len);
}

static la_ssize_t feed_archive(struct archive *a, void *ctx, const void **out)
{
    struct tar_reader *t = ctx;
    struct stream     *s = &t->stream;
    if (t->gunzip) return feed_unpacked(a, t, out);
    /* What was read to see what it is comes first. */
    if (!t->first) s->begin = s->end;
    t->first = false;
    t->feed_status = stream_fill(s, 1, &t->feed_error);
    if (t->feed_status != VLP_OK) {
        archive_set_error(a, EIO, "reading failed");
        return -1;
    }
    *out = s->buf + s->begin;
    s->offset += s->end - s->begin;
    return feed(t, *out, s->end - s->begin);
}

/* Bytes that nobody wants are stepped over; past the end of the file nothing is skipped, so that a
 * shard that is cut off is still seen. */
static la_int64_t skip_in_file(struct archive *a, void *ctx, la_int64_t wanted)
{
    struct tar_reader *t = ctx;
    struct stream     *s = &t->stream;
    (void)a;
    const off_t   at = t->file_size < 0 || t->gunzip ? -1 : lseek(s->fd, 0, SEEK_CUR);
    const int64_t step = at < 0 ? 0 : vlp_min_i64(wanted, t->file_size - at);
    if (step <= 0 || lseek(s->fd, step, SEEK_CUR) < 0) return 0;
    s->begin = s->end;
    s->offset += (uint64_t)step;
    t->fed_len = 0;
    t->fed_end += step;
    return step;
}

/* How many bytes of the file were looked at; a filter that failed no longer tells. */
static uint64_t place(const struct tar_reader *t)
{
    const int64_t at = t->gunzip ? -1 : archive_filter_bytes(t->archive, -1);
    return at < 0 ? t->stream.offset : (uint64_t)(t->base + at);
}

bool tar_is_packed(const struct tar_reader *t)
{
    return t->gunzip || archive_filter_code(t->archive, 0) != ARCHIVE_FILTER_NONE;
}

/* What libarchive says, with the place. */
static enum vlp_status archive_failed(struct tar_reader *t, struct vlp_error *err)
{
    if (t->feed_status != VLP_OK) {
        if (err) *err = t->feed_error;
        return t->feed_status;
    }
    if (!t->fault && archive_errno(t->archive) == ENOMEM)
        return vlp_fail(err, VLP_ERR_SHORTAGE, "%s: %s", t->stream.name, strerror(ENOMEM));
    const bool no_format = archive_format(t->archive) == 0;
    if (!t->fault && no_format &&
        archive_errno(t->archive) == EILSEQ) /* not a filter's complaint */
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: %sno tar file, or one whose first header is damaged", t->stream.name,
                        tar_is_packed(t) ? "compressed, but " : "");
    const char *why = t->fault ? t->fault : archive_error_string(t->archive);
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged %s%s%s at offset %llu: %s", t->stream.name,
                    t->n ? "after member '" : "at its beginning", t->n ? t->name.data : "",
                    t->n ? "'" : "", (unsigned long long)place(t), why ? why : "unknown fault");
}

static void open_archive(struct tar_reader *t)
{
    t->archive = archive_read_new();
    if (!t->archive) {
        vlp_no_memory(0);
        abort();
    }
    archive_read_support_format_tar(t->archive);
    archive_read_support_filter_zstd(t->archive);
    archive_read_support_filter_bzip2(t->archive);
    archive_read_support_filter_xz(t->archive);
    archive_read_support_filter_lz4(t->archive);
    archive_read_set_options(t->archive, "read_concatenated_archives");
}

enum vlp_status tar_open(struct tar_reader *t, struct input *in, struct vlp_error *err)
{
    enum { HEADERS_ONLY = 16 * 1024 }; /* a read, where the pictures between them are passed over */
    struct stat st;
    VLP_TRY(input_stream(in, &t->stream, err));
    t->file_size = -1;
    if (t->stream.fd != STDIN_FILENO && fstat(t->stream.fd, &st) == 0 && S_ISREG(st.st_mode))
        t->file_size = st.st_size;
    if (in->opt->locate || in->member) t->stream.step = HEADERS_ONLY;
    open_archive(t);
    return VLP_OK;
}

enum vlp_status tar_restart(struct tar_reader *t, int64_t header, struct vlp_error *err)
{
    struct stream *s = &t->stream;
    if (lseek(s->fd, header, SEEK_SET) < 0)
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", s->name, strerror(errno));
    archive_read_free(t->archive);
    gunzip_close(t->gunzip);
    open_archive(t);
    t->gunzip = NULL;
    t->fault = NULL;
    t->feed_status = VLP_OK;
    t->fed_len = t->fed_end = t->due = 0;
    t->due_zeros = 0;
    t->due_used = false;
    t->begun = t->first = t->in_member = t->end_mark = false;
    t->base = header;
    s->offset = (uint64_t)header;
    s->begin = s->end = 0;
    s->eof = false;
    return VLP_OK;
}

void tar_close(struct tar_reader *t)
{
    if (t->archive) archive_read_free(t->archive);
    gunzip_close(t->gunzip);
    vlp_buf_free(&t->name);
    stream_close(&t->stream);
    *t = (struct tar_reader){0};
}

static enum vlp_status begin(struct tar_reader *t, bool *empty, struct vlp_error *err)
{
    VLP_TRY(stream_fill(&t->stream, 2, err));
    *empty = t->stream.begin == t->stream.end;
    t->begun = true;
    if (*empty) return VLP_OK;
    t->first = true;
    if (gunzip_fits(&t->stream)) t->gunzip = gunzip_open();
    if (archive_read_open2(t->archive, t, NULL, feed_archive, skip_in_file, NULL) != ARCHIVE_OK)
        return archive_failed(t, err);
    return VLP_OK;
}

/* Where the data of the member whose header was read last begins, if it lies there in one piece. */
static int64_t data_offset(const struct tar_reader *t, struct archive_entry *e)
{
    if (t->file_size < 0 || tar_is_packed(t) || archive_entry_sparse_count(e) > 0) return -1;
    const int64_t at = t->base + archive_filter_bytes(t->archive, 0);
    const int64_t size = archive_entry_size(e), left = t->file_size - at;
    if (size < 0 || size > left) return -1; /* a size that lies is seen when it is read */
    return (size + BLOCK - 1) / BLOCK <= left / BLOCK ? at : -1;
}

/* Is tar's mark for the end where the next header was due? What libarchive unpacks is not seen:
 * there it is known at a good end only. */
static bool is_mark(const struct tar_reader *t, bool good)
{
    if (!t->gunzip && tar_is_packed(t))
        return good && archive_filter_bytes(t->archive, 0) != t->due;
    return t->due_zeros == BLOCK && !t->due_used;
}

enum vlp_status tar_next(struct tar_reader *t, struct tar_member *m, bool *more,
                         struct vlp_error *err)
{
    struct archive_entry *e;
    bool                  empty = false;
    *more = false;
    *m = (struct tar_member){0};
    if (!t->begun) VLP_TRY(begin(t, &empty, err));
    if (empty) return vlp_fail(err, VLP_ERR_FORMAT, "%s: is empty, not a tar file", t->stream.name);
    if (t->in_member && archive_read_data_skip(t->archive) < ARCHIVE_WARN)
        return archive_failed(t, err);
    expect_header(t, archive_filter_bytes(t->archive, 0));
    const int r = archive_read_next_header(t->archive, &e);
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN) t->end_mark = is_mark(t, r == ARCHIVE_EOF);
    if (r == ARCHIVE_EOF && !t->fault && t->feed_status == VLP_OK) return VLP_OK;
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN) return archive_failed(t, err);
    t->in_member = true;
    const char *name = archive_entry_pathname(e);
    if (!name) name = archive_entry_pathname_utf8(e);
    t->n++;
    vlp_buf_clear(&t->name);
    if (name)
        vlp_buf_add_str(&t->name, name);
    else
        vlp_buf_printf(&t->name, "member-%lld", (long long)t->n);
    m->name = t->name.data;
    m->regular = archive_entry_filetype(e) == AE_IFREG && !archive_entry_hardlink(e);
    m->folder = archive_entry_filetype(e) == AE_IFDIR;
    m->mtime = archive_entry_mtime_is_set(e)
                   ? vlp_nanoseconds(archive_entry_mtime(e), archive_entry_mtime_nsec(e))
                   : -1;
    m->size = archive_entry_size(e);
    m->header = t->base + archive_read_header_position(t->archive);
    m->offset = data_offset(t, e);
    *more = true;
    return VLP_OK;
}

enum vlp_status tar_read(struct tar_reader *t, struct vlp_buf *out, size_t limit, bool *too_long,
                         struct vlp_error *err)
{
    enum { STEP = 256 * 1024 };
    vlp_buf_clear(out);
    vlp_buf_add(out, "", 0);
    *too_long = false;
    for (;;) {
        vlp_buf_reserve(out, STEP);
        const la_ssize_t got = archive_read_data(t->archive, out->data + out->len, STEP);
        if (got == ARCHIVE_WARN) continue;
        if (got < 0) return archive_failed(t, err); /* ARCHIVE_RETRY comes again for ever */
        out->len += (size_t)got;
        out->data[out->len] = '\0';
        if (got == 0) return VLP_OK;
        if (out->len > limit) {
            *too_long = true;
            return VLP_OK;
        }
    }
}
