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

/* Room for what scoring a block needs. */
struct room {
    float *scale, *unit;
    int    cap; /* of scale */
};

/* The rows of a block that take part, in runs, as the engine wants them; how many they are. */
static int64_t search_block(struct vlp_search *s, const struct vlp_index *ix,
                            const struct vlp_compute *c, const struct index_block *b,
                            const struct vlp_search_options *opt, struct room *room)
{
    const struct vlp_embedding_block *r = &b->records;
    struct vlp_rows                   rows = {r->raw, r->row_size, b->header->dtype, b->header->dim,
                                              r->n,   NULL,        b->first,         opt->metric == VLP_COSINE};
    if (opt->metric == VLP_COSINE && !b->header->normalized) {
        if (r->n > room->cap) {
            room->cap = r->n;
            room->scale = vlp_realloc(room->scale, (size_t)r->n * sizeof *room->scale);
        }
        vlp_rows_inverse_norm(c, &rows, room->scale);
        rows.scale = room->scale;
    }
    int64_t live = 0;
    for (int i = 0, end = 0; i < r->n; i = ++end) {
        while (end < r->n && takes_part(ix, b, end, opt->only)) end++;
        live += end - i;
        while (i < end) {
            struct vlp_rows run;
            i += rows_run(&run, &rows, i, end, room->unit);
            vlp_search_rows(s, &run);
        }
    }
    return live;
}

/* *n is how many queries there are, and fewer when there was no room for the hits of all. */
static enum vlp_status walk(struct vlp_search *s, struct keeper *keeper, struct vlp_index *ix,
                            const struct vlp_compute *c, const struct vlp_search_options *opt,
                            int *n, int64_t *live, struct vlp_error *err)
{
    struct room     room = {.unit = vlp_malloc((size_t)ix->header.dim * sizeof(float))};
    enum vlp_status status;
    index_rewind(ix);
    *live = 0;
    for (;;) {
        struct index_block b;
        status = index_next(ix, &b, err);
        if (status != VLP_OK || b.records.n == 0) break;
        index_note_deletions(ix, &b);
        *live += search_block(s, ix, c, &b, opt, &room);
        keeper_take(keeper, s, &b);
        while (opt->room && *n > 1 && search_size(s) > opt->room) search_narrow(s, *n /= 2);
        if (opt->stop && opt->stop(opt->ctx, b.first + b.records.n)) {
            status = vlp_fail(err, VLP_ERR_STOPPED, "the search was stopped");
            break;
        }
    }
    index_rewind(ix);
    free(room.scale);
    free(room.unit);
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
        keeper_give(keeper, &m);
        if (skip && m.id_len == opt->skip_lens[q] && memcmp(m.id, skip, m.id_len) == 0)
            skipped++;
        else
            out->match[q][kept++] = m;
    }
    out->count[q] = kept;
    search_forget(s, q);
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
        s = walk(search, keeper, ix, c, opt, &n, &out->n_live, err);
        const bool again = s == VLP_OK && index_learn_deletions(ix);
        if (s == VLP_OK && !again) {
            out->count = VLP_NEW_N(&out->mem, int, n ? n : 1);
            out->match = VLP_NEW_N(&out->mem, struct vlp_match *, n ? n : 1);
            out->n = n;
            out->n_odd = vlp_search_odd(search);
            out->keeper = keeper;
            *short_of = false;
            for (int q = 0; q < n; q++) {
                const int skipped = collect(out, q, search, keeper, opt);
                if (skipped && out->count[q] < opt->k && out->count[q] + skipped == k)
                    *short_of = true;
            }
        }
        if (s != VLP_OK || again) keeper_close(keeper);
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
        if (s == VLP_OK) n = m.n;
        vlp_matches_free(&m);
        if (s != VLP_OK) return s;
        k = k < INT32_MAX / 4 ? 4 * k : INT32_MAX;
    }
}

void vlp_matches_free(struct vlp_matches *m)
{
    keeper_close(m->keeper);
    vlp_arena_free(&m->mem);
    *m = (struct vlp_matches){0};
}
