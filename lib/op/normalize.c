/*
 * normalize.c -- scale every row to unit length.
 *
 *   forward     y = x / max(|x|, 1e-12)
 *   backward    dx += (dy - y (y . dy)) / |x|
 */
#include "op_internal.h"

#include <math.h>

struct part {
    struct vlp_compute c;
    float             *x, *y, *dx, *length;
    const float       *dy;
    int                C;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++) {
        const float *x = p->x + (size_t)i * p->C;
        float       *y = p->y + (size_t)i * p->C;
        p->length[i] = fmaxf(sqrtf(vlp_dot(&p->c, x, x, p->C)), 1e-12f); /* a zero row stays zero */
        for (int c = 0; c < p->C; c++) y[c] = x[c] / p->length[i];
    }
}

static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++) {
        const float *y = p->y + (size_t)i * p->C, *dy = p->dy + (size_t)i * p->C;
        float       *dx = p->dx + (size_t)i * p->C;
        const float  along = vlp_dot(&p->c, y, dy, p->C);
        for (int c = 0; c < p->C; c++) dx[c] += (dy[c] - y[c] * along) / p->length[i];
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct part p = {.c = op_alone(t),
                     .y = n->out->data,
                     .dx = n->in[0]->grad,
                     .length = n->saved,
                     .dy = n->out->grad,
                     .C = vlp_cols(n->out)};
    op_split(t, vlp_rows(n->out), (size_t)p.C * 2, backward_rows, &p);
}

const struct vlp_op vlp_op_normalize = {.name = "normalize", .backward = backward};

struct vlp_tensor *vlp_normalize(struct vlp_tape *t, struct vlp_tensor *x)
{
    struct vlp_tensor *y = vlp_tensor_new(t, x->ndim, x->dim, false);
    const int          N = vlp_rows(x);
    float *length = vlp_record(t, &vlp_op_normalize, y, (size_t)N * sizeof *length, VLP_INPUTS(x));
    struct part p = {
        .c = op_alone(t), .x = x->data, .y = y->data, .length = length, .C = vlp_cols(x)};
    op_split(t, N, (size_t)p.C * 2, forward_rows, &p);
    return y;
}
