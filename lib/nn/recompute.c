/*
 * recompute.c -- a block that keeps its input alone, and is computed again when its gradient is
 * due.
 *
 *   forward     y = block(x), its inner values given back
 *   backward    y once more from x, on a tape of its own, from the same random state; then back
 *               along that tape into dx and the block's parameters
 */
#include <vlp/nn.h>

#include <assert.h>
#include <string.h>

struct saved {
    const struct vlp_block *block;
    struct vlp_block_input  in;
    struct vlp_rng          rng;
};

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct saved *s = n->saved;
    struct vlp_tape     again = *t;
    again.last = NULL;
    again.rng = s->rng;
    struct vlp_tensor *y = vlp_block_forward(&again, s->block, n->in[0], &s->in);
    assert(y->grad && vlp_numel(y) == vlp_numel(n->out));
    memcpy(y->grad, n->out->grad, vlp_numel(y) * sizeof(float));
    vlp_backward(&again, y);
}

/* Not a row of vlp_ops: it has no derivative of its own, only the block's. */
static const struct vlp_op op_block = {.name = "block", .backward = backward};

struct vlp_tensor *vlp_block_recomputed(struct vlp_tape *t, const struct vlp_block *b,
                                        struct vlp_tensor *x, const struct vlp_block_input *in)
{
    assert(t->recording);
    if (t->paused) return vlp_block_forward(t, b, x, in);
    const int            rows = in->pooled ? in->seqs.n : vlp_rows(x);
    struct vlp_tensor   *y = vlp_tensor_new(t, VLP_DIMS(rows, b->width), false);
    const struct vlp_rng rng = t->rng;

    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    t->paused = true;
    t->wanted = false;
    const struct vlp_tensor *made = vlp_block_forward(t, b, x, in);
    t->paused = false;
    memcpy(y->data, made->data, vlp_numel(y) * sizeof(float));
    vlp_arena_rewind(t->mem, mark);
    if (!t->wanted) return y;

    /* y stands among the inputs because it wants a gradient whichever part of the block does */
    y->grad = vlp_arena_calloc(t->mem, vlp_numel(y), sizeof(float));
    struct saved *s = vlp_record(t, &op_block, y, sizeof *s, VLP_INPUTS(x, y));
    *s = (struct saved){b, *in, rng};
    return y;
}
