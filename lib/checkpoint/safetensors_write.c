/*
 * safetensors_write.c -- the same container on the way out.
 *
 * The data begin at a multiple of 64 bytes (the header is padded with spaces, as the format
 * allows). Where the next tensor would not be aligned, a U8 tensor "__padding__.N" fills the gap,
 * since the format forbids holes.
 */
#include <stdlib.h>
#include <string.h>

#include "emit.h"

enum { ALIGN = 64 };

static const char *const names[VLP_DTYPE_COUNT] = {
    [VLP_F32] = "F32", [VLP_F16] = "F16", [VLP_BF16] = "BF16", [VLP_F64] = "F64",
    [VLP_Q8_0] = "U8", [VLP_I64] = "I64", [VLP_I32] = "I32",   [VLP_I16] = "I16",
    [VLP_I8] = "I8",   [VLP_U8] = "U8",   [VLP_BOOL] = "BOOL"};

static json_t *entry(const char *dtype, json_t *shape, size_t begin, size_t size)
{
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + size));
}

static json_t *shape_of(const struct vlp_stored *t)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->ndim; i++) json_array_append_new(shape, json_integer(t->dim[i]));
    return shape;
}

static size_t gap_before(size_t at, bool aligned)
{
    return aligned ? (ALIGN - at % ALIGN) % ALIGN : 0;
}

/* The header as text; NULL when a name is not UTF-8. Blocks have their real shape in the metadata
 * and count as bytes here. */
static char *make_header(const struct vlp_stored *t, size_t n, const json_t *metadata, bool aligned)
{
    json_t *header = json_object(), *blocks = json_object();
    json_t *meta = metadata ? json_copy((json_t *)metadata) : json_object();
    json_object_set(header, "__metadata__", meta);
    size_t at = 0;
    int    refused = 0;
    for (size_t i = 0, pads = 0; i < n; i++) {
        const size_t gap = t[i].size ? gap_before(at, aligned) : 0;
        if (gap) {
            char name[40];
            snprintf(name, sizeof name, "__padding__.%zu", pads++);
            refused |= json_object_set_new(header, name,
                                           entry("U8", json_pack("[I]", (json_int_t)gap), at, gap));
            at += gap;
        }
        json_t *shape = shape_of(&t[i]);
        if (t[i].dtype == VLP_Q8_0) {
            refused |= json_object_set_new(blocks, t[i].name, shape);
            shape = json_pack("[I]", (json_int_t)t[i].size);
        }
        refused |=
            json_object_set_new(header, t[i].name, entry(names[t[i].dtype], shape, at, t[i].size));
        at += t[i].size;
    }
    if (json_object_size(blocks)) {
        char *text = json_dumps(blocks, JSON_COMPACT);
        json_object_set_new(meta, "vlp.q8_0", json_string(text));
        free(text);
    }
    if (!json_object_size(meta)) json_object_del(header, "__metadata__");
    char *text = refused ? NULL : json_dumps(header, JSON_COMPACT);
    json_decref(header);
    json_decref(meta);
    json_decref(blocks);
    return text;
}

enum vlp_status vlp_safetensors_stream(struct vlp_output *o, const struct vlp_stored *heads,
                                       size_t n, const json_t *metadata, bool aligned,
                                       vlp_bytes_of *bytes_of, void *ctx, struct vlp_error *err)
{
    static const char spaces[ALIGN + 1] =
        "                                                                ";
    static const char zeros[ALIGN] = {0};
    char             *header = make_header(heads, n, metadata, aligned);
    if (!header)
        return vlp_fail(err, VLP_ERR_USAGE, "%s: the name of a tensor is not UTF-8", o->path);
    const size_t    len = strlen(header), pad = gap_before(8 + len, true);
    uint8_t         size[8];
    enum vlp_status s;
    vlp_store_u64(size, len + pad);
    s = vlp_output_write(o, size, sizeof size, err);
    if (s == VLP_OK) s = vlp_output_write(o, header, len, err);
    if (s == VLP_OK) s = vlp_output_write(o, spaces, pad, err);
    size_t at = 0;
    for (size_t i = 0; i < n && s == VLP_OK; i++) {
        const size_t gap = heads[i].size ? gap_before(at, aligned) : 0;
        s = vlp_output_write(o, zeros, gap, err);
        if (s == VLP_OK) s = vlp_output_write(o, bytes_of(ctx, i), heads[i].size, err);
        at += gap + heads[i].size;
    }
    free(header);
    return s;
}

static const void *data_of(void *ctx, size_t i)
{
    return ((const struct vlp_stored *)ctx)[i].data;
}

enum vlp_status vlp_safetensors_write(struct vlp_output *o, const struct vlp_stored *tensors,
                                      size_t n, const json_t *metadata, struct vlp_error *err)
{
    return vlp_safetensors_stream(o, tensors, n, metadata, true, data_of, (void *)tensors, err);
}
