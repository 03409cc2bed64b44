/*
 * dataset.c -- pictures with captions, read once from sources and then known by index.
 *
 * Consecutive records of one picture (several captions) become one sample. An epoch shows every
 * sample of a source `weight` times: the whole part always, the rest by a draw of the epoch; then
 * all are shuffled.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sample_store_internal.h"
#include "unpacked_internal.h"

struct part {
    size_t first, count;
    double weight;
};

static size_t shown_an_epoch(const struct part *p)
{
    return (size_t)llround((double)p->count * p->weight);
}

struct vlp_dataset {
    struct sample_store store;
    struct unpacked     unpacked;
    int64_t             captions, wordless, bad, records, epoch;
    char                fingerprint[33];
    struct part        *part;
    int                 n_parts;
};

/* What is read: the sample in the making is kept until a record shows another picture. */
struct build {
    struct vlp_dataset               *d;
    const struct vlp_dataset_options *o;
    struct sample_entry               entry;
    struct vlp_buf                    place, id, label, captions;
    struct vlp_hasher                *words; /* all captions */
    bool                              open;
    int64_t                           unreported;
    enum vlp_status                   first_fault; /* of a record that could not be used */
    int64_t                           lost;        /* pictures that could not be read */
    int64_t                           lost_on_end; /* of these, since one that could */
    struct vlp_buf                    last_lost;
};

static void say(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct build *b, const char *fmt, ...)
{
    char    text[512];
    va_list ap;
    if (!b->o->say) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    b->o->say(b->o->ctx, text);
}

static const char *keep(struct vlp_buf *b, const char *text, size_t len)
{
    vlp_buf_clear(b);
    vlp_buf_add(b, text, len);
    return b->data;
}

static void finish_sample(struct build *b)
{
    if (!b->open) return;
    b->open = false;
    b->entry.captions = b->captions.data;
    b->entry.captions_size = b->captions.len;
    b->d->captions += b->entry.n_captions;
    b->d->wordless += b->entry.n_captions == 0;
    if (b->captions.len) vlp_hasher_add(b->words, b->captions.data, b->captions.len);
    sample_store_add(&b->d->store, &b->entry);
}

/* The shard of this record is the newest one in the store's list. */
static enum vlp_status enter_shard(struct sample_store *s, const char *path, struct vlp_error *err)
{
    struct stat st;
    if (s->n_shards && strcmp(s->shard[s->n_shards - 1].path, path) == 0) return VLP_OK;
    if (stat(path, &st) != 0) return vlp_fail(err, VLP_ERR_IO, "%s: has gone", path);
    sample_store_shard(s, path, st.st_size, sample_mtime(&st));
    return VLP_OK;
}

/* Does this record show the picture of the sample in the making? */
static bool same_picture(const struct build *b, const struct vlp_item *it)
{
    const struct sample_entry *e = &b->entry;
    const struct sample_store *s = &b->d->store;
    if (!b->open) return false;
    if (it->path) return e->kind == SAMPLE_IN_FILE && strcmp(it->path, e->place) == 0;
    if (it->shard)
        return e->kind == SAMPLE_IN_SHARD && it->offset == e->offset && s->n_shards &&
               strcmp(s->shard[s->n_shards - 1].path, it->shard) == 0;
    return e->kind == SAMPLE_UNPACKED && vlp_stem_of_id(it->id, it->id_len) == b->id.len &&
           memcmp(it->id, b->id.data, b->id.len) == 0 &&
           unpacked_is_last(&b->d->unpacked, it->bytes, it->bytes_len);
}

static enum vlp_status begin_sample(struct build *b, const struct vlp_item *it,
                                    struct vlp_error *err)
{
    struct vlp_dataset *d = b->d;
    const char         *id = it->id;
    const size_t        id_len = vlp_stem_of_id(it->id, it->id_len);
    finish_sample(b);
    b->entry = (struct sample_entry){.id = keep(&b->id, id, id_len), .size = it->size};
    if (it->label) b->entry.label = keep(&b->label, it->label, strlen(it->label));
    if (it->path) {
        b->entry.kind = SAMPLE_IN_FILE;
        b->entry.place = keep(&b->place, it->path, strlen(it->path));
    } else if (it->shard) {
        b->entry.kind = SAMPLE_IN_SHARD;
        b->entry.offset = it->offset;
        b->entry.place = keep(&b->place, id, id_len);
        const size_t shard = strlen(it->shard) + 1; /* "SHARD!MEMBER" */
        if (id_len > shard) b->entry.place += shard;
        VLP_TRY(enter_shard(&d->store, it->shard, err));
    } else {
        b->entry.kind = SAMPLE_UNPACKED;
        b->entry.place = b->entry.id;
        b->entry.size = (int64_t)it->bytes_len;
        VLP_TRY(unpacked_add(&d->unpacked, b->o->cache_dir, it->bytes, it->bytes_len,
                             &b->entry.offset, err));
    }
    vlp_buf_clear(&b->captions);
    b->open = true;
    return VLP_OK;
}

/* A record of a picture that is not there, or cannot be looked at. Records of one on end, which
 * several captions make, count once. */
static void lose(struct build *b, const struct vlp_item *it)
{
    const char  *name = it->path ? it->path : it->id;
    const size_t len = it->path ? strlen(it->path) : vlp_stem_of_id(it->id, it->id_len);
    if (b->lost_on_end && len == b->last_lost.len && memcmp(name, b->last_lost.data, len) == 0)
        return;
    keep(&b->last_lost, name, len);
    b->lost++;
    b->lost_on_end++;
}

/* Are so many lost that it is the storage that has gone? Rows that have died stand together in a
 * list sorted by where they come from: what counts is known at the end alone. */
static enum vlp_status judge_lost(const struct build *b, struct vlp_error *err)
{
    const int64_t there = (int64_t)b->d->store.n;
    if (b->o->look) return VLP_OK;
    if (there && b->lost > there)
        return vlp_fail(err, VLP_ERR_IO,
                        "%lld of %lld pictures cannot be read: is the training data still there?",
                        (long long)b->lost, (long long)(b->lost + there));
    if (b->lost_on_end >= VLP_LOST_AT_THE_END)
        return vlp_fail(err, VLP_ERR_IO,
                        "the last %lld pictures cannot be read: is the training data still there?",
                        (long long)b->lost_on_end);
    return VLP_OK;
}

static void refuse(struct build *b, const struct vlp_item *it, const char *why)
{
    if (++b->d->bad > VLP_BAD_NAMED && !b->o->look) return;
    if (b->first_fault == VLP_OK) b->first_fault = it->status ? it->status : VLP_ERR_FORMAT;
    /* Most sentences begin with the name of what they are about: say it once. */
    say(b, "%.*s: %s (skipped)", (int)it->id_len, it->id,
        vlp_without_name(why, it->id, it->id_len));
}

static enum vlp_status add_item(struct build *b, const struct vlp_item *it, struct vlp_error *err)
{
    /* Captions stand with a NUL behind each. */
    const bool  split = it->text && memchr(it->text, '\0', it->text_len);
    const bool  wordless = !it->text || it->text_len == 0 || split;
    const char *fault = split ? "its caption holds a NUL byte" : "has no caption";
    const char *why = it->status != VLP_OK                         ? it->reason
                      : !it->path && !it->bytes && !it->shard      ? "has no picture"
                      : wordless && !(b->o->labelled && it->label) ? fault
                                                                   : NULL;
    b->d->records++;
    if (why || split) refuse(b, it, why ? why : fault);
    if (it->status == VLP_ERR_IO) {
        lose(b, it);
        return VLP_OK;
    }
    b->lost_on_end = 0;
    if (why) return VLP_OK;
    if (!same_picture(b, it)) VLP_TRY(begin_sample(b, it, err));
    if (wordless) return VLP_OK;
    vlp_buf_add(&b->captions, it->text, it->text_len);
    vlp_buf_add_char(&b->captions, '\0');
    b->entry.n_captions++;
    return VLP_OK;
}

static void report(struct build *b, int64_t n)
{
    enum { EVERY = 256 };
    b->unreported += n;
    if (!b->o->read || (n && b->unreported < EVERY)) return;
    b->o->read(b->o->ctx, b->unreported);
    b->unreported = 0;
}

static enum vlp_status read_source(struct build *b, const struct vlp_source_options *o,
                                   struct vlp_error *err)
{
    struct vlp_source        *source;
    struct vlp_item           it = {0};
    bool                      more = true;
    struct vlp_source_options how = *o;
    how.locate = true;
    /* A pair needs its caption and nothing else; a labelled picture does with either. */
    how.text_fault = b->o->labelled ? VLP_FAULT_APART : VLP_FAULT_WHOLE;
    how.label_fault = b->o->labelled ? VLP_FAULT_APART : VLP_FAULT_UNASKED;
    VLP_TRY(vlp_source_open(&source, &how, err));
    enum vlp_status s = VLP_OK;
    while (s == VLP_OK) {
        s = vlp_source_next(source, &it, &more, err);
        if (s != VLP_OK || !more) break;
        s = add_item(b, &it, err);
        vlp_item_free(&it);
        report(b, 1);
    }
    vlp_source_close(source);
    finish_sample(b);
    report(b, 0);
    return s;
}

enum vlp_status vlp_dataset_open(struct vlp_dataset **out, const struct vlp_dataset_source *source,
                                 int n, const struct vlp_dataset_options *o, struct vlp_error *err)
{
    struct vlp_dataset *d = vlp_calloc(1, sizeof *d);
    struct build        b = {.d = d, .o = o, .words = vlp_hasher_open()};
    enum vlp_status     s = VLP_OK;
    d->part = vlp_calloc((size_t)n, sizeof *d->part);
    for (int i = 0; i < n && s == VLP_OK; i++) {
        struct part *p = &d->part[d->n_parts++];
        *p = (struct part){.first = d->store.n, .weight = source[i].weight};
        s = read_source(&b, &source[i].source, err);
        p->count = d->store.n - p->first;
        const int64_t shown = (int64_t)shown_an_epoch(p);
        d->epoch += shown;
        if (s == VLP_OK && shown == 0 && p->count)
            say(&b, "data %d: none of its %zu pictures is ever shown at a weight of %g", i + 1,
                p->count, p->weight);
    }
    vlp_hasher_close(b.words, d->fingerprint);
    vlp_buf_free(&b.place);
    vlp_buf_free(&b.id);
    vlp_buf_free(&b.label);
    vlp_buf_free(&b.captions);
    vlp_buf_free(&b.last_lost);
    if (s == VLP_OK) s = judge_lost(&b, err);
    if (s == VLP_OK && (d->store.n == 0 || d->epoch <= 0))
        s = vlp_fail(err, b.first_fault ? b.first_fault : VLP_ERR_FORMAT,
                     "no picture with a caption in the data");
    if (s == VLP_OK && (d->store.n > UINT32_MAX || d->epoch > UINT32_MAX))
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
    sample_store_free(&d->store);
    unpacked_close(&d->unpacked);
    free(d->part);
    free(d);
}

int64_t vlp_dataset_size(const struct vlp_dataset *d)
{
    return (int64_t)d->store.n;
}

int64_t vlp_dataset_epoch(const struct vlp_dataset *d)
{
    return d->epoch;
}

int64_t vlp_dataset_captions(const struct vlp_dataset *d)
{
    return d->captions;
}

int64_t vlp_dataset_wordless(const struct vlp_dataset *d)
{
    return d->wordless;
}

int64_t vlp_dataset_bad(const struct vlp_dataset *d)
{
    return d->bad;
}

int64_t vlp_dataset_records(const struct vlp_dataset *d)
{
    return d->records;
}

void vlp_dataset_fingerprint(const struct vlp_dataset *d, char text[33])
{
    memcpy(text, d->fingerprint, sizeof d->fingerprint);
}

json_t *vlp_dataset_weights(const struct vlp_dataset *d)
{
    json_t *list = json_array();
    size_t  once = 0; /* pictures of the parts of weight 1 just passed */
    for (int i = 0; i < d->n_parts; i++) {
        const struct part *p = &d->part[i];
        const bool         last = i + 1 == d->n_parts;
        if (p->weight == 1.0) once += p->count;
        if (once && (last || p->weight != 1.0))
            json_array_append_new(list, json_pack("[I, f]", (json_int_t)once, 1.0));
        if (p->weight == 1.0) continue;
        once = 0;
        json_array_append_new(list, json_pack("[I, f]", (json_int_t)p->count, p->weight));
    }
    return list;
}

size_t vlp_dataset_memory(const struct vlp_dataset *d)
{
    return d->store.bytes + d->store.mem.used;
}

int64_t vlp_dataset_unpacked(const struct vlp_dataset *d, const char **folder)
{
    if (folder) *folder = d->unpacked.folder;
    return d->unpacked.size;
}

void vlp_dataset_at(const struct vlp_dataset *d, int64_t i, struct vlp_arena *mem,
                    struct vlp_sample *out)
{
    sample_store_at(&d->store, (size_t)i, mem, out);
}

const char *vlp_sample_caption(const struct vlp_sample *s, int k)
{
    const char *p = s->captions;
    while (k-- > 0) p += strlen(p) + 1;
    return p;
}

enum vlp_status vlp_dataset_picture(const struct vlp_dataset *d, const struct vlp_sample *s,
                                    struct vlp_arena *mem, struct vlp_image *out,
                                    struct vlp_error *err)
{
    uint8_t *bytes;
    if (s->kind == SAMPLE_IN_FILE) return vlp_image_read(out, mem, s->place, err);
    if (s->kind == SAMPLE_IN_SHARD)
        VLP_TRY(sample_store_read(&d->store, s, mem, &bytes, err));
    else
        VLP_TRY(unpacked_read(&d->unpacked, s->offset, (size_t)s->size, mem, &bytes, err));
    return vlp_image_decode(out, mem, bytes, (size_t)s->size, s->id, err);
}

enum vlp_status vlp_dataset_try(const struct vlp_dataset *d, int64_t i, struct vlp_arena *mem,
                                const struct vlp_preprocess *how, const struct vlp_tokenizer *tok,
                                int *cut, const char **damage, struct vlp_error *err)
{
    struct vlp_sample s;
    struct vlp_image  pic;
    struct vlp_tokens tokens;
    vlp_dataset_at(d, i, mem, &s);
    *damage = NULL;
    VLP_TRY(vlp_dataset_picture(d, &s, mem, &pic, err));
    vlp_preprocess_u8(mem, &pic, how);
    for (int k = 0; k < s.n_captions; k++) {
        const char           *text = vlp_sample_caption(&s, k);
        const enum vlp_status status = vlp_tokenize(&tokens, mem, tok, text, strlen(text), err);
        if (status != VLP_OK) {
            vlp_fail_in(err, "%s: caption %d", s.id, k + 1);
            return status;
        }
        *cut += tokens.full > tokens.n;
    }
    if (pic.warning)
        *damage = vlp_arena_printf(mem, "%s: %s (used all the same)", s.id, pic.warning);
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
    uint32_t *turn = vlp_malloc((d->store.n + 1) * sizeof *turn);
    size_t    k = 0;
    for (int i = 0; i < d->n_parts; i++) {
        const struct part *p = &d->part[i];
        size_t             want = shown_an_epoch(p);
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
