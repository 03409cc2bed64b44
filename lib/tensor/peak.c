/* peak.c -- what this machine does at most: arithmetic of a level, reading, and a = b + s c. */
#include <stdlib.h>
#include <string.h>

#include "tensor_internal.h"

enum { ROUNDS = 3, MAX_PARTS = 64 };

struct peak_job {
    const struct vlp_compute *c;
    enum vlp_precision        precision;
    long                      n;
    float                    *a, *b, *d;
    size_t                    floats; /* of one part */
    double                    work[MAX_PARTS];
};

static void flops_task(void *ctx, int i, int worker)
{
    struct peak_job *j = ctx;
    (void)worker;
    j->work[i] = j->c->kernels->gemm[j->precision]->flops(j->n);
}

static void read_task(void *ctx, int i, int worker)
{
    struct peak_job *j = ctx;
    (void)worker;
    j->work[i] = j->c->kernels->read(j->a + (size_t)i * j->floats, j->floats);
}

static void triad_task(void *ctx, int i, int worker)
{
    struct peak_job *j = ctx;
    const size_t     at = (size_t)i * j->floats;
    (void)worker;
    j->c->kernels->triad(j->a + at, j->b + at, j->d + at, 3.0f, j->floats);
}

static int parts_of(const struct vlp_compute *c)
{
    const int threads = vlp_pool_threads(c->pool);
    return threads < MAX_PARTS ? threads : MAX_PARTS;
}

double vlp_peak_flops(const struct vlp_compute *c, enum vlp_precision p)
{
    struct peak_job j = {.c = c, .precision = p, .n = 1000};
    const int       parts = parts_of(c);
    double          best = 0.0;
    flops_task(&j, 0, 0);
    while (j.n < 1L << 40) { /* until a round takes 4 ms */
        const double t = vlp_now();
        flops_task(&j, 0, 0);
        if (vlp_now() - t > 0.004) break;
        j.n *= 2;
    }
    for (int r = 0; r < ROUNDS; r++) {
        const double t = vlp_now();
        vlp_parallel(c->pool, parts, flops_task, &j);
        const double seconds = vlp_now() - t;
        double       work = 0.0;
        for (int i = 0; i < parts; i++) work += j.work[i];
        if (work / seconds > best) best = work / seconds;
    }
    return best * 1e-9;
}

/* GB/s of `task` over arrays that no cache holds, `streams` of them touched. */
static double bandwidth(const struct vlp_compute *c, vlp_task *task, int streams)
{
    const int       parts = parts_of(c);
    const size_t    floats = (size_t)24 << 20; /* 96 MiB each */
    struct peak_job j = {.c = c, .floats = floats / (size_t)parts / 64 * 64};
    float         **array[3] = {&j.a, &j.b, &j.d};
    double          best = 0.0;
    for (int i = 0; i < streams; i++) {
        *array[i] = vlp_aligned(floats * sizeof(float));
        memset(*array[i], 0, floats * sizeof(float));
    }
    for (int r = 0; r < ROUNDS; r++) {
        const double t = vlp_now();
        vlp_parallel(c->pool, parts, task, &j);
        const double rate = (double)j.floats * parts * sizeof(float) * streams / (vlp_now() - t);
        if (rate > best) best = rate;
    }
    for (int i = 0; i < streams; i++) free(*array[i]);
    return best * 1e-9;
}

double vlp_peak_read(const struct vlp_compute *c)
{
    return bandwidth(c, read_task, 1);
}

double vlp_peak_triad(const struct vlp_compute *c)
{
    return bandwidth(c, triad_task, 3);
}
