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

#include <vlp/model.h>

struct size {
    const char *name, *vision;
    int         image_size, patch, width, layers, mlp, text_width;
};
static const struct size sizes[] = {
    {"B/32", "vit", 224, 32, 768, 12, 3072, 512},
    {"B/16", "vit", 224, 16, 768, 12, 3072, 512},
    {"L/14", "vit", 224, 14, 1024, 24, 4096, 768},
    {"RN50", "resnet", 224, 0, 64, 0, 0, 512},
};

static json_t *config_of(const struct size *s)
{
    json_t *vision =
        s->patch
            ? json_pack("{s:s,s:i,s:i,s:i,s:i,s:i,s:i}", "kind", "vit", "image_size", s->image_size,
                        "patch_size", s->patch, "width", s->width, "layers", s->layers, "heads",
                        s->width / 64, "mlp", s->mlp)
            : json_pack("{s:s,s:i,s:i,s:i,s:[iiii]}", "kind", "resnet", "image_size", s->image_size,
                        "width", s->width, "heads", s->width / 2, "layers", 3, 4, 6, 3);
    return json_pack("{s:i,s:s,s:o,s:{s:i,s:i,s:i,s:i,s:i,s:i}}", "embed_dim", s->text_width,
                     "activation", "quick_gelu", "vision", vision, "text", "context", 77, "vocab",
                     49408, "width", s->text_width, "layers", 12, "heads", s->text_width / 64,
                     "mlp", 4 * s->text_width);
}

/* Values of a parameter's start, cheaply; layer norms are left gently uneven. */
static void fill(float *to, size_t n, const struct vlp_start *s, uint32_t state)
{
    const float middle = s->kind == VLP_INIT_ONE ? 1.0f : s->kind == VLP_INIT_CONST ? s->value : 0;
    const float spread = s->kind == VLP_INIT_NORMAL    ? 1.7320508f * s->value
                         : s->kind == VLP_INIT_UNIFORM ? s->value
                                                       : 0.05f;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        to[i] = middle + spread * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
}

struct world {
    struct vlp_model model;
    struct vlp_arena weights, mem;
};

/* A model as if from a file: stored values, packed on first use. */
static void open_world(struct world *w, const struct size *s, const char *tower)
{
    struct vlp_error err = {0};
    *w = (struct world){.model.family = vlp_families[0]};
    vlp_params_init(&w->model.params);
    json_t *config = config_of(s);
    if (w->model.family->build(&w->model, config, &err) != VLP_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    json_decref(config);
    for (int i = 0; i < w->model.params.n; i++) {
        struct vlp_param *p = w->model.params.item[i];
        if (strcmp(p->tower, tower) != 0) continue;
        const size_t n = vlp_numel(&p->tensor);
        float       *v = vlp_arena_alloc(&w->weights, n * sizeof *v);
        fill(v, n, &p->start, (uint32_t)i);
        vlp_param_bind(p, VLP_F32, v);
    }
}

static void close_world(struct world *w)
{
    vlp_model_close(&w->model);
    vlp_arena_free(&w->weights);
    vlp_arena_free(&w->mem);
}

/* Multiply-adds of the whole graph, twice. */
static double image_flops(const struct size *s)
{
    if (!s->patch) return 12.22e9; /* RN50, as tabulated by open_clip; the text tower aside */
    const double g = s->image_size / s->patch, T = 1 + g * g, C = s->width;
    return 2.0 * (g * g * 3 * s->patch * s->patch * C + C * s->text_width +
                  s->layers * T * (4 * C * C + 2 * C * s->mlp + 2 * T * C));
}

static struct vlp_compute compute_of(struct vlp_pool *pool, enum vlp_precision p)
{
    struct vlp_compute c;
    struct vlp_error   err;
    if (vlp_compute_init(&c, pool, getenv("VLP_CPU"), p, &err) != VLP_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return c;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one call: the median of `rounds` after one to warm up; of three when they are slow. */
static double image_seconds(struct world *w, const struct vlp_compute *c, int batch, int side,
                            int rounds, float *features)
{
    double seconds[64] = {0};
    for (int r = -1; r < rounds; r++) {
        const struct vlp_arena_mark mark = vlp_arena_mark(&w->mem);
        struct vlp_tape             t;
        vlp_tape_init(&t, c, &w->mem, false);
        struct vlp_tensor     *x = vlp_tensor_new(&t, VLP_DIMS(batch, 3, side, side), false);
        const struct vlp_start s = {VLP_INIT_UNIFORM, 2.0f};
        fill(x->data, vlp_numel(x), &s, 5);
        const double             start = vlp_now();
        const struct vlp_tensor *y = vlp_encode_image(&w->model, &t, x);
        if (r >= 0) seconds[r] = vlp_now() - start;
        if (r == 2 && seconds[2] > 1.0) rounds = 3;
        if (features) memcpy(features, y->data, vlp_numel(y) * sizeof *features);
        vlp_arena_rewind(&w->mem, mark);
    }
    qsort(seconds, (size_t)rounds, sizeof *seconds, by_value);
    return seconds[rounds / 2];
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

static void bench_size(const struct size *s, const struct goal *goals, int n)
{
    struct world w;
    open_world(&w, s, "image");
    for (int i = 0; i < n; i++) {
        struct vlp_pool         *pool = vlp_pool_open(goals[i].threads);
        const struct vlp_compute c = compute_of(pool, VLP_PRECISION_F32);
        const double             peak = vlp_peak_flops(&c, VLP_PRECISION_F32) * 1e9;
        const double seconds = image_seconds(&w, &c, goals[i].batch, s->image_size, 7, NULL);
        char         name[96];
        snprintf(name, sizeof name, "encode f32 %s, batch %d, %d thread%s, over FMA peak", s->name,
                 goals[i].batch, goals[i].threads, goals[i].threads > 1 ? "s" : "");
        print(name, image_flops(s) * goals[i].batch / seconds / peak, goals[i].must,
              goals[i].stretch);
        snprintf(name, sizeof name, "encode f32 %s, batch %d, %d thread%s, pictures/s", s->name,
                 goals[i].batch, goals[i].threads, goals[i].threads > 1 ? "s" : "");
        print(name, goals[i].batch / seconds, 0, 0);
        vlp_pool_close(pool);
    }
    close_world(&w);
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

static void bench_precision(const struct size *s)
{
    enum { BATCH = 32 };
    static const double must[] = {0, 0, 4}, stretch[] = {0, 0, 12};
    struct world        w;
    open_world(&w, s, "image");
    const int n = s->text_width * BATCH, threads = vlp_cpu_count();
    float    *f32 = vlp_calloc((size_t)n, sizeof *f32), *f = vlp_calloc((size_t)n, sizeof *f);
    struct vlp_pool *pool = vlp_pool_open(threads);
    double           base = 0.0;
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute c = compute_of(pool, p);
        const bool               vnni = c.cpu >= VLP_CPU_AVX512, amx = c.cpu == VLP_CPU_AMX;
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
        const bool int8 = p == VLP_PRECISION_INT8;
        print(name, base / seconds,
              int8  ? (vnni ? must[p] : 1.5)
              : amx ? 7
                    : 0,
              int8  ? (vnni ? stretch[p] : 1.8)
              : amx ? 12
                    : 0);
        double worst = 1.0;
        for (int b = 0; b < BATCH; b++) {
            const size_t at = (size_t)b * s->text_width;
            worst = fmin(worst, cosine(f32 + at, f + at, s->text_width));
        }
        snprintf(name, sizeof name, "encode %s %s, lowest cosine to f32", vlp_precision_name(p),
                 s->name);
        print(name, worst, 0.999, 0.9999);
    }
    vlp_pool_close(pool);
    free(f);
    free(f32);
    close_world(&w);
}

/* Captions of 10 to 16 ids; `padded` follows them with more ids than are needed, to 77. */
static double text_seconds(struct world *w, const struct vlp_compute *c, bool padded, int rounds)
{
    enum { TEXTS = 32, LONGEST = 77 };
    int32_t ids[TEXTS * LONGEST];
    int     start[TEXTS + 1] = {0};
    for (int s = 0, at = 0; s < TEXTS; s++) {
        const int length = padded ? LONGEST : 10 + s % 7;
        for (int i = 0; i < length; i++)
            ids[at++] = i == 0 ? 49406 : i + 1 == length ? 49407 : 300 + (s * 37 + i * 11) % 40000;
        start[s + 1] = at;
    }
    const struct vlp_text_batch b = {TEXTS, ids, start};
    double                      seconds[64] = {0};
    for (int r = -1; r < rounds; r++) {
        const struct vlp_arena_mark mark = vlp_arena_mark(&w->mem);
        struct vlp_tape             t;
        vlp_tape_init(&t, c, &w->mem, false);
        const double begin = vlp_now();
        vlp_encode_text(&w->model, &t, &b);
        if (r >= 0) seconds[r] = vlp_now() - begin;
        vlp_arena_rewind(&w->mem, mark);
    }
    qsort(seconds, (size_t)rounds, sizeof *seconds, by_value);
    return seconds[rounds / 2] / TEXTS;
}

static void bench_text(const struct size *s)
{
    struct world w;
    open_world(&w, s, "text");
    struct vlp_pool *pool = vlp_pool_open(0);
    double           f32 = 0.0;
    for (int p = 0; p < VLP_PRECISION_COUNT; p++) {
        const struct vlp_compute c = compute_of(pool, p);
        const double             seconds = text_seconds(&w, &c, false, 7);
        char                     name[96];
        snprintf(name, sizeof name, "text %s %s, 10-16 tokens, texts/s", vlp_precision_name(p),
                 s->name);
        print(name, 1.0 / seconds, 0, 0);
        if (p == VLP_PRECISION_F32) f32 = seconds;
    }
    const struct vlp_compute c = compute_of(pool, VLP_PRECISION_F32);
    print("text f32, captions of 10-16 tokens over 77", text_seconds(&w, &c, true, 5) / f32, 3.5,
          4.5);
    vlp_pool_close(pool);
    close_world(&w);
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
    if (wanted(argc, argv, "b32")) bench_size(&sizes[0], b32, 3);
    if (wanted(argc, argv, "b16")) bench_size(&sizes[1], large, 1);
    if (wanted(argc, argv, "l14")) bench_size(&sizes[2], large, 1);
    if (wanted(argc, argv, "rn50")) bench_size(&sizes[3], rn50, 2);
    if (wanted(argc, argv, "precision")) bench_precision(&sizes[0]);
    if (wanted(argc, argv, "text")) bench_text(&sizes[0]);
    return 0;
}
