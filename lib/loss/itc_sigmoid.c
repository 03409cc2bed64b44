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

static struct vlp_tensor *forward(struct vlp_tape *t, const struct vlp_contrast *c)
{
    struct vlp_tensor *logits = vlp_matmul_nt(t, c->image, c->all_text); /* (B, N) */
    logits = vlp_add(t, vlp_scale_exp(t, logits, c->logit_scale), c->logit_bias);
    return vlp_sigmoid_pairs_from(t, logits, c->first);
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
