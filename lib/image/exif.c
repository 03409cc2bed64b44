/*
 * exif.c -- the orientation that a camera wrote into a picture: EXIF tag 0x0112, or XMP where there
 * is no EXIF.
 *
 * EXIF is a little TIFF file: byte order, offset of the first directory, entries of 12 bytes. What
 * is damaged says nothing; it is not a reason to refuse the pixels.
 */
#include <string.h>

#include "image_internal.h"

enum { TAG_ORIENTATION = 0x0112 };

/* Bytes of the whole-number types of TIFF that readers take: SHORT, LONG and the signed ones. */
static int type_bytes(uint32_t type)
{
    static const int bytes[10] = {[3] = 2, [4] = 4, [6] = 1, [8] = 2, [9] = 4};
    return type < 10 ? bytes[type] : 0;
}

static uint32_t get(const uint8_t *p, int bytes, bool big)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v = v << 8 | p[big ? i : bytes - 1 - i];
    return v;
}

int exif_orientation(const uint8_t *tiff, size_t len)
{
    static const char label[] = "Exif\0"; /* with its NUL; writers put none, one or two */
    for (int i = 0; i < 2 && len >= sizeof label && memcmp(tiff, label, sizeof label) == 0; i++) {
        tiff += sizeof label;
        len -= sizeof label;
    }
    if (len < 8) return 0;
    bool big;
    if (memcmp(tiff, "II*\0", 4) == 0)
        big = false;
    else if (memcmp(tiff, "MM\0*", 4) == 0)
        big = true;
    else
        return 0;

    const size_t dir = get(tiff + 4, 4, big);
    if (dir > len - 2) return 0;
    const size_t n = get(tiff + dir, 2, big);
    for (size_t i = 0; i < n && dir + 2 + (i + 1) * 12 <= len; i++) {
        const uint8_t *entry = tiff + dir + 2 + i * 12;
        if (get(entry, 2, big) != TAG_ORIENTATION) continue;
        const int      bytes = type_bytes(get(entry + 2, 2, big));
        const uint64_t count = get(entry + 4, 4, big);
        if (count == 0) return 0;
        if (bytes == 0) return 1;
        const uint8_t *value = entry + 8;
        if (count * bytes > 4) {
            const size_t at = get(entry + 8, 4, big);
            if (at > len - 4) return 0;
            value = tiff + at;
        }
        const uint32_t v = get(value, bytes, big);
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 0;
}

/* The first of tiff:Orientation="6" and <tiff:Orientation>6< decides, also when it says nonsense.
 */
int xmp_orientation(const uint8_t *xmp, size_t len)
{
    static const char        key[] = "tiff:Orientation";
    static const char *const after[] = {"=\"", ">"};
    const size_t             n = sizeof key - 1;
    for (size_t i = 0; i + n < len; i++) {
        if (xmp[i] != 't' || memcmp(xmp + i, key, n) != 0) continue;
        for (size_t k = 0; k < VLP_COUNT(after); k++) {
            const size_t at = i + n, step = strlen(after[k]);
            if (at + step >= len || memcmp(xmp + at, after[k], step) != 0) continue;
            const int v = xmp[at + step] - '0';
            if (v >= 0 && v <= 9) return v >= 1 && v <= 8 ? v : 0;
        }
    }
    return 0;
}
