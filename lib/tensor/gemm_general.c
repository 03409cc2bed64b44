/*
 * gemm_general.c -- C = alpha op(A) op(B) + C with both operands packed on the fly.
 *
 * op(B) is packed as if it were a weight, a few thousand columns at a time, then the product runs
 * as any other.
 */
#include <string.h>

#include "tensor_internal.h"

enum { PACK_FLOATS = 4 << 20 }; /* of op(B) at a time */

struct pack_b {
    uint32_t       *out;
    const uint32_t *b; /* at the first column */
    bool            tb;
    int             ldb, K, cols, nr;
};

static void pack_b_panel(void *ctx, int i, int worker)
{
    const struct pack_b *j = ctx;
    const int            n0 = i * j->nr, left = j->cols - n0;
    const int            cols = left < j->nr ? left : j->nr;
    const size_t         nr = (size_t)j->nr;
    uint32_t            *out = j->out + (size_t)n0 * j->K;
    (void)worker;
    if (j->tb)
        vlp_transpose_units(out, nr, j->b + (size_t)n0 * j->ldb, (size_t)j->ldb, cols, j->K);
    else
        for (int k = 0; k < j->K; k++)
            memcpy(out + k * nr, j->b + (size_t)k * j->ldb + n0, (size_t)cols * 4);
    for (int k = 0; cols < j->nr && k < j->K; k++) memset(out + k * nr + cols, 0, (nr - cols) * 4);
}

void vlp_gemm(const struct vlp_compute *c, bool ta, bool tb, int M, int N, int K, float alpha,
              const float *A, int lda, const float *B, int ldb, bool accumulate, float *C, int ldc)
{
    const struct vlp_gemm_kind *kind = c->kernels->gemm[VLP_PRECISION_F32];
    const int                   nr = kind->nr;
    if (M <= 0 || N <= 0) return;
    if (K <= 0) {
        for (int i = 0; i < M && !accumulate; i++)
            memset(C + (size_t)i * ldc, 0, (size_t)N * sizeof *C);
        return;
    }
    int step = PACK_FLOATS / K / nr * nr;
    if (step < 2 * VLP_PANEL) step = 2 * VLP_PANEL;
    for (int n0 = 0; n0 < N; n0 += step) {
        const int     cols = N - n0 < step ? N - n0 : step, panels = vlp_ceil_div(cols, nr);
        const size_t  size = (size_t)panels * nr * K * 4;
        struct pack_b j = {vlp_scratch(VLP_SCRATCH_B, size), NULL, tb, ldb, K, cols, nr};
        j.b = (const uint32_t *)(const void *)(tb ? B + (size_t)n0 * ldb : B + n0);
        vlp_parallel(c->pool, panels, pack_b_panel, &j);

        struct vlp_packed w = {.kind = kind,
                               .precision = VLP_PRECISION_F32,
                               .N = cols,
                               .K = K,
                               .units = K,
                               .store = VLP_F32,
                               .panel = (size_t)nr * K * 4,
                               .data = j.out};
        vlp_k_blocks(K, &w.kc, &w.n_blocks);
        struct vlp_product p = {c, &w, A, lda, M, 0, cols, ta, C + n0, ldc, alpha, {0}};
        if (accumulate) {
            p.e.residual = C + n0;
            p.e.ld_residual = ldc;
        }
        vlp_product_run(&p);
    }
}
