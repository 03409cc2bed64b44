/*
 * augment.c -- random crops, flips and colours, and the recipe that puts them in order.
 */
#include <math.h>
#include <string.h>

#include "augment_internal.h"
#include "image_internal.h"

/* ---- crop and flip ----------------------------------------------------------------- */

static double uniform(struct vlp_rng *rng, const double range[2])
{
    return range[0] + (range[1] - range[0]) * vlp_rng_uniform(rng);
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* The largest central rectangle whose aspect ratio is in the range. */
static struct vlp_rect central(int width, int height, const double ratio[2])
{
    const double aspect = (double)width / height;
    int          w = width, h = height;
    if (aspect < ratio[0])
        h = min_int((int)nearbyint(w / ratio[0]), height);
    else if (aspect > ratio[1])
        w = min_int((int)nearbyint(h * ratio[1]), width);
    if (w < 1) w = 1;
    if (h < 1) h = 1;
    return (struct vlp_rect){(width - w) / 2, (height - h) / 2, w, h};
}

struct vlp_rect vlp_random_crop(int width, int height, const double area[2], const double ratio[2],
                                struct vlp_rng *rng)
{
    enum { TRIES = 10 };
    const double log_ratio[2] = {log(ratio[0]), log(ratio[1])};
    const double whole = (double)width * height;
    for (int i = 0; i < TRIES; i++) {
        const double target = whole * uniform(rng, area), aspect = exp(uniform(rng, log_ratio));
        const int    w = (int)nearbyint(sqrt(target * aspect));
        const int    h = (int)nearbyint(sqrt(target / aspect));
        if (w < 1 || w > width || h < 1 || h > height) continue;
        const int y = (int)vlp_rng_below(rng, (uint32_t)(height - h + 1));
        const int x = (int)vlp_rng_below(rng, (uint32_t)(width - w + 1));
        return (struct vlp_rect){x, y, w, h};
    }
    return central(width, height, ratio);
}

struct vlp_image *vlp_image_crop(struct vlp_arena *mem, const struct vlp_image *in,
                                 struct vlp_rect r)
{
    return image_resize_box(mem, in, in->width, in->height, VLP_BICUBIC,
                            (struct resample_box){r.x, r.y, r.width, r.height});
}

struct vlp_image *vlp_image_flip(struct vlp_arena *mem, const struct vlp_image *in)
{
    struct vlp_image turned = *in;
    turned.orientation = 2;
    return vlp_image_orient(mem, &turned);
}

/* ---- colour ------------------------------------------------------------------------ */

struct vlp_image *vlp_image_grey(struct vlp_arena *mem, const struct vlp_image *rgb)
{
    return pil_colour(mem, rgb, 0.0);
}

struct vlp_image *vlp_colour_jitter(struct vlp_arena *mem, const struct vlp_image *rgb,
                                    const struct vlp_jitter *j, struct vlp_rng *rng)
{
    augment_op *const op[4] = {pil_brightness, pil_contrast, pil_colour, pil_hue};
    const double      strength[4] = {j->brightness, j->contrast, j->saturation, j->hue};
    double            value[4];
    int               order[4] = {0, 1, 2, 3};
    for (int i = 3; i > 0; i--) {
        const int k = (int)vlp_rng_below(rng, (uint32_t)i + 1), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
    for (int i = 0; i < 4; i++) {
        const double middle = i < 3 ? 1.0 : 0.0, lo = middle - strength[i];
        value[i] = uniform(rng, (double[2]){i < 3 && lo < 0 ? 0 : lo, middle + strength[i]});
    }
    for (int i = 0; i < 4; i++)
        if (strength[order[i]] > 0) rgb = op[order[i]](mem, rgb, value[order[i]]);
    return (struct vlp_image *)rgb;
}

/* ---- the recipe -------------------------------------------------------------------- */

/* Shorter side to the size, then a square of it from anywhere. */
static struct vlp_image *resized_square(struct vlp_arena *mem, const struct vlp_image *in,
                                        const struct vlp_preprocess *how, struct vlp_rng *rng)
{
    const int n = how->width, side = min_int(in->width, in->height);
    const int w = in->width == side ? n : (int)((double)((int64_t)n * in->width) / side);
    const int h = in->height == side ? n : (int)((double)((int64_t)n * in->height) / side);
    struct resample_box box = {0, 0, n, n};
    box.y = (int)vlp_rng_below(rng, (uint32_t)(h - n + 1));
    box.x = (int)vlp_rng_below(rng, (uint32_t)(w - n + 1));
    return image_resize_box(mem, in, w, h, how->filter, box);
}

static const struct vlp_image *crop_to_size(struct vlp_arena *mem, const struct vlp_image *im,
                                            const struct vlp_preprocess *how,
                                            const struct vlp_augment *a, struct vlp_rng *rng)
{
    if (a->crop == VLP_CROP_AREA) {
        const struct vlp_rect r = vlp_random_crop(im->width, im->height, a->area, a->ratio, rng);
        im = vlp_image_crop(mem, im, r);
        im = vlp_image_resize(mem, im, how->width, how->height, how->filter);
    } else if (a->crop == VLP_CROP_SQUARE) {
        im = resized_square(mem, im, how, rng);
    } else {
        struct vlp_preprocess upright = *how;
        upright.orient = false;
        im = vlp_preprocess_u8(mem, im, &upright);
    }
    return vlp_image_to_rgb(mem, im, how->grey16_sane);
}

struct vlp_image *vlp_augment_u8(struct vlp_arena *mem, const struct vlp_image *in,
                                 const struct vlp_preprocess *how, const struct vlp_augment *a,
                                 struct vlp_rng *rng)
{
    const struct vlp_image *im = how->orient ? vlp_image_orient(mem, in) : in;
    if (how->rgb_first || a->kind == VLP_RANDAUGMENT_VILT)
        im = vlp_image_to_rgb(mem, im, how->grey16_sane);
    if (a->kind == VLP_RANDAUGMENT_VILT)
        im = vlp_randaugment(mem, im, a->kind, a->n_ops, a->magnitude, rng);
    im = crop_to_size(mem, im, how, a, rng);
    if (a->flip > 0 && vlp_rng_uniform(rng) < a->flip) im = vlp_image_flip(mem, im);
    if (a->jitter > 0 && vlp_rng_uniform(rng) < a->jitter)
        im = vlp_colour_jitter(mem, im, &a->colour, rng);
    if (a->grey > 0 && vlp_rng_uniform(rng) < a->grey) im = vlp_image_grey(mem, im);
    if (a->kind == VLP_RANDAUGMENT_ALBEF)
        im = vlp_randaugment(mem, im, a->kind, a->n_ops, a->magnitude, rng);
    return (struct vlp_image *)im;
}
