/*
 * op_transpose.c -- (M, N) to (N, M).
 *
 *   forward     y = x^T
 *   backward    dx += dy^T
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    float       *to; /* rows of `width` */
    const float *from;
    int          width, height;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++)
        for (int j = 0; j < p->width; j++)
            p->to[(size_t)i * p->width + j] = p->from[(size_t)j * p->height + i];
}

static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++)
        for (int j = 0; j < p->width; j++)
            p->to[(size_t)i * p->width + j] += p->from[(size_t)j * p->height + i];
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const int   M = vlp_rows(n->in[0]), N = vlp_cols(n->in[0]);
    struct part p = {n->in[0]->grad, n->out->grad, N, M};
    op_split(t, M, (size_t)N, backward_rows, &p);
}

const struct vlp_op vlp_op_transpose = {.name = "transpose", .backward = backward};

struct vlp_tensor *vlp_transpose(struct vlp_tape *t, struct vlp_tensor *x)
{
    assert(x->ndim == 2);
    const int          M = x->dim[0], N = x->dim[1];
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(N, M), false);
    vlp_record(t, &vlp_op_transpose, y, 0, VLP_INPUTS(x));
    struct part p = {y->data, vlp_values(x), M, N};
    op_split(t, N, (size_t)M, forward_rows, &p);
    return y;
}
