/*
 * nn.h -- the one transformer block of all families, as data, and what stands before and after it.
 *
 * A block is a struct of parameters and choices: where the norms stand, the activation, the mask,
 * whether it looks at a second sequence, how many experts its MLP has, layer scale, drop path. The
 * forward functions read like the figure in the paper and know no family.
 *
 * CLIP is the family there is. What it does not use (norms after, cross-attention, bias, experts,
 * biases on q and v alone) is what ViLT, ALBEF and VLMo ask of a block, and tested like the rest.
 */
#ifndef VLP_NN_H
#define VLP_NN_H

#include <vlp/op.h>

/* ---- parts ------------------------------------------------------------------------- */

struct vlp_norm {
    struct vlp_param *w, *b; /* NULL w: there is no norm here */
    float             eps;
};
struct vlp_dense {
    struct vlp_param *w, *b; /* (out, in); b may be NULL */
};
/*
 * q, k and v: one fused weight (3C, C) in `qkv` (rows q, k, v), or three in q, k, v. A fused weight
 * may have biases of its own on q, k or v only (VLMo): then qkv.b is NULL and q.b, k.b, v.b say
 * which.
 */
struct vlp_attend {
    struct vlp_dense qkv, q, k, v, proj;
};
struct vlp_expert {
    struct vlp_norm  norm;
    struct vlp_dense fc1, fc2;
};

struct vlp_tensor *vlp_norm_forward(struct vlp_tape *t, const struct vlp_norm *n,
                                    struct vlp_tensor *x);
struct vlp_tensor *vlp_dense_forward(struct vlp_tape *t, const struct vlp_dense *d,
                                     struct vlp_tensor *x, enum vlp_activation act);

/* Declare "<name>.weight" and "<name>.bias". */
struct vlp_norm  vlp_norm_declare(struct vlp_params *ps, const char *name, int width, float eps);
struct vlp_dense vlp_dense_declare(struct vlp_params *ps, const char *name, int out, int in,
                                   struct vlp_start w, const struct vlp_start *b /* or NULL */);

/* ---- the block --------------------------------------------------------------------- */

enum vlp_norm_place { VLP_NORM_BEFORE, VLP_NORM_AFTER };
enum { VLP_EXPERTS = 3 }; /* VLMo has most: of pictures, of texts, of both */

struct vlp_block {
    int                 width, heads;
    enum vlp_norm_place place;
    enum vlp_activation act;
    bool                causal;
    struct vlp_norm     norm, cross_norm;
    struct vlp_attend   self, cross; /* cross.proj.w NULL: no cross-attention */
    int                 n_experts;
    struct vlp_expert   expert[VLP_EXPERTS];
    struct vlp_param   *gamma1, *gamma2; /* layer scale of attention and MLP, or NULL */
    /* While training. dropout: of what is added to x; dropout_hidden: of the MLP's hidden rows. */
    float dropout, dropout_hidden, drop_path;
};

/* What a block works on besides its rows. Zeroed means nothing. */
struct vlp_block_input {
    struct vlp_seqs    seqs;
    struct vlp_tensor *bias;   /* as vlp_attention_options has it, (H, T, T); or NULL */
    struct vlp_tensor *memory; /* rows that cross-attention looks at */
    struct vlp_seqs    memory_seqs;
    int                expert; /* the expert of every row, or of the rows before the split */
    const int         *split;  /* per sequence: so many rows take `expert`, the rest the next one */
    const int *pooled; /* (seqs.n) rows of x, one of each sequence, or NULL: all. See below */
};
/*
 * x (N, C) -> (N, C), or (n, C) under `pooled`. While nothing is recorded x itself is overwritten,
 * unless pooled.
 *
 * Of the last block a model uses one row of each sequence: the class token, the end of the text.
 * With `pooled` keys and values are made of all rows, but queries, what they attend to, and the MLP
 * of those rows alone: the same numbers for a fraction of the block.
 */
struct vlp_tensor *vlp_block_forward(struct vlp_tape *t, const struct vlp_block *b,
                                     struct vlp_tensor *x, const struct vlp_block_input *in);

/*
 * The same numbers and gradients with less memory: only x is kept, and backward computes the block
 * once more from it (Chen et al. 2016). What vlp_stack_forward does under t->recompute. `in` is
 * copied; what it points at stays where it is until backward.
 */
struct vlp_tensor *vlp_block_recomputed(struct vlp_tape *t, const struct vlp_block *b,
                                        struct vlp_tensor *x, const struct vlp_block_input *in);

/* ---- a stack of blocks ------------------------------------------------------------- */

/*
 * Named intermediate values, (rows, C) of the whole batch: "image.block0", "text.block1",
 * "image_penultimate". A value is valid during the call.
 */
typedef void vlp_watch(void *ctx, const char *name, const struct vlp_tensor *value,
                       struct vlp_seqs seqs);
struct vlp_watcher {
    vlp_watch *call; /* NULL: nobody looks */
    void      *ctx;
};

struct vlp_stack {
    const char       *name; /* "image": what watchers hear */
    int               n_blocks;
    struct vlp_block *block;
};
/* Changes the input of block `block` of the stack: its bias, its expert. */
typedef void vlp_each_block(void *ctx, int block, struct vlp_block_input *in);
struct vlp_stack_input {
    struct vlp_block_input all;  /* of every block; memory is for those that look at one */
    vlp_each_block        *each; /* asked before each block for what differs, or NULL */
    void                  *ctx;
};
/*
 * All blocks in turn. `pooled` is for the last block, and (n, C) comes back, watched or not; a last
 * block that is watched or split between experts is computed in full first. `watch` may be NULL.
 */
struct vlp_tensor *vlp_stack_forward(struct vlp_tape *t, const struct vlp_stack *e,
                                     struct vlp_tensor *x, const struct vlp_stack_input *in,
                                     const struct vlp_watcher *watch);

/* ---- position embeddings of another size ------------------------------------------- */

enum vlp_resample {
    VLP_RESAMPLE_ANTIALIAS, /* open_clip: bicubic a = -0.5, support grows when shrinking */
    VLP_RESAMPLE_BICUBIC,   /* Hugging Face: bicubic a = -0.75, four taps clamped to the edge */
    VLP_RESAMPLE_LINEAR     /* open_clip's text tower: two taps */
};
/* m (n_out, n_in): the weights with which outputs are made of inputs along one axis. */
void vlp_resample_matrix(float *m, int n_out, int n_in, enum vlp_resample kind);
/*
 * Rows `keep`.. of x are a grid (h_in, w_in) in raster order; out gets the first `keep` rows as
 * they are and the grid at (h_out, w_out). C columns each.
 */
void vlp_resample_grid(float *out, int h_out, int w_out, const float *x, int h_in, int w_in,
                       int keep, int C, enum vlp_resample kind);

#endif
