/*
 * search_rows.c -- rows as stored: widened to f32, and their inverse lengths.
 *
 *   scale = 1 / |x|        summed in double; 0 for a zero row
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

void rows_part_f32(const struct vlp_rows *rows, int i, int from, int n, float *out)
{
    const uint8_t *row = (const uint8_t *)rows->data + (size_t)i * rows->stride;
    if (rows->dtype != VLP_I8) {
        vlp_to_f32(out, row + vlp_dtype_size(rows->dtype, (size_t)from), rows->dtype, (size_t)n);
        return;
    }
    float scale;
    memcpy(&scale, row, sizeof scale);
    const int8_t *v = (const int8_t *)(row + sizeof scale) + from;
    for (int c = 0; c < n; c++) out[c] = scale * (float)v[c];
}

void vlp_rows_f32(const struct vlp_rows *rows, int i, float *out)
{
    rows_part_f32(rows, i, 0, rows->dim, out);
}

bool vlp_row_is_finite(const float *x, int dim)
{
    bool fine = true;
    for (int c = 0; c < dim; c++) fine &= isfinite(x[c]) != 0;
    return fine;
}

/* |x|^2, four running sums in one fixed order */
static double square_of(const float *x, int dim)
{
    double s[4] = {0};
    for (int c = 0; c < dim; c++) s[c & 3] += (double)x[c] * (double)x[c];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

void vlp_unit_length(float *x, int dim)
{
    const double sum = square_of(x, dim);
    if (!(sum > 0.0)) return;
    const double inverse = 1.0 / sqrt(sum);
    for (int c = 0; c < dim; c++) x[c] = (float)((double)x[c] * inverse);
}

enum { ROWS_A_TASK = 256 };

struct norms {
    const struct vlp_rows *rows;
    float                 *scale;
    float                 *wide; /* per worker */
};

static void norms_task(void *ctx, int task, int worker)
{
    const struct norms *a = ctx;
    float              *x = a->wide + (size_t)worker * (size_t)a->rows->dim;
    const int           end = (int)vlp_min_i64(a->rows->n, (int64_t)(task + 1) * ROWS_A_TASK);
    for (int i = task * ROWS_A_TASK; i < end; i++) {
        vlp_rows_f32(a->rows, i, x);
        const double sum = square_of(x, a->rows->dim);
        a->scale[i] = sum > 0.0 ? (float)(1.0 / sqrt(sum)) : 0.0f;
    }
}

void vlp_rows_inverse_norm(const struct vlp_compute *c, const struct vlp_rows *rows, float *scale)
{
    const size_t threads = (size_t)vlp_pool_threads(c->pool);
    struct norms a = {rows, scale, vlp_malloc(threads * (size_t)rows->dim * sizeof(float))};
    vlp_parallel(c->pool, (rows->n + ROWS_A_TASK - 1) / ROWS_A_TASK, norms_task, &a);
    free(a.wide);
}
