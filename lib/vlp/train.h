/*
 * train.h -- the engine: data in a fixed order, gradients, AdamW, and a state that can be put down
 * and taken up again byte for byte.
 *
 * Whatever a step does depends on (seed, step) and the data alone: the order of samples, captions,
 * augmentation, dropout. Threads only decide who computes a number, never which.
 */
#ifndef VLP_TRAIN_H
#define VLP_TRAIN_H

#include <vlp/data.h>
#include <vlp/image.h>
#include <vlp/loss.h>
#include <vlp/model.h>
#include <vlp/text.h>

/* ---- learning rate ------------------------------------------------------------------------- */

struct vlp_schedule {
    const char *kind;          /* "cosine", "linear", "constant", "polynomial" */
    double      base, end;     /* rate after warm-up; rate at the end */
    double      power;         /* polynomial */
    int64_t     warmup, total; /* steps */
};
extern const char *const vlp_schedules[]; /* NULL-terminated */
/*
 * Step t from 0. Warm-up: base (t+1)/warmup. Then with u = (t - warmup)/(total - warmup):
 * cosine end + (base-end)/2 (1 + cos pi u) (Loshchilov and Hutter 2017), polynomial end +
 * (base-end)(1-u)^power, linear the same with power 1, constant base. Warm-up, constant, and cosine
 * with end 0 are open_clip's; polynomial is Hugging Face's
 * get_polynomial_decay_schedule_with_warmup but for its warm-up.
 */
double vlp_schedule_at(const struct vlp_schedule *s, int64_t t);

/* ---- optimiser ----------------------------------------------------------------------------- */

struct vlp_adamw {
    float beta1, beta2; /* 0 <= b < 1 */
    float eps;          /* > 0 */
    float weight_decay;
};

/* What one parameter is to the optimiser. */
struct vlp_trained {
    struct vlp_param *param;
    float            *m, *v; /* first and second moment, as long as the value */
    float            *ema;   /* or NULL */
    float             rate;  /* multiplies the learning rate */
    bool              decay;
    bool              clamp; /* logit scale: after a step the trainer keeps it within the loss's
                              * limits, and averages it then */
};

/*
 * p -= lr wd p;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  p -= lr/(1-b1^t) m /
 * (sqrt(v/(1-b2^t)) + eps) (Loshchilov and Hutter 2019 as torch computes it), g scaled by `scale`
 * first, lr times p->rate; step counts from 1. Then ema = d ema + (1-d) p with d = ema_decay, where
 * there is one and nothing is left to clamp.
 */
void vlp_adamw_step(const struct vlp_compute *c, const struct vlp_adamw *o, struct vlp_trained *p,
                    int n, double lr, int64_t step, float scale, float ema_decay);
/* sqrt of the sum of squares of all gradients, one fixed order. */
double vlp_gradient_norm(const struct vlp_compute *c, const struct vlp_trained *p, int n);

/* ---- samples ------------------------------------------------------------------------------- */

/*
 * Where samples' pictures and captions are. Built once from sources, then read by index; what is
 * held of a sample is about 20 bytes, its file name and its captions. Pictures stay where they are,
 * in files or in plain tar shards. Those of other shards (compressed, from a pipe) are unpacked
 * once, behind each other, into a file without a name in `cache_dir`, which goes when the process
 * does.
 */
struct vlp_dataset;
struct vlp_dataset_source {
    struct vlp_source_options source; /* `locate` is set for it */
    double                    weight; /* how often a sample of it is seen an epoch; 1 */
};
struct vlp_dataset_options {
    const char *cache_dir; /* NULL: $TMPDIR, else /tmp */
    bool        labelled;  /* a picture with a label and no caption is a sample, too */
    bool        look;      /* every bad record is named, and nothing refused for their number */
    void (*say)(void *ctx, const char *sentence); /* names bad records; may be NULL */
    void (*read)(void *ctx, int64_t records);     /* so many more were read; may be NULL */
    void *ctx;
};
/* VLP_ERR_IO also where `cache_dir` is full: the sentence says so; and when more pictures than
 * there are others, or the last VLP_LOST_AT_THE_END and more, cannot be read: storage that has gone
 * away is no bad record. Without a sample: the status of the first bad record, VLP_ERR_FORMAT if
 * there is none. Of bad records the first VLP_BAD_NAMED are named. */
#define VLP_LOST_AT_THE_END 20
#define VLP_BAD_NAMED       100
enum vlp_status vlp_dataset_open(struct vlp_dataset **out, const struct vlp_dataset_source *s,
                                 int n, const struct vlp_dataset_options *o, struct vlp_error *err);
void            vlp_dataset_close(struct vlp_dataset *d);
int64_t         vlp_dataset_size(const struct vlp_dataset *d); /* samples: a picture each */
int64_t vlp_dataset_epoch(const struct vlp_dataset *d); /* samples an epoch, weights counted */
int64_t vlp_dataset_captions(const struct vlp_dataset *d);
int64_t vlp_dataset_wordless(const struct vlp_dataset *d); /* samples with a label alone */
int64_t vlp_dataset_bad(const struct vlp_dataset *d);      /* records that were no samples */
int64_t vlp_dataset_records(const struct vlp_dataset *d);  /* all of them */
/* 32 hex digits over all captions in their order: other data have others. */
void vlp_dataset_fingerprint(const struct vlp_dataset *d, char text[33]);
/*
 * [[pictures, weight], ...] of the sources in their order; neighbours of weight 1 are one, as an
 * epoch does not tell them apart. The caller's. With the captions it decides over the order.
 */
json_t *vlp_dataset_weights(const struct vlp_dataset *d);
size_t  vlp_dataset_memory(const struct vlp_dataset *d); /* bytes held */
/* Bytes of unpacked pictures and the folder of their file; 0 when there was nothing to unpack. */
int64_t vlp_dataset_unpacked(const struct vlp_dataset *d, const char **folder);

/* One sample; strings live as long as the dataset or the arena it was read into. */
struct vlp_sample {
    const char *id, *label; /* label NULL: none */
    const char *captions;   /* one behind the other, each with its NUL */
    int         n_captions; /* 0 only in a labelled dataset */
    /* where the picture is: the dataset's own */
    int         kind;
    const char *place;
    int64_t     shard, offset, size;
};
void vlp_dataset_at(const struct vlp_dataset *d, int64_t i, struct vlp_arena *mem,
                    struct vlp_sample *out);
/* Caption k, 0 .. n_captions - 1. */
const char *vlp_sample_caption(const struct vlp_sample *s, int k);
/*
 * Read and decode its picture. VLP_ERR_MISMATCH: the shard is not the one that was indexed. Several
 * threads may do this at once.
 */
enum vlp_status vlp_dataset_picture(const struct vlp_dataset *d, const struct vlp_sample *s,
                                    struct vlp_arena *mem, struct vlp_image *out,
                                    struct vlp_error *err);
/*
 * Try to use sample i, its picture and every caption: what --check does. VLP_OK, or why not, with
 * its id. *cut counts captions longer than the context; *damage is the sentence about a picture
 * that is damaged but would be used, in `mem`, or NULL.
 */
enum vlp_status vlp_dataset_try(const struct vlp_dataset *d, int64_t i, struct vlp_arena *mem,
                                const struct vlp_preprocess *how, const struct vlp_tokenizer *tok,
                                int *cut, const char **damage, struct vlp_error *err);
/* Order of one epoch: vlp_dataset_epoch() indices, a function of (seed, epoch). */
void vlp_dataset_order(const struct vlp_dataset *d, uint64_t seed, int64_t epoch, uint32_t *order);

/* One batch, ready to be computed. */
struct vlp_batch {
    int      n;
    int      width, height; /* of the pictures, which need not be those of the model's own size */
    float   *images;        /* (n, 3, height, width) */
    int32_t *ids;           /* ragged: ids of sample i are ids[start[i]] .. */
    int     *start;
};

struct vlp_loader_options {
    const struct vlp_dataset    *data;
    const struct vlp_preprocess *preprocess;
    const struct vlp_tokenizer  *tokenizer;
    struct vlp_augment           augment;
    uint64_t                     seed;
    int64_t                      first_step;
    int                          batch;       /* of all ranks together */
    int                          rank, ranks; /* this process takes rows rank*batch/ranks .. */
    int                          threads;
    void (*say)(void *ctx, const char *sentence); /* in vlp_loader_next; may be NULL */
    void *ctx;
};
struct vlp_loader;
/* VLP_ERR_USAGE: the batch cannot be split evenly, or is larger than an epoch, or there are samples
 * without a caption. */
enum vlp_status vlp_loader_open(struct vlp_loader **out, const struct vlp_loader_options *o,
                                struct vlp_error *err);
/*
 * The batch of the next step, in order; valid until the next call. A sample that cannot be read is
 * named through `say` once, counted, and its place taken by another drawn from (seed, step, row).
 * That of a batch which nobody takes is neither. A damaged picture that is used is named and
 * counted likewise, on its own. After a failure there is no next batch.
 */
enum vlp_status vlp_loader_next(struct vlp_loader *l, struct vlp_batch *b, struct vlp_error *err);
int64_t         vlp_loader_bad(const struct vlp_loader *l);
int64_t         vlp_loader_damaged(const struct vlp_loader *l);
void            vlp_loader_close(struct vlp_loader *l);

/* ---- several processes --------------------------------------------------------------------- */

/* One process, or MPI's. Every call is collective and deterministic for a given number of ranks. */
struct vlp_comm {
    int  rank, size;
    bool joined; /* vlp_comm_open started MPI */
};
bool vlp_comm_has_mpi(void); /* built with it? */
/*
 * Joins the other processes that a launcher (mpirun, srun) started.
 *
 * VLP_ERR_SUPPORT  there are others, but no MPI to reach them: not in this build, or not theirs
 * VLP_ERR_IO       MPI cannot be started
 */
enum vlp_status vlp_comm_open(struct vlp_comm *c, struct vlp_error *err);
void            vlp_comm_close(struct vlp_comm *c); /* waits for the others */
/* This process cannot go on, and the others would wait for it for ever: all end with this status.
 * A process that is alone returns. */
void vlp_comm_abort(struct vlp_comm *c, int status);
void vlp_comm_sum(struct vlp_comm *c, float *data, size_t n); /* in place, over ranks */
void vlp_comm_sum_f64(struct vlp_comm *c, double *data, size_t n);
void vlp_comm_gather(struct vlp_comm *c, float *all, const float *own, size_t n); /* rank order */
void vlp_comm_barrier(struct vlp_comm *c);
/*
 * How did it go for all? The status of the first process that failed, whose rank is *first, told to
 * every process; VLP_OK and -1 when none did. What one alone cannot do, none must go on without.
 */
enum vlp_status vlp_comm_agree(struct vlp_comm *c, enum vlp_status mine, int *first);

/* ---- the trainer --------------------------------------------------------------------------- */

struct vlp_train_options {
    const struct vlp_contrastive_loss *loss;
    struct vlp_schedule                schedule;
    struct vlp_adamw                   adamw;
    double                             clip_norm; /* 0: none */
    float                              ema_decay; /* 0: no averaged copy */
    float    layer_decay;               /* rate of a layer = this ^ layers above it; 1: all alike */
    float    image_rate, text_rate;     /* multiply the rate of a tower; 0 freezes it */
    int      unlock_image, unlock_text; /* of a frozen tower, train this many last groups (LiT) */
    bool     decay_all;    /* weight decay on position embeddings as well: on every matrix */
    int      micro_batch;  /* 0: the whole batch at once */
    bool     gather_local; /* gradients through this process's own rows alone */
    double   patch_dropout;
    bool     recompute; /* keep block inputs only, compute the rest again: gradient checkpointing */
    uint64_t seed;
    /* What else of a run changes its numbers (batch, data, augmentation): an object that a state
     * keeps and is held against when it is loaded; or NULL. A member that the state has not is left
     * out: the state is older than it. */
    const json_t *run;
    const void   *vocab; /* kept with the state: to be a model, and to be held against; or NULL */
    size_t        vocab_len;
};

struct vlp_step {
    double loss, lr;
    double gradient_norm; /* before clipping */
    double logit_scale;   /* exp of the parameter, after the step */
    bool   skipped;       /* not finite: no update was made */
};

struct vlp_trainer;
/*
 * The model's parameters become memory of their own. `comm` may be NULL.
 * VLP_ERR_USAGE    an option that cannot be (named), or nothing is left to train
 * VLP_ERR_SUPPORT  the model has no logit scale
 */
enum vlp_status vlp_trainer_open(struct vlp_trainer **out, struct vlp_model *m,
                                 const struct vlp_compute *c, struct vlp_comm *comm,
                                 const struct vlp_train_options *o, struct vlp_error *err);
void            vlp_trainer_close(struct vlp_trainer *t);
int64_t         vlp_trainer_steps(const struct vlp_trainer *t); /* made so far */
/* Gradients of one batch into every trained parameter's tensor.grad (zeroed first); the loss. */
double vlp_trainer_gradients(struct vlp_trainer *t, const struct vlp_batch *b);
/* The same, then clip, AdamW, clamp, EMA. */
enum vlp_status vlp_trainer_step(struct vlp_trainer *t, const struct vlp_batch *b,
                                 struct vlp_step *out, struct vlp_error *err);
/* What is trained, n of them: the trainer's own. */
struct vlp_trained *vlp_trainer_params(struct vlp_trainer *t, int *n);
/* Put the averaged copy in the place of the weights, and the weights in its own: the model then is
 * the one that will be exported. A second call puts them back. Nothing without averaging. */
void vlp_trainer_swap_average(struct vlp_trainer *t);
/* Most bytes held so far besides the weights: gradients, moments, averages, and a step's values. */
size_t vlp_trainer_peak(const struct vlp_trainer *t);

/*
 * Everything a run is: weights, moments, averaged copy, step, options. One safetensors file,
 * written whole or not at all; vlp_checkpoint_open reads it as the model that it holds, averaged
 * where it is. Loading into a trainer with another model or other options that change the numbers
 * is VLP_ERR_MISMATCH, with the first difference named; a file whose checksums do not fit is
 * VLP_ERR_FORMAT, and the trainer is then good for another try only.
 */
enum vlp_status vlp_trainer_save(struct vlp_trainer *t, const char *path, const json_t *extra,
                                 struct vlp_error *err);
enum vlp_status vlp_trainer_load(struct vlp_trainer *t, const char *path, json_t **extra,
                                 struct vlp_error *err);
/* The model as it is now (averaged: the EMA copy), as a model file. vocab may be NULL. */
enum vlp_status vlp_trainer_export(struct vlp_trainer *t, const char *path, bool averaged,
                                   const void *vocab, size_t vocab_len, const json_t *training,
                                   const struct vlp_convert *how, struct vlp_error *err);

/* ---- what a run leaves to look at ------------------------------------------------------------ */

/*
 * Loss, rate and every evaluation figure of a metrics file (JSON lines) over steps, as one SVG. A
 * run that is continued draws its plot anew: a file that is such a plot is replaced.
 * VLP_ERR_EXISTS   it is another one, and not `force`
 */
enum vlp_status vlp_plot_metrics(const char *metrics_path, const char *svg_path, bool force,
                                 struct vlp_error *err);
/* That error now, before hours of work, when it would come then. */
enum vlp_status vlp_plot_refuse_existing(const char *svg_path, bool force, struct vlp_error *err);

#endif
