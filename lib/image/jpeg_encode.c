/*
 * jpeg_encode.c -- 8-bit RGB or grey to the bytes of a baseline JPEG file.
 */
#include <setjmp.h>
#include <stdio.h>

#include <jerror.h>
#include <jpeglib.h>

#include "image_internal.h"

enum { PIECE = 16384 };

struct sink {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr       errors;
    struct jpeg_destination_mgr target;
    struct vlp_buf             *out;
    jmp_buf                     jump;
    char                        message[JMSG_LENGTH_MAX];
    JOCTET                      piece[PIECE];
};

static void on_error(j_common_ptr c)
{
    struct sink *s = c->client_data;
    c->err->format_message(c, s->message);
    longjmp(s->jump, 1);
}

static void on_output(j_common_ptr c)
{
    (void)c;
}

static void target_init(j_compress_ptr c)
{
    struct sink *s = c->client_data;
    s->target.next_output_byte = s->piece;
    s->target.free_in_buffer = PIECE;
}

static boolean target_empty(j_compress_ptr c)
{
    struct sink *s = c->client_data;
    vlp_buf_add(s->out, s->piece, PIECE);
    target_init(c);
    return TRUE;
}

static void target_term(j_compress_ptr c)
{
    struct sink *s = c->client_data;
    vlp_buf_add(s->out, s->piece, PIECE - s->target.free_in_buffer);
}

/* libjpeg's complaint in our terms. */
static enum vlp_status jumped(const struct sink *s, struct vlp_error *err)
{
    if (s->errors.msg_code == JERR_OUT_OF_MEMORY)
        return vlp_fail(err, VLP_ERR_SHORTAGE, "no memory to encode a JPEG");
    return vlp_fail(err, VLP_ERR_USAGE, "cannot encode a JPEG: %s", s->message);
}

static enum vlp_status write_guarded(struct sink *s, const struct vlp_image *in, int quality,
                                     struct vlp_error *err)
{
    if (setjmp(s->jump)) return jumped(s, err);
    jpeg_create_compress(&s->c);
    s->c.client_data = s;
    s->c.dest = &s->target;
    s->target.init_destination = target_init;
    s->target.empty_output_buffer = target_empty;
    s->target.term_destination = target_term;
    s->c.image_width = (JDIMENSION)in->width;
    s->c.image_height = (JDIMENSION)in->height;
    s->c.input_components = vlp_image_mode_bytes(in->mode);
    s->c.in_color_space = in->mode == VLP_IMAGE_L ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&s->c);
    jpeg_set_quality(&s->c, quality, TRUE);
    s->c.optimize_coding = TRUE;
    jpeg_start_compress(&s->c, TRUE);
    const size_t stride = (size_t)in->width * vlp_image_mode_bytes(in->mode);
    while (s->c.next_scanline < s->c.image_height) {
        JSAMPROW row = in->data + stride * s->c.next_scanline;
        jpeg_write_scanlines(&s->c, &row, 1);
    }
    jpeg_finish_compress(&s->c);
    return VLP_OK;
}

enum vlp_status vlp_jpeg_encode(struct vlp_buf *out, const struct vlp_image *in, int quality,
                                struct vlp_error *err)
{
    if (in->mode != VLP_IMAGE_L && in->mode != VLP_IMAGE_RGB)
        return vlp_fail(err, VLP_ERR_USAGE, "a JPEG is written from L or RGB pixels, not from %s",
                        vlp_image_mode_name(in->mode));
    if (quality < 1 || quality > 100)
        return vlp_fail(err, VLP_ERR_USAGE, "JPEG quality %d is not 1 to 100", quality);
    const size_t before = out->len;
    struct sink  s = {.out = out};
    s.c.err = jpeg_std_error(&s.errors);
    s.c.client_data = &s;
    s.errors.error_exit = on_error;
    s.errors.output_message = on_output;
    const enum vlp_status status = write_guarded(&s, in, quality, err);
    jpeg_destroy_compress(&s.c);
    if (status != VLP_OK) out->len = before;
    return status;
}
