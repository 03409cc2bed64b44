/*
 * resample.c -- position embeddings for another grid, by the rule of whoever trained them.
 *
 * Each rule is a matrix per axis: output o sits at c = (o + 1/2) n_in / n_out in the input, and
 * weighs the inputs around it. A grid is resampled along x, then along y, in double precision.
 */
#include <vlp/nn.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Keys' cubic; a is its slope at 1. */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

/* The filter widens when shrinking, as a picture's would; weights sum to 1. */
static void antialias_row(float *row, int o, double scale, int n_in)
{
    const double widen = scale > 1.0 ? scale : 1.0, support = 2.0 * widen;
    const double centre = (o + 0.5) * scale;
    int          lo = (int)(centre - support + 0.5), hi = (int)(centre + support + 0.5);
    lo = lo < 0 ? 0 : lo;
    hi = hi > n_in ? n_in : hi;
    double sum = 0.0;
    for (int i = lo; i < hi; i++) sum += cubic((i - centre + 0.5) / widen, -0.5);
    for (int i = lo; i < hi; i++) row[i] = (float)(cubic((i - centre + 0.5) / widen, -0.5) / sum);
}

static int clamp(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* Four taps; beyond the edge the edge is repeated. */
static void bicubic_row(float *row, int o, double scale, int n_in)
{
    const double s = (o + 0.5) * scale - 0.5;
    const int    i = (int)floor(s);
    for (int tap = -1; tap <= 2; tap++)
        row[clamp(i + tap, n_in)] += (float)cubic(s - (i + tap), -0.75);
}

static void linear_row(float *row, int o, double scale, int n_in)
{
    const double s = fmax((o + 0.5) * scale - 0.5, 0.0);
    const int    i = clamp((int)s, n_in);
    row[i] += (float)(1.0 - (s - i));
    row[clamp(i + 1, n_in)] += (float)(s - i);
}

void vlp_resample_matrix(float *m, int n_out, int n_in, enum vlp_resample kind)
{
    static void (*const rows[])(float *, int, double, int) = {
        [VLP_RESAMPLE_ANTIALIAS] = antialias_row,
        [VLP_RESAMPLE_BICUBIC] = bicubic_row,
        [VLP_RESAMPLE_LINEAR] = linear_row,
    };
    memset(m, 0, (size_t)n_out * (size_t)n_in * sizeof *m);
    for (int o = 0; o < n_out; o++) rows[kind](m + (size_t)o * n_in, o, (double)n_in / n_out, n_in);
}

/* out (n_out, width) = m (n_out, n_in) x (n_in, width) */
static void apply(double *out, const float *m, const double *x, int n_out, int n_in, size_t width)
{
    memset(out, 0, (size_t)n_out * width * sizeof *out);
    for (int o = 0; o < n_out; o++)
        for (int i = 0; i < n_in; i++) {
            const double w = m[(size_t)o * n_in + i];
            if (w == 0.0) continue;
            for (size_t c = 0; c < width; c++) out[o * width + c] += w * x[i * width + c];
        }
}

void vlp_resample_grid(float *out, int h_out, int w_out, const float *x, int h_in, int w_in,
                       int keep, int C, enum vlp_resample kind)
{
    memcpy(out, x, (size_t)keep * C * sizeof *out);
    out += (size_t)keep * C;
    x += (size_t)keep * C;

    const size_t n_in = (size_t)h_in * w_in * C, n_out = (size_t)h_out * w_out * C;
    const size_t n_mid = (size_t)h_in * w_out * C;
    float       *mx = vlp_calloc((size_t)w_out * w_in, sizeof *mx);
    float       *my = vlp_calloc((size_t)h_out * h_in, sizeof *my);
    double      *from = vlp_calloc(n_in + n_mid + n_out, sizeof *from);
    double      *mid = from + n_in, *to = mid + n_mid;
    vlp_resample_matrix(mx, w_out, w_in, kind);
    vlp_resample_matrix(my, h_out, h_in, kind);
    for (size_t i = 0; i < n_in; i++) from[i] = x[i];
    for (int y = 0; y < h_in; y++)
        apply(mid + (size_t)y * w_out * C, mx, from + (size_t)y * w_in * C, w_out, w_in, (size_t)C);
    apply(to, my, mid, h_out, h_in, (size_t)w_out * C);
    for (size_t i = 0; i < n_out; i++) out[i] = (float)to[i];
    free(from);
    free(my);
    free(mx);
}
