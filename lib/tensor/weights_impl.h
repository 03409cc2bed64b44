/*
 * weights_impl.h -- rows of weights on their way to panels: 16 bits widened, floats made bytes.
 *
 * Included after simd_*.h.
 */
#ifndef VLP_WEIGHTS_IMPL_H
#define VLP_WEIGHTS_IMPL_H

#include <string.h>

#include "simd_math.h"
#include "tensor_internal.h"

static void row_widen(float *out, const void *in, enum vlp_dtype dtype, int n)
{
    const uint8_t *p = in;
    int            i = 0;
    if (dtype == VLP_F16)
        for (; i + VL <= n; i += VL) v_store(out + i, v_load_f16(p + (size_t)i * 2));
    else if (dtype == VLP_BF16)
        for (; i + VL <= n; i += VL) v_store(out + i, v_load_bf16(p + (size_t)i * 2));
    if (i < n) vlp_to_f32(out + i, p + vlp_dtype_size(dtype, (size_t)i), dtype, (size_t)(n - i));
}

/*
 * w = scale q, |q| <= limit; returns the scale. That of a row with an infinity or a NaN is NaN, and
 * so is what it is multiplied with: no byte could say it. A row as good as zero is zero: 1 / scale
 * has to be finite.
 */
static float row_int8(int8_t *out, const float *w, int n, int limit, int32_t *sum)
{
    vf most = v_zero(), odd = v_zero();
    for (int i = 0; i < n; i += VL) {
        const vf v = v_load_n(w + i, n - i);
        most = v_max(v_abs(v), most);
        odd = v_fma(v, v_zero(), odd);
    }
    *sum = 0;
    if (v_sum(odd) != 0.0f) {
        memset(out, 0, (size_t)n);
        return __builtin_nanf("");
    }
    const float largest = v_largest(most);
    const float scale = largest > 1e-30f ? largest / (float)limit : 1.0f;
    const vf    inverse = v_set1(1.0f / scale), top = v_set1((float)limit);
    const vf    bottom = v_set1((float)-limit);
    int32_t     lane[VL];
    vi          total = vi_set1(0);
    for (int i = 0; i < n; i += VL) {
        const vf v = v_round(v_mul(v_load_n(w + i, n - i), inverse));
        const vi q = v_to_vi(v_min(v_max(v, bottom), top));
        uint8_t  byte[VL];
        total = vi_add(total, q);
        vi_store_u8(byte, vi_and(q, vi_set1(255)));
        memcpy(out + i, byte, (size_t)(n - i < VL ? n - i : VL));
    }
    vi_store(lane, total);
    for (int i = 0; i < VL; i++) *sum += lane[i];
    return scale;
}

#endif
