/*
 * gather_rows.c -- chosen rows, in any order, repeats allowed.
 *
 *   forward     y[i] = x[rows[i]]
 *   backward    dx[rows[i]] += dy[i], in order of i
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    float       *to;
    const float *from;
    const int   *rows;
    int          n, C;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++)
        memcpy(p->to + (size_t)i * p->C, p->from + (size_t)p->rows[i] * p->C,
               (size_t)p->C * sizeof *p->to);
}

static void backward_columns(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int i = 0; i < p->n; i++) {
        float       *to = p->to + (size_t)p->rows[i] * p->C;
        const float *from = p->from + (size_t)i * p->C;
        for (int64_t c = begin; c < end; c++) to[c] += from[c];
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *x = n->in[0];
    struct part        p = {x->grad, n->out->grad, n->saved, vlp_rows(n->out), vlp_cols(x)};
    op_split(t, p.C, (size_t)p.n, backward_columns, &p);
}

const struct vlp_op vlp_op_gather_rows = {.name = "gather_rows", .backward = backward};

struct vlp_tensor *vlp_gather_rows(struct vlp_tape *t, struct vlp_tensor *x, const int *rows, int n)
{
    const int          C = vlp_cols(x);
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(n, C), false);
    int *saved = vlp_record(t, &vlp_op_gather_rows, y, (size_t)n * sizeof *saved, VLP_INPUTS(x));
    for (int i = 0; i < n; i++) {
        assert(rows[i] >= 0 && rows[i] < vlp_rows(x));
        saved[i] = rows[i];
    }
    struct part p = {y->data, vlp_values(x), saved, n, C};
    op_split(t, n, (size_t)C, forward_rows, &p);
    return y;
}
