/*
 * lookup.c -- rows of an embedding table.
 *
 *   forward     y[i] = table[ids[i]]
 *   backward    dtable[ids[i]] += dy[i], in order of i
 *
 * A stored table of 16 or 8 bits is widened row by row: only what is looked up.
 */
#include "op_internal.h"

#include <assert.h>

struct saved {
    int      n;
    int32_t *ids;
};

struct part {
    float              *to;
    const float        *from;
    const struct saved *s;
    int                 C;
};

static void backward_columns(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int i = 0; i < p->s->n; i++) {
        float       *to = p->to + (size_t)p->s->ids[i] * p->C;
        const float *from = p->from + (size_t)i * p->C;
        for (int64_t c = begin; c < end; c++) to[c] += from[c];
    }
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *table = n->in[0];
    struct part        p = {table->grad, n->out->grad, n->saved, vlp_cols(table)};
    op_split(t, p.C, (size_t)p.s->n, backward_columns, &p);
}

const struct vlp_op vlp_op_lookup = {.name = "lookup", .backward = backward};

/* The stored bytes of row 0 and the size of a row, where rows can be widened one by one. */
static const uint8_t *stored_rows(const struct vlp_tensor *table, size_t *row_size)
{
    const struct vlp_param *p = table->param;
    if (!p || !p->stored || p->stored_dtype == VLP_F32) return NULL;
    if (p->stored_dtype == VLP_Q8_0 && vlp_cols(table) % VLP_Q8_0_BLOCK) return NULL;
    *row_size = vlp_dtype_size(p->stored_dtype, (size_t)vlp_cols(table));
    return p->stored;
}

struct vlp_tensor *vlp_lookup(struct vlp_tape *t, struct vlp_tensor *table, const int32_t *ids,
                              int n)
{
    const int          C = vlp_cols(table);
    struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(n, C), false);
    struct saved      *s = vlp_record(t, &vlp_op_lookup, y, sizeof *s, VLP_INPUTS(table));
    s->n = n;
    s->ids = vlp_arena_alloc(t->mem, (size_t)n * sizeof *s->ids);
    memcpy(s->ids, ids, (size_t)n * sizeof *ids);

    size_t         row_size = 0;
    const uint8_t *stored = stored_rows(table, &row_size);
    const float   *f32 = stored ? NULL : vlp_values(table);
    for (int i = 0; i < n; i++) {
        assert(ids[i] >= 0 && ids[i] < vlp_rows(table));
        float *row = y->data + (size_t)i * C;
        if (stored)
            vlp_to_f32(row, stored + (size_t)ids[i] * row_size, table->param->stored_dtype,
                       (size_t)C);
        else
            memcpy(row, f32 + (size_t)ids[i] * C, (size_t)C * sizeof *row);
    }
    return y;
}
