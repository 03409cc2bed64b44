/*
 * search_all.c -- queries against a whole index: walk its blocks, search their live rows, keep the
 * names of hits.
 */
#include <stdlib.h>
#include <string.h>

#include "search_index_internal.h"

/* Is record i alive and, where only pictures or only texts are searched, one of them? */
static bool takes_part(const struct vlp_index *ix, const struct index_block *b, int i,
                       enum vlp_modality only)
{
    return vlp_record_is(only, b->header, b->records.flags[i]) && !index_is_dead(ix, b, i);
}

/* May rows be multiplied as stored? Where they are so short or long that the inverse of their
 * length or a sum of their products leaves f32, they are not: 0 stands for zeros and NaN. */
static bool is_ordinary(float scale)
{
    return scale == 0.0f || (scale > 0x1p-60f && scale < 0x1p60f);
}

/* The rows of a block that take part, in runs, as the engine wants them; how many they are. */
static int64_t search_block(struct vlp_search *s, const struct vlp_index *ix,
                            const struct vlp_compute *c, const struct index_block *b,
                            const struct vlp_search_options *opt, float **scale, int *scale_cap)
{
    const struct vlp_embedding_block *r = &b->records;
    struct vlp_rows                   rows = {r->raw, r->row_size, b->header->dtype, b->header->dim,
                                              r->n,   NULL,        b->first,         opt->metric == VLP_COSINE};
    if (opt->metric == VLP_COSINE && !b->header->normalized) {
        if (r->n > *scale_cap) {
            *scale_cap = r->n;
            *scale = vlp_realloc(*scale, (size_t)r->n * sizeof **scale);
        }
        vlp_rows_inverse_norm(c, &rows, *scale);
        rows.scale = *scale;
    }
    const struct vlp_rows whole = rows;
    float                *unit = NULL; /* an extraordinary row, a run of its own */
    int64_t               live = 0;
    for (int i = 0; i < r->n;) {
        if (!takes_part(ix, b, i, opt->only)) {
            i++;
            continue;
        }
        int        end = i + 1;
        const bool plain = !whole.scale || is_ordinary(whole.scale[i]);
        while (plain && end < r->n && takes_part(ix, b, end, opt->only) &&
               (!whole.scale || is_ordinary(whole.scale[end])))
            end++;
        rows = whole;
        rows.data = (const uint8_t *)whole.data + (size_t)i * r->row_size;
        rows.n = end - i;
        rows.scale = whole.scale ? whole.scale + i : NULL;
        rows.first = b->first + i;
        if (!plain) {
            if (!unit) unit = vlp_malloc((size_t)whole.dim * sizeof *unit);
            vlp_rows_f32(&whole, i, unit);
            vlp_unit_length(unit, whole.dim);
            rows.data = unit;
            rows.stride = (size_t)whole.dim * sizeof *unit;
            rows.dtype = VLP_F32;
            rows.scale = NULL;
        }
        vlp_search_rows(s, &rows);
        live += rows.n;
        i = end;
    }
    free(unit);
    return live;
}

static enum vlp_status walk(struct vlp_search *s, struct keeper *keeper, struct vlp_index *ix,
                            const struct vlp_compute *c, const struct vlp_search_options *opt,
                            int64_t *live, struct vlp_error *err)
{
    float          *scale = NULL;
    int             scale_cap = 0;
    enum vlp_status status;
    index_rewind(ix);
    *live = 0;
    for (;;) {
        struct index_block b;
        status = index_next(ix, &b, err);
        if (status != VLP_OK || b.records.n == 0) break;
        index_note_deletions(ix, &b);
        *live += search_block(s, ix, c, &b, opt, &scale, &scale_cap);
        keeper_take(keeper, s, &b);
        if (opt->stop && opt->stop(opt->ctx, b.first + b.records.n)) {
            status = vlp_fail(err, VLP_ERR_STOPPED, "the search was stopped");
            break;
        }
    }
    index_rewind(ix);
    free(scale);
    return status;
}

/* One query's hits as matches, without the id to skip. Returns how many were skipped. */
static int collect(struct vlp_matches *out, int q, struct vlp_search *s,
                   const struct keeper *keeper, const struct vlp_search_options *opt)
{
    const struct vlp_hit *hit;
    const int             n = vlp_search_hits(s, q, &hit);
    const char           *skip = opt->skip_ids ? opt->skip_ids[q] : NULL;
    int                   kept = 0, skipped = 0;
    out->match[q] = VLP_NEW_N(&out->mem, struct vlp_match, n ? n : 1);
    for (int i = 0; i < n && !(opt->k && kept == opt->k); i++) {
        struct vlp_match m = {.row = hit[i].row, .score = hit[i].score};
        keeper_give(keeper, &m, &out->mem);
        if (skip && m.id_len == opt->skip_lens[q] && memcmp(m.id, skip, m.id_len) == 0)
            skipped++;
        else
            out->match[q][kept++] = m;
    }
    out->count[q] = kept;
    return skipped;
}

/* One search for `k` hits; *short_of is set when skipping left fewer than wanted and there may be
 * more. */
static enum vlp_status attempt(struct vlp_matches *out, struct vlp_index *ix,
                               const struct vlp_compute *c, const float *queries, int n, int k,
                               const struct vlp_search_options *opt, bool *short_of,
                               struct vlp_error *err)
{
    enum vlp_status s;
    for (;;) {
        struct vlp_search *search =
            vlp_search_open(c, queries, n, ix->header.dim, k, opt->min_score);
        struct keeper *keeper = keeper_open();
        s = walk(search, keeper, ix, c, opt, &out->n_live, err);
        const bool again = s == VLP_OK && index_learn_deletions(ix);
        if (s == VLP_OK && !again) {
            out->count = VLP_NEW_N(&out->mem, int, n ? n : 1);
            out->match = VLP_NEW_N(&out->mem, struct vlp_match *, n ? n : 1);
            out->n = n;
            out->n_odd = vlp_search_odd(search);
            *short_of = false;
            for (int q = 0; q < n; q++) {
                const int skipped = collect(out, q, search, keeper, opt);
                if (skipped && out->count[q] < opt->k && out->count[q] + skipped == k)
                    *short_of = true;
            }
        }
        keeper_close(keeper);
        vlp_search_close(search);
        if (!again) return s;
    }
}

enum vlp_status vlp_search_index(struct vlp_matches *out, struct vlp_index *ix,
                                 const struct vlp_compute *c, const float *queries, int n,
                                 const struct vlp_search_options *opt, struct vlp_error *err)
{
    /* one more than wanted makes up for the skipped; many records of one id need more */
    int k = opt->k && opt->skip_ids && opt->k < INT32_MAX ? opt->k + 1 : opt->k;
    for (;;) {
        struct vlp_matches m = {0};
        vlp_arena_init(&m.mem);
        bool                  short_of = false;
        const enum vlp_status s = attempt(&m, ix, c, queries, n, k, opt, &short_of, err);
        if (s == VLP_OK && !short_of) {
            *out = m;
            return VLP_OK;
        }
        vlp_matches_free(&m);
        if (s != VLP_OK) return s;
        k = k < INT32_MAX / 4 ? 4 * k : INT32_MAX;
    }
}

void vlp_matches_free(struct vlp_matches *m)
{
    vlp_arena_free(&m->mem);
    *m = (struct vlp_matches){0};
}
