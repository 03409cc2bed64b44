/*
 * clip_resnet_internal.h -- the ResNet tower's parts.
 */
#ifndef VLP_CLIP_RESNET_INTERNAL_H
#define VLP_CLIP_RESNET_INTERNAL_H

#include "clip_towers.h"
#include <pthread.h>

enum { RESNET_STAGES = 4 };
#define RESNET_BN_EPS 1e-5f

/* A convolution and its batch norm; folded_* are the two in one, made by clip_resnet_fold. */
struct resnet_conv {
    struct vlp_param *w, *gain, *offset, *mean, *var;
    struct vlp_param *folded_w, *folded_b;
};
struct resnet_bottleneck {
    struct resnet_conv conv[3], shortcut; /* shortcut.w NULL: the identity */
    int                stride;
};
struct clip_resnet {
    int                       image_size, width, heads, layers[RESNET_STAGES];
    struct resnet_conv        stem[3];
    struct resnet_bottleneck *stage[RESNET_STAGES];
    struct vlp_param         *position;
    struct vlp_dense          q, k, v, c;
    pthread_mutex_t           lock; /* over the folding */
    struct vlp_params         folded;
};

/* Fold every batch norm into its convolution, once. The weights are stored ones. */
void clip_resnet_fold(struct clip_resnet *r);

#endif
