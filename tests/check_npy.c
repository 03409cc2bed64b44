/*
 * check_npy.c -- .npy arrays: every element type and version, and the ways they can be wrong.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/embedding.h>

static char path[64];

static void make_file(void)
{
    strcpy(path, "/tmp/vlp-check-XXXXXX");
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void remove_file(void)
{
    unlink(path);
}

/* An .npy file of this version with this dictionary and these elements. */
static void put(int major, const char *dict, const void *data, size_t size)
{
    struct vlp_buf b = {0};
    const size_t   len = strlen(dict);
    uint8_t        n[4];
    vlp_buf_add(&b, "\x93NUMPY", 6);
    vlp_buf_add_char(&b, (char)major);
    vlp_buf_add_char(&b, 0);
    vlp_store_u32(n, (uint32_t)len);
    vlp_buf_add(&b, n, major == 1 ? 2 : 4);
    vlp_buf_add(&b, dict, len);
    vlp_buf_add(&b, data, size);
    FILE *f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(b.data, 1, b.len, f), b.len);
    ck_assert_int_eq(fclose(f), 0);
    vlp_buf_free(&b);
}

START_TEST(arrays_of_every_version_are_read_and_aligned)
{
    const float x[6] = {1, 2, 3, 4, 5, 6};
    for (int major = 1; major <= 3; major++)
        for (int spaces = 0; spaces < 9; spaces++) { /* the elements begin anywhere */
            char           dict[128];
            struct vlp_npy n;
            snprintf(dict, sizeof dict,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }%*s\n", spaces,
                     "");
            put(major, dict, x, sizeof x);
            ck_assert_int_eq(vlp_npy_open(&n, path, NULL), VLP_OK);
            ck_assert_int_eq(n.dtype, VLP_F32);
            ck_assert_int_eq(n.ndim, 2);
            ck_assert_int_eq(n.dim[0], 2);
            ck_assert_int_eq(n.dim[1], 3);
            ck_assert_uint_eq((uintptr_t)n.data % 4, 0);
            ck_assert_mem_eq(n.data, x, sizeof x);
            vlp_npy_close(&n);
        }
}
END_TEST

START_TEST(the_literal_may_be_written_in_other_ways)
{
    const int64_t  x[] = {7, 8};
    struct vlp_npy n;
    put(1, "{\"shape\":(2L,),\"fortran_order\":True,\"descr\":\"<i8\"}", x, sizeof x);
    ck_assert_int_eq(vlp_npy_open(&n, path, NULL), VLP_OK);
    ck_assert_int_eq(n.dtype, VLP_I64);
    ck_assert_int_eq(n.ndim, 1);
    ck_assert_int_eq(n.dim[0], 2);
    vlp_npy_close(&n);
    put(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (), }", "x", 1);
    ck_assert_int_eq(vlp_npy_open(&n, path, NULL), VLP_OK);
    ck_assert_int_eq(n.ndim, 0);
    vlp_npy_close(&n);
    put(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 512), }", "", 0);
    ck_assert_int_eq(vlp_npy_open(&n, path, NULL), VLP_OK);
    vlp_npy_close(&n);
}
END_TEST

START_TEST(what_we_do_not_know_is_named_as_such)
{
    const char    *dict[] = {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
                             "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }",
                             "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }",
                             "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"};
    struct vlp_npy n;
    for (size_t i = 0; i < VLP_COUNT(dict); i++) {
        put(1, dict[i], "0123456789abcdef", 16);
        ck_assert_int_eq(vlp_npy_open(&n, path, NULL), VLP_ERR_SUPPORT);
    }
    put(4, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "0123", 4);
    ck_assert_int_eq(vlp_npy_open(&n, path, NULL), VLP_ERR_SUPPORT);
}
END_TEST

START_TEST(damaged_arrays_are_format_errors)
{
    const char *dict[] = {
        "",
        "{",
        "{}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,2",
        "{'descr': '<f4', 'fortran_order': Perhaps, 'shape': (1,), }",
        "{'descr': '<f4', 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 3}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': "
        "(4294967296, 4294967296, 1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': "
        "(99999999999999999999,), }"};
    struct vlp_npy n;
    for (size_t i = 0; i < VLP_COUNT(dict); i++) {
        put(1, dict[i], "0123456789abcdef", 16);
        ck_assert_msg(vlp_npy_open(&n, path, NULL) == VLP_ERR_FORMAT, "%s", dict[i]);
    }
}
END_TEST

START_TEST(cut_at_any_byte_an_array_is_a_format_error)
{
    struct vlp_buf b = {0};
    put(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "01234567", 8);
    FILE *f = fopen(path, "rb");
    ck_assert_int_eq(vlp_read_all(&b, f, 0, path, NULL), VLP_OK);
    fclose(f);
    for (size_t len = 0; len < b.len; len++) {
        struct vlp_npy n;
        ck_assert_int_eq(truncate(path, (off_t)len), 0);
        ck_assert_int_eq(vlp_npy_open(&n, path, NULL), VLP_ERR_FORMAT);
        f = fopen(path, "wb");
        ck_assert_uint_eq(fwrite(b.data, 1, b.len, f), b.len);
        fclose(f);
    }
    vlp_buf_free(&b);
}
END_TEST

START_TEST(what_is_written_is_read_and_begins_at_a_multiple_of_64)
{
    const enum vlp_dtype type[] = {VLP_F32, VLP_F16, VLP_F64, VLP_I64, VLP_I32,
                                   VLP_I16, VLP_I8,  VLP_U8,  VLP_BOOL};
    const int64_t        dim[] = {2, 1, 3};
    uint8_t              data[48];
    for (int i = 0; i < 48; i++) data[i] = (uint8_t)(i * 5);
    for (size_t t = 0; t < VLP_COUNT(type); t++)
        for (int ndim = 0; ndim <= 3; ndim++) {
            struct vlp_output o;
            struct vlp_npy    n;
            ck_assert_int_eq(vlp_output_open(&o, path, true, NULL), VLP_OK);
            ck_assert_int_eq(vlp_npy_write(&o, type[t], ndim, dim, data, NULL), VLP_OK);
            ck_assert_int_eq(vlp_output_commit(&o, NULL), VLP_OK);
            ck_assert_int_eq(vlp_npy_open(&n, path, NULL), VLP_OK);
            ck_assert_int_eq(n.dtype, type[t]);
            ck_assert_int_eq(n.ndim, ndim);
            size_t count = 1;
            for (int i = 0; i < ndim; i++) {
                ck_assert_int_eq(n.dim[i], dim[i]);
                count *= (size_t)dim[i];
            }
            ck_assert_mem_eq(n.data, data, vlp_dtype_size(type[t], count));
            ck_assert_uint_eq((size_t)((const uint8_t *)n.data - n.map.data) % 64, 0);
            vlp_npy_close(&n);
        }
}
END_TEST

START_TEST(numpy_has_no_bf16)
{
    const int64_t     dim[] = {1};
    struct vlp_output o;
    ck_assert_int_eq(vlp_output_open(&o, path, true, NULL), VLP_OK);
    ck_assert_int_eq(vlp_npy_write(&o, VLP_BF16, 1, dim, "xx", NULL), VLP_ERR_SUPPORT);
    vlp_output_abort(&o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("npy");
    TCase *t = tcase_create("npy");
    tcase_add_checked_fixture(t, make_file, remove_file);
    tcase_add_test(t, arrays_of_every_version_are_read_and_aligned);
    tcase_add_test(t, the_literal_may_be_written_in_other_ways);
    tcase_add_test(t, what_we_do_not_know_is_named_as_such);
    tcase_add_test(t, damaged_arrays_are_format_errors);
    tcase_add_test(t, cut_at_any_byte_an_array_is_a_format_error);
    tcase_add_test(t, what_is_written_is_read_and_begins_at_a_multiple_of_64);
    tcase_add_test(t, numpy_has_no_bf16);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
