/*
 * pickle_call.c -- the handful of constructions that a pickle of weights can ask for.
 */
#include <string.h>

#include "pickle.h"

static struct vlp_value *value(struct vlp_arena *mem, enum vlp_value_kind kind)
{
    struct vlp_value *v = VLP_NEW(mem, struct vlp_value);
    v->kind = kind;
    return v;
}

static struct vlp_value *odd_value(struct vlp_arena *mem, const char *odd)
{
    struct vlp_value *v = value(mem, VLP_VALUE_ODD);
    v->odd = odd;
    return v;
}

static bool is_text(const struct vlp_value *v)
{
    return v->kind == VLP_VALUE_TEXT && strlen(v->text.s) == v->text.len;
}

/* A view has its place in place 5: (key, offset, size), or None. */
static bool read_view(struct vlp_storage *s, const struct vlp_value *id)
{
    if (id->seq.n < 6 || id->seq.item[5]->kind == VLP_VALUE_NONE) return true;
    const struct vlp_value *v = id->seq.item[5];
    if (v->kind != VLP_VALUE_TUPLE || v->seq.n != 3 || v->seq.item[1]->kind != VLP_VALUE_INT ||
        v->seq.item[2]->kind != VLP_VALUE_INT)
        return false;
    s->view_offset = v->seq.item[1]->i;
    s->numel = v->seq.item[2]->i;
    return s->view_offset >= 0 && s->numel >= 0;
}

enum vlp_status vlp_pickle_storage(struct vlp_value **out, struct vlp_arena *mem,
                                   const struct vlp_value *id, const char *file,
                                   struct vlp_error *err)
{
    struct vlp_value *const *a = id->seq.item;
    if (id->kind == VLP_VALUE_TUPLE && id->seq.n >= 2 && a[1]->kind == VLP_VALUE_GLOBAL &&
        (a[1]->global->role == VLP_GLOBAL_INERT || a[1]->global->role == VLP_GLOBAL_ODD)) {
        const char *odd = a[1]->global->odd;
        *out = odd ? odd_value(mem, odd) : value(mem, VLP_VALUE_OPAQUE);
        return VLP_OK;
    }
    if (id->kind != VLP_VALUE_TUPLE || id->seq.n < 5 || !is_text(a[0]) ||
        strcmp(a[0]->text.s, "storage") != 0 || a[1]->kind != VLP_VALUE_GLOBAL ||
        a[1]->global->role != VLP_GLOBAL_STORAGE || !is_text(a[2]) || a[4]->kind != VLP_VALUE_INT ||
        a[4]->i < 0)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: pickle: a persistent id is not a tensor's storage", file);
    struct vlp_storage *s = VLP_NEW(mem, struct vlp_storage);
    s->key = a[2]->text.s;
    s->untyped = a[1]->global->dtype == VLP_DTYPE_COUNT;
    s->dtype = s->untyped ? VLP_U8 : a[1]->global->dtype;
    s->numel = a[4]->i;
    if (!read_view(s, id))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: pickle: storage '%.40s' has a damaged view", file,
                        s->key);
    *out = value(mem, VLP_VALUE_STORAGE);
    (*out)->storage = s;
    return VLP_OK;
}

static bool read_counts(int64_t *out, const struct vlp_value *v)
{
    for (size_t i = 0; i < v->seq.n; i++) {
        if (v->seq.item[i]->kind != VLP_VALUE_INT || v->seq.item[i]->i < 0) return false;
        out[i] = v->seq.item[i]->i;
    }
    return true;
}

static bool is_seq(const struct vlp_value *v)
{
    return v->kind == VLP_VALUE_TUPLE || v->kind == VLP_VALUE_LIST;
}

static bool is_opaque(const struct vlp_value *v)
{
    return v->kind == VLP_VALUE_OPAQUE ||
           (v->kind == VLP_VALUE_GLOBAL && v->global->role == VLP_GLOBAL_INERT);
}

/* Of a storage, a tensor or a dtype: what it is where weights cannot be that; else NULL. */
static const char *odd_of(const struct vlp_value *v)
{
    if (v->kind == VLP_VALUE_ODD) return v->odd;
    return v->kind == VLP_VALUE_GLOBAL ? v->global->odd : NULL;
}

/* (storage, offset, size, stride, ...) */
static enum vlp_status rebuild_tensor(struct vlp_value **out, struct vlp_arena *mem,
                                      const struct vlp_global *g, const struct vlp_value *args,
                                      const char *file, struct vlp_error *err)
{
    struct vlp_value *const *a = args->seq.item;
    const bool               v3 = g->role == VLP_GLOBAL_TENSOR_V3;
    const size_t             least = v3 ? 7 : 4;
    const char              *odd = args->seq.n >= least ? odd_of(a[0]) : NULL;
    if (args->seq.n >= least && v3 && !odd) odd = odd_of(a[6]);
    if (odd) {
        *out = odd_value(mem, odd);
        return VLP_OK;
    }
    if (args->seq.n >= least && (is_opaque(a[0]) || (v3 && is_opaque(a[6])))) {
        *out = value(mem, VLP_VALUE_OPAQUE);
        return VLP_OK;
    }
    if (args->seq.n < least || a[0]->kind != VLP_VALUE_STORAGE || a[1]->kind != VLP_VALUE_INT ||
        a[1]->i < 0 || !is_seq(a[2]) || !is_seq(a[3]) || a[2]->seq.n != a[3]->seq.n)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: pickle: damaged arguments of '%s'", file,
                        g->name);
    if (a[2]->seq.n > VLP_MAX_DIM) {
        *out = odd_value(mem, "of too many dimensions");
        return VLP_OK;
    }
    struct vlp_view *t = VLP_NEW(mem, struct vlp_view);
    *t = (struct vlp_view){.storage = a[0]->storage,
                           .dtype = a[0]->storage->dtype,
                           .ndim = (int)a[2]->seq.n,
                           .offset = a[1]->i};
    if (v3) {
        if (a[6]->kind != VLP_VALUE_GLOBAL || a[6]->global->role != VLP_GLOBAL_DTYPE)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: pickle: damaged arguments of '%s'", file,
                            g->name);
        t->dtype = a[6]->global->dtype;
    }
    if (!read_counts(t->size, a[2]) || !read_counts(t->stride, a[3]))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: pickle: a tensor has a negative size or stride",
                        file);
    *out = value(mem, VLP_VALUE_TENSOR);
    (*out)->tensor = t;
    return VLP_OK;
}

/* A tensor of a class of its own: rebuilt as the plain one, by one of the other rows. */
static enum vlp_status call_inner(struct vlp_value **out, struct vlp_arena *mem,
                                  const struct vlp_global *g, const struct vlp_value *args,
                                  const char *file, struct vlp_error *err)
{
    struct vlp_value *const *a = args->seq.item;
    if (args->seq.n < 3 || a[0]->kind != VLP_VALUE_GLOBAL ||
        a[0]->global->role == VLP_GLOBAL_CALL || a[2]->kind != VLP_VALUE_TUPLE)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: pickle: damaged arguments of '%s'", file,
                        g->name);
    return vlp_pickle_call(out, mem, a[0]->global, a[2], file, err);
}

enum vlp_status vlp_pickle_call(struct vlp_value **out, struct vlp_arena *mem,
                                const struct vlp_global *g, const struct vlp_value *args,
                                const char *file, struct vlp_error *err)
{
    switch (g->role) {
    case VLP_GLOBAL_DICT: *out = value(mem, VLP_VALUE_DICT); return VLP_OK;
    case VLP_GLOBAL_MODULE: *out = value(mem, VLP_VALUE_OBJECT); return VLP_OK;
    case VLP_GLOBAL_INERT: *out = value(mem, VLP_VALUE_OPAQUE); return VLP_OK;
    case VLP_GLOBAL_ODD: *out = odd_value(mem, g->odd); return VLP_OK;
    case VLP_GLOBAL_TENSOR:
    case VLP_GLOBAL_TENSOR_V3: return rebuild_tensor(out, mem, g, args, file, err);
    case VLP_GLOBAL_CALL: return call_inner(out, mem, g, args, file, err);
    case VLP_GLOBAL_FIRST:
        if (args->seq.n == 0) break;
        *out = args->seq.item[0];
        return VLP_OK;
    case VLP_GLOBAL_STORAGE:
    case VLP_GLOBAL_DTYPE: break;
    }
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: pickle: '%s' cannot be called like that", file,
                    g->name);
}
