/*
 * augment_affine.c -- rotate, shear and translate as Pillow does: nearest pixel, black outside.
 *
 *   source x = a0 X + a1 Y + a2,  source y = a3 X + a4 Y + a5     of the pixel centre X = x+0.5 ...
 *
 * In 16.16 fixed point where that reaches, in double where it does not or where nothing but a shift
 * is asked.
 */
#include <math.h>
#include <string.h>

#include "augment_internal.h"

static int fix(double v)
{
    return (int)floor(v * 65536.0 + 0.5);
}

static int floor_or_outside(double v)
{
    return v < 0.0 ? -1 : (int)v;
}

static void take(uint8_t *to, const struct vlp_image *in, int x, int y)
{
    if (x >= 0 && x < in->width && y >= 0 && y < in->height)
        memcpy(to, in->data + ((size_t)in->width * y + x) * 3, 3);
    else
        memset(to, 0, 3);
}

static bool fits(const double a[6], int x, int y)
{
    return fabs(x * a[0] + y * a[1] + a[2]) < 32768.0 && fabs(x * a[3] + y * a[4] + a[5]) < 32768.0;
}

static void affine_fixed(struct vlp_image *out, const struct vlp_image *in, const double a[6])
{
    const int a0 = fix(a[0]), a1 = fix(a[1]), a3 = fix(a[3]), a4 = fix(a[4]);
    int       x0 = fix(a[2] + a[0] * 0.5 + a[1] * 0.5), y0 = fix(a[5] + a[3] * 0.5 + a[4] * 0.5);
    uint8_t  *to = out->data;
    for (int y = 0; y < out->height; y++, x0 += a1, y0 += a4) {
        int sx = x0, sy = y0;
        for (int x = 0; x < out->width; x++, sx += a0, sy += a3, to += 3)
            take(to, in, sx >> 16, sy >> 16);
    }
}

static void affine_double(struct vlp_image *out, const struct vlp_image *in, const double a[6])
{
    double   x0 = a[2] + a[1] * 0.5 + a[0] * 0.5, y0 = a[5] + a[4] * 0.5 + a[3] * 0.5;
    uint8_t *to = out->data;
    for (int y = 0; y < out->height; y++, x0 += a[1], y0 += a[4]) {
        double sx = x0, sy = y0;
        for (int x = 0; x < out->width; x++, sx += a[0], sy += a[3], to += 3)
            take(to, in, floor_or_outside(sx), floor_or_outside(sy));
    }
}

static struct vlp_image *affine(struct vlp_arena *mem, const struct vlp_image *in,
                                const double a[6])
{
    struct vlp_image *out = augment_like(mem, in);
    const int         w = in->width, h = in->height;
    const bool        shift_only = a[1] == 0 && a[3] == 0;
    if (!shift_only && fits(a, 0, 0) && fits(a, w, h) && fits(a, 0, h) && fits(a, w, 0))
        affine_fixed(out, in, a);
    else
        affine_double(out, in, a);
    return out;
}

struct vlp_image *pil_shear_x(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return affine(mem, in, (double[6]){1, value, 0, 0, 1, 0});
}

struct vlp_image *pil_shear_y(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return affine(mem, in, (double[6]){1, 0, 0, value, 1, 0});
}

struct vlp_image *pil_translate_x(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return affine(mem, in, (double[6]){1, 0, value, 0, 1, 0});
}

struct vlp_image *pil_translate_y(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return affine(mem, in, (double[6]){1, 0, 0, 0, 1, value});
}

/* To 15 decimals, as the reference rounds its sines. */
static double round15(double v)
{
    return nearbyint(v * 1e15) / 1e15;
}

/* Degrees against the clock, about the centre, same canvas; right angles turn whole pixels. */
struct vlp_image *pil_rotate(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    double degrees = fmod(value, 360.0);
    if (degrees < 0) degrees += 360.0;
    struct vlp_image copy = *in;
    copy.orientation = degrees == 180.0                              ? 3
                       : degrees == 90.0 && in->width == in->height  ? 8
                       : degrees == 270.0 && in->width == in->height ? 6
                                                                     : 1;
    if (copy.orientation != 1) return vlp_image_orient(mem, &copy);

    const double angle = -(degrees * (3.14159265358979323846 / 180.0));
    const double c = round15(cos(angle)), s = round15(sin(angle));
    const double cx = in->width / 2.0, cy = in->height / 2.0;
    double       a[6] = {c, s, 0, -s, c, 0};
    a[2] = a[0] * -cx + a[1] * -cy + a[2] + cx;
    a[5] = a[3] * -cx + a[4] * -cy + a[5] + cy;
    return affine(mem, in, a);
}
