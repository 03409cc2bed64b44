/*
 * check_train.c -- the engine against the reference: gradients, ten AdamW steps, accumulation,
 * frozen towers, the sigmoid loss; and a state put down and taken up again.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/train.h>

#include "train/train_internal.h"

static const char *const cases[] = {"quickgelu", "gelu", "resnet"};

struct fixture {
    char                   dir[128];
    struct vlp_model       model;
    struct vlp_compute     compute;
    struct vlp_safetensors inputs;
    json_t                *expected;
    int                   *start;
    int32_t               *ids;
};

static void must(enum vlp_status s, const struct vlp_error *err)
{
    ck_assert_msg(s == VLP_OK, "%s", err->text);
}

static void open_fixture_at(struct fixture *f, const char *name, int threads,
                            enum vlp_precision precision)
{
    struct vlp_error      err;
    struct vlp_checkpoint c;
    char                  path[256];
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "tests/golden/clip/train/%s", name);
    must(vlp_compute_init(&f->compute, vlp_pool_open(threads), getenv("VLP_CPU"), precision, &err),
         &err);
    must(vlp_checkpoint_open(&c, f->dir, NULL, &err), &err);
    must(vlp_model_open(&f->model, &c, &err), &err);
    snprintf(path, sizeof path, "%s/inputs.safetensors", f->dir);
    must(vlp_safetensors_open(&f->inputs, path, &err), &err);
    snprintf(path, sizeof path, "%s/expected.json", f->dir);
    f->expected = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(f->expected);
}

static void open_fixture(struct fixture *f, const char *name, int threads)
{
    open_fixture_at(f, name, threads, VLP_PRECISION_F32);
}

static void close_fixture(struct fixture *f)
{
    free(f->start);
    free(f->ids);
    json_decref(f->expected);
    vlp_safetensors_close(&f->inputs);
    vlp_model_close(&f->model);
    vlp_pool_close(f->compute.pool);
}

/* Batch t: pictures as they are, texts cut after the first position of their largest id. */
static struct vlp_batch batch_of(struct fixture *f, int t)
{
    char name[32];
    snprintf(name, sizeof name, "image.%d", t);
    const struct vlp_stored *image = vlp_safetensors_find(&f->inputs, name);
    snprintf(name, sizeof name, "text.%d", t);
    const struct vlp_stored *text = vlp_safetensors_find(&f->inputs, name);
    ck_assert(image && text);
    const int n = (int)text->dim[0], T = (int)text->dim[1];
    f->start = vlp_realloc(f->start, (size_t)(n + 1) * sizeof *f->start);
    f->ids = vlp_realloc(f->ids, (size_t)(n * T) * sizeof *f->ids);
    int k = 0;
    for (int i = 0; i < n; i++) {
        const uint8_t *row = (const uint8_t *)text->data + (size_t)i * (size_t)T * 8;
        int            end = 0;
        for (int j = 1; j < T; j++)
            if (vlp_load_u64(row + 8 * j) > vlp_load_u64(row + 8 * end)) end = j;
        f->start[i] = k;
        for (int j = 0; j <= end; j++) f->ids[k++] = (int32_t)vlp_load_u64(row + 8 * j);
    }
    f->start[n] = k;
    return (struct vlp_batch){.n = n,
                              .width = (int)image->dim[3],
                              .height = (int)image->dim[2],
                              .images = (float *)image->data,
                              .ids = f->ids,
                              .start = f->start};
}

static double number(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    ck_assert_msg(json_is_number(v), "no number '%s'", key);
    return json_number_value(v);
}

static struct vlp_train_options options_of(const struct fixture *f, const char *loss)
{
    const json_t *h = json_object_get(f->expected, "hyperparameters");
    const json_t *betas = json_object_get(h, "betas");
    return (struct vlp_train_options){
        .loss = vlp_contrastive_loss_find(loss),
        .schedule = {"cosine", number(h, "lr"), 0, 1, (int64_t)number(h, "warmup"),
                     (int64_t)number(h, "total")},
        .adamw = {(float)json_number_value(json_array_get(betas, 0)),
                  (float)json_number_value(json_array_get(betas, 1)), (float)number(h, "eps"),
                  (float)number(h, "weight_decay")},
        .layer_decay = 1,
        .image_rate = 1,
        .text_rate = 1,
    };
}

/*
 * Softmax does not change when every key gets the same bias, so a key bias has no gradient but
 * rounding noise, which Adam scales up to steps of the full rate: after steps its value says
 * nothing.
 */
static bool is_noise(const char *name, size_t i, size_t n)
{
    return strstr(name, "k_proj.bias") ||
           (strstr(name, "in_proj_bias") && i >= n / 3 && i < 2 * n / 3);
}

/* The stored statistics of a batch norm. */
static float *statistic(struct fixture *f, const char *name)
{
    struct vlp_param *p = vlp_params_find(&f->model.params, name);
    ck_assert_msg(p && p->buffer, "%s: no statistic has that name", name);
    return p->tensor.data;
}

/* Each tensor of the file against the gradient (or value) of that name, relative to its largest. */
static void compare_file(struct fixture *f, struct vlp_trainer *t, const char *file, bool gradients,
                         double tolerance)
{
    struct vlp_safetensors want;
    struct vlp_error       err;
    char                   path[256];
    snprintf(path, sizeof path, "%s/%s", f->dir, file);
    must(vlp_safetensors_open(&want, path, &err), &err);
    int                 n, seen = 0, statistics = 0;
    struct vlp_trained *trained = vlp_trainer_params(t, &n);
    for (size_t i = 0; i < want.n_tensors; i++) {
        const struct vlp_stored *s = &want.tensors[i];
        const float             *got = NULL, *expect = s->data;
        for (int k = 0; k < n; k++)
            if (strcmp(trained[k].param->name, s->name) == 0)
                got = gradients ? trained[k].param->tensor.grad : trained[k].param->tensor.data;
        if (!gradients && strstr(s->name, ".running_")) {
            got = statistic(f, s->name);
            statistics++;
        }
        ck_assert_msg(got != NULL, "%s: nothing trained has that name", s->name);
        seen++;
        const bool all_noise = strstr(s->name, "k_proj.bias") != NULL; /* no larger values beside */
        double     largest = 0, worst = 0;
        for (size_t k = 0; k < s->size / 4; k++) {
            if ((!gradients || all_noise) && is_noise(s->name, k, s->size / 4)) continue;
            largest = fmax(largest, fabs((double)expect[k]));
            worst = vlp_worse(worst, fabs((double)got[k] - expect[k]));
        }
        ck_assert_msg(worst <= tolerance * largest + 1e-9, "%s: off by %g, largest value %g",
                      s->name, worst, largest);
    }
    ck_assert_int_eq(seen - statistics,
                     n); /* and nothing is trained that the reference does not train */
    vlp_safetensors_close(&want);
}

static const json_t *case_of(const struct fixture *f, const char *name)
{
    return json_object_get(json_object_get(f->expected, "cases"), name);
}

START_TEST(every_loss_has_its_name)
{
    int i = 0;
    for (; vlp_contrastive_losses[i]; i++) {
        ck_assert_ptr_nonnull(vlp_contrastive_loss_names[i]);
        ck_assert_str_eq(vlp_contrastive_loss_names[i], vlp_contrastive_losses[i]->name);
    }
    ck_assert_ptr_null(vlp_contrastive_loss_names[i]);
}
END_TEST

START_TEST(gradients_are_the_references)
{
    for (int threads = 1; threads <= 3; threads += 2) {
        struct fixture      f;
        struct vlp_error    err;
        struct vlp_trainer *t;
        open_fixture(&f, cases[_i], threads);
        const struct vlp_train_options o = options_of(&f, "softmax");
        must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
        const struct vlp_batch b = batch_of(&f, 0);
        const double           loss = vlp_trainer_gradients(t, &b);
        int                    n;
        struct vlp_trained    *p = vlp_trainer_params(t, &n);
        ck_assert_double_eq_tol(loss, number(case_of(&f, "gradients"), "loss"), 1e-5);
        ck_assert_double_eq_tol(vlp_gradient_norm(&f.compute, p, n),
                                number(case_of(&f, "gradients"), "gradient_norm"), 2e-3);
        compare_file(&f, t, "gradients.safetensors", true, 1e-4);
        vlp_trainer_close(t);
        close_fixture(&f);
    }
}
END_TEST

START_TEST(micro_batches_give_the_gradient_of_the_whole_batch)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    open_fixture(&f, cases[_i], 2);
    for (int micro = 1; micro < 8; micro += 2) {
        struct vlp_train_options o = options_of(&f, "softmax");
        o.micro_batch = micro;
        must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
        const struct vlp_batch b = batch_of(&f, 0);
        ck_assert_double_eq_tol(vlp_trainer_gradients(t, &b),
                                number(case_of(&f, "gradients"), "loss"), 1e-5);
        compare_file(&f, t, "gradients.safetensors", true, 1e-4);
        vlp_trainer_close(t);
    }
    close_fixture(&f);
}
END_TEST

START_TEST(recomputed_blocks_give_the_same_bits)
{
    struct fixture f;
    float         *plain = NULL;
    open_fixture_at(&f, cases[_i % 3], 2, _i < 3 ? VLP_PRECISION_F32 : VLP_PRECISION_BF16);
    for (int recompute = 0; recompute < 2; recompute++) {
        struct vlp_error         err;
        struct vlp_trainer      *t;
        struct vlp_train_options o = options_of(&f, "softmax");
        o.recompute = recompute;
        must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
        const struct vlp_batch b = batch_of(&f, 0);
        vlp_trainer_gradients(t, &b);
        int                 n;
        struct vlp_trained *p = vlp_trainer_params(t, &n);
        size_t              size = 0, at = 0;
        for (int i = 0; i < n; i++) size += vlp_numel(&p[i].param->tensor);
        if (!plain) plain = vlp_calloc(size, sizeof *plain);
        for (int i = 0; i < n; i++) {
            const size_t len = vlp_numel(&p[i].param->tensor);
            if (recompute)
                ck_assert_mem_eq(plain + at, p[i].param->tensor.grad, len * sizeof(float));
            else
                memcpy(plain + at, p[i].param->tensor.grad, len * sizeof(float));
            at += len;
        }
        vlp_trainer_close(t);
    }
    free(plain);
    close_fixture(&f);
}
END_TEST

START_TEST(a_frozen_picture_tower_gets_no_gradient)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    open_fixture(&f, cases[_i], 2);
    struct vlp_train_options o = options_of(&f, "softmax");
    o.image_rate = 0;
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    const struct vlp_batch b = batch_of(&f, 0);
    ck_assert_double_eq_tol(vlp_trainer_gradients(t, &b),
                            number(case_of(&f, "frozen_image"), "loss"), 1e-5);
    compare_file(&f, t, "gradients_frozen_image.safetensors", true, 1e-4);
    vlp_trainer_close(t);
    close_fixture(&f);
}
END_TEST

/* ---- frozen towers ----------------------------------------------------------------- */

static int image_runs, text_runs;

static struct vlp_tensor *count_image(struct vlp_model *m, struct vlp_tape *t,
                                      struct vlp_tensor *images, const struct vlp_watcher *w)
{
    image_runs++;
    return vlp_families[0]->encode_image(m, t, images, w);
}

static struct vlp_tensor *count_text(struct vlp_model *m, struct vlp_tape *t,
                                     const struct vlp_text_batch *b, const struct vlp_watcher *w)
{
    text_runs++;
    return vlp_families[0]->encode_text(m, t, b, w);
}

/* Gradients of the towers that are trained, by name; the other's are left out. */
static json_t *tower_gradients(struct fixture *f, const struct vlp_train_options *o)
{
    struct vlp_error    err;
    struct vlp_trainer *t;
    int                 n;
    json_t             *all = json_object();
    must(vlp_trainer_open(&t, &f->model, &f->compute, NULL, o, &err), &err);
    const struct vlp_batch b = batch_of(f, 0);
    vlp_trainer_gradients(t, &b);
    struct vlp_trained *p = vlp_trainer_params(t, &n);
    for (int i = 0; i < n; i++) {
        const struct vlp_tensor *x = &p[i].param->tensor;
        const uint64_t           hash = vlp_hash64(x->grad, vlp_numel(x) * sizeof(float));
        json_object_set_new(all, p[i].param->name, json_integer((json_int_t)hash));
    }
    vlp_trainer_close(t);
    return all;
}

START_TEST(a_tower_learns_the_same_beside_a_frozen_one)
{
    for (int micro = 0; micro < 8; micro += 3)
        for (int which = 0; which < 2; which++) {
            struct fixture f;
            open_fixture_at(&f, cases[_i % 3], 2, _i < 3 ? VLP_PRECISION_F32 : VLP_PRECISION_BF16);
            struct vlp_train_options o = options_of(&f, "softmax");
            o.micro_batch = micro;
            o.patch_dropout = _i % 3 == 1 ? 0.5 : 0.0;
            json_t *both = tower_gradients(&f, &o);
            *(which ? &o.text_rate : &o.image_rate) = 0;
            json_t       *one = tower_gradients(&f, &o), *want;
            const json_t *value;
            const char   *name;
            ck_assert_uint_gt(json_object_size(one), 5);
            json_object_foreach(one, name, value)
            {
                /* batch norms that are frozen use other statistics: other features */
                if (strcmp(f.dir + strlen(f.dir) - 6, "resnet") == 0 && !which) break;
                want = json_object_get(both, name);
                ck_assert_msg(json_equal(value, want), "%s: other bits", name);
            }
            json_decref(one);
            json_decref(both);
            close_fixture(&f);
        }
}
END_TEST

START_TEST(a_frozen_tower_is_run_once)
{
    struct fixture f;
    open_fixture(&f, "gelu", 1);
    struct vlp_family counting = *f.model.family;
    counting.encode_image = count_image;
    counting.encode_text = count_text;
    f.model.family = &counting;
    struct vlp_train_options o = options_of(&f, "softmax");
    o.micro_batch = 2;
    o.image_rate = 0;
    json_decref(tower_gradients(&f, &o));
    ck_assert_int_eq(image_runs, 4);
    ck_assert_int_eq(text_runs, 8);
    close_fixture(&f);
}
END_TEST

static json_t *tiny_about(const char *interpolate, int layers)
{
    return json_pack(
        "{s:i,s:s,s:{s:i,s:s,s:{s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:s},s:{s:i,s:i,s:i,s:i,s:i,s:i}}}",
        "version", 1, "family", "clip", "config", "embed_dim", 16, "activation", "gelu", "vision",
        "kind", "vit", "image_size", 32, "patch_size", 8, "width", 64, "layers", layers, "heads", 2,
        "mlp", 256, "interpolate", interpolate, "text", "context", 8, "vocab", 50, "width", 16,
        "layers", 1, "heads", 1, "mlp", 16);
}

/* -mean log softmax of the right pair, both ways, of pictures and texts that belong together */
static double loss_by_hand(struct vlp_model *m, const struct vlp_compute *c,
                           const struct vlp_batch *b)
{
    struct vlp_arena mem = {0};
    struct vlp_tape  t;
    vlp_tape_init(&t, c, &mem, false);
    const struct vlp_text_batch texts = {b->n, b->ids, b->start};
    const struct vlp_tensor    *x = vlp_normalize(
           &t, vlp_encode_image(m, &t,
                                vlp_tensor_of(&t, b->images, VLP_DIMS(b->n, 3, b->height, b->width))));
    const struct vlp_tensor *y = vlp_normalize(&t, vlp_encode_text(m, &t, &texts));
    const double             scale = exp((double)vlp_param_f32(m->logit_scale)[0]);
    double                   row[8] = {0}, column[8] = {0}, loss = 0;
    ck_assert_int_le(b->n, 8);
    for (int i = 0; i < b->n; i++)
        for (int j = 0; j < b->n; j++) {
            double s = 0;
            for (int k = 0; k < vlp_cols(x); k++)
                s += scale * x->data[i * vlp_cols(x) + k] * y->data[j * vlp_cols(y) + k];
            row[i] += exp(s);
            column[j] += exp(s);
            if (i == j) loss -= s / b->n;
        }
    for (int i = 0; i < b->n; i++) loss += (log(row[i]) + log(column[i])) / (2 * b->n);
    vlp_arena_free(&mem);
    return loss;
}

/* Hugging Face's models resample their positions, so that pictures may have another size. */
START_TEST(a_batch_says_the_size_of_its_pictures)
{
    enum { B = 4, W = 48, H = 24, T = 8 };
    struct vlp_model    m;
    struct vlp_compute  c;
    struct vlp_error    err;
    struct vlp_trainer *t;
    struct vlp_rng      r;
    float               images[B * 3 * W * H];
    int                 start[B + 1];
    int32_t             ids[B * T];
    vlp_rng_seed(&r, 1, 1);
    for (int i = 0; i < B * 3 * W * H; i++) images[i] = vlp_rng_normal(&r);
    for (int i = 0; i <= B; i++) start[i] = i * T;
    for (int i = 0; i < B * T; i++) ids[i] = i % T == T - 1 ? 49 : (i * i) % 40;
    const struct vlp_batch b = {B, W, H, images, ids, start};
    json_t                *about = tiny_about("hf", 1);
    must(vlp_compute_init(&c, NULL, NULL, VLP_PRECISION_F32, &err), &err);
    must(vlp_model_new(&m, about, 1, &err), &err);
    const double                   want = loss_by_hand(&m, &c, &b);
    const struct vlp_train_options o = {.loss = vlp_contrastive_loss_find("softmax"),
                                        .schedule = {"constant", 1e-3, 0, 1, 0, 10},
                                        .adamw = {0.9f, 0.98f, 1e-6f, 0.2f},
                                        .layer_decay = 1,
                                        .image_rate = 1,
                                        .text_rate = 1,
                                        .micro_batch = _i ? 1 : 0};
    must(vlp_trainer_open(&t, &m, &c, NULL, &o, &err), &err);
    ck_assert_double_eq_tol(vlp_trainer_gradients(t, &b), want, 1e-5);
    vlp_trainer_close(t);
    vlp_model_close(&m);
    json_decref(about);
}
END_TEST

/* Step memory with a picture tower of so many blocks; of a frozen one, so many groups unlocked. */
static size_t memory_of_depth(int layers, float image_rate, int unlocked, int micro)
{
    enum { B = 4, SIZE = 32, T = 8 };
    struct vlp_model    m;
    struct vlp_compute  c;
    struct vlp_error    err;
    struct vlp_trainer *t;
    static float        images[B * 3 * SIZE * SIZE];
    int                 start[B + 1];
    int32_t             ids[B * T];
    for (int i = 0; i <= B; i++) start[i] = i * T;
    for (int i = 0; i < B * T; i++) ids[i] = i % T == T - 1 ? 49 : i % 40;
    json_t *about = tiny_about("none", layers);
    must(vlp_compute_init(&c, NULL, NULL, VLP_PRECISION_F32, &err), &err);
    must(vlp_model_new(&m, about, 1, &err), &err);
    const struct vlp_train_options o = {.loss = vlp_contrastive_loss_find("softmax"),
                                        .schedule = {"constant", 1e-3, 0, 1, 0, 10},
                                        .adamw = {0.9f, 0.98f, 1e-6f, 0.2f},
                                        .layer_decay = 1,
                                        .image_rate = image_rate,
                                        .unlock_image = unlocked,
                                        .text_rate = 1,
                                        .micro_batch = micro};
    must(vlp_trainer_open(&t, &m, &c, NULL, &o, &err), &err);
    const size_t           before = vlp_trainer_peak(t);
    const struct vlp_batch b = {B, SIZE, SIZE, images, ids, start};
    vlp_trainer_gradients(t, &b);
    const size_t size = vlp_trainer_peak(t) - before;
    vlp_trainer_close(t);
    vlp_model_close(&m);
    json_decref(about);
    return size;
}

START_TEST(a_frozen_tower_needs_the_memory_of_one_block)
{
    ck_assert_uint_gt(memory_of_depth(9, 1, 0, 0), 3 * memory_of_depth(1, 1, 0, 0));
    for (int micro = 0; micro <= 2; micro += 2)
        ck_assert_uint_eq(memory_of_depth(9, 0, 0, micro), memory_of_depth(1, 0, 0, micro));
}
END_TEST

/* Two groups are the projection and the last block. */
START_TEST(the_frozen_blocks_below_unlocked_ones_need_the_memory_of_one_block)
{
    for (int micro = 0; micro <= 2; micro += 2) {
        ck_assert_uint_eq(memory_of_depth(9, 0, 2, micro), memory_of_depth(3, 0, 2, micro));
        ck_assert_uint_gt(memory_of_depth(9, 0, 5, micro), memory_of_depth(9, 0, 2, micro));
    }
}
END_TEST

static void run_steps(const char *name, const char *case_name, double clip, const char *file)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    open_fixture(&f, name, 2);
    struct vlp_train_options o = options_of(&f, "softmax");
    o.clip_norm = clip;
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    const json_t *steps = json_object_get(case_of(&f, case_name), "steps");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t          *want = json_array_get(steps, i);
        const struct vlp_batch b = batch_of(&f, (int)i);
        struct vlp_step        got;
        must(vlp_trainer_step(t, &b, &got, &err), &err);
        ck_assert_double_eq_tol(got.lr, number(want, "lr"), 1e-9);
        ck_assert_double_eq_tol(got.loss, number(want, "loss"), 2e-4);
        ck_assert_double_eq_tol(log(got.logit_scale), number(want, "logit_scale"), 1e-5);
    }
    compare_file(&f, t, file, false, 5e-4);
    vlp_trainer_close(t);
    close_fixture(&f);
}

START_TEST(steps_of_adamw_are_the_references)
{
    run_steps(cases[_i], "adamw", 0, "weights_after_adamw.safetensors");
}
END_TEST

START_TEST(ten_clipped_steps_are_the_references)
{
    run_steps(cases[_i], "adamw_clipped", 0.5, "weights_after_adamw_clipped.safetensors");
}
END_TEST

START_TEST(sigmoid_loss_is_the_references)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    open_fixture(&f, cases[_i], 2);
    const struct vlp_train_options o = options_of(&f, "sigmoid");
    const json_t                  *c = case_of(&f, "sigmoid"), *steps = json_object_get(c, "steps");
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    f.model.logit_scale->tensor.data[0] = (float)number(c, "logit_scale");
    struct vlp_batch b = batch_of(&f, 0);
    ck_assert_double_eq_tol(vlp_trainer_gradients(t, &b), number(c, "loss"), 1e-4);
    compare_file(&f, t, "gradients_sigmoid.safetensors", true, 1e-4);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        struct vlp_step got;
        b = batch_of(&f, (int)i);
        must(vlp_trainer_step(t, &b, &got, &err), &err);
        ck_assert_double_eq_tol(got.loss, number(json_array_get(steps, i), "loss"), 1e-3);
        ck_assert_double_eq_tol(log(got.logit_scale),
                                number(json_array_get(steps, i), "logit_scale"), 1e-5);
    }
    vlp_trainer_close(t);
    close_fixture(&f);
}
END_TEST

/* What the loss learned besides the model is in the exported file, and where the next run begins.
 */
START_TEST(the_learned_bias_goes_with_the_model)
{
    static const char       *path = "build/check_train_bias.safetensors";
    const struct vlp_convert how = {.layout = VLP_LAYOUT_VLP, .dtype = VLP_F32, .force = true};
    struct fixture           f;
    struct vlp_error         err;
    struct vlp_trainer      *t;
    struct vlp_step          step;
    struct vlp_checkpoint    c;
    float                    bias[2] = {0};
    open_fixture(&f, "gelu", 1);
    const struct vlp_train_options o = options_of(&f, "sigmoid");
    for (int run = 0; run < 2; run++) {
        must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
        const struct vlp_batch b = batch_of(&f, 0);
        if (run == 0) must(vlp_trainer_step(t, &b, &step, &err), &err);
        int                 n;
        struct vlp_trained *p = vlp_trainer_params(t, &n);
        for (int i = 0; i < n; i++)
            if (strcmp(p[i].param->name, "logit_bias") == 0) bias[run] = p[i].param->tensor.data[0];
        if (run == 0) must(vlp_trainer_export(t, path, false, NULL, 0, NULL, &how, &err), &err);
        vlp_trainer_close(t);
        if (run == 1) break;
        vlp_model_close(&f.model);
        must(vlp_checkpoint_open(&c, path, NULL, &err), &err);
        must(vlp_model_open(&f.model, &c, &err), &err);
    }
    ck_assert_float_ne(bias[0], -10);
    ck_assert_float_eq(bias[1], bias[0]);
    close_fixture(&f);
    unlink(path);
}
END_TEST

/* ---- bf16 products ----------------------------------------------------------------- */

/* All gradients one after the other; the caller frees them. */
static float *gradients_of(struct fixture *f, int micro, size_t *size)
{
    struct vlp_error         err;
    struct vlp_trainer      *t;
    struct vlp_train_options o = options_of(f, "softmax");
    o.micro_batch = micro;
    must(vlp_trainer_open(&t, &f->model, &f->compute, NULL, &o, &err), &err);
    const struct vlp_batch b = batch_of(f, 0);
    vlp_trainer_gradients(t, &b);
    int                 n;
    struct vlp_trained *p = vlp_trainer_params(t, &n);
    float              *all = NULL;
    *size = 0;
    for (int i = 0; i < n; i++) {
        const size_t len = vlp_numel(&p[i].param->tensor);
        all = vlp_realloc(all, (*size + len) * sizeof *all);
        memcpy(all + *size, p[i].param->tensor.grad, len * sizeof *all);
        *size += len;
    }
    vlp_trainer_close(t);
    return all;
}

START_TEST(bf16_gradients_are_the_references_but_for_rounding)
{
    struct fixture         f;
    struct vlp_error       err;
    struct vlp_trainer    *t;
    struct vlp_safetensors want;
    char                   path[256];
    open_fixture_at(&f, cases[_i], 2, VLP_PRECISION_BF16);
    const struct vlp_train_options o = options_of(&f, "softmax");
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    const struct vlp_batch b = batch_of(&f, 0);
    ck_assert_double_eq_tol(vlp_trainer_gradients(t, &b), number(case_of(&f, "gradients"), "loss"),
                            0.02);
    snprintf(path, sizeof path, "%s/gradients.safetensors", f.dir);
    must(vlp_safetensors_open(&want, path, &err), &err);
    int                 n;
    struct vlp_trained *p = vlp_trainer_params(t, &n);
    double              all_ab = 0, all_aa = 0, all_bb = 0, difference = 0;
    for (int i = 0; i < n; i++) {
        const struct vlp_stored *s = vlp_safetensors_find(&want, p[i].param->name);
        const float             *got = p[i].param->tensor.grad, *expect = s->data;
        double                   ab = 0, aa = 0, bb = 0;
        for (size_t k = 0; k < s->size / 4; k++) {
            if (is_noise(s->name, k, s->size / 4)) continue;
            ab += (double)got[k] * expect[k];
            aa += (double)got[k] * got[k];
            bb += (double)expect[k] * expect[k];
            difference += fabs((double)got[k] - expect[k]);
        }
        /* operands have 8 bits: a relative error of 2^-9 each, averaged over a sum */
        ck_assert_msg(ab >= 0.999 * sqrt(aa * bb), "%s: cosine %.6f", s->name, ab / sqrt(aa * bb));
        ck_assert_double_eq_tol(sqrt(aa / bb), 1.0, 0.02);
        all_ab += ab;
        all_aa += aa;
        all_bb += bb;
    }
    ck_assert_double_ge(all_ab / sqrt(all_aa * all_bb), 0.9999);
    ck_assert_double_gt(difference, 0); /* it is not f32 that was computed */
    vlp_safetensors_close(&want);
    vlp_trainer_close(t);
    close_fixture(&f);
}
END_TEST

START_TEST(bf16_gradients_do_not_depend_on_threads)
{
    float *first = NULL;
    size_t size;
    for (int threads = 1; threads <= 4; threads++) {
        struct fixture f;
        open_fixture_at(&f, cases[_i], threads, VLP_PRECISION_BF16);
        float *got = gradients_of(&f, 0, &size);
        if (first) ck_assert_mem_eq(first, got, size * sizeof *got);
        if (first)
            free(got);
        else
            first = got;
        close_fixture(&f);
    }
    free(first);
}
END_TEST

START_TEST(bf16_micro_batches_round_the_same_operands)
{
    struct fixture f;
    size_t         size;
    open_fixture_at(&f, cases[_i], 2, VLP_PRECISION_BF16);
    float *whole = gradients_of(&f, 0, &size);
    double largest = 0;
    for (size_t i = 0; i < size; i++) largest = fmax(largest, fabs((double)whole[i]));
    for (int micro = 1; micro < 8; micro += 3) {
        float *got = gradients_of(&f, micro, &size);
        /* only the order of f32 sums may differ: far below bf16's own error of 4e-3 */
        for (size_t i = 0; i < size; i++)
            ck_assert_double_le(fabs((double)got[i] - whole[i]), 2e-6 * largest);
        free(got);
    }
    free(whole);
    close_fixture(&f);
}
END_TEST

START_TEST(ten_bf16_steps_stay_near_the_references)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    open_fixture_at(&f, cases[_i], 2, VLP_PRECISION_BF16);
    const struct vlp_train_options o = options_of(&f, "softmax");
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    const json_t *steps = json_object_get(case_of(&f, "adamw"), "steps");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t          *want = json_array_get(steps, i);
        const struct vlp_batch b = batch_of(&f, (int)i);
        struct vlp_step        got;
        must(vlp_trainer_step(t, &b, &got, &err), &err);
        ck_assert_double_eq_tol(got.loss, number(want, "loss"), 0.02);
        ck_assert_double_eq_tol(log(got.logit_scale), number(want, "logit_scale"), 1e-3);
    }
    vlp_trainer_close(t);
    close_fixture(&f);
}
END_TEST

/* ---- rates, decay, state ----------------------------------------------------------- */

/* Rates of some parameters; -1 where a parameter is not trained. */
static void check_rates(const struct vlp_train_options *o, const char *const *name,
                        const double *want)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    open_fixture(&f, "gelu", 1);
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, o, &err), &err);
    for (; *name; name++, want++) {
        int                 n;
        struct vlp_trained *p = vlp_trainer_params(t, &n);
        double              rate = -1;
        for (int i = 0; i < n; i++)
            if (strcmp(p[i].param->name, *name) == 0) rate = (double)p[i].rate;
        ck_assert_msg(fabs(rate - *want) < 1e-7, "%s: rate %g, not %g", *name, rate, *want);
    }
    vlp_trainer_close(t);
    close_fixture(&f);
}

/* The tower has two blocks. */
static const char *const image_names[] = {"visual.proj",
                                          "visual.ln_post.weight",
                                          "visual.transformer.resblocks.1.ln_1.bias",
                                          "visual.transformer.resblocks.0.ln_1.bias",
                                          "visual.conv1.weight",
                                          "text_projection",
                                          "logit_scale",
                                          NULL};

START_TEST(layer_wise_rates_fall_from_the_top)
{
    struct fixture f;
    open_fixture(&f, "gelu", 1);
    struct vlp_train_options o = options_of(&f, "softmax");
    close_fixture(&f);
    o.layer_decay = 0.5f;
    o.text_rate = 3;
    check_rates(&o, image_names, (const double[]){1, 1, 0.5, 0.25, 0.125, 3, 1});
}
END_TEST

START_TEST(unlocked_groups_are_open_clips)
{
    static const double want[][7] = {{-1, -1, -1, -1, -1, 1, 1},
                                     {1, -1, -1, -1, -1, 1, 1},
                                     {1, 1, 1, -1, -1, 1, 1},
                                     {1, 1, 1, 1, -1, 1, 1},
                                     {1, 1, 1, 1, 1, 1, 1}};
    struct fixture      f;
    open_fixture(&f, "gelu", 1);
    struct vlp_train_options o = options_of(&f, "softmax");
    close_fixture(&f);
    o.image_rate = 0;
    o.unlock_image = _i;
    check_rates(&o, image_names, want[_i]);
}
END_TEST

START_TEST(decay_all_adds_the_position_embeddings_and_nothing_else)
{
    struct fixture f;
    int            seen = 0;
    open_fixture(&f, "gelu", 1);
    struct vlp_train_options o = options_of(&f, "softmax");
    bool                     decay[2][256];
    for (int all = 0; all < 2; all++) {
        struct vlp_error    err;
        struct vlp_trainer *t;
        int                 n;
        o.decay_all = all;
        must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
        const struct vlp_trained *p = vlp_trainer_params(t, &n);
        ck_assert_int_le(n, 256);
        for (int i = 0; i < n; i++) {
            decay[all][i] = p[i].decay;
            if (!all || decay[0][i] == decay[1][i]) continue;
            ck_assert_ptr_nonnull(strstr(p[i].param->name, "positional_embedding"));
            seen++;
        }
        vlp_trainer_close(t);
    }
    ck_assert_int_eq(seen, 2);
    close_fixture(&f);
}
END_TEST

START_TEST(schedules_hit_the_specified_points)
{
    /* Specification 5.4: base 5e-4, warm-up 10, total 100. */
    const struct vlp_schedule s = {"cosine", 5e-4, 0, 1, 10, 100};
    static const struct {
        int    t;
        double lr;
    } row[] = {{0, 5e-5}, {5, 3e-4}, {9, 5e-4}, {10, 5e-4}, {55, 2.5e-4}, {99, 1.52293245e-7}};
    for (size_t i = 0; i < VLP_COUNT(row); i++)
        ck_assert_double_eq_tol(vlp_schedule_at(&s, row[i].t), row[i].lr, 1e-14);
    const struct vlp_schedule l = {"linear", 1.0, 0.5, 1, 0, 10};
    ck_assert_double_eq_tol(vlp_schedule_at(&l, 5), 0.75, 1e-12);
    const struct vlp_schedule p = {"polynomial", 1.0, 0.0, 2, 0, 10};
    ck_assert_double_eq_tol(vlp_schedule_at(&p, 5), 0.25, 1e-12);
    const struct vlp_schedule c = {"constant", 0.3, 0.0, 1, 2, 10};
    ck_assert_double_eq_tol(vlp_schedule_at(&c, 9), 0.3, 1e-12);
}
END_TEST

START_TEST(adamw_matches_the_worked_example)
{
    /* Specification 5.4: p=1, lr 1e-3, wd 0.2, betas (0.9, 0.98), eps 1e-6, gradients 0.1 -0.2 0.3.
     */
    static const double      want[] = {0.9988000100, 0.9989653016, 0.9984241373};
    static const float       g[] = {0.1f, -0.2f, 0.3f};
    float                    value = 1, grad, m = 0, v = 0;
    struct vlp_param         p = {.tensor = {.ndim = 1, .dim = {1}, .data = &value, .grad = &grad}};
    struct vlp_trained       t = {.param = &p, .m = &m, .v = &v, .rate = 1, .decay = true};
    const struct vlp_adamw   o = {0.9f, 0.98f, 1e-6f, 0.2f};
    const struct vlp_compute c = {0};
    for (int i = 0; i < 3; i++) {
        grad = g[i];
        vlp_adamw_step(&c, &o, &t, 1, 1e-3, i + 1, 1.0f, 0);
        ck_assert_double_eq_tol((double)value, want[i], 2e-7);
    }
}
END_TEST

/* 1 - b^t is divided by, and so is sqrt(v) + eps. */
START_TEST(an_optimiser_that_divides_by_zero_is_refused_by_name)
{
    static const struct {
        struct vlp_adamw adamw;
        const char      *name;
    } bad[] = {{{1, 0.98f, 1e-6f, 0}, "beta1"},     {{0.9f, 1, 1e-6f, 0}, "beta2"},
               {{-0.1f, 0.98f, 1e-6f, 0}, "beta1"}, {{0.9f, NAN, 1e-6f, 0}, "beta2"},
               {{0.9f, 0.98f, 0, 0}, "eps"},        {{0.9f, 0.98f, NAN, 0}, "eps"}};
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t = NULL;
    open_fixture(&f, "gelu", 1);
    struct vlp_train_options o = options_of(&f, "softmax");
    for (size_t i = 0; i < VLP_COUNT(bad); i++) {
        o.adamw = bad[i].adamw;
        ck_assert_int_eq(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), VLP_ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(err.text, bad[i].name));
    }
    o.adamw = (struct vlp_adamw){0, 0, 1e-8f, 0}; /* plain steps of the sign are nobody's mistake */
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    vlp_trainer_close(t);
    close_fixture(&f);
}
END_TEST

/* The scale at its limit, pushed beyond it by the first steps: what is averaged is what was used.
 */
START_TEST(the_averaged_scale_stays_within_the_limits_of_the_loss)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    struct vlp_step     step;
    int                 n, held = 0;
    open_fixture(&f, "gelu", 1);
    struct vlp_train_options o = options_of(&f, "softmax");
    o.schedule = (struct vlp_schedule){"constant", 1e-2, 0, 1, 0, 100};
    o.ema_decay = 0.5f;
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    struct vlp_trained *p = vlp_trainer_params(t, &n), *scale = NULL;
    for (int i = 0; i < n; i++)
        if (p[i].clamp) scale = &p[i];
    ck_assert_ptr_nonnull(scale);
    float *value = scale->param->tensor.data;
    float  average = value[0];
    for (int i = 0; i < 10; i++) {
        const struct vlp_batch b = batch_of(&f, 0);
        if (i == 0) *value = average = *scale->ema = o.loss->min_scale;
        must(vlp_trainer_step(t, &b, &step, &err), &err);
        average = 0.5f * average + 0.5f * *value;
        held += *value == o.loss->min_scale;
        ck_assert_float_eq(*scale->ema, average);
        ck_assert_float_ge(*scale->ema, o.loss->min_scale);
    }
    ck_assert_int_gt(held, 0); /* or nothing was tried */
    vlp_trainer_close(t);
    close_fixture(&f);
}
END_TEST

START_TEST(patches_of_a_tower_that_has_none_cannot_be_left_out)
{
    for (int i = 0; i < 3; i++) {
        struct fixture      f;
        struct vlp_error    err;
        struct vlp_trainer *t;
        open_fixture(&f, cases[i], 1);
        struct vlp_train_options o = options_of(&f, "softmax");
        o.patch_dropout = 0.5;
        const enum vlp_status s = vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err);
        ck_assert_int_eq(s, strcmp(cases[i], "resnet") == 0 ? VLP_ERR_USAGE : VLP_OK);
        if (s == VLP_OK)
            vlp_trainer_close(t);
        else
            ck_assert_ptr_nonnull(strstr(err.text, "patch dropout"));
        close_fixture(&f);
    }
}
END_TEST

START_TEST(a_run_put_down_and_taken_up_is_the_straight_run)
{
    static const char       *path = "build/check_train_state.train";
    const enum vlp_precision precision = _i & 2 ? VLP_PRECISION_BF16 : VLP_PRECISION_F32;
    static const char *const model[] = {"build/check_train_straight.safetensors",
                                        "build/check_train_resumed.safetensors"};
    const struct vlp_convert how = {.layout = VLP_LAYOUT_VLP, .dtype = VLP_F32, .force = true};
    struct vlp_map           a, c;
    struct vlp_error         err;
    struct vlp_step          step;
    struct vlp_batch         b;
    float                   *straight = NULL;
    size_t                   size = 0;
    const char *const        name = cases[1 + (_i & 1)];
    const int                last = _i & 1 ? 4 : 6, half = last / 2;
    for (int interrupted = 0; interrupted < 2; interrupted++) {
        struct fixture      f;
        struct vlp_trainer *t;
        open_fixture_at(&f, name, 1 + interrupted, precision);
        struct vlp_train_options o = options_of(&f, "sigmoid");
        o.ema_decay = 0.9f;
        must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
        for (int i = 0; i < last; i++) {
            if (interrupted && i == half) { /* everything is forgotten but the file */
                must(vlp_trainer_save(t, path, NULL, &err), &err);
                vlp_trainer_close(t);
                close_fixture(&f);
                open_fixture_at(&f, name, 3, precision);
                must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
                must(vlp_trainer_load(t, path, NULL, &err), &err);
                ck_assert_int_eq(vlp_trainer_steps(t), half);
            }
            b = batch_of(&f, i);
            must(vlp_trainer_step(t, &b, &step, &err), &err);
        }
        int                 n;
        struct vlp_trained *p = vlp_trainer_params(t, &n);
        size_t              at = 0;
        for (int i = 0; i < n; i++) size += interrupted ? 0 : 2 * vlp_numel(&p[i].param->tensor);
        if (!straight) straight = vlp_calloc(size, sizeof *straight);
        for (int i = 0; i < n; i++) {
            const size_t len = vlp_numel(&p[i].param->tensor);
            const float *part[] = {p[i].param->tensor.data, p[i].ema};
            for (int k = 0; k < 2; k++, at += len) {
                if (interrupted)
                    ck_assert_mem_eq(straight + at, part[k], len * sizeof(float));
                else
                    memcpy(straight + at, part[k], len * sizeof(float));
            }
        }
        must(vlp_trainer_export(t, model[interrupted], true, NULL, 0, NULL, &how, &err), &err);
        vlp_trainer_close(t);
        close_fixture(&f);
    }
    must(vlp_map_open(&a, model[0], &err), &err);
    must(vlp_map_open(&c, model[1], &err), &err);
    ck_assert_uint_eq(a.size, c.size);
    ck_assert_mem_eq(a.data, c.data, a.size);
    vlp_map_close(&a);
    vlp_map_close(&c);
    unlink(path);
    unlink(model[0]);
    unlink(model[1]);
    free(straight);
}
END_TEST

/* A trainer that has done nothing yet, of a run and a vocabulary or NULLs; its state is at `path`.
 */
static struct vlp_trainer *open_saved(struct fixture *f, const char *path, const json_t *run,
                                      const char *vocab)
{
    struct vlp_error    err;
    struct vlp_trainer *t;
    open_fixture(f, "gelu", 1);
    struct vlp_train_options o = options_of(f, "softmax");
    o.run = run;
    o.vocab = vocab;
    o.vocab_len = vocab ? strlen(vocab) : 0;
    must(vlp_trainer_open(&t, &f->model, &f->compute, NULL, &o, &err), &err);
    must(vlp_trainer_save(t, path, NULL, &err), &err);
    return t;
}

START_TEST(a_state_of_other_options_is_refused_by_name)
{
    static const char  *path = "build/check_train_other.train";
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t = open_saved(&f, path, NULL, NULL);
    vlp_trainer_close(t);
    struct vlp_train_options o = options_of(&f, "softmax");
    o.adamw.beta2 = 0.999f;
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    ck_assert_int_eq(vlp_trainer_load(t, path, NULL, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, "beta2"));
    vlp_trainer_close(t);
    close_fixture(&f);
    unlink(path);
}
END_TEST

/* Saves a state with these, then loads it with those: what vlp_trainer_load says. */
static enum vlp_status load_with_other(const struct vlp_train_options *saved,
                                       const struct vlp_train_options *loaded,
                                       void (*change)(const char *path), struct vlp_error *err)
{
    static const char  *path = "build/check_train_held.train";
    struct fixture      f;
    struct vlp_trainer *t;
    open_fixture(&f, "gelu", 1);
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, saved, err), err);
    must(vlp_trainer_save(t, path, NULL, err), err);
    vlp_trainer_close(t);
    if (change) change(path);
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, loaded, err), err);
    const enum vlp_status s = vlp_trainer_load(t, path, NULL, err);
    vlp_trainer_close(t);
    close_fixture(&f);
    unlink(path);
    return s;
}

/* The first byte of the vocabulary, as a disk may turn it. */
static void damage_vocabulary(const char *path)
{
    struct vlp_map   m;
    struct vlp_error err;
    must(vlp_map_open(&m, path, &err), &err);
    const char *at = memmem(m.data, m.size, "first words", strlen("first words"));
    ck_assert_ptr_nonnull(at);
    const long offset = at - (const char *)m.data;
    vlp_map_close(&m);
    FILE *f = fopen(path, "r+b");
    ck_assert_int_eq(fseek(f, offset, SEEK_SET), 0);
    ck_assert_int_eq(fputc('g', f), 'g');
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(a_state_of_another_vocabulary_is_refused)
{
    struct fixture   f;
    struct vlp_error err;
    open_fixture(&f, "gelu", 1);
    struct vlp_train_options o = options_of(&f, "softmax"), other = o;
    close_fixture(&f);
    o.vocab = "first words";
    other.vocab = "words first"; /* as long, in another order */
    o.vocab_len = other.vocab_len = strlen("first words");
    ck_assert_int_eq(load_with_other(&o, &o, NULL, &err), VLP_OK);
    ck_assert_int_eq(load_with_other(&o, &other, NULL, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, "another vocabulary"));
    other.vocab = NULL;
    ck_assert_int_eq(load_with_other(&o, &other, NULL, &err), VLP_ERR_MISMATCH);
    ck_assert_int_eq(load_with_other(&other, &o, NULL, &err), VLP_ERR_MISMATCH);
    /* its own vocabulary, damaged, is no other one: an earlier state may be whole */
    ck_assert_int_eq(load_with_other(&o, &o, damage_vocabulary, &err), VLP_ERR_FORMAT);
}
END_TEST

static void put_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(data, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
}

/* As verify, import and -m look at it, which know nothing of the run. */
static enum vlp_status look_at(const char *path)
{
    struct vlp_checkpoint c;
    enum vlp_status       s = vlp_checkpoint_open(&c, path, NULL, NULL);
    if (s != VLP_OK) return s;
    s = vlp_checkpoint_check(&c, 0, NULL);
    vlp_checkpoint_close(&c);
    return s;
}

/* Whatever bit of the header a disk turns: the state is what it was, or the file is damaged. */
START_TEST(a_bit_turned_in_the_header_of_a_state_is_noticed)
{
    static const char  *path = "build/check_train_header.train";
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_map      m;
    json_t             *run = json_pack("{s:i}", "batch", 4);
    struct vlp_trainer *t = open_saved(&f, path, run, "words");
    must(vlp_map_open(&m, path, &err), &err);
    const size_t size = m.size, header = 8 + (size_t)vlp_load_u64(m.data);
    uint8_t     *bytes = vlp_malloc(size);
    memcpy(bytes, m.data, size);
    vlp_map_close(&m);
    enum { STRIDE = 11 }; /* prime to the bits: all of them, and every kind of entry, in a second */
    for (size_t i = 0; i < header; i += STRIDE) {
        bytes[i] ^= (uint8_t)(1u << i % 7);
        put_file(path, bytes, size);
        const enum vlp_status s = vlp_trainer_load(t, path, NULL, &err);
        if (s != VLP_OK) ck_assert_msg(s == VLP_ERR_FORMAT, "byte %zu: %s", i, err.text);
        if (s != VLP_OK) ck_assert_msg(look_at(path) != VLP_OK, "byte %zu: made use of", i);
        /* only what fills up to a boundary is nobody's */
        if (s == VLP_OK) {
            const size_t from = i > 30 ? i - 30 : 0;
            ck_assert_msg(memmem(bytes + from, 60, "__padding__", 11) != NULL, "byte %zu", i);
        }
        bytes[i] ^= (uint8_t)(1u << i % 7);
    }
    put_file(path, bytes, size);
    must(vlp_trainer_load(t, path, NULL, &err), &err);
    vlp_trainer_close(t);
    close_fixture(&f);
    json_decref(run);
    free(bytes);
    unlink(path);
}
END_TEST

/* The state as an earlier release wrote it, after `edit`. */
static void rewrite(const char *path, void (*edit)(json_t *state))
{
    struct vlp_safetensors f;
    struct vlp_output      out;
    struct vlp_error       err;
    must(vlp_safetensors_open(&f, path, &err), &err);
    json_t *state =
        json_loads(json_string_value(json_object_get(f.metadata, "vlp.train")), 0, NULL);
    json_object_set_new(state, "version", json_integer(2));
    if (edit) edit(state);
    char   *text = json_dumps(state, JSON_COMPACT);
    json_t *metadata = json_pack("{s:s}", "vlp.train", text);
    must(vlp_output_open(&out, path, true, &err), &err);
    must(vlp_safetensors_write(&out, f.tensors, f.n_tensors, metadata, &err), &err);
    must(vlp_output_commit(&out, &err), &err);
    json_decref(metadata);
    json_decref(state);
    free(text);
    vlp_safetensors_close(&f);
}

static void as_version_2(const char *path)
{
    rewrite(path, NULL);
}

static void lose_steps(json_t *state)
{
    json_object_del(state, "steps");
}

static void without_steps(const char *path)
{
    rewrite(path, lose_steps);
}

static void call_3(json_t *state)
{
    json_object_set_new(state, "version", json_integer(3));
}

static void without_sum(const char *path)
{
    rewrite(path, call_3);
}

START_TEST(only_a_state_of_an_earlier_release_may_lack_the_sum_of_its_header)
{
    static const char  *path = "build/check_train_sum.train";
    struct fixture      f;
    struct vlp_trainer *t = open_saved(&f, path, NULL, NULL);
    ck_assert_int_eq(look_at(path), VLP_OK);
    as_version_2(path);
    ck_assert_int_eq(look_at(path), VLP_OK);
    without_sum(path);
    ck_assert_int_eq(look_at(path), VLP_ERR_FORMAT);
    vlp_trainer_close(t);
    close_fixture(&f);
    unlink(path);
}
END_TEST

START_TEST(a_state_of_an_earlier_release_may_lack_only_what_is_newer)
{
    struct fixture   f;
    struct vlp_error err;
    open_fixture(&f, "gelu", 1);
    struct vlp_train_options older = options_of(&f, "softmax"), newer = older;
    close_fixture(&f);
    json_t *few = json_pack("{s:i}", "batch", 4),
           *more = json_pack("{s:i,s:[]}", "batch", 4, "weights of the data");
    older.run = few;
    newer.run = more;
    ck_assert_int_eq(load_with_other(&older, &newer, as_version_2, &err), VLP_OK);
    ck_assert_int_eq(load_with_other(&older, &newer, without_steps, &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "steps"));
    ck_assert_int_eq(load_with_other(&older, &newer, without_sum, &err), VLP_ERR_FORMAT);
    older.run = NULL;
    ck_assert_int_eq(load_with_other(&older, &newer, as_version_2, &err), VLP_ERR_MISMATCH);
    ck_assert_ptr_nonnull(strstr(err.text, "'batch'"));
    json_decref(few);
    json_decref(more);
}
END_TEST

/* A run may have begun before there was something to hold it against. */
START_TEST(what_a_state_does_not_say_of_the_run_is_not_held_against_it)
{
    struct fixture   f;
    struct vlp_error err;
    open_fixture(&f, "gelu", 1);
    struct vlp_train_options older = options_of(&f, "softmax"), newer = older;
    close_fixture(&f);
    json_t *few = json_pack("{s:i}", "batch", 4),
           *more = json_pack("{s:i,s:i}", "batch", 4, "x", 1),
           *other = json_pack("{s:i,s:i}", "batch", 4, "x", 2);
    older.run = few;
    newer.run = more;
    ck_assert_int_eq(load_with_other(&older, &newer, NULL, &err), VLP_OK);
    older.run = other;
    ck_assert_int_eq(load_with_other(&older, &newer, NULL, &err), VLP_ERR_MISMATCH);
    json_decref(few);
    json_decref(more);
    json_decref(other);
}
END_TEST

/* Batch 0 with one pixel that is no number; the caller frees *images. */
static struct vlp_batch batch_with_nan(struct fixture *f, float **images)
{
    struct vlp_batch b = batch_of(f, 0);
    const size_t     len = (size_t)b.n * 3 * 32 * 32;
    *images = vlp_malloc(len * sizeof **images);
    memcpy(*images, b.images, len * sizeof **images);
    (*images)[5] = NAN;
    b.images = *images;
    return b;
}

START_TEST(a_loss_that_is_not_finite_changes_nothing)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    struct vlp_step     step;
    open_fixture(&f, "gelu", 1);
    const struct vlp_train_options o = options_of(&f, "softmax");
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    float              *images;
    struct vlp_batch    b = batch_with_nan(&f, &images);
    int                 n;
    struct vlp_trained *p = vlp_trainer_params(t, &n);
    const float         before = p[3].param->tensor.data[0];
    must(vlp_trainer_step(t, &b, &step, &err), &err);
    ck_assert(step.skipped);
    ck_assert_float_eq(p[3].param->tensor.data[0], before);
    for (int i = 0; i < 20; i++)
        if (vlp_trainer_step(t, &b, &step, &err) != VLP_OK) break;
    ck_assert_ptr_nonnull(strstr(err.text, "not finite"));
    free(images);
    vlp_trainer_close(t);
    close_fixture(&f);
}
END_TEST

/* Of a micro-batch its own statistics; the stored ones move once for each, however often it is
 * computed. */
START_TEST(stored_statistics_move_once_a_micro_batch)
{
    static const char *const names[] = {"visual.bn1.running_mean", "visual.bn1.running_var"};
    double                   moved[3][2]; /* first half, second half, both as micro-batches */
    for (int run = 0; run < 3; run++) {
        struct fixture      f;
        struct vlp_error    err;
        struct vlp_trainer *t;
        double              before[2];
        open_fixture(&f, "resnet", 2);
        struct vlp_train_options o = options_of(&f, "softmax");
        o.micro_batch = 4;
        must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
        struct vlp_batch b = batch_of(&f, 0);
        if (run < 2) {
            b.n = 4;
            b.images += run * 4 * 3 * 32 * 32;
            b.start += 4 * run;
        }
        for (int k = 0; k < 2; k++) before[k] = (double)statistic(&f, names[k])[0];
        vlp_trainer_gradients(t, &b);
        for (int k = 0; k < 2; k++) moved[run][k] = (double)statistic(&f, names[k])[0];
        for (int k = 0; k < 2 && run < 2; k++) /* 0.9 before + 0.1 batch */
            moved[run][k] = (moved[run][k] - 0.9 * before[k]) / 0.1;
        for (int k = 0; k < 2 && run == 2; k++)
            ck_assert_double_eq_tol(
                moved[2][k], 0.9 * (0.9 * before[k] + 0.1 * moved[0][k]) + 0.1 * moved[1][k], 1e-6);
        vlp_trainer_close(t);
        close_fixture(&f);
    }
}
END_TEST

START_TEST(a_step_that_is_none_leaves_the_statistics)
{
    struct fixture      f;
    struct vlp_error    err;
    struct vlp_trainer *t;
    struct vlp_step     step;
    open_fixture(&f, "resnet", 1);
    const struct vlp_train_options o = options_of(&f, "softmax");
    must(vlp_trainer_open(&t, &f.model, &f.compute, NULL, &o, &err), &err);
    float           *images;
    struct vlp_batch b = batch_with_nan(&f, &images);
    const float      before = statistic(&f, "visual.bn1.running_mean")[0];
    must(vlp_trainer_step(t, &b, &step, &err), &err);
    ck_assert(step.skipped);
    ck_assert_float_eq(statistic(&f, "visual.bn1.running_mean")[0], before);
    free(images);
    vlp_trainer_close(t);
    close_fixture(&f);
}
END_TEST

/* ---- random numbers of a step ------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Steps, processes and micro-batches of one run, its batch larger than any count of bits thought
 * of. */
START_TEST(every_micro_batch_has_random_numbers_of_its_own)
{
    enum { STEPS = 20, RANKS = 40, MICRO = 50, N = STEPS * RANKS * MICRO * 2 };
    uint64_t *stream = vlp_malloc(N * sizeof *stream);
    int       n = 0;
    for (int s = 0; s < STEPS; s++)
        for (int r = 0; r < RANKS; r++)
            for (int m = 0; m < 2 * MICRO; m++)
                stream[n++] = vlp_train_stream(s, r, m / 2 * 1024, (enum vlp_tower)(m % 2));
    qsort(stream, N, sizeof *stream, by_value);
    for (int i = 1; i < N; i++) ck_assert_uint_ne(stream[i - 1], stream[i]);
    /* and none is a stream of the order or of the samples */
    ck_assert_uint_ge(stream[0], 3ull << 60);
    ck_assert_uint_lt(stream[N - 1], 4ull << 60);
    free(stream);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train");
    TCase *t = tcase_create("train");
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_loss_has_its_name);
    tcase_add_loop_test(t, gradients_are_the_references, 0, 3);
    tcase_add_loop_test(t, micro_batches_give_the_gradient_of_the_whole_batch, 0, 2);
    tcase_add_loop_test(t, recomputed_blocks_give_the_same_bits, 0, 6);
    tcase_add_loop_test(t, a_frozen_picture_tower_gets_no_gradient, 0, 3);
    tcase_add_loop_test(t, a_tower_learns_the_same_beside_a_frozen_one, 0, 6);
    tcase_add_loop_test(t, a_batch_says_the_size_of_its_pictures, 0, 2);
    tcase_add_test(t, a_frozen_tower_is_run_once);
    tcase_add_test(t, a_frozen_tower_needs_the_memory_of_one_block);
    tcase_add_test(t, the_frozen_blocks_below_unlocked_ones_need_the_memory_of_one_block);
    tcase_add_loop_test(t, steps_of_adamw_are_the_references, 0, 3);
    tcase_add_loop_test(t, ten_clipped_steps_are_the_references, 0, 2);
    tcase_add_loop_test(t, sigmoid_loss_is_the_references, 0, 2);
    tcase_add_test(t, the_learned_bias_goes_with_the_model);
    tcase_add_test(t, layer_wise_rates_fall_from_the_top);
    tcase_add_loop_test(t, unlocked_groups_are_open_clips, 0, 5);
    tcase_add_loop_test(t, bf16_gradients_are_the_references_but_for_rounding, 0, 2);
    tcase_add_loop_test(t, bf16_gradients_do_not_depend_on_threads, 0, 3);
    tcase_add_loop_test(t, bf16_micro_batches_round_the_same_operands, 0, 2);
    tcase_add_loop_test(t, ten_bf16_steps_stay_near_the_references, 0, 2);
    tcase_add_test(t, decay_all_adds_the_position_embeddings_and_nothing_else);
    tcase_add_test(t, schedules_hit_the_specified_points);
    tcase_add_test(t, adamw_matches_the_worked_example);
    tcase_add_test(t, an_optimiser_that_divides_by_zero_is_refused_by_name);
    tcase_add_test(t, the_averaged_scale_stays_within_the_limits_of_the_loss);
    tcase_add_test(t, patches_of_a_tower_that_has_none_cannot_be_left_out);
    tcase_add_loop_test(t, a_run_put_down_and_taken_up_is_the_straight_run, 0, 4);
    tcase_add_test(t, a_state_of_other_options_is_refused_by_name);
    tcase_add_test(t, a_state_of_another_vocabulary_is_refused);
    tcase_add_test(t, a_bit_turned_in_the_header_of_a_state_is_noticed);
    tcase_add_test(t, only_a_state_of_an_earlier_release_may_lack_the_sum_of_its_header);
    tcase_add_test(t, a_state_of_an_earlier_release_may_lack_only_what_is_newer);
    tcase_add_test(t, what_a_state_does_not_say_of_the_run_is_not_held_against_it);
    tcase_add_test(t, a_loss_that_is_not_finite_changes_nothing);
    tcase_add_test(t, stored_statistics_move_once_a_micro_batch);
    tcase_add_test(t, a_step_that_is_none_leaves_the_statistics);
    tcase_add_test(t, every_micro_batch_has_random_numbers_of_its_own);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
