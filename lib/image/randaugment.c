/*
 * randaugment.c -- RandAugment in the two shapes that the families use: lists of operations, what a
 * magnitude means for each, and the draws.
 *
 *   vilt    14 operations, n of them always applied; magnitude of 30: v = m/30 (hi - lo) + lo
 *   albef   10 operations, n drawn, each applied with probability 1/2; magnitude of 10
 */
#include <string.h>

#include "augment_internal.h"

struct entry {
    const char *name;
    augment_op *apply; /* NULL: the picture as it is */
    double      lo, hi;
    bool        either_sign;
};

static const struct entry vilt[] = {
    {"AutoContrast", pil_autocontrast, 0, 1, false},
    {"Equalize", pil_equalize, 0, 1, false},
    {"Rotate", pil_rotate, 0, 30, true},
    {"Posterize", pil_posterize, 0, 4, false},
    {"Solarize", pil_solarize, 0, 256, false},
    {"SolarizeAdd", pil_solarize_add, 0, 110, false},
    {"Color", pil_colour, 0.1, 1.9, false},
    {"Contrast", pil_contrast, 0.1, 1.9, false},
    {"Brightness", pil_brightness, 0.1, 1.9, false},
    {"Sharpness", pil_sharpness, 0.1, 1.9, false},
    {"ShearX", pil_shear_x, 0, 0.3, true},
    {"ShearY", pil_shear_y, 0, 0.3, true},
    {"TranslateX", pil_translate_x, 0, 100, true},
    {"TranslateY", pil_translate_y, 0, 100, true},
};

static const struct entry albef[] = {
    {"Identity", NULL, 0, 0, false},
    {"AutoContrast", cv_autocontrast, 0, 0, false},
    {"Equalize", cv_equalize, 0, 0, false},
    {"Brightness", cv_brightness, 0.1, 1.9, false},
    {"Sharpness", cv_sharpness, 0.1, 1.9, false},
    {"ShearX", cv_shear_x, 0, 0.3, true},
    {"ShearY", cv_shear_y, 0, 0.3, true},
    {"TranslateX", cv_translate_x, 0, 10, true},
    {"TranslateY", cv_translate_y, 0, 10, true},
    {"Rotate", cv_rotate, 0, 30, true},
};

static const struct {
    const struct entry *entry;
    int                 n;
    double              most;        /* the largest magnitude */
    double              probability; /* of applying what was drawn */
} kinds[] = {
    [VLP_RANDAUGMENT_VILT] = {vilt, (int)VLP_COUNT(vilt), 30, 1.0},
    [VLP_RANDAUGMENT_ALBEF] = {albef, (int)VLP_COUNT(albef), 10, 0.5},
};

struct vlp_image *vlp_randaugment_apply(struct vlp_arena *mem, const struct vlp_image *rgb,
                                        enum vlp_randaugment kind, const char *op, double value)
{
    for (int i = 0; kind != VLP_RANDAUGMENT_NONE && i < kinds[kind].n; i++) {
        const struct entry *e = &kinds[kind].entry[i];
        if (strcmp(e->name, op) != 0) continue;
        return e->apply ? e->apply(mem, rgb, value) : (struct vlp_image *)rgb;
    }
    return NULL;
}

struct vlp_image *vlp_randaugment(struct vlp_arena *mem, const struct vlp_image *rgb,
                                  enum vlp_randaugment kind, int n, double magnitude,
                                  struct vlp_rng *rng)
{
    for (int i = 0; kind != VLP_RANDAUGMENT_NONE && i < n; i++) {
        const struct entry *e = &kinds[kind].entry[vlp_rng_below(rng, (uint32_t)kinds[kind].n)];
        if (kinds[kind].probability < 1 && vlp_rng_uniform(rng) > kinds[kind].probability) continue;
        double value = magnitude / kinds[kind].most * (e->hi - e->lo) + e->lo;
        if (e->either_sign && vlp_rng_uniform(rng) > 0.5) value = -value;
        if (e->apply) rgb = e->apply(mem, rgb, value);
    }
    return (struct vlp_image *)rgb;
}
