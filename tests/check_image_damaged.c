/*
 * check_image_damaged.c -- damaged, hostile and misnamed pictures: what each file of
 * tests/data/image must give, and that no cut or flipped byte does worse than an error.
 */
#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/image.h>

#define DIR_NAME "tests/data/image"

/* The expected outcome: a status and words of the sentence, or for VLP_OK of the warning. */
static const struct {
    const char     *file;
    enum vlp_status status;
    const char     *words;
} cases[] = {
    {"animated-cut-second-frame.webp", VLP_ERR_FORMAT, "truncated WebP: 6133 bytes of 8178"},
    {"animated.webp", VLP_OK, NULL},
    {"avif-renamed.png", VLP_ERR_SUPPORT, "an AVIF picture"},
    {"bad-crc-before.png", VLP_ERR_FORMAT, "wrong checksum of chunk eXIf at byte 33"},
    {"bad-crc-behind.png", VLP_OK, "damaged PNG: wrong checksum of chunk eXIf at byte 362"},
    {"bad-crc.png", VLP_ERR_FORMAT, "wrong checksum of chunk IDAT at byte 33"},
    {"bad-deflate.png", VLP_ERR_FORMAT, "damaged PNG"},
    {"bad-depth.png", VLP_ERR_FORMAT, "damaged PNG"},
    {"bad-filter.png", VLP_ERR_FORMAT, "damaged PNG"},
    {"bad-header-crc.png", VLP_ERR_FORMAT, "wrong checksum of chunk IHDR at byte 8"},
    {"bad-interlace.png", VLP_ERR_FORMAT, "damaged PNG"},
    {"bad-palette-index.png", VLP_OK, NULL},
    {"bmp-renamed.jpg", VLP_ERR_SUPPORT, "a BMP picture"},
    {"bomb-dimensions.jpg", VLP_ERR_LIMIT, "65500 x 65500 pixels"},
    {"bomb-dimensions.png", VLP_ERR_LIMIT, "60000 x 60000 pixels"},
    {"bomb-dimensions.webp", VLP_ERR_LIMIT, "16384 x 16384 pixels"},
    {"bomb-side.png", VLP_ERR_LIMIT, "a side may have at most 65500"},
    {"cut-chunk.webp", VLP_ERR_FORMAT, "truncated WebP: 310 bytes of 466"},
    {"cut-in-end.png", VLP_ERR_FORMAT, "truncated PNG"},
    {"damaged-exif.png", VLP_OK, NULL},
    {"flipped-bits-lossless.webp", VLP_ERR_FORMAT, "damaged WebP"},
    {"flipped-bits.jpg", VLP_OK, NULL},
    {"flipped-bits.webp", VLP_ERR_FORMAT, "damaged WebP"},
    {"gif-renamed.jpg", VLP_ERR_SUPPORT, "a GIF picture"},
    {"half-then-eoi.jpg", VLP_OK, "damaged JPEG: Corrupt JPEG data: premature end of data segment"},
    {"header-only.jpg", VLP_ERR_FORMAT, "damaged JPEG"},
    {"header-only.webp", VLP_ERR_FORMAT, "truncated WebP: 16 bytes of 466"},
    {"heic-renamed.jpg", VLP_ERR_SUPPORT, "a HEIC picture"},
    {"html-renamed.png", VLP_ERR_SUPPORT, "an HTML page"},
    {"huge-chunk-length.png", VLP_ERR_FORMAT, "chunk IDAT at byte 33 claims 4294967280 bytes"},
    {"huge-table-length.jpg", VLP_ERR_FORMAT, "damaged JPEG"},
    {"jpeg-renamed.webp", VLP_OK, NULL},
    {"long-data.png", VLP_OK, NULL},
    {"many-scans.jpg", VLP_ERR_LIMIT, "more than 500 scans"},
    {"no-data.png", VLP_ERR_FORMAT, "no picture data"},
    {"no-end.png", VLP_ERR_FORMAT, "truncated PNG"},
    {"no-eoi.jpg", VLP_ERR_FORMAT, "truncated JPEG: the 1979 bytes end in row 62 of 72"},
    {"no-header.png", VLP_ERR_FORMAT, "does not begin with a header"},
    {"no-huffman-tables.jpg", VLP_OK, NULL},
    {"no-palette.png", VLP_ERR_FORMAT, "damaged PNG"},
    {"one-byte.jpg", VLP_ERR_FORMAT, "not a picture (it begins with the bytes ff)"},
    {"pdf-renamed.jpg", VLP_ERR_SUPPORT, "a PDF document"},
    {"png-renamed.jpg", VLP_OK, NULL},
    {"profile-bomb.png", VLP_OK, NULL},
    {"random-renamed.png", VLP_ERR_FORMAT, "not a picture"},
    {"short-data.png", VLP_ERR_FORMAT, "damaged PNG"},
    {"signature-only.png", VLP_ERR_FORMAT, "truncated PNG"},
    {"small-file-large-picture.png", VLP_ERR_FORMAT, "69 bytes cannot hold 13000 x 13000 pixels"},
    {"svg-renamed.png", VLP_ERR_SUPPORT, "an SVG picture"},
    {"text-bomb.png", VLP_OK, NULL},
    {"text-renamed.jpg", VLP_ERR_FORMAT, "not a picture"},
    {"tiff-renamed.png", VLP_ERR_SUPPORT, "a TIFF picture"},
    {"trailing-junk.jpg", VLP_OK, NULL},
    {"trailing-junk.png", VLP_OK, NULL},
    {"truncated-half-lossless.webp", VLP_ERR_FORMAT, "truncated WebP: 1411 bytes of 2822"},
    {"truncated-half-progressive.jpg", VLP_ERR_FORMAT, "truncated JPEG"},
    {"truncated-half.jpg", VLP_ERR_FORMAT, "truncated JPEG: the 990 bytes end in row 14 of 72"},
    {"truncated-half.png", VLP_ERR_FORMAT, "truncated PNG: chunk IDAT at byte 33"},
    {"truncated-header.jpg", VLP_ERR_FORMAT, "truncated JPEG"},
    {"twelve-bit.jpg", VLP_ERR_SUPPORT, "precision 12"},
    {"two-headers.png", VLP_ERR_FORMAT, "two headers"},
    {"unknown-marker.jpg", VLP_ERR_FORMAT, "damaged JPEG: Unsupported marker type 0xf6"},
    {"zero-byte.png", VLP_ERR_FORMAT, "the file is empty"},
    {"zero-height.jpg", VLP_ERR_FORMAT, "damaged JPEG"},
    {"zero-width.png", VLP_ERR_FORMAT, "0 x 10 pixels"},
};
#define N_CASES (int)VLP_COUNT(cases)

START_TEST(damaged_file_has_its_stated_outcome)
{
    char             path[256];
    struct vlp_arena mem = {0};
    struct vlp_error err = {.text = ""};
    struct vlp_image im, untouched;
    memset(&im, 0x5a, sizeof im);
    memset(&untouched, 0x5a, sizeof untouched);
    snprintf(path, sizeof path, DIR_NAME "/%s", cases[_i].file);
    const enum vlp_status s = vlp_image_read(&im, &mem, path, &err);
    ck_assert_msg(s == cases[_i].status, "%s: %s: %s", path, vlp_status_name(s), err.text);
    if (s == VLP_OK) {
        ck_assert_msg(!im.warning == !cases[_i].words, "%s: %s", path, im.warning);
        if (im.warning) ck_assert_ptr_nonnull(strstr(im.warning, cases[_i].words));
    } else {
        ck_assert_int_eq(memcmp(&im, &untouched, sizeof im), 0);
        ck_assert_uint_eq(mem.used, 0);
        ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "%s", err.text);
        ck_assert_msg(strstr(err.text, cases[_i].words) != NULL, "%s", err.text);
    }
    vlp_arena_free(&mem);
}
END_TEST

START_TEST(every_damaged_file_has_a_stated_outcome)
{
    DIR *d = opendir(DIR_NAME);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        int i = 0;
        while (i < N_CASES && strcmp(cases[i].file, e->d_name) != 0) i++;
        ck_assert_msg(i < N_CASES, "%s is not in the table", e->d_name);
    }
    closedir(d);
}
END_TEST

START_TEST(colours_outside_of_the_palette_are_black)
{
    struct vlp_arena mem = {0};
    struct vlp_image im;
    ck_assert_int_eq(vlp_image_read(&im, &mem, DIR_NAME "/bad-palette-index.png", NULL), VLP_OK);
    const uint8_t       *p = vlp_image_to_rgb(&mem, &im, false)->data;
    static const uint8_t a[3] = {10, 20, 30}, b[3] = {40, 50, 60}, black[3] = {0, 0, 0};
    const uint8_t *const want[8] = {a, b, b, a, b, black, black, a};
    for (int i = 0; i < 8; i++) ck_assert_mem_eq(p + 3 * i, want[i], 3);
    vlp_arena_free(&mem);
}
END_TEST

/* Pillow takes the orientation from it all the same. */
START_TEST(a_chunk_behind_the_pixels_counts_whatever_its_checksum)
{
    struct vlp_arena mem = {0};
    struct vlp_image im;
    ck_assert_int_eq(vlp_image_read(&im, &mem, DIR_NAME "/bad-crc-behind.png", NULL), VLP_OK);
    ck_assert_int_eq(im.orientation, 6);
    vlp_arena_free(&mem);
}
END_TEST

static const char *const sound[] = {
    "tests/golden/image/jpeg-size-37x23.jpg", "tests/data/image/png-renamed.jpg",
    "tests/data/image/animated.webp",         "tests/data/image/many-scans.jpg",
    "tests/data/image/jpeg-renamed.webp",
};

/* A cut anywhere before the end is an error; PNG and WebP know their ends, JPEG has its marker. */
START_TEST(every_cut_of_a_picture_is_an_error)
{
    struct vlp_map m;
    ck_assert_int_eq(vlp_map_open(&m, sound[_i], NULL), VLP_OK);
    struct vlp_arena mem = {0};
    for (size_t n = 0; n < m.size; n += 1 + m.size / 997) {
        struct vlp_image im;
        struct vlp_error err;
        uint8_t         *copy = malloc(n + 1); /* so that a sanitizer sees a read too far */
        memcpy(copy, m.data, n);
        const enum vlp_status s = vlp_image_decode(&im, &mem, copy, n, "cut", &err);
        ck_assert_msg(s != VLP_OK, "%s cut to %zu bytes", sound[_i], n);
        free(copy);
    }
    vlp_arena_free(&mem);
    vlp_map_close(&m);
}
END_TEST

START_TEST(no_flipped_byte_does_worse_than_an_error)
{
    struct vlp_map m;
    ck_assert_int_eq(vlp_map_open(&m, sound[_i], NULL), VLP_OK);
    struct vlp_arena mem = {0};
    struct vlp_rng   rng;
    vlp_rng_seed(&rng, 1, (uint64_t)_i);
    uint8_t *copy = malloc(m.size);
    for (int round = 0; round < 400; round++) {
        memcpy(copy, m.data, m.size);
        for (int k = 0; k < 1 + round % 4; k++)
            copy[vlp_rng_below(&rng, (uint32_t)m.size)] = (uint8_t)vlp_rng_next(&rng);
        struct vlp_arena_mark before = vlp_arena_mark(&mem);
        struct vlp_image      im;
        struct vlp_error      err = {.text = ""};
        const enum vlp_status s = vlp_image_decode(&im, &mem, copy, m.size, "flip", &err);
        if (s == VLP_OK)
            ck_assert(im.width > 0 && im.height > 0 && im.data != NULL);
        else
            ck_assert(strncmp(err.text, "flip: ", 6) == 0);
        vlp_arena_rewind(&mem, before);
    }
    free(copy);
    vlp_arena_free(&mem);
    vlp_map_close(&m);
}
END_TEST

int main(void)
{
    const int n_sound = (int)VLP_COUNT(sound);
    Suite    *s = suite_create("image_damaged");
    TCase    *t = tcase_create("damaged");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, damaged_file_has_its_stated_outcome, 0, N_CASES);
    tcase_add_test(t, every_damaged_file_has_a_stated_outcome);
    tcase_add_test(t, colours_outside_of_the_palette_are_black);
    tcase_add_test(t, a_chunk_behind_the_pixels_counts_whatever_its_checksum);
    tcase_add_loop_test(t, every_cut_of_a_picture_is_an_error, 0, n_sound);
    tcase_add_loop_test(t, no_flipped_byte_does_worse_than_an_error, 0, n_sound);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
