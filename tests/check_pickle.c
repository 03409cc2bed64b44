/*
 * check_pickle.c -- weights out of pickles: views, shared storages, both containers; and that
 * nothing else gets in.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint_internal.h"
#include "checkpoint/pickle.h"
#include "checkpoint_build.h"

static struct vlp_arena       mem;
static struct vlp_stored_list list;
static struct vlp_error       err;
static struct vlp_buf         pickle;
static float                  values[12];

static void setup(void)
{
    vlp_arena_init(&mem);
    list = (struct vlp_stored_list){0};
    err = (struct vlp_error){0};
    for (int i = 0; i < 12; i++) values[i] = (float)i;
    build_raw(&pickle, "\x80\x02");
}

static void teardown(void)
{
    vlp_stored_list_free(&list);
    vlp_arena_free(&mem);
    vlp_buf_free(&pickle);
}

/* The pickle and the twelve floats as storage "0", in a zip. */
static enum vlp_status parse(enum vlp_torch_kind *kind, bool deflate)
{
    struct build_zip z = {0};
    build_zip_add(&z, "any/data.pkl", pickle.data, pickle.len, deflate);
    build_zip_add(&z, "any/data/0", values, sizeof values, deflate);
    build_zip_end(&z, false);
    /* the tensors stay in these bytes */
    const void            *copy = memcpy(vlp_arena_alloc(&mem, z.out.len), z.out.data, z.out.len);
    const struct vlp_bytes file = {copy, z.out.len, "test.pt", false};
    const enum vlp_status  s = vlp_torch_zip_parse(&list, kind, &mem, &file, &err);
    build_zip_free(&z);
    return s;
}

static void add_view(const char *name, int64_t offset, int ndim, const int64_t *size,
                     const int64_t *stride)
{
    build_text(&pickle, name);
    build_tensor(&pickle, "FloatStorage", "0", 12, offset, ndim, size, stride);
}

static const float *floats(const char *name)
{
    for (size_t i = 0; i < list.n; i++)
        if (strcmp(list.item[i].name, name) == 0) return list.item[i].data;
    ck_abort_msg("no tensor '%s'", name);
}

static void add_views(void)
{
    build_ordered_dict(&pickle);
    build_raw(&pickle, "(");
    add_view("whole", 0, 2, (int64_t[]){3, 4}, (int64_t[]){4, 1});
    add_view("turned", 0, 2, (int64_t[]){4, 3}, (int64_t[]){1, 4});
    add_view("column", 2, 1, (int64_t[]){3}, (int64_t[]){4});
    add_view("tail", 8, 1, (int64_t[]){4}, (int64_t[]){1});
    add_view("scalar", 5, 0, NULL, NULL);
    add_view("ones", 3, 3, (int64_t[]){1, 4, 1}, (int64_t[]){77, 1, 99});
    add_view("nothing", 12, 2, (int64_t[]){0, 4}, (int64_t[]){4, 1});
    add_view("spread", 7, 2, (int64_t[]){2, 3}, (int64_t[]){0, 0});
}

START_TEST(offsets_and_strides_are_honoured_and_a_storage_may_be_shared)
{
    enum vlp_torch_kind kind;
    add_views();
    build_raw(&pickle, "u.");
    ck_assert_msg(parse(&kind, _i == 1) == VLP_OK, "%s", err.text);
    ck_assert_int_eq(kind, VLP_TORCH_STATE_DICT);
    ck_assert_uint_eq(list.n, 8);
    ck_assert_ptr_eq(floats("whole") + 8, floats("tail")); /* in place, both */
    for (int i = 0; i < 12; i++) ck_assert_float_eq(floats("whole")[i], (float)i);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 3; j++)
            ck_assert_float_eq(floats("turned")[i * 3 + j], (float)(j * 4 + i));
    for (int i = 0; i < 3; i++) ck_assert_float_eq(floats("column")[i], (float)(2 + 4 * i));
    ck_assert_float_eq(floats("scalar")[0], 5.0f);
    ck_assert_float_eq(floats("ones")[3], 6.0f);
    for (int i = 0; i < 6; i++) ck_assert_float_eq(floats("spread")[i], 7.0f);
}
END_TEST

/* From the outermost dict inwards. */
static const char *const weights_keys[][4] = {{"state_dict"},
                                              {"model"},
                                              {"checkpoint"},
                                              {"model", "state_dict"},
                                              {"checkpoint", "model", "module"}};

START_TEST(a_training_checkpoint_gives_its_state_dict_only)
{
    enum vlp_torch_kind kind;
    build_raw(&pickle, "}(");
    build_text(&pickle, "epoch");
    build_int(&pickle, 3);
    build_text(&pickle, "args");
    build_global(&pickle, "argparse", "Namespace");
    build_raw(&pickle, ")\x81}(");
    build_text(&pickle, "lr");
    build_int(&pickle, 1);
    build_raw(&pickle, "ub");
    for (int k = 0; weights_keys[_i][k]; k++) {
        build_text(&pickle, weights_keys[_i][k]);
        if (weights_keys[_i][k + 1]) build_raw(&pickle, "}(");
    }
    add_views();
    build_raw(&pickle, "u");
    for (int k = 1; weights_keys[_i][k]; k++) { /* each with something beside it */
        build_text(&pickle, "step");
        build_tensor(&pickle, "FloatStorage", "0", 12, 0, 1, (int64_t[]){1}, (int64_t[]){1});
        build_raw(&pickle, "u");
    }
    build_text(&pickle, "optimizer");
    build_raw(&pickle, "}");
    build_text(&pickle, "moment");
    build_tensor(&pickle, "FloatStorage", "0", 12, 0, 1, (int64_t[]){12}, (int64_t[]){1});
    build_raw(&pickle, "su.");
    ck_assert_msg(parse(&kind, false) == VLP_OK, "%s", err.text);
    ck_assert_uint_eq(list.n, 8);
}
END_TEST

START_TEST(dicts_that_hold_each_other_hold_no_weights)
{
    enum vlp_torch_kind kind;
    build_raw(&pickle, "}q\1(");
    for (size_t i = 0; i < VLP_COUNT(weights_keys); i++) {
        build_text(&pickle, weights_keys[i][0]);
        build_raw(&pickle, "h\1");
    }
    build_raw(&pickle, "u.");
    ck_assert_int_eq(parse(&kind, false), VLP_ERR_SUPPORT);
    ck_assert_ptr_nonnull(strstr(err.text, "holds no tensors by name"));
}
END_TEST

START_TEST(a_module_tree_gives_dotted_paths)
{
    enum vlp_torch_kind kind;
    build_global(&pickle, "__torch__.a.b", "Net");
    build_raw(&pickle, ")\x81}(");
    build_text(&pickle, "training");
    build_raw(&pickle, "\x89");
    build_text(&pickle, "blocks");
    build_global(&pickle, "__torch__.torch.___torch_mangle_7", "Sequential");
    build_raw(&pickle, ")\x81}");
    build_text(&pickle, "0");
    build_global(&pickle, "__torch__", "Linear"); /* of the script itself: in no package */
    build_raw(&pickle, ")\x81}");
    add_view("weight", 0, 1, (int64_t[]){12}, (int64_t[]){1});
    build_raw(&pickle, "sbsbub.");
    ck_assert_msg(parse(&kind, false) == VLP_OK, "%s", err.text);
    ck_assert_int_eq(kind, VLP_TORCH_SCRIPT);
    ck_assert_uint_eq(list.n, 1);
    ck_assert_str_eq(list.item[0].name, "blocks.0.weight");
}
END_TEST

START_TEST(a_global_that_is_not_on_the_list_is_named_and_not_run)
{
    static const char *const names[][2] = {{"os", "system"},         {"builtins", "eval"},
                                           {"subprocess", "Popen"},  {"torch.load", "x"},
                                           {"torch._utils", "evil"}, {"torch", "FloatStorage2"}};
    enum vlp_torch_kind      kind;
    char                     full[64];
    build_global(&pickle, names[_i][0], names[_i][1]);
    build_raw(&pickle, ")R.");
    ck_assert_int_eq(parse(&kind, false), VLP_ERR_FORMAT);
    snprintf(full, sizeof full, "%s.%s", names[_i][0], names[_i][1]);
    ck_assert_msg(strstr(err.text, full) != NULL, "%s", err.text);
}
END_TEST

START_TEST(every_truncation_of_a_pickle_is_an_error)
{
    add_views();
    build_raw(&pickle, "u.");
    for (size_t n = 0; n < pickle.len; n++) {
        uint8_t *part = vlp_malloc(n + 1); /* so that a sanitizer sees the end */
        memcpy(part, pickle.data, n);
        struct vlp_pickled     tree;
        const struct vlp_bytes in = {part, n, "test", false};
        ck_assert_msg(vlp_pickle_run(&tree, &mem, &in, &err) != VLP_OK, "%zu bytes", n);
        free(part);
    }
}
END_TEST

/* Weights have pickles of a few megabytes; data of any size may follow them. */
START_TEST(a_pickle_beyond_the_limit_is_not_called_truncated)
{
    enum { LIMIT = 64 << 20, BEYOND = 16, NEAR = LIMIT - 64 };
    static const struct {
        const char     *end; /* what stands across the limit */
        size_t          len, at, size;
        enum vlp_status status;
        const char     *word;
    } cases[] = {
        {".", 1, LIMIT - 1, LIMIT + BEYOND, VLP_OK, ""},
        {".", 1, LIMIT, LIMIT + BEYOND, VLP_ERR_LIMIT, "longer than the 64 MiB"},
        {"M\xff\xff", 3, LIMIT - 2, LIMIT + BEYOND, VLP_ERR_LIMIT, "longer than the 64 MiB"},
        {"M\xff\xff", 3, LIMIT - 2, LIMIT, VLP_ERR_FORMAT, "truncated"},
        {"X\x10\0\0\0", 5, LIMIT - 8, LIMIT + BEYOND, VLP_ERR_LIMIT, "longer than the 64 MiB"},
        {"X\x10\0\0\0", 5, LIMIT - 8, LIMIT, VLP_ERR_FORMAT, "longer than the pickle"},
        {"X\0\0\0\x7f", 5, LIMIT - 8, LIMIT + BEYOND, VLP_ERR_FORMAT, "longer than the pickle"},
    };
    uint8_t *data = vlp_malloc(LIMIT + BEYOND);
    memset(data, 'a', NEAR);
    data[0] = 'X'; /* one long text up to NEAR, taken off again */
    vlp_store_u32(data + 1, NEAR - 6);
    data[NEAR - 1] = '0';
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        struct vlp_pickled     tree;
        const struct vlp_bytes in = {data, cases[i].size, "test", false};
        /* None, and the same */
        for (size_t k = NEAR; k < LIMIT + BEYOND; k++) data[k] = k % 2 ? '0' : 'N';
        memcpy(data + cases[i].at, cases[i].end, cases[i].len);
        ck_assert_int_eq(vlp_pickle_run(&tree, &mem, &in, &err), cases[i].status);
        if (cases[i].status != VLP_OK) ck_assert_ptr_nonnull(strstr(err.text, cases[i].word));
    }
    free(data);
}
END_TEST

START_TEST(numbers_have_their_python_values)
{
    static const struct {
        const char *bytes;
        size_t      len;
        int64_t     value;
    } cases[] = {{"K\xff.", 3, 255},
                 {"M\xff\xff.", 4, 65535},
                 {"J\xff\xff\xff\xff.", 6, -1},
                 {"\x8a\x00.", 3, 0},
                 {"\x8a\x01\xff.", 4, -1},
                 {"\x8a\x02\x00\x80.", 5, -32768},
                 {"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.", 11, INT64_MAX},
                 {"\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", 11, INT64_MIN},
                 {"I-70000\n.", 9, -70000},
                 {"L4294967296L\n.", 14, INT64_C(4294967296)}};
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        struct vlp_pickled     tree;
        const struct vlp_bytes in = {(const uint8_t *)cases[i].bytes, cases[i].len, "test", false};
        ck_assert_int_eq(vlp_pickle_run(&tree, &mem, &in, &err), VLP_OK);
        ck_assert_int_eq(tree.root->kind, VLP_VALUE_INT);
        ck_assert_int_eq(tree.root->i, cases[i].value);
        ck_assert_uint_eq(tree.size, cases[i].len);
    }
}
END_TEST

START_TEST(protocol_4_reads_like_protocol_2)
{
    static const char      bytes[] = "\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00"
                                     "}\x94(\x8c\x01"
                                     "a\x94K\x07\x8c\x01"
                                     "bh\x01u.";
    struct vlp_pickled     tree;
    const struct vlp_bytes in = {(const uint8_t *)bytes, sizeof bytes - 1, "test", false};
    ck_assert_msg(vlp_pickle_run(&tree, &mem, &in, &err) == VLP_OK, "%s", err.text);
    ck_assert_int_eq(vlp_value_get(tree.root, "a")->i, 7);
    ck_assert_str_eq(vlp_value_get(tree.root, "b")->text.s, "a");
    ck_assert_ptr_null(vlp_value_get(tree.root, "c"));
}
END_TEST

START_TEST(protocol_1_writes_truths_as_lines)
{
    static const char      bytes[] = "}(X\x01\0\0\0aI01\nX\x01\0\0\0bI00\nu.";
    struct vlp_pickled     tree;
    const struct vlp_bytes in = {(const uint8_t *)bytes, sizeof bytes - 1, "test", false};
    ck_assert_msg(vlp_pickle_run(&tree, &mem, &in, &err) == VLP_OK, "%s", err.text);
    ck_assert_int_eq(vlp_value_get(tree.root, "a")->kind, VLP_VALUE_BOOL);
    ck_assert_int_eq(vlp_value_get(tree.root, "a")->i, 1);
    ck_assert_int_eq(vlp_value_get(tree.root, "b")->i, 0);
}
END_TEST

/* A tensor subclass (_rebuild_from_type_v2) of the twelve floats. */
static void add_subclass(const char *name, const char *inner)
{
    static const int64_t size[] = {12}, stride[] = {1};
    build_text(&pickle, name);
    build_global(&pickle, "torch._tensor", "_rebuild_from_type_v2");
    build_raw(&pickle, "(");
    build_global(&pickle, "torch._utils", inner);
    build_global(&pickle, "torch.nn.parameter", "Parameter");
    build_raw(&pickle, "(");
    build_tensor(&pickle, "FloatStorage", "0", 12, 0, 1, size, stride);
    build_raw(&pickle, "\x89");
    build_ordered_dict(&pickle);
    build_raw(&pickle, "t}tR");
}

START_TEST(a_tensor_of_a_class_of_its_own_is_the_plain_one)
{
    enum vlp_torch_kind kind;
    build_raw(&pickle, "}(");
    add_subclass("w", "_rebuild_parameter");
    build_raw(&pickle, "u.");
    ck_assert_msg(parse(&kind, false) == VLP_OK, "%s", err.text);
    ck_assert_uint_eq(list.n, 1);
    ck_assert_float_eq(floats("w")[11], 11.0f);
}
END_TEST

START_TEST(what_no_weight_is_comes_as_a_name_and_what_it_is)
{
    static const struct {
        const char *name, *odd;
    } rows[] = {{"complex", "complex"},
                {"quantised", "quantised"},
                {"six dimensions", "of too many dimensions"},
                {"sparse", "sparse"},
                {"on meta", "on the meta device"}};
    static const int64_t size[] = {12, 1, 1, 1, 1, 1}, stride[] = {1, 1, 1, 1, 1, 1};
    enum vlp_torch_kind  kind;
    build_raw(&pickle, "}(");
    build_text(&pickle, "complex");
    build_tensor(&pickle, "ComplexFloatStorage", "7", 3, 0, 1, size, stride);
    build_text(&pickle, "quantised");
    build_tensor(&pickle, "QInt8Storage", "8", 3, 0, 1, size, stride);
    build_text(&pickle, "six dimensions");
    build_tensor(&pickle, "FloatStorage", "0", 12, 0, 6, size, stride);
    build_text(&pickle, "sparse");
    build_global(&pickle, "torch._utils", "_rebuild_sparse_tensor");
    build_raw(&pickle, ")R");
    build_text(&pickle, "on meta");
    build_global(&pickle, "torch._utils", "_rebuild_meta_tensor_no_storage");
    build_raw(&pickle, ")R");
    add_view("w", 0, 1, (int64_t[]){12}, (int64_t[]){1});
    build_raw(&pickle, "u.");
    ck_assert_msg(parse(&kind, false) == VLP_OK, "%s", err.text);
    ck_assert_uint_eq(list.n, VLP_COUNT(rows) + 1);
    for (size_t i = 0; i < VLP_COUNT(rows); i++) {
        ck_assert_str_eq(list.item[i].name, rows[i].name);
        ck_assert_pstr_eq(list.item[i].odd, rows[i].odd);
        ck_assert_uint_eq(list.item[i].size, 0);
    }
    ck_assert_ptr_null(list.item[5].odd);
    ck_assert_float_eq(floats("w")[3], 3.0f);
}
END_TEST

/* The container of before PyTorch 1.6, as pickle protocol 2 or, with its frames, 4 writes it. */
static void build_legacy(struct vlp_buf *b, bool framed, const struct vlp_buf *tree)
{
    static const char magic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    static const char frame[] = "\x95\x0d\0\0\0\0\0\0\0";
    vlp_buf_add(b, framed ? "\x80\x04" : "\x80\x02", 2);
    if (framed) vlp_buf_add(b, frame, sizeof frame - 1);
    vlp_buf_add(b, magic, sizeof magic - 1);
    build_raw(b, "\x80\x02M\xe9\x03.\x80\x02}");
    build_text(b, "little_endian");
    build_raw(b, "\x88s.");
    vlp_buf_add(b, tree->data, tree->len);
    build_raw(b, "\x80\x02](");
    build_text(b, "9");
    build_text(b, "0");
    build_raw(b, "e.");
    const uint64_t one = 1, twelve = 12;
    vlp_buf_add(b, &one, 8); /* storage "9": a double */
    vlp_buf_add(b, &values, 8);
    vlp_buf_add(b, &twelve, 8);
    vlp_buf_add(b, values, sizeof values);
}

START_TEST(the_old_container_is_read_in_every_protocol)
{
    static const int64_t size[] = {1, 1, 1, 1, 1, 1}, stride[] = {1, 1, 1, 1, 1, 1};
    struct vlp_buf       b = {0};
    build_raw(&pickle, "}(");
    build_text(&pickle, "not a weight, but it says how long the first storage is");
    build_tensor(&pickle, "DoubleStorage", "9", 1, 0, 6, size, stride);
    add_view("w", 0, 1, (int64_t[]){12}, (int64_t[]){1});
    build_raw(&pickle, "u.");
    build_legacy(&b, _i == 1, &pickle);
    const struct vlp_bytes file = {(const uint8_t *)b.data, b.len, "test.pt", false};
    ck_assert(vlp_torch_is_legacy(&file));
    ck_assert_msg(vlp_torch_legacy_parse(&list, &mem, &file, &err) == VLP_OK, "%s", err.text);
    ck_assert_uint_eq(list.n, 2);
    float last;
    memcpy(&last, (const uint8_t *)list.item[1].data + 44, sizeof last);
    ck_assert_float_eq(last, 11.0f);
    vlp_buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pickle");
    TCase *t = tcase_create("pickle");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, offsets_and_strides_are_honoured_and_a_storage_may_be_shared, 0, 2);
    tcase_add_loop_test(t, a_training_checkpoint_gives_its_state_dict_only, 0,
                        (int)VLP_COUNT(weights_keys));
    tcase_add_test(t, dicts_that_hold_each_other_hold_no_weights);
    tcase_add_test(t, a_module_tree_gives_dotted_paths);
    tcase_add_loop_test(t, a_global_that_is_not_on_the_list_is_named_and_not_run, 0, 6);
    tcase_add_test(t, every_truncation_of_a_pickle_is_an_error);
    tcase_add_test(t, a_pickle_beyond_the_limit_is_not_called_truncated);
    tcase_add_test(t, numbers_have_their_python_values);
    tcase_add_test(t, protocol_4_reads_like_protocol_2);
    tcase_add_test(t, protocol_1_writes_truths_as_lines);
    tcase_add_test(t, a_tensor_of_a_class_of_its_own_is_the_plain_one);
    tcase_add_test(t, what_no_weight_is_comes_as_a_name_and_what_it_is);
    tcase_add_loop_test(t, the_old_container_is_read_in_every_protocol, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
