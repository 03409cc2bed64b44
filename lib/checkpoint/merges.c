/*
 * merges.c -- the merges of a CLIP vocabulary in one form, however they are carried.
 *
 * The file's first line is a header; then one merge a line, of which the model uses as many as its
 * embedding has rows for (256 bytes, 256 word ends, the merges, start and end of text).
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "checkpoint_internal.h"

#define MAX_TEXT ((size_t)64 << 20)

/* gzip is told by its first bytes; anything else is the text itself. */
static bool unpack(struct vlp_buf *out, const uint8_t *data, size_t len)
{
    if (len < 2 || data[0] != 0x1f || data[1] != 0x8b) {
        vlp_buf_add(out, data, len);
        return true;
    }
    z_stream s = {0};
    if (len > UINT32_MAX || inflateInit2(&s, 16 + MAX_WBITS) != Z_OK) return false;
    s.next_in = (Bytef *)data;
    s.avail_in = (uInt)len;
    int state = Z_OK;
    while (state == Z_OK && out->len < MAX_TEXT) {
        vlp_buf_reserve(out, 1 << 16);
        s.next_out = (Bytef *)out->data + out->len;
        s.avail_out = 1 << 16;
        state = inflate(&s, Z_NO_FLUSH);
        out->len += (1 << 16) - s.avail_out;
    }
    inflateEnd(&s);
    return state == Z_STREAM_END;
}

void vlp_merges_cut(struct vlp_merges *m, const struct vlp_buf *text, size_t most)
{
    if (text->len == 0) {
        *m = (struct vlp_merges){.text = vlp_strndup("", 0)};
        return;
    }
    char       *p = memchr(text->data, '\n', text->len);
    char *const end = text->data + text->len;
    p = p ? p + 1 : end;
    char *const start = p;
    m->n = 0;
    while (p < end && m->n < most) {
        char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        if (stop == p) break;
        m->n++;
        p = stop < end ? stop + 1 : end;
    }
    m->len = (size_t)(p - start);
    if (m->len && start[m->len - 1] == '\n') m->len--;
    m->text = vlp_strndup(start, m->len);
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

/* Into `out`, which stays empty where the checkpoint carries no vocabulary of this kind. */
static enum vlp_status unpack_carried(struct vlp_buf *out, const struct vlp_checkpoint *c,
                                      const char *kind, struct vlp_error *err)
{
    const json_t            *tokenizer = json_object_get(c->about, "tokenizer");
    const char              *name = vlp_vocabulary_tensor(c->about);
    const struct vlp_stored *t = name ? vlp_checkpoint_find(c, name) : NULL;
    if (!t || strcmp(text_of(tokenizer, "kind"), kind) != 0) return VLP_OK;
    if (t->dtype == VLP_U8 && unpack(out, t->data, t->size) && out->len > 0) return VLP_OK;
    vlp_buf_free(out);
    return vlp_fail(err, VLP_ERR_FORMAT, "the vocabulary in tensor '%s' is damaged", name);
}

enum vlp_status vlp_merges_of(struct vlp_merges *m, const struct vlp_checkpoint *c,
                              struct vlp_error *err)
{
    *m = (struct vlp_merges){0};
    const json_t  *text_tower = json_object_get(json_object_get(c->about, "config"), "text");
    const size_t   rows = (size_t)json_integer_value(json_object_get(text_tower, "vocab"));
    struct vlp_buf text = {0};
    const size_t   others = VLP_BPE_BYTE_IDS + VLP_BPE_SPECIAL_IDS;
    VLP_TRY(unpack_carried(&text, c, "clip_bpe", err));
    if (text.len > 0) vlp_merges_cut(m, &text, rows > others ? rows - others : 0);
    vlp_buf_free(&text);
    return VLP_OK;
}

enum vlp_status vlp_own_pieces_of(struct vlp_buf *out, const struct vlp_checkpoint *c,
                                  struct vlp_error *err)
{
    VLP_TRY(unpack_carried(out, c, "bert_clipa", err));
    if (out->len == 0) VLP_TRY(unpack_carried(out, c, "bert_uncased", err));
    if (out->len > 0 && out->data[out->len - 1] == '\n') out->len--;
    if (out->len > 0 && vlp_hash64(out->data, out->len) == VLP_BERT_PIECES_HASH) vlp_buf_free(out);
    return VLP_OK;
}

void vlp_merges_free(struct vlp_merges *m)
{
    free(m->text);
    *m = (struct vlp_merges){0};
}

bool vlp_merges_are_released(const struct vlp_merges *m)
{
    return m->n == VLP_CLIP_MERGES && vlp_hash64(m->text, m->len) == VLP_CLIP_MERGES_HASH;
}
