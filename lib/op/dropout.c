/*
 * dropout.c -- elements set to zero at random while training, the rest enlarged to keep the mean.
 *
 *   forward     y = x m,  m = 0 with probability p, else 1 / (1 - p)
 *   backward    dx += dy m
 *
 * The mask depends on the tape's random state alone: one draw a call, one stream a row.
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    float   *to, *mask;
    float   *from;
    float    p;
    uint64_t seed;
    int      C;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *a = ctx;
    for (int64_t r = begin; r < end; r++) {
        struct vlp_rng rng;
        vlp_rng_seed(&rng, a->seed, (uint64_t)r);
        const size_t at = (size_t)r * a->C;
        for (int c = 0; c < a->C; c++) {
            a->mask[at + c] = vlp_rng_uniform(&rng) < a->p ? 0.0f : 1.0f / (1.0f - a->p);
            a->to[at + c] = a->from[at + c] * a->mask[at + c];
        }
    }
}

static void backward_range(void *ctx, int64_t begin, int64_t end)
{
    const struct part *a = ctx;
    for (int64_t i = begin; i < end; i++) a->to[i] += a->from[i] * a->mask[i];
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct part a = {.to = n->in[0]->grad, .mask = n->saved, .from = n->out->grad};
    op_split(t, (int64_t)vlp_numel(n->out), 1, backward_range, &a);
}

const struct vlp_op vlp_op_dropout = {.name = "dropout", .backward = backward};

struct vlp_tensor *vlp_dropout(struct vlp_tape *t, struct vlp_tensor *x, float p)
{
    assert(p >= 0.0f && p < 1.0f);
    if (!t->training || p == 0.0f) return x;
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    float *mask = vlp_record(t, &vlp_op_dropout, y, vlp_numel(x) * sizeof *mask, VLP_INPUTS(x));
    struct part a = {y->data, mask, x->data, p, vlp_rng_next(&t->rng), vlp_cols(x)};
    op_split(t, vlp_rows(x), (size_t)a.C * 4, forward_rows, &a);
    return y;
}
