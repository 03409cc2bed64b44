/*
 * peak_impl.h -- loops that do nothing but arithmetic, or nothing but read, at this level's best.
 *
 * Included after gemm_f32_impl.h, with PEAK_SUMS the number of independent sums.
 */
#ifndef VLP_PEAK_IMPL_H
#define VLP_PEAK_IMPL_H

#include "gemm_f32_impl.h"
#define KEEP(v) __asm__ volatile("" : "+x"(v))

static double flops_f32(long rounds)
{
    vf sum[PEAK_SUMS], x = v_set1(0.999f), y = v_set1(1e-3f);
    UNROLLED
    for (int i = 0; i < PEAK_SUMS; i++) sum[i] = v_set1((float)i);
    KEEP(x);
    KEEP(y);
    for (long r = 0; r < rounds; r++) {
        UNROLLED
        for (int i = 0; i < PEAK_SUMS; i++) sum[i] = v_fma(sum[i], x, y);
    }
    UNROLLED
    for (int i = 0; i < PEAK_SUMS; i++) KEEP(sum[i]);
    return 2.0 * VL * PEAK_SUMS * (double)rounds;
}

static double read_all(const float *p, size_t n)
{
    vf s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    for (size_t i = 0; i + 4 * VL <= n; i += 4 * VL)
        for (int j = 0; j < 4; j++) s[j] = v_add(s[j], v_load(p + i + (size_t)j * VL));
    return v_sum(v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
}

static void triad(float *a, const float *b, const float *c, float s, size_t n)
{
    for (size_t i = 0; i + VL <= n; i += VL)
        v_store(a + i, v_fma(v_load(c + i), v_set1(s), v_load(b + i)));
}

#endif
