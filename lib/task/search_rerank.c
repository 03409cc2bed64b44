/*
 * search_rerank.c -- the order of matches decided anew by better vectors of the same records.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

static int match_order(const void *a, const void *b)
{
    const struct vlp_match *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

void vlp_matches_rerank(struct vlp_matches *m, const struct vlp_compute *c, const float *queries,
                        const float *vectors, const struct vlp_id_table *ids, int dim, int k,
                        float min_score)
{
    struct vlp_compute alone = *c;
    alone.pool = NULL;
    for (int q = 0; q < m->n; q++) {
        struct vlp_match *match = m->match[q];
        int               n = 0;
        for (int i = 0; i < m->count[q]; i++) {
            const int row = vlp_id_find(ids, match[i].id, match[i].id_len);
            if (row < 0) continue;
            float score;
            vlp_scan_rows(&alone, &score, queries + (size_t)q * (size_t)dim,
                          vectors + (size_t)row * (size_t)dim, (size_t)dim * sizeof(float), VLP_F32,
                          dim, 1);
            if (score >= min_score) {
                match[n] = match[i];
                match[n++].score = score;
            }
        }
        if (n) qsort(match, (size_t)n, sizeof *match, match_order);
        m->count[q] = k && n > k ? k : n;
    }
}
