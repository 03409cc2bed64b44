/*
 * origin.c -- a path, which is a file, an index of shards or a folder, to one list of tensors.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint_internal.h"

#define MAX_JSON ((size_t)64 << 20)

static enum vlp_status read_json(json_t **out, const char *path, struct vlp_error *err)
{
    struct vlp_map map;
    VLP_TRY(vlp_map_open(&map, path, err));
    enum vlp_status s = VLP_OK;
    if (map.size > MAX_JSON) {
        s = vlp_fail(err, VLP_ERR_LIMIT, "%s: %zu bytes of configuration", path, map.size);
    } else {
        json_error_t where;
        const size_t bom = vlp_bom_length(map.data, map.size);
        *out = json_loadb((const char *)map.data + bom, map.size - bom, JSON_REJECT_DUPLICATES,
                          &where);
        if (!*out)
            s = vlp_fail(err, VLP_ERR_FORMAT, "%s: line %d: %s", path, where.line, where.text);
    }
    vlp_map_close(&map);
    return s;
}

enum vlp_status vlp_json_beside(json_t **out, const struct vlp_origin *s, const char *name,
                                struct vlp_error *err)
{
    const char *path = vlp_path_join(s->mem, s->folder, name);
    *out = NULL;
    return vlp_file_exists(path) ? read_json(out, path, err) : VLP_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

static enum vlp_status add_file(struct vlp_origin *s, const char *path, struct vlp_error *err)
{
    struct vlp_map map;
    VLP_TRY(vlp_map_open(&map, path, err));
    s->map = vlp_realloc(s->map, (s->n_maps + 1) * sizeof *s->map);
    s->map[s->n_maps++] = map;
    const struct vlp_bytes file = {map.data, map.size, vlp_arena_strdup(s->mem, path), map.mapped};
    json_t                *metadata = NULL;
    VLP_TRY(vlp_container_parse(&s->list, &s->container, &metadata, s->mem, &file, err));
    if (s->metadata)
        json_decref(metadata);
    else
        s->metadata = metadata;
    return VLP_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* { "weight_map": { tensor: file } }: each file once, in the order of names. */
static enum vlp_status add_shards(struct vlp_origin *s, const char *index_path,
                                  struct vlp_error *err)
{
    json_t *index = NULL;
    VLP_TRY(read_json(&index, index_path, err));
    json_t         *map = json_object_get(index, "weight_map");
    const size_t    n = json_object_size(map);
    const char    **file = VLP_NEW_N(s->mem, const char *, n + 1);
    enum vlp_status status = VLP_OK;
    const char     *name;
    json_t         *value;
    size_t          i = 0;
    if (n == 0) status = vlp_fail(err, VLP_ERR_FORMAT, "%s: no weight_map", index_path);
    json_object_foreach(map, name, value)
    {
        const char *text = json_string_value(value);
        if (!text || !*text || strchr(text, '/') || text[0] == '.') {
            status = vlp_fail(err, VLP_ERR_FORMAT,
                              "%s: the shard of '%.100s' is not a file's name in its folder",
                              index_path, name);
            break;
        }
        file[i++] = text;
    }
    if (status == VLP_OK) qsort(file, n, sizeof *file, by_text);
    for (i = 0; i < n && status == VLP_OK; i++) {
        if (i && strcmp(file[i], file[i - 1]) == 0) continue;
        const char *path = vlp_path_join(s->mem, s->folder, file[i]);
        if (i == 0) s->file = path;
        status = add_file(s, path, err);
    }
    json_decref(index);
    return status;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* ---- folders --------------------------------------------------------------------------------- */

/* In order of preference: what nobody can misread first. */
const char *const vlp_weight_files[] = {
    "open_clip_model.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    NULL,
};

static bool may_hold_weights(const char *name)
{
    static const char *const endings[] = {"safetensors", "pt", "pth", "bin", "ckpt"};
    /* what vlp-model compare wants beside a model */
    static const char *const reference[] = {"inputs.safetensors", "expected.safetensors"};
    for (size_t i = 0; i < VLP_COUNT(reference); i++)
        if (strcmp(name, reference[i]) == 0) return false;
    for (size_t i = 0; i < VLP_COUNT(endings); i++)
        if (strcmp(vlp_path_ext(name), endings[i]) == 0) return name[0] != '.';
    return false;
}

static enum vlp_status name_them(const struct vlp_origin *s, const char **file, size_t n,
                                 struct vlp_error *err)
{
    struct vlp_buf names = {0};
    size_t         shown = 0;
    for (size_t i = 0; i < n; i++) vlp_name_list_add(&names, &shown, file[i]);
    const enum vlp_status status =
        vlp_fail(err, VLP_ERR_USAGE, "%s: %zu files could be meant (%s); name one", s->folder, n,
                 names.data);
    vlp_buf_free(&names);
    return status;
}

/* The only file that may hold weights, or NULL; several are for the user to decide. */
static enum vlp_status find_only(const char **found, const struct vlp_origin *s,
                                 struct vlp_error *err)
{
    DIR *d = opendir(s->folder);
    if (!d) return vlp_fail(err, VLP_ERR_IO, "%s: %s", s->folder, strerror(errno));
    const char **file = NULL;
    size_t       n = 0;
    int          why;
    for (const struct dirent *e; (e = vlp_next_entry(d, &why));) {
        if (!may_hold_weights(e->d_name)) continue;
        file = vlp_realloc(file, (n + 1) * sizeof *file);
        file[n++] = vlp_arena_strdup(s->mem, e->d_name);
    }
    closedir(d);
    if (n > 1) qsort(file, n, sizeof *file, by_text);
    *found = n ? file[0] : NULL;
    enum vlp_status status = n > 1 ? name_them(s, file, n, err) : VLP_OK;
    if (why) status = vlp_fail(err, VLP_ERR_IO, "%s: %s", s->folder, strerror(why));
    free(file);
    return status;
}

static enum vlp_status choose_in_folder(const char **chosen, const struct vlp_origin *s,
                                        struct vlp_error *err)
{
    const char *name = NULL;
    for (size_t i = 0; vlp_weight_files[i] && !name; i++)
        if (vlp_file_exists(vlp_path_join(s->mem, s->folder, vlp_weight_files[i])))
            name = vlp_weight_files[i];
    if (!name) VLP_TRY(find_only(&name, s, err));
    if (!name) return vlp_fail(err, VLP_ERR_IO, "%s: no file of weights in this folder", s->folder);
    *chosen = vlp_path_join(s->mem, s->folder, name);
    return VLP_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static enum vlp_status check_unique(const struct vlp_origin *s, struct vlp_error *err)
{
    for (size_t i = 1; i < s->list.n; i++)
        if (strcmp(s->list.item[i].name, s->list.item[i - 1].name) == 0)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: tensor '%.100s' is there twice", s->path,
                            s->list.item[i].name);
    return s->list.n ? VLP_OK : vlp_fail(err, VLP_ERR_FORMAT, "%s: no tensors", s->path);
}

static enum vlp_status open_source(struct vlp_origin *s, struct vlp_error *err)
{
    if (s->is_folder) {
        s->folder = s->path;
        VLP_TRY(choose_in_folder(&s->file, s, err));
    } else {
        const size_t n = (size_t)(vlp_path_base(s->path) - s->path);
        s->folder = n ? vlp_arena_strndup(s->mem, s->path, n) : ".";
        s->file = s->path;
    }
    VLP_TRY(ends_with(s->file, ".index.json") ? add_shards(s, s->file, err)
                                              : add_file(s, s->file, err));
    vlp_stored_sort(s->list.item, s->list.n);
    return check_unique(s, err);
}

enum vlp_status vlp_origin_open(struct vlp_origin *s, struct vlp_arena *mem, const char *path,
                                struct vlp_error *err)
{
    *s = (struct vlp_origin){
        .mem = mem, .path = vlp_arena_strdup(mem, path), .is_folder = vlp_is_dir(path)};
    const enum vlp_status status = open_source(s, err);
    if (status != VLP_OK) vlp_origin_close(s);
    return status;
}

void vlp_origin_close(struct vlp_origin *s)
{
    json_decref(s->metadata);
    vlp_stored_list_free(&s->list);
    for (size_t i = 0; i < s->n_maps; i++) vlp_map_close(&s->map[i]);
    free(s->map);
    *s = (struct vlp_origin){0};
}

const struct vlp_stored *vlp_origin_find(const struct vlp_origin *s, const char *name)
{
    return vlp_stored_find(s->list.item, s->list.n, name);
}
