/*
 * search_rerank.c -- the order of matches decided anew by better vectors of the same records.
 *
 * An id alone does not say which record is meant: a picture and its caption may share one, and ids
 * may repeat.
 */
#include <stdlib.h>
#include <string.h>

#include "search_index_internal.h"

struct vlp_better {
    const struct vlp_set *set;
    struct vlp_candidates rows; /* all of the set */
    struct vlp_id_table  *ids;
    int                  *next; /* (n) the next row of the same id; -1: there is none */
    bool                  bare; /* texts and pictures are not told apart */
};

struct vlp_better *vlp_better_open(const struct vlp_set *set, const struct vlp_compute *c,
                                   enum vlp_metric metric)
{
    struct vlp_better *b = vlp_calloc(1, sizeof *b);
    const size_t       n = (size_t)set->n;
    int               *last = vlp_malloc((n + 1) * sizeof *last); /* of an id, by its first row */
    b->set = set;
    vlp_candidates_open(&b->rows, c, set, metric, NULL, set->n);
    b->ids = vlp_id_table_new(set->ids, set->id_lens, set->n);
    b->next = vlp_malloc((n + 1) * sizeof *b->next);
    b->bare = vlp_embedding_bare(set->file.reader);
    for (int i = 0; i < set->n; i++) {
        const int first = vlp_id_find(b->ids, set->ids[i], set->id_lens[i]);
        b->next[i] = -1;
        if (first != i) b->next[last[first]] = i;
        last[first] = i;
    }
    free(last);
    return b;
}

void vlp_better_close(struct vlp_better *b)
{
    if (!b) return;
    vlp_candidates_close(&b->rows);
    vlp_id_table_free(b->ids);
    free(b->next);
    free(b);
}

/* ---- which row --------------------------------------------------------------------- */

/* A match that more than one row could stand for. */
struct twin {
    const struct vlp_match *match;
    bool                    any; /* texts and pictures are counted as one */
    int                     nth; /* of its like in the index, from 0 */
    int                    *row;
};

static bool is_text(uint32_t flags)
{
    return (flags & VLP_RECORD_TEXT) != 0;
}

/* The nth row that is like the match, or -1; *n: how many there are. */
static int nth_row(const struct vlp_better *b, const struct vlp_match *m, bool any, int nth, int *n)
{
    int found = -1;
    *n = 0;
    for (int row = vlp_id_find(b->ids, m->id, m->id_len); row >= 0; row = b->next[row])
        if ((any || is_text(b->set->flags[row]) == is_text(m->flags)) && (*n)++ == nth) found = row;
    return found;
}

static int twin_order(const void *a, const void *b)
{
    const int64_t x = ((const struct twin *)a)->match->row,
                  y = ((const struct twin *)b)->match->row;
    return (x > y) - (x < y);
}

/* Walk through the index and count what is alike. */
static enum vlp_status number_twins(struct twin *twin, int n, struct vlp_index *ix,
                                    struct vlp_error *err)
{
    const char **ids = vlp_malloc((size_t)n * sizeof *ids);
    size_t      *lens = vlp_malloc((size_t)n * sizeof *lens);
    int(*seen)[2] = vlp_calloc((size_t)n, sizeof *seen); /* pictures, texts of an id */
    enum vlp_status s = VLP_OK;
    qsort(twin, (size_t)n, sizeof *twin, twin_order);
    for (int i = 0; i < n; i++) {
        ids[i] = twin[i].match->id;
        lens[i] = twin[i].match->id_len;
    }
    struct vlp_id_table *table = vlp_id_table_new(ids, lens, n);
    index_rewind(ix);
    for (int at = 0; at < n;) {
        struct index_block b;
        s = index_next(ix, &b, err);
        if (s != VLP_OK || b.records.n == 0) break;
        for (int i = 0; i < b.records.n; i++) {
            if (index_is_dead(ix, &b, i)) continue;
            const int w = vlp_id_find(table, b.records.ids[i], b.records.id_lens[i]);
            if (w < 0) continue;
            const bool text = is_text(b.records.flags[i]);
            for (; at < n && twin[at].match->row == b.first + i; at++)
                twin[at].nth = twin[at].any ? seen[w][0] + seen[w][1] : seen[w][text];
            seen[w][text]++;
        }
    }
    index_rewind(ix);
    vlp_id_table_free(table);
    free(seen);
    free(lens);
    free(ids);
    return s;
}

/* The row of each match, one query after the other; -1: there is none. */
static enum vlp_status find_rows(int *row, const struct vlp_matches *m, struct vlp_index *ix,
                                 const struct vlp_better *b, struct vlp_error *err)
{
    struct twin    *twin = NULL;
    int             n_twins = 0, n;
    enum vlp_status s = VLP_OK;
    for (int q = 0; q < m->n; q++) {
        for (int i = 0; i < m->count[q]; i++, row++) {
            const struct vlp_match *match = &m->match[q][i];
            const bool              any = b->bare || ix->file[match->file].bare;
            *row = nth_row(b, match, any, 0, &n);
            if (n < 2) continue;
            if ((n_twins & (n_twins - 1)) == 0)
                twin = vlp_realloc(twin, (n_twins ? 2 * (size_t)n_twins : 1) * sizeof *twin);
            twin[n_twins++] = (struct twin){.match = match, .any = any, .row = row};
        }
    }
    if (n_twins) s = number_twins(twin, n_twins, ix, err);
    for (int i = 0; i < n_twins && s == VLP_OK; i++)
        *twin[i].row = nth_row(b, twin[i].match, twin[i].any, twin[i].nth, &n);
    free(twin);
    return s;
}

/* ---- the order --------------------------------------------------------------------- */

/* The run that row i is in. */
static const struct vlp_rows *run_of(const struct vlp_candidates *c, int i)
{
    int low = 0, high = c->n_runs - 1;
    while (low < high) {
        const int middle = low + (high - low + 1) / 2;
        if (c->run[middle].first <= i)
            low = middle;
        else
            high = middle - 1;
    }
    return &c->run[low];
}

static int match_order(const void *a, const void *b)
{
    const struct vlp_match *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

enum vlp_status vlp_matches_rerank(struct vlp_matches *m, struct vlp_index *ix,
                                   const struct vlp_compute *c, const float *queries,
                                   const struct vlp_better *b, int k, float min_score,
                                   struct vlp_error *err)
{
    const size_t       dim = (size_t)b->set->header.dim;
    struct vlp_compute alone = *c;
    size_t             total = 0;
    alone.pool = NULL;
    for (int q = 0; q < m->n; q++) total += (size_t)m->count[q];
    int                  *rows = vlp_malloc((total + 1) * sizeof *rows), *row = rows;
    const enum vlp_status s = find_rows(rows, m, ix, b, err);
    for (int q = 0; q < m->n && s == VLP_OK; q++) {
        struct vlp_match *match = m->match[q];
        const float      *query = queries + (size_t)q * dim;
        const float       again = cosine_limit(&alone, query, (int)dim);
        int               n = 0;
        for (int i = 0; i < m->count[q]; i++, row++) {
            m->n_unknown += *row < 0;
            if (*row < 0) continue;
            float                  score;
            const struct vlp_rows *run = run_of(&b->rows, *row);
            score_rows(&alone, &score, query, again, run, *row - (int)run->first, 1);
            if (score >= min_score) {
                match[n] = match[i];
                match[n++].score = score;
            }
        }
        if (n) qsort(match, (size_t)n, sizeof *match, match_order);
        m->count[q] = k && n > k ? k : n;
    }
    free(rows);
    return s;
}
