/*
 * search_keeper.c -- ids and notes of the records that are hits so far.
 *
 * Blocks come and go, and with them their strings; only those of rows that stand in a shortlist are
 * kept. Rows arrive in rising order, so the store is sorted; when most of it has been pushed out
 * of the shortlists it is written anew.
 */
#include <stdlib.h>
#include <string.h>

#include "search_index_internal.h"

enum { SLACK = 4096 };

struct kept {
    int64_t  row;
    char    *id, *meta;
    size_t   id_len, meta_len;
    uint32_t flags;
    int      file;
};

struct keeper {
    struct kept *kept;          /* by rising row */
    size_t       n, cap, clean; /* clean: how many were left by the last cleaning */
    int64_t     *rows;          /* visited rows, scratch */
    size_t       n_rows, rows_cap;
};

struct keeper *keeper_open(void)
{
    return vlp_calloc(1, sizeof(struct keeper));
}

static void forget(struct kept *e)
{
    free(e->id);
    free(e->meta);
}

void keeper_close(struct keeper *k)
{
    if (!k) return;
    for (size_t i = 0; i < k->n; i++) forget(&k->kept[i]);
    free(k->kept);
    free(k->rows);
    free(k);
}

static void visit(void *ctx, int64_t row)
{
    struct keeper *k = ctx;
    if (k->n_rows == k->rows_cap) {
        k->rows_cap = k->rows_cap ? 2 * k->rows_cap : 256;
        k->rows = vlp_realloc(k->rows, k->rows_cap * sizeof *k->rows);
    }
    k->rows[k->n_rows++] = row;
}

static int row_order(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The rows in shortlists from `first` on, sorted, each once. */
static void recent_rows(struct keeper *k, struct vlp_search *s, int64_t first)
{
    k->n_rows = 0;
    vlp_search_recent(s, first, visit, k);
    if (!k->n_rows) return;
    qsort(k->rows, k->n_rows, sizeof *k->rows, row_order);
    size_t n = 1;
    for (size_t i = 1; i < k->n_rows; i++)
        if (k->rows[i] != k->rows[n - 1]) k->rows[n++] = k->rows[i];
    k->n_rows = n;
}

/* Forget what is no hit any more: both lists are sorted by row. */
static void clean(struct keeper *k, struct vlp_search *s)
{
    recent_rows(k, s, 0);
    size_t n = 0, r = 0;
    for (size_t i = 0; i < k->n; i++) {
        while (r < k->n_rows && k->rows[r] < k->kept[i].row) r++;
        if (r < k->n_rows && k->rows[r] == k->kept[i].row)
            k->kept[n++] = k->kept[i];
        else
            forget(&k->kept[i]);
    }
    k->n = k->clean = n;
}

void keeper_take(struct keeper *k, struct vlp_search *s, const struct index_block *b)
{
    recent_rows(k, s, b->first);
    if (k->n + k->n_rows > k->cap) {
        k->cap = 2 * (k->n + k->n_rows);
        k->kept = vlp_realloc(k->kept, k->cap * sizeof *k->kept);
    }
    for (size_t r = 0; r < k->n_rows; r++) {
        const int   i = (int)(k->rows[r] - b->first);
        const char *meta = b->records.metas ? b->records.metas[i] : NULL;
        k->kept[k->n++] =
            (struct kept){.row = k->rows[r],
                          .id = vlp_strndup(b->records.ids[i], b->records.id_lens[i]),
                          .id_len = b->records.id_lens[i],
                          .meta = meta ? vlp_strndup(meta, b->records.meta_lens[i]) : NULL,
                          .meta_len = meta ? b->records.meta_lens[i] : 0,
                          .flags = b->records.flags[i],
                          .file = b->file};
    }
    /* with k = 0 nothing is ever pushed out, and recent rows are shown only once */
    if (!search_keeps_all(s) && k->n > 4 * k->clean + SLACK) clean(k, s);
}

static int kept_order(const void *key, const void *e)
{
    const int64_t row = *(const int64_t *)key, other = ((const struct kept *)e)->row;
    return (row > other) - (row < other);
}

void keeper_give(const struct keeper *k, struct vlp_match *m)
{
    const struct kept *e = bsearch(&m->row, k->kept, k->n, sizeof *k->kept, kept_order);
    m->id = e->id;
    m->id_len = e->id_len;
    m->meta = e->meta;
    m->meta_len = e->meta_len;
    m->flags = e->flags;
    m->file = e->file;
}
