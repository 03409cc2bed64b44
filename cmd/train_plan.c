/*
 * train_plan.c -- --plan: some steps with the run's own data, model and options, timed, and what
 * follows for all of it. The weights go nowhere.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "train_cmd.h"

static struct train_options *const o = &train_options;

enum { FEWEST = 4, MOST = 12 };
static const double LONG_ENOUGH = 20; /* seconds */

struct plan {
    double seconds[MOST]; /* of a step, waiting for its batch included */
    int    n;
    double load; /* of the first batch, when nothing was read ahead */
};

static enum vlp_status time_steps(struct plan *p, struct vlp_trainer *t, struct vlp_loader *l,
                                  struct vlp_error *err)
{
    const double begun = vlp_now();
    while (p->n < FEWEST || (p->n < MOST && vlp_now() - begun < LONG_ENOUGH)) {
        struct vlp_batch b;
        struct vlp_step  out;
        const double     start = vlp_now();
        VLP_TRY(vlp_loader_next(l, &b, err));
        if (p->n == 0) p->load = vlp_now() - start;
        VLP_TRY(vlp_trainer_step(t, &b, &out, err));
        p->seconds[p->n++] = vlp_now() - start;
    }
    return VLP_OK;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median without the first, whose batch was not read ahead and whose memory was new. */
static double usual_step(struct plan *p)
{
    qsort(p->seconds + 1, (size_t)p->n - 1, sizeof *p->seconds, by_size);
    const double median = p->seconds[1 + (p->n - 1) / 2];
    return median > p->load ? median : p->load;
}

static void print_plan(struct train_run *r, struct plan *p, double evaluation, size_t state)
{
    const int64_t steps = r->options.schedule.total;
    const int64_t every = o->eval_every > 0 ? o->eval_every : r->epoch_steps;
    const double  step = usual_step(p);
    const int64_t evaluations = r->eval ? (steps + every - 1) / every : 0;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("parameters\t%zu\n", vlp_params_count(&r->encoder.model.params));
    printf("steps\t%lld\n", (long long)steps);
    printf("seconds_per_step\t%.4f\n", step);
    printf("seconds_to_load_a_batch\t%.4f\n", p->load);
    if (r->eval) {
        printf("evaluations\t%lld\n", (long long)evaluations);
        printf("seconds_per_evaluation\t%.4f\n", evaluation);
    }
    printf("hours\t%.2f\n", (step * (double)steps + evaluation * (double)evaluations) / 3600);
    printf("memory_mib\t%.0f\n", (double)used.ru_maxrss / 1024);
    printf("checkpoint_mib\t%.1f\n", (double)state / (1 << 20));
}

/* Weights, two moments, the averaged copy; the vocabulary. */
static size_t state_size(const struct train_run *r, struct vlp_trainer *t)
{
    int                       n;
    const struct vlp_trained *p = vlp_trainer_params(t, &n);
    size_t size = vlp_params_count(&r->encoder.model.params) * sizeof(float) + r->vocab_len;
    for (int i = 0; i < n; i++)
        size += vlp_numel(&p[i].param->tensor) * sizeof(float) * (p[i].ema ? 3 : 2);
    return size;
}

int train_plan(struct train_run *r)
{
    struct vlp_error                err;
    struct vlp_trainer             *t = NULL;
    struct vlp_loader              *l = NULL;
    struct plan                     p = {.n = 0};
    double                          evaluation = 0;
    const struct vlp_loader_options how = train_loader_options(r, 0);
    enum vlp_status                 s =
        vlp_trainer_open(&t, &r->encoder.model, &r->encoder.compute, &r->comm, &r->options, &err);
    if (s == VLP_OK) s = vlp_loader_open(&l, &how, &err);
    if (s == VLP_OK) s = time_steps(&p, t, l, &err);
    if (s == VLP_OK && r->eval && r->comm.rank == 0) {
        json_t      *figures = json_object();
        const double start = vlp_now();
        s = train_eval_run(r->eval, r, figures, &err);
        evaluation = vlp_now() - start;
        json_decref(figures);
    }
    if (s == VLP_OK && r->comm.rank == 0) print_plan(r, &p, evaluation, state_size(r, t));
    vlp_loader_close(l);
    vlp_trainer_close(t);
    return s == VLP_OK ? CMD_OK : cmd_fail(&err);
}
