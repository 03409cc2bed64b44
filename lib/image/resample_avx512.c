/*
 * resample_avx512.c -- the vertical pass on AVX-512; the horizontal one is AVX2's, whose four-tap
 * steps fill 256 bits already. The split of the weights is explained in resample_avx2.c.
 */
#if defined(__x86_64__)
#include <immintrin.h>

#include "image_internal.h"

enum { HALF = 12 };

static inline __m512i combine(__m512i h, __m512i l)
{
    const __m512i round = _mm512_set1_epi32(1 << (RESAMPLE_BITS - 1));
    const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(_mm512_slli_epi32(h, HALF), l), round);
    return _mm512_srai_epi32(sum, RESAMPLE_BITS);
}

/* 64 columns, of which `mask` are there. */
static inline void down_block(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *fixed,
                              int taps, __mmask64 mask)
{
    const __m512i zero = _mm512_setzero_si512();
    __m512i       h[4] = {zero, zero, zero, zero}, l[4] = {zero, zero, zero, zero};
    for (int i = 0; i < taps; i += 2) {
        const bool    two = i + 1 < taps;
        const int32_t k0 = fixed[i], k1 = two ? fixed[i + 1] : 0;
        const __m512i kh = _mm512_set1_epi32((k0 >> HALF & 0xffff) | (k1 >> HALF) * 65536);
        const __m512i kl = _mm512_set1_epi32((k0 & 4095) | (k1 & 4095) << 16);
        const __m512i a = _mm512_maskz_loadu_epi8(mask, in + stride * i);
        const __m512i b = _mm512_maskz_loadu_epi8(two ? mask : 0, in + stride * (i + two));
        const __m512i ab0 = _mm512_unpacklo_epi8(a, b), ab1 = _mm512_unpackhi_epi8(a, b);
        const __m512i p[4] = {_mm512_unpacklo_epi8(ab0, zero), _mm512_unpackhi_epi8(ab0, zero),
                              _mm512_unpacklo_epi8(ab1, zero), _mm512_unpackhi_epi8(ab1, zero)};
        for (int j = 0; j < 4; j++) {
            h[j] = _mm512_add_epi32(h[j], _mm512_madd_epi16(p[j], kh));
            l[j] = _mm512_add_epi32(l[j], _mm512_madd_epi16(p[j], kl));
        }
    }
    const __m512i v0 = _mm512_packs_epi32(combine(h[0], l[0]), combine(h[1], l[1]));
    const __m512i v1 = _mm512_packs_epi32(combine(h[2], l[2]), combine(h[3], l[3]));
    _mm512_mask_storeu_epi8(out, mask, _mm512_packus_epi16(v0, v1));
}

static void down(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *fixed, int taps,
                 int n)
{
    int x = 0;
    for (; x + 64 <= n; x += 64) down_block(out + x, in + x, stride, fixed, taps, ~0ull);
    if (x < n) down_block(out + x, in + x, stride, fixed, taps, ~0ull >> (64 - (n - x)));
}

static void across(uint8_t *out, size_t out_stride, const uint8_t *in, size_t in_stride, int rows,
                   const struct resample_axis *a, int ch)
{
    resample_avx2.across(out, out_stride, in, in_stride, rows, a, ch);
}

const struct resample_kernels resample_avx512 = {"avx512", across, down};
#endif
