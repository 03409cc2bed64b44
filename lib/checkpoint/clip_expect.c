/*
 * clip_expect.c -- every tensor that a CLIP of a given configuration has, with its shape.
 */
#include <string.h>

#include "checkpoint_internal.h"

struct listing {
    vlp_expected *expected;
    void         *ctx;
    const char   *prefix;
};

#define DIM(...)                                                                                   \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void tensor(const struct listing *l, const char *name, int ndim, const int64_t *dim)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", l->prefix, name);
    l->expected(l->ctx, full, ndim, dim, false);
}

static void pair(const struct listing *l, const char *name, int64_t out, int64_t in)
{
    char full[512];
    snprintf(full, sizeof full, "%s.weight", name);
    if (in)
        tensor(l, full, DIM(out, in));
    else
        tensor(l, full, DIM(out));
    snprintf(full, sizeof full, "%s.bias", name);
    tensor(l, full, DIM(out));
}

static int64_t count(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void blocks(struct listing l, const json_t *tower)
{
    const int64_t width = count(tower, "width"), mlp = count(tower, "mlp");
    const char   *before = l.prefix;
    char          prefix[128];
    l.prefix = prefix;
    for (int64_t i = 0; i < count(tower, "layers"); i++) {
        snprintf(prefix, sizeof prefix, "%stransformer.resblocks.%lld.", before, (long long)i);
        pair(&l, "ln_1", width, 0);
        tensor(&l, "attn.in_proj_weight", DIM(3 * width, width));
        tensor(&l, "attn.in_proj_bias", DIM(3 * width));
        pair(&l, "attn.out_proj", width, width);
        pair(&l, "ln_2", width, 0);
        pair(&l, "mlp.c_fc", mlp, width);
        pair(&l, "mlp.c_proj", width, mlp);
        if (json_is_true(json_object_get(tower, "layer_scale"))) {
            tensor(&l, "ls_1.gamma", DIM(width));
            tensor(&l, "ls_2.gamma", DIM(width));
        }
    }
}

static void batch_norm(const struct listing *l, const char *name, int64_t channels)
{
    static const char *const part[] = {"weight", "bias", "running_mean", "running_var"};
    char                     full[96];
    for (size_t i = 0; i < VLP_COUNT(part); i++) {
        snprintf(full, sizeof full, "%s.%s", name, part[i]);
        tensor(l, full, DIM(channels));
    }
}

static void conv(const struct listing *l, const char *name, int64_t out, int64_t in, int64_t k)
{
    char full[160];
    snprintf(full, sizeof full, "%s.weight", name);
    tensor(l, full, DIM(out, in, k, k));
}

static void bottleneck(const struct listing *parent, int stage, int64_t j, int64_t in,
                       int64_t planes)
{
    char           prefix[96];
    struct listing l = *parent;
    snprintf(prefix, sizeof prefix, "%slayer%d.%lld.", parent->prefix, stage, (long long)j);
    l.prefix = prefix;
    conv(&l, "conv1", planes, in, 1);
    batch_norm(&l, "bn1", planes);
    conv(&l, "conv2", planes, planes, 3);
    batch_norm(&l, "bn2", planes);
    conv(&l, "conv3", 4 * planes, planes, 1);
    batch_norm(&l, "bn3", 4 * planes);
    if (j > 0) return;
    conv(&l, "downsample.0", 4 * planes, in, 1);
    batch_norm(&l, "downsample.1", 4 * planes);
}

static void resnet(const struct listing *l, const json_t *vision, int64_t embed_dim)
{
    const int64_t w = count(vision, "width"), grid = count(vision, "image_size") / 32;
    conv(l, "conv1", w / 2, 3, 3);
    batch_norm(l, "bn1", w / 2);
    conv(l, "conv2", w / 2, w / 2, 3);
    batch_norm(l, "bn2", w / 2);
    conv(l, "conv3", w, w / 2, 3);
    batch_norm(l, "bn3", w);
    int64_t in = w;
    for (int stage = 1; stage <= 4; stage++) {
        const json_t *depth = json_array_get(json_object_get(vision, "layers"), (size_t)stage - 1);
        const int64_t planes = w << (stage - 1);
        for (int64_t j = 0; j < json_integer_value(depth); j++) {
            bottleneck(l, stage, j, in, planes);
            in = 4 * planes;
        }
    }
    tensor(l, "attnpool.positional_embedding", DIM(1 + grid * grid, 32 * w));
    pair(l, "attnpool.q_proj", 32 * w, 32 * w);
    pair(l, "attnpool.k_proj", 32 * w, 32 * w);
    pair(l, "attnpool.v_proj", 32 * w, 32 * w);
    pair(l, "attnpool.c_proj", embed_dim, 32 * w);
}

static void vit(const struct listing *l, const json_t *vision, int64_t embed_dim)
{
    const int64_t width = count(vision, "width"), patch = count(vision, "patch_size");
    const int64_t grid = count(vision, "image_size") / patch;
    const char   *rule = json_string_value(json_object_get(vision, "interpolate"));
    const bool    any = rule && strcmp(rule, "open_clip") == 0;
    tensor(l, "class_embedding", DIM(width));
    tensor(l, "positional_embedding", DIM(any ? -1 : 1 + grid * grid, width));
    tensor(l, "conv1.weight", DIM(width, 3, patch, patch));
    if (!json_is_false(json_object_get(vision, "ln_pre"))) pair(l, "ln_pre", width, 0);
    blocks(*l, vision);
    pair(l, "ln_post", width, 0);
    tensor(l, "proj", DIM(width, embed_dim));
}

void vlp_clip_expect(const json_t *config, vlp_expected *expected, void *ctx)
{
    const json_t  *text = json_object_get(config, "text");
    const json_t  *vision = json_object_get(config, "vision");
    const char    *kind = json_string_value(json_object_get(vision, "kind"));
    const int64_t  embed_dim = count(config, "embed_dim"), width = count(text, "width");
    struct listing l = {expected, ctx, ""};
    tensor(&l, "logit_scale", 0, NULL);
    tensor(&l, "token_embedding.weight", DIM(count(text, "vocab"), width));
    /* open_clip resamples the positions of another context length */
    tensor(&l, "positional_embedding", DIM(-1, width));
    blocks(l, text);
    pair(&l, "ln_final", width, 0);
    tensor(&l, "text_projection", DIM(width, embed_dim));
    if (json_is_true(json_object_get(text, "projection_bias")))
        tensor(&l, "text_projection.bias", DIM(embed_dim));
    /* the sigmoid loss learns one; the encoders do not need it */
    expected(ctx, "logit_bias", 0, NULL, true);
    l.prefix = "visual.";
    if (strcmp(kind, "resnet") == 0)
        resnet(&l, vision, embed_dim);
    else
        vit(&l, vision, embed_dim);
}
