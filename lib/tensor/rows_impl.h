/*
 * rows_impl.h -- kernels over one row: sums, layernorm, activations, dot products; sums of columns.
 *
 * A sum over a row runs in four vectors that take turns, added as (0+1)+(2+3) at the end: the order
 * depends on the row's length alone. Included after gemm_f32_impl.h.
 */
#ifndef VLP_ROWS_IMPL_H
#define VLP_ROWS_IMPL_H

#include "gemm_f32_impl.h"
#include <math.h>

static inline vf sum4(const vf s[4])
{
    return v_add(v_add(s[0], s[1]), v_add(s[2], s[3]));
}

static float row_sum(const float *x, int n)
{
    vf  s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL)
        for (int j = 0; j < 4; j++) s[j] = v_add(s[j], v_load(x + i + j * VL));
    for (int j = 0; i < n; i += VL, j++) s[j] = v_add(s[j], v_load_n(x + i, n - i));
    return v_sum(sum4(s));
}

/* sum of (x - m)^2 */
static float row_square_sum(const float *x, float m, int n)
{
    const vf mean = v_set1(m);
    vf       s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int      i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL)
        for (int j = 0; j < 4; j++) {
            const vf d = v_sub(v_load(x + i + j * VL), mean);
            s[j] = v_fma(d, d, s[j]);
        }
    for (int j = 0; i + VL <= n; i += VL, j++) {
        const vf d = v_sub(v_load(x + i), mean);
        s[j] = v_fma(d, d, s[j]);
    }
    float sum = v_sum(sum4(s));
    for (; i < n; i++) sum += (x[i] - m) * (x[i] - m);
    return sum;
}

static void row_layernorm(float *y, const float *x, const float *w, const float *b, float eps,
                          int C, float *mean, float *rstd)
{
    const float m = row_sum(x, C) / (float)C;
    const float r = 1.0f / sqrtf(row_square_sum(x, m, C) / (float)C + eps);
    const vf    vm = v_set1(m), vr = v_set1(r);
    for (int c = 0; c < C; c += VL) {
        const int left = C - c;
        vf        v = v_mul(v_sub(v_load_n(x + c, left), vm), vr);
        if (w) v = v_mul(v, v_load_n(w + c, left));
        if (b) v = v_add(v, v_load_n(b + c, left));
        v_store_n(y + c, v, left);
    }
    if (mean) *mean = m;
    if (rstd) *rstd = r;
}

/* One row's share; dx, dw and db may each be NULL. */
static void row_layernorm_backward(float *dx, bool fill, float *dw, float *db, const float *dy,
                                   const float *x, const float *w, float mean, float rstd, int C)
{
    const vf m = v_set1(mean), r = v_set1(rstd);
    vf       g_sum[2] = {v_zero(), v_zero()}, gn_sum[2] = {v_zero(), v_zero()};
    for (int c = 0; c < C; c += VL) {
        const int left = C - c, j = c / VL & 1;
        const vf  d = v_load_n(dy + c, left), n = v_mul(v_sub(v_load_n(x + c, left), m), r);
        const vf  g = v_mul(d, v_load_n(w + c, left));
        g_sum[j] = v_add(g_sum[j], g);
        gn_sum[j] = v_fma(g, n, gn_sum[j]);
        if (dw) v_store_n(dw + c, v_fma(d, n, v_load_n(dw + c, left)), left);
        if (db) v_store_n(db + c, v_add(d, v_load_n(db + c, left)), left);
    }
    if (!dx) return;
    const vf g_mean = v_set1(v_sum(v_add(g_sum[0], g_sum[1])) / (float)C);
    const vf gn_mean = v_set1(v_sum(v_add(gn_sum[0], gn_sum[1])) / (float)C);
    for (int c = 0; c < C; c += VL) {
        const int left = C - c;
        const vf  n = v_mul(v_sub(v_load_n(x + c, left), m), r);
        const vf  g = v_mul(v_load_n(dy + c, left), v_load_n(w + c, left));
        const vf  d = v_fnma(n, gn_mean, v_sub(g, g_mean));
        v_store_n(dx + c, fill ? v_mul(d, r) : v_fma(d, r, v_load_n(dx + c, left)), left);
    }
}

/* to[c] += sum over rows of x[r][c]: a few vectors of columns at a time, rows in order */
static void add_columns(float *to, const float *x, size_t ldx, int N, int C)
{
    enum { WIDE = 8 };
    int c = 0;
    for (; c + WIDE * VL <= C; c += WIDE * VL) {
        vf s[WIDE];
        UNROLLED
        for (int j = 0; j < WIDE; j++) s[j] = v_load(to + c + j * VL);
        for (int r = 0; r < N; r++) {
            const float *row = x + (size_t)r * ldx + c;
            UNROLLED
            for (int j = 0; j < WIDE; j++) s[j] = v_add(s[j], v_load(row + j * VL));
        }
        UNROLLED
        for (int j = 0; j < WIDE; j++) v_store(to + c + j * VL, s[j]);
    }
    for (; c < C; c += VL) {
        vf s = v_load_n(to + c, C - c);
        for (int r = 0; r < N; r++) s = v_add(s, v_load_n(x + (size_t)r * ldx + c, C - c));
        v_store_n(to + c, s, C - c);
    }
}

static ALWAYS_INLINE void activate_run(const enum vlp_activation act, float *y, const float *x,
                                       size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, v_activate(act, v_load(x + i)));
    if (i < n) v_store_n(y + i, v_activate(act, v_load_n(x + i, (int)(n - i))), (int)(n - i));
}

static void row_activate(enum vlp_activation act, float *y, const float *x, size_t n)
{
#define ONE_CASE(one)                                                                              \
    case one: activate_run(one, y, x, n); break;
    switch (act) {
        ACTIVATION_CASES(ONE_CASE)
    }
#undef ONE_CASE
}

static ALWAYS_INLINE void slope_run(const enum vlp_activation act, float *dx, const float *dy,
                                    const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += VL) {
        const int left = n - i < VL ? (int)(n - i) : VL;
        const vf  slope = v_activate_slope(act, v_load_n(x + i, left));
        v_store_n(dx + i, v_fma(v_load_n(dy + i, left), slope, v_load_n(dx + i, left)), left);
    }
}

static void row_activate_backward(enum vlp_activation act, float *dx, const float *dy,
                                  const float *x, size_t n)
{
#define ONE_CASE(one)                                                                              \
    case one: slope_run(one, dx, dy, x, n); break;
    switch (act) {
        ACTIVATION_CASES(ONE_CASE)
    }
#undef ONE_CASE
}

static ALWAYS_INLINE void chain_run(const enum vlp_activation act, float *dy, const float *x,
                                    size_t n)
{
    for (size_t i = 0; i < n; i += VL) {
        const int left = n - i < VL ? (int)(n - i) : VL;
        const vf  slope = v_activate_slope(act, v_load_n(x + i, left));
        v_store_n(dy + i, v_mul(v_load_n(dy + i, left), slope), left);
    }
}

static void row_activate_chain(enum vlp_activation act, float *dy, const float *x, size_t n)
{
#define ONE_CASE(one)                                                                              \
    case one: chain_run(one, dy, x, n); break;
    switch (act) {
        ACTIVATION_CASES(ONE_CASE)
    }
#undef ONE_CASE
}

static float row_dot(const float *a, const float *b, int n)
{
    vf  s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    int i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL)
        for (int j = 0; j < 4; j++)
            s[j] = v_fma(v_load(a + i + j * VL), v_load(b + i + j * VL), s[j]);
    for (int j = 0; i < n; i += VL, j++)
        s[j] = v_fma(v_load_n(a + i, n - i), v_load_n(b + i, n - i), s[j]);
    return v_sum(sum4(s));
}

#endif
