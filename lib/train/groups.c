/*
 * groups.c -- which parameters are trained, how fast, and which decay.
 *
 * A frozen tower (rate 0) may have its last groups unlocked (LiT). They are open_clip's: the
 * projection, then the last block with the norm behind it, then block after block, then the
 * embeddings. Layer-wise rates fall by `layer_decay` per layer below the top of their tower.
 *
 * Decay: tensors of two dimensions and more, but not the position embeddings of transformers
 * (open_clip's current rule); --decay-all takes these too (its older rule). A class embedding is a
 * vector and never decays. The statistics of batch norms belong to no group: the forward moves
 * those of trained layers, nothing those of frozen ones.
 */
#include <math.h>
#include <string.h>

#include "train_internal.h"

int vlp_trainer_count(const struct vlp_trainer *t)
{
    return t->model->params.n + t->own.n;
}

struct vlp_param *vlp_trainer_param(const struct vlp_trainer *t, int i)
{
    const int n = t->model->params.n;
    return i < n ? t->model->params.item[i] : t->own.item[i - n];
}

struct vlp_trained *vlp_trainer_find(const struct vlp_trainer *t, const struct vlp_param *p)
{
    for (int i = 0; i < t->n_trained; i++)
        if (t->trained[i].param == p) return &t->trained[i];
    return NULL;
}

float *vlp_trainer_ema(const struct vlp_trainer *t, const struct vlp_param *p)
{
    const struct vlp_trained *q = vlp_trainer_find(t, p);
    if (q) return q->ema;
    for (int i = 0; i < t->n_statistics; i++)
        if (t->statistic[i].param == p) return t->statistic[i].ema;
    return NULL;
}

/* The highest layer number of a tower. */
static int top_layer(const struct vlp_params *ps, const char *tower)
{
    int top = 0;
    for (int i = 0; i < ps->n; i++)
        if (strcmp(ps->item[i]->tower, tower) == 0 && ps->item[i]->layer > top)
            top = ps->item[i]->layer;
    return top;
}

/* Number of the group that is unlocked as one; the highest first. */
static int group_of(const struct vlp_param *p, int top)
{
    const bool last_norm = p->layer == top && strstr(p->name, "ln_");
    return last_norm ? top - 1 : p->layer;
}

/* Multiplier of the learning rate; 0 is frozen. */
static float rate_of(const struct vlp_trainer *t, const struct vlp_param *p)
{
    const struct {
        const char *name;
        float       rate;
        int         unlock;
    } tower[] = {{"image", t->o.image_rate, t->o.unlock_image},
                 {"text", t->o.text_rate, t->o.unlock_text}};
    for (size_t i = 0; i < VLP_COUNT(tower); i++) {
        if (strcmp(p->tower, tower[i].name) != 0) continue;
        const int top = top_layer(&t->model->params, p->tower);
        float     rate = tower[i].rate;
        if (rate == 0.0f && p->layer >= 0 && group_of(p, top) > top - tower[i].unlock) rate = 1.0f;
        if (p->layer >= 0) rate *= powf(t->o.layer_decay, (float)(top - p->layer));
        return rate;
    }
    return 1.0f;
}

static bool is_matrix(const struct vlp_param *p)
{
    return p->tensor.ndim >= 2;
}

static float *averaged_copy(struct vlp_trainer *t, const struct vlp_param *p)
{
    if (t->o.ema_decay <= 0.0f) return NULL;
    const size_t len = vlp_numel(&p->tensor);
    float       *ema = VLP_NEW_N(&t->mem, float, len);
    memcpy(ema, p->tensor.data, len * sizeof *ema);
    return ema;
}

enum vlp_status vlp_trainer_groups(struct vlp_trainer *t, struct vlp_error *err)
{
    const int n = vlp_trainer_count(t);
    t->trained = VLP_NEW_N(&t->mem, struct vlp_trained, (size_t)n);
    t->statistic = VLP_NEW_N(&t->mem, struct vlp_statistic, (size_t)n);
    for (int i = 0; i < n; i++) {
        struct vlp_param *p = vlp_trainer_param(t, i);
        const float       rate = rate_of(t, p);
        p->tensor.grad = NULL;
        if (rate == 0.0f) continue;
        if (p->buffer) {
            t->statistic[t->n_statistics++] =
                (struct vlp_statistic){.param = p,
                                       .before = VLP_NEW_N(&t->mem, float, vlp_numel(&p->tensor)),
                                       .ema = averaged_copy(t, p)};
            continue;
        }
        t->trains[VLP_TOWER_IMAGE] |= strcmp(p->tower, "image") == 0;
        t->trains[VLP_TOWER_TEXT] |= strcmp(p->tower, "text") == 0;
        struct vlp_trained *q = &t->trained[t->n_trained++];
        *q = (struct vlp_trained){.param = p, .rate = rate};
        q->decay = t->o.decay_all ? is_matrix(p) : p->decay;
        q->clamp = p == t->model->logit_scale;
        t->n_grads += vlp_numel(&p->tensor);
    }
    if (t->n_trained == 0)
        return vlp_fail(err, VLP_ERR_USAGE, "everything is frozen: nothing to train");
    t->grads = VLP_NEW_N(&t->mem, float, t->n_grads);
    size_t at = 0;
    for (int i = 0; i < t->n_trained; i++) {
        struct vlp_trained *q = &t->trained[i];
        const size_t        len = vlp_numel(&q->param->tensor);
        q->param->tensor.grad = t->grads + at;
        q->m = VLP_NEW_N(&t->mem, float, len);
        q->v = VLP_NEW_N(&t->mem, float, len);
        q->ema = averaged_copy(t, q->param);
        at += len;
    }
    return VLP_OK;
}
