/*
 * classes.c -- which class a code point belongs to, by its Unicode category.
 */
#include <utf8proc.h>

#include "text_internal.h"

size_t vlp_range_of(const void *table, size_t count, size_t stride, int32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t   mid = (low + high) / 2;
        const int32_t *range = (const void *)((const char *)table + mid * stride);
        if (c > range[1])
            low = mid + 1;
        else if (c < range[0])
            high = mid;
        else
            return mid;
    }
    return count;
}

bool vlp_is_space(int32_t c)
{
    if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool vlp_is_py_space(int32_t c)
{
    return (c >= 0x1c && c <= 0x1f) || vlp_is_space(c);
}

char vlp_class_of(int32_t c, bool only_16)
{
    if (c < 0x80) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return 'L';
        return c >= '0' && c <= '9' ? 'N' : vlp_is_space(c) ? 'S' : 0;
    }
    if (vlp_is_space(c)) return 'S';
    if (vlp_younger_class(c, false)) return vlp_younger_class(c, only_16);
    const utf8proc_category_t k = utf8proc_category(c);
    if (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) return 'L';
    return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO ? 'N' : 0;
}

bool vlp_is_digit(int32_t c)
{
    if (c < 0x80) return c >= '0' && c <= '9';
    return utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}
