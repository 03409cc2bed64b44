/*
 * join.c -- the pairs of two sets that choose each other.
 *
 * The score of (a, b) is the same number from either side: products commute and the order of the
 * sum is fixed.
 */
#include <stdlib.h>

#include "search_internal.h"

enum { CHUNK = 4096 };

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
