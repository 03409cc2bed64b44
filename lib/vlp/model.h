/*
 * model.h -- the families, a table row each: from a checkpoint's document to features.
 *
 * There is one so far, CLIP, with a vision transformer or a ResNet for its pictures.
 *
 * A model is its parameters and its configuration; immutable in use, so threads share it, each with
 * a tape.
 */
#ifndef VLP_MODEL_H
#define VLP_MODEL_H

#include <vlp/checkpoint.h>
#include <vlp/nn.h>

struct vlp_model;

struct vlp_text_batch {
    int            n;   /* texts */
    const int32_t *ids; /* all texts one after the other, start and end ids included, no padding */
    const int     *start; /* n + 1 offsets */
};

struct vlp_family {
    const char *name; /* "clip": `family` of the document */
    /* Read about.config, declare every parameter. */
    enum vlp_status (*build)(struct vlp_model *m, const json_t *config, struct vlp_error *err);
    /*
     * A stored tensor has another shape than the parameter: bind values of the right shape, made by
     * the family's rule (position embeddings of another grid), or return false.
     */
    bool (*fit)(struct vlp_model *m, struct vlp_param *p, const struct vlp_stored *s);
    /* As vlp_encode_image and vlp_encode_text. watch->call may be NULL. */
    struct vlp_tensor *(*encode_image)(struct vlp_model *m, struct vlp_tape *t,
                                       struct vlp_tensor *images, const struct vlp_watcher *watch);
    struct vlp_tensor *(*encode_text)(struct vlp_model *m, struct vlp_tape *t,
                                      const struct vlp_text_batch *b,
                                      const struct vlp_watcher    *watch);
    void (*free)(struct vlp_model *m);
};
extern const struct vlp_family *const vlp_families[]; /* NULL-terminated */

struct vlp_model {
    const struct vlp_family *family;
    struct vlp_params        params;
    struct vlp_arena         mem;
    json_t                  *about; /* the checkpoint's document (owned) */
    void                    *net;   /* the family's own structure, in mem */
    int                      embed_dim, image_size, context, vocab;
    int                      text_rows;   /* texts are padded to as many; 0, 1: they are not */
    int                      patch_size;  /* pictures are cut into patches; 0: they are not */
    bool                     any_size;    /* takes pictures of other sizes than image_size too */
    int                      penultimate; /* channels of "image_penultimate"; 0: there is none */
    struct vlp_param        *logit_scale; /* log; NULL where the family has none */
    struct vlp_checkpoint    checkpoint;  /* where bound values live; zeroed for a new model */
};

/*
 * Build from a checkpoint, which the model then owns (also on failure).
 * VLP_ERR_SUPPORT  no family has that name
 * VLP_ERR_FORMAT   the configuration lacks a key or has an impossible value (named)
 * VLP_ERR_LIMIT    pictures of more than VLP_MAX_PATCHES
 * VLP_ERR_MISMATCH parameters missing or of another shape (the first six are named, and how many
 *                  more there are); extra tensors are reported by `verify`
 */
enum vlp_status vlp_model_open(struct vlp_model *m, struct vlp_checkpoint *c,
                               struct vlp_error *err);
/* A new model of this document with start values (for training). `about` is copied. Errors are
 * vlp_model_open's but the last. */
enum vlp_status vlp_model_new(struct vlp_model *m, const json_t *about, uint64_t seed,
                              struct vlp_error *err);
void            vlp_model_close(struct vlp_model *m);
/* What a model of the sigmoid loss has learned to add to its logits; false: nothing, *bias stays.
 */
bool vlp_model_logit_bias(const struct vlp_model *m, float *bias);

/* images (B, 3, H, W), the pixels as the model's preprocessing leaves them -> features (B, E), not
 * normalised. */
struct vlp_tensor *vlp_encode_image(struct vlp_model *m, struct vlp_tape *t,
                                    struct vlp_tensor *images);
/* Features (B, E) of b->n texts, not normalised. */
struct vlp_tensor *vlp_encode_text(struct vlp_model *m, struct vlp_tape *t,
                                   const struct vlp_text_batch *b);

/*
 * Look inside: the model reports named intermediate values ("image.block0", "text.block1",
 * "image_penultimate") as (rows, C) of the batch. For compare, probes and tests. A watched text is
 * computed to the end of its ids; unwatched it stops at the first position of its largest id. A
 * tower without a mask computes all of its context.
 */
struct vlp_tensor *vlp_encode_image_watched(struct vlp_model *m, struct vlp_tape *t,
                                            struct vlp_tensor *images, vlp_watch *watch, void *ctx);
struct vlp_tensor *vlp_encode_text_watched(struct vlp_model *m, struct vlp_tape *t,
                                           const struct vlp_text_batch *b, vlp_watch *watch,
                                           void *ctx);

#endif
