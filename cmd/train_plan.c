/*
 * train_plan.c -- what a run would meet and what it would take, without training.
 */
#include <stdlib.h>
#include <string.h>

#include "train_cmd.h"

static struct train_options *const o = &train_options;

/* Every picture and caption is read once, in order, the way training would. */
int train_check(struct train_run *r)
{
    const int64_t         n = vlp_dataset_size(r->data);
    struct vlp_preprocess how = r->encoder.preprocess;
    int64_t               bad = 0, cut = 0;
    struct vlp_arena      mem = {0};
    struct vlp_error      err;
    cmd_stop_politely();
    cmd_progress_start("pictures", n);
    for (int64_t i = 0; i < n && !cmd_stopped(); i++) {
        const struct vlp_arena_mark mark = vlp_arena_mark(&mem);
        int                         n_cut = 0;
        if (vlp_dataset_try(r->data, i, &mem, &how, r->encoder.tokenizer, &n_cut, &err) != VLP_OK) {
            cmd_warn("%s", err.text);
            bad++;
        }
        cut += n_cut;
        cmd_progress_add(1, 0);
        vlp_arena_rewind(&mem, mark);
    }
    cmd_progress_end();
    vlp_arena_free(&mem);
    bad += vlp_dataset_bad(r->data);
    printf("pictures\t%lld\n", (long long)n);
    printf("captions\t%lld\n", (long long)vlp_dataset_captions(r->data));
    printf("captions_cut\t%lld\n", (long long)cut);
    printf("bad\t%lld\n", (long long)bad);
    printf("steps_per_epoch\t%lld\n", (long long)r->epoch_steps);
    printf("steps\t%lld\n", (long long)r->options.schedule.total);
    if (cmd_stopped()) return CMD_SIGNALLED + cmd_stopped();
    return bad ? CMD_SKIPPED : CMD_OK;
}

/* The best of a few steps with the run's own data, model and options; the weights go nowhere. */
int train_plan(struct train_run *r)
{
    struct vlp_error                err;
    struct vlp_trainer             *t = NULL;
    struct vlp_loader              *l = NULL;
    const struct vlp_loader_options how = {
        .data = r->data,
        .preprocess = &r->encoder.preprocess,
        .tokenizer = r->encoder.tokenizer,
        .augment = r->augment,
        .seed = (uint64_t)o->seed,
        .batch = (int)o->batch,
        .rank = r->comm.rank,
        .ranks = r->comm.size,
        .threads = (int)o->workers,
        .say = train_warn,
    };
    double          best = 1e300, load = 0;
    enum vlp_status s =
        vlp_trainer_open(&t, &r->encoder.model, &r->encoder.compute, &r->comm, &r->options, &err);
    if (s == VLP_OK) s = vlp_loader_open(&l, &how, &err);
    for (int i = 0; i < 3 && s == VLP_OK; i++) {
        struct vlp_batch b;
        struct vlp_step  out;
        const double     start = vlp_now();
        s = vlp_loader_next(l, &b, &err);
        const double loaded = vlp_now();
        if (s == VLP_OK) s = vlp_trainer_step(t, &b, &out, &err);
        if (i == 0) load = loaded - start; /* nothing was read ahead: what a batch takes to load */
        if (s == VLP_OK && vlp_now() - loaded < best) best = vlp_now() - loaded;
    }
    if (s == VLP_OK) {
        const int64_t steps = r->options.schedule.total;
        const size_t  weights = vlp_params_count(&r->encoder.model.params) * sizeof(float);
        printf("parameters\t%zu\n", weights / sizeof(float));
        printf("steps\t%lld\n", (long long)steps);
        printf("seconds_per_step\t%.4f\n", best);
        printf("seconds_to_load_a_batch\t%.4f\n", load);
        printf("hours\t%.2f\n", (best > load ? best : load) * (double)steps / 3600);
        printf("memory_mib\t%.0f\n", (double)(vlp_trainer_peak(t) + weights) / (1024 * 1024));
    }
    vlp_loader_close(l);
    vlp_trainer_close(t);
    return s == VLP_OK ? CMD_OK : cmd_fail(&err);
}
