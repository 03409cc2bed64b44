/*
 * torch_collect.c -- from an unpickled tree to named tensors: paths, storages, strides.
 *
 * A view without gaps stays where its storage is; any other is copied. A tree can name one module
 * or one storage many times over, so visits and copies have a budget.
 */
#include <stdlib.h>
#include <string.h>

#include "pickle.h"

enum { MAX_DEPTH = 64, MAX_PATH = 1000 };
/* Bytes of all copies together: this much, and twice the file. */
#define COPY_SMALL ((size_t)16 << 20)

struct collector {
    struct vlp_stored_list *list;
    struct vlp_arena       *mem;
    const struct vlp_bytes *file;
    vlp_find_storage       *find;
    void                   *ctx;
    size_t                  visits, copy_left;
    char                    path[MAX_PATH + 1];
    struct vlp_error       *err;
};

static enum vlp_status bad(const struct collector *c, const char *what)
{
    return vlp_fail(c->err, VLP_ERR_FORMAT, "%s: tensor '%.100s': %s", c->file->name, c->path,
                    what);
}

/* The index after the last element that the view touches, in elements; false on overflow. */
static bool view_end(const struct vlp_view *v, int64_t numel, int64_t *end)
{
    int64_t last = v->offset;
    for (int i = 0; i < v->ndim && numel > 0; i++) {
        int64_t reach;
        if (__builtin_mul_overflow(v->size[i] - 1, v->stride[i], &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return false;
    }
    return !__builtin_add_overflow(last, numel > 0, end);
}

static bool is_contiguous(const struct vlp_view *v)
{
    int64_t expected = 1;
    for (int i = v->ndim - 1; i >= 0; i--) {
        if (v->size[i] != 1 && v->stride[i] != expected) return false;
        expected *= v->size[i];
    }
    return true;
}

static void copy_view(uint8_t *out, const uint8_t *from, const struct vlp_view *v, int axis,
                      size_t elem)
{
    if (axis == v->ndim) {
        memcpy(out, from, elem);
        return;
    }
    size_t step = elem;
    for (int i = axis + 1; i < v->ndim; i++) step *= (size_t)v->size[i];
    for (int64_t i = 0; i < v->size[axis]; i++)
        copy_view(out + (size_t)i * step, from + (size_t)(i * v->stride[axis]) * elem, v, axis + 1,
                  elem);
}

static enum vlp_status add_tensor(struct collector *c, const struct vlp_view *v)
{
    struct vlp_stored t = {.dtype = v->dtype, .ndim = v->ndim};
    memcpy(t.dim, v->size, sizeof t.dim);
    const size_t   elem = vlp_dtype_size(v->dtype, 1), numel = vlp_stored_numel(&t);
    const size_t   base_elem = vlp_dtype_size(v->storage->dtype, 1);
    size_t         base = 0, have = 0;
    const uint8_t *data = NULL;
    VLP_TRY(c->find(c->ctx, v->storage->key, &data, &have, c->err));
    if (__builtin_mul_overflow((size_t)v->storage->view_offset, base_elem, &base) || base > have)
        return bad(c, "it lies outside of its storage");
    size_t claimed;
    if (__builtin_mul_overflow((size_t)v->storage->numel, base_elem, &claimed) ||
        claimed > have - base)
        return vlp_fail(
            c->err, VLP_ERR_FORMAT,
            "%s: tensor '%.100s': storage '%.40s' has %zu bytes, %lld elements need more",
            c->file->name, c->path, v->storage->key, have - base, (long long)v->storage->numel);
    int64_t end = 0;
    if (numel > INT64_MAX || !view_end(v, (int64_t)numel, &end) || (uint64_t)end > claimed / elem)
        return bad(c, "it lies outside of its storage");

    if (numel == 0) {
        t.data = "";
    } else {
        /* view_end has checked it of a contiguous view; of others `numel` is checked below */
        t.size = numel * elem;
        t.data = data + base + (size_t)v->offset * elem;
        t.mapped = c->file->mapped && (const uint8_t *)t.data >= c->file->data &&
                   (const uint8_t *)t.data < c->file->data + c->file->size;
        const bool aligned = (uintptr_t)t.data % vlp_dtype_align(t.dtype) == 0;
        if (!is_contiguous(v) || !aligned) {
            if (numel > c->copy_left / elem)
                return vlp_fail(c->err, VLP_ERR_LIMIT,
                                "%s: tensor '%.100s': its strides would make %zu elements of %zu "
                                "stored bytes",
                                c->file->name, c->path, numel, claimed);
            c->copy_left -= t.size;
            uint8_t *copy = vlp_arena_alloc(c->mem, t.size);
            copy_view(copy, t.data, v, 0, elem);
            t.data = copy;
            t.mapped = false;
        }
    }
    t.name = vlp_arena_strdup(c->mem, c->path);
    vlp_stored_list_add(c->list, &t);
    return VLP_OK;
}

/* By name alone: should the model want it, it is told what the tensor is. */
static void add_odd(struct collector *c, const char *odd)
{
    vlp_stored_list_add(c->list, &(struct vlp_stored){.name = vlp_arena_strdup(c->mem, c->path),
                                                      .ndim = 1, /* of no elements */
                                                      .data = "",
                                                      .odd = odd});
}

static bool is_tensor(const struct vlp_value *v)
{
    return v->kind == VLP_VALUE_TENSOR || v->kind == VLP_VALUE_ODD;
}

/* Tensors of this dict or module, and of the modules below it. */
static enum vlp_status walk(struct collector *c, const struct vlp_value *v, size_t path_len,
                            int depth)
{
    for (size_t i = 0; i + 1 < v->seq.n; i += 2) {
        const struct vlp_value *key = v->seq.item[i], *child = v->seq.item[i + 1];
        if (c->visits-- == 0)
            return vlp_fail(c->err, VLP_ERR_LIMIT, "%s: pickle: modules refer to each other",
                            c->file->name);
        if (!is_tensor(child) && child->kind != VLP_VALUE_OBJECT) continue;
        if (key->kind != VLP_VALUE_TEXT) continue;
        if (strlen(key->text.s) != key->text.len || path_len + key->text.len + 1 > MAX_PATH ||
            !vlp_utf8_valid(key->text.s, key->text.len, NULL))
            return bad(c, "a name below it is damaged");
        const size_t len = path_len + (path_len > 0) + key->text.len;
        if (path_len) c->path[path_len] = '.';
        memcpy(c->path + len - key->text.len, key->text.s, key->text.len + 1);
        if (child->kind == VLP_VALUE_TENSOR) {
            VLP_TRY(add_tensor(c, child->tensor));
        } else if (child->kind == VLP_VALUE_ODD) {
            add_odd(c, child->odd);
        } else {
            if (depth == MAX_DEPTH)
                return vlp_fail(c->err, VLP_ERR_LIMIT, "%s: pickle: modules nested deeper than %d",
                                c->file->name, MAX_DEPTH);
            VLP_TRY(walk(c, child, len, depth + 1));
        }
    }
    c->path[path_len] = '\0';
    return VLP_OK;
}

static bool holds_tensors(const struct vlp_value *v)
{
    if (v->kind != VLP_VALUE_DICT) return false;
    for (size_t i = 1; i < v->seq.n; i += 2)
        if (is_tensor(v->seq.item[i])) return true;
    return false;
}

/*
 * Training programs put the weights beside their bookkeeping, under one of these, or under one
 * below another. Of a dict that has both, such a one and tensors of its own, the latter are
 * bookkeeping.
 */
enum { MOST_KEYS = 3, MOST_TRIES = 32 }; /* one below another; dicts, which may hold each other */
static const struct vlp_value *find_weights(const struct vlp_value *v, int keys_left, int *tries)
{
    static const char *const keys[] = {
        "state_dict", "module",    "model",          "model_state_dict", "net",
        "weights",    "ema",       "state_dict_ema", "ema_state_dict",   "model_ema",
        "ema_model",  "checkpoint"};
    if (v->kind == VLP_VALUE_OBJECT) return v;
    for (size_t i = 0; i < VLP_COUNT(keys) && keys_left > 0; i++) {
        const struct vlp_value *below = vlp_value_get(v, keys[i]), *found;
        if (!below || below->kind != VLP_VALUE_DICT || (*tries)-- <= 0) continue;
        if ((found = find_weights(below, keys_left - 1, tries))) return found;
    }
    return holds_tensors(v) ? v : NULL;
}

enum vlp_status vlp_torch_collect(struct vlp_stored_list *list, enum vlp_torch_kind *kind,
                                  struct vlp_arena *mem, const struct vlp_value *root,
                                  size_t pickle_size, const struct vlp_bytes *file,
                                  vlp_find_storage *find, void *ctx, struct vlp_error *err)
{
    int                     tries = MOST_TRIES;
    const struct vlp_value *weights = find_weights(root, MOST_KEYS, &tries);
    if (!weights)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: the pickle holds no tensors by name",
                        file->name);
    *kind = weights->kind == VLP_VALUE_OBJECT ? VLP_TORCH_SCRIPT : VLP_TORCH_STATE_DICT;
    struct collector *c = vlp_calloc(1, sizeof *c);
    *c = (struct collector){.list = list,
                            .mem = mem,
                            .file = file,
                            .find = find,
                            .ctx = ctx,
                            .visits = pickle_size + 1024,
                            .copy_left = COPY_SMALL + 2 * file->size,
                            .err = err};
    const enum vlp_status s = walk(c, weights, 0, 0);
    free(c);
    return s;
}
