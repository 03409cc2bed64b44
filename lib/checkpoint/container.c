/*
 * container.c -- which container a file is, by its first bytes.
 */
#include <string.h>

#include "checkpoint_internal.h"

static bool looks_like_safetensors(const struct vlp_bytes *f)
{
    return f->size >= 9 && f->data[8] == '{';
}

static bool is_tar(const struct vlp_bytes *f)
{
    return f->size >= 512 && memcmp(f->data + 257, "ustar", 5) == 0;
}

/* What a clone without Git LFS leaves in the place of weights. */
static bool is_lfs_pointer(const struct vlp_bytes *f)
{
    static const char head[] = "version https://git-lfs";
    return f->size >= sizeof head - 1 && memcmp(f->data, head, sizeof head - 1) == 0;
}

enum vlp_status vlp_container_parse(struct vlp_stored_list *list, enum vlp_container *kind,
                                    json_t **metadata, struct vlp_arena *mem,
                                    const struct vlp_bytes *file, struct vlp_error *err)
{
    enum vlp_torch_kind torch = VLP_TORCH_STATE_DICT;
    *metadata = NULL;
    if (vlp_torch_is_zip(file)) {
        VLP_TRY(vlp_torch_zip_parse(list, &torch, mem, file, err));
    } else if (vlp_torch_is_legacy(file)) {
        VLP_TRY(vlp_torch_legacy_parse(list, mem, file, err));
    } else if (looks_like_safetensors(file)) {
        *kind = VLP_CONTAINER_SAFETENSORS;
        return vlp_safetensors_parse(list, metadata, mem, file, err);
    } else if (is_tar(file)) {
        return vlp_fail(err, VLP_ERR_SUPPORT,
                        "%s: a tar archive; weights are read from safetensors and PyTorch files",
                        file->name);
    } else if (is_lfs_pointer(file)) {
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: not the weights, but Git LFS's pointer to them: fetch the file itself",
                        file->name);
    } else {
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: %s; weights are read from safetensors and PyTorch files", file->name,
                        file->size < 9 ? "too short for any file of weights"
                                       : "not a file of weights that is known");
    }
    *kind = torch == VLP_TORCH_SCRIPT ? VLP_CONTAINER_SCRIPT : VLP_CONTAINER_STATE_DICT;
    return VLP_OK;
}
