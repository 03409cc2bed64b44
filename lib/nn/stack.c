/*
 * stack.c -- blocks one after the other, with a window to look in.
 */
#include <vlp/nn.h>

#include <stdio.h>

static void show(const struct vlp_watcher *watch, const char *tower, int block,
                 const struct vlp_tensor *x, struct vlp_seqs seqs)
{
    char name[64];
    snprintf(name, sizeof name, "%s.block%d", tower, block);
    watch->call(watch->ctx, name, x, seqs);
}

struct vlp_tensor *vlp_stack_forward(struct vlp_tape *t, const struct vlp_stack *e,
                                     struct vlp_tensor *x, const struct vlp_stack_input *in,
                                     const struct vlp_watcher *watch)
{
    const bool            watched = watch && watch->call;
    const int            *pooled = in->all.pooled;
    const struct vlp_seqs seqs = in->all.seqs;

    struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    for (int i = 0; i < e->n_blocks; i++) {
        struct vlp_block_input own = in->all;
        own.pooled = NULL;
        if (in->each) {
            in->each(in->ctx, i, &own);
            mark = vlp_arena_mark(t->mem); /* what it made may be for other blocks too */
        }
        /* the last block makes the pooled rows alone, where nobody wants the others */
        const bool alone = pooled && !watched && !own.split && i + 1 == e->n_blocks;
        if (alone) own.pooled = pooled;
        x = t->recording && t->recompute ? vlp_block_recomputed(t, &e->block[i], x, &own)
                                         : vlp_block_forward(t, &e->block[i], x, &own);
        /* a frozen block below those that are trained */
        if (t->recording && !x->grad) x = vlp_keep(t, mark, x);
        if (alone) return x;
        if (watched) show(watch, e->name, i, x, seqs);
    }
    return pooled ? vlp_gather_rows(t, x, pooled, seqs.n) : x;
}
