/*
 * scale_rows.c -- layer scale: every row times the same gains.
 *
 *   forward     y = x gamma
 *   backward    dx += dy gamma,  dgamma += sum_rows dy x
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    float       *to;
    const float *a, *b;
    int          N, C;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t r = begin; r < end; r++) {
        const size_t at = (size_t)r * p->C;
        for (int c = 0; c < p->C; c++) p->to[at + c] = p->a[at + c] * p->b[c];
    }
}

static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t r = begin; r < end; r++) {
        const size_t at = (size_t)r * p->C;
        for (int c = 0; c < p->C; c++) p->to[at + c] += p->a[at + c] * p->b[c];
    }
}

static void gamma_columns(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int r = 0; r < p->N; r++) {
        const size_t at = (size_t)r * p->C;
        for (int64_t c = begin; c < end; c++) p->to[c] += p->a[at + c] * p->b[at + c];
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *x = n->in[0], *gamma = n->in[1];
    const int          N = vlp_rows(x), C = vlp_cols(x);
    if (x->grad) {
        struct part p = {x->grad, n->out->grad, vlp_values(gamma), N, C};
        op_split(t, N, (size_t)C, backward_rows, &p);
    }
    if (gamma->grad) {
        struct part p = {gamma->grad, n->out->grad, x->data, N, C};
        op_split(t, C, (size_t)N, gamma_columns, &p);
    }
}

const struct vlp_op vlp_op_scale_rows = {.name = "scale_rows", .backward = backward};

struct vlp_tensor *vlp_scale_rows(struct vlp_tape *t, struct vlp_tensor *x,
                                  struct vlp_tensor *gamma)
{
    const int N = vlp_rows(x), C = vlp_cols(x);
    assert(vlp_numel(gamma) == (size_t)C);
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    vlp_record(t, &vlp_op_scale_rows, y, 0, VLP_INPUTS(x, gamma));
    struct part p = {y->data, x->data, vlp_values(gamma), N, C};
    op_split(t, N, (size_t)C, forward_rows, &p);
    return y;
}
