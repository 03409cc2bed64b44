/*
 * classify.h -- which class: zero-shot from prompts, saved classifiers, neighbours, linear probes.
 */
#ifndef VLP_CLASSIFY_H
#define VLP_CLASSIFY_H

#include <vlp/search.h>
#include <vlp/task.h>

/* ---- classes and what is said about them ----------------------------------------------------- */

struct vlp_label {
    const char        *name; /* what is printed */
    int                n_names, n_prompts;
    const char *const *names;   /* put into the templates: the name itself, or several others */
    const char *const *prompts; /* used instead of templates when there are any */
};
struct vlp_labels {
    int               n;
    struct vlp_label *label;
    struct vlp_arena  mem;
};

/*
 * Read classes from `path` ("-": stdin). Text: one class a line, several names of a class separated
 * by '|' (the first is printed), empty lines left out. JSON: a list whose entries are a name, a
 * list of names, or {"name":, "names":, "prompts":}; or an object from names to a prompt, a list of
 * prompts or such an object. VLP_ERR_FORMAT when it is neither, has a member of another name, no
 * class or one class twice.
 */
enum vlp_status vlp_labels_read(struct vlp_labels *out, const char *path, struct vlp_error *err);
/* "cat,dog,red barn": names separated by commas. */
enum vlp_status vlp_labels_parse(struct vlp_labels *out, const char *list, struct vlp_error *err);
void            vlp_labels_free(struct vlp_labels *l);

/* One template a line, each with {} where the name goes; empty lines left out. A JSON list of
 * strings too; what begins with '[' and is neither JSON nor has a string there is lines.
 * VLP_ERR_FORMAT when it is neither or a JSON object, not UTF-8, has no template, or one without
 * {}. */
struct vlp_templates {
    int              n;
    const char     **text;
    struct vlp_arena mem;
};
enum vlp_status vlp_templates_read(struct vlp_templates *out, const char *path,
                                   struct vlp_error *err);
void            vlp_templates_free(struct vlp_templates *t);
#define VLP_DEFAULT_TEMPLATE "a photo of a {}."

/* ---- classifiers ----------------------------------------------------------------------------- */

/*
 * logit_c = scale * (w_c . x) + bias_c, where x is of unit length if `unit_inputs`. A zero-shot
 * classifier has unit rows, no bias (but that of a model of the sigmoid loss, if asked for), scale
 * VLP_ZERO_SHOT_SCALE, to which CLIP's released models have learned their logit scale; a linear
 * probe scale 1 and a bias.
 */
#define VLP_ZERO_SHOT_SCALE 100.0f
struct vlp_classifier {
    int              n, dim;
    const char     **name;
    float           *weight; /* (n, dim) */
    float           *bias;   /* (n) or NULL */
    float            scale;
    bool             unit_inputs, penultimate; /* what features it wants */
    char             fingerprint[33];          /* of the model; "" unknown */
    struct vlp_arena mem;
};

/*
 * w_c = unit(mean over prompts of unit(encode(prompt))). VLP_ERR_SUPPORT when the model has no
 * text tower or tokenizer; VLP_ERR_FORMAT names a prompt that is not UTF-8. `n_cut` (may be NULL):
 * how many prompts were longer than the context.
 */
enum vlp_status vlp_classifier_build(struct vlp_classifier *out, struct vlp_encoder *e,
                                     const struct vlp_labels *labels, const char *const *templates,
                                     int n_templates, int *n_cut, struct vlp_error *err);
/*
 * A saved classifier is an embedding file of modality "class": ids are class names, vectors the
 * rows, header.about.classifier = {"scale", "unit_inputs", "penultimate", "biased"}; a row's bias
 * is its note, as decimal text. Any embedding file can be read as one: scale 100, no bias.
 * VLP_ERR_FORMAT also when one class is there twice.
 */
enum vlp_status vlp_classifier_write(const struct vlp_classifier *c, const char *path,
                                     const json_t *about, bool force, struct vlp_error *err);
enum vlp_status vlp_classifier_read(struct vlp_classifier *out, const char *path,
                                    struct vlp_error *err);
void            vlp_classifier_free(struct vlp_classifier *c);

/* logits (n) of one feature vector (dim); a row's number does not depend on the others. */
void vlp_classifier_logits(const struct vlp_classifier *c, const struct vlp_compute *compute,
                           const float *x, float *logits);

enum vlp_score {
    VLP_SOFTMAX,      /* exp(logit_c) / sum exp(logit), in double */
    VLP_SIGMOID,      /* 1 / (1 + exp(-logit_c)) */
    VLP_SCORE_COSINE, /* (logit_c - bias_c) / scale: a cosine, of a zero-shot classifier */
    VLP_MARGIN,       /* (logit_c - the largest other logit) / scale */
    VLP_LOGIT
};
extern const char *const vlp_score_names[]; /* "softmax", ...; NULL-terminated */
void vlp_scores(const struct vlp_classifier *c, enum vlp_score kind, const float *logits,
                float *scores);
/* The k best classes by falling score, equal ones by rising number, into `order`; returns k <= n.
 */
int vlp_best_classes(const float *scores, int n, int k, int *order);

/* ---- neighbours ------------------------------------------------------------------------------ */

/*
 * Votes of the k nearest labelled rows: score_c = sum over neighbours of class c of
 * exp((s - s_best) / temperature), divided by the sum over all neighbours.
 */
void vlp_knn_vote(float *scores, int n_classes, const struct vlp_hit *hits, int n_hits,
                  const int *class_of_row, double temperature);

/* ---- truth and what it says about predictions ------------------------------------------------ */

/* Right answers by id. */
struct vlp_truth;
/*
 * TSV "id <tab> label" (a first line "id label", "image label", "text image" or the like is a
 * header), the same in CSV where the file ends in .csv, a JSON object from ids to labels, JSON
 * lines with "id" and "label", or an .npy vector of whole numbers (row numbers are ids). An id may
 * have several lines.
 */
enum vlp_status vlp_truth_read(struct vlp_truth **out, const char *path, struct vlp_error *err);
void            vlp_truth_free(struct vlp_truth *t);
int             vlp_truth_count(const struct vlp_truth *t); /* lines */
void            vlp_truth_entry(const struct vlp_truth *t, int i, const char **id,
                                const char **label); /* in file order */
/* The names in the header line, or NULLs. */
void vlp_truth_columns(const struct vlp_truth *t, const char **id, const char **label);
/* The label of an id (the first line of it): by the whole id, else by its file name, else by its
 * file name without ending; NULL. */
const char *vlp_truth_of(const struct vlp_truth *t, const char *id, size_t len);

/* Names to numbers. */
struct vlp_names;
struct vlp_names *vlp_names_new(void);
void              vlp_names_free(struct vlp_names *n);
int               vlp_names_add(struct vlp_names *n, const char *name); /* its number, new or not */
int               vlp_names_find(const struct vlp_names *n, const char *name); /* -1 */
int               vlp_names_count(const struct vlp_names *n);
const char       *vlp_names_get(const struct vlp_names *n, int i);

/* Counts of predictions; classes are 0 .. n-1, n is "unknown" as a prediction. */
struct vlp_evaluation {
    int      n;
    int64_t  total, top1, top5;
    int64_t *confusion; /* (n, n+1): row truth, column prediction */
};
void vlp_evaluation_init(struct vlp_evaluation *e, int n);
void vlp_evaluation_free(struct vlp_evaluation *e);
/* `best` are the first classes in order (at least one; n alone for "unknown"). */
void vlp_evaluation_add(struct vlp_evaluation *e, int truth, const int *best, int n_best);
/* Mean over the classes that occur of the share of their records that was found; per class in
 * `recall` (n, NaN where it does not occur) unless NULL. */
double vlp_evaluation_mean_per_class(const struct vlp_evaluation *e, double *recall);
/* The confusion matrix as a picture: rows truth, columns prediction, shares of each row as colour,
 * counts where they fit, names beside it. PNG appended to `out`. VLP_ERR_LIMIT over 2000 classes.
 */
enum vlp_status vlp_confusion_png(struct vlp_buf *out, const struct vlp_evaluation *e,
                                  const char *const *names, struct vlp_error *err);

/* ---- linear probe ---------------------------------------------------------------------------- */

/*
 * Multinomial logistic regression by L-BFGS in double from zero:
 *     1/2 |W|^2 + C sum_i w_i CE_i      bias not penalised
 * until max |gradient| <= tolerance * C * n, or max_iterations. The result does not depend on
 * threads.
 */
struct vlp_probe_options {
    double C;
    double tolerance;      /* 0: 1e-8 */
    int    max_iterations; /* 0: 1000 */
    bool (*stop)(void *ctx);
    void *ctx;
};
struct vlp_probe {
    int     n_classes, dim;
    double *W;                   /* (n_classes, dim) */
    double *b;                   /* (n_classes), adding up to 0 */
    double  objective, gradient; /* gradient: the largest entry */
    int     iterations;
    bool    converged;
};
void vlp_probe_fit(struct vlp_probe *out, const struct vlp_compute *c, const float *x, int n,
                   int dim, const int *y, int n_classes, const struct vlp_probe_options *opt);
void vlp_probe_free(struct vlp_probe *p);
/* Accuracy and mean cross-entropy on labelled rows. */
void vlp_probe_test(const struct vlp_probe *p, const struct vlp_compute *c, const float *x, int n,
                    const int *y, double *accuracy, double *loss);
/*
 * The penalty by search on held-out rows: lambda = 1/C at 1e-6, 1e-4 ... 1e6, then twice as fine
 * around the best until 8 steps a decade. Better is higher accuracy, then lower loss, then larger
 * lambda. `told` hears every trial.
 */
double vlp_probe_sweep(const struct vlp_compute *c, const float *x, int n, const int *y,
                       const float *vx, int vn, const int *vy, int dim, int n_classes,
                       const struct vlp_probe_options *opt,
                       void (*told)(void *ctx, double lambda, double accuracy, double loss),
                       void *ctx);

#endif
