/*
 * html_thumbnail.c -- a picture file as a small JPEG: upright, RGB, shrunk to fit a square.
 */
#include <vlp/html.h>
#include <vlp/image.h>

enum { QUALITY = 82 };

enum vlp_status vlp_thumbnail(struct vlp_buf *jpeg, const char *path, int side,
                              struct vlp_error *err)
{
    struct vlp_arena mem;
    struct vlp_image in, *p;
    vlp_arena_init(&mem);
    enum vlp_status s = vlp_image_read(&in, &mem, path, err);
    if (s == VLP_OK) {
        p = vlp_image_to_rgb(&mem, vlp_image_orient(&mem, &in), true);
        const int longer = p->width > p->height ? p->width : p->height;
        if (longer > side) {
            const int w = (int)((int64_t)p->width * side / longer);
            const int h = (int)((int64_t)p->height * side / longer);
            p = vlp_image_resize(&mem, p, w ? w : 1, h ? h : 1, VLP_BICUBIC);
        }
        s = vlp_jpeg_encode(jpeg, p, QUALITY, err);
    }
    vlp_arena_free(&mem);
    return s;
}
