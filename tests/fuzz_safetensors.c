/*
 * fuzz_safetensors.c -- any bytes as a safetensors file: every byte of every tensor that is
 * believed is read, before and after its name is mapped.
 */
#include <string.h>

#include "checkpoint/checkpoint_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct vlp_stored_list *list)
{
    for (size_t i = 0; i < list->n; i++) vlp_hash64(list->item[i].data, list->item[i].size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vlp_stored_list list = {0};
    struct vlp_arena       mem;
    struct vlp_error       err;
    json_t                *metadata = NULL;
    const struct vlp_bytes file = {data, size, "input", false};
    vlp_arena_init(&mem);
    if (vlp_safetensors_parse(&list, &metadata, &mem, &file, &err) == VLP_OK) {
        read_all(&list);
        for (const struct vlp_foreign_layout *const *l = vlp_foreign_layouts; *l; l++) {
            struct vlp_stored_list mapped = {0};
            if (vlp_map_names(&mapped, &mem, &list, (*l)->rules, "input", &err) == VLP_OK)
                read_all(&mapped);
            vlp_stored_list_free(&mapped);
        }
        json_decref(metadata);
    }
    vlp_stored_list_free(&list);
    vlp_arena_free(&mem);
    return 0;
}
