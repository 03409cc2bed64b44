/*
 * dataset.c -- pictures with captions, read once from sources and then known by index.
 *
 * Consecutive records of one picture (several captions) become one sample. Pictures in files stay
 * there; pictures from tar shards are kept in memory as the compressed bytes they were. An epoch
 * shows every sample of a source `weight` times: the whole part always, the rest by a draw of the
 * epoch; then all are shuffled.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train_internal.h"

struct vlp_dataset {
    struct vlp_arena   mem;
    struct vlp_sample *sample;
    size_t             n, cap;
    int64_t            captions, bad, epoch;
    struct part {
        size_t first, count;
        double weight;
    } * part;
    int n_parts;
};

struct build {
    struct vlp_dataset *d;
    const char        **caption; /* of the sample being gathered */
    size_t              n_captions, cap_captions;
    void (*say)(void *ctx, const char *sentence);
    void *ctx;
};

static void say(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct build *b, const char *fmt, ...)
{
    char    text[512];
    va_list ap;
    if (!b->say) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    b->say(b->ctx, text);
}

/* The captions gathered so far belong to the newest sample: fix them in its memory. */
static void finish_sample(struct build *b)
{
    struct vlp_dataset *d = b->d;
    if (b->n_captions == 0) return;
    struct vlp_sample *s = &d->sample[d->n - 1];
    s->caption = VLP_NEW_N(&d->mem, const char *, b->n_captions);
    memcpy(s->caption, b->caption, b->n_captions * sizeof *b->caption);
    s->n_captions = (int)b->n_captions;
    d->captions += (int64_t)b->n_captions;
    b->n_captions = 0;
}

/* Does this record show the picture of the sample being gathered? */
static bool same_picture(const struct build *b, const struct vlp_item *it)
{
    if (b->n_captions == 0) return false;
    const struct vlp_sample *s = &b->d->sample[b->d->n - 1];
    if (it->path && s->path) return strcmp(it->path, s->path) == 0;
    if (it->bytes && s->bytes)
        return it->bytes_len == s->bytes_len && memcmp(it->bytes, s->bytes, s->bytes_len) == 0;
    return false;
}

static void add_caption(struct build *b, const char *text, size_t len)
{
    if (b->n_captions == b->cap_captions) {
        b->cap_captions = b->cap_captions ? 2 * b->cap_captions : 16;
        b->caption = vlp_realloc(b->caption, b->cap_captions * sizeof *b->caption);
    }
    b->caption[b->n_captions++] = vlp_arena_strndup(&b->d->mem, text, len);
}

static void add_item(struct build *b, const struct vlp_item *it)
{
    struct vlp_dataset *d = b->d;
    const char         *why = it->status != VLP_OK             ? it->reason
                              : !it->path && !it->bytes        ? "has no picture"
                              : !it->text || it->text_len == 0 ? "has no caption"
                                                               : NULL;
    if (why) {
        d->bad++;
        say(b, "%.*s: %s (skipped)", (int)it->id_len, it->id, why);
        return;
    }
    if (!same_picture(b, it)) {
        finish_sample(b);
        if (d->n == d->cap) {
            d->cap = d->cap ? 2 * d->cap : 1024;
            d->sample = vlp_realloc(d->sample, d->cap * sizeof *d->sample);
        }
        struct vlp_sample *s = &d->sample[d->n++];
        *s = (struct vlp_sample){.id = vlp_arena_strndup(&d->mem, it->id, it->id_len)};
        if (it->path) {
            s->path = vlp_arena_strdup(&d->mem, it->path);
        } else {
            uint8_t *copy = vlp_arena_alloc(&d->mem, it->bytes_len);
            memcpy(copy, it->bytes, it->bytes_len);
            s->bytes = copy;
            s->bytes_len = it->bytes_len;
        }
    }
    add_caption(b, it->text, it->text_len);
}

static enum vlp_status read_source(struct build *b, const struct vlp_source_options *o,
                                   struct vlp_error *err)
{
    struct vlp_source *source;
    struct vlp_item    it = {0};
    bool               more = true;
    VLP_TRY(vlp_source_open(&source, o, err));
    enum vlp_status s = VLP_OK;
    while (s == VLP_OK) {
        s = vlp_source_next(source, &it, &more, err);
        if (s != VLP_OK || !more) break;
        add_item(b, &it);
        vlp_item_free(&it);
    }
    vlp_source_close(source);
    finish_sample(b);
    return s;
}

enum vlp_status vlp_dataset_open(struct vlp_dataset **out, const struct vlp_dataset_source *source,
                                 int n, void (*tell)(void *ctx, const char *sentence), void *ctx,
                                 struct vlp_error *err)
{
    struct vlp_dataset *d = vlp_calloc(1, sizeof *d);
    struct build        b = {.d = d, .say = tell, .ctx = ctx};
    enum vlp_status     s = VLP_OK;
    d->part = VLP_NEW_N(&d->mem, struct part, (size_t)n);
    for (int i = 0; i < n && s == VLP_OK; i++) {
        struct part *p = &d->part[d->n_parts++];
        *p = (struct part){.first = d->n, .weight = source[i].weight};
        s = read_source(&b, &source[i].source, err);
        p->count = d->n - p->first;
        d->epoch += (int64_t)llround((double)p->count * p->weight);
    }
    free(b.caption);
    if (s == VLP_OK && (d->n == 0 || d->epoch <= 0))
        s = vlp_fail(err, VLP_ERR_FORMAT, "no picture with a caption in the training data");
    if (s == VLP_OK && (d->n > UINT32_MAX || d->epoch > UINT32_MAX))
        s = vlp_fail(err, VLP_ERR_LIMIT, "more than %u samples an epoch", UINT32_MAX);
    if (s != VLP_OK) {
        vlp_dataset_close(d);
        return s;
    }
    *out = d;
    return VLP_OK;
}

void vlp_dataset_close(struct vlp_dataset *d)
{
    if (!d) return;
    free(d->sample);
    vlp_arena_free(&d->mem);
    free(d);
}

int64_t vlp_dataset_size(const struct vlp_dataset *d)
{
    return (int64_t)d->n;
}

int64_t vlp_dataset_epoch(const struct vlp_dataset *d)
{
    return d->epoch;
}

int64_t vlp_dataset_captions(const struct vlp_dataset *d)
{
    return d->captions;
}

int64_t vlp_dataset_bad(const struct vlp_dataset *d)
{
    return d->bad;
}

const struct vlp_sample *vlp_dataset_at(const struct vlp_dataset *d, uint32_t i)
{
    return &d->sample[i];
}

enum vlp_status vlp_dataset_try(const struct vlp_dataset *d, int64_t i, struct vlp_arena *mem,
                                const struct vlp_preprocess *how, const struct vlp_tokenizer *tok,
                                int *cut, struct vlp_error *err)
{
    const struct vlp_sample *s = &d->sample[i];
    struct vlp_image         pic;
    struct vlp_tokens        tokens;
    if (s->path)
        VLP_TRY(vlp_image_read(&pic, mem, s->path, err));
    else
        VLP_TRY(vlp_image_decode(&pic, mem, s->bytes, s->bytes_len, s->id, err));
    vlp_preprocess_u8(mem, &pic, how);
    for (int k = 0; k < s->n_captions; k++) {
        const enum vlp_status status =
            vlp_tokenize(&tokens, mem, tok, s->caption[k], strlen(s->caption[k]), err);
        if (status != VLP_OK) {
            vlp_fail_in(err, "%s: caption %d", s->id, k + 1);
            return status;
        }
        *cut += tokens.full > tokens.n;
    }
    return VLP_OK;
}

static void shuffle(uint32_t *a, size_t n, struct vlp_rng *r)
{
    for (size_t i = n; i > 1; i--) {
        const uint32_t j = vlp_rng_below(r, (uint32_t)i), t = a[i - 1];
        a[i - 1] = a[j];
        a[j] = t;
    }
}

void vlp_dataset_order(const struct vlp_dataset *d, uint64_t seed, int64_t epoch, uint32_t *order)
{
    struct vlp_rng r;
    vlp_rng_seed(&r, seed, VLP_STREAM_ORDER + (uint64_t)epoch);
    uint32_t *turn = vlp_malloc((d->n + 1) * sizeof *turn);
    size_t    k = 0;
    for (int i = 0; i < d->n_parts; i++) {
        const struct part *p = &d->part[i];
        size_t             want = (size_t)llround((double)p->count * p->weight);
        for (; p->count > 0 && want >= p->count; want -= p->count)
            for (size_t j = 0; j < p->count; j++) order[k++] = (uint32_t)(p->first + j);
        /* The rest: a random subset without repeats. */
        for (size_t j = 0; j < p->count; j++) turn[j] = (uint32_t)(p->first + j);
        if (want > 0) shuffle(turn, p->count, &r);
        for (size_t j = 0; j < want; j++) order[k++] = turn[j];
    }
    free(turn);
    shuffle(order, k, &r);
}
