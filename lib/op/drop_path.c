/*
 * drop_path.c -- whole sequences of a branch set to zero at random while training.
 *
 *   forward     y[s] = x[s] m_s,  m_s = 0 with probability p, else 1 / (1 - p)
 *   backward    dx[s] += dy[s] m_s
 */
#include "op_internal.h"

#include <assert.h>

struct saved {
    struct vlp_seqs s;
    float          *factor;
};

struct part {
    const struct saved *s;
    float              *to;
    const float        *from;
    int                 C;
    bool                add;
};

static void scale_seqs(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t s = begin; s < end; s++) {
        const size_t a = (size_t)p->s->s.start[s] * p->C, b = (size_t)p->s->s.start[s + 1] * p->C;
        const float  m = p->s->factor[s];
        for (size_t i = a; i < b; i++) p->to[i] = (p->add ? p->to[i] : 0.0f) + p->from[i] * m;
    }
}

static void run(const struct vlp_tape *t, struct part *p, size_t numel)
{
    op_split(t, p->s->s.n, numel / (size_t)(p->s->s.n ? p->s->s.n : 1), scale_seqs, p);
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct part p = {n->saved, n->in[0]->grad, n->out->grad, vlp_cols(n->out), true};
    run(t, &p, vlp_numel(n->out));
}

const struct vlp_op vlp_op_drop_path = {.name = "drop_path", .backward = backward};

struct vlp_tensor *vlp_drop_path(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_seqs s,
                                 float p)
{
    assert(p >= 0.0f && p < 1.0f);
    if (!t->training || p == 0.0f) return x;
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    struct saved      *saved = vlp_record(t, &vlp_op_drop_path, y, sizeof *saved, VLP_INPUTS(x));
    saved->s = s;
    saved->factor = vlp_arena_alloc(t->mem, (size_t)s.n * sizeof *saved->factor);
    for (int i = 0; i < s.n; i++)
        saved->factor[i] = vlp_rng_uniform(&t->rng) < p ? 0.0f : 1.0f / (1.0f - p);
    struct part a = {saved, y->data, x->data, vlp_cols(x), false};
    run(t, &a, vlp_numel(x));
    return y;
}
