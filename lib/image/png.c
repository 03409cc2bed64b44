/*
 * png.c -- PNG files: the chunks checked and walked here, the pixels by libpng.
 *
 * A wrong checksum is an error, but behind the pixels a warning; Pillow heeds those before them
 * only.
 *
 * Modes as Pillow has them: grey of 1 bit "1", of 2, 4 and 8 bits L (scaled to 0..255), of 16 bits
 * I;16; grey and alpha LA, of 16 bits RGBA; palette P; other samples of 16 bits keep their high
 * byte. Transparency by colour, gamma and profiles change nothing, so their chunks are not read.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#include "image_internal.h"

static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

enum { CHUNK_FRAME = 12 /* length, type, checksum */, MAX_CHUNK = 0x7fffffff };

/* What the walk over the chunks finds out. */
struct layout {
    uint32_t width, height;
    int      depth, colour;
    bool     has_data;
    int      palette; /* entries */
    char     warning[64];
    /* The last chunk of each kind that may tell the orientation, whole, or NULL. */
    const uint8_t *exif, *text_exif, *xmp;
};

struct state {
    png_structp    png;
    png_infop      info;
    const uint8_t *data;
    size_t         len, at;
    jmp_buf        out;
    char           message[160];
};

static bool sniff(const uint8_t *data, size_t len)
{
    return len >= 8 && memcmp(data, signature, 8) == 0;
}

/* ---- the walk ------------------------------------------------------------------------------ */

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_type(const uint8_t *chunk, const char *type)
{
    return memcmp(chunk + 4, type, 4) == 0;
}

static enum vlp_status read_ihdr(struct layout *l, const uint8_t *p, uint32_t len, const char *name,
                                 struct vlp_error *err)
{
    if (len != 13)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged PNG: a header of %u bytes", name, len);
    l->width = get_u32(p);
    l->height = get_u32(p + 4);
    l->depth = p[8];
    l->colour = p[9];
    return image_check_size(l->width, l->height, name, err);
}

/* EXIF, or where there is none EXIF as text; where that has no orientation XMP. */
static int orientation(const struct layout *l)
{
    int found = 0;
    if (l->exif)
        found = exif_orientation(l->exif + 8, get_u32(l->exif));
    else if (l->text_exif)
        found = png_text_exif(l->text_exif);
    if (!found && l->xmp) found = png_text_xmp(l->xmp);
    return found ? found : 1;
}

/* Checksums of the pixels and of what stands before them must be right. Behind them a wrong one
 * does no harm, and the first is noted. */
static enum vlp_status check_sum(struct layout *l, const uint8_t *chunk, size_t at,
                                 const char *name, struct vlp_error *err)
{
    const uint32_t size = get_u32(chunk);
    const char    *type = (const char *)chunk + 4;
    if (crc32(0, chunk + 4, size + 4) == get_u32(chunk + 8 + size)) return VLP_OK;
    if (!l->has_data || is_type(chunk, "IDAT"))
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: damaged PNG: wrong checksum of chunk %.4s at byte %zu", name, type,
                        at);
    if (!l->warning[0])
        snprintf(l->warning, sizeof l->warning,
                 "damaged PNG: wrong checksum of chunk %.4s at byte %zu", type, at);
    return VLP_OK;
}

/* Every chunk up to the end: whole, with a right checksum, and what it says that matters. */
static enum vlp_status walk(struct layout *l, const uint8_t *data, size_t len, const char *name,
                            struct vlp_error *err)
{
    size_t at = sizeof signature;
    bool   first = true;
    for (;;) {
        if (len - at < CHUNK_FRAME)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: truncated PNG: no end after byte %zu", name,
                            at);
        const uint8_t *chunk = data + at, *body = chunk + 8;
        const uint32_t size = get_u32(chunk);
        for (int i = 4; i < 8; i++)
            if (!((chunk[i] | 32) >= 'a' && (chunk[i] | 32) <= 'z'))
                return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged PNG: no chunk at byte %zu", name,
                                at);
        if (size > MAX_CHUNK)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "%s: damaged PNG: chunk %.4s at byte %zu claims %u bytes", name,
                            (const char *)chunk + 4, at, size);
        if (size > len - at - CHUNK_FRAME)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "%s: truncated PNG: chunk %.4s at byte %zu has %u bytes, %zu are there",
                            name, (const char *)chunk + 4, at, size, len - at - CHUNK_FRAME);
        VLP_TRY(check_sum(l, chunk, at, name, err));
        if (first != is_type(chunk, "IHDR"))
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged PNG: %s", name,
                            first ? "it does not begin with a header" : "it has two headers");
        if (first) VLP_TRY(read_ihdr(l, body, size, name, err));
        if (is_type(chunk, "IDAT")) l->has_data = true;
        if (is_type(chunk, "PLTE")) l->palette = (int)(size / 3);
        if (is_type(chunk, "eXIf")) l->exif = chunk;
        if (png_text_is(chunk, "Raw profile type exif")) l->text_exif = chunk;
        if (png_text_is(chunk, "XML:com.adobe.xmp")) l->xmp = chunk;
        if (is_type(chunk, "IEND")) break;
        first = false;
        at += CHUNK_FRAME + (size_t)size;
    }
    if (!l->has_data)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged PNG: it has no picture data", name);
    return VLP_OK;
}

/* ---- libpng's hooks ------------------------------------------------------------------------ */

void *image_png_room(png_structp png, size_t size)
{
    (void)png;
    return vlp_malloc(size);
}

void image_png_free(png_structp png, void *p)
{
    (void)png;
    free(p);
}

static void on_error(png_structp png, png_const_charp message)
{
    struct state *s = png_get_error_ptr(png);
    snprintf(s->message, sizeof s->message, "%s", message);
    longjmp(s->out, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct state *s = png_get_io_ptr(png);
    if (n > s->len - s->at) png_error(png, "the data ends early");
    memcpy(to, s->data + s->at, n);
    s->at += n;
}

/* ---- pixels -------------------------------------------------------------------------------- */

static enum vlp_image_mode mode_of(const struct layout *l)
{
    switch (l->colour) {
    case PNG_COLOR_TYPE_GRAY:
        return l->depth == 1 ? VLP_IMAGE_1 : l->depth == 16 ? VLP_IMAGE_I16 : VLP_IMAGE_L;
    case PNG_COLOR_TYPE_GRAY_ALPHA: return l->depth == 16 ? VLP_IMAGE_RGBA : VLP_IMAGE_LA;
    case PNG_COLOR_TYPE_PALETTE: return VLP_IMAGE_P;
    case PNG_COLOR_TYPE_RGB_ALPHA: return VLP_IMAGE_RGBA;
    default: return VLP_IMAGE_RGB;
    }
}

static void set_transforms(struct state *s, const struct layout *l)
{
    if (l->depth < 8) png_set_packing(s->png);
    if (l->depth == 16 && l->colour != PNG_COLOR_TYPE_GRAY) png_set_strip_16(s->png);
    if (l->depth == 16 && l->colour == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_gray_to_rgb(s->png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (l->depth == 16 && l->colour == PNG_COLOR_TYPE_GRAY) png_set_swap(s->png);
#endif
}

/* Colours that the file does not give are black. */
static void read_palette(struct state *s, struct vlp_image *out)
{
    png_colorp colours = NULL;
    png_bytep  alphas = NULL;
    int        n = 0, n_alpha = 0;
    for (int i = 0; i < 256; i++) out->palette[i][3] = 255;
    png_get_PLTE(s->png, s->info, &colours, &n);
    for (int i = 0; i < n; i++) {
        out->palette[i][0] = colours[i].red;
        out->palette[i][1] = colours[i].green;
        out->palette[i][2] = colours[i].blue;
    }
    png_get_tRNS(s->png, s->info, &alphas, &n_alpha, NULL);
    for (int i = 0; alphas && i < n_alpha; i++) out->palette[i][3] = alphas[i];
}

/* Grey of 1, 2 or 4 bits to 0..255. */
static void widen_grey(struct vlp_image *out, int depth)
{
    const int    step = 255 / ((1 << depth) - 1);
    const size_t n = (size_t)out->width * out->height;
    for (size_t i = 0; i < n; i++) out->data[i] *= step;
}

/* What deflate can reach at best: 258 bytes from two bits. */
enum { MAX_DEFLATE = 1040 };

static enum vlp_status check_length(const struct layout *l, size_t len, const char *name,
                                    struct vlp_error *err)
{
    static const int channels[7] = {1, 0, 3, 1, 2, 0, 4};
    if (l->colour > 6 || channels[l->colour] == 0) return VLP_OK; /* libpng refuses it */
    const uint64_t bits = (uint64_t)l->width * l->height * channels[l->colour] * l->depth;
    if (bits / 8 / MAX_DEFLATE > len)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: truncated PNG: %zu bytes cannot hold %u x %u pixels", name, len,
                        l->width, l->height);
    return VLP_OK;
}

/* Everything that may jump out; what changes here is reached through pointers, so it survives. */
static enum vlp_status read_guarded(struct state *s, const struct layout *l, struct vlp_image *out,
                                    struct vlp_arena *mem, const char *name, struct vlp_error *err)
{
    if (setjmp(s->out))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged PNG: %s", name, s->message);
    png_set_read_fn(s->png, s, on_read);
    png_set_user_limits(s->png, VLP_IMAGE_MAX_SIDE, VLP_IMAGE_MAX_SIDE);
    /* The walk has checked them. */
    png_set_crc_action(s->png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    png_set_keep_unknown_chunks(s->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_check_for_invalid_index(s->png, 0);
    png_read_info(s->png, s->info);
    VLP_TRY(check_length(l, s->len, name, err));

    out->mode = mode_of(l);
    out->width = (int)l->width;
    out->height = (int)l->height;
    if (out->mode == VLP_IMAGE_P) read_palette(s, out);
    set_transforms(s, l);
    const int passes = png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    const size_t stride = (size_t)out->width * vlp_image_mode_bytes(out->mode);
    if (png_get_rowbytes(s->png, s->info) != stride)
        png_error(s->png, "rows of an unexpected length");
    out->data = vlp_arena_alloc(mem, stride * out->height);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < out->height; y++) png_read_row(s->png, out->data + stride * y, NULL);
    if (l->colour == PNG_COLOR_TYPE_GRAY && l->depth < 8) widen_grey(out, l->depth);
    return VLP_OK;
}

static enum vlp_status read_file(struct vlp_image *out, struct vlp_arena *mem, const uint8_t *data,
                                 size_t len, const char *name, struct vlp_error *err)
{
    struct layout l = {0};
    VLP_TRY(walk(&l, data, len, name, err));
    out->orientation = orientation(&l);

    struct state s = {.data = data, .len = len};
    s.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning, NULL,
                                     image_png_room, image_png_free);
    if (!s.png) vlp_no_memory(0);
    s.info = png_create_info_struct(s.png);
    if (!s.info) vlp_no_memory(0);
    enum vlp_status status = read_guarded(&s, &l, out, mem, name, err);
    png_destroy_read_struct(&s.png, &s.info, NULL);
    if (status == VLP_OK && l.warning[0]) out->warning = vlp_arena_strdup(mem, l.warning);
    return status;
}

const struct image_format image_format_png = {"png", sniff, read_file};
