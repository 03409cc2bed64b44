/*
 * vocabulary_import.c -- the merges of a Hugging Face folder, carried into the checkpoint.
 *
 * merges.txt as it is; failing that, the merges inside tokenizer.json, written the same way. What
 * else the folder says of its tokenizer is held against them (vocabulary_check.c).
 */
#include <string.h>

#include "checkpoint_internal.h"

#define MAX_VOCABULARY ((size_t)64 << 20)

static bool add_merge(struct vlp_buf *b, const json_t *merge)
{
    const char *whole = json_string_value(merge);
    const char *left = json_string_value(json_array_get(merge, 0));
    const char *right = json_string_value(json_array_get(merge, 1));
    if (whole)
        vlp_buf_printf(b, "%s\n", whole);
    else if (left && right && json_array_size(merge) == 2)
        vlp_buf_printf(b, "%s %s\n", left, right);
    else
        return false;
    return true;
}

/* { "model": { "type": "BPE", "merges": ["a b", ...] or [["a", "b"], ...] } } */
static enum vlp_status from_tokenizer_json(struct vlp_buf *out, const struct vlp_opening *o)
{
    json_t *top = NULL;
    VLP_TRY(vlp_json_beside(&top, o->source, "tokenizer.json", o->err));
    const json_t *model = json_object_get(top, "model");
    const json_t *merges = json_object_get(model, "merges");
    const char   *type = json_string_value(json_object_get(model, "type"));
    bool          fine = true;
    if (json_is_array(merges) && (!type || strcmp(type, "BPE") == 0)) {
        vlp_buf_add_str(out, "#version: 0.2\n");
        for (size_t i = 0; i < json_array_size(merges) && fine; i++)
            fine = add_merge(out, json_array_get(merges, i));
    }
    json_decref(top);
    return fine ? VLP_OK
                : vlp_fail(o->err, VLP_ERR_FORMAT, "%s/tokenizer.json: a merge is not two pieces",
                           o->source->folder);
}

static enum vlp_status from_merges(struct vlp_buf *out, const struct vlp_opening *o)
{
    const char    *path = vlp_path_join(o->source->mem, o->source->folder, "merges.txt");
    struct vlp_map map;
    if (!vlp_file_exists(path)) return VLP_OK;
    VLP_TRY(vlp_map_open(&map, path, o->err));
    enum vlp_status s = VLP_OK;
    size_t          at;
    if (map.size > MAX_VOCABULARY)
        s = vlp_fail(o->err, VLP_ERR_LIMIT, "%s: %zu bytes of merges", path, map.size);
    else if (!vlp_utf8_valid((const char *)map.data, map.size, &at))
        s = vlp_fail(o->err, VLP_ERR_FORMAT, "%s: byte %zu is not UTF-8", path, at);
    else
        vlp_buf_add(out, map.data, map.size);
    vlp_map_close(&map);
    return s;
}

/* The tensor, and what the document says about it. CLIP was trained on texts cleaned OpenAI's way,
 * whoever repacked its weights: another cleaning is the file's or the user's explicit choice. */
static void carry(struct vlp_opening *o, json_t *about, const struct vlp_buf *text)
{
    const char *own =
        json_string_value(json_object_get(json_object_get(about, "tokenizer"), "cleaning"));
    const struct vlp_stored t = {
        .name = VLP_VOCABULARY_TENSOR,
        .dtype = VLP_U8,
        .ndim = 1,
        .dim = {(int64_t)text->len},
        .data = vlp_arena_strndup(&o->out->mem, text->data, text->len),
        .size = text->len,
    };
    vlp_checkpoint_add(o->out, &t);
    json_object_set_new(about, "tokenizer",
                        json_pack("{s:s, s:s, s:s}", "kind", "clip_bpe", "cleaning",
                                  own ? own : "openai", "tensor", t.name));
}

enum vlp_status vlp_vocabulary_import(struct vlp_opening *o, json_t *about, bool hf)
{
    struct vlp_buf  text = {0};
    enum vlp_status s = VLP_OK;
    if (vlp_pools_last(about)) { /* what lies beside it is BERT's, which is in the share folder */
        json_object_del(about, "tokenizer");
        return VLP_OK;
    }
    /* beside a file of OpenAI's names, given by its own name, may lie anything */
    if (o->source->is_folder || hf) {
        s = from_merges(&text, o);
        const bool merges = text.len > 0;
        if (s == VLP_OK && !merges) s = from_tokenizer_json(&text, o);
        if (s == VLP_OK) s = vlp_vocabulary_check(o, &text, merges);
    }
    if (s == VLP_OK && text.len > 0)
        carry(o, about, &text);
    else
        json_object_del(about, "tokenizer");
    vlp_buf_free(&text);
    return s;
}
