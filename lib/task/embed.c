/*
 * embed.c -- records to vectors, many at a time: units of work, taken by threads, given back in
 * order.
 *
 * A thread takes the next few records from the source (one reader at a time), decodes and encodes
 * them alone with memory of its own, and puts the unit into a ring. Whoever completes the oldest
 * unit hands over all that are ready. So decoding, resizing, encoding and writing overlap, output
 * order is input order, and a slow record delays nobody's work but its own.
 */
#include <pthread.h>
#include <stdlib.h>

#include "embed_internal.h"

struct job {
    struct vlp_encoder             *e;
    struct vlp_source              *source;
    const struct vlp_embed_options *o;
    const struct vlp_compute       *compute; /* what a worker computes with */
    int                             batch, workers;

    pthread_mutex_t   lock;
    pthread_cond_t    changed;
    bool              reading, draining; /* somebody is */
    bool              ended, failed, stopped;
    int64_t           expected, read; /* records; expected -1: unknown */
    int64_t           next, head;     /* units: next to be read, next to be handed over */
    int               n_slots;
    struct vlp_unit **slot;   /* unit i, when ready, is in slot i % n_slots */
    enum vlp_status   status; /* the first failure */
    struct vlp_error  error;
};

static void fail(struct job *j, enum vlp_status s, const struct vlp_error *err)
{
    if (j->status != VLP_OK) return;
    j->status = s;
    j->error = *err;
}

/* How many records the next unit has: smaller ones near the end, so that nobody ends alone. */
static int unit_size(const struct job *j)
{
    if (j->expected < 0) return j->batch;
    const int64_t left = j->expected - j->read, w = j->workers;
    const int64_t share = (left + 2 * w - 1) / (2 * w), even = (left + w - 1) / w;
    const int64_t least = vlp_min_i64(4, vlp_max_i64(even, 1));
    return (int)vlp_min_i64(j->batch, vlp_max_i64(share, least));
}

static bool wants_to_stop(const struct job *j)
{
    return j->o->stop && j->o->stop(j->o->ctx);
}

/* Read up to `size` wanted records; false: there are no more after these. */
static bool read_unit(struct job *j, struct vlp_unit *u, int size)
{
    const struct vlp_embed_options *o = j->o;
    int64_t                         read = 0;
    bool                            more = true, stop = false;
    while (u->n < size && more) {
        struct vlp_item  item = {0};
        struct vlp_error err = {0};
        if ((stop = wants_to_stop(j))) break;
        if (o->reading) o->reading(o->ctx, true);
        const enum vlp_status s = vlp_source_next(j->source, &item, &more, &err);
        if (o->reading) o->reading(o->ctx, false);
        if ((stop = wants_to_stop(j))) { /* perhaps an interrupted read: half a record */
            if (s == VLP_OK && more) vlp_item_free(&item);
            break;
        }
        if (s != VLP_OK) {
            pthread_mutex_lock(&j->lock);
            fail(j, s, &err);
            pthread_mutex_unlock(&j->lock);
            more = false;
        } else if (more) {
            read++;
            int want = (o->images && (item.path || item.bytes) ? VLP_WANT_IMAGE : 0) |
                       (o->texts && item.text ? VLP_WANT_TEXT : 0);
            if (o->want && item.status == VLP_OK)
                want = o->want(o->ctx, &item) & (want | VLP_WANT_NEWS);
            if (want || item.status != VLP_OK)
                vlp_unit_add(u, &item, want);
            else
                vlp_item_free(&item);
        }
    }
    pthread_mutex_lock(&j->lock);
    j->read += read;
    if (stop) j->stopped = true;
    pthread_mutex_unlock(&j->lock);
    return more && !stop;
}

/* With the lock held: hand over every unit that is ready, oldest first. */
static void drain(struct job *j)
{
    if (j->draining) return;
    j->draining = true;
    for (struct vlp_unit *u; (u = j->slot[j->head % j->n_slots]) != NULL;) {
        j->slot[j->head % j->n_slots] = NULL;
        const bool deliver = !j->failed;
        pthread_mutex_unlock(&j->lock);
        struct vlp_error err = {0};
        enum vlp_status  s = VLP_OK;
        for (int i = 0; i < u->n && deliver && s == VLP_OK; i++)
            s = j->o->take(j->o->ctx, &u->result[i], &err);
        vlp_unit_free(u);
        pthread_mutex_lock(&j->lock);
        if (s != VLP_OK) {
            fail(j, s, &err);
            j->failed = true;
        }
        j->head++;
        pthread_cond_broadcast(&j->changed);
    }
    j->draining = false;
}

static void work(void *ctx, int i, int worker)
{
    struct job      *j = ctx;
    struct vlp_arena mem;
    (void)i;
    (void)worker;
    vlp_arena_init(&mem);
    pthread_mutex_lock(&j->lock);
    for (;;) {
        while (!j->ended && !j->failed && (j->reading || j->next - j->head >= j->n_slots))
            pthread_cond_wait(&j->changed, &j->lock);
        if (j->ended || j->failed) break;
        j->reading = true;
        const int64_t number = j->next++;
        const int     size = unit_size(j);
        pthread_mutex_unlock(&j->lock);

        struct vlp_unit *u = vlp_unit_new(size);
        const bool       more = read_unit(j, u, size);

        pthread_mutex_lock(&j->lock);
        j->reading = false;
        if (!more) j->ended = true;
        pthread_cond_broadcast(&j->changed);
        pthread_mutex_unlock(&j->lock);

        struct vlp_error      err = {0};
        const enum vlp_status s = vlp_unit_encode(u, j->e, j->compute, &mem, j->o, &err);

        pthread_mutex_lock(&j->lock);
        if (s != VLP_OK) {
            fail(j, s, &err);
            j->failed = true;
        }
        j->slot[number % j->n_slots] = u;
        drain(j);
    }
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
    vlp_arena_free(&mem);
}

/* So many that a unit fills matrix tiles and its activations stay small: about 2000 tokens. */
int vlp_embed_batch(const struct vlp_encoder *e)
{
    if (e->model.patch_size == 0) return 8; /* a ResNet's first layers are large */
    const int     side = e->preprocess.width / e->model.patch_size;
    const int64_t tokens = (int64_t)side * side + 1;
    return (int)vlp_max_i64(1, vlp_min_i64(64, 2048 / tokens));
}

enum vlp_status vlp_embed_run(struct vlp_encoder *e, struct vlp_source *s,
                              const struct vlp_embed_options *o, struct vlp_error *err)
{
    struct job         j = {.e = e, .source = s, .o = o, .expected = o->expected};
    int                threads = vlp_pool_threads(e->compute.pool);
    struct vlp_compute alone = e->compute, together = e->compute;
    alone.pool = NULL;
    if (j.expected == 0) j.expected = vlp_source_expected(s);
    together.passing = j.expected == 1;
    j.batch = o->batch > 0 ? o->batch : vlp_embed_batch(e);
    j.compute = &alone;
    if (j.expected >= 0 && j.expected < threads) {
        /* Fewer records than threads: one after the other, each with all threads. */
        j.compute = &together;
        j.batch = (int)vlp_max_i64(1, vlp_min_i64(j.batch, j.expected));
        threads = 1;
    }
    j.workers = threads;
    j.n_slots = 2 * threads + 1;
    j.slot = vlp_calloc((size_t)j.n_slots, sizeof *j.slot);
    pthread_mutex_init(&j.lock, NULL);
    pthread_cond_init(&j.changed, NULL);

    vlp_parallel(threads > 1 ? e->compute.pool : NULL, threads, work, &j);

    for (int i = 0; i < j.n_slots; i++) vlp_unit_free(j.slot[i]);
    free(j.slot);
    pthread_cond_destroy(&j.changed);
    pthread_mutex_destroy(&j.lock);
    if (j.status != VLP_OK) {
        if (err) *err = j.error;
        return j.status;
    }
    if (j.stopped) return vlp_fail(err, VLP_ERR_STOPPED, "stopped");
    return VLP_OK;
}
