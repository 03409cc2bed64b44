/* row_kernels.c -- row kernels over many rows: a few rows to a task, so that a small matrix stays
 * here. */
#include "tensor_internal.h"

enum { TASK_FLOATS = 8192 };

struct rows_job {
    const struct vlp_kernels *k;
    float                    *y;
    const float              *x, *w, *b, *dy;
    float                    *mean, *rstd;
    float                     eps;
    enum vlp_activation       act;
    int                       ldy, ldx, C, step, N;
    size_t                    n;
};

/* Rows of C floats to a task; the number of tasks. */
static int tasks(struct rows_job *j)
{
    j->step = TASK_FLOATS / (j->C > 0 ? j->C : 1) + 1;
    return vlp_ceil_div(j->N, j->step);
}

static int last(const struct rows_job *j, int i)
{
    const int64_t end = (int64_t)(i + 1) * j->step;
    return end < j->N ? (int)end : j->N;
}

static void layernorm_task(void *ctx, int i, int worker)
{
    const struct rows_job *j = ctx;
    (void)worker;
    for (int r = i * j->step; r < last(j, i); r++)
        j->k->layernorm(j->y + (size_t)r * j->ldy, j->x + (size_t)r * j->ldx, j->w, j->b, j->eps,
                        j->C, j->mean ? j->mean + r : NULL, j->rstd ? j->rstd + r : NULL);
}

void vlp_layernorm_rows(const struct vlp_compute *c, float *y, int ldy, const float *x, int ldx,
                        const float *w, const float *b, float eps, int N, int C, float *mean,
                        float *rstd)
{
    struct rows_job j = {.k = c->kernels, .y = y, .x = x, .w = w, .b = b, .mean = mean};
    j.rstd = rstd;
    j.eps = eps;
    j.ldy = ldy;
    j.ldx = ldx;
    j.N = N;
    j.C = C;
    vlp_parallel(c->pool, tasks(&j), layernorm_task, &j);
}

/* Elements i * TASK_FLOATS .. of a flat array. */
static size_t flat(const struct rows_job *j, int i, size_t *at)
{
    *at = (size_t)i * TASK_FLOATS;
    return j->n - *at < TASK_FLOATS ? j->n - *at : TASK_FLOATS;
}

static void activate_task(void *ctx, int i, int worker)
{
    const struct rows_job *j = ctx;
    size_t                 at, n = flat(j, i, &at);
    (void)worker;
    j->k->activate(j->act, j->y + at, j->x + at, n);
}

static void slope_task(void *ctx, int i, int worker)
{
    const struct rows_job *j = ctx;
    size_t                 at, n = flat(j, i, &at);
    (void)worker;
    j->k->activate_backward(j->act, j->y + at, j->dy + at, j->x + at, n);
}

void vlp_activate(const struct vlp_compute *c, enum vlp_activation act, float *y, const float *x,
                  size_t n)
{
    struct rows_job j = {.k = c->kernels, .y = y, .x = x, .act = act, .n = n};
    vlp_parallel(c->pool, (int)((n + TASK_FLOATS - 1) / TASK_FLOATS), activate_task, &j);
}

void vlp_activate_backward(const struct vlp_compute *c, enum vlp_activation act, float *dx,
                           const float *dy, const float *x, size_t n)
{
    struct rows_job j = {.k = c->kernels, .y = dx, .x = x, .dy = dy, .act = act, .n = n};
    vlp_parallel(c->pool, (int)((n + TASK_FLOATS - 1) / TASK_FLOATS), slope_task, &j);
}

static void chain_task(void *ctx, int i, int worker)
{
    const struct rows_job *j = ctx;
    size_t                 at, n = flat(j, i, &at);
    (void)worker;
    j->k->activate_chain(j->act, j->y + at, j->x + at, n);
}

void vlp_activate_chain(const struct vlp_compute *c, enum vlp_activation act, float *dy,
                        const float *x, size_t n)
{
    struct rows_job j = {.k = c->kernels, .y = dy, .x = x, .act = act, .n = n};
    if (act == VLP_ACT_NONE) return;
    vlp_parallel(c->pool, (int)((n + TASK_FLOATS - 1) / TASK_FLOATS), chain_task, &j);
}

void vlp_layernorm_backward_rows(const struct vlp_compute *c, float *dx, bool fill, float *dw,
                                 float *db, const float *dy, const float *x, const float *w,
                                 const float *mean, const float *rstd, int N, int C)
{
    for (int r = 0; r < N; r++) {
        const size_t at = (size_t)r * C;
        c->kernels->layernorm_backward(dx ? dx + at : NULL, fill, dw, db, dy + at, x + at, w,
                                       mean[r], rstd[r], C);
    }
}

/* Columns in strips of a few cache lines, each by one thread from the first row to the last. */
enum { STRIP = 128 };

static void columns_task(void *ctx, int i, int worker)
{
    const struct rows_job *j = ctx;
    const int              c0 = i * j->step, left = j->C - c0;
    (void)worker;
    j->k->add_columns(j->y + c0, j->x + c0, (size_t)j->ldx, j->N, left < j->step ? left : j->step);
}

void vlp_add_columns(const struct vlp_compute *c, float *to, const float *x, int ldx, int N, int C)
{
    struct rows_job j = {.k = c->kernels, .y = to, .x = x, .ldx = ldx, .N = N, .C = C};
    const bool      small = (int64_t)N * C <= TASK_FLOATS || vlp_pool_threads(c->pool) == 1;
    j.step = small ? C : STRIP;
    vlp_parallel(c->pool, vlp_ceil_div(C, j.step > 0 ? j.step : 1), columns_task, &j);
}

float vlp_dot(const struct vlp_compute *c, const float *a, const float *b, int n)
{
    return c->kernels->dot(a, b, n);
}
