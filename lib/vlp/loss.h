/*
 * loss.h -- what training minimises, a table row each.
 *
 * A contrastive loss sees features, never a family: the rows of this process and the candidates
 * gathered from all. Every row states its formula, its start values, and which scalars it learns.
 */
#ifndef VLP_LOSS_H
#define VLP_LOSS_H

#include <vlp/op.h>

/*
 * B rows here, N >= B candidates everywhere. Row i of `image` belongs with row first + i of
 * `all_text`, and the other way round. All four are normalised. In one process, and where each
 * computes the loss of all, the candidates are the rows themselves (the same tensors) and first is
 * 0. Else what is constant for this process is the candidates of the others: the gradients of its
 * rows and of those rows among the candidates are added, and the mean over processes is the loss.
 */
struct vlp_contrast {
    struct vlp_tensor *image, *text;         /* (B, E) */
    struct vlp_tensor *all_image, *all_text; /* (N, E) */
    int                first;
    struct vlp_tensor *logit_scale; /* (1), the logarithm */
    struct vlp_tensor *logit_bias;  /* (1), or NULL where the loss has none */
};

struct vlp_contrastive_loss {
    const char *name;
    bool        has_bias;
    float       start_scale, start_bias; /* log scale; bias */
    float       min_scale, max_scale;    /* log scale is clamped to these after every step */
    struct vlp_tensor *(*forward)(struct vlp_tape *t, const struct vlp_contrast *c); /* (1) */
};

/* "softmax" (CLIP, InfoNCE both ways), "sigmoid" (SigLIP). NULL-terminated. */
extern const struct vlp_contrastive_loss *const vlp_contrastive_losses[];
extern const char *const vlp_contrastive_loss_names[]; /* theirs, in the same order */
/* NULL when no row has that name. */
const struct vlp_contrastive_loss *vlp_contrastive_loss_find(const char *name);

#endif
