/*
 * augment_table.c -- operations that send each level of a channel to another one.
 */
#include <math.h>
#include <string.h>

#include "augment_internal.h"
#include "image_internal.h"

struct vlp_image *augment_like(struct vlp_arena *mem, const struct vlp_image *in)
{
    return image_new(mem, in->width, in->height, VLP_IMAGE_RGB, in);
}

struct vlp_image *augment_lookup(struct vlp_arena *mem, const struct vlp_image *in,
                                 uint8_t table[3][256])
{
    struct vlp_image *out = augment_like(mem, in);
    const size_t      n = (size_t)in->width * in->height;
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) out->data[3 * i + c] = table[c][in->data[3 * i + c]];
    return out;
}

void augment_histogram(uint32_t count[3][256], const struct vlp_image *in)
{
    const size_t n = (size_t)in->width * in->height;
    memset(count, 0, sizeof(uint32_t[3][256]));
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) count[c][in->data[3 * i + c]]++;
}

static uint8_t clip(double v)
{
    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* The lowest and the highest level in use. */
static void used_levels(const uint32_t count[256], int *lo, int *hi)
{
    for (*lo = 0; *lo < 255 && count[*lo] == 0; (*lo)++) continue;
    for (*hi = 255; *hi > 0 && count[*hi] == 0; (*hi)--) continue;
}

/* ---- contrast ---------------------------------------------------------------------- */

/*
 * table[i] = i s + o with s = 255/(hi - lo). Pillow has o = -lo s; ALBEF's reference negates lo as
 * an unsigned byte, which makes it (256 - lo) s and the channel white unless lo is 0.
 */
static struct vlp_image *autocontrast(struct vlp_arena *mem, const struct vlp_image *in,
                                      bool unsigned_quirk)
{
    uint32_t count[3][256];
    uint8_t  table[3][256];
    augment_histogram(count, in);
    for (int c = 0; c < 3; c++) {
        int lo, hi;
        used_levels(count[c], &lo, &hi);
        const double s = hi > lo ? 255.0 / (hi - lo) : 1.0;
        const int    negative = hi <= lo ? 0 : unsigned_quirk ? (256 - lo) % 256 : -lo;
        const double offset = negative * s;
        for (int i = 0; i < 256; i++) table[c][i] = clip(i * s + offset);
    }
    return augment_lookup(mem, in, table);
}

struct vlp_image *pil_autocontrast(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    (void)value;
    return autocontrast(mem, in, false);
}

struct vlp_image *cv_autocontrast(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    (void)value;
    return autocontrast(mem, in, true);
}

/* table[i] = (step/2 + sum of the counts below i) / step, in whole numbers. */
struct vlp_image *pil_equalize(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    (void)value;
    uint32_t     count[3][256];
    uint8_t      table[3][256];
    const size_t n = (size_t)in->width * in->height;
    augment_histogram(count, in);
    for (int c = 0; c < 3; c++) {
        int lo, hi;
        used_levels(count[c], &lo, &hi);
        const size_t step = (n - count[c][hi]) / 255;
        size_t       sum = step / 2;
        for (int i = 0; i < 256; i++) {
            table[c][i] = step == 0 ? (uint8_t)i : clip((double)(sum / step));
            sum += count[c][i];
        }
    }
    return augment_lookup(mem, in, table);
}

struct vlp_image *cv_equalize(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    return pil_equalize(mem, in, value);
}

/* ---- one table for all channels ---------------------------------------------------- */

static struct vlp_image *same_for_all(struct vlp_arena *mem, const struct vlp_image *in,
                                      const uint8_t t[256])
{
    uint8_t table[3][256];
    for (int c = 0; c < 3; c++) memcpy(table[c], t, 256);
    return augment_lookup(mem, in, table);
}

/* Keep the top `value` bits, at least one. */
struct vlp_image *pil_posterize(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    const int bits = value < 1 ? 1 : value > 8 ? 8 : (int)value;
    uint8_t   t[256];
    for (int i = 0; i < 256; i++) t[i] = (uint8_t)(i & ~((1 << (8 - bits)) - 1));
    return same_for_all(mem, in, t);
}

/* Levels from `value` on are inverted. */
struct vlp_image *pil_solarize(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    uint8_t t[256];
    for (int i = 0; i < 256; i++) t[i] = (uint8_t)(i < value ? i : 255 - i);
    return same_for_all(mem, in, t);
}

struct vlp_image *pil_solarize_add(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    uint8_t t[256];
    for (int i = 0; i < 256; i++) {
        const uint8_t v = clip(i + value);
        t[i] = v < 128 ? v : 255 - v;
    }
    return same_for_all(mem, in, t);
}

struct vlp_image *cv_brightness(struct vlp_arena *mem, const struct vlp_image *in, double value)
{
    uint8_t t[256];
    for (int i = 0; i < 256; i++) t[i] = clip((float)i * (float)value);
    return same_for_all(mem, in, t);
}
