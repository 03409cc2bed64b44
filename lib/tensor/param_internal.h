/*
 * param_internal.h -- what hangs on a parameter behind its `cache`.
 */
#ifndef VLP_PARAM_INTERNAL_H
#define VLP_PARAM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <vlp/tensor.h>

/* One packed form. The list only grows while the value is bound, so readers need no lock. */
struct param_packed {
    enum vlp_form        form;
    enum vlp_precision   precision;
    enum vlp_cpu         cpu;
    struct vlp_packed   *packed;
    struct param_packed *next;
};

struct param_cache {
    pthread_mutex_t                lock; /* held while something is made */
    _Atomic(const float *)         f32;
    float                         *owned; /* what f32 points at, when it had to be widened */
    _Atomic(struct param_packed *) packed;
};

struct param_cache *param_cache_open(void);
void                param_cache_clear(struct param_cache *c);
void                param_cache_close(struct param_cache *c);

/* May n elements at `p` be read as floats where they lie? */
bool param_is_plain_f32(enum vlp_dtype dtype, const void *p);

#endif
