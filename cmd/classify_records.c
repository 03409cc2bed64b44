/*
 * classify_records.c -- stored records: those of a file that are asked for, and the label of each.
 */
#include <string.h>
#include <strings.h>

#include "classify_parts.h"

enum vlp_status classify_read_set(struct classify_job *job, struct vlp_set *set, const char *path,
                                  struct vlp_error *err)
{
    static const enum vlp_modality kinds[] = {VLP_IMAGE, VLP_TEXT,
                                              VLP_ANY}; /* enum classify_only */
    const bool                     text = classify.only == CLASSIFY_TEXT;
    VLP_TRY(vlp_set_read(set, path, err));
    if (cmd_warn_of_end(path, set->ending)) job->cut = true;
    const bool tells = !vlp_embedding_bare(set->file.reader);
    const int  all = set->n, out = tells ? vlp_set_only(set, kinds[classify.only]) : 0;
    if (out && out == all) {
        vlp_set_free(set);
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: only %s in it; --only %s takes them", path,
                        text ? "pictures" : "texts", text ? "image" : "text");
    }
    if (out)
        cmd_note("%s: %d of %d records are %s and are left out", path, out, all,
                 text ? "pictures" : "texts");
    return VLP_OK;
}

enum vlp_status classify_layer(bool *penultimate, const struct vlp_set *set, const char *path,
                               struct vlp_error *err)
{
    const char *layer = json_string_value(json_object_get(set->header.about, "layer"));
    const bool  features = layer && strcmp(layer, "features") == 0;
    *penultimate = classify.penultimate || (layer && strcmp(layer, "penultimate") == 0);
    if (!features || !classify.penultimate) return VLP_OK;
    return vlp_fail(err, VLP_ERR_MISMATCH,
                    "%s holds features, not what the last projection sees: it does not go with "
                    "--penultimate",
                    path);
}

const char *classify_own_label(const struct vlp_set *set, int i)
{
    const char *own = set->flags[i] & VLP_RECORD_LABEL ? set->metas[i] : NULL;
    return own && *own ? own : NULL;
}

const char *classify_label_of(const struct classify_job *job, const char *id, size_t id_len,
                              const char *own, struct vlp_buf *buf)
{
    if (job->truth) return vlp_truth_of(job->truth, id, id_len);
    if (own && *own) return own;
    if (!classify.folder_labels) return NULL;
    const char *member = vlp_member_of_id(id), *path = member ? member : id;
    const char *end = strrchr(path, '/');
    if (!end) return NULL;
    const char *begin = end;
    while (begin > path && begin[-1] != '/') begin--;
    const size_t len = (size_t)(end - begin);
    if (len == 0 || (len == 1 && *begin == '.')) return NULL; /* "/a.png", "./a.png" */
    vlp_buf_clear(buf);
    vlp_buf_add(buf, begin, len);
    return buf->data;
}

const char *classify_truth_ids(void)
{
    return strcasecmp(vlp_path_ext(classify.truth), "npy") == 0
               ? " (those of a .npy are the numbers of its rows, from 0)"
               : "";
}

enum vlp_status classify_no_label(const struct classify_job *job, const char *path, bool any,
                                  struct vlp_error *err)
{
    if (any)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: no record that has a label can be used", path);
    if (!job->truth)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: no record has a label (give --truth or --folder-labels)", path);
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: no record has a label in %s%s", path, classify.truth,
                    classify_truth_ids());
}
