/*
 * resample_axis.c -- the weights of one axis of a resize, as Pillow computes them.
 *
 *   scale = in/out,  fs = max(scale, 1),  support = S fs
 *   centre c = (o + 0.5) scale,  inputs trunc(c - support + 0.5) .. trunc(c + support + 0.5) - 1
 *   weight_i = F((i - c + 0.5) / fs) / sum,   fixed = weight 2^22 rounded half away from zero
 *
 * All in double and in this order of operations, or last bits differ.
 */
#include <math.h>
#include <string.h>

#include "image_internal.h"

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic with a = -0.5. */
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    x *= 3.14159265358979323846;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct {
    double (*weight)(double x);
    double support;
} filters[] = {
    [VLP_LANCZOS] = {lanczos, 3.0},
    [VLP_BILINEAR] = {bilinear, 1.0},
    [VLP_BICUBIC] = {bicubic, 2.0},
};

static int32_t to_fixed(double w)
{
    const double v = w * (1 << RESAMPLE_BITS);
    return (int32_t)(w < 0 ? v - 0.5 : v + 0.5);
}

void resample_axis_init(struct resample_axis *a, struct vlp_arena *mem, int in, int out, int first,
                        int n, enum vlp_filter filter, bool fixed)
{
    double (*const f)(double) = filters[filter].weight;
    const double scale = (double)in / out, fs = scale < 1.0 ? 1.0 : scale, inverse = 1.0 / fs;
    const double support = filters[filter].support * fs;

    a->n = n;
    a->lo = vlp_arena_alloc(mem, sizeof(int) * n);
    a->len = vlp_arena_alloc(mem, sizeof(int) * n);
    a->taps = 1;
    for (int o = 0; o < n; o++) {
        const double c = (first + o + 0.5) * scale;
        int          lo = (int)(c - support + 0.5), hi = (int)(c + support + 0.5);
        if (lo < 0) lo = 0;
        if (hi > in) hi = in;
        a->lo[o] = lo;
        a->len[o] = hi - lo;
        if (a->len[o] > a->taps) a->taps = a->len[o];
    }
    a->taps = (a->taps + 3) & ~3; /* kernels take four at once */

    double *row = fixed ? vlp_arena_alloc(mem, sizeof(double) * a->taps) : NULL;
    a->fixed = fixed ? vlp_arena_calloc(mem, (size_t)a->taps * n, sizeof(int32_t)) : NULL;
    a->weight = fixed ? NULL : vlp_arena_calloc(mem, (size_t)a->taps * n, sizeof(double));
    for (int o = 0; o < n; o++) {
        const double c = (first + o + 0.5) * scale;
        double      *w = fixed ? row : a->weight + (size_t)a->taps * o;
        double       sum = 0.0;
        for (int i = 0; i < a->len[o]; i++) sum += w[i] = f((i + a->lo[o] - c + 0.5) * inverse);
        if (sum != 0.0)
            for (int i = 0; i < a->len[o]; i++) w[i] /= sum;
        if (!fixed) continue;
        for (int i = 0; i < a->len[o]; i++) a->fixed[(size_t)a->taps * o + i] = to_fixed(w[i]);
    }
}
