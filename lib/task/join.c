/*
 * join.c -- the pairs of two sets that choose each other.
 *
 * The score of (a, b) is the same number from either side: products commute and the order of the
 * sum is fixed.
 */
#include <stdlib.h>

#include "search_internal.h"

enum { HITS_AT_ONCE = 4096 };

/* The first hit of a that is no row of its own; row -1: there is none. */
static struct vlp_hit first_other(const struct vlp_join *j, int a, const struct vlp_hit *hit, int n)
{
    for (int i = 0; i < n; i++)
        if (!join_is_self(j, a, (int)hit[i].row)) return hit[i];
    return (struct vlp_hit){-1, 0.0f};
}

/* Those of a[0 .. n-1] whose k best were all rows of their own, though there may be more, stay in
 * the list, `left` of them; `room` is for n rows. */
static int search_some(const struct vlp_compute *c, const struct vlp_join *j, struct vlp_hit *best,
                       int k, const int *a, int n, int *left, float *room)
{
    const struct vlp_rows rows = vlp_rows_of(j->metric, j->B, j->nb, j->dim);
    const float          *x = gather_rows(room, j->A, a, n, j->dim);
    struct vlp_search    *s = vlp_search_open(c, x, n, j->dim, k, j->min_score);
    int                   n_left = 0;
    vlp_search_rows(s, &rows);
    for (int i = 0; i < n; i++) {
        const struct vlp_hit *hit;
        const int             found = vlp_search_hits(s, i, &hit), who = a[i];
        best[who] = first_other(j, who, hit, found);
        if (best[who].row < 0 && found == k) left[n_left++] = who;
    }
    vlp_search_close(s);
    return n_left;
}

void vlp_join_best(const struct vlp_compute *c, const struct vlp_join *j, struct vlp_hit *best)
{
    int   *a = vlp_malloc(((size_t)j->na + 1) * sizeof *a), n = j->na;
    float *room =
        vlp_malloc((size_t)vlp_min_i64(n, HITS_AT_ONCE) * (size_t)j->dim * sizeof *room + 1);
    for (int i = 0; i < n; i++) a[i] = i;
    /* two will do unless a record has several rows */
    for (int64_t k = j->self_a ? 2 : 1; n > 0; k *= 4) {
        const int at_once = (int)vlp_max_i64(1, HITS_AT_ONCE / k), all = n;
        n = 0;
        for (int i = 0; i < all; i += at_once)
            n += search_some(c, j, best, (int)vlp_min_i64(k, INT32_MAX), a + i,
                             (int)vlp_min_i64(at_once, all - i), a + n, room);
    }
    free(room);
    free(a);
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
