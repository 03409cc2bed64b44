/*
 * write_hf.c -- a folder as Hugging Face's CLIPModel, CLIPImageProcessor and CLIPTokenizer read it.
 *
 * Names go back by the table that they came in by.
 */
#include <string.h>

#include "emit.h"

/* Every rule whose target the canonical name is: one, or three for stacked projections. */
static size_t emit_tensor(struct vlp_emit_list *l, const struct vlp_stored *t,
                          const struct vlp_convert *how)
{
    const enum vlp_dtype dtype = vlp_emit_dtype(t, how);
    size_t               n = 0;
    char                 name[512];
    for (const struct vlp_name_rule *r = vlp_layout_clip_hf.rules; r->from; r++) {
        if (r->action == VLP_MAP_DROP || r->action == VLP_MAP_REFUSE ||
            !vlp_name_match(name, sizeof name, r->to, r->from, t->name))
            continue;
        const bool part = r->action >= VLP_MAP_Q && r->action <= VLP_MAP_V;
        vlp_emit_add(l, name, t, dtype, r->action == VLP_MAP_TRANSPOSE,
                     part ? (int)(r->action - VLP_MAP_Q) : -1);
        n++;
        if (!part) break;
    }
    return n;
}

/* All that the model uses; the vocabulary goes into files of its own. */
static enum vlp_status emit_all(struct vlp_emit_list *l, const struct vlp_checkpoint *c,
                                const char *path, const struct vlp_convert *how,
                                struct vlp_error *err)
{
    const char *vocabulary = vlp_vocabulary_tensor(c->about);
    for (size_t i = 0; i < c->n_tensors; i++) {
        const struct vlp_stored *t = &c->tensors[i];
        if (t->extra || (vocabulary && strcmp(t->name, vocabulary) == 0)) continue;
        if (emit_tensor(l, t, how) == 0)
            return vlp_fail(err, VLP_ERR_SUPPORT,
                            "%s: Hugging Face's layout has no place for the tensor '%.100s'", path,
                            t->name);
    }
    return VLP_OK;
}

static void set_tower(json_t *out, const json_t *tower, const char *act)
{
    static const char *const keys[][2] = {{"hidden_size", "width"},
                                          {"intermediate_size", "mlp"},
                                          {"num_hidden_layers", "layers"},
                                          {"num_attention_heads", "heads"},
                                          {"layer_norm_eps", "ln_eps"}};
    for (size_t i = 0; i < VLP_COUNT(keys); i++)
        json_object_set(out, keys[i][0], json_object_get(tower, keys[i][1]));
    const char *own = json_string_value(json_object_get(tower, "activation"));
    json_object_set_new(out, "hidden_act", json_string(own ? own : act));
}

static json_t *make_config(const struct vlp_checkpoint *c, const char *dtype)
{
    const json_t *config = json_object_get(c->about, "config");
    const json_t *text = json_object_get(config, "text"),
                 *vision = json_object_get(config, "vision");
    const json_t    *embed = json_object_get(config, "embed_dim");
    const char      *act = json_string_value(json_object_get(config, "activation"));
    const json_int_t vocab = json_integer_value(json_object_get(text, "vocab"));
    const json_t    *given = json_object_get(text, "eos");
    const json_int_t eos = given ? json_integer_value(given) : vocab - 1;
    json_t *t = json_pack("{s:s, s:O, s:O, s:O, s:I, s:I, s:I}", "model_type", "clip_text_model",
                          "vocab_size", json_object_get(text, "vocab"), "max_position_embeddings",
                          json_object_get(text, "context"), "projection_dim", embed, "bos_token_id",
                          eos - 1, "eos_token_id", eos, "pad_token_id", eos);
    json_t *v = json_pack("{s:s, s:O, s:O, s:O, s:i}", "model_type", "clip_vision_model",
                          "image_size", json_object_get(vision, "image_size"), "patch_size",
                          json_object_get(vision, "patch_size"), "projection_dim", embed,
                          "num_channels", 3);
    set_tower(t, text, act);
    set_tower(v, vision, act);
    return json_pack("{s:[s], s:s, s:O, s:f, s:s, s:o, s:o}", "architectures", "CLIPModel",
                     "model_type", "clip", "projection_dim", embed, "logit_scale_init_value",
                     2.6592, "torch_dtype", dtype, "text_config", t, "vision_config", v);
}

/* The type of all tensors but numbers alone, which are f32 beside any other; of types that are
 * mixed float32, which holds what the halves do. */
static const char *torch_dtype(const struct vlp_emit_list *l)
{
    static const char *const name[VLP_DTYPE_COUNT] = {[VLP_F32] = "float32",
                                                      [VLP_F16] = "float16",
                                                      [VLP_BF16] = "bfloat16",
                                                      [VLP_F64] = "float64"};
    enum vlp_dtype           all = VLP_DTYPE_COUNT;
    for (size_t i = 0; i < l->n; i++) {
        const struct vlp_stored *head = &l->item[i].head;
        const enum vlp_dtype     t = head->dtype;
        if (vlp_stored_numel(head) == 1) continue;
        if (name[t]) all = all == VLP_DTYPE_COUNT || all == t ? t : VLP_F32;
    }
    return all == VLP_DTYPE_COUNT ? name[VLP_F32] : name[all];
}

static json_t *make_preprocessor(const struct vlp_checkpoint *c)
{
    const json_t *p = json_object_get(c->about, "preprocess"), *size = json_object_get(p, "size");
    const json_t *width = json_array_get(size, 0), *height = json_array_get(size, 1);
    const json_t *to = json_object_get(p, "resize_to");
    const bool    squash = strcmp(json_string_value(json_object_get(p, "resize")), "squash") == 0;
    const bool    bicubic = strcmp(json_string_value(json_object_get(p, "filter")), "bicubic") == 0;
    const json_t *across = to ? json_array_get(to, 0) : width;
    const json_t *down = to ? json_array_get(to, 1) : height;
    json_t       *resized = squash ? json_pack("{s:O, s:O}", "height", down, "width", across)
                                   : json_pack("{s:O}", "shortest_edge", across);
    return json_pack("{s:s, s:b, s:o, s:i, s:b, s:{s:O, s:O}, s:b, s:f, s:b, s:O, s:O, s:b, s:o}",
                     "image_processor_type", "CLIPImageProcessor", "do_resize", 1, "size", resized,
                     "resample", bicubic ? 3 : 2, "do_center_crop", !squash || to, "crop_size",
                     "height", height, "width", width, "do_rescale", 1, "rescale_factor",
                     1.0 / 255.0, "do_normalize", 1, "image_mean", json_object_get(p, "mean"),
                     "image_std", json_object_get(p, "std"), "do_convert_rgb", 1, "vlp",
                     vlp_own_keys_of(c));
}

static enum vlp_status refuse(const char *path, const char *what, struct vlp_error *err)
{
    return vlp_fail(err, VLP_ERR_SUPPORT, "%s: Hugging Face's layout cannot express %s", path,
                    what);
}

/* open_clip's rule resamples where the stored grid, or the pictures, have another size than the
 * model is configured for; else it says nothing. */
static bool is_resampled(const struct vlp_checkpoint *c, const json_t *vision)
{
    const char   *rule = json_string_value(json_object_get(vision, "interpolate"));
    const json_t *side = json_object_get(vision, "image_size");
    const json_t *size = json_object_get(json_object_get(c->about, "preprocess"), "size");
    if (!rule || strcmp(rule, "open_clip") != 0) return false;
    const json_int_t grid =
        json_integer_value(side) / json_integer_value(json_object_get(vision, "patch_size"));
    const struct vlp_stored *position = vlp_checkpoint_find(c, "visual.positional_embedding");
    return position->dim[0] != 1 + grid * grid || !json_equal(json_array_get(size, 0), side) ||
           !json_equal(json_array_get(size, 1), side);
}

static enum vlp_status check(const struct vlp_checkpoint *c, const char *path,
                             struct vlp_error *err)
{
    const json_t *config = json_object_get(c->about, "config"),
                 *text = json_object_get(config, "text");
    const json_t *vision = json_object_get(config, "vision");
    const json_t *p = json_object_get(c->about, "preprocess");
    const char   *resize = json_string_value(json_object_get(p, "resize"));
    if (strcmp(json_string_value(json_object_get(vision, "kind")), "vit") != 0)
        return refuse(path, "a ResNet", err);
    if (json_is_true(json_object_get(vision, "layer_scale")) ||
        json_is_true(json_object_get(text, "layer_scale")))
        return refuse(path, "layer scale", err);
    if (json_is_false(json_object_get(vision, "ln_pre")))
        return refuse(path, "an image tower without ln_pre", err);
    if (json_object_get(vision, "pool") &&
        strcmp(json_string_value(json_object_get(vision, "pool")), "tok") != 0)
        return refuse(path, "an image tower that pools its patches", err);
    if (json_is_false(json_object_get(text, "causal")))
        return refuse(path, "a text tower without a mask", err);
    if (vlp_pools_last(c->about))
        return refuse(path, "a text tower that pools its last position", err);
    if (vlp_vocabulary_is_lost(c)) return refuse(path, "the tokenizer bert_uncased", err);
    if (json_is_true(json_object_get(text, "projection_bias")))
        return refuse(path, "a bias of the text projection", err);
    if (is_resampled(c, vision)) return refuse(path, "open_clip's resampling of positions", err);
    if (strcmp(resize, "shortest") != 0 && strcmp(resize, "squash") != 0)
        return refuse(path, "padding to the longer side", err);
    const struct vlp_stored *position = vlp_checkpoint_find(c, "positional_embedding");
    if (position->dim[0] != json_integer_value(json_object_get(text, "context")))
        return refuse(path, "resampled text positions", err);
    return VLP_OK;
}

enum vlp_status vlp_write_hf(const struct vlp_checkpoint *c, const char *path,
                             const struct vlp_convert *how, struct vlp_error *err)
{
    static const char *const files[] = {"model.safetensors",
                                        "config.json",
                                        "preprocessor_config.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "tokenizer_config.json",
                                        NULL};
    VLP_TRY(check(c, path, err));
    struct vlp_arena names;
    vlp_arena_init(&names);
    struct vlp_emit_list l = {.names = &names};
    enum vlp_status      s = emit_all(&l, c, path, how, err);
    json_t              *config = make_config(c, torch_dtype(&l));
    json_t              *preprocessor = make_preprocessor(c);
    if (s == VLP_OK) s = vlp_emit_check(&l, path, err);
    struct vlp_folder f = {0};
    if (s == VLP_OK) s = vlp_folder_open(&f, path, files, how->force, err);
    if (s == VLP_OK) s = vlp_vocabulary_export(c, &f, err);
    if (s == VLP_OK) s = vlp_tokenizer_config_export(c, &f, err);
    if (s == VLP_OK) s = vlp_folder_write_json(&f, "preprocessor_config.json", preprocessor, err);
    if (s == VLP_OK) s = vlp_folder_write_json(&f, "config.json", config, err);
    if (s == VLP_OK) s = vlp_folder_write_tensors(&f, &l, err);
    if (s == VLP_OK) s = vlp_folder_commit(&f, err);
    vlp_folder_abort(&f);
    json_decref(config);
    json_decref(preprocessor);
    vlp_emit_list_free(&l);
    vlp_arena_free(&names);
    return s;
}
