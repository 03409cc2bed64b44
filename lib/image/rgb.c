/*
 * rgb.c -- any colour mode to 8-bit RGB by Pillow's rules: alpha is dropped, not composed.
 */
#include <string.h>

#include "image_internal.h"

static inline uint8_t times(int c, int a)
{
    const int t = c * a + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

static void from_grey(uint8_t *out, const uint8_t *in, size_t n, int step)
{
    for (size_t i = 0; i < n; i++, out += 3, in += step) out[0] = out[1] = out[2] = in[0];
}

static void from_palette(uint8_t *out, const uint8_t *in, size_t n, const uint8_t (*palette)[4])
{
    for (size_t i = 0; i < n; i++, out += 3) memcpy(out, palette[in[i]], 3);
}

static void from_rgba(uint8_t *out, const uint8_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++, out += 3, in += 4) memcpy(out, in, 3);
}

/* White less black, less the ink that black leaves room for. */
static void from_cmyk(uint8_t *out, const uint8_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++, out += 3, in += 4) {
        const int white = 255 - in[3];
        for (int c = 0; c < 3; c++) out[c] = (uint8_t)(white - times(in[c], white));
    }
}

/* The reference clamps, so that nearly everything is white; `sane` takes the high byte. */
static void from_grey16(uint8_t *out, const uint16_t *in, size_t n, bool sane)
{
    for (size_t i = 0; i < n; i++, out += 3)
        out[0] = out[1] = out[2] = sane ? in[i] >> 8 : in[i] > 255 ? 255 : (uint8_t)in[i];
}

struct vlp_image *vlp_image_to_rgb(struct vlp_arena *mem, const struct vlp_image *in,
                                   bool grey16_sane)
{
    if (in->mode == VLP_IMAGE_RGB) return (struct vlp_image *)in;
    struct vlp_image *out = image_new(mem, in->width, in->height, VLP_IMAGE_RGB, in);
    const size_t      n = (size_t)in->width * in->height;
    out->orientation = in->orientation;
    switch (in->mode) {
    case VLP_IMAGE_P: from_palette(out->data, in->data, n, in->palette); break;
    case VLP_IMAGE_RGBA: from_rgba(out->data, in->data, n); break;
    case VLP_IMAGE_CMYK: from_cmyk(out->data, in->data, n); break;
    case VLP_IMAGE_I16:
        from_grey16(out->data, (const uint16_t *)(const void *)in->data, n, grey16_sane);
        break;
    default: from_grey(out->data, in->data, n, vlp_image_mode_bytes(in->mode)); break;
    }
    return out;
}
