/*
 * scale.c -- all elements times one number.
 *
 *   forward     y = s x
 *   backward    dx += s dy
 */
#include "op_internal.h"

struct part {
    float       *to;
    const float *from;
    float        s;
};

static void forward_range(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++) p->to[i] = p->s * p->from[i];
}

static void backward_range(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++) p->to[i] += p->s * p->from[i];
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct part p = {n->in[0]->grad, n->out->grad, *(const float *)n->saved};
    op_split(t, (int64_t)vlp_numel(n->out), 1, backward_range, &p);
}

const struct vlp_op vlp_op_scale = {.name = "scale", .backward = backward};

struct vlp_tensor *vlp_scale(struct vlp_tape *t, struct vlp_tensor *x, float s)
{
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    float             *saved = vlp_record(t, &vlp_op_scale, y, sizeof *saved, VLP_INPUTS(x));
    *saved = s;
    struct part p = {y->data, vlp_values(x), s};
    op_split(t, (int64_t)vlp_numel(x), 1, forward_range, &p);
    return y;
}
