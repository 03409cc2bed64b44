/*
 * classify_inputs.c -- pictures through the encoder, or stored vectors, to the classifier.
 */
#include "classify_parts.h"

/* What pictures are turned into: what the classes were made from. Vectors of unit length are what
 * vlp-embed writes unless told otherwise, which a file that names no model cannot say. */
static struct vlp_features features_for(const struct classify_job *job)
{
    const struct vlp_classifier *c = &job->classifier;
    return (struct vlp_features){.normalize = job->has_knn || c->unit_inputs ||
                                              (!c->penultimate && !c->fingerprint[0]),
                                 .penultimate = c->penultimate};
}

static enum vlp_status take(void *ctx, const struct vlp_embedded *r, struct vlp_error *err)
{
    struct classify_job   *job = ctx;
    const struct vlp_item *it = r->item;
    if (r->status != VLP_OK || !r->image) {
        const enum vlp_status why = r->status != VLP_OK ? r->status : VLP_ERR_FORMAT;
        cmd_failures_add(&job->failures, it->id, it->id_len, why,
                         r->status != VLP_OK ? r->reason : "no picture in this record");
        if (it->lost_input && job->lost == VLP_OK) job->lost = why;
        cmd_progress_add(0, 1);
        if (job->failures.stop_at_first) return vlp_fail(err, why, "stopped at '%s'", it->id);
        return VLP_OK;
    }
    cmd_warn_of_damage(&job->failures, it->id, it->id_len, r->warning);
    classify_one(job, it->id, it->id_len, r->image, it->label, cmd_page_item(job->page, r->item));
    cmd_progress_add(1, 0);
    return VLP_OK;
}

static bool stop(void *ctx)
{
    (void)ctx;
    return cmd_stopped() != 0;
}

static void reading(void *ctx, bool begins)
{
    (void)ctx;
    cmd_reading(begins);
}

enum vlp_status classify_pictures(struct classify_job *job, char *const *paths, int n_paths,
                                  struct vlp_error *err)
{
    struct vlp_source_options so;
    struct vlp_source        *source;
    struct vlp_embed_options  o = {.batch = (int)classify.batch,
                                   .features = features_for(job),
                                   .images = true,
                                   .take = take,
                                   .stop = stop,
                                   .reading = reading,
                                   .ctx = job};
    int                       dim;
    char                      fingerprint[33];
    VLP_TRY(classify_open_encoder(job, err));
    VLP_TRY(vlp_features_dim(&job->encoder, &o.features, &dim, err));
    vlp_features_fingerprint(&job->encoder, &o.features, fingerprint);
    VLP_TRY(classify_check_fit(job, dim, fingerprint, cmd_model_path(), err));
    cmd_source_options(&so, paths, n_paths);
    so.outputs = job->files;
    so.n_outputs = CLASSIFY_FILES;
    so.text_fault = VLP_FAULT_UNASKED;
    so.label_fault = classify.truth ? VLP_FAULT_UNASKED : VLP_FAULT_APART;
    VLP_TRY(vlp_source_open(&source, &so, err));
    cmd_progress_start("pictures", vlp_source_expected(source));
    const enum vlp_status s = vlp_embed_run(&job->encoder, source, &o, err);
    cmd_progress_end();
    vlp_source_close(source);
    return s;
}

bool classify_enough(const struct classify_job *job)
{
    return cmd_source.limit > 0 && job->n_given >= cmd_source.limit;
}

/* Where all vectors are here already, --report and --confusion are refused before the first of them
 * if no answer could be held against a right label. */
static enum vlp_status expect_labels(const struct classify_job *job, const struct vlp_set *set,
                                     struct vlp_error *err)
{
    struct vlp_buf buf = {0};
    bool           any = (!classify.report && !classify.confusion) || classify.embeddings.n > 1;
    for (int i = 0; i < set->n && !any; i++) {
        const char *label =
            classify_label_of(job, set->ids[i], set->id_lens[i], classify_own_label(set, i), &buf);
        any = label && classify_number_of(job, label) >= 0;
    }
    vlp_buf_free(&buf);
    if (any) return VLP_OK;
    return vlp_fail(err, VLP_ERR_USAGE,
                    "no record has a right label among the classes: give --truth or "
                    "--folder-labels");
}

/* A probe that was fitted to vectors as the model gives them has other answers for unit ones. */
static enum vlp_status check_length(const struct classify_job *job, const struct vlp_set *set,
                                    const char *path, struct vlp_error *err)
{
    const struct vlp_classifier *c = &job->classifier;
    const bool                   known = c->fingerprint[0] && set->header.fingerprint[0];
    if (job->has_knn || c->unit_inputs || !set->header.normalized || !known) return VLP_OK;
    if (classify.ignore_model) return VLP_OK;
    return vlp_fail(err, VLP_ERR_MISMATCH,
                    "%s has vectors of unit length, the probe was fitted to vectors as the model "
                    "gives them",
                    path);
}

enum vlp_status classify_vectors(struct classify_job *job, const char *path, struct vlp_error *err)
{
    struct vlp_set set;
    cmd_reading(true); /* a pipe may let us wait */
    enum vlp_status s = classify_read_set(job, &set, path, err);
    cmd_reading(false);
    if (cmd_stopped()) {
        if (s == VLP_OK) vlp_set_free(&set);
        return vlp_fail(err, VLP_ERR_STOPPED, "stopped");
    }
    if (s != VLP_OK) return s;
    s = classify_check_fit(job, set.header.dim, set.header.fingerprint, path, err);
    if (s == VLP_OK) s = check_length(job, &set, path, err);
    if (s == VLP_OK) s = expect_labels(job, &set, err);
    if (s == VLP_OK) {
        const float *x = vlp_set_vectors(&set, job->has_knn ? VLP_COSINE : VLP_DOT);
        cmd_progress_start("vectors", set.n);
        for (int i = 0; i < set.n && !cmd_stopped(); i++) {
            if (!cmd_in_shard(set.ids[i], set.id_lens[i])) continue;
            if (classify_enough(job)) break;
            job->n_given++;
            const float *row = x + (size_t)i * (size_t)set.header.dim;
            bool         odd;
            s = cmd_check_vector(&job->failures, set.ids[i], set.id_lens[i], row, set.header.dim,
                                 &odd, err);
            if (s != VLP_OK) break;
            if (odd) continue;
            const char *own = classify_own_label(&set, i);
            const bool is_text = (set.flags[i] & VLP_RECORD_TEXT) || classify.only == CLASSIFY_TEXT;
            const char *picture =
                classify.html ? cmd_page_picture(&set.file.mem, NULL, set.ids[i], is_text) : NULL;
            classify_one(job, set.ids[i], set.id_lens[i], row, own, picture);
            cmd_progress_add(1, 0);
        }
        cmd_progress_end();
        if (cmd_stopped()) s = vlp_fail(err, VLP_ERR_STOPPED, "stopped");
    }
    vlp_set_free(&set);
    return s;
}
