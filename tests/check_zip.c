/*
 * check_zip.c -- the zip directory: entries in place, entries unpacked, 64-bit records, cut files.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint_internal.h"
#include "checkpoint_build.h"

static struct vlp_arena mem;

static void setup(void)
{
    vlp_arena_init(&mem);
}

static void teardown(void)
{
    vlp_arena_free(&mem);
}

static void build(struct build_zip *z, bool zip64)
{
    char repeated[5000];
    for (size_t i = 0; i < sizeof repeated; i++) repeated[i] = (char)('a' + i % 3);
    build_zip_add(z, "x/data/0", "0123456789", 10, false);
    build_zip_add(z, "x/data/1", repeated, sizeof repeated, true);
    build_zip_add(z, "x/empty", "", 0, false);
    build_zip_end(z, zip64);
}

START_TEST(stored_entries_stay_where_they_are_and_deflated_ones_unpack)
{
    struct build_zip b = {0};
    struct vlp_zip   z;
    struct vlp_error err;
    build(&b, _i == 1);
    const struct vlp_bytes file = {(const uint8_t *)b.out.data, b.out.len, "test.zip", false};
    ck_assert_msg(vlp_zip_open(&z, &mem, &file, &err) == VLP_OK, "%s", err.text);
    ck_assert_uint_eq(z.n, 3);

    struct vlp_zip_entry *e = vlp_zip_find(&z, "x/data/0");
    ck_assert_int_eq(vlp_zip_read(&z, &mem, e, &err), VLP_OK);
    ck_assert_uint_eq(e->size, 10);
    ck_assert(memcmp(e->data, "0123456789", 10) == 0);
    ck_assert(e->data > file.data && e->data < file.data + file.size);
    ck_assert_uint_eq((size_t)(e->data - file.data) % 64, 0);

    e = vlp_zip_find(&z, "x/data/1");
    ck_assert_int_eq(vlp_zip_read(&z, &mem, e, &err), VLP_OK);
    ck_assert_uint_eq(e->size, 5000);
    for (size_t i = 0; i < 5000; i++) ck_assert_int_eq(e->data[i], 'a' + (int)(i % 3));
    const uint8_t *first = e->data;
    ck_assert_int_eq(vlp_zip_read(&z, &mem, e, &err), VLP_OK);
    ck_assert_ptr_eq(e->data, first); /* unpacked once */

    ck_assert_uint_eq(vlp_zip_find(&z, "x/empty")->size, 0);
    ck_assert_ptr_null(vlp_zip_find(&z, "x/data"));
    build_zip_free(&b);
}
END_TEST

START_TEST(every_truncation_is_a_format_error)
{
    struct build_zip b = {0};
    build(&b, true);
    for (size_t n = 0; n < b.out.len; n++) {
        struct vlp_zip         z;
        struct vlp_error       err;
        const struct vlp_bytes file = {(const uint8_t *)b.out.data, n, "test.zip", false};
        ck_assert_msg(vlp_zip_open(&z, &mem, &file, &err) == VLP_ERR_FORMAT, "%zu bytes", n);
    }
    build_zip_free(&b);
}
END_TEST

START_TEST(a_flipped_byte_is_an_error_or_harmless_but_never_outside_of_the_file)
{
    struct build_zip b = {0};
    build(&b, false);
    for (size_t at = 0; at < b.out.len; at++) {
        uint8_t *copy = vlp_malloc(b.out.len); /* exactly this long, so that a sanitizer sees */
        memcpy(copy, b.out.data, b.out.len);
        copy[at] ^= 0xff;
        struct vlp_zip         z;
        struct vlp_error       err;
        const struct vlp_bytes file = {copy, b.out.len, "test.zip", false};
        size_t                 sum = 0;
        if (vlp_zip_open(&z, &mem, &file, &err) == VLP_OK)
            for (size_t i = 0; i < z.n; i++)
                if (vlp_zip_read(&z, &mem, &z.entry[i], &err) == VLP_OK)
                    for (size_t k = 0; k < z.entry[i].size; k++) sum += z.entry[i].data[k];
        ck_assert_uint_le(sum, 255 * 64 * b.out.len);
        free(copy);
    }
    build_zip_free(&b);
}
END_TEST

START_TEST(a_comment_after_the_end_record_is_allowed)
{
    struct build_zip b = {0};
    struct vlp_zip   z;
    build(&b, false);
    vlp_store_u16(b.out.data + b.out.len - 2, 5);
    vlp_buf_add_str(&b.out, "hello");
    const struct vlp_bytes file = {(const uint8_t *)b.out.data, b.out.len, "test.zip", false};
    ck_assert_int_eq(vlp_zip_open(&z, &mem, &file, NULL), VLP_OK);
    ck_assert_uint_eq(z.n, 3);
    build_zip_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("zip");
    TCase *t = tcase_create("zip");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, stored_entries_stay_where_they_are_and_deflated_ones_unpack, 0, 2);
    tcase_add_test(t, every_truncation_is_a_format_error);
    tcase_add_test(t, a_flipped_byte_is_an_error_or_harmless_but_never_outside_of_the_file);
    tcase_add_test(t, a_comment_after_the_end_record_is_allowed);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
