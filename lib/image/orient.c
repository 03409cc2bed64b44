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

/* Tiles keep the columns that a transposition walks in the cache. */
enum { TILE = 32 };

static inline __attribute__((always_inline)) void turn(struct vlp_image       *out,
                                                       const struct vlp_image *in, const size_t ch)
{
    const bool      transpose = turns[in->orientation].transpose;
    const bool      mirror_x = turns[in->orientation].mirror_x;
    const bool      mirror_y = turns[in->orientation].mirror_y;
    const ptrdiff_t row = (ptrdiff_t)ch * in->width;
    /* The source of (0, 0), and the steps to that of its right and its lower neighbour. */
    const uint8_t *start = in->data + (mirror_x ? (ptrdiff_t)ch * (in->width - 1) : 0) +
                           (mirror_y ? row * (in->height - 1) : 0);
    const ptrdiff_t step_x = mirror_x ? -(ptrdiff_t)ch : (ptrdiff_t)ch;
    const ptrdiff_t step_y = mirror_y ? -row : row;
    const ptrdiff_t right = transpose ? step_y : step_x, below = transpose ? step_x : step_y;

    for (int y0 = 0; y0 < out->height; y0 += TILE) {
        const int y1 = y0 + TILE < out->height ? y0 + TILE : out->height;
        for (int x0 = 0; x0 < out->width; x0 += TILE) {
            const int x1 = x0 + TILE < out->width ? x0 + TILE : out->width;
            for (int y = y0; y < y1; y++) {
                const uint8_t *p = start + below * y + right * x0;
                uint8_t       *q = out->data + ch * ((size_t)out->width * y + x0);
                for (int x = x0; x < x1; x++, p += right, q += ch) memcpy(q, p, ch);
            }
        }
    }
}

struct vlp_image *vlp_image_orient(struct vlp_arena *mem, const struct vlp_image *in)
{
    if (in->orientation < 2 || in->orientation > 8) return (struct vlp_image *)in;
    const bool        transpose = turns[in->orientation].transpose;
    struct vlp_image *out = image_new(mem, transpose ? in->height : in->width,
                                      transpose ? in->width : in->height, in->mode, in);
    switch (vlp_image_mode_bytes(in->mode)) {
    case 1: turn(out, in, 1); break;
    case 2: turn(out, in, 2); break;
    case 3: turn(out, in, 3); break;
    default: turn(out, in, 4); break;
    }
    return out;
}
