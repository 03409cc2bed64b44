/*
 * check_data.c -- records from files, folders, lists and lines.
 */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <vlp/data.h>

#include "scratch_folder.h"

/*
 * All records as text, one a line: "id|path|text" with "-" for what is missing, "id!status" for bad
 * ones, "!status" for an error that ends the input.
 */
static char *listing(const struct vlp_source_options *o)
{
    static struct vlp_buf b;
    struct vlp_source    *s;
    struct vlp_error      err;
    bool                  more = true;
    vlp_buf_clear(&b);
    vlp_buf_add(&b, "", 0);
    enum vlp_status status = vlp_source_open(&s, o, &err);
    if (status != VLP_OK) {
        vlp_buf_printf(&b, "!%s", vlp_status_name(status));
        return b.data;
    }
    for (;;) {
        struct vlp_item it;
        status = vlp_source_next(s, &it, &more, &err);
        if (status != VLP_OK || !more) break;
        ck_assert_uint_eq(strlen(it.id), it.id_len);
        if (it.status != VLP_OK) {
            ck_assert_ptr_nonnull(it.reason);
            vlp_buf_printf(&b, "%s!%s\n", it.id, vlp_status_name(it.status));
        } else {
            vlp_buf_printf(&b, "%s|%s|%s\n", it.id, it.path ? it.path : "-",
                           it.text ? it.text : "-");
        }
        vlp_item_free(&it);
    }
    if (status != VLP_OK) vlp_buf_printf(&b, "!%s\n", vlp_status_name(status));
    vlp_source_close(s);
    return b.data;
}

static char *paths(struct vlp_source_options o, const char *a, const char *b)
{
    char *const list[] = {(char *)a, (char *)b};
    o.paths = list;
    o.n_paths = b ? 2 : a ? 1 : 0;
    return listing(&o);
}

static void tree(void)
{
    ck_assert_int_eq(system("mkdir -p p/b p/a.d p/.hidden p/b/c"), 0);
    const char *files[] = {"p/b.jpg",         "p/a.png",     "p/B.JPG",        "p/notes.txt",
                           "p/b/z.webp",      "p/b/y.jpeg",  "p/a.d/x.jpg",    "p/.dot.jpg",
                           "p/.hidden/h.jpg", "p/b/c/w.jpg", "p/new\nline.jpg"};
    for (size_t i = 0; i < VLP_COUNT(files); i++) scratch_put_text(files[i], "x");
}

START_TEST(files_are_records_in_the_order_given)
{
    scratch_put_text("b.jpg", "x");
    scratch_put_text("a.jpg", "x");
    ck_assert_str_eq(paths((struct vlp_source_options){0}, "b.jpg", "./a.jpg"),
                     "b.jpg|b.jpg|-\n./a.jpg|./a.jpg|-\n");
}
END_TEST

START_TEST(a_missing_file_is_a_bad_record_and_the_rest_follows)
{
    scratch_put_text("a.jpg", "x");
    ck_assert_str_eq(paths((struct vlp_source_options){0}, "gone.jpg", "a.jpg"),
                     "gone.jpg!io\na.jpg|a.jpg|-\n");
}
END_TEST

START_TEST(a_file_knows_its_size_and_time)
{
    struct vlp_source        *s;
    struct vlp_item           it;
    struct stat               st;
    bool                      more;
    char *const               list[] = {"a.jpg"};
    struct vlp_source_options o = {.paths = list, .n_paths = 1};
    scratch_put_text("a.jpg", "four");
    ck_assert_int_eq(stat("a.jpg", &st), 0);
    ck_assert_int_eq(vlp_source_open(&s, &o, NULL), VLP_OK);
    ck_assert_int_eq(vlp_source_expected(s), 1);
    ck_assert_int_eq(vlp_source_next(s, &it, &more, NULL), VLP_OK);
    ck_assert(more);
    ck_assert_int_eq(it.size, 4);
    ck_assert_int_eq(it.mtime, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
    vlp_item_free(&it);
    vlp_source_close(s);
}
END_TEST

START_TEST(a_folder_gives_its_pictures_in_byte_order_without_hidden_ones)
{
    tree();
    ck_assert_str_eq(paths((struct vlp_source_options){0}, "p", NULL),
                     "p/B.JPG|p/B.JPG|-\np/a.png|p/a.png|-\np/b.jpg|p/b.jpg|-\n"
                     "p/new\nline.jpg|p/new\nline.jpg|-\n");
    ck_assert_str_eq(paths((struct vlp_source_options){.recursive = true}, "p/", NULL),
                     "p/B.JPG|p/B.JPG|-\np/a.d/x.jpg|p/a.d/x.jpg|-\np/a.png|p/a.png|-\n"
                     "p/b.jpg|p/b.jpg|-\np/b/c/w.jpg|p/b/c/w.jpg|-\np/b/y.jpeg|p/b/y.jpeg|-\n"
                     "p/b/z.webp|p/b/z.webp|-\np/new\nline.jpg|p/new\nline.jpg|-\n");
}
END_TEST

START_TEST(include_and_exclude_choose_by_base_name_or_path)
{
    const char *const jpg[] = {"*.jpg", NULL}, *const inside[] = {"p/b/*", NULL},
                      *const c[] = {"c", NULL}, *const txt[] = {"*.txt", NULL};
    tree();
    ck_assert_str_eq(
        paths((struct vlp_source_options){.recursive = true, .include = jpg, .exclude = inside},
              "p", NULL),
        "p/a.d/x.jpg|p/a.d/x.jpg|-\np/b.jpg|p/b.jpg|-\np/new\nline.jpg|p/new\nline.jpg|-\n");
    ck_assert_str_eq(
        paths((struct vlp_source_options){.recursive = true, .include = inside, .exclude = c}, "p",
              NULL),
        "p/b/y.jpeg|p/b/y.jpeg|-\np/b/z.webp|p/b/z.webp|-\n");
    ck_assert_str_eq(paths((struct vlp_source_options){.include = txt}, "p", NULL),
                     "p/notes.txt|p/notes.txt|-\n");
}
END_TEST

START_TEST(captions_are_pictures_only_by_a_pattern_with_their_ending)
{
    const char *const cat[] = {"cat*", NULL}, *const txt[] = {"dog*", "cat.txt", NULL},
                      *const any[] = {"p/*", NULL};
    ck_assert_int_eq(mkdir("p", 0700), 0);
    scratch_put_text("p/cat.bin", "x");
    scratch_put_text("p/cat.png", "x");
    scratch_put_text("p/cat.txt", "a cat");
    scratch_put_text("p/dog.caption", "a dog");
    scratch_put_text("p/dog.json", "5");
    ck_assert_str_eq(
        paths((struct vlp_source_options){.include = cat, .captions = true}, "p", NULL),
        "p/cat.bin|p/cat.bin|a cat\np/cat.png|p/cat.png|a cat\n");
    ck_assert_str_eq(paths((struct vlp_source_options){.include = any}, "p", NULL),
                     "p/cat.bin|p/cat.bin|-\np/cat.png|p/cat.png|-\n");
    ck_assert_str_eq(paths((struct vlp_source_options){.include = txt}, "p", NULL),
                     "p/cat.txt|p/cat.txt|-\n");
}
END_TEST

START_TEST(include_and_exclude_choose_among_what_was_found_not_what_was_named)
{
    const char *const jpg[] = {"*.jpg", NULL}, *const a[] = {"a*", NULL};
    scratch_put_text("list", "p\np/a.png\n");
    tree();
    ck_assert_str_eq(
        listing(&(struct vlp_source_options){
            .files_from = "list", .recursive = true, .include = jpg, .exclude = a}),
        "p/b.jpg|p/b.jpg|-\np/b/c/w.jpg|p/b/c/w.jpg|-\np/new\nline.jpg|p/new\nline.jpg|-\n"
        "p/a.png|p/a.png|-\n");
}
END_TEST

START_TEST(a_table_that_cannot_be_understood_ends_no_job_of_several_inputs)
{
    const struct vlp_source_options going = {.keep_going = true};
    scratch_put_text("a.jpg", "x");
    scratch_put_text("bad.tsv", "id\tlabel\n1\ta\n");
    ck_assert_str_eq(paths(going, "bad.tsv", "a.jpg"), "bad.tsv!format\na.jpg|a.jpg|-\n");
    ck_assert_str_eq(paths(going, "a.jpg", "bad.tsv"), "a.jpg|a.jpg|-\nbad.tsv!format\n");
    scratch_put_text("list", "bad.tsv\na.jpg\n");
    ck_assert_str_eq(
        listing(&(struct vlp_source_options){.files_from = "list", .keep_going = true}),
        "bad.tsv!format\na.jpg|a.jpg|-\n");
    /* Alone it is the wrong thing to ask for, and nothing was begun. */
    ck_assert_str_eq(paths(going, "bad.tsv", NULL), "!usage\n");
    ck_assert_str_eq(paths((struct vlp_source_options){0}, "bad.tsv", "a.jpg"), "!usage\n");
}
END_TEST

START_TEST(options_that_no_input_could_satisfy_are_refused_at_once)
{
    scratch_put_text("a.jpg", "x");
    ck_assert_str_eq(
        paths((struct vlp_source_options){.keep_going = true, .text_column = "0"}, "a.jpg", NULL),
        "!usage");
    ck_assert_str_eq(
        paths((struct vlp_source_options){.keep_going = true, .format = "xml"}, "a.jpg", NULL),
        "!usage");
}
END_TEST

START_TEST(links_that_lead_back_do_not_loop)
{
    ck_assert_int_eq(system("mkdir -p p/q && ln -s .. p/q/up && ln -s ../../p p/q/again && "
                            "ln -s nowhere p/q/dangling.jpg"),
                     0);
    scratch_put_text("p/q/a.jpg", "x");
    ck_assert_str_eq(paths((struct vlp_source_options){.recursive = true}, "p", NULL),
                     "p/q/a.jpg|p/q/a.jpg|-\np/q/dangling.jpg!io\n");
}
END_TEST

/* What it led to may have been a folder of pictures: on a disk that is not there today. */
START_TEST(a_link_to_nothing_is_named_where_folders_are_entered)
{
    static const char *const wanted[] = {"*.jpg", NULL}, *const no_disks[] = {"disk*", NULL};
    tree();
    ck_assert_int_eq(system("ln -s ../gone p/disk && ln -s gone p/.lost && ln -s b p/links"), 0);
    const char *rest =
        paths((struct vlp_source_options){.recursive = true, .exclude = no_disks}, "p", NULL);
    ck_assert_ptr_null(strstr(rest, "disk"));
    ck_assert_ptr_null(strstr(rest, "!io"));
    ck_assert_ptr_null(strstr(paths((struct vlp_source_options){0}, "p", NULL), "disk"));
    const char *named =
        paths((struct vlp_source_options){.recursive = true, .include = wanted}, "p", NULL);
    ck_assert_ptr_nonnull(strstr(named, "p/disk!io\n"));
    ck_assert_ptr_null(strstr(named, "lost"));
}
END_TEST

START_TEST(an_unreadable_folder_is_named)
{
    if (geteuid() == 0) return; /* nothing is unreadable for root */
    tree();
    ck_assert_int_eq(chmod("p/b", 0), 0);
    ck_assert_ptr_nonnull(
        strstr(paths((struct vlp_source_options){.recursive = true}, "p", NULL), "p/b!io\n"));
}
END_TEST

START_TEST(the_stem_of_an_id_is_what_stands_before_a_number)
{
    static const struct {
        const char *id;
        size_t      stem;
    } rows[] = {{"a.jpg#0", 5}, {"a#1#22", 3}, {"s.tar!b.png#7", 11},
                {"a.jpg", 5},   {"a#", 2},     {"a#x1", 4},
                {"#3", 2},      {"17", 2},     {"", 0}};
    for (size_t i = 0; i < VLP_COUNT(rows); i++)
        ck_assert_uint_eq(vlp_stem_of_id(rows[i].id, strlen(rows[i].id)), rows[i].stem);
}
END_TEST

START_TEST(a_list_names_files_by_line_or_by_nul)
{
    scratch_put_text("a.jpg", "x");
    scratch_put_text("b c.jpg", "x");
    scratch_put_text("d\ne.jpg", "x");
    scratch_put_text("list", "b c.jpg\r\n\n./a.jpg\nlast.jpg");
    ck_assert_str_eq(paths((struct vlp_source_options){.files_from = "list"}, "a.jpg", NULL),
                     "a.jpg|a.jpg|-\nb c.jpg|b c.jpg|-\n./a.jpg|./a.jpg|-\nlast.jpg!io\n");
    scratch_put("nuls", "d\ne.jpg\0a.jpg", 13);
    ck_assert_str_eq(
        paths((struct vlp_source_options){.files_from = "nuls", .nul = true}, NULL, NULL),
        "d\ne.jpg|d\ne.jpg|-\na.jpg|a.jpg|-\n");
}
END_TEST

START_TEST(a_list_with_tabs_is_a_failed_file)
{
    scratch_put_text("a.jpg", "x");
    scratch_put_text("d\n\t\\e.jpg", "x");
    scratch_put_text("list", "a.jpg\tformat\ttruncated\nd\\n\\t\\\\e.jpg\tio\tno\n");
    ck_assert_str_eq(paths((struct vlp_source_options){.files_from = "list"}, NULL, NULL),
                     "a.jpg|a.jpg|-\nd\n\t\\e.jpg|d\n\t\\e.jpg|-\n");
}
END_TEST

START_TEST(an_endless_line_in_a_list_is_a_bad_record)
{
    struct vlp_buf b = {0};
    scratch_put_text("a.jpg", "x");
    for (int i = 0; i < 300000; i++) vlp_buf_add_char(&b, 'x');
    vlp_buf_add_str(&b, "\na.jpg\nwith");
    vlp_buf_add(&b, "\0nul\n", 5);
    scratch_put("list", b.data, b.len);
    ck_assert_str_eq(paths((struct vlp_source_options){.files_from = "list"}, NULL, NULL),
                     "list:1!limit\na.jpg|a.jpg|-\nlist:3!format\n");
    vlp_buf_free(&b);
}
END_TEST

static bool stop_at_the_tenth(void *ctx)
{
    return ++*(int *)ctx >= 10;
}

/* There is no next record at which to ask. */
START_TEST(a_stop_is_seen_in_the_middle_of_an_endless_line)
{
    static const char *const  formats[] = {"tsv", "csv", "jsonl", NULL, NULL};
    static char              *endless[] = {"/dev/zero"};
    int                       asked = 0;
    struct vlp_source_options o = {.stop = stop_at_the_tenth, .stop_ctx = &asked};
    struct vlp_source        *s;
    struct vlp_item           it;
    struct vlp_error          err;
    bool                      more;
    if (formats[_i]) {
        o.format = formats[_i];
        o.paths = endless;
        o.n_paths = 1;
    } else if (_i == 3) {
        o.files_from = endless[0];
    } else {
        o.lines = endless[0];
    }
    o.keep_going = true; /* to be stopped is no loss of an input */
    ck_assert_int_eq(vlp_source_open(&s, &o, &err), VLP_OK);
    ck_assert_int_eq(vlp_source_next(s, &it, &more, &err), VLP_ERR_STOPPED);
    ck_assert_int_eq(asked, 10);
    vlp_source_close(s);
}
END_TEST

START_TEST(lists_have_lines_of_bounded_length_without_nul)
{
    enum { LONG = 1 << 20 };
    struct vlp_buf    b = {0};
    struct vlp_lines *l;
    struct vlp_line   line;
    struct vlp_error  err;
    bool              more;
    vlp_buf_add_str(&b, "\xef\xbb\xbf"
                        "first\r\n\n");
    for (int i = 0; i < LONG; i++) vlp_buf_add_char(&b, 'x');
    vlp_buf_add_str(&b, "\ny");
    for (int i = 0; i < LONG; i++) vlp_buf_add_char(&b, 'x');
    vlp_buf_add(&b, "\na\0b\nlast", 9);
    scratch_put("list", b.data, b.len);
    static const struct {
        enum vlp_status status;
        size_t          len;
    } want[] = {{VLP_OK, 5},        {VLP_OK, 0},         {VLP_OK, LONG},
                {VLP_ERR_LIMIT, 0}, {VLP_ERR_FORMAT, 0}, {VLP_OK, 4}};
    ck_assert_int_eq(vlp_lines_open(&l, "list", VLP_LINES_TEXTS, false, &err), VLP_OK);
    for (size_t i = 0; i < VLP_COUNT(want); i++) {
        ck_assert_int_eq(vlp_lines_next(l, &line, &more, &err), VLP_OK);
        ck_assert(more);
        ck_assert_int_eq(line.number, (int64_t)i + 1);
        ck_assert_int_eq(line.status, want[i].status);
        if (line.status == VLP_OK) ck_assert_uint_eq(line.len, want[i].len);
        if (line.status == VLP_OK) ck_assert_uint_eq(strlen(line.bytes), want[i].len);
    }
    ck_assert_int_eq(vlp_lines_next(l, &line, &more, &err), VLP_OK);
    ck_assert(!more);
    vlp_lines_close(l);

    ck_assert_int_eq(vlp_lines_open(&l, "list", VLP_LINES_PATHS, true, &err), VLP_OK);
    ck_assert_int_eq(vlp_lines_next(l, &line, &more, &err), VLP_OK);
    ck_assert_int_eq(line.status, VLP_ERR_LIMIT); /* up to the NUL */
    ck_assert_int_eq(vlp_lines_next(l, &line, &more, &err), VLP_OK);
    ck_assert_str_eq(line.bytes, "b\nlast");
    vlp_lines_close(l);
    ck_assert_int_eq(vlp_lines_open(&l, "none", VLP_LINES_PATHS, true, &err), VLP_ERR_IO);
    vlp_buf_free(&b);
}
END_TEST

START_TEST(a_line_of_a_gigabyte_is_no_list)
{
    struct vlp_lines *l;
    struct vlp_line   line;
    struct vlp_error  err;
    bool              more;
    ck_assert_int_eq(vlp_lines_open(&l, "/dev/zero", VLP_LINES_TEXTS, false, &err), VLP_OK);
    ck_assert_int_eq(vlp_lines_next(l, &line, &more, &err), VLP_ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "/dev/zero"));
    vlp_lines_close(l);
}
END_TEST

START_TEST(lines_are_texts_numbered_from_one)
{
    scratch_put_text("t", "\xef\xbb\xbf"
                          "a cat\r\n\nzwei  H\xc3\xbcte");
    ck_assert_str_eq(paths((struct vlp_source_options){.lines = "t"}, NULL, NULL),
                     "1|-|a cat\n2|-|\n3|-|zwei  H\xc3\xbcte\n");
    ck_assert_str_eq(
        paths((struct vlp_source_options){.lines = "t", .id_is_text = true}, NULL, NULL),
        "a cat|-|a cat\n|-|\nzwei  H\xc3\xbcte|-|zwei  H\xc3\xbcte\n");
}
END_TEST

START_TEST(captions_beside_a_picture_make_pairs)
{
    scratch_put_text("a.jpg", "x");
    scratch_put_text("a.txt", "one caption\n");
    scratch_put_text("b.jpg", "x");
    scratch_put_text("b.caption", " first \r\n\nsecond\n");
    scratch_put_text("c.jpg", "x");
    scratch_put_text("c.json", "{\"width\": 3, \"caption\": [\"x\", \"y\"]}");
    scratch_put_text("d.jpg", "x");
    scratch_put_text("e.jpg", "x");
    scratch_put_text("e.json", "{\"caption\": ");
    ck_assert_str_eq(paths((struct vlp_source_options){.captions = true}, ".", NULL),
                     "./a.jpg|./a.jpg|one caption\n./b.jpg#0|./b.jpg|first\n"
                     "./b.jpg#1|./b.jpg|second\n./c.jpg#0|./c.jpg|x\n./c.jpg#1|./c.jpg|y\n"
                     "./d.jpg|./d.jpg|-\n./e.jpg!format\n");
    ck_assert_str_eq(paths((struct vlp_source_options){0}, "a.jpg", NULL), "a.jpg|a.jpg|-\n");

    /* the fault of e.json alone, or nobody's */
    struct vlp_source_options o = {.captions = true, .text_fault = VLP_FAULT_APART};
    ck_assert_str_eq(paths(o, "e.jpg", "d.jpg"), "e.jpg|e.jpg|-\ne.jpg!format\nd.jpg|d.jpg|-\n");
    ck_assert_str_eq(paths(o, "e.jpg", "e.jpg#0"), "e.jpg|e.jpg|-\ne.jpg!format\ne.jpg#0!io\n");
    o.text_fault = VLP_FAULT_UNASKED;
    ck_assert_str_eq(paths(o, "e.jpg", NULL), "e.jpg|e.jpg|-\n");
}
END_TEST

/* A socket is there and nobody can open it, not even root. */
START_TEST(captions_that_cannot_be_opened_are_named_with_the_reason)
{
    char *const                     path[] = {"a.jpg"};
    const struct vlp_source_options o = {.captions = true, .paths = path, .n_paths = 1};
    const struct sockaddr_un        name = {.sun_family = AF_UNIX, .sun_path = "a.txt"};
    struct vlp_source              *s;
    struct vlp_error                err;
    struct vlp_item                 it;
    bool                            more;
    const int                       fd = socket(AF_UNIX, SOCK_STREAM, 0);
    scratch_put_text("a.jpg", "x");
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
    ck_assert_int_eq(vlp_source_open(&s, &o, &err), VLP_OK);
    ck_assert_int_eq(vlp_source_next(s, &it, &more, &err), VLP_OK);
    ck_assert_int_eq(it.status, VLP_ERR_IO);
    ck_assert_str_eq(it.reason, "a.txt: is a socket");
    vlp_item_free(&it);
    vlp_source_close(s);
    close(fd);
}
END_TEST

/* A pipe would be waited for, for ever; a device may be a tape, or endless. */
START_TEST(pipes_and_devices_are_no_captions_and_no_pictures_of_tables)
{
    const char *const at[] = {"a.txt", "b.json", "c.caption"};
    const char *const place[] = {"pipe", "/dev/zero", "folder"};
    char              name[8];
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
    ck_assert_int_eq(mkdir("folder", 0700), 0);
    for (size_t i = 0; i < VLP_COUNT(at); i++) {
        snprintf(name, sizeof name, "%c.jpg", at[i][0]);
        scratch_put_text(name, "x");
        ck_assert_int_eq(symlink(place[i], at[i]), 0);
    }
    const struct vlp_source_options o = {.captions = true, .text_fault = VLP_FAULT_APART};
    ck_assert_str_eq(paths(o, "a.jpg", "b.jpg"),
                     "a.jpg|a.jpg|-\na.jpg!io\nb.jpg|b.jpg|-\nb.jpg!io\n");
    ck_assert_str_eq(paths(o, "c.jpg", NULL), "c.jpg|c.jpg|-\nc.jpg!io\n");
    scratch_put_text("t.tsv", "image\tcaption\npipe\tx\n/dev/zero\ty\na.jpg\tz\n");
    ck_assert_str_eq(paths((struct vlp_source_options){0}, "t.tsv", NULL),
                     "pipe!io\n/dev/zero!io\na.jpg|a.jpg|z\n");
    scratch_put_text("t.jsonl", "{\"image\": \"pipe\"}\n");
    ck_assert_str_eq(paths((struct vlp_source_options){0}, "t.jsonl", NULL), "pipe!io\n");
}
END_TEST

/* Storage that is not mounted: the caption is there, and keeps its place before others. */
START_TEST(a_caption_that_is_a_link_to_nothing_cannot_be_read)
{
    const struct vlp_source_options o = {.captions = true, .text_fault = VLP_FAULT_APART};
    scratch_put_text("a.jpg", "x");
    scratch_put_text("a.json", "\"another\"");
    ck_assert_int_eq(symlink("away/a.txt", "a.txt"), 0);
    scratch_put_text("b.jpg", "x");
    ck_assert_int_eq(symlink("b.txt", "b.txt"), 0);
    ck_assert_str_eq(paths(o, "a.jpg", "b.jpg"),
                     "a.jpg|a.jpg|-\na.jpg!io\nb.jpg|b.jpg|-\nb.jpg!io\n");
}
END_TEST

START_TEST(shards_part_the_records_and_limits_end_them)
{
    struct vlp_buf b = {0};
    int            n = 0;
    for (int i = 0; i < 1000; i++) vlp_buf_printf(&b, "text %d\n", i);
    scratch_put("t", b.data, b.len);
    for (int shard = 1; shard <= 3; shard++) {
        struct vlp_source_options o = {.lines = "t", .shard = shard, .n_shards = 3};
        struct vlp_source        *s;
        ck_assert_int_eq(vlp_source_open(&s, &o, NULL), VLP_OK);
        const int64_t expected = vlp_source_expected(s);
        vlp_source_close(s);
        int here = 0;
        for (char *p = listing(&o); (p = strchr(p, '\n')) != NULL; p++) here++;
        ck_assert_int_gt(here, 250);
        ck_assert_int_eq(here, expected);
        n += here;
    }
    ck_assert_int_eq(n, 1000);
    ck_assert_int_eq(vlp_shard_of("", 0, 1), 1);
    ck_assert_str_eq(paths((struct vlp_source_options){.lines = "t", .limit = 2}, NULL, NULL),
                     "1|-|text 0\n2|-|text 1\n");
    vlp_buf_free(&b);
}
END_TEST

/* In how many of three shards the input names this record. */
static int shards_with(struct vlp_source_options o, const char *path, const char *line)
{
    int n = 0;
    o.keep_going = true;
    o.n_shards = 3;
    for (o.shard = 1; o.shard <= 3; o.shard++) n += strstr(paths(o, path, NULL), line) != NULL;
    return n;
}

START_TEST(what_may_have_held_records_of_every_shard_is_named_in_every_shard)
{
    const struct vlp_source_options plain = {0}, captions = {.captions = true};
    tree();
    scratch_put_text("cut.tar", "");
    scratch_put_text("list", "p/a.png\ncut.tar\nnone.csv\n");
    scratch_put_text("bad.jsonl", "{\"id\": \"x\", \"caption\": [\"a\", 3]}\n");
    scratch_put_text("e.jpg", "x");
    scratch_put_text("e.json", "{\"caption\": ");
    ck_assert_int_eq(shards_with(plain, "cut.tar", "cut.tar!format\n"), 3);
    ck_assert_int_eq(
        shards_with((struct vlp_source_options){.files_from = "list"}, NULL, "cut.tar!format\n"),
        3);
    ck_assert_int_eq(
        shards_with((struct vlp_source_options){.files_from = "list"}, NULL, "none.csv!io\n"), 3);
    ck_assert_int_eq(shards_with(plain, "more", "more!io\n"), 3); /* a folder, perhaps */
    ck_assert_int_eq(shards_with(plain, "a.tar!b.jpg", "a.tar!b.jpg!io\n"), 3);
    ck_assert_int_eq(shards_with(captions, "gone.jpg", "gone.jpg!io\n"), 3);
    ck_assert_int_eq(shards_with(captions, "e.jpg", "e.jpg!format\n"), 3);
    ck_assert_int_eq(shards_with(plain, "bad.jsonl", "x!format\n"), 3);
    /* A picture without captions is one record, there or not. */
    ck_assert_int_eq(shards_with(plain, "gone.jpg", "gone.jpg!io\n"), 1);
    ck_assert_int_eq(shards_with(plain, "p/a.png", "p/a.png|"), 1);
    if (geteuid() == 0) return; /* nothing is unreadable for root */
    ck_assert_int_eq(chmod("p/b", 0), 0);
    ck_assert_int_eq(shards_with((struct vlp_source_options){.recursive = true}, "p", "p/b!io\n"),
                     3);
}
END_TEST

START_TEST(options_that_contradict_are_refused)
{
    ck_assert_str_eq(paths((struct vlp_source_options){0}, NULL, NULL), "!usage");
    ck_assert_str_eq(paths((struct vlp_source_options){.files_from = "-"}, "-", NULL), "!usage");
    ck_assert_str_eq(paths((struct vlp_source_options){.shard = 4, .n_shards = 3}, "a", NULL),
                     "!usage");
    ck_assert_str_eq(paths((struct vlp_source_options){.files_from = "none"}, NULL, NULL), "!io\n");
}
END_TEST

START_TEST(every_format_that_is_offered_can_be_asked_for)
{
    for (int i = 0; vlp_source_formats[i]; i++) {
        const struct vlp_source_options o = {.format = vlp_source_formats[i]};
        ck_assert_str_ne(paths(o, "gone", NULL), "!usage");
    }
    ck_assert_str_eq(paths((struct vlp_source_options){.format = "none"}, "gone", NULL), "!usage");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("data");
    TCase *t = tcase_create("sources");
    tcase_add_checked_fixture(t, scratch_enter, scratch_leave);
    tcase_add_test(t, files_are_records_in_the_order_given);
    tcase_add_test(t, a_missing_file_is_a_bad_record_and_the_rest_follows);
    tcase_add_test(t, a_file_knows_its_size_and_time);
    tcase_add_test(t, a_folder_gives_its_pictures_in_byte_order_without_hidden_ones);
    tcase_add_test(t, include_and_exclude_choose_by_base_name_or_path);
    tcase_add_test(t, captions_are_pictures_only_by_a_pattern_with_their_ending);
    tcase_add_test(t, include_and_exclude_choose_among_what_was_found_not_what_was_named);
    tcase_add_test(t, a_table_that_cannot_be_understood_ends_no_job_of_several_inputs);
    tcase_add_test(t, options_that_no_input_could_satisfy_are_refused_at_once);
    tcase_add_test(t, links_that_lead_back_do_not_loop);
    tcase_add_test(t, a_link_to_nothing_is_named_where_folders_are_entered);
    tcase_add_test(t, an_unreadable_folder_is_named);
    tcase_add_test(t, the_stem_of_an_id_is_what_stands_before_a_number);
    tcase_add_test(t, a_list_names_files_by_line_or_by_nul);
    tcase_add_test(t, a_list_with_tabs_is_a_failed_file);
    tcase_add_test(t, an_endless_line_in_a_list_is_a_bad_record);
    tcase_add_loop_test(t, a_stop_is_seen_in_the_middle_of_an_endless_line, 0, 5);
    tcase_add_test(t, lists_have_lines_of_bounded_length_without_nul);
    tcase_add_test(t, a_line_of_a_gigabyte_is_no_list);
    tcase_add_test(t, lines_are_texts_numbered_from_one);
    tcase_add_test(t, captions_beside_a_picture_make_pairs);
    tcase_add_test(t, captions_that_cannot_be_opened_are_named_with_the_reason);
    tcase_add_test(t, pipes_and_devices_are_no_captions_and_no_pictures_of_tables);
    tcase_add_test(t, a_caption_that_is_a_link_to_nothing_cannot_be_read);
    tcase_add_test(t, shards_part_the_records_and_limits_end_them);
    tcase_add_test(t, what_may_have_held_records_of_every_shard_is_named_in_every_shard);
    tcase_add_test(t, options_that_contradict_are_refused);
    tcase_add_test(t, every_format_that_is_offered_can_be_asked_for);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
