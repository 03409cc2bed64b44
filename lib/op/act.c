/*
 * act.c -- an activation by itself (GELU, QuickGELU, ReLU, tanh), where no linear layer carries it.
 *
 *   forward     y = act(x)
 *   backward    dx += dy act'(x)
 */
#include "op_internal.h"

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct vlp_tensor  *x = n->in[0];
    const enum vlp_activation act = *(const enum vlp_activation *)n->saved;
    vlp_activate_backward(&t->compute, act, x->grad, n->out->grad, x->data, vlp_numel(x));
}

const struct vlp_op vlp_op_act = {.name = "act", .backward = backward};

struct vlp_tensor *vlp_act(struct vlp_tape *t, struct vlp_tensor *x, enum vlp_activation act)
{
    struct vlp_tensor   *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    enum vlp_activation *saved = vlp_record(t, &vlp_op_act, y, sizeof *saved, VLP_INPUTS(x));
    *saved = act;
    vlp_activate(&t->compute, act, y->data, x->data, vlp_numel(x));
    return y;
}
