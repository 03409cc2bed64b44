/*
 * check_resize.c -- the resize against the formula written down plainly, level against level, and
 * turning, converting and encoding against what they mean.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/image.h>

static struct vlp_arena mem;
static struct vlp_rng   rng;

static void setup(void)
{
    vlp_arena_init(&mem);
    vlp_rng_seed(&rng, 20, 1);
}

static void teardown(void)
{
    vlp_arena_free(&mem);
}

static struct vlp_image *noise(int width, int height, enum vlp_image_mode mode)
{
    struct vlp_image *im = VLP_NEW(&mem, struct vlp_image);
    *im = (struct vlp_image){.width = width, .height = height, .mode = mode, .orientation = 1};
    const size_t n = (size_t)width * height * vlp_image_mode_bytes(mode);
    im->data = vlp_arena_alloc(&mem, n);
    for (size_t i = 0; i < n; i++) im->data[i] = (uint8_t)(vlp_rng_next(&rng) >> 20);
    if (mode == VLP_IMAGE_1)
        for (size_t i = 0; i < n; i++) im->data[i] = im->data[i] & 1 ? 255 : 0;
    for (int i = 0; i < 256; i++)
        for (int c = 0; c < 4; c++) im->palette[i][c] = (uint8_t)(i * (c + 3));
    return im;
}

/* ---- the formula, one output at a time --------------------------------------------- */

static double weight(enum vlp_filter f, double x)
{
    x = fabs(x);
    if (f == VLP_LANCZOS && x > 0)
        return x < 3 ? sin(M_PI * x) / (M_PI * x) * (sin(M_PI * x / 3) / (M_PI * x / 3)) : 0;
    if (f == VLP_BILINEAR) return x < 1 ? 1 - x : 0;
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/* Output `o` of `out` from `in` samples `step` apart. */
static uint8_t plain(const uint8_t *p, size_t step, int in, int out, int o, enum vlp_filter f)
{
    const double scale = (double)in / out, fs = scale > 1 ? scale : 1;
    const double support = fs * (f == VLP_LANCZOS ? 3 : f == VLP_BICUBIC ? 2 : 1);
    const double c = (o + 0.5) * scale;
    int          lo = (int)(c - support + 0.5), hi = (int)(c + support + 0.5);
    if (lo < 0) lo = 0;
    if (hi > in) hi = in;
    double sum = 0;
    for (int i = lo; i < hi; i++) sum += weight(f, (i - c + 0.5) * (1 / fs));
    int64_t acc = 1 << 21;
    for (int i = lo; i < hi; i++) {
        const double w = weight(f, (i - c + 0.5) * (1 / fs)) / sum * (1 << 22);
        acc += p[step * i] * (int64_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
    acc >>= 22;
    return acc < 0 ? 0 : acc > 255 ? 255 : (uint8_t)acc;
}

/* One pass over the rows (or, transposed, the columns) of interleaved samples. */
static uint8_t *plain_pass(const uint8_t *in, int w, int h, int ch, int out, bool down,
                           enum vlp_filter f)
{
    const int ow = down ? w : out, oh = down ? out : h;
    uint8_t  *q = vlp_arena_alloc(&mem, (size_t)ow * oh * ch);
    for (int y = 0; y < oh; y++)
        for (int x = 0; x < ow; x++)
            for (int c = 0; c < ch; c++)
                q[(y * ow + x) * ch + c] =
                    down ? plain(in + x * ch + c, (size_t)w * ch, h, out, y, f)
                         : plain(in + (size_t)y * w * ch + c, (size_t)ch, w, out, x, f);
    return q;
}

static const int sizes[][4] = {
    /* in, out */
    {37, 23, 16, 16}, {37, 23, 80, 50}, {1, 1, 7, 5},     {1, 9, 4, 3},      {200, 3, 20, 30},
    {3, 200, 30, 20}, {64, 64, 64, 10}, {64, 64, 10, 64}, {100, 90, 33, 33}, {5, 300, 224, 60},
    {300, 5, 60, 1},  {2, 2, 1, 1},     {129, 65, 1, 1},  {31, 33, 97, 34},
};
#define N_SIZES (int)VLP_COUNT(sizes)

START_TEST(resize_follows_the_formula)
{
    static const enum vlp_image_mode modes[] = {VLP_IMAGE_L, VLP_IMAGE_RGB, VLP_IMAGE_CMYK};
    const int w = sizes[_i][0], h = sizes[_i][1], W = sizes[_i][2], H = sizes[_i][3];
    for (int m = 0; m < 3; m++) {
        for (enum vlp_filter f = VLP_LANCZOS; f <= VLP_BICUBIC; f++) {
            const struct vlp_image *im = noise(w, h, modes[m]);
            const int               ch = vlp_image_mode_bytes(modes[m]);
            const bool              down_first = h > H && h - H > (w - W) * 2;
            const uint8_t          *p = im->data;
            if (down_first) p = plain_pass(p, w, h, ch, H, true, f);
            if (w != W) p = plain_pass(p, w, down_first ? H : h, ch, W, false, f);
            if (!down_first && h != H) p = plain_pass(p, W, h, ch, H, true, f);
            const struct vlp_image *got = vlp_image_resize(&mem, im, W, H, f);
            ck_assert_int_eq(got->width, W);
            ck_assert_int_eq(got->height, H);
            ck_assert_mem_eq(got->data, p, (size_t)W * H * ch);
        }
    }
}
END_TEST

START_TEST(every_level_gives_the_same_bits)
{
    static const char *const levels[] = {"avx2", "vnni"};
    for (int round = 0; round < 150; round++) {
        const enum vlp_image_mode mode = round % 8;
        const int w = 1 + (int)vlp_rng_below(&rng, 150), h = 1 + (int)vlp_rng_below(&rng, 150);
        const int W = 1 + (int)vlp_rng_below(&rng, 150), H = 1 + (int)vlp_rng_below(&rng, 150);
        const struct vlp_image *im = noise(w, h, mode);
        setenv("VLP_CPU", "portable", 1);
        const struct vlp_image *want = vlp_image_resize(&mem, im, W, H, VLP_BICUBIC);
        for (int l = 0; l < 2; l++) {
            setenv("VLP_CPU", levels[l], 1);
            const struct vlp_image *got = vlp_image_resize(&mem, im, W, H, VLP_BICUBIC);
            ck_assert_mem_eq(got->data, want->data, (size_t)W * H * vlp_image_mode_bytes(mode));
        }
        unsetenv("VLP_CPU");
    }
}
END_TEST

START_TEST(crop_of_a_resize_equals_the_resize_of_a_crop)
{
    struct vlp_preprocess how;
    ck_assert(vlp_preprocess_flavour(&how, "openai", 40));
    for (int round = 0; round < 200; round++) {
        const enum vlp_image_mode mode = round % 8;
        const int w = 1 + (int)vlp_rng_below(&rng, 200), h = 1 + (int)vlp_rng_below(&rng, 200);
        const struct vlp_image *im = noise(w, h, mode);
        how.filter = round % 2 ? VLP_BICUBIC : VLP_BILINEAR;
        how.crop_floor = round % 3 == 0;
        const int               W = w <= h ? 40 : 40 * w / h, H = w <= h ? 40 * h / w : 40;
        const double            dx = (W - 40) / 2.0, dy = (H - 40) / 2.0;
        const int               x = (int)(how.crop_floor ? floor(dx) : nearbyint(dx));
        const int               y = (int)(how.crop_floor ? floor(dy) : nearbyint(dy));
        const struct vlp_image *whole = vlp_image_resize(&mem, im, W, H, how.filter);
        whole = vlp_image_to_rgb(&mem, whole, false);
        const struct vlp_image *got = vlp_preprocess_u8(&mem, im, &how);
        for (int j = 0; j < 40; j++)
            ck_assert_mem_eq(got->data + j * 120, whole->data + ((size_t)(y + j) * W + x) * 3, 120);
    }
}
END_TEST

/* Hugging Face's processors: what the crop lacks is black, the larger half of it before. */
START_TEST(resized_to_one_size_and_cropped_to_another)
{
    struct vlp_preprocess how;
    ck_assert(vlp_preprocess_flavour(&how, "hf", 24));
    for (int round = 0; round < 200; round++) {
        const int  w = 1 + (int)vlp_rng_below(&rng, 99), h = 1 + (int)vlp_rng_below(&rng, 99);
        const int  n = 10 + (int)vlp_rng_below(&rng, 40), m = 10 + (int)vlp_rng_below(&rng, 40);
        const bool squash = round % 2;
        const struct vlp_image *im = noise(w, h, VLP_IMAGE_RGB);
        how.resize = squash ? VLP_RESIZE_SQUASH : VLP_RESIZE_SHORTEST;
        how.height = 17 + round % 20;
        how.resize_width = n;
        how.resize_height = squash ? m : n;
        const int W = squash ? n : w <= h ? n : (int)((double)n * w / h);
        const int H = squash ? m : w <= h ? (int)((double)n * h / w) : n;
        const int x = (int)floor((W - how.width) / 2.0), y = (int)floor((H - how.height) / 2.0);
        const struct vlp_image *whole = vlp_image_resize(&mem, im, W, H, how.filter);
        const struct vlp_image *got = vlp_preprocess_u8(&mem, im, &how);
        ck_assert_int_eq(got->width, how.width);
        ck_assert_int_eq(got->height, how.height);
        for (int j = 0; j < how.height; j++)
            for (int i = 0; i < how.width; i++) {
                static const uint8_t black[3];
                const bool           in = x + i >= 0 && x + i < W && y + j >= 0 && y + j < H;
                ck_assert_mem_eq(got->data + ((size_t)j * how.width + i) * 3,
                                 in ? whole->data + ((size_t)(y + j) * W + x + i) * 3 : black, 3);
            }
    }
}
END_TEST

START_TEST(constant_pictures_stay_constant)
{
    for (int v = 0; v < 256; v += 15) {
        struct vlp_image *im = noise(61, 47, VLP_IMAGE_RGBA);
        memset(im->data, v, 61 * 47 * 4);
        for (size_t i = 3; i < 61 * 47 * 4; i += 4) im->data[i] = 255;
        const struct vlp_image *out = vlp_image_resize(&mem, im, 30, 90, VLP_BICUBIC);
        for (int i = 0; i < 30 * 90 * 4; i++) ck_assert_int_eq(out->data[i], i % 4 == 3 ? 255 : v);
    }
}
END_TEST

START_TEST(palette_and_bitmap_pictures_take_the_nearest_pixel)
{
    const struct vlp_image *im = noise(10, 6, VLP_IMAGE_P);
    const struct vlp_image *out = vlp_image_resize(&mem, im, 5, 12, VLP_BICUBIC);
    ck_assert_int_eq(out->mode, VLP_IMAGE_P);
    for (int y = 0; y < 12; y++)
        for (int x = 0; x < 5; x++)
            ck_assert_int_eq(out->data[y * 5 + x], im->data[y / 2 * 10 + 2 * x + 1]);
    ck_assert_mem_eq(out->palette, im->palette, sizeof im->palette);
}
END_TEST

START_TEST(grey16_clamps_like_the_reference_or_takes_the_high_byte)
{
    struct vlp_image     *im = noise(4, 1, VLP_IMAGE_I16);
    static const uint16_t v[4] = {0, 200, 256, 0xab12};
    memcpy(im->data, v, sizeof v);
    const uint8_t       *clamped = vlp_image_to_rgb(&mem, im, false)->data;
    const uint8_t       *high = vlp_image_to_rgb(&mem, im, true)->data;
    static const uint8_t want_clamped[4] = {0, 200, 255, 255}, want_high[4] = {0, 0, 1, 0xab};
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(clamped[i], want_clamped[i / 3]);
        ck_assert_int_eq(high[i], want_high[i / 3]);
    }
}
END_TEST

/* ---- orientation ------------------------------------------------------------------- */

START_TEST(orientation_puts_the_first_row_and_column_where_exif_says)
{
    /* Of a 3 x 2 picture abc/def, the result's rows for orientations 1 to 8. */
    static const char *const want[9] = {NULL,     "abcdef", "cbafed", "fedcba", "defabc",
                                        "adbecf", "daebfc", "fcebda", "cfbead"};
    for (int o = 1; o <= 8; o++) {
        struct vlp_image *im = noise(3, 2, VLP_IMAGE_L);
        memcpy(im->data, "abcdef", 6);
        im->orientation = o;
        const struct vlp_image *out = vlp_image_orient(&mem, im);
        ck_assert_int_eq(out->width, o < 5 ? 3 : 2);
        ck_assert_int_eq(out->height, o < 5 ? 2 : 3);
        ck_assert_msg(memcmp(out->data, want[o], 6) == 0, "orientation %d: %.6s", o, out->data);
        ck_assert_int_eq(out->orientation, 1);
    }
}
END_TEST

/* ---- encoders ---------------------------------------------------------------------- */

START_TEST(png_round_trips_grey_and_rgb)
{
    for (int m = 0; m < 2; m++) {
        const struct vlp_image *im = noise(50, 31, m ? VLP_IMAGE_RGB : VLP_IMAGE_L);
        struct vlp_buf          out = {0};
        struct vlp_image        back;
        ck_assert_int_eq(vlp_png_encode(&out, im, 6, NULL), VLP_OK);
        ck_assert_int_eq(vlp_image_decode(&back, &mem, out.data, out.len, "png", NULL), VLP_OK);
        ck_assert_int_eq(back.mode, im->mode);
        ck_assert_mem_eq(back.data, im->data, (size_t)50 * 31 * vlp_image_mode_bytes(im->mode));
        vlp_buf_free(&out);
    }
}
END_TEST

START_TEST(jpeg_encoder_appends_a_close_picture)
{
    struct vlp_image *im = noise(64, 40, VLP_IMAGE_RGB);
    for (int i = 0; i < 64 * 40 * 3; i++) im->data[i] = (uint8_t)(i / 3 % 64 * 3 + i / 192);
    struct vlp_buf   out = {0};
    struct vlp_image back;
    vlp_buf_add_str(&out, "before");
    ck_assert_int_eq(vlp_jpeg_encode(&out, im, 95, NULL), VLP_OK);
    ck_assert_mem_eq(out.data, "before", 6);
    ck_assert_int_eq(vlp_image_decode(&back, &mem, out.data + 6, out.len - 6, "jpeg", NULL),
                     VLP_OK);
    for (int i = 0; i < 64 * 40 * 3; i++) ck_assert_int_le(abs(back.data[i] - im->data[i]), 12);
    vlp_buf_free(&out);
}
END_TEST

START_TEST(encoders_refuse_what_they_cannot_write)
{
    struct vlp_buf          out = {0};
    struct vlp_error        err;
    const struct vlp_image *cmyk = noise(4, 4, VLP_IMAGE_CMYK), *rgb = noise(4, 4, VLP_IMAGE_RGB);
    ck_assert_int_eq(vlp_png_encode(&out, cmyk, 6, &err), VLP_ERR_USAGE);
    ck_assert_int_eq(vlp_jpeg_encode(&out, cmyk, 80, &err), VLP_ERR_USAGE);
    ck_assert_int_eq(vlp_png_encode(&out, rgb, 10, &err), VLP_ERR_USAGE);
    ck_assert_int_eq(vlp_jpeg_encode(&out, rgb, 0, &err), VLP_ERR_USAGE);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(flavours_are_found_by_name_only)
{
    struct vlp_preprocess how;
    for (int i = 0; vlp_preprocess_flavours[i]; i++)
        ck_assert(vlp_preprocess_flavour(&how, vlp_preprocess_flavours[i], 224));
    ck_assert(!vlp_preprocess_flavour(&how, "clip", 224));
}
END_TEST

START_TEST(extreme_shapes_do_not_break_any_flavour)
{
    static const int shapes[][2] = {{1, 3000}, {3000, 1}, {1, 1}, {2, 65500}, {65500, 2}, {7, 9}};
    for (size_t s = 0; s < VLP_COUNT(shapes); s++) {
        const struct vlp_image *im = noise(shapes[s][0], shapes[s][1], VLP_IMAGE_RGB);
        for (int i = 0; vlp_preprocess_flavours[i]; i++) {
            struct vlp_arena_mark m = vlp_arena_mark(&mem);
            struct vlp_preprocess how;
            vlp_preprocess_flavour(&how, vlp_preprocess_flavours[i], 32);
            const struct vlp_image *out = vlp_preprocess_u8(&mem, im, &how);
            const bool              vilt = how.resize == VLP_RESIZE_VILT;
            ck_assert(vilt ? out->width % 32 == 0 && out->width > 0 : out->width == 32);
            ck_assert(vilt ? out->height % 32 == 0 && out->height > 0 : out->height == 32);
            vlp_arena_rewind(&mem, m);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("resize");
    TCase *t = tcase_create("resize");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, resize_follows_the_formula, 0, N_SIZES);
    tcase_add_test(t, every_level_gives_the_same_bits);
    tcase_add_test(t, crop_of_a_resize_equals_the_resize_of_a_crop);
    tcase_add_test(t, resized_to_one_size_and_cropped_to_another);
    tcase_add_test(t, constant_pictures_stay_constant);
    tcase_add_test(t, palette_and_bitmap_pictures_take_the_nearest_pixel);
    tcase_add_test(t, grey16_clamps_like_the_reference_or_takes_the_high_byte);
    tcase_add_test(t, orientation_puts_the_first_row_and_column_where_exif_says);
    tcase_add_test(t, png_round_trips_grey_and_rgb);
    tcase_add_test(t, jpeg_encoder_appends_a_close_picture);
    tcase_add_test(t, encoders_refuse_what_they_cannot_write);
    tcase_add_test(t, flavours_are_found_by_name_only);
    tcase_add_test(t, extreme_shapes_do_not_break_any_flavour);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
