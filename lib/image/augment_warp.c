/*
 * augment_warp.c -- rotate, shear and translate as OpenCV's warpAffine does: bilinear in fixed
 * point, grey 128 outside.
 *
 * The forward matrix is inverted in double; source positions have 10 fractional bits, rounded half
 * to even, of which 5 remain; the four weights have 15.
 */
#include <math.h>

#include "augment_internal.h"

enum { POSITION_BITS = 10, FRACTION_BITS = 5, WEIGHT_BITS = 15, FILL = 128 };

static int to_position(double v)
{
    return (int)nearbyint(v * (1 << POSITION_BITS));
}

/* m maps source to result; `inverse` the other way. */
static void invert(double inverse[6], const double m[6])
{
    double d = m[0] * m[4] - m[1] * m[3];
    d = d != 0 ? 1.0 / d : 0;
    inverse[0] = m[4] * d;
    inverse[1] = m[1] * -d;
    inverse[3] = m[3] * -d;
    inverse[4] = m[0] * d;
    inverse[2] = -inverse[0] * m[2] - inverse[1] * m[5];
    inverse[5] = -inverse[3] * m[2] - inverse[4] * m[5];
}

static int sample(const struct vlp_image *in, int x, int y, int c)
{
    if (x < 0 || x >= in->width || y < 0 || y >= in->height) return FILL;
    return in->data[((size_t)in->width * y + x) * 3 + c];
}

static struct vlp_image *warp(struct vlp_arena *mem, const struct vlp_image *in, const double m[6])
{
    const int         one = 1 << FRACTION_BITS, scale = 1 << (WEIGHT_BITS - 2 * FRACTION_BITS);
    const int         drop = POSITION_BITS - FRACTION_BITS, half = 1 << (drop - 1);
    struct vlp_image *out = augment_like(mem, in);
    double            a[6];
    invert(a, m);
    uint8_t *to = out->data;
    for (int y = 0; y < out->height; y++) {
        const int x0 = to_position(a[1] * y + a[2]) + half;
        const int y0 = to_position(a[4] * y + a[5]) + half;
        for (int x = 0; x < out->width; x++, to += 3) {
            const int px = (x0 + to_position(a[0] * x)) >> drop;
            const int py = (y0 + to_position(a[3] * x)) >> drop;
            const int sx = px >> FRACTION_BITS, sy = py >> FRACTION_BITS;
            const int fx = px & (one - 1), fy = py & (one - 1);
            const int w00 = (one - fx) * (one - fy) * scale, w01 = fx * (one - fy) * scale;
            const int w10 = (one - fx) * fy * scale, w11 = fx * fy * scale;
            for (int c = 0; c < 3; c++) {
                const int sum = w00 * sample(in, sx, sy, c) + w01 * sample(in, sx + 1, sy, c) +
                                w10 * sample(in, sx, sy + 1, c) +
                                w11 * sample(in, sx + 1, sy + 1, c);
                to[c] = (uint8_t)((sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS);
            }
        }
    }
    return out;
}

/* The reference keeps these matrices in fp32. */
struct vlp_image *cv_shear_x(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return warp(mem, in, (double[6]){1, (float)value, 0, 0, 1, 0});
}

struct vlp_image *cv_shear_y(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return warp(mem, in, (double[6]){1, 0, 0, (float)value, 1, 0});
}

struct vlp_image *cv_translate_x(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return warp(mem, in, (double[6]){1, 0, (float)-value, 0, 1, 0});
}

struct vlp_image *cv_translate_y(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return warp(mem, in, (double[6]){1, 0, 0, 0, 1, (float)-value});
}

/* Degrees against the clock about (W/2, H/2). */
struct vlp_image *cv_rotate(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    const double angle = value * (3.14159265358979323846 / 180.0);
    const double c = cos(angle), s = sin(angle);
    const double cx = (float)(in->width / 2.0), cy = (float)(in->height / 2.0);
    return warp(mem, in, (double[6]){c, s, (1 - c) * cx - s * cy, -s, c, s * cx + (1 - c) * cy});
}
