/*
 * check_vectors.c -- embedding files of every format: round trips, indexes, everything at once.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vlp/embedding.h>

#include "scratch_folder.h"

enum { DIM = 7, N = 5000 };

/* All kinds of floats: large, tiny, subnormal, negative zero, thirds. */
static float value(int i, int c)
{
    const float kinds[] = {1.0f / 3, -0.0f, 3e38f, 1e-45f, 16777216.0f, 0.1f, -7.25e-12f};
    return kinds[(i + c) % 7] * (float)(i % 3 == 0 ? 1 : (i + c) % 11 + 1) *
           (((i + c) % 7 == 2) ? 0.1f : 1.0f);
}

static const char *const odd_ids[] = {"plain.jpg", "with\ttab\nand\\slash\r.png", "caf\xc3\xa9",
                                      "\xff\xfenot utf-8", "\"quoted\""};

static void id_of(char *out, size_t size, int i)
{
    snprintf(out, size, "%s %d", odd_ids[i % 5], i);
}

static enum vlp_status write_file(const char *path, const char *format, enum vlp_dtype t,
                                  bool with_extras, bool header, struct vlp_error *err)
{
    struct vlp_embedding_header h = {.dim = DIM,
                                     .dtype = t,
                                     .modality = VLP_TEXT,
                                     .normalized = true,
                                     .metric = VLP_DOT,
                                     .fingerprint = "0123456789abcdef0123456789abcdef"};
    h.about = json_pack("{s:s}", "command", "check \"it\"");
    struct vlp_embedding_writer       *w;
    struct vlp_embedding_write_options o = {.format = format, .header = header};
    enum vlp_status                    s = vlp_embedding_writer_open(&w, path, &h, &o, err);
    json_decref(h.about);
    if (s != VLP_OK) return s;
    for (int i = 0; i < N && s == VLP_OK; i++) {
        float x[DIM];
        char  id[128];
        id_of(id, sizeof id, i);
        for (int c = 0; c < DIM; c++) x[c] = value(i, c);
        struct vlp_record r = {.id = id, .id_len = strlen(id), .vector = x};
        if (with_extras && i % 4 == 1) {
            r.meta = odd_ids[i % 5];
            r.meta_len = strlen(r.meta);
        }
        if (with_extras && i % 4 == 2) r.flags = VLP_RECORD_TEXT | VLP_RECORD_TRUNCATED;
        s = vlp_embedding_write(w, &r, err);
    }
    if (s == VLP_OK) return vlp_embedding_writer_close(w, err);
    vlp_embedding_writer_abandon(w);
    return s;
}

static float through(float x, enum vlp_dtype t)
{
    uint16_t h;
    if (t == VLP_F32) return x;
    vlp_from_f32(&h, t, &x, 1);
    vlp_to_f32(&x, &h, t, 1);
    return x;
}

static void check_file(const char *path, enum vlp_dtype t, bool ids, bool extras)
{
    struct vlp_embedding_reader *r;
    struct vlp_embedding_block   b;
    struct vlp_error             err;
    int                          n = 0;
    ck_assert_msg(vlp_embedding_open(&r, path, &err) == VLP_OK, "%s", err.text);
    const struct vlp_embedding_header *h = vlp_embedding_header(r);
    ck_assert_int_eq(h->dim, DIM);
    for (;;) {
        ck_assert_msg(vlp_embedding_next(r, &b, &err) == VLP_OK, "%s", err.text);
        if (!b.n) break;
        for (int k = 0; k < b.n; k++, n++) {
            float x[DIM];
            char  id[128];
            id_of(id, sizeof id, n);
            if (!ids) snprintf(id, sizeof id, "%d", n);
            if (strcmp(b.ids[k], id) != 0 || b.id_lens[k] != strlen(id))
                ck_abort_msg("%s: id %d is '%s'", path, n, b.ids[k]);
            vlp_embedding_row_f32(h, &b, k, x);
            for (int c = 0; c < DIM; c++) {
                const float want = through(value(n, c), t);
                if (memcmp(&x[c], &want, sizeof want) != 0)
                    ck_abort_msg("%s: value %d of row %d is %a, not %a", path, c, n, (double)x[c],
                                 (double)want);
            }
            const bool has_meta = extras && n % 4 == 1, flagged = extras && n % 4 == 2;
            if (has_meta != (b.metas[k] != NULL) ||
                (has_meta && (strcmp(b.metas[k], odd_ids[n % 5]) != 0 ||
                              b.meta_lens[k] != strlen(odd_ids[n % 5]))))
                ck_abort_msg("%s: meta of row %d", path, n);
            if (b.flags[k] != (flagged ? VLP_RECORD_TEXT | VLP_RECORD_TRUNCATED : 0))
                ck_abort_msg("%s: flags of row %d", path, n);
        }
    }
    ck_assert_int_eq(n, N);
    ck_assert(vlp_embedding_ended(r));
    vlp_embedding_close(r);
}

static const struct {
    const char    *format;
    enum vlp_dtype from, to;
    bool           extras; /* keeps metas and flags */
} trips[] = {{"vle", VLP_F32, VLP_F32, true},          {"npy", VLP_F32, VLP_F32, false},
             {"npy", VLP_F16, VLP_F16, false},         {"fvecs", VLP_F32, VLP_F32, false},
             {"tsv", VLP_F32, VLP_F32, false},         {"jsonl", VLP_F32, VLP_F32, true},
             {"safetensors", VLP_F32, VLP_F32, true},  {"safetensors", VLP_F16, VLP_F16, true},
             {"safetensors", VLP_BF16, VLP_BF16, true}};

START_TEST(every_format_gives_back_the_same_floats_and_ids)
{
    struct vlp_error err;
    const char      *format = trips[_i].format;
    ck_assert_msg(write_file("out.any", format, trips[_i].from, trips[_i].extras, _i % 2, &err) ==
                      VLP_OK,
                  "%s", err.text);
    check_file("out.any", trips[_i].to, true, trips[_i].extras);
    ck_assert_int_eq(access("out.any.ids", F_OK) == 0,
                     strcmp(format, "npy") == 0 || strcmp(format, "fvecs") == 0);
    ck_assert_int_eq(write_file("out.any", format, trips[_i].from, false, false, &err),
                     VLP_ERR_EXISTS);
}
END_TEST

START_TEST(every_format_goes_through_pipes)
{
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    const pid_t child = fork();
    if (child == 0) {
        struct vlp_error err;
        if (!freopen("fifo", "wb", stdout)) _exit(2);
        const enum vlp_status s =
            write_file("-", trips[_i].format, trips[_i].from, trips[_i].extras, true, &err);
        fflush(stdout);
        _exit(s == VLP_OK ? 0 : 1);
    }
    const bool ids = strcmp(trips[_i].format, "npy") != 0 && strcmp(trips[_i].format, "fvecs") != 0;
    check_file("fifo", trips[_i].to, ids, trips[_i].extras);
    int status;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(i8_goes_through_safetensors_unchanged)
{
    struct vlp_error         err;
    struct vlp_embedding_set a, b;
    ck_assert_int_eq(write_file("a.vle", "vle", VLP_I8, true, false, &err), VLP_OK);
    ck_assert_int_eq(write_file("b.safetensors", "safetensors", VLP_I8, true, false, &err), VLP_OK);
    ck_assert_int_eq(vlp_embedding_load(&a, "a.vle", NULL, &err), VLP_OK);
    ck_assert_int_eq(vlp_embedding_load(&b, "b.safetensors", NULL, &err), VLP_OK);
    ck_assert_int_eq(a.n, N);
    ck_assert_int_eq(b.n, N);
    ck_assert_int_eq(b.header.dtype, VLP_I8);
    ck_assert_int_eq(b.header.modality, VLP_TEXT);
    ck_assert_int_eq(b.header.metric, VLP_DOT);
    ck_assert(b.header.normalized);
    ck_assert_str_eq(b.header.fingerprint, a.header.fingerprint);
    ck_assert(json_equal(a.header.about, b.header.about));
    for (int64_t i = 0; i < N; i++) {
        float x[DIM], y[DIM];
        vlp_embedding_set_f32(&a, i, x);
        vlp_embedding_set_f32(&b, i, y);
        ck_assert_mem_eq(x, y, sizeof x);
    }
    vlp_embedding_set_free(&a);
    vlp_embedding_set_free(&b);
}
END_TEST

/* A safetensors file of one vector (1, 0) with this __metadata__. */
static void put_safetensors(const char *path, const char *metadata)
{
    const float x[] = {1, 0};
    char        header[1024];
    uint8_t     size[8];
    FILE       *f = fopen(path, "wb");
    snprintf(header, sizeof header,
             "{\"__metadata__\":{%s},\"vectors\":{\"dtype\":\"F32\",\"shape\":[1,2],"
             "\"data_offsets\":[0,8]}}",
             metadata);
    vlp_store_u64(size, strlen(header));
    fwrite(size, sizeof size, 1, f);
    fputs(header, f);
    fwrite(x, sizeof x, 1, f);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(metadata_of_safetensors_that_are_not_understood_are_refused_by_name)
{
    static const char *const faults[][2] = {
        {"\"normalized\":\"True\"", "normalized"},
        {"\"metric\":\"dot product\"", "metric"},
        {"\"modality\":\"picture\"", "modality"},
        {"\"modality\":1", "modality"},
        {"\"fingerprint\":\"0123456789ABCDEF\"", "fingerprint"},
        {"\"fingerprint\":\"0123456789abcdef0123456789abcdef0\"", "fingerprint"},
        {"\"about\":\"{\"", "about"}};
    struct vlp_embedding_set set;
    struct vlp_error         err;
    for (size_t i = 0; i < VLP_COUNT(faults); i++) {
        char ours[128];
        snprintf(ours, sizeof ours, "\"format\":\"vlp-embedding\",%s", faults[i][0]);
        put_safetensors("m.safetensors", ours);
        ck_assert_int_eq(vlp_embedding_load(&set, "m.safetensors", NULL, &err), VLP_ERR_FORMAT);
        ck_assert_msg(strstr(err.text, faults[i][1]) != NULL, "%s", err.text);
    }
    put_safetensors("m.safetensors",
                    "\"format\":\"pt\",\"modality\":\"image\",\"normalized\":\"true\","
                    "\"metric\":\"dot\",\"fingerprint\":\"00ff\",\"about\":\"{}\"");
    ck_assert_int_eq(vlp_embedding_load(&set, "m.safetensors", NULL, &err), VLP_OK);
    ck_assert_int_eq(set.header.modality, VLP_IMAGE);
    ck_assert(set.header.normalized);
    ck_assert_int_eq(set.header.metric, VLP_DOT);
    ck_assert_str_eq(set.header.fingerprint, "00ff");
    vlp_embedding_set_free(&set);
    put_safetensors("m.safetensors", ""); /* what is not said is not known */
    ck_assert_int_eq(vlp_embedding_load(&set, "m.safetensors", NULL, &err), VLP_OK);
    ck_assert_int_eq(set.header.modality, VLP_ANY);
    ck_assert(!set.header.normalized);
    ck_assert_int_eq(set.header.metric, VLP_COSINE);
    vlp_embedding_set_free(&set);
}
END_TEST

static void note(void *ctx, const char *sentence)
{
    snprintf(ctx, sizeof((struct vlp_error *)0)->text, "%s", sentence);
}

START_TEST(metadata_of_foreign_safetensors_are_words_that_others_use)
{
    static const struct {
        const char     *text;
        enum vlp_status status;
        bool            told;
    } m[] = {{"\"format\":\"pt\",\"about\":\"my vectors\"", VLP_OK, false},
             {"\"about\":\"{\",\"modality\":\"audio\"", VLP_OK, false},
             {"\"format\":\"pt\",\"modality\":1,\"fingerprint\":\"\"", VLP_OK, false},
             {"\"format\":\"pt\",\"fingerprint\":\"SHA256:ABC\"", VLP_OK, true},
             {"\"fingerprint\":2", VLP_OK, true},
             {"\"format\":\"pt\",\"metric\":\"l2\"", VLP_ERR_FORMAT, false},
             {"\"normalized\":\"1\"", VLP_ERR_FORMAT, false}};
    for (size_t i = 0; i < VLP_COUNT(m); i++) {
        struct vlp_error                        told = {.text = ""}, err;
        const struct vlp_embedding_read_options how = {.say = note, .ctx = told.text};
        struct vlp_embedding_reader            *r;
        put_safetensors("m.safetensors", m[i].text);
        ck_assert_int_eq(vlp_embedding_open_with(&r, "m.safetensors", &how, &err), m[i].status);
        ck_assert_int_eq(strstr(told.text, "fingerprint") != NULL, m[i].told);
        if (m[i].status != VLP_OK) continue;
        ck_assert_int_eq(vlp_embedding_header(r)->modality, VLP_ANY);
        ck_assert_str_eq(vlp_embedding_header(r)->fingerprint, "");
        ck_assert_ptr_null(vlp_embedding_header(r)->about);
        vlp_embedding_close(r);
    }
}
END_TEST

START_TEST(a_meta_that_safetensors_would_take_for_none_is_refused)
{
    const float                              x[DIM] = {1};
    const struct vlp_embedding_header        h = {.dim = DIM, .dtype = VLP_F32};
    const struct vlp_embedding_write_options o = {.format = "safetensors"};
    const char                              *metas[] = {"\x01", "\x01\x01", ""};
    struct vlp_embedding_writer             *w;
    struct vlp_error                         err;
    ck_assert_int_eq(vlp_embedding_writer_open(&w, "m.safetensors", &h, &o, &err), VLP_OK);
    for (size_t i = 0; i < VLP_COUNT(metas); i++) {
        const struct vlp_record r = {
            .id = "a", .id_len = 1, .meta = metas[i], .meta_len = strlen(metas[i]), .vector = x};
        ck_assert_int_eq(vlp_embedding_write(w, &r, &err), i == 0 ? VLP_ERR_SUPPORT : VLP_OK);
    }
    vlp_embedding_writer_abandon(w);
}
END_TEST

START_TEST(deletions_go_only_where_they_can_be_told)
{
    for (const char *const *f = vlp_embedding_formats; *f; f++) {
        struct vlp_embedding_header        h = {.dim = 2, .dtype = VLP_F32};
        struct vlp_embedding_write_options o = {.format = *f, .force = true};
        struct vlp_embedding_writer       *w;
        struct vlp_record r = {.id = "a", .id_len = 1, .flags = VLP_RECORD_DELETED};
        const bool        can = strcmp(*f, "vle") == 0 || strcmp(*f, "jsonl") == 0;
        ck_assert_int_eq(vlp_embedding_writer_open(&w, "x", &h, &o, NULL), VLP_OK);
        ck_assert_int_eq(vlp_embedding_write(w, &r, NULL), can ? VLP_OK : VLP_ERR_SUPPORT);
        vlp_embedding_writer_abandon(w);
    }
}
END_TEST

START_TEST(an_abandoned_export_leaves_nothing)
{
    for (const char *const *f = vlp_embedding_formats; *f; f++) {
        struct vlp_embedding_header        h = {.dim = 2, .dtype = VLP_F32};
        struct vlp_embedding_write_options o = {.format = *f};
        struct vlp_embedding_writer       *w;
        const float                        x[] = {1, 2};
        struct vlp_record                  r = {.id = "a", .id_len = 1, .vector = x};
        if (strcmp(*f, "vle") == 0) continue; /* continues: see check_embedding.c */
        ck_assert_int_eq(vlp_embedding_writer_open(&w, "x", &h, &o, NULL), VLP_OK);
        ck_assert_int_eq(vlp_embedding_write(w, &r, NULL), VLP_OK);
        vlp_embedding_writer_abandon(w);
        ck_assert_int_eq(system("test -z \"$(ls)\""), 0);
    }
}
END_TEST

START_TEST(text_of_others_is_understood)
{
    struct vlp_embedding_set s;
    scratch_put_text("a.tsv", "name\tx\ty\r\nfirst\t1\t-2.5e-1\r\n\r\nse\\tcond\t+3\tnan");
    ck_assert_int_eq(vlp_embedding_load(&s, "a.tsv", NULL, NULL), VLP_OK);
    ck_assert_int_eq(s.n, 2);
    ck_assert_str_eq(s.ids[1], "se\tcond");
    ck_assert_float_eq(((const float *)s.row[0])[1], -0.25f);
    ck_assert(isnan(((const float *)s.row[1])[1]));
    vlp_embedding_set_free(&s);
    scratch_put_text("a.jsonl", "\xef\xbb\xbf{\"id\": 7, \"vector\": [1, 2.5]}\n\n"
                                "{\"vector\": [\"-inf\", 0], \"id\": \"b\", \"meta\": \"m\"}");
    ck_assert_int_eq(vlp_embedding_load(&s, "a.jsonl", NULL, NULL), VLP_OK);
    ck_assert_int_eq(s.n, 2);
    ck_assert_str_eq(s.ids[0], "7");
    ck_assert_str_eq(s.metas[1], "m");
    ck_assert_float_eq(((const float *)s.row[1])[0], -INFINITY);
    vlp_embedding_set_free(&s);
}
END_TEST

START_TEST(damaged_text_names_its_line)
{
    const struct {
        const char *text, *where;
    } bad[] = {{"a\t1\t2\nb\t1\n", "line 2"},
               {"a\t1\t2\nb\t1\t2\t3\n", "line 2"},
               {"a\t1\t2\n\nb\t1\tx\n", "line 3"},
               {"{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"a\",\"vector\":[1,2]}\n", "line 2"},
               {"{\"id\":\"a\",\"vector\":[1]}\n{\"id\":\"a\",\n", "line 2"},
               {"{\"id\":\"a\",\"vector\":[1]}\n[]\n", "line 2"},
               {"{\"id\":\"a\",\"vector\":[1]}\n{\"vector\":[1]}\n", "line 2"},
               {"{\"id\":\"a\",\"vector\":[null]}\n", "line 1"},
               {"{\"id_hex\":\"abc\",\"vector\":[1]}\n", "line 1"},
               {"{\"id\":\"a\"}\n", "line 1"},
               {"{\"deleted\":true}\n{\"id\":\"a\",\"vector\":[1]}\n", "line 1 has no id"},
               {"\n{\"id\":\"a\",\"deleted\":true}\n\n{\"deleted\":true}\n\n"
                "{\"id\":\"a\",\"vector\":[1]}\n",
                "line 4 has no id"}};
    for (size_t i = 0; i < VLP_COUNT(bad); i++) {
        struct vlp_embedding_set s;
        struct vlp_error         err;
        scratch_put_text("bad", bad[i].text);
        ck_assert_msg(vlp_embedding_load(&s, "bad", NULL, &err) == VLP_ERR_FORMAT, "%s",
                      bad[i].text);
        ck_assert_msg(strstr(err.text, bad[i].where) != NULL, "%s", err.text);
    }
}
END_TEST

START_TEST(ids_and_vectors_must_be_equally_many)
{
    struct vlp_error         err;
    struct vlp_embedding_set s;
    ck_assert_int_eq(write_file("a.npy", "npy", VLP_F32, false, false, &err), VLP_OK);
    scratch_put_text("a.npy.ids", "one\ntwo\n");
    ck_assert_int_eq(vlp_embedding_load(&s, "a.npy", NULL, &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "fewer"));
    ck_assert_int_eq(system("seq 1 5001 > a.npy.ids"), 0);
    ck_assert_int_eq(vlp_embedding_load(&s, "a.npy", NULL, &err), VLP_ERR_FORMAT);
    ck_assert_ptr_nonnull(strstr(err.text, "more ids"));
    ck_assert_int_eq(unlink("a.npy.ids"), 0);
    check_file("a.npy", VLP_F32, false, false);
}
END_TEST

START_TEST(an_id_beside_vectors_is_no_longer_than_elsewhere)
{
    struct vlp_error         err;
    struct vlp_embedding_set s;
    ck_assert_int_eq(write_file("a.npy", "npy", VLP_F32, false, false, &err), VLP_OK);
    ck_assert_int_eq(system("{ seq 2; printf '%065537d\\n' 3; seq 4 5000; } > a.npy.ids"), 0);
    ck_assert_int_eq(vlp_embedding_load(&s, "a.npy", NULL, &err), VLP_ERR_FORMAT);
    ck_assert_str_eq(err.text, "a.npy.ids: line 3 has an id that is too long");
    ck_assert_int_eq(system("{ seq 2; printf '%065536d\\n' 3; seq 4 5000; } > a.npy.ids"), 0);
    ck_assert_int_eq(vlp_embedding_load(&s, "a.npy", NULL, &err), VLP_OK);
    vlp_embedding_set_free(&s);
}
END_TEST

/* "+id" writes a record, "-id" a deletion, "tid" a text; the value is the place in the list. */
static void write_story(const char *path, const char *const *story, bool append)
{
    struct vlp_embedding_header        h = {.dim = 1, .dtype = VLP_F32};
    struct vlp_embedding_write_options o = {.append = append};
    struct vlp_embedding_writer       *w;
    ck_assert_int_eq(vlp_embedding_writer_open(&w, path, &h, &o, NULL), VLP_OK);
    for (int i = 0; story[i]; i++) {
        char        stamp[32];
        const float x = (float)i;
        snprintf(stamp, sizeof stamp, "stamp %d", i);
        struct vlp_record r = {.id = story[i] + 1,
                               .id_len = strlen(story[i] + 1),
                               .meta = stamp,
                               .meta_len = strlen(stamp),
                               .vector = &x};
        if (*story[i] == '-')
            r = (struct vlp_record){.id = r.id, .id_len = r.id_len, .flags = VLP_RECORD_DELETED};
        if (*story[i] == 't') r.flags = VLP_RECORD_TEXT;
        ck_assert_int_eq(vlp_embedding_write(w, &r, NULL), VLP_OK);
    }
    ck_assert_int_eq(vlp_embedding_writer_close(w, NULL), VLP_OK);
}

START_TEST(what_a_later_record_deletes_is_not_loaded)
{
    const char *const first[] = {"+a", "+b", "+c", "+a", "tb", NULL}, *const second[] = {
                                                                          "-b", "+b", "-c", "-gone",
                                                                          NULL};
    struct vlp_embedding_set s;
    write_story("a.vle", first, false);
    ck_assert_int_eq(vlp_embedding_load(&s, "a.vle", NULL, NULL), VLP_OK);
    ck_assert_int_eq(s.n, 5);
    vlp_embedding_set_free(&s);
    write_story("a.vle", second, true);
    ck_assert_int_eq(vlp_embedding_load(&s, "a.vle", NULL, NULL), VLP_OK);
    ck_assert_int_eq(s.n, 3);
    ck_assert_str_eq(s.ids[0], "a");
    ck_assert_str_eq(s.ids[1], "a");
    ck_assert_str_eq(s.ids[2], "b");
    float x;
    vlp_embedding_set_f32(&s, 2, &x);
    ck_assert_float_eq(x, 1.0f); /* of the second part */
    vlp_embedding_set_free(&s);
}
END_TEST

START_TEST(a_file_that_holds_no_header_is_blank)
{
    scratch_put_text("begun.vle", "\x89VLE\r\n");
    scratch_put_text("other.vle", "something else");
    ck_assert(vlp_embedding_is_blank("none.vle"));
    ck_assert(vlp_embedding_is_blank("begun.vle"));
    ck_assert(!vlp_embedding_is_blank("other.vle"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vectors");
    TCase *t = tcase_create("formats");
    tcase_add_checked_fixture(t, scratch_enter, scratch_leave);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_format_gives_back_the_same_floats_and_ids, 0, VLP_COUNT(trips));
    tcase_add_loop_test(t, every_format_goes_through_pipes, 0, VLP_COUNT(trips));
    tcase_add_test(t, i8_goes_through_safetensors_unchanged);
    tcase_add_test(t, metadata_of_safetensors_that_are_not_understood_are_refused_by_name);
    tcase_add_test(t, metadata_of_foreign_safetensors_are_words_that_others_use);
    tcase_add_test(t, a_meta_that_safetensors_would_take_for_none_is_refused);
    tcase_add_test(t, deletions_go_only_where_they_can_be_told);
    tcase_add_test(t, an_abandoned_export_leaves_nothing);
    tcase_add_test(t, text_of_others_is_understood);
    tcase_add_test(t, damaged_text_names_its_line);
    tcase_add_test(t, ids_and_vectors_must_be_equally_many);
    tcase_add_test(t, an_id_beside_vectors_is_no_longer_than_elsewhere);
    tcase_add_test(t, what_a_later_record_deletes_is_not_loaded);
    tcase_add_test(t, a_file_that_holds_no_header_is_blank);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
