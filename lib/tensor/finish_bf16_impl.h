/*
 * finish_bf16_impl.h -- the way of a tile's sums into the rows that the next product reads.
 *
 *   y = act(c + bias), rounded to bf16: the same bits as finish and load_row_bf16 one after the
 * other. Included after simd_avx512.h.
 */
#ifndef VLP_FINISH_BF16_IMPL_H
#define VLP_FINISH_BF16_IMPL_H

#include "simd_math.h"
#include "tensor_internal.h"

/* Two vectors are the panel's 32 columns and one line of units. After the last column there are
 * zeros, as every act(0) is 0. */
static ALWAYS_INLINE void finish_units_rows(const float *c, const struct vlp_tile_out o,
                                            const enum vlp_activation act)
{
    const int left = o.cols - VL;
    const vf  bias0 = o.bias ? v_load_n(o.bias, o.cols) : v_zero();
    const vf  bias1 = o.bias ? v_load_n(o.bias + VL, left) : v_zero();
    for (int r = 0; r < o.rows; r++, c += 2 * VL) {
        const vf v0 = v_add(v_load_n(c, o.cols), bias0), v1 = v_add(v_load_n(c + VL, left), bias1);
        if (o.pre) {
            float *pre = o.pre + (size_t)r * o.ldy;
            v_store_n(pre, v0, o.cols);
            v_store_n(pre + VL, v1, left);
        }
        const __m512bh pairs = _mm512_cvtne2ps_pbh(v_activate(act, v1), v_activate(act, v0));
        _mm512_storeu_si512(o.units + (size_t)r * VLP_A_STRIDE, (__m512i)pairs);
    }
}

static void finish_units_bf16(const void *c, const struct vlp_tile_out *o)
{
#define ONE_CASE(act)                                                                              \
    case act: finish_units_rows(c, *o, act); break;
    switch (o->act) {
        ACTIVATION_CASES(ONE_CASE)
    }
#undef ONE_CASE
}

#endif
