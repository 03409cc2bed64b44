/* gemm_vnni.c -- bytes on AVX-512 VNNI: four products of u8 and s8 a lane, tiles of 14 by 32. */
#include "simd_avx512.h"

#include "finish_impl.h"
#include "quant_impl.h"

enum { ROWS = 14, COLS = 32 };

static ALWAYS_INLINE void mul_tile(const int rows, int units, const uint32_t *a, const __m512i *b,
                                   __m512i *c, bool add, const char *next, const int lines)
{
    __m512i sum[ROWS][2];
    UNROLLED
    for (int r = 0; r < rows; r++) {
        sum[r][0] = add ? _mm512_loadu_si512(c + r * 2) : _mm512_setzero_si512();
        sum[r][1] = add ? _mm512_loadu_si512(c + r * 2 + 1) : _mm512_setzero_si512();
    }
    for (int k = 0; k < units; k++, a++, b += 2, next += lines * 64) {
        const __m512i left = _mm512_loadu_si512(b), right = _mm512_loadu_si512(b + 1);
        UNROLLED
        for (int l = 0; l < lines; l++) __builtin_prefetch(next + l * 64, 0, 2);
        UNROLLED
        for (int r = 0; r < rows; r++) {
            const __m512i x = _mm512_set1_epi32((int)a[r * VLP_A_STRIDE]);
            sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, left);
            sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, right);
        }
    }
    UNROLLED
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_si512(c + r * 2, sum[r][0]);
        _mm512_storeu_si512(c + r * 2 + 1, sum[r][1]);
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
    __m512i       sum[24];
    const __m512i x = _mm512_set1_epi8(1);
    UNROLLED
    for (int i = 0; i < 24; i++) {
        sum[i] = _mm512_setzero_si512();
        __asm__ volatile("" : "+v"(sum[i])); /* not known to be alike */
    }
    for (long r = 0; r < rounds; r++) {
        UNROLLED
        for (int i = 0; i < 24; i++) sum[i] = _mm512_dpbusd_epi32(sum[i], x, x);
    }
    UNROLLED
    for (int i = 0; i < 24; i++) __asm__ volatile("" : "+v"(sum[i]));
    return 2.0 * 64 * 24 * (double)rounds;
}

const struct vlp_gemm_kind vlp_gemm_int8_vnni = {
    .name = "int8 vnni",
    .mr = ROWS,
    .nr = COLS,
    .unit = 4,
    .row_step = 1,
    .k_align = 1,
    .w_limit = 127,
    .tile = tile,
    .load_row = load_row_u8,
    .quant_row = quant_row,
    .finish = finish,
    .flops = flops,
};
