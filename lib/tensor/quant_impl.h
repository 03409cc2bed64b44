/*
 * quant_impl.h -- rows of x as bytes.
 *
 * Included after simd_*.h.
 */
#ifndef VLP_QUANT_IMPL_H
#define VLP_QUANT_IMPL_H

#include <string.h>

#include "tensor_internal.h"

/*
 * A row as bytes: x = scale (u - zero), u in 0 .. 255, and zero is one of them, so that 0 is exact.
 * Infinity or NaN in x makes the scale NaN and with it the row's results. The scale has a least
 * value, which keeps 1 / scale finite.
 */
static struct vlp_quant quant_row(const float *x, int n)
{
    vf low = v_zero(), high = v_zero(), odd = v_zero();
    for (int i = 0; i < n; i += VL) {
        const vf v = v_load_n(x + i, n - i);
        low = v_min(v, low);
        high = v_max(v, high);
        odd = v_fma(v, v_zero(), odd);
    }
    const float      lo = v_smallest(low), hi = v_largest(high);
    struct vlp_quant q = {(hi - lo) / 255.0f, 0};
    if (v_sum(odd) != 0.0f) return (struct vlp_quant){__builtin_nanf(""), 0};
    if (!(q.scale > 1e-30f)) q.scale = 1e-30f;
    const float zero = -lo / q.scale + 0.5f;
    q.zero = zero > 255.0f ? 255 : (int32_t)zero;
    return q;
}

static void load_row_u8(void *a, const float *x, int n, const struct vlp_quant *q)
{
    uint8_t *out = a;
    if (q->scale != q->scale) {
        memset(out, 0, (size_t)n);
        return;
    }
    const vf inverse = v_set1(1.0f / q->scale), zero = v_set1((float)q->zero);
    const vf most = v_set1(255.0f);
    int      i = 0;
    for (; i + VL <= n; i += VL) {
        const vf u = v_round(v_fma(v_load(x + i), inverse, zero));
        vi_store_u8(out + i, v_to_vi(v_min(most, v_max(v_zero(), u))));
    }
    if (i < n) {
        uint8_t  rest[VL];
        const vf u = v_round(v_fma(v_load_n(x + i, n - i), inverse, zero));
        vi_store_u8(rest, v_to_vi(v_min(most, v_max(v_zero(), u))));
        memcpy(out + i, rest, (size_t)(n - i));
    }
}

#endif
