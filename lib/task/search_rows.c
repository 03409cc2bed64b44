/*
 * search_rows.c -- rows as stored: widened to f32, their inverse lengths, runs of them.
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

struct vlp_rows vlp_rows_of(enum vlp_metric metric, const float *x, int n, int dim)
{
    return (struct vlp_rows){.data = x,
                             .stride = (size_t)dim * sizeof *x,
                             .dtype = VLP_F32,
                             .dim = dim,
                             .n = n,
                             .cosine = metric == VLP_COSINE};
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

/* May a row be multiplied as stored? Where it is so short or long that the inverse of its length or
 * a sum of its products leaves f32, it is not: a scale of 0 stands for zeros and NaN. */
static bool is_ordinary(const struct vlp_rows *rows, int i)
{
    const float scale = rows->scale ? rows->scale[i] : 1.0f;
    return scale == 0.0f || (scale > 0x1p-60f && scale < 0x1p60f);
}

int rows_run(struct vlp_rows *run, const struct vlp_rows *rows, int i, int end, float *unit)
{
    const bool ordinary = is_ordinary(rows, i);
    int        next = i + 1;
    while (ordinary && next < end && is_ordinary(rows, next)) next++;
    *run = *rows;
    run->n = next - i;
    run->first += i;
    run->data = (const uint8_t *)rows->data + (size_t)i * rows->stride;
    if (rows->scale) run->scale += i;
    if (!ordinary) {
        vlp_rows_f32(rows, i, unit);
        vlp_unit_length(unit, rows->dim);
        run->data = unit;
        run->stride = (size_t)rows->dim * sizeof *unit;
        run->dtype = VLP_F32;
        run->scale = NULL;
    }
    return run->n;
}
