/*
 * train_setup.c -- from options to a run: the model, new or to go on with, the data, the rates.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train_cmd.h"

static struct train_options *const o = &train_options;

static void say(void *ctx, const char *sentence)
{
    const struct vlp_comm *comm = ctx;
    if (!comm || comm->rank == 0) cmd_note("%s", sentence);
}

void train_warn(void *ctx, const char *sentence)
{
    (void)ctx;
    cmd_warn("%s", sentence);
}

static void warn_leader(void *ctx, const char *sentence)
{
    const struct vlp_comm *comm = ctx;
    if (comm->rank == 0) cmd_warn("%s", sentence);
}

static void count_records(void *ctx, int64_t n)
{
    (void)ctx;
    cmd_progress_add(n, 0);
}

/* Another picture size than the one that the weights were made for (open_clip's rule). */
static enum vlp_status resize(json_t *about, int64_t size, struct vlp_error *err)
{
    json_t       *vision = json_object_get(json_object_get(about, "config"), "vision");
    json_t       *preprocess = json_object_get(about, "preprocess");
    const int64_t patch = json_integer_value(json_object_get(vision, "patch_size"));
    if (patch <= 0)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "--image-size: only a vision transformer goes on with other pictures");
    if (size % patch != 0)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "--image-size %lld is no multiple of the patch size %lld", (long long)size,
                        (long long)patch);
    json_object_set_new(vision, "image_size", json_integer(size));
    json_object_set_new(vision, "interpolate", json_string("open_clip"));
    json_object_del(preprocess, "resize_to"); /* was for the old size */
    json_object_set_new(preprocess, "size",
                        json_pack("[I, I]", (json_int_t)size, (json_int_t)size));
    return VLP_OK;
}

/* A new model's own vocabulary: a file of merges, or of BERT's pieces, named in the configuration.
 */
static enum vlp_status add_vocabulary(struct vlp_checkpoint *c, const char *path,
                                      struct vlp_error *err)
{
    struct vlp_map m;
    VLP_TRY(vlp_map_open(&m, path, err));
    uint8_t *copy = vlp_arena_alloc(&c->mem, m.size);
    memcpy(copy, m.data, m.size);
    c->tensors = VLP_NEW(&c->mem, struct vlp_stored);
    c->tensors[0] = (struct vlp_stored){.name = VLP_VOCABULARY_TENSOR,
                                        .dtype = VLP_U8,
                                        .ndim = 1,
                                        .dim = {(int64_t)m.size},
                                        .data = copy,
                                        .size = m.size};
    c->n_tensors = 1;
    json_object_set_new(c->about, "tokenizer", vlp_tokenizer_about(c->about));
    vlp_map_close(&m);
    return VLP_OK;
}

/* The checkpoint to go on with, or the document of a new model. */
static enum vlp_status open_start(struct vlp_checkpoint *c, struct train_run *r,
                                  struct vlp_error *err)
{
    if (cmd_model.path) {
        const struct vlp_checkpoint_options how = {
            .activation = cmd_model.activation, .say = say, .ctx = &r->comm};
        VLP_TRY(vlp_checkpoint_open(c, cmd_model.path, &how, err));
        VLP_TRY(vlp_checkpoint_check(c, 0, err)); /* all of it is read here, and for a long job */
    } else {
        json_t *about = json_object_get(train_config, "model");
        if (!json_is_object(about))
            return vlp_fail(err, VLP_ERR_USAGE, "%s: has no \"model\", and no -m was given",
                            o->config);
        VLP_TRY(vlp_about_validate(about, o->config, err));
        *c = (struct vlp_checkpoint){.about = json_deep_copy(about)};
        const char *vocabulary = json_string_value(json_object_get(train_config, "vocabulary"));
        if (vocabulary) VLP_TRY(add_vocabulary(c, vocabulary, err));
    }
    return vlp_checkpoint_add_vocabulary(c, cmd_share_dir(), say, &r->comm, err);
}

static enum vlp_status open_model(struct train_run *r, struct vlp_error *err)
{
    struct vlp_encoder   *e = &r->encoder;
    struct vlp_checkpoint c = {0};
    struct vlp_pool      *pool = vlp_pool_open(cmd_threads());
    e->compute.pool = pool;
    VLP_TRY(vlp_compute_init(&e->compute, pool, getenv("VLP_CPU"),
                             (enum vlp_precision)cmd_model.precision, err));
    enum vlp_status s = open_start(&c, r, err);
    if (s == VLP_OK && o->image_size) s = resize(c.about, o->image_size, err);
    if (s == VLP_OK) s = vlp_preprocess_of(&e->preprocess, c.about, err);
    if (s == VLP_OK && e->preprocess.resize == VLP_RESIZE_VILT)
        s = vlp_fail(err, VLP_ERR_USAGE,
                     "the model's preprocessing makes pictures of many sizes; a batch has one");
    if (s == VLP_OK) s = vlp_tokenizer_of(&e->tokenizer, &c, err);
    if (s != VLP_OK) {
        vlp_checkpoint_close(&c);
        return s;
    }
    e->preprocess.orient = true;
    const char              *name = vlp_vocabulary_tensor(c.about);
    const struct vlp_stored *vocab = name ? vlp_checkpoint_find(&c, name) : NULL;
    if (vocab) {
        r->vocab = vocab->data;
        r->vocab_len = vocab->size;
    }
    if (cmd_model.path) return vlp_model_open(&e->model, &c, err);
    r->start = c;
    VLP_TRY(vlp_model_new(&e->model, c.about, (uint64_t)o->seed, err));
    if (e->model.logit_scale) /* a new model begins as its loss wants it */
        e->model.logit_scale->tensor.data[0] = vlp_contrastive_losses[o->loss]->start_scale;
    return VLP_OK;
}

/* "path:3" shows path three times an epoch. A file of exactly that name is a file. */
static enum vlp_status source_of(struct vlp_dataset_source *s, const char *text, char **path,
                                 struct vlp_error *err)
{
    const char *colon = strrchr(text, ':');
    double      weight;
    *path = vlp_strdup(text);
    *s = (struct vlp_dataset_source){
        .weight = 1, .source = {.paths = path, .n_paths = 1, .recursive = true, .captions = true}};
    if (!colon || vlp_file_exists(text) || !vlp_parse_f64(colon + 1, &weight)) return VLP_OK;
    const bool fits = weight > 0 && weight < 1e6;
    (*path)[colon - text] = '\0';
    if (!fits && vlp_file_exists(*path))
        return vlp_fail(err, VLP_ERR_USAGE,
                        "%s: a weight is a number above 0 and below 1e6, not %s", text, colon + 1);
    if (fits)
        s->weight = weight;
    else
        (*path)[colon - text] = ':'; /* of nothing: a name like any other */
    return VLP_OK;
}

enum vlp_status train_read(struct vlp_dataset **out, const struct vlp_dataset_source *source, int n,
                           bool labelled, struct train_run *r, struct vlp_error *err)
{
    const struct vlp_dataset_options how = {
        .cache_dir = o->cache_dir,
        .labelled = labelled,
        .look = o->check,
        .say = warn_leader,
        .read = count_records,
        .ctx = &r->comm,
    };
    if (r->comm.rank == 0) cmd_progress_start("records", -1);
    const enum vlp_status s = vlp_dataset_open(out, source, n, &how, err);
    cmd_progress_end();
    if (s != VLP_OK) return s;
    const int64_t bad = vlp_dataset_bad(*out);
    if (bad && r->comm.rank == 0)
        cmd_warn("%lld of %lld records are left out%s", (long long)bad,
                 (long long)vlp_dataset_records(*out),
                 bad > VLP_BAD_NAMED && !o->check ? "; --check names them all" : "");
    const char   *folder;
    const int64_t unpacked = vlp_dataset_unpacked(*out, &folder);
    if (unpacked && r->comm.rank == 0)
        cmd_note("pictures of compressed shards take %.1f MiB of %s while the run lasts",
                 (double)unpacked / (1 << 20), folder);
    if (r->comm.rank == 0)
        cmd_detail("%lld picture%s: %.1f MiB of memory for names and captions",
                   (long long)vlp_dataset_size(*out), cmd_plural(vlp_dataset_size(*out)),
                   (double)vlp_dataset_memory(*out) / (1 << 20));
    return VLP_OK;
}

static enum vlp_status open_data(struct train_run *r, char *const *data, int n,
                                 struct vlp_error *err)
{
    struct vlp_dataset_source *source = vlp_calloc((size_t)n, sizeof *source);
    char                     **path = vlp_calloc((size_t)n, sizeof *path);
    enum vlp_status            s = VLP_OK;
    for (int i = 0; i < n && s == VLP_OK; i++) s = source_of(&source[i], data[i], &path[i], err);
    if (s == VLP_OK) s = train_read(&r->data, source, n, false, r, err);
    for (int i = 0; i < n; i++) free(path[i]);
    free(path);
    free(source);
    return s;
}

/* What a checkpoint is held against besides the trainer's own options. */
static json_t *numbers(const struct train_run *r)
{
    char data[33];
    vlp_dataset_fingerprint(r->data, data);
    return json_pack("{s:I, s:b, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:o, s:s}", "batch",
                     (json_int_t)o->batch, "no-crop", o->no_crop, "crop-min", o->crop_min,
                     "crop-max", o->crop_max, "flip", o->flip, "jitter", o->jitter,
                     "rand-augment-ops", (json_int_t)o->rand_augment_ops, "rand-augment-magnitude",
                     (json_int_t)(o->rand_augment_ops ? o->rand_augment_magnitude : 0),
                     "number of pictures", (json_int_t)vlp_dataset_size(r->data),
                     "number of samples an epoch", (json_int_t)vlp_dataset_epoch(r->data),
                     "weights of the data", vlp_dataset_weights(r->data), "set of captions", data);
}

static void fill_options(struct train_run *r)
{
    r->numbers = numbers(r);
    r->epoch_steps = vlp_dataset_epoch(r->data) / o->batch;
    r->options = (struct vlp_train_options){
        .loss = vlp_contrastive_losses[o->loss],
        .schedule = {.kind = vlp_schedules[o->schedule],
                     .base = o->lr,
                     .end = o->lr_end,
                     .power = o->power,
                     .warmup = o->warmup,
                     .total = o->epochs * r->epoch_steps},
        .adamw = {(float)o->beta1, (float)o->beta2, (float)o->eps, (float)o->weight_decay},
        .clip_norm = o->clip_norm,
        .ema_decay = (float)o->ema,
        .layer_decay = (float)o->layer_decay,
        .image_rate = (float)o->image_rate,
        .text_rate = (float)o->text_rate,
        .unlock_image = (int)o->unlock_image,
        .unlock_text = (int)o->unlock_text,
        .decay_all = o->decay_all,
        .micro_batch = (int)o->micro_batch,
        .gather_local = o->gather == 1,
        .patch_dropout = o->patch_dropout,
        .recompute = o->recompute,
        .seed = (uint64_t)o->seed,
        .run = r->numbers,
        .vocab = r->vocab,
        .vocab_len = r->vocab_len,
    };
}

static void fill_augment(struct vlp_augment *a)
{
    *a = (struct vlp_augment){
        .crop = o->no_crop ? VLP_CROP_NONE : VLP_CROP_AREA,
        .area = {o->crop_min, o->crop_max},
        .ratio = {3.0 / 4, 4.0 / 3},
        .flip = o->flip,
        .jitter = o->jitter > 0 ? 1 : 0,
        .colour = {o->jitter, o->jitter, o->jitter, 0},
        .kind = o->rand_augment_ops > 0 ? VLP_RANDAUGMENT_ALBEF : VLP_RANDAUGMENT_NONE,
        .n_ops = (int)o->rand_augment_ops,
        .magnitude = (double)o->rand_augment_magnitude,
    };
}

/* What is taken and does nothing. Told, not refused: a run that was begun so is continued with the
 * same options, and a configuration's may be overruled by those of the command line. */
static void warn_of_idle(const struct train_run *r)
{
    const char           *schedule = vlp_schedules[o->schedule];
    const struct cmd_need need[] = {
        {"unlock-image", !o->unlock_image || o->image_rate == 0,
         "is for a frozen tower: give --image-rate 0 with it"},
        {"unlock-text", !o->unlock_text || o->text_rate == 0,
         "is for a frozen tower: give --text-rate 0 with it"},
        {"power", strcmp(schedule, "polynomial") == 0, "is for --schedule polynomial"},
        {"lr-end", strcmp(schedule, "constant") != 0, "is not for --schedule constant"},
        {"crop-min", !o->no_crop, "is not for --no-crop"},
        {"crop-max", !o->no_crop, "is not for --no-crop"},
        {"rand-augment-magnitude", o->rand_augment_ops, "is for --rand-augment-ops"},
        {"classes", o->validation, "is for --validation"},
        {"template", o->classes, "is for --classes"},
        {"eval-every", o->validation || !o->eval_every, "is for --validation"},
        {"activation", cmd_model.path,
         "is for a model of -m: a configuration's model says its own"},
        {"gather", o->gather == 0 || r->comm.size > 1, "is for several processes"},
        {"decay-all", o->weight_decay > 0, "is for a --weight-decay above 0"},
        {"force", o->plot, "is for --plot"},
    };
    cmd_warn_of_idle(need, VLP_COUNT(need));
}

/* The folder of the run and the plot at its end: before hours of work. A plot may be to lie in the
 * folder, which is not there yet. */
static enum vlp_status check_places(struct vlp_error *err)
{
    const bool      made = mkdir(o->output, 0777) == 0;
    enum vlp_status s = cmd_check_folder(o->output, err);
    if (s == VLP_OK && o->plot) s = cmd_check_outputs(&o->plot, 1, true, err);
    if (made) rmdir(o->output);
    return s;
}

enum vlp_status train_open(struct train_run *r, char *const *data, int n_data,
                           struct vlp_error *err)
{
    const bool      trains = !o->check && !o->plan;
    enum vlp_status s = vlp_comm_open(&r->comm, err);
    if (s != VLP_OK && trains) return s; /* others would do the same; looking is free */
    if (r->comm.rank == 0) warn_of_idle(r);
    if (trains && r->comm.rank == 0) VLP_TRY(check_places(err));
    VLP_TRY(open_model(r, err));
    VLP_TRY(open_data(r, data, n_data, err));
    fill_options(r);
    fill_augment(&r->augment);
    if (r->epoch_steps == 0)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "a batch of %lld is larger than an epoch of %lld picture%s",
                        (long long)o->batch, (long long)vlp_dataset_epoch(r->data),
                        cmd_plural(vlp_dataset_epoch(r->data)));
    if (o->batch % r->comm.size != 0)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "a batch of %lld cannot be split evenly over %d processes",
                        (long long)o->batch, r->comm.size);
    if (o->patch_dropout > 0 && !r->encoder.model.patch_size)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "--patch-dropout %g: the model's picture tower is a ResNet, which has no "
                        "patches to leave out",
                        o->patch_dropout);
    if (o->warmup >= r->options.schedule.total && r->comm.rank == 0)
        cmd_warn("--warmup %lld: the run has %lld step%s, so that the rate never gets to %g",
                 (long long)o->warmup, (long long)r->options.schedule.total,
                 cmd_plural(r->options.schedule.total), o->lr);
    return VLP_OK;
}

struct vlp_loader_options train_loader_options(const struct train_run *r, int64_t first_step)
{
    return (struct vlp_loader_options){
        .data = r->data,
        .preprocess = &r->encoder.preprocess,
        .tokenizer = r->encoder.tokenizer,
        .augment = r->augment,
        .seed = (uint64_t)o->seed,
        .first_step = first_step,
        .batch = (int)o->batch,
        .rank = r->comm.rank,
        .ranks = r->comm.size,
        .threads = (int)o->workers,
        .say = train_warn,
    };
}

void train_close(struct train_run *r)
{
    json_decref(r->numbers);
    vlp_dataset_close(r->data);
    vlp_encoder_close(&r->encoder);
    vlp_checkpoint_close(&r->start);
    vlp_comm_close(&r->comm);
}
