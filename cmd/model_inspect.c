/*
 * model_inspect.c -- vlp-model inspect: what a model is, in words or as JSON.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model_verbs.h"

static bool as_json;

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "?";
}

static long long int_at(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static bool is_weight(const struct vlp_stored *t)
{
    return strncmp(t->name, "tokenizer.", 10) != 0;
}

/* What training moves: not the statistics that batch norms gather, nor what the model leaves alone.
 */
static bool is_parameter(const struct vlp_stored *t)
{
    static const char *const statistics[] = {".running_mean", ".running_var"};
    const size_t             n = strlen(t->name);
    for (size_t i = 0; i < VLP_COUNT(statistics); i++) {
        const size_t tail = strlen(statistics[i]);
        if (n > tail && strcmp(t->name + n - tail, statistics[i]) == 0) return false;
    }
    return !t->extra;
}

static int64_t elements(const struct vlp_stored *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->dim[i];
    return n;
}

/* Bytes and elements by storage type: "f16 (301.2 MB)"; parameters, and those of the picture tower.
 */
struct storage {
    int64_t elements[VLP_DTYPE_COUNT], bytes[VLP_DTYPE_COUNT], total, picture;
};

static struct storage count(const struct vlp_checkpoint *c)
{
    struct storage s = {0};
    for (size_t i = 0; i < c->n_tensors; i++) {
        const struct vlp_stored *t = &c->tensors[i];
        if (!is_weight(t)) continue;
        s.elements[t->dtype] += elements(t);
        s.bytes[t->dtype] += (int64_t)t->size;
        if (!is_parameter(t)) continue;
        s.total += elements(t);
        if (strncmp(t->name, "visual.", 7) == 0) s.picture += elements(t);
    }
    return s;
}

static void print_blocks(const json_t *tower)
{
    const long long layers = int_at(tower, "layers"), heads = int_at(tower, "heads");
    printf("%lld layer%s, %lld head%s, MLP %lld\n", layers, cmd_plural(layers), heads,
           cmd_plural(heads), int_at(tower, "mlp"));
}

static void print_towers(const json_t *config)
{
    const json_t *v = json_object_get(config, "vision"), *t = json_object_get(config, "text");
    if (json_is_object(v) && strcmp(text_at(v, "kind"), "resnet") == 0) {
        printf("pictures        ResNet, %lld pixels, width %lld, blocks", int_at(v, "image_size"),
               int_at(v, "width"));
        const json_t *layers = json_object_get(v, "layers");
        for (size_t i = 0; i < json_array_size(layers); i++)
            printf("%s%lld", i ? "," : " ",
                   (long long)json_integer_value(json_array_get(layers, i)));
        printf(", %lld head%s\n", int_at(v, "heads"), cmd_plural(int_at(v, "heads")));
    } else if (json_is_object(v)) {
        printf("pictures        ViT, %lld pixels, patch %lld, width %lld, ",
               int_at(v, "image_size"), int_at(v, "patch_size"), int_at(v, "width"));
        print_blocks(v);
        if (json_is_false(json_object_get(v, "ln_pre")))
            printf("                no norm before the first block\n");
        if (json_object_get(v, "pool")) printf("                pooled: %s\n", text_at(v, "pool"));
        const char *rule = text_at(v, "interpolate");
        if (strcmp(rule, "none") != 0 && *rule != '?')
            printf("positions       resampled where sizes differ, as %s does\n", rule);
    }
    if (json_is_object(t)) {
        printf("texts           context %lld, vocabulary %lld, width %lld, ", int_at(t, "context"),
               int_at(t, "vocab"), int_at(t, "width"));
        print_blocks(t);
    }
    if (json_is_false(json_object_get(t, "causal")))
        printf("                no mask, computed to the end of the context\n");
    if (json_object_get(t, "pool")) printf("                pooled: %s\n", text_at(t, "pool"));
}

static void print_preprocess(const json_t *about)
{
    static const char *const ways[][2] = {/* to a square, to another rectangle */
                                          {"shorter side to", "to cover"},
                                          {"both sides to", "sides to"},
                                          {"longer side to", "to fit into"},
                                          {"shorter side to", "shorter side to"}};
    static const char *const tails[] = {", centre crop", "", ", padded", ", multiples of 32"};
    struct vlp_preprocess    p;
    if (vlp_preprocess_of(&p, about, NULL) != VLP_OK) return;
    const int  width = p.resize_width ? p.resize_width : p.width;
    const int  height = p.resize_width ? p.resize_height : p.height;
    const bool oblong = width != height && p.resize != VLP_RESIZE_VILT;
    printf("preprocessing   %s: %s %d", text_at(json_object_get(about, "preprocess"), "flavour"),
           ways[p.resize][oblong], width);
    if (oblong) printf("x%d", height);
    printf(", %s%s", p.filter == VLP_BICUBIC ? "bicubic" : "bilinear", tails[p.resize]);
    if (p.resize_width) printf("%s to %dx%d", *tails[p.resize] ? "" : ", crop", p.width, p.height);
    printf("%s\n", p.rgb_first ? ", RGB first" : "");
    char number[6][32];
    for (int i = 0; i < 3; i++) {
        vlp_format_f32(number[i], p.mean[i]);
        vlp_format_f32(number[3 + i], p.std[i]);
    }
    printf("normalisation   mean %s %s %s, deviation %s %s %s\n", number[0], number[1], number[2],
           number[3], number[4], number[5]);
}

static void print_tensor(const struct vlp_stored *t)
{
    printf("%s\t%s\t[", t->name, t->odd ? t->odd : vlp_dtype_name(t->dtype));
    for (int i = 0; i < t->ndim; i++) printf("%s%" PRId64, i ? ", " : "", t->dim[i]);
    printf("]\n");
}

static void print_own_activation(const json_t *config, const char *tower, const char *what)
{
    const json_t *t = json_object_get(config, tower);
    if (json_object_get(t, "activation")) printf(", %s for %s", text_at(t, "activation"), what);
}

static void print_words(const char *path, const struct vlp_checkpoint *c)
{
    const json_t  *about = c->about, *config = json_object_get(about, "config");
    const json_t  *source = json_object_get(about, "source");
    const json_t  *training = json_object_get(about, "training");
    const json_t  *tokenizer = json_object_get(about, "tokenizer");
    struct storage s = count(c);
    printf("model           %s\n", path);
    printf("family          %s\n", text_at(about, "family"));
    if (source)
        printf("made from       %s (%s)\n", text_at(source, "file"), text_at(source, "layout"));
    if (training)
        printf("trained         %lld steps of %lld pairs, loss %s, %lld pictures\n",
               int_at(training, "steps"), int_at(training, "batch"), text_at(training, "loss"),
               int_at(training, "pictures"));
    print_towers(config);
    printf("activation      %s", text_at(config, "activation"));
    if (source) printf(" (by %s)", text_at(source, "activation_from"));
    print_own_activation(config, "vision", "pictures");
    print_own_activation(config, "text", "texts");
    printf("\n");
    printf("embedding       %lld numbers\n", int_at(config, "embed_dim"));
    const struct vlp_stored *scale = vlp_checkpoint_find(c, "logit_scale");
    if (scale && elements(scale) == 1) {
        float v;
        vlp_to_f32(&v, scale->data, scale->dtype, 1);
        printf("logit scale     %.6g\n", exp((double)v));
    }
    printf("parameters      %" PRId64 " (%" PRId64 " for pictures, %" PRId64 " for the rest)\n",
           s.total, s.picture, s.total - s.picture);
    printf("storage        ");
    for (int i = 0, n = 0; i < VLP_DTYPE_COUNT; i++)
        if (s.elements[i])
            printf("%s %s %.1f MB", n++ ? "," : "", vlp_dtype_name((enum vlp_dtype)i),
                   (double)s.bytes[i] / 1e6);
    printf("\n");
    print_preprocess(about);
    if (json_is_object(tokenizer))
        printf("tokenizer       %s, cleaning %s\n", text_at(tokenizer, "kind"),
               text_at(tokenizer, "cleaning"));
    else
        printf("tokenizer       none\n");
    char fingerprint[33];
    vlp_checkpoint_fingerprint(c, fingerprint);
    printf("fingerprint     %s\n", fingerprint);
    if (cmd_common.verbose > 0) {
        printf("\n");
        for (size_t i = 0; i < c->n_tensors; i++) print_tensor(&c->tensors[i]);
    }
}

static void print_json(const char *path, const struct vlp_checkpoint *c)
{
    json_t        *o = json_deep_copy(c->about);
    struct storage s = count(c);
    char           fingerprint[33];
    vlp_checkpoint_fingerprint(c, fingerprint);
    json_object_set_new(o, "file", json_string(path));
    json_object_set_new(o, "fingerprint", json_string(fingerprint));
    json_object_set_new(o, "parameters", json_integer(s.total));
    if (cmd_common.verbose > 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < c->n_tensors; i++) {
            const struct vlp_stored *t = &c->tensors[i];
            json_t                  *shape = json_array();
            for (int k = 0; k < t->ndim; k++) json_array_append_new(shape, json_integer(t->dim[k]));
            json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", t->name, "dtype",
                                                  vlp_dtype_name(t->dtype), "shape", shape));
        }
        json_object_set_new(o, "tensors", list);
    }
    char *text = json_dumps(o, JSON_COMPACT);
    printf("%s\n", text);
    free(text);
    json_decref(o);
}

/* Tensors of a file whose layout nobody knows: names as they stand there. */
static bool inspect_raw(const char *path)
{
    const struct vlp_checkpoint_options how = {.raw = true};
    struct vlp_checkpoint               c;
    if (vlp_checkpoint_open(&c, path, &how, NULL) != VLP_OK) return false;
    for (size_t i = 0; i < c.n_tensors; i++) print_tensor(&c.tensors[i]);
    vlp_checkpoint_close(&c);
    return true;
}

static int inspect(const char *path)
{
    struct vlp_checkpoint c;
    struct vlp_error      err;
    if (cmd_verb_checkpoint(&c, path, &err) != VLP_OK) {
        const int  status = cmd_fail(&err);
        const bool odd = err.status == VLP_ERR_SUPPORT || err.status == VLP_ERR_MISMATCH;
        if (odd && cmd_common.verbose > 0)
            inspect_raw(path);
        else if (odd)
            cmd_note("with -v its tensors are listed all the same");
        return status;
    }
    if (as_json)
        print_json(path, &c);
    else
        print_words(path, &c);
    vlp_checkpoint_close(&c);
    return CMD_OK;
}

static int run(int argc, char **argv)
{
    int status = CMD_OK;
    model_check_operands("MODEL", argc, argv);
    if (argc < 2) return cmd_finish(inspect(cmd_model_path()));
    for (int i = 1; i < argc; i++) {
        if (i > 1 && !as_json) printf("\n");
        const int one = inspect(argv[i]);
        if (one > status) status = one;
    }
    return cmd_finish(status);
}

/* clang-format off */
static const struct cmd_option options[] = {
    CMD_ROW(0, "json", NULL, CMD_FLAG, &as_json, NULL,
            "one JSON object per model; with -v each tensor too", .group = "Output"),
    CMD_MODEL_OPTION, CMD_COMMON_OPTIONS, CMD_LAST};
/* clang-format on */

static const char *const usage[] = {"[OPTION]... [MODEL]...", NULL};

const struct cmd_program cmd_model_inspect = {
    .name = "vlp-model inspect",
    .summary = "architecture, parameters, preprocessing, tokenizer, fingerprint",
    .usage = usage,
    .options = options,
    .notes = "With -v each tensor is listed: name, type, shape.",
    .run = run,
};
