/*
 * search_tiles.c -- many queries against rows: a matrix product finds candidates, an exact score
 * decides.
 *
 * A worker takes a tile of rows, multiplies it with all queries, and looks for products that reach
 * the query's threshold less the margin by which two orders of summation can differ. Those few are
 * scored again by score_rows, so results are the same as for one query alone.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

/* Rows a task takes, and queries whose products with them lie in the cache together (a multiple of
 * VLP_PANEL). */
enum { TILE_ROWS = 128, TILE_QUERIES = 512, LANES = 16 };

struct run {
    struct tiles          *t;
    const struct vlp_rows *rows;
    const float           *thresholds;
    size_t                 worker_stride;
    const int64_t         *first_row;
    tile_keep             *keep;
    void                  *ctx;
};

void tiles_open(struct tiles *t, const struct vlp_compute *c, const float *queries,
                const float *norms, int n, int dim)
{
    *t = (struct tiles){.compute = *c,
                        .pool = c->pool,
                        .queries = queries,
                        .norms = norms,
                        .n = n,
                        .dim = dim,
                        .threads = vlp_pool_threads(c->pool)};
    t->compute.pool = NULL;
    t->compute.precision = VLP_PRECISION_F32;
    struct vlp_compute on_pool = *c;
    on_pool.precision = VLP_PRECISION_F32;
    t->packed = vlp_pack(&on_pool, queries, VLP_F32, n, dim, VLP_PRECISION_F32);
    /* rows as f32, products, thresholds */
    t->scratch_len =
        (size_t)TILE_ROWS * (size_t)dim + (size_t)TILE_ROWS * TILE_QUERIES + TILE_QUERIES + 64;
    t->again = vlp_malloc(((size_t)n + 1) * sizeof *t->again);
    for (int q = 0; q < n; q++)
        t->again[q] = cosine_limit(&t->compute, queries + (size_t)q * (size_t)dim, dim);
    t->odd = vlp_calloc((size_t)t->threads, sizeof *t->odd);
    t->scratch = vlp_malloc((size_t)t->threads * t->scratch_len * sizeof *t->scratch);
}

void tiles_close(struct tiles *t)
{
    vlp_packed_free(t->packed);
    free(t->odd);
    free(t->again);
    free(t->scratch);
    *t = (struct tiles){0};
}

/* Is any of LANES products at or above its threshold? Compiles to vector compares. */
static bool any_reaches(const float *y, const float *low)
{
    typedef float v4f __attribute__((vector_size(16)));
    typedef int   v4i __attribute__((vector_size(16)));
    v4i           any = {0};
    for (int i = 0; i < LANES; i += 4) {
        v4f a, b;
        memcpy(&a, y + i, sizeof a);
        memcpy(&b, low + i, sizeof b);
        any |= a >= b;
    }
    int64_t half[2];
    memcpy(half, &any, sizeof half);
    return (half[0] | half[1]) != 0;
}

/* Score one candidate and hand it on. */
static void settle(const struct run *r, int worker, int query, int i)
{
    const struct tiles    *t = r->t;
    const struct vlp_rows *rows = r->rows;
    if (r->first_row && rows->first + i < r->first_row[query]) return;
    float score;
    score_rows(&t->compute, &score, t->queries + (size_t)query * (size_t)t->dim, t->again[query],
               rows, i, 1);
    if (score >= r->thresholds[(size_t)worker * r->worker_stride + (size_t)query])
        r->keep(r->ctx, worker, query, rows->first + i, score);
}

/* The product from which on a row is a candidate of query q. */
static float low_of(const struct run *r, int q, float threshold, float margin)
{
    const float low = threshold - margin * r->t->norms[q];
    return r->rows->cosine && r->t->again[q] < low ? r->t->again[q] : low;
}

/* Look through the products of rows [i0, i0+m) with queries [q0, q0+n). */
static void look(const struct run *r, int worker, const float *y, int i0, int m, int q0, int n,
                 float longest, float *low)
{
    const struct tiles *t = r->t;
    const float        *thr = r->thresholds + (size_t)worker * r->worker_stride + q0;
    const float         margin = score_margin(t->dim) * longest;
    for (int q = 0; q < n; q++) low[q] = low_of(r, q0 + q, thr[q], margin);
    for (int i = 0; i < m; i++) {
        const float *row = y + (size_t)i * (size_t)n;
        int          q = 0;
        for (; q + LANES <= n; q += LANES) {
            if (!any_reaches(row + q, low + q)) continue;
            for (int j = q; j < q + LANES; j++) {
                if (!(row[j] >= low[j])) continue;
                settle(r, worker, q0 + j, i0 + i);
                low[j] = low_of(r, q0 + j, thr[j], margin);
            }
        }
        for (; q < n; q++) {
            if (!(row[q] >= low[q])) continue;
            settle(r, worker, q0 + q, i0 + i);
            low[q] = low_of(r, q0 + q, thr[q], margin);
        }
    }
}

/* The longest row of a tile after its scale. Infinity makes everything a candidate; a row with a
 * NaN matches nothing and does not count. */
static float longest_row(const struct run *r, const float *x, size_t ldx, int i0, int m,
                         int64_t *odd)
{
    float longest = 0.0f;
    for (int i = 0; i < m; i++) {
        const float *row = x + (size_t)i * ldx;
        float        len = sqrtf(vlp_dot(&r->t->compute, row, row, r->t->dim));
        if (r->rows->scale) len *= r->rows->scale[i0 + i];
        if (len > longest) longest = len;
        if (!isfinite(len)) ++*odd;
    }
    return longest * NOT_BELOW;
}

static void run_tile(void *ctx, int tile, int worker)
{
    const struct run      *r = ctx;
    const struct tiles    *t = r->t;
    const struct vlp_rows *rows = r->rows;
    const int              i0 = tile * TILE_ROWS;
    const int              m = (int)vlp_min_i64(TILE_ROWS, rows->n - i0);
    float                 *wide = t->scratch + (size_t)worker * t->scratch_len;
    float                 *y = wide + (size_t)TILE_ROWS * (size_t)t->dim;
    float                 *low = y + (size_t)TILE_ROWS * TILE_QUERIES;

    const uint8_t *data = (const uint8_t *)rows->data + (size_t)i0 * rows->stride;
    const bool     in_place = rows->dtype == VLP_F32 && rows->stride % sizeof(float) == 0 &&
                          (uintptr_t)data % sizeof(float) == 0;
    const float *x = in_place ? (const float *)(const void *)data : wide;
    const size_t ldx = in_place ? rows->stride / sizeof(float) : (size_t)t->dim;
    if (!in_place)
        for (int i = 0; i < m; i++) vlp_rows_f32(rows, i0 + i, wide + (size_t)i * (size_t)t->dim);

    const float longest = longest_row(r, x, ldx, i0, m, &t->odd[worker]);
    for (int q0 = 0; q0 < t->n; q0 += TILE_QUERIES) {
        const int n = (int)vlp_min_i64(TILE_QUERIES, t->n - q0);
        vlp_gemm_packed(&t->compute, y, n, x, (int)ldx, m, t->packed, q0, q0 + n,
                        &(struct vlp_epilogue){0});
        if (rows->scale)
            for (int i = 0; i < m; i++)
                for (int q = 0; q < n; q++)
                    y[(size_t)i * (size_t)n + (size_t)q] *= rows->scale[i0 + i];
        look(r, worker, y, i0, m, q0, n, longest, low);
    }
}

void tiles_run(struct tiles *t, const struct vlp_rows *rows, const float *thresholds,
               size_t worker_stride, const int64_t *first_row, tile_keep *keep, void *ctx)
{
    struct run r = {t, rows, thresholds, worker_stride, first_row, keep, ctx};
    vlp_parallel(t->pool, (rows->n + TILE_ROWS - 1) / TILE_ROWS, run_tile, &r);
}
