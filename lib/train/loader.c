/*
 * loader.c -- batches in a fixed order, made a few steps ahead by threads of its own.
 *
 * A ring of DEPTH batches. Workers take the next (step, row) in order; the consumer waits until all
 * rows of its batch are there. What a row holds is a function of (seed, its running number), so the
 * number of workers changes nothing. What went wrong in a batch is told when it is handed out, so
 * that how far the workers ran ahead changes nothing either.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "train_internal.h"

enum { DEPTH = 3, TRIES = 20 };

/* A sample that was drawn for this batch and cannot be used, or is damaged and was used. */
struct fault {
    int      turn; /* row * TRIES + try */
    uint32_t index;
    bool     used;
    char    *text;
};

struct slot {
    float           *images;
    int32_t         *ids; /* rows of `context` */
    int             *n_ids;
    int              missing; /* rows not yet there */
    int64_t          step;
    struct fault    *fault;
    int              n_faults;
    struct vlp_error error; /* of a row that cannot be filled; status VLP_OK: none */
};

struct vlp_loader {
    struct vlp_loader_options o;
    int                       rows, context; /* of this rank */
    int64_t                   per_epoch;     /* steps */
    size_t                    picture;       /* floats */
    struct slot               slot[DEPTH];
    int32_t                  *ids; /* the batch handed out, ragged */
    int                      *start;

    pthread_mutex_t mutex;
    pthread_cond_t  room, ready;
    int64_t         next_task;    /* (step - first_step) * rows + row */
    int64_t         next_batch;   /* to hand out */
    int64_t         taken;        /* batches whose slots are free again */
    int64_t         bad, damaged; /* the consumer's own */
    uint8_t        *named;        /* a bit a sample */
    bool            closing, failed;
    pthread_t      *thread;
    int             threads;

    uint32_t *order;  /* of epoch `epoch` */
    uint32_t *order2; /* of the next one: workers run ahead across the border */
    int64_t   epoch, epoch2;
};

/* Under the mutex: which sample is row `row` (of the whole batch) of `step`. */
static uint32_t sample_of(struct vlp_loader *l, int64_t step, int row)
{
    const int64_t epoch = step / l->per_epoch;
    if (epoch != l->epoch && epoch != l->epoch2) {
        uint32_t **old = l->epoch < l->epoch2 ? &l->order : &l->order2;
        int64_t   *number = l->epoch < l->epoch2 ? &l->epoch : &l->epoch2;
        vlp_dataset_order(l->o.data, l->o.seed, epoch, *old);
        *number = epoch;
    }
    const uint32_t *order = epoch == l->epoch ? l->order : l->order2;
    return order[step % l->per_epoch * l->o.batch + row];
}

/* One sample into its row; false when its picture or its captions cannot be used. *warning is that
 * of a damaged picture that was used, in `mem`, or NULL. */
static bool load(struct vlp_loader *l, const struct vlp_sample *s, struct vlp_rng *r,
                 struct vlp_arena *mem, float *image, int32_t *ids, int *n_ids,
                 const char **warning, struct vlp_error *err)
{
    struct vlp_image        pic;
    struct vlp_tokens       tokens;
    const struct vlp_image *rgb;
    const int               k = (int)vlp_rng_below(r, (uint32_t)s->n_captions);
    const char             *caption = vlp_sample_caption(s, k);
    if (vlp_dataset_picture(l->o.data, s, mem, &pic, err) != VLP_OK) return false;
    if (vlp_tokenize(&tokens, mem, l->o.tokenizer, caption, strlen(caption), err) != VLP_OK)
        return false;
    rgb = vlp_augment_u8(mem, &pic, l->o.preprocess, &l->o.augment, r);
    vlp_preprocess_normalize(image, rgb, l->o.preprocess);
    memcpy(ids, tokens.ids, (size_t)tokens.n * sizeof *ids);
    *n_ids = tokens.n;
    *warning = pic.warning;
    return true;
}

static bool is_named(const struct vlp_loader *l, uint32_t index)
{
    return l->named[index / 8] >> index % 8 & 1;
}

/* Sample `index` is faulty: to be named when the batch is handed out, unless that was done. */
static void note_fault(struct vlp_loader *l, struct slot *slot, int turn, uint32_t index,
                       const struct vlp_sample *s, const char *what, bool used)
{
    struct vlp_buf text = {0};
    vlp_buf_printf(&text, "%s: %s (%s)", s->id, vlp_without_name(what, s->id, strlen(s->id)),
                   used ? "used all the same" : "another sample takes its place");
    pthread_mutex_lock(&l->mutex);
    if (is_named(l, index)) {
        vlp_buf_free(&text);
    } else {
        slot->fault = vlp_realloc(slot->fault, (size_t)(slot->n_faults + 1) * sizeof *slot->fault);
        slot->fault[slot->n_faults++] = (struct fault){turn, index, used, text.data};
    }
    pthread_mutex_unlock(&l->mutex);
}

static int by_turn(const void *a, const void *b)
{
    const struct fault *x = a, *y = b;
    return (x->turn > y->turn) - (x->turn < y->turn);
}

/* Under the mutex: name and count what is faulty in a batch, in the order of its rows. */
static void tell_faults(struct vlp_loader *l, struct slot *slot)
{
    if (slot->n_faults) qsort(slot->fault, (size_t)slot->n_faults, sizeof *slot->fault, by_turn);
    for (int i = 0; i < slot->n_faults; i++) {
        const struct fault *f = &slot->fault[i];
        if (!is_named(l, f->index)) {
            l->named[f->index / 8] |= (uint8_t)(1u << f->index % 8);
            l->bad += !f->used;
            l->damaged += f->used;
            if (l->o.say) l->o.say(l->o.ctx, f->text);
        }
        free(f->text);
    }
    slot->n_faults = 0;
}

/* Row `row` of this rank's part of `step`. */
static enum vlp_status fill(struct vlp_loader *l, struct slot *slot, int64_t step, int row,
                            uint32_t index, struct vlp_arena *mem, struct vlp_error *err)
{
    const int      global = l->o.rank * l->rows + row;
    struct vlp_rng r;
    vlp_rng_seed(&r, l->o.seed, VLP_STREAM_SAMPLE + (uint64_t)(step * l->o.batch + global));
    for (int try = 0; try < TRIES; try++) {
        struct vlp_sample           s;
        const struct vlp_arena_mark mark = vlp_arena_mark(mem);
        vlp_dataset_at(l->o.data, index, mem, &s);
        const char *warning = NULL;
        const bool  ok =
            load(l, &s, &r, mem, slot->images + (size_t)row * l->picture,
                 slot->ids + (size_t)row * (size_t)l->context, &slot->n_ids[row], &warning, err);
        if (!ok && err->status == VLP_ERR_SHORTAGE) return VLP_ERR_SHORTAGE;
        const char *what = ok ? warning : err->text;
        if (what) note_fault(l, slot, row * TRIES + try, index, &s, what, ok);
        vlp_arena_rewind(mem, mark);
        if (ok) return VLP_OK;
        index = vlp_rng_below(&r, (uint32_t)vlp_dataset_size(l->o.data));
    }
    return vlp_fail(err, VLP_ERR_FORMAT,
                    "%d samples in a row cannot be read: is the training data still there?", TRIES);
}

static void *worker(void *arg)
{
    struct vlp_loader *l = arg;
    struct vlp_arena   mem = {0};
    struct vlp_error   err;
    pthread_mutex_lock(&l->mutex);
    while (!l->closing) {
        const int64_t task = l->next_task, ahead = task / l->rows;
        if (ahead >= l->taken + DEPTH || l->failed) {
            pthread_cond_wait(&l->room, &l->mutex);
            continue;
        }
        const int     row = (int)(task % l->rows);
        const int64_t step = l->o.first_step + ahead;
        struct slot  *slot = &l->slot[ahead % DEPTH];
        l->next_task++;
        if (row == 0) {
            slot->missing = l->rows;
            slot->step = step;
            slot->error.status = VLP_OK;
        }
        const uint32_t index = sample_of(l, step, l->o.rank * l->rows + row);
        pthread_mutex_unlock(&l->mutex);
        const enum vlp_status s = fill(l, slot, step, row, index, &mem, &err);
        pthread_mutex_lock(&l->mutex);
        if (s != VLP_OK && slot->error.status == VLP_OK) slot->error = err;
        l->failed |= s != VLP_OK;
        if (--slot->missing == 0 || s != VLP_OK) pthread_cond_broadcast(&l->ready);
    }
    pthread_mutex_unlock(&l->mutex);
    vlp_arena_free(&mem);
    return NULL;
}

enum vlp_status vlp_loader_open(struct vlp_loader **out, const struct vlp_loader_options *o,
                                struct vlp_error *err)
{
    const int64_t epoch = vlp_dataset_epoch(o->data);
    if (o->batch < 1 || o->ranks < 1 || o->batch % o->ranks != 0)
        return vlp_fail(err, VLP_ERR_USAGE, "batch %d cannot be split evenly over %d processes",
                        o->batch, o->ranks);
    if (epoch < o->batch)
        return vlp_fail(err, VLP_ERR_USAGE, "batch %d is larger than an epoch of %lld samples",
                        o->batch, (long long)epoch);
    if (vlp_dataset_wordless(o->data) > 0)
        return vlp_fail(err, VLP_ERR_USAGE, "%lld samples have no caption to train with",
                        (long long)vlp_dataset_wordless(o->data));
    struct vlp_loader *l = vlp_calloc(1, sizeof *l);
    l->o = *o;
    l->rows = o->batch / o->ranks;
    l->context = vlp_tokenizer_context(o->tokenizer);
    l->per_epoch = epoch / o->batch; /* the last, smaller batch of an epoch is left out */
    l->picture = 3 * (size_t)o->preprocess->width * (size_t)o->preprocess->height;
    const size_t rows = (size_t)l->rows;
    for (int i = 0; i < DEPTH; i++) {
        l->slot[i].images = vlp_malloc(rows * l->picture * sizeof(float));
        l->slot[i].ids = vlp_malloc(rows * (size_t)l->context * sizeof(int32_t));
        l->slot[i].n_ids = vlp_calloc(rows, sizeof(int));
        l->slot[i].missing = -1;
    }
    l->ids = vlp_malloc(rows * (size_t)l->context * sizeof *l->ids);
    l->start = vlp_malloc((rows + 1) * sizeof *l->start);
    l->order = vlp_malloc((size_t)epoch * sizeof *l->order);
    l->order2 = vlp_malloc((size_t)epoch * sizeof *l->order2);
    l->named = vlp_calloc((size_t)vlp_dataset_size(o->data) / 8 + 1, 1);
    l->epoch = -2;
    l->epoch2 = -1;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->room, NULL);
    pthread_cond_init(&l->ready, NULL);
    const int threads = o->threads > 0 ? o->threads : 1;
    l->thread = vlp_calloc((size_t)threads, sizeof *l->thread);
    for (; l->threads < threads; l->threads++)
        if (pthread_create(&l->thread[l->threads], NULL, worker, l) != 0) break;
    if (l->threads == 0) {
        vlp_loader_close(l);
        return vlp_fail(err, VLP_ERR_IO, "the system grants no thread for loading data");
    }
    *out = l;
    return VLP_OK;
}

enum vlp_status vlp_loader_next(struct vlp_loader *l, struct vlp_batch *b, struct vlp_error *err)
{
    pthread_mutex_lock(&l->mutex);
    /* The batch of the call before this one is free again. */
    const int64_t want = l->next_batch++;
    l->taken = want;
    pthread_cond_broadcast(&l->room);
    struct slot  *slot = &l->slot[want % DEPTH];
    const int64_t step = l->o.first_step + want;
    /* Rows are begun in order: after a failure those of the batches before are still to come. */
    while (slot->step != step || (slot->missing != 0 && slot->error.status == VLP_OK))
        pthread_cond_wait(&l->ready, &l->mutex);
    tell_faults(l, slot);
    const enum vlp_status s = slot->error.status;
    if (s != VLP_OK && err) *err = slot->error;
    pthread_mutex_unlock(&l->mutex);
    if (s != VLP_OK) return s;

    int at = 0;
    for (int i = 0; i < l->rows; i++) {
        l->start[i] = at;
        memcpy(l->ids + at, slot->ids + (size_t)i * (size_t)l->context,
               (size_t)slot->n_ids[i] * sizeof *l->ids);
        at += slot->n_ids[i];
    }
    l->start[l->rows] = at;
    *b = (struct vlp_batch){.n = l->rows,
                            .width = l->o.preprocess->width,
                            .height = l->o.preprocess->height,
                            .images = slot->images,
                            .ids = l->ids,
                            .start = l->start};
    return VLP_OK;
}

int64_t vlp_loader_bad(const struct vlp_loader *l)
{
    return l->bad;
}

int64_t vlp_loader_damaged(const struct vlp_loader *l)
{
    return l->damaged;
}

void vlp_loader_close(struct vlp_loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->closing = true;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->mutex);
    for (int i = 0; i < l->threads; i++) pthread_join(l->thread[i], NULL);
    for (int i = 0; i < DEPTH; i++) {
        for (int k = 0; k < l->slot[i].n_faults; k++) free(l->slot[i].fault[k].text);
        free(l->slot[i].fault);
        free(l->slot[i].images);
        free(l->slot[i].ids);
        free(l->slot[i].n_ids);
    }
    pthread_mutex_destroy(&l->mutex);
    pthread_cond_destroy(&l->room);
    pthread_cond_destroy(&l->ready);
    free(l->thread);
    free(l->named);
    free(l->order);
    free(l->order2);
    free(l->ids);
    free(l->start);
    free(l);
}
