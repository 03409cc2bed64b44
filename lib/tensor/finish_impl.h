/*
 * finish_impl.h -- the way of a tile's sums to memory.
 *
 *   y = act(alpha c + bias) + residual
 *
 * Where c is a sum of products of bytes, the c of the formula is (c - zero sum_k w) scale w_scale.
 *
 * Included after simd_*.h.
 */
#ifndef VLP_FINISH_IMPL_H
#define VLP_FINISH_IMPL_H

#include "simd_math.h"
#include "tensor_internal.h"

/*
 * A column of vectors after the other; what belongs to columns is read once. `o` is a copy, which
 * no store to y can change, so its choices are made outside the loop. Without masks where every
 * vector is whole.
 */
static ALWAYS_INLINE void finish_rows(const char *c, const int nr, const struct vlp_tile_out o,
                                      const enum vlp_activation act, const bool whole)
{
    const bool scaled = o.alpha != 1.0f;
    const vf   alpha = v_set1(o.alpha);
    for (int n = 0; n < o.cols; n += VL) {
        const int    left = whole ? VL : o.cols - n;
        const vf     bias = o.bias ? v_load_n(o.bias + n, left) : v_zero();
        const vf     w_scale = o.quant ? v_load(o.w_scale + n) : v_zero();
        const vi     w_sum = o.quant ? vi_load(o.w_sum + n) : vi_set1(0);
        const char  *row = c + (size_t)n * 4;
        float       *y = o.y + n, *pre = o.pre ? o.pre + n : NULL;
        const float *residual = o.residual ? o.residual + n : NULL;
        for (int r = 0; r < o.rows; r++, row += (size_t)nr * 4, y += o.ldy) {
            vf v;
            if (o.quant) {
                const vi sum = vi_sub(vi_load(row), vi_mul(vi_set1(o.quant[r].zero), w_sum));
                v = v_mul(v_mul(v_from_vi(sum), v_set1(o.quant[r].scale)), w_scale);
            } else {
                v = v_load((const float *)(const void *)row);
            }
            if (scaled) v = v_mul(v, alpha);
            if (o.bias) v = v_add(v, bias);
            if (pre) v_store_n(pre + (size_t)r * o.ldy, v, left);
            v = v_activate(act, v);
            if (residual) v = v_add(v, v_load_n(residual + (size_t)r * o.ld_residual, left));
            v_store_n(y, v, left);
        }
    }
}

static ALWAYS_INLINE void finish_tile(const void *c, const int nr, const struct vlp_tile_out *o,
                                      const enum vlp_activation act)
{
    if (o->cols % VL == 0)
        finish_rows(c, nr, *o, act, true);
    else
        finish_rows(c, nr, *o, act, false);
}

static void finish(const void *c, int nr, const struct vlp_tile_out *o)
{
#define ONE_CASE(act)                                                                              \
    case act: finish_tile(c, nr, o, act); break;
    switch (o->act) {
        ACTIVATION_CASES(ONE_CASE)
    }
#undef ONE_CASE
}

#endif
