/*
 * vectors_fvecs.c -- vectors as .fvecs: each an int32 count and that many f32; ids in PATH.ids.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "embedding_internal.h"

struct fvecs_reader {
    struct ids_file ids;
    float          *rows;
};

/* No magic number: the ending, or a first vector whose width repeats before the second. */
static bool fvecs_sniff(const uint8_t *p, size_t have, const char *path)
{
    if (have < 8) return false;
    const uint32_t dim = vlp_load_u32(p);
    if (dim < 1 || dim > VLP_EMBEDDING_MAX_DIM) return false;
    if (strcasecmp(vlp_path_ext(path), "fvecs") == 0) return true;
    const size_t row = 4 + 4 * (size_t)dim;
    return row + 4 <= have && vlp_load_u32(p + row) == dim;
}

static enum vlp_status fvecs_open(struct vlp_embedding_reader *r, struct vlp_error *err)
{
    const uint8_t *p;
    size_t         have;
    VLP_TRY(feed_see(&r->feed, 4, &p, &have, err));
    const uint32_t dim = have < 4 ? 0 : vlp_load_u32(p);
    if (dim < 1 || dim > VLP_EMBEDDING_MAX_DIM)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: the first vector has an impossible width",
                        r->feed.name);
    struct fvecs_reader *v = r->state = vlp_calloc(1, sizeof *v);
    r->bare = true;
    r->header.dim = (int)dim;
    r->header.dtype = VLP_F32;
    return ids_open(&v->ids, r->feed.is_file ? r->feed.name : NULL, err);
}

static enum vlp_status fvecs_next(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                                  struct vlp_error *err)
{
    struct fvecs_reader *v = r->state;
    const size_t         row = 4 * (size_t)r->header.dim, stored = row + 4;
    size_t               have;
    const uint8_t       *p;
    int                  n = 0;
    if (!v->rows) v->rows = plain_room(row);
    for (; n < plain_rows(row); n++) {
        VLP_TRY(feed_see(&r->feed, stored, &p, &have, err));
        if (have == 0) break;
        if (have < stored || vlp_load_u32(p) != (uint32_t)r->header.dim)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: the vector at offset %llu %s", r->feed.name,
                            (unsigned long long)r->feed.offset,
                            have < stored ? "is cut off" : "has another width than the first");
        memcpy((uint8_t *)v->rows + (size_t)n * row, p + 4, row);
        feed_step(&r->feed, stored);
    }
    if (n == 0) {
        r->ended = true;
        return ids_end(&v->ids, err);
    }
    VLP_TRY(ids_take(&v->ids, r, n, err));
    plain_block(r, b, n, v->rows, row);
    return VLP_OK;
}

static void fvecs_close(struct vlp_embedding_reader *r)
{
    struct fvecs_reader *v = r->state;
    if (!v) return;
    ids_close(&v->ids);
    free(v->rows);
    free(v);
}

struct fvecs_writer {
    struct vlp_output out;
    struct ids_output ids;
};

static enum vlp_status fvecs_create(struct vlp_embedding_writer              *w,
                                    const struct vlp_embedding_write_options *opt,
                                    struct vlp_error                         *err)
{
    struct fvecs_writer *v = vlp_calloc(1, sizeof *v);
    enum vlp_status      s = vlp_output_open(&v->out, w->standard ? "-" : w->path, opt->force, err);
    if (s == VLP_OK && (s = ids_create(&v->ids, &v->out, w, opt, err)) != VLP_OK)
        vlp_output_abort(&v->out);
    if (s != VLP_OK) free(v);
    w->state = v;
    return s;
}

static enum vlp_status fvecs_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                                   struct vlp_error *err)
{
    struct fvecs_writer *v = w->state;
    uint8_t              dim[4];
    VLP_TRY(plain_check(w, r, err));
    vlp_store_u32(dim, (uint32_t)w->header.dim);
    VLP_TRY(vlp_output_write(&v->out, dim, sizeof dim, err));
    VLP_TRY(vlp_output_write(&v->out, r->vector, 4 * (size_t)w->header.dim, err));
    return ids_write(&v->ids, r, err);
}

static enum vlp_status fvecs_finish(struct vlp_embedding_writer *w, bool commit,
                                    struct vlp_error *err)
{
    struct fvecs_writer  *v = w->state;
    const enum vlp_status s = commit ? ids_commit(&v->ids, &v->out, w, err) : VLP_OK;
    vlp_output_abort(&v->out);
    ids_abort(&v->ids);
    free(v);
    return s;
}

const struct format format_fvecs = {.name = "fvecs",
                                    .binary = true,
                                    .sniff = fvecs_sniff,
                                    .open = fvecs_open,
                                    .next = fvecs_next,
                                    .close = fvecs_close,
                                    .create = fvecs_create,
                                    .write = fvecs_write,
                                    .finish = fvecs_finish};
