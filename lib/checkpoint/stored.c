/*
 * stored.c -- lists of named tensors: growing, sorting, finding, describing.
 */
#include <stdlib.h>
#include <string.h>

#include "checkpoint_internal.h"

void vlp_stored_list_free(struct vlp_stored_list *l)
{
    free(l->item);
    *l = (struct vlp_stored_list){0};
}

struct vlp_stored *vlp_stored_list_add(struct vlp_stored_list *l, const struct vlp_stored *t)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->item = vlp_realloc(l->item, l->cap * sizeof *l->item);
    }
    l->item[l->n] = *t;
    return &l->item[l->n++];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct vlp_stored *)a)->name, ((const struct vlp_stored *)b)->name);
}

void vlp_stored_sort(struct vlp_stored *item, size_t n)
{
    if (n > 1) qsort(item, n, sizeof *item, by_name);
}

struct vlp_stored *vlp_stored_find(const struct vlp_stored *item, size_t n, const char *name)
{
    const struct vlp_stored key = {.name = name};
    return n ? bsearch(&key, item, n, sizeof *item, by_name) : NULL;
}

size_t vlp_stored_numel(const struct vlp_stored *t)
{
    size_t n = 1;
    for (int i = 0; i < t->ndim; i++) {
        if (t->dim[i] < 0) return SIZE_MAX;
        if (t->dim[i] > 0 && n > (SIZE_MAX - 1) / (size_t)t->dim[i]) return SIZE_MAX;
        n *= (size_t)t->dim[i];
    }
    return n;
}

bool vlp_stored_shape_is(const struct vlp_stored *t, int ndim, const int64_t *dim)
{
    if (t->ndim != ndim) return false;
    for (int i = 0; i < ndim; i++)
        if (t->dim[i] != dim[i]) return false;
    return true;
}

const char *vlp_shape_text(char out[128], int ndim, const int64_t *dim)
{
    int n = snprintf(out, 128, "[");
    for (int i = 0; i < ndim; i++)
        n += snprintf(out + n, 128 - (size_t)n, "%s%lld", i ? ", " : "", (long long)dim[i]);
    snprintf(out + n, 128 - (size_t)n, "]");
    return out;
}

size_t vlp_dtype_align(enum vlp_dtype t)
{
    return t == VLP_Q8_0 ? 2 : vlp_dtype_size(t, 1);
}

bool vlp_dtype_is_real(enum vlp_dtype t)
{
    return t == VLP_F32 || t == VLP_F16 || t == VLP_BF16 || t == VLP_F64 || t == VLP_Q8_0;
}

double vlp_stored_scalar(const struct vlp_stored *t)
{
    switch (t->dtype) {
    case VLP_F64: {
        double v;
        memcpy(&v, t->data, sizeof v);
        return v;
    }
    case VLP_I64: return (double)(int64_t)vlp_load_u64(t->data);
    case VLP_I32: return (double)(int32_t)vlp_load_u32(t->data);
    default: {
        float v;
        vlp_to_f32(&v, t->data, t->dtype, 1);
        return v;
    }
    }
}

float *vlp_stored_f32(struct vlp_arena *mem, const struct vlp_stored *t)
{
    const size_t n = vlp_stored_numel(t);
    float       *v = vlp_arena_alloc(mem, n * sizeof *v);
    vlp_to_f32(v, t->data, t->dtype, n);
    return v;
}

enum vlp_status vlp_stored_not_odd(const struct vlp_stored *t, const char *file,
                                   struct vlp_error *err)
{
    return t->odd
               ? vlp_fail(err, VLP_ERR_SUPPORT,
                          "%s: tensor '%.100s' is %s; weights are read from plain arrays of real "
                          "numbers",
                          file, t->name, t->odd)
               : VLP_OK;
}

void vlp_name_list_add(struct vlp_buf *b, size_t *n, const char *name)
{
    enum { SHOWN = 6 };
    if (*n < SHOWN)
        vlp_buf_printf(b, "%s%.80s", *n ? ", " : "", name);
    else if (*n == SHOWN)
        vlp_buf_add_str(b, ", ...");
    ++*n;
}
