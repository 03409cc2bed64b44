/*
 * params.c -- the set of parameters: declared once, found by name, given values.
 */
#include "param_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Open addressing over names; slots hold position + 1, 0 is free. Half full at most. */
struct name_index {
    uint32_t *slot;
    uint32_t  mask;
};

static uint32_t hash_name(const char *name)
{
    return vlp_fnv1a(VLP_FNV_START, name, strlen(name));
}

static uint32_t *slot_of(const struct vlp_params *ps, const char *name)
{
    const struct name_index *x = ps->index;
    uint32_t                 i = hash_name(name) & x->mask;
    while (x->slot[i] && strcmp(ps->item[x->slot[i] - 1]->name, name) != 0) i = (i + 1) & x->mask;
    return &x->slot[i];
}

static void grow(struct vlp_params *ps)
{
    struct name_index *x = ps->index;
    if (x->slot && (uint32_t)ps->n * 2 < x->mask) return;
    const uint32_t size = x->slot ? (x->mask + 1) * 2 : 256;
    free(x->slot);
    *x = (struct name_index){vlp_calloc(size, sizeof *x->slot), size - 1};
    ps->item = vlp_realloc(ps->item, size / 2 * sizeof *ps->item);
    for (int i = 0; i < ps->n; i++) *slot_of(ps, ps->item[i]->name) = (uint32_t)i + 1;
}

void vlp_params_init(struct vlp_params *ps)
{
    *ps = (struct vlp_params){.prefix = "", .tower = "", .layer = -1};
    vlp_arena_init(&ps->mem);
    ps->index = vlp_calloc(1, sizeof(struct name_index));
}

void vlp_params_free(struct vlp_params *ps)
{
    for (int i = 0; i < ps->n; i++) param_cache_close(ps->item[i]->cache);
    struct name_index *x = ps->index;
    if (x) free(x->slot);
    free(x);
    free(ps->item);
    vlp_arena_free(&ps->mem);
    *ps = (struct vlp_params){0};
}

struct vlp_param *vlp_param(struct vlp_params *ps, const char *name, const int *shape,
                            struct vlp_start start)
{
    struct vlp_param *p = VLP_NEW(&ps->mem, struct vlp_param);
    p->name = vlp_arena_printf(&ps->mem, "%s%s", ps->prefix, name);
    for (; shape[p->tensor.ndim]; p->tensor.ndim++) {
        assert(p->tensor.ndim < VLP_MAX_DIM && shape[p->tensor.ndim] > 0);
        p->tensor.dim[p->tensor.ndim] = shape[p->tensor.ndim];
    }
    p->tensor.param = p;
    p->start = start;
    p->decay = p->tensor.ndim >= 2;
    p->layer = ps->layer;
    p->tower = ps->tower;
    p->cache = param_cache_open();

    grow(ps);
    uint32_t *slot = slot_of(ps, p->name);
    assert(*slot == 0); /* names are unique */
    ps->item[ps->n++] = p;
    *slot = (uint32_t)ps->n;
    return p;
}

struct vlp_param *vlp_params_find(const struct vlp_params *ps, const char *name)
{
    if (ps->n == 0) return NULL;
    const uint32_t at = *slot_of(ps, name);
    return at ? ps->item[at - 1] : NULL;
}

size_t vlp_params_count(const struct vlp_params *ps)
{
    size_t n = 0;
    for (int i = 0; i < ps->n; i++)
        if (!ps->item[i]->buffer) n += vlp_numel(&ps->item[i]->tensor);
    return n;
}

static void start_values(struct vlp_param *p, uint64_t seed)
{
    const size_t   n = vlp_numel(&p->tensor);
    float         *x = p->tensor.data;
    struct vlp_rng r;
    vlp_rng_seed(&r, seed, vlp_hash64(p->name, strlen(p->name)));
    switch (p->start.kind) {
    case VLP_INIT_ZERO: memset(x, 0, n * sizeof *x); break;
    case VLP_INIT_ONE:
        for (size_t i = 0; i < n; i++) x[i] = 1.0f;
        break;
    case VLP_INIT_CONST:
        for (size_t i = 0; i < n; i++) x[i] = p->start.value;
        break;
    case VLP_INIT_NORMAL:
        for (size_t i = 0; i < n; i++) x[i] = (float)(vlp_rng_normal(&r) * p->start.value);
        break;
    case VLP_INIT_UNIFORM:
        for (size_t i = 0; i < n; i++)
            x[i] = (float)((2.0 * vlp_rng_uniform(&r) - 1.0) * p->start.value);
        break;
    }
}

static void own_memory(struct vlp_params *ps, struct vlp_param *p)
{
    p->tensor.data = vlp_arena_alloc(&ps->mem, vlp_numel(&p->tensor) * sizeof(float));
}

void vlp_params_start(struct vlp_params *ps, uint64_t seed)
{
    for (int i = 0; i < ps->n; i++) {
        struct vlp_param *p = ps->item[i];
        param_cache_clear(p->cache);
        p->stored = NULL;
        p->mapped = false;
        own_memory(ps, p);
        start_values(p, seed);
    }
}

void vlp_param_bind(struct vlp_param *p, enum vlp_dtype dtype, const void *data)
{
    param_cache_clear(p->cache);
    p->tensor.data = NULL;
    p->stored_dtype = dtype;
    p->stored = data;
    p->mapped = false;
}

void vlp_params_train(struct vlp_params *ps)
{
    for (int i = 0; i < ps->n; i++) {
        struct vlp_param *p = ps->item[i];
        if (!p->stored) continue;
        own_memory(ps, p);
        vlp_to_f32(p->tensor.data, p->stored, p->stored_dtype, vlp_numel(&p->tensor));
        if (p->mapped)
            vlp_map_forget(p->stored, vlp_dtype_size(p->stored_dtype, vlp_numel(&p->tensor)));
        param_cache_clear(p->cache);
        p->stored = NULL;
        p->mapped = false;
    }
}
