/*
 * bench_encode.c -- how fast towers of the published sizes encode, beside this machine's peaks.
 *
 * Weights are random, since speed does not depend on them. Work is counted as the whole graph's
 * (every token through every layer), as other implementations are measured. One line a figure:
 * name, measured, must, stretch, ok or BELOW, tab-separated; 0 stands for "no limit".
 *
 *   bench_encode [part ...]     parts: b32 b16 l14 precision text rn50; all without any
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "towers.h"

/* The median of `rounds` calls after one to warm up; of three when they are slow. */
static double image_seconds(struct tower *w, const struct vlp_compute *c, int batch, int side,
                            int rounds, float *features)
{
    double seconds[16];
    tower_image_seconds(w, c, batch, side, NULL);
    for (int r = 0; r < rounds; r++) {
        seconds[r] = tower_image_seconds(w, c, batch, side, features);
        if (r == 2 && seconds[2] > 1.0) rounds = 3;
    }
    return tower_median(seconds, rounds);
}

/* Per text. */
static double text_seconds(struct tower *w, const struct vlp_compute *c, bool padded, int rounds)
{
    enum { TEXTS = 32 };
    double seconds[16];
    tower_text_seconds(w, c, TEXTS, padded);
    for (int r = 0; r < rounds; r++) seconds[r] = tower_text_seconds(w, c, TEXTS, padded);
    return tower_median(seconds, rounds) / TEXTS;
}

static void print(const char *name, double measured, double must, double stretch)
{
    printf("%s\t%.4g\t%g\t%g\t%s\n", name, measured, must, stretch,
           must == 0          ? "-"
           : measured >= must ? "ok"
                              : "BELOW");
    fflush(stdout);
}

struct goal {
    int    batch, threads;
    double must, stretch;
};

static void bench_size(const struct tower_size *s, const struct goal *goals, int n)
{
    struct tower w;
    tower_open(&w, s, "image");
    for (int i = 0; i < n; i++) {
        struct vlp_pool         *pool = vlp_pool_open(goals[i].threads);
        const struct vlp_compute c = tower_compute(pool, VLP_PRECISION_F32);
        const double             peak = vlp_peak_flops(&c, VLP_PRECISION_F32) * 1e9;
        const double seconds = image_seconds(&w, &c, goals[i].batch, s->image_size, 7, NULL);
        char         name[96];
        snprintf(name, sizeof name, "encode f32 %s, batch %d, %d thread%s, over FMA peak", s->name,
                 goals[i].batch, goals[i].threads, goals[i].threads > 1 ? "s" : "");
        print(name, tower_flops(s) * goals[i].batch / seconds / peak, goals[i].must,
              goals[i].stretch);
        snprintf(name, sizeof name, "encode f32 %s, batch %d, %d thread%s, pictures/s", s->name,
                 goals[i].batch, goals[i].threads, goals[i].threads > 1 ? "s" : "");
        print(name, goals[i].batch / seconds, 0, 0);
        vlp_pool_close(pool);
    }
    tower_close(&w);
}

static double cosine(const float *a, const float *b, int n)
{
    double ab = 0.0, aa = 0.0, bb = 0.0;
    for (int i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return ab / sqrt(aa * bb);
}

static void bench_precision(const struct tower_size *s)
{
    enum { BATCH = 32 };
    /* Over f32, must and stretch: int8 by maddubs, by VNNI and up; bf16 by AMX. */
    static const double of_level[VLP_CPU_COUNT][VLP_PRECISION_COUNT][2] = {
        [VLP_CPU_PORTABLE][VLP_PRECISION_INT8] = {1.5, 1.8},
        [VLP_CPU_AVX2][VLP_PRECISION_INT8] = {1.5, 1.8},
        [VLP_CPU_AVX512][VLP_PRECISION_INT8] = {4, 12},
        [VLP_CPU_AMX][VLP_PRECISION_INT8] = {4, 12},
        [VLP_CPU_AMX][VLP_PRECISION_BF16] = {7, 12},
    };
    struct tower w;
    tower_open(&w, s, "image");
    const int n = s->text_width * BATCH, threads = vlp_cpu_count();
    float    *f32 = vlp_calloc((size_t)n, sizeof *f32), *f = vlp_calloc((size_t)n, sizeof *f);
    struct vlp_pool *pool = vlp_pool_open(threads);
    double           base = 0.0;
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute c = tower_compute(pool, p);
        const double seconds = image_seconds(&w, &c, BATCH, s->image_size, 5, p ? f : f32);
        char         name[96];
        snprintf(name, sizeof name, "encode %s %s, batch %d, pictures/s", vlp_precision_name(p),
                 s->name, BATCH);
        print(name, BATCH / seconds, 0, 0);
        if (p == VLP_PRECISION_F32) {
            base = seconds;
            continue;
        }
        snprintf(name, sizeof name, "encode %s %s, batch %d, over f32", vlp_precision_name(p),
                 s->name, BATCH);
        print(name, base / seconds, of_level[c.cpu][p][0], of_level[c.cpu][p][1]);
        double worst = 0.0; /* 1 - cosine */
        for (int b = 0; b < BATCH; b++) {
            const size_t at = (size_t)b * s->text_width;
            worst = vlp_worse(worst, 1.0 - cosine(f32 + at, f + at, s->text_width));
        }
        snprintf(name, sizeof name, "encode %s %s, lowest cosine to f32", vlp_precision_name(p),
                 s->name);
        print(name, 1.0 - worst, 0.999, 0.9999);
    }
    vlp_pool_close(pool);
    free(f);
    free(f32);
    tower_close(&w);
}

static void bench_text(const struct tower_size *s)
{
    struct tower w;
    tower_open(&w, s, "text");
    struct vlp_pool *pool = vlp_pool_open(0);
    double           f32 = 0.0;
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute c = tower_compute(pool, p);
        const double             seconds = text_seconds(&w, &c, false, 7);
        char                     name[96];
        snprintf(name, sizeof name, "text %s %s, 10-16 tokens, texts/s", vlp_precision_name(p),
                 s->name);
        print(name, 1.0 / seconds, 0, 0);
        if (p == VLP_PRECISION_F32) f32 = seconds;
    }
    const struct vlp_compute c = tower_compute(pool, VLP_PRECISION_F32);
    print("text f32, captions of 10-16 tokens over 77", text_seconds(&w, &c, true, 5) / f32, 3.5,
          4.5);
    vlp_pool_close(pool);
    tower_close(&w);
}

static bool wanted(int argc, char **argv, const char *part)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], part) == 0) return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    const int         all = vlp_cpu_count();
    const struct goal b32[] = {{32, 1, 0.75, 0.85}, {32, all, 0.68, 0.78}, {1, all, 0.62, 0.70}};
    const struct goal large[] = {{1, all, 0.70, 0.78}};
    const struct goal rn50[] = {{1, all, 0, 0}, {8, all, 0, 0}};
    if (wanted(argc, argv, "b32")) bench_size(&tower_sizes[TOWER_B32], b32, 3);
    if (wanted(argc, argv, "b16")) bench_size(&tower_sizes[TOWER_B16], large, 1);
    if (wanted(argc, argv, "l14")) bench_size(&tower_sizes[TOWER_L14], large, 1);
    if (wanted(argc, argv, "rn50")) bench_size(&tower_sizes[TOWER_RN50], rn50, 2);
    if (wanted(argc, argv, "precision")) bench_precision(&tower_sizes[TOWER_B32]);
    if (wanted(argc, argv, "text")) bench_text(&tower_sizes[TOWER_B32]);
    return 0;
}
