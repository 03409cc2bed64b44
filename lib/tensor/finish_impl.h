/*
 * finish_impl.h -- the way of a tile's sums to memory.
 *
 *   y = act(alpha c + bias) + residual      where c counts bytes: c = (c - zero sum_k w) scale
 * w_scale
 *
 * Included after simd_*.h.
 */
#ifndef VLP_FINISH_IMPL_H
#define VLP_FINISH_IMPL_H

#include "simd_math.h"
#include "tensor_internal.h"

static ALWAYS_INLINE void finish_tile(const void *c, const int nr, const struct vlp_tile_out *o,
                                      const enum vlp_activation act)
{
    for (int r = 0; r < o->rows; r++) {
        const char *row = (const char *)c + (size_t)r * nr * 4;
        for (int n = 0; n < o->cols; n += VL, row += VL * 4) {
            const int left = o->cols - n;
            vf        y;
            if (o->quant) {
                const vi zero = vi_set1(o->quant[r].zero);
                const vi sum = vi_sub(vi_load(row), vi_mul(zero, vi_load(o->w_sum + n)));
                y = v_mul(v_mul(v_from_vi(sum), v_set1(o->quant[r].scale)), v_load(o->w_scale + n));
            } else {
                y = v_load((const float *)row);
            }
            if (o->alpha != 1.0f) y = v_mul(y, v_set1(o->alpha));
            if (o->bias) y = v_add(y, v_load_n(o->bias + n, left));
            if (o->pre) v_store_n(o->pre + (size_t)r * o->ldy + n, y, left);
            y = v_activate(act, y);
            if (o->residual)
                y = v_add(y, v_load_n(o->residual + (size_t)r * o->ld_residual + n, left));
            v_store_n(o->y + (size_t)r * o->ldy + n, y, left);
        }
    }
}

static void finish(const void *c, int nr, const struct vlp_tile_out *o)
{
    switch (o->act) {
    case VLP_ACT_GELU: finish_tile(c, nr, o, VLP_ACT_GELU); break;
    case VLP_ACT_QUICK_GELU: finish_tile(c, nr, o, VLP_ACT_QUICK_GELU); break;
    case VLP_ACT_RELU: finish_tile(c, nr, o, VLP_ACT_RELU); break;
    case VLP_ACT_TANH: finish_tile(c, nr, o, VLP_ACT_TANH); break;
    default: finish_tile(c, nr, o, VLP_ACT_NONE); break;
    }
}

#endif
