/*
 * kernels_avx2.c -- AVX2, FMA and F16C: tiles of 6 rows by 16 columns.
 *
 * Bytes go through maddubs, whose 16-bit sums of two products must not overflow: weights stay
 * within 64, so that 2 * 255 * 64 < 2^15.
 */
#include "simd_avx2.h"

#define TILE_ROWS     6
#define TILE_VECTORS  2
#define PEAK_SUMS     12
#define LEVEL_KERNELS vlp_kernels_avx2
#define LEVEL_INT8    vlp_gemm_int8_avx2

#include "finish_impl.h"
#include "gemm_f32_impl.h"
#include "peak_impl.h"
#include "quant_impl.h"

static ALWAYS_INLINE void mul_tile_int8(const int rows, int units, const uint32_t *a,
                                        const __m256i *b, __m256i *c, bool add, const char *next)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i       sum[TILE_ROWS][2];
    UNROLLED
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < 2; v++)
            sum[r][v] = add ? _mm256_loadu_si256(c + r * 2 + v) : _mm256_setzero_si256();
    for (int k = 0; k < units; k++, a++, b += 2, next += 64) {
        __builtin_prefetch(next, 0, 2);
        UNROLLED
        for (int r = 0; r < rows; r++) {
            const __m256i x = _mm256_set1_epi32((int)a[r * VLP_A_STRIDE]);
            UNROLLED
            for (int v = 0; v < 2; v++) {
                const __m256i pairs = _mm256_maddubs_epi16(x, _mm256_loadu_si256(b + v));
                sum[r][v] = _mm256_add_epi32(sum[r][v], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    UNROLLED
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < 2; v++) _mm256_storeu_si256(c + r * 2 + v, sum[r][v]);
}

static void tile_int8(int rows, int units, const void *a, const void *b, void *c, bool add,
                      const void *next)
{
#define ONE_CASE(n)                                                                                \
    case n: mul_tile_int8(n, units, a, b, c, add, next); break;
    switch (rows) {
        TILE_CASES(ONE_CASE)
    }
#undef ONE_CASE
}

static double flops_int8(long rounds)
{
    __m256i       sum[8], x = _mm256_set1_epi8(1), y = _mm256_set1_epi8(2);
    const __m256i ones = _mm256_set1_epi16(1);
    UNROLLED
    for (int i = 0; i < 8; i++) sum[i] = _mm256_set1_epi32(i);
    for (long r = 0; r < rounds; r++) {
        UNROLLED
        for (int i = 0; i < 8; i++) {
            KEEP(x);
            const __m256i pairs = _mm256_maddubs_epi16(x, y);
            sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs, ones));
        }
    }
    UNROLLED
    for (int i = 0; i < 8; i++) KEEP(sum[i]);
    return 2.0 * 32 * 8 * (double)rounds;
}

const struct vlp_gemm_kind vlp_gemm_int8_avx2 = {
    .name = "int8 maddubs",
    .mr = TILE_ROWS,
    .nr = TILE_COLS,
    .unit = 4,
    .row_step = 1,
    .k_align = 1,
    .w_limit = 64,
    .tile = tile_int8,
    .load_row = load_row_u8,
    .quant_row = quant_row,
    .finish = finish,
    .flops = flops_int8,
};

#include "kernels_impl.h"
