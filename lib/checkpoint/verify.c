/*
 * verify.c -- look at every byte of a checkpoint and say what is wrong with it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint_internal.h"

enum { CHUNK = 1 << 14 }; /* values at a time; a multiple of VLP_Q8_0_BLOCK */

struct verify {
    vlp_found *found;
    void      *ctx;
    size_t     n;
};

static void report(struct verify *v, const char *what, const char *tensor, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void report(struct verify *v, const char *what, const char *tensor, const char *fmt, ...)
{
    char    text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->n++;
    if (v->found) v->found(v->ctx, what, tensor, text);
}

static void check_values(struct verify *v, const struct vlp_stored *t, float *chunk)
{
    if (!vlp_dtype_is_real(t->dtype)) return;
    const size_t n = vlp_stored_numel(t);
    size_t       nans = 0, infs = 0;
    for (size_t at = 0; at < n; at += CHUNK) {
        const size_t count = n - at < CHUNK ? n - at : CHUNK;
        vlp_to_f32(chunk, (const uint8_t *)t->data + vlp_dtype_size(t->dtype, at), t->dtype, count);
        for (size_t i = 0; i < count; i++) {
            nans += isnan(chunk[i]) != 0;
            infs += isinf(chunk[i]) != 0;
        }
    }
    if (nans) report(v, "nan", t->name, "%zu of %zu values are not numbers", nans, n);
    if (infs) report(v, "inf", t->name, "%zu of %zu values are infinite", infs, n);
}

/* ---- checksums ------------------------------------------------------------------------------- */

/* The sums of our own file, or NULL. New reference. */
static json_t *read_sums(struct verify *v, const struct vlp_checkpoint *c)
{
    const struct vlp_origin *origin = c->internal;
    const json_t            *metadata = origin ? origin->metadata : NULL;
    if (!json_object_get(metadata, "vlp.version")) return NULL;
    const char *text = json_string_value(json_object_get(metadata, "vlp.checksums"));
    json_t     *sums = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (json_is_object(sums)) return sums;
    report(v, "checksum", "", "the list of checksums is missing or damaged");
    json_decref(sums);
    return NULL;
}

/* Against the tensors as the file holds them. */
static size_t check_own(struct verify *v, const struct vlp_checkpoint *c)
{
    json_t *sums = read_sums(v, c);
    if (!sums) return 0;
    const struct vlp_origin *origin = c->internal;
    for (size_t i = 0; i < origin->list.n; i++) {
        const struct vlp_stored *t = &origin->list.item[i];
        const char              *want = json_string_value(json_object_get(sums, t->name));
        char                     have[17];
        snprintf(have, sizeof have, "%016llx", (unsigned long long)vlp_hash64(t->data, t->size));
        if (!want)
            report(v, "checksum", t->name, "it has no checksum");
        else if (strcmp(want, have) != 0)
            report(v, "checksum", t->name, "its checksum is %s, the file says %.16s", have, want);
    }
    const char *name;
    json_t     *value;
    json_object_foreach(sums, name, value)
    {
        if (!vlp_origin_find(origin, name))
            report(v, "missing", name, "there is a checksum, but no tensor");
    }
    json_decref(sums);
    return origin->list.n;
}

/* The CRC-32 of every member of the archives; one that was written without sums has 0 there. Stored
 * members were taken as they lie; packed ones are unpacked once more, those too that no tensor is
 * in. */
static size_t check_archives(struct verify *v, const struct vlp_checkpoint *c)
{
    const struct vlp_origin *origin = c->internal;
    size_t                   n = 0;
    for (size_t i = 0; origin && i < origin->n_maps; i++) {
        const struct vlp_map  *map = &origin->map[i];
        const struct vlp_bytes file = {map->data, map->size, origin->file, map->mapped};
        struct vlp_arena       mem;
        struct vlp_zip         z;
        if (!vlp_torch_is_zip(&file)) continue;
        vlp_arena_init(&mem);
        if (vlp_zip_open(&z, &mem, &file, NULL) != VLP_OK) z.n = 0; /* it was opened before */
        for (size_t k = 0; k < z.n; k++) {
            struct vlp_zip_entry *e = &z.entry[k];
            if (e->crc == 0) continue;
            n++;
            if (vlp_zip_read(&z, &mem, e, NULL) != VLP_OK)
                report(v, "checksum", e->name, "it cannot be unpacked, or its CRC-32 is wrong");
            else if (vlp_zip_crc(e->data, e->size) != e->crc)
                report(v, "checksum", e->name, "its CRC-32 is %08x, the archive says %08x",
                       (unsigned)vlp_zip_crc(e->data, e->size), (unsigned)e->crc);
        }
        vlp_arena_free(&mem);
    }
    return n;
}

static int by_place(const void *pa, const void *pb)
{
    const uint8_t *a = (*(const struct vlp_stored *const *)pa)->data;
    const uint8_t *b = (*(const struct vlp_stored *const *)pb)->data;
    return a < b ? -1 : a > b;
}

/* A training state has one sum of its f32 tensors, in the order in which they stand in the file,
 * one of its vocabulary and one of its header (train/state.c). */
static size_t check_state(struct verify *v, const struct vlp_checkpoint *c)
{
    const struct vlp_origin *origin = c->internal;
    const json_t            *metadata = origin ? origin->metadata : NULL;
    const char              *text = json_string_value(json_object_get(metadata, "vlp.train"));
    const bool               summed = json_object_get(metadata, "vlp.train.sum") != NULL;
    if (!text && !summed) return 0;
    json_t                   *state = text ? json_loads(text, 0, NULL) : NULL;
    const char               *said = json_string_value(json_object_get(state, "checksum"));
    const char               *said_words = json_string_value(json_object_get(state, "vocabulary"));
    const size_t              n = origin->list.n;
    const struct vlp_stored **t = vlp_calloc(n + 1, sizeof *t);
    for (size_t i = 0; i < n; i++) t[i] = &origin->list.item[i];
    if (n > 1) qsort(t, n, sizeof *t, by_place);
    struct vlp_hasher *all = vlp_hasher_open(), *words = vlp_hasher_open();
    char               have[33], have_words[33];
    for (size_t i = 0; i < n; i++) {
        const bool is_words = strcmp(t[i]->name, VLP_VOCABULARY_TENSOR) == 0;
        if (!is_words) vlp_hasher_add(all, t[i]->name, strlen(t[i]->name));
        vlp_hasher_add(is_words ? words : all, t[i]->data, t[i]->size);
    }
    vlp_hasher_close(all, have);
    vlp_hasher_close(words, have_words);
    if (!said)
        report(v, "checksum", "", "the checksum is missing or damaged");
    else if (strcmp(said, have) != 0)
        report(v, "checksum", "", "the checksum of its tensors is %s, the file says %.32s", have,
               said);
    if (said_words && strcmp(said_words, have_words) != 0)
        report(v, "checksum", VLP_VOCABULARY_TENSOR, "its checksum is %s, the file says %.32s",
               have_words, said_words);
    if (!vlp_state_is_as_written(metadata, state, origin->list.item, n))
        report(v, "checksum", "",
               "the header is not what was written: its checksum does not agree");
    free(t);
    const size_t checked = (said != NULL) + (said_words != NULL) + summed;
    json_decref(state);
    return checked;
}

static size_t check_sums(struct verify *v, const struct vlp_checkpoint *c)
{
    size_t n = check_own(v, c);
    n += check_archives(v, c);
    return n + check_state(v, c);
}

static void keep_first(void *ctx, const char *what, const char *tensor, const char *sentence)
{
    struct vlp_buf *first = ctx;
    if (first->len == 0)
        vlp_buf_printf(first, "%s%s%s%s: %s", what, *tensor ? " of '" : "", tensor,
                       *tensor ? "'" : "", sentence);
}

enum vlp_status vlp_checkpoint_check(const struct vlp_checkpoint *c, size_t limit,
                                     struct vlp_error *err)
{
    struct vlp_buf           first = {0};
    struct verify            v = {keep_first, &first, 0};
    const struct vlp_origin *origin = c->internal;
    size_t                   size = 0;
    enum vlp_status          s = VLP_OK;
    for (size_t i = 0; origin && i < origin->n_maps; i++) size += origin->map[i].size;
    if (limit && size > limit) return VLP_OK;
    check_sums(&v, c);
    if (v.n) s = vlp_fail(err, VLP_ERR_FORMAT, "%s: damaged: %s", origin->file, first.data);
    vlp_buf_free(&first);
    return s;
}

/* ---- values ---------------------------------------------------------------------------------- */

static void check_fingerprint(struct verify *v, const struct vlp_checkpoint *c)
{
    const char *said = json_string_value(json_object_get(c->about, "fingerprint"));
    if (!said) return;
    char have[33];
    vlp_fingerprint_compute(c, have);
    if (strcmp(have, said) != 0)
        report(v, "fingerprint", "",
               "the fingerprint of the content is %s, the document says %.32s", have, said);
}

size_t vlp_checkpoint_verify(const struct vlp_checkpoint *c, size_t *checked, vlp_found *found,
                             void *ctx)
{
    struct verify v = {found, ctx, 0};
    const size_t  n = check_sums(&v, c);
    float        *chunk = vlp_malloc(CHUNK * sizeof *chunk);
    for (size_t i = 0; i < c->n_tensors; i++) {
        check_values(&v, &c->tensors[i], chunk);
        if (c->tensors[i].extra)
            report(&v, "extra", c->tensors[i].name, "the model does not use it");
    }
    free(chunk);
    if (c->about) check_fingerprint(&v, c);
    if (checked) *checked = n;
    return v.n;
}
