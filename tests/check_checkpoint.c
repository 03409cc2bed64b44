/*
 * check_checkpoint.c -- every released layout to one form and back, and damaged files by name.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vlp/checkpoint.h>
#include <vlp/tensor.h>

#include "checkpoint/emit.h"
#include "checkpoint_build.h"

#define GOLDEN "tests/golden/clip/"

static struct vlp_error err;

struct said {
    struct vlp_buf all;
};
static void listen(void *ctx, const char *sentence)
{
    struct said *s = ctx;
    vlp_buf_printf(&s->all, "%s\n", sentence);
}

static void open_ok(struct vlp_checkpoint *c, const char *path,
                    const struct vlp_checkpoint_options *opt)
{
    ck_assert_msg(vlp_checkpoint_open(c, path, opt, &err) == VLP_OK, "%s: %s", path, err.text);
}

/* about.a.b.c as text. */
static const char *text_at(const struct vlp_checkpoint *c, const char *path)
{
    static char   number[40];
    const json_t *v = c->about;
    char          copy[128], *save = NULL;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *p = strtok_r(copy, ".", &save); p; p = strtok_r(NULL, ".", &save))
        v = json_object_get(v, p);
    if (json_is_string(v)) return json_string_value(v);
    if (json_is_number(v))
        snprintf(number, sizeof number, "%g", json_number_value(v));
    else
        snprintf(number, sizeof number, "%s",
                 json_is_true(v)    ? "true"
                 : json_is_false(v) ? "false"
                                    : "none");
    return number;
}

static bool same_values(const struct vlp_stored *a, const struct vlp_stored *b)
{
    struct vlp_arena mem;
    if (!vlp_stored_shape_is(a, b->ndim, b->dim)) return false;
    vlp_arena_init(&mem);
    const bool same =
        memcmp(vlp_stored_f32(&mem, a), vlp_stored_f32(&mem, b), 4 * vlp_stored_numel(a)) == 0;
    vlp_arena_free(&mem);
    return same;
}

/* ---- the golden folders ------------------------------------------------------------ */

static const struct golden {
    const char *path, *layout, *activation, *activation_from, *flavour;
    int         n_tensors, vision_heads, text_heads, image_size;
} golden[] = {
    {"hf-bin", "hf", "quick_gelu", "config", "hf", 62, 4, 4, 32},
    {"hf-gelu-sharded", "hf", "gelu", "config", "hf", 62, 4, 4, 32},
    {"hf-quick", "hf", "quick_gelu", "config", "hf", 62, 4, 4, 32},
    {"interp-hf", "hf", "quick_gelu", "config", "hf", 62, 4, 4, 32},
    {"interp-openclip", "open_clip", "quick_gelu", "config", "openai", 62, 1, 4, 56},
    {"legacy-nonzip", "open_clip", "quick_gelu", "default", "openai", 62, 1, 1, 32},
    {"openai-resnet", "openai", "quick_gelu", "layout", "openai", 149, 4, 1, 64},
    {"openai-vit/model.pt", "openai", "quick_gelu", "layout", "openai", 62, 1, 1, 32},
    {"openclip-clipa", "open_clip", "gelu", "config", "openai", 60, 2, 2, 32},
    {"openclip-customtext", "open_clip", "gelu", "config", "openai", 62, 1, 4, 32},
    {"openclip-gelu", "open_clip", "gelu", "config", "openai", 62, 2, 4, 32},
    {"openclip-quick", "open_clip", "quick_gelu", "config", "openai", 62, 1, 4, 32},
    {"statedict-bf16", "open_clip", "quick_gelu", "default", "openai", 62, 1, 1, 32},
    {"statedict-module", "open_clip", "quick_gelu", "default", "openai", 62, 1, 1, 32},
    {"end-to-end/model", "hf", "quick_gelu", "config", "hf", 63, 2, 2, 64},
};

START_TEST(every_released_layout_opens_with_canonical_names)
{
    const struct golden  *g = &golden[_i];
    struct vlp_checkpoint c;
    char                  path[256];
    snprintf(path, sizeof path, GOLDEN "%s", g->path);
    open_ok(&c, path, NULL);
    ck_assert_str_eq(text_at(&c, "source.layout"), g->layout);
    ck_assert_str_eq(text_at(&c, "config.activation"), g->activation);
    ck_assert_str_eq(text_at(&c, "source.activation_from"), g->activation_from);
    ck_assert_str_eq(text_at(&c, "preprocess.flavour"), g->flavour);
    ck_assert_int_eq(atoi(text_at(&c, "config.vision.heads")), g->vision_heads);
    ck_assert_int_eq(atoi(text_at(&c, "config.text.heads")), g->text_heads);
    ck_assert_int_eq(atoi(text_at(&c, "config.vision.image_size")), g->image_size);
    ck_assert_int_eq((int)c.n_tensors, g->n_tensors);
    ck_assert_ptr_nonnull(vlp_checkpoint_find(&c, "logit_scale"));
    ck_assert_int_eq(vlp_checkpoint_find(&c, "logit_scale")->ndim, 0);
    ck_assert_ptr_nonnull(vlp_checkpoint_find(&c, "transformer.resblocks.1.attn.in_proj_weight"));
    ck_assert_ptr_null(vlp_checkpoint_find(&c, "input_resolution"));
    for (size_t i = 0; i < c.n_tensors; i++) {
        ck_assert(!c.tensors[i].extra);
        ck_assert(i == 0 || strcmp(c.tensors[i - 1].name, c.tensors[i].name) < 0);
    }
    ck_assert_uint_eq(vlp_checkpoint_verify(&c, NULL, NULL, NULL), 0);
    vlp_checkpoint_close(&c);
}
END_TEST

START_TEST(open_clip_configuration_is_read_to_the_last_key)
{
    struct vlp_checkpoint c;
    open_ok(&c, GOLDEN "openclip-gelu", NULL);
    ck_assert_str_eq(text_at(&c, "config.vision.mlp"), "349"); /* int(80 * 4.3637) */
    ck_assert_str_eq(text_at(&c, "preprocess.resize"), "squash");
    ck_assert_double_eq(json_number_value(json_array_get(
                            json_object_get(json_object_get(c.about, "preprocess"), "mean"), 2)),
                        0.5);
    vlp_checkpoint_close(&c);
    open_ok(&c, GOLDEN "interp-openclip", NULL);
    ck_assert_str_eq(text_at(&c, "config.vision.interpolate"), "open_clip");
    ck_assert_int_eq(vlp_checkpoint_find(&c, "visual.positional_embedding")->dim[0], 17);
    vlp_checkpoint_close(&c);
    struct said                   said = {0};
    struct vlp_checkpoint_options opt = {.say = listen, .ctx = &said};
    open_ok(&c, GOLDEN "interp-hf", &opt);
    ck_assert_ptr_nonnull(strstr(said.all.data, "56 x 56 for a model of 32"));
    vlp_buf_free(&said.all);
    ck_assert_str_eq(text_at(&c, "config.vision.interpolate"), "hf");
    ck_assert_int_eq((int)json_integer_value(json_array_get(
                         json_object_get(json_object_get(c.about, "preprocess"), "size"), 0)),
                     56);
    vlp_checkpoint_close(&c);
}
END_TEST

START_TEST(hugging_face_projections_are_stacked_and_transposed)
{
    struct vlp_checkpoint               c, raw;
    const struct vlp_checkpoint_options as_it_is = {.raw = true};
    open_ok(&c, GOLDEN "hf-quick", NULL);
    open_ok(&raw, GOLDEN "hf-quick", &as_it_is);
    ck_assert_ptr_null(raw.about);
    static const char *const part[] = {"q_proj", "k_proj", "v_proj"};
    const struct vlp_stored *qkv =
        vlp_checkpoint_find(&c, "visual.transformer.resblocks.1.attn.in_proj_weight");
    ck_assert(vlp_stored_shape_is(qkv, 2, (int64_t[]){192, 64}));
    for (int i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof name, "vision_model.encoder.layers.1.self_attn.%s.weight", part[i]);
        const struct vlp_stored *t = vlp_checkpoint_find(&raw, name);
        ck_assert(memcmp((const char *)qkv->data + (size_t)i * t->size, t->data, t->size) == 0);
    }
    const struct vlp_stored *p = vlp_checkpoint_find(&c, "text_projection");
    const struct vlp_stored *w = vlp_checkpoint_find(&raw, "text_projection.weight");
    const float             *a = p->data, *b = w->data;
    ck_assert(vlp_stored_shape_is(p, 2, (int64_t[]){64, 32}));
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 32; j++) ck_assert_float_eq(a[i * 32 + j], b[j * 64 + i]);
    vlp_checkpoint_close(&c);
    vlp_checkpoint_close(&raw);
}
END_TEST

/* The colour of the border is part of a model exactly where pictures may have a border. */
static const struct {
    const char *resize;
    int         to[2]; /* 0: absent; the pictures have 32 x 32 */
    bool        padded;
} borders[] = {
    {"shortest", {0, 0}, false},   {"squash", {0, 0}, false},     {"longest", {0, 0}, true},
    {"shortest", {36, 36}, false}, {"shortest", {32, 32}, false}, {"shortest", {28, 28}, true},
    {"squash", {36, 33}, false},   {"squash", {36, 31}, true},    {"squash", {31, 36}, true},
};

START_TEST(fill_counts_where_pictures_are_padded)
{
    struct vlp_checkpoint c;
    char                  black[33], white[33];
    open_ok(&c, GOLDEN "statedict-module", NULL);
    json_t *p = json_object_get(c.about, "preprocess");
    json_object_set_new(p, "resize", json_string(borders[_i].resize));
    if (borders[_i].to[0])
        json_object_set_new(p, "resize_to",
                            json_pack("[i, i]", borders[_i].to[0], borders[_i].to[1]));
    json_object_set_new(p, "fill", json_integer(0));
    vlp_checkpoint_fingerprint(&c, black);
    json_object_set_new(p, "fill", json_integer(255));
    vlp_checkpoint_fingerprint(&c, white);
    ck_assert_int_eq(strcmp(black, white) != 0, borders[_i].padded);
    vlp_checkpoint_close(&c);
}
END_TEST

START_TEST(containers_of_the_same_weights_agree)
{
    struct vlp_checkpoint a, b;
    char                  fa[33], fb[33];
    open_ok(&a, GOLDEN "statedict-module", NULL);
    open_ok(&b, GOLDEN "legacy-nonzip", NULL);
    for (size_t i = 0; i < a.n_tensors; i++) {
        ck_assert_str_eq(a.tensors[i].name, b.tensors[i].name);
        ck_assert(same_values(&a.tensors[i], &b.tensors[i]));
    }
    vlp_checkpoint_fingerprint(&a, fa);
    vlp_checkpoint_fingerprint(&b, fb);
    ck_assert_str_eq(fa, fb);
    vlp_checkpoint_close(&b);
    /* bf16 is the same weights, rounded */
    open_ok(&b, GOLDEN "statedict-bf16", NULL);
    for (size_t i = 0; i < a.n_tensors; i++) {
        const struct vlp_stored *x = &a.tensors[i], *y = &b.tensors[i];
        ck_assert_int_eq(y->dtype, VLP_BF16);
        for (size_t k = 0; k < vlp_stored_numel(x); k++)
            ck_assert_uint_eq(vlp_f32_to_bf16(((const float *)x->data)[k]),
                              ((const uint16_t *)y->data)[k]);
    }
    vlp_checkpoint_close(&a);
    vlp_checkpoint_close(&b);
}
END_TEST

/* ---- what was chosen is said ------------------------------------------------------- */

/* A folder of its own with a link to golden weights under another name. */
static void link_as(char path[4096], const char *target, const char *name)
{
    char real[4096];
    ck_assert_ptr_nonnull(realpath(target, real));
    build_file(path, name, "", 0);
    unlink(path);
    ck_assert_int_eq(symlink(real, path), 0);
}

static void write_beside(const char *path, const char *name, const char *text)
{
    char file[8192];
    snprintf(file, sizeof file, "%.*s%s", (int)(vlp_path_base(path) - path), path, name);
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static const char *folder_of(const char *path)
{
    static char folder[4096];
    snprintf(folder, sizeof folder, "%.*s", (int)(vlp_path_base(path) - path), path);
    return folder;
}

static const struct {
    const char *name, *activation, *from;
} tags[] = {
    {"ViT-B-32-openai.safetensors", "quick_gelu", "tag"},
    {"vit_b_16-laion400m_e32-55e67d44.safetensors", "gelu", "tag"},
    {"vit_b_32-quickgelu-laion400m_e32-46683a32.safetensors", "quick_gelu", "tag"},
    {"rn50-quickgelu-yfcc15m-455df137.safetensors", "quick_gelu", "tag"},
    {"rn101-yfcc15m.safetensors", "quick_gelu", "tag"},
    {"RN50.cc12m.safetensors", "quick_gelu", "tag"},
    {"b16_metaclip_400m.safetensors", "quick_gelu", "tag"},
    {"h14-MetaCLIP-FullCC.safetensors", "quick_gelu", "tag"},
    {"h14_metaclip_altogether.safetensors", "gelu", "tag"},
    {"metaclip-b32-400m.safetensors", "quick_gelu", "tag"},
    {"metaclip-h14-fullcc2.5b.safetensors", "quick_gelu", "tag"},
    {"metaclip_h14_altogether.safetensors", "gelu", "tag"},
    {"vit-b-16-dfn2b.safetensors", "quick_gelu", "tag"},
    {"vit-b-16-dfn2b_s39b.safetensors", "gelu", "tag"},
    {"vit-h-14-dfn5b.safetensors", "quick_gelu", "tag"},
    {"CLIP-ViT-B-16-laion2B-s34B-b88K.safetensors", "gelu", "tag"},
    {"ViT-B-16-DataComp.XL-s13B-b90K.safetensors", "gelu", "tag"},
    {"weights.safetensors", "quick_gelu", "default"},
};

START_TEST(the_tag_in_a_name_decides_the_activation_and_is_said)
{
    struct vlp_checkpoint         c;
    struct said                   said = {0};
    struct vlp_checkpoint_options opt = {.say = listen, .ctx = &said};
    char                          path[4096];
    link_as(path, GOLDEN "openclip-quick/open_clip_model.safetensors", tags[_i].name);
    open_ok(&c, path, &opt);
    ck_assert_str_eq(text_at(&c, "config.activation"), tags[_i].activation);
    ck_assert_str_eq(text_at(&c, "source.activation_from"), tags[_i].from);
    ck_assert_ptr_nonnull(strstr(said.all.data, tags[_i].activation));
    if (strcmp(tags[_i].from, "default") == 0)
        ck_assert_ptr_nonnull(strstr(said.all.data, "WARNING"));
    if (strstr(tags[_i].name, "dfn5b"))
        ck_assert_str_eq(text_at(&c, "preprocess.resize"), "squash");
    vlp_checkpoint_close(&c);
    opt.activation = strcmp(tags[_i].activation, "gelu") == 0 ? "quick_gelu" : "gelu";
    open_ok(&c, path, &opt);
    ck_assert_str_eq(text_at(&c, "config.activation"), opt.activation);
    ck_assert_str_eq(text_at(&c, "source.activation_from"), "option");
    vlp_checkpoint_close(&c);
    opt.activation = "swish";
    ck_assert_int_eq(vlp_checkpoint_open(&c, path, &opt, &err), VLP_ERR_USAGE);
    vlp_buf_free(&said.all);
    build_remove(path);
}
END_TEST

START_TEST(a_configuration_beside_a_bare_file_counts_if_it_describes_it)
{
    static const char *const other =
        "{\"model_cfg\":{\"embed_dim\":512,\"vision_cfg\":{\"patch_size\":32},\"text_cfg\":{}}}";
    struct vlp_checkpoint         c;
    struct said                   said = {0};
    struct vlp_checkpoint_options opt = {.say = listen, .ctx = &said};
    open_ok(&c, GOLDEN "openclip-quick/open_clip_model.safetensors", NULL);
    ck_assert_str_eq(text_at(&c, "source.activation_from"), "config");
    vlp_checkpoint_close(&c);
    char path[4096];
    link_as(path, GOLDEN "openclip-quick/open_clip_model.safetensors", "x.safetensors");
    write_beside(path, "open_clip_config.json", other);
    open_ok(&c, path, &opt);
    ck_assert_str_eq(text_at(&c, "source.activation_from"), "default");
    ck_assert_ptr_nonnull(strstr(said.all.data, "another model"));
    vlp_checkpoint_close(&c);
    /* in a folder, what lies together belongs together */
    ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, "embed_dim"));
    vlp_buf_free(&said.all);
    build_remove(path);
}
END_TEST

/* The tensors of a golden file, with one changed by the test, written plainly. */
static void rewrite(char file[4096], const struct vlp_stored *t, size_t n)
{
    struct vlp_output o;
    build_file(file, "model.safetensors", "", 0);
    ck_assert_int_eq(vlp_output_open(&o, file, true, &err), VLP_OK);
    ck_assert_int_eq(vlp_safetensors_write(&o, t, n, NULL, &err), VLP_OK);
    ck_assert_int_eq(vlp_output_commit(&o, &err), VLP_OK);
}

/* ---- configuration from shapes alone ----------------------------------------------- */

struct making {
    struct vlp_stored_list list;
    struct vlp_arena       mem;
};

static void make_tensor(void *ctx, const char *name, int ndim, const int64_t *dim, bool optional)
{
    struct making    *m = ctx;
    struct vlp_stored t = {.name = vlp_arena_strdup(&m->mem, name), .dtype = VLP_F16, .ndim = ndim};
    if (optional) return;
    for (int i = 0; i < ndim; i++) t.dim[i] = dim[i] < 0 ? 12 : dim[i];
    t.size = vlp_dtype_size(t.dtype, vlp_stored_numel(&t));
    t.data = vlp_arena_calloc(&m->mem, 1, t.size);
    vlp_stored_list_add(&m->list, &t);
}

/* A file of zeros with the shapes of a ViT of this width and patch, and one tensor more. */
static void make_model(char path[4096], const char *name, int width, int patch, const char *more)
{
    struct making m = {0};
    vlp_arena_init(&m.mem);
    json_t *about = json_pack(
        "{s:s, s:{s:i, s:{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:s}, s:{s:i, s:i, s:i, s:i, s:i}}}",
        "family", "clip", "config", "embed_dim", 32, "vision", "kind", "vit", "image_size",
        2 * patch, "patch_size", patch, "width", width, "layers", 1, "heads", 1, "mlp", 24,
        "interpolate", "none", "text", "context", 12, "vocab", 600, "width", 128, "layers", 1,
        "mlp", 512);
    vlp_about_expect(about, make_tensor, &m);
    if (more) make_tensor(&m, more, 1, (int64_t[]){3}, false);
    rewrite(path, m.list.item, m.list.n);
    char renamed[4096];
    snprintf(renamed, sizeof renamed, "%.2000s%.200s", folder_of(path), name);
    ck_assert_int_eq(rename(path, renamed), 0);
    memcpy(path, renamed, sizeof renamed);
    json_decref(about);
    vlp_stored_list_free(&m.list);
    vlp_arena_free(&m.mem);
}

static const struct {
    const char *name, *activation, *resize;
    int         width, patch, heads;
    double      mean;
} bare[] = {
    {"h.safetensors", "gelu", "shortest", 1280, 14, 16, 0.48145466},
    {"g.safetensors", "gelu", "shortest", 1408, 14, 16, 0.48145466},
    {"bigG.safetensors", "gelu", "shortest", 1664, 14, 16, 0.48145466},
    {"e.safetensors", "gelu", "shortest", 1792, 14, 16, 0.48145466},
    {"l-laion2b_s32b_b82k.safetensors", "gelu", "shortest", 1024, 14, 16, 0.5},
    {"CLIP-ViT-L-14-laion2B-s32B-b82K.safetensors", "gelu", "shortest", 1024, 14, 16, 0.5},
    {"b-laion2b_s32b_b82k.safetensors", "gelu", "shortest", 768, 32, 12, 0.48145466},
    {"vit_b_32-laion400m_e31.safetensors", "quick_gelu", "shortest", 768, 32, 12, 0.48145466},
    {"vit_b_16-laion400m_e31.safetensors", "gelu", "shortest", 768, 16, 12, 0.48145466},
    {"plus-240.safetensors", "gelu", "shortest", 896, 16, 14, 0.48145466},
    {"vit-h-14-dfn5b.safetensors", "quick_gelu", "squash", 1280, 14, 16, 0.48145466},
};

#define CLIPA_IDS                                                                                  \
    ",\"hf_tokenizer_name\":\"bert-base-uncased\",\"tokenizer_kwargs\":{\"strip_sep_token\":true}"
#define OPEN_CLIP(vision, text)                                                                    \
    "{\"model_cfg\":{\"embed_dim\":32,\"vision_cfg\":{\"image_size\":32,\"layers\":2,\"width\":"   \
    "64,"                                                                                          \
    "\"patch_size\":8" vision "},\"text_cfg\":{\"context_length\":12,\"vocab_size\":600,"          \
    "\"width\":64,\"heads\":4,\"layers\":2" text "}}}"

/* x.safetensors is a ViT of width 64 with OpenAI's names. */
static const struct {
    const char     *config;
    enum vlp_status lone, folder; /* opened by its name; as a folder */
} beside[] = {
    {"{\"model_cfg\":{\"embed_dim\":32,\"vision_cfg\":{\"timm_model_name\":\"vit_tiny\"},"
     "\"text_cfg\":{}}}",
     VLP_OK, VLP_ERR_SUPPORT},
    {OPEN_CLIP(",\"timm_model_name\":\"x\"", ""), VLP_OK, VLP_ERR_SUPPORT},
    {OPEN_CLIP("", ",\"hf_model_name\":\"x\""), VLP_OK, VLP_ERR_SUPPORT},
    {"{\"architecture\":\"vit_tiny\",\"num_classes\":0}", VLP_OK, VLP_ERR_FORMAT},
    {"{\"model_cfg\":{\"embed_dim\":512,\"vision_cfg\":{\"attentional_pool\":true},"
     "\"text_cfg\":{}}}",
     VLP_OK, VLP_ERR_SUPPORT},
    {"[]", VLP_OK, VLP_ERR_FORMAT},
    {"no JSON", VLP_OK, VLP_ERR_FORMAT},
    /* it is this file's, by all shapes, and asks for what no tensor would show */
    {OPEN_CLIP("", ",\"pool_type\":\"last\""), VLP_ERR_SUPPORT, VLP_ERR_SUPPORT},
};

START_TEST(a_configuration_of_something_else_beside_a_file_is_passed_over)
{
    struct vlp_checkpoint         c;
    struct said                   said = {0};
    struct vlp_checkpoint_options opt = {.say = listen, .ctx = &said};
    char                          path[4096];
    link_as(path, GOLDEN "openclip-quick/open_clip_model.safetensors", "x.safetensors");
    write_beside(path, "open_clip_config.json", beside[_i].config);
    const enum vlp_status s = vlp_checkpoint_open(&c, path, &opt, &err);
    ck_assert_msg(s == beside[_i].lone, "%s: %s", vlp_status_name(s), err.text);
    if (s == VLP_OK) {
        ck_assert_str_eq(text_at(&c, "source.activation_from"), "default");
        ck_assert_msg(strstr(said.all.data, "not used") != NULL, "%s", said.all.data);
        vlp_checkpoint_close(&c);
    }
    ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), beside[_i].folder);
    vlp_buf_free(&said.all);
    build_remove(path);
}
END_TEST

START_TEST(shapes_and_tags_give_the_configuration_of_the_published_models)
{
    struct vlp_checkpoint c;
    char                  path[4096];
    make_model(path, bare[_i].name, bare[_i].width, bare[_i].patch, NULL);
    open_ok(&c, path, NULL);
    ck_assert_int_eq(atoi(text_at(&c, "config.vision.heads")), bare[_i].heads);
    ck_assert_int_eq(atoi(text_at(&c, "config.vision.mlp")), 24);
    ck_assert_int_eq(atoi(text_at(&c, "config.vision.image_size")), 2 * bare[_i].patch);
    ck_assert_int_eq(atoi(text_at(&c, "config.text.heads")), 2);
    ck_assert_str_eq(text_at(&c, "config.activation"), bare[_i].activation);
    ck_assert_str_eq(text_at(&c, "preprocess.resize"), bare[_i].resize);
    ck_assert_double_eq(json_number_value(json_array_get(
                            json_object_get(json_object_get(c.about, "preprocess"), "mean"), 0)),
                        bare[_i].mean);
    vlp_checkpoint_close(&c);
    build_remove(path);
}
END_TEST

/* What training programs make of a name, and what is left beside the model. */
static const struct {
    const char *before, *instead_of, *put;
    bool        beside;
} renamed[] = {
    {"module.", "", "", false},
    {"_orig_mod.module.", "", "", false},
    {"", "visual.", "visual._orig_mod.", false},
    {"_fsdp_wrapped_module.", "resblocks.0.", "resblocks.0._fsdp_wrapped_module.", true},
    {"net.clip.", "resblocks.0.", "resblocks.0._checkpoint_wrapped_module.", true},
    {"model.", "", "", true},
};

START_TEST(names_are_found_under_what_training_programs_put_around_them)
{
    struct vlp_checkpoint         c, d;
    struct said                   said = {0};
    struct vlp_checkpoint_options opt = {.say = listen, .ctx = &said};
    struct vlp_stored             t[70];
    char                          path[4096], name[70][300];
    open_ok(&c, GOLDEN "statedict-module/epoch_3.pt", NULL);
    size_t n = c.n_tensors;
    for (size_t i = 0; i < n; i++) {
        const char *from = c.tensors[i].name, *put = renamed[_i].put;
        const char *at = *put ? strstr(from, renamed[_i].instead_of) : NULL;
        const int   head = at ? (int)(at - from) : 0;
        snprintf(name[i], sizeof name[i], "%s%.*s%s%s", renamed[_i].before, head, from,
                 at ? put : "", at ? at + strlen(renamed[_i].instead_of) : from);
        t[i] = c.tensors[i];
        t[i].name = name[i];
    }
    if (renamed[_i].beside) {
        t[n] = t[0];
        t[n++].name = "n_averaged";
    }
    rewrite(path, t, n);
    open_ok(&d, path, &opt);
    for (size_t i = 0; i < c.n_tensors; i++) {
        const struct vlp_stored *same = vlp_checkpoint_find(&d, c.tensors[i].name);
        ck_assert_msg(same && same_values(same, &c.tensors[i]), "%s", c.tensors[i].name);
    }
    if (renamed[_i].beside) ck_assert_ptr_nonnull(strstr(said.all.data, "n_averaged"));
    vlp_buf_free(&said.all);
    vlp_checkpoint_close(&d);
    vlp_checkpoint_close(&c);
    build_remove(path);
}
END_TEST

START_TEST(a_part_of_another_architecture_is_refused_by_its_name)
{
    static const char *const parts[] = {
        "visual.attn_pool.probe", "text.transformer.embed_tokens.weight",
        "transformer.resblocks.0.mlp.ln.weight", "visual.transformer.resblocks.0.attn.ln_q.weight"};
    struct vlp_checkpoint c;
    char                  path[4096];
    make_model(path, "x.safetensors", 64, 8, parts[_i]);
    ck_assert_int_eq(vlp_checkpoint_open(&c, path, NULL, &err), VLP_ERR_SUPPORT);
    ck_assert_ptr_nonnull(strstr(err.text, parts[_i]));
    build_remove(path);
}
END_TEST

/* One tensor each is enough to say what it is. */
START_TEST(what_is_often_taken_for_a_model_that_is_read_is_named)
{
    static const struct {
        const char *names[3], *what;
    } strangers[] = {
        {{"logit_scale", "text.ln_final.weight", "visual.trunk.cls_token"}, "timm"},
        {{"vision_model.post_layernorm.bias", "visual_projection.weight"}, "none of texts"},
        {{"text_model.final_layer_norm.bias", "text_projection.weight"}, "none of pictures"},
        {{"text_encoder.embeddings.word_embeddings.weight", "vision_model.class_embedding"},
         "texts is not CLIP's"},
        {{"text_model.head.bias", "vision_model.head.probe", "logit_scale"}, "SigLIP"},
        {{"a", "b", "logit_scale"}, "not those of a model"}};
    static const float    zero[1] = {0};
    struct vlp_checkpoint c;
    struct vlp_stored     t[3];
    char                  path[4096];
    size_t                n = 0;
    for (; n < 3 && strangers[_i].names[n]; n++)
        t[n] = (struct vlp_stored){.name = strangers[_i].names[n],
                                   .dtype = VLP_F32,
                                   .ndim = 1,
                                   .dim = {1},
                                   .data = zero,
                                   .size = sizeof zero};
    rewrite(path, t, n);
    ck_assert_int_eq(vlp_checkpoint_open(&c, path, NULL, &err), VLP_ERR_SUPPORT);
    ck_assert_msg(strstr(err.text, strangers[_i].what) != NULL, "%s", err.text);
    build_remove(path);
}
END_TEST

/* Without a config.json the names alone tell OWL-ViT and X-CLIP from CLIP. */
START_TEST(a_relative_of_clip_in_hugging_faces_layout_is_refused_by_its_tensor)
{
    static const char *const parts[] = {"vision_model.pre_layernorm.weight",
                                        "mit.position_embedding"};
    struct vlp_checkpoint    c;
    struct vlp_stored        t[120];
    char                     path[4096];
    size_t                   n = 0;
    open_ok(&c, GOLDEN "hf-quick/model.safetensors", &(struct vlp_checkpoint_options){.raw = true});
    for (size_t i = 0; i < c.n_tensors; i++) {
        t[n] = c.tensors[i];
        if (strcmp(t[n].name, "vision_model.pre_layrnorm.weight") == 0) t[n].name = parts[_i];
        n++;
    }
    rewrite(path, t, n);
    vlp_checkpoint_close(&c);
    ck_assert_int_eq(vlp_checkpoint_open(&c, path, NULL, &err), VLP_ERR_SUPPORT);
    ck_assert_msg(strstr(err.text, parts[_i]) != NULL, "%s", err.text);
    build_remove(path);
}
END_TEST

/* MetaCLIP 2: XLM-V's and mT5's ids, which CLIP's vocabulary would be taken for. */
START_TEST(a_vocabulary_that_is_not_here_is_known_by_its_size)
{
    static const struct {
        int         rows;
        const char *from, *token, *whose;
    } odd[] = {
        {901629, "openclip-quick/open_clip_model.safetensors", "token_embedding.weight", "XLM-V"},
        {250100, "openclip-quick/open_clip_model.safetensors", "token_embedding.weight", "mT5"},
        {901629, "hf-quick/model.safetensors", "text_model.embeddings.token_embedding.weight",
         "XLM-V"}};
    struct vlp_checkpoint c;
    struct vlp_stored     t[120];
    char                  path[4096];
    snprintf(path, sizeof path, GOLDEN "%s", odd[_i].from);
    open_ok(&c, path, &(struct vlp_checkpoint_options){.raw = true});
    const int64_t rows = odd[_i].rows;
    void         *zeros = vlp_calloc((size_t)rows, 1);
    for (size_t i = 0; i < c.n_tensors; i++) {
        t[i] = c.tensors[i];
        if (strcmp(t[i].name, odd[_i].token) == 0)
            t[i] = (struct vlp_stored){.name = odd[_i].token,
                                       .dtype = VLP_U8,
                                       .ndim = 2,
                                       .dim = {rows, 1},
                                       .data = zeros,
                                       .size = (size_t)rows};
    }
    rewrite(path, t, c.n_tensors);
    vlp_checkpoint_close(&c);
    ck_assert_int_eq(vlp_checkpoint_open(&c, path, NULL, &err), VLP_ERR_SUPPORT);
    ck_assert_msg(strstr(err.text, odd[_i].whose) != NULL, "%s", err.text);
    free(zeros);
    build_remove(path);
}
END_TEST

START_TEST(the_name_of_the_file_counts_before_that_of_its_folder)
{
    struct vlp_checkpoint c;
    char                  path[4096], folder[8192];
    make_model(path, "x-laion2b.safetensors", 64, 8, NULL);
    snprintf(folder, sizeof folder, "%s", folder_of(path));
    folder[strlen(folder) - 1] = '\0';
    char tagged[8300], moved[8400];
    snprintf(tagged, sizeof tagged, "%s-openai", folder);
    ck_assert_int_eq(rename(folder, tagged), 0);
    snprintf(moved, sizeof moved, "%s/x-laion2b.safetensors", tagged);
    open_ok(&c, moved, NULL);
    ck_assert_str_eq(text_at(&c, "config.activation"), "gelu");
    vlp_checkpoint_close(&c);
    open_ok(&c, tagged, NULL);
    ck_assert_str_eq(text_at(&c, "config.activation"), "gelu");
    vlp_checkpoint_close(&c);
    build_remove(moved);
}
END_TEST

/* ---- Hugging Face's configuration files -------------------------------------------- */

#define HF_TEXT                                                                                    \
    "\"vocab_size\":600,\"hidden_size\":64,\"intermediate_size\":192,\"num_hidden_layers\":2,"     \
    "\"max_position_embeddings\":12"
#define HF_VISION                                                                                  \
    "\"hidden_size\":64,\"intermediate_size\":192,\"num_hidden_layers\":2,\"image_size\":32,"      \
    "\"patch_size\":8"
#define HF(text, vision)                                                                           \
    "{\"projection_dim\":32,\"text_config\":{" text "},\"vision_config\":{" vision "}}"
#define HEADS ",\"num_attention_heads\":4"
#define HF_REST                                                                                    \
    "\"projection_dim\":32,\"text_config\":{" HF_TEXT HEADS                                        \
    "},\"vision_config\":{" HF_VISION                 HEADS "}}"

static const struct {
    const char     *config;
    enum vlp_status status;
    const char     *word; /* of the error, or the activation */
} hf_configs[] = {
    {HF(HF_TEXT HEADS, HF_VISION HEADS), VLP_OK, "quick_gelu"},
    {HF(HF_TEXT HEADS ",\"hidden_act\":\"gelu\"", HF_VISION HEADS ",\"hidden_act\":\"gelu\""),
     VLP_OK, "gelu"},
    {"{\"projection_dim\":32,\"text_config\":{\"hidden_size\":5,\"hidden_act\":\"gelu\"},"
     "\"vision_config\":{},\"text_config_dict\":{" HF_TEXT HEADS ",\"hidden_act\":\"quick_gelu\"},"
     "\"vision_config_dict\":{" HF_VISION HEADS "}}",
     VLP_OK, "quick_gelu"},
    {HF(HF_TEXT, HF_VISION), VLP_ERR_FORMAT, "heads"}, /* 12 do not divide 64 */
    {HF(HF_TEXT HEADS ",\"hidden_act\":\"gelu\"", HF_VISION HEADS), VLP_OK, "gelu"},
    {HF(HF_TEXT HEADS ",\"hidden_act\":\"relu\"", HF_VISION HEADS ",\"hidden_act\":\"relu\""),
     VLP_ERR_SUPPORT, "relu"},
    {HF(HF_TEXT ",\"num_attention_heads\":-4", HF_VISION HEADS), VLP_ERR_FORMAT,
     "num_attention_heads"},
    {HF(HF_TEXT ",\"num_attention_heads\":4e99", HF_VISION HEADS), VLP_ERR_FORMAT,
     "num_attention_heads"},
    {HF(HF_TEXT HEADS ",\"layer_norm_eps\":0", HF_VISION HEADS), VLP_ERR_FORMAT, "ln_eps"},
    {HF("\"vocab_size\":601,\"hidden_size\":64", HF_VISION HEADS), VLP_ERR_MISMATCH,
     "num_hidden_layers"},
    {"{\"model_type\":\"clip\"," HF_REST, VLP_OK, "quick_gelu"},
    {"{\"model_type\":\"clipseg\"," HF_REST, VLP_OK, "quick_gelu"},
    {"{\"model_type\":\"metaclip_2\"," HF_REST, VLP_ERR_SUPPORT, "'model_type' is 'metaclip_2'"},
    {"{\"model_type\":\"owlvit\"," HF_REST, VLP_ERR_SUPPORT, "'model_type' is 'owlvit'"},
    {HF(HF_TEXT HEADS, HF_VISION HEADS) "x", VLP_ERR_FORMAT, "config.json"},
    {"{\"projection_dim\":32", VLP_ERR_FORMAT, "config.json"},
};

START_TEST(config_json_with_overrides_defaults_and_faults)
{
    struct vlp_checkpoint c;
    char                  path[4096];
    link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
    write_beside(path, "config.json", hf_configs[_i].config);
    const enum vlp_status s = vlp_checkpoint_open(&c, folder_of(path), NULL, &err);
    ck_assert_msg(s == hf_configs[_i].status, "%s: %s", vlp_status_name(s), err.text);
    if (s == VLP_OK) {
        ck_assert_str_eq(text_at(&c, "config.activation"), hf_configs[_i].word);
        vlp_checkpoint_close(&c);
    } else {
        ck_assert_msg(strstr(err.text, hf_configs[_i].word) != NULL, "%s", err.text);
    }
    build_remove(path);
}
END_TEST

static const struct {
    const char     *text;
    enum vlp_status status;
    const char     *resize, *filter;
    int             size, to_width, to_height; /* 0: cropped as it was resized */
} preprocessors[] = {
    {"{\"size\":32,\"crop_size\":32}", VLP_OK, "shortest", "bicubic", 32, 0, 0},
    {"{\"size\":{\"shortest_edge\":32},\"crop_size\":{\"height\":32,\"width\":32}}", VLP_OK,
     "shortest", "bicubic", 32, 0, 0},
    {"{\"size\":{\"height\":32,\"width\":32},\"do_center_crop\":false,\"resample\":2}", VLP_OK,
     "squash", "bilinear", 32, 0, 0},
    {"{\"crop_size\":48,\"resample\":3}", VLP_OK, "shortest", "bicubic", 48, 224, 224},
    {"{}", VLP_OK, "shortest", "bicubic", 224, 0, 0},
    {"{\"size\":null,\"crop_size\":32}", VLP_OK, "shortest", "bicubic", 32, 224, 224},
    {"{\"size\":32,\"crop_size\":32,\"default_to_square\":true}", VLP_OK, "squash", "bicubic", 32,
     0, 0},
    {"{\"size\":32,\"do_center_crop\":false,\"default_to_square\":true}", VLP_OK, "squash",
     "bicubic", 32, 0, 0},
    {"{\"crop_size\":32,\"default_to_square\":true}", VLP_OK, "shortest", "bicubic", 32, 224, 224},
    {"{\"size\":32,\"crop_size\":32,\"use_square_size\":true}", VLP_OK, "squash", "bicubic", 32,
     224, 224},
    {"{\"crop_size\":32,\"do_pad\":true}", VLP_OK, "shortest", "bicubic", 32, 224, 224},
    {"{\"do_pad\":true,\"pad_size\":{\"height\":40,\"width\":40}}", VLP_ERR_SUPPORT, NULL, NULL, 0,
     0, 0},
    {"{\"do_center_crop\":false}", VLP_ERR_SUPPORT, NULL, NULL, 0, 0, 0},
    {"{\"size\":32,\"do_center_crop\":null}", VLP_ERR_SUPPORT, NULL, NULL, 0, 0, 0},
    {"{\"do_resize\":null}", VLP_ERR_SUPPORT, NULL, NULL, 0, 0, 0},
    {"{\"do_rescale\":null}", VLP_ERR_SUPPORT, NULL, NULL, 0, 0, 0},
    {"{\"size\":36,\"crop_size\":32}", VLP_OK, "shortest", "bicubic", 32, 36, 36},
    {"{\"size\":{\"shortest_edge\":256},\"crop_size\":{\"height\":224,\"width\":336}}", VLP_OK,
     "shortest", "bicubic", 336, 256, 256},
    {"{\"size\":{\"height\":40,\"width\":50},\"crop_size\":{\"height\":32,\"width\":32}}", VLP_OK,
     "squash", "bicubic", 32, 50, 40},
    {"{\"size\":{\"shortest_edge\":32,\"longest_edge\":64}}", VLP_ERR_SUPPORT, NULL, NULL, 0, 0, 0},
    {"{\"size\":32,\"do_center_crop\":false}", VLP_ERR_SUPPORT, NULL, NULL, 0, 0, 0},
    {"{\"resample\":0}", VLP_ERR_SUPPORT, NULL, NULL, 0, 0, 0},
    {"{\"rescale_factor\":1.0}", VLP_ERR_SUPPORT, NULL, NULL, 0, 0, 0},
    {"{\"size\":-1}", VLP_ERR_FORMAT, NULL, NULL, 0, 0, 0},
    {"{\"size\":{\"shortest_edge\":1000000000}}", VLP_ERR_FORMAT, NULL, NULL, 0, 0, 0},
    {"{\"size\":\"big\"}", VLP_ERR_FORMAT, NULL, NULL, 0, 0, 0},
    {"{\"image_std\":[0,1,1]}", VLP_ERR_FORMAT, NULL, NULL, 0, 0, 0},
    {"{\"image_mean\":[0,1]}", VLP_ERR_FORMAT, NULL, NULL, 0, 0, 0},
    {"[]", VLP_ERR_FORMAT, NULL, NULL, 0, 0, 0},
};

START_TEST(preprocessor_config_in_its_old_and_new_shapes)
{
    struct vlp_checkpoint c;
    char                  path[4096];
    link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
    write_beside(path, "config.json", HF(HF_TEXT HEADS, HF_VISION HEADS));
    write_beside(path, "preprocessor_config.json", preprocessors[_i].text);
    const enum vlp_status s = vlp_checkpoint_open(&c, folder_of(path), NULL, &err);
    ck_assert_msg(s == preprocessors[_i].status, "%s: %s", vlp_status_name(s), err.text);
    if (s == VLP_OK) {
        const json_t *size = json_object_get(json_object_get(c.about, "preprocess"), "size");
        ck_assert_str_eq(text_at(&c, "preprocess.resize"), preprocessors[_i].resize);
        ck_assert_str_eq(text_at(&c, "preprocess.filter"), preprocessors[_i].filter);
        ck_assert_int_eq((int)json_integer_value(json_array_get(size, 0)), preprocessors[_i].size);
        const json_t *to = json_object_get(json_object_get(c.about, "preprocess"), "resize_to");
        ck_assert_int_eq((int)json_integer_value(json_array_get(to, 0)),
                         preprocessors[_i].to_width);
        ck_assert_int_eq((int)json_integer_value(json_array_get(to, 1)),
                         preprocessors[_i].to_height);
        vlp_checkpoint_close(&c);
    } else {
        ck_assert_msg(strstr(err.text, "preprocessor_config.json") != NULL, "%s", err.text);
    }
    build_remove(path);
}
END_TEST

#define HF_UNLIKE                                                                                  \
    HF(HF_TEXT ",\"num_attention_heads\":4,\"eos_token_id\":590,\"layer_norm_eps\":1e-4",          \
       HF_VISION HEADS ",\"hidden_act\":\"gelu\"")

START_TEST(what_differs_between_the_towers_is_kept_for_each)
{
    struct vlp_checkpoint         c;
    struct vlp_checkpoint_options opt = {.activation = "quick_gelu"};
    char                          path[4096];
    link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
    write_beside(path, "config.json", HF_UNLIKE);
    open_ok(&c, folder_of(path), NULL);
    ck_assert_str_eq(text_at(&c, "config.activation"), "quick_gelu");
    ck_assert_str_eq(text_at(&c, "config.vision.activation"), "gelu");
    ck_assert_str_eq(text_at(&c, "config.text.eos"), "590");
    ck_assert_str_eq(text_at(&c, "config.text.ln_eps"), "0.0001");
    ck_assert_str_eq(text_at(&c, "config.vision.ln_eps"), "1e-05");
    vlp_checkpoint_close(&c);
    open_ok(&c, folder_of(path), &opt); /* the option is for both */
    ck_assert_str_eq(text_at(&c, "config.vision.activation"), "none");
    vlp_checkpoint_close(&c);
    char own[8192]; /* and so it is where the file is ours */
    snprintf(own, sizeof own, "%s%s", folder_of(path), "own.safetensors");
    const struct vlp_convert how = {.layout = VLP_LAYOUT_VLP, .dtype = VLP_F32};
    open_ok(&c, folder_of(path), NULL);
    ck_assert(vlp_checkpoint_write(&c, own, &how, &err) == VLP_OK);
    vlp_checkpoint_close(&c);
    open_ok(&c, own, NULL);
    ck_assert_str_eq(text_at(&c, "config.vision.activation"), "gelu");
    vlp_checkpoint_close(&c);
    open_ok(&c, own, &opt);
    ck_assert_str_eq(text_at(&c, "config.vision.activation"), "none");
    vlp_checkpoint_close(&c);
    unlink(own);
    build_remove(path);
}
END_TEST

/* ---- open_clip's configuration file ------------------------------------------------ */

static const struct {
    const char     *config;
    enum vlp_status status;
    const char     *at, *word; /* what stands where; or the word of the error */
} open_clip_configs[] = {
    {OPEN_CLIP("", ""), VLP_OK, "config.activation", "gelu"},
    {OPEN_CLIP(",\"pool_type\":\"tok\",\"no_ln_pre\":false,\"act_kwargs\":{}", ""), VLP_OK,
     "config.vision.pool", "none"},
    {OPEN_CLIP(",\"pool_type\":\"avg\"", ""), VLP_OK, "config.vision.pool", "avg"},
    {OPEN_CLIP(",\"pool_type\":\"avg\",\"final_ln_after_pool\":true", ""), VLP_OK,
     "config.vision.pool", "avg_ln"},
    {OPEN_CLIP(",\"no_ln_pre\":true", ""), VLP_OK, "config.vision.ln_pre", "false"},
    {OPEN_CLIP(",\"block_type\":\"custom\"", ""), VLP_OK, "config.vision.heads", "1"},
    {OPEN_CLIP(",\"head_width\":30", ""), VLP_OK, "config.vision.heads", "2"}, /* rounded down */
    {OPEN_CLIP(",\"head_width\":20", ""), VLP_ERR_FORMAT, NULL, "head_width"},
    {OPEN_CLIP(",\"head_width\":65", ""), VLP_ERR_FORMAT, NULL, "head_width"},
    {OPEN_CLIP("", ",\"pool_type\":\"eos\",\"eos_id\":7"), VLP_OK, "config.text.eos", "7"},
    {OPEN_CLIP("", ",\"pool_type\":\"eos\",\"eos_id\":599"), VLP_OK, "config.text.eos",
     "none"}, /* the largest id: what is meant without */
    {OPEN_CLIP("", ",\"pool_type\":\"eos\",\"eos_id\":600"), VLP_ERR_FORMAT, NULL, "eos"},
    {OPEN_CLIP("", ",\"pool_type\":\"last\""), VLP_ERR_SUPPORT, NULL, "pool_type"},
    {OPEN_CLIP("", ",\"pool_type\":\"last\",\"no_causal_mask\":true" CLIPA_IDS), VLP_OK,
     "config.text.causal", "false"},
    {OPEN_CLIP("", ",\"pool_type\":\"last\",\"no_causal_mask\":true" CLIPA_IDS), VLP_OK,
     "config.text.pool", "last"},
    {OPEN_CLIP("", ",\"pool_type\":\"last\"" CLIPA_IDS), VLP_OK, "config.text.causal", "none"},
    {OPEN_CLIP("", ",\"no_causal_mask\":true" CLIPA_IDS), VLP_ERR_SUPPORT, NULL,
     "tokenizer 'bert-base-uncased'"},
    {OPEN_CLIP("", ",\"pool_type\":\"last\",\"hf_tokenizer_name\":\"bert-base-uncased\""),
     VLP_ERR_SUPPORT, NULL, "tokenizer 'bert-base-uncased'"},
    {OPEN_CLIP("", ",\"pool_type\":\"last\",\"hf_tokenizer_name\":\"bert-base-uncased\","
                   "\"tokenizer_kwargs\":{\"strip_sep_token\":true,\"clean\":\"lower\"}"),
     VLP_ERR_SUPPORT, NULL, "tokenizer_kwargs"},
    {OPEN_CLIP("", ",\"pool_type\":\"eos\",\"hf_tokenizer_name\":\"facebook/xlm-v-base\""),
     VLP_ERR_SUPPORT, NULL, "tokenizer 'facebook/xlm-v-base'"},
    {OPEN_CLIP(",\"pool_type\":\"none\"", ""), VLP_ERR_SUPPORT, NULL, "pool_type"},
    {OPEN_CLIP(",\"attentional_pool\":true", ""), VLP_ERR_SUPPORT, NULL, "attentional_pool"},
    {OPEN_CLIP(",\"act_kwargs\":{\"approximate\":\"tanh\"}", ""), VLP_ERR_SUPPORT, NULL,
     "act_kwargs"},
    {OPEN_CLIP("", ",\"scale_fc\":true"), VLP_ERR_SUPPORT, NULL, "scale_fc"},
    {OPEN_CLIP("", ",\"no_causal_mask\":true"), VLP_OK, "config.text.causal", "false"},
    {OPEN_CLIP("", ",\"no_causal_mask\":true"), VLP_OK, "config.text.pool", "none"},
    {OPEN_CLIP("", ",\"no_causal_mask\":true,\"pool_type\":\"eos\",\"eos_id\":7"), VLP_OK,
     "config.text.causal", "false"},
    {OPEN_CLIP("", ",\"no_causal_mask\":true,\"hf_tokenizer_name\":\"./\""), VLP_ERR_SUPPORT, NULL,
     "no_causal_mask"},
    {OPEN_CLIP("", ",\"proj_type\":\"none\""), VLP_ERR_SUPPORT, NULL, "proj_type"},
    {OPEN_CLIP("", ",\"tokenizer_kwargs\":{}"), VLP_OK, "config.activation", "gelu"},
    {OPEN_CLIP(
         "",
         ",\"tokenizer_kwargs\":{\"clean\":\"lower\",\"reduction_mask\":\"\",\"language\":null}"),
     VLP_OK, "config.activation", "gelu"},
    {OPEN_CLIP("", ",\"tokenizer_kwargs\":{\"clean\":\"canonicalize\"}"), VLP_ERR_SUPPORT, NULL,
     "tokenizer_kwargs"},
    {OPEN_CLIP("", ",\"tokenizer_kwargs\":{\"clean\":\"whitespace\"}"), VLP_ERR_SUPPORT, NULL,
     "tokenizer_kwargs"},
    {OPEN_CLIP("", ",\"tokenizer_kwargs\":{\"reduction_mask\":\"simple\"}"), VLP_ERR_SUPPORT, NULL,
     "tokenizer_kwargs"},
    {OPEN_CLIP("", ",\"tokenizer_kwargs\":{\"additional_special_tokens\":[\"<new>\"]}"),
     VLP_ERR_SUPPORT, NULL, "tokenizer_kwargs"},
    {OPEN_CLIP("", ",\"tokenizer_kwargs\":\"lower\""), VLP_ERR_SUPPORT, NULL, "tokenizer_kwargs"},
    {OPEN_CLIP("", ",\"tokenizer_kwargs\":{\"clean\":\"whitespace\"},\"hf_tokenizer_name\":\"./\""),
     VLP_OK, "config.activation", "gelu"},
};

START_TEST(open_clip_config_with_variants_and_faults)
{
    struct vlp_checkpoint c;
    char                  path[4096];
    link_as(path, GOLDEN "openclip-quick/open_clip_model.safetensors",
            "open_clip_model.safetensors");
    write_beside(path, "open_clip_config.json", open_clip_configs[_i].config);
    const enum vlp_status s = vlp_checkpoint_open(&c, folder_of(path), NULL, &err);
    ck_assert_msg(s == open_clip_configs[_i].status, "%s: %s", vlp_status_name(s), err.text);
    if (s == VLP_OK) {
        ck_assert_str_eq(text_at(&c, open_clip_configs[_i].at), open_clip_configs[_i].word);
        vlp_checkpoint_close(&c);
    } else {
        ck_assert_msg(strstr(err.text, open_clip_configs[_i].word) != NULL, "%s", err.text);
    }
    build_remove(path);
}
END_TEST

START_TEST(open_clip_pictures_are_rgb_or_refused)
{
    static const char *const     modes[] = {"\"RGB\"", "null", "\"L\"", "7"};
    static const enum vlp_status want[] = {VLP_OK, VLP_OK, VLP_ERR_SUPPORT, VLP_ERR_FORMAT};
    for (size_t i = 0; i < VLP_COUNT(modes); i++) {
        char    text[64];
        json_t *p = vlp_preprocess_default("openai", 32), *plain = json_deep_copy(p);
        snprintf(text, sizeof text, "{\"mode\":%s}", modes[i]);
        json_t *cfg = json_loads(text, 0, NULL);
        ck_assert_int_eq(vlp_preprocess_from_open_clip(p, cfg, "x.json", &err), want[i]);
        if (want[i] != VLP_OK) ck_assert_ptr_nonnull(strstr(err.text, "'mode'"));
        ck_assert(json_equal(p, plain));
        json_decref(cfg);
        json_decref(plain);
        json_decref(p);
    }
}
END_TEST

/* What is named as weights are, their gradients, becomes what opening makes of the weights. */
START_TEST(tensors_are_renamed_as_weights_are)
{
    static const char *const files[] = {GOLDEN "hf-quick/model.safetensors",
                                        GOLDEN "openclip-customtext/open_clip_model.safetensors"};
    struct vlp_checkpoint    c;
    struct vlp_safetensors   s;
    open_ok(&c, folder_of(files[_i]), NULL);
    ck_assert_int_eq(vlp_safetensors_open(&s, files[_i], &err), VLP_OK);
    ck_assert_msg(vlp_safetensors_rename(&s, files[_i], &err) == VLP_OK, "%s", err.text);
    for (size_t i = 0; i < s.n_tensors; i++) {
        const struct vlp_stored *t = vlp_checkpoint_find(&c, s.tensors[i].name);
        ck_assert_msg(t && same_values(t, &s.tensors[i]), "%s", s.tensors[i].name);
    }
    ck_assert_uint_ge(s.n_tensors, 62);
    vlp_safetensors_close(&s);
    vlp_checkpoint_close(&c);
}
END_TEST

static const struct {
    const char     *config;
    enum vlp_status status;
    int             fill;
} fills[] = {
    {"{\"resize_mode\":\"longest\"}", VLP_OK, 0},
    {"{\"resize_mode\":\"longest\",\"fill_color\":127}", VLP_OK, 127},
    {"{\"resize_mode\":\"longest\",\"fill_color\":[10,10,10]}", VLP_OK, 10},
    {"{\"resize_mode\":\"longest\",\"fill_color\":[10,20,30]}", VLP_ERR_SUPPORT, 0},
    {"{\"resize_mode\":\"longest\",\"fill_color\":[10,10,30]}", VLP_ERR_SUPPORT, 0},
    {"{\"resize_mode\":\"shortest\",\"fill_color\":[10,20,30]}", VLP_OK,
     10}, /* nothing is filled */
    {"{\"fill_color\":256}", VLP_ERR_FORMAT, 0},
    {"{\"fill_color\":[]}", VLP_ERR_FORMAT, 0},
};

START_TEST(pictures_are_padded_with_one_value)
{
    json_t *p = vlp_preprocess_default("openai", 32), *cfg = json_loads(fills[_i].config, 0, NULL);
    ck_assert_int_eq(vlp_preprocess_from_open_clip(p, cfg, "x.json", &err), fills[_i].status);
    if (fills[_i].status != VLP_OK) ck_assert_ptr_nonnull(strstr(err.text, "'fill_color'"));
    ck_assert_int_eq((int)json_integer_value(json_object_get(p, "fill")), fills[_i].fill);
    json_decref(cfg);
    json_decref(p);
}
END_TEST

/* 35 pixels have the same four patches of 8 a side as 32 have: nothing is resampled. */
START_TEST(a_rest_that_patches_do_not_cover_is_part_of_the_picture)
{
    static const char config[] =
        "{\"model_cfg\":{\"embed_dim\":32,\"vision_cfg\":{\"image_size\":35,\"layers\":2,"
        "\"width\":64,\"patch_size\":8},\"text_cfg\":{\"context_length\":12,\"vocab_size\":600,"
        "\"width\":64,\"heads\":4,\"layers\":2}}}";
    struct vlp_checkpoint c;
    char                  path[4096];
    link_as(path, GOLDEN "openclip-quick/open_clip_model.safetensors", "x.safetensors");
    write_beside(path, "open_clip_config.json", config);
    open_ok(&c, folder_of(path), NULL);
    ck_assert_str_eq(text_at(&c, "config.vision.image_size"), "35");
    ck_assert_str_eq(text_at(&c, "config.vision.interpolate"), "none");
    vlp_checkpoint_close(&c);
    build_remove(path);
}
END_TEST

START_TEST(merges_are_carried_from_either_file)
{
    struct vlp_checkpoint    c;
    const struct vlp_stored *t;
    char                     path[4096];
    link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
    write_beside(path, "config.json", HF(HF_TEXT HEADS, HF_VISION HEADS));
    write_beside(path, "tokenizer.json",
                 "{\"model\":{\"type\":\"BPE\",\"merges\":[\"i n\",[\"t\",\"h</w>\"]]}}");
    open_ok(&c, folder_of(path), NULL);
    t = vlp_checkpoint_find(&c, "tokenizer.vocab");
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(t->size, strlen("#version: 0.2\ni n\nt h</w>\n"));
    ck_assert(memcmp(t->data, "#version: 0.2\ni n\nt h</w>\n", t->size) == 0);
    ck_assert_str_eq(text_at(&c, "tokenizer.cleaning"), "openai");
    vlp_checkpoint_close(&c);
    write_beside(path, "merges.txt", "#v\na b\n");
    open_ok(&c, folder_of(path), NULL);
    ck_assert_uint_eq(vlp_checkpoint_find(&c, "tokenizer.vocab")->size, 7);
    vlp_checkpoint_close(&c);
    write_beside(path, "merges.txt", "#v\n\xff b\n");
    ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), VLP_ERR_FORMAT);
    build_remove(path);
}
END_TEST

/* ---- a tokenizer.json of two merges, with one thing changed ------------------------ */

#define CLIP_SPLIT(before)                                                                         \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"        \
    "\"" before "'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"},"     \
    "\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\","                           \
    "\"add_prefix_space\":false,\"trim_offsets\":true}]}"
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
static const char clip_tokenizer[] =
    "{\"truncation\":null,\"padding\":null,"
    "\"added_tokens\":[{\"id\":514,\"content\":\"<|startoftext|>\"},"
    "{\"id\":515,\"content\":\"<|endoftext|>\"}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":"
    "\"Replace\","
    "\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" \"},{\"type\":\"Lowercase\"}]},"
    "\"pre_tokenizer\":" CLIP_SPLIT(
        "") ",\"post_processor\":{\"type\":\"RobertaProcessing\","
            "\"sep\":[\"<|endoftext|>\",515],\"cls\":[\"<|startoftext|>\",514],\"trim_offsets\":"
            "false},"
            "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<|endoftext|>\","
            "\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":\"</w>\",\"fuse_unk\":false,"
            "\"merges\":[\"i n\",\"t h\"]}}";

static const struct {
    const char *within, *key, *value; /* JSON; NULL takes the key out */
    const char *named;                /* in the refusal; NULL: it opens */
    bool        beside; /* merges.txt and vocab.json of the same pieces lie beside it */
} tokenizers[] = {
    {"model", "dropout", "null", NULL, false},
    {"model", "dropout", "null", NULL, true},
    {"model", "dropout", "0.1", "'dropout'", false},
    {"model", "ignore_merges", "true", "'ignore_merges'", false},
    {"model", "ignore_merges", "false", NULL, false},
    {"model", "end_of_word_suffix", "\"\"", "'end_of_word_suffix'", true},
    {"model", "continuing_subword_prefix", "\"##\"", "'continuing_subword_prefix'", false},
    {"model", "type", "\"WordPiece\"", "'type'", false},
    {"model", "merges", "[\"t h\",\"i n\"]", "'th'", false},
    {"model", "merges", "[\"i n\"]", "'<|startoftext|>'", false},
    {"model", "vocab", NULL, NULL, false},
    {"vocab", "in", "513", "'in'", false},
    {"vocab", "in", "513", "'in'", true},
    {"vocab", "a", NULL, "'a'", false},
    {"vocab", "<|endoftext|>", NULL, NULL, false}, /* said by added_tokens */
    {"", "added_tokens", "[{\"id\":0,\"content\":\"<|startoftext|>\"}]", "'<|startoftext|>'",
     false},
    {"", "added_tokens", "[{\"id\":516,\"content\":\"<new>\"}]", NULL, false},
    {"", "normalizer", "null", "'normalizer'", false},
    {"", "normalizer", "{\"type\":\"NFC\"}", "'normalizer'", true},
    {"", "pre_tokenizer", BYTE_LEVEL, "'pre_tokenizer'", false},
    {"", "pre_tokenizer", BYTE_LEVEL, NULL, true}, /* of old */
    {"", "pre_tokenizer", CLIP_SPLIT("<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|"), NULL,
     false},
    {"", "post_processor", "null", "'post_processor'", false},
    {"", "truncation", "{\"max_length\":77}", NULL, false},
};

/* The bytes as the released vocabulary numbers them, "in", "th", start and end. */
static json_t *small_vocabulary(void)
{
    json_t     *all = json_load_file(GOLDEN "end-to-end/model/vocab.json", 0, NULL);
    json_t     *small = json_object(), *id;
    const char *piece;
    ck_assert_ptr_nonnull(all);
    json_object_foreach(all, piece, id) if (json_integer_value(id) < 514)
        json_object_set(small, piece, id);
    json_object_set_new(small, "<|startoftext|>", json_integer(514));
    json_object_set_new(small, "<|endoftext|>", json_integer(515));
    ck_assert_uint_eq(json_object_size(small), 516);
    json_decref(all);
    return small;
}

static void write_json_beside(const char *path, const char *name, const json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT);
    write_beside(path, name, text);
    free(text);
}

START_TEST(a_tokenizer_that_is_not_clips_is_refused_by_what_differs)
{
    struct vlp_checkpoint c;
    char                  path[4096];
    link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
    write_beside(path, "config.json", HF(HF_TEXT HEADS, HF_VISION HEADS));
    json_t *top = json_loads(clip_tokenizer, 0, NULL), *vocab = small_vocabulary();
    json_t *model = json_object_get(top, "model"), *at = top;
    if (tokenizers[_i].beside) {
        write_json_beside(path, "vocab.json", vocab);
        write_beside(path, "merges.txt", "#version: 0.2\ni n\nt h\n");
    }
    json_object_set_new(model, "vocab", vocab);
    if (strcmp(tokenizers[_i].within, "model") == 0) at = model;
    if (strcmp(tokenizers[_i].within, "vocab") == 0) at = vocab;
    if (tokenizers[_i].value)
        json_object_set_new(at, tokenizers[_i].key,
                            json_loads(tokenizers[_i].value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(at, tokenizers[_i].key);
    write_json_beside(path, "tokenizer.json", top);
    const enum vlp_status s = vlp_checkpoint_open(&c, folder_of(path), NULL, &err);
    if (tokenizers[_i].named) {
        ck_assert_int_eq(s, VLP_ERR_SUPPORT);
        ck_assert_msg(strstr(err.text, tokenizers[_i].named) != NULL, "%s", err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "tokenizer.json"));
    } else {
        ck_assert_msg(s == VLP_OK, "%s", err.text);
        ck_assert_ptr_nonnull(vlp_checkpoint_find(&c, "tokenizer.vocab"));
        vlp_checkpoint_close(&c);
    }
    json_decref(top);
    build_remove(path);
}
END_TEST

/* CLIP's tokenizer reads 48,894 merges; with more, start and end of text are elsewhere. */
START_TEST(more_merges_than_clips_tokenizer_reads_are_refused)
{
    enum { MERGES = 48895 };
    struct vlp_checkpoint c;
    struct vlp_buf        merges = {0};
    char                  path[4096], piece[32];
    json_t               *vocab = small_vocabulary();
    vlp_buf_add_str(&merges, "#version: 0.2\ni n\nt h\n");
    for (int i = 2; i < MERGES; i++) {
        vlp_buf_printf(&merges, "%d a\n", i);
        snprintf(piece, sizeof piece, "%da", i);
        json_object_set_new(vocab, piece, json_integer(512 + i));
    }
    json_object_set_new(vocab, "<|startoftext|>", json_integer(512 + MERGES));
    json_object_set_new(vocab, "<|endoftext|>", json_integer(513 + MERGES));
    link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
    write_beside(path, "config.json", HF(HF_TEXT HEADS, HF_VISION HEADS));
    write_json_beside(path, "vocab.json", vocab);
    write_beside(path, "merges.txt", merges.data);
    ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), VLP_ERR_SUPPORT);
    ck_assert_msg(strstr(err.text, "'<|startoftext|>' has the id 49407, but by its place") != NULL,
                  "%s", err.text);
    json_decref(vocab);
    vlp_buf_free(&merges);
    build_remove(path);
}
END_TEST

START_TEST(a_vocab_json_of_other_ids_is_refused)
{
    struct vlp_checkpoint c;
    char                  path[4096];
    json_t               *vocab = small_vocabulary();
    link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
    write_beside(path, "config.json", HF(HF_TEXT HEADS, HF_VISION HEADS));
    write_json_beside(path, "vocab.json", vocab);
    write_beside(path, "merges.txt", "#version: 0.2\ni n\nt h\no f\n"); /* one that is not used */
    open_ok(&c, folder_of(path), NULL);
    /* nor carried: start and end of text have the ids behind those that are */
    const struct vlp_stored *carried = vlp_checkpoint_find(&c, "tokenizer.vocab");
    ck_assert_ptr_nonnull(carried);
    ck_assert_uint_eq(carried->size, strlen("#version: 0.2\ni n\nt h"));
    ck_assert_mem_eq(carried->data, "#version: 0.2\ni n\nt h", carried->size);
    vlp_checkpoint_close(&c);
    json_object_set_new(vocab, "in", json_integer(513));
    json_object_set_new(vocab, "th", json_integer(512));
    write_json_beside(path, "vocab.json", vocab);
    ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), VLP_ERR_SUPPORT);
    ck_assert_msg(strstr(err.text, "vocab.json: 'in' has the id 513") != NULL, "%s", err.text);
    json_decref(vocab);
    build_remove(path);
}
END_TEST

static const struct {
    const char     *patch;
    enum vlp_status status;
} patches[] = {
    {"[8,8]", VLP_OK},           {"8", VLP_OK},           {"[16,16]", VLP_ERR_MISMATCH},
    {"[8,16]", VLP_ERR_SUPPORT}, {"[]", VLP_ERR_SUPPORT}, {"[8.5,8.5]", VLP_ERR_SUPPORT}};

START_TEST(a_square_may_be_given_by_both_of_its_sides)
{
    struct vlp_checkpoint c;
    char                  path[4096];
    link_as(path, GOLDEN "openclip-quick/open_clip_model.safetensors",
            "open_clip_model.safetensors");
    json_t *top = json_loads(OPEN_CLIP("", ""), 0, NULL);
    json_t *vision = json_object_get(json_object_get(top, "model_cfg"), "vision_cfg");
    json_object_set_new(vision, "patch_size", json_loads(patches[_i].patch, JSON_DECODE_ANY, NULL));
    json_object_set_new(vision, "image_size", json_pack("[i, i]", 32, 32));
    write_json_beside(path, "open_clip_config.json", top);
    json_decref(top);
    const enum vlp_status s = vlp_checkpoint_open(&c, folder_of(path), NULL, &err);
    ck_assert_msg(s == patches[_i].status, "%s: %s", vlp_status_name(s), err.text);
    if (s == VLP_OK) {
        ck_assert_str_eq(text_at(&c, "config.vision.patch_size"), "8");
        ck_assert_str_eq(text_at(&c, "config.vision.image_size"), "32");
        vlp_checkpoint_close(&c);
    } else {
        ck_assert_msg(strstr(err.text, "patch_size") != NULL, "%s", err.text);
    }
    build_remove(path);
}
END_TEST

START_TEST(an_index_may_name_files_of_its_folder_only)
{
    struct vlp_checkpoint    c;
    static const char *const maps[] = {"{\"weight_map\":{\"a\":\"../x.safetensors\"}}",
                                       "{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
                                       "{\"weight_map\":{\"a\":7}}", "{\"weight_map\":{}}", "{}"};
    for (size_t i = 0; i < VLP_COUNT(maps); i++) {
        char path[4096];
        build_file(path, "model.safetensors.index.json", maps[i], strlen(maps[i]));
        ck_assert_int_eq(vlp_checkpoint_open(&c, path, NULL, &err), VLP_ERR_FORMAT);
        ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), VLP_ERR_FORMAT);
        build_remove(path);
    }
}
END_TEST

/* ---- the way back ------------------------------------------------------------------ */

static const struct trip {
    const char     *from;
    enum vlp_layout layout;
    enum vlp_status status;
} trips[] = {
    {"hf-quick", VLP_LAYOUT_VLP, VLP_OK},
    {"hf-quick", VLP_LAYOUT_HF, VLP_OK},
    {"hf-gelu-sharded", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
    {"interp-hf", VLP_LAYOUT_HF, VLP_OK},
    {"interp-hf", VLP_LAYOUT_VLP, VLP_OK},
    {"interp-hf", VLP_LAYOUT_OPEN_CLIP, VLP_ERR_SUPPORT},
    {"interp-openclip", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
    {"interp-openclip", VLP_LAYOUT_HF, VLP_ERR_SUPPORT},
    {"openai-vit", VLP_LAYOUT_VLP, VLP_OK},
    {"openai-vit", VLP_LAYOUT_HF, VLP_OK},
    {"openai-vit", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
    {"openai-resnet", VLP_LAYOUT_VLP, VLP_OK},
    {"openai-resnet", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
    {"openai-resnet", VLP_LAYOUT_HF, VLP_ERR_SUPPORT},
    {"openclip-gelu", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
    {"openclip-gelu", VLP_LAYOUT_HF, VLP_OK},
    {"openclip-customtext", VLP_LAYOUT_VLP, VLP_OK},
    {"openclip-clipa", VLP_LAYOUT_VLP, VLP_OK},
    {"openclip-clipa", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
    {"openclip-clipa", VLP_LAYOUT_HF, VLP_ERR_SUPPORT},
    {"legacy-nonzip", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
    {"end-to-end/model", VLP_LAYOUT_VLP, VLP_OK},
    {"end-to-end/model", VLP_LAYOUT_HF, VLP_OK},
    {"end-to-end/model", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
};

static void travel(const char *from, const struct trip *t)
{
    char file[4096], to[8192], before[33], after[33];
    build_file(file, "x", "", 0);
    snprintf(to, sizeof to, "%s%s", folder_of(file), "model");
    struct vlp_checkpoint    c, d;
    const struct vlp_convert how = {.layout = t->layout, .dtype = VLP_F32};
    open_ok(&c, from, NULL);
    vlp_checkpoint_fingerprint(&c, before);
    const enum vlp_status s = vlp_checkpoint_write(&c, to, &how, &err);
    ck_assert_msg(s == t->status, "%s: %s", vlp_status_name(s), err.text);
    if (s == VLP_OK) {
        open_ok(&d, to, NULL);
        vlp_checkpoint_fingerprint(&d, after);
        ck_assert_str_eq(before, after);
        ck_assert_str_eq(text_at(&c, "config.activation"), text_at(&d, "config.activation"));
        for (size_t i = 0; i < c.n_tensors; i++) {
            const struct vlp_stored *u = vlp_checkpoint_find(&d, c.tensors[i].name);
            ck_assert_msg(u && same_values(&c.tensors[i], u), "%s", c.tensors[i].name);
        }
        ck_assert_uint_eq(vlp_checkpoint_verify(&d, NULL, NULL, NULL), 0);
        vlp_checkpoint_close(&d);
        /* nothing is overwritten without being told to */
        ck_assert_int_eq(vlp_checkpoint_write(&c, to, &how, &err), VLP_ERR_EXISTS);
    }
    vlp_checkpoint_close(&c);
    if (vlp_is_dir(to)) {
        char inside[8300];
        snprintf(inside, sizeof inside, "%s/x", to);
        build_remove(inside);
    }
    build_remove(file);
}

START_TEST(a_round_trip_keeps_every_value_and_the_fingerprint)
{
    char from[256];
    snprintf(from, sizeof from, GOLDEN "%s", trips[_i].from);
    travel(from, &trips[_i]);
}
END_TEST

/* Hugging Face's loader takes the type of config.json where it is asked for none. */
START_TEST(a_configuration_names_the_type_of_its_weights)
{
    static const struct {
        const char    *from;
        bool           keep;
        enum vlp_dtype dtype;
        const char    *name;
    } cases[] = {{"hf-quick", true, VLP_F32, "float32"},
                 {"hf-quick", false, VLP_BF16, "bfloat16"},
                 {"statedict-bf16", true, VLP_F32, "bfloat16"},
                 {"openai-vit", true, VLP_F32, "float32"}, /* halves and singles */
                 {"openai-vit", false, VLP_F16, "float16"}};
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        char file[4096], from[256], to[8192], path[8300];
        build_file(file, "x", "", 0);
        snprintf(from, sizeof from, GOLDEN "%s", cases[i].from);
        snprintf(to, sizeof to, "%s%s", folder_of(file), "model");
        snprintf(path, sizeof path, "%s/config.json", to);
        struct vlp_checkpoint    c;
        const struct vlp_convert how = {
            .layout = VLP_LAYOUT_HF, .keep_dtype = cases[i].keep, .dtype = cases[i].dtype};
        open_ok(&c, from, NULL);
        ck_assert_msg(vlp_checkpoint_write(&c, to, &how, &err) == VLP_OK, "%s", err.text);
        json_t *config = json_load_file(path, 0, NULL);
        ck_assert_str_eq(json_string_value(json_object_get(config, "torch_dtype")), cases[i].name);
        json_decref(config);
        vlp_checkpoint_close(&c);
        build_remove(path);
        build_remove(file);
    }
}
END_TEST

START_TEST(a_crop_of_another_size_than_the_resize_travels_where_it_can_be_said)
{
    static const struct trip trip[] = {{"", VLP_LAYOUT_VLP, VLP_OK},
                                       {"", VLP_LAYOUT_HF, VLP_OK},
                                       {"", VLP_LAYOUT_OPEN_CLIP, VLP_ERR_SUPPORT}};
    static const char *const how[] = {
        "{\"size\":{\"shortest_edge\":36},\"crop_size\":32}",
        "{\"size\":{\"height\":40,\"width\":36},\"crop_size\":{\"height\":32,\"width\":32}}"};
    char path[4096], folder[4096];
    link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
    write_beside(path, "config.json", HF(HF_TEXT HEADS, HF_VISION HEADS));
    write_beside(path, "preprocessor_config.json", how[_i % 2]);
    snprintf(folder, sizeof folder, "%s", folder_of(path));
    travel(folder, &trip[_i / 2]);
    build_remove(path);
}
END_TEST

/* No ln_pre, patches pooled, a projection with a bias, the end token named, a bias of the loss. */
START_TEST(variants_go_to_open_clip_and_back_and_not_to_hugging_face)
{
    static const struct trip trip[] = {{"", VLP_LAYOUT_VLP, VLP_OK},
                                       {"", VLP_LAYOUT_OPEN_CLIP, VLP_OK},
                                       {"", VLP_LAYOUT_HF, VLP_ERR_SUPPORT}};
    static const float       bias[32] = {1, 2, 3}, ten = -10;
    struct vlp_checkpoint    c;
    struct vlp_stored        t[70];
    char                     path[4096], folder[4096];
    size_t                   n = 0;
    open_ok(&c, GOLDEN "openclip-quick", NULL);
    for (size_t i = 0; i < c.n_tensors; i++)
        if (!strstr(c.tensors[i].name, "ln_pre")) t[n++] = c.tensors[i];
    t[n++] = (struct vlp_stored){.name = "text_projection.bias",
                                 .dtype = VLP_F32,
                                 .ndim = 1,
                                 .dim = {32},
                                 .data = bias,
                                 .size = sizeof bias};
    t[n++] = (struct vlp_stored){
        .name = "logit_bias", .dtype = VLP_F32, .data = &ten, .size = sizeof ten};
    rewrite(path, t, n);
    vlp_checkpoint_close(&c);
    write_beside(path, "open_clip_config.json",
                 OPEN_CLIP(",\"no_ln_pre\":true,\"pool_type\":\"avg\",\"final_ln_after_pool\":true",
                           ",\"pool_type\":\"eos\",\"eos_id\":598"));
    snprintf(folder, sizeof folder, "%s", folder_of(path));
    travel(folder, &trip[_i]);
    build_remove(path);
}
END_TEST

/* Beside it its tokenizer lies, as Hugging Face writes it. */
START_TEST(clipa_is_known_by_its_tensors)
{
    struct vlp_checkpoint c, bare;
    struct said           said = {0};
    char                  path[4096];
    link_as(path, GOLDEN "openclip-clipa/open_clip_model.safetensors", "x.safetensors");
    write_beside(path, "tokenizer.json", "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}");
    open_ok(&c, GOLDEN "openclip-clipa", NULL);
    open_ok(&bare, path, &(struct vlp_checkpoint_options){.say = listen, .ctx = &said});
    ck_assert_ptr_nonnull(strstr(said.all.data, "taken for CLIPA"));
    ck_assert_str_eq(text_at(&bare, "config.activation"), "gelu");
    ck_assert_str_eq(text_at(&bare, "config.vision.pool"), "avg_ln");
    ck_assert_str_eq(text_at(&bare, "config.text.pool"), "last");
    ck_assert_str_eq(text_at(&bare, "config.text.causal"), "false");
    ck_assert(json_equal(json_object_get(c.about, "preprocess"),
                         json_object_get(bare.about, "preprocess")));
    vlp_checkpoint_close(&bare);
    open_ok(&bare, folder_of(path), NULL); /* the vocabulary is not read as CLIP's */
    ck_assert_ptr_null(json_object_get(bare.about, "tokenizer"));
    vlp_checkpoint_close(&bare);
    vlp_checkpoint_close(&c);
    vlp_buf_free(&said.all);
    build_remove(path);
}
END_TEST

/* A folder `to` in a folder of its own, with one file in it. */
static void folder_with(char file[4096], char to[8192], const char *name)
{
    char inside[8300];
    build_file(file, "x", "", 0);
    snprintf(to, 8192, "%smodel", folder_of(file));
    ck_assert_int_eq(mkdir(to, 0777), 0);
    snprintf(inside, sizeof inside, "%s/%s", to, name);
    FILE *f = fopen(inside, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fclose(f), 0);
}

static bool has(const char *folder, const char *name)
{
    char inside[8300];
    snprintf(inside, sizeof inside, "%s/%s", folder, name);
    return vlp_file_exists(inside);
}

static void remove_both(const char *file, const char *to)
{
    char inside[8300];
    snprintf(inside, sizeof inside, "%s/x", to);
    build_remove(inside);
    build_remove(file);
}

static const struct {
    enum vlp_layout layout;
    const char     *name, *weights;
} in_the_way[] = {
    {VLP_LAYOUT_HF, "config.json", "model.safetensors"},
    {VLP_LAYOUT_HF, "preprocessor_config.json", "model.safetensors"},
    {VLP_LAYOUT_HF, "vocab.json", "model.safetensors"},
    {VLP_LAYOUT_HF, "merges.txt", "model.safetensors"},
    {VLP_LAYOUT_HF, "tokenizer_config.json", "model.safetensors"},
    {VLP_LAYOUT_OPEN_CLIP, "open_clip_config.json", "open_clip_model.safetensors"},
    {VLP_LAYOUT_OPEN_CLIP, "vocab.json", "open_clip_model.safetensors"},
    {VLP_LAYOUT_OPEN_CLIP, "merges.txt", "open_clip_model.safetensors"},
};

START_TEST(a_refused_conversion_leaves_the_folder_as_it_was)
{
    char                  file[4096], to[8192];
    struct vlp_checkpoint c;
    struct vlp_convert    how = {.layout = in_the_way[_i].layout, .keep_dtype = true};
    folder_with(file, to, in_the_way[_i].name);
    open_ok(&c, GOLDEN "end-to-end/model", NULL);
    ck_assert_int_eq(vlp_checkpoint_write(&c, to, &how, &err), VLP_ERR_EXISTS);
    ck_assert_msg(strstr(err.text, in_the_way[_i].name) != NULL, "%s", err.text);
    unsigned there = 0;
    for (size_t i = 0; i < VLP_COUNT(in_the_way); i++)
        there += has(to, in_the_way[i].weights) ||
                 (has(to, in_the_way[i].name) && strcmp(in_the_way[i].name, in_the_way[_i].name));
    ck_assert_uint_eq(there, 0);
    how.force = true;
    ck_assert_int_eq(vlp_checkpoint_write(&c, to, &how, &err), VLP_OK);
    ck_assert(has(to, in_the_way[_i].weights));
    vlp_checkpoint_close(&c);
    remove_both(file, to);
}
END_TEST

/* What a reader would take in place of what is written, or as a part of it. */
static const struct {
    enum vlp_layout layout;
    const char     *name;
} of_another[] = {
    {VLP_LAYOUT_HF, "open_clip_model.safetensors"},
    {VLP_LAYOUT_HF, "model.safetensors.index.json"},
    {VLP_LAYOUT_HF, "open_clip_pytorch_model.bin"},
    {VLP_LAYOUT_HF, "pytorch_model.bin"},
    {VLP_LAYOUT_HF, "tokenizer.json"},
    {VLP_LAYOUT_OPEN_CLIP, "model.safetensors"},
    {VLP_LAYOUT_OPEN_CLIP, "pytorch_model.bin.index.json"},
    {VLP_LAYOUT_OPEN_CLIP, "tokenizer.json"},
};

START_TEST(files_of_another_model_are_refused_or_removed)
{
    char                  file[4096], to[8192], first[33], second[33];
    struct vlp_checkpoint c, d;
    struct vlp_convert    how = {.layout = of_another[_i].layout, .keep_dtype = true};
    folder_with(file, to, of_another[_i].name);
    open_ok(&c, GOLDEN "end-to-end/model", NULL);
    ck_assert_int_eq(vlp_checkpoint_write(&c, to, &how, &err), VLP_ERR_EXISTS);
    ck_assert_msg(strstr(err.text, of_another[_i].name) != NULL, "%s", err.text);
    ck_assert(!has(to, "config.json") && !has(to, "open_clip_config.json"));
    how.force = true;
    ck_assert_int_eq(vlp_checkpoint_write(&c, to, &how, &err), VLP_OK);
    ck_assert(!has(to, of_another[_i].name));
    open_ok(&d, to, NULL);
    vlp_checkpoint_fingerprint(&c, first);
    vlp_checkpoint_fingerprint(&d, second);
    ck_assert_str_eq(first, second);
    vlp_checkpoint_close(&d);
    vlp_checkpoint_close(&c);
    remove_both(file, to);
}
END_TEST

/* Two models, two layouts, one folder: the second is what opens, or nothing is written. */
START_TEST(a_folder_holds_one_model)
{
    char                  file[4096], to[8192], want[33], got[33];
    struct vlp_checkpoint a, b, c;
    struct vlp_convert    how = {.layout = VLP_LAYOUT_OPEN_CLIP, .keep_dtype = true};
    folder_with(file, to, "README.md");
    open_ok(&a, GOLDEN "openclip-quick", NULL);
    open_ok(&b, GOLDEN "hf-quick", NULL);
    ck_assert_int_eq(vlp_checkpoint_write(&a, to, &how, &err), VLP_OK);
    how.layout = VLP_LAYOUT_HF;
    ck_assert_int_eq(vlp_checkpoint_write(&b, to, &how, &err), VLP_ERR_EXISTS);
    how.force = true;
    ck_assert_int_eq(vlp_checkpoint_write(&b, to, &how, &err), VLP_OK);
    open_ok(&c, to, NULL);
    vlp_checkpoint_fingerprint(&b, want);
    vlp_checkpoint_fingerprint(&c, got);
    ck_assert_str_eq(want, got);
    ck_assert(has(to, "README.md"));
    vlp_checkpoint_close(&c);
    vlp_checkpoint_close(&b);
    vlp_checkpoint_close(&a);
    remove_both(file, to);
}
END_TEST

START_TEST(a_tensor_that_hugging_face_has_no_name_for_is_refused)
{
    static const float       ten = -10;
    const struct vlp_convert how = {.layout = VLP_LAYOUT_HF, .keep_dtype = true};
    const struct vlp_stored  bias = {
         .name = "logit_bias", .dtype = VLP_F32, .data = &ten, .size = sizeof ten};
    struct vlp_checkpoint c;
    char                  file[4096], to[8192];
    folder_with(file, to, "x");
    open_ok(&c, GOLDEN "hf-quick", NULL);
    vlp_checkpoint_add(&c, &bias);
    ck_assert_int_eq(vlp_checkpoint_write(&c, to, &how, &err), VLP_ERR_SUPPORT);
    ck_assert_msg(strstr(err.text, "logit_bias") != NULL, "%s", err.text);
    ck_assert(!has(to, "config.json") && !has(to, "model.safetensors"));
    vlp_checkpoint_close(&c);
    remove_both(file, to);
}
END_TEST

START_TEST(hugging_face_vocabulary_is_made_from_the_merges)
{
    char file[4096], to[8192], made[8300];
    build_file(file, "x", "", 0);
    snprintf(to, sizeof to, "%smodel", folder_of(file));
    struct vlp_checkpoint    c;
    const struct vlp_convert how = {.layout = VLP_LAYOUT_HF, .keep_dtype = true};
    open_ok(&c, GOLDEN "end-to-end/model", NULL);
    ck_assert_int_eq(vlp_checkpoint_write(&c, to, &how, &err), VLP_OK);
    vlp_checkpoint_close(&c);
    snprintf(made, sizeof made, "%s/vocab.json", to);
    json_t *ours = json_load_file(made, 0, NULL);
    json_t *theirs = json_load_file(GOLDEN "end-to-end/model/vocab.json", 0, NULL);
    ck_assert_uint_eq(json_object_size(ours), 49408);
    ck_assert(json_equal(ours, theirs));
    json_decref(ours);
    json_decref(theirs);
    snprintf(made, sizeof made, "%s/merges.txt", to);
    struct vlp_map a, b;
    ck_assert_int_eq(vlp_map_open(&a, made, &err), VLP_OK);
    ck_assert_int_eq(vlp_map_open(&b, GOLDEN "end-to-end/model/merges.txt", &err), VLP_OK);
    ck_assert_uint_eq(a.size, b.size);
    ck_assert(memcmp(a.data, b.data, a.size) == 0);
    vlp_map_close(&a);
    vlp_map_close(&b);
    build_remove(made);
    build_remove(file);
}
END_TEST

static const struct {
    enum vlp_dtype dtype;
    double         tolerance; /* relative to the largest value of a tensor */
} dtypes[] = {{VLP_F16, 1.0 / 1024}, {VLP_BF16, 1.0 / 128}, {VLP_Q8_0, 1.0 / 127}};

START_TEST(a_narrower_type_is_close_and_its_fingerprint_is_its_own)
{
    char file[4096], before[33], after[33];
    build_file(file, "model.safetensors", "", 0);
    struct vlp_checkpoint    c, d;
    const struct vlp_convert how = {.dtype = dtypes[_i].dtype, .force = true};
    open_ok(&c, GOLDEN "openclip-quick", NULL);
    ck_assert_int_eq(vlp_checkpoint_write(&c, file, &how, &err), VLP_OK);
    open_ok(&d, file, NULL);
    vlp_checkpoint_fingerprint(&c, before);
    vlp_checkpoint_fingerprint(&d, after);
    ck_assert_str_ne(before, after);
    size_t narrow = 0, checked = 0;
    ck_assert_uint_eq(vlp_checkpoint_verify(&d, &checked, NULL, NULL), 0);
    ck_assert_uint_eq(checked, d.n_tensors);
    struct vlp_arena mem;
    vlp_arena_init(&mem);
    for (size_t i = 0; i < c.n_tensors; i++) {
        const struct vlp_stored *t = vlp_checkpoint_find(&d, c.tensors[i].name);
        const float             *a = vlp_stored_f32(&mem, &c.tensors[i]);
        const float             *b = vlp_stored_f32(&mem, t);
        narrow += t->dtype == dtypes[_i].dtype;
        if (t->ndim < 2) ck_assert_int_eq(t->dtype, VLP_F32);
        const struct vlp_difference off = vlp_differ(b, a, vlp_stored_numel(t));
        ck_assert_msg(off.error <= off.largest * dtypes[_i].tolerance, "%s: %g of %g", t->name,
                      off.error, off.largest);
    }
    ck_assert_uint_ge(narrow, 10);
    vlp_arena_free(&mem);
    vlp_checkpoint_close(&c);
    vlp_checkpoint_close(&d);
    build_remove(file);
}
END_TEST

/* exp multiplies what rounding does to it: 100 would become 98.9 in bf16. */
START_TEST(the_logit_scale_is_not_rounded)
{
    static const enum vlp_layout layouts[] = {VLP_LAYOUT_VLP, VLP_LAYOUT_OPEN_CLIP, VLP_LAYOUT_HF};
    const struct vlp_convert     how = {.layout = layouts[_i], .dtype = VLP_BF16};
    struct vlp_checkpoint        c, d;
    char                         file[4096], to[8192];
    build_file(file, "x", "", 0);
    snprintf(to, sizeof to, "%smodel", folder_of(file));
    open_ok(&c, GOLDEN "hf-quick", NULL);
    ck_assert_msg(vlp_checkpoint_write(&c, to, &how, &err) == VLP_OK, "%s", err.text);
    open_ok(&d, to, NULL);
    ck_assert(same_values(vlp_checkpoint_find(&c, "logit_scale"),
                          vlp_checkpoint_find(&d, "logit_scale")));
    ck_assert_int_eq(vlp_checkpoint_find(&d, "logit_scale")->dtype, VLP_F32);
    ck_assert_int_eq(vlp_checkpoint_find(&d, "visual.proj")->dtype, VLP_BF16);
    vlp_checkpoint_close(&c);
    vlp_checkpoint_close(&d);
    if (vlp_is_dir(to))
        remove_both(file, to);
    else {
        ck_assert_int_eq(remove(to), 0);
        build_remove(file);
    }
}
END_TEST

/* ---- verify ------------------------------------------------------------------------ */

static void note(void *ctx, const char *what, const char *tensor, const char *sentence)
{
    vlp_buf_printf(ctx, "%s %s: %s\n", what, tensor, sentence);
}

START_TEST(verify_finds_a_flipped_bit_and_says_where)
{
    char file[4096];
    build_file(file, "model.safetensors", "", 0);
    struct vlp_checkpoint    c;
    const struct vlp_convert how = {.dtype = VLP_F32, .force = true};
    open_ok(&c, GOLDEN "openclip-quick", NULL);
    ck_assert_int_eq(vlp_checkpoint_write(&c, file, &how, &err), VLP_OK);
    vlp_checkpoint_close(&c);

    struct vlp_safetensors s;
    ck_assert_int_eq(vlp_safetensors_open(&s, file, &err), VLP_OK);
    const long at =
        (long)((const uint8_t *)vlp_safetensors_find(&s, "visual.proj")->data - s.map.data) + 8;
    vlp_safetensors_close(&s);
    FILE *f = fopen(file, "r+b");
    fseek(f, at, SEEK_SET);
    const int byte = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(byte ^ 1, f);
    fclose(f);

    struct vlp_buf found = {0};
    open_ok(&c, file, NULL);
    ck_assert_uint_eq(vlp_checkpoint_verify(&c, NULL, note, &found), 2);
    ck_assert_ptr_nonnull(strstr(found.data, "checksum visual.proj"));
    ck_assert_ptr_nonnull(strstr(found.data, "fingerprint"));
    ck_assert_int_eq(vlp_checkpoint_check(&c, 0, &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "'visual.proj'"));
    ck_assert_int_eq(vlp_checkpoint_check(&c, VLP_CHECK_AT_ONCE, &err), VLP_ERR_FORMAT);
    ck_assert_int_eq(vlp_checkpoint_check(&c, 1000, &err), VLP_OK); /* too large to be read now */
    vlp_checkpoint_close(&c);
    vlp_buf_free(&found);
    build_remove(file);
}
END_TEST

/* PyTorch leaves the sums out when it is told to: then there is nothing to compare, nor to doubt.
 */
START_TEST(a_zip_written_without_sums_has_none_to_compare)
{
    struct vlp_checkpoint c;
    struct vlp_buf        found = {0};
    size_t                with = 0, without = 0;
    open_ok(&c, GOLDEN "openai-vit/model.pt", NULL);
    ck_assert_uint_eq(vlp_checkpoint_verify(&c, &with, NULL, NULL), 0);
    ck_assert_uint_ge(with, c.n_tensors);
    const struct vlp_map *map = &((struct vlp_origin *)c.internal)->map[0];
    struct vlp_buf        copy = {0};
    vlp_buf_add(&copy, map->data, map->size);
    vlp_checkpoint_close(&c);
    for (size_t at = 0; at + 46 < copy.len; at++)
        if (memcmp(copy.data + at, "PK\1\2", 4) == 0) vlp_store_u32(copy.data + at + 16, 0);
    char file[4096];
    build_file(file, "model.pt", copy.data, copy.len);
    open_ok(&c, file, NULL);
    ck_assert_msg(vlp_checkpoint_verify(&c, &without, note, &found) == 0, "%s", found.data);
    ck_assert_uint_eq(without, 0);
    ck_assert_int_eq(vlp_checkpoint_check(&c, 0, &err), VLP_OK);
    vlp_checkpoint_close(&c);
    vlp_buf_free(&copy);
    build_remove(file);
}
END_TEST

START_TEST(verify_finds_nan_infinity_and_what_is_not_used)
{
    struct vlp_safetensors s;
    struct vlp_stored      t[80];
    float                  bad[64] = {NAN, INFINITY, -INFINITY}, more[2] = {0};
    char                   file[4096];
    ck_assert_int_eq(
        vlp_safetensors_open(&s, GOLDEN "openclip-quick/open_clip_model.safetensors", &err),
        VLP_OK);
    size_t n = s.n_tensors;
    memcpy(t, s.tensors, n * sizeof *t);
    for (size_t i = 0; i < n; i++)
        if (strcmp(t[i].name, "ln_final.bias") == 0) t[i].data = bad;
    t[n++] = (struct vlp_stored){
        .name = "visual.extra", .dtype = VLP_F32, .ndim = 1, .dim = {2}, .data = more, .size = 8};
    t[n++] = (struct vlp_stored){
        .name = "attn_mask", .dtype = VLP_F32, .ndim = 1, .dim = {2}, .data = more, .size = 8};
    rewrite(file, t, n);
    struct vlp_checkpoint         c;
    struct vlp_buf                found = {0};
    struct said                   said = {0};
    struct vlp_checkpoint_options opt = {.say = listen, .ctx = &said};
    open_ok(&c, file, &opt);
    ck_assert_ptr_nonnull(strstr(said.all.data, "passed over: visual.extra"));
    vlp_buf_free(&said.all);
    ck_assert_uint_eq(vlp_checkpoint_verify(&c, NULL, note, &found), 3);
    ck_assert_ptr_nonnull(strstr(found.data, "nan ln_final.bias: 1 of 64"));
    ck_assert_ptr_nonnull(strstr(found.data, "inf ln_final.bias: 2 of 64"));
    ck_assert_ptr_nonnull(strstr(found.data, "extra visual.extra"));
    vlp_checkpoint_close(&c);
    vlp_buf_free(&found);
    vlp_safetensors_close(&s);
    build_remove(file);
}
END_TEST

START_TEST(no_value_is_lost_in_blocks_without_a_word)
{
    static const float       odd[] = {NAN, INFINITY, 1e9f};
    const struct vlp_convert how = {.dtype = VLP_Q8_0}, as_f16 = {.dtype = VLP_F16};
    static const char        name[] = "transformer.resblocks.0.mlp.c_fc.weight";
    for (size_t k = 0; k < VLP_COUNT(odd); k++) {
        struct vlp_checkpoint c, d;
        char                  file[4096], to[8192];
        folder_with(file, to, "x");
        strcat(to, "/y");
        open_ok(&c, GOLDEN "openclip-quick", NULL);
        struct vlp_stored t = *vlp_checkpoint_find(&c, name);
        float            *values = vlp_stored_f32(&c.mem, &t);
        values[40] = odd[k];
        t.data = values;
        vlp_checkpoint_add(&c, &t);
        ck_assert_int_eq(vlp_checkpoint_write(&c, to, &how, &err), VLP_ERR_SUPPORT);
        ck_assert_msg(strstr(err.text, name) != NULL, "%s", err.text);
        ck_assert(!vlp_file_exists(to));
        if (k == 0) { /* a type that has such values keeps them, and verify tells */
            struct vlp_buf found = {0};
            ck_assert_int_eq(vlp_checkpoint_write(&c, to, &as_f16, &err), VLP_OK);
            open_ok(&d, to, NULL);
            ck_assert_uint_eq(vlp_checkpoint_verify(&d, NULL, note, &found), 1);
            ck_assert_ptr_nonnull(strstr(found.data, "nan transformer"));
            vlp_buf_free(&found);
            vlp_checkpoint_close(&d);
        }
        vlp_checkpoint_close(&c);
        *strrchr(to, '/') = '\0';
        remove_both(file, to);
    }
}
END_TEST

/* A value that is finite stays so, or the conversion is refused before there is a file. */
static const struct {
    enum vlp_layout layout;
    enum vlp_dtype  dtype;
    const char     *name, *named; /* here, and in the file to be */
    size_t          at;           /* an element of it */
    double          value;
    bool            fits;
} far_out[] = {
    {VLP_LAYOUT_VLP, VLP_F16, "visual.proj", "visual.proj", 7, -1e5, false},
    {VLP_LAYOUT_VLP, VLP_F16, "visual.proj", "visual.proj", 0, 65520, false},
    {VLP_LAYOUT_VLP, VLP_F16, "visual.proj", "visual.proj", 0, 65519, true},
    {VLP_LAYOUT_VLP, VLP_F16, "visual.proj", "visual.proj", 0, INFINITY, true},
    {VLP_LAYOUT_VLP, VLP_F16, "ln_final.bias", "", 0, 1e5, true}, /* vectors stay f32 */
    {VLP_LAYOUT_VLP, VLP_BF16, "visual.proj", "visual.proj", 1, 3.4e38, false},
    {VLP_LAYOUT_VLP, VLP_BF16, "visual.proj", "visual.proj", 1, 3.38e38, true},
    {VLP_LAYOUT_VLP, VLP_F32, "ln_final.bias", "ln_final.bias", 3, 1e39, false},
    {VLP_LAYOUT_VLP, VLP_F16, "ln_final.bias", "ln_final.bias", 3, 1e39, false},
    {VLP_LAYOUT_VLP, VLP_Q8_0, "positional_embedding", "positional_embedding", 1, 1e5, false},
    {VLP_LAYOUT_VLP, VLP_Q8_0, "visual.proj", "visual.proj", 1, 8.3e6, true},
    {VLP_LAYOUT_OPEN_CLIP, VLP_F16, "ln_final.bias", "ln_final.bias", 1, 1e5, false},
    {VLP_LAYOUT_OPEN_CLIP, VLP_BF16, "ln_final.bias", "", 1, 1e5, true},
    {VLP_LAYOUT_HF, VLP_F16, "logit_scale", "", 0, 1e5, true}, /* so does a number alone */
    {VLP_LAYOUT_HF, VLP_F16, "text_projection", "text_projection.weight", 2, 1e5, false},
    {VLP_LAYOUT_HF, VLP_F16, "transformer.resblocks.1.attn.in_proj_bias",
     "text_model.encoder.layers.1.self_attn.v_proj.bias", 150, 1e5, false},
};

START_TEST(no_finite_value_becomes_infinite_without_a_word)
{
    const struct vlp_convert how = {.layout = far_out[_i].layout, .dtype = far_out[_i].dtype};
    struct vlp_checkpoint    c;
    char                     file[4096], to[8192];
    build_file(file, "x", "", 0);
    snprintf(to, sizeof to, "%smodel", folder_of(file));
    open_ok(&c, GOLDEN "hf-quick", NULL);
    struct vlp_stored t = *vlp_checkpoint_find(&c, far_out[_i].name);
    const size_t      n = vlp_stored_numel(&t);
    const float      *values = vlp_stored_f32(&c.mem, &t);
    double           *wide = VLP_NEW_N(&c.mem, double, n);
    for (size_t i = 0; i < n; i++) wide[i] = (double)values[i];
    ck_assert_uint_lt(far_out[_i].at, n);
    wide[far_out[_i].at] = far_out[_i].value;
    t.dtype = VLP_F64;
    t.data = wide;
    t.size = n * sizeof *wide;
    vlp_checkpoint_add(&c, &t);
    const enum vlp_status s = vlp_checkpoint_write(&c, to, &how, &err);
    if (far_out[_i].fits) {
        ck_assert_msg(s == VLP_OK, "%s", err.text);
    } else {
        char value[32], name[128];
        snprintf(value, sizeof value, "the value %g ", far_out[_i].value);
        snprintf(name, sizeof name, "'%s'", far_out[_i].named);
        ck_assert_int_eq(s, VLP_ERR_SUPPORT);
        ck_assert_msg(strstr(err.text, value) && strstr(err.text, name), "%s", err.text);
        ck_assert(!vlp_file_exists(to) && !vlp_is_dir(to));
    }
    vlp_checkpoint_close(&c);
    if (vlp_is_dir(to))
        remove_both(file, to);
    else
        build_remove(file);
}
END_TEST

/* A golden model as torch.save writes it, one of its tensors sparse, and one beside it. */
static void write_with_sparse(char path[4096], const char *sparse, const char *beside)
{
    struct vlp_checkpoint c;
    struct build_zip      z = {0};
    struct vlp_buf        pickle = {0};
    open_ok(&c, GOLDEN "openclip-quick", NULL);
    build_raw(&pickle, "\x80\x02}(");
    for (size_t i = 0; i < c.n_tensors; i++) {
        const struct vlp_stored *t = &c.tensors[i];
        char                     key[24], name[64];
        int64_t                  stride[VLP_MAX_DIM] = {0};
        if (strcmp(t->name, VLP_VOCABULARY_TENSOR) == 0) continue;
        if (sparse && strcmp(t->name, sparse) == 0) continue;
        ck_assert_int_eq(t->dtype, VLP_F32);
        for (int k = t->ndim; k-- > 0;)
            stride[k] = k + 1 < t->ndim ? stride[k + 1] * t->dim[k + 1] : 1;
        snprintf(key, sizeof key, "%zu", i);
        snprintf(name, sizeof name, "x/data/%s", key);
        build_text(&pickle, t->name);
        build_tensor(&pickle, "FloatStorage", key, (int64_t)vlp_stored_numel(t), 0, t->ndim, t->dim,
                     stride);
        build_zip_add(&z, name, t->data, t->size, false);
    }
    const char *const odd[] = {sparse, beside};
    for (size_t i = 0; i < VLP_COUNT(odd); i++) {
        if (!odd[i]) continue;
        build_text(&pickle, odd[i]);
        build_global(&pickle, "torch._utils", "_rebuild_sparse_tensor");
        build_raw(&pickle, ")R");
    }
    build_raw(&pickle, "u.");
    build_zip_add(&z, "x/data.pkl", pickle.data, pickle.len, false);
    build_zip_end(&z, false);
    build_file(path, "model.pt", z.out.data, z.out.len);
    build_zip_free(&z);
    vlp_buf_free(&pickle);
    vlp_checkpoint_close(&c);
}

START_TEST(a_sparse_tensor_of_the_model_is_refused_as_such)
{
    /* a projection that tells a ViT, one that its layout is known by, one of a block */
    static const char *const names[] = {"visual.proj", "text_projection", "visual.conv1.weight",
                                        "logit_scale", "transformer.resblocks.1.mlp.c_fc.bias"};
    struct vlp_checkpoint    c;
    char                     path[4096], want[128];
    write_with_sparse(path, names[_i], NULL);
    ck_assert_int_eq(vlp_checkpoint_open(&c, path, NULL, &err), VLP_ERR_SUPPORT);
    snprintf(want, sizeof want, "tensor '%s' is sparse", names[_i]);
    ck_assert_msg(strstr(err.text, want) != NULL, "%s", err.text);
    build_remove(path);
}
END_TEST

START_TEST(a_sparse_tensor_beside_the_model_is_passed_over_and_named)
{
    struct said                         said = {{0}};
    const struct vlp_checkpoint_options opt = {.say = listen, .ctx = &said};
    struct vlp_checkpoint               c;
    char                                path[4096];
    write_with_sparse(path, NULL, "counts");
    open_ok(&c, path, &opt);
    ck_assert_ptr_null(vlp_checkpoint_find(&c, "counts"));
    ck_assert_ptr_nonnull(vlp_checkpoint_find(&c, "visual.proj"));
    ck_assert_msg(strstr(said.all.data, "passed over: counts") != NULL, "%s", said.all.data);
    vlp_checkpoint_close(&c);
    vlp_buf_free(&said.all);
    build_remove(path);
}
END_TEST

START_TEST(missing_and_misshapen_tensors_are_named)
{
    struct vlp_safetensors s;
    struct vlp_stored      t[80];
    struct vlp_checkpoint  c;
    char                   file[4096];
    /* also those that tell what kind of tower a model has; by the names that the file has */
    static const char open_clip[] = GOLDEN "openclip-quick/open_clip_model.safetensors";
    static const char hf[] = GOLDEN "hf-quick/model.safetensors";
    static const struct {
        const char *of, *without[2], *word;
    } cases[] = {
        {open_clip, {"ln_final.bias"}, " 1 tensor is missing: ln_final.bias"},
        {open_clip, {"ln_final.bias", "ln_final.weight"}, " 2 tensors are missing: "},
        {open_clip, {"visual.proj"}, "tensor 'visual.proj' is missing"},
        {open_clip, {"visual.class_embedding"}, "missing: visual.class_embedding"},
        {open_clip, {"visual.proj", "visual.class_embedding"}, "neither a ViT ('visual.proj' is"},
        {hf, {"visual_projection.weight"}, "tensor 'visual_projection.weight' is missing"},
        {hf, {"text_projection.weight"}, "tensor 'text_projection.weight' is missing"},
        {hf, {"vision_model.post_layernorm.bias"}, "missing: vision_model.post_layernorm.bias"},
        {hf,
         {"text_model.encoder.layers.1.mlp.fc2.bias"},
         "missing: text_model.encoder.layers.1.mlp.fc2.bias"}};
    for (size_t k = 0; k < VLP_COUNT(cases); k++) {
        size_t n = 0;
        ck_assert_int_eq(vlp_safetensors_open(&s, cases[k].of, &err), VLP_OK);
        for (size_t i = 0; i < s.n_tensors; i++) {
            bool out = false;
            for (int j = 0; j < 2 && cases[k].without[j]; j++)
                out |= strcmp(s.tensors[i].name, cases[k].without[j]) == 0;
            if (!out) t[n++] = s.tensors[i];
        }
        ck_assert_uint_lt(n, s.n_tensors);
        rewrite(file, t, n);
        ck_assert_int_eq(vlp_checkpoint_open(&c, file, NULL, &err), VLP_ERR_MISMATCH);
        ck_assert_msg(strstr(err.text, cases[k].word) != NULL, "%s", err.text);
        build_remove(file);
        vlp_safetensors_close(&s);
    }

    ck_assert_int_eq(vlp_safetensors_open(&s, open_clip, &err), VLP_OK);
    memcpy(t, s.tensors, s.n_tensors * sizeof *t);
    for (size_t i = 0; i < s.n_tensors; i++)
        if (strcmp(t[i].name, "visual.proj") == 0) t[i].dim[0] = 32, t[i].dim[1] = 64;
    rewrite(file, t, s.n_tensors);
    ck_assert_int_eq(vlp_checkpoint_open(&c, file, NULL, &err), VLP_ERR_MISMATCH);
    ck_assert_msg(strstr(err.text, "visual.proj [32, 64] instead of [64, 32]") != NULL, "%s",
                  err.text);
    build_remove(file);
    vlp_safetensors_close(&s);
}
END_TEST

/* ---- the document ------------------------------------------------------------------ */

START_TEST(a_document_out_of_bounds_is_refused_by_the_name_of_its_key)
{
    static const struct {
        const char *object, *key, *value, *word;
        bool        optional;
    } cases[] = {
        {"config", "embed_dim", "0", "config.embed_dim", false},
        {"config", "embed_dim", "\"32\"", "config.embed_dim", false},
        {"config", "activation", "\"relu\"", "config.activation", false},
        {"config.vision", "kind", "\"swin\"", "config.vision.kind", false},
        {"config.vision", "layers", "1000000", "config.vision.layers", false},
        {"config.vision", "heads", "3", "config.vision.heads", false},
        {"config.vision", "image_size", "4", "config.vision.patch_size", false},
        {"config.vision", "image_size", "100000000", "config.vision.image_size", false},
        {"config.vision", "interpolate", "\"magic\"", "config.vision.interpolate", false},
        {"config.vision", "ln_eps", "-1", "config.vision.ln_eps", false},
        {"config.text", "vocab", "-5", "config.text.vocab", false},
        {"config.text", "context", "1.5", "config.text.context", false},
        {"preprocess", "size", "[32]", "preprocess.size", false},
        {"preprocess", "std", "[1,0,1]", "preprocess.std", false},
        {"preprocess", "mean", "[1,2,\"x\"]", "preprocess.mean", false},
        {"preprocess", "fill", "256", "preprocess.fill", false},
        {"preprocess", "resize", "\"warp\"", "preprocess.resize", false},
        {"preprocess", "rgb_first", "1", "preprocess.rgb_first", false},
        {"preprocess", "resize_to", "[36]", "preprocess.resize_to", true},
        {"preprocess", "resize_to", "[36, 37]", "preprocess.resize_to", true},
        {"config.vision", "pool", "\"max\"", "config.vision.pool", true},
        {"config.vision", "activation", "\"relu\"", "config.vision.activation", true},
        {"config.text", "eos", "600", "config.text.eos", true},
    };
    struct vlp_checkpoint c;
    open_ok(&c, GOLDEN "openclip-quick", NULL);
    ck_assert_int_eq(vlp_about_validate(c.about, "x", &err), VLP_OK);
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        json_t *about = json_deep_copy(c.about), *o = about;
        char    path[64], *save = NULL;
        snprintf(path, sizeof path, "%s", cases[i].object);
        for (char *p = strtok_r(path, ".", &save); p; p = strtok_r(NULL, ".", &save))
            o = json_object_get(o, p);
        json_object_set_new(o, cases[i].key, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        ck_assert_int_eq(vlp_about_validate(about, "x", &err), VLP_ERR_FORMAT);
        ck_assert_msg(strstr(err.text, cases[i].word) != NULL, "%s: %s", cases[i].word, err.text);
        json_object_del(o, cases[i].key);
        ck_assert_int_eq(vlp_about_validate(about, "x", &err),
                         cases[i].optional ? VLP_OK : VLP_ERR_FORMAT);
        json_decref(about);
    }
    vlp_checkpoint_close(&c);
}
END_TEST

static void open_golden(struct vlp_checkpoint *c, const char *model)
{
    char path[128];
    snprintf(path, sizeof path, GOLDEN "%s", model);
    open_ok(c, path, NULL);
}

/* The document of case i is fine where `word` is NULL; else it is refused, and the word said. */
static void validates(struct vlp_checkpoint *c, size_t i, enum vlp_status refused, const char *word)
{
    const enum vlp_status s = vlp_about_validate(c->about, "x", &err);
    ck_assert_msg(s == (word ? refused : VLP_OK), "%zu: %s", i, err.text);
    if (word) ck_assert_msg(strstr(err.text, word) != NULL, "%s", err.text);
    vlp_checkpoint_close(c);
}

/* Pooled last are CLIPA's ids and those alone; BERT's cleaning goes with BERT's pieces and with
 * those alone. So the fingerprint, which does not count the kind, tells the kinds apart. */
START_TEST(a_tokenizer_that_does_not_go_with_pooling_or_cleaning_is_refused)
{
    static const struct {
        const char *pool, *kind, *cleaning, *word; /* word NULL: fine */
    } cases[] = {
        {NULL, "clip_bpe", "openai", NULL},
        {"end", "clip_bpe", "hf", NULL},
        {NULL, "bert_uncased", "bert", NULL},
        {"end", "clip_bpe", "bert", "'tokenizer.cleaning' does not go with clip_bpe"},
        {NULL, "bert_uncased", "hf", "'tokenizer.cleaning' does not go with bert_uncased"},
        {NULL, "bert_uncased", "openai", "'tokenizer.cleaning' does not go with bert_uncased"},
        {"last", "bert_clipa", "bert", NULL},
        {"last", "bert_clipa", "openai", "'tokenizer.cleaning' does not go with bert_clipa"},
        {"last", "bert_uncased", "bert", "'tokenizer.kind' does not go with config.text.pool"},
        {"last", "clip_bpe", "openai", "'tokenizer.kind' does not go with config.text.pool"},
        {"end", "bert_clipa", "bert", "'tokenizer.kind' does not go with config.text.pool"},
        {NULL, "bert_clipa", "bert", "'tokenizer.kind' does not go with config.text.pool"},
    };
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        struct vlp_checkpoint c;
        open_golden(&c, "openclip-quick");
        json_t *text = json_object_get(json_object_get(c.about, "config"), "text");
        if (cases[i].pool) json_object_set_new(text, "pool", json_string(cases[i].pool));
        json_object_set_new(c.about, "tokenizer",
                            json_pack("{s:s, s:s, s:s}", "kind", cases[i].kind, "cleaning",
                                      cases[i].cleaning, "tensor", "tokenizer.vocab"));
        validates(&c, i, VLP_ERR_FORMAT, cases[i].word);
    }
}
END_TEST

/* What a layout cannot say is refused by name, not left out. */
START_TEST(texts_travel_with_their_tokenizer_or_not_at_all)
{
    static const char own[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncat\n",
                      merges[] = "#\ni n\nt h\n";
    static const struct {
        const char     *model, *keys, *kind, *cleaning, *vocabulary; /* NULL: BERT's */
        enum vlp_layout layout;
        const char     *word; /* of the refusal; NULL: none */
    } cases[] = {
        {"openclip-clipa", "{}", "bert_clipa", "bert", NULL, VLP_LAYOUT_OPEN_CLIP, NULL},
        {"openclip-clipa", "{}", "bert_clipa", "bert", own, VLP_LAYOUT_VLP, NULL},
        {"openclip-clipa", "{}", "bert_clipa", "bert", own, VLP_LAYOUT_OPEN_CLIP,
         "open_clip cannot express a vocabulary of bert_clipa other than BERT's"},
        {"openclip-quick", "{}", "bert_uncased", "bert", own, VLP_LAYOUT_OPEN_CLIP,
         "open_clip cannot express the tokenizer bert_uncased"},
        {"openclip-quick", "{}", "bert_uncased", "bert", own, VLP_LAYOUT_HF,
         "cannot express the tokenizer bert_uncased"},
        {"openclip-quick", "{}", "bert_uncased", "bert", own, VLP_LAYOUT_VLP, NULL},
        {"openclip-quick", "{\"causal\":false}", NULL, NULL, NULL, VLP_LAYOUT_OPEN_CLIP, NULL},
        {"openclip-quick", "{\"causal\":false,\"eos\":9}", NULL, NULL, NULL, VLP_LAYOUT_OPEN_CLIP,
         NULL},
        {"openclip-quick", "{\"causal\":false}", "clip_bpe", "openai", merges, VLP_LAYOUT_OPEN_CLIP,
         "texts without a mask of another vocabulary than CLIP's"},
        {"openclip-quick", "{}", "clip_bpe", "hf", merges, VLP_LAYOUT_OPEN_CLIP, NULL},
        {"openclip-quick", "{\"causal\":false}", NULL, NULL, NULL, VLP_LAYOUT_HF,
         "cannot express a text tower without a mask"},
        {"openclip-quick", "{\"pool\":\"last\"}", NULL, NULL, NULL, VLP_LAYOUT_HF,
         "cannot express a text tower that pools its last position"},
        {"openclip-quick", "{\"pool\":\"last\"}", NULL, NULL, NULL, VLP_LAYOUT_OPEN_CLIP, NULL},
    };
    struct vlp_map released;
    ck_assert_int_eq(vlp_map_open(&released, "share/vlp/bert_vocab.txt", &err), VLP_OK);
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        struct vlp_checkpoint c, d;
        char                  file[4096], to[8192], before[33], after[33];
        const char           *vocabulary = cases[i].vocabulary;
        const size_t          size = vocabulary ? strlen(vocabulary) : released.size;
        open_golden(&c, cases[i].model);
        json_t *keys = json_loads(cases[i].keys, 0, NULL);
        json_object_update(json_object_get(json_object_get(c.about, "config"), "text"), keys);
        json_decref(keys);
        if (cases[i].kind) {
            const struct vlp_stored t = {.name = "tokenizer.vocab",
                                         .dtype = VLP_U8,
                                         .ndim = 1,
                                         .dim = {(int64_t)size},
                                         .data =
                                             vocabulary ? (const void *)vocabulary : released.data,
                                         .size = size};
            vlp_checkpoint_add(&c, &t);
            json_object_set_new(c.about, "tokenizer",
                                json_pack("{s:s, s:s, s:s}", "kind", cases[i].kind, "cleaning",
                                          cases[i].cleaning, "tensor", t.name));
        }
        json_object_del(c.about, "fingerprint");
        vlp_checkpoint_fingerprint(&c, before);
        build_file(file, "x", "", 0);
        snprintf(to, sizeof to, "%smodel", folder_of(file));
        const struct vlp_convert how = {.layout = cases[i].layout, .dtype = VLP_F32};
        const enum vlp_status    s = vlp_checkpoint_write(&c, to, &how, &err);
        ck_assert_msg(s == (cases[i].word ? VLP_ERR_SUPPORT : VLP_OK), "%zu: %s", i, err.text);
        if (cases[i].word) {
            ck_assert_msg(strstr(err.text, cases[i].word) != NULL, "%s", err.text);
            ck_assert(!vlp_file_exists(to));
        } else {
            open_ok(&d, to, NULL);
            json_object_del(d.about, "fingerprint");
            vlp_checkpoint_fingerprint(&d, after);
            ck_assert_msg(strcmp(before, after) == 0, "%zu", i);
            vlp_checkpoint_close(&d);
        }
        vlp_checkpoint_close(&c);
        if (vlp_is_dir(to)) {
            char inside[8300];
            snprintf(inside, sizeof inside, "%s/x", to);
            build_remove(inside);
        }
        build_remove(file);
    }
    vlp_map_close(&released);
}
END_TEST

/* Two vocabularies are two models; that of BERT is as good as none. */
START_TEST(a_fingerprint_counts_berts_vocabulary)
{
    static const struct {
        const char *model, *kind;
    } cases[] = {{"openclip-clipa", "bert_clipa"}, {"openclip-quick", "bert_uncased"}};
    static const char *const own[] = {"[PAD]\ncat\ndog\n", "[PAD]\ndog\ncat\n"};
    char                     seen[4][33];
    struct vlp_map           released;
    ck_assert_int_eq(vlp_map_open(&released, "share/vlp/bert_vocab.txt", &err), VLP_OK);
    for (size_t i = 0; i < 4; i++) {
        struct vlp_checkpoint   c;
        const size_t            size = i < 2 ? strlen(own[i]) : released.size;
        const struct vlp_stored t = {.name = "tokenizer.vocab",
                                     .dtype = VLP_U8,
                                     .ndim = 1,
                                     .dim = {(int64_t)size},
                                     .data = i < 2 ? (const void *)own[i] : released.data,
                                     .size = size};
        open_golden(&c, cases[_i].model);
        if (i < 3 || _i > 0) /* what pools last is BERT's without being told */
            json_object_set_new(
                c.about, "tokenizer",
                json_pack("{s:s, s:s}", "kind", cases[_i].kind, "cleaning", "bert"));
        if (i < 3) {
            vlp_checkpoint_add(&c, &t);
            json_object_set_new(json_object_get(c.about, "tokenizer"), "tensor",
                                json_string(t.name));
        }
        vlp_checkpoint_fingerprint(&c, seen[i]);
        vlp_checkpoint_close(&c);
    }
    ck_assert_str_ne(seen[0], seen[1]);
    ck_assert_str_ne(seen[0], seen[2]);
    ck_assert_str_eq(seen[2], seen[3]);
    vlp_map_close(&released);
}
END_TEST

/* What the pictures are made to must be what the tower takes. */
START_TEST(a_size_of_pictures_that_the_model_cannot_take_is_refused)
{
    static const struct {
        const char *model, *interpolate, *size, *resize, *word; /* word NULL: fine */
    } cases[] = {
        {"openclip-quick", "none", "[32, 32]", "shortest", NULL},
        {"openclip-quick", "none", "[40, 40]", "shortest", "preprocess.size"},
        {"openclip-quick", "none", "[32, 40]", "squash", "preprocess.size"},
        {"openclip-quick", "hf", "[40, 16]", "squash", NULL},
        {"openclip-quick", "hf", "[8, 8]", "shortest", NULL},
        {"openclip-quick", "hf", "[4, 4]", "shortest", "preprocess.size"},
        {"openclip-quick", "hf", "[1, 32]", "shortest", "preprocess.size"},
        {"openclip-quick", "hf", "[32, 7]", "shortest", "preprocess.size"},
        {"openclip-quick", "hf", "[64, 64]", "vilt", NULL},
        {"openclip-quick", "none", "[32, 32]", "vilt", "preprocess.resize"},
        {"openclip-quick", "open_clip", "[32, 32]", "vilt", "preprocess.resize"},
        {"openai-resnet", NULL, "[64, 64]", "longest", NULL},
        {"openai-resnet", NULL, "[96, 96]", "shortest", "preprocess.size"},
        {"openai-resnet", NULL, "[64, 32]", "shortest", "preprocess.size"},
        {"openai-resnet", NULL, "[64, 64]", "vilt", "preprocess.resize"},
        {"openai-resnet", "hf", "[96, 96]", "shortest", "preprocess.size"}, /* a key of a ViT */
    };
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        struct vlp_checkpoint c;
        open_golden(&c, cases[i].model);
        json_t *p = json_object_get(c.about, "preprocess"),
               *vision = json_object_get(json_object_get(c.about, "config"), "vision");
        json_object_set_new(p, "size", json_loads(cases[i].size, 0, NULL));
        json_object_set_new(p, "resize", json_string(cases[i].resize));
        if (cases[i].interpolate)
            json_object_set_new(vision, "interpolate", json_string(cases[i].interpolate));
        validates(&c, i, VLP_ERR_FORMAT, cases[i].word);
    }
}
END_TEST

/* A small file may name a size of which pictures, positions and attention take all memory. */
START_TEST(pictures_of_too_many_patches_are_refused)
{
    static const struct {
        const char *model, *interpolate;
        int         side, patch, size; /* of the tower, and what comes out of the preprocessing */
        const char *word;              /* NULL: fine */
    } cases[] = {
        {"openclip-quick", "none", 1008, 14, 1008, NULL}, /* a published one */
        {"openclip-quick", "open_clip", 2048, 8, 2048, NULL},
        {"openclip-quick", "open_clip", 2056, 8, 2056, "66049"},
        {"openclip-quick", "open_clip", 8192, 1, 8192, "67108864"},
        {"openclip-quick", "hf", 32, 8, 2048, NULL},
        {"openclip-quick", "hf", 32, 8, 8192, "1048576"},
        {"openai-resnet", NULL, 448, 0, 448, NULL},
        {"openai-resnet", NULL, 2048, 0, 2048, NULL},
        {"openai-resnet", NULL, 2049, 0, 2049, "2049"},
    };
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        struct vlp_checkpoint c;
        open_golden(&c, cases[i].model);
        json_t *p = json_object_get(c.about, "preprocess"),
               *vision = json_object_get(json_object_get(c.about, "config"), "vision");
        json_object_set_new(p, "size", json_pack("[i, i]", cases[i].size, cases[i].size));
        json_object_set_new(vision, "image_size", json_integer(cases[i].side));
        if (cases[i].interpolate) {
            json_object_set_new(vision, "patch_size", json_integer(cases[i].patch));
            json_object_set_new(vision, "interpolate", json_string(cases[i].interpolate));
        }
        validates(&c, i, VLP_ERR_LIMIT, cases[i].word);
    }
}
END_TEST

START_TEST(a_crop_smaller_than_a_patch_is_refused)
{
    static const char *const text[] = {"{\"size\":32,\"crop_size\":4}",
                                       "{\"size\":32,\"crop_size\":{\"height\":32,\"width\":1}}"};
    for (size_t i = 0; i < VLP_COUNT(text); i++) {
        struct vlp_checkpoint c;
        char                  path[4096];
        link_as(path, GOLDEN "hf-quick/model.safetensors", "model.safetensors");
        write_beside(path, "config.json", HF(HF_TEXT HEADS, HF_VISION HEADS));
        write_beside(path, "preprocessor_config.json", text[i]);
        ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), VLP_ERR_FORMAT);
        ck_assert_msg(strstr(err.text, "preprocess.size") != NULL, "%s", err.text);
        build_remove(path);
    }
}
END_TEST

/* ---- damaged files ----------------------------------------------------------------- */

#define DAMAGED "tests/data/checkpoint/"

START_TEST(each_damaged_file_is_refused_for_its_own_reason)
{
    FILE *f = fopen(DAMAGED "expected.tsv", "r");
    char  line[512];
    int   n = 0;
    ck_assert_ptr_nonnull(f);
    for (; fgets(line, sizeof line, f); n++) {
        char       *save = NULL, path[600];
        const char *name = strtok_r(line, "\t", &save), *status = strtok_r(NULL, "\t", &save);
        const char *word = strtok_r(NULL, "\n", &save);
        struct vlp_checkpoint c;
        snprintf(path, sizeof path, DAMAGED "%s", name);
        const double          start = vlp_now();
        const enum vlp_status s = vlp_checkpoint_open(&c, path, NULL, &err);
        ck_assert_msg(strcmp(vlp_status_name(s), status) == 0, "%s: %s instead of %s: %s", name,
                      vlp_status_name(s), status, err.text);
        ck_assert_msg(strstr(err.text, word) != NULL, "%s: '%s' does not say '%s'", name, err.text,
                      word);
        ck_assert_msg(strstr(err.text, name) != NULL, "'%s' does not name %s", err.text, name);
        ck_assert_msg(vlp_now() - start < 3.0, "%s took long", name);
    }
    fclose(f);
    ck_assert_int_ge(n, 100);
}
END_TEST

START_TEST(a_released_file_cut_anywhere_is_an_error)
{
    static const char *const files[] = {"openai-vit/model.pt", "statedict-module/epoch_3.pt",
                                        "legacy-nonzip/model.pt", "hf-bin/pytorch_model.bin",
                                        "openclip-quick/open_clip_model.safetensors"};
    struct vlp_map           map;
    char                     path[256];
    snprintf(path, sizeof path, GOLDEN "%s", files[_i]);
    ck_assert_int_eq(vlp_map_open(&map, path, &err), VLP_OK);
    for (size_t n = 0; n < map.size; n += 1 + n / 3 + (n > 100) * 40) {
        struct vlp_stored_list list = {0};
        struct vlp_arena       mem;
        enum vlp_container     kind;
        json_t                *metadata = NULL;
        const struct vlp_bytes file = {map.data, n, "cut", false};
        vlp_arena_init(&mem);
        const enum vlp_status s = vlp_container_parse(&list, &kind, &metadata, &mem, &file, &err);
        ck_assert_msg(s == VLP_ERR_FORMAT || s == VLP_ERR_LIMIT, "%zu bytes: %s", n,
                      vlp_status_name(s));
        json_decref(metadata);
        vlp_stored_list_free(&list);
        vlp_arena_free(&mem);
    }
    vlp_map_close(&map);
}
END_TEST

START_TEST(of_several_files_in_a_folder_one_has_to_be_named)
{
    struct vlp_checkpoint c;
    char                  path[4096];
    link_as(path, GOLDEN "openclip-quick/open_clip_model.safetensors", "best.safetensors");
    open_ok(&c, folder_of(path), NULL);
    vlp_checkpoint_close(&c);
    write_beside(path, "old.pt", "x");
    ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), VLP_ERR_USAGE);
    ck_assert_msg(strstr(err.text, "best.safetensors, old.pt") != NULL, "%s", err.text);
    for (int i = 0; i < 9; i++) {
        char name[32];
        snprintf(name, sizeof name, "e%d.ckpt", i);
        write_beside(path, name, "x");
    }
    ck_assert_int_eq(vlp_checkpoint_open(&c, folder_of(path), NULL, &err), VLP_ERR_USAGE);
    ck_assert_msg(strstr(err.text, "11 files") && strstr(err.text, "best.safetensors, e0.ckpt, e1"),
                  "%s", err.text);
    build_remove(path);
}
END_TEST

START_TEST(what_is_not_there_is_an_io_error)
{
    struct vlp_checkpoint c;
    ck_assert_int_eq(vlp_checkpoint_open(&c, "tests/no-such-file", NULL, &err), VLP_ERR_IO);
    ck_assert_int_eq(vlp_checkpoint_open(&c, GOLDEN "train", NULL, &err), VLP_ERR_IO);
    memset(&c, 0, sizeof c);
    vlp_checkpoint_close(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checkpoint");
    TCase *t = tcase_create("layouts");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_released_layout_opens_with_canonical_names, 0, VLP_COUNT(golden));
    tcase_add_test(t, open_clip_configuration_is_read_to_the_last_key);
    tcase_add_test(t, hugging_face_projections_are_stacked_and_transposed);
    tcase_add_test(t, containers_of_the_same_weights_agree);
    tcase_add_loop_test(t, fill_counts_where_pictures_are_padded, 0, VLP_COUNT(borders));
    tcase_add_loop_test(t, the_tag_in_a_name_decides_the_activation_and_is_said, 0,
                        VLP_COUNT(tags));
    tcase_add_test(t, a_configuration_beside_a_bare_file_counts_if_it_describes_it);
    tcase_add_loop_test(t, a_configuration_of_something_else_beside_a_file_is_passed_over, 0,
                        VLP_COUNT(beside));
    tcase_add_loop_test(t, shapes_and_tags_give_the_configuration_of_the_published_models, 0,
                        VLP_COUNT(bare));
    tcase_add_test(t, clipa_is_known_by_its_tensors);
    tcase_add_loop_test(t, names_are_found_under_what_training_programs_put_around_them, 0,
                        (int)VLP_COUNT(renamed));
    tcase_add_loop_test(t, a_part_of_another_architecture_is_refused_by_its_name, 0, 4);
    tcase_add_loop_test(t, what_is_often_taken_for_a_model_that_is_read_is_named, 0, 6);
    tcase_add_loop_test(t, a_relative_of_clip_in_hugging_faces_layout_is_refused_by_its_tensor, 0,
                        2);
    tcase_add_loop_test(t, a_vocabulary_that_is_not_here_is_known_by_its_size, 0, 3);
    tcase_add_test(t, the_name_of_the_file_counts_before_that_of_its_folder);
    tcase_add_loop_test(t, config_json_with_overrides_defaults_and_faults, 0,
                        VLP_COUNT(hf_configs));
    tcase_add_loop_test(t, preprocessor_config_in_its_old_and_new_shapes, 0,
                        VLP_COUNT(preprocessors));
    tcase_add_test(t, what_differs_between_the_towers_is_kept_for_each);
    tcase_add_loop_test(t, open_clip_config_with_variants_and_faults, 0,
                        (int)VLP_COUNT(open_clip_configs));
    tcase_add_test(t, open_clip_pictures_are_rgb_or_refused);
    tcase_add_loop_test(t, tensors_are_renamed_as_weights_are, 0, 2);
    tcase_add_loop_test(t, pictures_are_padded_with_one_value, 0, (int)VLP_COUNT(fills));
    tcase_add_test(t, a_rest_that_patches_do_not_cover_is_part_of_the_picture);
    tcase_add_test(t, merges_are_carried_from_either_file);
    tcase_add_loop_test(t, a_tokenizer_that_is_not_clips_is_refused_by_what_differs, 0,
                        (int)VLP_COUNT(tokenizers));
    tcase_add_loop_test(t, a_square_may_be_given_by_both_of_its_sides, 0, (int)VLP_COUNT(patches));
    tcase_add_test(t, a_vocab_json_of_other_ids_is_refused);
    tcase_add_test(t, more_merges_than_clips_tokenizer_reads_are_refused);
    tcase_add_test(t, an_index_may_name_files_of_its_folder_only);
    suite_add_tcase(s, t);

    t = tcase_create("writers");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_configuration_names_the_type_of_its_weights);
    tcase_add_loop_test(t, a_crop_of_another_size_than_the_resize_travels_where_it_can_be_said, 0,
                        6);
    tcase_add_loop_test(t, variants_go_to_open_clip_and_back_and_not_to_hugging_face, 0, 3);
    tcase_add_loop_test(t, a_round_trip_keeps_every_value_and_the_fingerprint, 0, VLP_COUNT(trips));
    tcase_add_loop_test(t, a_refused_conversion_leaves_the_folder_as_it_was, 0,
                        VLP_COUNT(in_the_way));
    tcase_add_loop_test(t, files_of_another_model_are_refused_or_removed, 0, VLP_COUNT(of_another));
    tcase_add_test(t, a_folder_holds_one_model);
    tcase_add_test(t, a_tensor_that_hugging_face_has_no_name_for_is_refused);
    tcase_add_test(t, hugging_face_vocabulary_is_made_from_the_merges);
    tcase_add_loop_test(t, the_logit_scale_is_not_rounded, 0, 3);
    tcase_add_loop_test(t, a_narrower_type_is_close_and_its_fingerprint_is_its_own, 0,
                        VLP_COUNT(dtypes));
    suite_add_tcase(s, t);

    t = tcase_create("verify");
    tcase_add_test(t, verify_finds_a_flipped_bit_and_says_where);
    tcase_add_test(t, a_zip_written_without_sums_has_none_to_compare);
    tcase_add_test(t, verify_finds_nan_infinity_and_what_is_not_used);
    tcase_add_test(t, no_value_is_lost_in_blocks_without_a_word);
    tcase_add_loop_test(t, no_finite_value_becomes_infinite_without_a_word, 0,
                        (int)VLP_COUNT(far_out));
    tcase_add_test(t, missing_and_misshapen_tensors_are_named);
    tcase_add_loop_test(t, a_sparse_tensor_of_the_model_is_refused_as_such, 0, 5);
    tcase_add_test(t, a_sparse_tensor_beside_the_model_is_passed_over_and_named);
    tcase_add_test(t, a_document_out_of_bounds_is_refused_by_the_name_of_its_key);
    tcase_add_test(t, a_tokenizer_that_does_not_go_with_pooling_or_cleaning_is_refused);
    tcase_add_test(t, texts_travel_with_their_tokenizer_or_not_at_all);
    tcase_add_loop_test(t, a_fingerprint_counts_berts_vocabulary, 0, 2);
    tcase_add_test(t, a_size_of_pictures_that_the_model_cannot_take_is_refused);
    tcase_add_test(t, pictures_of_too_many_patches_are_refused);
    tcase_add_test(t, a_crop_smaller_than_a_patch_is_refused);
    suite_add_tcase(s, t);

    t = tcase_create("damaged");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, each_damaged_file_is_refused_for_its_own_reason);
    tcase_add_loop_test(t, a_released_file_cut_anywhere_is_an_error, 0, 5);
    tcase_add_test(t, of_several_files_in_a_folder_one_has_to_be_named);
    tcase_add_test(t, what_is_not_there_is_an_io_error);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
