/*
 * classify_file.c -- classifiers as embedding files: a record a class, its bias as the note.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/classify.h>

enum vlp_status vlp_classifier_write(const struct vlp_classifier *c, const char *path,
                                     const json_t *about, bool force, struct vlp_error *err)
{
    struct vlp_embedding_header h = {.dim = c->dim,
                                     .dtype = VLP_F32,
                                     .modality = VLP_CLASS,
                                     .normalized = c->unit_inputs && !c->bias};
    memcpy(h.fingerprint, c->fingerprint, sizeof h.fingerprint);
    h.about = about ? json_deep_copy(about) : json_object();
    json_object_set_new(h.about, "classifier",
                        json_pack("{s:f, s:b, s:b, s:b}", "scale", (double)c->scale, "unit_inputs",
                                  c->unit_inputs, "penultimate", c->penultimate, "biased",
                                  c->bias != NULL));
    const struct vlp_embedding_write_options opt = {.format = "vle", .force = force, .whole = true};
    struct vlp_embedding_writer             *w;
    enum vlp_status                          s = vlp_embedding_writer_open(&w, path, &h, &opt, err);
    if (s == VLP_OK) {
        for (int i = 0; i < c->n && s == VLP_OK; i++) {
            char              bias[32] = "";
            const int         len = c->bias ? vlp_format_f32(bias, c->bias[i]) : 0;
            struct vlp_record r = {.id = c->name[i],
                                   .id_len = strlen(c->name[i]),
                                   .meta = c->bias ? bias : NULL,
                                   .meta_len = (size_t)len,
                                   .vector = c->weight + (size_t)i * (size_t)c->dim};
            s = vlp_embedding_write(w, &r, err);
        }
        if (s == VLP_OK)
            s = vlp_embedding_writer_close(w, err);
        else
            vlp_embedding_writer_abandon(w);
    }
    json_decref(h.about);
    return s;
}

/* The rows of `set` as a classifier; its numbers come from header.about where it has them. */
static enum vlp_status of_set(struct vlp_classifier *c, struct vlp_set *set, const char *path,
                              struct vlp_error *err)
{
    const json_t *how = json_object_get(set->header.about, "classifier");
    const json_t *scale = json_object_get(how, "scale"),
                 *unit = json_object_get(how, "unit_inputs");
    const bool biased = json_is_true(json_object_get(how, "biased"));
    *c = (struct vlp_classifier){.n = set->n, .dim = set->header.dim, .scale = VLP_ZERO_SHOT_SCALE};
    if (set->n == 0) return vlp_fail(err, VLP_ERR_FORMAT, "%s: no class in it", path);
    if (set->ending != VLP_ENDED) /* what is missing would be answered with another class */
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: its end is missing, and classes with it", path);
    if (scale) c->scale = (float)json_number_value(scale);
    if (!(c->scale > 0.0f) || !isfinite(c->scale))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: classifier.scale is not a positive number", path);
    c->unit_inputs = unit ? json_is_true(unit) : true;
    c->penultimate = json_is_true(json_object_get(how, "penultimate"));
    memcpy(c->fingerprint, set->header.fingerprint, sizeof c->fingerprint);
    vlp_arena_init(&c->mem);
    c->name = VLP_NEW_N(&c->mem, const char *, (size_t)c->n);
    c->weight = VLP_NEW_N(&c->mem, float, (size_t)c->n *(size_t)c->dim);
    if (biased) c->bias = VLP_NEW_N(&c->mem, float, (size_t)c->n);
    memcpy(c->weight, vlp_set_vectors(set, how ? VLP_DOT : VLP_COSINE),
           (size_t)c->n * (size_t)c->dim * sizeof *c->weight);
    for (int i = 0; i < c->n; i++) {
        c->name[i] = vlp_arena_strndup(&c->mem, set->ids[i], set->id_lens[i]);
        if (!biased) continue;
        if (!set->metas[i] || !vlp_parse_f32(set->metas[i], &c->bias[i]) || !isfinite(c->bias[i])) {
            vlp_fail(err, VLP_ERR_FORMAT, "%s: class '%s' has no bias", path, c->name[i]);
            vlp_classifier_free(c);
            return VLP_ERR_FORMAT;
        }
    }
    return VLP_OK;
}

/* A label is a name: of two classes with one name nobody could say which is right. */
static enum vlp_status refuse_twins(const struct vlp_classifier *c, const char *path,
                                    struct vlp_error *err)
{
    struct vlp_names *seen = vlp_names_new();
    enum vlp_status   s = VLP_OK;
    for (int i = 0; i < c->n && s == VLP_OK; i++)
        if (vlp_names_add(seen, c->name[i]) != i)
            s = vlp_fail(err, VLP_ERR_FORMAT, "%s: class '%s' is there twice", path, c->name[i]);
    vlp_names_free(seen);
    return s;
}

enum vlp_status vlp_classifier_read(struct vlp_classifier *out, const char *path,
                                    struct vlp_error *err)
{
    struct vlp_set        set;
    struct vlp_classifier c;
    VLP_TRY(vlp_set_read(&set, path, err));
    enum vlp_status s = of_set(&c, &set, path, err);
    vlp_set_free(&set);
    VLP_TRY(s);
    s = refuse_twins(&c, path, err);
    if (s == VLP_OK)
        *out = c;
    else
        vlp_classifier_free(&c);
    return s;
}

void vlp_classifier_free(struct vlp_classifier *c)
{
    vlp_arena_free(&c->mem);
    *c = (struct vlp_classifier){0};
}
