/*
 * image.c -- bytes to a picture: the table of formats, the limits, the modes.
 */
#include <string.h>

#include "image_internal.h"

static const struct image_format *const formats[] = {
    &image_format_jpeg,
    &image_format_png,
    &image_format_webp,
};

static const struct {
    const char *name;
    int         bytes;
} modes[] = {
    [VLP_IMAGE_1] = {"1", 1},       [VLP_IMAGE_L] = {"L", 1},      [VLP_IMAGE_LA] = {"LA", 2},
    [VLP_IMAGE_P] = {"P", 1},       [VLP_IMAGE_RGB] = {"RGB", 3},  [VLP_IMAGE_RGBA] = {"RGBA", 4},
    [VLP_IMAGE_CMYK] = {"CMYK", 4}, [VLP_IMAGE_I16] = {"I;16", 2},
};

int vlp_image_mode_bytes(enum vlp_image_mode m)
{
    return modes[m].bytes;
}

const char *vlp_image_mode_name(enum vlp_image_mode m)
{
    return modes[m].name;
}

enum vlp_status image_check_size(uint64_t width, uint64_t height, const char *name,
                                 struct vlp_error *err)
{
    if (width == 0 || height == 0)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: the picture is %llu x %llu pixels", name,
                        (unsigned long long)width, (unsigned long long)height);
    if (width > VLP_IMAGE_MAX_SIDE || height > VLP_IMAGE_MAX_SIDE)
        return vlp_fail(err, VLP_ERR_LIMIT,
                        "%s: %llu x %llu pixels, but a side may have at most %d", name,
                        (unsigned long long)width, (unsigned long long)height, VLP_IMAGE_MAX_SIDE);
    if (width * height > VLP_IMAGE_MAX_PIXELS)
        return vlp_fail(
            err, VLP_ERR_LIMIT, "%s: %llu x %llu pixels, but a picture may have at most %d", name,
            (unsigned long long)width, (unsigned long long)height, VLP_IMAGE_MAX_PIXELS);
    return VLP_OK;
}

struct vlp_image *image_new(struct vlp_arena *mem, int width, int height, enum vlp_image_mode mode,
                            const struct vlp_image *like)
{
    struct vlp_image *im = vlp_arena_alloc(mem, sizeof *im);
    if (like)
        *im = *like;
    else
        *im = (struct vlp_image){.format = ""};
    im->width = width;
    im->height = height;
    im->mode = mode;
    im->orientation = 1;
    im->data = vlp_arena_alloc(mem, (size_t)width * height * vlp_image_mode_bytes(mode));
    return im;
}

/* The first bytes for a message: "47 49 46 38". */
static const char *first_bytes(char *text, size_t size, const uint8_t *data, size_t len)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < len && i < 8 && at + 4 < size; i++)
        at += snprintf(text + at, size - at, "%s%02x", i ? " " : "", data[i]);
    return text;
}

enum vlp_status vlp_image_decode(struct vlp_image *out, struct vlp_arena *mem, const void *data,
                                 size_t len, const char *name, struct vlp_error *err)
{
    if (len == 0) return vlp_fail(err, VLP_ERR_FORMAT, "%s: the file is empty", name);

    for (size_t i = 0; i < VLP_COUNT(formats); i++) {
        if (!formats[i]->sniff(data, len)) continue;
        struct vlp_arena_mark before = vlp_arena_mark(mem);
        struct vlp_image      im = {.format = formats[i]->name, .orientation = 1};
        enum vlp_status       s = formats[i]->read(&im, mem, data, len, name, err);
        if (s == VLP_OK)
            *out = im;
        else
            vlp_arena_rewind(mem, before);
        return s;
    }

    const char *kind = image_looks_like(data, len);
    if (kind)
        return vlp_fail(err, VLP_ERR_SUPPORT,
                        "%s: this looks like %s; pictures must be JPEG, PNG or WebP", name, kind);
    char hex[32];
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: not a picture (it begins with the bytes %s)", name,
                    first_bytes(hex, sizeof hex, data, len));
}

enum vlp_status vlp_image_read(struct vlp_image *out, struct vlp_arena *mem, const char *path,
                               struct vlp_error *err)
{
    struct vlp_map file;
    VLP_TRY(vlp_map_open_within(&file, path, VLP_IMAGE_MAX_BYTES, err));
    enum vlp_status s = vlp_image_decode(out, mem, file.data, file.size, path, err);
    vlp_map_close(&file);
    return s;
}
