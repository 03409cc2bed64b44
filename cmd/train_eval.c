/*
 * train_eval.c -- how good the model is on held-out pictures, while it is being trained.
 *
 * Retrieval both ways between the validation pictures and all their captions, and zero-shot
 * accuracy over the classes for the pictures that carry a label. The training model itself is
 * asked, in the precision of the run.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <vlp/classify.h>
#include <vlp/search.h>

#include "train_cmd.h"

struct train_eval {
    struct vlp_dataset *data;
    int                 n, n_texts; /* pictures, captions */
    int                *of;         /* caption -> picture */
    int                *label;      /* picture -> class, -1 none */
    struct vlp_labels   classes;
};

static struct train_options *const o = &train_options;

static enum vlp_status read_classes(struct train_eval *e, struct vlp_error *err)
{
    VLP_TRY(vlp_labels_read(&e->classes, o->classes, err));
    if (e->classes.n < 2)
        return vlp_fail(err, VLP_ERR_USAGE, "%s: fewer than two classes", o->classes);
    return VLP_OK;
}

static int class_of(const struct train_eval *e, const char *label)
{
    for (int i = 0; label && i < e->classes.n; i++)
        if (strcmp(e->classes.label[i].name, label) == 0) return i;
    return -1;
}

/* Which class and which captions each picture has. Of several processes one tells what is odd. */
static void take_samples(struct train_eval *e, bool tells)
{
    struct vlp_arena mem = {0};
    e->n = (int)vlp_dataset_size(e->data);
    e->n_texts = (int)vlp_dataset_captions(e->data);
    e->label = vlp_calloc((size_t)e->n, sizeof *e->label);
    e->of = vlp_calloc((size_t)e->n_texts + 1, sizeof *e->of);
    int k = 0, strange = 0, known = 0;
    for (int i = 0; i < e->n; i++) {
        const struct vlp_arena_mark mark = vlp_arena_mark(&mem);
        struct vlp_sample           s;
        vlp_dataset_at(e->data, i, &mem, &s);
        e->label[i] = class_of(e, s.label);
        known += e->label[i] >= 0;
        if (s.label && e->label[i] < 0 && e->classes.n && strange++ == 0 && tells)
            cmd_warn("%s: its label '%s' is none of the classes", s.id, s.label);
        for (int j = 0; j < s.n_captions; j++) e->of[k++] = i;
        vlp_arena_rewind(&mem, mark);
    }
    if (strange > 1 && tells) cmd_warn("%d labels in all are none of the classes", strange);
    if (e->classes.n && !known && tells)
        cmd_warn("--classes does nothing: no picture of %s has %s", o->validation,
                 strange ? "a label that is one of them" : "a label");
    vlp_arena_free(&mem);
}

enum vlp_status train_eval_open(struct train_eval **out, struct train_run *r, struct vlp_error *err)
{
    struct train_eval              *e = vlp_calloc(1, sizeof *e);
    char                           *paths[] = {(char *)o->validation};
    const struct vlp_dataset_source source = {
        .source = {.paths = paths, .n_paths = 1, .recursive = true, .captions = true}, .weight = 1};
    enum vlp_status s = o->classes ? read_classes(e, err) : VLP_OK;
    if (s == VLP_OK) {
        s = train_read(&e->data, &source, 1, e->classes.n > 0, r, err);
        if (s != VLP_OK) vlp_fail_in(err, "--validation");
    }
    if (s == VLP_OK && vlp_dataset_size(e->data) + vlp_dataset_captions(e->data) > INT32_MAX)
        s = vlp_fail(err, VLP_ERR_LIMIT, "%s: too much to validate on", o->validation);
    if (s != VLP_OK) {
        train_eval_close(e);
        return s;
    }
    take_samples(e, r->comm.rank == 0);
    *out = e;
    return VLP_OK;
}

const struct vlp_dataset *train_eval_data(const struct train_eval *e)
{
    return e->data;
}

void train_eval_close(struct train_eval *e)
{
    if (!e) return;
    vlp_dataset_close(e->data);
    vlp_labels_free(&e->classes);
    free(e->of);
    free(e->label);
    free(e);
}

/* ---- features ---------------------------------------------------------------------- */

enum { CHUNK = 64, TOP = 5 };

/* A picture that can no longer be read becomes NaN: it finds nothing, is found last, and counts. */
static void no_features(float *row, size_t n)
{
    for (size_t i = 0; i < n; i++) row[i] = NAN;
}

/* Rows of pictures at .. at + n - 1: the model's numbers where there was a picture. */
static enum vlp_status check_rows(const struct train_eval *e, const float *rows, int at, int n,
                                  const bool *readable, size_t E, struct vlp_error *err)
{
    for (int i = 0; i < n; i++) {
        if (!readable[i] || vlp_row_is_finite(rows + (size_t)i * E, (int)E)) continue;
        struct vlp_arena  mem = {0};
        struct vlp_sample s;
        vlp_dataset_at(e->data, at + i, &mem, &s);
        vlp_fail(err, VLP_ERR_FORMAT, "%s: the model makes a vector of it that is not finite",
                 s.id);
        vlp_arena_free(&mem);
        return VLP_ERR_FORMAT;
    }
    return VLP_OK;
}

static enum vlp_status picture_features(struct train_eval *e, struct vlp_encoder *enc, float *out,
                                        struct vlp_error *err)
{
    const struct vlp_preprocess *how = &enc->preprocess;
    const struct vlp_features    unit = {.normalize = true};
    const size_t                 size = 3 * (size_t)how->width * (size_t)how->height,
                 E = (size_t)enc->model.embed_dim;
    struct vlp_arena mem = {0};
    float           *pixels = vlp_malloc(CHUNK * size * sizeof *pixels);
    bool             readable[CHUNK];
    struct vlp_error why;
    enum vlp_status  status = VLP_OK;
    for (int at = 0; at < e->n && status == VLP_OK; at += CHUNK) {
        const int n = e->n - at < CHUNK ? e->n - at : CHUNK;
        for (int i = 0; i < n; i++) {
            const struct vlp_arena_mark mark = vlp_arena_mark(&mem);
            struct vlp_sample           s;
            struct vlp_image            pic;
            vlp_dataset_at(e->data, at + i, &mem, &s);
            const enum vlp_status got = vlp_dataset_picture(e->data, &s, &mem, &pic, &why);
            if (got == VLP_ERR_SHORTAGE) status = vlp_fail(err, got, "%s", why.text);
            readable[i] = got == VLP_OK;
            if (readable[i])
                vlp_preprocess_normalize(pixels + (size_t)i * size,
                                         vlp_preprocess_u8(&mem, &pic, how), how);
            else
                memset(pixels + (size_t)i * size, 0, size * sizeof *pixels);
            vlp_arena_rewind(&mem, mark);
        }
        if (status != VLP_OK) break;
        float *rows = out + (size_t)at * E;
        vlp_encode_pixels(enc, &enc->compute, &mem, pixels, n, how->height, how->width, &unit,
                          rows);
        status = check_rows(e, rows, at, n, readable, E, err);
        for (int i = 0; i < n; i++)
            if (!readable[i]) no_features(rows + (size_t)i * E, E);
    }
    free(pixels);
    vlp_arena_free(&mem);
    return status;
}

static enum vlp_status text_features(struct train_eval *e, struct vlp_encoder *enc, float *out,
                                     struct vlp_error *err)
{
    const size_t     E = (size_t)enc->model.embed_dim;
    struct vlp_arena mem = {0};
    const char      *text[CHUNK];
    enum vlp_status  status = VLP_OK;
    int              n = 0, at = 0;
    for (int i = 0; i < e->n; i++) {
        const struct vlp_arena_mark mark = vlp_arena_mark(&mem);
        struct vlp_sample           s;
        vlp_dataset_at(e->data, i, &mem, &s); /* captions stay where they are in the dataset */
        for (int k = 0; k < s.n_captions && status == VLP_OK; k++) {
            text[n++] = vlp_sample_caption(&s, k);
            if (n < CHUNK && at + n < e->n_texts) continue;
            status = vlp_encode_strings(enc, text, n, out + (size_t)at * E, NULL, err);
            at += n;
            n = 0;
        }
        vlp_arena_rewind(&mem, mark);
    }
    vlp_arena_free(&mem);
    return status;
}

/* ---- figures ----------------------------------------------------------------------- */

static void put(json_t *into, const char *name, double value)
{
    json_object_set_new(into, name, json_real(value));
}

static void put_retrieval(json_t *into, const char *way, const struct vlp_retrieval *r)
{
    char name[64];
    for (int i = 0; i < r->n_k; i++) {
        snprintf(name, sizeof name, "val_%s_R@%d", way, r->k[i]);
        put(into, name, r->recall[i]);
    }
    snprintf(name, sizeof name, "val_%s_median_rank", way);
    put(into, name, r->median_rank);
}

/* Pictures without a caption (labelled ones) are candidates, but ask for nothing. Features have
 * unit length and are scored as a search scores a file of them. */
static void retrieval(const struct train_eval *e, const struct vlp_compute *c, const float *image,
                      const float *text, int E, json_t *into)
{
    struct vlp_retrieval  r = {.n_k = 3, .k = {1, 5, 10}};
    const struct vlp_rows captions = vlp_rows_of(VLP_COSINE, text, e->n_texts, E),
                          pictures = vlp_rows_of(VLP_COSINE, image, e->n, E);
    int   *start = vlp_calloc((size_t)e->n_texts + 2, sizeof *start);
    int   *own = vlp_calloc((size_t)e->n_texts + 1, sizeof *own);
    float *asking = vlp_malloc((size_t)e->n * (size_t)E * sizeof *asking);
    int    n = 0;
    for (int k = 0; k < e->n_texts; k++) { /* captions stand in the order of their pictures */
        own[k] = k;
        if (k > 0 && e->of[k] == e->of[k - 1]) continue;
        memcpy(asking + (size_t)n * (size_t)E, image + (size_t)e->of[k] * (size_t)E,
               (size_t)E * sizeof *asking);
        start[n++] = k;
    }
    start[n] = e->n_texts;
    vlp_retrieval_score(&r, c, asking, n, &captions, 1, start, own);
    put_retrieval(into, "image", &r);
    for (int i = 0; i <= e->n_texts; i++) start[i] = i;
    vlp_retrieval_score(&r, c, text, e->n_texts, &pictures, 1, start, e->of);
    put_retrieval(into, "text", &r);
    free(asking);
    free(start);
    free(own);
}

static enum vlp_status zero_shot(struct train_eval *e, struct vlp_encoder *enc, const float *image,
                                 json_t *into, struct vlp_error *err)
{
    static const char *const preset[] = {VLP_DEFAULT_TEMPLATE};
    const char *const       *list = o->templates.n ? o->templates.item : preset;
    struct vlp_classifier    c;
    struct vlp_evaluation    seen;
    VLP_TRY(vlp_classifier_build(&c, enc, &e->classes, list, o->templates.n ? o->templates.n : 1,
                                 NULL, err));
    vlp_evaluation_init(&seen, c.n);
    float *logits = vlp_malloc((size_t)c.n * sizeof *logits);
    int   *best = vlp_malloc((size_t)c.n * sizeof *best);
    for (int i = 0; i < e->n; i++) {
        if (e->label[i] < 0) continue;
        vlp_classifier_logits(&c, &enc->compute, image + (size_t)i * (size_t)c.dim, logits);
        int found = vlp_best_classes(logits, c.n, TOP, best);
        if (found == 0) best[found++] = c.n; /* of a picture that could not be read */
        vlp_evaluation_add(&seen, e->label[i], best, found);
    }
    if (seen.total > 0) {
        put(into, "val_top1", (double)seen.top1 / (double)seen.total);
        put(into, "val_top5", (double)seen.top5 / (double)seen.total);
    }
    free(best);
    free(logits);
    vlp_evaluation_free(&seen);
    vlp_classifier_free(&c);
    return VLP_OK;
}

enum vlp_status train_eval_run(struct train_eval *e, struct train_run *r, json_t *into,
                               struct vlp_error *err)
{
    struct vlp_encoder *enc = &r->encoder;
    const size_t        E = (size_t)enc->model.embed_dim;
    float              *image = vlp_malloc((size_t)e->n * E * sizeof *image);
    float              *text = vlp_malloc((size_t)e->n_texts * E * sizeof *text);
    enum vlp_status     s = picture_features(e, enc, image, err);
    if (s == VLP_OK) s = text_features(e, enc, text, err);
    if (s == VLP_OK && e->n_texts) retrieval(e, &enc->compute, image, text, (int)E, into);
    if (s == VLP_OK && e->classes.n) s = zero_shot(e, enc, image, into, err);
    free(image);
    free(text);
    return s;
}
