/*
 * check_clip.c -- CLIP built in memory: the specification's tiny models, forward and gradients.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/model.h>

/* The specification's parameter generator: a linear congruential sequence seeded by the name. */
static void generate(float *to, size_t n, const char *name, double amp, double plus)
{
    uint32_t state = vlp_fnv1a(VLP_FNV_START, name, strlen(name));
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        to[i] = (float)(((double)(state >> 8) / 16777216.0 - 0.5) * amp + plus);
    }
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static void fill_parameters(struct vlp_model *m)
{
    for (int i = 0; i < m->params.n; i++) {
        struct vlp_param *p = m->params.item[i];
        const bool        gain = p->tensor.ndim == 1 &&
                          (ends_with(p->name, "weight") || ends_with(p->name, "running_var"));
        generate(p->tensor.data, vlp_numel(&p->tensor), p->name, 0.2, gain ? 1.0 : 0.0);
    }
    m->logit_scale->tensor.data[0] = (float)log(1.0 / 0.07);
}

#define TEXT_TOWER                                                                                 \
    "\"text\":{\"context\":12,\"vocab\":64,\"width\":128,\"layers\":2,\"heads\":2,\"mlp\":512,"    \
    "\"ln_eps\":1e-5}"
static const char *const tiny_vit =
    "{\"family\":\"clip\",\"config\":{\"embed_dim\":32,\"activation\":\"quick_gelu\","
    "\"vision\":{\"kind\":\"vit\",\"image_size\":32,\"patch_size\":8,\"width\":128,\"layers\":2,"
    "\"heads\":2,\"mlp\":512,\"ln_eps\":1e-5,\"interpolate\":\"none\"}," TEXT_TOWER "}}";
static const char *const tiny_resnet =
    "{\"family\":\"clip\",\"config\":{\"embed_dim\":32,\"activation\":\"quick_gelu\","
    "\"vision\":{\"kind\":\"resnet\",\"image_size\":64,\"width\":16,\"layers\":[1,1,1,1],"
    "\"heads\":8}," TEXT_TOWER "}}";

struct world {
    struct vlp_model   model;
    struct vlp_pool   *pool;
    struct vlp_compute compute;
    struct vlp_arena   mem;
    struct vlp_tape    tape;
};

static void open_world(struct world *w, const char *document, int threads, bool recording)
{
    struct vlp_error err = {0};
    json_t          *about = json_loads(document, 0, NULL);
    ck_assert_ptr_nonnull(about);
    ck_assert_msg(vlp_model_new(&w->model, about, 1, &err) == VLP_OK, "%s", err.text);
    json_decref(about);
    fill_parameters(&w->model);
    w->pool = vlp_pool_open(threads);
    ck_assert_msg(vlp_compute_init(&w->compute, w->pool, getenv("VLP_CPU"), VLP_PRECISION_F32,
                                   &err) == VLP_OK,
                  "%s", err.text);
    vlp_arena_init(&w->mem);
    vlp_tape_init(&w->tape, &w->compute, &w->mem, recording);
}

static void close_world(struct world *w)
{
    vlp_arena_free(&w->mem);
    vlp_pool_close(w->pool);
    vlp_model_close(&w->model);
}

static struct vlp_tensor *pictures(struct world *w, int n, int side)
{
    struct vlp_tensor *x = vlp_tensor_new(&w->tape, VLP_DIMS(n, 3, side, side), false);
    generate(x->data, vlp_numel(x), "input.image", 4.0, 0.0);
    return x;
}

static const int32_t               text_ids[] = {62, 5, 9, 63, 62, 7, 8, 11, 40, 63};
static const int                   text_start[] = {0, 4, 10};
static const struct vlp_text_batch texts = {2, text_ids, text_start};

static void expect(const float *got, const float *want, int n, double tolerance)
{
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= tolerance,
                      "value %d is %.7g, not %.7g", i, (double)got[i], (double)want[i]);
}

static const float image0[] = {0.103072f,  0.191937f, -0.379075f, 0.482808f,
                               -0.932431f, 0.510956f, 0.804187f,  -0.369284f};
static const float image1[] = {-0.175676f, 0.292997f, -0.376271f, 0.294615f};
static const float text0[] = {0.390787f, 1.444236f,  -0.604782f, -0.488562f,
                              0.025658f, -0.671300f, 0.708115f,  -0.121974f};
static const float text1[] = {0.260797f, 1.037026f, -0.716450f, -0.699180f};

START_TEST(the_generator_gives_the_published_first_values)
{
    float v[3];
    generate(v, 3, "visual.proj", 0.2, 0.0);
    expect(v, (const float[]){-0.06636381f, 0.03481731f, -0.05241287f}, 3, 1e-8);
}
END_TEST

START_TEST(tiny_vit_features_are_the_published_ones)
{
    struct world w;
    open_world(&w, tiny_vit, 1, false);
    const struct vlp_tensor *f = vlp_encode_image(&w.model, &w.tape, pictures(&w, 2, 32));
    expect(f->data, image0, 8, 1e-5);
    expect(f->data + 32, image1, 4, 1e-5);
    f = vlp_encode_text(&w.model, &w.tape, &texts);
    expect(f->data, text0, 8, 1e-5);
    expect(f->data + 32, text1, 4, 1e-5);
    close_world(&w);
}
END_TEST

/*
 * The tiny model with keys set in its image ("vision") or text tower: the first features of each,
 * from open_clip 3.3 with the same parameters.
 */
static const struct {
    const char *tower, *keys;
    int         side;
    float       image[4], text[4];
} tiny_variants[] = {
    {"vision",
     "{\"ln_pre\":false}",
     32,
     {0.350838f, -0.988260f, -0.339527f, 0.402084f},
     {0.390787f, 1.444236f, -0.604782f, -0.488562f}},
    {"vision",
     "{\"pool\":\"avg\"}",
     32,
     {0.131305f, -0.507203f, -0.302457f, 0.006078f},
     {0.390787f, 1.444236f, -0.604782f, -0.488562f}},
    {"vision",
     "{\"ln_pre\":false,\"pool\":\"avg_ln\"}",
     32,
     {0.324748f, -1.277484f, -0.662490f, -0.035357f},
     {0.390787f, 1.444236f, -0.604782f, -0.488562f}},
    {"vision",
     "{\"layer_scale\":true}",
     32,
     {-0.391361f, 0.406775f, 0.191631f, -0.046719f},
     {0.390787f, 1.444236f, -0.604782f, -0.488562f}},
    {"vision",
     "{\"activation\":\"gelu\"}",
     32,
     {0.100466f, 0.194910f, -0.377161f, 0.481808f},
     {0.390787f, 1.444236f, -0.604782f, -0.488562f}},
    {"vision",
     "{\"image_size\":37}",
     37,
     {-0.180148f, 0.355531f, -0.314441f, 0.343862f},
     {0.390787f, 1.444236f, -0.604782f, -0.488562f}},
    {"text",
     "{\"layer_scale\":true}",
     32,
     {0.103072f, 0.191937f, -0.379075f, 0.482808f},
     {-0.625284f, -0.929187f, 0.993155f, -0.313899f}},
    {"text",
     "{\"projection_bias\":true}",
     32,
     {0.103072f, 0.191937f, -0.379075f, 0.482808f},
     {0.439938f, 1.488473f, -0.671280f, -0.548240f}},
    {"text",
     "{\"eos\":9}",
     32,
     {0.103072f, 0.191937f, -0.379075f, 0.482808f},
     {-0.309435f, 0.876792f, -0.854660f, -0.291425f}},
    {"text",
     "{\"causal\":false,\"pool\":\"last\"}",
     32,
     {0.103072f, 0.191937f, -0.379075f, 0.482808f},
     {0.267343f, 1.615566f, -0.672162f, -0.270518f}},
    {"text",
     "{\"causal\":false}",
     32,
     {0.103072f, 0.191937f, -0.379075f, 0.482808f},
     {0.486588f, 1.822499f, -0.266582f, 0.052803f}},
    {"text",
     "{\"pool\":\"last\"}",
     32,
     {0.103072f, 0.191937f, -0.379075f, 0.482808f},
     {0.281851f, 1.455573f, -0.604166f, -0.297855f}},
};

START_TEST(variants_of_open_clip_have_its_features)
{
    struct world w;
    json_t      *about = json_loads(tiny_vit, 0, NULL),
           *keys = json_loads(tiny_variants[_i].keys, 0, NULL);
    json_object_update(json_object_get(json_object_get(about, "config"), tiny_variants[_i].tower),
                       keys);
    char *document = json_dumps(about, 0);
    open_world(&w, document, 1, false);
    struct vlp_tensor       *x = pictures(&w, 2, tiny_variants[_i].side);
    const struct vlp_tensor *f = vlp_encode_image(&w.model, &w.tape, x);
    expect(f->data, tiny_variants[_i].image, 4, 1e-5);
    f = vlp_encode_text(&w.model, &w.tape, &texts);
    expect(f->data, tiny_variants[_i].text, 4, 1e-5);
    close_world(&w);
    free(document);
    json_decref(keys);
    json_decref(about);
}
END_TEST

START_TEST(tiny_resnet_features_are_the_published_ones)
{
    static const float want[] = {0.109672f, 0.129676f,  0.072613f,  -0.055307f,
                                 0.155801f, -0.020487f, -0.134795f, 0.035138f};
    struct world       w;
    open_world(&w, tiny_resnet, 1, false);
    struct vlp_tensor       *x = pictures(&w, 1, 64);
    const struct vlp_tensor *f = vlp_encode_image(&w.model, &w.tape, x);
    expect(f->data, want, 8, 1e-5);

    /* as stored values the batch norms are folded: the same to rounding */
    for (int i = 0; i < w.model.params.n; i++) {
        struct vlp_param *p = w.model.params.item[i];
        vlp_param_bind(p, VLP_F32, p->tensor.data);
    }
    f = vlp_encode_image(&w.model, &w.tape, x);
    expect(f->data, want, 8, 1e-5);
    close_world(&w);
}
END_TEST

static void give_gradients(struct world *w)
{
    for (int i = 0; i < w->model.params.n; i++) {
        struct vlp_tensor *x = &w->model.params.item[i]->tensor;
        x->grad = vlp_arena_calloc(&w->mem, vlp_numel(x), sizeof(float));
    }
}

/* CLIP's loss of the batch: cross-entropy of the similarities along rows and along columns. */
static struct vlp_tensor *clip_loss(struct world *w, struct vlp_tensor *image,
                                    struct vlp_tensor *text, const int32_t *target,
                                    struct vlp_tensor **logits)
{
    struct vlp_tape   *t = &w->tape;
    struct vlp_tensor *s = vlp_matmul_nt(t, vlp_normalize(t, image), vlp_normalize(t, text));
    s = vlp_scale_exp(t, s, &w->model.logit_scale->tensor);
    *logits = s;
    struct vlp_tensor *both = vlp_add(t, vlp_cross_entropy(t, s, target),
                                      vlp_cross_entropy(t, vlp_transpose(t, s), target));
    return vlp_scale(t, both, 0.5f);
}

struct golden_gradient {
    const char *name;
    double      length, first, most;
};
static const struct golden_gradient golden[] = {
    {"logit_scale", 0.4794092, 0.4794092, 0.4794092},
    {"visual.conv1.weight", 2.957475, 0.02003112, 0.1245226},
    {"visual.class_embedding", 6.234028, -0.01121311, 1.593883},
    {"visual.positional_embedding", 6.235291, -0.01121311, 1.593883},
    {"visual.ln_pre.weight", 0.5176834, 0.01148007, 0.1619099},
    {"visual.transformer.resblocks.0.attn.in_proj_weight", 2.823529, 0.01091583, 0.2038663},
    {"visual.transformer.resblocks.0.attn.in_proj_bias", 0.3767481, -0.008038253, 0.0994827},
    {"visual.transformer.resblocks.1.mlp.c_fc.weight", 4.061066, -0.03407715, 0.1616423},
    {"visual.proj", 8.949032, -0.04077055, 0.6581063},
    {"token_embedding.weight", 4.473938, 0.0, 0.6652517},
    {"positional_embedding", 3.843999, 0.2071501, 0.5698627},
    {"transformer.resblocks.0.attn.out_proj.weight", 5.993883, 0.009650961, 0.3155992},
    {"transformer.resblocks.1.ln_2.bias", 0.1438543, -0.01492330, 0.0338300},
    {"ln_final.weight", 0.3205611, -0.001565242, 0.1147294},
    {"text_projection", 7.135674, -0.05152286, 0.9325204},
};

START_TEST(tiny_vit_loss_and_gradients_are_the_published_ones)
{
    struct world w;
    open_world(&w, tiny_vit, 2, true);
    give_gradients(&w);
    struct vlp_tensor   *image = vlp_encode_image(&w.model, &w.tape, pictures(&w, 2, 32));
    struct vlp_tensor   *text = vlp_encode_text(&w.model, &w.tape, &texts);
    struct vlp_tensor   *logits;
    static const int32_t target[] = {0, 1};
    struct vlp_tensor   *loss = clip_loss(&w, image, text, target, &logits);
    expect(image->data, image0, 8, 1e-5);
    expect(text->data, text0, 8, 1e-5);
    expect(logits->data, (const float[]){0.957894f, -0.776096f, 1.540051f, -0.579990f}, 4, 2e-5);
    expect(loss->data, (const float[]){1.005476f}, 1, 1e-5);

    loss->grad[0] = 1.0f;
    vlp_backward(&w.tape, loss);
    for (size_t i = 0; i < VLP_COUNT(golden); i++) {
        const struct vlp_param *p = vlp_params_find(&w.model.params, golden[i].name);
        ck_assert_ptr_nonnull(p);
        double sum = 0.0, most = 0.0;
        for (size_t k = 0; k < vlp_numel(&p->tensor); k++) {
            const double g = p->tensor.grad[k];
            sum += g * g;
            most = fmax(most, fabs(g));
        }
        const double near = 1e-4 * golden[i].most;
        ck_assert_msg(fabs(sqrt(sum) - golden[i].length) <= 1e-4 * golden[i].length &&
                          fabs(p->tensor.grad[0] - golden[i].first) <= near &&
                          fabs(most - golden[i].most) <= near,
                      "%s has length %.7g, first %.7g, largest %.7g", p->name, sqrt(sum),
                      (double)p->tensor.grad[0], most);
    }
    close_world(&w);
}
END_TEST

START_TEST(gradients_have_the_same_bits_with_one_thread_and_with_four)
{
    uint64_t seen[2][2];
    for (int run = 0; run < 4; run++) {
        const bool   resnet = run >= 2;
        struct world w;
        open_world(&w, resnet ? tiny_resnet : tiny_vit, run % 2 ? 4 : 1, true);
        give_gradients(&w);
        struct vlp_tensor *image =
            vlp_encode_image(&w.model, &w.tape, pictures(&w, 2, resnet ? 64 : 32));
        struct vlp_tensor   *text = vlp_encode_text(&w.model, &w.tape, &texts), *logits;
        static const int32_t target[] = {0, 1};
        struct vlp_tensor   *loss = clip_loss(&w, image, text, target, &logits);
        loss->grad[0] = 1.0f;
        vlp_backward(&w.tape, loss);
        uint64_t bits = 0;
        double   weight = 0.0;
        for (int i = 0; i < w.model.params.n; i++) {
            const struct vlp_tensor *x = &w.model.params.item[i]->tensor;
            bits = bits * 31 + vlp_hash64(x->grad, vlp_numel(x) * sizeof(float));
            for (size_t k = 0; k < vlp_numel(x); k++) weight += fabs((double)x->grad[k]);
        }
        ck_assert(isfinite(weight) && weight > 0.0);
        seen[resnet][run % 2] = bits;
        close_world(&w);
    }
    ck_assert_uint_eq(seen[0][0], seen[0][1]);
    ck_assert_uint_eq(seen[1][0], seen[1][1]);
}
END_TEST

START_TEST(recomputed_blocks_give_the_same_bits_from_less_memory)
{
    uint64_t seen[2][2];
    size_t   peak[2];
    for (int run = 0; run < 4; run++) {
        const bool   recompute = run % 2, frozen = run >= 2;
        struct world w;
        open_world(&w, tiny_vit, 2, true);
        w.tape.recompute = recompute;
        give_gradients(&w);
        if (frozen) /* all but the text tower's last block */
            for (int i = 0; i < w.model.params.n; i++)
                if (!strstr(w.model.params.item[i]->name, "transformer.resblocks.1.") ||
                    strcmp(w.model.params.item[i]->tower, "text") != 0)
                    w.model.params.item[i]->tensor.grad = NULL;
        const size_t         before = w.mem.used;
        struct vlp_tensor   *image = vlp_encode_image(&w.model, &w.tape, pictures(&w, 2, 32));
        struct vlp_tensor   *text = vlp_encode_text(&w.model, &w.tape, &texts), *logits;
        static const int32_t target[] = {0, 1};
        struct vlp_tensor   *loss = clip_loss(&w, image, text, target, &logits);
        if (!frozen) peak[recompute] = w.mem.used - before;
        loss->grad[0] = 1.0f;
        vlp_backward(&w.tape, loss);
        uint64_t bits = 0;
        for (int i = 0; i < w.model.params.n; i++) {
            const struct vlp_tensor *x = &w.model.params.item[i]->tensor;
            if (x->grad) bits = bits * 31 + vlp_hash64(x->grad, vlp_numel(x) * sizeof(float));
        }
        seen[frozen][recompute] = bits;
        close_world(&w);
    }
    ck_assert_uint_eq(seen[0][0], seen[0][1]);
    ck_assert_uint_eq(seen[1][0], seen[1][1]);
    ck_assert_uint_ne(seen[0][0], seen[1][0]);
    ck_assert_uint_lt(peak[1], peak[0] / 3); /* what stands around the blocks stays */
}
END_TEST

/* A few hundred bytes of configuration, each with one thing wrong. */
static const struct {
    const char     *from, *to;
    enum vlp_status status;
    const char     *names;
} faults[] = {
    {"\"clip\"", "\"other\"", VLP_ERR_SUPPORT, "other"},
    {"\"config\"", "\"confog\"", VLP_ERR_FORMAT, "config"},
    {"\"embed_dim\":32", "\"embed_dim\":0", VLP_ERR_FORMAT, "embed_dim"},
    {"\"quick_gelu\"", "\"relu\"", VLP_ERR_FORMAT, "relu"},
    {"\"vit\"", "\"vat\"", VLP_ERR_FORMAT, "vat"},
    {"\"patch_size\":8", "\"patch_size\":33", VLP_ERR_FORMAT, "vision.patch_size"},
    {"\"kind\":\"vit\"", "\"kind\":\"vit\",\"pool\":\"max\"", VLP_ERR_FORMAT, "vision.pool"},
    {"\"context\":12", "\"context\":12,\"eos\":64", VLP_ERR_FORMAT, "text.eos"},
    {"\"context\":12", "\"context\":12,\"pool\":\"first\"", VLP_ERR_FORMAT, "text.pool"},
    {"\"heads\":2", "\"heads\":3", VLP_ERR_FORMAT, "vision.heads"},
    {"\"layers\":2", "\"layers\":2.5", VLP_ERR_FORMAT, "vision.layers"},
    {"\"context\":12", "\"context\":-1", VLP_ERR_FORMAT, "text.context"},
    {"\"vocab\":64", "\"vocab\":\"many\"", VLP_ERR_FORMAT, "text.vocab"},
    {"\"interpolate\":\"none\"", "\"interpolate\":\"x\"", VLP_ERR_FORMAT, "interpolate"},
    {"\"text\"", "\"test\"", VLP_ERR_FORMAT, "text"},
};

START_TEST(a_faulty_configuration_is_named)
{
    const char *at = strstr(tiny_vit, faults[_i].from);
    ck_assert_ptr_nonnull(at);
    struct vlp_buf doc = {0};
    vlp_buf_add(&doc, tiny_vit, (size_t)(at - tiny_vit));
    vlp_buf_add_str(&doc, faults[_i].to);
    vlp_buf_add_str(&doc, at + strlen(faults[_i].from));
    json_t *about = json_loads(doc.data, 0, NULL);
    ck_assert_ptr_nonnull(about);
    struct vlp_model m;
    struct vlp_error err = {0};
    ck_assert_int_eq(vlp_model_new(&m, about, 1, &err), faults[_i].status);
    ck_assert_msg(strstr(err.text, faults[_i].names) != NULL, "%s", err.text);
    json_decref(about);
    vlp_buf_free(&doc);
}
END_TEST

/* What is refused when a file is opened is refused when a model is built, and the other way round.
 */
START_TEST(the_bounds_of_a_document_are_those_of_the_model)
{
    static const struct {
        const char *document, *tower, *keys; /* tower NULL: the configuration itself */
    } cases[] = {
        {tiny_resnet, "vision", "{\"width\":2050}"},
        {tiny_resnet, "vision", "{\"layers\":[1,1,257,1]}"},
        {tiny_resnet, "vision", "{\"image_size\":63}"},
        {tiny_resnet, "vision", "{\"image_size\":31}"},
        {tiny_resnet, "vision", "{\"image_size\":2080}"},
        {tiny_resnet, "vision", "{\"heads\":65537}"},
        {tiny_resnet, NULL, "{\"embed_dim\":65537}"},
        {tiny_vit, "vision", "{\"image_size\":8193}"},
        {tiny_vit, "vision", "{\"ln_eps\":0}"},
        {tiny_vit, "vision", "{\"ln_eps\":1}"},
        {tiny_vit, "vision", "{\"width\":65538}"},
        {tiny_vit, "vision", "{\"layers\":1025}"},
        {tiny_vit, "vision", "{\"mlp\":524289}"},
        {tiny_vit, "text", "{\"context\":65537}"},
        {tiny_vit, "text", "{\"vocab\":16777217}"},
    };
    json_t *how = json_loads("{\"flavour\":\"openai\",\"resize\":\"shortest\",\"size\":[64,64],"
                             "\"filter\":\"bicubic\",\"rgb_first\":false,\"crop_floor\":false,"
                             "\"fill\":0,\"mean\":[0,0,0],\"std\":[1,1,1]}",
                             0, NULL);
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        struct vlp_model m;
        struct vlp_error err;
        json_t          *about = json_loads(cases[i].document, 0, NULL);
        json_t          *config = json_object_get(about, "config");
        json_t          *side = json_object_get(json_object_get(config, "vision"), "image_size");
        json_t          *keys = json_loads(cases[i].keys, 0, NULL);
        json_object_set_new(how, "size", json_pack("[O, O]", side, side));
        json_object_set(about, "preprocess", how);
        ck_assert_msg(vlp_about_validate(about, "x", &err) == VLP_OK, "%s", err.text);
        json_object_update(cases[i].tower ? json_object_get(config, cases[i].tower) : config, keys);
        ck_assert_msg(vlp_about_validate(about, "x", &err) != VLP_OK, "%s", cases[i].keys);
        ck_assert_msg(vlp_model_new(&m, about, 1, &err) != VLP_OK, "%s", cases[i].keys);
        json_decref(keys);
        json_decref(about);
    }
    json_decref(how);
}
END_TEST

START_TEST(start_values_depend_on_seed_and_name_only)
{
    json_t          *about = json_loads(tiny_vit, 0, NULL);
    struct vlp_error err;
    struct vlp_model a, b, c;
    ck_assert_int_eq(vlp_model_new(&a, about, 7, &err), VLP_OK);
    ck_assert_int_eq(vlp_model_new(&b, about, 7, &err), VLP_OK);
    ck_assert_int_eq(vlp_model_new(&c, about, 8, &err), VLP_OK);
    for (int i = 0; i < a.params.n; i++) {
        const struct vlp_param *p = a.params.item[i], *q = b.params.item[i];
        ck_assert_str_eq(p->name, q->name);
        ck_assert_mem_eq(p->tensor.data, q->tensor.data, vlp_numel(&p->tensor) * sizeof(float));
        ck_assert_ptr_eq(vlp_params_find(&a.params, p->name), p);
    }
    ck_assert_ptr_null(vlp_params_find(&a.params, "visual"));
    ck_assert_float_ne(a.params.item[0]->tensor.data[0], c.params.item[0]->tensor.data[0]);
    vlp_model_close(&a);
    vlp_model_close(&b);
    vlp_model_close(&c);
    json_decref(about);
}
END_TEST

/* The published sizes of every variant, counted from the declarations. */
static const struct {
    const char *vision, *text_width, *text_heads;
    int         embed;
    size_t      parameters;
} variants[] = {
#define VIT(size, patch, width, layers, heads, mlp)                                                \
    "\"kind\":\"vit\",\"image_size\":" #size ",\"patch_size\":" #patch ",\"width\":" #width        \
    ",\"layers\":" #layers ",\"heads\":" #heads ",\"mlp\":" #mlp
#define RN(size, width, layers, heads)                                                             \
    "\"kind\":\"resnet\",\"image_size\":" #size ",\"width\":" #width ",\"layers\":" layers         \
    ",\"heads\":" #heads
    {VIT(224, 32, 768, 12, 12, 3072), "512", "8", 512, 151277313},
    {VIT(224, 16, 768, 12, 12, 3072), "512", "8", 512, 149620737},
    {VIT(224, 14, 1024, 24, 16, 4096), "768", "12", 768, 427616513},
    {VIT(336, 14, 1024, 24, 16, 4096), "768", "12", 768, 427944193},
    {RN(224, 64, "[3,4,6,3]", 32), "512", "8", 1024, 102007137},
    {RN(224, 64, "[3,4,23,3]", 32), "512", "8", 512, 119688033},
    {RN(288, 80, "[4,6,10,6]", 40), "640", "10", 640, 178300601},
    {RN(384, 96, "[6,8,18,8]", 48), "768", "12", 768, 290979217},
    {RN(448, 128, "[3,15,36,10]", 64), "1024", "16", 1024, 623258305},
};

START_TEST(published_variants_have_the_published_number_of_parameters)
{
    struct vlp_buf doc = {0};
    const int      width = atoi(variants[_i].text_width);
    vlp_buf_printf(&doc,
                   "{\"embed_dim\":%d,\"activation\":\"quick_gelu\",\"vision\":{%s},\"text\":"
                   "{\"context\":77,\"vocab\":49408,\"width\":%d,\"layers\":12,\"heads\":%s,"
                   "\"mlp\":%d}}",
                   variants[_i].embed, variants[_i].vision, width, variants[_i].text_heads,
                   4 * width);
    json_t *config = json_loads(doc.data, 0, NULL);
    ck_assert_ptr_nonnull(config);
    /* declared only: no values, so this costs no memory to speak of */
    struct vlp_model m = {.family = vlp_families[0]};
    vlp_params_init(&m.params);
    struct vlp_error err = {0};
    ck_assert_msg(m.family->build(&m, config, &err) == VLP_OK, "%s", err.text);
    ck_assert_uint_eq(vlp_params_count(&m.params), variants[_i].parameters);
    vlp_model_close(&m);
    json_decref(config);
    vlp_buf_free(&doc);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clip");
    TCase *t = tcase_create("tiny models");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_generator_gives_the_published_first_values);
    tcase_add_test(t, tiny_vit_features_are_the_published_ones);
    tcase_add_loop_test(t, variants_of_open_clip_have_its_features, 0,
                        (int)VLP_COUNT(tiny_variants));
    tcase_add_test(t, tiny_resnet_features_are_the_published_ones);
    tcase_add_test(t, tiny_vit_loss_and_gradients_are_the_published_ones);
    tcase_add_test(t, gradients_have_the_same_bits_with_one_thread_and_with_four);
    tcase_add_test(t, recomputed_blocks_give_the_same_bits_from_less_memory);
    tcase_add_loop_test(t, a_faulty_configuration_is_named, 0, VLP_COUNT(faults));
    tcase_add_test(t, the_bounds_of_a_document_are_those_of_the_model);
    tcase_add_test(t, start_values_depend_on_seed_and_name_only);
    tcase_add_loop_test(t, published_variants_have_the_published_number_of_parameters, 0,
                        VLP_COUNT(variants));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
