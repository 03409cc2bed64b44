/*
 * vlp-train.c -- train a model: options, and which job they ask for.
 *
 * A configuration file is the same options written as JSON: {"model": {...}, "data": [...],
 * "train": {"lr": 0.001, ...}}. Its members are turned into options before the command line's own,
 * which therefore win.
 */
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "train_cmd.h"

struct train_options train_options = {
    .batch = 256,
    .epochs = 32,
    .warmup = 2000,
    .lr = 5e-4,
    .power = 1,
    .weight_decay = 0.2,
    .beta1 = 0.9,
    .beta2 = 0.98,
    .eps = 1e-6,
    .layer_decay = 1,
    .image_rate = 1,
    .text_rate = 1,
    .save_minutes = 15,
    .keep = 2,
    .log_every = 10,
    .workers = 1,
    .crop_min = 0.9,
    .crop_max = 1,
    .rand_augment_magnitude = 9,
};
static struct train_options *const o = &train_options;

static const char *const losses[] = {"softmax", "sigmoid", NULL};
static const char *const gathers[] = {"all", "local", NULL};
static const char *const dtypes[] = {"f32", "f16", "bf16", "q8_0", NULL};

static const struct cmd_option options[] = {
    CMD_MODEL_OPTION,
    {.name = "config",
     .arg = "FILE",
     .kind = CMD_STRING,
     .target = &o->config,
     .group = "Run",
     .help = "read model, data and options from a JSON file; the command line wins"},
    {.letter = 'o',
     .name = "output",
     .arg = "DIR",
     .kind = CMD_STRING,
     .target = &o->output,
     .help =
         "folder of the run: checkpoints, metrics, the finished model; a run found there goes on"},
    {.name = "epochs",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->epochs,
     .preset = "32",
     .min = 1,
     .max = 1e9,
     .help = "times through the data"},
    {.name = "max-steps",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->max_steps,
     .preset = "0",
     .min = 0,
     .max = 1e15,
     .help = "save and stop with status 6 after N steps in all; 0: no limit"},
    {.name = "max-time",
     .arg = "MINUTES",
     .kind = CMD_FLOAT,
     .target = &o->max_time,
     .preset = "0",
     .min = 0,
     .max = 1e9,
     .help = "save and stop with status 6 after so long; 0: no limit"},
    {.name = "save-every",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->save_every,
     .preset = "0",
     .min = 0,
     .max = 1e15,
     .help = "save every N steps; 0: by time alone"},
    {.name = "save-minutes",
     .arg = "M",
     .kind = CMD_FLOAT,
     .target = &o->save_minutes,
     .preset = "15",
     .min = 0,
     .max = 1e9,
     .help = "save every M minutes; 0: by steps alone"},
    {.name = "keep",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->keep,
     .preset = "2",
     .min = 1,
     .max = 1e6,
     .help = "checkpoints kept, the newest; the best is kept besides"},
    {.name = "seed",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->seed,
     .preset = "0",
     .min = 0,
     .max = 9e15,
     .help = "seed of start values, order and augmentation"},
    {.letter = 'j',
     .name = "threads",
     .arg = "N",
     .kind = CMD_INT,
     .target = &cmd_model.threads,
     .preset = "0",
     .min = 0,
     .max = 1024,
     .help = "threads; 0: all cores; the result is the same"},
    {.name = "workers",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->workers,
     .preset = "1",
     .min = 1,
     .max = 256,
     .help = "threads that read and augment pictures ahead"},
    {.name = "cache-dir",
     .arg = "DIR",
     .kind = CMD_STRING,
     .target = &o->cache_dir,
     .preset = "$TMPDIR, else /tmp",
     .help = "where pictures of compressed tar shards are unpacked while the run lasts"},
    {.name = "dtype",
     .arg = "TYPE",
     .kind = CMD_CHOICE,
     .target = &o->dtype,
     .preset = "f32",
     .choices = dtypes,
     .help = "of the finished model's matrices: f32, f16, bf16 or q8_0"},

    {.letter = 'b',
     .name = "batch",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->batch,
     .preset = "256",
     .min = 2,
     .max = 1e7,
     .group = "Optimisation",
     .help = "pairs a step, over all processes"},
    {.name = "micro-batch",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->micro_batch,
     .preset = "0",
     .min = 0,
     .max = 1e7,
     .help = "pairs computed at once; the gradient stays that of the batch; 0: all"},
    {.name = "loss",
     .arg = "NAME",
     .kind = CMD_CHOICE,
     .target = &o->loss,
     .preset = "softmax",
     .choices = losses,
     .help = "softmax (CLIP) or sigmoid (SigLIP)"},
    {.name = "lr",
     .arg = "RATE",
     .kind = CMD_FLOAT,
     .target = &o->lr,
     .preset = "0.0005",
     .min = 0,
     .max = 100,
     .help = "learning rate after warm-up"},
    {.name = "lr-end",
     .arg = "RATE",
     .kind = CMD_FLOAT,
     .target = &o->lr_end,
     .preset = "0",
     .min = 0,
     .max = 100,
     .help = "learning rate at the end"},
    {.name = "warmup",
     .arg = "STEPS",
     .kind = CMD_INT,
     .target = &o->warmup,
     .preset = "2000",
     .min = 0,
     .max = 1e12,
     .help = "steps over which the rate rises"},
    {.name = "schedule",
     .arg = "NAME",
     .kind = CMD_CHOICE,
     .target = &o->schedule,
     .preset = "cosine",
     .choices = vlp_schedules,
     .help = "cosine, linear, constant or polynomial"},
    {.name = "power",
     .arg = "P",
     .kind = CMD_FLOAT,
     .target = &o->power,
     .preset = "1",
     .min = 0,
     .max = 100,
     .help = "of the polynomial schedule"},
    {.name = "weight-decay",
     .arg = "W",
     .kind = CMD_FLOAT,
     .target = &o->weight_decay,
     .preset = "0.2",
     .min = 0,
     .max = 10,
     .help = "decoupled weight decay"},
    {.name = "decay-all",
     .kind = CMD_FLAG,
     .target = &o->decay_all,
     .help = "decay position and class embeddings too (open_clip's older rule)"},
    {.name = "beta1",
     .arg = "B",
     .kind = CMD_FLOAT,
     .target = &o->beta1,
     .preset = "0.9",
     .min = 0,
     .max = 1,
     .help = "AdamW's first decay rate"},
    {.name = "beta2",
     .arg = "B",
     .kind = CMD_FLOAT,
     .target = &o->beta2,
     .preset = "0.98",
     .min = 0,
     .max = 1,
     .help = "AdamW's second decay rate"},
    {.name = "eps",
     .arg = "E",
     .kind = CMD_FLOAT,
     .target = &o->eps,
     .preset = "1e-06",
     .min = 0,
     .max = 1,
     .help = "AdamW's epsilon"},
    {.name = "clip-norm",
     .arg = "NORM",
     .kind = CMD_FLOAT,
     .target = &o->clip_norm,
     .preset = "0",
     .min = 0,
     .max = 1e9,
     .help = "largest norm of the gradient; 0: none"},
    {.name = "ema",
     .arg = "DECAY",
     .kind = CMD_FLOAT,
     .target = &o->ema,
     .preset = "0",
     .min = 0,
     .max = 0.9999999,
     .help = "keep an averaged copy of the weights, which becomes the model; 0: none"},
    {.name = "layer-decay",
     .arg = "D",
     .kind = CMD_FLOAT,
     .target = &o->layer_decay,
     .preset = "1",
     .min = 0.01,
     .max = 1,
     .help = "rate of a layer over that of the one above it"},
    {.name = "image-rate",
     .arg = "R",
     .kind = CMD_FLOAT,
     .target = &o->image_rate,
     .preset = "1",
     .min = 0,
     .max = 100,
     .help = "multiplies the image tower's rate; 0 freezes it"},
    {.name = "text-rate",
     .arg = "R",
     .kind = CMD_FLOAT,
     .target = &o->text_rate,
     .preset = "1",
     .min = 0,
     .max = 100,
     .help = "multiplies the text tower's rate; 0 freezes it"},
    {.name = "unlock-image",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->unlock_image,
     .preset = "0",
     .min = 0,
     .max = 1000,
     .help = "of a frozen image tower, train the last N groups"},
    {.name = "unlock-text",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->unlock_text,
     .preset = "0",
     .min = 0,
     .max = 1000,
     .help = "of a frozen text tower, train the last N groups"},
    {.name = "image-size",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->image_size,
     .preset = "the model's",
     .min = 0,
     .max = 8192,
     .help = "go on with pictures of N pixels; position embeddings are resampled"},
    {.name = "gradient-checkpointing",
     .kind = CMD_FLAG,
     .target = &o->recompute,
     .help = "keep the inputs of blocks only and compute the rest again: a third more work, far "
             "less memory"},
    {.name = "patch-dropout",
     .arg = "P",
     .kind = CMD_FLOAT,
     .target = &o->patch_dropout,
     .preset = "0",
     .min = 0,
     .max = 0.95,
     .help = "share of patches left out of each picture"},
    {.name = "precision",
     .arg = "NAME",
     .kind = CMD_CHOICE,
     .target = &cmd_model.precision,
     .preset = "f32",
     .choices = cmd_precisions,
     .help = "of matrix products: f32 or bf16; weights stay f32"},
    {.name = "gather",
     .arg = "HOW",
     .kind = CMD_CHOICE,
     .target = &o->gather,
     .preset = "all",
     .choices = gathers,
     .help = "several processes: gradients through all features, or own ones alone"},

    {.name = "no-crop",
     .kind = CMD_FLAG,
     .target = &o->no_crop,
     .group = "Augmentation",
     .help = "the model's own preprocessing instead of random crops"},
    {.name = "crop-min",
     .arg = "AREA",
     .kind = CMD_FLOAT,
     .target = &o->crop_min,
     .preset = "0.9",
     .min = 0.01,
     .max = 1,
     .help = "smallest share of the area of a random crop"},
    {.name = "crop-max",
     .arg = "AREA",
     .kind = CMD_FLOAT,
     .target = &o->crop_max,
     .preset = "1",
     .min = 0.01,
     .max = 1,
     .help = "largest share"},
    {.name = "flip",
     .arg = "P",
     .kind = CMD_FLOAT,
     .target = &o->flip,
     .preset = "0",
     .min = 0,
     .max = 1,
     .help = "probability of a mirrored picture"},
    {.name = "jitter",
     .arg = "J",
     .kind = CMD_FLOAT,
     .target = &o->jitter,
     .preset = "0",
     .min = 0,
     .max = 1,
     .help = "strength of brightness, contrast and saturation jitter"},
    {.name = "rand-augment-ops",
     .arg = "N",
     .kind = CMD_INT,
     .target = &o->rand_augment_ops,
     .preset = "0",
     .min = 0,
     .max = 10,
     .help = "operations of RandAugment a picture"},
    {.name = "rand-augment-magnitude",
     .arg = "M",
     .kind = CMD_INT,
     .target = &o->rand_augment_magnitude,
     .preset = "9",
     .min = 0,
     .max = 30,
     .help = "their strength"},

    {.name = "validation",
     .arg = "DATA",
     .kind = CMD_STRING,
     .target = &o->validation,
     .group = "Evaluation",
     .help = "held-out pairs: retrieval figures, and zero-shot ones with --classes"},
    {.name = "classes",
     .arg = "FILE",
     .kind = CMD_STRING,
     .target = &o->classes,
     .help = "class names, one a line; a record's label is its class"},
    {.name = "template",
     .arg = "TEXT",
     .kind = CMD_LIST,
     .target = &o->templates,
     .preset = "a photo of a {}.",
     .help = "prompt of the zero-shot classes; may be repeated"},
    {.name = "eval-every",
     .arg = "STEPS",
     .kind = CMD_INT,
     .target = &o->eval_every,
     .preset = "0",
     .min = 0,
     .max = 1e12,
     .help = "evaluate every so many steps; 0: after each epoch"},
    {.name = "log-every",
     .arg = "STEPS",
     .kind = CMD_INT,
     .target = &o->log_every,
     .preset = "10",
     .min = 1,
     .max = 1e9,
     .help = "a line of metrics every so many steps"},
    {.name = "plot",
     .arg = "FILE",
     .kind = CMD_STRING,
     .target = &o->plot,
     .help = "draw the curves of the run in -o as SVG; alone with -o: draw and leave"},

    {.name = "check",
     .kind = CMD_FLAG,
     .target = &o->check,
     .group = "Without training",
     .help = "read all data and the configuration, name what is wrong, and leave"},
    {.name = "plan",
     .kind = CMD_FLAG,
     .target = &o->plan,
     .help = "time one step, predict time and memory, and leave"},
    {.name = "selftest",
     .arg = "NAME",
     .kind = CMD_STRING,
     .target = &o->selftest,
     .help = "resume: a killed and continued run equals the straight one byte for byte"},
    CMD_COMMON_OPTIONS,
    {.kind = CMD_END},
};

static const char *const usage[] = {
    "[OPTION]... -o DIR --config FILE [DATA]...",
    "[OPTION]... -o DIR -m MODEL DATA...",
    "--plot FILE -o DIR",
    "--selftest resume",
    NULL,
};

static const struct cmd_program program = {
    .name = "vlp-train",
    .summary = "train a vision-language model",
    .usage = usage,
    .options = options,
    .notes = "DATA is a folder with captions beside its pictures, a TSV, CSV, JSON or JSONL table, "
             "or a tar "
             "shard; DATA:WEIGHT shows it WEIGHT times an epoch.",
};

/* ---- the configuration file as options --------------------------------------------------------
 */

struct words {
    char **item;
    int    n, cap;
};

static void add_word(struct words *w, char *s)
{
    if (w->n + 1 >= w->cap) {
        w->cap = w->cap ? 2 * w->cap : 64;
        w->item = vlp_realloc(w->item, (size_t)w->cap * sizeof *w->item);
    }
    w->item[w->n++] = s;
    w->item[w->n] = NULL;
}

/* "key": value as --key=value; true as --key; false and null as nothing. */
static bool add_member(struct words *w, const char *key, const json_t *value)
{
    struct vlp_buf b = {0};
    char           number[32];
    if (json_is_false(value) || json_is_null(value)) return true;
    if (json_is_array(value)) {
        size_t  i;
        json_t *each;
        json_array_foreach((json_t *)value, i, each) if (!add_member(w, key, each)) return false;
        return true;
    }
    vlp_buf_printf(&b, "--%s", key);
    if (json_is_string(value)) {
        vlp_buf_printf(&b, "=%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        vlp_buf_printf(&b, "=%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        vlp_format_f64(number, json_real_value(value));
        vlp_buf_printf(&b, "=%s", number);
    } else if (!json_is_true(value)) {
        vlp_buf_free(&b);
        return false;
    }
    add_word(w, b.data);
    return true;
}

static const char *config_path(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0) return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) return argv[i + 1];
    }
    return NULL;
}

json_t *train_config; /* the whole file, or NULL */

/* argv with the file's options before the command line's. The strings live as long as the process.
 */
static void read_config(int *argc, char ***argv)
{
    const char *path = config_path(*argc, *argv);
    if (!path) return;
    json_error_t where;
    const char  *key;
    json_t      *value;
    train_config = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (!train_config || !json_is_object(train_config)) {
        fprintf(stderr, "vlp-train: %s: line %d: %s\n", path, where.line,
                train_config ? "not a JSON object" : where.text);
        exit(CMD_USAGE);
    }
    static struct words w; /* options point into it */
    add_word(&w, (*argv)[0]);
    json_object_foreach(json_object_get(train_config, "train"), key, value)
    {
        if (add_member(&w, key, value)) continue;
        fprintf(stderr, "vlp-train: %s: train.%s: neither a number, a text, true nor a list\n",
                path, key);
        exit(CMD_USAGE);
    }
    for (int i = 1; i < *argc; i++) add_word(&w, (*argv)[i]);
    *argc = w.n;
    *argv = w.item;
}

/* Data of the command line, else of the file. */
static char *const *data_list(int argc, char **argv, int first, int *n)
{
    if (first < argc) {
        *n = argc - first;
        return argv + first;
    }
    static struct words w; /* the run points into it */
    const json_t       *list = json_object_get(train_config, "data");
    size_t              i;
    json_t             *each;
    add_word(&w, NULL);
    w.n = 0;
    json_array_foreach((json_t *)list, i, each) if (json_is_string(each))
        add_word(&w, (char *)json_string_value(each));
    *n = w.n;
    return w.item;
}

static int draw(void)
{
    struct vlp_error err;
    struct vlp_buf   path = {0};
    vlp_buf_printf(&path, "%s/metrics.jsonl", o->output);
    const enum vlp_status s = vlp_plot_metrics(path.data, o->plot, true, &err);
    vlp_buf_free(&path);
    return cmd_finish(s == VLP_OK ? CMD_OK : cmd_fail(&err));
}

int main(int argc, char **argv)
{
    /* A step frees and asks again for the same large pieces: keep them, fresh pages cost a tenth.
     */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    struct train_run run = {0};
    struct vlp_error err;
    read_config(&argc, &argv);
    const int first = cmd_start(&program, argc, argv);
    if (o->selftest) {
        if (strcmp(o->selftest, "resume") != 0)
            cmd_usage_error("--selftest: there is 'resume', not '%s'", o->selftest);
        return cmd_finish(train_selftest_resume());
    }
    int          n;
    char *const *data = data_list(argc, argv, first, &n);
    if (o->plot && n == 0 && !o->config && !cmd_model.path) {
        if (!o->output) cmd_usage_error("--plot wants the folder of the run, -o DIR");
        return draw();
    }
    if (n == 0) cmd_usage_error("no training data given");
    if (!o->output && !o->check && !o->plan) cmd_usage_error("no -o DIR for the run given");
    if (!o->config && !cmd_model.path)
        cmd_usage_error("neither --config (a new model) nor -m (a model to go on with) given");
    if (cmd_model.precision == VLP_PRECISION_INT8)
        cmd_usage_error("--precision: training takes f32 or bf16");
    if (o->crop_min > o->crop_max) cmd_usage_error("--crop-min is larger than --crop-max");

    int        status;
    const bool opened = train_open(&run, data, n, &err) == VLP_OK;
    malloc_trim(0); /* what reading the data needed for a moment */
    if (!opened)
        status = cmd_fail(&err);
    else if (o->check)
        status = train_check(&run);
    else if (o->plan)
        status = train_plan(&run);
    else
        status = train_loop(&run);
    train_close(&run);
    return cmd_finish(status);
}
