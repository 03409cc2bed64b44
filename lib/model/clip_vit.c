/*
 * clip_vit.c -- CLIP's vision transformer.
 *
 *   x = [class; patches W] + position,  x = ln_pre(x),  blocks,  feature = ln_post(x[0]) proj
 *
 * open_clip has models without ln_pre, and such as pool the mean of the patches instead of x[0].
 *
 * Shapes: B pictures of 3 H W pixels, gh = H / P by gw = W / P patches of each, T = 1 + gh gw rows
 * with the class token, C channels, E numbers of a feature. The towers call vlp_keep after a part
 * of theirs: what it made on its way to h is given back, so that a batch needs the memory of the
 * largest part, not of all; where a gradient will want it nothing is given back.
 */
#include "clip_towers.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum vlp_status clip_vit_read(struct clip *c, const json_t *o, struct vlp_error *err)
{
    struct clip_vit *x = &c->vit;
    VLP_TRY(clip_read_int(&x->image_size, o, "vision.", "image_size", VLP_MAX_IMAGE_SIZE, err));
    VLP_TRY(clip_read_int(&x->patch_size, o, "vision.", "patch_size", x->image_size, err));
    const int g = x->image_size / x->patch_size; /* a document may be changed after it was opened */
    if (g * g > VLP_MAX_PATCHES)
        return vlp_fail(err, VLP_ERR_LIMIT,
                        "the model's configuration has %d patches in a picture, more than %d",
                        g * g, VLP_MAX_PATCHES);
    VLP_TRY(clip_read_tower(&x->tower, o, "vision.", c->act, err));
    static const char *const rules[] = {"none", "open_clip", "hf"};
    static const char *const pools[] = {"tok", "avg", "avg_ln"};
    int                      rule, pool;
    VLP_TRY(clip_read_word(&rule, o, "vision.", "interpolate", rules, VLP_COUNT(rules), err));
    VLP_TRY(clip_read_word(&pool, o, "vision.", "pool", pools, VLP_COUNT(pools), err));
    x->interpolate = (enum clip_interpolate)rule;
    x->pool = (enum clip_pool)pool;
    x->has_ln_pre = !json_is_false(json_object_get(o, "ln_pre"));
    return VLP_OK;
}

void clip_vit_build(struct vlp_model *m, struct clip *c)
{
    struct clip_vit *x = &c->vit;
    const int        C = x->tower.width, P = x->patch_size, g = x->image_size / P;
    const float      d = 1.0f / sqrtf((float)C);

    /* OpenAI's code leaves the blocks to torch: Xavier's uniform for q, k, v in one (C in, 3C out),
     * uniform 1/sqrt(inputs) for the rest. Class, positions and projection it scales by d. */
    const struct clip_block_start start = {
        .qkv = {VLP_INIT_UNIFORM, sqrtf(6.0f / (4.0f * (float)C))},
        .proj = {VLP_INIT_UNIFORM, d},
        .fc1 = {VLP_INIT_UNIFORM, d},
        .fc2 = {VLP_INIT_UNIFORM, 1.0f / sqrtf((float)x->tower.mlp)},
        .fc1_bias = {VLP_INIT_UNIFORM, d},
        .fc2_bias = {VLP_INIT_UNIFORM, 1.0f / sqrtf((float)x->tower.mlp)},
    };
    struct vlp_params *ps = &m->params;
    m->image_size = x->image_size;
    m->patch_size = x->patch_size;
    m->any_size = x->interpolate == CLIP_INTERPOLATE_HF;
    m->penultimate = x->tower.width;
    ps->prefix = "visual.";
    ps->tower = "image";
    ps->layer = 0;
    x->cls = vlp_param(ps, "class_embedding", VLP_SHAPE(C), (struct vlp_start){VLP_INIT_NORMAL, d});
    x->position = vlp_param(ps, "positional_embedding", VLP_SHAPE(1 + g * g, C),
                            (struct vlp_start){VLP_INIT_NORMAL, d});
    x->position->decay = false;
    x->conv = vlp_param(ps, "conv1.weight", VLP_SHAPE(C, 3, P, P),
                        (struct vlp_start){VLP_INIT_UNIFORM, 1.0f / sqrtf(3.0f * (float)(P * P))});
    if (x->has_ln_pre) x->ln_pre = vlp_norm_declare(ps, "ln_pre", C, x->tower.ln_eps);
    clip_declare_stack(m, &x->stack, "image", "visual.transformer.", &x->tower, false, &start);
    ps->prefix = "visual.";
    ps->layer = x->tower.layers + 1;
    x->ln_post = vlp_norm_declare(ps, "ln_post", C, x->tower.ln_eps);
    x->projection =
        vlp_param(ps, "proj", VLP_SHAPE(C, c->embed_dim), (struct vlp_start){VLP_INIT_NORMAL, d});
}

/* open_clip's rule: a stored grid of another size is resampled once, on load. */
bool clip_vit_fit(struct vlp_model *m, struct vlp_param *p, const struct vlp_stored *s)
{
    const struct clip     *c = m->net;
    const struct clip_vit *x = &c->vit;
    if (c->resnet || p != x->position || x->interpolate != CLIP_INTERPOLATE_OPEN_CLIP) return false;
    if (s->ndim != 2 || s->dim[1] != x->tower.width || s->dim[0] < 2) return false;
    const int stored = (int)lround(sqrt((double)(s->dim[0] - 1)));
    const int g = x->image_size / x->patch_size;
    if ((int64_t)stored * stored != s->dim[0] - 1) return false;
    float *to = vlp_arena_alloc(&m->mem, vlp_numel(&p->tensor) * sizeof *to);
    vlp_resample_grid(to, g, g, vlp_stored_f32(&m->mem, s), stored, stored, 1, x->tower.width,
                      VLP_RESAMPLE_ANTIALIAS);
    vlp_param_bind(p, VLP_F32, to);
    return true;
}

/* Pictures of another size than the configured one: positions for their grid, class row kept. */
static struct vlp_tensor *positions(struct vlp_tape *t, const struct clip_vit *x, int gh, int gw)
{
    struct vlp_tensor *p = &x->position->tensor;
    const int          g = x->image_size / x->patch_size, C = x->tower.width;
    if (gh == g && gw == g) return p;
    const enum vlp_resample kind =
        x->interpolate == CLIP_INTERPOLATE_HF ? VLP_RESAMPLE_BICUBIC : VLP_RESAMPLE_ANTIALIAS;
    const int n_out = 1 + gh * gw, n_in = 1 + g * g;
    if (!vlp_wants_grad(t, 1, &p)) {
        struct vlp_tensor *y = vlp_tensor_new(t, VLP_DIMS(n_out, C), false);
        vlp_resample_grid(y->data, gh, gw, vlp_values(p), g, g, 1, C, kind);
        return y;
    }
    /* the same as a product with a constant matrix, so that the gradient finds its way back */
    struct vlp_tensor *m = vlp_tensor_new(t, VLP_DIMS(n_out, n_in), false);
    float             *my = vlp_arena_alloc(t->mem, (size_t)gh * g * sizeof *my);
    float             *mx = vlp_arena_alloc(t->mem, (size_t)gw * g * sizeof *mx);
    vlp_resample_matrix(my, gh, g, kind);
    vlp_resample_matrix(mx, gw, g, kind);
    memset(m->data, 0, vlp_numel(m) * sizeof(float));
    m->data[0] = 1.0f;
    for (int o = 0; o < gh * gw; o++)
        for (int i = 0; i < g * g; i++)
            m->data[(size_t)(1 + o) * n_in + 1 + i] =
                my[(o / gw) * g + i / g] * mx[(o % gw) * g + i % g];
    return vlp_matmul_nt(t, m, vlp_transpose(t, p));
}

/*
 * Patch dropout (Li et al. 2023, "Scaling language-image pre-training via masking"; open_clip's
 * rule): of the n patches of each picture a random max(1, int(n (1-p))) stay, in raster order; the
 * class token always.
 */
static struct vlp_tensor *drop_patches(struct vlp_tape *t, struct vlp_tensor *h, int B, int T)
{
    const int n = T - 1, stay = (int)fmax(1, n * (1 - t->patch_dropout));
    int      *rows = vlp_arena_alloc(t->mem, (size_t)B * (size_t)(1 + stay) * sizeof *rows), k = 0;
    for (int b = 0; b < B; b++) {
        rows[k++] = b * T;
        for (int i = 0, left = stay; i < n;
             i++) /* each with the chance that makes every subset alike */
            if ((int)vlp_rng_below(&t->rng, (uint32_t)(n - i)) < left) {
                rows[k++] = b * T + 1 + i;
                left--;
            }
    }
    return vlp_gather_rows(t, h, rows, k);
}

/* Pictures (B, 3, H, W) to what the first block is given: (B T, C), fewer T under patch dropout. */
static struct vlp_tensor *patch_embeddings(struct vlp_tape *t, const struct clip_vit *x,
                                           struct vlp_tensor *images)
{
    const int          B = images->dim[0], P = x->patch_size;
    const int          gh = images->dim[2] / P, gw = images->dim[3] / P;
    struct vlp_tensor *patches = vlp_patchify(t, images, P);        /* (B gh gw, 3 P P) */
    patches = vlp_linear(t, patches, &x->conv->tensor, NULL, NULL); /* (B gh gw, C) */
    int32_t           *zeros = vlp_arena_calloc(t->mem, (size_t)B, sizeof *zeros);
    struct vlp_tensor *cls = vlp_lookup(t, &x->cls->tensor, zeros, B); /* (B, C) */
    struct vlp_seqs    both;
    struct vlp_tensor *h = vlp_concat_tokens(t, cls, vlp_seqs_even(t, B, 1), patches,
                                             vlp_seqs_even(t, B, gh * gw), &both); /* (B T, C) */
    h = vlp_add(t, h, positions(t, x, gh, gw));
    if (t->training && t->patch_dropout > 0) h = drop_patches(t, h, B, 1 + gh * gw);
    return vlp_norm_forward(t, &x->ln_pre, h);
}

/* (B T, C) -> (B, C): the mean of each picture's patches; the class token, which comes first, is
 * not one of them. */
static struct vlp_tensor *mean_of_patches(struct vlp_tape *t, struct vlp_tensor *h, int B, int T)
{
    int *rows = vlp_arena_alloc(t->mem, (size_t)B * (size_t)T * sizeof *rows), k = 0;
    for (int i = 0; i < B * T; i++)
        if (i % T) rows[k++] = i;
    return vlp_mean_rows(t, vlp_gather_rows(t, h, rows, k), vlp_seqs_even(t, B, T - 1));
}

/* (B T, C) -> (B, C): the blocks, the last norm, and one row of each picture. */
static struct vlp_tensor *blocks_and_pool(struct vlp_tape *t, const struct clip_vit *x,
                                          struct vlp_tensor *h, int B,
                                          const struct vlp_watcher *watch)
{
    const int              T = vlp_rows(h) / B;
    struct vlp_stack_input in = {.all = {.seqs = vlp_seqs_even(t, B, T)}};
    if (x->pool == CLIP_POOL_TOK) {
        int *pooled = vlp_arena_alloc(t->mem, ((size_t)B + 1) * sizeof *pooled);
        for (int b = 0; b < B; b++) pooled[b] = b * T;
        in.all.pooled = pooled;
        h = vlp_stack_forward(t, &x->stack, h, &in, watch); /* (B, C): the class tokens */
        return vlp_norm_forward(t, &x->ln_post, h);
    }
    h = vlp_stack_forward(t, &x->stack, h, &in, watch); /* (B T, C) */
    return x->pool == CLIP_POOL_AVG ? mean_of_patches(t, vlp_norm_forward(t, &x->ln_post, h), B, T)
                                    : vlp_norm_forward(t, &x->ln_post, mean_of_patches(t, h, B, T));
}

struct vlp_tensor *clip_vit_encode(struct vlp_model *m, struct vlp_tape *t,
                                   struct vlp_tensor *images, const struct vlp_watcher *watch)
{
    const struct clip_vit *x = &((const struct clip *)m->net)->vit;
    assert(images->ndim == 4 && images->dim[1] == 3);
    const int B = images->dim[0];

    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    struct vlp_tensor *h = vlp_keep(t, mark, patch_embeddings(t, x, images)); /* (B T, C) */
    h = blocks_and_pool(t, x, h, B, watch);                                   /* (B, C) */
    if (watch->call) watch->call(watch->ctx, "image_penultimate", h, vlp_seqs_even(t, B, 1));
    return vlp_keep(t, mark, vlp_project(t, h, &x->projection->tensor)); /* (B, E) */
}
