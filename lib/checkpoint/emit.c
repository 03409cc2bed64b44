/*
 * emit.c -- one tensor at a time from its stored form to the form a file wants.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emit.h"

void vlp_emit_list_free(struct vlp_emit_list *l)
{
    free(l->item);
    vlp_buf_free(&l->wide);
    vlp_buf_free(&l->out);
    *l = (struct vlp_emit_list){0};
}

void vlp_emit_add(struct vlp_emit_list *l, const char *name, const struct vlp_stored *from,
                  enum vlp_dtype dtype, bool transpose, int part)
{
    struct vlp_stored head = *from;
    head.name = vlp_arena_strdup(l->names, name);
    head.dtype = dtype;
    head.data = NULL;
    if (part >= 0) head.dim[0] /= 3;
    if (transpose) {
        head.dim[0] = from->dim[1];
        head.dim[1] = from->dim[0];
    }
    head.size = vlp_dtype_size(dtype, vlp_stored_numel(&head));
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->item = vlp_realloc(l->item, l->cap * sizeof *l->item);
    }
    l->item[l->n++] = (struct vlp_emit){head, from, transpose, part};
}

static void *room(struct vlp_buf *b, size_t size)
{
    vlp_buf_clear(b);
    vlp_buf_reserve(b, size + 1);
    return b->data;
}

static void transpose(float *to, const float *from, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) to[j * rows + i] = from[i * cols + j];
}

/* The values of e where they are stored; *n counts them. */
static const uint8_t *source_of(const struct vlp_emit *e, size_t *n)
{
    *n = vlp_stored_numel(&e->head);
    const size_t skip = e->part > 0 ? *n * (size_t)e->part : 0;
    return (const uint8_t *)e->from->data + vlp_dtype_size(e->from->dtype, skip);
}

/* What is as large as `limit` is rounded to infinity: half a step beyond the largest. */
static const struct {
    float  limit;
    double largest;
} range[VLP_DTYPE_COUNT] = {
    [VLP_F32] = {INFINITY, 0x1.fffffep127},
    [VLP_F16] = {65520.0f, 65504},
    [VLP_BF16] = {0x1.ffp127f, 0x1.fep127},
    [VLP_Q8_0] = {127 * 65520.0f, 127 * 65504},
};

/* A block has one scale, so that what is no number takes all of it along. */
static bool is_lost(enum vlp_dtype t, double v)
{
    if (!isfinite(v)) return t == VLP_Q8_0;
    return fabsf((float)v) >= range[t].limit;
}

/* The first value of item i that its type cannot hold. */
static bool find_lost(struct vlp_emit_list *l, size_t i, double *value)
{
    const struct vlp_emit *e = &l->item[i];
    size_t                 n;
    const uint8_t         *data = source_of(e, &n);
    if (e->head.dtype == e->from->dtype || range[e->head.dtype].largest == 0) return false;
    float *wide = room(&l->wide, n * sizeof *wide);
    vlp_to_f32(wide, data, e->from->dtype, n);
    bool lost = false;
    for (size_t k = 0; k < n && !lost; k++) {
        *value = (double)wide[k];
        if (e->from->dtype == VLP_F64) memcpy(value, data + k * sizeof *value, sizeof *value);
        lost = is_lost(e->head.dtype, *value);
    }
    if (e->from->mapped) vlp_map_forget(data, vlp_dtype_size(e->from->dtype, n));
    return lost;
}

enum vlp_status vlp_emit_check(struct vlp_emit_list *l, const char *path, struct vlp_error *err)
{
    double value;
    for (size_t i = 0; i < l->n; i++)
        if (find_lost(l, i, &value))
            return vlp_fail(err, VLP_ERR_SUPPORT,
                            "%s: %s cannot hold the value %.9g of '%.100s' (its largest is %g)",
                            path, vlp_dtype_name(l->item[i].head.dtype), value,
                            l->item[i].head.name, range[l->item[i].head.dtype].largest);
    return VLP_OK;
}

const void *vlp_emit_bytes(struct vlp_emit_list *l, size_t i)
{
    const struct vlp_emit   *e = &l->item[i];
    const struct vlp_stored *from = e->from;
    size_t                   n;
    const uint8_t           *data = source_of(e, &n);
    if (e->head.dtype == from->dtype && !e->transpose) return data;

    float *wide = room(&l->wide, n * sizeof *wide);
    vlp_to_f32(wide, data, from->dtype, n);
    if (from->mapped) vlp_map_forget(data, vlp_dtype_size(from->dtype, n));
    if (e->transpose) {
        float *turned = room(&l->out, n * sizeof *turned);
        transpose(turned, wide, (size_t)from->dim[0], (size_t)from->dim[1]);
        if (e->head.dtype == VLP_F32) return turned;
        memcpy(wide, turned, n * sizeof *wide);
    }
    if (e->head.dtype == VLP_F32) return wide;
    void *out = room(&l->out, e->head.size);
    vlp_from_f32(out, e->head.dtype, wide, n);
    return out;
}

/* Blocks run along rows, which must consist of whole ones; position tables are added, not
 * multiplied, and stay finer. */
static bool suits_blocks(const struct vlp_stored *t)
{
    size_t row = 1;
    for (int i = 1; i < t->ndim; i++) row *= (size_t)t->dim[i];
    return row % VLP_Q8_0_BLOCK == 0 && !strstr(t->name, "positional_embedding");
}

enum vlp_dtype vlp_emit_dtype(const struct vlp_stored *t, const struct vlp_convert *how)
{
    const bool foreign = how->layout != VLP_LAYOUT_VLP;
    if (!vlp_dtype_is_real(t->dtype)) return t->dtype;
    if (how->keep_dtype) return foreign && t->dtype == VLP_Q8_0 ? VLP_F32 : t->dtype;
    /* exp multiplies a rounding of the logit scale: in bf16 100 would be 98.9 */
    const bool lone = vlp_stored_numel(t) == 1;
    if (lone || (!foreign && t->ndim < 2)) return VLP_F32;
    if (foreign) return how->dtype;
    return how->dtype == VLP_Q8_0 && !suits_blocks(t) ? VLP_F16 : how->dtype;
}

static const void *bytes_of(void *ctx, size_t i)
{
    return vlp_emit_bytes(ctx, i);
}

enum vlp_status vlp_emit_write(struct vlp_emit_list *l, struct vlp_output *o,
                               const json_t *metadata, bool aligned, struct vlp_error *err)
{
    struct vlp_stored *heads = vlp_calloc(l->n + 1, sizeof *heads);
    for (size_t i = 0; i < l->n; i++) heads[i] = l->item[i].head;
    const enum vlp_status s =
        vlp_safetensors_stream(o, heads, l->n, metadata, aligned, bytes_of, l, err);
    free(heads);
    return s;
}

/* ---- folders --------------------------------------------------------------------------------- */

static bool is_in(const char *folder, const char *name, struct vlp_buf *path)
{
    vlp_buf_clear(path);
    vlp_buf_printf(path, "%s/%s", folder, name);
    return vlp_file_exists(path->data);
}

static bool is_among(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0) names++;
    return *names != NULL;
}

/* Of several vocabularies ours is read first, but other programs may take this one. */
static const char *const vocabulary_files[] = {"tokenizer.json", "tokenizer_config.json", NULL};
static const char *const *const of_any_model[] = {vlp_weight_files, vocabulary_files};

/* Nothing is in the way, or with `force` nothing that cannot be removed. */
static enum vlp_status check_free(const struct vlp_folder *f, struct vlp_error *err)
{
    struct vlp_buf  path = {0};
    enum vlp_status s = VLP_OK;
    for (const char *const *n = f->names; *n && s == VLP_OK && !f->force; n++)
        if (is_in(f->path, *n, &path))
            s = vlp_fail(err, VLP_ERR_EXISTS, "%s: exists (-f overwrites it)", path.data);
    for (size_t i = 0; i < VLP_COUNT(of_any_model); i++)
        for (const char *const *n = of_any_model[i]; *n && s == VLP_OK; n++)
            if (is_among(f->names, *n) || !is_in(f->path, *n, &path))
                continue;
            else if (vlp_is_dir(path.data))
                s = vlp_fail(err, VLP_ERR_IO, "%s: is a folder", path.data);
            else if (!f->force)
                s = vlp_fail(err, VLP_ERR_EXISTS,
                             "%s: exists and is of another model (-f removes it)", path.data);
    vlp_buf_free(&path);
    return s;
}

enum vlp_status vlp_folder_open(struct vlp_folder *f, const char *path, const char *const *names,
                                bool force, struct vlp_error *err)
{
    *f = (struct vlp_folder){.path = path, .names = names, .force = force};
    f->made = mkdir(path, 0777) == 0;
    if (!f->made && !(errno == EEXIST && vlp_is_dir(path)))
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, strerror(errno));
    return check_free(f, err);
}

static enum vlp_status set_aside(struct vlp_folder *f, const char *path, struct vlp_error *err)
{
    assert(f->n_aside < (int)VLP_COUNT(f->aside));
    struct vlp_temp **t = &f->aside[f->n_aside];
    VLP_TRY(vlp_temp_aside(t, path, err));
    if (*t) f->n_aside++;
    return VLP_OK;
}

static enum vlp_status set_aside_in(struct vlp_folder *f, const char *name, struct vlp_error *err)
{
    struct vlp_buf path = {0};
    vlp_buf_printf(&path, "%s/%s", f->path, name);
    const enum vlp_status s = set_aside(f, path.data, err);
    vlp_buf_free(&path);
    return s;
}

/* The weights that are written anew, where links lead, then those of other names, then a vocabulary
 * of another form or model. */
static enum vlp_status set_others_aside(struct vlp_folder *f, const struct vlp_output *weights,
                                        struct vlp_error *err)
{
    if (weights->temp) {
        char                 *place = vlp_end_of_links(weights->path);
        const enum vlp_status s = set_aside(f, place, err);
        free(place);
        VLP_TRY(s);
    }
    for (size_t i = 0; i < VLP_COUNT(of_any_model); i++)
        for (const char *const *n = of_any_model[i]; *n; n++)
            if (!is_among(f->names, *n)) VLP_TRY(set_aside_in(f, *n, err));
    for (const char *const *n = f->stale; n && *n; n++) VLP_TRY(set_aside_in(f, *n, err));
    return VLP_OK;
}

/* All that stepped aside, the weights last; whoever cannot go back stays, and is told. */
static void end_aside(struct vlp_folder *f, enum vlp_temp_end how, struct vlp_error *err)
{
    while (f->n_aside > 0) {
        struct vlp_temp *t = f->aside[--f->n_aside];
        if (how != VLP_TEMP_LEAVE && vlp_temp_end(t, how)) continue;
        vlp_fail_in(err, "what was there is left as %s", vlp_temp_keep(t));
        vlp_temp_end(t, VLP_TEMP_LEAVE);
    }
}

enum vlp_status vlp_folder_commit(struct vlp_folder *f, struct vlp_error *err)
{
    struct vlp_output *weights = &f->file[f->n - 1];
    char              *waits = NULL; /* the weights' name, once others are in their places */
    vlp_outputs_hold();
    enum vlp_status s = f->force ? set_others_aside(f, weights, err) : VLP_OK;
    for (int i = 0; i < f->n && s == VLP_OK; i++) {
        s = vlp_output_commit(&f->file[i], err);
        if (s == VLP_OK && !waits && weights->temp)
            waits = vlp_strdup(vlp_temp_keep(weights->temp));
    }
    end_aside(f, s == VLP_OK ? VLP_TEMP_REMOVE : waits ? VLP_TEMP_LEAVE : VLP_TEMP_PLACE, err);
    vlp_outputs_release();
    if (s != VLP_OK && waits) vlp_fail_in(err, "the new weights are left as %s", waits);
    free(waits);
    if (s == VLP_OK) f->made = false;
    vlp_folder_abort(f);
    return s;
}

void vlp_folder_abort(struct vlp_folder *f)
{
    for (int i = 0; i < f->n; i++) vlp_output_abort(&f->file[i]);
    if (f->made) rmdir(f->path);
    *f = (struct vlp_folder){0};
}

static enum vlp_status open_in(struct vlp_output **o, struct vlp_folder *f, const char *name,
                               struct vlp_error *err)
{
    struct vlp_buf path = {0};
    assert(f->n < (int)VLP_COUNT(f->file));
    vlp_buf_printf(&path, "%s/%s", f->path, name);
    *o = &f->file[f->n];
    const enum vlp_status s = vlp_output_open(*o, path.data, f->force, err);
    if (s == VLP_OK) f->n++;
    vlp_buf_free(&path);
    return s;
}

enum vlp_status vlp_folder_write(struct vlp_folder *f, const char *name, const void *data,
                                 size_t len, struct vlp_error *err)
{
    struct vlp_output *o;
    VLP_TRY(open_in(&o, f, name, err));
    VLP_TRY(vlp_output_write(o, data, len, err));
    return vlp_output_sync(o, err);
}

enum vlp_status vlp_folder_write_json(struct vlp_folder *f, const char *name, const json_t *v,
                                      struct vlp_error *err)
{
    char          *text = json_dumps(v, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    struct vlp_buf line = {0};
    vlp_buf_printf(&line, "%s\n", text);
    const enum vlp_status s = vlp_folder_write(f, name, line.data, line.len, err);
    vlp_buf_free(&line);
    free(text);
    return s;
}

enum vlp_status vlp_folder_write_tensors(struct vlp_folder *f, struct vlp_emit_list *l,
                                         struct vlp_error *err)
{
    struct vlp_output *o;
    VLP_TRY(open_in(&o, f, f->names[0], err));
    json_t         *metadata = json_pack("{s:s}", "format", "pt");
    enum vlp_status s = vlp_emit_write(l, o, metadata, false, err);
    if (s == VLP_OK) s = vlp_output_sync(o, err);
    json_decref(metadata);
    return s;
}
