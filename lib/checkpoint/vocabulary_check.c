/*
 * vocabulary_check.c -- does a Hugging Face folder mean CLIP's tokenizer?
 *
 * We take its merges and give every piece the id of its place. Its own tokenizer gives the ids that
 * vocab.json or tokenizer.json say, to texts that tokenizer.json cleans and splits as it says:
 * where that is another tokenizer it is refused by name. A key that is not there says nothing.
 */
#include <string.h>

#include "checkpoint_internal.h"

/* Like json_equal, but null in `want` is anything, and objects may hold more. */
static bool is_like(const json_t *v, const json_t *want)
{
    const char   *key;
    const json_t *part;
    size_t        i;
    if (json_is_null(want)) return true;
    if (json_is_array(want)) {
        if (!json_is_array(v) || json_array_size(v) != json_array_size(want)) return false;
        json_array_foreach((json_t *)want, i,
                           part) if (!is_like(json_array_get(v, i), part)) return false;
        return true;
    }
    if (!json_is_object(want)) return json_equal(v, want);
    json_object_foreach((json_t *)want, key,
                        part) if (!is_like(json_object_get(v, key), part)) return false;
    return true;
}

#define SPLIT(before)                                                                              \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"        \
    "\"" before "'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"},"     \
    "\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\",\"add_prefix_space\":"      \
    "false}]}"

/* What the transformers library writes for CLIP, and has written. */
static const struct {
    const char *key, *form[2];
} pipeline[] = {
    {"normalizer",
     {"{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"Replace\","
      "\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"},{\"type\":\"Lowercase\"}]}"}},
    {"pre_tokenizer", {SPLIT(""), SPLIT("<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|")}},
    {"post_processor",
     {"{\"type\":\"RobertaProcessing\",\"sep\":[\"<|endoftext|>\",null],"
      "\"cls\":[\"<|startoftext|>\",null]}",
      "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<|startoftext|>\"}}"
      ","
      "{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"<|endoftext|>\"}}]}"}},
};

static bool is_a_form(const json_t *v, const char *const form[2])
{
    bool like = false;
    for (int i = 0; i < 2 && form[i] && !like; i++) {
        json_t *want = json_loads(form[i], 0, NULL);
        like = is_like(v, want);
        json_decref(want);
    }
    return like;
}

static enum vlp_status refuse(const struct vlp_opening *o, const char *key)
{
    return vlp_fail(o->err, VLP_ERR_SUPPORT,
                    "%s/tokenizer.json: its '%s' is not that of CLIP's tokenizer",
                    o->source->folder, key);
}

/* Before 4.17 transformers wrote no Split; later ones refuse such a file and read merges.txt. */
static bool is_obsolete(const json_t *top)
{
    const char *type =
        json_string_value(json_object_get(json_object_get(top, "pre_tokenizer"), "type"));
    return type && strcmp(type, "ByteLevel") == 0;
}

static enum vlp_status check_pipeline(const struct vlp_opening *o, const json_t *top, bool merges)
{
    const json_t *model = json_object_get(top, "model");
    const json_t *type = json_object_get(model, "type"), *suffix = NULL, *prefix = NULL;
    if (type && (!json_is_string(type) || strcmp(json_string_value(type), "BPE") != 0))
        return refuse(o, "type");
    if (merges && is_obsolete(top)) return VLP_OK;
    suffix = json_object_get(model, "end_of_word_suffix");
    if (suffix && (!json_is_string(suffix) || strcmp(json_string_value(suffix), "</w>") != 0))
        return refuse(o, "end_of_word_suffix");
    prefix = json_object_get(model, "continuing_subword_prefix");
    if (prefix && !json_is_null(prefix) && json_string_length(prefix) > 0)
        return refuse(o, "continuing_subword_prefix");
    if (json_number_value(json_object_get(model, "dropout")) > 0) return refuse(o, "dropout");
    if (json_is_true(json_object_get(model, "ignore_merges"))) return refuse(o, "ignore_merges");
    for (size_t i = 0; i < VLP_COUNT(pipeline); i++) {
        const json_t *v = json_object_get(top, pipeline[i].key);
        if (v && !is_a_form(v, pipeline[i].form)) return refuse(o, pipeline[i].key);
    }
    return VLP_OK;
}

static const json_t *added_id(const json_t *added, const char *piece)
{
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *a = json_array_get(added, i);
        const char   *content = json_string_value(json_object_get(a, "content"));
        if (content && strcmp(content, piece) == 0) return json_object_get(a, "id");
    }
    return NULL;
}

/* Either vocab or added_tokens has them. */
static const char *const special[] = {"<|startoftext|>", "<|endoftext|>"};

static bool is_special(const char *piece)
{
    return strcmp(piece, special[0]) == 0 || strcmp(piece, special[1]) == 0;
}

/* Leave out of `text` what `m` was cut off. */
static void leave_rest(struct vlp_buf *text, const struct vlp_merges *m)
{
    const char  *header = memchr(text->data, '\n', text->len);
    const size_t used = header ? (size_t)(header + 1 - text->data) + m->len : text->len;
    if (used + 1 >= text->len) return; /* the last newline may stay */
    text->len = used;
    text->data[used] = '\0';
}

/* `theirs` and `added` (or NULL) say the ids; of more merges than pieces the rest is not used. */
static enum vlp_status check_ids(const struct vlp_opening *o, const char *file,
                                 const json_t *theirs, const json_t *added, struct vlp_buf *text)
{
    const size_t size = json_object_size(theirs);
    const size_t others = VLP_BPE_BYTE_IDS + (json_object_get(theirs, special[0]) != NULL) +
                          (json_object_get(theirs, special[1]) != NULL);
    struct vlp_merges m;
    if (size == 0) return VLP_OK;
    const size_t named = size > others ? size - others : 0;
    vlp_merges_cut(&m, text, named < VLP_CLIP_MERGES ? named : VLP_CLIP_MERGES);
    json_t         *ours = vlp_vocabulary_of(&m);
    enum vlp_status s = VLP_OK;
    const char     *piece;
    json_t         *id;
    json_object_foreach(ours, piece, id)
    {
        const json_t *said = is_special(piece) ? added_id(added, piece) : NULL;
        if (!said) said = json_object_get(theirs, piece);
        if (json_equal(said, id) || (!said && is_special(piece))) continue;
        s = said ? vlp_fail(o->err, VLP_ERR_SUPPORT,
                            "%s/%s: '%.100s' has the id %lld, but by its place it would be %lld: "
                            "ids of another order cannot be given",
                            o->source->folder, file, piece, (long long)json_integer_value(said),
                            (long long)json_integer_value(id))
                 : vlp_fail(o->err, VLP_ERR_SUPPORT,
                            "%s/%s: has no id for '%.100s', which bytes or merges make",
                            o->source->folder, file, piece);
        break;
    }
    json_decref(ours);
    if (s == VLP_OK) leave_rest(text, &m);
    vlp_merges_free(&m);
    return s;
}

/* In a text they are one id to the folder's own tokenizer. */
static void say_added(const struct vlp_opening *o, const json_t *added)
{
    for (size_t i = 0; i < json_array_size(added); i++) {
        const char *text = json_string_value(json_object_get(json_array_get(added, i), "content"));
        if (text && !is_special(text))
            vlp_opening_say(o,
                            "%s/tokenizer.json: the added token '%.100s' is not known here: a "
                            "text with it is split like any other",
                            o->source->folder, text);
    }
}

enum vlp_status vlp_vocabulary_check(const struct vlp_opening *o, struct vlp_buf *text, bool merges)
{
    json_t         *top = NULL, *vocab = NULL;
    enum vlp_status s = vlp_json_beside(&top, o->source, "tokenizer.json", o->err);
    const json_t   *added = json_object_get(top, "added_tokens");
    if (s == VLP_OK && top) {
        s = check_pipeline(o, top, merges);
        const json_t *theirs = json_object_get(json_object_get(top, "model"), "vocab");
        if (s == VLP_OK && text->len) s = check_ids(o, "tokenizer.json", theirs, added, text);
        if (s == VLP_OK) say_added(o, added);
    }
    if (s == VLP_OK && text->len) s = vlp_json_beside(&vocab, o->source, "vocab.json", o->err);
    if (s == VLP_OK) s = check_ids(o, "vocab.json", vocab, NULL, text);
    json_decref(vocab);
    json_decref(top);
    return s;
}
