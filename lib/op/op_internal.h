/*
 * op_internal.h -- what the op files share: splitting loops over the pool, a fast exponential.
 */
#ifndef VLP_OP_INTERNAL_H
#define VLP_OP_INTERNAL_H

#include <string.h>
#include <vlp/op.h>

/*
 * Run f over [0, n) in pieces, on the pool when n * cost (in elements touched) is worth it. f owns
 * what it writes for its indices, so where the cuts fall cannot matter. n may be a count of
 * elements: the logits of a batch of 46,341 are more than an int can count.
 */
typedef void op_range(void *ctx, int64_t begin, int64_t end);
void         op_split(const struct vlp_tape *t, int64_t n, size_t cost, op_range *f, void *ctx);

/* The tape's compute for use inside a piece: this thread alone. */
static inline struct vlp_compute op_alone(const struct vlp_tape *t)
{
    struct vlp_compute c = t->compute;
    c.pool = NULL;
    return c;
}

/*
 * dx += dy, the gradient of the node's output; x may be NULL or want none. Where nothing is there
 * yet, which an op that sets may find, x takes dy's memory over if the op has done with it or only
 * reads it (`lend`), else a copy.
 */
void op_pass_back(const struct vlp_tape *t, struct vlp_tensor *x, float *dy, bool lend);

/*
 * Rows go back in blocks of so many, N in all: what is made of them is used several times while it
 * is in the cache, and dW = dp^T x sums over them. Where the cuts fall depends on N alone.
 */
int op_block_rows(int N);

/* What p = x W^T + b wants back, W (C, K); NULL where nothing is wanted. */
struct op_affine {
    float                   *db, *dw, *dx; /* dx: of all rows */
    bool                     fill;         /* dx holds nothing yet */
    const float             *x;            /* of the block at hand */
    const struct vlp_packed *turned;       /* W for dp W, where dx is wanted */
    int                      C, K;
};
/* dx += dp W,  dW += dp^T x,  db += sum_rows dp, for rows first .. first + rows. */
void op_affine_back(const struct vlp_tape *t, const struct op_affine *a, const float *dp, int first,
                    int rows);

/*
 * The precision of a linear layer's gradients: bf16 where its own products are, else f32. What is
 * not a linear layer (norms, softmax, attention, the bare projections, the losses) is f32 at every
 * precision, both ways.
 */
static inline enum vlp_precision op_gradient_precision(const struct vlp_tape *t)
{
    return t->compute.precision == VLP_PRECISION_BF16 ? VLP_PRECISION_BF16 : VLP_PRECISION_F32;
}

/*
 * e^x to about 1e-7 relative, plain arithmetic that compilers vectorise: x = n ln 2 + r, the
 * Taylor polynomial of e^r, n into the exponent. Below -87 it is 0, above 88 it is e^88.
 */
static inline float op_exp(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to the nearest integer */
    const float in = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
    const float shifted = in * 1.44269504f + magic;
    const float n = shifted - magic;
    const float r = (in - n * 0.693145752f) - n * 1.42860677e-6f;
    float       p = 1.3888889e-3f;
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666667e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    uint32_t bits; /* the lowest bits of `shifted` are n; those above leave at the top */
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return x < -87.0f ? 0.0f : p * power;
}

extern const struct vlp_op vlp_op_linear, vlp_op_mlp, vlp_op_project, vlp_op_matmul_nt,
    vlp_op_attention, vlp_op_layernorm, vlp_op_act, vlp_op_add, vlp_op_scale, vlp_op_scale_rows,
    vlp_op_scale_exp, vlp_op_lookup, vlp_op_gather_rows, vlp_op_concat_tokens, vlp_op_mean_rows,
    vlp_op_normalize, vlp_op_transpose, vlp_op_dropout, vlp_op_drop_path, vlp_op_cross_entropy,
    vlp_op_cross_entropy_soft, vlp_op_sigmoid_pairs, vlp_op_patchify, vlp_op_conv2d,
    vlp_op_avg_pool, vlp_op_nchw_to_nhwc, vlp_op_batch_norm;

#endif
