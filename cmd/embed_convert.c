/*
 * embed_convert.c -- vlp-embed --convert: embedding files into one of another format or type.
 */
#include <inttypes.h>
#include <string.h>

#include <vlp/search.h>

#include "embed_job.h"

static enum vlp_status write_set(struct vlp_embedding_writer *w, struct vlp_set *set,
                                 enum vlp_metric metric, struct vlp_error *err)
{
    const float *vectors = vlp_set_vectors(set, metric);
    for (int i = 0; i < set->n; i++) {
        const struct vlp_record r = {.id = set->ids[i],
                                     .id_len = set->id_lens[i],
                                     .flags = set->flags[i],
                                     .meta = set->metas[i],
                                     .meta_len = set->metas[i] ? set->meta_lens[i] : 0,
                                     .vector = vectors + (size_t)i * (size_t)set->header.dim};
        VLP_TRY(vlp_embedding_write(w, &r, err));
    }
    return VLP_OK;
}

static struct vlp_embedding_header header_for(const struct embed_options *o,
                                              const struct vlp_set *first, bool unit)
{
    static const enum vlp_dtype dtypes[] = {VLP_F32, VLP_F16, VLP_BF16, VLP_I8};
    struct vlp_embedding_header h = first->header;
    if (cmd_given("dtype")) h.dtype = dtypes[o->dtype];
    if (h.dtype != VLP_F32 && h.dtype != VLP_F16 && h.dtype != VLP_BF16 && h.dtype != VLP_I8)
        h.dtype = VLP_F32;
    if (unit) h.normalized = true;
    return h;
}

int embed_convert(const struct embed_options *o, char **inputs, int n)
{
    const struct vlp_embedding_write_options how = {
        .format = o->format, .force = o->force, .header = o->header};
    const bool                   unit = cmd_given("normalize");
    struct vlp_embedding_writer *w = NULL;
    struct vlp_set               first, next;
    struct vlp_error             err;
    int64_t                      records = 0;
    enum vlp_status              s = vlp_set_read(&first, inputs[0], &err);
    if (s != VLP_OK) return cmd_fail(&err);
    const struct vlp_embedding_header h = header_for(o, &first, unit);
    s = vlp_embedding_writer_open(&w, o->output, &h, &how, &err);
    for (int i = 0; i < n && s == VLP_OK; i++) {
        struct vlp_set *set = i == 0 ? &first : &next;
        if (i > 0) s = vlp_set_read(set, inputs[i], &err);
        if (s != VLP_OK) break;
        if (set->torn) cmd_warn("%s: its last block is cut off", inputs[i]);
        s = vlp_embedding_compatible(&first.header, inputs[0], &set->header, inputs[i], false,
                                     &err);
        if (s == VLP_OK) s = write_set(w, set, unit ? VLP_COSINE : VLP_DOT, &err);
        records += set->n;
        if (i > 0) vlp_set_free(set);
    }
    vlp_set_free(&first);
    if (s == VLP_OK)
        s = vlp_embedding_writer_close(w, &err);
    else if (w)
        vlp_embedding_writer_abandon(w);
    if (s != VLP_OK) return cmd_fail(&err);
    cmd_note("%" PRId64 " records converted", records);
    return CMD_OK;
}
