/*
 * export.c -- the trained model as a model file that every program takes with -m.
 */
#include <stdlib.h>
#include <string.h>

#include "train_internal.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct vlp_stored *)a)->name, ((const struct vlp_stored *)b)->name);
}

enum vlp_status vlp_trainer_export(struct vlp_trainer *t, const char *path, bool averaged,
                                   const void *vocab, size_t vocab_len, const json_t *training,
                                   const struct vlp_convert *how, struct vlp_error *err)
{
    const int             n = vlp_trainer_count(t);
    struct vlp_checkpoint c = {.about = json_deep_copy(t->model->about)};
    c.tensors = VLP_NEW_N(&c.mem, struct vlp_stored, (size_t)n + 1);
    for (int i = 0; i < n; i++) {
        const struct vlp_param *p = vlp_trainer_param(t, i);
        const float            *ema = averaged ? vlp_trainer_ema(t, p) : NULL;
        struct vlp_stored      *s = &c.tensors[c.n_tensors++];
        *s = (struct vlp_stored){
            .name = p->name,
            .dtype = VLP_F32,
            .ndim = p->tensor.ndim,
            .data = ema ? ema : p->tensor.data,
            .size = vlp_numel(&p->tensor) * sizeof(float),
        };
        for (int k = 0; k < s->ndim; k++) s->dim[k] = p->tensor.dim[k];
        /* A number has no dimensions in a file, a vector of one has: fingerprints count them. */
        if (p == t->model->logit_scale || p == t->logit_bias) s->ndim = 0;
    }
    json_t *tokenizer = json_object_get(c.about, "tokenizer");
    if (vocab && tokenizer) {
        json_object_set_new(tokenizer, "tensor", json_string(VLP_VOCABULARY_TENSOR));
        c.tensors[c.n_tensors++] = (struct vlp_stored){.name = VLP_VOCABULARY_TENSOR,
                                                       .dtype = VLP_U8,
                                                       .ndim = 1,
                                                       .dim = {(int64_t)vocab_len},
                                                       .data = vocab,
                                                       .size = vocab_len};
    }
    qsort(c.tensors, c.n_tensors, sizeof *c.tensors, by_name);
    if (training) json_object_set_new(c.about, "training", json_deep_copy(training));
    json_object_del(c.about, "fingerprint"); /* of the weights it started from */
    const enum vlp_status s = vlp_checkpoint_write(&c, path, how, err);
    vlp_checkpoint_close(&c);
    return s;
}
