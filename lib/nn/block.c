/*
 * block.c -- the transformer block of all families.
 *
 *   norm before    x += g1 attend(norm(x));  x += g2 mlp(norm(x))
 *   norm after     x = norm(x + attend(x));  x = norm(x + mlp(x))
 *
 * with cross-attention between the two where there is one. While nothing is recorded x is
 * overwritten and what lay between is given back, so a stack needs the memory of one block.
 */
#include <vlp/nn.h>

#include <assert.h>
#include <string.h>

static struct vlp_tensor *tensor_of(struct vlp_param *p)
{
    return p ? &p->tensor : NULL;
}

/* Does a branch draw random numbers before it is added? In training, noted or not. */
static bool is_random(const struct vlp_tape *t, const struct vlp_block *b)
{
    return t->training && (b->dropout > 0.0f || b->drop_path > 0.0f);
}

/* x + g drop_path(dropout(h W^T + b)), into x itself while nothing is recorded. */
static struct vlp_tensor *add_branch(struct vlp_tape *t, const struct vlp_block *b,
                                     const struct vlp_dense *d, struct vlp_param *gamma,
                                     struct vlp_tensor *x, struct vlp_tensor *h,
                                     struct vlp_seqs seqs)
{
    if (!gamma && !is_random(t, b)) {
        const struct vlp_linear_options o = {.residual = x, .into = t->recording ? NULL : x};
        return vlp_linear(t, h, tensor_of(d->w), tensor_of(d->b), &o);
    }
    h = vlp_dense_forward(t, d, h, VLP_ACT_NONE);
    h = vlp_dropout(t, h, b->dropout);
    if (gamma) h = vlp_scale_rows(t, h, tensor_of(gamma));
    h = vlp_drop_path(t, h, seqs, b->drop_path);
    struct vlp_tensor *y = vlp_add(t, x, h);
    if (t->recording) return y;
    memcpy(x->data, y->data, vlp_numel(x) * sizeof(float));
    return x;
}

/* The norm that stands after the sum, in place while nothing is recorded. */
static struct vlp_tensor *norm_after(struct vlp_tape *t, const struct vlp_block *b,
                                     const struct vlp_norm *n, struct vlp_tensor *x)
{
    if (b->place == VLP_NORM_BEFORE) return x;
    struct vlp_tensor *y = vlp_norm_forward(t, n, x);
    if (t->recording) return y;
    memcpy(x->data, y->data, vlp_numel(x) * sizeof(float));
    return x;
}

/* Rows `first` .. first+count-1 of a fused weight, with the fused bias's part or a bias of its own.
 */
static struct vlp_tensor *fused_part(struct vlp_tape *t, const struct vlp_attend *a,
                                     const struct vlp_dense *own, struct vlp_tensor *x, int first,
                                     int count)
{
    const struct vlp_linear_options o = {.first = first, .count = count};
    return vlp_linear(t, x, tensor_of(a->qkv.w), tensor_of(a->qkv.b ? a->qkv.b : own->b), &o);
}

struct heads {
    struct vlp_tensor *q, *k, *v;
    int                q_col, k_col, v_col;
};

/*
 * q of rows xq, k and v of rows x, from a fused weight. xq is x itself, rows `pooled` of x, or, for
 * cross-attention, rows of another sequence. A part of the weight begins at a panel, so a width
 * that is no multiple of VLP_PANEL multiplies by all of it, which only rows of x itself can come
 * out of.
 */
static struct heads fused_heads(struct vlp_tape *t, const struct vlp_attend *a,
                                struct vlp_tensor *x, struct vlp_tensor *xq, const int *pooled)
{
    const int  C = vlp_cols(x);
    const bool own_biases = !a->qkv.b && (a->q.b || a->k.b || a->v.b);
    const bool panels = C % VLP_PANEL == 0, cross = xq != x && !pooled;
    assert(vlp_cols(xq) == C && (panels || (!own_biases && !cross)));
    if (own_biases) {
        return (struct heads){.q = fused_part(t, a, &a->q, xq, 0, C),
                              .k = fused_part(t, a, &a->k, x, C, C),
                              .v = fused_part(t, a, &a->v, x, 2 * C, C)};
    }
    if (xq != x && panels) {
        struct vlp_tensor *kv = fused_part(t, a, &a->k, x, C, 2 * C);
        return (struct heads){.q = fused_part(t, a, &a->q, xq, 0, C), .k = kv, .v = kv, .v_col = C};
    }
    struct vlp_tensor *all = vlp_dense_forward(t, &a->qkv, x, VLP_ACT_NONE);
    struct vlp_tensor *q = pooled ? vlp_gather_rows(t, all, pooled, vlp_rows(xq)) : all;
    return (struct heads){.q = q, .k = all, .v = all, .k_col = C, .v_col = 2 * C};
}

static struct heads split_heads(struct vlp_tape *t, const struct vlp_attend *a,
                                struct vlp_tensor *x, struct vlp_tensor *xq)
{
    return (struct heads){.q = vlp_dense_forward(t, &a->q, xq, VLP_ACT_NONE),
                          .k = vlp_dense_forward(t, &a->k, x, VLP_ACT_NONE),
                          .v = vlp_dense_forward(t, &a->v, x, VLP_ACT_NONE)};
}

/* Where the pooled row of each sequence stands in it, for the mask and the bias; NULL: all rows. */
static const int *places(struct vlp_tape *t, const struct vlp_block_input *in)
{
    if (!in->pooled) return NULL;
    int *place = vlp_arena_alloc(t->mem, ((size_t)in->seqs.n + 1) * sizeof *place);
    for (int s = 0; s < in->seqs.n; s++) {
        place[s] = in->pooled[s] - in->seqs.start[s];
        assert(place[s] >= 0 && in->pooled[s] < in->seqs.start[s + 1]);
    }
    return place;
}

/* Softmax attention of the rows of xq to the rows of x; not yet projected. */
static struct vlp_tensor *attend(struct vlp_tape *t, const struct vlp_block *b,
                                 const struct vlp_attend *a, struct vlp_tensor *xq,
                                 struct vlp_seqs q_seqs, struct vlp_tensor *x,
                                 struct vlp_seqs k_seqs, struct vlp_tensor *bias, bool causal,
                                 const int *pooled, const int *place)
{
    const struct heads h = a->qkv.w ? fused_heads(t, a, x, xq, pooled) : split_heads(t, a, x, xq);
    const struct vlp_attention_options o = {.heads = b->heads,
                                            .q_seqs = q_seqs,
                                            .k_seqs = k_seqs,
                                            .causal = causal,
                                            .bias = bias,
                                            .q_place = place};
    return vlp_attention(t, h.q, h.q_col, h.k, h.k_col, h.v, h.v_col, b->width, &o);
}

static struct vlp_tensor *self_attention(struct vlp_tape *t, const struct vlp_block *b,
                                         struct vlp_tensor *x, struct vlp_tensor *xq,
                                         struct vlp_seqs q_seqs, const struct vlp_block_input *in)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    const bool                  before = b->place == VLP_NORM_BEFORE;
    struct vlp_tensor          *a = before ? vlp_norm_forward(t, &b->norm, x) : x;
    struct vlp_tensor          *aq = in->pooled ? vlp_gather_rows(t, a, in->pooled, q_seqs.n) : a;
    struct vlp_tensor *y = attend(t, b, &b->self, aq, q_seqs, a, in->seqs, in->bias, b->causal,
                                  in->pooled, places(t, in));
    y = add_branch(t, b, &b->self.proj, b->gamma1, xq, y, q_seqs);
    y = norm_after(t, b, &b->norm, y);
    if (!t->recording) vlp_arena_rewind(t->mem, mark);
    return y;
}

static struct vlp_tensor *cross_attention(struct vlp_tape *t, const struct vlp_block *b,
                                          struct vlp_tensor *x, struct vlp_seqs seqs,
                                          const struct vlp_block_input *in)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    const bool                  before = b->place == VLP_NORM_BEFORE;
    struct vlp_tensor          *a = before ? vlp_norm_forward(t, &b->cross_norm, x) : x;
    struct vlp_tensor          *y =
        attend(t, b, &b->cross, a, seqs, in->memory, in->memory_seqs, NULL, false, NULL, NULL);
    y = add_branch(t, b, &b->cross.proj, NULL, x, y, seqs);
    y = norm_after(t, b, &b->cross_norm, y);
    if (!t->recording) vlp_arena_rewind(t->mem, mark);
    return y;
}

static struct vlp_tensor *mlp(struct vlp_tape *t, const struct vlp_block *b, int expert,
                              struct vlp_tensor *x, struct vlp_seqs seqs)
{
    const struct vlp_expert    *e = &b->expert[expert];
    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    const bool                  before = b->place == VLP_NORM_BEFORE;
    struct vlp_tensor          *h = before ? vlp_norm_forward(t, &e->norm, x) : x, *y;
    const bool                  hidden = t->training && b->dropout_hidden > 0.0f;
    /* weights that are used once go through memory piece by piece, a layer after the other */
    if (!b->gamma2 && !hidden && !is_random(t, b) && !t->compute.passing) {
        y = vlp_mlp(t, h, tensor_of(e->fc1.w), tensor_of(e->fc1.b), b->act, tensor_of(e->fc2.w),
                    tensor_of(e->fc2.b), x, t->recording ? NULL : x);
    } else {
        h = vlp_dense_forward(t, &e->fc1, h, b->act);
        h = vlp_dropout(t, h, b->dropout_hidden);
        y = add_branch(t, b, &e->fc2, b->gamma2, x, h, seqs);
    }
    y = norm_after(t, b, &e->norm, y);
    if (!t->recording) vlp_arena_rewind(t->mem, mark);
    return y;
}

/* The rows of every sequence before (or after) its split, and where they stand. */
static struct vlp_tensor *take_part(struct vlp_tape *t, struct vlp_tensor *x, struct vlp_seqs seqs,
                                    const int *split, bool after, struct vlp_seqs *part)
{
    int *start = vlp_arena_alloc(t->mem, ((size_t)seqs.n + 1) * sizeof *start);
    int *rows = vlp_arena_alloc(t->mem, (size_t)vlp_rows(x) * sizeof *rows), n = 0;
    for (int s = 0; s < seqs.n; s++) {
        const int middle = seqs.start[s] + split[s];
        start[s] = n;
        for (int r = after ? middle : seqs.start[s]; r < (after ? seqs.start[s + 1] : middle); r++)
            rows[n++] = r;
    }
    start[seqs.n] = n;
    *part = (struct vlp_seqs){seqs.n, start};
    return vlp_gather_rows(t, x, rows, n);
}

/* Every sequence's first rows through one expert, the rest through the next. */
static struct vlp_tensor *split_mlp(struct vlp_tape *t, const struct vlp_block *b,
                                    struct vlp_tensor *x, const struct vlp_block_input *in)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    struct vlp_seqs             first, rest, all;
    struct vlp_tensor          *a = take_part(t, x, in->seqs, in->split, false, &first);
    struct vlp_tensor          *c = take_part(t, x, in->seqs, in->split, true, &rest);
    a = mlp(t, b, in->expert, a, first);
    c = mlp(t, b, in->expert + 1, c, rest);
    struct vlp_tensor *y = vlp_concat_tokens(t, a, first, c, rest, &all);
    if (t->recording) return y;
    memcpy(x->data, y->data, vlp_numel(x) * sizeof(float));
    vlp_arena_rewind(t->mem, mark);
    return x;
}

struct vlp_tensor *vlp_block_forward(struct vlp_tape *t, const struct vlp_block *b,
                                     struct vlp_tensor *x, const struct vlp_block_input *in)
{
    struct vlp_seqs    seqs = in->seqs;
    struct vlp_tensor *xq = x;
    assert(vlp_cols(x) == b->width && !(in->pooled && in->split));
    assert(in->expert + (in->split != NULL) < b->n_experts);
    if (in->pooled) {
        xq = vlp_gather_rows(t, x, in->pooled, seqs.n);
        seqs = vlp_seqs_even(t, seqs.n, 1);
    }
    struct vlp_tensor *y = self_attention(t, b, x, xq, seqs, in);
    if (b->cross.proj.w && in->memory) y = cross_attention(t, b, y, seqs, in);
    return in->split ? split_mlp(t, b, y, in) : mlp(t, b, in->expert, y, seqs);
}
