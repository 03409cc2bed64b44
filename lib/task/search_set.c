/*
 * search_set.c -- one embedding file in memory, without the records that it deletes later on.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

/* Growing arrays of a set that is being read. */
struct growing {
    struct vlp_set *s;
    int             cap;
    size_t          raw_cap;
    bool            deletions;
};

static void grow(struct growing *g, int more)
{
    struct vlp_set *s = g->s;
    if (s->n + more > g->cap) {
        g->cap = (int)vlp_max_i64(2 * (int64_t)g->cap, s->n + more);
        s->ids = vlp_realloc(s->ids, (size_t)g->cap * sizeof *s->ids);
        s->id_lens = vlp_realloc(s->id_lens, (size_t)g->cap * sizeof *s->id_lens);
        s->flags = vlp_realloc(s->flags, (size_t)g->cap * sizeof *s->flags);
        s->metas = vlp_realloc(s->metas, (size_t)g->cap * sizeof *s->metas);
        s->meta_lens = vlp_realloc(s->meta_lens, (size_t)g->cap * sizeof *s->meta_lens);
    }
    const size_t want = (size_t)(s->n + more) * s->row_size;
    if (want > g->raw_cap) {
        g->raw_cap = want > 2 * g->raw_cap ? want : 2 * g->raw_cap;
        s->raw = vlp_realloc(s->raw, g->raw_cap + 1);
    }
}

static void append(struct growing *g, const struct vlp_embedding_block *b)
{
    struct vlp_set *s = g->s;
    if (!s->row_size) s->row_size = b->row_size;
    grow(g, b->n);
    for (int i = 0; i < b->n; i++) {
        const int at = s->n + i;
        s->ids[at] = vlp_arena_strndup(&s->mem, b->ids[i], b->id_lens[i]);
        s->id_lens[at] = b->id_lens[i];
        s->flags[at] = b->flags[i];
        s->metas[at] =
            b->metas[i] ? vlp_arena_strndup(&s->mem, b->metas[i], b->meta_lens[i]) : NULL;
        s->meta_lens[at] = b->metas[i] ? b->meta_lens[i] : 0;
        if (b->flags[i] & VLP_RECORD_DELETED) g->deletions = true;
        memcpy(s->raw + (size_t)at * s->row_size, (const uint8_t *)b->raw + (size_t)i * b->row_size,
               s->row_size);
    }
    s->n += b->n;
}

static int id_order(const void *x, const void *y, void *ctx)
{
    const struct vlp_set *s = ctx;
    const int             a = *(const int *)x, b = *(const int *)y;
    const size_t          la = s->id_lens[a], lb = s->id_lens[b];
    const int             c = memcmp(s->ids[a], s->ids[b], la < lb ? la : lb);
    if (c) return c;
    if (la != lb) return la < lb ? -1 : 1;
    return (a > b) - (a < b);
}

/* Drop deletions and every record of their ids that stands before them. */
static void drop_deleted(struct vlp_set *s)
{
    int  *order = vlp_malloc((size_t)s->n * sizeof *order);
    bool *dead = vlp_calloc((size_t)s->n, sizeof *dead);
    for (int i = 0; i < s->n; i++) order[i] = i;
    qsort_r(order, (size_t)s->n, sizeof *order, id_order, s);
    bool gone = false;
    for (int i = s->n - 1; i >= 0; i--) {
        const int a = order[i];
        if (i + 1 < s->n) {
            const int b = order[i + 1];
            if (s->id_lens[a] != s->id_lens[b] || memcmp(s->ids[a], s->ids[b], s->id_lens[a]) != 0)
                gone = false;
        }
        if (s->flags[a] & VLP_RECORD_DELETED) gone = true;
        dead[a] = gone;
    }
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        if (dead[i]) continue;
        s->ids[n] = s->ids[i];
        s->id_lens[n] = s->id_lens[i];
        s->flags[n] = s->flags[i];
        s->metas[n] = s->metas[i];
        s->meta_lens[n] = s->meta_lens[i];
        if (n != i)
            memcpy(s->raw + (size_t)n * s->row_size, s->raw + (size_t)i * s->row_size, s->row_size);
        n++;
    }
    s->n = n;
    free(order);
    free(dead);
}

enum vlp_status vlp_set_read(struct vlp_set *out, const char *path, struct vlp_error *err)
{
    struct vlp_embedding_reader *r;
    VLP_TRY(vlp_embedding_open(&r, path, err));
    struct vlp_set s = {.header = *vlp_embedding_header(r)};
    s.header.about = s.header.about ? json_incref(s.header.about) : NULL;
    vlp_arena_init(&s.mem);
    struct growing  g = {.s = &s};
    enum vlp_status status;
    for (;;) {
        struct vlp_embedding_block b;
        status = vlp_embedding_next(r, &b, err);
        if (status != VLP_OK || b.n == 0) break;
        if (b.n > INT32_MAX / 2 - s.n) {
            status =
                vlp_fail(err, VLP_ERR_LIMIT, "%s: more than %d records cannot be held in memory",
                         path, INT32_MAX / 2);
            break;
        }
        append(&g, &b);
    }
    s.torn = vlp_embedding_torn(r);
    vlp_embedding_close(r);
    if (status != VLP_OK) {
        vlp_set_free(&s);
        return status;
    }
    if (g.deletions) drop_deleted(&s);
    *out = s;
    return VLP_OK;
}

void vlp_set_free(struct vlp_set *s)
{
    if (s->header.about) json_decref(s->header.about);
    free(s->ids);
    free(s->id_lens);
    free(s->flags);
    free(s->metas);
    free(s->meta_lens);
    free(s->raw);
    free(s->f32);
    vlp_arena_free(&s->mem);
    *s = (struct vlp_set){0};
}

const float *vlp_set_vectors(struct vlp_set *s, enum vlp_metric metric)
{
    if (s->f32) return s->f32;
    const int             dim = s->header.dim;
    const struct vlp_rows rows = {s->raw, s->row_size, s->header.dtype, dim, s->n, NULL, 0};
    s->f32 = vlp_malloc(((size_t)s->n * (size_t)dim + 1) * sizeof *s->f32);
    for (int i = 0; i < s->n; i++) {
        float *x = s->f32 + (size_t)i * (size_t)dim;
        vlp_rows_f32(&rows, i, x);
        if (metric == VLP_COSINE && !s->header.normalized) vlp_unit_length(x, dim);
    }
    return s->f32;
}
