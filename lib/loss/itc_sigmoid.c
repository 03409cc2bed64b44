/*
 * itc_sigmoid.c -- SigLIP's loss: every pair is a question of its own.
 *
 *   z = exp(s) U V^T + b        loss = -1/B sum_ij log sigmoid(y_ij z_ij),  y = 1 for true pairs,
 * else -1
 *
 * Zhai et al. 2023, algorithm 1. s starts at ln 10, b at -10: nearly all pairs are false, and the
 * start should not have to unlearn that they are true.
 */
#include "loss_internal.h"

/* The same values and gradients under another shape. */
static struct vlp_tensor *view(struct vlp_tape *t, const struct vlp_tensor *x, int rows, int cols)
{
    struct vlp_tensor *v = VLP_NEW(t->mem, struct vlp_tensor);
    *v = *x;
    v->ndim = 2;
    v->dim[0] = rows;
    v->dim[1] = cols;
    return v;
}

static struct vlp_tensor *forward(struct vlp_tape *t, const struct vlp_contrast *c)
{
    const int          B = vlp_rows(c->image), N = vlp_rows(c->all_text);
    struct vlp_tensor *scaled =
        vlp_scale_exp(t, vlp_matmul_nt(t, c->image, c->all_text), c->logit_scale);
    /* One bias for all: a column of B N rows plus one that repeats. */
    struct vlp_tensor *shifted =
        vlp_add(t, view(t, scaled, B * N, 1), view(t, c->logit_bias, 1, 1));
    return vlp_sigmoid_pairs_from(t, view(t, shifted, B, N), c->first);
}

const struct vlp_contrastive_loss vlp_loss_sigmoid = {
    .name = "sigmoid",
    .has_bias = true,
    .start_scale = 2.3025850929940457f, /* ln 10 */
    .start_bias = -10.0f,
    .min_scale = 0.0f,
    .max_scale = 4.6051701859880914f,
    .forward = forward,
};
