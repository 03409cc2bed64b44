/*
 * vocabulary_export.c -- vocab.json and merges.txt from the merges that a checkpoint carries, and
 * tokenizer_config.json, which says whose they are.
 *
 *   ids 0..255      one symbol per byte, the printable bytes first
 *   ids 256..511    the same at the end of a word
 *   then            each merge's two halves joined, in order
 *   the last two    start and end of text
 */
#include <string.h>

#include "emit.h"

static bool is_printable(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/* The code points of the 256 byte symbols, in the order of their ids. */
static void byte_symbols(uint32_t out[256])
{
    int      n = 0;
    uint32_t next = 0x100;
    for (int b = 0; b < 256; b++)
        if (is_printable(b)) out[n++] = (uint32_t)b;
    for (int b = 0; b < 256; b++)
        if (!is_printable(b)) out[n++] = next++;
}

json_t *vlp_vocabulary_of(const struct vlp_merges *m)
{
    json_t  *vocab = json_object();
    uint32_t symbol[256];
    int      id = 0;
    byte_symbols(symbol);
    for (int ends = 0; ends < 2; ends++) {
        for (int i = 0; i < 256; i++) {
            char      text[16];
            const int n = vlp_utf8_put(text, symbol[i]);
            strcpy(text + n, ends ? "</w>" : "");
            json_object_set_new(vocab, text, json_integer(id++));
        }
    }
    struct vlp_buf piece = {0};
    for (const char *p = m->text, *end = m->text + m->len; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        vlp_buf_clear(&piece);
        for (; p < stop; p++)
            if (*p != ' ' && *p != '\r') vlp_buf_add_char(&piece, *p);
        if (piece.len) json_object_set_new(vocab, piece.data, json_integer(id++));
        p = stop + 1;
    }
    vlp_buf_free(&piece);
    json_object_set_new(vocab, "<|startoftext|>", json_integer(id++));
    json_object_set_new(vocab, "<|endoftext|>", json_integer(id++));
    return vocab;
}

/* A vocabulary of another model in this folder would be read as this one's. */
static enum vlp_status no_vocabulary(struct vlp_folder *f, struct vlp_error *err)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer.json",
                                        "tokenizer_config.json", NULL};
    enum vlp_status          s = VLP_OK;
    f->stale = names;
    for (size_t i = 0; names[i] && !f->force && s == VLP_OK; i++) {
        struct vlp_buf path = {0};
        vlp_buf_printf(&path, "%s/%s", f->path, names[i]);
        if (vlp_file_exists(path.data))
            s = vlp_fail(err, VLP_ERR_EXISTS, "%s: exists and is of another model (-f removes it)",
                         path.data);
        vlp_buf_free(&path);
    }
    return s;
}

enum vlp_status vlp_vocabulary_export(const struct vlp_checkpoint *c, struct vlp_folder *f,
                                      struct vlp_error *err)
{
    struct vlp_merges m;
    VLP_TRY(vlp_merges_of(&m, c, err));
    if (!m.text) return no_vocabulary(f, err);
    json_t        *vocab = vlp_vocabulary_of(&m);
    struct vlp_buf merges = {0};
    vlp_buf_add_str(&merges, "#version: 0.2\n");
    vlp_buf_add(&merges, m.text, m.len);
    if (m.len) vlp_buf_add_char(&merges, '\n');
    enum vlp_status s = vlp_folder_write_json(f, "vocab.json", vocab, err);
    if (s == VLP_OK) s = vlp_folder_write(f, "merges.txt", merges.data, merges.len, err);
    vlp_buf_free(&merges);
    json_decref(vocab);
    vlp_merges_free(&m);
    return s;
}

bool vlp_vocabulary_is_own(const struct vlp_checkpoint *c)
{
    struct vlp_merges m;
    if (vlp_merges_of(&m, c, NULL) != VLP_OK || !m.text) return false;
    const bool released = vlp_merges_are_released(&m);
    vlp_merges_free(&m);
    return !released;
}

bool vlp_vocabulary_is_lost(const struct vlp_checkpoint *c)
{
    const char *kind =
        json_string_value(json_object_get(json_object_get(c->about, "tokenizer"), "kind"));
    return kind && strcmp(kind, "bert_uncased") == 0;
}

enum vlp_status vlp_tokenizer_config_export(const struct vlp_checkpoint *c, struct vlp_folder *f,
                                            struct vlp_error *err)
{
    const char *end = "<|endoftext|>";
    if (!json_object_get(c->about, "tokenizer")) return VLP_OK;
    const json_t *text = json_object_get(json_object_get(c->about, "config"), "text");
    json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:O}", "tokenizer_class", "CLIPTokenizer",
                          "bos_token", "<|startoftext|>", "eos_token", end, "pad_token", end,
                          "unk_token", end, "model_max_length", json_object_get(text, "context"));
    const enum vlp_status s = vlp_folder_write_json(f, "tokenizer_config.json", v, err);
    json_decref(v);
    return s;
}
