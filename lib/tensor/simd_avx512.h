/* simd_avx512.h -- vectors of sixteen floats: AVX-512 F, BW, DQ, VL. The words are those of
 * simd_portable.h. */
#ifndef VLP_SIMD_AVX512_H
#define VLP_SIMD_AVX512_H

#include <immintrin.h>

#include <vlp/base.h>

#define VL 16
typedef __m512  vf;
typedef __m512i vi;

static inline vf v_set1(float a)
{
    return _mm512_set1_ps(a);
}
static inline vf v_zero(void)
{
    return _mm512_setzero_ps();
}
static inline vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}
static inline __mmask16 v_lanes(int n)
{
    return (__mmask16)(n <= 0 ? 0u : n >= VL ? 0xffffu : (1u << n) - 1u);
}
static inline vf v_load_n(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(v_lanes(n), p);
}
static inline void v_store_n(float *p, vf v, int n)
{
    _mm512_mask_storeu_ps(p, v_lanes(n), v);
}
static inline vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
static inline vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
static inline vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
static inline vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
/* a / b for b between 1e-37 and 1e37, roughly */
static inline vf v_quotient(vf a, vf b)
{
    /* A division takes as long as sixteen products; this one is good to about two units in the last
     * place. */
    const vf r = _mm512_rcp14_ps(b), e = _mm512_fnmadd_ps(b, r, _mm512_set1_ps(1.0f));
    return _mm512_mul_ps(a, _mm512_fmadd_ps(r, e, r));
}
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf v_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
static inline vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf v_abs(vf a)
{
    return _mm512_abs_ps(a);
}
static inline vf v_copysign(vf mag, vf sign)
{
    const vf s = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(s, mag), _mm512_and_ps(s, sign));
}
static inline vf v_if_less(vf a, vf b, vf x, vf y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
static inline vf v_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_scale2(vf y, vf n)
{
    return _mm512_scalef_ps(y, n);
}
/*
 * e^x for x <= 0, about 1 ulp near zero: 2^z = 2^floor(z) 2^(z - floor(z)), a minimax fit on [0,
 * 1). Two instructions do the cutting and the scaling, minus infinity included.
 */
#define V_EXP_WEIGHT
static inline vf v_exp_weight(vf x)
{
    const vf z = _mm512_mul_ps(x, _mm512_set1_ps(1.44269504f));
    const vf f = _mm512_reduce_ps(z, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    vf       p = _mm512_set1_ps(2.16129190e-4f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.24678451e-3f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.67545173e-3f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.54852805e-2f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.40229306e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.93147044e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, z);
}
/* Halves added to halves, in a fixed order. */
static inline float v_sum(vf v)
{
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128       s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float v_largest(vf v)
{
    return _mm512_reduce_max_ps(v);
}
static inline float v_smallest(vf v)
{
    return _mm512_reduce_min_ps(v);
}
static inline vi vi_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
static inline void vi_store(void *p, vi v)
{
    _mm512_storeu_si512(p, v);
}
static inline vi vi_set1(int32_t a)
{
    return _mm512_set1_epi32(a);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}
static inline vi vi_mul(vi a, vi b)
{
    return _mm512_mullo_epi32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return _mm512_and_si512(a, b);
}
static inline vi vi_or(vi a, vi b)
{
    return _mm512_or_si512(a, b);
}
#define vi_shl(a, n) _mm512_slli_epi32(a, n)
#define vi_shr(a, n) _mm512_srli_epi32(a, n)
#define vi_sar(a, n) _mm512_srai_epi32(a, n)
static inline vf v_from_vi(vi a)
{
    return _mm512_cvtepi32_ps(a);
}
static inline vi v_to_vi(vf a)
{
    return _mm512_cvtps_epi32(a);
}
static inline vf v_of_bits(vi a)
{
    return _mm512_castsi512_ps(a);
}
static inline vi v_bits(vf a)
{
    return _mm512_castps_si512(a);
}
static inline vf v_load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}
static inline vf v_load_bf16(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}
static inline vf v_load_i8(const void *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p)));
}
static inline void vi_store_u8(void *p, vi v)
{
    _mm_storeu_si128(p, _mm512_cvtusepi32_epi8(v));
}

#endif
