/*
 * check_model.c -- checkpoints of every layout against the reference's features, hidden states and
 * gradients.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/model.h>

#define GOLDEN "tests/golden/clip/"

/* Where the weights cannot say it, the case says the activation. */
static const struct golden_case {
    const char *folder, *file, *activation;
} cases[] = {
    {"hf-bin", "", NULL},
    {"hf-gelu-sharded", "", NULL},
    {"hf-quick", "", NULL},
    {"interp-hf", "", NULL},
    {"interp-openclip", "", NULL},
    {"legacy-nonzip", "/model.pt", "quick_gelu"},
    {"openai-resnet", "/model.pt", NULL},
    {"openai-vit", "/model.pt", NULL},
    {"openclip-customtext", "", NULL},
    {"openclip-gelu", "", NULL},
    {"openclip-quick", "", NULL},
    {"statedict-bf16", "/model.pt", "quick_gelu"},
    {"statedict-module", "/epoch_3.pt", "quick_gelu"},
};

struct world {
    struct vlp_model       model;
    struct vlp_safetensors inputs, expected;
    struct vlp_arena       mem;
    struct vlp_pool       *pool;
    struct vlp_tape        tape;
    int                    compared;
};

static void open_file(struct vlp_safetensors *s, const char *folder, const char *name)
{
    char             path[256];
    struct vlp_error err = {0};
    snprintf(path, sizeof path, GOLDEN "%s/%s", folder, name);
    ck_assert_msg(vlp_safetensors_open(s, path, &err) == VLP_OK, "%s", err.text);
}

static void open_world(struct world *w, const struct golden_case *c, bool recording)
{
    struct vlp_error                    err = {0};
    struct vlp_checkpoint               checkpoint = {0};
    const struct vlp_checkpoint_options opt = {.activation = c->activation};
    char                                path[256];
    *w = (struct world){0};
    snprintf(path, sizeof path, GOLDEN "%s%s", c->folder, c->file);
    ck_assert_msg(vlp_checkpoint_open(&checkpoint, path, &opt, &err) == VLP_OK, "%s", err.text);
    ck_assert_msg(vlp_model_open(&w->model, &checkpoint, &err) == VLP_OK, "%s", err.text);
    open_file(&w->inputs, c->folder, "inputs.safetensors");
    w->pool = vlp_pool_open(2);
    struct vlp_compute compute;
    ck_assert_int_eq(
        vlp_compute_init(&compute, w->pool, getenv("VLP_CPU"), VLP_PRECISION_F32, &err), VLP_OK);
    vlp_tape_init(&w->tape, &compute, &w->mem, recording);
}

static void close_world(struct world *w)
{
    vlp_safetensors_close(&w->inputs);
    if (w->expected.metadata) vlp_safetensors_close(&w->expected);
    vlp_model_close(&w->model);
    vlp_pool_close(w->pool);
    vlp_arena_free(&w->mem);
}

static size_t count_of(const struct vlp_stored *s)
{
    size_t n = 1;
    for (int i = 0; i < s->ndim; i++) n *= (size_t)s->dim[i];
    return n;
}

static struct vlp_tensor *images_of(struct world *w, const char *name)
{
    const struct vlp_stored *s = vlp_safetensors_find(&w->inputs, name);
    ck_assert_ptr_nonnull(s);
    struct vlp_tensor *x = vlp_tensor_new(
        &w->tape, VLP_DIMS((int)s->dim[0], (int)s->dim[1], (int)s->dim[2], (int)s->dim[3]), false);
    vlp_to_f32(x->data, s->data, s->dtype, count_of(s));
    return x;
}

/* All ids of all rows, padding and all: what follows the end token may not matter. */
static struct vlp_text_batch texts_of(struct world *w, const char *name)
{
    const struct vlp_stored *s = vlp_safetensors_find(&w->inputs, name);
    ck_assert_ptr_nonnull(s);
    const int n = (int)s->dim[0], length = (int)s->dim[1];
    int32_t  *ids = vlp_arena_alloc(&w->mem, (size_t)(n * length) * sizeof *ids);
    int      *start = vlp_arena_alloc(&w->mem, (size_t)(n + 1) * sizeof *start);
    for (int i = 0; i < n * length; i++)
        ids[i] = (int32_t)vlp_load_u64((const uint8_t *)s->data + 8 * i);
    for (int i = 0; i <= n; i++) start[i] = i * length;
    return (struct vlp_text_batch){n, ids, start};
}

/* Against expected.safetensors, where it has that name, and against the exact result. */
static void compare(struct world *w, const char *name, const float *got)
{
    static const char *const suffixes[] = {"", ".exact"};
    for (size_t k = 0; k < VLP_COUNT(suffixes); k++) {
        char full[96];
        snprintf(full, sizeof full, "%s%s", name, suffixes[k]);
        const struct vlp_stored *s = vlp_safetensors_find(&w->expected, full);
        if (!s) continue;
        const float *want = s->data;
        for (size_t i = 0; i < count_of(s); i++)
            ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= 1e-4,
                          "%s, element %zu is %.7g, not %.7g", full, i, (double)got[i],
                          (double)want[i]);
        w->compared++;
    }
}

static void look(void *ctx, const char *name, const struct vlp_tensor *value, struct vlp_seqs seqs)
{
    (void)seqs;
    compare(ctx, name, value->data); /* blocks: the rows of sample 0 come first */
}

START_TEST(features_and_hidden_states_are_the_references)
{
    struct world w;
    open_world(&w, &cases[_i], false);
    open_file(&w.expected, cases[_i].folder, "expected.safetensors");
    struct vlp_tape            *t = &w.tape;
    struct vlp_tensor          *images = images_of(&w, "image");
    const struct vlp_text_batch texts = texts_of(&w, "text");
    struct vlp_tensor          *image = vlp_encode_image_watched(&w.model, t, images, look, &w);
    struct vlp_tensor          *text = vlp_encode_text_watched(&w.model, t, &texts, look, &w);
    compare(&w, "image_features", image->data);
    compare(&w, "text_features", text->data);
    const struct vlp_tensor *alone = vlp_encode_text(&w.model, t, &texts);
    ck_assert_mem_eq(text->data, alone->data, vlp_numel(text) * sizeof(float));

    struct vlp_tensor *u = vlp_normalize(t, image), *v = vlp_normalize(t, text);
    compare(&w, "image_embeds", u->data);
    compare(&w, "text_embeds", v->data);
    compare(&w, "logits_per_image",
            vlp_scale_exp(t, vlp_matmul_nt(t, u, v), &w.model.logit_scale->tensor)->data);
    /* everything in the file but the scale */
    ck_assert_int_eq(w.compared, (int)w.expected.n_tensors - 1);
    close_world(&w);
}
END_TEST

/* ---- gradients ----------------------------------------------------------------------------- */

static const struct golden_case trained[] = {
    {"train/gelu", "", NULL},
    {"train/quickgelu", "", NULL},
};

static void give_gradients(struct world *w, const char *tower_left_out)
{
    for (int i = 0; i < w->model.params.n; i++) {
        struct vlp_param *p = w->model.params.item[i];
        p->tensor.grad = NULL;
        if (strcmp(p->tower, tower_left_out) == 0) continue;
        p->tensor.grad = vlp_arena_calloc(&w->mem, vlp_numel(&p->tensor), sizeof(float));
    }
}

static void compare_gradient(const struct vlp_stored *want, const float *got)
{
    const float *x = want->data;
    double       most = 0.0;
    for (size_t i = 0; i < count_of(want); i++) most = fmax(most, fabs((double)x[i]));
    for (size_t i = 0; i < count_of(want); i++)
        ck_assert_msg(fabs((double)got[i] - (double)x[i]) <= 1e-4 * most,
                      "the gradient of %s, element %zu, is %.7g, not %.7g (largest %.3g)",
                      want->name, i, (double)got[i], (double)x[i], most);
}

static void compare_gradients(struct world *w, const char *folder, const char *file,
                              const struct vlp_tensor *bias)
{
    open_file(&w->expected, folder, file);
    for (size_t i = 0; i < w->expected.n_tensors; i++) {
        const struct vlp_stored *s = &w->expected.tensors[i];
        const struct vlp_param  *p = vlp_params_find(&w->model.params, s->name);
        ck_assert_msg(p || (bias && strcmp(s->name, "logit_bias") == 0), "%s", s->name);
        ck_assert_ptr_nonnull(p ? p->tensor.grad : bias->grad);
        compare_gradient(s, p ? p->tensor.grad : bias->grad);
    }
}

static struct vlp_tensor *similarities(struct world *w)
{
    const struct vlp_text_batch texts = texts_of(w, "text.0");
    struct vlp_tape            *t = &w->tape;
    struct vlp_tensor          *u = vlp_encode_image(&w->model, t, images_of(w, "image.0"));
    struct vlp_tensor          *v = vlp_encode_text(&w->model, t, &texts);
    struct vlp_tensor          *s = vlp_matmul_nt(t, vlp_normalize(t, u), vlp_normalize(t, v));
    return vlp_scale_exp(t, s, &w->model.logit_scale->tensor);
}

static double run_contrastive(struct world *w)
{
    static const int32_t target[] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct vlp_tape     *t = &w->tape;
    struct vlp_tensor   *s = similarities(w);
    struct vlp_tensor   *sum = vlp_add(t, vlp_cross_entropy(t, s, target),
                                       vlp_cross_entropy(t, vlp_transpose(t, s), target));
    struct vlp_tensor   *loss = vlp_scale(t, sum, 0.5f);
    loss->grad[0] = 1.0f;
    vlp_backward(t, loss);
    return (double)loss->data[0];
}

static double golden_loss(const char *folder, const char *of)
{
    char path[256];
    snprintf(path, sizeof path, GOLDEN "%s/expected.json", folder);
    json_t *root = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(root);
    const double loss = json_number_value(
        json_object_get(json_object_get(json_object_get(root, "cases"), of), "loss"));
    json_decref(root);
    return loss;
}

START_TEST(gradients_of_the_contrastive_loss_are_the_references)
{
    const struct golden_case *c = &trained[_i];
    struct world              w;
    open_world(&w, c, true);
    vlp_params_train(&w.model.params);
    give_gradients(&w, "none");
    ck_assert_double_eq_tol(run_contrastive(&w), golden_loss(c->folder, "gradients"), 1e-5);
    compare_gradients(&w, c->folder, "gradients.safetensors", NULL);
    close_world(&w);
}
END_TEST

START_TEST(a_frozen_tower_gets_no_gradient_and_changes_no_other)
{
    const struct golden_case *c = &trained[_i];
    struct world              w;
    open_world(&w, c, true);
    give_gradients(&w, "image"); /* stored values: trained or not is the same to backward */
    ck_assert_double_eq_tol(run_contrastive(&w), golden_loss(c->folder, "frozen_image"), 1e-5);
    compare_gradients(&w, c->folder, "gradients_frozen_image.safetensors", NULL);
    close_world(&w);
}
END_TEST

START_TEST(gradients_of_the_sigmoid_loss_are_the_references)
{
    const struct golden_case *c = &trained[_i];
    struct world              w;
    open_world(&w, c, true);
    vlp_params_train(&w.model.params);
    give_gradients(&w, "none");
    w.model.logit_scale->tensor.data[0] = (float)log(10.0);
    struct vlp_tensor *bias = vlp_tensor_new(&w.tape, VLP_DIMS(1), true);
    bias->data[0] = -10.0f;
    struct vlp_tensor *loss =
        vlp_sigmoid_pairs(&w.tape, vlp_add(&w.tape, similarities(&w), bias), 0);
    ck_assert_double_eq_tol((double)loss->data[0], golden_loss(c->folder, "sigmoid"), 1e-4);
    loss->grad[0] = 1.0f;
    vlp_backward(&w.tape, loss);
    compare_gradients(&w, c->folder, "gradients_sigmoid.safetensors", bias);
    close_world(&w);
}
END_TEST

/* ---- positions of another size ------------------------------------------------------------- */

static void set(json_t *about, const char *tower, const char *key, json_t *value)
{
    json_object_set_new(json_object_get(json_object_get(about, "config"), tower), key, value);
}

START_TEST(stored_positions_are_resampled_to_the_configured_size)
{
    struct vlp_error      err = {0};
    struct vlp_checkpoint c = {0};
    ck_assert_int_eq(vlp_checkpoint_open(&c, GOLDEN "openclip-quick", NULL, &err), VLP_OK);
    set(c.about, "vision", "interpolate", json_string("open_clip"));
    set(c.about, "vision", "image_size", json_integer(16));
    set(c.about, "text", "context", json_integer(24));
    struct vlp_model m;
    ck_assert_msg(vlp_model_open(&m, &c, &err) == VLP_OK, "%s", err.text);

    /* 12 positions to 24: row 7 lies at 7.5 / 2 - 0.5 = 3.25 */
    const struct vlp_stored *text = vlp_checkpoint_find(&m.checkpoint, "positional_embedding");
    const float             *from = text->data;
    const float *row = vlp_param_f32(vlp_params_find(&m.params, "positional_embedding")) + 7 * 64;
    for (int i = 0; i < 64; i++)
        ck_assert_float_eq_tol(row[i], 0.75f * from[3 * 64 + i] + 0.25f * from[4 * 64 + i], 1e-6f);

    /* a 4 x 4 grid to 2 x 2: the class row stays, the mean over the grid nearly so */
    const struct vlp_stored *grid =
        vlp_checkpoint_find(&m.checkpoint, "visual.positional_embedding");
    const float *want = grid->data;
    const float *got = vlp_param_f32(vlp_params_find(&m.params, "visual.positional_embedding"));
    ck_assert_mem_eq(got, want, 64 * sizeof *got);
    for (int i = 0; i < 64; i++) { /* each axis by hand: weights of the four taps, half-pixel */
        double              sum = 0.0, total = 0.0;
        static const double x[] = {0.25, 0.25, 0.75, 1.25}; /* distances / 2 of output 0's taps */
        double              f[4];
        for (int k = 0; k < 4; k++) {
            f[k] = x[k] < 1 ? (1.5 * x[k] - 2.5) * x[k] * x[k] + 1
                            : (((x[k] - 5) * x[k] + 8) * x[k] - 4) * -0.5;
            total += f[k];
        }
        for (int r = 0; r < 4; r++)
            for (int k = 0; k < 4; k++)
                sum += f[r] * f[k] / (total * total) * (double)want[(1 + r * 4 + k) * 64 + i];
        ck_assert_double_eq_tol((double)got[64 + i], sum, 1e-6);
    }
    vlp_model_close(&m);

    /* without that rule another grid is a mistake */
    ck_assert_int_eq(vlp_checkpoint_open(&c, GOLDEN "openclip-quick", NULL, &err), VLP_OK);
    set(c.about, "vision", "interpolate", json_string("none"));
    set(c.about, "vision", "image_size", json_integer(16));
    ck_assert_int_eq(vlp_model_open(&m, &c, &err), VLP_ERR_MISMATCH);
    ck_assert_msg(strstr(err.text, "visual.positional_embedding is [17,64], not [5,64]") != NULL,
                  "%s", err.text);
}
END_TEST

/* ---- what does not fit --------------------------------------------------------------------- */

START_TEST(missing_and_misshapen_tensors_are_all_named)
{
    struct vlp_error      err = {0};
    struct vlp_checkpoint c = {0};
    ck_assert_int_eq(vlp_checkpoint_open(&c, GOLDEN "openclip-quick", NULL, &err), VLP_OK);
    size_t kept = 0;
    for (size_t i = 0; i < c.n_tensors; i++) {
        if (strcmp(c.tensors[i].name, "visual.proj") == 0) continue;
        c.tensors[kept] = c.tensors[i];
        if (strcmp(c.tensors[kept].name, "ln_final.weight") == 0) c.tensors[kept].dim[0]--;
        kept++;
    }
    c.n_tensors = kept;
    struct vlp_model m;
    ck_assert_int_eq(vlp_model_open(&m, &c, &err), VLP_ERR_MISMATCH);
    ck_assert_msg(strstr(err.text, "visual.proj is missing") != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "ln_final.weight is [63], not [64]") != NULL, "%s", err.text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("golden");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, features_and_hidden_states_are_the_references, 0, VLP_COUNT(cases));
    tcase_add_loop_test(t, gradients_of_the_contrastive_loss_are_the_references, 0,
                        VLP_COUNT(trained));
    tcase_add_loop_test(t, a_frozen_tower_gets_no_gradient_and_changes_no_other, 0,
                        VLP_COUNT(trained));
    tcase_add_loop_test(t, gradients_of_the_sigmoid_loss_are_the_references, 0, VLP_COUNT(trained));
    tcase_add_test(t, stored_positions_are_resampled_to_the_configured_size);
    tcase_add_test(t, missing_and_misshapen_tensors_are_all_named);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
