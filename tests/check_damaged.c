/*
 * check_damaged.c -- the corpus of damaged streams, tables and shards; each file's name says what
 * must become of it: good, torn (a stream that ends early), record (a bad record, and reading goes
 * on), bad (an error).
 */
#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/data.h>
#include <vlp/embedding.h>

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static void check_stream(const char *name, const char *path)
{
    struct vlp_embedding_set s;
    struct vlp_error         err = {0};
    const enum vlp_status    status = vlp_embedding_load(&s, path, NULL, &err);
    ck_assert_msg((status == VLP_OK) == !begins(name, "bad"), "%s: %s", path, err.text);
    if (status != VLP_OK) {
        ck_assert_msg(status == VLP_ERR_FORMAT, "%s: %s", path, err.text);
        ck_assert_msg(strstr(err.text, name) != NULL, "%s", err.text);
        return;
    }
    ck_assert_msg(s.torn == begins(name, "torn"), "%s", path);
    ck_assert_msg(s.n >= 2, "%s: %lld", path, (long long)s.n);
    vlp_embedding_set_free(&s);
}

static void check_source(const char *name, const char *path)
{
    struct vlp_source        *s;
    struct vlp_error          err = {0};
    char *const               paths[] = {(char *)path};
    struct vlp_source_options o = {.paths = paths, .n_paths = 1};
    enum vlp_status           status;
    int                       broken = 0;
    ck_assert_int_eq(vlp_source_open(&s, &o, NULL), VLP_OK);
    for (;;) {
        struct vlp_item it;
        bool            more;
        status = vlp_source_next(s, &it, &more, &err);
        if (status != VLP_OK || !more) break;
        /* Tables name pictures that are not there: that is no fault of the table. */
        broken += it.status != VLP_OK && it.status != VLP_ERR_IO;
        vlp_item_free(&it);
    }
    vlp_source_close(s);
    ck_assert_msg((status != VLP_OK) == begins(name, "bad"), "%s: %s", path, err.text);
    ck_assert_msg((broken > 0) == begins(name, "record"), "%s: %d", path, broken);
    if (status != VLP_OK) ck_assert_msg(strstr(err.text, name) != NULL, "%s", err.text);
}

static int each(const char *folder, void (*check)(const char *name, const char *path))
{
    DIR *d = opendir(folder);
    int  n = 0;
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        check(e->d_name, path);
        n++;
    }
    closedir(d);
    return n;
}

START_TEST(streams_end_as_their_names_say)
{
    ck_assert_int_ge(each("tests/data/stream", check_stream), 25);
}
END_TEST

START_TEST(tables_end_as_their_names_say)
{
    ck_assert_int_ge(each("tests/data/table", check_source), 10);
}
END_TEST

START_TEST(shards_end_as_their_names_say)
{
    ck_assert_int_ge(each("tests/data/tar", check_source), 11);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("damaged");
    TCase *t = tcase_create("corpus");
    tcase_add_test(t, streams_end_as_their_names_say);
    tcase_add_test(t, tables_end_as_their_names_say);
    tcase_add_test(t, shards_end_as_their_names_say);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
