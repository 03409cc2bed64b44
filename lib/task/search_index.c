/*
 * search_index.c -- embedding files read as one, block by block, with what deletes their records.
 *
 * A file is read again for every pass, so none must fit in memory; stdin and other pipes, which
 * cannot be read again, are kept. Deletions stand after what they delete: a first pass that meets
 * any is repeated once they are known.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "search_index_internal.h"

static bool is_pipe(const char *path)
{
    struct stat st;
    return strcmp(path, "-") == 0 ||
           (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

static enum vlp_status look_at(struct vlp_index *ix, struct index_file *f, bool ignore_model,
                               struct vlp_error *err)
{
    struct vlp_embedding_reader       *r = NULL;
    const struct vlp_embedding_header *h;
    if (is_pipe(f->path)) {
        VLP_TRY(vlp_set_read(&f->set, f->path, err));
        f->in_memory = true;
        f->bare = vlp_embedding_bare(f->set.file.reader);
        h = &f->set.header;
        f->ending = f->set.ending;
    } else {
        VLP_TRY(vlp_embedding_open(&r, f->path, err));
        f->bare = vlp_embedding_bare(r);
        h = vlp_embedding_header(r);
    }
    enum vlp_status s = VLP_OK;
    if (f == ix->file) {
        ix->header = *h;
        if (ix->header.about) json_incref(ix->header.about);
        ix->model = f->path;
    } else {
        s = vlp_embedding_compatible(&ix->header, ix->model, h, f->path, ignore_model, err);
    }
    if (!ix->header.fingerprint[0] && h->fingerprint[0]) {
        memcpy(ix->header.fingerprint, h->fingerprint, sizeof h->fingerprint);
        ix->model = f->path;
    }
    if (r) vlp_embedding_close(r);
    return s;
}

enum vlp_status vlp_index_open(struct vlp_index **out, const char *const *paths, int n,
                               bool ignore_model, struct vlp_error *err)
{
    if (n < 1) return vlp_fail(err, VLP_ERR_USAGE, "no embedding file to search");
    struct vlp_index *ix = vlp_calloc(1, sizeof *ix);
    ix->file = vlp_calloc((size_t)n, sizeof *ix->file);
    ix->n_files = n;
    ix->at = n;
    for (int i = 0; i < n; i++) ix->file[i].path = vlp_strdup(paths[i]);
    for (int i = 0; i < n; i++) {
        const enum vlp_status s = look_at(ix, &ix->file[i], ignore_model, err);
        if (s == VLP_OK) continue;
        vlp_index_close(ix);
        return s;
    }
    *out = ix;
    return VLP_OK;
}

void vlp_index_close(struct vlp_index *ix)
{
    if (!ix) return;
    if (ix->reader) vlp_embedding_close(ix->reader);
    for (int i = 0; i < ix->n_files; i++) {
        struct index_file *f = &ix->file[i];
        if (f->in_memory) vlp_set_free(&f->set);
        vlp_id_table_free(f->deleted);
        for (int d = 0; d < f->n_deletions; d++) free(f->deletion_id[d]);
        free(f->deletion_id);
        free(f->deletion_len);
        free(f->deletion_row);
        free(f->path);
    }
    if (ix->header.about) json_decref(ix->header.about);
    free(ix->file);
    free(ix);
}

const struct vlp_embedding_header *vlp_index_header(const struct vlp_index *ix)
{
    return &ix->header;
}

const char *vlp_index_model(const struct vlp_index *ix)
{
    return ix->model;
}

const char *vlp_index_path(const struct vlp_index *ix, int file)
{
    return ix->file[file].path;
}

enum vlp_ending vlp_index_ending(const struct vlp_index *ix, int file)
{
    return ix->file[file].ending;
}

const char *vlp_index_bare(const struct vlp_index *ix)
{
    for (int i = 0; i < ix->n_files; i++)
        if (ix->file[i].bare) return ix->file[i].path;
    return NULL;
}

void index_rewind(struct vlp_index *ix)
{
    if (ix->reader) vlp_embedding_close(ix->reader);
    ix->reader = NULL;
    ix->at = 0;
    ix->row = 0;
    ix->given = 0;
}

enum vlp_status index_next(struct vlp_index *ix, struct index_block *b, struct vlp_error *err)
{
    for (; ix->at < ix->n_files; ix->at++, ix->given = 0) {
        struct index_file *f = &ix->file[ix->at];
        *b = (struct index_block){.file = ix->at, .first = ix->row};
        if (f->in_memory) {
            b->header = &f->set.header;
            if (vlp_set_run(&f->set, ix->given, &b->records) == 0) continue;
            ix->given += b->records.n;
        } else {
            if (!ix->reader) VLP_TRY(vlp_embedding_open(&ix->reader, f->path, err));
            b->header = vlp_embedding_header(ix->reader);
            const enum vlp_status s = vlp_embedding_next(ix->reader, &b->records, err);
            if (s == VLP_OK && b->records.n == 0) f->ending = vlp_embedding_ending(ix->reader);
            if (s != VLP_OK || b->records.n == 0) {
                vlp_embedding_close(ix->reader);
                ix->reader = NULL;
                if (s != VLP_OK) return s;
                continue;
            }
        }
        ix->row += b->records.n;
        return VLP_OK;
    }
    b->records.n = 0;
    return VLP_OK;
}

void index_note_deletions(struct vlp_index *ix, const struct index_block *b)
{
    struct index_file *f = &ix->file[b->file];
    if (f->known) return;
    for (int i = 0; i < b->records.n; i++) {
        if (!(b->records.flags[i] & VLP_RECORD_DELETED)) continue;
        const int n = f->n_deletions;
        if ((n & (n - 1)) == 0) {
            const size_t cap = n ? 2 * (size_t)n : 1;
            f->deletion_id = vlp_realloc(f->deletion_id, cap * sizeof *f->deletion_id);
            f->deletion_len = vlp_realloc(f->deletion_len, cap * sizeof *f->deletion_len);
            f->deletion_row = vlp_realloc(f->deletion_row, cap * sizeof *f->deletion_row);
        }
        f->deletion_id[n] = vlp_strndup(b->records.ids[i], b->records.id_lens[i]);
        f->deletion_len[n] = b->records.id_lens[i];
        f->deletion_row[n] = b->first + i;
        f->n_deletions = n + 1;
    }
}

bool index_learn_deletions(struct vlp_index *ix)
{
    bool news = false;
    for (int i = 0; i < ix->n_files; i++) {
        struct index_file *f = &ix->file[i];
        if (f->known) continue;
        f->known = true;
        if (!f->n_deletions) continue;
        news = true;
        f->deleted =
            vlp_id_table_new((const char *const *)f->deletion_id, f->deletion_len, f->n_deletions);
        /* the table answers with the first of equal ids: it gets the last one's row */
        for (int d = 0; d < f->n_deletions; d++)
            f->deletion_row[vlp_id_find(f->deleted, f->deletion_id[d], f->deletion_len[d])] =
                f->deletion_row[d];
    }
    return news;
}

bool index_is_dead(const struct vlp_index *ix, const struct index_block *b, int i)
{
    const struct index_file *f = &ix->file[b->file];
    if (b->records.flags[i] & VLP_RECORD_DELETED) return true;
    if (!f->deleted) return false;
    const int d = vlp_id_find(f->deleted, b->records.ids[i], b->records.id_lens[i]);
    return d >= 0 && f->deletion_row[d] > b->first + i;
}

enum vlp_status vlp_index_lookup(struct vlp_index *ix, enum vlp_metric metric,
                                 const char *const *ids, const size_t *id_lens, int n_ids,
                                 float *out, uint32_t *flags, bool *found, struct vlp_error *err)
{
    const int            dim = ix->header.dim;
    struct vlp_id_table *wanted = vlp_id_table_new(ids, id_lens, n_ids);
    int                 *file = vlp_malloc((size_t)n_ids * sizeof *file + 1);
    enum vlp_status      s;
    memset(found, 0, (size_t)n_ids * sizeof *found);
    memset(flags, 0, (size_t)n_ids * sizeof *flags);
    index_rewind(ix);
    for (;;) {
        struct index_block b;
        s = index_next(ix, &b, err);
        if (s != VLP_OK || b.records.n == 0) break;
        for (int i = 0; i < b.records.n; i++) {
            const int w = vlp_id_find(wanted, b.records.ids[i], b.records.id_lens[i]);
            if (w < 0) continue;
            if (b.records.flags[i] & VLP_RECORD_DELETED) {
                if (found[w] && file[w] == b.file) found[w] = false;
                continue;
            }
            if (found[w]) continue;
            found[w] = true;
            file[w] = b.file;
            flags[w] = b.records.flags[i];
            float *x = out + (size_t)w * (size_t)dim;
            vlp_embedding_row_f32(b.header, &b.records, i, x);
            if (metric == VLP_COSINE && !b.header->normalized) vlp_unit_length(x, dim);
        }
    }
    index_rewind(ix);
    for (int i = 0; i < n_ids && s == VLP_OK; i++) { /* an id asked for twice */
        const int w = vlp_id_find(wanted, ids[i], id_lens[i]);
        if (w == i) continue;
        found[i] = found[w];
        flags[i] = flags[w];
        memcpy(out + (size_t)i * (size_t)dim, out + (size_t)w * (size_t)dim,
               (size_t)dim * sizeof *out);
    }
    vlp_id_table_free(wanted);
    free(file);
    return s;
}
