/*
 * clip_config_hf.c -- the document of a CLIP in Hugging Face's layout: config.json says everything
 * but the shapes, and the shapes must agree.
 *
 * Missing keys mean B/32. In old files text_config_dict and vision_config_dict override the newer
 * objects. Without a config.json the tensors alone decide.
 */
#include <string.h>

#include "clip_config.h"

/* { ...X_config, ...X_config_dict } */
static json_t *tower_config(const json_t *config, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "%s_config", name);
    json_t       *merged = json_object();
    const json_t *base = json_object_get(config, key);
    if (json_is_object(base)) json_object_update(merged, (json_t *)base);
    snprintf(key, sizeof key, "%s_config_dict", name);
    const json_t *over = json_object_get(config, key);
    if (json_is_object(over)) json_object_update(merged, (json_t *)over);
    return merged;
}

static enum vlp_status read_tower(const struct config_file *h, json_t *tower, const json_t *config,
                                  json_int_t width, json_int_t mlp, json_int_t heads)
{
    json_int_t n;
    VLP_TRY(config_agree(h, tower, "width", config, "hidden_size", width));
    VLP_TRY(config_agree(h, tower, "layers", config, "num_hidden_layers", 12));
    VLP_TRY(config_agree(h, tower, "mlp", config, "intermediate_size", mlp));
    VLP_TRY(config_count(h, config, "num_attention_heads", heads, &n));
    json_object_set_new(tower, "heads", json_integer(n));
    const json_t *eps = json_object_get(config, "layer_norm_eps");
    if (json_is_number(eps))
        json_object_set_new(tower, "ln_eps", json_real(json_number_value(eps)));
    return VLP_OK;
}

static const char *activation_of(const json_t *config)
{
    const char *name = json_string_value(json_object_get(config, "hidden_act"));
    return name ? name : "quick_gelu";
}

static enum vlp_status check_activation(const struct config_file *h, const char *name)
{
    if (strcmp(name, "gelu") == 0 || strcmp(name, "quick_gelu") == 0) return VLP_OK;
    return vlp_fail(h->o->err, VLP_ERR_SUPPORT, "%s: hidden_act '%.40s' is not known", h->file,
                    name);
}

/* The text tower's counts for both, unless the image tower has another. */
static enum vlp_status read_activation(const struct config_file *h, json_t *about,
                                       const json_t *text, const json_t *vision)
{
    const char *a = activation_of(text), *b = activation_of(vision);
    VLP_TRY(check_activation(h, a));
    VLP_TRY(check_activation(h, b));
    const bool asked = h->o->opt && h->o->opt->activation;
    if (strcmp(a, b) != 0 && !asked)
        json_object_set_new(json_object_get(json_object_get(about, "config"), "vision"),
                            "activation", json_string(b));
    return vlp_clip_activation(h->o, about, a, "config", a);
}

/* Pictures that the patches do not divide have a rest that is in none of them. */
static enum vlp_status read_image_size(const struct config_file *h, json_t *tower,
                                       const json_t *vision)
{
    json_int_t       said;
    const json_int_t real = json_integer_value(json_object_get(tower, "image_size"));
    const json_int_t patch = json_integer_value(json_object_get(tower, "patch_size"));
    VLP_TRY(config_count(h, vision, "image_size", 224, &said));
    if (said / patch != real / patch)
        return config_agree(h, tower, "image_size", vision, "image_size", 224);
    json_object_set_new(tower, "image_size", json_integer(said));
    return VLP_OK;
}

/*
 * Texts are pooled at the end token. 2 stood in all files once and means the largest id, which the
 * end token is unless somebody has added tokens behind it.
 */
static enum vlp_status read_eos(const struct config_file *h, json_t *tower, const json_t *text)
{
    enum { OLD = 2, RELEASED = 49407 };
    const json_t    *v = json_object_get(text, "eos_token_id");
    const json_int_t vocab = json_integer_value(json_object_get(tower, "vocab"));
    json_int_t       eos = OLD;
    if (!json_is_array(v)) VLP_TRY(config_count(h, text, "eos_token_id", RELEASED, &eos));
    if (eos != OLD && eos < vocab - 1) json_object_set_new(tower, "eos", json_integer(eos));
    return VLP_OK;
}

/* Models that share names with CLIP, but compute something else. CLIPSeg's towers are CLIP's. */
static enum vlp_status check_type(const struct config_file *h, const json_t *top)
{
    const char *type = json_string_value(json_object_get(top, "model_type"));
    if (!type || strcmp(type, "clip") == 0 || strcmp(type, "clipseg") == 0) return VLP_OK;
    return vlp_fail(h->o->err, VLP_ERR_SUPPORT,
                    "%s: 'model_type' is '%.40s', which is another architecture than clip", h->file,
                    type);
}

static enum vlp_status read_config(const struct config_file *h, json_t *about, const json_t *text,
                                   const json_t *vision, const json_t *top)
{
    VLP_TRY(check_type(h, top));
    json_t *config = json_object_get(about, "config");
    json_t *tower = json_object_get(config, "text");
    VLP_TRY(read_tower(h, tower, text, 512, 2048, 8));
    VLP_TRY(config_agree(h, tower, "context", text, "max_position_embeddings", 77));
    VLP_TRY(config_agree(h, tower, "vocab", text, "vocab_size", 49408));
    VLP_TRY(read_eos(h, tower, text));
    tower = json_object_get(config, "vision");
    VLP_TRY(read_tower(h, tower, vision, 768, 3072, 12));
    VLP_TRY(config_agree(h, tower, "patch_size", vision, "patch_size", 32));
    VLP_TRY(read_image_size(h, tower, vision));
    VLP_TRY(config_agree(h, config, "embed_dim", top, "projection_dim", 512));
    return read_activation(h, about, text, vision);
}

/* preprocessor_config.json, or what newer files keep inside processor_config.json. */
static enum vlp_status read_preprocess(const struct config_file *h, json_t *about)
{
    const char *name = "preprocessor_config.json";
    json_t     *cfg = NULL, *outer = NULL;
    VLP_TRY(vlp_json_beside(&cfg, h->o->source, name, h->o->err));
    if (!cfg) {
        name = "processor_config.json";
        VLP_TRY(vlp_json_beside(&outer, h->o->source, name, h->o->err));
        json_t *inner = json_object_get(outer, "image_processor");
        if (json_is_object(inner)) cfg = json_incref(inner);
        json_decref(outer);
    }
    json_t         *p = json_object_get(about, "preprocess");
    enum vlp_status s = VLP_OK;
    if (cfg) {
        s = vlp_preprocess_from_hf(
            p, cfg, vlp_path_join(h->o->source->mem, h->o->source->folder, name), h->o->err);
        vlp_own_keys_apply(about, json_object_get(cfg, "vlp"));
    } else {
        vlp_opening_say(h->o, "%s: no preprocessor_config.json: taking CLIP's constants",
                        h->o->source->file);
    }
    json_decref(cfg);
    return s;
}

enum vlp_status vlp_clip_config_hf(const struct vlp_opening *o, json_t *about, const json_t *top)
{
    const struct config_file h = {o,
                                  vlp_path_join(o->source->mem, o->source->folder, "config.json")};
    if (!json_is_object(top))
        return vlp_fail(o->err, VLP_ERR_FORMAT, "%s: not a JSON object", h.file);
    json_t               *text = tower_config(top, "text"), *vision = tower_config(top, "vision");
    const enum vlp_status s = read_config(&h, about, text, vision, top);
    json_decref(text);
    json_decref(vision);
    return s;
}

/* No config.json: the tensors alone. */
static enum vlp_status describe_bare(const struct vlp_opening *o, json_t *about)
{
    const json_t    *vision = json_object_get(json_object_get(about, "config"), "vision");
    const json_int_t heads = json_integer_value(json_object_get(vision, "heads"));
    vlp_opening_say(o, "%s: no config.json: %lld head%s in the vision tower, by its width",
                    o->source->file, (long long)heads, heads == 1 ? "" : "s");
    return vlp_clip_activation(o, about, NULL, NULL, "quick_gelu");
}

/* Hugging Face does this only when asked; the pictures' size asks here. */
static void say_interpolation(const struct vlp_opening *o, const json_t *about, json_int_t side)
{
    const json_t    *size = json_object_get(json_object_get(about, "preprocess"), "size");
    const json_int_t width = json_integer_value(json_array_get(size, 0));
    const json_int_t height = json_integer_value(json_array_get(size, 1));
    if (width != side || height != side)
        vlp_opening_say(o,
                        "%s: pictures of %lld x %lld for a model of %lld: the positions are "
                        "resampled",
                        o->source->file, (long long)width, (long long)height, (long long)side);
}

enum vlp_status vlp_clip_describe_hf(struct vlp_opening *o, json_t *about)
{
    json_t *config = NULL, *top = NULL;
    VLP_TRY(vlp_clip_derive(&config, o));
    json_object_set_new(about, "config", config);
    VLP_TRY(config_check_vocabulary(o, about));
    json_t *vision = json_object_get(config, "vision");
    json_object_set_new(vision, "interpolate", json_string("hf"));

    const struct config_file h = {o, NULL};
    VLP_TRY(vlp_json_beside(&top, o->source, "config.json", o->err));
    enum vlp_status s = top ? vlp_clip_config_hf(o, about, top) : describe_bare(o, about);
    json_decref(top);
    const json_int_t side = json_integer_value(json_object_get(vision, "image_size"));
    json_object_set_new(about, "preprocess", vlp_preprocess_default("hf", side));
    if (s == VLP_OK) s = read_preprocess(&h, about);
    if (s == VLP_OK) say_interpolation(o, about, side);
    return s == VLP_OK ? vlp_vocabulary_import(o, about, true) : s;
}
