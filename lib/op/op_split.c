/* op_split.c -- loops cut into pieces for the pool. */
#include "op_internal.h"

struct split {
    op_range *f;
    void     *ctx;
    int64_t   n;
    int       pieces;
};

static void piece(void *ctx, int i, int worker)
{
    (void)worker;
    const struct split *s = ctx;
    const int64_t       begin = s->n * i / s->pieces, end = s->n * (i + 1) / s->pieces;
    if (end > begin) s->f(s->ctx, begin, end);
}

void op_split(const struct vlp_tape *t, int64_t n, size_t cost, op_range *f, void *ctx)
{
    enum { WORTH = 8192 }; /* elements: below this a piece costs less than handing it over */
    const int64_t worth = (int64_t)((double)n * (double)cost / WORTH) + 1;
    const int64_t most = 4 * vlp_pool_threads(t->compute.pool);
    const int     pieces = (int)vlp_min_i64(vlp_min_i64(worth, most), vlp_max_i64(n, 1));
    struct split  s = {f, ctx, n, pieces};
    if (pieces == 1) {
        if (n > 0) f(ctx, 0, n);
        return;
    }
    vlp_parallel(t->compute.pool, pieces, piece, &s);
}

struct sum {
    float       *to;
    const float *from;
};

static void add_range(void *ctx, int64_t begin, int64_t end)
{
    const struct sum *a = ctx;
    for (int64_t i = begin; i < end; i++) a->to[i] += a->from[i];
}

static void copy_range(void *ctx, int64_t begin, int64_t end)
{
    const struct sum *a = ctx;
    memcpy(a->to + begin, a->from + begin, (size_t)(end - begin) * sizeof *a->to);
}

void op_pass_back(const struct vlp_tape *t, struct vlp_tensor *x, float *dy, bool lend)
{
    if (!x || !x->grad) return;
    const bool first = vlp_first_grad(x);
    struct sum a = {x->grad, dy};
    if (first && lend)
        x->grad = dy;
    else
        op_split(t, (int64_t)vlp_numel(x), 1, first ? copy_range : add_range, &a);
}

struct vlp_seqs vlp_seqs_even(struct vlp_tape *t, int n, int length)
{
    int *start = vlp_arena_alloc(t->mem, ((size_t)n + 1) * sizeof *start);
    for (int i = 0; i <= n; i++) start[i] = i * length;
    return (struct vlp_seqs){n, start};
}
