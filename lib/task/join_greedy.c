/*
 * join_greedy.c -- one-to-one: the best pair of all is taken and its rows leave, again and again.
 *
 * Each a keeps a list of its best b; a heap holds, for every a, the best that is still free. An a
 * whose list is used up is dry: it stands in the heap with the score of its last entry, which its
 * next one cannot exceed. When it comes to the root, all that are dry by then are searched anew
 * together, among the rows that are still free. Lists grow while there is room for them in all, so
 * that sets in which everybody wants the same rows take more searches, not more memory than the
 * sets themselves. Equal rows of A share one list, the lowest asking first: of copies there can be
 * very many.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

enum {
    QUERIES_AT_ONCE = 4096,
    ROWS_AT_ONCE = 4096,
    FIRST_LIST = 16,
    HITS_OF_EACH = 32,    /* entries of lists that there is room for: so many for every a, */
    HITS_OF_ALL = 1 << 22 /* and these */
};

/* The best b of one a that were free when it was searched, best first. */
struct list {
    struct vlp_hit *hit;
    int             n, at, k; /* k: as many were asked for; fewer than that means no more exist */
};

struct greedy {
    const struct vlp_compute *c;
    enum vlp_metric           metric;
    const float              *A, *B;
    int                       na, nb, dim;
    float                     min_score;
    int                      *next;  /* of a: the next row equal to it, or -1 */
    int                      *asks;  /* of the first of equal rows: which of them is next */
    struct list              *list;  /* of the first of equal rows */
    int64_t                   hits;  /* of all lists */
    bool                     *taken; /* of b */
    int                      *heap;  /* first rows, best pair at the root */
    int                       n_heap;
    int                      *dry, n_dry; /* first rows to be searched */
    int                      *free_row;   /* b that are not taken, rising, while a search runs */
    float                    *queries, *rows; /* copied together for a search */
};

static bool is_dry(const struct list *l)
{
    return l->at == l->n;
}

static void drop(struct greedy *g, struct list *l)
{
    g->hits -= l->n;
    free(l->hit);
    l->hit = NULL;
    l->n = l->at = 0;
}

/* Past what others have taken. False when a has no b left. A dry list keeps its last entry. */
static bool settle(struct greedy *g, int a)
{
    struct list *l = &g->list[a];
    while (l->at < l->n && g->taken[l->hit[l->at].row]) l->at++;
    return !is_dry(l) || l->n == l->k;
}

static float best_score(const struct list *l)
{
    return l->hit[is_dry(l) ? l->n - 1 : l->at].score;
}

static bool pair_before(const struct greedy *g, int a, int b)
{
    const float x = best_score(&g->list[a]), y = best_score(&g->list[b]);
    return x > y || (x == y && g->asks[a] < g->asks[b]);
}

static void sift(struct greedy *g, int i)
{
    const int x = g->heap[i];
    for (;;) {
        int child = 2 * i + 1;
        if (child >= g->n_heap) break;
        if (child + 1 < g->n_heap && pair_before(g, g->heap[child + 1], g->heap[child])) child++;
        if (!pair_before(g, g->heap[child], x)) break;
        g->heap[i] = g->heap[child];
        i = child;
    }
    g->heap[i] = x;
}

/* The free rows of B against the queries of s, a piece at a time; hits count in free_row. */
static void search_free(struct greedy *g, struct vlp_search *s, int n_free)
{
    for (int i0 = 0; i0 < n_free; i0 += ROWS_AT_ONCE) {
        const int       n = (int)vlp_min_i64(ROWS_AT_ONCE, n_free - i0);
        const float    *x = gather_rows(g->rows, g->B, g->free_row + i0, n, g->dim);
        struct vlp_rows rows = vlp_rows_of(g->metric, x, n, g->dim);
        rows.first = i0;
        vlp_search_rows(s, &rows);
    }
}

/* New lists of k entries for the dry a's. */
static void search_dry(struct greedy *g, int k)
{
    int n_free = 0;
    for (int b = 0; b < g->nb; b++)
        if (!g->taken[b]) g->free_row[n_free++] = b;
    for (int d0 = 0; d0 < g->n_dry; d0 += QUERIES_AT_ONCE) {
        const int    n = (int)vlp_min_i64(QUERIES_AT_ONCE, g->n_dry - d0);
        const size_t dim = (size_t)g->dim;
        for (int i = 0; i < n; i++)
            memcpy(g->queries + (size_t)i * dim, g->A + (size_t)g->dry[d0 + i] * dim,
                   dim * sizeof *g->queries);
        struct vlp_search *s = vlp_search_open(g->c, g->queries, n, g->dim, k, g->min_score);
        search_free(g, s, n_free);
        for (int i = 0; i < n; i++) {
            struct list          *l = &g->list[g->dry[d0 + i]];
            const struct vlp_hit *hit;
            l->k = k;
            l->n = vlp_search_hits(s, i, &hit);
            l->hit = vlp_malloc(((size_t)l->n + 1) * sizeof *hit);
            for (int h = 0; h < l->n; h++)
                l->hit[h] = (struct vlp_hit){g->free_row[hit[h].row], hit[h].score};
            g->hits += l->n;
        }
        vlp_search_close(s);
    }
}

/* Every a of the heap is settled, the dry ones are searched, and who has nothing left goes. */
static void refill(struct greedy *g)
{
    int n = 0, longest = FIRST_LIST / 4;
    g->n_dry = 0;
    for (int i = 0; i < g->n_heap; i++) {
        const int    a = g->heap[i];
        struct list *l = &g->list[a];
        if (l->hit && !settle(g, a)) {
            drop(g, l);
            continue;
        }
        g->heap[n++] = a;
        if (!is_dry(l)) continue;
        g->dry[g->n_dry++] = a;
        if (l->k > longest) longest = l->k;
        drop(g, l);
    }
    g->n_heap = n;
    const int64_t room = (int64_t)HITS_OF_EACH * g->na + HITS_OF_ALL - g->hits;
    const int64_t k = vlp_min_i64(vlp_min_i64(4 * (int64_t)longest, g->nb), room / g->n_dry);
    search_dry(g, (int)vlp_max_i64(FIRST_LIST, k));
    n = 0;
    for (int i = 0; i < g->n_heap; i++) {
        const int a = g->heap[i];
        if (g->list[a].n)
            g->heap[n++] = a;
        else
            drop(g, &g->list[a]);
    }
    g->n_heap = n;
    for (int i = n / 2 - 1; i >= 0; i--) sift(g, i);
}

/* The root's pair, or false after a list was filled instead. */
static bool take_best(struct greedy *g, struct vlp_pair *out)
{
    const int    a = g->heap[0];
    struct list *l = &g->list[a];
    if (is_dry(l)) {
        refill(g);
        return false;
    }
    const struct vlp_hit best = l->hit[l->at];
    const bool           found = !g->taken[best.row];
    if (found) {
        g->taken[best.row] = true;
        *out = (struct vlp_pair){g->asks[a], (int)best.row, best.score};
        g->asks[a] = g->next[g->asks[a]];
    }
    if (g->asks[a] < 0 || !settle(g, a)) {
        drop(g, l);
        g->heap[0] = g->heap[--g->n_heap];
    }
    if (g->n_heap) sift(g, 0);
    return found;
}

int vlp_join_one_to_one(const struct vlp_compute *c, enum vlp_metric metric, struct vlp_pair *out,
                        const float *A, int na, const float *B, int nb, int dim, float min_score)
{
    struct greedy g = {.c = c,
                       .metric = metric,
                       .A = A,
                       .B = B,
                       .na = na,
                       .nb = nb,
                       .dim = dim,
                       .min_score = min_score};
    const size_t  size = (size_t)dim * sizeof(float);
    int           n = 0;
    g.next = vlp_malloc(((size_t)na + 1) * sizeof *g.next);
    g.asks = vlp_malloc(((size_t)na + 1) * sizeof *g.asks);
    g.list = vlp_calloc((size_t)na + 1, sizeof *g.list);
    g.taken = vlp_calloc((size_t)nb + 1, sizeof *g.taken);
    g.heap = vlp_malloc(((size_t)na + 1) * sizeof *g.heap);
    g.dry = vlp_malloc(((size_t)na + 1) * sizeof *g.dry);
    g.free_row = vlp_malloc(((size_t)nb + 1) * sizeof *g.free_row);
    g.queries = vlp_malloc((size_t)vlp_min_i64(na, QUERIES_AT_ONCE) * size + 1);
    g.rows = vlp_malloc((size_t)vlp_min_i64(nb, ROWS_AT_ONCE) * size + 1);
    find_equal_rows(g.asks, g.next, A, na, dim);
    for (int a = 0; a < na; a++)
        if (g.asks[a] == a) g.heap[g.n_heap++] = a; /* asks for the others, too */
    if (na) refill(&g);
    while (g.n_heap) n += take_best(&g, &out[n]);
    free(g.next);
    free(g.asks);
    free(g.list);
    free(g.taken);
    free(g.heap);
    free(g.dry);
    free(g.free_row);
    free(g.queries);
    free(g.rows);
    return n;
}
