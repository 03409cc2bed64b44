/*
 * embedding_index.c -- which ids an embedding file has, with their stamps.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embedding_internal.h"

enum { KINDS = 2 }; /* picture, text */

struct entry {
    bool        there[KINDS], seen;
    uint32_t    flags[KINDS];
    const char *meta[KINDS];
    size_t      meta_len[KINDS];
};

struct vlp_embedding_index {
    bool                        has_header;
    struct vlp_embedding_header header;
    struct id_table             table; /* values are places in entry */
    struct entry               *entry;
    size_t                      n, cap;
    int64_t                     live;
    size_t                      next; /* slot of the table, for _unseen */
    struct vlp_arena            mem;
};

static struct entry *entry_of(struct vlp_embedding_index *ix, const char *id, size_t len)
{
    const struct id_slot *known = id_table_get(&ix->table, id, len);
    if (known) return &ix->entry[known->value];
    if (ix->n == ix->cap) {
        ix->cap = ix->cap ? 2 * ix->cap : 1024;
        ix->entry = vlp_realloc(ix->entry, ix->cap * sizeof *ix->entry);
    }
    ix->entry[ix->n] = (struct entry){0};
    id_table_put(&ix->table, vlp_arena_strndup(&ix->mem, id, len), len)->value = (int64_t)ix->n;
    return &ix->entry[ix->n++];
}

static void take(struct vlp_embedding_index *ix, const struct vlp_embedding_block *b, int i)
{
    struct entry *e = entry_of(ix, b->ids[i], b->id_lens[i]);
    if (b->flags[i] & VLP_RECORD_DELETED) {
        for (int k = 0; k < KINDS; k++) {
            ix->live -= e->there[k];
            e->there[k] = false;
        }
        return;
    }
    const int k = (b->flags[i] & VLP_RECORD_TEXT) != 0;
    ix->live += !e->there[k];
    e->there[k] = true;
    e->flags[k] = b->flags[i];
    e->meta[k] = b->metas[i] ? vlp_arena_strndup(&ix->mem, b->metas[i], b->meta_lens[i]) : NULL;
    e->meta_len[k] = b->metas[i] ? b->meta_lens[i] : 0;
}

/* Nothing to read yet: no file, or one whose writer did not get past its header. */
static bool nothing_there(const char *path)
{
    struct stat st;
    const int   fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return !vlp_file_exists(path);
    const bool nothing =
        fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && vle_only_begun(fd, (uint64_t)st.st_size);
    close(fd);
    return nothing;
}

enum vlp_status vlp_embedding_index_open(struct vlp_embedding_index **out, const char *path,
                                         struct vlp_error *err)
{
    struct vlp_embedding_index  *ix = vlp_calloc(1, sizeof *ix);
    struct vlp_embedding_reader *r;
    struct vlp_embedding_block   b;
    if (nothing_there(path)) {
        *out = ix;
        return VLP_OK;
    }
    enum vlp_status s = vlp_embedding_open(&r, path, err);
    if (s == VLP_OK) {
        ix->has_header = true;
        ix->header = r->header;
        json_incref(ix->header.about);
        while ((s = vlp_embedding_next(r, &b, err)) == VLP_OK && b.n)
            for (int i = 0; i < b.n; i++) take(ix, &b, i);
        vlp_embedding_close(r);
    }
    if (s != VLP_OK) {
        vlp_embedding_index_close(ix);
        return s;
    }
    *out = ix;
    return VLP_OK;
}

void vlp_embedding_index_close(struct vlp_embedding_index *ix)
{
    if (!ix) return;
    json_decref(ix->header.about);
    id_table_free(&ix->table);
    free(ix->entry);
    vlp_arena_free(&ix->mem);
    free(ix);
}

const struct vlp_embedding_header *vlp_embedding_index_header(const struct vlp_embedding_index *ix)
{
    return ix->has_header ? &ix->header : NULL;
}

int64_t vlp_embedding_index_count(const struct vlp_embedding_index *ix)
{
    return ix->live;
}

bool vlp_embedding_index_find(struct vlp_embedding_index *ix, const char *id, size_t len,
                              uint32_t kind, struct vlp_embedding_entry *e)
{
    const struct id_slot *slot = id_table_get(&ix->table, id, len);
    if (!slot) return false;
    struct entry *found = &ix->entry[slot->value];
    const int     k = (kind & VLP_RECORD_TEXT) != 0;
    found->seen = true;
    if (found->there[k] && e)
        *e = (struct vlp_embedding_entry){found->flags[k], found->meta[k], found->meta_len[k]};
    return found->there[k];
}

bool vlp_embedding_index_unseen(struct vlp_embedding_index *ix, const char **id, size_t *len)
{
    while (ix->next < ix->table.cap) {
        const struct id_slot *s = &ix->table.slot[ix->next++];
        const struct entry   *e = s->id ? &ix->entry[s->value] : NULL;
        if (!e || e->seen || !(e->there[0] || e->there[1])) continue;
        *id = s->id;
        *len = s->len;
        return true;
    }
    return false;
}
