/*
 * nchw_to_nhwc.c -- pictures with their channels side by side.
 *
 *   forward     y[b][i][c] = x[b][c][i],  i over the pixels
 *   backward    dx += the same places of dy
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    float *x, *y;
    int    C, pixels;
    bool   add;
};

static void pictures(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    const size_t       size = (size_t)p->C * p->pixels;
    for (int64_t b = begin; b < end; b++)
        for (int i = 0; i < p->pixels; i++)
            for (int c = 0; c < p->C; c++) {
                float *x = p->x + b * size + (size_t)c * p->pixels + i;
                float *y = p->y + b * size + (size_t)i * p->C + c;
                if (p->add)
                    *x += *y;
                else
                    *y = *x;
            }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct vlp_tensor *x = n->in[0];
    struct part              p = {x->grad, n->out->grad, x->dim[1], x->dim[2] * x->dim[3], true};
    op_split(t, x->dim[0], (size_t)p.C * p.pixels, pictures, &p);
}

const struct vlp_op vlp_op_nchw_to_nhwc = {.name = "nchw_to_nhwc", .backward = backward};

struct vlp_tensor *vlp_nchw_to_nhwc(struct vlp_tape *t, struct vlp_tensor *x)
{
    assert(x->ndim == 4);
    struct vlp_tensor *y =
        vlp_tensor_new(t, VLP_DIMS(x->dim[0], x->dim[2], x->dim[3], x->dim[1]), false);
    vlp_record(t, &vlp_op_nchw_to_nhwc, y, 0, VLP_INPUTS(x));
    struct part p = {x->data, y->data, x->dim[1], x->dim[2] * x->dim[3], false};
    op_split(t, x->dim[0], (size_t)p.C * p.pixels, pictures, &p);
    return y;
}
