/*
 * batch_norm.c -- every column to mean 0 and variance 1 (biased) over the rows, then gain and
 * offset.
 *
 *   forward     n = (x - mean) / sqrt(var + eps),  y = n w + b
 *   backward    dw += sum_rows dy n,  db += sum_rows dy
 *               dx += w / sqrt(var + eps) (dy - mean_rows(dy) - n mean_rows(dy n))
 *
 * The rows are those of all processes where the tape knows how to sum over them: means and sums
 * above are then the whole batch's, dw and db this process's share. Sums are made in double
 * precision, a column from its first row to its last.
 */
#include "op_internal.h"

#include <assert.h>
#include <math.h>

struct saved {
    float *mean, *rstd;
    double rows; /* of all processes */
};

struct columns {
    const float *x, *dy, *mean, *rstd, *w, *b;
    float       *y, *dx;
    double      *sum, *sum_n; /* of each column */
    double       rows;
    int          N, C;
};

static void add_values(void *ctx, int64_t begin, int64_t end)
{
    const struct columns *a = ctx;
    for (int r = 0; r < a->N; r++)
        for (int64_t c = begin; c < end; c++) a->sum[c] += (double)a->x[(size_t)r * a->C + c];
}

static void add_squares(void *ctx, int64_t begin, int64_t end)
{
    const struct columns *a = ctx;
    for (int r = 0; r < a->N; r++)
        for (int64_t c = begin; c < end; c++) {
            const double d = (double)a->x[(size_t)r * a->C + c] - (double)a->mean[c];
            a->sum[c] += d * d;
        }
}

static void add_gradients(void *ctx, int64_t begin, int64_t end)
{
    const struct columns *a = ctx;
    for (int r = 0; r < a->N; r++)
        for (int64_t c = begin; c < end; c++) {
            const size_t at = (size_t)r * a->C + c;
            const float  n = (a->x[at] - a->mean[c]) * a->rstd[c];
            a->sum[c] += (double)a->dy[at];
            a->sum_n[c] += (double)a->dy[at] * (double)n;
        }
}

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct columns *a = ctx;
    for (int64_t r = begin; r < end; r++) {
        const size_t at = (size_t)r * a->C;
        for (int c = 0; c < a->C; c++)
            a->y[at + c] = (a->x[at + c] - a->mean[c]) * a->rstd[c] * a->w[c] + a->b[c];
    }
}

static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct columns *a = ctx;
    for (int64_t r = begin; r < end; r++) {
        const size_t at = (size_t)r * a->C;
        for (int c = 0; c < a->C; c++) {
            const float n = (a->x[at + c] - a->mean[c]) * a->rstd[c];
            const float mean = (float)(a->sum[c] / a->rows),
                        mean_n = (float)(a->sum_n[c] / a->rows);
            a->dx[at + c] += a->w[c] * a->rstd[c] * (a->dy[at + c] - mean - n * mean_n);
        }
    }
}

static void over_processes(const struct vlp_tape *t, double *sum, size_t n)
{
    if (t->reduce) t->reduce->sum(t->reduce->ctx, sum, n);
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor  *x = n->in[0], *w = n->in[1], *b = n->in[2];
    const struct saved *s = n->saved;
    const int           C = vlp_cols(x);
    double             *sum = vlp_arena_calloc(t->mem, 2 * (size_t)C, sizeof *sum);
    struct columns      a = {
             .x = x->data,
             .dy = n->out->grad,
             .mean = s->mean,
             .rstd = s->rstd,
             .w = vlp_values(w),
             .dx = x->grad,
             .sum = sum,
             .sum_n = sum + C,
             .rows = s->rows,
             .N = vlp_rows(x),
             .C = C,
    };
    op_split(t, C, (size_t)a.N * 2, add_gradients, &a);
    for (int c = 0; c < C; c++) {
        if (b->grad) b->grad[c] += (float)a.sum[c];
        if (w->grad) w->grad[c] += (float)a.sum_n[c];
    }
    over_processes(t, sum, 2 * (size_t)C);
    if (x->grad) op_split(t, a.N, (size_t)C * 2, backward_rows, &a);
}

const struct vlp_op vlp_op_batch_norm = {.name = "batch_norm", .backward = backward};

/* Mean and biased variance of every column over all processes. */
static void statistics(struct vlp_tape *t, struct columns *a, float *mean, double *var)
{
    const size_t C = (size_t)a->C;
    a->sum = vlp_arena_calloc(t->mem, C + 1, sizeof *a->sum);
    op_split(t, a->C, (size_t)a->N, add_values, a);
    a->sum[C] = a->N;
    over_processes(t, a->sum, C + 1);
    a->rows = a->sum[C];
    for (size_t c = 0; c < C; c++) mean[c] = (float)(a->sum[c] / a->rows);
    memset(a->sum, 0, C * sizeof *a->sum);
    op_split(t, a->C, (size_t)a->N * 2, add_squares, a);
    over_processes(t, a->sum, C);
    for (size_t c = 0; c < C; c++) var[c] = a->sum[c] / a->rows;
}

struct vlp_tensor *vlp_batch_norm(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *w,
                                  struct vlp_tensor *b, float eps, struct vlp_batch_stats *stats)
{
    const int    N = vlp_rows(x), C = vlp_cols(x);
    const size_t size = (size_t)C * sizeof(float);
    assert(vlp_numel(w) == (size_t)C && vlp_numel(b) == (size_t)C);
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    struct saved      *s = vlp_record(t, &vlp_op_batch_norm, y, sizeof *s, VLP_INPUTS(x, w, b));
    *s = (struct saved){.mean = vlp_arena_alloc(t->mem, size),
                        .rstd = vlp_arena_alloc(t->mem, size)};
    double        *var = vlp_arena_alloc(t->mem, (size_t)C * sizeof *var);
    struct columns a = {
        .x = x->data,
        .mean = s->mean,
        .rstd = s->rstd,
        .w = vlp_values(w),
        .b = vlp_values(b),
        .y = y->data,
        .N = N,
        .C = C,
    };
    statistics(t, &a, s->mean, var);
    s->rows = a.rows;
    for (int c = 0; c < C; c++) s->rstd[c] = (float)(1.0 / sqrt(var[c] + (double)eps));
    op_split(t, N, (size_t)C, forward_rows, &a);
    if (stats) *stats = (struct vlp_batch_stats){.mean = s->mean, .var = var, .rows = a.rows};
    return y;
}
