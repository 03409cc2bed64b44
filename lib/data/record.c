/*
 * record.c -- a row of a table or a JSON object, as a record.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

size_t vlp_first_field(char *line, size_t len)
{
    const char *tab = memchr(line, '\t', len);
    return tab ? vlp_tsv_unescape(line, (size_t)(tab - line)) : len;
}

const char ends_inside[] = "the file ends inside a record";

enum { ID_LIMIT = 64 * 1024 };

/* Relative pictures count from --base-dir, else from the folder of the table. */
static char *picture_path(struct vlp_arena *mem, const struct input *in, const char *name)
{
    const char *base = vlp_path_base(in->path);
    if (in->opt->base_dir) return vlp_path_join(mem, in->opt->base_dir, name);
    if (base == in->path || name[0] == '/') return vlp_arena_strdup(mem, name);
    return vlp_path_join(mem, vlp_arena_strndup(mem, in->path, (size_t)(base - in->path)), name);
}

void record_make(struct vlp_item *it, const struct input *in, const struct field f[COLUMN_COUNT],
                 int64_t row)
{
    const struct field *id = &f[COLUMN_ID], *image = &f[COLUMN_IMAGE];
    if (!id->bytes || id->len == 0) id = image;
    const bool split = id->bytes && memchr(id->bytes, '\0', id->len);
    if (id->bytes && id->len && id->len <= ID_LIMIT && !split)
        item_begin(it, id->bytes, id->len);
    else
        item_begin_at(it, "%s:%lld", in->path, (long long)row);
    if (f[COLUMN_LABEL].bytes && f[COLUMN_LABEL].len)
        it->label = vlp_arena_strndup(&it->mem, f[COLUMN_LABEL].bytes, f[COLUMN_LABEL].len);
    if (id->len > ID_LIMIT) {
        item_fail(it, VLP_ERR_LIMIT, "row %lld: an id of %zu bytes", (long long)row, id->len);
    } else if (image->bytes && memchr(image->bytes, '\0', image->len)) {
        item_fail(it, VLP_ERR_FORMAT, "row %lld: a file name with a NUL byte", (long long)row);
    } else if (split) {
        item_fail(it, VLP_ERR_FORMAT, "row %lld: an id with a NUL byte", (long long)row);
    } else if (image->bytes && image->len) {
        char *name = vlp_arena_strndup(&it->mem, image->bytes, image->len);
        char *path = picture_path(&it->mem, in, name);
        if (in->counting)
            it->path = path;
        else
            item_set_picture(it, path, false);
    }
}

void record_check(struct vlp_item *it)
{
    if (it->status == VLP_OK && !it->path && !it->bytes && !it->shard && !it->text)
        item_fail(it, VLP_ERR_FORMAT, "has neither a picture nor a text");
}
