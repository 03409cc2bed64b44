/*
 * clip.c -- the CLIP family: its configuration, and which tower does what.
 */
#include "clip_towers.h"

#include <string.h>

enum vlp_status clip_read_int(int *out, const json_t *o, const char *what, const char *key,
                              int most, struct vlp_error *err)
{
    const json_t *v = json_object_get(o, key);
    if (!v)
        return vlp_fail(err, VLP_ERR_FORMAT, "the model's configuration has no '%s%s'", what, key);
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > most)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "the model's configuration has an impossible '%s%s': it must be a whole "
                        "number from 1 to %d",
                        what, key, most);
    *out = (int)json_integer_value(v);
    return VLP_OK;
}

enum vlp_status clip_read_word(int *out, const json_t *o, const char *what, const char *key,
                               const char *const *words, int n, struct vlp_error *err)
{
    const json_t *v = json_object_get(o, key);
    const char   *word = json_string_value(v);
    *out = 0;
    if (!v) return VLP_OK;
    for (int i = 0; word && i < n; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return VLP_OK;
        }
    return vlp_fail(err, VLP_ERR_FORMAT,
                    "the model's configuration has '%s%s' as '%s', which is not known", what, key,
                    word ? word : "");
}

static const char *const activations[] = {"gelu", "quick_gelu"};

enum vlp_status clip_read_tower(struct clip_tower *out, const json_t *o, const char *what,
                                enum vlp_activation act, struct vlp_error *err)
{
    VLP_TRY(clip_read_int(&out->width, o, what, "width", VLP_MAX_WIDTH, err));
    VLP_TRY(clip_read_int(&out->layers, o, what, "layers", VLP_MAX_LAYERS, err));
    VLP_TRY(clip_read_int(&out->heads, o, what, "heads", VLP_MAX_WIDTH, err));
    VLP_TRY(clip_read_int(&out->mlp, o, what, "mlp", VLP_MAX_MLP, err));
    if (out->width % out->heads)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "the model's configuration has %d '%sheads', which do not divide its width "
                        "%d",
                        out->heads, what, out->width);
    const json_t *eps = json_object_get(o, "ln_eps");
    out->ln_eps = 1e-5f;
    if (eps) {
        if (!json_is_number(eps) || !(json_number_value(eps) > 0.0 && json_number_value(eps) < 1.0))
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "the model's configuration has an impossible '%sln_eps'", what);
        out->ln_eps = (float)json_number_value(eps);
    }
    out->layer_scale = json_is_true(json_object_get(o, "layer_scale"));
    int own;
    VLP_TRY(clip_read_word(&own, o, what, "activation", activations, VLP_COUNT(activations), err));
    out->act = !json_object_get(o, "activation") ? act : own ? VLP_ACT_QUICK_GELU : VLP_ACT_GELU;
    return VLP_OK;
}

static enum vlp_status read_activation(enum vlp_activation *out, const json_t *config,
                                       struct vlp_error *err)
{
    int quick;
    if (!json_object_get(config, "activation"))
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "the model's configuration has no 'activation': gelu or quick_gelu");
    VLP_TRY(
        clip_read_word(&quick, config, "", "activation", activations, VLP_COUNT(activations), err));
    *out = quick ? VLP_ACT_QUICK_GELU : VLP_ACT_GELU;
    return VLP_OK;
}

static enum vlp_status read_vision(struct vlp_model *m, struct clip *c, const json_t *o,
                                   struct vlp_error *err)
{
    const char *kind = json_string_value(json_object_get(o, "kind"));
    if (kind && strcmp(kind, "vit") == 0) return clip_vit_read(c, o, err);
    if (kind && strcmp(kind, "resnet") == 0) return clip_resnet_read(m, c, o, err);
    return vlp_fail(err, VLP_ERR_FORMAT,
                    "the model's configuration has the vision kind '%s', not vit or resnet",
                    kind ? kind : "");
}

static enum vlp_status build(struct vlp_model *m, const json_t *config, struct vlp_error *err)
{
    struct clip *c = VLP_NEW(&m->mem, struct clip);
    m->net = c;
    const json_t *vision = json_object_get(config, "vision"),
                 *text = json_object_get(config, "text");
    if (!json_is_object(vision) || !json_is_object(text))
        return vlp_fail(err, VLP_ERR_FORMAT, "the model's configuration has no '%s' object",
                        json_is_object(vision) ? "text" : "vision");
    VLP_TRY(clip_read_int(&c->embed_dim, config, "", "embed_dim", VLP_MAX_WIDTH, err));
    VLP_TRY(read_activation(&c->act, config, err));
    VLP_TRY(read_vision(m, c, vision, err));
    VLP_TRY(clip_text_read(c, text, err));

    m->embed_dim = c->embed_dim;
    m->context = c->text.context;
    m->vocab = c->text.vocab;
    m->text_rows = c->text.causal && !c->text.last ? 1 : c->text.context;
    if (c->resnet)
        clip_resnet_build(m, c);
    else
        clip_vit_build(m, c);
    clip_text_build(m, c);
    m->params.prefix = "";
    m->params.tower = "";
    m->params.layer = -1;
    /* ln(1 / 0.07) */
    m->logit_scale = vlp_param(&m->params, "logit_scale", VLP_SHAPE(1),
                               (struct vlp_start){VLP_INIT_CONST, 2.6592600369f});
    return VLP_OK;
}

void clip_declare_stack(struct vlp_model *m, struct vlp_stack *s, const char *name,
                        const char *prefix, const struct clip_tower *tower, bool causal,
                        const struct clip_block_start *start)
{
    const int              C = tower->width;
    const struct vlp_start zero = {VLP_INIT_ZERO, 0.0f};
    s->name = name;
    s->n_blocks = tower->layers;
    s->block = VLP_NEW_N(&m->mem, struct vlp_block, (size_t)tower->layers);
    struct vlp_params *ps = &m->params;
    for (int i = 0; i < tower->layers; i++) {
        struct vlp_block *b = &s->block[i];
        ps->prefix = vlp_arena_printf(&m->mem, "%sresblocks.%d.", prefix, i);
        ps->layer = i + 1;
        b->width = C;
        b->heads = tower->heads;
        b->place = VLP_NORM_BEFORE;
        b->act = tower->act;
        b->causal = causal;
        b->norm = vlp_norm_declare(ps, "ln_1", C, tower->ln_eps);
        b->self.qkv.w = vlp_param(ps, "attn.in_proj_weight", VLP_SHAPE(3 * C, C), start->qkv);
        b->self.qkv.b = vlp_param(ps, "attn.in_proj_bias", VLP_SHAPE(3 * C), zero);
        b->self.proj = vlp_dense_declare(ps, "attn.out_proj", C, C, start->proj, &zero);
        b->n_experts = 1;
        struct vlp_expert *e = &b->expert[0];
        e->norm = vlp_norm_declare(ps, "ln_2", C, tower->ln_eps);
        e->fc1 = vlp_dense_declare(ps, "mlp.c_fc", tower->mlp, C, start->fc1, &start->fc1_bias);
        e->fc2 = vlp_dense_declare(ps, "mlp.c_proj", C, tower->mlp, start->fc2, &start->fc2_bias);
        if (tower->layer_scale) {
            const struct vlp_start small = {VLP_INIT_CONST, 1e-5f};
            b->gamma1 = vlp_param(ps, "ls_1.gamma", VLP_SHAPE(C), small);
            b->gamma2 = vlp_param(ps, "ls_2.gamma", VLP_SHAPE(C), small);
        }
    }
    ps->prefix = "";
}

static bool fit(struct vlp_model *m, struct vlp_param *p, const struct vlp_stored *s)
{
    return clip_vit_fit(m, p, s) || clip_text_fit(m, p, s);
}

static struct vlp_tensor *encode_image(struct vlp_model *m, struct vlp_tape *t,
                                       struct vlp_tensor *images, const struct vlp_watcher *watch)
{
    const struct clip *c = m->net;
    return c->resnet ? clip_resnet_encode(m, t, images, watch)
                     : clip_vit_encode(m, t, images, watch);
}

static void free_net(struct vlp_model *m)
{
    clip_resnet_free(m->net);
}

const struct vlp_family vlp_family_clip = {
    .name = "clip",
    .build = build,
    .fit = fit,
    .encode_image = encode_image,
    .encode_text = clip_text_encode,
    .free = free_net,
};
