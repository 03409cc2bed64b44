/*
 * encoder.c -- everything `-m` stands for: weights, tokenizer, preprocessing, fingerprint, threads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "task_internal.h"

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* ---- preprocessing ----------------------------------------------------------------- */

static bool three_numbers(const json_t *list, float out[3])
{
    if (json_array_size(list) != 3) return false;
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_number(v)) return false;
        out[i] = (float)json_number_value(v);
    }
    return true;
}

static const char *const resizes[] = {[VLP_RESIZE_SHORTEST] = "shortest",
                                      [VLP_RESIZE_SQUASH] = "squash",
                                      [VLP_RESIZE_LONGEST] = "longest",
                                      [VLP_RESIZE_VILT] = "vilt"};

enum vlp_status vlp_preprocess_of(struct vlp_preprocess *out, const json_t *about,
                                  struct vlp_error *err)
{
    const json_t *how = json_object_get(about, "preprocess");
    const json_t *size = json_object_get(how, "size");
    const int     width = (int)json_integer_value(json_array_get(size, 0));
    const int     height = (int)json_integer_value(json_array_get(size, 1));
    const char   *flavour = text_at(how, "flavour"), *resize = text_at(how, "resize");
    if (width < 1 || height < 1 || width > VLP_IMAGE_MAX_SIDE || height > VLP_IMAGE_MAX_SIDE)
        return vlp_fail(err, VLP_ERR_FORMAT, "preprocess.size is not a picture's size");
    if (!vlp_preprocess_flavour(out, *flavour ? flavour : "openai", width))
        return vlp_fail(err, VLP_ERR_FORMAT, "unknown preprocess.flavour '%s'", flavour);
    if (*resize) {
        size_t i = 0;
        while (i < VLP_COUNT(resizes) && strcmp(resizes[i], resize) != 0) i++;
        if (i == VLP_COUNT(resizes))
            return vlp_fail(err, VLP_ERR_FORMAT, "unknown preprocess.resize '%s'", resize);
        out->resize = (enum vlp_resize)i;
    }
    const char *filter = text_at(how, "filter");
    if (strcmp(filter, "bilinear") == 0)
        out->filter = VLP_BILINEAR;
    else if (*filter && strcmp(filter, "bicubic") != 0)
        return vlp_fail(err, VLP_ERR_FORMAT, "unknown preprocess.filter '%s'", filter);
    out->width = width;
    out->height = height;
    const json_t *v;
    if ((v = json_object_get(how, "resize_to"))) {
        out->resize_width = (int)json_integer_value(json_array_get(v, 0));
        out->resize_height = (int)json_integer_value(json_array_get(v, 1));
        if (out->resize_width < 1 || out->resize_height < 1 ||
            out->resize_width > VLP_IMAGE_MAX_SIDE || out->resize_height > VLP_IMAGE_MAX_SIDE)
            return vlp_fail(err, VLP_ERR_FORMAT, "preprocess.resize_to is not a picture's size");
    }
    if ((v = json_object_get(how, "rgb_first"))) out->rgb_first = json_is_true(v);
    if ((v = json_object_get(how, "crop_floor"))) out->crop_floor = json_is_true(v);
    if ((v = json_object_get(how, "fill"))) out->fill = (uint8_t)json_integer_value(v);
    if ((v = json_object_get(how, "mean")) && !three_numbers(v, out->mean))
        return vlp_fail(err, VLP_ERR_FORMAT, "preprocess.mean is not three numbers");
    if ((v = json_object_get(how, "std")) && !three_numbers(v, out->std))
        return vlp_fail(err, VLP_ERR_FORMAT, "preprocess.std is not three numbers");
    for (int i = 0; i < 3; i++)
        if (!(out->std[i] > 0))
            return vlp_fail(err, VLP_ERR_FORMAT, "preprocess.std is not positive");
    return VLP_OK;
}

/* Does the model take pictures of other sizes than its own, down to the shortest side of vilt's? */
static bool takes_any_size(const json_t *about)
{
    const json_t *vision = json_object_get(json_object_get(about, "config"), "vision");
    return strcmp(text_at(vision, "kind"), "vit") == 0 &&
           strcmp(text_at(vision, "interpolate"), "hf") == 0 &&
           json_integer_value(json_object_get(vision, "patch_size")) <= 32;
}

enum vlp_status vlp_preprocess_override(struct vlp_preprocess *p, const char *flavour,
                                        const json_t *about, struct vlp_error *err)
{
    struct vlp_preprocess other;
    if (!vlp_preprocess_flavour(&other, flavour, p->width))
        return vlp_fail(err, VLP_ERR_USAGE, "unknown flavour '%s'", flavour);
    if (other.resize == VLP_RESIZE_VILT && !takes_any_size(about))
        return vlp_fail(err, VLP_ERR_USAGE,
                        "flavour vilt makes pictures of many sizes, and this model takes one");
    memcpy(other.mean, p->mean, sizeof other.mean);
    memcpy(other.std, p->std, sizeof other.std);
    *p = other;
    return VLP_OK;
}

/* Into `how`, about.preprocess, what a flavour decides of `p`. */
static void describe_flavour(json_t *how, const struct vlp_preprocess *p)
{
    json_t *now =
        json_pack("{s:s, s:[i, i], s:s, s:b, s:b, s:i}", "resize", resizes[p->resize], "size",
                  p->width, p->height, "filter", p->filter == VLP_BICUBIC ? "bicubic" : "bilinear",
                  "rgb_first", p->rgb_first, "crop_floor", p->crop_floor, "fill", p->fill);
    json_object_update(how, now);
    json_object_del(how, "resize_to");
    json_decref(now);
}

/* ---- vocabulary -------------------------------------------------------------------- */

/* The first row that fits. CLIPA is the CLIP that pools the last position of a text. */
static const struct {
    const char *family, *pool, *kind, *cleaning, *file;
} vocabularies[] = {
    {"clip", "last", "bert_clipa", "bert", "bert_vocab.txt"},
    /* trained on texts cleaned OpenAI's way, whoever repacked the weights */
    {"clip", NULL, "clip_bpe", "openai", "bpe_simple_vocab_16e6.txt.gz"},
    {"vilt", NULL, "bert_uncased", "bert", "bert_vocab.txt"},
    {"albef", NULL, "bert_uncased", "bert", "bert_vocab.txt"},
    {"vlmo", NULL, "bert_uncased", "bert", "bert_vocab.txt"},
};

static size_t find_vocabulary(const json_t *about)
{
    const char *family = text_at(about, "family");
    const char *pool = text_at(json_object_get(json_object_get(about, "config"), "text"), "pool");
    size_t      i = 0;
    while (i < VLP_COUNT(vocabularies) &&
           (strcmp(vocabularies[i].family, family) != 0 ||
            (vocabularies[i].pool && strcmp(vocabularies[i].pool, pool) != 0)))
        i++;
    return i;
}

json_t *vlp_tokenizer_about(const json_t *about)
{
    const size_t i = find_vocabulary(about);
    if (i == VLP_COUNT(vocabularies)) return NULL;
    return json_pack("{s:s, s:s, s:s}", "kind", vocabularies[i].kind, "cleaning",
                     vocabularies[i].cleaning, "tensor", VLP_VOCABULARY_TENSOR);
}

static const char *const cleanings[] = {
    [VLP_CLEAN_OPENAI] = "openai", [VLP_CLEAN_HF] = "hf", [VLP_CLEAN_BERT] = "bert"};

static enum vlp_status open_tokenizer(struct vlp_tokenizer **out, const json_t *about,
                                      const json_t *tokenizer, const void *vocab, size_t len,
                                      struct vlp_error *err)
{
    const json_t *text = json_object_get(json_object_get(about, "config"), "text");
    const char   *cleaning = text_at(tokenizer, "cleaning");
    size_t        i = 0;
    while (i < VLP_COUNT(cleanings) && strcmp(cleanings[i], cleaning) != 0) i++;
    if (i == VLP_COUNT(cleanings))
        return vlp_fail(err, VLP_ERR_FORMAT, "unknown tokenizer.cleaning '%s'", cleaning);
    const struct vlp_tokenizer_spec spec = {
        .kind = text_at(tokenizer, "kind"),
        .cleaning = (enum vlp_cleaning)i,
        .context = (int)json_integer_value(json_object_get(text, "context")),
        .vocab_size = (int)json_integer_value(json_object_get(text, "vocab")),
        .vocab = vocab,
        .vocab_len = len,
    };
    return vlp_tokenizer_open(out, &spec, err);
}

enum vlp_status vlp_tokenizer_of(struct vlp_tokenizer **out, const struct vlp_checkpoint *c,
                                 struct vlp_error *err)
{
    const json_t *tokenizer = json_object_get(c->about, "tokenizer");
    const char   *name = text_at(tokenizer, "tensor");
    if (!*name) /* a document may say no more than the cleaning */
        return vlp_fail(err, VLP_ERR_SUPPORT,
                        "the model carries no vocabulary, and none that was "
                        "found fits it: texts cannot be encoded");
    const struct vlp_stored *vocab = vlp_checkpoint_find(c, name);
    if (!vocab)
        return vlp_fail(err, VLP_ERR_FORMAT, "tokenizer.tensor '%s' is not in the file", name);
    return open_tokenizer(out, c->about, tokenizer, vocab->data, vocab->size, err);
}

/* `m` is untouched where there is none. */
static enum vlp_status map_vocabulary(struct vlp_map *m, struct vlp_arena *mem, const char *share,
                                      const char *file, struct vlp_error *err)
{
    static const char *const folders[] = {"vocab/", ""};
    for (size_t i = 0; i < VLP_COUNT(folders); i++) {
        const char *path = vlp_arena_printf(mem, "%s/%s%s", share, folders[i], file);
        if (vlp_file_exists(path)) return vlp_map_open(m, path, err);
    }
    return VLP_OK;
}

enum vlp_status vlp_checkpoint_add_vocabulary(struct vlp_checkpoint *c, const char *share_dir,
                                              void (*say)(void *ctx, const char *sentence),
                                              void *ctx, struct vlp_error *err)
{
    const json_t *own = json_object_get(c->about, "tokenizer");
    if (!share_dir || *text_at(own, "tensor")) return VLP_OK;
    const size_t i = find_vocabulary(c->about);
    if (i == VLP_COUNT(vocabularies)) return VLP_OK;
    struct vlp_map map = {0};
    VLP_TRY(map_vocabulary(&map, &c->mem, share_dir, vocabularies[i].file, err));
    if (!map.data) return VLP_OK;
    json_t *tokenizer = vlp_tokenizer_about(c->about);
    if (*text_at(own, "cleaning"))
        json_object_set(tokenizer, "cleaning", json_object_get(own, "cleaning"));
    struct vlp_tokenizer *fits;
    if (open_tokenizer(&fits, c->about, tokenizer, map.data, map.size, NULL) == VLP_OK) {
        vlp_tokenizer_close(fits);
        void *copy = vlp_arena_alloc(&c->mem, map.size);
        memcpy(copy, map.data, map.size);
        const struct vlp_stored vocabulary = {.name = VLP_VOCABULARY_TENSOR,
                                              .dtype = VLP_U8,
                                              .ndim = 1,
                                              .dim = {(int64_t)map.size},
                                              .data = copy,
                                              .size = map.size};
        vlp_checkpoint_add(c, &vocabulary);
        json_object_set(c->about, "tokenizer", tokenizer);
        json_object_del(c->about, "fingerprint"); /* the vocabulary is part of it */
        if (say) {
            char text[256];
            snprintf(text, sizeof text,
                     "the checkpoint carries no vocabulary: taking %s, cleaning %s",
                     vocabularies[i].file, text_at(tokenizer, "cleaning"));
            say(ctx, text);
        }
    }
    json_decref(tokenizer);
    vlp_map_close(&map);
    return VLP_OK;
}

static enum vlp_status override_cleaning(struct vlp_checkpoint *c, const char *cleaning,
                                         struct vlp_error *err)
{
    json_t *tokenizer = json_object_get(c->about, "tokenizer");
    if (!json_is_object(tokenizer) || strcmp(text_at(tokenizer, "cleaning"), cleaning) == 0)
        return VLP_OK;
    if (strcmp(text_at(tokenizer, "kind"), "clip_bpe") != 0)
        return vlp_fail(err, VLP_ERR_USAGE, "cleaning %s belongs to CLIP's tokenizer", cleaning);
    json_object_set_new(tokenizer, "cleaning", json_string(cleaning));
    json_object_del(c->about, "fingerprint"); /* another text is another vector */
    return VLP_OK;
}

/* ---- all together ------------------------------------------------------------------ */

/* Vectors of pictures seen in another way are vectors of another model: of that whose document says
 * so. */
static void fingerprint_of(struct vlp_encoder *e, bool flavoured)
{
    struct vlp_checkpoint seen = e->model.checkpoint;
    seen.about = json_deep_copy(seen.about);
    json_t *how = json_object_get(seen.about, "preprocess"), *own = json_deep_copy(how);
    if (flavoured) describe_flavour(how, &e->preprocess);
    if (!json_equal(how, own)) json_object_del(seen.about, "fingerprint");
    vlp_checkpoint_fingerprint(&seen, e->fingerprint);
    json_decref(own);
    json_decref(seen.about);
}

enum vlp_status vlp_encoder_open(struct vlp_encoder *e, const char *path,
                                 const struct vlp_encoder_options *opt, struct vlp_error *err)
{
    struct vlp_encoder                  out = {0};
    struct vlp_checkpoint               c;
    struct vlp_preprocess               own = {0};
    const struct vlp_checkpoint_options how = {
        .activation = opt->activation, .say = opt->say, .ctx = opt->ctx};
    struct vlp_pool *pool = vlp_pool_open(opt->threads);
    enum vlp_status  s = vlp_compute_init(&out.compute, pool, opt->cpu, opt->precision, err);
    if (s == VLP_OK) s = vlp_checkpoint_open(&c, path, &how, err);
    if (s != VLP_OK) {
        vlp_pool_close(pool);
        return s;
    }
    s = vlp_checkpoint_check(&c, VLP_CHECK_AT_ONCE, err);
    if (s == VLP_OK) s = vlp_checkpoint_add_vocabulary(&c, opt->share_dir, opt->say, opt->ctx, err);
    if (s == VLP_OK && opt->cleaning) s = override_cleaning(&c, opt->cleaning, err);
    if (s == VLP_OK && (s = vlp_preprocess_of(&own, c.about, err)) != VLP_OK)
        vlp_fail_in(err, "%s", path);
    out.preprocess = own;
    if (s != VLP_OK) vlp_checkpoint_close(&c);
    if (s == VLP_OK) s = vlp_model_open(&out.model, &c, err); /* owns the checkpoint from here on */
    if (s != VLP_OK) {
        vlp_pool_close(pool);
        return s;
    }
    if (opt->flavour)
        s = vlp_preprocess_override(&out.preprocess, opt->flavour, out.model.about, err);
    if (s != VLP_OK) {
        vlp_encoder_close(&out);
        return s;
    }
    fingerprint_of(&out, opt->flavour);
    out.preprocess.orient = !opt->no_orient;
    out.preprocess.grey16_sane = opt->grey16_sane;
    out.name = vlp_arena_strdup(&out.model.mem, path);
    *e = out;
    return VLP_OK;
}

enum vlp_status vlp_encoder_texts(struct vlp_encoder *e, struct vlp_error *err)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    enum vlp_status        s = VLP_OK;
    pthread_mutex_lock(&opening);
    if (!e->tokenizer) s = vlp_tokenizer_of(&e->tokenizer, &e->model.checkpoint, err);
    pthread_mutex_unlock(&opening);
    if (s != VLP_OK) vlp_fail_in(err, "%s", e->name ? e->name : "the model");
    return s;
}

void vlp_encoder_close(struct vlp_encoder *e)
{
    vlp_tokenizer_close(e->tokenizer);
    vlp_model_close(&e->model);
    vlp_pool_close(e->compute.pool);
    memset(e, 0, sizeof *e);
}
