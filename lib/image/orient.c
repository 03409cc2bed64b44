/*
 * orient.c -- a picture turned and mirrored as its EXIF orientation asks.
 */
#include <string.h>

#include "image_internal.h"

/* Where the pixel (x, y) of the result comes from: transposed or not, then mirrored. */
static const struct {
    bool transpose, mirror_x, mirror_y;
} turns[9] = {
    [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true},
    [5] = {true, false, false}, [6] = {true, false, true}, [7] = {true, true, true},
    [8] = {true, true, false},
};

struct vlp_image *vlp_image_orient(struct vlp_arena *mem, const struct vlp_image *in)
{
    if (in->orientation < 2 || in->orientation > 8) return (struct vlp_image *)in;
    const bool        transpose = turns[in->orientation].transpose;
    const bool        mirror_x = turns[in->orientation].mirror_x;
    const bool        mirror_y = turns[in->orientation].mirror_y;
    const int         width = transpose ? in->height : in->width;
    const int         height = transpose ? in->width : in->height;
    struct vlp_image *out = image_new(mem, width, height, in->mode, in);
    const size_t      ch = vlp_image_mode_bytes(in->mode);
    const size_t      stride = ch * in->width;

    for (int y = 0; y < height; y++) {
        uint8_t *q = out->data + ch * width * y;
        for (int x = 0; x < width; x++, q += ch) {
            int sx = transpose ? y : x, sy = transpose ? x : y;
            if (mirror_x) sx = in->width - 1 - sx;
            if (mirror_y) sy = in->height - 1 - sy;
            const uint8_t *p = in->data + stride * sy + ch * sx;
            for (size_t c = 0; c < ch; c++) q[c] = p[c];
        }
    }
    return out;
}
