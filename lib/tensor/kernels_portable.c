/* kernels_portable.c -- the level that every machine runs: vectors of four, no fused products. */
#include "simd_portable.h"

#define TILE_ROWS     4
#define TILE_VECTORS  2
#define PEAK_SUMS     10
#define LEVEL_KERNELS vlp_kernels_portable
#define LEVEL_INT8    int8

#include "finish_impl.h"
#include "gemm_f32_impl.h"
#include "peak_impl.h"
#include "quant_impl.h"

/* c[r][n] (+)= sum over four bytes each of u8 times s8 */
static void tile_int8(int rows, int units, const void *a, const void *b, void *c, bool add,
                      const void *next)
{
    (void)next;
    for (int r = 0; r < rows; r++) {
        const uint8_t *x = (const uint8_t *)a + (size_t)r * VLP_A_STRIDE * 4;
        const int8_t  *w = b;
        int32_t       *out = (int32_t *)c + r * TILE_COLS, sum[TILE_COLS] = {0};
        if (add) memcpy(sum, out, sizeof sum);
        for (int k = 0; k < units; k++, x += 4)
            for (int n = 0; n < TILE_COLS; n++, w += 4)
                sum[n] += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
        memcpy(out, sum, sizeof sum);
    }
}

static const struct vlp_gemm_kind int8 = {
    .name = "int8",
    .mr = TILE_ROWS,
    .nr = TILE_COLS,
    .unit = 4,
    .row_step = 1,
    .k_align = 1,
    .w_limit = 127,
    .tile = tile_int8,
    .load_row = load_row_u8,
    .quant_row = quant_row,
    .finish = finish,
    .flops = flops_f32,
};

#include "kernels_impl.h"
