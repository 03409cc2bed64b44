/*
 * resample_256.h -- the two resampling passes in 256-bit vectors, written once for AVX2 and VNNI.
 *
 * The including file defines MULTIPLY_ADD(sum, p, k): sum + p0 k0 + p1 k1 for pairs of 16 bits, and
 * ROWS, how many rows the registers hold at once: a multiple of 4.
 *
 * A weight w has 24 bits, the multiplier 16: w = 4096 h + l with l in 0..4095, and pairs of taps
 * meet in one multiply-add for h and one for l. Sums wrap modulo 2^32, so the result is exact.
 */
#include <immintrin.h>
#include <string.h>

#include "image_internal.h"

enum { HALF = 12 };

/* ---- across --------------------------------------------------------------------------------- */

static inline __m256i join(__m256i h, __m256i l)
{
    return _mm256_add_epi32(_mm256_slli_epi32(h, HALF), l);
}

/* The low and the high lane hold the even and the odd pairs of taps of a row: two rows' sums. */
static inline __m256i fold(__m256i a, __m256i b)
{
    const __m256i round = _mm256_set1_epi32(1 << (RESAMPLE_BITS - 1));
    const __m256i even = _mm256_permute2x128_si256(a, b, 0x20);
    const __m256i odd = _mm256_permute2x128_si256(a, b, 0x31);
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_add_epi32(even, odd), round), RESAMPLE_BITS);
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
 * One output pixel in ROWS rows, four taps a step: taps 0 and 1 in the low lane, 2 and 3 in the
 * high one, each lane holding the pairs of up to four channels.
 */
static inline __attribute__((always_inline)) void across_pixel(uint8_t *out, size_t out_stride,
                                                               const uint8_t *in, size_t in_stride,
                                                               const int32_t *k, int len, int ch,
                                                               __m256i gather)
{
    const __m256i pick_h = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6,
                                            7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    const __m256i pick_l = _mm256_add_epi8(pick_h, _mm256_set1_epi8(8));
    __m256i       h[ROWS], l[ROWS];
    for (int r = 0; r < ROWS; r++) h[r] = l[r] = _mm256_setzero_si256();
    for (int i = 0; i < len; i += 4) {
        const __m128i w = _mm_loadu_si128((const __m128i *)(k + i));
        const __m128i both =
            _mm_packs_epi32(_mm_srai_epi32(w, HALF), _mm_and_si128(w, _mm_set1_epi32(4095)));
        const __m256i both2 = _mm256_broadcastsi128_si256(both);
        const __m256i kh = _mm256_shuffle_epi8(both2, pick_h);
        const __m256i kl = _mm256_shuffle_epi8(both2, pick_l);
        for (int r = 0; r < ROWS; r++) {
            const __m128i raw = _mm_loadu_si128((const __m128i *)(in + in_stride * r + i * ch));
            const __m256i p = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(raw), gather);
            h[r] = MULTIPLY_ADD(h[r], p, kh);
            l[r] = MULTIPLY_ADD(l[r], p, kl);
        }
    }
    for (int r = 0; r < ROWS; r += 4, out += out_stride * 4) {
        const __m256i v01 = fold(join(h[r], l[r]), join(h[r + 1], l[r + 1]));
        const __m256i v23 = fold(join(h[r + 2], l[r + 2]), join(h[r + 3], l[r + 3]));
        __m256i       v = _mm256_packs_epi32(v01, v23);
        v = _mm256_packus_epi16(v, v); /* rows 0 2 in the low lane, 1 3 in the high one */
        const __m128i v02 = _mm256_castsi256_si128(v), v13 = _mm256_extracti128_si256(v, 1);
        store(out, (uint32_t)_mm_cvtsi128_si32(v02), ch);
        store(out + out_stride, (uint32_t)_mm_cvtsi128_si32(v13), ch);
        store(out + out_stride * 2, (uint32_t)_mm_extract_epi32(v02, 1), ch);
        store(out + out_stride * 3, (uint32_t)_mm_extract_epi32(v13, 1), ch);
    }
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
                         in + in_stride * r + (size_t)a->lo[o] * ch, in_stride,
                         a->fixed + (size_t)o * a->taps, a->len[o], ch, gather);
    /* A row alone is computed ROWS times in one place. */
    for (; r < rows; r++)
        for (int o = 0; o < a->n; o++)
            across_pixel(out + out_stride * r + o * ch, 0,
                         in + in_stride * r + (size_t)a->lo[o] * ch, 0,
                         a->fixed + (size_t)o * a->taps, a->len[o], ch, gather);
}

/* Bytes of 16-bit pairs: channel c of taps t and t+1; -1 gives zero. */
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

/* ---- down ----------------------------------------------------------------------------------- */

static inline __m256i finish(__m256i h, __m256i l)
{
    const __m256i round = _mm256_set1_epi32(1 << (RESAMPLE_BITS - 1));
    return _mm256_srai_epi32(_mm256_add_epi32(join(h, l), round), RESAMPLE_BITS);
}

/* 32 columns. */
static inline void down_block(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *fixed,
                              int taps)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i       h[4] = {zero, zero, zero, zero}, l[4] = {zero, zero, zero, zero};
    for (int i = 0; i < taps; i += 2) {
        const bool     two = i + 1 < taps;
        const int32_t  k0 = fixed[i], k1 = two ? fixed[i + 1] : 0;
        const uint32_t h01 = ((uint32_t)(k0 >> HALF) & 0xffff) | (uint32_t)(k1 >> HALF) << 16;
        const uint32_t l01 = (uint32_t)(k0 & 4095) | (uint32_t)(k1 & 4095) << 16;
        const __m256i  kh = _mm256_set1_epi32((int)h01), kl = _mm256_set1_epi32((int)l01);
        const __m256i  a = _mm256_loadu_si256((const __m256i *)(in + stride * i));
        const __m256i b = two ? _mm256_loadu_si256((const __m256i *)(in + stride * (i + 1))) : zero;
        const __m256i ab0 = _mm256_unpacklo_epi8(a, b), ab1 = _mm256_unpackhi_epi8(a, b);
        const __m256i p[4] = {_mm256_unpacklo_epi8(ab0, zero), _mm256_unpackhi_epi8(ab0, zero),
                              _mm256_unpacklo_epi8(ab1, zero), _mm256_unpackhi_epi8(ab1, zero)};
        for (int j = 0; j < 4; j++) {
            h[j] = MULTIPLY_ADD(h[j], p[j], kh);
            l[j] = MULTIPLY_ADD(l[j], p[j], kl);
        }
    }
    const __m256i v0 = _mm256_packs_epi32(finish(h[0], l[0]), finish(h[1], l[1]));
    const __m256i v1 = _mm256_packs_epi32(finish(h[2], l[2]), finish(h[3], l[3]));
    _mm256_storeu_si256((__m256i *)out, _mm256_packus_epi16(v0, v1));
}

static void down(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *fixed, int taps,
                 int n)
{
    if (n < 32) {
        resample_portable.down(out, in, stride, fixed, taps, n);
        return;
    }
    for (int x = 0; x + 32 <= n; x += 32) down_block(out + x, in + x, stride, fixed, taps);
    if (n % 32) down_block(out + n - 32, in + n - 32, stride, fixed, taps);
}
