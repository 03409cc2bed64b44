/*
 * matmul_nt.c -- every row of a against every row of b.
 *
 *   forward     y = a b^T
 *   backward    da += dy b,  db += dy^T a
 */
#include "op_internal.h"

#include <assert.h>

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *a = n->in[0], *b = n->in[1];
    const int          M = vlp_rows(a), N = vlp_rows(b), K = vlp_cols(a);
    const float       *dy = n->out->grad;
    if (a->grad)
        vlp_gemm(&t->compute, VLP_PRECISION_F32, false, false, M, K, N, 1.0f, dy, N, vlp_values(b),
                 K, true, a->grad, K);
    if (b->grad)
        vlp_gemm(&t->compute, VLP_PRECISION_F32, true, false, N, K, M, 1.0f, dy, N, vlp_values(a),
                 K, true, b->grad, K);
}

const struct vlp_op vlp_op_matmul_nt = {.name = "matmul_nt", .backward = backward};

struct vlp_tensor *vlp_matmul_nt(struct vlp_tape *t, struct vlp_tensor *a, struct vlp_tensor *b)
{
    const int M = vlp_rows(a), N = vlp_rows(b), K = vlp_cols(a);
    assert(vlp_cols(b) == K);
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(M, N), false);
    vlp_record(t, &vlp_op_matmul_nt, y, 0, VLP_INPUTS(a, b));
    vlp_gemm(&t->compute, VLP_PRECISION_F32, false, true, M, N, K, 1.0f, vlp_values(a), K,
             vlp_values(b), K, false, y->data, N);
    return y;
}
