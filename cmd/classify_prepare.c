/*
 * classify_prepare.c -- the classes: from prompts, from a file, or those of labelled neighbours.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "classify_parts.h"

enum vlp_status classify_open_encoder(struct classify_job *job, struct vlp_error *err)
{
    if (job->has_encoder) return VLP_OK;
    VLP_TRY(cmd_model_open(&job->encoder, err));
    job->has_encoder = true;
    return VLP_OK;
}

enum vlp_status classify_check_fit(const struct classify_job *job, int dim, const char *fingerprint,
                                   const char *name, struct vlp_error *err)
{
    struct vlp_embedding_header ours = {.dim = job->classifier.dim}, theirs = {.dim = dim};
    const char                 *what = classify.classifier ? classify.classifier
                                       : classify.knn      ? classify.knn
                                       : classify.fit      ? classify.fit
                                                           : "the classifier";
    memcpy(ours.fingerprint, job->classifier.fingerprint, sizeof ours.fingerprint);
    memcpy(theirs.fingerprint, fingerprint, sizeof theirs.fingerprint);
    return vlp_embedding_compatible(&ours, what, &theirs, name, classify.ignore_model, err);
}

/* What the learned scale multiplies with, exp of the stored logarithm, and the bias beside it. */
static enum vlp_status set_scale(struct classify_job *job, struct vlp_error *err)
{
    if (classify.logit_scale > 0.0) job->classifier.scale = (float)classify.logit_scale;
    if (classify.logit_scale >= 0.0) return VLP_OK;
    VLP_TRY(classify_open_encoder(job, err));
    if (!job->encoder.model.logit_scale)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: this model has no logit scale",
                        cmd_model_path());
    job->classifier.scale = expf(vlp_param_f32(job->encoder.model.logit_scale)[0]);
    /* a model of the sigmoid loss has learned where a pair begins to be true */
    struct vlp_classifier *c = &job->classifier;
    float                  bias;
    if (c->bias || !vlp_model_logit_bias(&job->encoder.model, &bias)) return VLP_OK;
    c->bias = VLP_NEW_N(&c->mem, float, (size_t)c->n);
    for (int i = 0; i < c->n; i++) c->bias[i] = bias;
    return VLP_OK;
}

/* Templates beside classes that all bring prompts of their own would say nothing. */
static enum vlp_status refuse_idle_templates(const struct vlp_labels *labels, struct vlp_error *err)
{
    if (!classify.templates.n && !classify.templates_from) return VLP_OK;
    for (int i = 0; i < labels->n; i++)
        if (labels->label[i].n_prompts == 0) return VLP_OK;
    return vlp_fail(err, VLP_ERR_USAGE,
                    "%s: each of its classes brings prompts: there is nothing for templates to say",
                    classify.labels_from);
}

static enum vlp_status from_labels(struct classify_job *job, struct vlp_error *err)
{
    struct vlp_labels    labels;
    struct vlp_templates read = {0};
    const char *const    preset[] = {VLP_DEFAULT_TEMPLATE};
    const char *const   *templates = preset;
    int                  n_templates = 1, n_cut = 0;
    enum vlp_status      s = classify.labels ? vlp_labels_parse(&labels, classify.labels, err)
                                             : vlp_labels_read(&labels, classify.labels_from, err);
    if (s == VLP_ERR_FORMAT && classify.labels)
        err->status = s = VLP_ERR_USAGE; /* no file's fault */
    if (s != VLP_OK) return s;
    s = refuse_idle_templates(&labels, err);
    if (s == VLP_OK && classify.templates_from) {
        s = vlp_templates_read(&read, classify.templates_from, err);
        templates = read.text;
        n_templates = read.n;
    } else if (classify.templates.n) {
        templates = classify.templates.item;
        n_templates = classify.templates.n;
    }
    if (s == VLP_OK) s = classify_open_encoder(job, err);
    if (s == VLP_OK)
        s = vlp_classifier_build(&job->classifier, &job->encoder, &labels, templates, n_templates,
                                 &n_cut, err);
    if (s == VLP_OK) job->has_classifier = true;
    if (n_cut)
        cmd_warn("prompts that are longer than the model's context, and were cut: %d", n_cut);
    vlp_templates_free(&read);
    vlp_labels_free(&labels);
    return s;
}

/* The labelled records of --knn; classes numbered in order of appearance. */
static enum vlp_status from_neighbours(struct classify_job *job, struct vlp_error *err)
{
    struct classify_knn *k = &job->knn;
    VLP_TRY(classify_read_set(job, &k->set, classify.knn, err));
    job->has_knn = true;
    bool penultimate;
    VLP_TRY(classify_layer(&penultimate, &k->set, classify.knn, err));
    const int       dim = k->set.header.dim;
    float          *row = vlp_malloc((size_t)dim * sizeof *row);
    int            *record = vlp_malloc(((size_t)k->set.n + 1) * sizeof *record);
    struct vlp_buf  buf = {0};
    int             n = 0, unlabelled = 0;
    enum vlp_status s = VLP_OK;
    job->classes = vlp_names_new();
    k->class_of_row = vlp_malloc(((size_t)k->set.n + 1) * sizeof *k->class_of_row);
    for (int i = 0; i < k->set.n; i++) {
        const char *own = classify_own_label(&k->set, i);
        const char *label = classify_label_of(job, k->set.ids[i], k->set.id_lens[i], own, &buf);
        job->truth_labels |= job->truth && label;
        if (!label) label = own;
        unlabelled += !label;
        if (!label) continue;
        bool odd;
        vlp_embedding_set_f32(&k->set.file, i, row);
        s = cmd_check_vector(&job->failures, k->set.ids[i], k->set.id_lens[i], row, dim, &odd, err);
        if (s != VLP_OK) break;
        if (odd) continue;
        k->class_of_row[n] = vlp_names_add(job->classes, label);
        record[n++] = i;
    }
    vlp_buf_free(&buf);
    vlp_candidates_open(&k->rows, &job->compute, &k->set, VLP_COSINE, record, n);
    free(record);
    free(row);
    if (s != VLP_OK) return s;
    if (n == 0) return classify_no_label(job, classify.knn, unlabelled < k->set.n, err);
    if (unlabelled)
        cmd_note("%s: %d of %d records have no label and are left out", classify.knn, unlabelled,
                 k->set.n);
    struct vlp_classifier *c = &job->classifier;
    *c = (struct vlp_classifier){
        .n = vlp_names_count(job->classes), .dim = dim, .scale = 1.0f, .penultimate = penultimate};
    vlp_arena_init(&c->mem);
    job->has_classifier = true;
    memcpy(c->fingerprint, k->set.header.fingerprint, sizeof c->fingerprint);
    c->name = VLP_NEW_N(&c->mem, const char *, (size_t)c->n);
    for (int i = 0; i < c->n; i++)
        c->name[i] = vlp_arena_strdup(&c->mem, vlp_names_get(job->classes, i));
    return VLP_OK;
}

enum vlp_status classify_prepare(struct classify_job *job, struct vlp_error *err)
{
    if (classify.knn) return from_neighbours(job, err);
    if (classify.classifier) {
        VLP_TRY(vlp_classifier_read(&job->classifier, classify.classifier, err));
        job->has_classifier = true;
    } else {
        VLP_TRY(from_labels(job, err));
    }
    VLP_TRY(set_scale(job, err));
    job->classes = vlp_names_new();
    for (int i = 0; i < job->classifier.n; i++)
        vlp_names_add(job->classes, job->classifier.name[i]);
    if (!classify.save) return VLP_OK;
    json_t *about = json_pack("{s:s, s:s}", "command", "vlp-classify", "version", VLP_VERSION);
    const enum vlp_status s =
        vlp_classifier_write(&job->classifier, classify.save, about, classify.force, err);
    json_decref(about);
    return s;
}
