/*
 * embed_unit.c -- one unit of embedding work: decode, preprocess and encode a few records.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/search.h>

#include "embed_internal.h"

struct vlp_unit *vlp_unit_new(int cap)
{
    struct vlp_unit *u = vlp_calloc(1, sizeof *u);
    u->cap = cap;
    u->item = vlp_calloc((size_t)cap, sizeof *u->item);
    u->want = vlp_calloc((size_t)cap, sizeof *u->want);
    u->result = vlp_calloc((size_t)cap, sizeof *u->result);
    vlp_arena_init(&u->mem);
    return u;
}

void vlp_unit_free(struct vlp_unit *u)
{
    if (!u) return;
    for (int i = 0; i < u->n; i++) vlp_item_free(&u->item[i]);
    free(u->item);
    free(u->want);
    free(u->result);
    vlp_arena_free(&u->mem);
    free(u);
}

void vlp_unit_add(struct vlp_unit *u, const struct vlp_item *item, int want)
{
    const int i = u->n++;
    u->item[i] = *item;
    u->want[i] = want;
    u->result[i].item = &u->item[i];
    u->result[i].status = item->status;
    u->result[i].reason = item->reason;
}

static void refuse(struct vlp_unit *u, int i, const struct vlp_error *err)
{
    u->result[i].status = err->status;
    u->result[i].reason = vlp_arena_strdup(&u->mem, err->text);
    u->result[i].image = u->result[i].text = NULL;
}

/* The text is of no use; the picture stands without it. */
static void refuse_text(struct vlp_unit *u, int i, const struct vlp_error *err)
{
    struct vlp_embedded *r = &u->result[i];
    if (!r->image) {
        refuse(u, i, err);
        return;
    }
    r->text_status = err->status;
    r->text_reason = vlp_arena_strdup(&u->mem, err->text);
    r->text = NULL;
    r->cut = false;
}

static bool has_picture(const struct vlp_unit *u, int i)
{
    return u->result[i].status == VLP_OK && (u->want[i] & VLP_WANT_IMAGE) &&
           (u->item[i].path || u->item[i].bytes);
}

static bool has_text(const struct vlp_unit *u, int i)
{
    return u->result[i].status == VLP_OK && (u->want[i] & VLP_WANT_TEXT) && u->item[i].text;
}

/* Is it certain that records i and k have one picture, as those of one picture's captions do? */
static bool is_same_picture(const struct vlp_unit *u, int i, int k)
{
    const struct vlp_item *a = &u->item[i], *b = &u->item[k];
    if (a->path && b->path)
        return a->mtime >= 0 && a->mtime == b->mtime && a->size == b->size &&
               strcmp(a->path, b->path) == 0;
    return a->bytes && b->bytes && a->bytes_len == b->bytes_len &&
           memcmp(a->bytes, b->bytes, a->bytes_len) == 0;
}

/* Picture i to pixels; that it is damaged goes into its result. */
static enum vlp_status picture(struct vlp_unit *u, int i, struct vlp_encoder *e,
                               struct vlp_arena *mem, struct vlp_image **rgb, struct vlp_error *err)
{
    const struct vlp_item *it = &u->item[i];
    const char            *name = it->path ? it->path : it->id;
    const char            *warning;
    VLP_TRY(vlp_encoder_picture(e, mem, name, it->bytes, it->bytes_len, rgb, &warning, err));
    if (warning) u->result[i].warning = vlp_arena_strdup(&u->mem, warning);
    return VLP_OK;
}

static void encode_pictures(struct vlp_unit *u, struct vlp_encoder *e, const struct vlp_compute *c,
                            struct vlp_arena *mem, const struct vlp_features *f, int dim)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(mem);
    const bool                  one_size = e->preprocess.resize != VLP_RESIZE_VILT;
    const size_t size = 3 * (size_t)e->preprocess.width * (size_t)e->preprocess.height;
    int   *row = VLP_NEW_N(mem, int, u->n), *twin = VLP_NEW_N(mem, int, u->n), n = 0, last = -1;
    float *pixels = NULL;
    float *vectors = vlp_arena_alloc(&u->mem, (size_t)u->n * (size_t)dim * sizeof *vectors);
    for (int i = 0; i < u->n; i++) {
        twin[i] = -1;
        if (!has_picture(u, i)) continue;
        if (last >= 0 && is_same_picture(u, i, last)) {
            twin[i] = last;
            continue;
        }
        if (!pixels && one_size) {
            int wanted = 0;
            for (int k = i; k < u->n; k++) wanted += has_picture(u, k);
            pixels = vlp_arena_alloc(mem, (size_t)wanted * size * sizeof *pixels);
        }
        const struct vlp_arena_mark scratch = vlp_arena_mark(mem);
        struct vlp_error            why;
        struct vlp_image           *rgb;
        const bool                  fine = picture(u, i, e, mem, &rgb, &why) == VLP_OK;
        last = fine ? i : -1;
        if (!fine) {
            refuse(u, i, &why);
        } else if (one_size) {
            vlp_preprocess_normalize(pixels + (size_t)n * size, rgb, &e->preprocess);
            row[n++] = i;
        } else {
            const size_t places = (size_t)rgb->width * (size_t)rgb->height;
            float       *own = vlp_arena_alloc(mem, 3 * places * sizeof *own);
            vlp_preprocess_normalize(own, rgb, &e->preprocess);
            u->result[i].image = vectors + (size_t)i * (size_t)dim;
            vlp_encode_pixels(e, c, mem, own, 1, rgb->height, rgb->width, f,
                              vectors + (size_t)i * (size_t)dim);
        }
        vlp_arena_rewind(mem, scratch);
    }
    if (n > 0)
        vlp_encode_pixels(e, c, mem, pixels, n, e->preprocess.height, e->preprocess.width, f,
                          vectors);
    for (int k = 0; k < n; k++) u->result[row[k]].image = vectors + (size_t)k * (size_t)dim;
    for (int i = 0; i < u->n; i++) {
        if (twin[i] < 0) continue;
        u->result[i].image = u->result[twin[i]].image;
        u->result[i].warning = u->result[twin[i]].warning;
    }
    vlp_arena_rewind(mem, mark);
}

/* Text i under every template to token lists; false when it is refused. */
static bool tokenize_one(struct vlp_unit *u, int i, struct vlp_encoder *e, struct vlp_arena *mem,
                         const struct vlp_embed_options *o, struct vlp_tokens *out, int n)
{
    struct vlp_error why;
    if (memchr(u->item[i].text, '\0', u->item[i].text_len)) {
        vlp_fail(&why, VLP_ERR_FORMAT, "the text holds a NUL byte"); /* no stream could say it */
        refuse_text(u, i, &why);
        return false;
    }
    for (int k = 0; k < n; k++) {
        const char *text = u->item[i].text;
        size_t      len = u->item[i].text_len;
        if (o->templates) text = vlp_template_fill(mem, o->templates[k], text, len, &len);
        if (vlp_encoder_tokenize(e, &out[k], mem, text, len, &why) != VLP_OK) {
            refuse_text(u, i, &why);
            return false;
        }
        if (out[k].full <= out[k].n) continue;
        u->result[i].cut = true;
        if (!o->refuse_long) continue;
        vlp_fail(&why, VLP_ERR_LIMIT, "the text is %d tokens long, the model takes %d", out[k].full,
                 vlp_tokenizer_context(e->tokenizer));
        refuse_text(u, i, &why);
        return false;
    }
    return true;
}

/* mean of n unit rows, of unit length itself where that is wanted */
static void average(float *out, const float *rows, int n, int dim, bool normalize)
{
    double sum = 0;
    for (int c = 0; c < dim; c++) {
        double v = 0;
        for (int k = 0; k < n; k++) v += rows[(size_t)k * (size_t)dim + (size_t)c];
        out[c] = (float)(v / n);
        sum += (double)out[c] * out[c];
    }
    const double length = fmax(sqrt(sum), 1e-12);
    for (int c = 0; c < dim && normalize; c++) out[c] = (float)(out[c] / length);
}

static void encode_texts(struct vlp_unit *u, struct vlp_encoder *e, const struct vlp_compute *c,
                         struct vlp_arena *mem, const struct vlp_embed_options *o)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(mem);
    const int                   dim = e->model.embed_dim;
    int                         each = 1, n = 0;
    if (o->templates)
        for (each = 0; o->templates[each];) each++;
    const struct vlp_features f = {.normalize = each > 1 || o->features.normalize};
    int                      *row = VLP_NEW_N(mem, int, u->n);
    struct vlp_tokens *tokens = VLP_NEW_N(mem, struct vlp_tokens, (size_t)u->n * (size_t)each);
    const struct vlp_tokens **list =
        VLP_NEW_N(mem, const struct vlp_tokens *, (size_t)u->n *(size_t)each);
    for (int i = 0; i < u->n; i++)
        if (has_text(u, i) && tokenize_one(u, i, e, mem, o, &tokens[n * each], each)) row[n++] = i;
    for (int k = 0; k < n * each; k++) list[k] = &tokens[k];
    float *rows = vlp_arena_alloc(each > 1 ? mem : &u->mem,
                                  (size_t)n * (size_t)each * (size_t)dim * sizeof *rows);
    if (n > 0) vlp_encode_tokens(e, c, mem, list, n * each, &f, rows);
    for (int k = 0; k < n; k++) {
        float *v = rows + (size_t)k * (size_t)each * (size_t)dim;
        if (each > 1) {
            float *mean = vlp_arena_alloc(&u->mem, (size_t)dim * sizeof *mean);
            average(mean, v, each, dim, o->features.normalize);
            v = mean;
        }
        u->result[row[k]].text = v;
    }
    vlp_arena_rewind(mem, mark);
}

static bool is_fit(const float *v, int dim)
{
    return !v || vlp_row_is_finite(v, dim);
}

enum vlp_status vlp_unit_encode(struct vlp_unit *u, struct vlp_encoder *e,
                                const struct vlp_compute *c, struct vlp_arena *mem,
                                const struct vlp_embed_options *o, struct vlp_error *err)
{
    int dim, pictures = 0, texts = 0;
    VLP_TRY(vlp_features_dim(e, &o->features, &dim, err));
    for (int i = 0; i < u->n; i++) {
        pictures += has_picture(u, i);
        texts += has_text(u, i);
    }
    if (texts > 0) VLP_TRY(vlp_encoder_texts(e, err));
    if (texts > 0 && o->features.penultimate)
        return vlp_fail(err, VLP_ERR_USAGE,
                        "the penultimate layer is one of pictures, not of texts");
    if (pictures > 0) encode_pictures(u, e, c, mem, &o->features, dim);
    if (texts > 0) encode_texts(u, e, c, mem, o);
    for (int i = 0; i < u->n; i++) {
        struct vlp_error why;
        vlp_fail(&why, VLP_ERR_FORMAT, "%s", vlp_not_finite);
        if (!is_fit(u->result[i].image, dim))
            refuse(u, i, &why);
        else if (!is_fit(u->result[i].text, e->model.embed_dim))
            refuse_text(u, i, &why);
    }
    for (int i = 0; i < u->n; i++)
        if (u->result[i].status == VLP_ERR_SHORTAGE)
            return vlp_fail(err, VLP_ERR_SHORTAGE, "%s", u->result[i].reason);
    /* A pair whose picture did not come through is no pair. */
    for (int i = 0; i < u->n; i++)
        if (u->result[i].status != VLP_OK) u->result[i].image = u->result[i].text = NULL;
    return VLP_OK;
}
