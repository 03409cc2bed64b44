/*
 * search_set.c -- one embedding file as a set: its live records, and their vectors in f32.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

enum vlp_status vlp_set_read(struct vlp_set *out, const char *path, struct vlp_error *err)
{
    struct vlp_embedding_set file;
    VLP_TRY(vlp_embedding_load(&file, path, NULL, err));
    if (file.n > INT32_MAX / 2) {
        vlp_embedding_set_free(&file);
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: more than %d records cannot be held in memory",
                        path, INT32_MAX / 2);
    }
    *out = (struct vlp_set){.header = file.header,
                            .n = (int)file.n,
                            .ids = file.ids,
                            .id_lens = file.id_lens,
                            .flags = file.flags,
                            .metas = file.metas,
                            .meta_lens = file.meta_lens,
                            .ending = vlp_embedding_ending(file.reader),
                            .file = file};
    return VLP_OK;
}

bool vlp_record_is(enum vlp_modality wanted, const struct vlp_embedding_header *h, uint32_t flags)
{
    const bool text = (flags & VLP_RECORD_TEXT) != 0 || h->modality == VLP_TEXT;
    return wanted == VLP_ANY || text == (wanted == VLP_TEXT);
}

void vlp_records_only(struct vlp_embedding_set *f, enum vlp_modality wanted)
{
    int64_t n = 0;
    for (int64_t i = 0; i < f->n; i++) {
        if (!vlp_record_is(wanted, &f->header, f->flags[i])) continue;
        f->row[n] = f->row[i];
        f->ids[n] = f->ids[i];
        f->id_lens[n] = f->id_lens[i];
        f->flags[n] = f->flags[i];
        f->metas[n] = f->metas[i];
        f->meta_lens[n++] = f->meta_lens[i];
    }
    f->n = n;
}

int vlp_set_only(struct vlp_set *s, enum vlp_modality wanted)
{
    const int before = s->n;
    vlp_records_only(&s->file, wanted); /* the set's arrays are the file's */
    s->n = (int)s->file.n;
    return before - s->n;
}

void vlp_set_free(struct vlp_set *s)
{
    if (s->ids || s->file.reader) vlp_embedding_set_free(&s->file);
    free(s->f32);
    *s = (struct vlp_set){0};
}

const float *vlp_set_vectors(struct vlp_set *s, enum vlp_metric metric)
{
    if (s->f32) return s->f32;
    const int dim = s->header.dim;
    s->f32 = vlp_malloc(((size_t)s->n * (size_t)dim + 1) * sizeof *s->f32);
    for (int i = 0; i < s->n; i++) {
        float *x = s->f32 + (size_t)i * (size_t)dim;
        vlp_embedding_set_f32(&s->file, i, x);
        if (metric == VLP_COSINE && !s->header.normalized) vlp_unit_length(x, dim);
    }
    return s->f32;
}

int vlp_set_run(const struct vlp_set *s, int first, struct vlp_embedding_block *b)
{
    const size_t row = vlp_embedding_row_size(&s->header);
    int          end = first;
    while (end < s->n && (const char *)s->file.row[end] ==
                             (const char *)s->file.row[first] + (size_t)(end - first) * row)
        end++;
    *b = (struct vlp_embedding_block){.n = end - first, .row_size = row};
    if (first == s->n) return 0;
    b->ids = s->ids + first;
    b->id_lens = s->id_lens + first;
    b->flags = s->flags + first;
    b->metas = s->metas + first;
    b->meta_lens = s->meta_lens + first;
    b->raw = s->file.row[first];
    return b->n;
}
