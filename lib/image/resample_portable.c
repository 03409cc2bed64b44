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

/* With `ch` known to the compiler, the sums of a pixel stay in registers. */
static inline __attribute__((always_inline)) void across_channels(uint8_t *out, size_t out_stride,
                                                                  const uint8_t *in,
                                                                  size_t in_stride, int rows,
                                                                  const struct resample_axis *a,
                                                                  const int                   ch)
{
    for (int r = 0; r < rows; r++, out += out_stride, in += in_stride) {
        for (int o = 0; o < a->n; o++) {
            const uint8_t *p = in + (size_t)a->lo[o] * ch;
            const int32_t *k = a->fixed + (size_t)o * a->taps;
            int32_t        sum[4];
            for (int c = 0; c < ch; c++) sum[c] = 1 << (RESAMPLE_BITS - 1);
            for (int i = 0; i < a->len[o]; i++)
                for (int c = 0; c < ch; c++) sum[c] += p[i * ch + c] * k[i];
            for (int c = 0; c < ch; c++) out[o * ch + c] = clamp(sum[c]);
        }
    }
}

static void across(uint8_t *out, size_t out_stride, const uint8_t *in, size_t in_stride, int rows,
                   const struct resample_axis *a, int ch)
{
    switch (ch) {
    case 1: across_channels(out, out_stride, in, in_stride, rows, a, 1); break;
    case 2: across_channels(out, out_stride, in, in_stride, rows, a, 2); break;
    case 3: across_channels(out, out_stride, in, in_stride, rows, a, 3); break;
    default: across_channels(out, out_stride, in, in_stride, rows, a, 4); break;
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

/* The levels that this machine has, best first. */
static const struct resample_kernels *const *levels(void)
{
    static const struct resample_kernels *const plain[] = {&resample_portable, NULL};
#if defined(__x86_64__)
    static const struct resample_kernels *const vnni[] = {&resample_vnni, &resample_avx2,
                                                          &resample_portable, NULL};
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        return vnni;
    if (__builtin_cpu_supports("avx2")) return vnni + 1;
#endif
    return plain;
}

const struct resample_kernels *resample_kernels_best(void)
{
    const struct resample_kernels *const *level = levels();
    const char                           *wanted = getenv("VLP_CPU");
    for (int i = 0; wanted && level[i]; i++)
        if (strcmp(level[i]->name, wanted) == 0) return level[i];
    return level[0];
}
