/*
 * train_eval.c -- how good the model is on held-out pictures, while it is being trained.
 *
 * Retrieval both ways between the validation pictures and all their captions, and zero-shot
 * accuracy over the classes for the pictures that carry a label. The training model itself is
 * asked, in f32.
 */
#include <stdlib.h>
#include <string.h>
#include <vlp/search.h>

#include "train_cmd.h"

struct train_eval {
    int     n, n_texts, n_classes, n_templates; /* pictures, captions */
    char  **path;
    char  **caption;
    int    *of;    /* caption -> picture */
    int    *label; /* picture -> class, -1 none */
    char  **class_name;
    int     cap_pictures, cap_texts;
    int64_t bad;
};

static struct train_options *const o = &train_options;

static char **grown(char **list, int n, int *cap)
{
    if (n < *cap) return list;
    *cap = *cap ? 2 * *cap : 256;
    return vlp_realloc(list, (size_t)*cap * sizeof *list);
}

static enum vlp_status read_classes(struct train_eval *e, struct vlp_error *err)
{
    struct vlp_map m;
    VLP_TRY(vlp_map_open(&m, o->classes, err));
    const char *p = (const char *)m.data, *end = p + m.size;
    int         cap = 0;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        if (stop > p) {
            e->class_name = grown(e->class_name, e->n_classes, &cap);
            e->class_name[e->n_classes++] = vlp_strndup(p, (size_t)(stop - p));
        }
        p = stop + 1;
    }
    vlp_map_close(&m);
    if (e->n_classes < 2)
        return vlp_fail(err, VLP_ERR_USAGE, "%s: fewer than two classes", o->classes);
    return VLP_OK;
}

static int class_of(const struct train_eval *e, const char *label)
{
    for (int i = 0; label && i < e->n_classes; i++)
        if (strcmp(e->class_name[i], label) == 0) return i;
    return -1;
}

static void add_record(struct train_eval *e, const struct vlp_item *it)
{
    if (it->status != VLP_OK || !it->path || !it->text) {
        e->bad++;
        return;
    }
    if (e->n == 0 || strcmp(e->path[e->n - 1], it->path) != 0) {
        e->path = grown(e->path, e->n, &e->cap_pictures);
        e->label = vlp_realloc(e->label, (size_t)e->cap_pictures * sizeof *e->label);
        e->label[e->n] = class_of(e, it->label);
        e->path[e->n++] = vlp_strdup(it->path);
    }
    e->caption = grown(e->caption, e->n_texts, &e->cap_texts);
    e->of = vlp_realloc(e->of, (size_t)e->cap_texts * sizeof *e->of);
    e->of[e->n_texts] = e->n - 1;
    e->caption[e->n_texts++] = vlp_strndup(it->text, it->text_len);
}

enum vlp_status train_eval_open(struct train_eval **out, const struct train_run *r,
                                struct vlp_error *err)
{
    (void)r;
    struct train_eval *e = vlp_calloc(1, sizeof *e);
    char              *paths[] = {(char *)o->validation};
    struct vlp_source *source = NULL;
    struct vlp_item    it = {0};
    bool               more = true;
    enum vlp_status    s = o->classes ? read_classes(e, err) : VLP_OK;
    if (s == VLP_OK)
        s = vlp_source_open(&source,
                            &(struct vlp_source_options){
                                .paths = paths, .n_paths = 1, .recursive = true, .captions = true},
                            err);
    while (s == VLP_OK) {
        s = vlp_source_next(source, &it, &more, err);
        if (s != VLP_OK || !more) break;
        add_record(e, &it);
        vlp_item_free(&it);
    }
    vlp_source_close(source);
    if (s == VLP_OK && e->n == 0)
        s = vlp_fail(err, VLP_ERR_FORMAT, "%s: no picture file with a caption to validate on",
                     o->validation);
    if (s != VLP_OK) {
        train_eval_close(e);
        return s;
    }
    if (e->bad)
        cmd_warn("%s: %lld records left out of validation", o->validation, (long long)e->bad);
    *out = e;
    return VLP_OK;
}

static void free_list(char **list, int n)
{
    for (int i = 0; i < n; i++) free(list[i]);
    free(list);
}

void train_eval_close(struct train_eval *e)
{
    if (!e) return;
    free_list(e->path, e->n);
    free_list(e->caption, e->n_texts);
    free_list(e->class_name, e->n_classes);
    free(e->of);
    free(e->label);
    free(e);
}

/* ---- features ----------------------------------------------------------------------------------
 */

enum { CHUNK = 64 };

/* Pictures that can no longer be read become zero vectors: they find nothing and are not hidden. */
static void picture_features(struct train_eval *e, struct vlp_encoder *enc, float *out)
{
    const struct vlp_preprocess *how = &enc->preprocess;
    const struct vlp_features    unit = {.normalize = true};
    const size_t                 size = 3 * (size_t)how->width * (size_t)how->height,
                 E = (size_t)enc->model.embed_dim;
    struct vlp_arena mem = {0};
    float           *pixels = vlp_malloc(CHUNK * size * sizeof *pixels);
    bool             readable[CHUNK];
    struct vlp_error err;
    for (int at = 0; at < e->n; at += CHUNK) {
        const int n = e->n - at < CHUNK ? e->n - at : CHUNK;
        for (int i = 0; i < n; i++) {
            const struct vlp_arena_mark mark = vlp_arena_mark(&mem);
            struct vlp_image            pic;
            readable[i] = vlp_image_read(&pic, &mem, e->path[at + i], &err) == VLP_OK;
            if (readable[i])
                vlp_preprocess_normalize(pixels + (size_t)i * size,
                                         vlp_preprocess_u8(&mem, &pic, how), how);
            else
                memset(pixels + (size_t)i * size, 0, size * sizeof *pixels);
            vlp_arena_rewind(&mem, mark);
        }
        float *rows = out + (size_t)at * E;
        vlp_encode_pixels(enc, &enc->compute, &mem, pixels, n, how->height, how->width, &unit,
                          rows);
        for (int i = 0; i < n; i++)
            if (!readable[i]) memset(rows + (size_t)i * E, 0, E * sizeof *out);
    }
    free(pixels);
    vlp_arena_free(&mem);
}

static enum vlp_status text_features(struct vlp_encoder *enc, char *const *text, int n, float *out,
                                     struct vlp_error *err)
{
    const size_t E = (size_t)enc->model.embed_dim;
    for (int at = 0; at < n; at += CHUNK)
        VLP_TRY(vlp_encode_strings(enc, (const char *const *)text + at,
                                   n - at < CHUNK ? n - at : CHUNK, out + (size_t)at * E, NULL,
                                   err));
    return VLP_OK;
}

/* ---- figures -----------------------------------------------------------------------------------
 */

static void put(json_t *into, const char *name, double value)
{
    json_object_set_new(into, name, json_real(value));
}

static void put_retrieval(json_t *into, const char *way, const struct vlp_retrieval *r)
{
    char name[64];
    for (int i = 0; i < r->n_k; i++) {
        snprintf(name, sizeof name, "val_%s_R@%d", way, r->k[i]);
        put(into, name, r->recall[i]);
    }
    snprintf(name, sizeof name, "val_%s_median_rank", way);
    put(into, name, r->median_rank);
}

static void retrieval(const struct train_eval *e, const struct vlp_compute *c, const float *image,
                      const float *text, int E, json_t *into)
{
    struct vlp_retrieval r = {.n_k = 3, .k = {1, 5, 10}};
    int                 *start = vlp_calloc((size_t)e->n_texts + 2, sizeof *start);
    int                 *truth = vlp_calloc((size_t)e->n_texts + 1, sizeof *truth);
    int                  k = 0;
    for (int i = 0; i < e->n; i++) { /* captions stand in the order of their pictures */
        start[i] = k;
        while (k < e->n_texts && e->of[k] == i) {
            truth[k] = k;
            k++;
        }
    }
    start[e->n] = k;
    vlp_retrieval_score(&r, c, image, e->n, text, e->n_texts, E, start, truth);
    put_retrieval(into, "image", &r);
    for (int i = 0; i <= e->n_texts; i++) start[i] = i;
    vlp_retrieval_score(&r, c, text, e->n_texts, image, e->n, E, start, e->of);
    put_retrieval(into, "text", &r);
    free(start);
    free(truth);
}

/* Spec 6.1: unit vectors of all prompts of a class, averaged, made unit length again. */
static enum vlp_status class_vectors(struct train_eval *e, struct vlp_encoder *enc, float *out,
                                     struct vlp_error *err)
{
    static const char *const preset[] = {"a photo of a {}."};
    const char *const       *list = o->templates.n ? o->templates.item : preset;
    const int                n_list = o->templates.n ? o->templates.n : 1, E = enc->model.embed_dim;
    struct vlp_arena         mem = {0};
    char                   **prompt = vlp_calloc((size_t)n_list, sizeof *prompt);
    float                   *row = vlp_malloc((size_t)n_list * (size_t)E * sizeof *row);
    enum vlp_status          s = VLP_OK;
    for (int i = 0; i < e->n_classes && s == VLP_OK; i++) {
        const char *name = e->class_name[i];
        float      *mean = out + (size_t)i * (size_t)E;
        for (int k = 0; k < n_list; k++)
            prompt[k] = vlp_template_fill(&mem, list[k], name, strlen(name), NULL);
        s = text_features(enc, prompt, n_list, row, err);
        memset(mean, 0, (size_t)E * sizeof *mean);
        for (int k = 0; k < n_list; k++)
            for (int j = 0; j < E; j++) mean[j] += row[k * E + j];
        vlp_unit_length(mean, E);
    }
    free(row);
    free(prompt);
    vlp_arena_free(&mem);
    return s;
}

static enum vlp_status zero_shot(struct train_eval *e, struct vlp_encoder *enc, const float *image,
                                 json_t *into, struct vlp_error *err)
{
    const int       E = enc->model.embed_dim, C = e->n_classes;
    const size_t    rows = (size_t)C;
    float          *classes = vlp_malloc(rows * (size_t)E * sizeof *classes);
    int             seen = 0, first = 0, fifth = 0;
    enum vlp_status s = class_vectors(e, enc, classes, err);
    for (int i = 0; i < e->n && s == VLP_OK; i++) {
        if (e->label[i] < 0) continue;
        const float *x = image + (size_t)i * (size_t)E;
        const float right = vlp_dot(&enc->compute, x, classes + (size_t)e->label[i] * (size_t)E, E);
        int         rank = 0;
        for (int c = 0; c < C; c++) {
            const float score = vlp_dot(&enc->compute, x, classes + (size_t)c * (size_t)E, E);
            rank += score > right || (score == right && c < e->label[i]);
        }
        seen++;
        first += rank < 1;
        fifth += rank < 5;
    }
    free(classes);
    if (s == VLP_OK && seen > 0) {
        put(into, "val_top1", (double)first / seen);
        put(into, "val_top5", (double)fifth / seen);
    }
    return s;
}

enum vlp_status train_eval_run(struct train_eval *e, struct train_run *r, json_t *into,
                               struct vlp_error *err)
{
    struct vlp_encoder *enc = &r->encoder;
    const size_t        E = (size_t)enc->model.embed_dim;
    float              *image = vlp_malloc((size_t)e->n * E * sizeof *image);
    float              *text = vlp_malloc((size_t)e->n_texts * E * sizeof *text);
    picture_features(e, enc, image);
    enum vlp_status s = text_features(enc, e->caption, e->n_texts, text, err);
    if (s == VLP_OK) retrieval(e, &enc->compute, image, text, (int)E, into);
    if (s == VLP_OK && e->n_classes) s = zero_shot(e, enc, image, into, err);
    free(image);
    free(text);
    return s;
}
