/*
 * png_text.c -- the text chunks of a PNG in which an orientation may stand.
 *
 *   tEXt  keyword 0 text
 *   zTXt  keyword 0 method compressed
 *   iTXt  keyword 0 flag method language 0 keyword-again 0 text or compressed
 *
 * A chunk is given whole: length, type, body. What is damaged, or longer than a text may be, says
 * nothing.
 */
#include <string.h>
#include <zlib.h>

#include "image_internal.h"

enum { LONGEST_TEXT = 1 << 20 }; /* inflated: Pillow's limit */

struct bytes {
    const uint8_t *at;
    size_t         n;
};

static struct bytes body_of(const uint8_t *chunk)
{
    const uint32_t n = (uint32_t)chunk[0] << 24 | (uint32_t)chunk[1] << 16 |
                       (uint32_t)chunk[2] << 8 | (uint32_t)chunk[3];
    return (struct bytes){chunk + 8, n};
}

static bool is_type(const uint8_t *chunk, const char *type)
{
    return memcmp(chunk + 4, type, 4) == 0;
}

bool png_text_is(const uint8_t *chunk, const char *keyword)
{
    const size_t n = strlen(keyword) + 1;
    return (is_type(chunk, "tEXt") || is_type(chunk, "zTXt") || is_type(chunk, "iTXt")) &&
           body_of(chunk).n > n && memcmp(chunk + 8, keyword, n) == 0;
}

/* Past the next NUL; nothing is left when there is none. */
static struct bytes after_nul(struct bytes b)
{
    const uint8_t *nul = b.n ? memchr(b.at, 0, b.n) : NULL;
    if (!nul) return (struct bytes){0};
    return (struct bytes){nul + 1, b.n - (size_t)(nul + 1 - b.at)};
}

static struct bytes skip(struct bytes b, size_t n)
{
    return b.n < n ? (struct bytes){0} : (struct bytes){b.at + n, b.n - n};
}

/* The chunk's text into `out`. */
static void read_text(struct vlp_buf *out, const uint8_t *chunk)
{
    struct bytes b = after_nul(body_of(chunk));
    bool         squeezed = is_type(chunk, "zTXt");
    if (squeezed) {
        b = skip(b, 1);
    } else if (is_type(chunk, "iTXt")) {
        squeezed = b.n > 0 && b.at[0] != 0;
        b = after_nul(after_nul(skip(b, 2)));
    }
    if (b.n == 0) return;
    if (!squeezed) {
        vlp_buf_add(out, b.at, b.n);
        return;
    }
    vlp_buf_reserve(out, LONGEST_TEXT);
    uLongf n = LONGEST_TEXT;
    if (uncompress((Bytef *)out->data, &n, b.at, b.n) == Z_OK) out->len = n;
}

int png_text_xmp(const uint8_t *chunk)
{
    struct vlp_buf text = {0};
    read_text(&text, chunk);
    const int found = xmp_orientation((const uint8_t *)text.data, text.len);
    vlp_buf_free(&text);
    return found;
}

static int hex_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char       *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Three lines (empty, name, length), then hexadecimal digits, which become bytes in place. */
int png_text_exif(const uint8_t *chunk)
{
    struct vlp_buf text = {0};
    read_text(&text, chunk);
    size_t i = 0, n = 0;
    for (int line = 0; line < 3 && i < text.len; i++) line += text.data[i] == '\n';
    for (int high = -1; i < text.len; i++) {
        const int digit = hex_of(text.data[i]);
        if (digit < 0) continue;
        if (high < 0) {
            high = digit;
            continue;
        }
        text.data[n++] = (char)(high << 4 | digit);
        high = -1;
    }
    const int found = exif_orientation((const uint8_t *)text.data, n);
    vlp_buf_free(&text);
    return found;
}
