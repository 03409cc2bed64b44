/*
 * clip_towers.h -- CLIP: two towers that meet in one space.
 */
#ifndef VLP_CLIP_TOWERS_H
#define VLP_CLIP_TOWERS_H

#include <vlp/model.h>

/* What one transformer tower is made of, read from the document. */
struct clip_tower {
    int                 width, layers, heads, mlp;
    float               ln_eps;
    bool                layer_scale;
    enum vlp_activation act;
};

/* How the image tower's rows become one: the class token's; the mean of the patches' after or
 * before the last norm. */
enum clip_pool { CLIP_POOL_TOK, CLIP_POOL_AVG, CLIP_POOL_AVG_LN };
enum clip_interpolate { CLIP_INTERPOLATE_NONE, CLIP_INTERPOLATE_OPEN_CLIP, CLIP_INTERPOLATE_HF };

struct clip_text {
    struct clip_tower tower;
    int               context, vocab;
    int               eos; /* the id whose first place is pooled; -1: the largest of the text */
    bool              causal, last; /* the last place of the context is pooled instead */
    struct vlp_param *token, *position, *projection, *projection_bias; /* the bias may be NULL */
    bool              biased;
    struct vlp_stack  stack;
    struct vlp_norm   ln_final;
};

struct clip_vit {
    struct clip_tower     tower;
    int                   image_size, patch_size;
    enum clip_interpolate interpolate;
    enum clip_pool        pool;
    bool                  has_ln_pre;
    struct vlp_param     *conv, *cls, *position, *projection;
    struct vlp_norm       ln_pre, ln_post;
    struct vlp_stack      stack;
};

struct clip_resnet; /* clip_resnet.c */

struct clip {
    int                 embed_dim;
    enum vlp_activation act;
    struct clip_text    text;
    struct clip_vit     vit;
    struct clip_resnet *resnet; /* NULL: the image tower is vit */
};

/* Read "what".key (an integer, 1 .. most); a missing or impossible one is named. */
enum vlp_status clip_read_int(int *out, const json_t *o, const char *what, const char *key,
                              int most, struct vlp_error *err);
/* An optional word among `n`: its place in the list, 0 where it is absent. */
enum vlp_status clip_read_word(int *out, const json_t *o, const char *what, const char *key,
                               const char *const *words, int n, struct vlp_error *err);
/* width, layers, heads, mlp, ln_eps, layer_scale, activation (if not `act`) of a transformer tower.
 */
enum vlp_status clip_read_tower(struct clip_tower *out, const json_t *o, const char *what,
                                enum vlp_activation act, struct vlp_error *err);

/* How the blocks' weights start: deviations of normal, half widths of uniform. */
struct clip_block_start {
    struct vlp_start qkv, proj, fc1, fc2, fc1_bias, fc2_bias;
};
/* Declare `<prefix>resblocks.<i>.` of every block. */
void clip_declare_stack(struct vlp_model *m, struct vlp_stack *s, const char *name,
                        const char *prefix, const struct clip_tower *tower, bool causal,
                        const struct clip_block_start *start);

enum vlp_status    clip_text_read(struct clip *c, const json_t *o, struct vlp_error *err);
void               clip_text_build(struct vlp_model *m, struct clip *c);
struct vlp_tensor *clip_text_encode(struct vlp_model *m, struct vlp_tape *t,
                                    const struct vlp_text_batch *b,
                                    const struct vlp_watcher    *watch);
bool clip_text_fit(struct vlp_model *m, struct vlp_param *p, const struct vlp_stored *s);

enum vlp_status    clip_vit_read(struct clip *c, const json_t *o, struct vlp_error *err);
void               clip_vit_build(struct vlp_model *m, struct clip *c);
struct vlp_tensor *clip_vit_encode(struct vlp_model *m, struct vlp_tape *t,
                                   struct vlp_tensor *images, const struct vlp_watcher *watch);
bool clip_vit_fit(struct vlp_model *m, struct vlp_param *p, const struct vlp_stored *s);

enum vlp_status    clip_resnet_read(struct vlp_model *m, struct clip *c, const json_t *o,
                                    struct vlp_error *err);
void               clip_resnet_build(struct vlp_model *m, struct clip *c);
struct vlp_tensor *clip_resnet_encode(struct vlp_model *m, struct vlp_tape *t,
                                      struct vlp_tensor *images, const struct vlp_watcher *watch);
void               clip_resnet_free(struct clip *c);

#endif
