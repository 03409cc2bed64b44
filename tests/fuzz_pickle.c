/*
 * fuzz_pickle.c -- any bytes as a PyTorch file: zip archive, legacy file, or (where they are
 * neither) the pickle of an archive whose storage "0" follows it.
 */
#include <string.h>

#include "checkpoint/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum vlp_status find_storage(void *ctx, const char *key, const uint8_t **data, size_t *size,
                                    struct vlp_error *err)
{
    const struct vlp_bytes *rest = ctx;
    if (strcmp(key, "0") != 0) return vlp_fail(err, VLP_ERR_FORMAT, "no storage %.20s", key);
    *data = rest->data;
    *size = rest->size;
    return VLP_OK;
}

static enum vlp_status parse_bare(struct vlp_stored_list *list, struct vlp_arena *mem,
                                  const struct vlp_bytes *file, struct vlp_error *err)
{
    struct vlp_pickled  tree;
    enum vlp_torch_kind kind;
    VLP_TRY(vlp_pickle_run(&tree, mem, file, err));
    struct vlp_bytes rest = {file->data + tree.size, file->size - tree.size, "rest", false};
    return vlp_torch_collect(list, &kind, mem, tree.root, tree.size, file, find_storage, &rest,
                             err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vlp_stored_list list = {0};
    struct vlp_arena       mem;
    struct vlp_error       err;
    enum vlp_status        s;
    enum vlp_torch_kind    kind;
    const struct vlp_bytes file = {data, size, "input", false};
    vlp_arena_init(&mem);
    if (vlp_torch_is_zip(&file))
        s = vlp_torch_zip_parse(&list, &kind, &mem, &file, &err);
    else if (vlp_torch_is_legacy(&file))
        s = vlp_torch_legacy_parse(&list, &mem, &file, &err);
    else
        s = parse_bare(&list, &mem, &file, &err);
    if (s == VLP_OK)
        for (size_t i = 0; i < list.n; i++) vlp_hash64(list.item[i].data, list.item[i].size);
    vlp_stored_list_free(&list);
    vlp_arena_free(&mem);
    return 0;
}
