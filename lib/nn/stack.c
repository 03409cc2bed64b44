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
                                     struct vlp_tensor *x, struct vlp_seqs seqs, const int *pooled,
                                     const struct vlp_watcher *watch)
{
    const bool watched = watch && watch->call;
    for (int i = 0; i < e->n_blocks; i++) {
        const bool                   alone = pooled && !watched && i + 1 == e->n_blocks;
        const struct vlp_block_input in = {.seqs = seqs, .pooled = alone ? pooled : NULL};
        x = t->recording && t->recompute ? vlp_block_recomputed(t, &e->block[i], x, &in)
                                         : vlp_block_forward(t, &e->block[i], x, &in);
        if (alone) return x;
        if (watched) show(watch, e->name, i, x, seqs);
    }
    return pooled ? vlp_gather_rows(t, x, pooled, seqs.n) : x;
}
