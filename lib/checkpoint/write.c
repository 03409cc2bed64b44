/*
 * write.c -- vlp's own model file, and the choice between the layouts.
 *
 * The weights are looked at twice: once for checksums and fingerprint, which stand in the header,
 * once to be written.
 */
#include <stdlib.h>
#include <string.h>

#include "emit.h"

/* Those that end at a multiple of 64 bytes first: then hardly any padding is needed. */
static int by_alignment(const void *pa, const void *pb)
{
    const struct vlp_emit *a = pa, *b = pb;
    const int              odd_a = a->head.size % 64 != 0, odd_b = b->head.size % 64 != 0;
    return odd_a != odd_b ? odd_a - odd_b : strcmp(a->head.name, b->head.name);
}

/* Checksums of all that is written, fingerprint of the model in it; the list is sorted by name. */
static void look_through(json_t *sums, struct vlp_emit_list *l, const struct vlp_checkpoint *c,
                         json_t *about)
{
    struct vlp_fingerprint *f = vlp_fingerprint_open(c);
    const char             *vocabulary = vlp_vocabulary_tensor(c->about);
    char                    text[33];
    for (size_t i = 0; i < l->n; i++) {
        struct vlp_stored t = l->item[i].head;
        t.data = vlp_emit_bytes(l, i);
        snprintf(text, sizeof text, "%016llx", (unsigned long long)vlp_hash64(t.data, t.size));
        json_object_set_new(sums, t.name, json_string(text));
        if (!vocabulary || strcmp(t.name, vocabulary) != 0) vlp_fingerprint_add(f, &t);
    }
    vlp_fingerprint_close(f, c, text);
    json_object_set_new(about, "fingerprint", json_string(text));
}

static void set_text(json_t *metadata, const char *key, const json_t *v)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_object_set_new(metadata, key, json_string(text));
    free(text);
}

enum vlp_status vlp_write_own(const struct vlp_checkpoint *c, const char *path,
                              const struct vlp_convert *how, struct vlp_error *err)
{
    struct vlp_output o;
    VLP_TRY(vlp_output_open(&o, path, how->force, err));
    struct vlp_arena names;
    vlp_arena_init(&names);
    struct vlp_emit_list l = {.names = &names};
    for (size_t i = 0; i < c->n_tensors; i++)
        if (!c->tensors[i].extra)
            vlp_emit_add(&l, c->tensors[i].name, &c->tensors[i],
                         vlp_emit_dtype(&c->tensors[i], how), false, -1);

    json_t         *about = json_deep_copy(c->about);
    json_t         *sums = json_object();
    enum vlp_status s = vlp_emit_check(&l, path, err);
    if (s == VLP_OK) look_through(sums, &l, c, about);
    json_t *metadata =
        json_pack("{s:s, s:s}", "vlp.version", VLP_FILE_VERSION, "vlp.program", "vlp " VLP_VERSION);
    set_text(metadata, "vlp.about", about);
    set_text(metadata, "vlp.checksums", sums);
    if (l.n > 1) qsort(l.item, l.n, sizeof *l.item, by_alignment);
    if (s == VLP_OK) s = vlp_emit_write(&l, &o, metadata, true, err);
    if (s == VLP_OK) s = vlp_output_commit(&o, err);
    vlp_output_abort(&o);
    json_decref(metadata);
    json_decref(sums);
    json_decref(about);
    vlp_emit_list_free(&l);
    vlp_arena_free(&names);
    return s;
}

enum vlp_status vlp_checkpoint_write(const struct vlp_checkpoint *c, const char *path,
                                     const struct vlp_convert *how, struct vlp_error *err)
{
    if (!c->about)
        return vlp_fail(err, VLP_ERR_USAGE, "%s: a checkpoint without a document cannot be written",
                        path);
    if (!how->keep_dtype && how->dtype != VLP_F32 && how->dtype != VLP_F16 &&
        how->dtype != VLP_BF16 && how->dtype != VLP_Q8_0)
        return vlp_fail(err, VLP_ERR_USAGE, "%s: weights are not written as %s", path,
                        vlp_dtype_name(how->dtype));
    VLP_TRY(vlp_about_validate(c->about, path, err));
    if (how->layout != VLP_LAYOUT_VLP && !how->keep_dtype && how->dtype == VLP_Q8_0)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: only vlp's own file can hold q8_0", path);
    switch (how->layout) {
    case VLP_LAYOUT_VLP: return vlp_write_own(c, path, how, err);
    case VLP_LAYOUT_OPEN_CLIP: return vlp_write_open_clip(c, path, how, err);
    case VLP_LAYOUT_HF: return vlp_write_hf(c, path, how, err);
    }
    return vlp_fail(err, VLP_ERR_USAGE, "%s: no such layout", path);
}
