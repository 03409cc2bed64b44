/*
 * safetensors_read.c -- the safetensors container, believed only as far as it can be checked.
 *
 *   u64 n | n bytes of JSON: name -> { dtype, shape, data_offsets [begin, end] } | data
 *
 * The ranges must cover the data exactly, without overlap or gap, and each must have the size that
 * dtype and shape say.
 */
#include <stdlib.h>
#include <string.h>

#include "checkpoint_internal.h"

/* The largest released headers have about one MiB; parsing costs some 30 times the text. */
#define MAX_HEADER ((size_t)32 << 20)

static const struct {
    const char    *name;
    enum vlp_dtype dtype;
} dtypes[] = {
    {"F32", VLP_F32}, {"F16", VLP_F16}, {"BF16", VLP_BF16}, {"F64", VLP_F64}, {"I64", VLP_I64},
    {"I32", VLP_I32}, {"I16", VLP_I16}, {"I8", VLP_I8},     {"U8", VLP_U8},   {"BOOL", VLP_BOOL},
};

static bool find_dtype(const char *name, enum vlp_dtype *out)
{
    for (size_t i = 0; i < VLP_COUNT(dtypes); i++) {
        if (strcmp(dtypes[i].name, name) != 0) continue;
        *out = dtypes[i].dtype;
        return true;
    }
    return false;
}

struct reader {
    const struct vlp_bytes *file;
    const uint8_t          *data; /* after the header */
    size_t                  data_size;
    struct vlp_arena       *mem;
    struct vlp_error       *err;
};

static enum vlp_status bad(const struct reader *r, const char *tensor, const char *what)
{
    return vlp_fail(r->err, VLP_ERR_FORMAT, "%s: tensor '%.100s': %s", r->file->name, tensor, what);
}

static enum vlp_status read_shape(struct vlp_stored *t, const struct reader *r, const json_t *shape)
{
    if (!json_is_array(shape)) return bad(r, t->name, "no shape");
    if (json_array_size(shape) > VLP_MAX_DIM)
        return vlp_fail(r->err, VLP_ERR_SUPPORT, "%s: tensor '%.100s' has %zu dimensions",
                        r->file->name, t->name, json_array_size(shape));
    t->ndim = (int)json_array_size(shape);
    for (int i = 0; i < t->ndim; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return bad(r, t->name, "a dimension is not a count");
        t->dim[i] = json_integer_value(d);
    }
    return VLP_OK;
}

static enum vlp_status read_entry(struct vlp_stored *t, const struct reader *r, const json_t *entry)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    const json_t *range = json_object_get(entry, "data_offsets");
    if (!json_is_string(dtype)) return bad(r, t->name, "no dtype");
    if (!find_dtype(json_string_value(dtype), &t->dtype))
        return vlp_fail(r->err, VLP_ERR_SUPPORT,
                        "%s: tensor '%.100s' has the unknown dtype '%.20s'", r->file->name, t->name,
                        json_string_value(dtype));
    VLP_TRY(read_shape(t, r, json_object_get(entry, "shape")));

    const json_t *from = json_array_get(range, 0), *to = json_array_get(range, 1);
    if (json_array_size(range) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return bad(r, t->name, "no data_offsets");
    const json_int_t begin = json_integer_value(from), end = json_integer_value(to);
    if (begin < 0 || end < begin) return bad(r, t->name, "its data_offsets are not a range");
    if ((uint64_t)end > r->data_size)
        return vlp_fail(
            r->err, VLP_ERR_FORMAT,
            "%s: truncated: tensor '%.100s' ends at byte %lld of the data, there are %zu",
            r->file->name, t->name, (long long)end, r->data_size);
    t->size = (size_t)(end - begin);
    const size_t numel = vlp_stored_numel(t);
    if (numel == SIZE_MAX || vlp_dtype_size(t->dtype, numel) != t->size)
        return bad(r, t->name, "its data_offsets do not agree with dtype and shape");
    t->data = r->data + begin;
    t->mapped = r->file->mapped;
    return VLP_OK;
}

static int by_place(const void *pa, const void *pb)
{
    const struct vlp_stored *a = *(const struct vlp_stored *const *)pa;
    const struct vlp_stored *b = *(const struct vlp_stored *const *)pb;
    if (a->data != b->data) return (const uint8_t *)a->data < (const uint8_t *)b->data ? -1 : 1;
    return a->size < b->size ? -1 : a->size > b->size;
}

/* In order of their places, each begins where the one before ended. */
static enum vlp_status check_cover(const struct reader *r, const struct vlp_stored *t, size_t n)
{
    const struct vlp_stored **order = vlp_malloc((n + 1) * sizeof *order);
    for (size_t i = 0; i < n; i++) order[i] = &t[i];
    qsort(order, n, sizeof *order, by_place);
    enum vlp_status s = VLP_OK;
    const uint8_t  *at = r->data;
    for (size_t i = 0; i < n && s == VLP_OK; i++) {
        const uint8_t *begin = order[i]->data;
        if (begin < at)
            s = bad(r, order[i]->name, "it overlaps another tensor");
        else if (begin > at)
            s = bad(r, order[i]->name, "there is a gap before its data");
        at = begin + order[i]->size;
    }
    const size_t left = (size_t)(r->data + r->data_size - at);
    if (s == VLP_OK && left)
        s = vlp_fail(r->err, VLP_ERR_FORMAT, "%s: %zu bytes after the last tensor", r->file->name,
                     left);
    free(order);
    return s;
}

/* Values at odd addresses cannot be read as numbers: those few are copied. */
static void align(const struct reader *r, struct vlp_stored *t)
{
    if ((uintptr_t)t->data % vlp_dtype_align(t->dtype) == 0) return;
    void *copy = vlp_arena_alloc(r->mem, t->size);
    memcpy(copy, t->data, t->size);
    t->data = copy;
    t->mapped = false;
}

/* The writer stores blocks as bytes and the real shape here: name -> [dims]. */
static enum vlp_status restore_q8_0(const struct reader *r, struct vlp_stored *t, size_t n,
                                    const json_t *metadata)
{
    const char *text = json_string_value(json_object_get(metadata, "vlp.q8_0"));
    if (!text) return VLP_OK;
    json_t         *shapes = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    enum vlp_status s = VLP_OK;
    if (!json_is_object(shapes))
        s = vlp_fail(r->err, VLP_ERR_FORMAT, "%s: metadata 'vlp.q8_0' is not a JSON object",
                     r->file->name);
    for (size_t i = 0; i < n && s == VLP_OK; i++) {
        const json_t *shape = json_object_get(shapes, t[i].name);
        if (!shape) continue;
        struct vlp_stored q = t[i];
        s = read_shape(&q, r, shape);
        if (s != VLP_OK) break;
        const size_t numel = vlp_stored_numel(&q);
        q.dtype = VLP_Q8_0;
        if (t[i].dtype != VLP_U8 || numel == SIZE_MAX || numel % VLP_Q8_0_BLOCK ||
            vlp_dtype_size(VLP_Q8_0, numel) != q.size)
            s = bad(r, q.name, "its bytes are not the q8_0 blocks of its shape");
        t[i] = q;
    }
    json_decref(shapes);
    return s;
}

static enum vlp_status check_metadata(const struct reader *r, const json_t *metadata)
{
    const char *key;
    json_t     *value;
    if (!json_is_object(metadata))
        return vlp_fail(r->err, VLP_ERR_FORMAT, "%s: __metadata__ is not an object", r->file->name);
    json_object_foreach((json_t *)metadata, key, value)
    {
        if (!json_is_string(value))
            return vlp_fail(r->err, VLP_ERR_FORMAT, "%s: __metadata__ '%.100s' is not a string",
                            r->file->name, key);
    }
    return VLP_OK;
}

static enum vlp_status read_header(struct vlp_stored_list *list, const struct reader *r,
                                   const json_t *header)
{
    const size_t first = list->n;
    json_t      *said = json_object_get(header, "__metadata__");
    if (said) VLP_TRY(check_metadata(r, said));

    const char *name;
    json_t     *entry;
    json_object_foreach((json_t *)header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) continue;
        if (!*name || !json_is_object(entry)) return bad(r, name, "it is not an object");
        struct vlp_stored t = {.name = vlp_arena_strdup(r->mem, name)};
        VLP_TRY(read_entry(&t, r, entry));
        vlp_stored_list_add(list, &t);
    }
    if (list->n == first) return check_cover(r, NULL, 0);
    VLP_TRY(check_cover(r, list->item + first, list->n - first));

    size_t kept = first;
    for (size_t i = first; i < list->n; i++)
        if (strncmp(list->item[i].name, "__padding__", 11) != 0) list->item[kept++] = list->item[i];
    list->n = kept;
    VLP_TRY(restore_q8_0(r, list->item + first, list->n - first, said));
    for (size_t i = first; i < list->n; i++) align(r, &list->item[i]);
    return VLP_OK;
}

enum vlp_status vlp_safetensors_parse(struct vlp_stored_list *list, json_t **metadata,
                                      struct vlp_arena *mem, const struct vlp_bytes *file,
                                      struct vlp_error *err)
{
    if (file->size < 8)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: truncated: %zu bytes are no safetensors file",
                        file->name, file->size);
    const uint64_t n = vlp_load_u64(file->data);
    if (n > file->size - 8)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: the header claims %llu bytes, the file has %zu: truncated, or no "
                        "safetensors file",
                        file->name, (unsigned long long)n, file->size);
    if (n > MAX_HEADER)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: the header of %llu bytes is larger than %zu",
                        file->name, (unsigned long long)n, MAX_HEADER);
    json_error_t where;
    json_t      *header =
        json_loadb((const char *)file->data + 8, (size_t)n, JSON_REJECT_DUPLICATES, &where);
    if (!header)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: header, byte %d: %s", file->name, where.position,
                        where.text);
    const struct reader r = {file, file->data + 8 + n, file->size - 8 - (size_t)n, mem, err};
    enum vlp_status     s = VLP_OK;
    if (json_is_object(header))
        s = read_header(list, &r, header);
    else
        s = vlp_fail(err, VLP_ERR_FORMAT, "%s: the header is not a JSON object", file->name);
    if (s == VLP_OK) {
        json_t *said = json_object_get(header, "__metadata__");
        *metadata = said ? json_incref(said) : json_object();
    }
    json_decref(header);
    return s;
}

enum vlp_status vlp_safetensors_open(struct vlp_safetensors *out, const char *path,
                                     struct vlp_error *err)
{
    struct vlp_safetensors s = {0};
    VLP_TRY(vlp_map_open(&s.map, path, err));
    vlp_arena_init(&s.mem);
    struct vlp_stored_list list = {0};
    const struct vlp_bytes file = {s.map.data, s.map.size, path, s.map.mapped};
    enum vlp_status        status = vlp_safetensors_parse(&list, &s.metadata, &s.mem, &file, err);
    s.tensors = list.item;
    s.n_tensors = list.n;
    if (status != VLP_OK)
        vlp_safetensors_close(&s);
    else
        *out = s;
    return status;
}

void vlp_safetensors_close(struct vlp_safetensors *s)
{
    json_decref(s->metadata);
    free(s->tensors);
    vlp_arena_free(&s->mem);
    vlp_map_close(&s->map);
    *s = (struct vlp_safetensors){0};
}

const struct vlp_stored *vlp_safetensors_find(const struct vlp_safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n_tensors; i++)
        if (strcmp(s->tensors[i].name, name) == 0) return &s->tensors[i];
    return NULL;
}
