/*
 * bench_train.c -- a training step beside this machine's peaks: arithmetic, memory, the optimiser.
 *
 * Work is counted as three forwards of all tokens (the text tower to the end of its context, as
 * other implementations compute it). Where PyTorch is installed (VLP_PYTHON), its step
 * is asked round about. One line a figure: name, measured, must, stretch, ok or BELOW,
 * tab-separated; "-" stands for "no limit".
 *
 *   bench_train [part ...]     parts: default b32 adamw; all without any
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/train.h>

#include "peer.h"

struct shape {
    const char *name;
    int  image, patch, width, layers, embed, context, vocab, text_width, text_layers, batch, rounds;
    bool bounded; /* the table's limits are stated for this size */
};
static const struct shape shapes[] = {
    {"default", 96, 12, 192, 6, 192, 32, 8192, 192, 4, 256, 3, false},
    {"b32", 224, 32, 768, 12, 512, 77, 49408, 512, 12, 32, 2, true},
};

static json_t *about_of(const struct shape *s)
{
    json_t *config =
        json_pack("{s:i,s:s,s:{s:s,s:i,s:i,s:i,s:i,s:i,s:i},s:{s:i,s:i,s:i,s:i,s:i,s:i}}",
                  "embed_dim", s->embed, "activation", "quick_gelu", "vision", "kind", "vit",
                  "image_size", s->image, "patch_size", s->patch, "width", s->width, "layers",
                  s->layers, "heads", s->width / 64, "mlp", 4 * s->width, "text", "context",
                  s->context, "vocab", s->vocab, "width", s->text_width, "layers", s->text_layers,
                  "heads", s->text_width / 64, "mlp", 4 * s->text_width);
    return json_pack("{s:s,s:o}", "family", "clip", "config", config);
}

/* Multiply-adds of a tower twice: products of blocks, attention, patches and projection left to be
 * small. */
static double tower_flops(int tokens, int width, int layers)
{
    const double T = tokens, C = width;
    return layers * (2 * T * 12 * C * C + 4 * T * T * C);
}

static double step_flops(const struct shape *s)
{
    const int    tokens = 1 + (s->image / s->patch) * (s->image / s->patch);
    const double patches = 2.0 * (tokens - 1) * s->width * 3 * s->patch * s->patch;
    return 3.0 * s->batch *
           (tower_flops(tokens, s->width, s->layers) + patches +
            tower_flops(s->context, s->text_width, s->text_layers));
}

static void line(const char *name, double value, const char *must, const char *stretch, bool ok)
{
    printf("%s\t%.3f\t%s\t%s\t%s\n", name, value, must, stretch,
           *must == '-' ? "-"
           : ok         ? "ok"
                        : "BELOW");
    fflush(stdout);
}

struct batch {
    struct vlp_batch b;
    struct vlp_arena mem;
};

static void make_batch(struct batch *x, const struct shape *s)
{
    struct vlp_rng r;
    const size_t   picture = 3 * (size_t)s->image * (size_t)s->image;
    vlp_rng_seed(&r, 1, 1);
    memset(x, 0, sizeof *x);
    x->b.n = s->batch;
    x->b.width = x->b.height = s->image;
    x->b.images = VLP_NEW_N(&x->mem, float, picture *(size_t)s->batch);
    x->b.ids = VLP_NEW_N(&x->mem, int32_t, (size_t)(s->batch * s->context));
    x->b.start = VLP_NEW_N(&x->mem, int, (size_t)s->batch + 1);
    for (size_t i = 0; i < picture * (size_t)s->batch; i++)
        x->b.images[i] = 4.0f * (float)vlp_rng_uniform(&r) - 2.0f;
    for (int i = 0; i < s->batch; i++) { /* full contexts: nothing is saved by stopping early */
        x->b.start[i] = i * s->context;
        for (int j = 0; j < s->context; j++)
            x->b.ids[i * s->context + j] = (int32_t)vlp_rng_below(&r, (uint32_t)s->vocab - 2);
        x->b.ids[(i + 1) * s->context - 1] = s->vocab - 1;
    }
    x->b.start[s->batch] = s->batch * s->context;
}

/* Another program that does the same step, asked once after each of ours; its fastest. */
struct other {
    struct peer *peer;
    const char  *precision;
    double       seconds; /* 0: it cannot */
};

static void ask(struct other *o, int batch)
{
    char request[64];
    if (!o || !o->peer) return;
    snprintf(request, sizeof request, "torch train %s %d %d", o->precision, batch, vlp_cpu_count());
    const double took = peer_seconds(o->peer, request);
    if (took > 0 && (o->seconds == 0 || took < o->seconds)) o->seconds = took;
}

/* The fastest of a few steps; *memory is the step's. */
static double time_step(const struct shape *s, const struct vlp_compute *c, bool recompute,
                        double *memory, struct other *other)
{
    struct vlp_error               err;
    struct vlp_model               m;
    struct vlp_trainer            *t;
    struct batch                   x;
    struct vlp_step                out;
    json_t                        *about = about_of(s);
    const struct vlp_train_options o = {
        .loss = vlp_contrastive_losses[0],
        .schedule = {"constant", 1e-5, 1e-5, 1, 0, 100},
        .adamw = {0.9f, 0.98f, 1e-6f, 0.2f},
        .layer_decay = 1,
        .image_rate = 1,
        .text_rate = 1,
        .recompute = recompute,
    };
    if (vlp_model_new(&m, about, 1, &err) != VLP_OK ||
        vlp_trainer_open(&t, &m, c, NULL, &o, &err) != VLP_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    make_batch(&x, s);
    double best = 1e300;
    for (int i = 0; i <= s->rounds; i++) {
        const double start = vlp_now();
        if (vlp_trainer_step(t, &x.b, &out, &err) != VLP_OK) exit(1);
        const double took = vlp_now() - start;
        if (i > 0 && took < best) best = took; /* the first touches fresh memory */
        ask(other, s->batch);
    }
    *memory = (double)vlp_trainer_peak(t) / (1 << 20);
    vlp_trainer_close(t);
    vlp_model_close(&m);
    vlp_arena_free(&x.mem);
    json_decref(about);
    return best;
}

static void figure(const struct shape *s, const char *what, double value)
{
    char name[128];
    snprintf(name, sizeof name, "train %s batch %d, %s", s->name, s->batch, what);
    line(name, value, "-", "-", true);
}

static void over_pytorch(const struct shape *s, const struct other *o, double ours, bool bounded)
{
    char         name[128];
    const double ratio = o->seconds / ours;
    if (o->seconds == 0) return;
    snprintf(name, sizeof name, "train step %s %s batch %d over PyTorch", o->precision, s->name,
             s->batch);
    line(name, ratio, bounded ? "1.15" : "-", bounded ? "1.3" : "-", ratio >= 1.15);
}

static void bench_shape(const struct shape *s, struct vlp_compute *c, struct peer *peer)
{
    char         name[128];
    double       memory, less, same;
    const double flops = step_flops(s);
    /* The peer's step is of the bounded size. */
    struct other in_f32 = {s->bounded ? peer : NULL, "f32", 0}, in_bf16 = in_f32;
    in_bf16.precision = "bf16";
    c->precision = VLP_PRECISION_F32;
    const double peak = vlp_peak_flops(c, VLP_PRECISION_F32);
    const double f32 = time_step(s, c, false, &memory, &in_f32), share = flops / f32 / 1e9 / peak;
    snprintf(name, sizeof name, "train step f32 %s batch %d, 3x forward over FMA peak", s->name,
             s->batch);
    line(name, share, s->bounded ? "0.62" : "-", s->bounded ? "0.70" : "-", share >= 0.62);

    c->precision = VLP_PRECISION_BF16;
    const double peak16 = vlp_peak_flops(c, VLP_PRECISION_BF16);
    const double bf16 = time_step(s, c, false, &same, &in_bf16);
    const bool   amx = c->cpu >= VLP_CPU_AMX;
    snprintf(name, sizeof name, "train step bf16 %s batch %d over own f32", s->name, s->batch);
    line(name, f32 / bf16, amx && s->bounded ? "3" : "-", amx && s->bounded ? "6" : "-",
         f32 / bf16 >= 3);
    over_pytorch(s, &in_f32, f32, true);
    over_pytorch(s, &in_bf16, bf16, false);
    figure(s, "bf16, 3x forward over bf16 peak", flops / bf16 / 1e9 / peak16);
    figure(s, "f32, seconds a step", f32);
    figure(s, "bf16, seconds a step", bf16);
    figure(s, "f32, samples/s", s->batch / f32);
    figure(s, "bf16, samples/s", s->batch / bf16);

    c->precision = VLP_PRECISION_F32;
    const double again = time_step(s, c, true, &less, NULL);
    figure(s, "step memory, MiB", memory);
    figure(s, "the same with gradient checkpointing", less);
    figure(s, "time with gradient checkpointing over without", again / f32);
}

/* 28 bytes a parameter: value, gradient, two moments read; value and two moments written. */
static void bench_adamw(const struct vlp_compute *c)
{
    enum { N = 16 << 20 };
    struct vlp_arena       mem = {0};
    const struct vlp_adamw o = {0.9f, 0.98f, 1e-6f, 0.2f};
    struct vlp_param       p = {.tensor = {.ndim = 2, .dim = {N / 1024, 1024}}};
    struct vlp_trained     t = {.param = &p, .rate = 1, .decay = true};
    p.tensor.data = VLP_NEW_N(&mem, float, N);
    p.tensor.grad = VLP_NEW_N(&mem, float, N);
    t.m = VLP_NEW_N(&mem, float, N);
    t.v = VLP_NEW_N(&mem, float, N);
    for (int i = 0; i < N; i++) p.tensor.grad[i] = 1e-3f * (float)(i % 17 - 8);
    double best = 1e300, triad = vlp_peak_triad(c);
    for (int i = 0; i < 8; i++) {
        const double start = vlp_now();
        vlp_adamw_step(c, &o, &t, 1, 1e-3, i + 1, 1.0f, 0);
        if (vlp_now() - start < best) best = vlp_now() - start;
    }
    triad = fmax(triad, vlp_peak_triad(c));
    const double share = 28.0 * N / best / 1e9 / triad;
    line("AdamW, 28 bytes a parameter, over triad bandwidth", share, "0.6", "0.85", share >= 0.6);
    vlp_arena_free(&mem);
}

static bool wanted(int argc, char **argv, const char *part)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], part) == 0) return true;
    return argc == 1;
}

int main(int argc, char **argv)
{
    struct vlp_compute c;
    struct vlp_error   err;
    struct vlp_pool   *pool = vlp_pool_open(0);
    if (vlp_compute_init(&c, pool, getenv("VLP_CPU"), VLP_PRECISION_F32, &err) != VLP_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct peer *peer = wanted(argc, argv, "b32") ? peer_open() : NULL;
    if (wanted(argc, argv, "adamw")) bench_adamw(&c);
    for (size_t i = 0; i < VLP_COUNT(shapes); i++)
        if (wanted(argc, argv, shapes[i].name)) bench_shape(&shapes[i], &c, peer);
    peer_close(peer);
    vlp_pool_close(pool);
    return 0;
}
