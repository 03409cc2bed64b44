/*
 * scan_impl.h -- scores of stored rows against one query, several rows side by side.
 *
 * A row's sum runs in two vectors that take turns, whoever its neighbours are. Included after
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

/* `rows` of them from `at` on, constant where this is inlined. */
static ALWAYS_INLINE void scan_some(const enum vlp_dtype dtype, const int rows, float *out,
                                    const float *q, const uint8_t *at, size_t stride, int dim)
{
    const size_t head = dtype == VLP_I8 ? sizeof(float) : 0;
    vf           s[4][2];
    UNROLLED
    for (int r = 0; r < rows; r++) s[r][0] = s[r][1] = v_zero();
    int i = 0;
    for (; i + 2 * VL <= dim; i += 2 * VL) {
        const vf q0 = v_load(q + i), q1 = v_load(q + i + VL);
        UNROLLED
        for (int r = 0; r < rows; r++) {
            const uint8_t *row = at + r * stride + head;
            s[r][0] = v_fma(scan_load(dtype, row, i), q0, s[r][0]);
            s[r][1] = v_fma(scan_load(dtype, row, i + VL), q1, s[r][1]);
        }
    }
    for (int r = 0; r < rows; r++) {
        const uint8_t *row = at + r * stride;
        float          sum = v_sum(v_add(s[r][0], s[r][1]));
        for (int j = i; j < dim; j++) {
            float w;
            switch (dtype) {
            case VLP_F16: w = vlp_f16_to_f32(vlp_load_u16(row + (size_t)j * 2)); break;
            case VLP_BF16: w = vlp_bf16_to_f32(vlp_load_u16(row + (size_t)j * 2)); break;
            case VLP_I8: w = (float)(int8_t)row[head + (size_t)j]; break;
            default: memcpy(&w, row + (size_t)j * 4, sizeof w);
            }
            sum += w * q[j];
        }
        if (dtype == VLP_I8) {
            float scale;
            memcpy(&scale, row, sizeof scale);
            sum *= scale;
        }
        out[r] = sum;
    }
}

static ALWAYS_INLINE void scan_all(const enum vlp_dtype dtype, float *out, const float *q,
                                   const uint8_t *at, size_t stride, int dim, int n)
{
    int i = 0;
    for (; i + 4 <= n; i += 4) scan_some(dtype, 4, out + i, q, at + i * stride, stride, dim);
    for (; i < n; i++) scan_some(dtype, 1, out + i, q, at + i * stride, stride, dim);
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
