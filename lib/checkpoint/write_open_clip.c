/*
 * write_open_clip.c -- a folder as open_clip reads it.
 */
#include <math.h>
#include <string.h>

#include "emit.h"

static json_int_t count(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

/* A ratio r with int(width * r) == mlp, as plain as can be. */
static json_t *mlp_ratio(const json_t *tower)
{
    const double width = (double)count(tower, "width"), mlp = (double)count(tower, "mlp");
    double       ratio = mlp / width;
    while (trunc(width * ratio) < mlp) ratio = nextafter(ratio, INFINITY);
    return json_real(ratio);
}

static void set_tower(json_t *out, const json_t *tower)
{
    const double eps = json_number_value(json_object_get(tower, "ln_eps"));
    json_object_set(out, "width", json_object_get(tower, "width"));
    json_object_set(out, "layers", json_object_get(tower, "layers"));
    if (count(tower, "mlp") != 4 * count(tower, "width"))
        json_object_set_new(out, "mlp_ratio", mlp_ratio(tower));
    if (eps != 1e-5) json_object_set_new(out, "norm_kwargs", json_pack("{s:f}", "eps", eps));
    if (json_is_true(json_object_get(tower, "layer_scale")))
        json_object_set_new(out, "ls_init_value", json_real(1e-5));
}

static void set_variants(json_t *out, const json_t *vision)
{
    const char *pool = json_string_value(json_object_get(vision, "pool"));
    if (json_is_false(json_object_get(vision, "ln_pre")))
        json_object_set_new(out, "no_ln_pre", json_true());
    if (!pool || strcmp(pool, "tok") == 0) return;
    json_object_set_new(out, "pool_type", json_string("avg"));
    if (strcmp(pool, "avg_ln") == 0) json_object_set_new(out, "final_ln_after_pool", json_true());
}

static json_t *vision_cfg(const json_t *vision)
{
    json_t    *out = json_object();
    const bool vit = strcmp(json_string_value(json_object_get(vision, "kind")), "vit") == 0;
    json_object_set(out, "image_size", json_object_get(vision, "image_size"));
    json_int_t width = count(vision, "width");
    if (vit) {
        set_tower(out, vision);
        json_object_set(out, "patch_size", json_object_get(vision, "patch_size"));
        set_variants(out, vision);
    } else {
        json_object_set(out, "width", json_object_get(vision, "width"));
        json_object_set(out, "layers", json_object_get(vision, "layers"));
        json_object_set_new(out, "patch_size", json_null());
        width *= 32;
    }
    if (width != 64 * count(vision, "heads"))
        json_object_set_new(out, "head_width", json_integer(width / count(vision, "heads")));
    return out;
}

/* open_clip takes CLIP's vocabulary, which it brings along, unless it is told where another is:
 * then Hugging Face's library reads it from this folder. */
static json_t *text_cfg(const json_t *text, bool own_vocabulary, bool pools_last)
{
    json_t *out = json_object();
    json_object_set(out, "context_length", json_object_get(text, "context"));
    json_object_set(out, "vocab_size", json_object_get(text, "vocab"));
    json_object_set(out, "heads", json_object_get(text, "heads"));
    set_tower(out, text);
    if (own_vocabulary) json_object_set_new(out, "hf_tokenizer_name", json_string("./"));
    if (json_is_true(json_object_get(text, "projection_bias")))
        json_object_set_new(out, "proj_bias", json_true());
    if (json_is_false(json_object_get(text, "causal")))
        json_object_set_new(out, "no_causal_mask", json_true());
    if (pools_last) {
        json_object_set_new(out, "pool_type", json_string("last"));
        json_object_set_new(out, "hf_tokenizer_name", json_string("bert-base-uncased"));
        json_object_set_new(out, "tokenizer_kwargs", json_pack("{s:b}", "strip_sep_token", 1));
    } else if (json_object_get(text, "eos")) {
        json_object_set_new(out, "pool_type", json_string("eos"));
        json_object_set(out, "eos_id", json_object_get(text, "eos"));
    }
    return out;
}

static json_t *preprocess_cfg(const json_t *p)
{
    const json_t *size = json_object_get(p, "size"), *fill = json_object_get(p, "fill");
    return json_pack("{s:O, s:O, s:O, s:O, s:O, s:[O, O]}", "mean", json_object_get(p, "mean"),
                     "std", json_object_get(p, "std"), "interpolation",
                     json_object_get(p, "filter"), "resize_mode", json_object_get(p, "resize"),
                     "fill_color", fill, "size", json_array_get(size, 1), json_array_get(size, 0));
}

static json_t *make_config(const struct vlp_checkpoint *c, bool own_vocabulary)
{
    const json_t *config = json_object_get(c->about, "config");
    const char   *act = json_string_value(json_object_get(config, "activation"));
    json_t       *model = json_pack(
              "{s:O, s:o, s:o}", "embed_dim", json_object_get(config, "embed_dim"), "vision_cfg",
              vision_cfg(json_object_get(config, "vision")), "text_cfg",
              text_cfg(json_object_get(config, "text"), own_vocabulary, vlp_pools_last(c->about)));
    if (strcmp(act, "quick_gelu") == 0) json_object_set_new(model, "quick_gelu", json_true());
    const struct vlp_stored *bias = vlp_checkpoint_find(c, "logit_bias");
    if (bias) json_object_set_new(model, "init_logit_bias", json_real(vlp_stored_scalar(bias)));
    return json_pack("{s:o, s:o, s:o}", "model_cfg", model, "preprocess_cfg",
                     preprocess_cfg(json_object_get(c->about, "preprocess")), "vlp",
                     vlp_own_keys_of(c));
}

static enum vlp_status refuse(const char *path, const char *what, struct vlp_error *err)
{
    return vlp_fail(err, VLP_ERR_SUPPORT, "%s: open_clip cannot %s", path, what);
}

/* Texts that are pooled last have the ids of BERT's vocabulary, which open_clip knows by its name;
 * a vocabulary in the folder fills texts up with another id than 0. */
static enum vlp_status check_tokenizer(const struct vlp_checkpoint *c, const char *path,
                                       struct vlp_error *err)
{
    struct vlp_buf pieces = {0};
    const json_t  *text = json_object_get(json_object_get(c->about, "config"), "text");
    if (vlp_vocabulary_is_lost(c)) return refuse(path, "express the tokenizer bert_uncased", err);
    VLP_TRY(vlp_own_pieces_of(&pieces, c, err));
    const bool own = pieces.len > 0;
    vlp_buf_free(&pieces);
    if (own) return refuse(path, "express a vocabulary of bert_clipa other than BERT's", err);
    if (json_is_false(json_object_get(text, "causal")) && vlp_vocabulary_is_own(c))
        return refuse(path, "express texts without a mask of another vocabulary than CLIP's", err);
    return VLP_OK;
}

/* open_clip gives every picture the size that the model is configured for. */
static enum vlp_status check(const struct vlp_checkpoint *c, const char *path,
                             struct vlp_error *err)
{
    const json_t *config = json_object_get(c->about, "config");
    if (json_object_get(json_object_get(config, "vision"), "activation") ||
        json_object_get(json_object_get(config, "text"), "activation"))
        return refuse(path, "express activations that differ between the towers", err);
    const json_t *p = json_object_get(c->about, "preprocess");
    if (json_object_get(p, "resize_to"))
        return refuse(path, "say that pictures are resized to one size and cropped to another",
                      err);
    VLP_TRY(check_tokenizer(c, path, err));
    const json_t *vision = json_object_get(json_object_get(c->about, "config"), "vision");
    const json_t *size = json_object_get(p, "size"), *side = json_object_get(vision, "image_size");
    if (json_equal(json_array_get(size, 0), side) && json_equal(json_array_get(size, 1), side))
        return VLP_OK;
    return refuse(path, "say that pictures have another size than the model is configured for",
                  err);
}

enum vlp_status vlp_write_open_clip(const struct vlp_checkpoint *c, const char *path,
                                    const struct vlp_convert *how, struct vlp_error *err)
{
    const bool        own = vlp_vocabulary_is_own(c);
    const char *const files[] = {"open_clip_model.safetensors",
                                 "open_clip_config.json",
                                 "vocab.json",
                                 "merges.txt",
                                 own ? "tokenizer_config.json" : NULL,
                                 NULL};
    VLP_TRY(check(c, path, err));
    const char *vocabulary = vlp_vocabulary_tensor(c->about);
    /* with a bias it is a layer, whose matrix stands the other way round */
    const bool biased = vlp_checkpoint_find(c, "text_projection.bias") != NULL;

    struct vlp_arena names;
    vlp_arena_init(&names);
    struct vlp_emit_list l = {.names = &names};
    for (size_t i = 0; i < c->n_tensors; i++) {
        const struct vlp_stored *t = &c->tensors[i];
        if (t->extra || (vocabulary && strcmp(t->name, vocabulary) == 0)) continue;
        const bool linear = biased && strcmp(t->name, "text_projection") == 0;
        vlp_emit_add(&l, linear ? "text_projection.weight" : t->name, t, vlp_emit_dtype(t, how),
                     linear, -1);
    }
    json_t           *config = make_config(c, own);
    enum vlp_status   s = vlp_emit_check(&l, path, err);
    struct vlp_folder f = {0};
    if (s == VLP_OK) s = vlp_folder_open(&f, path, files, how->force, err);
    if (s == VLP_OK) s = vlp_vocabulary_export(c, &f, err);
    if (s == VLP_OK && own) s = vlp_tokenizer_config_export(c, &f, err);
    if (s == VLP_OK) s = vlp_folder_write_json(&f, "open_clip_config.json", config, err);
    if (s == VLP_OK) s = vlp_folder_write_tensors(&f, &l, err);
    if (s == VLP_OK) s = vlp_folder_commit(&f, err);
    vlp_folder_abort(&f);
    json_decref(config);
    vlp_emit_list_free(&l);
    vlp_arena_free(&names);
    return s;
}
