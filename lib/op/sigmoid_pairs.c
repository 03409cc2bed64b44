/*
 * sigmoid_pairs.c -- every pair a yes-or-no question: yes for the true pairs, no elsewhere.
 *
 *   forward     loss = - sum_ij log sigmoid(z_ij x_ij) / rows
 *               z_ij = 1 where j = first + i, else -1
 *   backward    dx_ij += - dloss z_ij sigmoid(- z_ij x_ij) / rows
 *
 * z is the label of a pair, x its logit, as in the loss of it (itc_sigmoid.c).
 */
#include "op_internal.h"

#include <math.h>

struct part {
    const float *x;
    float       *dx;
    double      *loss;
    float        factor;
    int          C, first;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t r = begin; r < end; r++) {
        double sum = 0.0;
        for (int c = 0; c < p->C; c++) {
            const float v = p->x[(size_t)r * p->C + c], m = r + p->first == c ? -v : v; /* -z x */
            sum += (double)fmaxf(m, 0.0f) + log1p((double)op_exp(-fabsf(m))); /* softplus(m) */
        }
        p->loss[r] = sum;
    }
}

static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t r = begin; r < end; r++)
        for (int c = 0; c < p->C; c++) {
            const size_t at = (size_t)r * p->C + c;
            const bool   yes = r + p->first == c;
            const float  m = yes ? -p->x[at] : p->x[at];
            const float  s = 1.0f / (1.0f + op_exp(-m));
            p->dx[at] += yes ? -p->factor * s : p->factor * s;
        }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *x = n->in[0];
    const int          N = vlp_rows(x);
    struct part        p = {.x = x->data,
                            .dx = x->grad,
                            .factor = n->out->grad[0] / (float)N,
                            .C = vlp_cols(x),
                            .first = *(const int *)n->saved};
    op_split(t, N, (size_t)p.C * 4, backward_rows, &p);
}

const struct vlp_op vlp_op_sigmoid_pairs = {.name = "sigmoid_pairs", .backward = backward};

struct vlp_tensor *vlp_sigmoid_pairs(struct vlp_tape *t, struct vlp_tensor *x, int first)
{
    const int          N = vlp_rows(x);
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(1), false);
    int *saved = vlp_record(t, &vlp_op_sigmoid_pairs, y, sizeof *saved, VLP_INPUTS(x));
    *saved = first;
    struct part p = {.x = x->data,
                     .loss = vlp_arena_alloc(t->mem, (size_t)N * sizeof(double)),
                     .C = vlp_cols(x),
                     .first = first};
    op_split(t, N, (size_t)p.C * 4, forward_rows, &p);
    double sum = 0.0;
    for (int r = 0; r < N; r++) sum += p.loss[r];
    y->data[0] = (float)(sum / N);
    return y;
}
