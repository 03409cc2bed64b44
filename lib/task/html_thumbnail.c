/*
 * html_thumbnail.c -- a picture as a small JPEG: upright, RGB, shrunk to fit a square.
 */
#include <vlp/html.h>
#include <vlp/image.h>

enum { QUALITY = 82 };

static enum vlp_status shrink(struct vlp_buf *jpeg, struct vlp_arena *mem,
                              const struct vlp_image *in, int side, struct vlp_error *err)
{
    struct vlp_image *p = vlp_image_to_rgb(mem, vlp_image_orient(mem, in), true);
    const int         longer = p->width > p->height ? p->width : p->height;
    if (longer > side) {
        const int w = (int)((int64_t)p->width * side / longer);
        const int h = (int)((int64_t)p->height * side / longer);
        p = vlp_image_resize(mem, p, w ? w : 1, h ? h : 1, VLP_BICUBIC);
    }
    return vlp_jpeg_encode(jpeg, p, QUALITY, err);
}

enum vlp_status vlp_thumbnail(struct vlp_buf *jpeg, const char *path, const void *bytes, size_t len,
                              int side, struct vlp_error *err)
{
    struct vlp_arena mem;
    struct vlp_image in;
    vlp_arena_init(&mem);
    enum vlp_status s = bytes ? vlp_image_decode(&in, &mem, bytes, len, path, err)
                              : vlp_image_read(&in, &mem, path, err);
    if (s == VLP_OK) s = shrink(jpeg, &mem, &in, side, err);
    vlp_arena_free(&mem);
    return s;
}
