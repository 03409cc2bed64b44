/* load_bf16_impl.h -- rows of x as pairs of bfloats, by AVX512_BF16. Included after simd_avx512.h.
 */
#ifndef VLP_LOAD_BF16_IMPL_H
#define VLP_LOAD_BF16_IMPL_H

#include "tensor_internal.h"

static void load_row_bf16(void *a, const float *x, int n, const struct vlp_quant *q)
{
    char *out = a;
    (void)q;
    for (int i = 0; i < n; i += VL) {
        const __m256i pairs = (__m256i)_mm512_cvtneps_pbh(v_load_n(x + i, n - i));
        _mm256_mask_storeu_epi16(out + (size_t)i * 2, v_lanes(n - i), pairs);
    }
}

/* Two rows become one of pairs, the first in the lower halves; an odd last row is paired with
 * zeros.
 */
static void load_columns_bf16(uint32_t *out, size_t stride, const float *x, size_t ldx, int k,
                              int n)
{
    static const uint16_t turns[32] __attribute__((aligned(64))) = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i turn = _mm512_load_si512(turns);
    for (int i = 0; i < k; i += 2, x += 2 * ldx, out += stride)
        for (int j = 0; j < n; j += VL) {
            const vf      first = v_load_n(x + j, n - j);
            const vf      second = i + 1 < k ? v_load_n(x + ldx + j, n - j) : v_zero();
            const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
            _mm512_mask_storeu_epi32(out + j, v_lanes(n - j), _mm512_permutexvar_epi16(turn, both));
        }
}

#endif
