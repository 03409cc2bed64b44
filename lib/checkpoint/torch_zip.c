/*
 * torch_zip.c -- what torch.save and torch.jit.save have written since PyTorch 1.6.
 *
 *   X/data.pkl           the tree
 *   X/data/<key>         raw storages, aligned to 64 bytes, uncompressed
 *   X/byteorder          "little", when it is there
 *   X/code/, X/constants.pkl, X/version, X/.data/...   not needed for weights
 */
#include <string.h>

#include "pickle.h"

struct archive {
    struct vlp_zip          zip;
    struct vlp_arena       *mem;
    const char             *top; /* "X/" */
    const struct vlp_bytes *file;
};

bool vlp_torch_is_zip(const struct vlp_bytes *file)
{
    return file->size >= 4 && memcmp(file->data, "PK\3\4", 4) == 0;
}

static struct vlp_zip_entry *entry_of(const struct archive *a, const char *name)
{
    return vlp_zip_find(&a->zip, vlp_arena_printf(a->mem, "%s%s", a->top, name));
}

static enum vlp_status find_storage(void *ctx, const char *key, const uint8_t **data, size_t *size,
                                    struct vlp_error *err)
{
    struct archive       *a = ctx;
    char                  name[128];
    struct vlp_zip_entry *e = NULL;
    if (snprintf(name, sizeof name, "data/%s", key) < (int)sizeof name) e = entry_of(a, name);
    if (!e)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: storage '%.40s' is missing", a->file->name, key);
    VLP_TRY(vlp_zip_read(&a->zip, a->mem, e, err));
    *data = e->data;
    *size = e->size;
    return VLP_OK;
}

/* The folder that everything stands in: that of the data.pkl with the shortest path. */
static struct vlp_zip_entry *find_pickle(struct archive *a)
{
    struct vlp_zip_entry *best = NULL;
    for (size_t i = 0; i < a->zip.n; i++) {
        struct vlp_zip_entry *e = &a->zip.entry[i];
        if (strcmp(vlp_path_base(e->name), "data.pkl") != 0) continue;
        if (!best || strlen(e->name) < strlen(best->name)) best = e;
    }
    if (best)
        a->top = vlp_arena_strndup(a->mem, best->name, strlen(best->name) - strlen("data.pkl"));
    return best;
}

static enum vlp_status check_byteorder(struct archive *a, struct vlp_error *err)
{
    struct vlp_zip_entry *e = entry_of(a, "byteorder");
    if (!e) return VLP_OK;
    VLP_TRY(vlp_zip_read(&a->zip, a->mem, e, err));
    return e->size == 6 && memcmp(e->data, "little", 6) == 0
               ? VLP_OK
               : vlp_fail(err, VLP_ERR_SUPPORT, "%s: its numbers are not little-endian",
                          a->file->name);
}

enum vlp_status vlp_torch_zip_parse(struct vlp_stored_list *list, enum vlp_torch_kind *kind,
                                    struct vlp_arena *mem, const struct vlp_bytes *file,
                                    struct vlp_error *err)
{
    struct archive a = {.mem = mem, .file = file};
    VLP_TRY(vlp_zip_open(&a.zip, mem, file, err));
    struct vlp_zip_entry *e = find_pickle(&a);
    if (!e)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: a zip archive, but not of PyTorch (no data.pkl)",
                        file->name);
    VLP_TRY(check_byteorder(&a, err));
    VLP_TRY(vlp_zip_read(&a.zip, mem, e, err));
    struct vlp_pickled     tree;
    const struct vlp_bytes pickle = {e->data, e->size, file->name, false};
    VLP_TRY(vlp_pickle_run(&tree, mem, &pickle, err));
    return vlp_torch_collect(list, kind, mem, tree.root, e->size, file, find_storage, &a, err);
}
