/*
 * param_cache.c -- the forms in which stored weights are used, each made once and kept.
 *
 * Readers look without a lock; who misses takes the parameter's lock, looks again, and makes the
 * form. After packing, the pages of a mapped file are given back: the packed copy has replaced
 * them.
 */
#include "param_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct param_cache *param_cache_open(void)
{
    struct param_cache *c = vlp_calloc(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void param_cache_clear(struct param_cache *c)
{
    struct param_packed *p = atomic_load(&c->packed);
    while (p) {
        struct param_packed *next = p->next;
        vlp_packed_free(p->packed);
        free(p);
        p = next;
    }
    free(c->owned);
    c->owned = NULL;
    atomic_store(&c->packed, NULL);
    atomic_store(&c->f32, NULL);
}

void param_cache_close(struct param_cache *c)
{
    param_cache_clear(c);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool param_is_plain_f32(enum vlp_dtype dtype, const void *p)
{
    return dtype == VLP_F32 && (uintptr_t)p % sizeof(float) == 0;
}

/* All values as f32; blocks of Q8_0 fill rows, so the count is a whole number of blocks. */
static void widen(float *out, const struct vlp_param *p)
{
    vlp_to_f32(out, p->stored, p->stored_dtype, vlp_numel(&p->tensor));
}

const float *vlp_param_f32(struct vlp_param *p)
{
    if (!p->stored) return p->tensor.data;
    struct param_cache *c = p->cache;
    const float        *f32 = atomic_load_explicit(&c->f32, memory_order_acquire);
    if (f32) return f32;

    pthread_mutex_lock(&c->lock);
    f32 = atomic_load(&c->f32);
    if (!f32) {
        if (param_is_plain_f32(p->stored_dtype, p->stored)) {
            f32 = p->stored;
        } else {
            c->owned = vlp_malloc(vlp_numel(&p->tensor) * sizeof(float));
            widen(c->owned, p);
            f32 = c->owned;
        }
        p->tensor.data = (float *)(uintptr_t)f32;
        atomic_store_explicit(&c->f32, f32, memory_order_release);
    }
    pthread_mutex_unlock(&c->lock);
    return f32;
}

/* The (N, K) shape of a form's operand. */
static void operand_shape(const struct vlp_tensor *w, enum vlp_form form, int *N, int *K)
{
    const int rows = w->dim[0], cols = (int)(vlp_numel(w) / (size_t)rows);
    *N = form == VLP_FORM_TRANSPOSED ? cols : rows;
    *K = form == VLP_FORM_TRANSPOSED ? rows : cols;
}

/* The operand (N, K) of `form` from the tensor as it stands. */
static void rearrange(float *out, const float *w, const struct vlp_tensor *shape,
                      enum vlp_form form, int N, int K)
{
    if (form == VLP_FORM_TRANSPOSED) {
        for (int k = 0; k < K; k++)
            for (int n = 0; n < N; n++) out[(size_t)n * K + k] = w[(size_t)k * N + n];
        return;
    }
    assert(form == VLP_FORM_CONV && shape->ndim == 4);
    const int cin = shape->dim[1], area = shape->dim[2] * shape->dim[3];
    for (int n = 0; n < N; n++)
        for (int i = 0; i < cin; i++)
            for (int s = 0; s < area; s++)
                out[(size_t)n * K + (size_t)s * cin + i] = w[(size_t)n * K + (size_t)i * area + s];
}

static struct vlp_packed *pack_values(const struct vlp_compute *c, const struct vlp_tensor *shape,
                                      const float *w, enum vlp_form form,
                                      enum vlp_precision precision)
{
    int N, K;
    operand_shape(shape, form, &N, &K);
    if (form == VLP_FORM_PLAIN) return vlp_pack(c, w, VLP_F32, N, K, precision);
    if (form == VLP_FORM_TRANSPOSED && precision != VLP_PRECISION_INT8)
        return vlp_pack_columns(c, w, N, N, K, precision);
    float *tmp = vlp_malloc((size_t)N * K * sizeof *tmp);
    rearrange(tmp, w, shape, form, N, K);
    struct vlp_packed *p = vlp_pack(c, tmp, VLP_F32, N, K, precision);
    free(tmp);
    return p;
}

/* Rows that vlp_pack can read where they lie. */
static bool packs_directly(const struct vlp_param *p, enum vlp_form form, int K)
{
    if (form != VLP_FORM_PLAIN) return false;
    switch (p->stored_dtype) {
    case VLP_F32: return param_is_plain_f32(p->stored_dtype, p->stored);
    case VLP_F16:
    case VLP_BF16: return (uintptr_t)p->stored % 2 == 0;
    case VLP_Q8_0: return K % VLP_Q8_0_BLOCK == 0;
    default: return false;
    }
}

struct vlp_packed *vlp_param_pack_rows(const struct vlp_compute *c, const struct vlp_param *p,
                                       int first, int count)
{
    int N, K;
    operand_shape(&p->tensor, VLP_FORM_PLAIN, &N, &K);
    assert(first + count <= N);
    if (!p->stored || !packs_directly(p, VLP_FORM_PLAIN, K)) return NULL;
    const size_t before = vlp_dtype_size(p->stored_dtype, (size_t)first * (size_t)K);
    return vlp_pack(c, (const char *)p->stored + before, p->stored_dtype, count, K, c->precision);
}

static struct vlp_packed *pack_stored(const struct vlp_compute *c, struct vlp_param *p,
                                      enum vlp_form form, enum vlp_precision precision)
{
    int N, K;
    operand_shape(&p->tensor, form, &N, &K);
    if (packs_directly(p, form, K)) return vlp_pack(c, p->stored, p->stored_dtype, N, K, precision);
    if (param_is_plain_f32(p->stored_dtype, p->stored))
        return pack_values(c, &p->tensor, p->stored, form, precision);
    float *tmp = vlp_malloc(vlp_numel(&p->tensor) * sizeof *tmp);
    widen(tmp, p);
    struct vlp_packed *packed = pack_values(c, &p->tensor, tmp, form, precision);
    free(tmp);
    return packed;
}

static const struct vlp_packed *find(const struct param_packed *list, const struct vlp_compute *c,
                                     enum vlp_form form, enum vlp_precision precision)
{
    for (; list; list = list->next)
        if (list->form == form && list->precision == precision && list->cpu == c->cpu)
            return list->packed;
    return NULL;
}

static const struct vlp_packed *cached(const struct vlp_compute *c, struct vlp_param *p,
                                       enum vlp_form form, enum vlp_precision precision)
{
    struct param_cache      *cache = p->cache;
    const struct vlp_packed *packed =
        find(atomic_load_explicit(&cache->packed, memory_order_acquire), c, form, precision);
    if (packed) return packed;

    pthread_mutex_lock(&cache->lock);
    struct param_packed *first = atomic_load(&cache->packed);
    packed = find(first, c, form, precision);
    if (!packed) {
        struct param_packed *made = vlp_calloc(1, sizeof *made);
        *made = (struct param_packed){.form = form,
                                      .precision = precision,
                                      .cpu = c->cpu,
                                      .packed = pack_stored(c, p, form, precision),
                                      .next = first};
        packed = made->packed;
        atomic_store_explicit(&cache->packed, made, memory_order_release);
        if (p->mapped)
            vlp_map_forget(p->stored, vlp_dtype_size(p->stored_dtype, vlp_numel(&p->tensor)));
    }
    pthread_mutex_unlock(&cache->lock);
    return packed;
}

const struct vlp_packed *vlp_tensor_packed(const struct vlp_compute *c, const struct vlp_tensor *w,
                                           enum vlp_form form, enum vlp_precision precision,
                                           struct vlp_packed **own)
{
    *own = NULL;
    if (w->param && w->param->stored) return cached(c, w->param, form, precision);
    *own = pack_values(c, w, vlp_values(w), form, precision);
    return *own;
}
