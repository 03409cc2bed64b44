/* transpose_units.c -- a matrix of four-byte units turned over: dst[j][i] = src[i][j]. */
#include <string.h>

#include "tensor_internal.h"

enum { LINE = 16, AHEAD = 4 * LINE }; /* units */

typedef uint32_t u4 __attribute__((vector_size(16)));

static inline u4 load4(const uint32_t *p)
{
    u4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void four_by_four(uint32_t *dst, size_t ds, const uint32_t *src, size_t ss)
{
    const u4 a = load4(src), b = load4(src + ss), c = load4(src + 2 * ss), d = load4(src + 3 * ss);
    const u4 p = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const u4 q = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const u4 r = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const u4 s = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    const u4 o[4] = {
        __builtin_shufflevector(p, q, 0, 1, 4, 5), __builtin_shufflevector(p, q, 2, 3, 6, 7),
        __builtin_shufflevector(r, s, 0, 1, 4, 5), __builtin_shufflevector(r, s, 2, 3, 6, 7)};
    for (int i = 0; i < 4; i++) memcpy(dst + i * ds, &o[i], sizeof o[i]);
}

void vlp_transpose_units(uint32_t *dst, size_t dst_stride, const uint32_t *src, size_t src_stride,
                         int rows, int cols)
{
    int j = 0;
    /* A cache line of each row at a time: rows may lie so that they push each other out. */
    for (; j + LINE <= cols; j += LINE) {
        int i = 0;
        for (; i + 4 <= rows; i += 4) {
            const uint32_t *from = src + i * src_stride + j;
            for (int r = 0; r < 4; r++) __builtin_prefetch(from + r * src_stride + AHEAD);
            for (int l = 0; l < LINE; l += 4)
                four_by_four(dst + (j + l) * dst_stride + i, dst_stride, from + l, src_stride);
        }
        for (; i < rows; i++)
            for (int l = j; l < j + LINE; l++) dst[l * dst_stride + i] = src[i * src_stride + l];
    }
    for (; j + 4 <= cols; j += 4) {
        int i = 0;
        for (; i + 4 <= rows; i += 4)
            four_by_four(dst + j * dst_stride + i, dst_stride, src + i * src_stride + j,
                         src_stride);
        for (; i < rows; i++)
            for (int l = j; l < j + 4; l++) dst[l * dst_stride + i] = src[i * src_stride + l];
    }
    for (; j < cols; j++)
        for (int i = 0; i < rows; i++) dst[j * dst_stride + i] = src[i * src_stride + j];
}
