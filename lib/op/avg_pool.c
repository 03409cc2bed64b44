/*
 * avg_pool.c -- the mean of every k x k square, channels last; a rest at the border is left out.
 *
 *   forward     y[b][i][j] = sum over the square of x / k^2
 *   backward    dx[square] += dy[b][i][j] / k^2
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    float *x, *y;
    int    H, W, C, k;
};

/* Index r is one row of outputs: (picture, i). */
static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    const int          k = p->k, h = p->H / k, w = p->W / k, C = p->C;
    const float        share = 1.0f / (float)(k * k);
    for (int64_t r = begin; r < end; r++)
        for (int j = 0; j < w; j++) {
            float *y = p->y + ((size_t)r * w + j) * C;
            memset(y, 0, (size_t)C * sizeof *y);
            for (int s = 0; s < k * k; s++) {
                const size_t row = (size_t)(r / h) * p->H + (size_t)(r % h) * k + s / k;
                const float *x = p->x + (row * p->W + (size_t)j * k + s % k) * C;
                for (int c = 0; c < C; c++) y[c] += x[c];
            }
            for (int c = 0; c < C; c++) y[c] *= share;
        }
}

static void backward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    const int          k = p->k, h = p->H / k, w = p->W / k, C = p->C;
    const float        share = 1.0f / (float)(k * k);
    for (int64_t r = begin; r < end; r++)
        for (int j = 0; j < w; j++) {
            const float *dy = p->y + ((size_t)r * w + j) * C;
            for (int s = 0; s < k * k; s++) {
                const size_t row = (size_t)(r / h) * p->H + (size_t)(r % h) * k + s / k;
                float       *dx = p->x + (row * p->W + (size_t)j * k + s % k) * C;
                for (int c = 0; c < C; c++) dx[c] += dy[c] * share;
            }
        }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct vlp_tensor *x = n->in[0];
    const int                k = *(const int *)n->saved;
    struct part              p = {x->grad, n->out->grad, x->dim[1], x->dim[2], x->dim[3], k};
    op_split(t, x->dim[0] * (p.H / k), (size_t)k * p.W * p.C, backward_rows, &p);
}

const struct vlp_op vlp_op_avg_pool = {.name = "avg_pool", .backward = backward};

struct vlp_tensor *vlp_avg_pool(struct vlp_tape *t, struct vlp_tensor *x, int k)
{
    assert(x->ndim == 4);
    struct vlp_tensor *y =
        vlp_tensor_new(t, VLP_DIMS(x->dim[0], x->dim[1] / k, x->dim[2] / k, x->dim[3]), false);
    int *saved = vlp_record(t, &vlp_op_avg_pool, y, sizeof *saved, VLP_INPUTS(x));
    *saved = k;
    struct part p = {x->data, y->data, x->dim[1], x->dim[2], x->dim[3], k};
    op_split(t, x->dim[0] * (p.H / k), (size_t)k * p.W * p.C, forward_rows, &p);
    return y;
}
