/*
 * join.c -- the pairs of two sets that choose each other.
 *
 * The score of (a, b) is the same number from either side: products commute and the order of the
 * sum is fixed. Equal rows are searched, and searched for, once for all: what one of them may not
 * have, because it is of its own record, an equal row of another record stands in for.
 */
#include <stdlib.h>

#include "search_internal.h"

enum { HITS_AT_ONCE = 4096 };

/* A join with the rows of either side that are looked at. */
struct sides {
    const struct vlp_compute *c;
    const struct vlp_join    *j;
    struct distinct           a, b;
    int   *other;          /* of b's distinct rows: the first equal one of another record, or -1 */
    float *queries, *rows; /* copied together for a search */
};

static void sides_open(struct sides *s, const struct vlp_compute *c, const struct vlp_join *j)
{
    const size_t size = (size_t)j->dim * sizeof(float);
    *s = (struct sides){.c = c, .j = j};
    distinct_open(&s->a, j->A, j->na, j->dim);
    distinct_open(&s->b, j->B, j->nb, j->dim);
    s->other = vlp_malloc(((size_t)s->b.n + 1) * sizeof *s->other);
    for (int i = 0; i < s->b.n; i++) {
        const int first = s->b.row[i];
        int       b = s->b.next[first];
        while (b >= 0 && j->self_b && j->self_b[b] == j->self_b[first]) b = s->b.next[b];
        s->other[i] = b;
    }
    s->queries = vlp_malloc((size_t)vlp_min_i64(s->a.n, HITS_AT_ONCE) * size + 1);
    s->rows = vlp_malloc((size_t)vlp_min_i64(s->b.n, GATHER_ROWS) * size + 1);
}

static void sides_close(struct sides *s)
{
    distinct_close(&s->a);
    distinct_close(&s->b);
    free(s->other);
    free(s->queries);
    free(s->rows);
}

/*
 * The best b of row a, of another record, among n hits of distinct rows: of those with the best
 * score the lowest, row -1 if there is none. False when hits behind these could be better.
 */
static bool best_of(const struct sides *s, int a, const struct vlp_hit *hit, int n, bool all,
                    struct vlp_hit *best)
{
    *best = (struct vlp_hit){-1, 0.0f};
    for (int i = 0; i < n; i++) {
        struct vlp_hit x = {s->b.row[hit[i].row], hit[i].score};
        if (best->row >= 0 && !hit_before(&x, best)) return true; /* nor are those behind it */
        if (join_is_self(s->j, a, (int)x.row)) x.row = s->other[hit[i].row];
        if (x.row >= 0 && (best->row < 0 || hit_before(&x, best))) *best = x;
    }
    return all || (n && best->row == s->b.row[hit[n - 1].row]);
}

/* Those of the distinct rows a[0 .. n-1] whose k best did not do stay in the list, `left` of
 * them. */
static int search_some(const struct sides *s, struct vlp_hit *best, int k, const int *a, int n,
                       int *left)
{
    const int          dim = s->j->dim;
    const float       *x = gather_rows(s->queries, s->j->A, a, n, dim);
    struct vlp_search *search = vlp_search_open(s->c, x, n, dim, k, s->j->min_score);
    int                n_left = 0;
    search_gathered(search, s->j->metric, s->j->B, s->b.row, s->b.n, dim, s->rows);
    for (int i = 0; i < n; i++) {
        const struct vlp_hit *hit;
        const int             found = vlp_search_hits(search, i, &hit), first = a[i];
        bool                  settled = true;
        for (int who = first; who >= 0; who = s->a.next[who])
            settled &= best_of(s, who, hit, found, found < k, &best[who]);
        if (!settled) left[n_left++] = first;
    }
    vlp_search_close(search);
    return n_left;
}

void vlp_join_best(const struct vlp_compute *c, const struct vlp_join *j, struct vlp_hit *best)
{
    struct sides s;
    sides_open(&s, c, j);
    int *a = s.a.row, n = s.a.n; /* whose best are not known: always fewer */
    /* two will do unless a record has several rows */
    for (int64_t k = j->self_a ? 2 : 1; n > 0; k *= 4) {
        const int at_once = (int)vlp_max_i64(1, HITS_AT_ONCE / k), all = n;
        n = 0;
        for (int i = 0; i < all; i += at_once)
            n += search_some(&s, best, (int)vlp_min_i64(k, INT32_MAX), a + i,
                             (int)vlp_min_i64(at_once, all - i), a + n);
    }
    sides_close(&s);
}

int vlp_join_mutual(const struct vlp_compute *c, const struct vlp_join *j, struct vlp_pair *out)
{
    struct vlp_join back = *j;
    struct vlp_hit *of_a = vlp_malloc(((size_t)j->na + 1) * sizeof *of_a);
    struct vlp_hit *of_b = vlp_malloc(((size_t)j->nb + 1) * sizeof *of_b);
    back.A = j->B;
    back.na = j->nb;
    back.self_a = j->self_b;
    back.B = j->A;
    back.nb = j->na;
    back.self_b = j->self_a;
    vlp_join_best(c, j, of_a);
    vlp_join_best(c, &back, of_b);
    int n = 0;
    for (int a = 0; a < j->na; a++) {
        const int64_t b = of_a[a].row;
        if (b >= 0 && of_b[b].row == a) out[n++] = (struct vlp_pair){a, (int)b, of_a[a].score};
    }
    free(of_a);
    free(of_b);
    return n;
}
