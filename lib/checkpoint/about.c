/*
 * about.c -- is a document what vlp-model-file(5) says it is? Bounds first, so that whoever reads
 * it after us need not fear products of its numbers.
 */
#include <string.h>

#include "checkpoint_internal.h"

struct check {
    const char       *file;
    struct vlp_error *err;
};

static enum vlp_status bad(const struct check *c, const char *object, const char *key,
                           const char *what)
{
    return vlp_fail(c->err, VLP_ERR_FORMAT, "%s: '%s%s%s' %s", c->file, object, *object ? "." : "",
                    key, what);
}

/* A whole number within bounds. */
struct count_rule {
    const char *key;
    json_int_t  least, most;
};

static enum vlp_status check_counts(const struct check *c, const json_t *o, const char *object,
                                    const struct count_rule *rule, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(o, rule[i].key);
        if (!v) return bad(c, object, rule[i].key, "is missing");
        if (!json_is_integer(v) || json_integer_value(v) < rule[i].least ||
            json_integer_value(v) > rule[i].most)
            return vlp_fail(c->err, VLP_ERR_FORMAT,
                            "%s: '%s%s%s' is not a whole number from %lld to %lld", c->file, object,
                            *object ? "." : "", rule[i].key, (long long)rule[i].least,
                            (long long)rule[i].most);
    }
    return VLP_OK;
}

/* One of the words, NULL-terminated. */
static enum vlp_status check_word(const struct check *c, const json_t *o, const char *object,
                                  const char *key, const char *const *words)
{
    const char *v = json_string_value(json_object_get(o, key));
    if (!v) return bad(c, object, key, "is missing");
    for (; *words; words++)
        if (strcmp(*words, v) == 0) return VLP_OK;
    return bad(c, object, key, "is a word that is not known");
}

static const struct count_rule tower_rules[] = {{"width", 1, VLP_MAX_WIDTH},
                                                {"layers", 1, VLP_MAX_LAYERS},
                                                {"heads", 1, VLP_MAX_WIDTH},
                                                {"mlp", 1, VLP_MAX_MLP}};
static const struct count_rule text_rules[] = {{"context", 2, VLP_MAX_CONTEXT},
                                               {"vocab", 3, VLP_MAX_VOCAB}};
static const struct count_rule vit_rules[] = {{"image_size", 1, VLP_MAX_IMAGE_SIZE},
                                              {"patch_size", 1, VLP_MAX_IMAGE_SIZE}};
static const struct count_rule resnet_rules[] = {{"image_size", 32, VLP_MAX_IMAGE_SIZE},
                                                 {"width", 2, VLP_MAX_RESNET_WIDTH},
                                                 {"heads", 1, VLP_MAX_WIDTH}};
static const struct count_rule clip_rules[] = {{"embed_dim", 1, VLP_MAX_WIDTH}};

static const char *const activations[] = {"gelu", "quick_gelu", NULL};

static json_int_t count(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static enum vlp_status check_tower(const struct check *c, const json_t *o, const char *object)
{
    VLP_TRY(check_counts(c, o, object, tower_rules, VLP_COUNT(tower_rules)));
    if (count(o, "width") % count(o, "heads"))
        return bad(c, object, "heads", "does not divide the width");
    if (json_object_get(o, "activation"))
        VLP_TRY(check_word(c, o, object, "activation", activations));
    const json_t *eps = json_object_get(o, "ln_eps");
    if (!json_is_number(eps) || !(json_number_value(eps) > 0) || !(json_number_value(eps) < 1))
        return bad(c, object, "ln_eps", "is not a small positive number");
    return VLP_OK;
}

/* Pictures of one size, cut into patches: positions and attention grow with their number. */
static enum vlp_status check_patches(const struct check *c, json_int_t width, json_int_t height,
                                     json_int_t patch)
{
    const json_int_t n = (width / patch) * (height / patch);
    if (n <= VLP_MAX_PATCHES) return VLP_OK;
    return vlp_fail(c->err, VLP_ERR_LIMIT,
                    "%s: pictures of %lld x %lld pixels have %lld patches of %lld x %lld, "
                    "more than %d",
                    c->file, (long long)width, (long long)height, (long long)n, (long long)patch,
                    (long long)patch, VLP_MAX_PATCHES);
}

static enum vlp_status check_vit(const struct check *c, const json_t *o)
{
    static const char *const interpolate[] = {"none", "open_clip", "hf", NULL};
    static const char *const pools[] = {"tok", "avg", "avg_ln", NULL};
    VLP_TRY(check_tower(c, o, "config.vision"));
    VLP_TRY(check_counts(c, o, "config.vision", vit_rules, VLP_COUNT(vit_rules)));
    VLP_TRY(check_word(c, o, "config.vision", "interpolate", interpolate));
    if (json_object_get(o, "pool")) VLP_TRY(check_word(c, o, "config.vision", "pool", pools));
    if (count(o, "image_size") < count(o, "patch_size"))
        return bad(c, "config.vision", "patch_size", "is larger than the pictures");
    return check_patches(c, count(o, "image_size"), count(o, "image_size"), count(o, "patch_size"));
}

static enum vlp_status check_resnet(const struct check *c, const json_t *o)
{
    VLP_TRY(check_counts(c, o, "config.vision", resnet_rules, VLP_COUNT(resnet_rules)));
    const json_t *layers = json_object_get(o, "layers");
    if (json_array_size(layers) != 4)
        return bad(c, "config.vision", "layers", "is not a list of four");
    for (size_t i = 0; i < 4; i++) {
        const json_t *v = json_array_get(layers, i);
        if (!json_is_integer(v) || json_integer_value(v) < 1 ||
            json_integer_value(v) > VLP_MAX_RESNET_LAYERS)
            return vlp_fail(c->err, VLP_ERR_FORMAT,
                            "%s: 'config.vision.layers' is not a list of four counts from 1 to %d",
                            c->file, VLP_MAX_RESNET_LAYERS);
    }
    if (count(o, "width") % 2 || 32 * count(o, "width") % count(o, "heads"))
        return bad(c, "config.vision", "width", "is not even, or the heads do not divide it");
    /* The first of five halvings rounds up, the others down: the last map would be one larger than
     * the grid of the positions, a 32nd of the picture. */
    if (count(o, "image_size") % 32 == 31)
        return bad(c, "config.vision", "image_size", "is one less than a multiple of 32");
    if (count(o, "image_size") > VLP_MAX_RESNET_SIZE)
        return vlp_fail(c->err, VLP_ERR_LIMIT,
                        "%s: a ResNet for pictures of %lld pixels, more than %d", c->file,
                        (long long)count(o, "image_size"), VLP_MAX_RESNET_SIZE);
    return VLP_OK;
}

static enum vlp_status check_clip(const struct check *c, const json_t *config)
{
    static const char *const kinds[] = {"vit", "resnet", NULL};
    const json_t            *vision = json_object_get(config, "vision"),
                 *text = json_object_get(config, "text");
    if (!json_is_object(vision)) return bad(c, "config", "vision", "is missing");
    if (!json_is_object(text)) return bad(c, "config", "text", "is missing");
    VLP_TRY(check_counts(c, config, "config", clip_rules, VLP_COUNT(clip_rules)));
    VLP_TRY(check_word(c, config, "config", "activation", activations));
    VLP_TRY(check_word(c, vision, "config.vision", "kind", kinds));
    VLP_TRY(check_tower(c, text, "config.text"));
    VLP_TRY(check_counts(c, text, "config.text", text_rules, VLP_COUNT(text_rules)));
    static const char *const text_pools[] = {"end", "last", NULL};
    if (json_object_get(text, "pool"))
        VLP_TRY(check_word(c, text, "config.text", "pool", text_pools));
    if (json_object_get(text, "causal") && !json_is_boolean(json_object_get(text, "causal")))
        return bad(c, "config.text", "causal", "is neither true nor false");
    const struct count_rule eos = {"eos", 1, count(text, "vocab") - 1};
    if (json_object_get(text, "eos")) VLP_TRY(check_counts(c, text, "config.text", &eos, 1));
    return strcmp(json_string_value(json_object_get(vision, "kind")), "vit") == 0
               ? check_vit(c, vision)
               : check_resnet(c, vision);
}

static enum vlp_status check_three(const struct check *c, const json_t *o, const char *key,
                                   bool positive)
{
    const json_t *v = json_object_get(o, key);
    bool          fine = json_array_size(v) == 3;
    for (size_t i = 0; i < 3 && fine; i++) {
        const json_t *n = json_array_get(v, i);
        fine = json_is_number(n) && (!positive || json_number_value(n) > 0);
    }
    return fine ? VLP_OK
                : bad(c, "preprocess", key,
                      positive ? "is not three positive numbers" : "is not three numbers");
}

/* [width, height]. */
static bool is_size(const json_t *size)
{
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(size, i);
        if (json_array_size(size) != 2 || !json_is_integer(v) || json_integer_value(v) < 1 ||
            json_integer_value(v) > VLP_MAX_IMAGE_SIZE)
            return false;
    }
    return true;
}

/* Optional; the shorter side has one length. */
static enum vlp_status check_resize_to(const struct check *c, const json_t *p)
{
    const json_t *to = json_object_get(p, "resize_to");
    const char   *resize = json_string_value(json_object_get(p, "resize"));
    if (!to) return VLP_OK;
    if (!is_size(to)) return bad(c, "preprocess", "resize_to", "is not two sides of a picture");
    if (strcmp(resize, "squash") == 0) return VLP_OK;
    return strcmp(resize, "shortest") == 0 &&
                   json_equal(json_array_get(to, 0), json_array_get(to, 1))
               ? VLP_OK
               : bad(c, "preprocess", "resize_to", "does not go with this resize");
}

static enum vlp_status check_preprocess(const struct check *c, const json_t *p)
{
    static const char *const       flavours[] = {"openai", "hf",   "squash", "longest",
                                                 "square", "vilt", NULL};
    static const char *const       resizes[] = {"shortest", "squash", "longest", "vilt", NULL};
    static const char *const       filters[] = {"bicubic", "bilinear", NULL};
    static const char *const       flags[] = {"rgb_first", "crop_floor"};
    static const struct count_rule fill[] = {{"fill", 0, 255}};
    if (!json_is_object(p)) return bad(c, "", "preprocess", "is missing");
    VLP_TRY(check_word(c, p, "preprocess", "flavour", flavours));
    VLP_TRY(check_word(c, p, "preprocess", "resize", resizes));
    VLP_TRY(check_word(c, p, "preprocess", "filter", filters));
    VLP_TRY(check_counts(c, p, "preprocess", fill, 1));
    for (size_t i = 0; i < VLP_COUNT(flags); i++)
        if (!json_is_boolean(json_object_get(p, flags[i])))
            return bad(c, "preprocess", flags[i], "is neither true nor false");
    if (!is_size(json_object_get(p, "size")))
        return bad(c, "preprocess", "size", "is not two sides of a picture");
    VLP_TRY(check_resize_to(c, p));
    VLP_TRY(check_three(c, p, "mean", false));
    return check_three(c, p, "std", true);
}

/* The sides of what comes out of the preprocessing (valid), against the tower (valid) it goes into.
 */
static enum vlp_status check_clip_pictures(const struct check *c, const json_t *config,
                                           const json_t *p)
{
    enum { VILT_LEAST = 32 }; /* the shorter side of a very long picture */
    const json_t *vision = json_object_get(config, "vision"), *size = json_object_get(p, "size");
    const bool    vit = strcmp(json_string_value(json_object_get(vision, "kind")), "vit") == 0;
    const char   *rule = vit ? json_string_value(json_object_get(vision, "interpolate")) : "none";
    const json_int_t side = count(vision, "image_size");
    const json_int_t patch = vit ? count(vision, "patch_size") : 1;
    const bool       any = strcmp(rule, "none") != 0;
    if (strcmp(json_string_value(json_object_get(p, "resize")), "vilt") == 0 &&
        (strcmp(rule, "hf") != 0 || patch > VILT_LEAST))
        return bad(c, "preprocess", "resize", "makes pictures of sizes that the model cannot take");
    for (size_t i = 0; i < 2; i++) {
        const json_int_t n = json_integer_value(json_array_get(size, i));
        if (n < patch) return bad(c, "preprocess", "size", "is smaller than a patch");
        if (n != side && !any)
            return bad(c, "preprocess", "size", "is not the one that the model takes");
    }
    return any ? check_patches(c, json_integer_value(json_array_get(size, 0)),
                               json_integer_value(json_array_get(size, 1)), patch)
               : VLP_OK;
}

/* Ids of another kind than pooling and cleaning go with are of another model: so a fingerprint need
 * not say the kind. */
static enum vlp_status check_tokenizer(const struct check *c, const json_t *about)
{
    const json_t            *t = json_object_get(about, "tokenizer");
    static const char *const kinds[] = {"clip_bpe", "bert_uncased", "bert_clipa", NULL};
    static const char *const cleanings[] = {"openai", "hf", "bert", NULL};
    if (!t) return VLP_OK;
    VLP_TRY(check_word(c, t, "tokenizer", "kind", kinds));
    VLP_TRY(check_word(c, t, "tokenizer", "cleaning", cleanings));
    const char *kind = json_string_value(json_object_get(t, "kind"));
    const char *cleaning = json_string_value(json_object_get(t, "cleaning"));
    if ((strcmp(kind, "bert_clipa") == 0) != vlp_pools_last(about))
        return bad(c, "tokenizer", "kind", "does not go with config.text.pool");
    if ((strcmp(kind, "clip_bpe") == 0) == (strcmp(cleaning, "bert") == 0))
        return vlp_fail(c->err, VLP_ERR_FORMAT, "%s: 'tokenizer.cleaning' does not go with %s",
                        c->file, kind);
    return json_is_string(json_object_get(t, "tensor"))
               ? VLP_OK
               : bad(c, "tokenizer", "tensor", "is missing");
}

static const struct {
    const char *family;
    enum vlp_status (*check)(const struct check *c, const json_t *config);
    enum vlp_status (*check_pictures)(const struct check *c, const json_t *config,
                                      const json_t *preprocess);
    void (*expect)(const json_t *config, vlp_expected *expected, void *ctx);
} families[] = {{"clip", check_clip, check_clip_pictures, vlp_clip_expect}};

static size_t find_family(const json_t *about)
{
    const char *name = json_string_value(json_object_get(about, "family"));
    size_t      i = 0;
    while (i < VLP_COUNT(families) && (!name || strcmp(families[i].family, name) != 0)) i++;
    return i;
}

enum vlp_status vlp_about_validate(const json_t *about, const char *file, struct vlp_error *err)
{
    const struct check c = {file, err};
    const json_t      *family = json_object_get(about, "family");
    if (!json_is_object(about))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: the document is not a JSON object", file);
    if (!json_is_string(family)) return bad(&c, "", "family", "is missing");
    const size_t i = find_family(about);
    if (i == VLP_COUNT(families))
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: family '%.40s' is not known", file,
                        json_string_value(family));
    const json_t *config = json_object_get(about, "config");
    if (!json_is_object(config)) return bad(&c, "", "config", "is missing");
    VLP_TRY(families[i].check(&c, config));
    VLP_TRY(check_preprocess(&c, json_object_get(about, "preprocess")));
    VLP_TRY(families[i].check_pictures(&c, config, json_object_get(about, "preprocess")));
    return check_tokenizer(&c, about);
}

const char *vlp_vocabulary_tensor(const json_t *about)
{
    return json_string_value(json_object_get(json_object_get(about, "tokenizer"), "tensor"));
}

bool vlp_pools_last(const json_t *about)
{
    const json_t *text = json_object_get(json_object_get(about, "config"), "text");
    const char   *pool = json_string_value(json_object_get(text, "pool"));
    return pool && strcmp(pool, "last") == 0;
}

void vlp_about_expect(const json_t *about, vlp_expected *expected, void *ctx)
{
    const size_t i = find_family(about);
    if (i < VLP_COUNT(families))
        families[i].expect(json_object_get(about, "config"), expected, ctx);
}
