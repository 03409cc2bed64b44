/*
 * simd_portable.h -- vectors of four floats in the compiler's own vector type: SSE2, NEON, or plain
 * code.
 *
 * The kernels (*_impl.h) are written once over these few words: vf is a vector of VL floats, vi of
 * VL 32-bit integers. v_fma here rounds twice.
 */
#ifndef VLP_SIMD_PORTABLE_H
#define VLP_SIMD_PORTABLE_H

#include <string.h>

#include <vlp/base.h>

#define VL 4
typedef float    vf __attribute__((vector_size(16)));
typedef int32_t  vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));

static inline vf v_set1(float a)
{
    return (vf){a, a, a, a};
}
static inline vf v_zero(void)
{
    return (vf){0};
}
static inline vf v_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void v_store(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}
/* The first n lanes, the others zero; n may be VL and more, or zero. */
static inline vf v_load_n(const float *p, int n)
{
    vf v = {0};
    if (n >= VL) return v_load(p);
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
static inline void v_store_n(float *p, vf v, int n)
{
    if (n >= VL)
        v_store(p, v);
    else
        for (int i = 0; i < n; i++) p[i] = v[i];
}
static inline vf v_add(vf a, vf b)
{
    return a + b;
}
static inline vf v_sub(vf a, vf b)
{
    return a - b;
}
static inline vf v_mul(vf a, vf b)
{
    return a * b;
}
static inline vf v_div(vf a, vf b)
{
    return a / b;
}
/* a / b for b between 1e-37 and 1e37, roughly */
static inline vf v_quotient(vf a, vf b)
{
    return a / b;
}
static inline vf v_fma(vf a, vf b, vf c) /* a b + c */
{
    return a * b + c;
}
static inline vf v_fnma(vf a, vf b, vf c) /* c - a b */
{
    return c - a * b;
}
static inline vf v_bits_select(vi mask, vf a, vf b)
{
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}
static inline vf v_max(vf a, vf b) /* b where either is NaN, as on x86 */
{
    return v_bits_select(a > b, a, b);
}
static inline vf v_min(vf a, vf b)
{
    return v_bits_select(a < b, a, b);
}
static inline vf v_abs(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}
static inline vf v_copysign(vf mag, vf sign)
{
    return (vf)(((vi)mag & 0x7fffffff) | ((vu)sign & 0x80000000u));
}
/* a < b ? x : y, lane by lane */
static inline vf v_if_less(vf a, vf b, vf x, vf y)
{
    return v_bits_select(a < b, x, y);
}
/* To the nearest integer, ties to even; |a| < 2^22. */
static inline vf v_round(vf a)
{
    const vf magic = v_set1(12582912.0f);
    return (a + magic) - magic;
}
/* y 2^n for whole n, -252 .. 252, in two steps so that tiny results become subnormal, not zero */
static inline vf v_scale2(vf y, vf n)
{
    const vi whole = __builtin_convertvector(n, vi);
    const vi half = whole >> 1, rest = whole - half;
    return y * (vf)((half + 127) << 23) * (vf)((rest + 127) << 23);
}
static inline float v_sum(vf v)
{
    return (v[0] + v[2]) + (v[1] + v[3]);
}
static inline float v_largest(vf v)
{
    float m = v[0];
    for (int i = 1; i < VL; i++) m = v[i] > m ? v[i] : m;
    return m;
}
static inline float v_smallest(vf v)
{
    float m = v[0];
    for (int i = 1; i < VL; i++) m = v[i] < m ? v[i] : m;
    return m;
}
static inline vi vi_load(const void *p)
{
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void vi_store(void *p, vi v)
{
    memcpy(p, &v, sizeof v);
}
static inline vi vi_set1(int32_t a)
{
    return (vi){a, a, a, a};
}
static inline vi vi_sub(vi a, vi b)
{
    return a - b;
}
static inline vi vi_mul(vi a, vi b)
{
    return a * b;
}
static inline vf v_from_vi(vi a)
{
    return __builtin_convertvector(a, vf);
}
static inline vi v_to_vi(vf a) /* nearest, ties to even; |a| < 2^22 */
{
    return __builtin_convertvector(v_round(a), vi);
}
static inline vf v_of_bits(vi a)
{
    return (vf)a;
}
static inline vi v_bits(vf a)
{
    return (vi)a;
}
static inline vi vi_add(vi a, vi b)
{
    return a + b;
}
static inline vi vi_and(vi a, vi b)
{
    return a & b;
}
static inline vi vi_or(vi a, vi b)
{
    return a | b;
}
#define vi_shl(a, n) ((a) << (n))
#define vi_shr(a, n) ((vi)((vu)(a) >> (n)))
#define vi_sar(a, n) ((a) >> (n))

/* VL halves, bfloats or signed bytes widened */
static inline vf v_load_f16(const void *p)
{
    uint16_t h[VL];
    memcpy(h, p, sizeof h);
    return (vf){vlp_f16_to_f32(h[0]), vlp_f16_to_f32(h[1]), vlp_f16_to_f32(h[2]),
                vlp_f16_to_f32(h[3])};
}
static inline vf v_load_bf16(const void *p)
{
    uint16_t h[VL];
    memcpy(h, p, sizeof h);
    return (vf)((vu){h[0], h[1], h[2], h[3]} << 16);
}
static inline vf v_load_i8(const void *p)
{
    int8_t q[VL];
    memcpy(q, p, sizeof q);
    return (vf){q[0], q[1], q[2], q[3]};
}
/* the low bytes of the lanes, which must be 0 .. 255 */
static inline void vi_store_u8(void *p, vi v)
{
    const uint8_t q[VL] = {(uint8_t)v[0], (uint8_t)v[1], (uint8_t)v[2], (uint8_t)v[3]};
    memcpy(p, q, sizeof q);
}

#endif
