/*
 * itc_sigmoid.c -- SigLIP's loss: every pair is a question of its own.
 *
 *   x = exp(s) U V^T + b      loss = - sum_ij log sigmoid(z_ij x_ij) / B,
 *                             z_ij = 1 where i and j are a true pair, else -1
 *
 * Zhai et al. 2023, algorithm 1. s starts at ln 10, b at -10: nearly all pairs are false, and the
 * start should not have to unlearn that they are true. The paper sets no limit to s; open_clip
 * keeps exp(s) within 1..100 whatever the loss.
 */
#include "loss_internal.h"

/* The values of x without their gradient. */
static struct vlp_tensor *constant(struct vlp_tape *t, const struct vlp_tensor *x)
{
    return vlp_tensor_of(t, (float *)vlp_values(x), x->ndim, x->dim);
}

/* Rows against candidates; row i's partner is first + i. */
static struct vlp_tensor *ask(struct vlp_tape *t, const struct vlp_contrast *c,
                              struct vlp_tensor *rows, struct vlp_tensor *candidates)
{
    struct vlp_tensor *logits = vlp_matmul_nt(t, rows, candidates); /* (B, N) */
    logits = vlp_add(t, vlp_scale_exp(t, logits, c->logit_scale), c->logit_bias);
    return vlp_sigmoid_pairs(t, logits, c->first);
}

/*
 * What own texts are asked about all pictures, for its gradient in the texts alone. Those pairs are
 * in the loss already, as pictures of their processes: so scale, bias and pictures are constants
 * here, and the value is taken off again.
 */
static struct vlp_tensor *text_gradient(struct vlp_tape *t, const struct vlp_contrast *c)
{
    struct vlp_contrast of_texts = *c;
    of_texts.logit_scale = constant(t, c->logit_scale);
    of_texts.logit_bias = constant(t, c->logit_bias);
    struct vlp_tensor *loss = ask(t, &of_texts, c->text, constant(t, c->all_image));
    return vlp_add(t, loss, vlp_scale(t, constant(t, loss), -1.0f));
}

/*
 * A pair is asked about once: own pictures against all texts is this process's share of the loss.
 * Where other processes' features are constant the texts would learn from own pictures alone; so
 * each process also takes its own texts against all pictures, for the texts' gradient. Nothing is
 * left out then: the sum over processes is the gradient of the whole batch.
 */
static struct vlp_tensor *forward(struct vlp_tape *t, const struct vlp_contrast *c)
{
    if (c->text == c->all_text) return ask(t, c, c->image, c->all_text);
    struct vlp_tensor *loss = ask(t, c, c->image, constant(t, c->all_text));
    return vlp_add(t, loss, text_gradient(t, c));
}

const struct vlp_contrastive_loss vlp_loss_sigmoid = {
    .name = "sigmoid",
    .has_bias = true,
    .start_scale = 2.3025850929940457f, /* ln 10 */
    .start_bias = -10.0f,
    .min_scale = 0.0f,
    .max_scale = 4.6051701859880914f, /* ln 100 */
    .forward = forward,
};
