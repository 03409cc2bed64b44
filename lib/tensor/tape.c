/*
 * tape.c -- the eager tape: ops compute at once and leave a note, backward replays the notes.
 *
 * Notes, outputs, gradients and what forward saved all live in the tape's arena, newest note first.
 */
#include <vlp/tensor.h>

#include <assert.h>
#include <string.h>

void vlp_tape_init(struct vlp_tape *t, const struct vlp_compute *c, struct vlp_arena *mem,
                   bool recording)
{
    *t =
        (struct vlp_tape){.compute = *c, .mem = mem, .recording = recording, .training = recording};
    vlp_rng_seed(&t->rng, 0, 0);
}

static float *zeroed(struct vlp_tape *t, const struct vlp_tensor *x)
{
    return vlp_arena_calloc(t->mem, vlp_numel(x), sizeof(float));
}

struct vlp_tensor *vlp_tensor_of(struct vlp_tape *t, float *data, int ndim, const int *dim)
{
    assert(ndim >= 0 && ndim <= VLP_MAX_DIM);
    struct vlp_tensor *x = VLP_NEW(t->mem, struct vlp_tensor);
    x->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        assert(dim[i] >= 0);
        x->dim[i] = dim[i];
    }
    x->data = data;
    return x;
}

struct vlp_tensor *vlp_tensor_new(struct vlp_tape *t, int ndim, const int *dim, bool want_grad)
{
    struct vlp_tensor *x = vlp_tensor_of(t, NULL, ndim, dim);
    x->data = vlp_arena_alloc(t->mem, vlp_numel(x) * sizeof(float));
    if (want_grad) x->grad = zeroed(t, x);
    return x;
}

struct vlp_tensor *vlp_keep(struct vlp_tape *t, struct vlp_arena_mark mark, struct vlp_tensor *x)
{
    if (t->recording && x->grad) return x;
    const struct vlp_tensor old = *x;
    vlp_arena_rewind(t->mem, mark);
    struct vlp_tensor *kept = vlp_tensor_new(t, old.ndim, old.dim, false);
    memmove(kept->data, old.data, vlp_numel(&old) * sizeof(float));
    return kept;
}

static bool any_grad(int n_in, struct vlp_tensor *const *in)
{
    for (int i = 0; i < n_in; i++)
        if (in[i] && in[i]->grad) return true;
    return false;
}

bool vlp_wants_grad(const struct vlp_tape *t, int n_in, struct vlp_tensor *const *in)
{
    return t->recording && !t->paused && any_grad(n_in, in);
}

void *vlp_record(struct vlp_tape *t, const struct vlp_op *op, struct vlp_tensor *out,
                 size_t saved_size, int n_in, struct vlp_tensor *const *in)
{
    assert(n_in <= VLP_MAX_IN);
    void *saved = saved_size ? vlp_arena_alloc(t->mem, saved_size) : NULL;
    if (t->paused && any_grad(n_in, in)) t->wanted = true;
    if (!vlp_wants_grad(t, n_in, in)) return saved;

    if (!out->grad) {
        out->grad = vlp_arena_alloc(t->mem, vlp_numel(out) * sizeof(float));
        out->fresh = true;
    }
    struct vlp_node *n = VLP_NEW(t->mem, struct vlp_node);
    *n = (struct vlp_node){.op = op, .out = out, .saved = saved, .prev = t->last};
    memcpy(n->in, in, (size_t)n_in * sizeof *in);
    t->last = n;
    return saved;
}

void vlp_settle_grad(struct vlp_tensor *x)
{
    if (vlp_first_grad(x)) memset(x->grad, 0, vlp_numel(x) * sizeof *x->grad);
}

void vlp_backward(struct vlp_tape *t, struct vlp_tensor *root)
{
    assert(root->grad);
    root->fresh = false;
    for (const struct vlp_node *n = t->last; n; n = n->prev) {
        if (n->out->fresh) continue; /* no gradient has come here */
        const struct vlp_arena_mark scratch = vlp_arena_mark(t->mem);
        for (int i = 0; i < VLP_MAX_IN && !n->op->sets; i++) vlp_settle_grad(n->in[i]);
        n->op->backward(t, n);
        for (int i = 0; i < VLP_MAX_IN; i++) assert(!n->in[i] || !n->in[i]->fresh);
        vlp_arena_rewind(t->mem, scratch);
    }
    t->last = NULL;
}
