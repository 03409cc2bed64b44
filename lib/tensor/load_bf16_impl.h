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

#endif
