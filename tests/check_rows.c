/*
 * check_rows.c -- the same picture or text gives the same bits alone, in any batch, with any number
 * of threads, at every level and precision; and the levels agree to rounding.
 */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/model.h>

enum { PICTURES = 13, TEXTS = 23, CONTEXT = 12, E = 32 };

#define TEXT                                                                                       \
    "\"text\":{\"context\":12,\"vocab\":600,\"width\":64,\"layers\":2,\"heads\":4,\"mlp\":256}"
/* Widths that are no multiple of a panel or a vector, and ones that are. */
static const char *const configs[] = {
    "{\"embed_dim\":32,\"activation\":\"gelu\",\"vision\":{\"kind\":\"vit\",\"image_size\":32,"
    "\"patch_size\":8,\"width\":80,\"layers\":2,\"heads\":2,\"mlp\":349}," TEXT "}",
    "{\"embed_dim\":32,\"activation\":\"quick_gelu\",\"vision\":{\"kind\":\"vit\",\"image_size\":"
    "32,"
    "\"patch_size\":4,\"width\":96,\"layers\":2,\"heads\":3,\"mlp\":384}," TEXT "}",
    "{\"embed_dim\":32,\"activation\":\"quick_gelu\",\"vision\":{\"kind\":\"resnet\",\"image_"
    "size\":"
    "32,\"width\":8,\"layers\":[1,2,1,1],\"heads\":4}," TEXT "}",
};

struct world {
    struct vlp_model model;
    struct vlp_arena mem;
    float           *images;
    int32_t          ids[TEXTS * CONTEXT];
    int              start[TEXTS + 1];
};

/* Stored values, as a checkpoint would bind them. */
static void open_world(struct world *w, const char *config)
{
    *w = (struct world){0};
    struct vlp_error err;
    json_t *about = json_pack("{s:s,s:o}", "family", "clip", "config", json_loads(config, 0, NULL));
    ck_assert_int_eq(vlp_model_new(&w->model, about, 5, &err), VLP_OK);
    json_decref(about);
    for (int i = 0; i < w->model.params.n; i++) {
        struct vlp_param *p = w->model.params.item[i];
        struct vlp_rng    r;
        vlp_rng_seed(&r, 17, (uint64_t)i);
        for (size_t k = 0; k < vlp_numel(&p->tensor); k++)
            p->tensor.data[k] += (float)(0.05 * vlp_rng_uniform(&r)); /* nothing stays 0 or 1 */
        vlp_param_bind(p, VLP_F32, p->tensor.data);
    }
    struct vlp_rng r;
    vlp_rng_seed(&r, 3, 0);
    const size_t n = PICTURES * 3 * 32 * 32;
    w->images = vlp_arena_alloc(&w->mem, n * sizeof(float));
    for (size_t i = 0; i < n; i++) w->images[i] = (float)vlp_rng_normal(&r);
    for (int s = 0, at = 0; s < TEXTS; s++) {
        const int length = 2 + (s * 5) % (CONTEXT - 1);
        for (int i = 0; i < length; i++)
            w->ids[at++] = i + 1 == length ? 599 : (int32_t)vlp_rng_below(&r, 598);
        w->start[s + 1] = at;
    }
}

static void close_world(struct world *w)
{
    vlp_model_close(&w->model);
    vlp_arena_free(&w->mem);
}

static void encode_images(struct world *w, const struct vlp_compute *c, int first, int n,
                          float *out)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(&w->mem);
    struct vlp_tape             t;
    vlp_tape_init(&t, c, &w->mem, false);
    struct vlp_tensor *x =
        vlp_tensor_of(&t, w->images + (size_t)first * 3 * 32 * 32, VLP_DIMS(n, 3, 32, 32));
    memcpy(out, vlp_encode_image(&w->model, &t, x)->data, (size_t)n * E * sizeof *out);
    vlp_arena_rewind(&w->mem, mark);
}

static void encode_texts(struct world *w, const struct vlp_compute *c, int first, int n, float *out)
{
    const struct vlp_arena_mark mark = vlp_arena_mark(&w->mem);
    struct vlp_tape             t;
    vlp_tape_init(&t, c, &w->mem, false);
    int start[TEXTS + 1];
    for (int i = 0; i <= n; i++) start[i] = w->start[first + i] - w->start[first];
    const struct vlp_text_batch b = {n, w->ids + w->start[first], start};
    memcpy(out, vlp_encode_text(&w->model, &t, &b)->data, (size_t)n * E * sizeof *out);
    vlp_arena_rewind(&w->mem, mark);
}

/* All at once with one thread, all with four, each alone with four: the same bits. */
static void check_batches(struct world *w, const struct vlp_compute *one,
                          const struct vlp_compute *four, int n,
                          void (*encode)(struct world *, const struct vlp_compute *, int, int,
                                         float *),
                          const char *what, float *all)
{
    float other[TEXTS * E];
    encode(w, one, 0, n, all);
    encode(w, four, 0, n, other);
    ck_assert_msg(memcmp(all, other, (size_t)n * E * sizeof *all) == 0,
                  "%s differ between one thread and four", what);
    for (int i = 0; i < n; i++) {
        encode(w, i % 2 ? one : four, i, 1, other);
        ck_assert_msg(memcmp(all + i * E, other, E * sizeof *all) == 0,
                      "%s: number %d differs alone", what, i);
    }
    encode(w, four, 1, 5, other);
    ck_assert_msg(memcmp(all + E, other, 5 * E * sizeof *all) == 0, "%s differ in a batch of five",
                  what);
    for (int i = 0; i < n * E; i++) ck_assert(isfinite(all[i]));
}

static const char *const levels[] = {"portable", "avx2", "avx512", "amx"};

static void check_level(struct world *w, const char *level, enum vlp_precision precision,
                        float *pictures, float *texts)
{
    struct vlp_error   err;
    struct vlp_compute one, four;
    if (vlp_compute_init(&one, NULL, level, precision, &err) != VLP_OK) return;
    struct vlp_pool *pool = vlp_pool_open(4);
    ck_assert_int_eq(vlp_compute_init(&four, pool, level, precision, &err), VLP_OK);
    check_batches(w, &one, &four, PICTURES, encode_images, "pictures", pictures);
    check_batches(w, &one, &four, TEXTS, encode_texts, "texts", texts);
    vlp_pool_close(pool);
}

START_TEST(a_row_does_not_depend_on_its_batch_or_the_threads)
{
    struct world w;
    open_world(&w, configs[_i / VLP_PRECISION_COUNT]);
    const enum vlp_precision precision = (enum vlp_precision)(_i % VLP_PRECISION_COUNT);
    for (size_t k = 0; k < VLP_COUNT(levels); k++) {
        float pictures[PICTURES * E], texts[TEXTS * E];
        check_level(&w, levels[k], precision, pictures, texts);
    }
    close_world(&w);
}
END_TEST

static void expect_near(const float *got, const float *want, int n, double near)
{
    double most = 0.0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs((double)want[i]));
    for (int i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= near * most,
                      "value %d is %.7g, not %.7g", i, (double)got[i], (double)want[i]);
}

START_TEST(levels_and_precisions_agree_to_their_rounding)
{
    /* f32: rounding of a few layers; bf16: 8 bits; int8: 7 and a bit, errors averaging out */
    static const double near[VLP_PRECISION_COUNT] = {1e-4, 3e-2, 8e-2};
    struct world        w;
    open_world(&w, configs[_i]);
    float want_pictures[PICTURES * E], want_texts[TEXTS * E];
    check_level(&w, "portable", VLP_PRECISION_F32, want_pictures, want_texts);
    for (int p = 0; p < VLP_PRECISION_COUNT; p++)
        for (size_t k = 0; k < VLP_COUNT(levels); k++) {
            float pictures[PICTURES * E], texts[TEXTS * E];
            memcpy(pictures, want_pictures, sizeof pictures);
            memcpy(texts, want_texts, sizeof texts);
            check_level(&w, levels[k], (enum vlp_precision)p, pictures, texts);
            expect_near(pictures, want_pictures, PICTURES * E, near[p]);
            expect_near(texts, want_texts, TEXTS * E, near[p]);
        }
    close_world(&w);
}
END_TEST

START_TEST(values_of_sixteen_bits_encode_as_their_widened_selves)
{
    struct world w, wide;
    open_world(&w, configs[_i]);
    open_world(&wide, configs[_i]);
    const enum vlp_dtype dtypes[] = {VLP_F16, VLP_BF16};
    for (int i = 0; i < w.model.params.n; i++) {
        struct vlp_param    *p = w.model.params.item[i], *q = wide.model.params.item[i];
        const size_t         n = vlp_numel(&p->tensor);
        const enum vlp_dtype dtype = dtypes[i % 2];
        void                *small = vlp_arena_alloc(&w.mem, vlp_dtype_size(dtype, n));
        float               *widened = vlp_arena_alloc(&w.mem, n * sizeof *widened);
        vlp_from_f32(small, dtype, vlp_param_f32(p), n);
        vlp_to_f32(widened, small, dtype, n);
        vlp_param_bind(p, dtype, small);
        vlp_param_bind(q, VLP_F32, widened);
    }
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, NULL, getenv("VLP_CPU"), VLP_PRECISION_F32, &err),
                     VLP_OK);
    float a[TEXTS * E], b[TEXTS * E];
    encode_images(&w, &c, 0, PICTURES, a);
    encode_images(&wide, &c, 0, PICTURES, b);
    ck_assert_mem_eq(a, b, PICTURES * E * sizeof *a);
    encode_texts(&w, &c, 0, TEXTS, a);
    encode_texts(&wide, &c, 0, TEXTS, b);
    ck_assert_mem_eq(a, b, TEXTS * E * sizeof *a);
    close_world(&w);
    close_world(&wide);
}
END_TEST

START_TEST(trained_values_encode_as_stored_ones)
{
    struct world w;
    open_world(&w, configs[_i]);
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, NULL, getenv("VLP_CPU"), VLP_PRECISION_F32, &err),
                     VLP_OK);
    float a[TEXTS * E], b[TEXTS * E];
    encode_texts(&w, &c, 0, TEXTS, a);
    encode_images(&w, &c, 0, PICTURES, b);
    vlp_params_train(&w.model.params);
    float trained[TEXTS * E];
    encode_texts(&w, &c, 0, TEXTS, trained);
    ck_assert_mem_eq(a, trained, TEXTS * E * sizeof *a);
    encode_images(&w, &c, 0, PICTURES, trained);
    expect_near(trained, b, PICTURES * E, 1e-5); /* a ResNet's batch norms are folded when stored */
    close_world(&w);
}
END_TEST

START_TEST(weights_used_in_passing_give_the_same_bits)
{
    struct world w;
    open_world(&w, configs[_i / VLP_PRECISION_COUNT]);
    struct vlp_compute       kept, passing;
    struct vlp_error         err;
    const enum vlp_precision precision = (enum vlp_precision)(_i % VLP_PRECISION_COUNT);
    ck_assert_int_eq(vlp_compute_init(&kept, NULL, getenv("VLP_CPU"), precision, &err), VLP_OK);
    passing = kept;
    passing.passing = true;
    float a[TEXTS * E], b[TEXTS * E];
    encode_images(&w, &passing, 0, PICTURES, a);
    encode_images(&w, &kept, 0, PICTURES, b);
    ck_assert_mem_eq(a, b, PICTURES * E * sizeof *a);
    encode_texts(&w, &passing, 0, TEXTS, a);
    encode_texts(&w, &kept, 0, TEXTS, b);
    ck_assert_mem_eq(a, b, TEXTS * E * sizeof *a);
    close_world(&w);
}
END_TEST

struct sharer {
    pthread_t          thread;
    struct world       own; /* its arena and inputs; the model is the first one's */
    struct vlp_compute compute;
    float              pictures[PICTURES * E], texts[TEXTS * E];
};

static void *share(void *ctx)
{
    struct sharer *s = ctx;
    encode_images(&s->own, &s->compute, 0, PICTURES, s->pictures);
    encode_texts(&s->own, &s->compute, 0, TEXTS, s->texts);
    return NULL;
}

START_TEST(threads_that_share_a_fresh_model_get_the_same_bits)
{
    enum { SHARERS = 4 };
    struct world     w;
    struct sharer   *s = vlp_calloc(SHARERS, sizeof *s);
    struct vlp_error err;
    open_world(&w, configs[_i]);
    for (int i = 0; i < SHARERS; i++) {
        s[i].own = w;
        s[i].own.mem = (struct vlp_arena){0};
        ck_assert_int_eq(
            vlp_compute_init(&s[i].compute, NULL, getenv("VLP_CPU"), VLP_PRECISION_F32, &err),
            VLP_OK);
    }
    for (int i = 0; i < SHARERS; i++)
        ck_assert_int_eq(pthread_create(&s[i].thread, NULL, share, &s[i]), 0);
    for (int i = 0; i < SHARERS; i++) pthread_join(s[i].thread, NULL);
    for (int i = 0; i < SHARERS; i++) {
        ck_assert_mem_eq(s[i].pictures, s[0].pictures, sizeof s->pictures);
        ck_assert_mem_eq(s[i].texts, s[0].texts, sizeof s->texts);
        vlp_arena_free(&s[i].own.mem);
    }
    free(s);
    close_world(&w);
}
END_TEST

START_TEST(what_follows_the_end_token_changes_nothing)
{
    struct world w;
    open_world(&w, configs[0]);
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, NULL, getenv("VLP_CPU"), VLP_PRECISION_F32, &err),
                     VLP_OK);
    static const int32_t ids[] = {7, 8, 599, 7, 8, 599, 0, 0, 599, 3};
    static const int     start[] = {0, 3, 10};
    struct vlp_tape      t;
    vlp_tape_init(&t, &c, &w.mem, false);
    const struct vlp_tensor *y =
        vlp_encode_text(&w.model, &t, &(struct vlp_text_batch){2, ids, start});
    ck_assert_mem_eq(y->data, y->data + E, E * sizeof(float));
    close_world(&w);
}
END_TEST

struct seen {
    int blocks, block_rows, penultimate, rows;
};

static void look(void *ctx, const char *name, const struct vlp_tensor *value, struct vlp_seqs seqs)
{
    struct seen *s = ctx;
    s->blocks += strstr(name, ".block") != NULL;
    s->penultimate += strcmp(name, "image_penultimate") == 0;
    s->rows = vlp_rows(value);
    if (strstr(name, ".block")) s->block_rows = s->rows;
    ck_assert_int_eq(seqs.start[seqs.n], s->rows);
}

START_TEST(watching_changes_no_bit_and_shows_every_block)
{
    struct world w;
    open_world(&w, configs[_i]);
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, NULL, getenv("VLP_CPU"), VLP_PRECISION_F32, &err),
                     VLP_OK);
    struct vlp_tape t;
    vlp_tape_init(&t, &c, &w.mem, false);
    struct vlp_tensor       *x = vlp_tensor_of(&t, w.images, VLP_DIMS(3, 3, 32, 32));
    const struct vlp_tensor *a = vlp_encode_image(&w.model, &t, x);
    struct seen              seen = {0};
    const struct vlp_tensor *b = vlp_encode_image_watched(&w.model, &t, x, look, &seen);
    ck_assert_mem_eq(a->data, b->data, 3 * E * sizeof(float));
    ck_assert_int_eq(seen.penultimate, 1);
    ck_assert_int_eq(seen.blocks, _i == 2 ? 0 : 2);

    static const int32_t        ids[] = {7, 599, 0, 0, 7, 9, 599};
    static const int            start[] = {0, 4, 7};
    const struct vlp_text_batch texts = {2, ids, start};
    a = vlp_encode_text(&w.model, &t, &texts);
    seen = (struct seen){0};
    b = vlp_encode_text_watched(&w.model, &t, &texts, look, &seen);
    ck_assert_mem_eq(a->data, b->data, 2 * E * sizeof(float));
    ck_assert_int_eq(seen.blocks, 2);
    ck_assert_int_eq(seen.rows, 7); /* to the end of the ids, not of the text */
    close_world(&w);
}
END_TEST

/* int(n (1 - p)) of doubles, by hand: 25 (1 - 0.6) is 10, 25 (1 - 0.56) just below 11. */
START_TEST(patch_dropout_keeps_as_many_patches_as_open_clip)
{
    static const struct {
        double share;
        int    stay;
    } rows[] = {{0.6, 10}, {0.56, 10}, {0.68, 7}, {0.5, 12}, {0.99, 1}};
    struct world w;
    open_world(&w, "{\"embed_dim\":32,\"activation\":\"gelu\",\"vision\":{\"kind\":\"vit\","
                   "\"image_size\":40,\"patch_size\":8,\"width\":80,\"layers\":1,\"heads\":2,"
                   "\"mlp\":349}," TEXT "}");
    struct vlp_compute c;
    struct vlp_error   err;
    ck_assert_int_eq(vlp_compute_init(&c, NULL, getenv("VLP_CPU"), VLP_PRECISION_F32, &err),
                     VLP_OK);
    for (size_t i = 0; i < VLP_COUNT(rows); i++) {
        struct vlp_tape t;
        struct seen     seen = {0};
        vlp_tape_init(&t, &c, &w.mem, false);
        t.training = true;
        t.patch_dropout = rows[i].share;
        struct vlp_tensor *x = vlp_tensor_new(&t, VLP_DIMS(2, 3, 40, 40), false);
        memset(x->data, 0, vlp_numel(x) * sizeof(float));
        vlp_encode_image_watched(&w.model, &t, x, look, &seen);
        ck_assert_msg(seen.block_rows == 2 * (1 + rows[i].stay), "%g: %d rows", rows[i].share,
                      seen.block_rows);
    }
    close_world(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rows");
    TCase *t = tcase_create("independence");
    tcase_set_timeout(t, 300);
    const int n = (int)VLP_COUNT(configs);
    tcase_add_loop_test(t, a_row_does_not_depend_on_its_batch_or_the_threads, 0,
                        n * VLP_PRECISION_COUNT);
    tcase_add_loop_test(t, levels_and_precisions_agree_to_their_rounding, 0, n);
    tcase_add_loop_test(t, values_of_sixteen_bits_encode_as_their_widened_selves, 0, n);
    tcase_add_loop_test(t, trained_values_encode_as_stored_ones, 0, n);
    tcase_add_loop_test(t, weights_used_in_passing_give_the_same_bits, 0, n * VLP_PRECISION_COUNT);
    tcase_add_loop_test(t, threads_that_share_a_fresh_model_get_the_same_bits, 0, n);
    tcase_add_test(t, what_follows_the_end_token_changes_nothing);
    tcase_add_test(t, patch_dropout_keeps_as_many_patches_as_open_clip);
    tcase_add_loop_test(t, watching_changes_no_bit_and_shows_every_block, 0, n);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
