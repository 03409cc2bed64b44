/*
 * clip_resnet.c -- CLIP's modified ResNet: three stem convolutions, average pools instead of
 * strides, attention instead of the last pool.
 *
 * Pictures run channels last. Batch norm uses its stored statistics, folded into the convolutions,
 * for inference. In training one whose gain is trained takes the statistics of the batch and moves
 * the stored ones towards them, as torch does in training mode; a frozen one uses the stored ones
 * (open_clip's freeze_bn_stats), spelled out in ops.
 */
#include "clip_resnet_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum vlp_status clip_resnet_read(struct vlp_model *m, struct clip *c, const json_t *o,
                                 struct vlp_error *err)
{
    struct clip_resnet *r = VLP_NEW(&m->mem, struct clip_resnet);
    VLP_TRY(clip_read_int(&r->image_size, o, "vision.", "image_size", VLP_MAX_RESNET_SIZE, err));
    VLP_TRY(clip_read_int(&r->width, o, "vision.", "width", VLP_MAX_RESNET_WIDTH, err));
    VLP_TRY(clip_read_int(&r->heads, o, "vision.", "heads", VLP_MAX_WIDTH, err));
    const json_t *layers = json_object_get(o, "layers");
    if (json_array_size(layers) != RESNET_STAGES)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "the model's configuration has no 'vision.layers' of four whole numbers");
    for (int s = 0; s < RESNET_STAGES; s++) {
        const json_int_t n = json_integer_value(json_array_get(layers, (size_t)s));
        if (n < 1 || n > VLP_MAX_RESNET_LAYERS)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "the model's configuration has an impossible 'vision.layers'");
        r->layers[s] = (int)n;
    }
    const int feature = 32 * r->width;
    /* 31: the last map would not have the grid of the positions, see check_resnet in about.c */
    if (r->image_size < 32 || r->image_size % 32 == 31 || r->width % 2 || feature % r->heads)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "the model's configuration has a ResNet of width %d with %d heads for "
                        "pictures of %d, which do not divide",
                        r->width, r->heads, r->image_size);
    pthread_mutex_init(&r->lock, NULL);
    vlp_params_init(&r->folded);
    c->resnet = r;
    return VLP_OK;
}

void clip_resnet_free(struct clip *c)
{
    if (!c->resnet) return;
    vlp_params_free(&c->resnet->folded);
    pthread_mutex_destroy(&c->resnet->lock);
    c->resnet = NULL;
}

/* ---- declaring --------------------------------------------------------------------- */

/* Start values are those of OpenAI's code: convolutions and biases uniform 1/sqrt(inputs), torch's
 * own; the last gain of a bottleneck 0, so that it starts as its shortcut; the attention pool
 * normal with C^-1/2. */

static struct vlp_param *statistic(struct vlp_params *ps, const char *name, int n,
                                   enum vlp_init start)
{
    struct vlp_param *p = vlp_param(ps, name, VLP_SHAPE(n), (struct vlp_start){start, 0});
    p->buffer = true;
    return p;
}

static struct resnet_conv declare_conv(struct vlp_model *m, const char *conv, const char *bn,
                                       int out, int in, int k, enum vlp_init gain)
{
    struct vlp_params *ps = &m->params;
    struct vlp_arena  *a = &m->mem;
    const float        spread = 1.0f / sqrtf((float)(in * k * k));
    return (struct resnet_conv){
        .w = vlp_param(ps, vlp_arena_printf(a, "%s.weight", conv), VLP_SHAPE(out, in, k, k),
                       (struct vlp_start){VLP_INIT_UNIFORM, spread}),
        .gain = vlp_param(ps, vlp_arena_printf(a, "%s.weight", bn), VLP_SHAPE(out),
                          (struct vlp_start){gain, 0}),
        .offset = vlp_param(ps, vlp_arena_printf(a, "%s.bias", bn), VLP_SHAPE(out),
                            (struct vlp_start){VLP_INIT_ZERO, 0}),
        .mean = statistic(ps, vlp_arena_printf(a, "%s.running_mean", bn), out, VLP_INIT_ZERO),
        .var = statistic(ps, vlp_arena_printf(a, "%s.running_var", bn), out, VLP_INIT_ONE),
    };
}

static void declare_bottleneck(struct vlp_model *m, struct resnet_bottleneck *b, int in, int planes,
                               int stride)
{
    b->stride = stride;
    b->conv[0] = declare_conv(m, "conv1", "bn1", planes, in, 1, VLP_INIT_ONE);
    b->conv[1] = declare_conv(m, "conv2", "bn2", planes, planes, 3, VLP_INIT_ONE);
    b->conv[2] = declare_conv(m, "conv3", "bn3", 4 * planes, planes, 1, VLP_INIT_ZERO);
    if (stride > 1 || in != 4 * planes)
        b->shortcut =
            declare_conv(m, "downsample.0", "downsample.1", 4 * planes, in, 1, VLP_INIT_ONE);
}

static void declare_pool(struct vlp_model *m, struct clip_resnet *r, int embed_dim)
{
    struct vlp_params     *ps = &m->params;
    const int              C = 32 * r->width, g = r->image_size / 32;
    const float            d = 1.0f / sqrtf((float)C);
    const struct vlp_start normal = {VLP_INIT_NORMAL, d}, bias = {VLP_INIT_UNIFORM, d};
    ps->prefix = "visual.attnpool.";
    r->position = vlp_param(ps, "positional_embedding", VLP_SHAPE(1 + g * g, C), normal);
    r->q = vlp_dense_declare(ps, "q_proj", C, C, normal, &bias);
    r->k = vlp_dense_declare(ps, "k_proj", C, C, normal, &bias);
    r->v = vlp_dense_declare(ps, "v_proj", C, C, normal, &bias);
    r->c = vlp_dense_declare(ps, "c_proj", embed_dim, C, normal, &bias);
}

void clip_resnet_build(struct vlp_model *m, struct clip *c)
{
    struct clip_resnet *r = c->resnet;
    struct vlp_params  *ps = &m->params;
    const int           w = r->width;
    m->image_size = r->image_size;
    m->penultimate = c->embed_dim; /* the attention pool is the last layer */
    ps->tower = "image";
    ps->prefix = "visual.";
    ps->layer = 0;
    r->stem[0] = declare_conv(m, "conv1", "bn1", w / 2, 3, 3, VLP_INIT_ONE);
    r->stem[1] = declare_conv(m, "conv2", "bn2", w / 2, w / 2, 3, VLP_INIT_ONE);
    r->stem[2] = declare_conv(m, "conv3", "bn3", w, w / 2, 3, VLP_INIT_ONE);
    int in = w;
    for (int s = 0; s < RESNET_STAGES; s++) {
        const int planes = w << s;
        r->stage[s] = VLP_NEW_N(&m->mem, struct resnet_bottleneck, (size_t)r->layers[s]);
        for (int j = 0; j < r->layers[s]; j++) {
            ps->layer++;
            ps->prefix = vlp_arena_printf(&m->mem, "visual.layer%d.%d.", s + 1, j);
            declare_bottleneck(m, &r->stage[s][j], in, planes, s > 0 && j == 0 ? 2 : 1);
            in = 4 * planes;
        }
    }
    ps->layer++;
    declare_pool(m, r, c->embed_dim);
}

/* ---- forward ----------------------------------------------------------------------- */

struct pass {
    struct vlp_tape          *t;
    const struct clip_resnet *r;
    bool                      folded;
};

/* running = 0.9 running + 0.1 batch, the variance unbiased (torch's momentum) */
static void keep_statistics(const struct resnet_conv *c, const struct vlp_batch_stats *s)
{
    const double momentum = 0.1, unbias = s->rows > 1 ? s->rows / (s->rows - 1) : 1;
    float       *mean = c->mean->tensor.data, *var = c->var->tensor.data;
    const size_t C = vlp_numel(&c->mean->tensor);
    for (size_t i = 0; i < C; i++) {
        mean[i] = (float)((1 - momentum) * (double)mean[i] + momentum * (double)s->mean[i]);
        var[i] = (float)((1 - momentum) * (double)var[i] + momentum * s->var[i] * unbias);
    }
}

static struct vlp_tensor *normalized(struct vlp_tape *t, const struct resnet_conv *c,
                                     struct vlp_tensor *y)
{
    struct vlp_batch_stats found;
    y = vlp_batch_norm(t, y, &c->gain->tensor, &c->offset->tensor, RESNET_BN_EPS, &found);
    if (t->keep_statistics) keep_statistics(c, &found);
    return y;
}

/* (y - mean) / sqrt(var + eps) gain + offset, statistics fixed */
static struct vlp_tensor *normalized_as_stored(struct vlp_tape *t, const struct resnet_conv *c,
                                               struct vlp_tensor *y)
{
    const int          C = vlp_cols(y);
    struct vlp_tensor *shift = vlp_tensor_new(t, VLP_DIMS(C), false);
    struct vlp_tensor *factor = vlp_tensor_new(t, VLP_DIMS(C), false);
    const float       *mean = vlp_param_f32(c->mean), *var = vlp_param_f32(c->var);
    for (int i = 0; i < C; i++) {
        shift->data[i] = -mean[i];
        factor->data[i] = 1.0f / sqrtf(var[i] + RESNET_BN_EPS);
    }
    y = vlp_scale_rows(t, vlp_add(t, y, shift), factor);
    return vlp_add(t, vlp_scale_rows(t, y, &c->gain->tensor), &c->offset->tensor);
}

/* act(bn(conv(x)) + residual) */
static struct vlp_tensor *conv(const struct pass *p, const struct resnet_conv *c,
                               struct vlp_tensor *x, int stride, enum vlp_activation act,
                               struct vlp_tensor *residual)
{
    struct vlp_tape *t = p->t;
    if (p->folded)
        return vlp_conv2d(t, x, &c->folded_w->tensor, &c->folded_b->tensor, stride, act, residual);
    const bool         own = t->batch_statistics && c->gain->tensor.grad;
    struct vlp_tensor *y = vlp_conv2d(t, x, &c->w->tensor, NULL, stride, VLP_ACT_NONE, NULL);
    y = own ? normalized(t, c, y) : normalized_as_stored(t, c, y);
    if (residual) y = vlp_add(t, y, residual);
    return act == VLP_ACT_NONE ? y : vlp_act(t, y, act);
}

static struct vlp_tensor *pool(const struct pass *p, struct vlp_tensor *x, int k)
{
    return k > 1 ? vlp_avg_pool(p->t, x, k) : x;
}

static struct vlp_tensor *bottleneck(const struct pass *p, const struct resnet_bottleneck *b,
                                     struct vlp_tensor *x)
{
    struct vlp_tensor *shortcut = x;
    if (b->shortcut.w)
        shortcut = conv(p, &b->shortcut, pool(p, x, b->stride), 1, VLP_ACT_NONE, NULL);
    struct vlp_tensor *y = conv(p, &b->conv[0], x, 1, VLP_ACT_RELU, NULL);
    y = conv(p, &b->conv[1], y, 1, VLP_ACT_RELU, NULL);
    y = pool(p, y, b->stride);
    return conv(p, &b->conv[2], y, 1, VLP_ACT_RELU, shortcut);
}

/* (B, 3, R, R) -> (B, R/4, R/4, width) */
static struct vlp_tensor *stem(const struct pass *p, struct vlp_tensor *images)
{
    struct vlp_tensor *x = vlp_nchw_to_nhwc(p->t, images);
    x = conv(p, &p->r->stem[0], x, 2, VLP_ACT_RELU, NULL);
    x = conv(p, &p->r->stem[1], x, 1, VLP_ACT_RELU, NULL);
    x = conv(p, &p->r->stem[2], x, 1, VLP_ACT_RELU, NULL);
    return pool(p, x, 2);
}

/* (B, R/32, R/32, C) -> (B, E): one query, the mean of all positions, looks at itself and them. */
static struct vlp_tensor *attention_pool(const struct pass *p, struct vlp_tensor *x)
{
    struct vlp_tape          *t = p->t;
    const struct clip_resnet *r = p->r;
    const int                 B = x->dim[0], n = x->dim[1] * x->dim[2], C = x->dim[3];
    const struct vlp_seqs     one = vlp_seqs_even(t, B, 1), grid = vlp_seqs_even(t, B, n);
    struct vlp_seqs           all;
    int                      *first = vlp_arena_alloc(t->mem, ((size_t)B + 1) * sizeof *first);
    for (int b = 0; b < B; b++) first[b] = b * (n + 1);

    /* (B (1 + n), C) */
    struct vlp_tensor *h = vlp_concat_tokens(t, vlp_mean_rows(t, x, grid), one, x, grid, &all);
    h = vlp_add(t, h, &r->position->tensor);
    struct vlp_tensor *q = vlp_gather_rows(t, h, first, B);
    q = vlp_dense_forward(t, &r->q, q, VLP_ACT_NONE);
    struct vlp_tensor                 *k = vlp_dense_forward(t, &r->k, h, VLP_ACT_NONE);
    struct vlp_tensor                 *v = vlp_dense_forward(t, &r->v, h, VLP_ACT_NONE);
    const struct vlp_attention_options o = {.heads = r->heads, .q_seqs = one, .k_seqs = all};
    struct vlp_tensor                 *y = vlp_attention(t, q, 0, k, 0, v, 0, C, &o);
    return vlp_dense_forward(t, &r->c, y, VLP_ACT_NONE);
}

static bool wants_grad(const struct vlp_model *m, const struct vlp_tape *t)
{
    for (int i = 0; t->recording && i < m->params.n; i++)
        if (m->params.item[i]->tensor.grad && strcmp(m->params.item[i]->tower, "image") == 0)
            return true;
    return false;
}

struct vlp_tensor *clip_resnet_encode(struct vlp_model *m, struct vlp_tape *t,
                                      struct vlp_tensor *images, const struct vlp_watcher *watch)
{
    struct clip_resnet *r = ((struct clip *)m->net)->resnet;
    assert(images->ndim == 4 && images->dim[1] == 3 && images->dim[2] == r->image_size &&
           images->dim[3] == r->image_size);
    /* trained weights move on, so that folding them would not last */
    const struct pass p = {t, r, r->stem[0].w->stored && !wants_grad(m, t)};
    if (p.folded) clip_resnet_fold(r);

    const struct vlp_arena_mark mark = vlp_arena_mark(t->mem);
    struct vlp_tensor          *x = vlp_keep(t, mark, stem(&p, images));
    for (int s = 0; s < RESNET_STAGES; s++)
        for (int j = 0; j < r->layers[s]; j++)
            x = vlp_keep(t, mark, bottleneck(&p, &r->stage[s][j], x));
    x = vlp_keep(t, mark, attention_pool(&p, x));
    if (watch->call)
        watch->call(watch->ctx, "image_penultimate", x, vlp_seqs_even(t, images->dim[0], 1));
    return x;
}
