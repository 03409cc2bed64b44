/*
 * towers.c -- towers of the published sizes with random weights, and the time of one call.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "towers.h"

const struct tower_size tower_sizes[TOWER_SIZE_COUNT] = {
    {"B/32", "vit", 224, 32, 768, 12, 3072, 512},
    {"B/16", "vit", 224, 16, 768, 12, 3072, 512},
    {"L/14", "vit", 224, 14, 1024, 24, 4096, 768},
    {"RN50", "resnet", 224, 0, 64, 0, 0, 512},
};

static json_t *config_of(const struct tower_size *s)
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

void tower_open(struct tower *w, const struct tower_size *s, const char *which)
{
    struct vlp_error err = {0};
    *w = (struct tower){.model.family = vlp_families[0]};
    vlp_params_init(&w->model.params);
    json_t *config = config_of(s);
    if (w->model.family->build(&w->model, config, &err) != VLP_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    json_decref(config);
    for (int i = 0; i < w->model.params.n; i++) {
        struct vlp_param *p = w->model.params.item[i];
        if (strcmp(p->tower, which) != 0) continue;
        const size_t n = vlp_numel(&p->tensor);
        float       *v = vlp_arena_alloc(&w->weights, n * sizeof *v);
        fill(v, n, &p->start, (uint32_t)i);
        vlp_param_bind(p, VLP_F32, v);
    }
}

void tower_close(struct tower *w)
{
    vlp_model_close(&w->model);
    vlp_arena_free(&w->weights);
    vlp_arena_free(&w->mem);
}

double tower_flops(const struct tower_size *s)
{
    if (!s->patch) return 12.22e9; /* RN50, as tabulated by open_clip; the text tower aside */
    const double g = s->image_size / s->patch, T = 1 + g * g, C = s->width;
    return 2.0 * (g * g * 3 * s->patch * s->patch * C + C * s->text_width +
                  s->layers * T * (4 * C * C + 2 * C * s->mlp + 2 * T * C));
}

struct vlp_compute tower_compute(struct vlp_pool *pool, enum vlp_precision p)
{
    struct vlp_compute c;
    struct vlp_error   err;
    if (vlp_compute_init(&c, pool, getenv("VLP_CPU"), p, &err) != VLP_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return c;
}

double tower_image_seconds(struct tower *w, const struct vlp_compute *c, int batch, int side,
                           float *features)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(&w->mem);
    struct vlp_tape             t;
    vlp_tape_init(&t, c, &w->mem, false);
    struct vlp_tensor     *x = vlp_tensor_new(&t, VLP_DIMS(batch, 3, side, side), false);
    const struct vlp_start s = {VLP_INIT_UNIFORM, 2.0f};
    fill(x->data, vlp_numel(x), &s, 5);
    const double             start = vlp_now();
    const struct vlp_tensor *y = vlp_encode_image(&w->model, &t, x);
    const double             seconds = vlp_now() - start;
    if (features) memcpy(features, y->data, vlp_numel(y) * sizeof *features);
    vlp_arena_rewind(&w->mem, mark);
    return seconds;
}

double tower_text_seconds(struct tower *w, const struct vlp_compute *c, int texts, bool padded)
{
    enum { TEXTS = 32, LONGEST = 77 };
    int32_t ids[TEXTS * LONGEST];
    int     start[TEXTS + 1] = {0};
    assert(texts <= TEXTS);
    for (int s = 0, at = 0; s < texts; s++) {
        const int length = padded ? LONGEST : 10 + s % 7;
        for (int i = 0; i < length; i++)
            ids[at++] = i == 0 ? 49406 : i + 1 == length ? 49407 : 300 + (s * 37 + i * 11) % 40000;
        start[s + 1] = at;
    }
    const struct vlp_text_batch b = {texts, ids, start};
    const struct vlp_arena_mark mark = vlp_arena_mark(&w->mem);
    struct vlp_tape             t;
    vlp_tape_init(&t, c, &w->mem, false);
    const double begin = vlp_now();
    vlp_encode_text(&w->model, &t, &b);
    const double seconds = vlp_now() - begin;
    vlp_arena_rewind(&w->mem, mark);
    return seconds;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double tower_median(double *value, int n)
{
    qsort(value, (size_t)n, sizeof *value, by_value);
    return value[n / 2];
}
