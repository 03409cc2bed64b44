/*
 * retrieval.c -- how well queries find their right answers: recall@k, ranks, mAP@10.
 *
 *   rank(j)   = #{i : s_i > s_j} + #{i < j : s_i = s_j}          from 0; the last where s_j is NaN
 *   recall@k  = mean over queries of [rank(best right answer) < k]
 *   AP@10     = sum over hits at ranks r < 10 of (hits so far)/(r+1), over min(right answers, 10)
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

enum { QUERIES_A_TASK = 8, CANDIDATES_A_BLOCK = 256, AP_DEPTH = 10 };

struct scores {
    struct vlp_compute     compute;
    const float           *queries;
    const struct vlp_rows *run; /* the candidates */
    int                    n_runs, nq, nc, dim;
    const int             *start, *truth;
    float                 *score; /* per worker, (QUERIES_A_TASK, nc) */
    bool                  *right; /* per worker, nc, all false between queries */
    int                   *rank;  /* per query: of the best right answer, or -1 */
    double                *ap;    /* per query */
};

/* Does candidate i stand before j, whose score is a number? */
static bool is_before(const float *score, int i, int j)
{
    return score[i] > score[j] || (score[i] == score[j] && i < j);
}

/* The rank of the right answer that stands first; the last one when no score of theirs is a number.
 */
static int best_rank(const float *score, int nc, const int *truth, int n)
{
    int best = -1, rank = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(score[truth[i]]) && (best < 0 || is_before(score, truth[i], best)))
            best = truth[i];
    if (best < 0) return nc - 1;
    for (int i = 0; i < nc; i++) rank += is_before(score, i, best);
    return rank;
}

static double average_precision(const float *score, int nc, const bool *right, int n_right)
{
    struct shortlist list;
    shortlist_init(&list, AP_DEPTH, -INFINITY);
    float threshold = -INFINITY;
    for (int i = 0; i < nc; i++) {
        if (!(score[i] >= threshold)) continue;
        shortlist_offer(&list, i, score[i]);
        threshold = shortlist_threshold(&list);
    }
    if (list.n) qsort(list.hit, (size_t)list.n, sizeof *list.hit, hit_order);
    double sum = 0.0;
    int    hits = 0;
    for (int r = 0; r < list.n; r++)
        if (right[list.hit[r].row]) sum += (double)++hits / (double)(r + 1);
    shortlist_free(&list);
    return sum / (double)vlp_min_i64(n_right, AP_DEPTH);
}

/* score (n, nc) of n queries and every candidate. */
static void score_all(const struct scores *s, float *score, const float *queries, int n)
{
    const size_t dim = (size_t)s->dim;
    float        again[QUERIES_A_TASK];
    for (int q = 0; q < n; q++)
        again[q] = cosine_limit(&s->compute, queries + (size_t)q * dim, s->dim);
    for (int i = 0; i < s->n_runs; i++) {
        const struct vlp_rows *run = &s->run[i];
        for (int i0 = 0; i0 < run->n; i0 += CANDIDATES_A_BLOCK)
            for (int q = 0; q < n; q++)
                score_rows(&s->compute, score + (size_t)q * (size_t)s->nc + run->first + i0,
                           queries + (size_t)q * dim, again[q], run, i0,
                           (int)vlp_min_i64(CANDIDATES_A_BLOCK, run->n - i0));
    }
}

static void score_task(void *ctx, int task, int worker)
{
    struct scores *s = ctx;
    const int      q0 = task * QUERIES_A_TASK;
    const int      n = (int)vlp_min_i64(QUERIES_A_TASK, s->nq - q0);
    float         *score = s->score + (size_t)worker * QUERIES_A_TASK * (size_t)s->nc;
    bool          *right = s->right + (size_t)worker * (size_t)s->nc;
    score_all(s, score, s->queries + (size_t)q0 * (size_t)s->dim, n);
    for (int q = 0; q < n; q++) {
        const int   *truth = s->truth + s->start[q0 + q];
        const int    n_right = s->start[q0 + q + 1] - s->start[q0 + q];
        const float *row = score + (size_t)q * (size_t)s->nc;
        s->rank[q0 + q] = -1;
        if (n_right == 0) continue;
        for (int i = 0; i < n_right; i++) right[truth[i]] = true;
        s->rank[q0 + q] = best_rank(row, s->nc, truth, n_right);
        s->ap[q0 + q] = average_precision(row, s->nc, right, n_right);
        for (int i = 0; i < n_right; i++) right[truth[i]] = false;
    }
}

static int int_order(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Means over the queries that have a right answer; sorts the ranks. */
static void summarise(struct vlp_retrieval *r, int *rank, const double *ap, int nq)
{
    int    n = 0, within[VLP_RETRIEVAL_MAX_K] = {0};
    double rank_sum = 0.0, ap_sum = 0.0;
    for (int q = 0; q < nq; q++) {
        if (rank[q] < 0) continue;
        for (int i = 0; i < r->n_k; i++) within[i] += rank[q] < r->k[i];
        rank_sum += rank[q] + 1;
        ap_sum += ap[q];
        rank[n++] = rank[q];
    }
    r->n = n;
    if (n == 0) return;
    qsort(rank, (size_t)n, sizeof *rank, int_order);
    for (int i = 0; i < r->n_k; i++) r->recall[i] = (double)within[i] / n;
    r->median_rank = 1.0 + 0.5 * ((double)rank[(n - 1) / 2] + (double)rank[n / 2]);
    r->mean_rank = rank_sum / n;
    r->map10 = ap_sum / n;
}

void vlp_retrieval_score(struct vlp_retrieval *r, const struct vlp_compute *c, const float *queries,
                         int nq, const struct vlp_rows *run, int n_runs, const int *start,
                         const int *truth)
{
    const size_t threads = (size_t)vlp_pool_threads(c->pool);
    int          nc = 0;
    for (int i = 0; i < n_runs; i++) nc += run[i].n;
    struct scores s = {.compute = *c,
                       .queries = queries,
                       .run = run,
                       .n_runs = n_runs,
                       .nq = nq,
                       .nc = nc,
                       .dim = run->dim,
                       .start = start,
                       .truth = truth};
    s.compute.pool = NULL;
    s.score = vlp_malloc((threads * QUERIES_A_TASK * (size_t)nc + 1) * sizeof *s.score);
    s.right = vlp_calloc(threads * (size_t)nc + 1, sizeof *s.right);
    s.rank = vlp_malloc(((size_t)nq + 1) * sizeof *s.rank);
    s.ap = vlp_calloc((size_t)nq + 1, sizeof *s.ap);
    vlp_parallel(c->pool, (nq + QUERIES_A_TASK - 1) / QUERIES_A_TASK, score_task, &s);
    summarise(r, s.rank, s.ap, nq);
    free(s.score);
    free(s.right);
    free(s.rank);
    free(s.ap);
}
