/*
 * mean_rows.c -- the mean row of every sequence.
 *
 *   forward     y[s] = sum over rows i of s of x[i] / n_s
 *   backward    dx[i] += dy[s] / n_s
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    struct vlp_seqs s;
    float          *x, *y;
    int             C;
};

static void forward_seqs(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t s = begin; s < end; s++) {
        const int a = p->s.start[s], b = p->s.start[s + 1];
        float    *y = p->y + (size_t)s * p->C;
        memset(y, 0, (size_t)p->C * sizeof *y);
        for (int i = a; i < b; i++)
            for (int c = 0; c < p->C; c++) y[c] += p->x[(size_t)i * p->C + c];
        for (int c = 0; c < p->C; c++) y[c] /= (float)(b - a);
    }
}

static void backward_seqs(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t s = begin; s < end; s++) {
        const int    a = p->s.start[s], b = p->s.start[s + 1];
        const float *dy = p->y + (size_t)s * p->C;
        for (int i = a; i < b; i++)
            for (int c = 0; c < p->C; c++) p->x[(size_t)i * p->C + c] += dy[c] / (float)(b - a);
    }
}

static size_t cost(const struct vlp_tensor *x, struct vlp_seqs s)
{
    return vlp_numel(x) / (size_t)(s.n ? s.n : 1);
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct vlp_seqs *s = n->saved;
    struct part            p = {*s, n->in[0]->grad, n->out->grad, vlp_cols(n->out)};
    op_split(t, s->n, cost(n->in[0], *s), backward_seqs, &p);
}

const struct vlp_op vlp_op_mean_rows = {.name = "mean_rows", .backward = backward};

struct vlp_tensor *vlp_mean_rows(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_seqs s)
{
    const int          C = vlp_cols(x);
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(s.n, C), false);
    struct vlp_seqs   *saved = vlp_record(t, &vlp_op_mean_rows, y, sizeof *saved, VLP_INPUTS(x));
    *saved = s;
    struct part p = {s, x->data, y->data, C};
    op_split(t, s.n, cost(x, s), forward_seqs, &p);
    return y;
}
