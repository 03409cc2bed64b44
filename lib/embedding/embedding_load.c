/*
 * embedding_load.c -- all live records of an embedding file at once, in place where it is mapped.
 */
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

struct loading {
    struct vlp_embedding_set *s;
    int64_t                   cap;
    bool                      deletions;
};

static void reserve(struct loading *l, int64_t more)
{
    struct vlp_embedding_set *s = l->s;
    if (s->n + more <= l->cap) return;
    l->cap = vlp_max_i64(2 * l->cap, s->n + more);
    const size_t n = (size_t)l->cap;
    s->row = vlp_realloc(s->row, n * sizeof *s->row);
    s->ids = vlp_realloc(s->ids, n * sizeof *s->ids);
    s->id_lens = vlp_realloc(s->id_lens, n * sizeof *s->id_lens);
    s->flags = vlp_realloc(s->flags, n * sizeof *s->flags);
    s->metas = vlp_realloc(s->metas, n * sizeof *s->metas);
    s->meta_lens = vlp_realloc(s->meta_lens, n * sizeof *s->meta_lens);
}

/* The bytes themselves when the mapped file has them, else a copy (with a NUL after it). */
static const void *kept(struct vlp_embedding_set *s, const void *p, size_t len)
{
    const struct feed *f = &s->reader->feed;
    const uint8_t     *at = p;
    if (f->mapped && f->map.mapped && at >= f->map.data && at < f->map.data + f->map.size) return p;
    return vlp_arena_strndup(&s->mem, p, len);
}

static void take(struct loading *l, const struct vlp_embedding_block *b)
{
    struct vlp_embedding_set *s = l->s;
    reserve(l, b->n);
    const uint8_t     *raw = b->raw;
    const size_t       size = (size_t)b->n * b->row_size;
    const struct feed *f = &s->reader->feed;
    if (!(f->mapped && raw >= f->map.data && raw < f->map.data + f->map.size))
        raw = memcpy(vlp_arena_alloc(&s->mem, size), raw, size);
    for (int i = 0; i < b->n; i++) {
        const int64_t at = s->n++;
        s->row[at] = raw + (size_t)i * b->row_size;
        s->ids[at] = kept(s, b->ids[i], b->id_lens[i]);
        s->id_lens[at] = b->id_lens[i];
        s->flags[at] = b->flags[i];
        s->metas[at] = b->metas[i] ? kept(s, b->metas[i], b->meta_lens[i]) : NULL;
        s->meta_lens[at] = b->metas[i] ? b->meta_lens[i] : 0;
        if (b->flags[i] & VLP_RECORD_DELETED) l->deletions = true;
    }
}

/* From the end backwards: what a deletion met before names is dead. Only deletions enter the table.
 */
static void drop_deleted(struct vlp_embedding_set *s)
{
    struct vlp_strings gone = {0};
    bool              *dead = vlp_calloc((size_t)s->n, sizeof *dead);
    for (int64_t i = s->n - 1; i >= 0; i--) {
        const bool deletion = s->flags[i] & VLP_RECORD_DELETED;
        if (deletion) vlp_strings_add(&gone, NULL, s->ids[i], s->id_lens[i]);
        dead[i] = deletion || vlp_strings_find(&gone, s->ids[i], s->id_lens[i]) >= 0;
    }
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (dead[i]) continue;
        s->row[n] = s->row[i];
        s->ids[n] = s->ids[i];
        s->id_lens[n] = s->id_lens[i];
        s->flags[n] = s->flags[i];
        s->metas[n] = s->metas[i];
        s->meta_lens[n] = s->meta_lens[i];
        n++;
    }
    s->n = n;
    free(dead);
    vlp_strings_free(&gone);
}

enum vlp_status vlp_embedding_load(struct vlp_embedding_set *out, const char *path,
                                   const struct vlp_embedding_read_options *opt,
                                   struct vlp_error                        *err)
{
    struct vlp_embedding_set   s = {0};
    struct loading             l = {.s = &s};
    struct vlp_embedding_block b;
    VLP_TRY(vlp_embedding_open_with(&s.reader, path, opt, err));
    s.header = s.reader->header;
    json_incref(s.header.about);
    enum vlp_status status;
    while ((status = vlp_embedding_next(s.reader, &b, err)) == VLP_OK && b.n) take(&l, &b);
    s.torn = s.reader->torn;
    if (status != VLP_OK) {
        vlp_embedding_set_free(&s);
        return status;
    }
    if (l.deletions) drop_deleted(&s);
    *out = s;
    return VLP_OK;
}

void vlp_embedding_set_free(struct vlp_embedding_set *s)
{
    json_decref(s->header.about);
    vlp_embedding_close(s->reader);
    free(s->row);
    free(s->ids);
    free(s->id_lens);
    free(s->flags);
    free(s->metas);
    free(s->meta_lens);
    vlp_arena_free(&s->mem);
    *s = (struct vlp_embedding_set){0};
}

void vlp_embedding_set_f32(const struct vlp_embedding_set *s, int64_t i, float *out)
{
    const struct vlp_embedding_block b = {.raw = s->row[i]};
    vlp_embedding_row_f32(&s->header, &b, 0, out);
}
