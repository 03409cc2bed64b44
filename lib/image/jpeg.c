/*
 * jpeg.c -- JPEG files, decoded with the accurate integer transform and smooth chroma.
 *
 * Modes as Pillow has them: one component L, three RGB, four CMYK, which is always taken to be
 * stored inverted as Adobe does. Data that ends early is an error, and so is what libjpeg cannot
 * get past on its way to the end marker; what it merely complains of decodes with a warning.
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "image_internal.h"

/*
 * A progressive file can ask for another walk over the picture with every ten bytes. Encoders write
 * about ten scans; small pictures may have many, large ones not.
 */
static int max_scans(const struct jpeg_decompress_struct *c)
{
    const uint64_t pixels = (uint64_t)c->image_width * c->image_height;
    const uint64_t n = 20 + ((uint64_t)1 << 30) / (pixels ? pixels : 1);
    return n < 500 ? (int)n : 500;
}

struct state {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr         errors;
    struct jpeg_source_mgr        source;
    struct jpeg_progress_mgr      progress;
    jmp_buf                       out;
    bool                          too_many_scans;
    char                          message[JMSG_LENGTH_MAX], warning[JMSG_LENGTH_MAX];
};

static bool sniff(const uint8_t *data, size_t len)
{
    return len >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

/* ---- libjpeg's hooks ----------------------------------------------------------------------- */

static void on_error(j_common_ptr c)
{
    struct state *s = c->client_data;
    c->err->format_message(c, s->message);
    longjmp(s->out, 1);
}

/* Complaints about what says nothing of the pixels. */
static bool is_harmless(int code)
{
    static const int harmless[] = {JWRN_ADOBE_XFORM, JWRN_JFIF_MAJOR, JWRN_BOGUS_ICC};
    for (size_t i = 0; i < VLP_COUNT(harmless); i++)
        if (harmless[i] == code) return true;
    return false;
}

static void on_message(j_common_ptr c, int level)
{
    struct state *s = c->client_data;
    if (level >= 0 || is_harmless(c->err->msg_code)) return; /* tracing, or no damage */
    if (c->err->num_warnings++ == 0) c->err->format_message(c, s->warning);
}

static void on_output(j_common_ptr c)
{
    (void)c;
}

static void on_progress(j_common_ptr c)
{
    struct state *s = c->client_data;
    if (s->c.input_scan_number <= max_scans(&s->c)) return;
    s->too_many_scans = true;
    longjmp(s->out, 1);
}

static void source_nothing(j_decompress_ptr c)
{
    (void)c;
}

/* All bytes were given at the start, so wanting more means the file ends early: suspend. */
static boolean source_fill(j_decompress_ptr c)
{
    (void)c;
    return FALSE;
}

static void source_skip(j_decompress_ptr c, long n)
{
    if (n <= 0) return;
    const size_t k = (size_t)n < c->src->bytes_in_buffer ? (size_t)n : c->src->bytes_in_buffer;
    c->src->next_input_byte += k;
    c->src->bytes_in_buffer -= k;
}

static void hook(struct state *s, const uint8_t *data, size_t len)
{
    s->c.err = jpeg_std_error(&s->errors);
    s->c.client_data = s;
    s->errors.error_exit = on_error;
    s->errors.emit_message = on_message;
    s->errors.output_message = on_output;
    s->progress.progress_monitor = on_progress;
    s->source.init_source = source_nothing;
    s->source.fill_input_buffer = source_fill;
    s->source.skip_input_data = source_skip;
    s->source.resync_to_restart = jpeg_resync_to_restart;
    s->source.term_source = source_nothing;
    s->source.next_input_byte = data;
    s->source.bytes_in_buffer = len;
}

/* ---- reading ------------------------------------------------------------------------------- */

static enum vlp_status truncated(const struct state *s, size_t len, const char *name,
                                 struct vlp_error *err)
{
    if (s->c.output_height)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: truncated JPEG: the %zu bytes end in row %u of %u", name, len,
                        s->c.output_scanline, s->c.output_height);
    return vlp_fail(err, VLP_ERR_FORMAT,
                    "%s: truncated JPEG: the %zu bytes end before the picture does", name, len);
}

/* The first EXIF; where that has no orientation the last XMP. */
static int orientation(const struct state *s)
{
    static const char     exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/"; /* with NUL */
    jpeg_saved_marker_ptr first = NULL, last = NULL;
    for (jpeg_saved_marker_ptr m = s->c.marker_list; m; m = m->next) {
        if (m->marker != JPEG_APP0 + 1) continue;
        if (!first && m->data_length > sizeof exif && memcmp(m->data, exif, sizeof exif) == 0)
            first = m;
        else if (m->data_length > sizeof xmp && memcmp(m->data, xmp, sizeof xmp) == 0)
            last = m;
    }
    int found = first ? exif_orientation(first->data, first->data_length) : 0;
    if (!found && last)
        found = xmp_orientation(last->data + sizeof xmp, last->data_length - sizeof xmp);
    return found ? found : 1;
}

/* Mode, and the colour space that libjpeg is to deliver. */
static enum vlp_status choose_mode(struct state *s, struct vlp_image *out, const char *name,
                                   struct vlp_error *err)
{
    switch (s->c.num_components) {
    case 1:
        out->mode = VLP_IMAGE_L;
        s->c.out_color_space = JCS_GRAYSCALE;
        return VLP_OK;
    case 3:
        out->mode = VLP_IMAGE_RGB;
        s->c.out_color_space = JCS_RGB;
        return VLP_OK;
    case 4:
        out->mode = VLP_IMAGE_CMYK;
        s->c.out_color_space = JCS_CMYK;
        return VLP_OK;
    default:
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: a JPEG of %d components", name,
                        s->c.num_components);
    }
}

enum { ROWS_AT_ONCE = 16 };

/* False when the data ends early. */
static bool read_rows(struct state *s, struct vlp_image *out)
{
    const size_t stride = (size_t)out->width * vlp_image_mode_bytes(out->mode);
    while (s->c.output_scanline < s->c.output_height) {
        JSAMPROW row[ROWS_AT_ONCE];
        for (int i = 0; i < ROWS_AT_ONCE; i++)
            row[i] = out->data + stride * (s->c.output_scanline + i);
        JDIMENSION n = s->c.output_height - s->c.output_scanline;
        if (jpeg_read_scanlines(&s->c, row, n < ROWS_AT_ONCE ? n : ROWS_AT_ONCE) == 0) return false;
    }
    return true;
}

static void invert(uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++) data[i] = 255 - data[i];
}

/* libjpeg's complaint in our terms. */
static enum vlp_status jumped(const struct state *s, const char *name, struct vlp_error *err)
{
    if (s->too_many_scans)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: a progressive JPEG of more than %d scans", name,
                        max_scans(&s->c));
    switch (s->errors.msg_code) {
    case JERR_OUT_OF_MEMORY:
        return vlp_fail(err, VLP_ERR_SHORTAGE, "%s: no memory to decode it", name);
    case JERR_IMAGE_TOO_BIG:
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: a side may have at most %d pixels", name,
                        VLP_IMAGE_MAX_SIDE);
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_COMPONENT_COUNT:
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: a kind of JPEG that is not known: %s", name,
                        s->message);
    default: return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged JPEG: %s", name, s->message);
    }
}

/* A block of 64 pixels takes one bit at the very least, unless arithmetic coding squeezes it. */
static bool can_hold(const struct jpeg_decompress_struct *c, size_t len)
{
    return c->arith_code || (uint64_t)c->image_width * c->image_height / 512 <= len;
}

/* Everything that may jump out. What changes here is reached through pointers, so it survives. */
static enum vlp_status read_guarded(struct state *s, struct vlp_image *out, struct vlp_arena *mem,
                                    const uint8_t *data, size_t len, const char *name,
                                    struct vlp_error *err)
{
    if (setjmp(s->out)) return jumped(s, name, err);
    jpeg_create_decompress(&s->c);
    s->c.client_data = s;
    s->c.src = &s->source;
    s->c.progress = &s->progress;
    s->source.next_input_byte = data;
    s->source.bytes_in_buffer = len;
    jpeg_save_markers(&s->c, JPEG_APP0 + 1, 0xffff);

    if (jpeg_read_header(&s->c, TRUE) == JPEG_SUSPENDED) return truncated(s, len, name, err);
    VLP_TRY(image_check_size(s->c.image_width, s->c.image_height, name, err));
    if (s->c.data_precision != 8)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: a JPEG of %d bits per sample", name,
                        s->c.data_precision);
    if (!can_hold(&s->c, len))
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: truncated JPEG: %zu bytes cannot hold %u x %u pixels", name, len,
                        s->c.image_width, s->c.image_height);
    VLP_TRY(choose_mode(s, out, name, err));
    s->c.dct_method = JDCT_ISLOW;
    s->c.do_fancy_upsampling = TRUE;
    out->orientation = orientation(s);

    if (!jpeg_start_decompress(&s->c)) return truncated(s, len, name, err);
    out->width = s->c.output_width;
    out->height = s->c.output_height;
    const size_t size = (size_t)out->width * out->height * vlp_image_mode_bytes(out->mode);
    out->data = vlp_arena_alloc(mem, size);
    if (!read_rows(s, out)) return truncated(s, len, name, err);
    /* To the end, as the reference reads: data can stop making sense behind a marker that libjpeg
     * takes for its end. False is a missing end marker behind the last row: nothing is lost. */
    (void)jpeg_finish_decompress(&s->c);
    if (out->mode == VLP_IMAGE_CMYK) invert(out->data, size);
    if (s->warning[0]) out->warning = vlp_arena_printf(mem, "damaged JPEG: %s", s->warning);
    return VLP_OK;
}

static enum vlp_status read_file(struct vlp_image *out, struct vlp_arena *mem, const uint8_t *data,
                                 size_t len, const char *name, struct vlp_error *err)
{
    struct state s = {0};
    hook(&s, data, len);
    enum vlp_status status = read_guarded(&s, out, mem, data, len, name, err);
    jpeg_destroy_decompress(&s.c);
    return status;
}

const struct image_format image_format_jpeg = {"jpeg", sniff, read_file};
