/*
 * clip_resnet_fold.c -- batch norm with fixed statistics is a scale and a shift of the convolution.
 *
 *   W' = W gain / sqrt(var + eps),  b' = offset - mean gain / sqrt(var + eps)
 */
#include "clip_resnet_internal.h"

#include <math.h>

static void fold_values(const struct resnet_conv *c, float *w, float *b)
{
    const float *gain = vlp_param_f32(c->gain), *offset = vlp_param_f32(c->offset);
    const float *mean = vlp_param_f32(c->mean), *var = vlp_param_f32(c->var);
    const int    out = c->w->tensor.dim[0];
    const size_t n = vlp_numel(&c->w->tensor), per = n / (size_t)out;
    vlp_to_f32(w, c->w->stored, c->w->stored_dtype, n);
    for (int o = 0; o < out; o++) {
        const float factor = gain[o] / sqrtf(var[o] + RESNET_BN_EPS);
        for (size_t i = 0; i < per; i++) w[o * per + i] *= factor;
        b[o] = offset[o] - mean[o] * factor;
    }
    if (c->w->mapped) vlp_map_forget(c->w->stored, vlp_dtype_size(c->w->stored_dtype, n));
}

static void fold(struct clip_resnet *r, struct resnet_conv *c)
{
    if (!c->w) return;
    struct vlp_params *ps = &r->folded;
    const int         *d = c->w->tensor.dim;
    if (!c->folded_w) {
        const struct vlp_start none = {VLP_INIT_ZERO, 0};
        ps->prefix = c->w->name;
        c->folded_w = vlp_param(ps, ".folded", VLP_SHAPE(d[0], d[1], d[2], d[3]), none);
        c->folded_b = vlp_param(ps, ".folded_bias", VLP_SHAPE(d[0]), none);
    }
    float *w = vlp_arena_alloc(&ps->mem, vlp_numel(&c->w->tensor) * sizeof *w);
    float *b = vlp_arena_alloc(&ps->mem, (size_t)d[0] * sizeof *b);
    fold_values(c, w, b);
    vlp_param_bind(c->folded_w, VLP_F32, w);
    vlp_param_bind(c->folded_b, VLP_F32, b);
}

static void fold_all(struct clip_resnet *r)
{
    for (int i = 0; i < 3; i++) fold(r, &r->stem[i]);
    for (int s = 0; s < RESNET_STAGES; s++)
        for (int j = 0; j < r->layers[s]; j++) {
            for (int i = 0; i < 3; i++) fold(r, &r->stage[s][j].conv[i]);
            fold(r, &r->stage[s][j].shortcut);
        }
}

void clip_resnet_fold(struct clip_resnet *r)
{
    pthread_mutex_lock(&r->lock);
    if (!r->stem[0].folded_w) fold_all(r);
    pthread_mutex_unlock(&r->lock);
}
