/*
 * check_task.c -- models opened with all they need, against the reference's end-to-end numbers; the
 * embedding pipeline.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/task.h>

#define END_TO_END "tests/golden/clip/end-to-end"
enum { PICTURES = 12, TEXTS = 4, DIM = 32, SIDE = 64 };

static const char *const texts[TEXTS] = {
    "a photo of a cat.", "Two dogs play in the snow, near a red barn", "it's 2021, isn't it?",
    ("na\xc3\xafve caf\xc3\xa9 \xe2\x80\x94 \xe2\x80\x9cquotes\xe2\x80\x9d &amp; more "
     "\xf0\x9f\x98\x80")};

static void open_encoder(struct vlp_encoder *e, const char *flavour, int threads)
{
    struct vlp_error                 err = {0};
    const struct vlp_encoder_options opt = {
        .flavour = flavour, .threads = threads, .share_dir = "share/vlp"};
    ck_assert_msg(vlp_encoder_open(e, END_TO_END "/model", &opt, &err) == VLP_OK, "%s", err.text);
}

static const float *expected(const struct vlp_safetensors *s, const char *flavour, const char *name,
                             size_t n)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s%s", flavour, *flavour ? "." : "", name);
    const struct vlp_stored *t = vlp_safetensors_find(s, full);
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(t->size, n * sizeof(float));
    return (const float *)t->data;
}

static void close_to(const float *got, const float *want, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= tolerance, "element %zu: %g instead of %g",
                      i, (double)got[i], (double)want[i]);
}

static void open_expected(struct vlp_safetensors *s)
{
    struct vlp_error err = {0};
    ck_assert_msg(vlp_safetensors_open(s, END_TO_END "/expected.safetensors", &err) == VLP_OK, "%s",
                  err.text);
}

static const char *const flavours[] = {"openai", "hf"};

START_TEST(pictures_and_texts_give_the_references_vectors_and_logits)
{
    const char            *flavour = flavours[_i];
    struct vlp_encoder     e;
    struct vlp_safetensors s;
    float                  image[PICTURES * DIM], text[TEXTS * DIM], logits[PICTURES * TEXTS];
    struct vlp_error       err = {0};
    open_expected(&s);
    open_encoder(&e, flavour, 0);
    ck_assert_int_eq(e.model.embed_dim, DIM);
    for (int i = 0; i < PICTURES; i++) {
        char path[64];
        snprintf(path, sizeof path, END_TO_END "/p%02d.png", i);
        ck_assert_msg(vlp_encode_picture_file(&e, path, NULL, 0, image + i * DIM, NULL, &err) ==
                          VLP_OK,
                      "%s", err.text);
    }
    bool cut[TEXTS];
    ck_assert_int_eq(vlp_encode_strings(&e, texts, TEXTS, text, cut, &err), VLP_OK);
    const double scale = exp((double)vlp_param_f32(e.model.logit_scale)[0]);
    for (int i = 0; i < PICTURES; i++)
        for (int j = 0; j < TEXTS; j++) {
            double dot = 0;
            for (int c = 0; c < DIM; c++) dot += (double)image[i * DIM + c] * text[j * DIM + c];
            logits[i * TEXTS + j] = (float)(scale * dot);
        }
    close_to(text, expected(&s, "", "text_embeds", TEXTS * DIM), TEXTS * DIM, 1e-4);
    close_to(image, expected(&s, flavour, "image_embeds", PICTURES * DIM), PICTURES * DIM, 1e-4);
    close_to(logits, expected(&s, flavour, "logits_per_image", PICTURES * TEXTS), PICTURES * TEXTS,
             1e-4);
    for (int j = 0; j < TEXTS; j++) ck_assert(!cut[j]);
    vlp_encoder_close(&e);
    vlp_safetensors_close(&s);
}
END_TEST

START_TEST(pictures_become_the_references_pixels)
{
    const char            *flavour = flavours[_i];
    struct vlp_encoder     e;
    struct vlp_safetensors s;
    struct vlp_error       err = {0};
    struct vlp_arena       mem;
    float                  got[2 * 3 * SIDE * SIDE];
    vlp_arena_init(&mem);
    open_expected(&s);
    open_encoder(&e, flavour, 1);
    for (int i = 0; i < 2; i++) {
        struct vlp_image image;
        ck_assert_int_eq(
            vlp_image_read(&image, &mem, i ? END_TO_END "/p01.png" : END_TO_END "/p00.png", &err),
            VLP_OK);
        vlp_preprocess_normalize(got + i * 3 * SIDE * SIDE,
                                 vlp_preprocess_u8(&mem, &image, &e.preprocess), &e.preprocess);
    }
    /* 1e-6: one step of a u8 pixel is 0.015, so this says that every pixel is the same. */
    close_to(got, expected(&s, flavour, "pixels", VLP_COUNT(got)), VLP_COUNT(got), 1e-6);
    vlp_encoder_close(&e);
    vlp_safetensors_close(&s);
    vlp_arena_free(&mem);
}
END_TEST

START_TEST(another_flavour_is_another_fingerprint)
{
    struct vlp_encoder a, b, c;
    open_encoder(&a, NULL, 1);
    open_encoder(&b, "hf", 1);
    open_encoder(&c, "openai", 1);
    ck_assert_str_eq(a.fingerprint, b.fingerprint); /* the folder's own flavour is hf */
    ck_assert_str_ne(a.fingerprint, c.fingerprint);
    /* that which streams have which were written before */
    ck_assert_str_eq(a.fingerprint, "e6ec163b7501c9a80ece4881e01e9c1a");
    vlp_encoder_close(&a);
    vlp_encoder_close(&b);
    vlp_encoder_close(&c);
}
END_TEST

/* The model whose document says what the option says gives the same vectors under the same name. */
START_TEST(a_flavour_has_the_fingerprint_of_the_model_that_is_made_so)
{
    static const struct {
        const char *flavour, *resize;
        bool        rgb_first, crop_floor;
    } made[] = {{"openai", "shortest", false, false},
                {"hf", "shortest", true, true},
                {"squash", "squash", false, false},
                {"longest", "longest", false, false},
                {"square", "squash", true, false}};
    struct vlp_encoder    e;
    struct vlp_checkpoint c;
    struct vlp_error      err = {0};
    char                  own[33], want[33];
    open_encoder(&e, NULL, 1);
    memcpy(own, e.fingerprint, sizeof own);
    vlp_encoder_close(&e);
    for (size_t i = 0; i < VLP_COUNT(made); i++) {
        open_encoder(&e, made[i].flavour, 1);
        ck_assert_int_eq(strcmp(e.fingerprint, own) == 0, strcmp(made[i].flavour, "hf") == 0);
        ck_assert_int_eq(vlp_checkpoint_open(&c, END_TO_END "/model", NULL, &err), VLP_OK);
        json_t *p = json_object_get(c.about, "preprocess");
        json_object_set_new(p, "resize", json_string(made[i].resize));
        json_object_set_new(p, "rgb_first", json_boolean(made[i].rgb_first));
        json_object_set_new(p, "crop_floor", json_boolean(made[i].crop_floor));
        vlp_checkpoint_fingerprint(&c, want);
        ck_assert_msg(strcmp(e.fingerprint, want) == 0, "%s", made[i].flavour);
        vlp_checkpoint_close(&c);
        vlp_encoder_close(&e);
    }
}
END_TEST

START_TEST(a_model_with_a_small_vocabulary_opens_and_says_why_it_takes_no_text)
{
    struct vlp_encoder               e;
    struct vlp_error                 err = {0};
    float                            out[DIM];
    const struct vlp_encoder_options opt = {.threads = 1, .share_dir = "share/vlp"};
    ck_assert_int_eq(vlp_encoder_open(&e, "tests/golden/clip/hf-quick", &opt, &err), VLP_OK);
    ck_assert_int_eq(vlp_encoder_texts(&e, &err), VLP_ERR_SUPPORT);
    ck_assert(strlen(err.text) > 0);
    ck_assert_int_eq(vlp_encode_string(&e, "a cat", out, NULL, &err), VLP_ERR_SUPPORT);
    vlp_encoder_close(&e);
}
END_TEST

/* ---- the pipeline ------------------------------------------------------------------ */

struct collected {
    int   n, bad, stop_after;
    char  id[64][256];
    float image[64][DIM];
    bool  has_image[64];
    char  reason[256];
    /* as handed over: of one unit they differ, unless they are one vector */
    const float *at[64];
};

static enum vlp_status collect(void *ctx, const struct vlp_embedded *r, struct vlp_error *err)
{
    struct collected *c = ctx;
    (void)err;
    if (r->status != VLP_OK) {
        c->bad++;
        snprintf(c->reason, sizeof c->reason, "%s", r->reason);
        return VLP_OK;
    }
    snprintf(c->id[c->n], sizeof c->id[c->n], "%.*s", (int)r->item->id_len, r->item->id);
    c->has_image[c->n] = r->image != NULL;
    c->at[c->n] = r->image;
    if (r->image) memcpy(c->image[c->n], r->image, sizeof c->image[c->n]);
    c->n++;
    return VLP_OK;
}

static bool enough(void *ctx)
{
    const struct collected *c = ctx;
    return c->stop_after > 0 && c->n >= c->stop_after;
}

static enum vlp_status run(struct collected *c, struct vlp_encoder *e, char *const *paths, int n,
                           int batch, struct vlp_error *err)
{
    const struct vlp_source_options from = {.paths = paths, .n_paths = n, .recursive = true};
    const struct vlp_embed_options  how = {.batch = batch,
                                           .features = {.normalize = true},
                                           .images = true,
                                           .take = collect,
                                           .stop = enough,
                                           .ctx = c};
    struct vlp_source              *source;
    ck_assert_int_eq(vlp_source_open(&source, &from, err), VLP_OK);
    const enum vlp_status s = vlp_embed_run(e, source, &how, err);
    vlp_source_close(source);
    return s;
}

static char *all_pictures[] = {END_TO_END "/p00.png", END_TO_END "/p01.png", END_TO_END "/p02.png",
                               END_TO_END "/p03.png", END_TO_END "/p04.png", END_TO_END "/p05.png",
                               END_TO_END "/p06.png", END_TO_END "/p07.png", END_TO_END "/p08.png",
                               END_TO_END "/p09.png", END_TO_END "/p10.png", END_TO_END "/p11.png"};

START_TEST(batch_and_threads_change_neither_order_nor_bits)
{
    static const int        batches[] = {0, 1, 5, 64}, threads[] = {1, 2, 3};
    static struct collected first, other;
    struct vlp_error        err = {0};
    memset(&first, 0, sizeof first);
    for (size_t t = 0; t < VLP_COUNT(threads); t++) {
        struct vlp_encoder e;
        open_encoder(&e, NULL, threads[t]);
        for (size_t b = 0; b < VLP_COUNT(batches); b++) {
            struct collected *c = first.n == 0 ? &first : &other;
            memset(c, 0, sizeof *c);
            ck_assert_int_eq(run(c, &e, all_pictures, PICTURES, batches[b], &err), VLP_OK);
            ck_assert_int_eq(c->n, PICTURES);
            for (int i = 0; i < PICTURES; i++) {
                ck_assert_str_eq(c->id[i], all_pictures[i]);
                ck_assert_mem_eq(c->image[i], first.image[i], sizeof first.image[i]);
            }
        }
        float alone[DIM];
        ck_assert_int_eq(vlp_encode_picture_file(&e, all_pictures[7], NULL, 0, alone, NULL, &err),
                         VLP_OK);
        ck_assert_mem_eq(alone, first.image[7], sizeof alone);
        vlp_encoder_close(&e);
    }
}
END_TEST

/* A picture comes once for each of its captions. */
START_TEST(records_side_by_side_of_one_picture_share_its_encoding)
{
    static struct collected c;
    struct vlp_encoder      e;
    struct vlp_error        err = {0};
    char tar[] = "/tmp/vlp-task-XXXXXX", command[512], *p0 = all_pictures[0], *p1 = all_pictures[1];
    char *paths[] = {p0, p0, END_TO_END "/cases.json.png", p0, p1, p1, p0, tar};
    float alone[2][DIM];
    close(mkstemp(tar));
    /* members a.png with three captions, and b.png, other bytes of the same length */
    snprintf(
        command, sizeof command,
        "d=$(mktemp -d) && cp %s $d/a.png && printf '1\\n2\\n3\\n' >$d/a.txt && cp %s $d/b.png "
        "&& truncate -s 40000 $d/a.png $d/b.png && tar -C $d -cf %s a.png a.txt b.png && "
        "rm -r $d",
        p0, p1, tar);
    ck_assert_int_eq(system(command), 0);
    memset(&c, 0, sizeof c);
    open_encoder(&e, NULL, 1);
    ck_assert_int_eq(run(&c, &e, paths, 8, 64, &err), VLP_OK);
    unlink(tar);
    ck_assert_int_eq(c.bad, 1);
    ck_assert_int_eq(c.n, 10);
    for (int k = 0; k < 2; k++)
        ck_assert_int_eq(
            vlp_encode_picture_file(&e, all_pictures[k], NULL, 0, alone[k], NULL, &err), VLP_OK);
    static const int which[] = {0, 0, 0, 1, 1, 0, 0, 0, 0, 1}, shared[] = {1, 2, 4, 7, 8};
    for (int i = 0; i < c.n; i++) ck_assert_mem_eq(c.image[i], alone[which[i]], sizeof alone[0]);
    for (size_t i = 0; i < VLP_COUNT(shared); i++)
        ck_assert_ptr_eq(c.at[shared[i]], c.at[shared[i] - 1]);
    vlp_encoder_close(&e);
}
END_TEST

START_TEST(a_bad_picture_is_reported_in_its_place_and_the_rest_goes_on)
{
    static struct collected c;
    struct vlp_encoder      e;
    struct vlp_error        err = {0};
    char *paths[] = {all_pictures[0], END_TO_END "/cases.json.png", all_pictures[1]};
    memset(&c, 0, sizeof c);
    open_encoder(&e, NULL, 2);
    ck_assert_int_eq(run(&c, &e, paths, 3, 0, &err), VLP_OK);
    ck_assert_int_eq(c.n, 2);
    ck_assert_int_eq(c.bad, 1);
    ck_assert_ptr_nonnull(strstr(c.reason, "cases.json.png"));
    vlp_encoder_close(&e);
}
END_TEST

/* Whatever made the weights: their checksums fit here. */
START_TEST(a_vector_that_is_not_finite_is_a_failed_record)
{
    static const float      values[] = {NAN, INFINITY};
    static struct collected c;
    struct vlp_encoder      e;
    struct vlp_error        err = {0};
    open_encoder(&e, NULL, 2);
    struct vlp_param *image = vlp_params_find(&e.model.params, "visual.ln_post.weight");
    struct vlp_param *text = vlp_params_find(&e.model.params, "ln_final.weight");
    const size_t      n = vlp_numel(&image->tensor), m = vlp_numel(&text->tensor);
    float            *v = vlp_calloc(n + m, sizeof *v), out[DIM];
    v[n - 1] = v[n + m - 1] = values[_i];
    vlp_param_bind(image, VLP_F32, v);
    vlp_param_bind(text, VLP_F32, v + n);
    memset(&c, 0, sizeof c);
    ck_assert_int_eq(run(&c, &e, all_pictures, PICTURES, 0, &err), VLP_OK);
    ck_assert_int_eq(c.n, 0);
    ck_assert_int_eq(c.bad, PICTURES);
    ck_assert_msg(strstr(c.reason, "not finite") != NULL, "%s", c.reason);
    ck_assert_int_eq(vlp_encode_picture_file(&e, all_pictures[0], NULL, 0, out, NULL, &err),
                     VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, all_pictures[0]));
    ck_assert_int_eq(vlp_encode_string(&e, "a cat", out, NULL, &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "a cat"));
    vlp_encoder_close(&e);
    free(v);
}
END_TEST

START_TEST(a_run_that_is_stopped_has_handed_over_whole_records_in_order)
{
    static struct collected c;
    struct vlp_encoder      e;
    struct vlp_error        err = {0};
    memset(&c, 0, sizeof c);
    c.stop_after = 3;
    open_encoder(&e, NULL, 1);
    ck_assert_int_eq(run(&c, &e, all_pictures, PICTURES, 1, &err), VLP_ERR_STOPPED);
    ck_assert_int_ge(c.n, 3);
    ck_assert_int_lt(c.n, PICTURES);
    for (int i = 0; i < c.n; i++) ck_assert_str_eq(c.id[i], all_pictures[i]);
    vlp_encoder_close(&e);
}
END_TEST

START_TEST(a_template_takes_the_text_in_place_of_its_braces)
{
    struct vlp_arena mem;
    size_t           len;
    vlp_arena_init(&mem);
    ck_assert_str_eq(vlp_template_fill(&mem, "a photo of a {}.", "cat", 3, &len),
                     "a photo of a cat.");
    ck_assert_uint_eq(len, 17);
    ck_assert_str_eq(vlp_template_fill(&mem, "{}", "cat", 3, &len), "cat");
    ck_assert_str_eq(vlp_template_fill(&mem, "photo", "cat", 3, &len), "photo cat");
    ck_assert_uint_eq(len, 9);
    ck_assert_str_eq(vlp_template_fill(&mem, "the {} and {}{}", "cat", 3, &len),
                     "the cat and catcat");
    ck_assert_uint_eq(len, 18);
    ck_assert_str_eq(vlp_template_fill(&mem, "the {}.", "{}", 2, &len), "the {}.");
    ck_assert_str_eq(vlp_template_fill(&mem, "", "cat", 3, &len), "cat");
    vlp_arena_free(&mem);
}
END_TEST

static void count_bad(void *ctx, bool good, const char *level, const char *sentence)
{
    (void)level;
    (void)sentence;
    if (!good) ++*(int *)ctx;
}

START_TEST(every_level_of_this_machine_passes_the_selftest)
{
    struct vlp_error err = {0};
    int              bad = 0;
    ck_assert_msg(vlp_selftest(NULL, 2, count_bad, &bad, &err) == VLP_OK, "%s", err.text);
    ck_assert_int_eq(bad, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("task");
    TCase *c = tcase_create("encoder");
    tcase_add_loop_test(c, pictures_and_texts_give_the_references_vectors_and_logits, 0, 2);
    tcase_add_loop_test(c, pictures_become_the_references_pixels, 0, 2);
    tcase_add_test(c, another_flavour_is_another_fingerprint);
    tcase_add_test(c, a_flavour_has_the_fingerprint_of_the_model_that_is_made_so);
    tcase_add_test(c, a_model_with_a_small_vocabulary_opens_and_says_why_it_takes_no_text);
    suite_add_tcase(s, c);
    c = tcase_create("embed");
    tcase_add_test(c, batch_and_threads_change_neither_order_nor_bits);
    tcase_add_test(c, records_side_by_side_of_one_picture_share_its_encoding);
    tcase_add_test(c, a_bad_picture_is_reported_in_its_place_and_the_rest_goes_on);
    tcase_add_loop_test(c, a_vector_that_is_not_finite_is_a_failed_record, 0, 2);
    tcase_add_test(c, a_run_that_is_stopped_has_handed_over_whole_records_in_order);
    tcase_add_test(c, a_template_takes_the_text_in_place_of_its_braces);
    tcase_add_test(c, every_level_of_this_machine_passes_the_selftest);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
