/*
 * check_augment.c -- augmentation: each operation against the pixels of the reference, draws that
 * depend on the seed alone, crops that keep to their ranges.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/image.h>

static struct vlp_arena mem;

static void setup(void)
{
    vlp_arena_init(&mem);
}

static void teardown(void)
{
    vlp_arena_free(&mem);
}

/* 37 x 23, a third of the contrast, red from 0 on and the others from 20 on. */
static struct vlp_image *formula_picture(void)
{
    struct vlp_image *im = VLP_NEW(&mem, struct vlp_image);
    *im = (struct vlp_image){.width = 37, .height = 23, .mode = VLP_IMAGE_RGB, .orientation = 1};
    im->data = vlp_arena_alloc(&mem, 37 * 23 * 3);
    for (int y = 0; y < 23; y++)
        for (int x = 0; x < 37; x++)
            for (int c = 0; c < 3; c++)
                im->data[(y * 37 + x) * 3 + c] =
                    (uint8_t)((uint8_t)(7 * x + 13 * y + 29 * c + x * y) / 3 + (c ? 20 : 0));
    return im;
}

static uint32_t hash(const struct vlp_image *im)
{
    return vlp_fnv1a(VLP_FNV_START, im->data, (size_t)im->width * im->height * 3);
}

/*
 * FNV-1a-32 of the result on the formula picture: of Pillow 13.0's own operations for ViLT; of
 * NumPy and OpenCV, with the published fixed-point recipe of warpAffine, for ALBEF.
 */
static const struct {
    enum vlp_randaugment kind;
    const char          *op;
    double               value;
    uint32_t             want;
} cases[] = {
    {VLP_RANDAUGMENT_VILT, "AutoContrast", 0, 0x5c137e59},
    {VLP_RANDAUGMENT_VILT, "Equalize", 0, 0x3f67d240},
    {VLP_RANDAUGMENT_VILT, "Rotate", 9, 0x161ed266},
    {VLP_RANDAUGMENT_VILT, "Rotate", -21.5, 0x6eb06a21},
    {VLP_RANDAUGMENT_VILT, "Posterize", 1.2, 0xc0990c3f},
    {VLP_RANDAUGMENT_VILT, "Posterize", 5, 0xef4bdfaf},
    {VLP_RANDAUGMENT_VILT, "Solarize", 76.8, 0x541e2ec4},
    {VLP_RANDAUGMENT_VILT, "SolarizeAdd", 33, 0xaf450b86},
    {VLP_RANDAUGMENT_VILT, "Color", 0.64, 0x12dc5c0a},
    {VLP_RANDAUGMENT_VILT, "Color", 1.7, 0x301107d6},
    {VLP_RANDAUGMENT_VILT, "Contrast", 0.64, 0x4888b183},
    {VLP_RANDAUGMENT_VILT, "Contrast", 1.5, 0x109e6508},
    {VLP_RANDAUGMENT_VILT, "Brightness", 0.64, 0x82a8dde4},
    {VLP_RANDAUGMENT_VILT, "Brightness", 1.9, 0xea86e006},
    {VLP_RANDAUGMENT_VILT, "Sharpness", 0.64, 0xd81365f6},
    {VLP_RANDAUGMENT_VILT, "Sharpness", 1.9, 0x4d715d67},
    {VLP_RANDAUGMENT_VILT, "ShearX", 0.09, 0xc487ac2f},
    {VLP_RANDAUGMENT_VILT, "ShearY", -0.27, 0xf873cb17},
    {VLP_RANDAUGMENT_VILT, "TranslateX", 30, 0x6502adac},
    {VLP_RANDAUGMENT_VILT, "TranslateY", -7.5, 0xb4aefc0c},
    {VLP_RANDAUGMENT_ALBEF, "AutoContrast", 0, 0x4d1ef60d},
    {VLP_RANDAUGMENT_ALBEF, "Equalize", 0, 0x3f67d240},
    {VLP_RANDAUGMENT_ALBEF, "Brightness", 1.36, 0xefca519a},
    {VLP_RANDAUGMENT_ALBEF, "Sharpness", 1.36, 0x15c0065c},
    {VLP_RANDAUGMENT_ALBEF, "Sharpness", 0.4, 0x5b25496d},
    {VLP_RANDAUGMENT_ALBEF, "ShearX", 0.21, 0x565629ec},
    {VLP_RANDAUGMENT_ALBEF, "ShearY", -0.15, 0x230b1e82},
    {VLP_RANDAUGMENT_ALBEF, "TranslateX", 7, 0x39066a44},
    {VLP_RANDAUGMENT_ALBEF, "TranslateY", -5, 0x5eeb8497},
    {VLP_RANDAUGMENT_ALBEF, "Rotate", 21, 0x9d4ac2cd},
    {VLP_RANDAUGMENT_ALBEF, "Rotate", -15, 0x5e97e74a},
};

START_TEST(operation_has_the_reference_pixels)
{
    const struct vlp_image *out = vlp_randaugment_apply(&mem, formula_picture(), cases[_i].kind,
                                                        cases[_i].op, cases[_i].value);
    ck_assert_ptr_nonnull(out);
    ck_assert_int_eq(out->width, 37);
    ck_assert_int_eq(out->height, 23);
    ck_assert_msg(hash(out) == cases[_i].want, "%s %g: %08x", cases[_i].op, cases[_i].value,
                  hash(out));
}
END_TEST

START_TEST(unknown_operations_are_not_in_the_list)
{
    const struct vlp_image *im = formula_picture();
    ck_assert_ptr_null(vlp_randaugment_apply(&mem, im, VLP_RANDAUGMENT_ALBEF, "Solarize", 1));
    ck_assert_ptr_null(vlp_randaugment_apply(&mem, im, VLP_RANDAUGMENT_VILT, "Identity", 1));
    ck_assert_ptr_null(vlp_randaugment_apply(&mem, im, VLP_RANDAUGMENT_NONE, "Rotate", 1));
}
END_TEST

START_TEST(factor_one_changes_nothing)
{
    static const char *const ops[] = {"Color", "Contrast", "Brightness", "Sharpness"};
    const struct vlp_image  *im = formula_picture();
    for (int i = 0; i < 4; i++) {
        const struct vlp_image *out =
            vlp_randaugment_apply(&mem, im, VLP_RANDAUGMENT_VILT, ops[i], 1.0);
        ck_assert_mem_eq(out->data, im->data, 37 * 23 * 3);
    }
}
END_TEST

START_TEST(flip_twice_is_the_picture)
{
    const struct vlp_image *im = formula_picture(), *once = vlp_image_flip(&mem, im);
    for (int x = 0; x < 37; x++) ck_assert_mem_eq(once->data + 3 * x, im->data + 3 * (36 - x), 3);
    ck_assert_mem_eq(vlp_image_flip(&mem, once)->data, im->data, 37 * 23 * 3);
}
END_TEST

START_TEST(grey_has_three_equal_channels)
{
    const struct vlp_image *out = vlp_image_grey(&mem, formula_picture());
    for (int i = 0; i < 37 * 23; i++) {
        ck_assert_int_eq(out->data[3 * i], out->data[3 * i + 1]);
        ck_assert_int_eq(out->data[3 * i], out->data[3 * i + 2]);
    }
}
END_TEST

/* ---- random draws ------------------------------------------------------------------ */

START_TEST(random_crops_keep_to_area_and_ratio)
{
    static const double area[2] = {0.2, 0.6}, ratio[2] = {3.0 / 4, 4.0 / 3};
    struct vlp_rng      rng;
    double              sum = 0, log_sum = 0;
    enum { N = 4000 };
    vlp_rng_seed(&rng, 5, 5);
    for (int i = 0; i < N; i++) {
        const struct vlp_rect r = vlp_random_crop(1000, 800, area, ratio, &rng);
        ck_assert(r.x >= 0 && r.y >= 0 && r.width > 0 && r.height > 0);
        ck_assert_int_le(r.x + r.width, 1000);
        ck_assert_int_le(r.y + r.height, 800);
        const double a = r.width * (double)r.height / 800000, q = (double)r.width / r.height;
        ck_assert(a > 0.198 && a < 0.602 && q > 0.745 && q < 1.342);
        sum += a;
        log_sum += log(q);
    }
    /* Means of the uniform distributions; the deviation of a mean is below 0.002. */
    ck_assert_double_eq_tol(sum / N, 0.4, 0.01);
    ck_assert_double_eq_tol(log_sum / N, 0.0, 0.015);
}
END_TEST

START_TEST(crop_of_an_extreme_picture_falls_back_to_its_centre)
{
    static const double area[2] = {0.9, 1.0}, ratio[2] = {3.0 / 4, 4.0 / 3};
    struct vlp_rng      rng;
    vlp_rng_seed(&rng, 1, 1);
    struct vlp_rect r = vlp_random_crop(1000, 30, area, ratio, &rng);
    ck_assert_int_eq(r.width, 40);
    ck_assert_int_eq(r.height, 30);
    ck_assert_int_eq(r.x, 480);
    r = vlp_random_crop(30, 1000, area, ratio, &rng);
    ck_assert_int_eq(r.width, 30);
    ck_assert_int_eq(r.height, 40);
    ck_assert_int_eq(r.y, 480);
}
END_TEST

static const struct vlp_augment recipes[] = {
    {.crop = VLP_CROP_AREA, .area = {0.4, 0.7}, .ratio = {0.75, 4.0 / 3}},
    {.crop = VLP_CROP_SQUARE, .flip = 0.5},
    {.crop = VLP_CROP_AREA,
     .area = {0.5, 1.0},
     .ratio = {0.75, 4.0 / 3},
     .flip = 0.5,
     .kind = VLP_RANDAUGMENT_ALBEF,
     .n_ops = 2,
     .magnitude = 7},
    {.kind = VLP_RANDAUGMENT_VILT, .n_ops = 2, .magnitude = 9},
    {.crop = VLP_CROP_AREA,
     .area = {0.08, 1.0},
     .ratio = {0.75, 4.0 / 3},
     .flip = 0.5,
     .jitter = 0.8,
     .grey = 0.2,
     .colour = {0.4, 0.4, 0.4, 0.1}},
};

START_TEST(sample_depends_on_its_seed_alone)
{
    const struct vlp_image *im = formula_picture();
    struct vlp_preprocess   how;
    vlp_preprocess_flavour(&how, "openai", 24);
    uint32_t seen[64];
    int      different = 0;
    for (uint64_t sample = 0; sample < 64; sample++) {
        struct vlp_rng a, b;
        vlp_rng_seed(&a, 42, sample);
        vlp_rng_seed(&b, 42, sample);
        const struct vlp_image *x = vlp_augment_u8(&mem, im, &how, &recipes[_i], &a);
        const struct vlp_image *y = vlp_augment_u8(&mem, im, &how, &recipes[_i], &b);
        ck_assert_int_eq(x->width, 24);
        ck_assert_int_eq(x->height, 24);
        ck_assert_int_eq(x->mode, VLP_IMAGE_RGB);
        ck_assert_mem_eq(x->data, y->data, 24 * 24 * 3);
        ck_assert_mem_eq(&a, &b, sizeof a);
        seen[sample] = hash(x);
        different += sample > 0 && seen[sample] != seen[0];
    }
    ck_assert_int_gt(different, 30);
}
END_TEST

START_TEST(zeroed_recipe_is_plain_preprocessing)
{
    const struct vlp_image  *im = formula_picture();
    const struct vlp_augment none = {.crop = VLP_CROP_NONE};
    struct vlp_preprocess    how;
    struct vlp_rng           rng;
    vlp_rng_seed(&rng, 1, 2);
    for (int i = 0; vlp_preprocess_flavours[i]; i++) {
        vlp_preprocess_flavour(&how, vlp_preprocess_flavours[i], 32);
        const struct vlp_image *a = vlp_augment_u8(&mem, im, &how, &none, &rng);
        const struct vlp_image *b = vlp_preprocess_u8(&mem, im, &how);
        ck_assert_int_eq(a->width, b->width);
        ck_assert_mem_eq(a->data, b->data, (size_t)b->width * b->height * 3);
    }
}
END_TEST

START_TEST(full_crop_equals_a_squash)
{
    static const double      area[2] = {1, 1}, ratio[2] = {1, 1};
    struct vlp_image        *im = formula_picture();
    const struct vlp_augment full = {
        .crop = VLP_CROP_AREA, .area = {area[0], area[1]}, .ratio = {ratio[0], ratio[1]}};
    struct vlp_preprocess how;
    struct vlp_rng        rng;
    vlp_rng_seed(&rng, 3, 4);
    vlp_preprocess_flavour(&how, "squash", 16);
    im->width = im->height = 23; /* a square of the first pixels */
    ck_assert_mem_eq(vlp_augment_u8(&mem, im, &how, &full, &rng)->data,
                     vlp_preprocess_u8(&mem, im, &how)->data, 16 * 16 * 3);
}
END_TEST

START_TEST(jitter_of_nothing_is_nothing)
{
    const struct vlp_image *im = formula_picture();
    const struct vlp_jitter none = {0, 0, 0, 0};
    struct vlp_rng          rng;
    vlp_rng_seed(&rng, 3, 4);
    ck_assert_ptr_eq(vlp_colour_jitter(&mem, im, &none, &rng), im);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("augment");
    TCase *t = tcase_create("augment");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, operation_has_the_reference_pixels, 0, (int)VLP_COUNT(cases));
    tcase_add_test(t, unknown_operations_are_not_in_the_list);
    tcase_add_test(t, factor_one_changes_nothing);
    tcase_add_test(t, flip_twice_is_the_picture);
    tcase_add_test(t, grey_has_three_equal_channels);
    tcase_add_test(t, random_crops_keep_to_area_and_ratio);
    tcase_add_test(t, crop_of_an_extreme_picture_falls_back_to_its_centre);
    tcase_add_loop_test(t, sample_depends_on_its_seed_alone, 0, (int)VLP_COUNT(recipes));
    tcase_add_test(t, zeroed_recipe_is_plain_preprocessing);
    tcase_add_test(t, full_crop_equals_a_squash);
    tcase_add_test(t, jitter_of_nothing_is_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
