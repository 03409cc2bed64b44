/*
 * plain.c -- what the formats of bare vectors have in common.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

enum vlp_status plain_check(const struct vlp_embedding_writer *w, const struct vlp_record *r,
                            struct vlp_error *err)
{
    if (r->flags & VLP_RECORD_DELETED)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: a file of format %s cannot hold deletions",
                        w->path, w->format->name);
    return VLP_OK;
}

int plain_rows(size_t row)
{
    enum { ROOM = 32 << 20 };
    const int64_t n = ROOM / (int64_t)row;
    return (int)vlp_max_i64(1, vlp_min_i64(n, VLP_EMBEDDING_BLOCK));
}

void *plain_room(size_t row)
{
    return vlp_malloc_aligned(VLE_ALIGN, (size_t)vle_padded((uint64_t)plain_rows(row) * row));
}

void plain_block(struct vlp_embedding_reader *r, struct vlp_embedding_block *b, int n,
                 const void *raw, size_t row)
{
    memset(r->flags, 0, (size_t)n * sizeof *r->flags);
    memset(r->metas, 0, (size_t)n * sizeof *r->metas);
    memset(r->meta_lens, 0, (size_t)n * sizeof *r->meta_lens);
    reader_block(r, b, n, raw, row);
}

static enum vlp_status late_failed(const struct late_output *o, struct vlp_error *err)
{
    return vlp_fail(err, VLP_ERR_IO, "%s: %s", o->out.path, strerror(errno));
}

enum vlp_status late_open(struct late_output *o, const struct vlp_embedding_writer *w,
                          const struct vlp_embedding_write_options *opt, size_t reserved,
                          struct vlp_error *err)
{
    *o = (struct late_output){0};
    VLP_TRY(vlp_output_open(&o->out, w->standard ? "-" : w->path, opt->force, err));
    o->copied = o->out.temp == NULL;
    o->file = o->copied ? tmpfile() : o->out.file;
    if (o->file && fseeko(o->file, (off_t)reserved, SEEK_SET) == 0) return VLP_OK;
    late_failed(o, err);
    late_abort(o);
    return VLP_ERR_IO;
}

enum vlp_status late_write(struct late_output *o, const void *data, size_t len,
                           struct vlp_error *err)
{
    if (len && fwrite(data, 1, len, o->file) != len) return late_failed(o, err);
    return VLP_OK;
}

static enum vlp_status copy_out(struct late_output *o, struct vlp_error *err)
{
    char   piece[16384];
    size_t got;
    rewind(o->file);
    while ((got = fread(piece, 1, sizeof piece, o->file)) > 0)
        VLP_TRY(vlp_output_write(&o->out, piece, got, err));
    return ferror(o->file) ? late_failed(o, err) : VLP_OK;
}

enum vlp_status late_complete(struct late_output *o, const void *head, size_t len,
                              struct vlp_error *err)
{
    enum vlp_status s = VLP_OK;
    if (fseeko(o->file, 0, SEEK_SET) != 0 || fwrite(head, 1, len, o->file) != len ||
        fflush(o->file) != 0)
        s = late_failed(o, err);
    if (s == VLP_OK && o->copied) s = copy_out(o, err);
    if (s == VLP_OK) {
        if (o->copied) fclose(o->file);
        o->file = NULL;
        return VLP_OK;
    }
    late_abort(o);
    return s;
}

enum vlp_status late_commit(struct late_output *o, const void *head, size_t len,
                            struct vlp_error *err)
{
    VLP_TRY(late_complete(o, head, len, err));
    return vlp_output_commit(&o->out, err);
}

void late_abort(struct late_output *o)
{
    if (o->copied && o->file) fclose(o->file);
    o->file = NULL;
    vlp_output_abort(&o->out);
}
