/*
 * check_safetensors.c -- the safetensors container: what is written comes back, what lies is
 * refused.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/checkpoint.h>

#include "checkpoint/checkpoint_internal.h"
#include "checkpoint_build.h"

static enum vlp_status parse(const struct vlp_buf *b, struct vlp_error *err)
{
    struct vlp_stored_list list = {0};
    struct vlp_arena       mem;
    json_t                *metadata = NULL;
    const struct vlp_bytes file = {(const uint8_t *)b->data, b->len, "test", false};
    vlp_arena_init(&mem);
    const enum vlp_status s = vlp_safetensors_parse(&list, &metadata, &mem, &file, err);
    json_decref(metadata);
    vlp_stored_list_free(&list);
    vlp_arena_free(&mem);
    return s;
}

START_TEST(golden_inputs_have_their_names_and_shapes)
{
    struct vlp_safetensors s;
    struct vlp_error       err;
    ck_assert_int_eq(
        vlp_safetensors_open(&s, "tests/golden/clip/hf-quick/inputs.safetensors", &err), VLP_OK);
    const struct vlp_stored *image = vlp_safetensors_find(&s, "image");
    const struct vlp_stored *text = vlp_safetensors_find(&s, "text");
    ck_assert_ptr_nonnull(image);
    ck_assert_int_eq(image->dtype, VLP_F32);
    ck_assert(vlp_stored_shape_is(image, 4, (int64_t[]){3, 3, 32, 32}));
    ck_assert_uint_eq(image->size, 4 * 3 * 3 * 32 * 32);
    ck_assert_int_eq(text->dtype, VLP_I64);
    ck_assert(vlp_stored_shape_is(text, 2, (int64_t[]){3, 12}));
    ck_assert_ptr_null(vlp_safetensors_find(&s, "nothing"));
    vlp_safetensors_close(&s);
}
END_TEST

START_TEST(what_is_written_comes_back_aligned)
{
    float    a[5] = {1, -2, 3.5f, 0, 1e-30f};
    int64_t  b[2] = {-1, INT64_MAX};
    uint8_t  c[3] = {1, 2, 3};
    uint16_t d[1] = {0x3c00};
    uint8_t  q[2 * VLP_Q8_0_BYTES];
    for (size_t i = 0; i < sizeof q; i++) q[i] = (uint8_t)(i * 7);
    const struct vlp_stored t[] = {
        {.name = "a", .dtype = VLP_F32, .ndim = 1, .dim = {5}, .data = a, .size = sizeof a},
        {.name = "b", .dtype = VLP_I64, .ndim = 2, .dim = {1, 2}, .data = b, .size = sizeof b},
        {.name = "c/\xc3\xa4 \"", .dtype = VLP_U8, .ndim = 1, .dim = {3}, .data = c, .size = 3},
        {.name = "none", .dtype = VLP_F32, .ndim = 2, .dim = {0, 4}, .data = "", .size = 0},
        {.name = "d", .dtype = VLP_F16, .ndim = 0, .data = d, .size = 2},
        {.name = "q", .dtype = VLP_Q8_0, .ndim = 2, .dim = {2, 32}, .data = q, .size = sizeof q},
    };
    char              path[4096];
    struct vlp_output o;
    struct vlp_error  err;
    json_t           *metadata = json_pack("{s:s}", "who", "the test");
    build_file(path, "x.safetensors", "", 0);
    ck_assert_int_eq(vlp_output_open(&o, path, true, &err), VLP_OK);
    ck_assert_int_eq(vlp_safetensors_write(&o, t, VLP_COUNT(t), metadata, &err), VLP_OK);
    ck_assert_int_eq(vlp_output_commit(&o, &err), VLP_OK);

    struct vlp_safetensors s;
    ck_assert_int_eq(vlp_safetensors_open(&s, path, &err), VLP_OK);
    ck_assert_uint_eq(s.n_tensors, VLP_COUNT(t));
    ck_assert_str_eq(json_string_value(json_object_get(s.metadata, "who")), "the test");
    for (size_t i = 0; i < VLP_COUNT(t); i++) {
        const struct vlp_stored *u = vlp_safetensors_find(&s, t[i].name);
        ck_assert_msg(u != NULL, "%s", t[i].name);
        ck_assert_int_eq(u->dtype, t[i].dtype);
        ck_assert(vlp_stored_shape_is(u, t[i].ndim, t[i].dim));
        ck_assert_uint_eq(u->size, t[i].size);
        ck_assert(t[i].size == 0 || memcmp(u->data, t[i].data, t[i].size) == 0);
        if (t[i].size) ck_assert_uint_eq(((const uint8_t *)u->data - s.map.data) % 64, 0);
    }
    vlp_safetensors_close(&s);
    json_decref(metadata);
    build_remove(path);
}
END_TEST

/* JSON has no other names, and a reader would miss the tensor that the header does not hold. */
START_TEST(a_name_that_is_not_utf8_is_refused)
{
    const enum vlp_dtype    dtype = _i ? VLP_Q8_0 : VLP_U8;
    uint8_t                 data[VLP_Q8_0_BYTES] = {0};
    const struct vlp_stored t[] = {
        {.name = "a", .dtype = VLP_U8, .ndim = 1, .dim = {1}, .data = data, .size = 1},
        {.name = "caf\xe9",
         .dtype = dtype,
         .ndim = 1,
         .dim = {32},
         .data = data,
         .size = vlp_dtype_size(dtype, 32)}};
    char              path[4096];
    struct vlp_output o;
    struct vlp_error  err;
    build_file(path, "x.safetensors", "", 0);
    ck_assert_int_eq(vlp_output_open(&o, path, true, &err), VLP_OK);
    ck_assert_int_eq(vlp_safetensors_write(&o, t, VLP_COUNT(t), NULL, &err), VLP_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "x.safetensors: the name of a tensor is not UTF-8"));
    vlp_output_abort(&o);
    build_remove(path);
}
END_TEST

START_TEST(values_at_odd_places_are_still_readable_as_numbers)
{
    struct vlp_buf b = {0};
    build_safetensors(&b,
                      "{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                      "\"y\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[1,17]}}",
                      17);
    struct vlp_stored_list list = {0};
    struct vlp_arena       mem;
    json_t                *metadata;
    const struct vlp_bytes file = {(const uint8_t *)b.data, b.len, "test", false};
    vlp_arena_init(&mem);
    ck_assert_int_eq(vlp_safetensors_parse(&list, &metadata, &mem, &file, NULL), VLP_OK);
    ck_assert_uint_eq((uintptr_t)list.item[1].data % 8, 0);
    ck_assert_int_eq(*(const uint8_t *)list.item[1].data, 1);
    json_decref(metadata);
    vlp_stored_list_free(&list);
    vlp_arena_free(&mem);
    vlp_buf_free(&b);
}
END_TEST

START_TEST(every_truncation_is_a_format_error)
{
    struct vlp_map   map;
    struct vlp_error err;
    ck_assert_int_eq(vlp_map_open(&map, "tests/golden/clip/hf-quick/model.safetensors", &err),
                     VLP_OK);
    const size_t header = 8 + vlp_load_u64(map.data);
    for (size_t n = 0; n < map.size; n += n < header ? 101 : 9973) {
        const struct vlp_buf part = {.data = (char *)map.data, .len = n};
        err.text[0] = '\0';
        ck_assert_msg(parse(&part, &err) == VLP_ERR_FORMAT, "%zu bytes", n);
        ck_assert_msg(strstr(err.text, "truncated") != NULL, "%zu bytes: %s", n, err.text);
    }
    vlp_map_close(&map);
}
END_TEST

START_TEST(an_empty_object_is_a_file_without_tensors)
{
    struct vlp_buf   b = {0};
    struct vlp_error err;
    build_safetensors(&b, "{}", 0);
    ck_assert_int_eq(parse(&b, &err), VLP_OK);
    vlp_buf_free(&b);
    build_safetensors(&b, "[]", 0);
    ck_assert_int_eq(parse(&b, &err), VLP_ERR_FORMAT);
    vlp_buf_free(&b);
}
END_TEST

START_TEST(a_header_of_2_to_63_bytes_asks_for_no_memory)
{
    struct vlp_buf   b = {0};
    struct vlp_error err;
    build_safetensors(&b, "{}", 0);
    vlp_store_u64(b.data, UINT64_C(1) << 63);
    ck_assert_int_eq(parse(&b, &err), VLP_ERR_FORMAT);
    vlp_buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("safetensors");
    TCase *t = tcase_create("safetensors");
    tcase_add_test(t, golden_inputs_have_their_names_and_shapes);
    tcase_add_test(t, what_is_written_comes_back_aligned);
    tcase_add_loop_test(t, a_name_that_is_not_utf8_is_refused, 0, 2);
    tcase_add_test(t, values_at_odd_places_are_still_readable_as_numbers);
    tcase_add_test(t, every_truncation_is_a_format_error);
    tcase_add_test(t, an_empty_object_is_a_file_without_tensors);
    tcase_add_test(t, a_header_of_2_to_63_bytes_asks_for_no_memory);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
