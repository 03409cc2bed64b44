/*
 * scale_exp.c -- all elements times e^s: similarities under a learned temperature.
 *
 *   forward     y = x e^s
 *   backward    dx += dy e^s,  ds += sum dy y
 */
#include "op_internal.h"

#include <assert.h>
#include <math.h>

struct part {
    float       *to;
    const float *a, *b;
    float        factor;
    double      *row_sum;
    int          C;
};

static void forward_range(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++) p->to[i] = p->a[i] * p->factor;
}

static void backward_range(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++) p->to[i] += p->a[i] * p->factor;
}

static void sum_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t r = begin; r < end; r++) {
        const size_t at = (size_t)r * p->C;
        double       sum = 0.0;
        for (int c = 0; c < p->C; c++) sum += (double)p->a[at + c] * p->b[at + c];
        p->row_sum[r] = sum;
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *x = n->in[0], *s = n->in[1];
    const float        factor = *(const float *)n->saved;
    if (x->grad) {
        struct part p = {.to = x->grad, .a = n->out->grad, .factor = factor};
        op_split(t, (int64_t)vlp_numel(x), 1, backward_range, &p);
    }
    if (s->grad) {
        const int   N = vlp_rows(x), C = vlp_cols(x);
        struct part p = {.a = n->out->grad,
                         .b = n->out->data,
                         .row_sum = vlp_arena_alloc(t->mem, (size_t)N * sizeof(double)),
                         .C = C};
        op_split(t, N, (size_t)C, sum_rows, &p);
        double sum = 0.0;
        for (int r = 0; r < N; r++) sum += p.row_sum[r];
        s->grad[0] += (float)sum;
    }
}

const struct vlp_op vlp_op_scale_exp = {.name = "scale_exp", .backward = backward};

struct vlp_tensor *vlp_scale_exp(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *s)
{
    assert(vlp_numel(s) == 1);
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    float *factor = vlp_record(t, &vlp_op_scale_exp, y, sizeof *factor, VLP_INPUTS(x, s));
    *factor = expf(vlp_values(s)[0]);
    struct part p = {.to = y->data, .a = x->data, .factor = *factor};
    op_split(t, (int64_t)vlp_numel(x), 1, forward_range, &p);
    return y;
}
