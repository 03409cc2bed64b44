/*
 * resample_portable.c -- the two resampling passes in plain C, and the choice of a level.
 */
#include <stdlib.h>
#include <string.h>

#include "image_internal.h"

static inline uint8_t clamp(int32_t sum)
{
    const int32_t v = sum >> RESAMPLE_BITS;
    return v < 0 ? 0 : v > 255 ? 255 : (uint8_t)v;
}

static void across(uint8_t *out, size_t out_stride, const uint8_t *in, size_t in_stride, int rows,
                   const struct resample_axis *a, int ch)
{
    for (int r = 0; r < rows; r++, out += out_stride, in += in_stride) {
        for (int o = 0; o < a->n; o++) {
            const uint8_t *p = in + (size_t)a->lo[o] * ch;
            const int32_t *k = a->fixed + (size_t)o * a->taps;
            for (int c = 0; c < ch; c++) {
                int32_t sum = 1 << (RESAMPLE_BITS - 1);
                for (int i = 0; i < a->len[o]; i++) sum += p[i * ch + c] * k[i];
                out[o * ch + c] = clamp(sum);
            }
        }
    }
}

enum { BLOCK = 256 };

static void down(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *fixed, int taps,
                 int n)
{
    for (int x = 0; x < n; x += BLOCK) {
        const int m = n - x < BLOCK ? n - x : BLOCK;
        int32_t   sum[BLOCK];
        for (int j = 0; j < m; j++) sum[j] = 1 << (RESAMPLE_BITS - 1);
        for (int i = 0; i < taps; i++) {
            const uint8_t *row = in + stride * i + x;
            const int32_t  k = fixed[i];
            for (int j = 0; j < m; j++) sum[j] += row[j] * k;
        }
        for (int j = 0; j < m; j++) out[x + j] = clamp(sum[j]);
    }
}

const struct resample_kernels resample_portable = {"portable", across, down};

const struct resample_kernels *resample_kernels_best(void)
{
#if defined(__x86_64__)
    const char *wanted = getenv("VLP_CPU");
    if (wanted && strcmp(wanted, "portable") == 0) return &resample_portable;
    const bool only_avx2 = wanted && strcmp(wanted, "avx2") == 0;
    if (!only_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return &resample_avx512;
    if (__builtin_cpu_supports("avx2")) return &resample_avx2;
#endif
    return &resample_portable;
}
