/*
 * torch_legacy.c -- what torch.save wrote before PyTorch 1.6: pickles one after the other, then raw
 * storages.
 *
 *   magic number | protocol 1001 | { little_endian, ... } | the object | [keys of storages]
 *   then for each key: i64 element count, elements
 */
#include <stdlib.h>
#include <string.h>

#include "pickle.h"

/* LONG1 of ten bytes: 0x1950a86a20f9469cfc6c, little-endian. */
static const uint8_t magic[] = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
enum { PROTOCOL = 1001, MAGIC_AT = 2, FRAME = 0x95, FRAME_SIZE = 9 };

/* From pickle protocol 4 on, a frame stands around the number. */
bool vlp_torch_is_legacy(const struct vlp_bytes *file)
{
    if (file->size < MAGIC_AT + FRAME_SIZE + sizeof magic || file->data[0] != 0x80) return false;
    const size_t at = MAGIC_AT + (file->data[MAGIC_AT] == FRAME ? FRAME_SIZE : 0);
    return memcmp(file->data + at, magic, sizeof magic) == 0;
}

struct slot {
    const char    *key;
    int64_t        numel; /* of the whole storage: the largest that the pickle says */
    enum vlp_dtype dtype;
    const uint8_t *data; /* NULL until its place in the file is known */
    size_t         size;
};
struct slots {
    struct slot            *item;
    size_t                  n;
    const struct vlp_bytes *file;
};

static struct slot *find_slot(const struct slots *s, const char *key)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int    order = strcmp(key, s->item[mid].key);
        if (order == 0) return &s->item[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

static enum vlp_status find_storage(void *ctx, const char *key, const uint8_t **data, size_t *size,
                                    struct vlp_error *err)
{
    const struct slots *s = ctx;
    const struct slot  *slot = find_slot(s, key);
    if (!slot)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: storage '%.40s' is missing", s->file->name, key);
    *data = slot->data;
    *size = slot->size;
    return VLP_OK;
}

/* The raw storages know their number of elements but not the type, which only the tree says. */
static void learn_types(struct slots *s, const struct vlp_storage *named)
{
    for (; named; named = named->before) {
        struct slot *slot = find_slot(s, named->key);
        if (slot) slot->dtype = named->dtype; /* bytes, where it is untyped */
    }
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct slot *)a)->key, ((const struct slot *)b)->key);
}

/* A key per storage, in the order in which the storages follow. */
static enum vlp_status read_keys(struct slots *s, struct vlp_arena *mem,
                                 const struct vlp_value *keys, struct vlp_error *err)
{
    if (keys->kind != VLP_VALUE_LIST)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: no list of storages", s->file->name);
    s->item = VLP_NEW_N(mem, struct slot, keys->seq.n);
    s->n = keys->seq.n;
    for (size_t i = 0; i < s->n; i++) {
        if (keys->seq.item[i]->kind != VLP_VALUE_TEXT)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: the key of a storage is no text",
                            s->file->name);
        s->item[i] = (struct slot){.key = keys->seq.item[i]->text.s, .dtype = VLP_DTYPE_COUNT};
    }
    if (s->n > 1) qsort(s->item, s->n, sizeof *s->item, by_key);
    for (size_t i = 1; i < s->n; i++)
        if (strcmp(s->item[i].key, s->item[i - 1].key) == 0)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: storage '%.40s' is there twice",
                            s->file->name, s->item[i].key);
    return VLP_OK;
}

static enum vlp_status place_storages(struct slots *s, const struct vlp_value *keys, size_t at,
                                      struct vlp_error *err)
{
    for (size_t i = 0; i < keys->seq.n; i++) {
        struct slot *slot = find_slot(s, keys->seq.item[i]->text.s);
        if (slot->dtype == VLP_DTYPE_COUNT)
            return vlp_fail(err, VLP_ERR_SUPPORT,
                            "%s: no tensor says of which type storage '%.40s' is", s->file->name,
                            slot->key);
        if (s->file->size - at < 8)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: truncated before storage '%.40s'",
                            s->file->name, slot->key);
        const uint64_t n = vlp_load_u64(s->file->data + at);
        at += 8;
        if (n > (s->file->size - at) / vlp_dtype_size(slot->dtype, 1))
            return vlp_fail(
                err, VLP_ERR_FORMAT,
                "%s: truncated: storage '%.40s' claims %llu elements, %zu bytes are left",
                s->file->name, slot->key, (unsigned long long)n, s->file->size - at);
        slot->data = s->file->data + at;
        slot->size = vlp_dtype_size(slot->dtype, (size_t)n);
        at += slot->size;
    }
    return VLP_OK;
}

/* The next pickle; *at moves behind it. */
static enum vlp_status next(struct vlp_pickled *v, size_t *at, struct vlp_arena *mem,
                            const struct vlp_bytes *file, struct vlp_error *err)
{
    const struct vlp_bytes rest = {file->data + *at, file->size - *at, file->name, false};
    VLP_TRY(vlp_pickle_run(v, mem, &rest, err));
    *at += v->size;
    return VLP_OK;
}

enum vlp_status vlp_torch_legacy_parse(struct vlp_stored_list *list, struct vlp_arena *mem,
                                       const struct vlp_bytes *file, struct vlp_error *err)
{
    struct vlp_pickled number, protocol, system, tree, keys;
    size_t             at = 0;
    VLP_TRY(next(&number, &at, mem, file, err));
    VLP_TRY(next(&protocol, &at, mem, file, err));
    if (protocol.root->kind != VLP_VALUE_INT || protocol.root->i != PROTOCOL)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: PyTorch file of another protocol than %d",
                        file->name, PROTOCOL);
    VLP_TRY(next(&system, &at, mem, file, err));
    const struct vlp_value *little = vlp_value_get(system.root, "little_endian");
    if (!little || little->kind != VLP_VALUE_BOOL || !little->i)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: its numbers are not little-endian", file->name);
    VLP_TRY(next(&tree, &at, mem, file, err));
    VLP_TRY(next(&keys, &at, mem, file, err));

    struct slots slots = {.file = file};
    VLP_TRY(read_keys(&slots, mem, keys.root, err));
    learn_types(&slots, tree.storages);
    VLP_TRY(place_storages(&slots, keys.root, at, err));
    enum vlp_torch_kind kind;
    return vlp_torch_collect(list, &kind, mem, tree.root, tree.size, file, find_storage, &slots,
                             err);
}
