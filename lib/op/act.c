/*
 * act.c -- an activation by itself (GELU, QuickGELU, ReLU, tanh), where no linear layer carries it.
 *
 *   forward     y = act(x)
 *   backward    dx += dy act'(x)
 */
#include "op_internal.h"

struct part {
    struct vlp_compute  c;
    enum vlp_activation act;
    float              *to;
    const float        *x, *dy;
    size_t              C;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *a = ctx;
    const size_t       at = (size_t)begin * a->C;
    vlp_activate(&a->c, a->act, a->to + at, a->x + at, (size_t)(end - begin) * a->C);
}

static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *a = ctx;
    const size_t       at = (size_t)begin * a->C;
    vlp_activate_backward(&a->c, a->act, a->to + at, a->dy + at, a->x + at,
                          (size_t)(end - begin) * a->C);
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct vlp_tensor  *x = n->in[0];
    const enum vlp_activation act = *(const enum vlp_activation *)n->saved;
    struct part a = {op_alone(t), act, x->grad, x->data, n->out->grad, (size_t)vlp_cols(x)};
    op_split(t, vlp_rows(x), a.C * 4, backward_rows, &a);
}

const struct vlp_op vlp_op_act = {.name = "act", .backward = backward};

struct vlp_tensor *vlp_act(struct vlp_tape *t, struct vlp_tensor *x, enum vlp_activation act)
{
    struct vlp_tensor   *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    enum vlp_activation *saved = vlp_record(t, &vlp_op_act, y, sizeof *saved, VLP_INPUTS(x));
    *saved = act;
    struct part a = {op_alone(t), act, y->data, x->data, NULL, (size_t)vlp_cols(x)};
    op_split(t, vlp_rows(x), a.C * 4, forward_rows, &a);
    return y;
}
