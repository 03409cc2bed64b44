/*
 * match_session.c -- what every way of answering begins with: the model, the sets, the output.
 */
#include <string.h>

#include "match.h"

enum vlp_status match_open_encoder(struct match_job *job, const struct vlp_embedding_header *h,
                                   const char *h_name, struct vlp_error *err)
{
    struct vlp_embedding_header ours = {0};
    if (job->has_encoder) return VLP_OK;
    VLP_TRY(cmd_model_open(&job->encoder, err));
    job->has_encoder = true;
    ours.dim = job->encoder.model.embed_dim;
    memcpy(ours.fingerprint, job->encoder.fingerprint, sizeof ours.fingerprint);
    return vlp_embedding_compatible(h, h_name, &ours, cmd_model_path(), match.ignore_model, err);
}

enum vlp_status match_refuse_bare(const char *path, struct vlp_error *err)
{
    return vlp_fail(err, VLP_ERR_USAGE, "%s does not tell texts from pictures: nothing to choose",
                    path);
}

const char *match_kind(int only)
{
    return only == VLP_IMAGE ? "picture" : only == VLP_TEXT ? "text" : "record";
}

enum vlp_status match_read_any(struct match_job *job, struct vlp_set *s, const char *path, int only,
                               struct vlp_error *err)
{
    VLP_TRY(vlp_set_read(s, path, err));
    if (cmd_warn_of_end(path, s->ending)) job->skipped = true;
    const bool bare = vlp_embedding_bare(s->file.reader);
    vlp_set_only(s, (enum vlp_modality)only);
    if (only == VLP_ANY || !bare) return VLP_OK;
    vlp_set_free(s);
    return match_refuse_bare(path, err);
}

enum vlp_status match_read_set(struct match_job *job, struct vlp_set *s, const char *path, int only,
                               struct vlp_error *err)
{
    VLP_TRY(match_read_any(job, s, path, only, err));
    if (s->n > 0) return VLP_OK;
    vlp_set_free(s);
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: no %s in it", path, match_kind(only));
}

enum vlp_status match_check_vectors(struct match_job *job, const struct vlp_set *s, const float *x,
                                    struct vlp_error *err)
{
    const int dim = s->header.dim;
    bool      odd;
    for (int i = 0; i < s->n; i++)
        VLP_TRY(cmd_check_vector(&job->failures, s->ids[i], s->id_lens[i],
                                 x + (size_t)i * (size_t)dim, dim, &odd, err));
    return VLP_OK;
}

enum vlp_status match_open_output(struct match_job *job, struct vlp_error *err)
{
    return vlp_output_open(&job->out, match.output ? match.output : "-", match.force, err);
}
