/*
 * layernorm.c -- every row to mean 0 and variance 1 (biased), then gain and offset.
 *
 *   forward     n = (x - mean) / sqrt(var + eps),  y = n w + b
 *   backward    g = dy w;  dx += (g - mean(g) - n mean(g n)) / sqrt(var + eps)
 *               dw += sum_rows dy n,  db += sum_rows dy
 */
#include "op_internal.h"

#include <assert.h>

struct rows {
    struct vlp_compute c;
    float             *y, *dx, *dw;
    const float       *x, *w, *b, *dy;
    float             *mean, *rstd;
    float              eps;
    int                N, C;
};

static void forward_rows(void *ctx, int begin, int end)
{
    const struct rows *a = ctx;
    const size_t       at = (size_t)begin * a->C;
    vlp_layernorm_rows(&a->c, a->y + at, a->C, a->x + at, a->C, a->w, a->b, a->eps, end - begin,
                       a->C, a->mean ? a->mean + begin : NULL, a->rstd ? a->rstd + begin : NULL);
}

static void backward_rows(void *ctx, int begin, int end)
{
    const struct rows *a = ctx;
    for (int i = begin; i < end; i++) {
        const size_t at = (size_t)i * a->C;
        const float *x = a->x + at, *dy = a->dy + at, mean = a->mean[i], rstd = a->rstd[i];
        /* four partial sums in a fixed order, which compilers turn into one vector */
        float sum[4] = {0}, sum_n[4] = {0};
        for (int c = 0; c < a->C; c++) {
            const float g = dy[c] * a->w[c];
            sum[c & 3] += g;
            sum_n[c & 3] += g * (x[c] - mean);
        }
        const float g_mean = ((sum[0] + sum[1]) + (sum[2] + sum[3])) / (float)a->C;
        const float gn_mean = ((sum_n[0] + sum_n[1]) + (sum_n[2] + sum_n[3])) * rstd / (float)a->C;
        float      *dx = a->dx + at;
        for (int c = 0; c < a->C; c++)
            dx[c] += (dy[c] * a->w[c] - g_mean - (x[c] - mean) * rstd * gn_mean) * rstd;
    }
}

static void gain_columns(void *ctx, int begin, int end)
{
    const struct rows *a = ctx;
    for (int i = 0; i < a->N; i++) {
        const size_t at = (size_t)i * a->C;
        for (int c = begin; c < end; c++)
            a->dw[c] += a->dy[at + c] * ((a->x[at + c] - a->mean[i]) * a->rstd[i]);
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    const int          N = vlp_rows(x), C = vlp_cols(x);
    float             *mean = n->saved;
    struct rows        a = {
               .dx = x->grad,
               .dw = w->grad,
               .x = x->data,
               .w = vlp_values(w),
               .dy = n->out->grad,
               .mean = mean,
               .rstd = mean + N,
               .N = N,
               .C = C,
    };
    if (x->grad) op_split(t, N, (size_t)C * 2, backward_rows, &a);
    if (w->grad) op_split(t, C, (size_t)N * 2, gain_columns, &a);
    if (b->grad) op_add_columns(t, b->grad, n->out->grad, N, C);
}

const struct vlp_op vlp_op_layernorm = {"layernorm", backward};

struct vlp_tensor *vlp_layernorm(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *w,
                                 struct vlp_tensor *b, float eps)
{
    const int N = vlp_rows(x), C = vlp_cols(x);
    assert(vlp_numel(w) == (size_t)C && vlp_numel(b) == (size_t)C);
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    float             *mean =
        vlp_record(t, &vlp_op_layernorm, y, 2 * (size_t)N * sizeof *mean, VLP_INPUTS(x, w, b));
    struct rows a = {
        .c = op_alone(t),
        .y = y->data,
        .x = x->data,
        .w = vlp_values(w),
        .b = vlp_values(b),
        .mean = mean,
        .rstd = mean + N,
        .eps = eps,
        .N = N,
        .C = C,
    };
    op_split(t, N, (size_t)C, forward_rows, &a);
    return y;
}
