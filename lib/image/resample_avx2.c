/*
 * resample_avx2.c -- the two resampling passes on AVX2.
 *
 * A weight w has 24 bits, the multiplier 16: w = 4096 h + l with l in 0..4095, and pairs of taps
 * meet in one multiply-add for h and one for l. Sums wrap modulo 2^32, so the result is exact.
 */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "image_internal.h"

enum { HALF = 12, ROWS = 4 };

static inline __m256i combine(__m256i h, __m256i l)
{
    const __m256i round = _mm256_set1_epi32(1 << (RESAMPLE_BITS - 1));
    const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(_mm256_slli_epi32(h, HALF), l), round);
    return _mm256_srai_epi32(sum, RESAMPLE_BITS);
}

/* Four bytes of a pixel from the sums of its even and odd pairs of taps. */
static inline uint32_t pixel(__m256i h, __m256i l)
{
    const __m128i h4 = _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
    const __m128i l4 = _mm_add_epi32(_mm256_castsi256_si128(l), _mm256_extracti128_si256(l, 1));
    const __m128i round = _mm_set1_epi32(1 << (RESAMPLE_BITS - 1));
    __m128i       v = _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(h4, HALF), l4), round);
    v = _mm_srai_epi32(v, RESAMPLE_BITS);
    v = _mm_packs_epi32(v, v);
    return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(v, v));
}

static inline void store(uint8_t *out, uint32_t v, int ch)
{
    if (ch == 4) {
        memcpy(out, &v, 4);
    } else {
        memcpy(out, &v, 2);
        out[2] = (uint8_t)(v >> 16);
    }
}

/*
 * One output pixel of `rows` (at most ROWS) rows: four taps a step, taps 0 1 in the low lane, 2 3
 * in the high one, each lane holding the pairs of channels 0 to 3.
 */
static inline __attribute__((always_inline)) void across_pixel(uint8_t *out, size_t out_stride,
                                                               const uint8_t *in, size_t in_stride,
                                                               int rows, const int32_t *k, int len,
                                                               int ch, __m256i gather)
{
    const __m256i pick_h = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6,
                                            7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    const __m256i pick_l = _mm256_add_epi8(pick_h, _mm256_set1_epi8(8));
    __m256i       h[ROWS], l[ROWS];
    for (int r = 0; r < rows; r++) h[r] = l[r] = _mm256_setzero_si256();
    for (int i = 0; i < len; i += 4) {
        const __m128i w = _mm_loadu_si128((const __m128i *)(k + i));
        const __m128i both =
            _mm_packs_epi32(_mm_srai_epi32(w, HALF), _mm_and_si128(w, _mm_set1_epi32(4095)));
        const __m256i both2 = _mm256_broadcastsi128_si256(both);
        const __m256i kh = _mm256_shuffle_epi8(both2, pick_h);
        const __m256i kl = _mm256_shuffle_epi8(both2, pick_l);
        for (int r = 0; r < rows; r++) {
            const __m128i raw = _mm_loadu_si128((const __m128i *)(in + in_stride * r + i * ch));
            const __m256i p = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(raw), gather);
            h[r] = _mm256_add_epi32(h[r], _mm256_madd_epi16(p, kh));
            l[r] = _mm256_add_epi32(l[r], _mm256_madd_epi16(p, kl));
        }
    }
    for (int r = 0; r < rows; r++) store(out + out_stride * r, pixel(h[r], l[r]), ch);
}

static inline __attribute__((always_inline)) void across_channels(uint8_t *out, size_t out_stride,
                                                                  const uint8_t *in,
                                                                  size_t in_stride, int rows,
                                                                  const struct resample_axis *a,
                                                                  int ch, __m256i gather)
{
    int r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        for (int o = 0; o < a->n; o++)
            across_pixel(out + out_stride * r + o * ch, out_stride,
                         in + in_stride * r + (size_t)a->lo[o] * ch, in_stride, ROWS,
                         a->fixed + (size_t)o * a->taps, a->len[o], ch, gather);
    for (; r < rows; r++)
        for (int o = 0; o < a->n; o++)
            across_pixel(out + out_stride * r + o * ch, out_stride,
                         in + in_stride * r + (size_t)a->lo[o] * ch, in_stride, 1,
                         a->fixed + (size_t)o * a->taps, a->len[o], ch, gather);
}

/* Bytes of 16-bit pairs: (channel c of tap 0, of tap 1), and of taps 2 and 3; -1 gives zero. */
#define PAIR(ch, t, c) (char)((t) * (ch) + (c)), -1, (char)(((t) + 1) * (ch) + (c)), -1
#define NO_PAIR        -1, -1, -1, -1

static void across(uint8_t *out, size_t out_stride, const uint8_t *in, size_t in_stride, int rows,
                   const struct resample_axis *a, int ch)
{
    if (ch == 3) {
        const __m256i gather =
            _mm256_setr_epi8(PAIR(3, 0, 0), PAIR(3, 0, 1), PAIR(3, 0, 2), NO_PAIR, PAIR(3, 2, 0),
                             PAIR(3, 2, 1), PAIR(3, 2, 2), NO_PAIR);
        across_channels(out, out_stride, in, in_stride, rows, a, 3, gather);
    } else if (ch == 4) {
        const __m256i gather =
            _mm256_setr_epi8(PAIR(4, 0, 0), PAIR(4, 0, 1), PAIR(4, 0, 2), PAIR(4, 0, 3),
                             PAIR(4, 2, 0), PAIR(4, 2, 1), PAIR(4, 2, 2), PAIR(4, 2, 3));
        across_channels(out, out_stride, in, in_stride, rows, a, 4, gather);
    } else {
        resample_portable.across(out, out_stride, in, in_stride, rows, a, ch);
    }
}

/* 32 columns from x on. */
static inline void down_block(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *fixed,
                              int taps)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i       h[4] = {zero, zero, zero, zero}, l[4] = {zero, zero, zero, zero};
    for (int i = 0; i < taps; i += 2) {
        const bool    two = i + 1 < taps;
        const int32_t k0 = fixed[i], k1 = two ? fixed[i + 1] : 0;
        const __m256i kh = _mm256_set1_epi32((k0 >> HALF & 0xffff) | (k1 >> HALF) * 65536);
        const __m256i kl = _mm256_set1_epi32((k0 & 4095) | (k1 & 4095) << 16);
        const __m256i a = _mm256_loadu_si256((const __m256i *)(in + stride * i));
        const __m256i b = two ? _mm256_loadu_si256((const __m256i *)(in + stride * (i + 1))) : zero;
        const __m256i ab0 = _mm256_unpacklo_epi8(a, b), ab1 = _mm256_unpackhi_epi8(a, b);
        const __m256i p[4] = {_mm256_unpacklo_epi8(ab0, zero), _mm256_unpackhi_epi8(ab0, zero),
                              _mm256_unpacklo_epi8(ab1, zero), _mm256_unpackhi_epi8(ab1, zero)};
        for (int j = 0; j < 4; j++) {
            h[j] = _mm256_add_epi32(h[j], _mm256_madd_epi16(p[j], kh));
            l[j] = _mm256_add_epi32(l[j], _mm256_madd_epi16(p[j], kl));
        }
    }
    const __m256i v0 = _mm256_packs_epi32(combine(h[0], l[0]), combine(h[1], l[1]));
    const __m256i v1 = _mm256_packs_epi32(combine(h[2], l[2]), combine(h[3], l[3]));
    _mm256_storeu_si256((__m256i *)out, _mm256_packus_epi16(v0, v1));
}

static void down(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *fixed, int taps,
                 int n)
{
    int x = 0;
    for (; x + 32 <= n; x += 32) down_block(out + x, in + x, stride, fixed, taps);
    if (x == n) return;
    if (n >= 32)
        down_block(out + n - 32, in + n - 32, stride, fixed, taps);
    else
        resample_portable.down(out + x, in + x, stride, fixed, taps, n - x);
}

const struct resample_kernels resample_avx2 = {"avx2", across, down};
#endif
