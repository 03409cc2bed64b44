/*
 * png_encode.c -- 8-bit RGB or grey to the bytes of a PNG file.
 */
#include <setjmp.h>
#include <stdio.h>

#include <png.h>

#include "image_internal.h"

struct sink {
    struct vlp_buf *out;
    jmp_buf         jump;
    char            message[160];
};

static void on_error(png_structp png, png_const_charp message)
{
    struct sink *s = png_get_error_ptr(png);
    snprintf(s->message, sizeof s->message, "%s", message);
    longjmp(s->jump, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_write(png_structp png, png_bytep data, size_t n)
{
    struct sink *s = png_get_io_ptr(png);
    vlp_buf_add(s->out, data, n);
}

static void on_flush(png_structp png)
{
    (void)png;
}

static enum vlp_status write_guarded(png_structp png, png_infop info, struct sink *s,
                                     const struct vlp_image *in, int level, struct vlp_error *err)
{
    if (setjmp(s->jump)) return vlp_fail(err, VLP_ERR_USAGE, "cannot encode a PNG: %s", s->message);
    png_set_write_fn(png, s, on_write, on_flush);
    png_set_compression_level(png, level);
    png_set_IHDR(png, info, (png_uint_32)in->width, (png_uint_32)in->height, 8,
                 in->mode == VLP_IMAGE_L ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    const size_t stride = (size_t)in->width * vlp_image_mode_bytes(in->mode);
    for (int y = 0; y < in->height; y++) png_write_row(png, in->data + stride * y);
    png_write_end(png, info);
    return VLP_OK;
}

enum vlp_status vlp_png_encode(struct vlp_buf *out, const struct vlp_image *in, int level,
                               struct vlp_error *err)
{
    if (in->mode != VLP_IMAGE_L && in->mode != VLP_IMAGE_RGB)
        return vlp_fail(err, VLP_ERR_USAGE, "a PNG is written from L or RGB pixels, not from %s",
                        vlp_image_mode_name(in->mode));
    if (level < 0 || level > 9)
        return vlp_fail(err, VLP_ERR_USAGE, "PNG level %d is not 0 to 9", level);
    struct sink  s = {.out = out};
    const size_t before = out->len;
    png_structp  png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning,
                                                 NULL, image_png_room, image_png_free);
    png_infop    info = png ? png_create_info_struct(png) : NULL;
    if (!info) vlp_no_memory(0);
    const enum vlp_status status = write_guarded(png, info, &s, in, level, err);
    png_destroy_write_struct(&png, &info);
    if (status != VLP_OK) out->len = before;
    return status;
}
