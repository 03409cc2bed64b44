/*
 * join.c -- pairs of two sets: those that choose each other, and the greedy one-to-one matching.
 *
 * The score of (a, b) is the same number from either side: products commute and the order of the
 * sum is fixed. Greedy: the best pair of all is taken and its rows leave, again and again. Each a
 * keeps a list of its best b; a heap holds every a's best that is still free. A list that runs out
 * is searched anew, four times as long.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

enum { CHUNK = 4096, FIRST_LIST = 16 };

/* The best b of every a; row -1 where none reaches min_score. */
static void best_of_each(const struct vlp_compute *c, enum vlp_metric metric, struct vlp_hit *best,
                         const float *A, int na, const float *B, int nb, int dim, float min_score)
{
    const struct vlp_rows rows = vlp_rows_of(metric, B, nb, dim);
    for (int a0 = 0; a0 < na; a0 += CHUNK) {
        const int          n = (int)vlp_min_i64(CHUNK, na - a0);
        struct vlp_search *s =
            vlp_search_open(c, A + (size_t)a0 * (size_t)dim, n, dim, 1, min_score);
        vlp_search_rows(s, &rows);
        for (int i = 0; i < n; i++) {
            const struct vlp_hit *hit;
            best[a0 + i] = vlp_search_hits(s, i, &hit) ? hit[0] : (struct vlp_hit){-1, 0.0f};
        }
        vlp_search_close(s);
    }
}

int vlp_join_mutual(const struct vlp_compute *c, enum vlp_metric metric, struct vlp_pair *out,
                    const float *A, int na, const float *B, int nb, int dim, float min_score)
{
    struct vlp_hit *of_a = vlp_malloc(((size_t)na + 1) * sizeof *of_a);
    struct vlp_hit *of_b = vlp_malloc(((size_t)nb + 1) * sizeof *of_b);
    best_of_each(c, metric, of_a, A, na, B, nb, dim, min_score);
    best_of_each(c, metric, of_b, B, nb, A, na, dim, min_score);
    int n = 0;
    for (int a = 0; a < na; a++) {
        const int64_t b = of_a[a].row;
        if (b >= 0 && of_b[b].row == a) out[n++] = (struct vlp_pair){a, (int)b, of_a[a].score};
    }
    free(of_a);
    free(of_b);
    return n;
}

/* The best candidates of one a, best first. */
struct list {
    struct vlp_hit *hit;
    int             n, at, k; /* k: as many were asked for; fewer than that means no more exist */
};

struct greedy {
    const struct vlp_compute *c;
    const float              *A;
    struct vlp_rows           b_rows;
    float                     min_score;
    struct list              *list;
    bool                     *taken; /* of b */
    int                      *heap;  /* a's, best pair at the root */
    int                       n_heap;
};

static void fill(struct greedy *g, int a0, int n, int k)
{
    const int          dim = g->b_rows.dim;
    struct vlp_search *s =
        vlp_search_open(g->c, g->A + (size_t)a0 * (size_t)dim, n, dim, k, g->min_score);
    vlp_search_rows(s, &g->b_rows);
    for (int i = 0; i < n; i++) {
        struct list          *l = &g->list[a0 + i];
        const struct vlp_hit *hit;
        const int             count = vlp_search_hits(s, i, &hit);
        l->hit = vlp_realloc(l->hit, ((size_t)count + 1) * sizeof *hit);
        if (count) memcpy(l->hit, hit, (size_t)count * sizeof *hit);
        l->n = count;
        l->k = k;
    }
    vlp_search_close(s);
}

/* Move to a's best free b; false when there is none. */
static bool settle(struct greedy *g, int a)
{
    struct list *l = &g->list[a];
    for (;;) {
        while (l->at < l->n && g->taken[l->hit[l->at].row]) l->at++;
        if (l->at < l->n) return true;
        if (l->n < l->k) return false;
        fill(g, a, 1, l->k < INT32_MAX / 4 ? 4 * l->k : INT32_MAX);
    }
}

static bool pair_before(const struct greedy *g, int a, int b)
{
    const struct vlp_hit *x = &g->list[a].hit[g->list[a].at], *y = &g->list[b].hit[g->list[b].at];
    return x->score > y->score || (x->score == y->score && a < b);
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

int vlp_join_one_to_one(const struct vlp_compute *c, enum vlp_metric metric, struct vlp_pair *out,
                        const float *A, int na, const float *B, int nb, int dim, float min_score)
{
    struct greedy g = {
        .c = c, .A = A, .b_rows = vlp_rows_of(metric, B, nb, dim), .min_score = min_score};
    g.list = vlp_calloc((size_t)na + 1, sizeof *g.list);
    g.taken = vlp_calloc((size_t)nb + 1, sizeof *g.taken);
    g.heap = vlp_malloc(((size_t)na + 1) * sizeof *g.heap);
    for (int a0 = 0; a0 < na; a0 += CHUNK)
        fill(&g, a0, (int)vlp_min_i64(CHUNK, na - a0), FIRST_LIST);
    for (int a = 0; a < na; a++)
        if (settle(&g, a)) g.heap[g.n_heap++] = a;
    for (int i = g.n_heap / 2 - 1; i >= 0; i--) sift(&g, i);

    int n = 0;
    while (g.n_heap) {
        const int             a = g.heap[0];
        const struct vlp_hit *best = &g.list[a].hit[g.list[a].at];
        if (!g.taken[best->row]) {
            g.taken[best->row] = true;
            out[n++] = (struct vlp_pair){a, (int)best->row, best->score};
            g.heap[0] = g.heap[--g.n_heap];
        } else if (!settle(&g, a)) {
            g.heap[0] = g.heap[--g.n_heap];
        }
        if (g.n_heap) sift(&g, 0);
    }
    for (int a = 0; a < na; a++) free(g.list[a].hit);
    free(g.list);
    free(g.taken);
    free(g.heap);
    return n;
}
