/*
 * train_cmd.h -- what the files of vlp-train share: the options as they were given, and a run.
 */
#ifndef VLP_TRAIN_CMD_H
#define VLP_TRAIN_CMD_H

#include <jansson.h>
#include <vlp/train.h>

#include "cmd.h"

/* Every field is an option of the same name; the table is in train_options.c. */
struct train_options {
    const char     *config, *output, *validation, *classes, *cache_dir, *plot, *selftest;
    struct cmd_list templates;
    bool            check, plan, force;
    int64_t         batch, micro_batch, epochs, max_steps, warmup, seed, workers;
    int64_t         save_every, keep, log_every, eval_every, unlock_image, unlock_text;
    int64_t         image_size;
    int64_t         rand_augment_ops, rand_augment_magnitude;
    double          lr, lr_end, power, weight_decay, beta1, beta2, eps, clip_norm, ema, layer_decay;
    double          image_rate, text_rate, patch_dropout, save_minutes, max_time;
    double          crop_min, crop_max, flip, jitter;
    int             loss, schedule, gather, dtype;
    bool            decay_all, no_crop, recompute;
};
extern struct train_options     train_options;
extern const struct cmd_program train_program;

/* What a run works with. */
struct train_run {
    struct vlp_encoder       encoder; /* model, tokenizer, preprocessing, compute */
    struct vlp_checkpoint    start;   /* of a new model: its document and vocabulary */
    const void              *vocab;   /* for the exported model, or NULL */
    size_t                   vocab_len;
    struct vlp_comm          comm;
    struct vlp_dataset      *data;
    struct vlp_train_options options;
    struct vlp_augment       augment;
    json_t                  *numbers; /* what decides over the numbers besides the options */
    int64_t                  epoch_steps;
    struct train_eval       *eval; /* NULL: no validation */
};

/* ---- train_config.c ---- */
extern json_t *train_config; /* the configuration file, or NULL */
/* argv with the file's options before the command line's; a file that makes no sense ends the
 * process. */
void train_read_config(int *argc, char ***argv);
/* Data of the command line, else of the file. */
char *const *train_data_list(int argc, char **argv, int first, int *n);

/* ---- train_setup.c: all of a run but `eval` ---- */
enum vlp_status           train_open(struct train_run *r, char *const *data, int n_data,
                                     struct vlp_error *err);
void                      train_close(struct train_run *r);
struct vlp_loader_options train_loader_options(const struct train_run *r, int64_t first_step);
void                      train_warn(void *ctx, const char *sentence);
/* Data and validation alike: bad records are warned of, unpacked shards told. */
enum vlp_status train_read(struct vlp_dataset **out, const struct vlp_dataset_source *source, int n,
                           bool labelled, struct train_run *r, struct vlp_error *err);

/* ---- train_run.c: the loop; returns the exit status ---- */
int train_loop(struct train_run *r);

/* ---- train_eval.c: retrieval and zero-shot figures of held-out pictures ---- */
struct train_eval;
enum vlp_status           train_eval_open(struct train_eval **out, struct train_run *r,
                                          struct vlp_error *err);
void                      train_eval_close(struct train_eval *e);
const struct vlp_dataset *train_eval_data(const struct train_eval *e);
/* Figures of the model as it is now, as members of `into`: "val_text_R@1", "val_top1", ... */
enum vlp_status train_eval_run(struct train_eval *e, struct train_run *r, json_t *into,
                               struct vlp_error *err);

/* ---- train_check.c, train_plan.c: without training ---- */
int train_check(struct train_run *r);
int train_plan(struct train_run *r);

/* ---- train_selftest.c: --selftest resume ---- */
int train_selftest_resume(void);

#endif
