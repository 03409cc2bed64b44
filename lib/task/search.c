/*
 * search.c -- exact top-k: rows go by in blocks, every query keeps its best.
 *
 * Few queries: threads scan contiguous parts of the block with the threshold in a register.
 * Many: tiles of a matrix product (search_tiles.c). Each thread has a shortlist per query; they are
 * merged when somebody asks. Order is total, so the answer does not depend on who saw what.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

/* From this many queries on the matrix product is faster than scanning row by row. */
enum { MANY_QUERIES = 6, SCAN_ROWS = 256, MIN_PART = 64, PARTS_A_THREAD = 4 };

struct vlp_search {
    struct vlp_compute compute, alone; /* with and without its pool */
    int                n, dim, k, threads;
    float              min_score;
    float             *queries, *norms;
    float             *again;      /* (n) cosine_limit; few queries */
    struct shortlist  *list;       /* (threads, n) */
    float             *thresholds; /* (threads, n): of many queries */
    int64_t           *odd;        /* (threads): rows whose score is not finite; few queries */
    struct tiles       tiles;
    struct shortlist   merged; /* vlp_search_hits's answer */
};

struct vlp_search *vlp_search_open(const struct vlp_compute *c, const float *queries, int n,
                                   int dim, int k, float min_score)
{
    struct vlp_search *s = vlp_calloc(1, sizeof *s);
    s->compute = s->alone = *c;
    s->alone.pool = NULL;
    s->n = n;
    s->dim = dim;
    s->k = k;
    s->min_score = min_score;
    s->threads = vlp_pool_threads(c->pool);
    const size_t lists = (size_t)s->threads * (size_t)n;
    s->list = vlp_calloc(lists + 1, sizeof *s->list);
    for (size_t i = 0; i < lists; i++) shortlist_init(&s->list[i], k, min_score);
    s->queries = vlp_malloc(((size_t)n * (size_t)dim + 1) * sizeof *s->queries);
    memcpy(s->queries, queries, (size_t)n * (size_t)dim * sizeof *queries);
    s->odd = vlp_calloc((size_t)s->threads, sizeof *s->odd);
    if (n < MANY_QUERIES) {
        s->again = vlp_malloc(((size_t)n + 1) * sizeof *s->again);
        for (int q = 0; q < n; q++)
            s->again[q] = cosine_limit(&s->alone, queries + (size_t)q * (size_t)dim, dim);
        return s;
    }

    s->norms = vlp_malloc((size_t)n * sizeof *s->norms);
    for (int q = 0; q < n; q++) {
        const float *x = queries + (size_t)q * (size_t)dim;
        s->norms[q] = length_bound(&s->alone, x, dim);
    }
    s->thresholds = vlp_malloc(lists * sizeof *s->thresholds);
    for (size_t i = 0; i < lists; i++) s->thresholds[i] = min_score;
    tiles_open(&s->tiles, c, s->queries, s->norms, n, dim);
    return s;
}

void vlp_search_close(struct vlp_search *s)
{
    if (!s) return;
    if (s->tiles.packed) tiles_close(&s->tiles);
    for (size_t i = 0; i < (size_t)s->threads * (size_t)s->n; i++) shortlist_free(&s->list[i]);
    shortlist_free(&s->merged);
    free(s->odd);
    free(s->list);
    free(s->queries);
    free(s->norms);
    free(s->again);
    free(s->thresholds);
    free(s);
}

bool search_keeps_all(const struct vlp_search *s)
{
    return s->k == 0;
}

size_t search_size(const struct vlp_search *s)
{
    size_t size = 0;
    for (int q = 0; q < s->n; q++) {
        size_t n = 0;
        for (int t = 0; t < s->threads; t++)
            n += (size_t)s->list[(size_t)t * (size_t)s->n + (size_t)q].n;
        size += n * sizeof(struct vlp_hit);
        if (s->k && n > (size_t)s->k) n = (size_t)s->k;
        size += n * sizeof(struct vlp_match);
    }
    return size;
}

void search_narrow(struct vlp_search *s, int n)
{
    struct vlp_search *few =
        vlp_search_open(&s->compute, s->queries, n, s->dim, s->k, s->min_score);
    for (int t = 0; t < s->threads; t++) {
        few->odd[t] = s->odd[t] + (s->tiles.odd ? s->tiles.odd[t] : 0);
        for (int q = 0; q < n; q++) {
            const size_t      to = (size_t)t * (size_t)n + (size_t)q;
            struct shortlist *from = &s->list[(size_t)t * (size_t)s->n + (size_t)q];
            few->list[to] = *from;
            *from = (struct shortlist){0};
            if (few->thresholds) few->thresholds[to] = shortlist_threshold(&few->list[to]);
        }
    }
    const struct vlp_search all = *s;
    *s = *few;
    *few = all;
    vlp_search_close(few);
}

void search_forget(struct vlp_search *s, int q)
{
    for (int t = 0; t < s->threads; t++)
        shortlist_free(&s->list[(size_t)t * (size_t)s->n + (size_t)q]);
}

struct scan {
    struct vlp_search     *s;
    const struct vlp_rows *rows;
    int                    parts;
};

/* Part `part` of the block against every query, into the shortlists of the worker. */
static void scan_part(void *ctx, int part, int worker)
{
    const struct scan     *a = ctx;
    struct vlp_search     *s = a->s;
    const struct vlp_rows *rows = a->rows;
    const int              begin = (int)((int64_t)rows->n * part / a->parts);
    const int              end = (int)((int64_t)rows->n * (part + 1) / a->parts);
    float                  score[SCAN_ROWS];
    for (int i0 = begin; i0 < end; i0 += SCAN_ROWS) {
        const int m = (int)vlp_min_i64(SCAN_ROWS, end - i0);
        for (int q = 0; q < s->n; q++) {
            struct shortlist *list = &s->list[(size_t)worker * (size_t)s->n + (size_t)q];
            score_rows(&s->alone, score, s->queries + (size_t)q * (size_t)s->dim, s->again[q], rows,
                       i0, m);
            for (int i = 0; q == 0 && i < m; i++) s->odd[worker] += !isfinite(score[i]);
            float threshold = shortlist_threshold(list);
            for (int i = 0; i < m; i++) {
                if (!(score[i] >= threshold)) continue;
                shortlist_offer(list, rows->first + i0 + i, score[i]);
                threshold = shortlist_threshold(list);
            }
        }
    }
}

static void keep_hit(void *ctx, int worker, int query, int64_t row, float score)
{
    struct vlp_search *s = ctx;
    const size_t       i = (size_t)worker * (size_t)s->n + (size_t)query;
    shortlist_offer(&s->list[i], row, score);
    s->thresholds[i] = shortlist_threshold(&s->list[i]);
}

void vlp_search_rows(struct vlp_search *s, const struct vlp_rows *rows)
{
    if (rows->n <= 0 || s->n <= 0) return;
    if (s->tiles.packed) {
        tiles_run(&s->tiles, rows, s->thresholds, (size_t)s->n, NULL, keep_hit, s);
        return;
    }
    struct scan a = {s, rows, 0};
    /* more parts than threads: one that is held up does not hold up all */
    a.parts =
        s->threads == 1 ? 1 : (int)vlp_min_i64(PARTS_A_THREAD * s->threads, rows->n / MIN_PART + 1);
    vlp_parallel(s->compute.pool, a.parts, scan_part, &a);
}

int64_t vlp_search_odd(const struct vlp_search *s)
{
    int64_t n = 0;
    for (int t = 0; t < s->threads; t++) n += s->odd[t] + (s->tiles.odd ? s->tiles.odd[t] : 0);
    return n;
}

int vlp_search_hits(struct vlp_search *s, int q, const struct vlp_hit **hits)
{
    shortlist_free(&s->merged);
    shortlist_init(&s->merged, s->k, s->min_score);
    for (int t = 0; t < s->threads; t++) {
        const struct shortlist *list = &s->list[(size_t)t * (size_t)s->n + (size_t)q];
        for (int i = 0; i < list->n; i++)
            shortlist_offer(&s->merged, list->hit[i].row, list->hit[i].score);
    }
    if (s->merged.n) qsort(s->merged.hit, (size_t)s->merged.n, sizeof *s->merged.hit, hit_order);
    *hits = s->merged.hit;
    return s->merged.n;
}

void vlp_search_recent(struct vlp_search *s, int64_t first, void (*visit)(void *ctx, int64_t row),
                       void *ctx)
{
    for (size_t l = 0; l < (size_t)s->threads * (size_t)s->n; l++) {
        struct shortlist *list = &s->list[l];
        for (int i = list->visited; i < list->n; i++)
            if (list->hit[i].row >= first) visit(ctx, list->hit[i].row);
        if (!s->k) list->visited = list->n;
    }
}
