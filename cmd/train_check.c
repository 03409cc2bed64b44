/*
 * train_check.c -- --check: every picture and caption read once, the way training would.
 */
#include <stdlib.h>
#include <string.h>

#include "train_cmd.h"

enum { CHUNK = 256 };

/* A run of samples tried by many threads, told of in order. */
struct check {
    const struct train_run   *r;
    const struct vlp_dataset *data;
    struct vlp_arena         *mem; /* of each thread */
    int64_t                   first, bad, cut, damaged;
    struct tried {
        enum vlp_status  status;
        struct vlp_error err;
        int              cut;
        bool             damaged; /* but it can be used: err.text says what is the matter */
    } tried[CHUNK];
};

static void try_one(void *ctx, int i, int worker)
{
    struct check               *c = ctx;
    struct tried               *t = &c->tried[i];
    struct vlp_arena           *mem = &c->mem[worker];
    const struct vlp_arena_mark mark = vlp_arena_mark(mem);
    const char                 *damage;
    *t = (struct tried){0};
    t->status = vlp_dataset_try(c->data, c->first + i, mem, &c->r->encoder.preprocess,
                                c->r->encoder.tokenizer, &t->cut, &damage, &t->err);
    t->damaged = t->status == VLP_OK && damage;
    if (t->damaged) vlp_fail(&t->err, VLP_OK, "%s", damage);
    vlp_arena_rewind(mem, mark);
}

static void check_data(struct check *c, const struct vlp_dataset *data)
{
    const int64_t    n = vlp_dataset_size(data);
    struct vlp_pool *pool = c->r->encoder.compute.pool;
    const int        threads = vlp_pool_threads(pool);
    c->data = data;
    c->bad = vlp_dataset_bad(data);
    c->cut = c->damaged = 0;
    c->mem = vlp_calloc((size_t)threads, sizeof *c->mem);
    cmd_progress_start("pictures", n);
    for (c->first = 0; c->first < n && !cmd_stopped(); c->first += CHUNK) {
        const int count = (int)vlp_min_i64(CHUNK, n - c->first);
        vlp_parallel(pool, count, try_one, c);
        for (int i = 0; i < count; i++) {
            const struct tried *t = &c->tried[i];
            c->cut += t->cut;
            c->bad += t->status != VLP_OK;
            c->damaged += t->damaged;
            if (t->status != VLP_OK || t->damaged) cmd_warn("%s", t->err.text);
        }
        cmd_progress_add(count, 0);
    }
    cmd_progress_end();
    for (int i = 0; i < threads; i++) vlp_arena_free(&c->mem[i]);
    free(c->mem);
}

int train_check(struct train_run *r)
{
    if (r->comm.rank != 0) return CMD_OK;
    struct check *c = vlp_calloc(1, sizeof *c);
    int64_t       bad;
    c->r = r;
    cmd_stop_politely();
    check_data(c, r->data);
    bad = c->bad;
    printf("pictures\t%lld\n", (long long)vlp_dataset_size(r->data));
    printf("captions\t%lld\n", (long long)vlp_dataset_captions(r->data));
    printf("captions_cut\t%lld\n", (long long)c->cut);
    printf("bad\t%lld\n", (long long)c->bad);
    printf("damaged\t%lld\n", (long long)c->damaged);
    printf("steps_per_epoch\t%lld\n", (long long)r->epoch_steps);
    printf("steps\t%lld\n", (long long)r->options.schedule.total);
    if (r->eval && !cmd_stopped()) {
        const struct vlp_dataset *held = train_eval_data(r->eval);
        check_data(c, held);
        bad += c->bad;
        printf("validation_pictures\t%lld\n", (long long)vlp_dataset_size(held));
        printf("validation_captions\t%lld\n", (long long)vlp_dataset_captions(held));
        printf("validation_bad\t%lld\n", (long long)c->bad);
        printf("validation_damaged\t%lld\n", (long long)c->damaged);
    }
    free(c);
    if (cmd_stopped()) return CMD_SIGNALLED + cmd_stopped();
    return bad ? CMD_SKIPPED : CMD_OK;
}
