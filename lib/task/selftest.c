/*
 * selftest.c -- does this machine compute what the reference computes? Golden numbers of two tiny
 * models, at every instruction-set level and precision that the machine has.
 *
 * The models need no file: every value comes from a generator in integer arithmetic.
 *   state = FNV-1a-32(name);  per element: state = 1664525 state + 1013904223 mod 2^32,
 *   value = ((state >> 8) / 2^24 - 0.5) amp
 * amp is 0.2 for parameters; one-dimensional weights and running variances get 1 added.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task_internal.h"

static void generate(float *out, size_t n, const char *name, double amp, double add)
{
    uint32_t state = vlp_fnv1a(VLP_FNV_START, name, strlen(name));
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        out[i] = (float)(((state >> 8) / 16777216.0 - 0.5) * amp + add);
    }
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static void fill(struct vlp_model *m)
{
    for (int i = 0; i < m->params.n; i++) {
        struct vlp_param *p = m->params.item[i];
        const bool        one = p->tensor.ndim == 1 &&
                         (ends_with(p->name, "weight") || ends_with(p->name, "running_var"));
        generate(p->tensor.data, vlp_numel(&p->tensor), p->name, 0.2, one ? 1.0 : 0.0);
    }
    m->logit_scale->tensor.data[0] = (float)log(1 / 0.07);
}

/* The golden numbers: both models' pictures, and the texts of the first. */
static const float vit_image0[] = {0.103072f,  0.191937f, -0.379075f, 0.482808f,
                                   -0.932431f, 0.510956f, 0.804187f,  -0.369284f};
static const float vit_image1[] = {-0.175676f, 0.292997f, -0.376271f, 0.294615f};
static const float vit_text0[] = {0.390787f, 1.444236f,  -0.604782f, -0.488562f,
                                  0.025658f, -0.671300f, 0.708115f,  -0.121974f};
static const float vit_text1[] = {0.260797f, 1.037026f, -0.716450f, -0.699180f};
static const float vit_logits[] = {0.957894f, -0.776096f, 1.540051f, -0.579990f};
static const float resnet_image0[] = {0.109672f, 0.129676f,  0.072613f,  -0.055307f,
                                      0.155801f, -0.020487f, -0.134795f, 0.035138f};

static const int32_t text_ids[] = {62, 5, 9, 63, 62, 7, 8, 11, 40, 63};
static const int     text_start[] = {0, 4, 10};

static const char vit_about[] =
    "{\"family\": \"clip\", \"config\": {\"embed_dim\": 32, \"activation\": \"quick_gelu\","
    " \"vision\": {\"kind\": \"vit\", \"image_size\": 32, \"patch_size\": 8, \"width\": 128,"
    " \"layers\": 2, \"heads\": 2, \"mlp\": 512, \"ln_eps\": 1e-5, \"interpolate\": \"none\"},"
    " \"text\": {\"context\": 12, \"vocab\": 64, \"width\": 128, \"layers\": 2, \"heads\": 2,"
    " \"mlp\": 512, \"ln_eps\": 1e-5}}}";
static const char resnet_about[] =
    "{\"family\": \"clip\", \"config\": {\"embed_dim\": 32, \"activation\": \"quick_gelu\","
    " \"vision\": {\"kind\": \"resnet\", \"image_size\": 64, \"width\": 16,"
    " \"layers\": [1, 1, 1, 1], \"heads\": 8},"
    " \"text\": {\"context\": 12, \"vocab\": 64, \"width\": 128, \"layers\": 2, \"heads\": 2,"
    " \"mlp\": 512, \"ln_eps\": 1e-5}}}";

enum { DIM = 32, VIT_SIDE = 32, RESNET_SIDE = 64 };

static double cosine(const float *a, const float *b, int n)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

/* Features of the tiny models on one level: pictures (2), texts (2), the ResNet's picture (1). */
struct tiny_features {
    float image[2 * DIM], text[2 * DIM], resnet[DIM];
};

struct tiny_models {
    struct vlp_encoder vit, resnet; /* only the models in them */
    float             *vit_pixels, *resnet_pixels;
    struct vlp_arena   mem;
};

static void run(struct tiny_features *f, struct tiny_models *m, const struct vlp_compute *c)
{
    static const struct vlp_features plain = {0};
    struct vlp_tokens                tokens[2];
    const struct vlp_tokens         *list[2] = {&tokens[0], &tokens[1]};
    for (int i = 0; i < 2; i++)
        tokens[i] = (struct vlp_tokens){.ids = (int32_t *)(uintptr_t)text_ids + text_start[i],
                                        .n = text_start[i + 1] - text_start[i]};
    vlp_encode_pixels(&m->vit, c, &m->mem, m->vit_pixels, 2, VIT_SIDE, VIT_SIDE, &plain, f->image);
    vlp_encode_tokens(&m->vit, c, &m->mem, list, 2, &plain, f->text);
    vlp_encode_pixels(&m->resnet, c, &m->mem, m->resnet_pixels, 1, RESNET_SIDE, RESNET_SIDE, &plain,
                      f->resnet);
}

static double golden_error(const struct tiny_models *m, const struct tiny_features *f)
{
    const struct {
        const float *got, *want;
        size_t       n;
    } rows[] = {
        {f->image, vit_image0, 8},     {f->image + DIM, vit_image1, 4}, {f->text, vit_text0, 8},
        {f->text + DIM, vit_text1, 4}, {f->resnet, resnet_image0, 8},
    };
    double worst = 0;
    float  logits[4];
    for (size_t i = 0; i < VLP_COUNT(rows); i++)
        worst = vlp_worse(worst, vlp_differ(rows[i].got, rows[i].want, rows[i].n).error);
    const float scale = expf(m->vit.model.logit_scale->tensor.data[0]);
    for (int i = 0; i < 4; i++)
        logits[i] = scale * (float)cosine(f->image + i / 2 * DIM, f->text + i % 2 * DIM, DIM);
    return vlp_worse(worst, vlp_differ(logits, vit_logits, 4).error);
}

/* 1 - the lowest cosine to the numbers of f32. */
static double angle_to_f32(const struct tiny_features *f, const struct tiny_features *f32)
{
    double worst = 1 - cosine(f->resnet, f32->resnet, DIM);
    for (int i = 0; i < 2; i++) {
        worst = vlp_worse(worst, 1 - cosine(f->image + i * DIM, f32->image + i * DIM, DIM));
        worst = vlp_worse(worst, 1 - cosine(f->text + i * DIM, f32->text + i * DIM, DIM));
    }
    return worst;
}

/* The same numbers, bit for bit, for one picture or text at a time and on one thread? */
static bool alone_is_the_same(const struct tiny_features *f, struct tiny_models *m,
                              const struct vlp_compute *c)
{
    static const struct vlp_features plain = {0};
    struct vlp_compute               alone = *c;
    float                            row[DIM];
    bool                             same = true;
    alone.pool = NULL;
    for (int i = 0; i < 2; i++) {
        const struct vlp_tokens  t = {.ids = (int32_t *)(uintptr_t)text_ids + text_start[i],
                                      .n = text_start[i + 1] - text_start[i]};
        const struct vlp_tokens *list[1] = {&t};
        vlp_encode_pixels(&m->vit, &alone, &m->mem, m->vit_pixels + i * 3 * VIT_SIDE * VIT_SIDE, 1,
                          VIT_SIDE, VIT_SIDE, &plain, row);
        same = same && memcmp(row, f->image + i * DIM, sizeof row) == 0;
        vlp_encode_tokens(&m->vit, &alone, &m->mem, list, 1, &plain, row);
        same = same && memcmp(row, f->text + i * DIM, sizeof row) == 0;
    }
    return same;
}

static enum vlp_status make_model(struct vlp_encoder *e, const char *text, struct vlp_error *err)
{
    json_t               *about = json_loads(text, 0, NULL);
    const enum vlp_status s = vlp_model_new(&e->model, about, 1, err);
    json_decref(about);
    if (s == VLP_OK) fill(&e->model);
    return s;
}

static enum vlp_status make_models(struct tiny_models *m, struct vlp_error *err)
{
    VLP_TRY(make_model(&m->vit, vit_about, err));
    VLP_TRY(make_model(&m->resnet, resnet_about, err));
    m->vit_pixels = VLP_NEW_N(&m->mem, float, 2 * 3 * VIT_SIDE * VIT_SIDE);
    m->resnet_pixels = VLP_NEW_N(&m->mem, float, 3 * RESNET_SIDE * RESNET_SIDE);
    generate(m->vit_pixels, 2 * 3 * VIT_SIDE * VIT_SIDE, "input.image", 4, 0);
    generate(m->resnet_pixels, 3 * RESNET_SIDE * RESNET_SIDE, "input.image", 4, 0);
    return VLP_OK;
}

/* 1e-4 is what features may differ from the reference's; the golden numbers have six digits. */
static const double F32_TOLERANCE = 1e-4, COSINE_LEAST = 0.99;

static bool check_level(struct tiny_models *m, const struct vlp_compute *c,
                        const struct tiny_features *f32, struct tiny_features *f,
                        vlp_selftest_say *say, void *ctx)
{
    char name[64], text[256];
    run(f, m, c);
    snprintf(name, sizeof name, "%s %s", vlp_cpu_name(c->cpu), vlp_precision_name(c->precision));
    const bool same = alone_is_the_same(f, m, c);
    bool       good;
    if (c->precision == VLP_PRECISION_F32) {
        const double error = golden_error(m, f);
        good = error <= F32_TOLERANCE;
        snprintf(text, sizeof text, "largest error %.2g (at most %.0e)", error, F32_TOLERANCE);
    } else {
        const double least = 1 - angle_to_f32(f, f32);
        good = least >= COSINE_LEAST;
        snprintf(text, sizeof text, "cosine to f32 %.5f (at least %.2f)", least, COSINE_LEAST);
    }
    say(ctx, good, name, text);
    say(ctx, same, name,
        same ? "one by one on one thread: the same bits"
             : "one by one on one thread: other bits than together");
    return good && same;
}

enum vlp_status vlp_selftest(const char *only_cpu, int threads, vlp_selftest_say *say, void *ctx,
                             struct vlp_error *err)
{
    struct tiny_models   m = {0};
    struct tiny_features f32, f;
    struct vlp_compute   known; /* none of the levels would be tried */
    bool                 good = true;
    if (only_cpu) VLP_TRY(vlp_compute_init(&known, NULL, only_cpu, VLP_PRECISION_F32, err));
    vlp_arena_init(&m.mem);
    struct vlp_pool *pool = vlp_pool_open(threads);
    enum vlp_status  s = make_models(&m, err);
    for (int level = 0; level <= (int)vlp_cpu_best() && s == VLP_OK; level++) {
        const char *name = vlp_cpu_name((enum vlp_cpu)level);
        if (only_cpu && strcmp(only_cpu, name) != 0) continue;
        for (int p = 0; p < VLP_PRECISION_COUNT && s == VLP_OK; p++) {
            struct vlp_compute c;
            s = vlp_compute_init(&c, pool, name, (enum vlp_precision)p, err);
            if (s == VLP_OK) good = check_level(&m, &c, &f32, p == 0 ? &f32 : &f, say, ctx) && good;
        }
    }
    vlp_pool_close(pool);
    vlp_model_close(&m.vit.model);
    vlp_model_close(&m.resnet.model);
    vlp_arena_free(&m.mem);
    if (s == VLP_OK && !good)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "this machine does not compute what the reference computes");
    return s;
}
