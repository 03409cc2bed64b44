/*
 * search_candidates.c -- records of a set as a search of its file scores them.
 *
 * Rows stay where they are as long as many lie side by side. Where only few do, pictures between
 * their captions for one, they are copied together: a run that is short costs more than its sums.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

enum { SHORT_RUN = 64 };

static bool follows(const void *row, const void *before, size_t size)
{
    return (const char *)row == (const char *)before + size;
}

/* Where the rows are: in the set, or copied together. The caller frees the list. */
static const void **rows_at(struct vlp_arena *mem, const struct vlp_set *s, const int *record,
                            int n, size_t size)
{
    const void **row = vlp_malloc(((size_t)n + 1) * sizeof *row);
    int          stretches = n > 0;
    for (int i = 0; i < n; i++) {
        row[i] = s->file.row[record ? record[i] : i];
        stretches += i > 0 && !follows(row[i], row[i - 1], size);
    }
    if (stretches <= n / SHORT_RUN) return row;
    char *copy = vlp_arena_alloc(mem, (size_t)n * size + 1);
    for (int i = 0; i < n; i++) row[i] = memcpy(copy + (size_t)i * size, row[i], size);
    return row;
}

static struct vlp_rows *add_run(struct vlp_candidates *out)
{
    const size_t n = (size_t)out->n_runs;
    if ((n & (n - 1)) == 0) out->run = vlp_realloc(out->run, (n ? 2 * n : 1) * sizeof *out->run);
    return &out->run[out->n_runs++];
}

void vlp_candidates_open(struct vlp_candidates *out, const struct vlp_compute *c,
                         const struct vlp_set *s, enum vlp_metric metric, const int *record, int n)
{
    const size_t size = vlp_embedding_row_size(&s->header);
    const int    dim = s->header.dim;
    *out = (struct vlp_candidates){.n = n};
    vlp_arena_init(&out->mem);
    const void **row = rows_at(&out->mem, s, record, n, size);
    float       *scale = NULL, *unit = NULL; /* room for an extraordinary row */
    if (metric == VLP_COSINE && !s->header.normalized)
        scale = VLP_NEW_N(&out->mem, float, (size_t)n + 1);
    for (int i = 0; i < n;) {
        struct vlp_rows together = {.data = row[i],
                                    .stride = size,
                                    .dtype = s->header.dtype,
                                    .dim = dim,
                                    .n = 1,
                                    .first = i,
                                    .cosine = metric == VLP_COSINE};
        for (i++; i < n && follows(row[i], row[i - 1], size); i++) together.n++;
        if (scale) {
            vlp_rows_inverse_norm(c, &together, scale + together.first);
            together.scale = scale + together.first;
        }
        for (int at = 0; at < together.n;) {
            struct vlp_rows *run = add_run(out);
            if (!unit) unit = VLP_NEW_N(&out->mem, float, (size_t)dim);
            at += rows_run(run, &together, at, together.n, unit);
            if (run->data == unit) unit = NULL;
        }
    }
    free(row);
}

void vlp_candidates_close(struct vlp_candidates *c)
{
    free(c->run);
    vlp_arena_free(&c->mem);
    *c = (struct vlp_candidates){0};
}
