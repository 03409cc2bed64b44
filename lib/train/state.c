/*
 * state.c -- a run put down and taken up again: one safetensors file with everything.
 *
 *   weight.<name>  adam.m.<name>  adam.v.<name>  ema.<name>      tensors, f32
 *   tokenizer.vocab                                              u8, where the run has one
 *   metadata "vlp.train": {"version": 3, "steps", "updates", "checksum", "vocabulary",
 *                          "model": about, "options": {...}, "extra": {...}}
 *            "vlp.train.sum": XXH3-128 of that text and of every tensor's name, type and shape
 *
 * The checksum is XXH3-128 over the names and bytes of the f32 tensors, parameter by parameter:
 * nothing else would notice a bit that a disk has turned. "vocabulary" is that of the u8 tensor, by
 * which a damaged vocabulary and another one are told apart; states of earlier releases have none.
 * The sum beside the state does the same for the rest of the header: a bit turned in a key would
 * else be a step 0, or an option that was never said. Version 2 had none. The sum is made in
 * checkpoint/state_sum.c, since whatever takes the model out of a state compares it too.
 *
 * The order of samples and every random number follow from (seed, step), so there is no further
 * state.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train_internal.h"

/* Options that change the numbers. A run may only be continued with the same. */
static json_t *options_json(const struct vlp_trainer *t)
{
    const struct vlp_train_options *o = &t->o;
    json_t                         *j = o->run ? json_deep_copy(o->run) : json_object();
    const struct {
        const char *key;
        double      value;
    } number[] = {
        {"lr", o->schedule.base},
        {"lr_end", o->schedule.end},
        {"power", o->schedule.power},
        {"warmup", (double)o->schedule.warmup},
        /* Where the rate does not depend on the end, the end may be moved. */
        {"total", strcmp(o->schedule.kind, "constant") == 0 ? 0.0 : (double)o->schedule.total},
        {"beta1", o->adamw.beta1},
        {"beta2", o->adamw.beta2},
        {"eps", o->adamw.eps},
        {"weight_decay", o->adamw.weight_decay},
        {"decay_all", o->decay_all},
        {"clip_norm", o->clip_norm},
        {"ema_decay", o->ema_decay},
        {"layer_decay", o->layer_decay},
        {"image_rate", o->image_rate},
        {"text_rate", o->text_rate},
        {"unlock_image", o->unlock_image},
        {"unlock_text", o->unlock_text},
        {"patch_dropout", (float)o->patch_dropout}, /* as older states have it */
        {"micro_batch", o->micro_batch},
        {"gather_local", o->gather_local},
        {"ranks", t->comm->size},
        {"seed", (double)o->seed},
    };
    json_object_set_new(j, "loss", json_string(o->loss->name));
    json_object_set_new(j, "schedule", json_string(o->schedule.kind));
    json_object_set_new(j, "precision", json_string(vlp_precision_name(t->compute.precision)));
    for (size_t i = 0; i < VLP_COUNT(number); i++)
        json_object_set_new(j, number[i].key, json_real(number[i].value));
    return j;
}

/* What of a model's document decides over its numbers. */
static const char *const decisive[] = {"family", "config", "preprocess", "tokenizer"};

static void vocabulary_sum(const struct vlp_trainer *t, char text[33])
{
    struct vlp_hasher *h = vlp_hasher_open();
    vlp_hasher_add(h, t->o.vocab, t->o.vocab_len);
    vlp_hasher_close(h, text);
}

struct list {
    struct vlp_stored *item;
    size_t             n;
    struct vlp_hasher *sum;
    struct vlp_arena   mem;
};

static void add(struct list *l, const char *kind, const struct vlp_param *p, const float *data)
{
    struct vlp_stored *s = &l->item[l->n++];
    *s = (struct vlp_stored){
        .name = vlp_arena_printf(&l->mem, "%s.%s", kind, p->name),
        .dtype = VLP_F32,
        .ndim = p->tensor.ndim,
        .data = data,
        .size = vlp_numel(&p->tensor) * sizeof(float),
    };
    for (int i = 0; i < s->ndim; i++) s->dim[i] = p->tensor.dim[i];
    vlp_hasher_add(l->sum, s->name, strlen(s->name));
    vlp_hasher_add(l->sum, data, s->size);
}

enum vlp_status vlp_trainer_save(struct vlp_trainer *t, const char *path, const json_t *extra,
                                 struct vlp_error *err)
{
    const int   n = vlp_trainer_count(t);
    struct list l = {.item = vlp_calloc((size_t)n * 4 + 1, sizeof *l.item),
                     .sum = vlp_hasher_open()};
    char        sum[33];
    for (int i = 0; i < n; i++) {
        const struct vlp_param   *p = vlp_trainer_param(t, i);
        const struct vlp_trained *q = vlp_trainer_find(t, p);
        const float              *ema = vlp_trainer_ema(t, p);
        add(&l, "weight", p, p->tensor.data);
        if (ema) add(&l, "ema", p, ema);
        if (!q) continue;
        add(&l, "adam.m", p, q->m);
        add(&l, "adam.v", p, q->v);
    }
    vlp_hasher_close(l.sum, sum);
    if (t->o.vocab)
        l.item[l.n++] = (struct vlp_stored){.name = VLP_VOCABULARY_TENSOR,
                                            .dtype = VLP_U8,
                                            .ndim = 1,
                                            .dim = {(int64_t)t->o.vocab_len},
                                            .data = t->o.vocab,
                                            .size = t->o.vocab_len};
    json_t *state =
        json_pack("{s:i, s:I, s:I, s:s, s:O, s:o}", "version", VLP_STATE_VERSION, "steps",
                  (json_int_t)t->steps, "updates", (json_int_t)t->updates, "checksum", sum, "model",
                  t->model->about, "options", options_json(t));
    if (t->o.vocab) {
        vocabulary_sum(t, sum);
        json_object_set_new(state, "vocabulary", json_string(sum));
    }
    if (extra) json_object_set_new(state, "extra", json_deep_copy(extra));
    char *text = json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS);
    vlp_state_sum(l.item, l.n, text, sum);
    json_t *metadata = json_pack("{s:s, s:s}", "vlp.train", text, "vlp.train.sum", sum);

    struct vlp_output o;
    enum vlp_status   s = vlp_output_open(&o, path, true, err);
    if (s == VLP_OK) {
        s = vlp_safetensors_write(&o, l.item, l.n, metadata, err);
        if (s == VLP_OK) s = vlp_output_commit(&o, err);
        vlp_output_abort(&o);
    }
    json_decref(metadata);
    json_decref(state);
    free(text);
    free(l.item);
    vlp_arena_free(&l.mem);
    return s;
}

/* The first key on which two option objects differ, or NULL. What `b` has not of the keys of
 * `lenient` (may be NULL) is no difference. */
static const char *first_difference(const json_t *a, const json_t *b, const json_t *lenient)
{
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)a, key, value)
    {
        const json_t *other = json_object_get(b, key);
        if (!other && json_object_get(lenient, key)) continue;
        const bool same = json_is_number(value) && json_is_number(other)
                              ? json_number_value(value) == json_number_value(other)
                              : json_equal(value, other);
        if (!same) return key;
    }
    return NULL;
}

struct taking {
    const struct vlp_safetensors *f;
    const char                   *path;
    struct vlp_hasher            *sum;
};

static enum vlp_status take(const struct taking *g, const char *kind, const struct vlp_param *p,
                            float *into, struct vlp_error *err)
{
    const struct vlp_safetensors *f = g->f;
    const char                   *path = g->path;
    char                          name[512];
    snprintf(name, sizeof name, "%s.%s", kind, p->name);
    const struct vlp_stored *s = vlp_safetensors_find(f, name);
    const size_t             size = vlp_numel(&p->tensor) * sizeof(float);
    if (!s) return vlp_fail(err, VLP_ERR_MISMATCH, "%s: has no '%s'", path, name);
    if (s->dtype != VLP_F32 || s->size != size)
        return vlp_fail(err, VLP_ERR_MISMATCH, "%s: '%s' has another shape than the model's", path,
                        name);
    memcpy(into, s->data, size);
    vlp_hasher_add(g->sum, name, strlen(name));
    vlp_hasher_add(g->sum, into, size);
    return VLP_OK;
}

static enum vlp_status take_params(struct vlp_trainer *t, const struct taking *g,
                                   struct vlp_error *err)
{
    for (int i = 0; i < vlp_trainer_count(t); i++) {
        struct vlp_param         *p = vlp_trainer_param(t, i);
        const struct vlp_trained *q = vlp_trainer_find(t, p);
        float                    *ema = vlp_trainer_ema(t, p);
        VLP_TRY(take(g, "weight", p, p->tensor.data, err));
        if (ema) VLP_TRY(take(g, "ema", p, ema, err));
        if (!q) continue;
        VLP_TRY(take(g, "adam.m", p, q->m, err));
        VLP_TRY(take(g, "adam.v", p, q->v, err));
    }
    return VLP_OK;
}

static enum vlp_status take_all(struct vlp_trainer *t, const struct vlp_safetensors *f,
                                const json_t *state, const char *path, struct vlp_error *err)
{
    const struct taking   g = {f, path, vlp_hasher_open()};
    const char           *said = json_string_value(json_object_get(state, "checksum"));
    char                  sum[33];
    const enum vlp_status s = take_params(t, &g, err);
    vlp_hasher_close(g.sum, sum);
    if (s == VLP_OK && (!said || strcmp(said, sum) != 0))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged: its checksum is not that of its tensors",
                        path);
    return s;
}

/* What users call the options whose keys are not theirs. The total changes by --epochs alone where
 * batch and data, which are held against each other first, are the same. */
static const char *said_of(char out[64], const char *key)
{
    static const struct {
        const char *key, *said;
    } other[] = {{"total", "epochs, in steps"},
                 {"ema_decay", "ema"},
                 {"gather_local", "gather local"},
                 {"ranks", "number of processes"}};
    for (size_t i = 0; i < VLP_COUNT(other); i++)
        if (strcmp(other[i].key, key) == 0) return other[i].said;
    snprintf(out, 64, "%s", key);
    for (char *c = out; *c; c++)
        if (*c == '_') *c = '-';
    return out;
}

/* Short numbers are without a ".0". */
static char *text_of(const json_t *v)
{
    struct vlp_buf b = {0};
    if (!json_is_real(v) || json_real_value(v) != floor(json_real_value(v)))
        return json_dumps(v ? v : json_null(), JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    vlp_buf_printf(&b, "%.0f", json_real_value(v));
    return b.data;
}

/* "4, now 6" where the two values are short enough to be said. */
static void describe_change(char out[256], const json_t *then, const json_t *now)
{
    char *a = text_of(then), *b = text_of(now);
    *out = '\0';
    if (a && b && strlen(a) + strlen(b) < 100) snprintf(out, 256, " (%.100s, now %.100s)", a, b);
    free(a);
    free(b);
}

static enum vlp_status check_model(const struct vlp_trainer *t, const json_t *state,
                                   const char *path, struct vlp_error *err)
{
    const json_t *then = json_object_get(state, "model"), *now = t->model->about;
    for (size_t i = 0; i < VLP_COUNT(decisive); i++) {
        const json_t *a = json_object_get(then, decisive[i]),
                     *b = json_object_get(now, decisive[i]);
        if (a == b || json_equal(a, b)) continue; /* neither has one, or both the same */
        const char *key = json_is_object(b) ? first_difference(b, a, NULL) : NULL;
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "%s: belongs to another model: its '%s%s%s' is another one", path,
                        decisive[i], key ? "." : "", key ? key : "");
    }
    return VLP_OK;
}

/* The same words in another order are other token ids, which no shape of a tensor would tell. */
static enum vlp_status check_vocabulary(const struct vlp_trainer     *t,
                                        const struct vlp_safetensors *f, const json_t *state,
                                        const char *path, struct vlp_error *err)
{
    const struct vlp_stored *then = vlp_safetensors_find(f, VLP_VOCABULARY_TENSOR);
    const char              *said = json_string_value(json_object_get(state, "vocabulary"));
    char                     now[33] = "";
    if (!then && !t->o.vocab) return VLP_OK;
    if (then && t->o.vocab && then->size == t->o.vocab_len &&
        memcmp(then->data, t->o.vocab, then->size) == 0)
        return VLP_OK;
    if (t->o.vocab) vocabulary_sum(t, now);
    if (said && strcmp(said, now) == 0)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged: its vocabulary is not what it was",
                        path);
    return vlp_fail(err, VLP_ERR_MISMATCH, "%s: was trained with another vocabulary", path);
}

static bool is_count(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

/* Is the header what was written? Where there is no sum, as far as can be told. */
static enum vlp_status check_header(const struct vlp_safetensors *f, const json_t *state,
                                    const char *path, struct vlp_error *err)
{
    if (!json_is_object(state))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: not a training checkpoint", path);
    const json_int_t number = json_integer_value(json_object_get(state, "version"));
    if (!vlp_state_is_as_written(f->metadata, state, f->tensors, f->n_tensors))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged: its header is not what was written",
                        path);
    if (number != VLP_STATE_VERSION && number != VLP_STATE_VERSION_WITHOUT_SUM)
        return vlp_fail(err, VLP_ERR_MISMATCH, "%s: a training checkpoint of another version",
                        path);
    if (!is_count(json_object_get(state, "steps")) || !is_count(json_object_get(state, "updates")))
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: damaged: it does not say how many steps were made", path);
    return VLP_OK;
}

static enum vlp_status check_state(const struct vlp_trainer *t, const json_t *state,
                                   const char *path, struct vlp_error *err)
{
    /* What a whole header lacks was not yet asked for when it was written. Where no sum says that
     * it is whole, only what is known to be newer may be missing. */
    const bool  whole = json_integer_value(json_object_get(state, "version")) == VLP_STATE_VERSION;
    json_t     *newer = json_pack("{s:n}", "weights of the data");
    json_t     *now = options_json(t), *then = json_object_get(state, "options");
    const char *key = first_difference(now, then, whole ? t->o.run : newer);
    enum vlp_status s = VLP_OK;
    if (key) {
        char change[256], name[64];
        describe_change(change, json_object_get(then, key), json_object_get(now, key));
        s = vlp_fail(err, VLP_ERR_MISMATCH,
                     "%s: was trained with another '%s'%s; the same options continue it, and -m "
                     "takes it as the start of another run",
                     path, said_of(name, key), change);
    }
    json_decref(now);
    json_decref(newer);
    return s == VLP_OK ? check_model(t, state, path, err) : s;
}

enum vlp_status vlp_trainer_load(struct vlp_trainer *t, const char *path, json_t **extra,
                                 struct vlp_error *err)
{
    struct vlp_safetensors f;
    enum vlp_status        s = vlp_safetensors_open(&f, path, err);
    /* We wrote it: a type that nobody knows, or a header without end, is what a disk made of it. */
    if (s == VLP_ERR_SUPPORT || s == VLP_ERR_LIMIT) {
        s = VLP_ERR_FORMAT;
        if (err) err->status = s;
    }
    if (s != VLP_OK) return s;
    const char *text = json_string_value(json_object_get(f.metadata, "vlp.train"));
    json_t     *state = text ? json_loads(text, 0, NULL) : NULL;
    s = check_header(&f, state, path, err);
    if (s == VLP_OK) s = check_state(t, state, path, err);
    if (s == VLP_OK) s = check_vocabulary(t, &f, state, path, err);
    if (s == VLP_OK) s = take_all(t, &f, state, path, err);
    if (s == VLP_OK) {
        t->steps = json_integer_value(json_object_get(state, "steps"));
        t->updates = json_integer_value(json_object_get(state, "updates"));
        if (extra) *extra = json_deep_copy(json_object_get(state, "extra"));
    }
    json_decref(state);
    vlp_safetensors_close(&f);
    return s;
}
