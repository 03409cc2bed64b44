/*
 * gemm_general.c -- C = alpha op(A) op(B) + C with both operands packed on the fly.
 *
 * op(B) is packed as if it were a weight, a few thousand columns at a time, then the product runs
 * as any other. In bf16 a unit is two elements along K: of a row of B under tb, else of two rows.
 */
#include <assert.h>
#include <string.h>

#include "tensor_internal.h"

enum { PACK_UNITS = 4 << 20 }; /* of op(B) at a time */

int vlp_units_of(const struct vlp_gemm_kind *kind, int K)
{
    const int units = vlp_ceil_div(K > 0 ? K : 1, kind->unit); /* of nothing: one of zeros */
    return vlp_ceil_div(units, kind->k_align) * kind->k_align;
}

/* Rows of B from n0 on, turned over. */
static void turn_rows(const struct vlp_operand *o, uint32_t *out, int n0, int cols)
{
    const size_t nr = (size_t)o->kind->nr, stride = (size_t)o->units + 4;
    const float *b = o->b + (size_t)n0 * o->ldb;
    if (o->kind->unit == 1 && !o->kind->round_bf16) {
        vlp_transpose_units(out, nr, (const uint32_t *)(const void *)b, (size_t)o->ldb, cols, o->K);
        return;
    }
    uint32_t *row = vlp_scratch(VLP_SCRATCH_PANEL, stride * nr * sizeof *row);
    for (int i = 0; i < cols; i++) {
        row[i * stride + (size_t)(o->K - 1) / o->kind->unit] = 0; /* half a unit, maybe */
        o->kind->load_row(row + i * stride, b + (size_t)i * o->ldb, o->K, NULL);
    }
    vlp_transpose_units(out, nr, row, stride, cols, vlp_ceil_div(o->K, o->kind->unit));
}

static void pack_panel(void *ctx, int i, int worker)
{
    const struct vlp_operand *o = ctx;
    const size_t              nr = (size_t)o->kind->nr;
    const int                 n0 = i * o->kind->nr, left = o->N - n0, units = o->units;
    const int                 cols = left < o->kind->nr ? left : o->kind->nr;
    const int                 have = vlp_ceil_div(o->K, o->kind->unit);
    uint32_t                 *out = o->out + (size_t)n0 * units;
    (void)worker;
    if (o->tb && have > 0)
        turn_rows(o, out, n0, cols);
    else if (have > 0)
        o->kind->load_columns(out, nr, o->b + n0, (size_t)o->ldb, o->K, cols);
    memset(out + have * nr, 0, (size_t)(units - have) * nr * sizeof *out);
    for (int k = 0; cols < o->kind->nr && k < have; k++)
        memset(out + k * nr + cols, 0, (nr - (size_t)cols) * sizeof *out);
}

void vlp_operand_pack(const struct vlp_compute *c, const struct vlp_operand *o)
{
    vlp_parallel(c->pool, vlp_ceil_div(o->N, o->kind->nr), pack_panel, (void *)(uintptr_t)o);
}

void vlp_gemm(const struct vlp_compute *c, enum vlp_precision precision, bool ta, bool tb, int M,
              int N, int K, float alpha, const float *A, int lda, const float *B, int ldb,
              bool accumulate, float *C, int ldc)
{
    const struct vlp_gemm_kind *kind = c->kernels->gemm[precision];
    const int                   nr = kind->nr;
    assert(kind->load_columns);
    if (M <= 0 || N <= 0) return;
    if (K <= 0) {
        for (int i = 0; i < M && !accumulate; i++)
            memset(C + (size_t)i * ldc, 0, (size_t)N * sizeof *C);
        return;
    }
    const int units = vlp_units_of(kind, K);
    int       step = PACK_UNITS / units / nr * nr;
    if (step < 2 * VLP_PANEL) step = 2 * VLP_PANEL;
    for (int n0 = 0; n0 < N; n0 += step) {
        const int          cols = N - n0 < step ? N - n0 : step;
        const size_t       panel = (size_t)units * nr * 4;
        struct vlp_operand o = {.kind = kind, .tb = tb, .ldb = ldb, .K = K, .N = cols};
        o.out = vlp_scratch(VLP_SCRATCH_B, panel * (size_t)vlp_ceil_div(cols, nr));
        o.b = tb ? B + (size_t)n0 * ldb : B + n0;
        o.units = units;
        vlp_operand_pack(c, &o);

        struct vlp_packed w = {.kind = kind,
                               .N = cols,
                               .K = K,
                               .units = units,
                               .store = VLP_F32,
                               .panel = panel,
                               .data = o.out};
        vlp_k_blocks(units, &w.kc, &w.n_blocks);
        struct vlp_product p = {.c = c,
                                .w = &w,
                                .x = A,
                                .ldx = lda,
                                .M = M,
                                .n1 = cols,
                                .ta = ta,
                                .y = C + n0,
                                .ldy = ldc,
                                .alpha = alpha};
        if (accumulate) {
            p.e.residual = C + n0;
            p.e.ld_residual = ldc;
        }
        vlp_product_run(&p);
    }
}
