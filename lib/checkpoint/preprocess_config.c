/*
 * preprocess_config.c -- about.preprocess from what each layout says about it.
 */
#include <string.h>

#include "checkpoint_internal.h"

static const double clip_mean[] = {0.48145466, 0.4578275, 0.40821073};
static const double clip_std[] = {0.26862954, 0.26130258, 0.27577711};

static const double imagenet_mean[] = {0.485, 0.456, 0.406};
static const double imagenet_std[] = {0.229, 0.224, 0.225};

static json_t *three(const double v[3])
{
    return json_pack("[f, f, f]", v[0], v[1], v[2]);
}

json_t *vlp_preprocess_default(const char *flavour, int64_t size)
{
    const bool hf = strcmp(flavour, "hf") == 0;
    return json_pack("{s:s, s:s, s:[I, I], s:s, s:b, s:b, s:i, s:o, s:o}", "flavour", flavour,
                     "resize", "shortest", "size", (json_int_t)size, (json_int_t)size, "filter",
                     "bicubic", "rgb_first", hf, "crop_floor", hf, "fill", 0, "mean",
                     three(clip_mean), "std", three(clip_std));
}

void vlp_preprocess_clipa(json_t *preprocess)
{
    json_object_set_new(preprocess, "resize", json_string("squash"));
    json_object_set_new(preprocess, "filter", json_string("bilinear"));
    json_object_set_new(preprocess, "mean", three(imagenet_mean));
    json_object_set_new(preprocess, "std", three(imagenet_std));
}

void vlp_preprocess_by_tag(const struct vlp_opening *o, json_t *about)
{
    json_t       *p = json_object_get(about, "preprocess");
    const json_t *vision = json_object_get(json_object_get(about, "config"), "vision");
    const bool    large = json_integer_value(json_object_get(vision, "width")) == 1024;
    if (large && vlp_tag_has(o->source, "laion2b_s32b_b82k")) {
        const double half[] = {0.5, 0.5, 0.5};
        json_object_set_new(p, "mean", three(half));
        json_object_set_new(p, "std", three(half));
        vlp_opening_say(o, "%s: mean and deviation 0.5, by the tag 'laion2b_s32b_b82k' in its name",
                        o->source->file);
    }
    if (vlp_tag_has(o->source, "dfn5b")) {
        json_object_set_new(p, "resize", json_string("squash"));
        vlp_opening_say(o, "%s: pictures are squashed to a square, by the tag 'dfn5b' in its name",
                        o->source->file);
    }
}

void vlp_own_keys_apply(json_t *about, const json_t *own)
{
    static const char *const flags[] = {"rgb_first", "crop_floor"};
    json_t                  *p = json_object_get(about, "preprocess");
    json_t                  *flavour = json_object_get(own, "flavour");
    json_t *fill = json_object_get(own, "fill"), *cleaning = json_object_get(own, "cleaning");
    if (json_is_string(flavour)) json_object_set(p, "flavour", flavour);
    if (json_is_integer(fill)) json_object_set(p, "fill", fill);
    for (size_t i = 0; i < VLP_COUNT(flags); i++) {
        json_t *v = json_object_get(own, flags[i]);
        if (json_is_boolean(v)) json_object_set(p, flags[i], v);
    }
    if (json_is_string(cleaning))
        json_object_set_new(about, "tokenizer", json_pack("{s:O}", "cleaning", cleaning));
}

json_t *vlp_own_keys_of(const struct vlp_checkpoint *c)
{
    static const char *const keys[] = {"flavour", "rgb_first", "crop_floor", "fill"};
    const json_t            *p = json_object_get(c->about, "preprocess");
    json_t                  *own = json_object();
    for (size_t i = 0; i < VLP_COUNT(keys); i++)
        json_object_set(own, keys[i], json_object_get(p, keys[i]));
    json_t *cleaning = json_object_get(json_object_get(c->about, "tokenizer"), "cleaning");
    if (cleaning && !vlp_pools_last(c->about)) /* with CLIPA's ids goes one only */
        json_object_set(own, "cleaning", cleaning);
    return own;
}

/* ---- what both kinds of files have ----------------------------------------------------------- */

struct reader {
    json_t           *out;
    const json_t     *in;
    const char       *file;
    struct vlp_error *err;
};

static enum vlp_status bad(const struct reader *r, const char *key)
{
    return vlp_fail(r->err, VLP_ERR_FORMAT, "%s: '%s' has an impossible value", r->file, key);
}

/* Three numbers, or one for all channels; absent or null keeps what is there. */
static enum vlp_status read_three(const struct reader *r, const char *from, const char *to,
                                  bool positive)
{
    const json_t *v = json_object_get(r->in, from);
    if (!v || json_is_null(v)) return VLP_OK;
    double number[3];
    for (size_t i = 0; i < 3; i++) {
        const json_t *n = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_number(n) || (json_is_array(v) && json_array_size(v) != 3))
            return bad(r, from);
        number[i] = json_number_value(n);
        if (positive && !(number[i] > 0)) return bad(r, from);
    }
    json_object_set_new(r->out, to, three(number));
    return VLP_OK;
}

static bool is_side(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 1 &&
           json_integer_value(v) <= VLP_MAX_IMAGE_SIZE;
}

/* [height, width] in files, [width, height] in ours. */
static void set_sides(const struct reader *r, const char *key, json_int_t height, json_int_t width)
{
    json_object_set_new(r->out, key, json_pack("[I, I]", width, height));
}

static void set_size(const struct reader *r, const json_t *height, const json_t *width)
{
    set_sides(r, "size", json_integer_value(height), json_integer_value(width));
}

/* A word of a table; the default when it is absent or null. Without `to` it changes nothing. */
struct word {
    const char *from, *to;
};
static enum vlp_status read_word(const struct reader *r, const char *from, const char *to,
                                 const struct word *words, size_t n)
{
    const json_t *v = json_object_get(r->in, from);
    if (!v || json_is_null(v)) return VLP_OK;
    if (!json_is_string(v)) return bad(r, from);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(json_string_value(v), words[i].from) != 0) continue;
        if (to) json_object_set_new(r->out, to, json_string(words[i].to));
        return VLP_OK;
    }
    return vlp_fail(r->err, VLP_ERR_SUPPORT, "%s: '%s' is '%.60s', which is not known", r->file,
                    from, json_string_value(v));
}

/* ---- open_clip ------------------------------------------------------------------------------- */

/* One value, or three that have to be equal where anything is filled. */
static enum vlp_status read_fill(const struct reader *r)
{
    const json_t *fill = json_object_get(r->in, "fill_color");
    const bool    list = json_is_array(fill);
    const char   *resize = json_string_value(json_object_get(r->out, "resize"));
    if (!list && !json_is_integer(fill)) return VLP_OK;
    const json_t    *first = list ? json_array_get(fill, 0) : fill;
    const json_int_t value = json_integer_value(first);
    if (!json_is_integer(first) || value < 0 || value > 255) return bad(r, "fill_color");
    for (size_t i = 1; i < json_array_size(fill); i++)
        if (!json_equal(json_array_get(fill, i), first) && resize && strcmp(resize, "longest") == 0)
            return vlp_fail(r->err, VLP_ERR_SUPPORT,
                            "%s: 'fill_color' has a value for each channel, and pictures are "
                            "padded with one for all here",
                            r->file);
    json_object_set_new(r->out, "fill", json_integer(value));
    return VLP_OK;
}

enum vlp_status vlp_preprocess_from_open_clip(json_t *preprocess, const json_t *cfg,
                                              const char *file, struct vlp_error *err)
{
    static const struct word filters[] = {
        {"bicubic", "bicubic"}, {"bilinear", "bilinear"}, {"random", "bicubic"}};
    static const struct word resizes[] = {
        {"shortest", "shortest"}, {"squash", "squash"}, {"longest", "longest"}};
    static const struct word modes[] = {{"RGB", NULL}};
    const struct reader      r = {preprocess, cfg, file, err};
    if (!cfg || json_is_null(cfg)) return VLP_OK;
    if (!json_is_object(cfg)) return bad(&r, "preprocess_cfg");
    VLP_TRY(read_three(&r, "mean", "mean", false));
    VLP_TRY(read_three(&r, "std", "std", true));
    VLP_TRY(read_word(&r, "mode", NULL, modes, VLP_COUNT(modes)));
    VLP_TRY(read_word(&r, "interpolation", "filter", filters, VLP_COUNT(filters)));
    VLP_TRY(read_word(&r, "resize_mode", "resize", resizes, VLP_COUNT(resizes)));

    VLP_TRY(read_fill(&r));
    const json_t *size = json_object_get(cfg, "size");
    if (is_side(size)) {
        set_size(&r, size, size);
    } else if (json_is_array(size)) {
        const json_t *h = json_array_get(size, json_array_size(size) > 2 ? 1 : 0);
        const json_t *w = json_array_get(size, json_array_size(size) > 2 ? 2 : 1);
        if (json_array_size(size) == 1) w = h;
        if (!is_side(h) || !is_side(w) || json_array_size(size) > 3) return bad(&r, "size");
        set_size(&r, h, w);
    } else if (size && !json_is_null(size)) {
        return bad(&r, "size");
    }
    return VLP_OK;
}

/* ---- Hugging Face ---------------------------------------------------------------------------- */

/* do_x: true when absent; null is none, as in Python. */
static bool does(const json_t *cfg, const char *key)
{
    const json_t *v = json_object_get(cfg, key);
    return !json_is_false(v) && !json_is_null(v);
}

static enum vlp_status refuse(const struct reader *r, const char *what)
{
    return vlp_fail(r->err, VLP_ERR_SUPPORT, "%s: %s, which is not done here", r->file, what);
}

struct hf_size {
    json_int_t height, width;
    bool       shortest; /* both are the shorter edge */
};

/* 224 (a square where that is the `default_to_square`), [h, w], { "shortest_edge": 224 } or
 * { "height": 224, "width": 224 }; absent or null keeps what is there. */
static enum vlp_status read_hf_size(const struct reader *r, const char *key, struct hf_size *size)
{
    const json_t *v = json_object_get(r->in, key), *height, *width;
    if (!v || json_is_null(v)) return VLP_OK;
    if (json_is_object(v)) {
        const json_t *edge = json_object_get(v, "shortest_edge");
        const json_t *longest = json_object_get(v, "longest_edge");
        if (longest && !json_is_null(longest)) return refuse(r, "a limit of the longer side");
        size->shortest = edge && !json_is_null(edge);
        height = size->shortest ? edge : json_object_get(v, "height");
        width = size->shortest ? edge : json_object_get(v, "width");
    } else if (json_is_array(v)) {
        size->shortest = false;
        height = json_array_get(v, 0);
        width = json_array_get(v, 1);
    } else {
        size->shortest = !json_is_true(json_object_get(r->in, "default_to_square"));
        height = width = v;
    }
    if (!is_side(height) || !is_side(width)) return bad(r, key);
    size->height = json_integer_value(height);
    size->width = json_integer_value(width);
    return VLP_OK;
}

/* A key that is missing has the value of CLIP's processor, whatever the model's size. */
static enum vlp_status read_hf_geometry(const struct reader *r)
{
    struct hf_size size = {224, 224, true}, crop = {224, 224, false};
    VLP_TRY(read_hf_size(r, "size", &size));
    VLP_TRY(read_hf_size(r, "crop_size", &crop));
    if (!does(r->in, "do_resize")) return refuse(r, "pictures are not resized (do_resize)");
    const json_t *pad = json_object_get(r->in, "pad_size");
    if (json_is_true(json_object_get(r->in, "do_pad")) && pad && !json_is_null(pad))
        return refuse(r, "pictures are padded (do_pad)");
    /* of KOSMOS-2, in the place of any size */
    if (json_is_true(json_object_get(r->in, "use_square_size")))
        size = (struct hf_size){224, 224, false};
    if (!does(r->in, "do_center_crop")) {
        if (size.shortest) return refuse(r, "pictures are resized but not cropped to one size");
        crop = size;
    }
    json_object_set_new(r->out, "resize", json_string(size.shortest ? "shortest" : "squash"));
    set_sides(r, "size", crop.height, crop.width);
    if (size.height != crop.height || size.width != crop.width)
        set_sides(r, "resize_to", size.height, size.width);
    return VLP_OK;
}

enum vlp_status vlp_preprocess_from_hf(json_t *preprocess, const json_t *cfg, const char *file,
                                       struct vlp_error *err)
{
    const struct reader r = {preprocess, cfg, file, err};
    if (!json_is_object(cfg)) return vlp_fail(err, VLP_ERR_FORMAT, "%s: no JSON object", file);
    VLP_TRY(read_hf_geometry(&r));

    const json_t *filter = json_object_get(cfg, "resample");
    if (filter && !json_is_null(filter)) {
        const json_int_t n = json_integer_value(filter);
        if (n != 2 && n != 3) return refuse(&r, "a 'resample' other than 2 and 3");
        json_object_set_new(preprocess, "filter", json_string(n == 3 ? "bicubic" : "bilinear"));
    }
    const json_t *factor = json_object_get(cfg, "rescale_factor");
    const double  scale = json_is_number(factor) ? json_number_value(factor) * 255.0 : 1.0;
    if (!does(cfg, "do_rescale") || !(scale > 0.999 && scale < 1.001))
        return refuse(&r, "a 'rescale_factor' other than 1/255");
    if (does(cfg, "do_normalize")) {
        VLP_TRY(read_three(&r, "image_mean", "mean", false));
        VLP_TRY(read_three(&r, "image_std", "std", true));
    } else {
        const double zero[] = {0, 0, 0}, one[] = {1, 1, 1};
        json_object_set_new(preprocess, "mean", three(zero));
        json_object_set_new(preprocess, "std", three(one));
    }
    json_object_set_new(preprocess, "rgb_first", json_boolean(does(cfg, "do_convert_rgb")));
    return VLP_OK;
}
