/*
 * join_greedy.c -- one-to-one: the best pair of all is taken and its rows leave, again and again.
 *
 * Each a keeps a list of its best b; a heap holds, for every a, the best that is still free. An a
 * whose list is used up is dry: it stands in the heap with the score of its last entry, which its
 * next one cannot exceed. When it comes to the root, all that are dry by then are searched anew
 * together, among the rows that are still free. Lists grow while there is room for them in all, so
 * that sets in which everybody wants the same rows take more searches, not more memory than the
 * sets themselves. Equal rows of A share one list, the lowest asking first: of copies there can be
 * very many. Where rows may not meet their own, each has a list that is without these, and
 * thousands of copies of one row take long.
 */
#include <assert.h>
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
    int             n, at, k; /* k: as many were asked for */
    bool            all;      /* no more exist */
};

struct greedy {
    const struct vlp_compute *c;
    const struct vlp_join    *j;
    int                       most_own; /* rows of B that are one record */
    int                      *next;     /* of a: the next row equal to it, or -1 */
    int                      *asks;     /* of the first of equal rows: which of them is next */
    struct list              *list;     /* of the first of equal rows */
    int64_t                   hits;     /* of all lists */
    bool                     *taken;    /* of b */
    int                      *heap;     /* first rows, best pair at the root */
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
    return !is_dry(l) || !l->all;
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
        const float    *x = gather_rows(g->rows, g->j->B, g->free_row + i0, n, g->j->dim);
        struct vlp_rows rows = vlp_rows_of(g->j->metric, x, n, g->j->dim);
        rows.first = i0;
        vlp_search_rows(s, &rows);
    }
}

/* What was found for a as its list, without rows of its own. */
static void fill_list(struct greedy *g, int a, const struct vlp_hit *hit, int n, int k, bool all)
{
    struct list *l = &g->list[a];
    *l = (struct list){.hit = vlp_malloc(((size_t)n + 1) * sizeof *hit), .k = k, .all = all};
    for (int i = 0; i < n; i++) {
        const int row = g->free_row[hit[i].row];
        if (!join_is_self(g->j, a, row)) l->hit[l->n++] = (struct vlp_hit){row, hit[i].score};
    }
    g->hits += l->n;
}

/* New lists of k entries for the dry a's. */
static void search_dry(struct greedy *g, int k)
{
    const int    most = (int)vlp_min_i64((int64_t)k + g->most_own, INT32_MAX);
    const size_t dim = (size_t)g->j->dim;
    int          n_free = 0;
    for (int b = 0; b < g->j->nb; b++)
        if (!g->taken[b]) g->free_row[n_free++] = b;
    for (int d0 = 0; d0 < g->n_dry; d0 += QUERIES_AT_ONCE) {
        const int n = (int)vlp_min_i64(QUERIES_AT_ONCE, g->n_dry - d0);
        for (int i = 0; i < n; i++)
            memcpy(g->queries + (size_t)i * dim, g->j->A + (size_t)g->dry[d0 + i] * dim,
                   dim * sizeof *g->queries);
        struct vlp_search *s =
            vlp_search_open(g->c, g->queries, n, g->j->dim, most, g->j->min_score);
        search_free(g, s, n_free);
        for (int i = 0; i < n; i++) {
            const struct vlp_hit *hit;
            const int             found = vlp_search_hits(s, i, &hit);
            fill_list(g, g->dry[d0 + i], hit, found, k, found < most);
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
    const int64_t room = (int64_t)HITS_OF_EACH * g->j->na + HITS_OF_ALL - g->hits;
    const int64_t k = vlp_min_i64(vlp_min_i64(4 * (int64_t)longest, g->j->nb), room / g->n_dry);
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

/* How many rows of B are one record, at most. */
static int count_own(const struct vlp_join *j)
{
    int *n = vlp_calloc((size_t)j->nb + 1, sizeof *n), most = 0;
    for (int b = 0; b < j->nb; b++) {
        assert(0 <= j->self_b[b] && j->self_b[b] < j->nb);
        most = (int)vlp_max_i64(most, ++n[j->self_b[b]]);
    }
    free(n);
    return most;
}

/* Who shares a list: equal rows, unless some of them may have what others may not. */
static void share_lists(struct greedy *g)
{
    if (!g->j->self_a) {
        find_equal_rows(g->asks, g->next, g->j->A, g->j->na, g->j->dim);
        return;
    }
    g->most_own = count_own(g->j);
    for (int a = 0; a < g->j->na; a++) {
        g->asks[a] = a;
        g->next[a] = -1;
    }
}

int vlp_join_one_to_one(const struct vlp_compute *c, const struct vlp_join *j, struct vlp_pair *out)
{
    struct greedy g = {.c = c, .j = j};
    const size_t  size = (size_t)j->dim * sizeof(float), na = (size_t)j->na, nb = (size_t)j->nb;
    int           n = 0;
    g.next = vlp_malloc((na + 1) * sizeof *g.next);
    g.asks = vlp_malloc((na + 1) * sizeof *g.asks);
    g.list = vlp_calloc(na + 1, sizeof *g.list);
    g.taken = vlp_calloc(nb + 1, sizeof *g.taken);
    g.heap = vlp_malloc((na + 1) * sizeof *g.heap);
    g.dry = vlp_malloc((na + 1) * sizeof *g.dry);
    g.free_row = vlp_malloc((nb + 1) * sizeof *g.free_row);
    g.queries = vlp_malloc((size_t)vlp_min_i64(j->na, QUERIES_AT_ONCE) * size + 1);
    g.rows = vlp_malloc((size_t)vlp_min_i64(j->nb, ROWS_AT_ONCE) * size + 1);
    share_lists(&g);
    for (int a = 0; a < j->na; a++)
        if (g.asks[a] == a) g.heap[g.n_heap++] = a; /* asks for the others, too */
    if (j->na) refill(&g);
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
