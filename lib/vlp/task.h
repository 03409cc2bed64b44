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

/* ---- the encoder: a model with its tokenizer and its preprocessing, what `-m` stands for  */

struct vlp_encoder {
    struct vlp_model      model;
    struct vlp_preprocess preprocess;
    struct vlp_tokenizer *tokenizer;       /* NULL until vlp_encoder_texts */
    const char           *name;            /* of the file; lives as long as the model */
    char                  fingerprint[33]; /* of the model with the cleaning and flavour in use */
    struct vlp_compute    compute;         /* with a pool of its own */
};

struct vlp_encoder_options {
    const char        *activation; /* as in vlp_checkpoint_options */
    const char        *flavour;    /* override the preprocessing flavour; NULL: the model's */
    const char        *cleaning;   /* of texts: "openai" or "hf"; NULL: the model's */
    bool               no_orient, grey16_sane;
    int                threads; /* 0: all */
    enum vlp_precision precision;
    const char        *cpu; /* VLP_CPU */
    const char *share_dir;  /* where share/vlp is: vocabularies for checkpoints that carry none */
    void (*say)(void *ctx, const char *sentence);
    void *ctx;
};
/*
 * What vlp_checkpoint_open, vlp_checkpoint_check (with VLP_CHECK_AT_ONCE), vlp_model_open and
 * vlp_tokenizer_open answer; VLP_ERR_USAGE when the
 * flavour makes pictures of a size that the model cannot take. A model without a usable vocabulary
 * opens all the same. On failure `e` is zeroed or untouched.
 */
enum vlp_status vlp_encoder_open(struct vlp_encoder *e, const char *path,
                                 const struct vlp_encoder_options *opt, struct vlp_error *err);
void            vlp_encoder_close(struct vlp_encoder *e);
/* Open the tokenizer unless it is open, from any thread; pictures alone do not need it, and a large
 * vocabulary takes its time. VLP_ERR_SUPPORT or what vlp_tokenizer_of answers: no text can be
 * encoded. */
enum vlp_status vlp_encoder_texts(struct vlp_encoder *e, struct vlp_error *err);

/*
 * Give a checkpoint that carries no vocabulary the one of its family from `share_dir`, when its
 * embedding has the rows for it: tensor "tokenizer.vocab" and about.tokenizer. Says so. Nothing
 * happens when there is one already, or none that fits. One that cannot be read is an error:
 * without it this would be another model.
 */
enum vlp_status vlp_checkpoint_add_vocabulary(struct vlp_checkpoint *c, const char *share_dir,
                                              void (*say)(void *ctx, const char *sentence),
                                              void *ctx, struct vlp_error *err);
/* about.tokenizer for a vocabulary in that tensor, of the kind and with the cleaning that such a
 * model has; NULL where there is none. */
json_t *vlp_tokenizer_about(const json_t *about);
/* The tokenizer that a checkpoint describes; VLP_ERR_SUPPORT when it has none. */
enum vlp_status vlp_tokenizer_of(struct vlp_tokenizer **out, const struct vlp_checkpoint *c,
                                 struct vlp_error *err);
/* about.preprocess as the image room wants it; VLP_ERR_FORMAT names what is impossible. */
enum vlp_status vlp_preprocess_of(struct vlp_preprocess *out, const json_t *about,
                                  struct vlp_error *err);
/* Another flavour for the model that `about` describes: size and constants of `p` stay, the way of
 * resizing and cropping changes. VLP_ERR_USAGE where there is no such flavour, or where its
 * pictures are of many sizes and the model takes one. */
enum vlp_status vlp_preprocess_override(struct vlp_preprocess *p, const char *flavour,
                                        const json_t *about, struct vlp_error *err);

/* One picture file (or these bytes of that name; NULL: none) or text to its normalised vector
 * (embed_dim floats): queries given on the spot. VLP_ERR_FORMAT also where it is not finite: the
 * model is damaged. *warning (may be NULL) is what of the picture is damaged and was read over, to
 * be told and freed, or NULL. */
enum vlp_status vlp_encode_picture_file(struct vlp_encoder *e, const char *path, const void *bytes,
                                        size_t len, float *out, char **warning,
                                        struct vlp_error *err);
enum vlp_status vlp_encode_string(struct vlp_encoder *e, const char *text, float *out, bool *cut,
                                  struct vlp_error *err);
/* n texts at once, normalised rows. `cut` (n) may be NULL. */
enum vlp_status vlp_encode_strings(struct vlp_encoder *e, const char *const *text, int n,
                                   float *out, bool *cut, struct vlp_error *err);

/* What comes out of a tower. Zeroed: the features as they are. */
struct vlp_features {
    bool normalize;
    bool
        penultimate; /* pictures: what the last projection sees (linear probes), not the features */
};
/* Width of a row under `f`. VLP_ERR_SUPPORT when the family has no such value. */
enum vlp_status vlp_features_dim(const struct vlp_encoder *e, const struct vlp_features *f,
                                 int *dim, struct vlp_error *err);
/* The fingerprint of rows under `f`: the encoder's; what the last projection sees is another space
 * than the one in which pictures meet texts, and has the XXH3-128 of these 32 digits and the word
 * "penultimate". */
void vlp_features_fingerprint(const struct vlp_encoder *e, const struct vlp_features *f,
                              char text[33]);
/* n pictures (n,3,h,w), normalised pixels, to rows of `out`. `c` may be another than e->compute
 * (same level and precision): a worker has its own. Scratch comes from `mem` and goes back to it.
 */
void vlp_encode_pixels(struct vlp_encoder *e, const struct vlp_compute *c, struct vlp_arena *mem,
                       const float *pixels, int n, int h, int w, const struct vlp_features *f,
                       float *out);
/* n token lists to rows of `out`. */
void vlp_encode_tokens(struct vlp_encoder *e, const struct vlp_compute *c, struct vlp_arena *mem,
                       const struct vlp_tokens *const *tokens, int n, const struct vlp_features *f,
                       float *out);

/* ---- embed.c: records to vectors, many at a time, in order ------------------------- */

/* What became of a record. Vectors live during the call. */
struct vlp_embedded {
    struct vlp_item *item;
    enum vlp_status  status; /* not VLP_OK: neither vector; `reason` says why. Vectors are finite */
    const char      *reason;
    const float     *image, *text; /* NULL: the record has none, or it was not wanted */
    const char      *warning;      /* the picture is damaged, but was used: vlp_image's, or NULL */
    bool             cut;          /* the text was longer than the context */
    enum vlp_status  text_status;  /* not VLP_OK: the picture came through, the text did not */
    const char      *text_reason;
};

/* NEWS: hand it over even without a vector, for there is something to say about it. */
enum { VLP_WANT_IMAGE = 1, VLP_WANT_TEXT = 2, VLP_WANT_NEWS = 4 };

struct vlp_embed_options {
    int                 batch;    /* records a unit at most; 0: chosen by the model */
    int64_t             expected; /* records that the source will give, -1 unknown; 0: ask it */
    struct vlp_features features;
    const char *const  *templates; /* NULL-terminated, with {}; NULL: the text as it is.
                                      Several: the average of their normalised vectors */
    bool refuse_long;              /* text over the context is VLP_ERR_LIMIT instead of being cut */
    bool images, texts;            /* which parts of a record are wanted at all */
    /* Asked in input order of each record that could be read: what of it is wanted (0: leave it
     * out). May be NULL. */
    int (*want)(void *ctx, const struct vlp_item *item);
    /* In input order, one call at a time, from any thread. Not VLP_OK ends the run with that. */
    enum vlp_status (*take)(void *ctx, const struct vlp_embedded *r, struct vlp_error *err);
    /* Asked between records; true ends the run after what is under way. May be NULL. */
    bool (*stop)(void *ctx);
    /* Told by a thread that it is about to read from the source, and that it has: who wants to
     * stop may interrupt a read that waits. What was read while `stop` is true is dropped. May be
     * NULL. */
    void (*reading)(void *ctx, bool begins);
    void *ctx;
};

/*
 * Read records until the source ends, encode them on all threads of e->compute, hand the results
 * over. A record's bits do not depend on the batch or the threads. Memory is bounded by threads and
 * batch, not by the input. VLP_ERR_STOPPED when `stop` ended it, VLP_ERR_SHORTAGE when no more
 * files can be opened, which is the fault of no record; what was taken until then is whole.
 */
enum vlp_status vlp_embed_run(struct vlp_encoder *e, struct vlp_source *s,
                              const struct vlp_embed_options *o, struct vlp_error *err);

/* The batch that 0 stands for. */
int vlp_embed_batch(const struct vlp_encoder *e);

/* "a photo of a {}." with `text` in place of each {}; the text follows after a space when there is
 * none.
 */
char *vlp_template_fill(struct vlp_arena *mem, const char *template_text, const char *text,
                        size_t len, size_t *out_len);

/* ---- selftest.c -------------------------------------------------------------------- */

/*
 * Tiny models whose numbers are known, on every CPU level of this machine (or `only_cpu`) and every
 * precision; `say` hears of each check. VLP_ERR_MISMATCH when one failed, VLP_ERR_USAGE when this
 * machine has no such level.
 */
typedef void    vlp_selftest_say(void *ctx, bool good, const char *level, const char *sentence);
enum vlp_status vlp_selftest(const char *only_cpu, int threads, vlp_selftest_say *say, void *ctx,
                             struct vlp_error *err);

#endif
