/*
 * clip_text.c -- CLIP's text tower.
 *
 *   x = token[ids] + position,  causal blocks,  feature = ln_final(x[e]) projection
 *
 * e is the first position of the largest id, the end token's (or of a given id, where the
 * vocabulary goes on behind the end token). What follows e cannot reach it through the causal mask,
 * so it is not computed unless somebody watches.
 *
 * CLIPA's towers have no mask and pool the last position. Then the padding counts, and a text is
 * computed as long as the context.
 */
#include "clip_towers.h"

#include <assert.h>
#include <math.h>

enum vlp_status clip_text_read(struct clip *c, const json_t *o, struct vlp_error *err)
{
    struct clip_text *x = &c->text;
    VLP_TRY(clip_read_int(&x->context, o, "text.", "context", VLP_MAX_CONTEXT, err));
    VLP_TRY(clip_read_int(&x->vocab, o, "text.", "vocab", VLP_MAX_VOCAB, err));
    x->biased = json_is_true(json_object_get(o, "projection_bias"));
    static const char *const pools[] = {"end", "last"};
    int                      last;
    VLP_TRY(clip_read_word(&last, o, "text.", "pool", pools, VLP_COUNT(pools), err));
    x->last = last;
    x->causal = !json_is_false(json_object_get(o, "causal"));
    x->eos = -1;
    if (json_object_get(o, "eos"))
        VLP_TRY(clip_read_int(&x->eos, o, "text.", "eos", x->vocab - 1, err));
    return clip_read_tower(&x->tower, o, "text.", c->act, err);
}

void clip_text_build(struct vlp_model *m, struct clip *c)
{
    struct clip_text *x = &c->text;
    const int         C = x->tower.width;
    const float       d = 1.0f / sqrtf((float)C);
    const float       depth = d / sqrtf(2.0f * (float)x->tower.layers);

    /* OpenAI's initialize_parameters; what it leaves alone is torch's uniform 1/sqrt(inputs) */
    const struct clip_block_start start = {
        .qkv = {VLP_INIT_NORMAL, d},
        .proj = {VLP_INIT_NORMAL, depth},
        .fc1 = {VLP_INIT_NORMAL, 1.0f / sqrtf(2.0f * (float)C)},
        .fc2 = {VLP_INIT_NORMAL, depth},
        .fc1_bias = {VLP_INIT_UNIFORM, d},
        .fc2_bias = {VLP_INIT_UNIFORM, 1.0f / sqrtf((float)x->tower.mlp)},
    };
    struct vlp_params *ps = &m->params;
    ps->prefix = "";
    ps->tower = "text";
    ps->layer = 0;
    x->token = vlp_param(ps, "token_embedding.weight", VLP_SHAPE(x->vocab, C),
                         (struct vlp_start){VLP_INIT_NORMAL, 0.02f});
    x->position = vlp_param(ps, "positional_embedding", VLP_SHAPE(x->context, C),
                            (struct vlp_start){VLP_INIT_NORMAL, 0.01f});
    x->position->decay = false;
    clip_declare_stack(m, &x->stack, "text", "transformer.", &x->tower, x->causal, &start);
    ps->layer = x->tower.layers + 1;
    x->ln_final = vlp_norm_declare(ps, "ln_final", C, x->tower.ln_eps);
    x->projection = vlp_param(ps, "text_projection", VLP_SHAPE(C, c->embed_dim),
                              (struct vlp_start){VLP_INIT_NORMAL, d});
    if (x->biased)
        x->projection_bias = vlp_param(ps, "text_projection.bias", VLP_SHAPE(c->embed_dim),
                                       (struct vlp_start){VLP_INIT_ZERO, 0});
}

/* Another context length: positions are resampled along the line. */
bool clip_text_fit(struct vlp_model *m, struct vlp_param *p, const struct vlp_stored *s)
{
    const struct clip_text *x = &((const struct clip *)m->net)->text;
    if (p != x->position || s->ndim != 2 || s->dim[1] != x->tower.width) return false;
    if (s->dim[0] < 1 || s->dim[0] > VLP_MAX_CONTEXT) return false;
    float *to = vlp_arena_alloc(&m->mem, vlp_numel(&p->tensor) * sizeof *to);
    vlp_resample_grid(to, x->context, 1, vlp_stored_f32(&m->mem, s), (int)s->dim[0], 1, 0,
                      x->tower.width, VLP_RESAMPLE_LINEAR);
    vlp_param_bind(p, VLP_F32, to);
    return true;
}

/* As the references do it: the largest id, or the one given, and the first row where it is not
 * there. */
static int find_end(const int32_t *ids, int n, int eos)
{
    int e = 0;
    if (eos >= 0) {
        while (e < n && ids[e] != eos) e++;
        return e < n ? e : 0;
    }
    for (int i = 1; i < n; i++)
        if (ids[i] > ids[e]) e = i;
    return e;
}

/* The rows that are computed: ids, positions, where each text begins, and its pooled row. */
struct rows {
    int32_t *ids, *positions;
    int     *start, *pooled;
};

enum { PADDING = 0 };

static struct rows lay_out(struct vlp_tape *t, const struct vlp_text_batch *b,
                           const struct clip_text *x, bool whole)
{
    const bool   padded = x->last || !x->causal;
    const size_t most = 1 + (padded ? (size_t)b->n * (size_t)x->context : (size_t)b->start[b->n]);
    struct rows  r = {vlp_arena_alloc(t->mem, most * sizeof(int32_t)),
                      vlp_arena_alloc(t->mem, most * sizeof(int32_t)),
                      vlp_arena_alloc(t->mem, ((size_t)b->n + 1) * sizeof(int)),
                      vlp_arena_alloc(t->mem, ((size_t)b->n + 1) * sizeof(int))};
    int          at = 0;
    for (int s = 0; s < b->n; s++) {
        const int32_t *ids = b->ids + b->start[s];
        const int      length = b->start[s + 1] - b->start[s];
        assert(length >= 1 && length <= x->context);
        const int e = x->last ? x->context - 1 : find_end(ids, length, x->eos);
        const int n = padded ? x->context : whole ? length : e + 1;
        r.start[s] = at;
        r.pooled[s] = at + e;
        for (int i = 0; i < n; i++, at++) {
            r.ids[at] = i < length ? ids[i] : PADDING;
            r.positions[at] = i;
        }
    }
    r.start[b->n] = at;
    return r;
}

struct vlp_tensor *clip_text_encode(struct vlp_model *m, struct vlp_tape *t,
                                    const struct vlp_text_batch *b, const struct vlp_watcher *watch)
{
    const struct clip_text      *x = &((const struct clip *)m->net)->text;
    const struct rows            r = lay_out(t, b, x, watch->call != NULL);
    const struct vlp_stack_input in = {.all = {.seqs = {b->n, r.start}, .pooled = r.pooled}};
    const struct vlp_arena_mark  mark = vlp_arena_mark(t->mem);

    struct vlp_tensor *h = vlp_lookup(t, &x->token->tensor, r.ids, r.start[b->n]); /* (N, C) */
    h = vlp_add(t, h, vlp_lookup(t, &x->position->tensor, r.positions, r.start[b->n]));
    h = vlp_keep(t, mark, h);
    h = vlp_stack_forward(t, &x->stack, h, &in, watch); /* (n, C): the end of each text */
    h = vlp_norm_forward(t, &x->ln_final, h);
    h = vlp_project(t, h, &x->projection->tensor); /* (n, E) */
    if (x->projection_bias) h = vlp_add(t, h, &x->projection_bias->tensor);
    return vlp_keep(t, mark, h);
}
