/*
 * encode.c -- pixels and ids through the towers to rows of features.
 *
 *   row = f / max(|f|, 1e-12)  where normalised vectors are wanted
 */
#include <string.h>

#include <vlp/search.h>

#include "task_internal.h"

const char vlp_not_finite[] =
    "the model makes a vector of it that is not finite (vlp-model verify looks for the cause)";

/*
 * Texts of one pass: so many, and of so many tokens together. A token is a row of every activation
 * (at width 512 2 KB, 8 KB in the MLP): many tiles of a matrix product, yet tens of megabytes
 * however many texts there are.
 */
enum { TEXTS_A_PASS = 256, TOKENS_A_PASS = 4096 };

struct copy_penultimate {
    struct vlp_tape   *tape;
    struct vlp_tensor *copy;
};

static void copy_penultimate(void *ctx, const char *name, const struct vlp_tensor *value,
                             struct vlp_seqs seqs)
{
    struct copy_penultimate *w = ctx;
    (void)seqs;
    if (strcmp(name, "image_penultimate") != 0) return;
    w->copy = vlp_tensor_new(w->tape, value->ndim, value->dim, false);
    memcpy(w->copy->data, value->data, vlp_numel(value) * sizeof *value->data);
}

enum vlp_status vlp_features_dim(const struct vlp_encoder *e, const struct vlp_features *f,
                                 int *dim, struct vlp_error *err)
{
    *dim = e->model.embed_dim;
    if (!f->penultimate) return VLP_OK;
    if (e->model.penultimate == 0)
        return vlp_fail(err, VLP_ERR_SUPPORT, "a %s model has no penultimate layer of pictures",
                        e->model.family->name);
    *dim = e->model.penultimate;
    return VLP_OK;
}

void vlp_features_fingerprint(const struct vlp_encoder *e, const struct vlp_features *f,
                              char text[33])
{
    memcpy(text, e->fingerprint, sizeof e->fingerprint);
    if (!f->penultimate) return;
    struct vlp_hasher *h = vlp_hasher_open();
    vlp_hasher_add(h, e->fingerprint, 32);
    vlp_hasher_add(h, "penultimate", 11);
    vlp_hasher_close(h, text);
}

void vlp_encode_pixels(struct vlp_encoder *e, const struct vlp_compute *c, struct vlp_arena *mem,
                       const float *pixels, int n, int h, int w, const struct vlp_features *f,
                       float *out)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(mem);
    struct vlp_tape             t;
    vlp_tape_init(&t, c, mem, false);
    struct vlp_tensor *x = vlp_tensor_of(&t, (float *)(uintptr_t)pixels, VLP_DIMS(n, 3, h, w));
    struct vlp_tensor *y;
    if (f->penultimate) {
        struct copy_penultimate watch = {&t, NULL};
        y = vlp_encode_image_watched(&e->model, &t, x, copy_penultimate, &watch);
        if (watch.copy) y = watch.copy;
    } else {
        y = vlp_encode_image(&e->model, &t, x);
    }
    if (f->normalize) y = vlp_normalize(&t, y);
    memcpy(out, y->data, vlp_numel(y) * sizeof *out);
    vlp_arena_rewind(mem, mark);
}

static void encode_pass(struct vlp_encoder *e, const struct vlp_compute *c, struct vlp_arena *mem,
                        const struct vlp_tokens *const *tokens, int n, const struct vlp_features *f,
                        float *out)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(mem);
    int                        *start = VLP_NEW_N(mem, int, n + 1);
    for (int i = 0; i < n; i++) start[i + 1] = start[i] + tokens[i]->n;
    int32_t *ids = VLP_NEW_N(mem, int32_t, start[n]);
    for (int i = 0; i < n; i++)
        memcpy(ids + start[i], tokens[i]->ids, (size_t)tokens[i]->n * sizeof *ids);
    struct vlp_tape t;
    vlp_tape_init(&t, c, mem, false);
    const struct vlp_text_batch b = {n, ids, start};
    struct vlp_tensor          *y = vlp_encode_text(&e->model, &t, &b);
    if (f->normalize) y = vlp_normalize(&t, y);
    memcpy(out, y->data, vlp_numel(y) * sizeof *out);
    vlp_arena_rewind(mem, mark);
}

static int rows_of(const struct vlp_encoder *e, const struct vlp_tokens *text)
{
    return text->n > e->model.text_rows ? text->n : e->model.text_rows;
}

void vlp_encode_tokens(struct vlp_encoder *e, const struct vlp_compute *c, struct vlp_arena *mem,
                       const struct vlp_tokens *const *tokens, int n, const struct vlp_features *f,
                       float *out)
{
    for (int first = 0, count; first < n; first += count) {
        int rows = rows_of(e, tokens[first]);
        for (count = 1; first + count < n && count < TEXTS_A_PASS; count++) {
            rows += rows_of(e, tokens[first + count]);
            if (rows > TOKENS_A_PASS) break;
        }
        encode_pass(e, c, mem, tokens + first, count, f,
                    out + (size_t)first * (size_t)e->model.embed_dim);
    }
}

enum vlp_status vlp_encoder_tokenize(struct vlp_encoder *e, struct vlp_tokens *out,
                                     struct vlp_arena *mem, const char *text, size_t len,
                                     struct vlp_error *err)
{
    VLP_TRY(vlp_encoder_texts(e, err));
    return vlp_tokenize(out, mem, e->tokenizer, text, len, err);
}

enum vlp_status vlp_encoder_picture(const struct vlp_encoder *e, struct vlp_arena *mem,
                                    const char *path, const void *bytes, size_t len,
                                    struct vlp_image **out, const char **warning,
                                    struct vlp_error *err)
{
    struct vlp_image image;
    if (bytes)
        VLP_TRY(vlp_image_decode(&image, mem, bytes, len, path, err));
    else
        VLP_TRY(vlp_image_read(&image, mem, path, err));
    *out = vlp_preprocess_u8(mem, &image, &e->preprocess);
    *warning = image.warning;
    return VLP_OK;
}

static const struct vlp_features normalized = {.normalize = true};

enum vlp_status vlp_encode_picture_file(struct vlp_encoder *e, const char *path, const void *bytes,
                                        size_t len, float *out, char **warning,
                                        struct vlp_error *err)
{
    struct vlp_arena  mem;
    struct vlp_image *rgb;
    const char       *damage = NULL;
    vlp_arena_init(&mem);
    enum vlp_status s = vlp_encoder_picture(e, &mem, path, bytes, len, &rgb, &damage, err);
    if (s == VLP_OK) {
        float *pixels = VLP_NEW_N(&mem, float, 3 * (size_t)rgb->width * (size_t)rgb->height);
        vlp_preprocess_normalize(pixels, rgb, &e->preprocess);
        vlp_encode_pixels(e, &e->compute, &mem, pixels, 1, rgb->height, rgb->width, &normalized,
                          out);
    }
    if (s == VLP_OK && !vlp_row_is_finite(out, e->model.embed_dim))
        s = vlp_fail(err, VLP_ERR_FORMAT, "%s: %s", path, vlp_not_finite);
    if (warning) *warning = s == VLP_OK && damage ? vlp_strdup(damage) : NULL;
    vlp_arena_free(&mem);
    return s;
}

enum vlp_status vlp_encode_strings(struct vlp_encoder *e, const char *const *text, int n,
                                   float *out, bool *cut, struct vlp_error *err)
{
    struct vlp_arena mem;
    enum vlp_status  s = VLP_OK;
    vlp_arena_init(&mem);
    struct vlp_tokens        *tokens = VLP_NEW_N(&mem, struct vlp_tokens, n);
    const struct vlp_tokens **list = VLP_NEW_N(&mem, const struct vlp_tokens *, n);
    for (int i = 0; i < n && s == VLP_OK; i++) {
        s = vlp_encoder_tokenize(e, &tokens[i], &mem, text[i], strlen(text[i]), err);
        list[i] = &tokens[i];
        if (cut) cut[i] = s == VLP_OK && tokens[i].full > tokens[i].n;
    }
    if (s == VLP_OK) vlp_encode_tokens(e, &e->compute, &mem, list, n, &normalized, out);
    vlp_arena_free(&mem);
    const size_t dim = (size_t)e->model.embed_dim;
    for (int i = 0; i < n && s == VLP_OK; i++)
        if (!vlp_row_is_finite(out + (size_t)i * dim, (int)dim))
            s = vlp_fail(err, VLP_ERR_FORMAT, "'%.100s': %s", text[i], vlp_not_finite);
    return s;
}

enum vlp_status vlp_encode_string(struct vlp_encoder *e, const char *text, float *out, bool *cut,
                                  struct vlp_error *err)
{
    return vlp_encode_strings(e, &text, 1, out, cut, err);
}
