/*
 * vocabulary.c -- a vocabulary as bytes: gzip or plain, line by line.
 */
#include <string.h>
#include <zlib.h>

#include "text_internal.h"

enum { LARGEST_VOCABULARY = 64 << 20 };

enum vlp_status vlp_vocab_inflate(struct vlp_buf *out, const void *vocab, size_t len,
                                  struct vlp_error *err)
{
    const uint8_t *bytes = vocab;
    if (len > LARGEST_VOCABULARY)
        return vlp_fail(err, VLP_ERR_LIMIT, "the vocabulary has %zu bytes, the limit is %d", len,
                        LARGEST_VOCABULARY);
    if (len < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) {
        vlp_buf_add(out, vocab, len);
        return VLP_OK;
    }
    z_stream z = {.next_in = (Bytef *)bytes, .avail_in = (uInt)len};
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return vlp_fail(err, VLP_ERR_FORMAT, "the vocabulary: zlib cannot start");
    int state = Z_OK;
    while (state == Z_OK && out->len <= LARGEST_VOCABULARY) {
        vlp_buf_reserve(out, 1 << 16);
        const size_t room = out->cap - out->len - 1;
        z.next_out = (Bytef *)out->data + out->len;
        z.avail_out = (uInt)room;
        state = inflate(&z, Z_NO_FLUSH);
        out->len += room - z.avail_out;
        if (state == Z_OK && z.avail_in == 0 && z.avail_out > 0) break; /* truncated */
    }
    inflateEnd(&z);
    if (state == Z_STREAM_END && out->len <= LARGEST_VOCABULARY) {
        vlp_buf_add(out, "", 0);
        return VLP_OK;
    }
    if (out->len > LARGEST_VOCABULARY)
        return vlp_fail(err, VLP_ERR_LIMIT, "the vocabulary inflates beyond %d bytes",
                        LARGEST_VOCABULARY);
    return vlp_fail(err, VLP_ERR_FORMAT, "the vocabulary's gzip data is %s",
                    state == Z_OK || state == Z_BUF_ERROR ? "truncated" : "damaged");
}

bool vlp_vocab_line(const char **at, const char *end, const char **line, size_t *len)
{
    if (*at >= end) return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    if (!stop) stop = end;
    *line = *at;
    *len = (size_t)(stop - *at);
    if (*len > 0 && (*line)[*len - 1] == '\r') --*len;
    *at = stop + 1;
    return true;
}
