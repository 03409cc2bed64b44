/*
 * itc_softmax.c -- CLIP's loss: each picture must pick its text among all, each text its picture.
 *
 *   L = exp(s) U V^T        loss = 1/2 [ mean_i CE(L_i., i) + mean_j CE(L_.j, j) ]
 *
 * Radford et al. 2021, figure 3. s starts at ln(1/0.07); the released code keeps exp(s)
 * within 1..100.
 */
#include "loss_internal.h"

/* Mean cross-entropy of rows against all candidates; row i's answer is first + i. */
static struct vlp_tensor *pick(struct vlp_tape *t, const struct vlp_contrast *c,
                               struct vlp_tensor *rows, struct vlp_tensor *candidates)
{
    const int B = vlp_rows(rows);
    int32_t  *target = vlp_arena_alloc(t->mem, (size_t)B * sizeof *target);
    for (int i = 0; i < B; i++) target[i] = c->first + i;
    struct vlp_tensor *logits = vlp_matmul_nt(t, rows, candidates); /* (B, N) */
    return vlp_cross_entropy(t, vlp_scale_exp(t, logits, c->logit_scale), target);
}

static struct vlp_tensor *forward(struct vlp_tape *t, const struct vlp_contrast *c)
{
    struct vlp_tensor *of_images = pick(t, c, c->image, c->all_text);
    struct vlp_tensor *of_texts = pick(t, c, c->text, c->all_image);
    return vlp_scale(t, vlp_add(t, of_images, of_texts), 0.5f);
}

const struct vlp_contrastive_loss vlp_loss_softmax = {
    .name = "softmax",
    .start_scale = 2.6592600369327779f, /* ln(1/0.07) */
    .min_scale = 0.0f,
    .max_scale = 4.6051701859880914f, /* ln 100 */
    .forward = forward,
};
