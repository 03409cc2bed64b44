/* gemm_bf16.c -- bfloats on AVX512_BF16: two products a lane into f32 sums, tiles of 14 by 32. */
#include <string.h>

#include "simd_avx512.h"

#include "finish_bf16_impl.h"
#include "finish_impl.h"
#include "load_bf16_impl.h"

enum { ROWS = 14, COLS = 32 };

static ALWAYS_INLINE void mul_tile(const int rows, int units, const uint32_t *a, const __m512i *b,
                                   float *c, bool add, const char *next, const int lines)
{
    __m512 sum[ROWS][2];
    UNROLLED
    for (int r = 0; r < rows; r++) {
        sum[r][0] = add ? _mm512_loadu_ps(c + r * COLS) : _mm512_setzero_ps();
        sum[r][1] = add ? _mm512_loadu_ps(c + r * COLS + 16) : _mm512_setzero_ps();
    }
    for (int k = 0; k < units; k++, a++, b += 2, next += lines * 64) {
        const __m512bh left = (__m512bh)_mm512_loadu_si512(b);
        const __m512bh right = (__m512bh)_mm512_loadu_si512(b + 1);
        UNROLLED
        for (int l = 0; l < lines; l++) __builtin_prefetch(next + l * 64, 0, 2);
        UNROLLED
        for (int r = 0; r < rows; r++) {
            const __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[r * VLP_A_STRIDE]);
            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, left);
            sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, right);
        }
    }
    UNROLLED
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(c + r * COLS, sum[r][0]);
        _mm512_storeu_ps(c + r * COLS + 16, sum[r][1]);
    }
}

static void tile(int rows, int units, const void *a, const void *b, void *c, bool add,
                 const void *next)
{
#define ONE_CASE(n)                                                                                \
    case n: mul_tile(n, units, a, b, c, add, next, n <= VLP_FEW_ROWS ? 2 : 1); break;
    switch (rows) {
        TILE_CASES_14(ONE_CASE)
    }
#undef ONE_CASE
}

static double flops(long rounds)
{
    __m512         sum[24];
    const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f80);
    UNROLLED
    for (int i = 0; i < 24; i++) {
        sum[i] = _mm512_setzero_ps();
        __asm__ volatile("" : "+v"(sum[i])); /* not known to be alike */
    }
    for (long r = 0; r < rounds; r++) {
        UNROLLED
        for (int i = 0; i < 24; i++) sum[i] = _mm512_dpbf16_ps(sum[i], x, x);
    }
    UNROLLED
    for (int i = 0; i < 24; i++) __asm__ volatile("" : "+v"(sum[i]));
    return 2.0 * 32 * 24 * (double)rounds;
}

const struct vlp_gemm_kind vlp_gemm_bf16_avx512 = {
    .name = "bf16",
    .mr = ROWS,
    .nr = COLS,
    .unit = 2,
    .row_step = 1,
    .k_align = 1,
    .tile = tile,
    .load_row = load_row_bf16,
    .load_columns = load_columns_bf16,
    .finish = finish,
    .finish_units = finish_units_bf16,
    .flops = flops,
};
