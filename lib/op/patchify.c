/*
 * patchify.c -- pictures cut into flat patches, so that patch embedding is a linear layer.
 *
 *   forward     y[(b, gy, gx)][(c, py, px)] = x[b][c][gy P + py][gx P + px]
 *   backward    dx += the same places of dy
 *
 * What is left over at the right and at the bottom is in no patch.
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    float *x, *y;
    int    channels, H, W, P;
    bool   add; /* backward */
};

/* Index i is one row of patches: (picture, gy). */
static void patch_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    const int          P = p->P, gh = p->H / P, gw = p->W / P;
    const size_t       width = (size_t)p->channels * P * P;
    for (int64_t i = begin; i < end; i++)
        for (int c = 0; c < p->channels; c++)
            for (int py = 0; py < P; py++) {
                const size_t row =
                    ((size_t)(i / gh) * p->channels + c) * p->H + (size_t)(i % gh) * P + py;
                float *x = p->x + row * p->W;
                float *y = p->y + (size_t)i * gw * width + ((size_t)c * P + py) * P;
                for (int gx = 0; gx < gw; gx++, x += P, y += width) {
                    if (p->add)
                        for (int px = 0; px < P; px++) x[px] += y[px];
                    else
                        memcpy(y, x, (size_t)P * sizeof *y);
                }
            }
}

static void run(const struct vlp_tape *t, const struct vlp_tensor *x, struct part *p)
{
    const int rows = x->dim[0] * (p->H / p->P);
    op_split(t, rows, (size_t)p->channels * p->P * p->W, patch_rows, p);
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct vlp_tensor *x = n->in[0];
    struct part              p = {x->grad,   n->out->grad,           x->dim[1], x->dim[2],
                                  x->dim[3], *(const int *)n->saved, true};
    run(t, x, &p);
}

const struct vlp_op vlp_op_patchify = {.name = "patchify", .backward = backward};

struct vlp_tensor *vlp_patchify(struct vlp_tape *t, struct vlp_tensor *x, int patch)
{
    assert(x->ndim == 4 && x->dim[2] >= patch && x->dim[3] >= patch);
    const int          gh = x->dim[2] / patch, gw = x->dim[3] / patch;
    struct vlp_tensor *y =
        vlp_tensor_new(t, VLP_DIMS(x->dim[0] * gh * gw, x->dim[1] * patch * patch), false);
    int *saved = vlp_record(t, &vlp_op_patchify, y, sizeof *saved, VLP_INPUTS(x));
    *saved = patch;
    struct part p = {x->data, y->data, x->dim[1], x->dim[2], x->dim[3], patch, false};
    run(t, x, &p);
    return y;
}
