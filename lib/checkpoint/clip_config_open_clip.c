/*
 * clip_config_open_clip.c -- the document of a CLIP with OpenAI's names: TorchScript archives,
 * open_clip folders with open_clip_config.json, bare files.
 *
 * Missing keys take open_clip's defaults. A configuration that lies beside a file given by its own
 * name is used only if it describes that file: by the shapes of the tensors, for anything else may
 * lie there.
 */
#include <math.h>
#include <string.h>

#include "clip_config.h"

#define CONFIG "open_clip_config.json"

struct open_clip {
    struct config_file in;
    const json_t      *vision, *text, *top; /* of model_cfg */
};

/* 224, or a list of two that are the same. */
static enum vlp_status read_side(const struct open_clip *c, const char *key, json_int_t missing,
                                 json_int_t *out)
{
    const json_t *v = json_object_get(c->vision, key);
    if (!json_is_array(v)) return config_count(&c->in, c->vision, key, missing, out);
    *out = json_integer_value(json_array_get(v, 0));
    if (json_array_size(v) == 2 && json_integer_value(json_array_get(v, 1)) == *out && *out >= 1 &&
        *out <= VLP_MAX_IMAGE_SIZE)
        return VLP_OK;
    return vlp_fail(c->in.o->err, VLP_ERR_SUPPORT, "%s: '%s' is not a square", c->in.file, key);
}

/*
 * Keys that ask for another model, unless they are absent, null, false, an empty object or `fine`.
 * "linear" is what the projection is anyway.
 */
static const struct {
    bool        vision;
    const char *key, *fine;
} switches[] = {
    {true, "timm_model_name", NULL}, {true, "attentional_pool", NULL},
    {true, "input_patchnorm", NULL}, {false, "hf_model_name", NULL},
    {false, "embed_cls", NULL},      {false, "proj_type", "linear"},
};
/* The same for both towers. */
static const char *const block_switches[] = {
    "attn_type",        "qk_norm",    "scaled_cosine_attn", "scale_heads",
    "scale_attn_inner", "scale_attn", "scale_fc",           "act_kwargs",
};

static bool is_off(const json_t *v)
{
    return !v || json_is_null(v) || json_is_false(v) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

static enum vlp_status refuse_switch(const struct open_clip *c, const char *key)
{
    return vlp_fail(c->in.o->err, VLP_ERR_SUPPORT, "%s: '%s' asks for another architecture",
                    c->in.file, key);
}

static bool is_word(const json_t *v, const char *word)
{
    return json_is_string(v) && strcmp(json_string_value(v), word) == 0;
}

/* CLIPA's texts: BERT's ids without [SEP], padded, pooled at the last position. */
static bool is_clipa(const struct open_clip *c)
{
    const json_t *kwargs = json_object_get(c->text, "tokenizer_kwargs");
    return is_word(json_object_get(c->text, "hf_tokenizer_name"), "bert-base-uncased") &&
           json_is_true(json_object_get(kwargs, "strip_sep_token")) &&
           is_word(json_object_get(c->text, "pool_type"), "last");
}

/* "./" is the vocabulary in the folder of the file, which is read whether or not the file names it.
 * Arguments of a tokenizer that cleans or cuts texts in its own way are refused. Hugging Face's,
 * which a name asks for, is given whole texts. */
static enum vlp_status check_tokenizer(const struct open_clip *c)
{
    const json_t *name = json_object_get(c->text, "hf_tokenizer_name"), *part;
    const json_t *v = json_object_get(c->text, "tokenizer_kwargs");
    const bool    named = !is_off(name), clipa = is_clipa(c);
    const char   *key;
    bool          plain = is_off(v) || json_is_object(v);
    if (named && !clipa && !is_word(name, "./"))
        return vlp_fail(c->in.o->err, VLP_ERR_SUPPORT,
                        "%s: 'hf_tokenizer_name' asks for the tokenizer '%.60s', which is not here",
                        c->in.file, json_is_string(name) ? json_string_value(name) : "");
    json_object_foreach((json_t *)v, key, part) plain &=
        is_off(part) || is_word(part, "") || (clipa && strcmp(key, "strip_sep_token") == 0) ||
        (strcmp(key, "clean") == 0 &&
         ((is_word(part, "lower") && !clipa) || (named && is_word(part, "whitespace"))));
    return plain ? VLP_OK
                 : vlp_fail(c->in.o->err, VLP_ERR_SUPPORT,
                            "%s: 'tokenizer_kwargs' asks for another tokenizer", c->in.file);
}

static enum vlp_status check_switches(const struct open_clip *c)
{
    for (size_t i = 0; i < VLP_COUNT(switches); i++) {
        const json_t *v =
            json_object_get(switches[i].vision ? c->vision : c->text, switches[i].key);
        if (is_off(v)) continue;
        if (switches[i].fine && is_word(v, switches[i].fine)) continue;
        return refuse_switch(c, switches[i].key);
    }
    for (size_t i = 0; i < VLP_COUNT(block_switches); i++)
        if (!is_off(json_object_get(c->vision, block_switches[i])) ||
            !is_off(json_object_get(c->text, block_switches[i])))
            return refuse_switch(c, block_switches[i]);
    return check_tokenizer(c);
}

/* Which of the words `key` says; the first when it says nothing. */
static enum vlp_status read_choice(const struct open_clip *c, const json_t *o, const char *key,
                                   const char *const *words, size_t n, size_t *out)
{
    const json_t *v = json_object_get(o, key);
    const char   *said = json_string_value(v);
    for (*out = 0; *out < n; ++*out)
        if (!v || json_is_null(v) || (said && strcmp(said, words[*out]) == 0)) return VLP_OK;
    return refuse_switch(c, key);
}

static void read_eps(json_t *tower, const json_t *config)
{
    const json_t *eps = json_object_get(json_object_get(config, "norm_kwargs"), "eps");
    if (json_is_number(eps))
        json_object_set_new(tower, "ln_eps", json_real(json_number_value(eps)));
}

/* open_clip rounds down: head_width 40 makes two heads of a width of 96. */
static enum vlp_status set_heads(const struct open_clip *c, json_t *tower, json_int_t width,
                                 json_int_t head)
{
    const json_int_t n = width / head;
    if (n < 1 || width % n)
        return vlp_fail(c->in.o->err, VLP_ERR_FORMAT,
                        "%s: 'head_width' %lld makes no whole heads of the width %lld", c->in.file,
                        (long long)head, (long long)width);
    json_object_set_new(tower, "heads", json_integer(n));
    return VLP_OK;
}

static enum vlp_status read_pool(const struct open_clip *c, json_t *tower)
{
    static const char *const words[] = {"tok", "avg"};
    size_t                   avg;
    VLP_TRY(read_choice(c, c->vision, "pool_type", words, VLP_COUNT(words), &avg));
    if (!avg) return VLP_OK;
    const bool late = !is_off(json_object_get(c->vision, "final_ln_after_pool"));
    json_object_set_new(tower, "pool", json_string(late ? "avg_ln" : "avg"));
    return VLP_OK;
}

static bool is_vit(const json_t *tower)
{
    return strcmp(json_string_value(json_object_get(tower, "kind")), "vit") == 0;
}

static enum vlp_status read_vit(const struct open_clip *c, json_t *tower)
{
    json_int_t       size, head;
    const json_int_t width = json_integer_value(json_object_get(tower, "width"));
    VLP_TRY(config_count(&c->in, c->vision, "head_width", 64, &head));
    VLP_TRY(set_heads(c, tower, width, head));
    VLP_TRY(read_pool(c, tower));
    json_object_del(tower, "ln_pre");
    if (!is_off(json_object_get(c->vision, "no_ln_pre")))
        json_object_set_new(tower, "ln_pre", json_false());
    read_eps(tower, c->vision);
    const json_t *ratio = json_object_get(c->vision, "mlp_ratio");
    const double  mlp =
        trunc((double)width * (json_is_number(ratio) ? json_number_value(ratio) : 4));
    if (mlp != (double)json_integer_value(json_object_get(tower, "mlp")))
        return vlp_fail(c->in.o->err, VLP_ERR_MISMATCH,
                        "%s: 'mlp_ratio' makes %.0f hidden units, but the tensors of %s have %lld",
                        c->in.file, mlp, c->in.o->source->file,
                        (long long)json_integer_value(json_object_get(tower, "mlp")));
    VLP_TRY(read_side(c, "image_size", 224, &size));
    const json_int_t patch = json_integer_value(json_object_get(tower, "patch_size"));
    if (size / patch != json_integer_value(json_object_get(tower, "image_size")) / patch)
        json_object_set_new(tower, "interpolate", json_string("open_clip"));
    json_object_set_new(tower, "image_size", json_integer(size));
    return VLP_OK;
}

static enum vlp_status read_resnet(const struct open_clip *c, json_t *tower)
{
    json_int_t size, head;
    VLP_TRY(read_side(c, "image_size", 224, &size));
    if (size / 32 != json_integer_value(json_object_get(tower, "image_size")) / 32)
        return vlp_fail(c->in.o->err, VLP_ERR_MISMATCH,
                        "%s: 'image_size' %lld does not fit the positions of %s", c->in.file,
                        (long long)size, c->in.o->source->file);
    json_object_set_new(tower, "image_size", json_integer(size));
    VLP_TRY(config_count(&c->in, c->vision, "head_width", 64, &head));
    const json_int_t width = 32 * json_integer_value(json_object_get(tower, "width"));
    return set_heads(c, tower, width, head);
}

static enum vlp_status read_text(const struct open_clip *c, json_t *tower)
{
    json_int_t n;
    VLP_TRY(config_count(&c->in, c->text, "heads", 8, &n));
    json_object_set_new(tower, "heads", json_integer(n));
    VLP_TRY(config_count(&c->in, c->text, "context_length", 77, &n));
    json_object_set_new(tower, "context", json_integer(n));
    read_eps(tower, c->text);

    enum { ARGMAX, EOS, LAST };
    static const char *const words[] = {"argmax", "eos", "last"};
    size_t                   pool;
    VLP_TRY(read_choice(c, c->text, "pool_type", words, VLP_COUNT(words), &pool));
    /* what a text is padded with is told to no other tokenizer */
    if (pool == LAST && !is_clipa(c)) return refuse_switch(c, "pool_type");
    if (pool == LAST) json_object_set_new(tower, "pool", json_string("last"));
    if (!is_off(json_object_get(c->text, "no_causal_mask"))) {
        /* the folder's own tokenizer fills texts up with another id than 0, which is seen */
        if (pool != LAST && !is_off(json_object_get(c->text, "hf_tokenizer_name")))
            return refuse_switch(c, "no_causal_mask");
        json_object_set_new(tower, "causal", json_false());
    }
    if (pool != EOS) return VLP_OK;
    VLP_TRY(config_count(&c->in, c->text, "eos_id", 2, &n));
    /* the largest id is meant where none is said: one model, one fingerprint */
    if (n != json_integer_value(json_object_get(tower, "vocab")) - 1)
        json_object_set_new(tower, "eos", json_integer(n));
    return VLP_OK;
}

static enum vlp_status check_shapes(const struct open_clip *c, const json_t *config)
{
    const json_t *text = json_object_get(config, "text"),
                 *vision = json_object_get(config, "vision");
    json_int_t patch;
    VLP_TRY(config_agree(&c->in, config, "embed_dim", c->top, "embed_dim", 512));
    VLP_TRY(config_agree(&c->in, text, "width", c->text, "width", 512));
    VLP_TRY(config_agree(&c->in, text, "layers", c->text, "layers", 12));
    VLP_TRY(config_agree(&c->in, text, "vocab", c->text, "vocab_size", 49408));
    if (is_vit(vision)) {
        VLP_TRY(config_agree(&c->in, vision, "width", c->vision, "width", 768));
        VLP_TRY(config_agree(&c->in, vision, "layers", c->vision, "layers", 12));
        VLP_TRY(read_side(c, "patch_size", 16, &patch));
        return config_agree_with(&c->in, vision, "patch_size", "patch_size", patch);
    }
    VLP_TRY(config_agree(&c->in, vision, "width", c->vision, "width", 64));
    if (json_equal(json_object_get(c->vision, "layers"), json_object_get(vision, "layers")))
        return VLP_OK;
    return vlp_fail(c->in.o->err, VLP_ERR_MISMATCH, "%s: 'layers' does not fit the tensors of %s",
                    c->in.file, c->in.o->source->file);
}

/* `config` is changed only by what the file says beyond the tensors' shapes. */
static enum vlp_status read_model(const struct open_clip *c, json_t *config)
{
    json_t *vision = json_object_get(config, "vision");
    if (!json_is_object(c->vision) || !json_is_object(c->text))
        return vlp_fail(c->in.o->err, VLP_ERR_FORMAT,
                        "%s: no model_cfg with vision_cfg and text_cfg", c->in.file);
    VLP_TRY(check_switches(c));
    VLP_TRY(check_shapes(c, config));
    VLP_TRY(read_text(c, json_object_get(config, "text")));
    return is_vit(vision) ? read_vit(c, vision) : read_resnet(c, vision);
}

/*
 * Does what failed with `s` describe another model than the tensors are? What we cannot do is
 * refused only where all shapes are those of the file: causal masks and such leave no tensor. The
 * towers of other libraries leave others.
 */
static bool is_of_another(const struct open_clip *c, const json_t *config, enum vlp_status s)
{
    if (s != VLP_ERR_SUPPORT) return s == VLP_ERR_MISMATCH || s == VLP_ERR_FORMAT;
    return !is_off(json_object_get(c->vision, "timm_model_name")) ||
           !is_off(json_object_get(c->text, "hf_model_name")) || check_shapes(c, config) != VLP_OK;
}

static enum vlp_status fail_with(const struct vlp_opening *o, const struct vlp_error *why)
{
    return vlp_fail(o->err, why->status, "%s", why->text);
}

static void say_not_used(const struct vlp_opening *o, const struct vlp_error *why)
{
    vlp_opening_say(o, "%s: " CONFIG " beside it describes another model: not used (%s)",
                    o->source->file, why->text);
}

/* The configuration file, applied to about; *used is false where there is none for this file. */
enum vlp_status vlp_clip_config_open_clip(const struct vlp_opening *o, json_t *about,
                                          const json_t *top, bool *used)
{
    struct vlp_error   why;
    struct vlp_opening asked = *o;
    asked.err = &why;
    const json_t          *model = json_object_get(top, "model_cfg");
    const struct open_clip c = {{&asked, vlp_path_join(o->source->mem, o->source->folder, CONFIG)},
                                json_object_get(model, "vision_cfg"),
                                json_object_get(model, "text_cfg"),
                                model};
    json_t                *config = json_deep_copy(json_object_get(about, "config"));
    *used = false;
    const enum vlp_status s = read_model(&c, config);
    if (s != VLP_OK) {
        json_decref(config);
        const struct vlp_error first = why; /* the question below may fail as well */
        if (o->source->is_folder || !is_of_another(&c, json_object_get(about, "config"), s))
            return fail_with(o, &first);
        say_not_used(o, &first);
        return VLP_OK;
    }
    *used = true;
    json_object_set_new(about, "config", config);
    const char *act = json_is_true(json_object_get(model, "quick_gelu")) ? "quick_gelu" : "gelu";
    VLP_TRY(vlp_clip_activation(o, about, act, "config", act));

    const json_t *side = json_object_get(json_object_get(config, "vision"), "image_size");
    json_t       *p = vlp_preprocess_default("openai", json_integer_value(side));
    json_object_set_new(about, "preprocess", p);
    VLP_TRY(vlp_preprocess_from_open_clip(p, json_object_get(top, "preprocess_cfg"), c.in.file,
                                          o->err));
    /* open_clip gives the pictures the model's side whatever the file says */
    json_object_set_new(p, "size", json_pack("[O, O]", side, side));
    vlp_own_keys_apply(about, json_object_get(top, "vlp"));
    return VLP_OK;
}

/*
 * OpenAI's own loader builds QuickGELU from any bare state dict, so that is the guess; but S, M,
 * B-plus, H, g, bigG and e were published by open_clip alone, as GELU for the most part.
 */
static bool is_open_clips_alone(json_int_t vision_width)
{
    static const int width[] = {384, 512, 896, 1280, 1408, 1664, 1792};
    for (size_t i = 0; i < VLP_COUNT(width); i++)
        if (vision_width == width[i]) return true;
    return false;
}

/*
 * CLIPA's towers are the ones without ln_pre that open_clip published, with BERT's ids in rows of
 * 32000. What else they differ in leaves no tensor.
 */
static bool take_for_clipa(const struct vlp_opening *o, json_t *about)
{
    json_t *config = json_object_get(about, "config");
    json_t *vision = json_object_get(config, "vision"), *text = json_object_get(config, "text");
    if (!json_is_false(json_object_get(vision, "ln_pre")) ||
        json_integer_value(json_object_get(text, "vocab")) != 32000)
        return false;
    json_object_set_new(vision, "pool", json_string("avg_ln"));
    json_object_set_new(text, "pool", json_string("last"));
    json_object_set_new(text, "causal", json_false());
    vlp_opening_say(o,
                    "%s: taken for CLIPA, having no ln_pre: patches are averaged, texts have no "
                    "mask and BERT's ids, pictures are squashed to a square",
                    o->source->file);
    return true;
}

static enum vlp_status describe_bare(struct vlp_opening *o, json_t *about)
{
    const bool       script = o->source->container == VLP_CONTAINER_SCRIPT;
    const json_t    *vision = json_object_get(json_object_get(about, "config"), "vision");
    const json_int_t width = json_integer_value(json_object_get(vision, "width"));
    const json_int_t heads = json_integer_value(json_object_get(vision, "heads"));
    VLP_TRY(config_check_vocabulary(o, about));
    json_object_set_new(about, "preprocess",
                        vlp_preprocess_default(
                            "openai", json_integer_value(json_object_get(vision, "image_size"))));
    if (!script) {
        vlp_opening_say(o, "%s: no " CONFIG ": the configuration is taken from the tensors' shapes",
                        o->source->file);
        if (json_is_string(json_object_get(vision, "interpolate")) && width != 64 * heads)
            vlp_opening_say(o, "%s: %lld head%s of %lld in the vision tower, by its width %lld",
                            o->source->file, (long long)heads, heads == 1 ? "" : "s",
                            (long long)(width / heads), (long long)width);
    }
    const bool clipa = !script && take_for_clipa(o, about);
    if (clipa) vlp_preprocess_clipa(json_object_get(about, "preprocess"));
    VLP_TRY(vlp_clip_activation(o, about, script ? "quick_gelu" : NULL, "layout",
                                clipa || is_open_clips_alone(width) ? "gelu" : "quick_gelu"));
    vlp_preprocess_by_tag(o, about);
    return VLP_OK;
}

/* OpenAI's archives carry three numbers that must be those of the shapes. */
static enum vlp_status check_hints(const struct vlp_opening *o, const json_t *config)
{
    static const struct {
        const char *name, *tower, *key;
    } hints[] = {{"input_resolution", "vision", "image_size"},
                 {"context_length", "text", "context"},
                 {"vocab_size", "text", "vocab"}};
    for (size_t i = 0; i < VLP_COUNT(hints); i++) {
        const struct vlp_stored *t = vlp_origin_find(o->source, hints[i].name);
        if (!t || t->ndim != 0) continue;
        const json_t *v = json_object_get(json_object_get(config, hints[i].tower), hints[i].key);
        if (vlp_stored_scalar(t) != (double)json_integer_value(v))
            return vlp_fail(o->err, VLP_ERR_MISMATCH, "%s: '%s' is %.0f, but the tensors have %lld",
                            o->source->file, hints[i].name, vlp_stored_scalar(t),
                            (long long)json_integer_value(v));
    }
    return VLP_OK;
}

/* A file that is no JSON is nobody's configuration. */
static enum vlp_status read_beside(json_t **top, const struct vlp_opening *o)
{
    struct vlp_error      why;
    const enum vlp_status s = vlp_json_beside(top, o->source, CONFIG, &why);
    if (s == VLP_OK) return VLP_OK;
    if (o->source->is_folder || s == VLP_ERR_IO) return fail_with(o, &why);
    say_not_used(o, &why);
    return VLP_OK;
}

enum vlp_status vlp_clip_describe_openai(struct vlp_opening *o, json_t *about)
{
    json_t *config = NULL, *top = NULL;
    bool    used = false;
    VLP_TRY(vlp_clip_derive(&config, o));
    json_object_set_new(about, "config", config);
    VLP_TRY(check_hints(o, config));
    if (o->source->container == VLP_CONTAINER_SCRIPT)
        json_object_set_new(json_object_get(about, "source"), "layout", json_string("openai"));
    else
        VLP_TRY(read_beside(&top, o));
    enum vlp_status s = top ? vlp_clip_config_open_clip(o, about, top, &used) : VLP_OK;
    json_decref(top);
    if (s == VLP_OK && !used) s = describe_bare(o, about);
    return s == VLP_OK ? vlp_vocabulary_import(o, about, false) : s;
}
