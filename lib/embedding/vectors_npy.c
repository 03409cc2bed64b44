/*
 * vectors_npy.c -- vectors as an .npy array (n, dim), their ids in PATH.ids.
 *
 * f32 and f16 are written as they are; bf16 and i8, which NumPy does not have, as f32. An
 * array of two dimensions of any type that npy.c knows is read; f16 stays f16, the rest becomes
 * f32.
 */
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

enum { NPY_RESERVED = 128 }; /* a header with any number of rows fits */

struct npy_reader {
    struct vlp_npy  npy;
    struct ids_file ids;
    int64_t         at;
    float          *wide; /* rows that need widening */
};

static bool npy_sniff(const uint8_t *p, size_t have, const char *path)
{
    (void)path;
    return have >= 6 && memcmp(p, "\x93NUMPY", 6) == 0;
}

static enum vlp_status npy_open(struct vlp_embedding_reader *r, struct vlp_error *err)
{
    const uint8_t     *p;
    size_t             have;
    struct npy_reader *v = r->state = vlp_calloc(1, sizeof *v);
    r->bare = true;
    VLP_TRY(feed_see(&r->feed, SIZE_MAX, &p, &have, err));
    VLP_TRY(npy_parse(&v->npy, p, have, r->feed.name, err));
    if (v->npy.ndim != 2)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: an array of %d dimensions is no list of vectors",
                        r->feed.name, v->npy.ndim);
    if (v->npy.dim[1] < 1 || v->npy.dim[1] > VLP_EMBEDDING_MAX_DIM)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: vectors of %lld values (1 to %d are possible)",
                        r->feed.name, (long long)v->npy.dim[1], VLP_EMBEDDING_MAX_DIM);
    r->header.dim = (int)v->npy.dim[1];
    r->header.dtype = v->npy.dtype == VLP_F16 ? VLP_F16 : VLP_F32;
    return ids_open(&v->ids, r->feed.is_file ? r->feed.name : NULL, err);
}

static enum vlp_status npy_next(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                                struct vlp_error *err)
{
    struct npy_reader *v = r->state;
    const int64_t      left = v->npy.dim[0] - v->at;
    const size_t       dim = (size_t)r->header.dim, row = row_size(r->header.dtype, r->header.dim);
    const int          n = (int)vlp_min_i64(left, plain_rows(row));
    const size_t       stored = vlp_dtype_size(v->npy.dtype, dim);
    const uint8_t     *from = (const uint8_t *)v->npy.data + (size_t)v->at * stored;
    if (n == 0) {
        r->ended = true;
        return ids_end(&v->ids, err);
    }
    VLP_TRY(ids_take(&v->ids, r, n, err));
    v->at += n;
    if (v->npy.dtype == r->header.dtype && (uintptr_t)from % VLE_ALIGN == 0) {
        plain_block(r, b, n, from, row);
        return VLP_OK;
    }
    if (!v->wide) v->wide = plain_room(row);
    if (v->npy.dtype == r->header.dtype)
        memcpy(v->wide, from, (size_t)n * row);
    else
        vlp_to_f32(v->wide, from, v->npy.dtype, (size_t)n * dim);
    plain_block(r, b, n, v->wide, row);
    return VLP_OK;
}

static void npy_close(struct vlp_embedding_reader *r)
{
    struct npy_reader *v = r->state;
    if (!v) return;
    ids_close(&v->ids);
    free(v->wide);
    free(v);
}

struct npy_writer {
    struct late_output out;
    struct ids_output  ids;
    enum vlp_dtype     dtype;
    int64_t            n;
    uint8_t           *row;
};

static enum vlp_status npy_create(struct vlp_embedding_writer              *w,
                                  const struct vlp_embedding_write_options *opt,
                                  struct vlp_error                         *err)
{
    struct npy_writer *v = vlp_calloc(1, sizeof *v);
    v->dtype = w->header.dtype == VLP_F16 ? VLP_F16 : VLP_F32;
    v->row = vlp_malloc(row_size(v->dtype, w->header.dim));
    w->state = v;
    enum vlp_status s = late_open(&v->out, w, opt, NPY_RESERVED, err);
    if (s == VLP_OK && (s = ids_create(&v->ids, &v->out.out, w, opt, err)) != VLP_OK)
        late_abort(&v->out);
    if (s == VLP_OK) return VLP_OK;
    free(v->row);
    free(v);
    return s;
}

static enum vlp_status npy_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                                 struct vlp_error *err)
{
    struct npy_writer *v = w->state;
    VLP_TRY(plain_check(w, r, err));
    row_from_f32(v->row, v->dtype, r->vector, w->header.dim);
    VLP_TRY(late_write(&v->out, v->row, row_size(v->dtype, w->header.dim), err));
    v->n++;
    return ids_write(&v->ids, r, err);
}

static enum vlp_status npy_finish(struct vlp_embedding_writer *w, bool commit,
                                  struct vlp_error *err)
{
    struct npy_writer *v = w->state;
    struct vlp_buf     head = {0};
    enum vlp_status    s = VLP_OK;
    const int64_t      dim[] = {v->n, w->header.dim};
    if (commit) {
        npy_put_header(&head, v->dtype, 2, dim, NPY_RESERVED);
        s = late_complete(&v->out, head.data, head.len, err);
        if (s == VLP_OK) s = ids_commit(&v->ids, &v->out.out, w, err);
    }
    late_abort(&v->out);
    ids_abort(&v->ids);
    vlp_buf_free(&head);
    free(v->row);
    free(v);
    return s;
}

const struct format format_npy = {.name = "npy",
                                  .binary = true,
                                  .sniff = npy_sniff,
                                  .open = npy_open,
                                  .next = npy_next,
                                  .close = npy_close,
                                  .create = npy_create,
                                  .write = npy_write,
                                  .finish = npy_finish};
