/*
 * op.h -- the fused operations that models are made of, forward and backward in one file each.
 *
 * Shapes are the programmer's duty (asserted). y->data is valid on return. A NULL gradient is the
 * only way to say "not wanted". Sequences of unequal length lie behind each other as flat rows:
 * padding does not exist.
 *
 * B pictures or texts, N rows, C columns (channels), H heads. Where no shape is given y has x's,
 * whose columns are the last dimension and whose rows are all others together.
 */
#ifndef VLP_OP_H
#define VLP_OP_H

#include <vlp/tensor.h>

/* Rows start[s] .. start[s+1]-1 of a flat tensor are sequence s; start has n + 1 entries. Ops keep
 * the pointer and not the numbers: these stay where they are until backward. */
struct vlp_seqs {
    int        n;
    const int *start;
};
/* n sequences of `length` rows each, in the tape's memory. */
struct vlp_seqs vlp_seqs_even(struct vlp_tape *t, int n, int length);

struct vlp_linear_options {
    enum vlp_activation act;
    struct vlp_tensor  *residual; /* (N, out), added after the activation; or NULL */
    /* Only rows first .. first + count - 1 of W, and of b unless it has just as many; count 0: all
     * from `first` on. Multiples of VLP_PANEL. */
    int                first, count;
    struct vlp_tensor *into; /* while not recording: y is written here (may be the residual) */
};
/* y (N, out) = act(x (N, in) W^T + b) + residual; W (out, in), or any shape with that many rows and
 * columns (a patch embedding's (C, 3, P, P)); b may be NULL, o may be NULL. */
struct vlp_tensor *vlp_linear(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *W,
                              struct vlp_tensor *b, const struct vlp_linear_options *o);
/*
 * y (N, out) = act(x (N, in) W1^T + b1) W2^T + b2 + residual: two linear layers of whose hidden
 * rows nothing is kept but, while recording, what went into act: backward computes the rest again.
 * b1, b2 and residual may be NULL; while not recording y is written into `into`, unless NULL, which
 * may be the residual and x. The same bits as two calls of vlp_linear.
 */
struct vlp_tensor *vlp_mlp(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *W1,
                           struct vlp_tensor *b1, enum vlp_activation act, struct vlp_tensor *W2,
                           struct vlp_tensor *b2, struct vlp_tensor *residual,
                           struct vlp_tensor *into);
/* y (N, out) = x (N, in) P (in, out): the bare projections of CLIP. */
struct vlp_tensor *vlp_project(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *P);
/* y (M, N) = a (M, K) b (N, K)^T */
struct vlp_tensor *vlp_matmul_nt(struct vlp_tape *t, struct vlp_tensor *a, struct vlp_tensor *b);

struct vlp_attention_options {
    int             heads;
    struct vlp_seqs q_seqs, k_seqs;
    bool            causal;
    /* (H, Tq, Tk) added to every sequence's scores, or NULL: of the longest; a shorter sequence has
     * its first rows and columns */
    struct vlp_tensor *bias;
    float              scale; /* 0: 1/sqrt(D) */
    /* (q_seqs.n) or NULL: the queries of a sequence are those of its keys q_place[s] and after, as
     * vlp_attention_args has it. Stays where it is until backward. */
    const int *q_place;
};
/* y (Nq, C): q is columns q_col .. q_col+C-1 of tensor q (Nq rows), k and v such of theirs (Nk
 * rows); the three may be one (N, 3C) tensor. */
struct vlp_tensor *vlp_attention(struct vlp_tape *t, struct vlp_tensor *q, int q_col,
                                 struct vlp_tensor *k, int k_col, struct vlp_tensor *v, int v_col,
                                 int C, const struct vlp_attention_options *o);

/* x (N, C), w and b (C): every row to mean 0 and variance 1, then x w + b. */
struct vlp_tensor *vlp_layernorm(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *w,
                                 struct vlp_tensor *b, float eps);
/* Statistics that a batch norm found, over all rows of all processes; in the tape's memory. */
struct vlp_batch_stats {
    const float  *mean; /* (C) */
    const double *var;  /* (C), biased */
    double        rows;
};
/* x (N, C), w and b (C): columns to mean 0 and variance 1 over the batch's own rows (training),
 * then x w + b; stats may be NULL. */
struct vlp_tensor *vlp_batch_norm(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *w,
                                  struct vlp_tensor *b, float eps, struct vlp_batch_stats *stats);
struct vlp_tensor *vlp_act(struct vlp_tape *t, struct vlp_tensor *x, enum vlp_activation act);
/* a (N, C) + b (N', C), whose rows repeat where it has fewer; or b (1), one number. */
struct vlp_tensor *vlp_add(struct vlp_tape *t, struct vlp_tensor *a, struct vlp_tensor *b);
struct vlp_tensor *vlp_scale(struct vlp_tape *t, struct vlp_tensor *x, float s);
/* x (N, C) times gamma (C) in every row: layer scale. */
struct vlp_tensor *vlp_scale_rows(struct vlp_tape *t, struct vlp_tensor *x,
                                  struct vlp_tensor *gamma);
/* x exp(s), s (1) */
struct vlp_tensor *vlp_scale_exp(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *s);
/* y (n, C) = table[ids]; ids are copied. */
struct vlp_tensor *vlp_lookup(struct vlp_tape *t, struct vlp_tensor *table, const int32_t *ids,
                              int n);
/* y (n, C) = x[rows]; any order, repeats allowed. */
struct vlp_tensor *vlp_gather_rows(struct vlp_tape *t, struct vlp_tensor *x, const int *rows,
                                   int n);
/* y (Na + Nb, C) of a (Na, C) and b (Nb, C): for each sequence a's rows, then b's; `out` says where
 * they are. */
struct vlp_tensor *vlp_concat_tokens(struct vlp_tape *t, struct vlp_tensor *a, struct vlp_seqs as,
                                     struct vlp_tensor *b, struct vlp_seqs bs,
                                     struct vlp_seqs *out);
/* y (s.n, C): the mean of each sequence's rows of x (N, C). */
struct vlp_tensor *vlp_mean_rows(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_seqs s);
/* Rows / max(|row|, 1e-12), as PyTorch's normalize. */
struct vlp_tensor *vlp_normalize(struct vlp_tape *t, struct vlp_tensor *x);
/* (M, N) -> (N, M) */
struct vlp_tensor *vlp_transpose(struct vlp_tape *t, struct vlp_tensor *x);
/* While training: elements are 0 with probability p, and so are all rows of a sequence; the rest is
 * divided by 1 - p. */
struct vlp_tensor *vlp_dropout(struct vlp_tape *t, struct vlp_tensor *x, float p);
struct vlp_tensor *vlp_drop_path(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_seqs s,
                                 float p);
/* y (1): mean over rows of x (N, C) of -log softmax(x)[target]; targets (N) < 0 are left out. */
struct vlp_tensor *vlp_cross_entropy(struct vlp_tape *t, struct vlp_tensor *x,
                                     const int32_t *target);
/* y (1): mean over rows of sum_j target_j (-log softmax(x)_j), target (N, C): probabilities, which
 * need not add up to 1. Not differentiated, not copied: it stays as it is until backward. */
struct vlp_tensor *vlp_cross_entropy_soft(struct vlp_tape *t, struct vlp_tensor *x,
                                          const struct vlp_tensor *target);
/* y (1): -mean over rows of x (N, C) of sum_j log sigmoid(z_ij x_ij), z 1 at column first + i of
 * row i, -1 elsewhere (SigLIP): rows of one process against candidates of all. */
struct vlp_tensor *vlp_sigmoid_pairs(struct vlp_tape *t, struct vlp_tensor *x, int first);

/* Pictures: (B, 3, H, W) f32 -> flat patches (B gh gw, 3 P P) in (c, y, x) order, row-major
 * positions, gh = H / P and gw = W / P; a rest at the right and bottom is left out. */
struct vlp_tensor *vlp_patchify(struct vlp_tape *t, struct vlp_tensor *x, int patch);
/* ResNet, channels last inside: x (B, H, W, Cin), W (Cout, Cin, k, k), pad k/2, folded or plain
 * bias (Cout) -> (B, h, w, Cout), as the residual's; for odd k h = ceil(H / stride), w alike. */
struct vlp_tensor *vlp_conv2d(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *W,
                              struct vlp_tensor *b, int stride, enum vlp_activation act,
                              struct vlp_tensor *residual_before_act);
/* (B, H, W, C) -> (B, H / k, W / k, C): means of squares; a rest is left out. */
struct vlp_tensor *vlp_avg_pool(struct vlp_tape *t, struct vlp_tensor *x, int k);
/* (B, C, H, W) -> (B, H, W, C) */
struct vlp_tensor *vlp_nchw_to_nhwc(struct vlp_tape *t, struct vlp_tensor *x);

/* Every op, for the gradient test. */
extern const struct vlp_op *const vlp_ops[]; /* NULL-terminated */

#endif
