/*
 * classify_parts.h -- the parts of vlp-classify: where classes come from, what is classified, the
 * report.
 */
#ifndef VLP_CMD_CLASSIFY_PARTS_H
#define VLP_CMD_CLASSIFY_PARTS_H

#include <vlp/classify.h>

#include "cmd.h"

enum classify_only { CLASSIFY_IMAGE, CLASSIFY_TEXT, CLASSIFY_BOTH };

struct classify_options {
    const char     *labels, *labels_from, *templates_from;
    struct cmd_list templates;
    const char     *classifier, *save; /* -C, --save-classifier */
    double          logit_scale;       /* 0: the classifier's own; -1: the model's */
    const char     *knn;
    int64_t         neighbours;
    double          temperature;
    const char     *fit, *validation;
    double          C, lambda, tolerance, holdout;
    int64_t         max_iterations;
    bool            sweep, penultimate;
    int             only;       /* enum classify_only */
    struct cmd_list embeddings; /* -E */
    int64_t         k, batch;
    int             score; /* enum vlp_score */
    double          unknown;
    const char     *unknown_name;
    const char     *truth;
    bool            folder_labels, ignore_model;
    const char     *report, *confusion, *html, *output;
    bool            force, json, header;
};
extern struct classify_options classify;

struct vlp_page;

/* Neighbours instead of a classifier. */
struct classify_knn {
    struct vlp_set        set;
    struct vlp_candidates rows;         /* the records that have a label */
    int                  *class_of_row; /* of each of them */
};

/* --save-classifier, --report, --confusion, --html, -o and, at the end, --failed. */
enum { CLASSIFY_FILES = 6 };

struct classify_job {
    const char           *files[CLASSIFY_FILES]; /* that are written; NULL: not asked for */
    struct vlp_encoder    encoder;
    bool                  has_encoder;
    struct vlp_pool      *pool;
    struct vlp_compute    compute;
    struct vlp_classifier classifier; /* for neighbours: names only */
    bool                  has_classifier, has_knn;
    struct classify_knn   knn;
    struct vlp_names     *classes;         /* names to numbers */
    bool                  named_by_number; /* a name is itself a number: labels are names only */
    struct vlp_truth     *truth;
    struct vlp_evaluation evaluation;
    struct vlp_output     out;
    bool                  silent; /* something else goes where results would */
    struct cmd_failures   failures;
    struct vlp_page      *page;
    int64_t               n_done;
    int64_t               n_without_truth; /* records that no class is right for */
    int64_t               n_told;          /* records whose right label was said */
    bool                  truth_labels;    /* --truth labelled records of --knn or --fit */
    bool                  has_truth;       /* of some record the right label was said, or asked */
    int64_t               n_given;         /* stored vectors, for --limit */
    bool                  cut;             /* a file of vectors was not whole */
    enum vlp_status       lost; /* of the first input that could not be read to its end */
    float                *logits, *scores;
    int                  *order;
};

/* Open the model behind -m, once; compute with its pool. */
enum vlp_status classify_open_encoder(struct classify_job *job, struct vlp_error *err);
/* May vectors of this dimension and fingerprint be classified by the classifier? */
enum vlp_status classify_check_fit(const struct classify_job *job, int dim, const char *fingerprint,
                                   const char *name, struct vlp_error *err);

/* The classifier or the neighbours that the options ask for, from labels, a file, or a fit. */
enum vlp_status classify_prepare(struct classify_job *job, struct vlp_error *err);
/* Where results go: opened when the first can come, for whoever waits for a pipe can be stopped. */
enum vlp_status classify_open_output(struct classify_job *job, struct vlp_error *err);
/* --fit: prints what came out unless there is something to classify. */
enum vlp_status classify_fit(struct classify_job *job, bool alone, struct vlp_error *err);

/* classify_records.c: of files of vectors. */

/* A set's records of the kind that --only names; says how many others were left out. */
enum vlp_status classify_read_set(struct classify_job *job, struct vlp_set *set, const char *path,
                                  struct vlp_error *err);

/* Are the vectors of the set at `path` what the last projection sees? By its header, else by
 * --penultimate; VLP_ERR_MISMATCH where the one says no and the other yes. */
enum vlp_status classify_layer(bool *penultimate, const struct vlp_set *set, const char *path,
                               struct vlp_error *err);

/* " (...)" with what the ids of the file of --truth are, where that is not seen in it; or "". */
const char *classify_truth_ids(void);
/* The failure of labelled vectors at `path`: none has a label, or none of `any` that have. */
enum vlp_status classify_no_label(const struct classify_job *job, const char *path, bool any,
                                  struct vlp_error *err);

/* The label that record i of the set brings along; NULL: none, or an empty one. */
const char *classify_own_label(const struct vlp_set *set, int i);
/* The label of a stored record: its own, --truth's, or its folder's; NULL. `buf` may be used. */
const char *classify_label_of(const struct classify_job *job, const char *id, size_t id_len,
                              const char *own, struct vlp_buf *buf);

/* classify_inputs.c, classify_results.c */

/* Classify pictures or vectors, one after the other, in order. */
enum vlp_status classify_pictures(struct classify_job *job, char *const *paths, int n_paths,
                                  struct vlp_error *err);
bool classify_enough(const struct classify_job *job); /* as many vectors as --limit says */
enum vlp_status classify_vectors(struct classify_job *job, const char *path, struct vlp_error *err);

/* One record: scores, prediction, output. `x` has unit length where neighbours vote. `picture` (may
 * be NULL) is for the page; `own` (may be NULL) the label that the input gave. */
void classify_one(struct classify_job *job, const char *id, size_t id_len, const float *x,
                  const char *own, const char *picture);
void classify_put_header(struct classify_job *job);
/* The number of the class that a label names; -1: none. */
int classify_number_of(const struct classify_job *job, const char *label);
/* VLP_ERR_USAGE where what is printed for records of no class is the name of one. */
enum vlp_status classify_check_unknown(const struct classify_job *job, struct vlp_error *err);
/* Can the right labels that are known before the first record, those of --truth, be counted as
 * --report and --confusion ask? VLP_ERR_USAGE if none of them is a class. */
enum vlp_status classify_expect_truth(struct classify_job *job, struct vlp_error *err);
/* When the results are whole: accuracy, page, report, confusion. One that cannot be written does
 * not keep the others from it; the first failure is given. */
enum vlp_status classify_finish(struct classify_job *job, struct vlp_error *err);
void            classify_put_f32(FILE *f, float v);
void            classify_put_f64(FILE *f, double v);

#endif
