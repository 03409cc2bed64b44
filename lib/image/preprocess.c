/*
 * preprocess.c -- a picture to the pixels a model sees: the flavours, their sizes and crops.
 */
#include <math.h>
#include <string.h>

#include "image_internal.h"

#define CLIP_MEAN 0.48145466f, 0.4578275f, 0.40821073f
#define CLIP_STD  0.26862954f, 0.26130258f, 0.27577711f
#define HALF      0.5f, 0.5f, 0.5f

const char *const vlp_preprocess_flavours[] = {"openai", "hf",   "squash", "longest",
                                               "square", "vilt", NULL};

static const struct vlp_preprocess flavours[] = {
    {.resize = VLP_RESIZE_SHORTEST, .mean = {CLIP_MEAN}, .std = {CLIP_STD}},
    {.resize = VLP_RESIZE_SHORTEST,
     .rgb_first = true,
     .crop_floor = true,
     .mean = {CLIP_MEAN},
     .std = {CLIP_STD}},
    {.resize = VLP_RESIZE_SQUASH, .mean = {CLIP_MEAN}, .std = {CLIP_STD}},
    {.resize = VLP_RESIZE_LONGEST, .mean = {CLIP_MEAN}, .std = {CLIP_STD}},
    {.resize = VLP_RESIZE_SQUASH, .rgb_first = true, .mean = {CLIP_MEAN}, .std = {CLIP_STD}},
    {.resize = VLP_RESIZE_VILT, .rgb_first = true, .mean = {HALF}, .std = {HALF}},
};

bool vlp_preprocess_flavour(struct vlp_preprocess *out, const char *name, int size)
{
    for (int i = 0; vlp_preprocess_flavours[i]; i++) {
        if (strcmp(vlp_preprocess_flavours[i], name) != 0) continue;
        *out = flavours[i];
        out->filter = VLP_BICUBIC;
        out->width = out->height = size;
        out->orient = true;
        return true;
    }
    return false;
}

/* ---- sizes --------------------------------------------------------------------------------- */

/* Where the result lies in the resized picture; negative offsets are padding. */
struct geometry {
    int width, height; /* resized */
    int x, y;          /* offset of the result */
    int out_width, out_height;
};

static int at_least_1(double v)
{
    return v < 1.0 ? 1 : (int)v;
}

/* Surplus to offset: half to even, or down. What lacks is padded: before the picture goes the
 * smaller half, or the larger. */
static int crop_offset(int surplus, bool down)
{
    if (surplus < 0) return down ? -((1 - surplus) / 2) : -(-surplus / 2);
    return down ? surplus / 2 : (int)nearbyint(surplus / 2.0);
}

static void crop(struct geometry *g, const struct vlp_preprocess *how)
{
    g->x = crop_offset(g->width - how->width, how->crop_floor);
    g->y = crop_offset(g->height - how->height, how->crop_floor);
}

static void shortest(struct geometry *g, int w, int h, const struct vlp_preprocess *how)
{
    if (how->resize_width || how->width == how->height) {
        const int    n = how->resize_width ? how->resize_width : how->width;
        const int    side = w <= h ? w : h, other = w <= h ? h : w;
        const double longer = (double)((int64_t)n * other) / side;
        g->width = w <= h ? n : (int)longer;
        g->height = w <= h ? (int)longer : n;
    } else { /* cover a rectangle */
        const double rx = (double)w / how->width, ry = (double)h / how->height;
        const double ratio = rx < ry ? rx : ry;
        g->width = at_least_1(nearbyint(w / ratio));
        g->height = at_least_1(nearbyint(h / ratio));
    }
    crop(g, how);
}

static void squash(struct geometry *g, const struct vlp_preprocess *how)
{
    if (!how->resize_width) return;
    g->width = how->resize_width;
    g->height = how->resize_height;
    crop(g, how);
}

static void longest(struct geometry *g, int w, int h, const struct vlp_preprocess *how)
{
    const double rx = (double)w / how->width, ry = (double)h / how->height;
    const double ratio = rx > ry ? rx : ry;
    g->width = at_least_1(nearbyint(w / ratio));
    g->height = at_least_1(nearbyint(h / ratio));
    g->x = -((how->width - g->width) / 2);
    g->y = -((how->height - g->height) / 2);
}

/* The longer side may have 640 where the shorter has 384. */
static void vilt(struct geometry *g, int w, int h, int size)
{
    enum { STEP = 32 };
    const double most = (double)(size * 640 / 384);
    const double scale = (double)size / (w < h ? w : h);
    double       nw = h < w ? scale * w : size, nh = h < w ? size : scale * h;
    const double longer = nw > nh ? nw : nh;
    if (longer > most) {
        const double f = most / longer;
        nw *= f;
        nh *= f;
    }
    const int iw = (int)(nw + 0.5), ih = (int)(nh + 0.5);
    g->width = iw < STEP ? STEP : iw - iw % STEP;
    g->height = ih < STEP ? STEP : ih - ih % STEP;
    g->out_width = g->width;
    g->out_height = g->height;
}

static struct geometry geometry_of(int w, int h, const struct vlp_preprocess *how)
{
    struct geometry g = {how->width, how->height, 0, 0, how->width, how->height};
    switch (how->resize) {
    case VLP_RESIZE_SHORTEST: shortest(&g, w, h, how); break;
    case VLP_RESIZE_LONGEST: longest(&g, w, h, how); break;
    case VLP_RESIZE_VILT: vilt(&g, w, h, how->width); break;
    case VLP_RESIZE_SQUASH: squash(&g, how); break;
    }
    return g;
}

/* ---- pixels -------------------------------------------------------------------------------- */

/* Every channel of the border is `fill`, in the picture's own mode: alpha and ink included. */
static struct vlp_image *pad(struct vlp_arena *mem, const struct vlp_image *in, int width,
                             int height, int x, int y, uint8_t fill)
{
    struct vlp_image *out = image_new(mem, width, height, in->mode, in);
    const size_t      ch = vlp_image_mode_bytes(in->mode), n = ch * width * height;
    if (in->mode == VLP_IMAGE_1 && fill) fill = 255;
    if (in->mode == VLP_IMAGE_I16)
        for (size_t i = 0; i < n / 2; i++) ((uint16_t *)(void *)out->data)[i] = fill;
    else
        memset(out->data, fill, n);
    for (int j = 0; j < in->height; j++)
        memcpy(out->data + ch * ((size_t)width * (y + j) + x), in->data + ch * in->width * j,
               ch * in->width);
    return out;
}

struct vlp_image *vlp_preprocess_u8(struct vlp_arena *mem, const struct vlp_image *in,
                                    const struct vlp_preprocess *how)
{
    const struct vlp_image *im = how->orient ? vlp_image_orient(mem, in) : in;
    if (how->rgb_first) im = vlp_image_to_rgb(mem, im, how->grey16_sane);

    const struct geometry g = geometry_of(im->width, im->height, how);
    struct resample_box   box = {g.x > 0 ? g.x : 0, g.y > 0 ? g.y : 0, g.out_width, g.out_height};
    if (box.width > g.width - box.x) box.width = g.width - box.x;
    if (box.height > g.height - box.y) box.height = g.height - box.y;
    im = image_resize_box(mem, im, g.width, g.height, how->filter, box);
    if (box.width < g.out_width || box.height < g.out_height)
        im = pad(mem, im, g.out_width, g.out_height, g.x < 0 ? -g.x : 0, g.y < 0 ? -g.y : 0,
                 how->fill);
    return vlp_image_to_rgb(mem, im, how->grey16_sane);
}

/* In fp32 with these two roundings, which is what the reference does. */
void vlp_preprocess_normalize(float *out, const struct vlp_image *rgb,
                              const struct vlp_preprocess *how)
{
    const size_t n = (size_t)rgb->width * rgb->height;
    for (int c = 0; c < 3; c++) {
        float table[256];
        for (int v = 0; v < 256; v++) table[v] = ((float)v / 255.0f - how->mean[c]) / how->std[c];
        const uint8_t *p = rgb->data + c;
        float         *q = out + n * c;
        for (size_t i = 0; i < n; i++) q[i] = table[p[3 * i]];
    }
}
