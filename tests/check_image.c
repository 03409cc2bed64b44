/*
 * check_image.c -- the image room against the reference's results: decoding, flavours, tensors.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include <vlp/image.h>

#define DIR "tests/golden/image/"

static struct vlp_arena mem;

static void setup(void)
{
    vlp_arena_init(&mem);
}

static void teardown(void)
{
    vlp_arena_free(&mem);
}

static struct vlp_image *load(const char *path)
{
    struct vlp_image *im = VLP_NEW(&mem, struct vlp_image);
    struct vlp_error  err;
    ck_assert_msg(vlp_image_read(im, &mem, path, &err) == VLP_OK, "%s", err.text);
    return im;
}

static uint32_t hash_rgb(const struct vlp_image *im)
{
    ck_assert_int_eq(im->mode, VLP_IMAGE_RGB);
    return vlp_fnv1a(VLP_FNV_START, im->data, (size_t)im->width * im->height * 3);
}

/* ---- tables of expected values ----------------------------------------------------- */

/* Split a line at tabs into at most `max` fields; returns their number. */
static int split(char *line, char **field, int max)
{
    int n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *p = line; p && n < max; n++) {
        field[n] = p;
        p = strchr(p, '\t');
        if (p) *p++ = '\0';
    }
    return n;
}

static struct vlp_preprocess flavour(const char *text, int size)
{
    struct vlp_preprocess how;
    char                  name[32];
    snprintf(name, sizeof name, "%s", text);
    char *plus = strchr(name, '+');
    if (plus) *plus = '\0';
    ck_assert_msg(vlp_preprocess_flavour(&how, name, size), "no flavour %s", name);
    how.orient = plus != NULL;
    return how;
}

START_TEST(every_flavour_of_every_picture_has_the_reference_pixels)
{
    FILE *f = fopen(DIR "expected.tsv", "r");
    ck_assert_ptr_nonnull(f);
    char line[1024];
    int  rows = 0, wrong = 0;
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    while (fgets(line, sizeof line, f)) {
        char *field[9], path[256];
        ck_assert_int_eq(split(line, field, 9), 9);
        snprintf(path, sizeof path, DIR "%s", field[0]);
        struct vlp_arena_mark       m = vlp_arena_mark(&mem);
        const struct vlp_preprocess how = flavour(field[1], atoi(field[2]));
        const struct vlp_image     *im = vlp_preprocess_u8(&mem, load(path), &how);
        const uint32_t              want = (uint32_t)strtoul(field[6], NULL, 16);
        if (im->width != atoi(field[3]) || im->height != atoi(field[4]) || hash_rgb(im) != want) {
            printf("%s %s %s: %d x %d %08x, not %s x %s %08x\n", field[0], field[1], field[2],
                   im->width, im->height, hash_rgb(im), field[3], field[4], want);
            wrong++;
        }
        vlp_arena_rewind(&mem, m);
        rows++;
    }
    fclose(f);
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(rows, 150);
}
END_TEST

/*
 * Tiny pictures in the corners that the golden ones leave out: chroma at every rate, Adobe's and
 * plain colours, every kind of PNG, alone and interlaced and with a transparent colour, a frame
 * inside its canvas, and every place where an orientation may stand. Flavour "-": only decoded.
 */
START_TEST(pictures_in_the_corners_have_the_reference_pixels)
{
    static const char corners[] = "tests/data/corners/";
    char              line[1024], path[256];
    int               rows = 0, wrong = 0;
    snprintf(path, sizeof path, "%sexpected.tsv", corners);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    for (; fgets(line, sizeof line, f); rows++) {
        char *field[7];
        ck_assert_int_eq(split(line, field, 7), 7);
        snprintf(path, sizeof path, "%s%s", corners, field[0]);
        struct vlp_arena_mark   m = vlp_arena_mark(&mem);
        const struct vlp_image *in = load(path), *im;
        if (field[2][0] == '-') {
            im = vlp_image_to_rgb(&mem, in, false);
        } else {
            const struct vlp_preprocess how = flavour(field[2], atoi(field[3]));
            im = vlp_preprocess_u8(&mem, in, &how);
        }
        const uint32_t want = (uint32_t)strtoul(field[6], NULL, 16);
        if (strcmp(vlp_image_mode_name(in->mode), field[1]) != 0 || im->width != atoi(field[4]) ||
            im->height != atoi(field[5]) || hash_rgb(im) != want) {
            printf("%s %s %s: %s %d x %d %08x, not %s %s x %s %08x\n", field[0], field[2], field[3],
                   vlp_image_mode_name(in->mode), im->width, im->height, hash_rgb(im), field[1],
                   field[4], field[5], want);
            wrong++;
        }
        vlp_arena_rewind(&mem, m);
    }
    fclose(f);
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(rows, 374);
}
END_TEST

START_TEST(every_picture_opens_in_the_reference_mode)
{
    FILE *f = fopen(DIR "modes.tsv", "r");
    ck_assert_ptr_nonnull(f);
    char line[1024];
    int  rows = 0;
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    while (fgets(line, sizeof line, f)) {
        char *field[5], path[256];
        ck_assert_int_eq(split(line, field, 5), 5);
        snprintf(path, sizeof path, DIR "%s", field[0]);
        const struct vlp_image *im = load(path);
        ck_assert_msg(im->width == atoi(field[1]), "%s", path);
        ck_assert_msg(im->height == atoi(field[2]), "%s", path);
        ck_assert_msg(strcmp(vlp_image_mode_name(im->mode), field[3]) == 0, "%s: %s", path,
                      vlp_image_mode_name(im->mode));
        ck_assert_ptr_null(im->warning);
        rows++;
    }
    fclose(f);
    ck_assert_int_eq(rows, 40);
}
END_TEST

START_TEST(expected_pictures_are_equal_pixel_by_pixel)
{
    static const struct {
        const char *file, *flavour;
        int         size;
    } cases[] = {
        {"jpeg-420.jpg", "hf", 224},          {"jpeg-420.jpg", "longest", 224},
        {"jpeg-420.jpg", "openai", 224},      {"jpeg-cmyk-adobe.jpg", "openai", 224},
        {"jpeg-cmyk-adobe.jpg", "hf", 224},   {"jpeg-size-1x1.jpg", "longest", 224},
        {"png-grey-16bit.png", "openai", 32}, {"png-palette-transparent.png", "openai", 32},
        {"webp-alpha.webp", "openai", 32},    {"png-interlaced.png", "longest", 224},
    };
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        char in[256], want[256];
        snprintf(in, sizeof in, DIR "%s", cases[i].file);
        snprintf(want, sizeof want, DIR "expected/%s.%s-%d.png", cases[i].file, cases[i].flavour,
                 cases[i].size);
        const struct vlp_preprocess how = flavour(cases[i].flavour, cases[i].size);
        const struct vlp_image     *a = vlp_preprocess_u8(&mem, load(in), &how), *b = load(want);
        ck_assert_int_eq(a->width, b->width);
        ck_assert_int_eq(a->height, b->height);
        ck_assert_msg(memcmp(a->data, b->data, (size_t)a->width * a->height * 3) == 0, "%s", want);
    }
}
END_TEST

START_TEST(normalised_tensors_are_equal_bit_for_bit)
{
    static const char *const files[] = {"jpeg-420.jpg", "jpeg-cmyk-adobe.jpg",
                                        "jpeg-orientation-6.jpg", "jpeg-progressive.jpg"};
    for (size_t i = 0; i < VLP_COUNT(files); i++) {
        char path[256];
        snprintf(path, sizeof path, DIR "expected/%s.openai-32.npy", files[i]);
        struct vlp_map   npy;
        struct vlp_error err;
        ck_assert_msg(vlp_map_open(&npy, path, &err) == VLP_OK, "%s", err.text);
        const size_t header = 10 + vlp_load_u16(npy.data + 8), size = 3 * 32 * 32 * sizeof(float);
        ck_assert_uint_eq(npy.size, header + size);
        snprintf(path, sizeof path, DIR "%s", files[i]);
        const struct vlp_preprocess how = flavour("openai", 32);
        float                       out[3 * 32 * 32];
        vlp_preprocess_normalize(out, vlp_preprocess_u8(&mem, load(path), &how), &how);
        ck_assert_msg(memcmp(out, npy.data + header, size) == 0, "%s", path);
        vlp_map_close(&npy);
    }
}
END_TEST

/* ---- orientation ------------------------------------------------------------------- */

/*
 * A PNG of 2 x 1 with the given eXIf chunk; its checksums are right. Only the orientation matters.
 */
static int orientation_with_exif(const void *exif, uint32_t n)
{
    struct vlp_image pixel = {.width = 2, .height = 1, .mode = VLP_IMAGE_L};
    uint8_t          data[2] = {1, 2}, chunk[128];
    struct vlp_buf   png = {0}, out = {0};
    struct vlp_image im;
    pixel.data = data;
    ck_assert_int_eq(vlp_png_encode(&png, &pixel, 6, NULL), VLP_OK);
    for (int i = 0; i < 4; i++) chunk[i] = (uint8_t)(n >> (24 - 8 * i));
    memcpy(chunk + 4, "eXIf", 4);
    memcpy(chunk + 8, exif, n);
    const uint32_t sum = (uint32_t)crc32(0, chunk + 4, n + 4);
    for (int i = 0; i < 4; i++) chunk[8 + n + (uint32_t)i] = (uint8_t)(sum >> (24 - 8 * i));
    vlp_buf_add(&out, png.data, 33); /* signature and header */
    vlp_buf_add(&out, chunk, n + 12);
    vlp_buf_add(&out, png.data + 33, png.len - 33);
    ck_assert_int_eq(vlp_image_decode(&im, &mem, out.data, out.len, "png", NULL), VLP_OK);
    vlp_buf_free(&png);
    vlp_buf_free(&out);
    return im.orientation;
}

START_TEST(exif_orientation_is_read_as_the_reference_reads_it)
{
    static const struct {
        const char *tiff;
        int         want;
    } cases[] = {
        {"II*\0\10\0\0\0\1\0\22\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", 6},
        {"MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\10\0\0\0\0\0\0", 8},
        {"MM\0*\0\0\0\10\0\1\1\22\0\4\0\0\0\1\0\0\0\3\0\0\0\0", 3},        /* a LONG */
        {"II*\0\10\0\0\0\1\0\22\1\3\0\2\0\0\0\5\0\7\0\0\0\0\0", 5},        /* two: the first */
        {"II*\0\10\0\0\0\1\0\22\1\1\0\1\0\0\0\6\0\0\0\0\0\0\0", 1},        /* bytes are no number */
        {"II*\0\10\0\0\0\1\0\22\1\3\0\0\0\0\0\6\0\0\0\0\0\0\0", 1},        /* none */
        {"II*\0\10\0\0\0\1\0\22\1\3\0\1\0\0\0\11\0\0\0\0\0\0\0", 1},       /* 9 */
        {"II*\0\377\377\377\377\1\0\22\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", 1}, /* nowhere */
        {"XX*\0\10\0\0\0\1\0\22\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", 1},
    };
    for (size_t i = 0; i < VLP_COUNT(cases); i++)
        ck_assert_msg(orientation_with_exif(cases[i].tiff, 26) == cases[i].want, "case %zu", i);
}
END_TEST

/* ---- the formula picture of the specification -------------------------------------- */

static struct vlp_image *formula_picture(void)
{
    struct vlp_image *im = VLP_NEW(&mem, struct vlp_image);
    *im = (struct vlp_image){.width = 37, .height = 23, .mode = VLP_IMAGE_RGB, .orientation = 1};
    im->data = vlp_arena_alloc(&mem, 37 * 23 * 3);
    for (int y = 0; y < 23; y++)
        for (int x = 0; x < 37; x++)
            for (int c = 0; c < 3; c++)
                im->data[(y * 37 + x) * 3 + c] = (uint8_t)(7 * x + 13 * y + 29 * c + x * y);
    return im;
}

START_TEST(formula_picture_resizes_to_known_hashes)
{
    const struct vlp_image *im = formula_picture();
    ck_assert_uint_eq(hash_rgb(im), 0x1f361c69);
    ck_assert_uint_eq(hash_rgb(vlp_image_resize(&mem, im, 25, 16, VLP_BICUBIC)), 0x0c746ecc);
    ck_assert_uint_eq(hash_rgb(vlp_image_resize(&mem, im, 80, 50, VLP_BICUBIC)), 0x50ee97d3);
    const struct vlp_preprocess openai = flavour("openai", 16), vilt = flavour("vilt", 384);
    const struct vlp_image     *crop = vlp_preprocess_u8(&mem, im, &openai);
    ck_assert_uint_eq(hash_rgb(crop), 0xc78c28ca);
    float out[3 * 16 * 16];
    vlp_preprocess_normalize(out, crop, &openai);
    ck_assert_float_eq_tol(out[0], -1.091538f, 1e-6f);
    ck_assert_float_eq_tol(out[256], -0.596499f, 1e-6f);
    ck_assert_float_eq_tol(out[767], 0.411049f, 1e-6f);
    const struct vlp_image *wide = vlp_preprocess_u8(&mem, im, &vilt);
    ck_assert_int_eq(wide->width, 608);
    ck_assert_int_eq(wide->height, 384);
    ck_assert_uint_eq(hash_rgb(wide), 0x158e561e);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("image");
    TCase *t = tcase_create("reference");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_flavour_of_every_picture_has_the_reference_pixels);
    tcase_add_test(t, pictures_in_the_corners_have_the_reference_pixels);
    tcase_add_test(t, every_picture_opens_in_the_reference_mode);
    tcase_add_test(t, expected_pictures_are_equal_pixel_by_pixel);
    tcase_add_test(t, normalised_tensors_are_equal_bit_for_bit);
    tcase_add_test(t, exif_orientation_is_read_as_the_reference_reads_it);
    tcase_add_test(t, formula_picture_resizes_to_known_hashes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
