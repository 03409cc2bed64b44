/*
 * image_internal.h -- what the files of the image room share.
 */
#ifndef VLP_IMAGE_INTERNAL_H
#define VLP_IMAGE_INTERNAL_H

#include <vlp/image.h>

/*
 * A picture format. `sniff` looks at the first bytes; `read` fills `out` (zeroed by the caller but
 * for `format` and an orientation of 1) with pixels from `mem`, which the caller rewinds when the
 * call fails.
 */
struct image_format {
    const char *name;
    bool (*sniff)(const uint8_t *data, size_t len);
    enum vlp_status (*read)(struct vlp_image *out, struct vlp_arena *mem, const uint8_t *data,
                            size_t len, const char *name, struct vlp_error *err);
};
extern const struct image_format image_format_jpeg, image_format_png, image_format_webp;

/* What bytes that no decoder knows look like ("a GIF picture"), or NULL. */
const char *image_looks_like(const uint8_t *data, size_t len);

/* VLP_ERR_FORMAT for an empty picture, VLP_ERR_LIMIT for one over the limits, before any memory. */
enum vlp_status image_check_size(uint64_t width, uint64_t height, const char *name,
                                 struct vlp_error *err);

/* A picture whose pixels are yet undefined; format and palette of `like` where that is given. */
struct vlp_image *image_new(struct vlp_arena *mem, int width, int height, enum vlp_image_mode mode,
                            const struct vlp_image *like);

/* Orientation 1..8 in a TIFF block, with or without "Exif\0\0" before it; 0 when it has none. */
int exif_orientation(const uint8_t *tiff, size_t len);
/* Orientation 1..8 in an XMP packet, or 0. */
int xmp_orientation(const uint8_t *xmp, size_t len);

/* libpng's memory, which cannot run out without notice: it would call the picture damaged. */
struct png_struct_def;
void *image_png_room(struct png_struct_def *png, size_t size);
void  image_png_free(struct png_struct_def *png, void *p);

/* Whether a PNG's chunk is a text (tEXt, zTXt, iTXt) with that keyword. */
bool png_text_is(const uint8_t *chunk, const char *keyword);
/* Orientation 1..8 in a whole chunk with the keyword "XML:com.adobe.xmp", or "Raw profile type
 * exif" (EXIF in hexadecimal, as ImageMagick writes it), or 0. */
int png_text_xmp(const uint8_t *chunk);
int png_text_exif(const uint8_t *chunk);

/* ---- resampling ---------------------------------------------------------------------------- */

/*
 * One axis of a resize: output o (counted from the first wanted) is a weighted sum of len[o] inputs
 * from lo[o]. Rows of `fixed` (22-bit fixed point) or `weight` (the double of the formula) are
 * `taps` long and zero beyond len[o].
 */
struct resample_axis {
    int      n, taps;
    int     *lo, *len;
    int32_t *fixed;
    double  *weight;
};

#define RESAMPLE_BITS 22

/* Outputs first .. first+n-1 of a resize from `in` to `out` samples. */
void resample_axis_init(struct resample_axis *a, struct vlp_arena *mem, int in, int out, int first,
                        int n, enum vlp_filter filter, bool fixed);

/* A rectangle of a resized picture. */
struct resample_box {
    int x, y, width, height;
};

/*
 * The pixels `box` of `in` resized to width x height, in the picture's own mode. Nothing outside of
 * the box is computed, and the box decides nothing about what is inside.
 */
struct vlp_image *image_resize_box(struct vlp_arena *mem, const struct vlp_image *in, int width,
                                   int height, enum vlp_filter filter, struct resample_box box);

/*
 * The two passes over rows of 8-bit samples. Every level gives the same bits.
 *
 *   across   out[o*ch+c] = clamp((2^21 + sum_i in[(lo[o]+i)*ch+c] fixed[o][i]) >> 22)   each row
 *   down     out[x]      = clamp((2^21 + sum_i in[i*stride+x] fixed[i]) >> 22)          x < n
 *
 * `across` may read up to RESAMPLE_SLACK bytes behind the samples it uses.
 */
#define RESAMPLE_SLACK 16
struct resample_kernels {
    const char *name;
    void (*across)(uint8_t *out, size_t out_stride, const uint8_t *in, size_t in_stride, int rows,
                   const struct resample_axis *a, int ch);
    void (*down)(uint8_t *out, const uint8_t *in, size_t stride, const int32_t *fixed, int taps,
                 int n);
};
extern const struct resample_kernels resample_portable, resample_avx2, resample_vnni;
/* The best this machine has, or the one that VLP_CPU in the environment names (portable, avx2). */
const struct resample_kernels *resample_kernels_best(void);

#endif
