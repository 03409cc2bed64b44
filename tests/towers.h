/*
 * towers.h -- towers of the published sizes with random weights, for benches: speed does not depend
 * on values.
 */
#ifndef TOWERS_H
#define TOWERS_H

#include <vlp/model.h>

struct tower_size {
    const char *name, *vision;
    int         image_size, patch, width, layers, mlp, text_width;
};
enum { TOWER_B32, TOWER_B16, TOWER_L14, TOWER_RN50, TOWER_SIZE_COUNT };
extern const struct tower_size tower_sizes[TOWER_SIZE_COUNT];

struct tower {
    struct vlp_model model;
    struct vlp_arena weights, mem;
};

/* A model as if from a file: the values of one tower ("image" or "text") stored, packed on first
 * use. */
void tower_open(struct tower *w, const struct tower_size *s, const char *which);
void tower_close(struct tower *w);

/* Multiply-adds of the whole image tower, times two. */
double tower_flops(const struct tower_size *s);

/* What computes, at the level that VLP_CPU names; exits with the sentence where that cannot be. */
struct vlp_compute tower_compute(struct vlp_pool *pool, enum vlp_precision p);

/* Seconds of one call on `batch` pictures; their features are copied out where `features` is not
 * NULL. */
double tower_image_seconds(struct tower *w, const struct vlp_compute *c, int batch, int side,
                           float *features);

/* Seconds of one call on `texts` captions (at most 32) of 10 to 16 ids, or of 77 where `padded`. */
double tower_text_seconds(struct tower *w, const struct vlp_compute *c, int texts, bool padded);

/* The middle one of n values, which are put in order. */
double tower_median(double *value, int n);

#endif
