/*
 * trainer.c -- one step: features, loss over all candidates, gradients, update.
 *
 * The loss has a tape of its own whose leaves are the features. So the towers neither know whether
 * their features went through a gather, nor in how many micro-batches they are computed:
 *
 *   one micro-batch    towers forward (noted)  -> loss, df -> towers backward
 *   several            towers forward (not noted), all features kept -> loss, df over all
 *                      -> for each micro-batch: towers forward again (noted), backward with its
 *                      rows of df
 *
 * A tower of which nothing is trained is never noted, and is run in the first pass alone.
 *
 * The second is exact (GradCache, Gao et al. 2021): the loss is that of the whole batch, and the
 * logit scale's gradient is counted once. Between processes features are gathered; every process
 * computes the loss of all rows and takes its own rows of df, so the sum over processes is the
 * gradient of the full batch.
 *
 * Batch norms (ResNet) take their statistics from the micro-batch of all processes, in both passes
 * the same; the stored statistics move once a micro-batch, in the pass that is noted.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train_internal.h"

static void sum_over_ranks(void *comm, double *x, size_t n)
{
    vlp_comm_sum_f64(comm, x, n);
}

/* AdamW divides by 1 - b^t and by sqrt(v) + eps, where v may be 0. Comparisons that a NaN fails. */
static enum vlp_status check_adamw(const struct vlp_adamw *o, struct vlp_error *err)
{
    const struct {
        const char *name;
        float       value;
    } beta[] = {{"beta1", o->beta1}, {"beta2", o->beta2}};
    for (size_t i = 0; i < VLP_COUNT(beta); i++)
        if (!(beta[i].value >= 0.0f && beta[i].value < 1.0f))
            return vlp_fail(err, VLP_ERR_USAGE, "AdamW wants a %s from 0 to below 1, not %g",
                            beta[i].name, (double)beta[i].value);
    if (!(o->eps > 0.0f))
        return vlp_fail(err, VLP_ERR_USAGE, "AdamW wants an eps above 0, not %g", (double)o->eps);
    return VLP_OK;
}

enum vlp_status vlp_trainer_open(struct vlp_trainer **out, struct vlp_model *m,
                                 const struct vlp_compute *c, struct vlp_comm *comm,
                                 const struct vlp_train_options *o, struct vlp_error *err)
{
    if (!m->logit_scale)
        return vlp_fail(err, VLP_ERR_SUPPORT, "a %s model has no logit scale to train with '%s'",
                        m->family->name, o->loss->name);
    if (o->patch_dropout > 0 && m->patch_size == 0)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "patch dropout wants a picture tower with patches: a ResNet has none");
    VLP_TRY(check_adamw(&o->adamw, err));
    struct vlp_trainer *t = vlp_calloc(1, sizeof *t);
    t->model = m;
    t->compute = *c;
    t->o = *o;
    t->single = (struct vlp_comm){.rank = 0, .size = 1};
    t->comm = comm ? comm : &t->single;
    t->reduce = (struct vlp_reduce){.sum = sum_over_ranks, .ctx = t->comm};
    vlp_params_train(&m->params);
    vlp_params_init(&t->own);
    if (o->loss->has_bias) {
        t->own.tower = "";
        t->logit_bias = vlp_param(&t->own, "logit_bias", VLP_SHAPE(1),
                                  (struct vlp_start){VLP_INIT_CONST, o->loss->start_bias});
        t->logit_bias->layer = -1;
        vlp_params_start(&t->own, o->seed);
        /* the start model may have learned one with this loss */
        vlp_model_logit_bias(m, t->logit_bias->tensor.data);
    }
    const enum vlp_status s = vlp_trainer_groups(t, err);
    if (s != VLP_OK) {
        vlp_trainer_close(t);
        return s;
    }
    *out = t;
    return VLP_OK;
}

void vlp_trainer_close(struct vlp_trainer *t)
{
    if (!t) return;
    for (int i = 0; i < vlp_trainer_count(t); i++) vlp_trainer_param(t, i)->tensor.grad = NULL;
    vlp_params_free(&t->own);
    vlp_arena_free(&t->step);
    vlp_arena_free(&t->mem);
    free(t);
}

int64_t vlp_trainer_steps(const struct vlp_trainer *t)
{
    return t->steps;
}

struct vlp_trained *vlp_trainer_params(struct vlp_trainer *t, int *n)
{
    *n = t->n_trained;
    return t->trained;
}

static void swap(float **a, float **b)
{
    float *c = *a;
    if (!*b) return;
    *a = *b;
    *b = c;
}

void vlp_trainer_swap_average(struct vlp_trainer *t)
{
    for (int i = 0; i < t->n_trained; i++)
        swap(&t->trained[i].param->tensor.data, &t->trained[i].ema);
    for (int i = 0; i < t->n_statistics; i++)
        swap(&t->statistic[i].param->tensor.data, &t->statistic[i].ema);
}

size_t vlp_trainer_peak(const struct vlp_trainer *t)
{
    return t->mem.used + t->step.peak;
}

/* A tape of the training forward. */
static void open_tape(struct vlp_trainer *t, struct vlp_tape *tape, bool recording)
{
    vlp_tape_init(tape, &t->compute, &t->step, recording);
    tape->training = true;
    tape->batch_statistics = true;
    tape->keep_statistics = recording;
    tape->reduce = t->comm->size > 1 ? &t->reduce : NULL;
    tape->patch_dropout = t->o.patch_dropout;
    tape->recompute = t->o.recompute;
}

uint64_t vlp_train_stream(int64_t step, int rank, int from, enum vlp_tower tower)
{
    const uint64_t where[] = {(uint64_t)step, (uint64_t)rank, (uint64_t)from, tower};
    uint8_t        bytes[sizeof where];
    for (size_t i = 0; i < VLP_COUNT(where); i++) vlp_store_u64(bytes + 8 * i, where[i]);
    return VLP_STREAM_STEP | vlp_hash64(bytes, sizeof bytes) >> 4;
}

/*
 * What follows on the tape is one tower's: noted where it is trained, for a frozen one needs the
 * memory of one block only. Its random numbers are others in every step, process and micro-batch,
 * the same in both passes of a micro-batch.
 */
static void begin_tower(const struct vlp_trainer *t, struct vlp_tape *tape, int from,
                        enum vlp_tower tower, bool noted)
{
    tape->recording = noted && t->trains[tower];
    vlp_rng_seed(&tape->rng, t->o.seed, vlp_train_stream(t->steps, t->comm->rank, from, tower));
}

static struct vlp_tensor *image_features(struct vlp_trainer *t, struct vlp_tape *tape,
                                         const struct vlp_batch *b, int from, int n)
{
    const size_t       picture = 3 * (size_t)b->height * (size_t)b->width;
    struct vlp_tensor *images = vlp_tensor_of(tape, b->images + (size_t)from * picture,
                                              VLP_DIMS(n, 3, b->height, b->width));
    return vlp_normalize(tape, vlp_encode_image(t->model, tape, images));
}

static struct vlp_tensor *text_features(struct vlp_trainer *t, struct vlp_tape *tape,
                                        const struct vlp_batch *b, int from, int n)
{
    int *start = VLP_NEW_N(tape->mem, int, (size_t)n + 1);
    for (int i = 0; i <= n; i++) start[i] = b->start[from + i] - b->start[from];
    const struct vlp_text_batch texts = {n, b->ids + b->start[from], start};
    return vlp_normalize(tape, vlp_encode_text(t->model, tape, &texts));
}

struct features {
    struct vlp_tensor *image, *text; /* normalised, (n, E); or NULL: not asked for */
};

/* Rows [from, from + n) of the batch through both towers, or those alone that are trained. */
static struct features forward(struct vlp_trainer *t, struct vlp_tape *tape,
                               const struct vlp_batch *b, int from, int n, bool trained_alone)
{
    const bool      noted = tape->recording;
    struct features f = {NULL, NULL};
    if (t->trains[VLP_TOWER_IMAGE] || !trained_alone) {
        begin_tower(t, tape, from, VLP_TOWER_IMAGE, noted);
        f.image = image_features(t, tape, b, from, n);
    }
    if (t->trains[VLP_TOWER_TEXT] || !trained_alone) {
        begin_tower(t, tape, from, VLP_TOWER_TEXT, noted);
        f.text = text_features(t, tape, b, from, n);
    }
    tape->recording = noted;
    return f;
}

/* A leaf (n, E) with these values and a zeroed gradient. */
static struct vlp_tensor *leaf(struct vlp_tape *tape, const float *values, int n, int E)
{
    struct vlp_tensor *x = vlp_tensor_new(tape, VLP_DIMS(n, E), true);
    memcpy(x->data, values, (size_t)n * (size_t)E * sizeof(float));
    return x;
}

/* All processes' rows. */
static struct vlp_tensor *gather(struct vlp_trainer *t, struct vlp_tape *tape, const float *own,
                                 int B, int E)
{
    const size_t len = (size_t)B * (size_t)E;
    float       *all = VLP_NEW_N(tape->mem, float, len *(size_t)t->comm->size);
    vlp_comm_gather(t->comm, all, own, len);
    return leaf(tape, all, B * t->comm->size, E);
}

/*
 * Loss of the features of this process's B rows, and its gradient: df_image, df_text (B, E) and the
 * scalars'. `all`: every process computes all rows, so its own rows' gradient is the exact one.
 * `local`: own rows against all candidates, other processes' features constant; the mean over
 * processes is the loss.
 */
static double loss_gradient(struct vlp_trainer *t, const float *image, const float *text, int B,
                            int E, float *d_image, float *d_text)
{
    struct vlp_tape  tape;
    struct vlp_comm *comm = t->comm;
    const size_t     len = (size_t)B * (size_t)E, own = (size_t)comm->rank * len;
    const bool       local = t->o.gather_local && comm->size > 1;
    vlp_tape_init(&tape, &t->compute, &t->step, true);
    struct vlp_contrast c = {
        .all_image = gather(t, &tape, image, B, E),
        .all_text = gather(t, &tape, text, B, E),
        .logit_scale = &t->model->logit_scale->tensor,
        .logit_bias = t->logit_bias ? &t->logit_bias->tensor : NULL,
    };
    c.image = local ? leaf(&tape, image, B, E) : c.all_image;
    c.text = local ? leaf(&tape, text, B, E) : c.all_text;
    c.first = local ? comm->rank * B : 0;
    struct vlp_tensor *loss = t->o.loss->forward(&tape, &c);
    double             value = loss->data[0];
    /* Scalars see the same gradient in every process under `all`: each contributes its share to the
     * sum. */
    float *scalar[2] = {c.logit_scale->grad, c.logit_bias ? c.logit_bias->grad : NULL};
    loss->grad[0] = 1.0f;
    vlp_backward(&tape, loss);
    for (int i = 0; i < 2; i++)
        if (scalar[i] && comm->size > 1) scalar[i][0] /= (float)comm->size;
    const float share = local ? 1.0f / (float)comm->size : 1.0f;
    for (size_t i = 0; i < len; i++) {
        d_image[i] = c.all_image->grad[own + i] * share;
        d_text[i] = c.all_text->grad[own + i] * share;
    }
    if (local) {
        for (size_t i = 0; i < len; i++) {
            d_image[i] += c.image->grad[i] * share;
            d_text[i] += c.text->grad[i] * share;
        }
        vlp_comm_sum_f64(comm, &value, 1);
        value /= comm->size;
    }
    return value;
}

/* d (n, E) is the gradient of x, which may be a frozen tower's; true where it is wanted. */
static bool put_gradient(struct vlp_tensor *x, const float *d)
{
    if (!x || !x->grad) return false;
    memcpy(x->grad, d, vlp_numel(x) * sizeof *d);
    x->fresh = false;
    return true;
}

static void backward(struct vlp_tape *tape, struct features f, const float *d_image,
                     const float *d_text)
{
    const bool image = put_gradient(f.image, d_image), text = put_gradient(f.text, d_text);
    if (image || text) vlp_backward(tape, text ? f.text : f.image);
}

/* Features of all micro-batches without notes, into (B, E) buffers. */
static void first_pass(struct vlp_trainer *t, const struct vlp_batch *b, int micro, float *image,
                       float *text)
{
    const size_t E = (size_t)t->model->embed_dim;
    for (int from = 0; from < b->n; from += micro) {
        const int                   n = b->n - from < micro ? b->n - from : micro;
        const struct vlp_arena_mark mark = vlp_arena_mark(&t->step);
        struct vlp_tape             tape;
        open_tape(t, &tape, false);
        const struct features f = forward(t, &tape, b, from, n, false);
        memcpy(image + (size_t)from * E, f.image->data, (size_t)n * E * sizeof(float));
        memcpy(text + (size_t)from * E, f.text->data, (size_t)n * E * sizeof(float));
        vlp_arena_rewind(&t->step, mark);
    }
}

double vlp_trainer_gradients(struct vlp_trainer *t, const struct vlp_batch *b)
{
    const int       B = b->n, E = t->model->embed_dim;
    const int       micro = t->o.micro_batch > 0 && t->o.micro_batch < B ? t->o.micro_batch : B;
    const size_t    len = (size_t)B * (size_t)E;
    struct vlp_tape tape;
    double          loss;
    memset(t->grads, 0, t->n_grads * sizeof *t->grads);
    vlp_arena_rewind(&t->step, (struct vlp_arena_mark){0});
    float *d_image = VLP_NEW_N(&t->step, float, len), *d_text = VLP_NEW_N(&t->step, float, len);
    if (micro == B) {
        open_tape(t, &tape, true);
        const struct features f = forward(t, &tape, b, 0, B, false);
        loss = loss_gradient(t, f.image->data, f.text->data, B, E, d_image, d_text);
        backward(&tape, f, d_image, d_text);
    } else {
        float *image = VLP_NEW_N(&t->step, float, len), *text = VLP_NEW_N(&t->step, float, len);
        first_pass(t, b, micro, image, text);
        loss = loss_gradient(t, image, text, B, E, d_image, d_text);
        for (int from = 0; from < B; from += micro) {
            const int                   n = B - from < micro ? B - from : micro;
            const struct vlp_arena_mark mark = vlp_arena_mark(&t->step);
            const size_t                row = (size_t)from * (size_t)E;
            open_tape(t, &tape, true);
            backward(&tape, forward(t, &tape, b, from, n, true), d_image + row, d_text + row);
            vlp_arena_rewind(&t->step, mark);
        }
    }
    vlp_comm_sum(t->comm, t->grads, t->n_grads);
    return loss;
}

/* After an update the logit scale stays within the loss's limits; its average is of what is used,
 * so it is taken here. */
static void clamp(struct vlp_trainer *t)
{
    for (int i = 0; i < t->n_trained; i++) {
        if (!t->trained[i].clamp) continue;
        float *s = t->trained[i].param->tensor.data, *ema = t->trained[i].ema;
        *s = fminf(fmaxf(*s, t->o.loss->min_scale), t->o.loss->max_scale);
        if (ema) *ema = t->o.ema_decay * *ema + (1.0f - t->o.ema_decay) * *s;
    }
}

static size_t size_of(const struct vlp_statistic *s)
{
    return vlp_numel(&s->param->tensor) * sizeof(float);
}

/* A step that is no step leaves the statistics of batch norms as they were. */
static void keep_statistics(struct vlp_trainer *t)
{
    for (int i = 0; i < t->n_statistics; i++) {
        struct vlp_statistic *s = &t->statistic[i];
        memcpy(s->before, s->param->tensor.data, size_of(s));
    }
}

static void restore_statistics(struct vlp_trainer *t)
{
    for (int i = 0; i < t->n_statistics; i++) {
        struct vlp_statistic *s = &t->statistic[i];
        memcpy(s->param->tensor.data, s->before, size_of(s));
    }
}

static void average_statistics(struct vlp_trainer *t)
{
    const float decay = t->o.ema_decay;
    for (int i = 0; i < t->n_statistics; i++) {
        struct vlp_statistic *s = &t->statistic[i];
        const size_t          n = size_of(s) / sizeof(float);
        for (size_t k = 0; s->ema && k < n; k++)
            s->ema[k] = decay * s->ema[k] + (1.0f - decay) * s->param->tensor.data[k];
    }
}

enum vlp_status vlp_trainer_step(struct vlp_trainer *t, const struct vlp_batch *b,
                                 struct vlp_step *out, struct vlp_error *err)
{
    const double lr = vlp_schedule_at(&t->o.schedule, t->steps);
    keep_statistics(t);
    const double loss = vlp_trainer_gradients(t, b);
    const double norm = vlp_gradient_norm(&t->compute, t->trained, t->n_trained);
    *out = (struct vlp_step){.loss = loss, .lr = lr, .gradient_norm = norm};
    out->skipped = !isfinite(loss) || !isfinite(norm);
    if (out->skipped) restore_statistics(t);
    t->nan_run = out->skipped ? t->nan_run + 1 : 0;
    if (t->nan_run > VLP_MAX_NAN_STEPS)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "loss or gradient not finite in %d steps in a row, the last is step %lld: "
                        "a lower rate, clipping or f32 may help",
                        t->nan_run, (long long)t->steps);
    if (!out->skipped) {
        /* torch's clip_grad_norm_: the factor max/(norm + 1e-6), never above 1. */
        const double limit = t->o.clip_norm;
        const float  scale = limit > 0 ? (float)fmin(1.0, limit / (norm + 1e-6)) : 1.0f;
        t->updates++;
        vlp_adamw_step(&t->compute, &t->o.adamw, t->trained, t->n_trained, lr, t->updates, scale,
                       t->o.ema_decay);
        clamp(t);
        average_statistics(t);
    }
    t->steps++;
    out->logit_scale = exp((double)vlp_param_f32(t->model->logit_scale)[0]);
    return VLP_OK;
}
