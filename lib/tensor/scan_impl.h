/*
 * scan_impl.h -- scores of stored rows against one query.
 *
 * A row's sum runs in four vectors that take turns, whoever its neighbours are. Included after
 * rows_impl.h.
 */
#ifndef VLP_SCAN_IMPL_H
#define VLP_SCAN_IMPL_H

#include "rows_impl.h"

static ALWAYS_INLINE vf scan_load(const enum vlp_dtype dtype, const uint8_t *row, int i)
{
    switch (dtype) {
    case VLP_F16: return v_load_f16(row + (size_t)i * 2);
    case VLP_BF16: return v_load_bf16(row + (size_t)i * 2);
    case VLP_I8: return v_load_i8(row + i);
    default: return v_load((const float *)(const void *)(row + (size_t)i * 4));
    }
}

/*
 * One after the other: memory is read as it lies, and the hardware's own prefetch does best alone.
 * Sixteen vectors at a time keep enough reads under way (measured: 28 GB/s where four give 21).
 */
static ALWAYS_INLINE void scan_all(const enum vlp_dtype dtype, float *out, const float *q,
                                   const uint8_t *at, size_t stride, int dim, int n)
{
    enum { RUN = 16 };
    const size_t head = dtype == VLP_I8 ? sizeof(float) : 0;
    for (int r = 0; r < n; r++, at += stride) {
        const uint8_t *row = at + head;
        vf             s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
        int            i = 0;
        for (; i + RUN * VL <= dim; i += RUN * VL) {
            UNROLLED
            for (int j = 0; j < RUN; j++)
                s[j % 4] =
                    v_fma(scan_load(dtype, row, i + j * VL), v_load(q + i + j * VL), s[j % 4]);
        }
        for (; i + 4 * VL <= dim; i += 4 * VL) {
            UNROLLED
            for (int j = 0; j < 4; j++)
                s[j] = v_fma(scan_load(dtype, row, i + j * VL), v_load(q + i + j * VL), s[j]);
        }
        UNROLLED
        for (int j = 0; j < 3; j++, i += VL) {
            if (i + VL > dim) break;
            s[j] = v_fma(scan_load(dtype, row, i), v_load(q + i), s[j]);
        }
        float sum = v_sum(sum4(s));
        for (; i < dim; i++) {
            float w;
            switch (dtype) {
            case VLP_F16: w = vlp_f16_to_f32(vlp_load_u16(row + (size_t)i * 2)); break;
            case VLP_BF16: w = vlp_bf16_to_f32(vlp_load_u16(row + (size_t)i * 2)); break;
            case VLP_I8: w = (float)(int8_t)row[i]; break;
            default: memcpy(&w, row + (size_t)i * 4, sizeof w);
            }
            sum += w * q[i];
        }
        if (dtype == VLP_I8) {
            float scale;
            memcpy(&scale, at, sizeof scale);
            sum *= scale;
        }
        out[r] = sum;
    }
}

static void scan_rows(float *out, const float *q, const void *rows, size_t stride,
                      enum vlp_dtype dtype, int dim, int n)
{
    switch (dtype) {
    case VLP_F16: scan_all(VLP_F16, out, q, rows, stride, dim, n); break;
    case VLP_BF16: scan_all(VLP_BF16, out, q, rows, stride, dim, n); break;
    case VLP_I8: scan_all(VLP_I8, out, q, rows, stride, dim, n); break;
    default: scan_all(VLP_F32, out, q, rows, stride, dim, n); break;
    }
}

#endif
