/*
 * image.h -- pictures on disk to what a model sees, bit for bit as Pillow and torchvision would.
 *
 * A decoder keeps the file's own colour mode, because the reference resizes before it converts to
 * RGB (palette and 1-bit pictures by nearest neighbour, alpha premultiplied). Formats are rows of a
 * table.
 */
#ifndef VLP_IMAGE_H
#define VLP_IMAGE_H

#include <vlp/base.h>

#define VLP_IMAGE_MAX_SIDE   65500
#define VLP_IMAGE_MAX_BYTES  (256 << 20) /* of a file that comes through a pipe or out of a tar */
#define VLP_IMAGE_MAX_PIXELS 178956970   /* Pillow's decompression bomb error: 2 * 89478485 */

/* Pillow's modes: what lies in `data`, interleaved, rows top to bottom, no padding. */
enum vlp_image_mode {
    VLP_IMAGE_1,  /* one byte a pixel, 0 or 255 */
    VLP_IMAGE_L,  /* grey */
    VLP_IMAGE_LA, /* grey, alpha */
    VLP_IMAGE_P,  /* index into palette */
    VLP_IMAGE_RGB,
    VLP_IMAGE_RGBA,
    VLP_IMAGE_CMYK,
    VLP_IMAGE_I16 /* 16-bit grey, host order, two bytes a pixel */
};

struct vlp_image {
    int                 width, height; /* each 1 .. VLP_IMAGE_MAX_SIDE */
    enum vlp_image_mode mode;
    int         orientation; /* EXIF or XMP, 1..8; 1 when the file says nothing or nonsense */
    const char *format;      /* "jpeg", "png", "webp" */
    const char *warning;     /* what is damaged and was read over ("damaged PNG: ..."), or NULL */
    uint8_t    *data;        /* owned by the arena given */
    uint8_t     palette[256][4]; /* VLP_IMAGE_P: RGBA */
};

int         vlp_image_mode_bytes(enum vlp_image_mode m); /* bytes a pixel: 1, 1, 2, 1, 3, 4, 4, 2 */
const char *vlp_image_mode_name(enum vlp_image_mode m);  /* Pillow's: "1", "L", ..., "I;16" */

/* How a picture becomes a model's input. */
enum vlp_resize {
    VLP_RESIZE_SHORTEST, /* shorter side = size (longer truncated), centre crop, padded where that
                            is larger */
    VLP_RESIZE_SQUASH,   /* both sides = size */
    VLP_RESIZE_LONGEST, /* longer side = size, padded with `fill` (of very long pictures the shorter
                         * side is 1, where the reference fails) */
    VLP_RESIZE_VILT /* shorter side = size, longer at most size*640/384, both to multiples of 32 (of
                     * very long pictures the shorter side is 32, where the reference fails) */
};
enum vlp_filter { VLP_LANCZOS = 1, VLP_BILINEAR = 2, VLP_BICUBIC = 3 }; /* Pillow's numbers */

struct vlp_preprocess {
    enum vlp_resize resize;
    enum vlp_filter filter;
    int width, height; /* of the result (equal but for VILT, where `width` is the shorter side) */
    int resize_width,
        resize_height;   /* before the crop; 0: those of the result (SHORTEST, SQUASH) */
    bool    rgb_first;   /* convert before the resize (Hugging Face) or after it (OpenAI) */
    bool    crop_floor;  /* crop offset floor(D/2) (Hugging Face) or half to even (torchvision) */
    bool    orient;      /* apply EXIF orientation first: vlp's default, not the reference's */
    bool    grey16_sane; /* 16-bit grey: high byte, instead of the reference's clamp to white */
    uint8_t fill;        /* of what is padded */
    float   mean[3], std[3];
};

/*
 * The flavours by name ("openai", "hf", "squash", "longest", "square", "vilt"): bicubic, CLIP's
 * constants (0.5 for vilt), and `orient` on, which the references do not do. False: no such name.
 */
bool vlp_preprocess_flavour(struct vlp_preprocess *out, const char *name, int size);
extern const char *const vlp_preprocess_flavours[]; /* NULL-terminated, for --help */

/*
 * Decode the file in memory; its first bytes decide the format, not its name. `name` is for
 * messages. Of an animation the first frame is read. JPEG data that is damaged, but not so that the
 * reference refuses it, decodes as libjpeg repairs it, with a `warning` that is to be told; so does
 * a PNG with a wrong checksum behind its pixels.
 *
 * VLP_ERR_FORMAT   damaged or truncated, or no picture at all
 * VLP_ERR_SUPPORT  no decoder knows it (the sentence names what it looks like, e.g. GIF)
 * VLP_ERR_LIMIT    a side or the pixel count is over the limit
 * VLP_ERR_SHORTAGE there is no memory to decode it
 * On failure `out` is untouched.
 */
enum vlp_status vlp_image_decode(struct vlp_image *out, struct vlp_arena *mem, const void *data,
                                 size_t len, const char *name, struct vlp_error *err);
/* The same from a path; "-" is stdin. VLP_ERR_LIMIT too when a pipe gives more than
 * VLP_IMAGE_MAX_BYTES. */
enum vlp_status vlp_image_read(struct vlp_image *out, struct vlp_arena *mem, const char *path,
                               struct vlp_error *err);

/* 8-bit RGB by the reference's rules; returns `in` when it is RGB already. From the arena. */
struct vlp_image *vlp_image_to_rgb(struct vlp_arena *mem, const struct vlp_image *in,
                                   bool grey16_sane);
/* Turned and mirrored as its orientation asks; orientation becomes 1. */
struct vlp_image *vlp_image_orient(struct vlp_arena *mem, const struct vlp_image *in);
/* Pillow's resize in the picture's own mode (nearest for 1 and P, premultiplied for alpha, 16-bit
 * for I16). */
struct vlp_image *vlp_image_resize(struct vlp_arena *mem, const struct vlp_image *in, int width,
                                   int height, enum vlp_filter filter);

/* Orient, convert, resize, crop or pad: the u8 RGB pixels the model sees. From the arena. */
struct vlp_image *vlp_preprocess_u8(struct vlp_arena *mem, const struct vlp_image *in,
                                    const struct vlp_preprocess *how);
/* (v/255 - mean)/std per channel in fp32, HWC u8 -> CHW f32; out holds 3*height*width. */
void vlp_preprocess_normalize(float *out, const struct vlp_image *rgb,
                              const struct vlp_preprocess *how);

/* ---- augmentation --------------------------------------------------------------------------- */

/*
 * Everything random comes from the generator given: seeded by (seed, sample) a picture gets the
 * same bits on any machine, thread or batch. What a function returns may be its argument.
 */

struct vlp_rect {
    int x, y, width, height;
};
/* torchvision's RandomResizedCrop: an area fraction and a log-uniform aspect ratio, ten tries, then
 * the centre. */
struct vlp_rect vlp_random_crop(int width, int height, const double area[2], const double ratio[2],
                                struct vlp_rng *rng);
/* A rectangle inside the picture, any mode. */
struct vlp_image *vlp_image_crop(struct vlp_arena *mem, const struct vlp_image *in,
                                 struct vlp_rect r);
struct vlp_image *vlp_image_flip(struct vlp_arena       *mem,
                                 const struct vlp_image *in); /* left-right */
struct vlp_image *vlp_image_grey(struct vlp_arena *mem, const struct vlp_image *rgb);

/* torchvision's ColorJitter: factors from 1 - s to 1 + s (hue: -s to s), in random order. */
struct vlp_jitter {
    double brightness, contrast, saturation, hue;
};
struct vlp_image *vlp_colour_jitter(struct vlp_arena *mem, const struct vlp_image *rgb,
                                    const struct vlp_jitter *j, struct vlp_rng *rng);

/* ViLT's list (magnitude of 30, on the picture's own size, Pillow's pixels) and ALBEF's and VLMo's
 * (magnitude of 10, after the crop, OpenCV's pixels). */
enum vlp_randaugment { VLP_RANDAUGMENT_NONE, VLP_RANDAUGMENT_VILT, VLP_RANDAUGMENT_ALBEF };
struct vlp_image *vlp_randaugment(struct vlp_arena *mem, const struct vlp_image *rgb,
                                  enum vlp_randaugment kind, int n_ops, double magnitude,
                                  struct vlp_rng *rng);
/* One operation of a list by the reference's name ("Rotate") and its value; NULL: not in the list.
 */
struct vlp_image *vlp_randaugment_apply(struct vlp_arena *mem, const struct vlp_image *rgb,
                                        enum vlp_randaugment kind, const char *op, double value);

enum vlp_crop {
    VLP_CROP_NONE,  /* the sizes of vlp_preprocess: no randomness */
    VLP_CROP_AREA,  /* vlp_random_crop, then resized to width x height: open_clip, ALBEF, VLMo */
    VLP_CROP_SQUARE /* shorter side to the size, a square from anywhere: OpenAI */
};
/* A recipe; zeroed it changes nothing. Probabilities are 0 .. 1. */
struct vlp_augment {
    enum vlp_crop        crop;
    double               area[2], ratio[2]; /* open_clip: 0.9 1, 3/4 4/3 */
    double               flip, jitter, grey;
    struct vlp_jitter    colour;
    enum vlp_randaugment kind;
    int                  n_ops;
    double               magnitude;
};
/* vlp_preprocess_u8 with the recipe: orient, ViLT's RandAugment, crop and resize, RGB, flip,
 * jitter, grey, ALBEF's RandAugment. */
struct vlp_image *vlp_augment_u8(struct vlp_arena *mem, const struct vlp_image *in,
                                 const struct vlp_preprocess *how, const struct vlp_augment *a,
                                 struct vlp_rng *rng);

/* Write 8-bit RGB or L as PNG bytes appended to `out` (level 0..9); for preprocess, thumbnails,
 * plots. */
enum vlp_status vlp_png_encode(struct vlp_buf *out, const struct vlp_image *in, int level,
                               struct vlp_error *err);
/* The same as JPEG, quality 1..100. VLP_ERR_SHORTAGE: there is no memory to encode it. */
enum vlp_status vlp_jpeg_encode(struct vlp_buf *out, const struct vlp_image *in, int quality,
                                struct vlp_error *err);

#endif
