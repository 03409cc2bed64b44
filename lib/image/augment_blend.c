/*
 * augment_blend.c -- operations that move a picture towards or away from a plainer one, and the
 * hue.
 *
 *   out = trunc(clamp(d + f (x - d)))     in fp32; d is grey, one grey level, black, or smoothed
 */
#include <math.h>
#include <string.h>

#include "augment_internal.h"

static inline uint8_t blend(int d, int x, float f)
{
    const float v = (float)d + f * (float)(x - d);
    return v <= 0.0f ? 0 : v >= 255.0f ? 255 : (uint8_t)v;
}

static inline int luma(const uint8_t *p)
{
    return (19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16;
}

struct vlp_image *pil_colour(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    struct vlp_image *out = augment_like(mem, in);
    const size_t      n = (size_t)in->width * in->height * 3;
    for (size_t i = 0; i < n; i += 3) {
        const int grey = luma(in->data + i);
        for (int c = 0; c < 3; c++) out->data[i + c] = blend(grey, in->data[i + c], (float)value);
    }
    return out;
}

static struct vlp_image *from_level(struct vlp_arena *mem, const struct vlp_image *in, int level,
                                    double value)
{
    struct vlp_image *out = augment_like(mem, in);
    const size_t      n = (size_t)in->width * in->height * 3;
    uint8_t           table[256];
    for (int i = 0; i < 256; i++) table[i] = blend(level, i, (float)value);
    for (size_t i = 0; i < n; i++) out->data[i] = table[in->data[i]];
    return out;
}

struct vlp_image *pil_brightness(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return from_level(mem, in, 0, value);
}

struct vlp_image *pil_contrast(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    const size_t n = (size_t)in->width * in->height;
    uint64_t     sum = 0;
    for (size_t i = 0; i < n; i++) sum += (uint64_t)luma(in->data + 3 * i);
    return from_level(mem, in, (int)((double)sum / (double)n + 0.5), value);
}

/* ---- sharpness --------------------------------------------------------------------- */

/* Three neighbours in a row around p. */
static inline float three(const uint8_t *p, float left, float middle, float right)
{
    return (float)p[-3] * left + (float)p[0] * middle + (float)p[3] * right;
}

/* The kernel 1 1 1 / 1 5 1 / 1 1 1 over 13 inside; the border is copied. */
struct vlp_image *pil_sharpness(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    const float       one = 1.0f / 13.0f, five = 5.0f / 13.0f;
    struct vlp_image *out = augment_like(mem, in);
    const size_t      stride = (size_t)in->width * 3;
    memcpy(out->data, in->data, stride * in->height);
    for (int y = 1; y < in->height - 1; y++) {
        for (size_t i = 3; i + 3 < stride; i++) {
            const uint8_t *p = in->data + stride * y + i;
            float          sum = 0.5f;
            sum += three(p + stride, one, one, one);
            sum += three(p, one, five, one);
            sum += three(p - stride, one, one, one);
            const int smooth = sum >= 255.0f ? 255 : (int)sum;
            out->data[stride * y + i] = blend(smooth, p[0], (float)value);
        }
    }
    return out;
}

/*
 * The reference of ALBEF: the smoothed level is rounded, and the result is cut to a byte without
 * clamping, so that 272 becomes 16.
 */
struct vlp_image *cv_sharpness(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    struct vlp_image *out = augment_like(mem, in);
    const size_t      stride = (size_t)in->width * 3;
    memcpy(out->data, in->data, stride * in->height);
    if (value == 1.0) return out;
    for (int y = 1; y < in->height - 1; y++) {
        for (size_t i = 3; i + 3 < stride; i++) {
            const uint8_t *p = in->data + stride * y + i;
            int            sum = 4 * p[0];
            for (int dy = -1; dy <= 1; dy++) {
                const uint8_t *q = dy < 0 ? p - stride : dy > 0 ? p + stride : p;
                sum += q[-3] + q[0] + q[3];
            }
            const float smooth = (float)((2 * sum + 13) / 26);
            const float v = smooth + (float)value * ((float)p[0] - smooth);
            out->data[stride * y + i] = (uint8_t)((int)v & 255);
        }
    }
    return out;
}

/* ---- hue --------------------------------------------------------------------------- */

static void to_hsv(uint8_t hsv[3], const uint8_t *p)
{
    const int r = p[0], g = p[1], b = p[2];
    const int rg = r > g ? r : g, hi = rg > b ? rg : b;
    const int rg_lo = r < g ? r : g, lo = rg_lo < b ? rg_lo : b;
    hsv[0] = hsv[1] = 0;
    hsv[2] = (uint8_t)hi;
    if (hi == lo) return;
    const float range = (float)(hi - lo), s = range / (float)hi;
    const float rc = (float)(hi - r) / range, gc = (float)(hi - g) / range;
    const float bc = (float)(hi - b) / range;
    float       h;
    if (r == hi)
        h = bc - gc;
    else if (g == hi)
        h = (float)(2.0 + rc - bc);
    else
        h = (float)(4.0 + gc - rc);
    h = (float)fmod(h / 6.0 + 1.0, 1.0);
    hsv[0] = (uint8_t)(int)(h * 255.0);
    hsv[1] = (uint8_t)(int)(s * 255.0);
}

static uint8_t rounded(double v)
{
    const int i = (int)round(v);
    return i <= 0 ? 0 : i > 255 ? 255 : (uint8_t)i;
}

static void from_hsv(uint8_t *p, const uint8_t hsv[3])
{
    const uint8_t h = hsv[0], s = hsv[1], v = hsv[2];
    if (s == 0) {
        p[0] = p[1] = p[2] = v;
        return;
    }
    const int     i = (int)floor((float)h * 6.0 / 255.0);
    const float   f = (float)((float)h * 6.0 / 255.0 - (float)i), fs = (float)(s / 255.0);
    const uint8_t a = rounded((float)v * (1.0 - fs)), b = rounded((float)v * (1.0 - fs * f));
    const uint8_t c = rounded((float)v * (1.0 - fs * (1.0 - f)));
    const uint8_t sector[6][3] = {{v, c, a}, {b, v, a}, {a, v, c}, {a, b, v}, {c, a, v}, {v, a, b}};
    memcpy(p, sector[i % 6], 3);
}

/* Hue turned by `value` of the circle, -0.5 .. 0.5. */
struct vlp_image *pil_hue(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    struct vlp_image *out = augment_like(mem, in);
    const size_t      n = (size_t)in->width * in->height * 3;
    const uint8_t     turn = (uint8_t)((int)(value * 255) & 255);
    for (size_t i = 0; i < n; i += 3) {
        uint8_t hsv[3];
        to_hsv(hsv, in->data + i);
        hsv[0] += turn;
        from_hsv(out->data + i, hsv);
    }
    return out;
}
