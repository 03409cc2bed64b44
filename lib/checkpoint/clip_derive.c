/*
 * clip_derive.c -- the configuration of a CLIP from the shapes of its tensors.
 *
 *   ViT or ResNet by a tensor that the other has not; width and patch from visual.conv1, depth by
 *   counting, side from the grid of positions. The weights do not say how many heads a tower has;
 *   it is width / 64, but for the four known vision towers of open_clip.
 */
#include <math.h>
#include <string.h>

#include "checkpoint_internal.h"

struct derive {
    const struct vlp_checkpoint *c;
    const char                  *file;
    const struct vlp_name_rule  *rules;
    struct vlp_error            *err;
};

/* The tensor, with that many dimensions, all of them positive. */
static enum vlp_status need(const struct vlp_stored **t, const struct derive *d, const char *name,
                            int ndim)
{
    char theirs[256];
    *t = vlp_checkpoint_find(d->c, name);
    if (!*t)
        return vlp_fail(d->err, VLP_ERR_MISMATCH, "%s: tensor '%s' is missing", d->file,
                        vlp_foreign_name(theirs, sizeof theirs, d->rules, name));
    VLP_TRY(vlp_stored_not_odd(*t, d->file, d->err));
    bool fits = (*t)->ndim == ndim;
    for (int i = 0; i < ndim && fits; i++) fits = (*t)->dim[i] > 0;
    char shape[128];
    if (fits) return VLP_OK;
    return vlp_fail(d->err, VLP_ERR_MISMATCH, "%s: tensor '%s' has the shape %s", d->file, name,
                    vlp_shape_text(shape, (*t)->ndim, (*t)->dim));
}

/* How many consecutive numbers, from 0, the pattern (with one %d) finds a tensor for. */
static int count_up(const struct derive *d, const char *pattern)
{
    char name[96];
    int  n = 0;
    for (;; n++) {
        snprintf(name, sizeof name, pattern, n);
        if (!vlp_checkpoint_find(d->c, name)) return n;
    }
}

static enum vlp_status side_of_grid(int64_t *side, const struct derive *d,
                                    const struct vlp_stored *position)
{
    *side = (int64_t)llround(sqrt((double)(position->dim[0] - 1)));
    if (*side > 0 && *side * *side == position->dim[0] - 1) return VLP_OK;
    return vlp_fail(d->err, VLP_ERR_MISMATCH, "%s: %lld positions of '%s' are no square grid",
                    d->file, (long long)position->dim[0] - 1, position->name);
}

/* The two towers share these: "layers", "heads", "mlp", "width". */
static enum vlp_status derive_tower(json_t **out, const struct derive *d, const char *prefix,
                                    int64_t width, int64_t heads)
{
    char pattern[96], name[96];
    snprintf(pattern, sizeof pattern, "%stransformer.resblocks.%%d.attn.in_proj_weight", prefix);
    const int layers = count_up(d, pattern);
    snprintf(name, sizeof name, "%stransformer.resblocks.0.mlp.c_fc.weight", prefix);
    const struct vlp_stored *fc;
    VLP_TRY(need(&fc, d, name, 2));
    snprintf(name, sizeof name, "%stransformer.resblocks.0.ls_1.gamma", prefix);
    *out = json_pack("{s:I, s:i, s:I, s:I, s:f}", "width", (json_int_t)width, "layers", layers,
                     "heads", (json_int_t)heads, "mlp", (json_int_t)fc->dim[0], "ln_eps", 1e-5);
    if (vlp_checkpoint_find(d->c, name)) json_object_set_new(*out, "layer_scale", json_true());
    return VLP_OK;
}

/* open_clip's H, g, bigG and e have heads wider than 64. */
static int64_t head_width(int64_t width)
{
    static const struct {
        int64_t width, head;
    } known[] = {{1280, 80}, {1408, 88}, {1664, 104}, {1792, 112}};
    for (size_t i = 0; i < VLP_COUNT(known); i++)
        if (known[i].width == width) return known[i].head;
    return 64;
}

/* The references round down: 160 / 64 is two heads of 80. */
static int64_t heads_of(int64_t width, int64_t head)
{
    const int64_t n = width / head;
    return n > 0 && width % n == 0 ? n : 1;
}

static enum vlp_status derive_vit(json_t **out, const struct derive *d, bool openai)
{
    const struct vlp_stored *projection, *conv, *position;
    int64_t                  grid = 0;
    VLP_TRY(need(&projection, d, "visual.proj", 2));
    VLP_TRY(need(&conv, d, "visual.conv1.weight", 4));
    VLP_TRY(need(&position, d, "visual.positional_embedding", 2));
    VLP_TRY(side_of_grid(&grid, d, position));
    const int64_t width = conv->dim[0], patch = conv->dim[2];
    VLP_TRY(
        derive_tower(out, d, "visual.", width, heads_of(width, openai ? 64 : head_width(width))));
    json_object_set_new(*out, "kind", json_string("vit"));
    json_object_set_new(*out, "patch_size", json_integer(patch));
    json_object_set_new(*out, "image_size", json_integer(patch * grid));
    json_object_set_new(*out, "interpolate", json_string("none"));
    if (!vlp_checkpoint_find(d->c, "visual.ln_pre.weight"))
        json_object_set_new(*out, "ln_pre", json_false());
    return VLP_OK;
}

static enum vlp_status derive_resnet(json_t **out, const struct derive *d)
{
    const struct vlp_stored *conv, *position;
    int64_t                  grid = 0;
    VLP_TRY(need(&conv, d, "visual.layer1.0.conv1.weight", 4));
    VLP_TRY(need(&position, d, "visual.attnpool.positional_embedding", 2));
    VLP_TRY(side_of_grid(&grid, d, position));
    const int64_t width = conv->dim[0];
    int           depth[4];
    for (int stage = 0; stage < 4; stage++) {
        char pattern[64];
        snprintf(pattern, sizeof pattern, "visual.layer%d.%%d.conv1.weight", stage + 1);
        depth[stage] = count_up(d, pattern);
    }
    *out = json_pack("{s:s, s:I, s:I, s:[i,i,i,i], s:I}", "kind", "resnet", "image_size",
                     (json_int_t)(32 * grid), "width", (json_int_t)width, "layers", depth[0],
                     depth[1], depth[2], depth[3], "heads", (json_int_t)heads_of(32 * width, 64));
    return VLP_OK;
}

/* The kind of tower that a checkpoint has tensors of, be they not all there. */
static enum vlp_status derive_vision(json_t **out, const struct derive *d, bool openai)
{
    static const struct {
        const char *tensor;
        bool        vit;
    } signs[] = {{"visual.proj", true},
                 {"visual.class_embedding", true},
                 {"visual.layer1.0.conv1.weight", false},
                 {"visual.attnpool.positional_embedding", false}};
    for (size_t i = 0; i < VLP_COUNT(signs); i++)
        if (vlp_checkpoint_find(d->c, signs[i].tensor))
            return signs[i].vit ? derive_vit(out, d, openai) : derive_resnet(out, d);
    char vit[256];
    return vlp_fail(d->err, VLP_ERR_MISMATCH,
                    "%s: its tower of pictures is neither a ViT ('%s' is missing) nor a ResNet "
                    "('%s' is missing)",
                    d->file, vlp_foreign_name(vit, sizeof vit, d->rules, signs[0].tensor),
                    signs[2].tensor);
}

static enum vlp_status derive_text(json_t **out, const struct derive *d)
{
    const struct vlp_stored *position, *token;
    VLP_TRY(need(&position, d, "positional_embedding", 2));
    VLP_TRY(need(&token, d, "token_embedding.weight", 2));
    VLP_TRY(derive_tower(out, d, "", position->dim[1], heads_of(position->dim[1], 64)));
    json_object_set_new(*out, "context", json_integer(position->dim[0]));
    json_object_set_new(*out, "vocab", json_integer(token->dim[0]));
    if (vlp_checkpoint_find(d->c, "text_projection.bias"))
        json_object_set_new(*out, "projection_bias", json_true());
    return VLP_OK;
}

enum vlp_status vlp_clip_derive(json_t **config, const struct vlp_opening *o)
{
    const struct derive      d = {o->out, o->source->file, o->rules, o->err};
    const struct vlp_stored *projection;
    const bool               openai = o->source->container == VLP_CONTAINER_SCRIPT;
    json_t                  *vision = NULL, *text = NULL;
    VLP_TRY(need(&projection, &d, "text_projection", 2));
    VLP_TRY(derive_vision(&vision, &d, openai));
    const enum vlp_status s = derive_text(&text, &d);
    if (s != VLP_OK) {
        json_decref(vision);
        return s;
    }
    *config = json_pack("{s:I, s:o, s:o}", "embed_dim", (json_int_t)projection->dim[1], "vision",
                        vision, "text", text);
    return VLP_OK;
}
