/*
 * augment_internal.h -- the operations that augmentation is made of. Each takes 8-bit RGB and gives
 * a new picture from `mem`; `value` is a factor, an angle, a level or an offset.
 */
#ifndef VLP_AUGMENT_INTERNAL_H
#define VLP_AUGMENT_INTERNAL_H

#include <vlp/image.h>

typedef struct vlp_image *augment_op(struct vlp_arena *mem, const struct vlp_image *in,
                                     double value);

/* As Pillow does them. */
augment_op pil_autocontrast, pil_equalize, pil_posterize, pil_solarize, pil_solarize_add;
augment_op pil_colour, pil_contrast, pil_brightness, pil_sharpness, pil_hue;
augment_op pil_rotate, pil_shear_x, pil_shear_y, pil_translate_x, pil_translate_y;

/* As OpenCV and the reference of ALBEF do them, its quirks included. */
augment_op cv_autocontrast, cv_equalize, cv_brightness, cv_sharpness;
augment_op cv_rotate, cv_shear_x, cv_shear_y, cv_translate_x, cv_translate_y;

/* Each channel through its table. */
struct vlp_image *augment_lookup(struct vlp_arena *mem, const struct vlp_image *in,
                                 uint8_t table[3][256]);
/* Counts of each level of each channel. */
void augment_histogram(uint32_t count[3][256], const struct vlp_image *in);
/* An RGB picture of the same size, pixels undefined. */
struct vlp_image *augment_like(struct vlp_arena *mem, const struct vlp_image *in);

#endif
