/*
 * gemm_f32_impl.h -- the f32 register tile and how rows and stored panels get there.
 *
 *   c[r][n] (+)= sum_k a[r][k] b[k][n]      one chain of v_fma over k for every element
 *
 * Included after simd_*.h with TILE_ROWS and TILE_VECTORS defined.
 */
#ifndef VLP_GEMM_F32_IMPL_H
#define VLP_GEMM_F32_IMPL_H
#include <string.h>

#include "simd_math.h"
#include "tensor_internal.h"

/*
 * `rows` rows of `vectors` vectors, both constant where this is inlined. Element (r, k) of a is at
 * a[r * a_row + k * a_unit]; unit k of b begins at b[k * b_unit].
 */
static ALWAYS_INLINE void mul_tile(const int rows, const int vectors, int units, const float *a,
                                   const size_t a_row, const size_t a_unit, const float *b,
                                   const size_t b_unit, float *c, const size_t c_row, bool add,
                                   const char *next, const int lines)
{
    vf sum[TILE_ROWS][TILE_VECTORS];
    UNROLLED
    for (int r = 0; r < rows; r++) UNROLLED
    for (int v = 0; v < vectors; v++) sum[r][v] = add ? v_load(c + r * c_row + v * VL) : v_zero();
    for (int k = 0; k < units; k++) {
        vf col[TILE_VECTORS];
        UNROLLED
        for (int v = 0; v < vectors; v++) col[v] = v_load(b + v * VL);
        UNROLLED
        for (int l = 0; l < lines; l++) __builtin_prefetch(next + l * 64, 0, 2);
        UNROLLED
        for (int r = 0; r < rows; r++) {
            const vf x = v_set1(a[r * a_row]);
            UNROLLED
            for (int v = 0; v < vectors; v++) sum[r][v] = v_fma(x, col[v], sum[r][v]);
        }
        a += a_unit;
        b += b_unit;
        next += lines * 64;
    }
    UNROLLED
    for (int r = 0; r < rows; r++) UNROLLED
    for (int v = 0; v < vectors; v++) v_store(c + r * c_row + v * VL, sum[r][v]);
}

#define TILE_CASES_OF(rows, f)  TILE_CASES_OF_(rows, f)
#define TILE_CASES_OF_(rows, f) TILE_CASES_##rows(f)
#define TILE_CASES(f)           TILE_CASES_OF(TILE_ROWS, f)

/* A panel's unit is TILE_VECTORS * VL floats, in cache lines: */
enum { TILE_COLS = TILE_VECTORS * VL, UNIT_LINES = (TILE_COLS * 4 + 63) / 64 };

/* Where a panel passes through for few rows every line of the next one is asked for; else each of
 * the tiles that come after one another asks for a part. */
static void tile_f32(int rows, int units, const void *a, const void *b, void *c, bool add,
                     const void *next)
{
#define ONE_CASE(n)                                                                                \
    case n:                                                                                        \
        mul_tile(n, TILE_VECTORS, units, a, VLP_A_STRIDE, 1, b, TILE_COLS, c, TILE_COLS, add,      \
                 next, n <= VLP_FEW_ROWS ? UNIT_LINES : 1);                                        \
        break;
    switch (rows) {
        TILE_CASES(ONE_CASE)
    }
#undef ONE_CASE
}

static void load_row_f32(void *a, const float *x, int n, const struct vlp_quant *q)
{
    (void)q;
    memcpy(a, x, (size_t)n * sizeof *x);
}

static inline vf v_rounded_bf16(vf x)
{
    /* To nearest even; NaN keeps its upper half, where its quiet bit is. */
    const vi bits = v_bits(x), odd = vi_and(vi_shr(bits, 16), vi_set1(1));
    const vi up = vi_add(vi_add(bits, vi_set1(0x7fff)), odd), top = vi_set1((int32_t)0xffff0000u);
    const vf finite = v_of_bits(vi_and(up, top)), other = v_of_bits(vi_and(bits, top));
    return v_if_less(v_abs(x), v_of_bits(vi_set1(0x7f800000)), finite, other);
}

static void load_row_bf16_as_f32(void *a, const float *x, int n, const struct vlp_quant *q)
{
    float *out = a;
    (void)q;
    for (int i = 0; i < n; i += VL)
        v_store_n(out + i, v_rounded_bf16(v_load_n(x + i, n - i)), n - i);
}

static void load_columns_f32(uint32_t *out, size_t stride, const float *x, size_t ldx, int k, int n)
{
    for (int i = 0; i < k; i++) memcpy(out + i * stride, x + i * ldx, (size_t)n * sizeof *x);
}

static void load_columns_bf16_as_f32(uint32_t *out, size_t stride, const float *x, size_t ldx,
                                     int k, int n)
{
    for (int i = 0; i < k; i++) load_row_bf16_as_f32(out + i * stride, x + i * ldx, n, NULL);
}

/*
 * 16-bit panels hold two k a unit, the first in the lower half; Q8_0 panels four, with a scale a
 * column for every 32 k.
 */
static void expand_panel(float *b, const void *stored, enum vlp_dtype dtype, const float *scale,
                         int nr, int units)
{
    const uint32_t *in = stored;
    if (dtype == VLP_Q8_0) {
        for (int k = 0; k < units; k += 4, in += nr) {
            const float *s = scale + (size_t)(k / VLP_Q8_0_BLOCK) * nr;
            for (int n = 0; n < nr; n += VL) {
                const vi q = vi_load(in + n);
                const vf f = v_load(s + n);
                float   *out = b + (size_t)k * nr + n;
                v_store(out, v_mul(v_from_vi(vi_sar(vi_shl(q, 24), 24)), f));
                v_store(out + nr, v_mul(v_from_vi(vi_sar(vi_shl(q, 16), 24)), f));
                v_store(out + 2 * nr, v_mul(v_from_vi(vi_sar(vi_shl(q, 8), 24)), f));
                v_store(out + 3 * nr, v_mul(v_from_vi(vi_sar(q, 24)), f));
            }
        }
        return;
    }
    const vi low = vi_set1(0x7fff0000), sign = vi_set1((int32_t)0x80000000u);
    const vi top = vi_set1((int32_t)0xffff0000u);
    /* A half's exponent and fraction, moved to a float's place, are 2^-112 of its value. */
    const vf f16_scale = v_set1(5192296858534827628530496329220096.0f);
    for (int k = 0; k < units; k += 2, in += nr) {
        for (int n = 0; n < nr; n += VL) {
            const vi pair = vi_load(in + n), first = vi_shl(pair, 16), second = vi_and(pair, top);
            float   *out = b + (size_t)k * nr + n;
            if (dtype == VLP_BF16) {
                v_store(out, v_of_bits(first));
                v_store(out + nr, v_of_bits(second));
            } else {
                const vf x = v_mul(v_of_bits(vi_shr(vi_and(first, low), 3)), f16_scale);
                const vf y = v_mul(v_of_bits(vi_shr(vi_and(second, low), 3)), f16_scale);
                v_store(out, v_of_bits(vi_or(v_bits(x), vi_and(first, sign))));
                v_store(out + nr, v_of_bits(vi_or(v_bits(y), vi_and(second, sign))));
            }
        }
    }
}

#endif
