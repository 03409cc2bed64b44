/*
 * fingerprint.c -- one number for "the same vectors come out", and the same probabilities of them:
 * scale and bias of the logits are tensors like the others.
 *
 * XXH3-128 over, in this order:
 *   for each tensor that the model uses, by name: name, NUL, dimensions as i64, the f32 values
 *   config, sorted and compact, without "interpolate" where it has no effect
 *   of preprocess: all but "flavour" and, unless some picture is padded, "fill"
 *   the tokenizer: cleaning, and the merges that the model has rows for, or BERT's pieces
 *
 * The vocabulary that CLIP, or BERT, was released with counts as none, so that a checkpoint is the
 * same whether it carries it or not. Without a tokenizer the cleaning is OpenAI's, or of CLIPA
 * BERT's.
 */
#include <stdlib.h>
#include <string.h>

#include "checkpoint_internal.h"

enum { CHUNK = 1 << 14 }; /* values widened at a time; a multiple of VLP_Q8_0_BLOCK */

static void add_text(struct vlp_hasher *h, const char *text)
{
    vlp_hasher_add(h, text, strlen(text) + 1);
}

struct vlp_fingerprint {
    struct vlp_hasher *hasher;
    float              chunk[CHUNK];
};

struct vlp_fingerprint *vlp_fingerprint_open(const struct vlp_checkpoint *c)
{
    struct vlp_fingerprint *f = vlp_malloc(sizeof *f);
    f->hasher = vlp_hasher_open();
    add_text(f->hasher, json_string_value(json_object_get(c->about, "family")));
    return f;
}

void vlp_fingerprint_add(struct vlp_fingerprint *f, const struct vlp_stored *t)
{
    struct vlp_hasher *h = f->hasher;
    add_text(h, t->name);
    for (int i = 0; i < t->ndim; i++) {
        uint8_t dim[8];
        vlp_store_u64(dim, (uint64_t)t->dim[i]);
        vlp_hasher_add(h, dim, sizeof dim);
    }
    const size_t n = vlp_stored_numel(t);
    if (t->dtype == VLP_F32) {
        vlp_hasher_add(h, t->data, t->size);
        return;
    }
    for (size_t at = 0; at < n; at += CHUNK) {
        const size_t   count = n - at < CHUNK ? n - at : CHUNK;
        const uint8_t *from = (const uint8_t *)t->data + vlp_dtype_size(t->dtype, at);
        vlp_to_f32(f->chunk, from, t->dtype, count);
        vlp_hasher_add(h, f->chunk, count * sizeof *f->chunk);
    }
}

static void add_json(struct vlp_hasher *h, json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
    add_text(h, text);
    free(text);
    json_decref(v);
}

static json_t *effective_config(const struct vlp_checkpoint *c)
{
    json_t       *config = json_deep_copy(json_object_get(c->about, "config"));
    json_t       *vision = json_object_get(config, "vision");
    const char   *rule = json_string_value(json_object_get(vision, "interpolate"));
    const json_t *side = json_object_get(vision, "image_size");
    const json_t *seen =
        json_array_get(json_object_get(json_object_get(c->about, "preprocess"), "size"), 0);
    if (rule && (strcmp(rule, "none") == 0 || (strcmp(rule, "hf") == 0 && json_equal(side, seen))))
        json_object_del(vision, "interpolate");
    return config;
}

/* Is there a border around some picture: beside its shorter side, or where the crop is larger than
 * what it is cut out of? */
static bool is_padded(const json_t *preprocess)
{
    const char   *resize = json_string_value(json_object_get(preprocess, "resize"));
    const json_t *to = json_object_get(preprocess, "resize_to");
    const json_t *size = json_object_get(preprocess, "size");
    for (size_t i = 0; i < 2 && to; i++)
        if (json_integer_value(json_array_get(to, i)) < json_integer_value(json_array_get(size, i)))
            return true;
    return resize && strcmp(resize, "longest") == 0;
}

static json_t *effective_preprocess(const struct vlp_checkpoint *c)
{
    json_t *p = json_deep_copy(json_object_get(c->about, "preprocess"));
    json_object_del(p, "flavour");
    if (!is_padded(p)) json_object_del(p, "fill");
    return p;
}

/* Without a "tokenizer" the cleaning is that with which such models were trained. */
static const char *effective_cleaning(const struct vlp_checkpoint *c)
{
    const char *cleaning =
        json_string_value(json_object_get(json_object_get(c->about, "tokenizer"), "cleaning"));
    if (cleaning) return cleaning;
    return vlp_pools_last(c->about) ? "bert" : "openai";
}

static void add_tokenizer(struct vlp_hasher *h, const struct vlp_checkpoint *c)
{
    struct vlp_merges m;
    struct vlp_buf    pieces = {0};
    add_text(h, effective_cleaning(c));
    if (vlp_own_pieces_of(&pieces, c, NULL) == VLP_OK && pieces.len > 0)
        vlp_hasher_add(h, pieces.data, pieces.len);
    vlp_buf_free(&pieces);
    if (vlp_merges_of(&m, c, NULL) != VLP_OK) return;
    if (m.text && !vlp_merges_are_released(&m)) vlp_hasher_add(h, m.text, m.len);
    vlp_merges_free(&m);
}

void vlp_fingerprint_close(struct vlp_fingerprint *f, const struct vlp_checkpoint *c, char text[33])
{
    add_json(f->hasher, effective_config(c));
    add_json(f->hasher, effective_preprocess(c));
    add_tokenizer(f->hasher, c);
    vlp_hasher_close(f->hasher, text);
    free(f);
}

void vlp_fingerprint_compute(const struct vlp_checkpoint *c, char text[33])
{
    struct vlp_fingerprint *f = vlp_fingerprint_open(c);
    const char             *vocabulary = vlp_vocabulary_tensor(c->about);
    for (size_t i = 0; i < c->n_tensors; i++)
        if (!c->tensors[i].extra && (!vocabulary || strcmp(vocabulary, c->tensors[i].name) != 0))
            vlp_fingerprint_add(f, &c->tensors[i]);
    vlp_fingerprint_close(f, c, text);
}

void vlp_checkpoint_fingerprint(const struct vlp_checkpoint *c, char text[33])
{
    const char *known = json_string_value(json_object_get(c->about, "fingerprint"));
    if (known && strlen(known) == 32)
        memcpy(text, known, 33);
    else
        vlp_fingerprint_compute(c, text);
}
