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
static size_t check_sums(struct verify *v, const struct vlp_checkpoint *c)
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
