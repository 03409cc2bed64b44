/*
 * resize.c -- Pillow's resize in each colour mode, of the whole picture or of a part of the result.
 *
 *   1, P        nearest neighbour, whatever the filter
 *   LA, RGBA    colour times alpha, resized, divided by alpha again
 *   I;16        in double, rounded and clamped to 16 bits after each pass
 *   others      in 22-bit fixed point, 8 bits after each pass
 *
 * The horizontal pass comes first unless the height shrinks by more than twice what the width does;
 * a pass that changes no size is left out.
 */
#include <string.h>

#include "image_internal.h"

/* ---- order of passes ----------------------------------------------------------------------- */

/* Which passes there are, and over which part of the picture. */
struct plan {
    bool                 across, down, across_first;
    struct resample_axis x, y;
    int                  row0, rows; /* input rows that the result needs */
    int                  col0, cols; /* input columns */
};

/* The inputs that n outputs of an axis need. */
static void axis_range(const struct resample_axis *a, int *from, int *count)
{
    *from = a->lo[0];
    *count = a->lo[a->n - 1] + a->len[a->n - 1] - a->lo[0];
}

static void axis_shift(struct resample_axis *a, int by)
{
    for (int o = 0; o < a->n; o++) a->lo[o] -= by;
}

static void plan_init(struct plan *p, struct vlp_arena *mem, const struct vlp_image *in, int width,
                      int height, enum vlp_filter filter, struct resample_box box, bool fixed)
{
    const int64_t less_y = in->height - height, less_x = (int64_t)in->width - width;
    *p = (struct plan){.across = in->width != width,
                       .down = in->height != height,
                       .across_first = !(less_y > 0 && less_y > less_x * 2),
                       .row0 = box.y,
                       .rows = box.height,
                       .col0 = box.x,
                       .cols = box.width};
    if (p->across) {
        resample_axis_init(&p->x, mem, in->width, width, box.x, box.width, filter, fixed);
        axis_range(&p->x, &p->col0, &p->cols);
    }
    if (p->down) {
        resample_axis_init(&p->y, mem, in->height, height, box.y, box.height, filter, fixed);
        axis_range(&p->y, &p->row0, &p->rows);
        axis_shift(&p->y, p->row0);
    }
}

/* ---- 8 bits -------------------------------------------------------------------------------- */

/* Rows that kernels may read beyond: the last ones of the picture are copied to where they may. */
static void across8(const struct resample_kernels *k, struct vlp_arena *mem, uint8_t *out,
                    size_t out_stride, const uint8_t *in, size_t stride, const uint8_t *end,
                    int rows, const struct resample_axis *a, int ch)
{
    int safe = 0; /* rows with enough bytes behind them */
    if ((size_t)(end - in) > stride + RESAMPLE_SLACK)
        safe = (int)((end - in - RESAMPLE_SLACK) / stride);
    if (safe > rows) safe = rows;
    k->across(out, out_stride, in, stride, safe, a, ch);
    if (safe == rows) return;
    uint8_t *copy = vlp_arena_calloc(mem, stride + RESAMPLE_SLACK, 1);
    for (int r = safe; r < rows; r++) {
        const size_t have = end - (in + stride * r);
        memcpy(copy, in + stride * r, have < stride ? have : stride);
        k->across(out + out_stride * r, out_stride, copy, stride, 1, a, ch);
    }
}

static void down8(const struct resample_kernels *k, uint8_t *out, const uint8_t *in, size_t stride,
                  const struct resample_axis *a, int n)
{
    for (int o = 0; o < a->n; o++)
        k->down(out + (size_t)n * o, in + stride * a->lo[o], stride, a->fixed + (size_t)a->taps * o,
                a->len[o], n);
}

static void resample8(uint8_t *out, struct vlp_arena *mem, const struct vlp_image *in, int width,
                      int height, enum vlp_filter filter, struct resample_box box)
{
    const struct resample_kernels *k = resample_kernels_best();
    const int                      ch = vlp_image_mode_bytes(in->mode);
    const size_t                   stride = (size_t)in->width * ch, line = (size_t)box.width * ch;
    const uint8_t                 *end = in->data + stride * in->height;
    struct plan                    p;
    plan_init(&p, mem, in, width, height, filter, box, true);
    const uint8_t *first = in->data + stride * p.row0;

    if (!p.down) {
        across8(k, mem, out, line, first, stride, end, p.rows, &p.x, ch);
    } else if (!p.across) {
        down8(k, out, first + (size_t)p.col0 * ch, stride, &p.y, p.cols * ch);
    } else if (p.across_first) {
        uint8_t *half = vlp_arena_alloc(mem, line * p.rows);
        across8(k, mem, half, line, first, stride, end, p.rows, &p.x, ch);
        down8(k, out, half, line, &p.y, (int)line);
    } else {
        const size_t half_line = (size_t)p.cols * ch;
        uint8_t     *half = vlp_arena_alloc(mem, half_line * box.height);
        down8(k, half, first + (size_t)p.col0 * ch, stride, &p.y, (int)half_line);
        axis_shift(&p.x, p.col0);
        across8(k, mem, out, line, half, half_line, half + half_line * box.height, box.height, &p.x,
                ch);
    }
}

/* ---- 16 bits ------------------------------------------------------------------------------- */

static uint16_t round16(double v)
{
    const int i = (int)(v >= 0.0 ? v + 0.5 : v - 0.5);
    return i <= 0 ? 0 : i < 65536 ? (uint16_t)i : 65535;
}

/* One output from `len` samples `step` apart. */
static uint16_t sum16(const uint16_t *in, size_t step, const double *w, int len)
{
    double sum = 0.0;
    for (int i = 0; i < len; i++) sum += in[step * i] * w[i];
    return round16(sum);
}

static void across16(uint16_t *out, const uint16_t *in, size_t stride, int rows,
                     const struct resample_axis *a)
{
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < a->n; o++)
            out[(size_t)a->n * r + o] =
                sum16(in + stride * r + a->lo[o], 1, a->weight + (size_t)a->taps * o, a->len[o]);
}

static void down16(uint16_t *out, const uint16_t *in, size_t stride, int n,
                   const struct resample_axis *a)
{
    for (int o = 0; o < a->n; o++)
        for (int x = 0; x < n; x++)
            out[(size_t)n * o + x] = sum16(in + stride * a->lo[o] + x, stride,
                                           a->weight + (size_t)a->taps * o, a->len[o]);
}

static void resample16(uint16_t *out, struct vlp_arena *mem, const struct vlp_image *in, int width,
                       int height, enum vlp_filter filter, struct resample_box box)
{
    struct plan p;
    plan_init(&p, mem, in, width, height, filter, box, false);
    const size_t    stride = in->width;
    const uint16_t *first = (const uint16_t *)(const void *)in->data + stride * p.row0;
    if (!p.down) {
        across16(out, first, stride, p.rows, &p.x);
    } else if (!p.across) {
        down16(out, first + p.col0, stride, p.cols, &p.y);
    } else if (p.across_first) {
        uint16_t *half = vlp_arena_alloc(mem, sizeof *half * box.width * p.rows);
        across16(half, first, stride, p.rows, &p.x);
        down16(out, half, box.width, box.width, &p.y);
    } else {
        uint16_t *half = vlp_arena_alloc(mem, sizeof *half * p.cols * box.height);
        down16(half, first + p.col0, stride, p.cols, &p.y);
        axis_shift(&p.x, p.col0);
        across16(out, half, p.cols, box.height, &p.x);
    }
}

/* ---- nearest ------------------------------------------------------------------------------- */

/* Source index of outputs first .. first+n-1: the position is summed up step by step in double. */
static int *nearest_table(struct vlp_arena *mem, int in, int out, int first, int n)
{
    int         *table = vlp_arena_alloc(mem, sizeof(int) * n);
    const double step = (double)in / out;
    double       at = step * 0.5;
    for (int o = 0; o < first + n; o++, at += step) {
        if (o < first) continue;
        const int i = (int)at;
        table[o - first] = i < in ? i : in - 1;
    }
    return table;
}

static void nearest(uint8_t *out, struct vlp_arena *mem, const struct vlp_image *in, int width,
                    int height, struct resample_box box)
{
    const int *x = nearest_table(mem, in->width, width, box.x, box.width);
    const int *y = nearest_table(mem, in->height, height, box.y, box.height);
    for (int j = 0; j < box.height; j++) {
        const uint8_t *row = in->data + (size_t)in->width * y[j];
        for (int i = 0; i < box.width; i++) *out++ = row[x[i]];
    }
}

/* ---- alpha --------------------------------------------------------------------------------- */

/* round(c a / 255), for bytes. */
static inline uint8_t times(int c, int a)
{
    const int t = c * a + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

static struct vlp_image *premultiply(struct vlp_arena *mem, const struct vlp_image *in)
{
    struct vlp_image *out = image_new(mem, in->width, in->height, in->mode, in);
    const int         ch = vlp_image_mode_bytes(in->mode);
    const size_t      n = (size_t)in->width * in->height;
    const uint8_t    *p = in->data;
    uint8_t          *q = out->data;
    for (size_t i = 0; i < n; i++, p += ch, q += ch) {
        for (int c = 0; c < ch - 1; c++) q[c] = times(p[c], p[ch - 1]);
        q[ch - 1] = p[ch - 1];
    }
    return out;
}

static void unpremultiply(uint8_t *p, size_t n, int ch)
{
    for (size_t i = 0; i < n; i++, p += ch) {
        const int a = p[ch - 1];
        if (a == 0 || a == 255) continue;
        for (int c = 0; c < ch - 1; c++) {
            const int v = 255 * p[c] / a;
            p[c] = v > 255 ? 255 : (uint8_t)v;
        }
    }
}

/* ---- all modes ----------------------------------------------------------------------------- */

static void crop(uint8_t *out, const struct vlp_image *in, struct resample_box box)
{
    const size_t ch = vlp_image_mode_bytes(in->mode), line = ch * box.width;
    for (int y = 0; y < box.height; y++)
        memcpy(out + line * y, in->data + ch * ((size_t)in->width * (box.y + y) + box.x), line);
}

struct vlp_image *image_resize_box(struct vlp_arena *mem, const struct vlp_image *in, int width,
                                   int height, enum vlp_filter filter, struct resample_box box)
{
    struct vlp_image     *out = image_new(mem, box.width, box.height, in->mode, in);
    struct vlp_arena_mark scratch = vlp_arena_mark(mem);
    out->orientation = in->orientation;
    if (width == in->width && height == in->height) {
        crop(out->data, in, box);
        return out;
    }
    switch (in->mode) {
    case VLP_IMAGE_1:
    case VLP_IMAGE_P: nearest(out->data, mem, in, width, height, box); break;
    case VLP_IMAGE_LA:
    case VLP_IMAGE_RGBA:
        resample8(out->data, mem, premultiply(mem, in), width, height, filter, box);
        unpremultiply(out->data, (size_t)box.width * box.height, vlp_image_mode_bytes(in->mode));
        break;
    case VLP_IMAGE_I16:
        resample16((uint16_t *)(void *)out->data, mem, in, width, height, filter, box);
        break;
    default: resample8(out->data, mem, in, width, height, filter, box); break;
    }
    vlp_arena_rewind(mem, scratch);
    return out;
}

struct vlp_image *vlp_image_resize(struct vlp_arena *mem, const struct vlp_image *in, int width,
                                   int height, enum vlp_filter filter)
{
    return image_resize_box(mem, in, width, height, filter,
                            (struct resample_box){0, 0, width, height});
}
