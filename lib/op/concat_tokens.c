/*
 * concat_tokens.c -- per sequence, a's rows and then b's.
 *
 *   forward     y = [a_0; b_0; a_1; b_1; ...]
 *   backward    da, db += their rows of dy
 */
#include "op_internal.h"

#include <assert.h>

struct saved {
    struct vlp_seqs a, b, y;
};

struct part {
    const struct saved *s;
    float              *a, *b, *y;
    int                 C;
};

static size_t rows_size(const struct vlp_seqs *s, int i)
{
    return (size_t)(s->start[i + 1] - s->start[i]);
}

static void forward_seqs(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    const size_t       C = (size_t)p->C;
    for (int64_t i = begin; i < end; i++) {
        const size_t na = rows_size(&p->s->a, i), nb = rows_size(&p->s->b, i);
        float       *y = p->y + (size_t)p->s->y.start[i] * C;
        memcpy(y, p->a + (size_t)p->s->a.start[i] * C, na * C * sizeof *y);
        memcpy(y + na * C, p->b + (size_t)p->s->b.start[i] * C, nb * C * sizeof *y);
    }
}

static void add_to(float *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += from[i];
}

static void backward_seqs(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    const size_t       C = (size_t)p->C;
    for (int64_t i = begin; i < end; i++) {
        const size_t na = rows_size(&p->s->a, i), nb = rows_size(&p->s->b, i);
        const float *dy = p->y + (size_t)p->s->y.start[i] * C;
        if (p->a) add_to(p->a + (size_t)p->s->a.start[i] * C, dy, na * C);
        if (p->b) add_to(p->b + (size_t)p->s->b.start[i] * C, dy + na * C, nb * C);
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct saved *s = n->saved;
    struct part         p = {s, n->in[0]->grad, n->in[1]->grad, n->out->grad, vlp_cols(n->out)};
    op_split(t, s->y.n, vlp_numel(n->out) / (size_t)(s->y.n ? s->y.n : 1), backward_seqs, &p);
}

const struct vlp_op vlp_op_concat_tokens = {.name = "concat_tokens", .backward = backward};

struct vlp_tensor *vlp_concat_tokens(struct vlp_tape *t, struct vlp_tensor *a, struct vlp_seqs as,
                                     struct vlp_tensor *b, struct vlp_seqs bs, struct vlp_seqs *out)
{
    assert(as.n == bs.n && vlp_cols(a) == vlp_cols(b));
    int *start = vlp_arena_alloc(t->mem, ((size_t)as.n + 1) * sizeof *start);
    for (int i = 0; i <= as.n; i++) start[i] = as.start[i] + bs.start[i];
    *out = (struct vlp_seqs){as.n, start};

    const int          C = vlp_cols(a);
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(start[as.n], C), false);
    struct saved      *s = vlp_record(t, &vlp_op_concat_tokens, y, sizeof *s, VLP_INPUTS(a, b));
    *s = (struct saved){as, bs, *out};
    struct part p = {s, (float *)(uintptr_t)vlp_values(a), (float *)(uintptr_t)vlp_values(b),
                     y->data, C};
    op_split(t, as.n, vlp_numel(y) / (size_t)(as.n ? as.n : 1), forward_seqs, &p);
    return y;
}
