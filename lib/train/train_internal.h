/*
 * train_internal.h -- what the files of the train room share.
 */
#ifndef VLP_TRAIN_INTERNAL_H
#define VLP_TRAIN_INTERNAL_H

#include <vlp/train.h>

/* Streams of one seed, far apart: no use of randomness can meet another. */
#define VLP_STREAM_ORDER  (1ull << 60) /* + epoch */
#define VLP_STREAM_SAMPLE (2ull << 60) /* + running number of the sample */
#define VLP_STREAM_STEP   (3ull << 60) /* + a hash: vlp_train_stream */

enum vlp_tower { VLP_TOWER_IMAGE, VLP_TOWER_TEXT, VLP_TOWERS };
/*
 * The stream of dropout and patch dropout in a step: a tower, the micro-batch of a process that
 * begins at its row `from`. All four are hashed, for no number of bits is enough for each of them.
 */
uint64_t vlp_train_stream(int64_t step, int rank, int from, enum vlp_tower tower);

/* One more step in a row whose loss or gradient is not finite ends the run: the eleventh does. */
#define VLP_MAX_NAN_STEPS 10

/* A statistic of a batch norm that is trained: not the optimiser's, but the run's. */
struct vlp_statistic {
    struct vlp_param *param;
    float            *before; /* its value before the step, for when there was none */
    float            *ema;    /* or NULL */
};

struct vlp_trainer {
    struct vlp_model        *model;
    struct vlp_compute       compute;
    struct vlp_comm          single, *comm;
    struct vlp_train_options o;
    struct vlp_arena         mem;  /* moments, gradients, averaged copy */
    struct vlp_arena         step; /* rewound every step */
    struct vlp_params        own;  /* parameters of the loss that the model has not (logit_bias) */
    struct vlp_param        *logit_bias;
    struct vlp_trained      *trained;
    int                      n_trained;
    struct vlp_statistic    *statistic;
    int                      n_statistics;
    struct vlp_reduce        reduce;
    bool                     trains[VLP_TOWERS]; /* something of that tower */
    float                   *grads;              /* all gradients lie here, one after the other */
    size_t                   n_grads;
    int64_t                  steps;   /* made */
    int64_t                  updates; /* of them, those that changed the weights: Adam's t */
    int                      nan_run; /* steps in a row that did not */
};

/* Which parameters are trained, how fast, with decay or not: fills trained[], trains[] and
 * statistic[]. */
enum vlp_status vlp_trainer_groups(struct vlp_trainer *t, struct vlp_error *err);
/* Every parameter of the model, then the loss's own: what a state holds. */
int               vlp_trainer_count(const struct vlp_trainer *t);
struct vlp_param *vlp_trainer_param(const struct vlp_trainer *t, int i);
/* The entry of a parameter among the trained ones, or NULL when it is frozen. */
struct vlp_trained *vlp_trainer_find(const struct vlp_trainer *t, const struct vlp_param *p);
/* The averaged copy of a parameter or statistic, or NULL. */
float *vlp_trainer_ema(const struct vlp_trainer *t, const struct vlp_param *p);

#endif
