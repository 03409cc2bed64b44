/*
 * attention.c -- softmax attention of flat rows, per sequence and head.
 *
 *   forward     P = softmax(scale q k^T + bias),  y = P v,  lse kept for backward
 *   backward    P again from lse, tile by tile;  delta = rows of (dy . y)
 *               dv += P^T dy,  dS = P (dy v^T - delta),  dq += scale dS k,  dk += scale dS^T q,
 *               dbias += dS
 *
 * Both are kernels of the tensor room, f32 at every precision.
 */
#include "op_internal.h"

#include <assert.h>
#include <math.h>

enum { Q, K, V, BIAS };

struct saved {
    struct vlp_attention_options o;
    int                          C, q_col, k_col, v_col;
    float                       *lse;
};

static float scale_of(const struct vlp_attention_options *o, int D)
{
    return o->scale != 0.0f ? o->scale : 1.0f / sqrtf((float)D);
}

static struct vlp_attention_args args_of(const struct saved *s, const struct vlp_tensor *y,
                                         const struct vlp_tensor *q, const struct vlp_tensor *k,
                                         const struct vlp_tensor *v)
{
    const struct vlp_tensor *bias = s->o.bias;
    return (struct vlp_attention_args){
        .y = y->data,
        .q = q->data + s->q_col,
        .k = k->data + s->k_col,
        .v = v->data + s->v_col,
        .ldy = s->C,
        .ldq = vlp_cols(q),
        .ldk = vlp_cols(k),
        .ldv = vlp_cols(v),
        .heads = s->o.heads,
        .head_dim = s->C / s->o.heads,
        .n_seq = s->o.q_seqs.n,
        .q_start = s->o.q_seqs.start,
        .k_start = s->o.k_seqs.start,
        .scale = scale_of(&s->o, s->C / s->o.heads),
        .causal = s->o.causal,
        .bias = bias ? vlp_values(bias) : NULL,
        .ld_bias = bias ? bias->dim[2] : 0,
        .bias_rows = bias ? bias->dim[1] : 0,
        .q_place = s->o.q_place,
        .lse = s->lse,
    };
}

static float *grad_at(const struct vlp_tensor *x, int col)
{
    return x->grad ? x->grad + col : NULL;
}

/* Every row of x in a sequence, every column in a head of q, k or v: then all of it can be filled.
 */
static bool is_covered(const struct vlp_node *n, const struct vlp_tensor *x)
{
    const struct saved    *s = n->saved;
    const struct vlp_seqs *q = &s->o.q_seqs, *k = &s->o.k_seqs;
    int                    parts = 0;
    for (int i = Q; i <= V; i++) parts += n->in[i] == x;
    if (vlp_cols(x) != parts * s->C) return false;
    if (x == n->in[Q] && (q->start[0] != 0 || q->start[q->n] != vlp_rows(x))) return false;
    return (x != n->in[K] && x != n->in[V]) || (k->start[0] == 0 && k->start[k->n] == vlp_rows(x));
}

/* All three hold nothing and will be filled; else what holds nothing gets zeros. */
static bool all_first(const struct vlp_node *n)
{
    bool all = true;
    for (int i = Q; i <= V; i++)
        all = all && (!n->in[i]->grad || (n->in[i]->fresh && is_covered(n, n->in[i])));
    for (int i = Q; i <= V; i++)
        if (all)
            n->in[i]->fresh = false;
        else
            vlp_settle_grad(n->in[i]);
    return all;
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    const struct saved      *s = n->saved;
    const struct vlp_tensor *q = n->in[Q], *k = n->in[K], *v = n->in[V];
    const bool               fill = all_first(n);
    if (n->in[BIAS]) vlp_settle_grad(n->in[BIAS]);
    const struct vlp_attention_backward_args a = {
        .of = args_of(s, n->out, q, k, v),
        .dy = n->out->grad,
        .dq = grad_at(q, s->q_col),
        .dk = grad_at(k, s->k_col),
        .dv = grad_at(v, s->v_col),
        .dbias = n->in[BIAS] ? n->in[BIAS]->grad : NULL,
        .fill = fill,
    };
    vlp_attention_backward(&t->compute, &a);
}

const struct vlp_op vlp_op_attention = {.name = "attention", .backward = backward, .sets = true};

struct vlp_tensor *vlp_attention(struct vlp_tape *t, struct vlp_tensor *q, int q_col,
                                 struct vlp_tensor *k, int k_col, struct vlp_tensor *v, int v_col,
                                 int C, const struct vlp_attention_options *o)
{
    assert(C % o->heads == 0 && o->q_seqs.n == o->k_seqs.n);
    assert(q_col + C <= vlp_cols(q) && k_col + C <= vlp_cols(k) && v_col + C <= vlp_cols(v));
    assert(!o->bias || (o->bias->ndim == 3 && o->bias->dim[0] == o->heads));
    const int                Nq = vlp_rows(q);
    struct vlp_tensor       *y = vlp_tensor_new(t, VLP_DIMS(Nq, C), false);
    struct vlp_tensor *const in[] = {q, k, v, o->bias};
    const bool               wanted = vlp_wants_grad(t, VLP_COUNT(in), in);

    struct saved *s = vlp_record(t, &vlp_op_attention, y, sizeof *s, VLP_COUNT(in), in);
    *s = (struct saved){.o = *o, .C = C, .q_col = q_col, .k_col = k_col, .v_col = v_col};
    if (wanted) s->lse = vlp_arena_alloc(t->mem, (size_t)Nq * o->heads * sizeof *s->lse);

    const struct vlp_attention_args a = args_of(s, y, q, k, v);
    vlp_attention_forward(&t->compute, &a);
    return y;
}
