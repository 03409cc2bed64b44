/*
 * project.c -- rows times a bare matrix (in, out), kept in f32 at every precision.
 *
 *   forward     y = x P
 *   backward    dx += dy P^T,  dP += x^T dy
 */
#include "op_internal.h"

#include <assert.h>

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *x = n->in[0], *p = n->in[1];
    const int          N = vlp_rows(x), K = vlp_cols(x), C = vlp_cols(p);
    const float       *dy = n->out->grad;
    if (x->grad)
        vlp_gemm(&t->compute, VLP_PRECISION_F32, false, true, N, K, C, 1.0f, dy, C, vlp_values(p),
                 C, true, x->grad, K);
    if (p->grad)
        vlp_gemm(&t->compute, VLP_PRECISION_F32, true, false, K, C, N, 1.0f, x->data, K, dy, C,
                 true, p->grad, C);
}

const struct vlp_op vlp_op_project = {.name = "project", .backward = backward};

struct vlp_tensor *vlp_project(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_tensor *p)
{
    const int N = vlp_rows(x), K = vlp_cols(x), C = vlp_cols(p);
    assert(p->ndim == 2 && p->dim[0] == K);
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(N, C), false);
    vlp_record(t, &vlp_op_project, y, 0, VLP_INPUTS(x, p));

    const struct vlp_epilogue plain = {0};
    struct vlp_packed        *own;
    const struct vlp_packed  *packed =
        vlp_tensor_packed(&t->compute, p, VLP_FORM_TRANSPOSED, VLP_PRECISION_F32, &own);
    vlp_gemm_packed(&t->compute, y->data, C, x->data, K, N, packed, 0, C, &plain);
    vlp_packed_free(own);
    return y;
}
