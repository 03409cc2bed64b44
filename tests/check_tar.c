/*
 * check_tar.c -- records from tar shards.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/data.h>

#include "scratch_folder.h"

static void make_dir(void)
{
    scratch_enter();
    ck_assert_int_eq(
        system("mkdir d && printf picture-a >d/a.jpg && printf 'one\\ntwo\\n' >d/a.txt && "
               "printf picture-b >d/b.png && printf '{\"caption\":\"b json\"}' >d/b.json && "
               "printf cat >d/b.cls && printf picture-c >d/c.webp && printf lonely >d/d.txt && "
               "printf x >d/.hidden.jpg && printf x >d/e.npy && "
               "tar cf s.tar --no-recursion d d/a.jpg d/a.txt d/b.cls d/b.json d/b.png d/c.webp "
               "d/.hidden.jpg d/d.txt d/e.npy"),
        0);
}

static struct vlp_error last;

/* The bytes that a located record points to, in the arena of the record. */
static void fetch(struct vlp_item *it)
{
    FILE *f = fopen(it->shard, "rb");
    char *bytes = vlp_arena_alloc(&it->mem, (size_t)it->size + 1);
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_null(it->bytes);
    ck_assert_int_eq(fseek(f, (long)it->offset, SEEK_SET), 0);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)it->size, f), (size_t)it->size);
    fclose(f);
    it->bytes = (uint8_t *)bytes;
    it->bytes_len = (size_t)it->size;
}

/* Of the last listing: records that are located; what is said to be there unread, by member. */
static int  located;
static char unread[256];

static void note_unread(const struct vlp_item *it)
{
    const size_t len = strlen(unread);
    const char  *member = strchr(it->id, '!');
    if (!it->text_unread && !it->label_unread) return;
    snprintf(unread + len, sizeof unread - len, "%s %s%s;", member ? member + 1 : it->id,
             it->text_unread ? "text" : "", it->label_unread ? "label" : "");
}

static char *listing(struct vlp_source_options o, const char *path)
{
    static struct vlp_buf b;
    struct vlp_source    *s;
    bool                  more = true;
    char *const           paths[] = {(char *)path};
    o.paths = paths;
    o.n_paths = path != NULL;
    vlp_buf_clear(&b);
    vlp_buf_add(&b, "", 0);
    located = 0;
    unread[0] = '\0';
    ck_assert_int_eq(vlp_source_open(&s, &o, &last), VLP_OK);
    for (;;) {
        struct vlp_item       it;
        const enum vlp_status status = vlp_source_next(s, &it, &more, &last);
        if (status != VLP_OK) vlp_buf_printf(&b, "!%s", vlp_status_name(status));
        if (status != VLP_OK || !more) break;
        ck_assert(!it.shard || o.locate);
        note_unread(&it);
        if (it.shard) {
            located++;
            fetch(&it);
        }
        if (it.status != VLP_OK) {
            vlp_buf_printf(&b, "%s!%s\n", it.id, vlp_status_name(it.status));
            snprintf(last.text, sizeof last.text, "%s", it.reason);
        } else {
            vlp_buf_printf(&b, "%s|%.*s|%s|%s\n", it.id, it.bytes ? (int)it.bytes_len : 1,
                           it.bytes ? (const char *)it.bytes : "-", it.text ? it.text : "-",
                           it.label ? it.label : "-");
        }
        vlp_item_free(&it);
    }
    vlp_source_close(s);
    return b.data;
}

static const struct vlp_source_options plain;

static char *want(const char *shard)
{
    static struct vlp_buf b;
    vlp_buf_clear(&b);
    vlp_buf_printf(&b,
                   "%1$s!d/a.jpg#0|picture-a|one|-\n%1$s!d/a.jpg#1|picture-a|two|-\n"
                   "%1$s!d/b.png|picture-b|b json|cat\n%1$s!d/c.webp|picture-c|-|-\n"
                   "%1$s!d/d.txt|-|lonely|-\n",
                   shard);
    return b.data;
}

static void slurp(const char *path, struct vlp_buf *b)
{
    FILE *f = fopen(path, "rb");
    ck_assert_int_eq(vlp_read_all(b, f, 0, path, NULL), VLP_OK);
    fclose(f);
}

static void spill(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(data, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(neighbours_with_one_stem_are_pairs)
{
    ck_assert_str_eq(listing(plain, "s.tar"), want("s.tar"));
}
END_TEST

/* As img2dataset writes them: the caption as text, and once more among the metadata. */
START_TEST(a_json_neighbour_is_asked_only_where_no_text_says_it)
{
    static const char *const orders[] = {"jpg json txt", "txt json jpg", "json jpg txt",
                                         "jpg txt json"};
    ck_assert_int_eq(system("for k in 0 1; do printf p$k >$k.jpg && printf c$k >$k.txt && printf "
                            "'{\"caption\":\"c%s\",\"url\":\"u\"}' $k >$k.json || exit; done && "
                            "printf p2 >2.jpg && printf '{\"caption\":[\"x\",\"y\"]}' >2.json"),
                     0);
    for (size_t i = 0; i < VLP_COUNT(orders); i++) {
        char command[192];
        snprintf(command, sizeof command,
                 "tar cf i.tar $(for k in 0 1; do for e in %s; do echo $k.$e; done; done) 2.*",
                 orders[i]);
        ck_assert_int_eq(system(command), 0);
        for (int locate = 0; locate < 2; locate++)
            ck_assert_str_eq(listing((struct vlp_source_options){.locate = locate}, "i.tar"),
                             "i.tar!0.jpg|p0|c0|-\ni.tar!1.jpg|p1|c1|-\n"
                             "i.tar!2.jpg#0|p2|x|-\ni.tar!2.jpg#1|p2|y|-\n");
        ck_assert_ptr_nonnull(freopen("i.tar", "rb", stdin));
        ck_assert_str_eq(listing(plain, "-"), "-!0.jpg|p0|c0|-\n-!1.jpg|p1|c1|-\n"
                                              "-!2.jpg#0|p2|x|-\n-!2.jpg#1|p2|y|-\n");
    }
}
END_TEST

START_TEST(a_text_without_a_picture_has_the_name_of_its_own_member)
{
    static const char *const orders[] = {"cls txt json", "json cls txt", "txt json cls"};
    ck_assert_int_eq(system("printf cat >0.cls && printf c0 >0.txt && printf '{\"caption\":\"j\"}' "
                            ">0.json && cp 0.cls 1.cls && cp 0.json 1.json"),
                     0);
    for (size_t i = 0; i < VLP_COUNT(orders); i++) {
        char command[192];
        snprintf(command, sizeof command,
                 "tar cf i.tar $(for e in %s; do echo 0.$e; done) 1.cls 1.json", orders[i]);
        ck_assert_int_eq(system(command), 0);
        ck_assert_str_eq(listing(plain, "i.tar"), "i.tar!0.txt|-|c0|cat\ni.tar!1.json|-|j|cat\n");
        ck_assert_str_eq(listing(plain, "i.tar!1.json"), "i.tar!1.json|-|j|cat\n");
    }
}
END_TEST

/* What Python's json.dumps makes of a number that is none, and what is no JSON at all. */
START_TEST(a_fault_of_the_metadata_counts_only_where_they_are_needed)
{
    ck_assert_int_eq(system("for k in 0 1 2 3; do printf p$k >$k.jpg || exit; done && "
                            "printf c0 >0.txt && printf '{\"similarity\":NaN}' >0.json && "
                            "printf '{\"caption\":\"c1\",\"similarity\":NaN}' >1.json && "
                            "printf c2 >2.txt && printf '{broken' >2.json && "
                            "printf '{broken' >3.json && tar cf i.tar [0-3].*"),
                     0);
    ck_assert_str_eq(listing(plain, "i.tar"),
                     "i.tar!0.jpg|p0|c0|-\ni.tar!1.jpg|p1|c1|-\ni.tar!2.jpg|p2|c2|-\n"
                     "i.tar!3.jpg!format\n");
}
END_TEST

START_TEST(json_captions_are_what_they_are_in_json_lines)
{
    ck_assert_int_eq(system("for k in 0 1 2 3 4; do printf p$k >$k.jpg || exit; done && "
                            "printf '{\"caption\":null,\"text\":\"c0\"}' >0.json && "
                            "printf '{\"caption\":2021,\"text\":\"c1\"}' >1.json && "
                            "printf '{\"caption\":[\"c2\",{\"raw\":7}]}' >2.json && "
                            "printf '[{\"box\":[1,2]},3]' >3.json && "
                            "printf '{\"width\":1}' >4.json && tar cf i.tar [0-4].*"),
                     0);
    ck_assert_str_eq(listing(plain, "i.tar"),
                     "i.tar!0.jpg|p0|c0|-\ni.tar!1.jpg|p1|c1|-\ni.tar!2.jpg!format\n"
                     "i.tar!3.jpg|p3|-|-\ni.tar!4.jpg|p4|-|-\n");
    ck_assert_msg(strstr(last.text, "2.json") != NULL, "%s", last.text);
}
END_TEST

START_TEST(a_fault_of_a_caption_or_label_is_no_fault_of_the_picture)
{
    ck_assert_int_eq(system("for k in 0 1 2 3; do printf p$k >$k.jpg || exit; done && "
                            "printf '{\"title\":1999}' >0.json && printf 'x\\ny\\n' >1.txt && "
                            "head -c 5M /dev/zero >1.cls && head -c 5M /dev/zero >2.txt && "
                            "printf cat >2.cls && ln -sf 3.jpg l.jpg && printf '{' >l.json && "
                            "printf '{\"title\":{}}' >text.json && "
                            "printf p4 >4.jpg && printf 'c\\0t' >4.cls && "
                            "tar cf i.tar [0-4].* l.* text.json"),
                     0);
    struct vlp_source_options o = {.text_fault = VLP_FAULT_APART, .label_fault = VLP_FAULT_APART};
    ck_assert_str_eq(listing(o, "i.tar"),
                     "i.tar!0.jpg|p0|-|-\ni.tar!0.jpg!format\n"
                     "i.tar!1.jpg#0|p1|x|-\ni.tar!1.jpg#1|p1|y|-\ni.tar!1.jpg!limit\n"
                     "i.tar!2.jpg|p2|-|cat\ni.tar!2.jpg!limit\ni.tar!3.jpg|p3|-|-\n"
                     "i.tar!4.jpg|p4|-|-\ni.tar!4.jpg!format\n"
                     "i.tar!l.jpg!unsupported\ni.tar!text.json!format\n");
    o.text_fault = o.label_fault = VLP_FAULT_UNASKED;
    ck_assert_str_eq(listing(o, "i.tar"),
                     "i.tar!0.jpg|p0|-|-\ni.tar!1.jpg#0|p1|x|-\ni.tar!1.jpg#1|p1|y|-\n"
                     "i.tar!2.jpg|p2|-|cat\ni.tar!3.jpg|p3|-|-\ni.tar!4.jpg|p4|-|-\n"
                     "i.tar!l.jpg!unsupported\ni.tar!text.json!format\n");
}
END_TEST

START_TEST(shards_may_be_compressed)
{
    static const char *const endings[] = {"tar.gz", "tgz",     "tar.zst", "tzst", "tar.xz",
                                          "txz",    "tar.bz2", "tbz2",    "tbz",  "tar.lz4"};
    ck_assert_int_eq(system("gzip -k s.tar && cp s.tar.gz s.tgz && "
                            "zstd -qk s.tar && cp s.tar.zst s.tzst && "
                            "xz -k s.tar && cp s.tar.xz s.txz && "
                            "bzip2 -k s.tar && cp s.tar.bz2 s.tbz2 && cp s.tar.bz2 s.tbz && "
                            "lz4 -q s.tar s.tar.lz4"),
                     0);
    for (size_t i = 0; i < VLP_COUNT(endings); i++) {
        char name[16], command[64];
        snprintf(name, sizeof name, "s.%s", endings[i]);
        ck_assert_str_eq(listing(plain, name), want(name));
        snprintf(command, sizeof command, "cp %s odd", name);
        ck_assert_int_eq(system(command), 0);
        ck_assert_str_eq(listing(plain, "odd"), want("odd"));
        ck_assert_ptr_nonnull(freopen(name, "rb", stdin));
        ck_assert_str_eq(listing(plain, "-"), want("-"));
        ck_assert_int_eq(unlink("odd"), 0);
    }
}
END_TEST

START_TEST(shards_stream_on_stdin)
{
    ck_assert_ptr_nonnull(freopen("s.tar", "rb", stdin));
    ck_assert_str_eq(listing(plain, "-"), want("-"));
}
END_TEST

START_TEST(concatenated_shards_are_read_to_the_end)
{
    ck_assert_int_eq(system("cat s.tar s.tar > t.tar"), 0);
    struct vlp_buf b = {0};
    vlp_buf_add_str(&b, want("t.tar"));
    vlp_buf_add_str(&b, want("t.tar"));
    ck_assert_str_eq(listing(plain, "t.tar"), b.data);
    vlp_buf_free(&b);
}
END_TEST

START_TEST(includes_choose_among_members)
{
    const char *const png[] = {"*.png", NULL};
    ck_assert_str_eq(
        listing((struct vlp_source_options){.include = png,
                                            .exclude = (const char *const[]){"*.txt", NULL}},
                "s.tar"),
        "s.tar!d/b.png|picture-b|b json|cat\n");
}
END_TEST

START_TEST(a_failed_member_can_be_asked_for_again)
{
    const char *list = "s.tar!d/b.png\tformat\tx\ns.tar!d/a.jpg#1\tio\ty\ns.tar!gone.jpg\n";
    spill("list", list, strlen(list));
    ck_assert_str_eq(listing((struct vlp_source_options){.files_from = "list"}, NULL),
                     "s.tar!d/b.png|picture-b|b json|cat\ns.tar!d/a.jpg#0|picture-a|one|-\n"
                     "s.tar!d/a.jpg#1|picture-a|two|-\ns.tar!gone.jpg!io\n");
}
END_TEST

START_TEST(a_time_that_no_count_of_nanoseconds_holds_is_unknown)
{
    static const struct {
        const char *said;
        int64_t     mtime;
    } times[] = {{"9223372036", INT64_C(9223372036000000000)},
                 {"9223372037", -1}, /* in the year 2262 */
                 {"99999999999", -1}};
    for (size_t i = 0; i < VLP_COUNT(times); i++) {
        struct vlp_source        *s;
        struct vlp_item           it;
        bool                      more;
        char                      command[128];
        char *const               paths[] = {"t.tar"};
        struct vlp_source_options o = {.paths = paths, .n_paths = 1};
        snprintf(command, sizeof command, "tar cf t.tar --format=posix --mtime=@%s d/a.jpg",
                 times[i].said);
        ck_assert_int_eq(system(command), 0);
        ck_assert_int_eq(vlp_source_open(&s, &o, NULL), VLP_OK);
        ck_assert_int_eq(vlp_source_next(s, &it, &more, NULL), VLP_OK);
        ck_assert(more);
        ck_assert_int_eq(it.mtime, times[i].mtime);
        vlp_item_free(&it);
        vlp_source_close(s);
    }
}
END_TEST

START_TEST(names_stay_names)
{
    ck_assert_int_eq(system("tar cPf t.tar --transform 's,^d/,../../,' d/a.jpg && "
                            "tar rPf t.tar --transform 's,^d/,/abs/,' d/c.webp && "
                            "cd d && ln -s a.jpg link.jpg && tar rf ../t.tar link.jpg"),
                     0);
    ck_assert_str_eq(listing(plain, "t.tar"),
                     "t.tar!../../a.jpg|picture-a|-|-\nt.tar!/abs/c.webp|picture-c|-|-\n"
                     "t.tar!link.jpg!unsupported\n");
    ck_assert_int_ne(access("../../a.jpg", F_OK), 0);
}
END_TEST

START_TEST(names_that_are_not_utf8_are_bytes)
{
    ck_assert_int_eq(system("cp d/a.jpg \"$(printf 'd/\\377\\303\\251.jpg')\" && "
                            "tar --format=pax -cf t.tar d/*.jpg d/c.webp"),
                     0);
    ck_assert_ptr_nonnull(strstr(listing(plain, "t.tar"), "t.tar!d/\xff\xc3\xa9.jpg|picture-a|"));
}
END_TEST

START_TEST(cut_at_any_block_a_shard_gives_what_is_whole_and_says_so)
{
    struct vlp_buf b = {0};
    slurp("s.tar", &b);
    char *all = vlp_strdup(want("t.tar"));
    for (size_t len = 0; len < 14 * 512; len += 128) {
        spill("t.tar", b.data, len);
        char       *got = listing(plain, "t.tar");
        size_t      n = strlen(got);
        const char *line = strstr(got, "t.tar!format\n"), *end = strstr(got, "!format");
        ck_assert_ptr_nonnull(end); /* a bad record, or the end of the input */
        n = (size_t)((line ? line : end) - got);
        ck_assert_msg(n <= strlen(all), "%zu: %s", len, got);
        /* The records before it are those of the whole shard, but for captions that are cut off. */
        if (n >= 30) ck_assert_int_eq(strncmp(got, all, 15), 0);
    }
    free(all);
    vlp_buf_free(&b);
}
END_TEST

START_TEST(a_truncated_gzip_is_a_format_error)
{
    struct vlp_buf b = {0};
    ck_assert_int_eq(
        system("head -c 300000 /dev/urandom > d/z.jpg && tar czf t.tar.gz d/a.jpg d/a.txt d/z.jpg"),
        0);
    slurp("t.tar.gz", &b);
    spill("t.tar.gz", b.data, b.len - 2000);
    ck_assert_str_eq(
        listing(plain, "t.tar.gz"),
        "t.tar.gz!d/a.jpg#0|picture-a|one|-\nt.tar.gz!d/a.jpg#1|picture-a|two|-\n!format");
    ck_assert_msg(strstr(last.text, "d/z.jpg") != NULL, "%s", last.text);
    vlp_buf_free(&b);
}
END_TEST

/* Of both the place is the end of the file, and a number that it has. */
START_TEST(where_a_cut_shard_is_damaged_is_in_it)
{
    static const char *const shard[] = {"t.tar.gz", "t.tar.zst", "t.tar"};
    ck_assert_int_eq(
        system("head -c 300000 /dev/urandom > d/z.jpg && tar cf t.tar d/a.jpg d/z.jpg && "
               "gzip -k t.tar && zstd -qk t.tar"),
        0);
    for (size_t i = 0; i < VLP_COUNT(shard); i++) {
        struct vlp_buf b = {0};
        slurp(shard[i], &b);
        spill(shard[i], b.data, 250000);
        ck_assert_ptr_nonnull(strstr(listing(plain, shard[i]), "!format"));
        const char *at = strstr(last.text, "at offset ");
        ck_assert_msg(at && strtoull(at + 10, NULL, 10) <= 250000, "%s", last.text);
        vlp_buf_free(&b);
    }
}
END_TEST

/* The records are there by then, and the shard is damaged: one of them may be. */
START_TEST(gzip_data_that_its_sums_do_not_fit_is_a_format_error)
{
    struct vlp_buf b = {0}, records = {0};
    ck_assert_int_eq(system("gzip -c s.tar > t.tar.gz"), 0);
    vlp_buf_printf(&records, "%s!format", want("t.tar.gz"));
    slurp("t.tar.gz", &b);
    for (size_t back = 1; back <= 8; back++) { /* the CRC-32, the length */
        b.data[b.len - back] ^= 1;
        spill("t.tar.gz", b.data, b.len);
        b.data[b.len - back] ^= 1;
        ck_assert_str_eq(listing(plain, "t.tar.gz"), records.data);
        ck_assert_ptr_nonnull(strstr(last.text, back > 4 ? "data check" : "length check"));
        ck_assert_ptr_nonnull(freopen("t.tar.gz", "rb", stdin));
        ck_assert_ptr_nonnull(strstr(listing(plain, "-"), "!format"));
    }
    vlp_buf_free(&records);
    vlp_buf_free(&b);
}
END_TEST

START_TEST(gzip_members_follow_one_another)
{
    struct vlp_buf b = {0};
    ck_assert_int_eq(
        system("head -c 1000 s.tar | gzip > t.tar.gz && tail -c +1001 s.tar | gzip >> "
               "t.tar.gz && cp t.tar.gz u.tar.gz && head -c 700 /dev/zero >> u.tar.gz"),
        0);
    ck_assert_str_eq(listing(plain, "t.tar.gz"), want("t.tar.gz"));
    ck_assert_str_eq(listing(plain, "u.tar.gz"), want("u.tar.gz"));
    ck_assert_ptr_nonnull(freopen("t.tar.gz", "rb", stdin));
    ck_assert_str_eq(listing(plain, "-"), want("-"));
    slurp("t.tar.gz", &b);
    vlp_buf_add_str(&b, "no member");
    spill("t.tar.gz", b.data, b.len);
    ck_assert_ptr_nonnull(strstr(listing(plain, "t.tar.gz"), "!format"));
    vlp_buf_free(&b);
}
END_TEST

START_TEST(sizes_that_lie_are_format_errors)
{
    struct vlp_buf b = {0};
    slurp("s.tar", &b);
    /* the last in base 256: the largest number of 64 bits */
    const char *size[] = {"77777777777", "00000200000", "-0000000001",
                          "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < VLP_COUNT(size); i++) {
        uint8_t *head = (uint8_t *)b.data + 512; /* of d/a.jpg */
        memcpy(head + 124, size[i], 12);
        memset(head + 148, ' ', 8);
        unsigned sum = 0;
        for (int k = 0; k < 512; k++) sum += head[k];
        snprintf((char *)head + 148, 8, "%06o", sum);
        spill("t.tar", b.data, b.len);
        char *read = vlp_strdup(listing(plain, "t.tar"));
        ck_assert_ptr_nonnull(strstr(read, "!format"));
        ck_assert_str_eq(listing((struct vlp_source_options){.locate = true}, "t.tar"), read);
        free(read);
    }
    vlp_buf_free(&b);
}
END_TEST

START_TEST(what_is_no_tar_is_a_format_error)
{
    spill("t.tar", "not a tar file at all, whatever its name may say", 48);
    ck_assert_str_eq(listing(plain, "t.tar"), "!format");
    ck_assert_msg(strstr(last.text, "t.tar: no tar file"), "%s", last.text);
    spill("t.tar", "", 0);
    ck_assert_str_eq(listing(plain, "t.tar"), "!format");
    spill("t.tar.gz", "\x1f\x8b\x08\x00garbage", 11);
    ck_assert_str_eq(listing(plain, "t.tar.gz"), "!format");
    ck_assert_str_eq(listing(plain, "none.tar"), "!io");
    /* packed soundly, but with something else in it; a sound packing is not called damaged */
    static const char *const packers[] = {"gzip", "zstd", "xz"};
    for (size_t i = 0; i < VLP_COUNT(packers); i++) {
        char command[64];
        snprintf(command, sizeof command, "%s -q -c d/b.json >b.packed", packers[i]);
        ck_assert_int_eq(system(command), 0);
        ck_assert_str_eq(listing(plain, "b.packed"), "!format");
        ck_assert_msg(strstr(last.text, "compressed, but no tar file"), "%s", last.text);
    }
}
END_TEST

/* What is said of a shard does not depend on whether its pictures are read or located. */
static void same_when_located(const char *shard, int want_located)
{
    char *read = vlp_strdup(listing(plain, shard));
    ck_assert_str_eq(listing((struct vlp_source_options){.locate = true}, shard), read);
    ck_assert_int_eq(located, want_located);
    free(read);
}

START_TEST(members_of_plain_shards_are_located)
{
    ck_assert_int_eq(
        system(
            "long=$(printf 'very-long/%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 "
            "22 23 24 25) && mkdir -p d/$long && head -c 200000 /dev/urandom | base64 "
            ">d/$long/big.jpg && echo long >d/$long/big.txt && gzip -k s.tar && "
            "tar --format=gnu -cf gnu.tar d/a.jpg d/$long/big.* d/c.webp && "
            "tar --format=pax -cf pax.tar d/a.jpg d/$long/big.* d/c.webp && "
            "cat s.tar gnu.tar >both.tar && "
            "truncate -s 1M d/hole.jpg && echo end >>d/hole.jpg && "
            "tar -S -cf sparse.tar d/hole.jpg d/c.webp"),
        0);
    same_when_located("s.tar", 4);
    same_when_located("gnu.tar", 3);
    same_when_located("pax.tar", 3);
    same_when_located("both.tar", 7);
    same_when_located("sparse.tar", 1); /* a file with holes does not lie in one piece */
    same_when_located("s.tar.gz", 0);
    ck_assert_ptr_nonnull(freopen("s.tar", "rb", stdin));
    ck_assert_str_eq(listing((struct vlp_source_options){.locate = true}, "-"), want("-"));
    ck_assert_int_eq(located, 0);
}
END_TEST

START_TEST(cut_at_any_block_a_located_shard_says_the_same)
{
    struct vlp_buf b = {0};
    slurp("s.tar", &b);
    for (size_t len = 0; len < 14 * 512; len += 128) {
        spill("t.tar", b.data, len);
        char *read = vlp_strdup(listing(plain, "t.tar"));
        ck_assert_str_eq(listing((struct vlp_source_options){.locate = true}, "t.tar"), read);
        free(read);
    }
    vlp_buf_free(&b);
}
END_TEST

/* What stands before the first failure: the listing of a shard that was given up. */
static size_t sound_part(const char *got)
{
    const char *end = strstr(got, "!format");
    ck_assert_msg(end != NULL, "nothing is said: %s", got);
    while (end > got && end[-1] != '\n') end--;
    return (size_t)(end - got);
}

/* Does `all` begin with these bytes, and does no line that belongs to them follow: "#1" ...? */
static void is_whole_groups_of(const char *got, size_t len, const char *all)
{
    ck_assert_msg(strncmp(got, all, len) == 0, "%s is not the beginning of %s", got, all);
    const char *hash = strpbrk(all + len, "#|");
    ck_assert_msg(!hash || *hash == '|' || hash[1] == '0', "captions are missing: %s", got);
}

/* The listing of a shard as it is under another name. */
static char *called(const char *listed, const char *name, const char *other)
{
    static struct vlp_buf b;
    vlp_buf_clear(&b);
    vlp_buf_add(&b, "", 0);
    while (*listed) {
        const bool   named = strncmp(listed, name, strlen(name)) == 0;
        const char  *end = strchr(listed, '\n');
        const size_t len = end ? (size_t)(end - listed) + 1 : strlen(listed);
        const size_t from = named ? strlen(name) : 0;
        if (named) vlp_buf_add_str(&b, other);
        vlp_buf_add(&b, listed + from, len - from);
        listed += len;
    }
    return b.data;
}

START_TEST(a_group_that_the_end_of_a_cut_shard_leaves_open_is_not_given)
{
    static const char *const orders[] = {"jpg txt cls", "txt cls jpg", "cls jpg txt", "txt jpg",
                                         "jpg json",    "json jpg",    "txt"};
    ck_assert_int_eq(system("for k in 0 1 2; do printf p$k >$k.jpg && printf 'x\\ny\\n' >$k.txt && "
                            "printf '{\"caption\":[\"x\",\"y\"]}' >$k.json && "
                            "printf k$k >$k.cls || exit; done"),
                     0);
    for (size_t i = 0; i < VLP_COUNT(orders); i++) {
        char           command[192];
        struct vlp_buf b = {0};
        snprintf(command, sizeof command,
                 "tar cf t.tar $(for k in 0 1 2; do for e in %s; do echo $k.$e; done; done)",
                 orders[i]);
        ck_assert_int_eq(system(command), 0);
        slurp("t.tar", &b);
        char  *all = vlp_strdup(listing(plain, "t.tar"));
        size_t end = b.len;
        while (b.data[end - 1] == '\0') end--;
        end = (end + 511) / 512 * 512;
        for (size_t len = 512; len <= end; len += 256) {
            spill("t.tar", b.data, len);
            char *got = vlp_strdup(listing(plain, "t.tar"));
            is_whole_groups_of(got, sound_part(got), all);
            ck_assert_str_eq(listing((struct vlp_source_options){.locate = true}, "t.tar"), got);
            ck_assert_ptr_nonnull(freopen("t.tar", "rb", stdin));
            ck_assert_str_eq(called(listing(plain, "-"), "-", "t.tar"), got);
            free(got);
        }
        spill("t.tar", b.data, end + 512); /* half the mark says that there is no more */
        ck_assert_str_eq(listing(plain, "t.tar"), all);
        free(all);
        vlp_buf_free(&b);
    }
}
END_TEST

START_TEST(what_follows_a_group_shows_it_to_be_whole)
{
    struct vlp_buf b = {0};
    ck_assert_int_eq(system("tar cf t.tar d/a.jpg d/a.txt d/c.webp"), 0);
    slurp("t.tar", &b);
    spill("t.tar", b.data, 5 * 512); /* the header of d/c.webp, and no byte of it */
    ck_assert_ptr_nonnull(strstr(listing(plain, "t.tar"), "t.tar!d/a.jpg#1|picture-a|two|-\n"));
    ck_assert_msg(strstr(last.text, "'d/c.webp' is left out") != NULL, "%s", last.text);
    spill("t.tar", b.data, 4 * 512);
    ck_assert_str_eq(listing(plain, "t.tar"), "t.tar!format\n");
    ck_assert_msg(strstr(last.text, "'d/a.jpg' is left out") != NULL, "%s", last.text);
    vlp_buf_free(&b);
}
END_TEST

/* Of what libarchive unpacks the reader does not see the mark once there is damage behind it. */
START_TEST(damage_behind_the_end_mark_takes_no_group)
{
    static const char *const shards[] = {"t.tar", "t.tar.gz"};
    ck_assert_int_eq(system("printf 'no header' >junk && head -c 700 /dev/urandom >>junk && "
                            "cat s.tar junk >t.tar && gzip -k t.tar"),
                     0);
    for (size_t i = 0; i < VLP_COUNT(shards); i++) {
        struct vlp_buf records = {0};
        vlp_buf_printf(&records, "%s!format", want(shards[i]));
        ck_assert_str_eq(listing(plain, shards[i]), records.data);
        ck_assert_str_eq(listing((struct vlp_source_options){.locate = true}, shards[i]),
                         records.data);
        vlp_buf_clear(&records);
        vlp_buf_printf(&records, "%s!format", want("-"));
        ck_assert_ptr_nonnull(freopen(shards[i], "rb", stdin));
        ck_assert_str_eq(listing(plain, "-"), records.data);
        vlp_buf_free(&records);
    }
}
END_TEST

START_TEST(packed_shards_that_are_cut_give_whole_groups)
{
    static const char *const shards[] = {"t.tar.gz", "t.tar.zst", "t.tar.xz"};
    ck_assert_int_eq(
        system("for k in 0 1 2 3; do head -c 90000 /dev/urandom | base64 -w 0 >$k.jpg && "
               "printf 'x\\ny\\n' >$k.txt || exit; done && "
               "tar cf t.tar 0.txt 0.jpg 1.jpg 1.txt 2.jpg 2.txt 3.txt 3.jpg && "
               "gzip -k t.tar && zstd -qk t.tar && xz -k t.tar"),
        0);
    for (size_t i = 0; i < VLP_COUNT(shards); i++) {
        struct vlp_buf b = {0};
        slurp(shards[i], &b);
        char *all = vlp_strdup(listing(plain, shards[i]));
        for (size_t len = b.len / 16; len < b.len; len += b.len / 16) {
            spill(shards[i], b.data, len);
            char *got = listing(plain, shards[i]);
            is_whole_groups_of(got, sound_part(got), all);
        }
        free(all);
        vlp_buf_free(&b);
    }
}
END_TEST

/* Of a cut shard nobody knows what it has not. */
START_TEST(a_member_that_a_cut_shard_may_have_is_not_said_to_be_missing)
{
    struct vlp_buf b = {0};
    ck_assert_int_eq(system("tar cf t.tar d/a.jpg d/a.txt d/c.webp d/d.txt"), 0);
    slurp("t.tar", &b);
    for (size_t blocks = 6; blocks <= 8; blocks += 2) {
        const char *list = "t.tar!d/a.jpg\nt.tar!d/c.webp\nt.tar!gone.jpg\nt.tar!d/d.txt\n"
                           "t.tar!d/a.jpg\n";
        spill("t.tar", b.data, blocks * 512);
        spill("list", list, strlen(list));
        char          *got = listing((struct vlp_source_options){.files_from = "list"}, NULL);
        char           one[] = "t.tar!d/a.jpg#0|picture-a|one|-\nt.tar!d/a.jpg#1|picture-a|two|-\n";
        struct vlp_buf want = {0};
        vlp_buf_printf(&want, "%s%st.tar!format\nt.tar!format\n%s", one,
                       blocks == 6 ? "t.tar!format\n" : "t.tar!d/c.webp|picture-c|-|-\n", one);
        ck_assert_str_eq(got, want.data);
        vlp_buf_free(&want);
    }
    vlp_buf_free(&b);
}
END_TEST

/* A picture that is passed over takes along what belongs to it; texts have names of their own. */
START_TEST(a_group_is_passed_over_as_a_whole)
{
    static const char *const orders[] = {"jpg txt cls", "txt cls jpg", "cls json jpg"};
    static const struct {
        const char *include, *exclude, *want;
    } cases[] = {
        {"1*", NULL, "t.tar!1.jpg|p1|c1|k1\n"},
        {NULL, "0.jpg", "t.tar!1.jpg|p1|c1|k1\nt.tar!e.txt|-|lonely|-\n"},
        {NULL, "*.jpg", "t.tar!e.txt|-|lonely|-\n"},
        {"e*", NULL, "t.tar!e.txt|-|lonely|-\n"},
        {"*.jpg", NULL, "t.tar!0.jpg|p0|c0|k0\nt.tar!1.jpg|p1|c1|k1\n"},
        {"*.txt", NULL, "t.tar!e.txt|-|lonely|-\n"},
    };
    ck_assert_int_eq(system("printf lonely >e.txt && for k in 0 1; do printf p$k >$k.jpg && "
                            "printf c$k >$k.txt && printf k$k >$k.cls && "
                            "printf '{\"caption\":\"c%s\"}' $k >$k.json || exit; done"),
                     0);
    for (size_t i = 0; i < VLP_COUNT(orders) * VLP_COUNT(cases); i++) {
        char command[192];
        snprintf(command, sizeof command,
                 "tar cf t.tar $(for k in 0 1; do for e in %s; do echo $k.$e; done; done) e.txt",
                 orders[i / VLP_COUNT(cases)]);
        const size_t      k = i % VLP_COUNT(cases);
        const char *const include[] = {cases[k].include, NULL}, *const exclude[] = {
                                                                    cases[k].exclude, NULL};
        ck_assert_int_eq(system(command), 0);
        ck_assert_str_eq(
            listing((struct vlp_source_options){.include = include, .exclude = exclude}, "t.tar"),
            cases[k].want);
    }
}
END_TEST

/* A picture of another kind, passed over, does not come between a wanted one and its words. */
START_TEST(a_passed_over_picture_of_the_same_stem_changes_nothing)
{
    static const char *const orders[] = {"x.jpg x.txt x.png", "x.png x.jpg x.txt",
                                         "x.jpg x.png x.txt", "x.txt x.png x.jpg"};
    ck_assert_int_eq(system("printf j >x.jpg && printf p >x.png && printf w >x.txt"), 0);
    for (size_t i = 0; i < VLP_COUNT(orders); i++) {
        char              command[64];
        const char *const jpg[] = {"*.jpg", NULL};
        snprintf(command, sizeof command, "tar cf t.tar %s", orders[i]);
        ck_assert_int_eq(system(command), 0);
        ck_assert_str_eq(listing((struct vlp_source_options){.exclude = jpg}, "t.tar"),
                         "t.tar!x.png|p|w|-\n");
    }
}
END_TEST

/* Inputs that are named are taken. */
START_TEST(a_member_that_is_asked_for_by_name_need_not_match)
{
    const char *const other[] = {"1*", NULL}, *const jpg[] = {"*.jpg", NULL};
    spill("list", "s.tar!d/a.jpg\ns.tar!d/d.txt\n", 28);
    const char *want = "s.tar!d/a.jpg#0|picture-a|one|-\ns.tar!d/a.jpg#1|picture-a|two|-\n"
                       "s.tar!d/d.txt|-|lonely|-\n";
    ck_assert_str_eq(
        listing((struct vlp_source_options){.include = other, .files_from = "list"}, NULL), want);
    ck_assert_str_eq(
        listing((struct vlp_source_options){.exclude = jpg, .files_from = "list"}, NULL), want);
}
END_TEST

START_TEST(captions_and_labels_that_are_links_are_named)
{
    ck_assert_int_eq(
        system("for k in 0 1 2 3 4; do printf p$k >$k.jpg || exit; done && printf c0 >0.txt && "
               "printf k0 >0.cls && ln 0.txt 1.txt && ln -s 0.txt 2.txt && "
               "ln 0.cls 3.cls && mkfifo 4.caption && ln 0.txt e.txt && "
               "printf c2 >2.caption && printf c3 >3.txt && ln 0.txt 3.json && "
               "tar cf t.tar 0.jpg 0.txt 0.cls 1.* 2.* 3.* 4.* e.txt"),
        0);
    struct vlp_source_options o = {.text_fault = VLP_FAULT_APART, .label_fault = VLP_FAULT_APART};
    ck_assert_str_eq(listing(o, "t.tar"),
                     "t.tar!0.jpg|p0|c0|k0\nt.tar!1.jpg|p1|-|-\nt.tar!1.jpg!io\n"
                     "t.tar!2.jpg|p2|c2|-\nt.tar!2.jpg!io\nt.tar!3.jpg|p3|c3|-\nt.tar!3.jpg!io\n"
                     "t.tar!4.jpg|p4|-|-\nt.tar!4.jpg!io\nt.tar!e.txt!io\n");
    ck_assert_str_eq(unread, "1.jpg text;2.jpg text;3.jpg label;4.jpg text;");
    ck_assert_msg(strstr(last.text, "e.txt: is no plain file inside the tar file") != NULL, "%s",
                  last.text);
}
END_TEST

START_TEST(hidden_members_are_passed_over_as_in_folders)
{
    ck_assert_int_eq(
        system("mkdir -p d/.h d/sub && printf h >d/.h/z.png && printf h >d/.h/z.txt && "
               "printf s >d/sub/s.png && printf t >d/.t.txt && printf o >d/..o.png && "
               "tar cf t.tar d && tar -C d -cf u.tar . && "
               "tar cPf v.tar --transform 's,^d/,../../,' d/sub"),
        0);
    ck_assert_ptr_null(strstr(listing(plain, "t.tar"), "/."));
    ck_assert_ptr_nonnull(strstr(listing(plain, "t.tar"), "t.tar!d/sub/s.png|s|"));
    ck_assert_ptr_null(strstr(listing(plain, "u.tar"), "/.h"));
    ck_assert_ptr_null(strstr(listing(plain, "u.tar"), "o.png"));
    ck_assert_ptr_nonnull(strstr(listing(plain, "u.tar"), "u.tar!./sub/s.png|s|"));
    ck_assert_ptr_nonnull(strstr(listing(plain, "v.tar"), "v.tar!../../sub/s.png|s|"));
    listing(plain, "t.tar!d/.h/z.png");
    ck_assert_msg(strstr(last.text, "hidden") != NULL, "%s", last.text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tar");
    TCase *t = tcase_create("tar");
    tcase_add_checked_fixture(t, make_dir, scratch_leave);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, neighbours_with_one_stem_are_pairs);
    tcase_add_test(t, a_json_neighbour_is_asked_only_where_no_text_says_it);
    tcase_add_test(t, a_text_without_a_picture_has_the_name_of_its_own_member);
    tcase_add_test(t, a_fault_of_the_metadata_counts_only_where_they_are_needed);
    tcase_add_test(t, json_captions_are_what_they_are_in_json_lines);
    tcase_add_test(t, a_fault_of_a_caption_or_label_is_no_fault_of_the_picture);
    tcase_add_test(t, shards_may_be_compressed);
    tcase_add_test(t, shards_stream_on_stdin);
    tcase_add_test(t, concatenated_shards_are_read_to_the_end);
    tcase_add_test(t, includes_choose_among_members);
    tcase_add_test(t, a_failed_member_can_be_asked_for_again);
    tcase_add_test(t, a_time_that_no_count_of_nanoseconds_holds_is_unknown);
    tcase_add_test(t, names_stay_names);
    tcase_add_test(t, names_that_are_not_utf8_are_bytes);
    tcase_add_test(t, cut_at_any_block_a_shard_gives_what_is_whole_and_says_so);
    tcase_add_test(t, a_truncated_gzip_is_a_format_error);
    tcase_add_test(t, where_a_cut_shard_is_damaged_is_in_it);
    tcase_add_test(t, gzip_data_that_its_sums_do_not_fit_is_a_format_error);
    tcase_add_test(t, gzip_members_follow_one_another);
    tcase_add_test(t, sizes_that_lie_are_format_errors);
    tcase_add_test(t, what_is_no_tar_is_a_format_error);
    tcase_add_test(t, members_of_plain_shards_are_located);
    tcase_add_test(t, cut_at_any_block_a_located_shard_says_the_same);
    tcase_add_test(t, a_group_that_the_end_of_a_cut_shard_leaves_open_is_not_given);
    tcase_add_test(t, what_follows_a_group_shows_it_to_be_whole);
    tcase_add_test(t, damage_behind_the_end_mark_takes_no_group);
    tcase_add_test(t, packed_shards_that_are_cut_give_whole_groups);
    tcase_add_test(t, a_member_that_a_cut_shard_may_have_is_not_said_to_be_missing);
    tcase_add_test(t, a_group_is_passed_over_as_a_whole);
    tcase_add_test(t, a_passed_over_picture_of_the_same_stem_changes_nothing);
    tcase_add_test(t, a_member_that_is_asked_for_by_name_need_not_match);
    tcase_add_test(t, captions_and_labels_that_are_links_are_named);
    tcase_add_test(t, hidden_members_are_passed_over_as_in_folders);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
