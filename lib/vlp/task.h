/*
 * task.h -- what a command does with a model: open it with all it needs, embed, search, classify.
 */
#ifndef VLP_TASK_H
#define VLP_TASK_H

#include <vlp/data.h>
#include <vlp/embedding.h>
#include <vlp/image.h>
#include <vlp/model.h>
#include <vlp/text.h>

/* A model with its tokenizer and its preprocessing: everything `-m` stands for. */
struct vlp_encoder {
    struct vlp_model      model;
    struct vlp_preprocess preprocess;
    struct vlp_tokenizer *tokenizer;
    char                  fingerprint[33];
    struct vlp_compute    compute;
};

struct vlp_encoder_options {
    const char        *activation; /* as in vlp_checkpoint_options */
    const char        *flavour;    /* override the preprocessing flavour; NULL: the model's */
    bool               no_orient, grey16_sane;
    int                threads; /* 0: all */
    enum vlp_precision precision;
    const char        *cpu; /* VLP_CPU */
    const char *share_dir;  /* where share/vlp is: vocabularies for checkpoints that carry none */
    void (*say)(void *ctx, const char *sentence);
    void *ctx;
};
enum vlp_status vlp_encoder_open(struct vlp_encoder *e, const char *path,
                                 const struct vlp_encoder_options *opt, struct vlp_error *err);
void            vlp_encoder_close(struct vlp_encoder *e);

/* One picture file or text to its normalised vector (embed_dim floats): queries given on the spot.
 */
enum vlp_status vlp_encode_picture_file(struct vlp_encoder *e, const char *path, float *out,
                                        struct vlp_error *err);
enum vlp_status vlp_encode_string(struct vlp_encoder *e, const char *text, float *out, bool *cut,
                                  struct vlp_error *err);
/* n texts at once, normalised rows. `cut` (n) may be NULL. */
enum vlp_status vlp_encode_strings(struct vlp_encoder *e, const char *const *text, int n,
                                   float *out, bool *cut, struct vlp_error *err);

/* Each task below has its own file and its own part here; see embed.c, search.c, join.c,
 * retrieval.c, classify.c. */

#endif
