/*
 * model_gradients.c -- vlp-model compare --gradients: the gradient of a loss beside a reference's.
 *
 * DIR/inputs.safetensors     image or image.0 f32 (n, 3, R, R), text or text.0 i64 or i32 (n, T)
 * DIR/gradients.safetensors  d loss / d parameter, by the names of any layout
 *
 * The loss is that of the n pairs as one batch, in training: batch norms take the batch's
 * statistics. relative error = max |got - expected| over the largest |expected| of the tensor; that
 * is what --tolerance bounds, since gradients have no scale of their own. A tensor that is zero but
 * for rounding (the bias of an attention pool's keys, which a softmax cancels) has no scale at all:
 * where nothing in either is above f32's epsilon times the largest gradient of all, that one is
 * taken. A model that has learned no bias stands where a loss with one begins: at that loss's start
 * values of scale and bias.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <vlp/train.h>

#include "model_verbs.h"

static const struct vlp_stored *input(const struct vlp_safetensors *s, const char *name)
{
    char                     numbered[32];
    const struct vlp_stored *x = vlp_safetensors_find(s, name);
    snprintf(numbered, sizeof numbered, "%s.0", name);
    return x ? x : vlp_safetensors_find(s, numbered);
}

/* Texts with all their ids: the model knows where each ends. */
static enum vlp_status read_batch(struct vlp_batch *b, struct vlp_arena *mem,
                                  const struct vlp_safetensors *in, const struct vlp_model *m,
                                  struct vlp_error *err)
{
    const struct vlp_stored *image = input(in, "image"), *text = input(in, "text");
    if (!image || !text || image->dtype != VLP_F32 || image->ndim != 4 || image->dim[0] < 1)
        return vlp_fail(err, VLP_ERR_MISMATCH, "wants image f32 (n, 3, R, R) and text (n, T)");
    if (image->dim[1] != 3 || image->dim[2] != m->image_size || image->dim[3] != m->image_size)
        return vlp_fail(err, VLP_ERR_MISMATCH, "pictures of another size than the model's");
    *b = (struct vlp_batch){0};
    VLP_TRY(model_read_texts(&b->ids, mem, text, m, err));
    if (image->dim[0] != text->dim[0])
        return vlp_fail(err, VLP_ERR_MISMATCH, "not as many texts as pictures");
    b->n = (int)text->dim[0];
    b->width = b->height = m->image_size;
    b->images = vlp_arena_alloc(mem, image->size);
    memcpy(b->images, image->data, image->size);
    b->start = VLP_NEW_N(mem, int, (size_t)b->n + 1);
    for (int i = 0; i <= b->n; i++) b->start[i] = i * (int)text->dim[1];
    return VLP_OK;
}

static const struct vlp_trained *find(const struct vlp_trained *p, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(p[i].param->name, name) == 0) return &p[i];
    return NULL;
}

/* The largest value of all expected gradients. */
static double largest_of(const struct vlp_safetensors *expected)
{
    double all = 0;
    for (size_t i = 0; i < expected->n_tensors; i++) {
        const struct vlp_stored *t = &expected->tensors[i];
        if (t->dtype != VLP_F32) continue;
        const double one = vlp_differ(t->data, t->data, t->size / sizeof(float)).largest;
        if (isfinite(one)) all = fmax(all, one);
    }
    return all;
}

/* One line a tensor; true when it agrees. */
static bool report(const struct vlp_stored *want, const struct vlp_trained *got, double largest,
                   double tolerance)
{
    const size_t n = got ? vlp_numel(&got->param->tensor) : 0;
    if (!got || want->dtype != VLP_F32 || want->size != n * sizeof(float)) {
        model_put_verdict(
            want->name, 0, 0,
            got ? "has another shape or type" : "no parameter of that name is trained", false);
        return false;
    }
    const struct vlp_difference d = vlp_differ(got->param->tensor.grad, want->data, n);
    const bool                  zero = d.largest + d.error <= FLT_EPSILON * largest;
    const double                scale = zero ? largest : d.largest;
    const double                relative = scale > 0 ? d.error / scale : d.error;
    const bool                  good = relative <= tolerance;
    model_put_verdict(want->name, d.error, relative, "", good);
    return good;
}

static void put_loss(double loss)
{
    if (!model_lines.json)
        printf("loss\t%.9g\n", loss);
    else if (isfinite(loss))
        printf("{\"name\": \"loss\", \"value\": %.9g}\n", loss);
    else
        printf("{\"name\": \"loss\", \"value\": null}\n"); /* JSON has no such numbers */
}

static enum vlp_status gradients(struct vlp_encoder *e, const char *dir,
                                 const struct vlp_safetensors *inputs,
                                 const struct vlp_safetensors *expected, const char *loss,
                                 double tolerance, int *bad, struct vlp_error *err)
{
    const struct vlp_train_options o = {.loss = vlp_contrastive_loss_find(loss),
                                        .schedule = {"constant", 0, 0, 1, 0, 1},
                                        .adamw = {0.9f, 0.98f, 1e-6f, 0}, /* makes no step */
                                        .layer_decay = 1,
                                        .image_rate = 1,
                                        .text_rate = 1};
    struct vlp_trainer            *t;
    struct vlp_batch               b;
    struct vlp_arena               mem = {0};
    VLP_TRY(vlp_trainer_open(&t, &e->model, &e->compute, NULL, &o, err));
    enum vlp_status s = read_batch(&b, &mem, inputs, &e->model, err);
    if (s != VLP_OK) {
        vlp_fail_in(err, "%s/inputs.safetensors", dir);
    } else {
        float own;
        if (o.loss->has_bias && !vlp_model_logit_bias(&e->model, &own))
            e->model.logit_scale->tensor.data[0] = o.loss->start_scale; /* as its bias does */
        put_loss(vlp_trainer_gradients(t, &b));
        int                       n;
        const struct vlp_trained *p = vlp_trainer_params(t, &n);
        const double              largest = largest_of(expected);
        for (size_t i = 0; i < expected->n_tensors; i++)
            *bad += !report(&expected->tensors[i], find(p, n, expected->tensors[i].name), largest,
                            tolerance);
    }
    vlp_arena_free(&mem);
    vlp_trainer_close(t);
    return s;
}

enum vlp_status model_compare_gradients(const char *dir, const char *loss, double tolerance,
                                        int *bad, struct vlp_error *err)
{
    struct vlp_safetensors inputs = {0}, expected = {0};
    struct vlp_encoder     e = {0};
    struct vlp_arena       mem = {0};
    char                   why[256], file[64] = "gradients.safetensors";
    if (!cmd_one_of(vlp_contrastive_loss_names, loss, &loss, why))
        return vlp_fail(err, VLP_ERR_USAGE, "--loss: %s", why);
    if (strcmp(loss, vlp_contrastive_loss_names[0]) != 0)
        snprintf(file, sizeof file, "gradients_%s.safetensors", loss);
    enum vlp_status s =
        vlp_safetensors_open(&inputs, vlp_path_join(&mem, dir, "inputs.safetensors"), err);
    if (s == VLP_OK) s = vlp_safetensors_open(&expected, vlp_path_join(&mem, dir, file), err);
    if (s == VLP_OK && expected.n_tensors == 0)
        s = vlp_fail(err, VLP_ERR_MISMATCH, "%s/%s is empty", dir, file);
    if (s == VLP_OK) s = vlp_safetensors_rename(&expected, file, err);
    if (s == VLP_OK && (s = cmd_model_open(&e, err)) == VLP_OK) {
        s = gradients(&e, dir, &inputs, &expected, loss, tolerance, bad, err);
        vlp_encoder_close(&e);
    }
    vlp_safetensors_close(&inputs);
    vlp_safetensors_close(&expected);
    vlp_arena_free(&mem);
    return s;
}
