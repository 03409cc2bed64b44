/*
 * half.c -- element types of files: names, sizes, and conversion to and from f32.
 *
 * f16 and bf16 round to nearest even. Q8_0: blocks of 32, scale = max|x| / 127 stored as f16, then
 * round(x / scale) as int8; a block with a value that is no number, or too large, has NaN for a
 * scale. Portable code, never in a kernel; but a fingerprint of a model widens all its values, so
 * what widens them is loops that compilers make vectors of.
 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include <vlp/base.h>

static const struct {
    const char *name;
    size_t      size;
} dtype_table[VLP_DTYPE_COUNT] = {
    [VLP_F32] = {"f32", 4}, [VLP_F16] = {"f16", 2},   [VLP_BF16] = {"bf16", 2},
    [VLP_F64] = {"f64", 8}, [VLP_Q8_0] = {"q8_0", 0}, [VLP_I64] = {"i64", 8},
    [VLP_I32] = {"i32", 4}, [VLP_I16] = {"i16", 2},   [VLP_I8] = {"i8", 1},
    [VLP_U8] = {"u8", 1},   [VLP_BOOL] = {"bool", 1},
};

const char *vlp_dtype_name(enum vlp_dtype t)
{
    return (unsigned)t < VLP_DTYPE_COUNT ? dtype_table[t].name : "unknown";
}

size_t vlp_dtype_size(enum vlp_dtype t, size_t n)
{
    size_t size;
    if (t == VLP_Q8_0) {
        const size_t blocks = n / VLP_Q8_0_BLOCK + (n % VLP_Q8_0_BLOCK != 0);
        return __builtin_mul_overflow(blocks, (size_t)VLP_Q8_0_BYTES, &size) ? SIZE_MAX : size;
    }
    return __builtin_mul_overflow(n, dtype_table[t].size, &size) ? SIZE_MAX : size;
}

static float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static uint32_t to_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* No branch, and no number below f32's normal ones in between: a loop over it becomes vectors, no
 * value takes longer than another, and processors told to flush subnormals have the same bits. */
float vlp_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
    /* Zero and subnormals get a leading one, worth 2^-14, that is subtracted again: exact. */
    const uint32_t one = rest < 1u << 23 ? 113u << 23 : 0;
    /* Others get the bias of f32, 127 instead of 15; infinity and NaN the exponent 255. */
    const uint32_t bias = one ? one : 112u << 23, special = rest >= 31u << 23 ? 255u << 23 : 0;
    return from_bits(sign | to_bits(from_bits(rest + bias) - from_bits(one)) | special);
}

uint16_t vlp_f32_to_f16(float f)
{
    const uint32_t u = to_bits(f), sign = u >> 16 & 0x8000, rest = u & 0x7fffffffu;
    if (rest > 0x7f800000u) return (uint16_t)(sign | 0x7e00); /* NaN */
    if (rest >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00); /* 65520 and more round to infinity */
    if (rest < 0x38800000u) {
        /* Below 2^-14: adding 0.5 leaves the value rounded to multiples of 2^-24 in the low bits.
         */
        const float aligned = from_bits(rest) + 0.5f;
        return (uint16_t)(sign | (to_bits(aligned) - 0x3f000000u));
    }
    const uint32_t odd = rest >> 13 & 1;
    return (uint16_t)(sign | (rest - 0x38000000u + 0xfff + odd) >> 13);
}

float vlp_bf16_to_f32(uint16_t h)
{
    return from_bits((uint32_t)h << 16);
}

uint16_t vlp_f32_to_bf16(float f)
{
    const uint32_t u = to_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static void q8_0_to_f32(float *out, const uint8_t *in, size_t n)
{
    for (size_t i = 0; i < n; i += VLP_Q8_0_BLOCK, in += VLP_Q8_0_BYTES) {
        const float   scale = vlp_f16_to_f32(vlp_load_u16(in));
        const int8_t *q = (const int8_t *)in + 2;
        for (int j = 0; j < VLP_Q8_0_BLOCK; j++) out[i + (size_t)j] = scale * (float)q[j];
    }
}

static void f32_to_q8_0(uint8_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i += VLP_Q8_0_BLOCK, out += VLP_Q8_0_BYTES) {
        float largest = 0.0f;
        bool  nan = false;
        for (int j = 0; j < VLP_Q8_0_BLOCK; j++) {
            const float a = fabsf(in[i + (size_t)j]);
            if (a > largest) largest = a;
            nan |= isnan(a);
        }
        const uint16_t h = vlp_f32_to_f16(nan ? NAN : largest / 127.0f);
        const float    scale =
            vlp_f16_to_f32(h); /* quantise against what the reader will multiply by */
        if (!isfinite(scale)) {
            vlp_store_u16(out, vlp_f32_to_f16(NAN));
            memset(out + 2, 0, VLP_Q8_0_BLOCK);
            continue;
        }
        vlp_store_u16(out, h);
        int8_t *q = (int8_t *)out + 2;
        for (int j = 0; j < VLP_Q8_0_BLOCK; j++) {
            float v = scale > 0.0f ? roundf(in[i + (size_t)j] / scale) : 0.0f;
            v = v > 127.0f ? 127.0f : v < -127.0f ? -127.0f : v;
            q[j] = (int8_t)v;
        }
    }
}

void vlp_to_f32(float *out, const void *in, enum vlp_dtype t, size_t n)
{
    const uint8_t *b = in;
    switch (t) {
    case VLP_F32: memcpy(out, in, n * sizeof *out); return;
    case VLP_F16:
        for (size_t i = 0; i < n; i++) out[i] = vlp_f16_to_f32(vlp_load_u16(b + 2 * i));
        return;
    case VLP_BF16:
        for (size_t i = 0; i < n; i++) out[i] = vlp_bf16_to_f32(vlp_load_u16(b + 2 * i));
        return;
    case VLP_F64:
        for (size_t i = 0; i < n; i++) {
            const uint64_t u = vlp_load_u64(b + 8 * i);
            double         d;
            memcpy(&d, &u, sizeof d);
            out[i] = (float)d;
        }
        return;
    case VLP_Q8_0:
        assert(n % VLP_Q8_0_BLOCK == 0);
        q8_0_to_f32(out, b, n);
        return;
    case VLP_I64:
        for (size_t i = 0; i < n; i++) out[i] = (float)(int64_t)vlp_load_u64(b + 8 * i);
        return;
    case VLP_I32:
        for (size_t i = 0; i < n; i++) out[i] = (float)(int32_t)vlp_load_u32(b + 4 * i);
        return;
    case VLP_I16:
        for (size_t i = 0; i < n; i++) out[i] = (float)(int16_t)vlp_load_u16(b + 2 * i);
        return;
    case VLP_I8:
        for (size_t i = 0; i < n; i++) out[i] = (float)((const int8_t *)in)[i];
        return;
    case VLP_U8:
        for (size_t i = 0; i < n; i++) out[i] = (float)b[i];
        return;
    case VLP_BOOL:
        for (size_t i = 0; i < n; i++) out[i] = b[i] ? 1.0f : 0.0f;
        return;
    case VLP_DTYPE_COUNT: break;
    }
    assert(!"unknown dtype");
}

void vlp_from_f32(void *out, enum vlp_dtype t, const float *in, size_t n)
{
    uint8_t *b = out;
    switch (t) {
    case VLP_F32: memcpy(out, in, n * sizeof *in); return;
    case VLP_F16:
        for (size_t i = 0; i < n; i++) vlp_store_u16(b + 2 * i, vlp_f32_to_f16(in[i]));
        return;
    case VLP_BF16:
        for (size_t i = 0; i < n; i++) vlp_store_u16(b + 2 * i, vlp_f32_to_bf16(in[i]));
        return;
    case VLP_F64:
        for (size_t i = 0; i < n; i++) {
            const double d = in[i];
            memcpy(b + 8 * i, &d, sizeof d);
        }
        return;
    case VLP_Q8_0:
        assert(n % VLP_Q8_0_BLOCK == 0);
        f32_to_q8_0(b, in, n);
        return;
    default: assert(!"no conversion from f32 to an integer type");
    }
}

uint16_t vlp_load_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

uint32_t vlp_load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

uint64_t vlp_load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

void vlp_store_u16(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

void vlp_store_u32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

void vlp_store_u64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "files are little-endian and mapped in place");
_Static_assert(sizeof(void *) == 8,
               "files of weights are mapped whole, which takes 64-bit addresses");
_Static_assert(FLT_EVAL_METHOD == 0,
               "results are the same bits everywhere: floats are computed as floats");
