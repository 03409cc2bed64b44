/*
 * check_tables.c -- records from TSV, CSV, JSON lines and JSON.
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
    ck_assert_int_eq(system("mkdir sub && touch a.jpg b.jpg sub/c.png"), 0);
}

static struct vlp_error last;

/* "id|path|text|label" a line, "id!status" for bad records, "!status" for what ends the input. */
static char *listing(struct vlp_source_options o, const char *path)
{
    static struct vlp_buf b;
    struct vlp_source    *s;
    bool                  more = true;
    char *const           paths[] = {(char *)path};
    o.paths = paths;
    o.n_paths = 1;
    vlp_buf_clear(&b);
    vlp_buf_add(&b, "", 0);
    const enum vlp_status opened = vlp_source_open(&s, &o, &last);
    if (opened != VLP_OK) {
        vlp_buf_printf(&b, "!%s", vlp_status_name(opened));
        return b.data;
    }
    for (;;) {
        struct vlp_item       it;
        const enum vlp_status status = vlp_source_next(s, &it, &more, &last);
        if (status != VLP_OK) vlp_buf_printf(&b, "!%s", vlp_status_name(status));
        if (status != VLP_OK || !more) break;
        if (it.status != VLP_OK) {
            vlp_buf_printf(&b, "%s!%s\n", it.id, vlp_status_name(it.status));
            snprintf(last.text, sizeof last.text, "%s", it.reason);
        } else {
            vlp_buf_printf(&b, "%s|%s|%s|%s\n", it.id, it.path ? it.path : "-",
                           it.text ? it.text : "-", it.label ? it.label : "-");
        }
        vlp_item_free(&it);
    }
    vlp_source_close(s);
    return b.data;
}

static char *table(const char *name, const char *text)
{
    scratch_put_text(name, text);
    return listing((struct vlp_source_options){0}, name);
}

START_TEST(a_header_names_the_columns)
{
    ck_assert_str_eq(table("t.tsv", "caption\tFilepath\tlabel\n"
                                    "a cat\ta.jpg\tcat\r\n\nno file\tgone.jpg\tx\n"),
                     "a.jpg|a.jpg|a cat|cat\ngone.jpg!io\n");
    ck_assert_str_eq(table("t.csv", "\xef\xbb\xbfkey,image,title\nk1,a.jpg,one\nk2,b.jpg,\n"),
                     "k1|a.jpg|one|-\nk2|b.jpg|-|-\n");
    ck_assert_str_eq(table("t.tsv", "id\ttext\n7\tseven\n"), "7|-|seven|-\n");
}
END_TEST

START_TEST(without_a_header_the_cells_tell)
{
    ck_assert_str_eq(table("t.tsv", "a.jpg\ta cat\nb.jpg\ta dog\n"),
                     "a.jpg|a.jpg|a cat|-\nb.jpg|b.jpg|a dog|-\n");
    ck_assert_str_eq(table("t.tsv", "a cat\ta.jpg\n"), "a.jpg|a.jpg|a cat|-\n");
    ck_assert_str_eq(table("t.tsv", "k\ta cat\n"), "k|-|a cat|-\n");
    ck_assert_str_eq(table("t.csv", "only texts\nsecond\n"),
                     "t.csv:1|-|only texts|-\nt.csv:2|-|second|-\n");
}
END_TEST

/* A label ends at a NUL in every output, so that one within it is told and not cut off. */
START_TEST(a_label_with_a_nul_is_no_label)
{
    static const struct {
        const char *name, *bytes;
        size_t      len;
    } tables[] = {
        {"t.tsv", "image\tcaption\tlabel\na.jpg\tx\tc\0t\n", 32},
        {"t.csv", "image,caption,label\na.jpg,x,\"c\0t\"\n", 34},
        {"t.jsonl", "{\"image\":\"a.jpg\",\"caption\":\"x\",\"label\":\"c\\u0000t\"}\n", 51},
    };
    static const struct {
        enum vlp_fault fault;
        const char    *listing;
    } cases[] = {{VLP_FAULT_WHOLE, "a.jpg!format\n"},
                 {VLP_FAULT_APART, "a.jpg|a.jpg|x|-\na.jpg!format\n"},
                 {VLP_FAULT_UNASKED, "a.jpg|a.jpg|x|-\n"}};
    scratch_put(tables[_i].name, tables[_i].bytes, tables[_i].len);
    for (size_t i = 0; i < VLP_COUNT(cases); i++) {
        last = (struct vlp_error){0};
        ck_assert_str_eq(
            listing((struct vlp_source_options){.label_fault = cases[i].fault}, tables[_i].name),
            cases[i].listing);
        const bool said = strstr(last.text, "a NUL byte") != NULL;
        ck_assert_msg(said == (cases[i].fault != VLP_FAULT_UNASKED), "%s", last.text);
    }
}
END_TEST

/* A text that is in the same row as its bad label is not lost, even without a picture. */
START_TEST(a_text_beside_a_bad_label_stays)
{
    scratch_put("t.tsv", "id\ttext\tlabel\n1\tx\tc\0t\n2\ty\tz\n", 28);
    ck_assert_str_eq(listing((struct vlp_source_options){.label_fault = VLP_FAULT_APART}, "t.tsv"),
                     "1|-|x|-\n1!format\n2|-|y|z\n");
    for (int shard = 1, named = 0; shard <= 3; shard++) {
        const struct vlp_source_options o = {
            .label_fault = VLP_FAULT_APART, .shard = shard, .n_shards = 3};
        named += strstr(listing(o, "t.tsv"), "1!format") != NULL;
        ck_assert_int_eq(named, shard >= vlp_shard_of("1", 1, 3));
    }
}
END_TEST

START_TEST(columns_may_be_named_or_numbered)
{
    const char *text = "x,y,z\na.jpg,one,A\nb.jpg,two,B\n";
    scratch_put_text("t.csv", text);
    ck_assert_str_eq(listing((struct vlp_source_options){.image_column = "x",
                                                         .text_column = "y",
                                                         .label_column = "Z"},
                             "t.csv"),
                     "a.jpg|a.jpg|one|A\nb.jpg|b.jpg|two|B\n");
    ck_assert_str_eq(
        listing((struct vlp_source_options){.text_column = "3", .id_column = "2"}, "t.csv"),
        "y|-|z|-\none|-|A|-\ntwo|-|B|-\n");
    ck_assert_str_eq(listing((struct vlp_source_options){.text_column = "nope"}, "t.csv"),
                     "!usage");
    ck_assert_ptr_nonnull(strstr(last.text, "nope"));
    ck_assert_str_eq(listing((struct vlp_source_options){.text_column = "0"}, "t.csv"), "!usage");
    ck_assert_str_eq(listing((struct vlp_source_options){.text_column = "9"}, "t.csv"),
                     "t.csv:1!format\nt.csv:2!format\nt.csv:3!format\n");
    ck_assert_ptr_nonnull(strstr(last.text, "line 3"));
}
END_TEST

START_TEST(names_of_columns_with_other_separators_are_refused)
{
    static const struct {
        const char *name, *text, *want;
    } in[] = {
        {"t.csv", "image;caption\na.jpg;x\n", "!usage"},
        {"t.csv", "\"image\";\"caption\"\n\"a.jpg\";\"x\"\n", "!usage"},
        {"t.csv", "Datei;Caption\na.jpg;x\n", "!usage"},
        {"t.csv", "my file;image;caption\n1;a.jpg;x\n", "!usage"},
        {"t.csv", "image\tcaption\na.jpg\tx\n", "!usage"},
        {"t.tsv", "image,caption\na.jpg,x\n", "!usage"},
        {"t.tsv", "caption|image\nx|a.jpg\n", "!usage"},
        {"t.csv", "the image; my text\nb\n", "t.csv:1|-|the image; my text|-\nt.csv:2|-|b|-\n"},
        {"t.tsv", "Title, or none\n", "t.tsv:1|-|Title, or none|-\n"},
        {"t.tsv", "image;\n", "!usage"},
        {"t.csv", "a;b\n", "t.csv:1|-|a;b|-\n"},
        {"t.csv", "text\na;text\n", "t.csv:1|-|a;text|-\n"},
    };
    for (size_t i = 0; i < VLP_COUNT(in); i++)
        ck_assert_str_eq(table(in[i].name, in[i].text), in[i].want);
    scratch_put("t.csv", "image;text\n", 11);
    ck_assert_str_eq(listing((struct vlp_source_options){.text_column = "1"}, "t.csv"),
                     "t.csv:1|-|image;text|-\n");
}
END_TEST

/* A row of names that ends with the file is whole when each of its cells is a name, or else was cut
 * off. */
START_TEST(a_row_of_names_alone_is_whole)
{
    ck_assert_str_eq(table("t.csv", "image,caption"), "");
    ck_assert_str_eq(table("t.csv", "image,caption\n"), "");
    ck_assert_str_eq(table("t.tsv", "image\t Caption \tLABEL\r"), "");
    ck_assert_str_eq(table("t.tsv", "caption"), "");
    ck_assert_str_eq(table("t.csv", "image,capt"), "!format");
    ck_assert_str_eq(table("t.csv", "image,"), "!format");
    scratch_put_text("t.csv", "image,words");
    ck_assert_str_eq(listing((struct vlp_source_options){.text_column = "words"}, "t.csv"), "");
    ck_assert_str_eq(listing((struct vlp_source_options){.image_column = "image"}, "t.csv"),
                     "!format");
}
END_TEST

START_TEST(csv_quotes_hold_commas_quotes_and_lines)
{
    ck_assert_str_eq(
        table("t.csv", "id,text\r\n1,\"a, \"\"b\"\"\r\nc\"\r\n2,\"\"\r\n3,x\"y\"\r\n\"4\",end"),
        "1|-|a, \"b\"\r\nc|-\n2!format\n3|-|x\"y\"|-\n4|-|end|-\n");
    ck_assert_str_eq(table("t.csv", "id,text\n1,\"cr\r\"\n2,two\r"), "1|-|cr\r|-\n2|-|two|-\n");
    ck_assert_str_eq(table("t.csv", "id,text\n1,ok\n2,\"open\n3,x\n"), "1|-|ok|-\n!format");
    ck_assert_ptr_nonnull(strstr(last.text, "line 3"));
}
END_TEST

START_TEST(tsv_quotes_hold_when_they_close_the_field)
{
    ck_assert_str_eq(table("t.tsv", "id\ttext\n1\t\"it said \"\"no\"\"\"\n2\t\"open\n3\t\"a\" b\n"),
                     "1|-|it said \"no\"|-\n2|-|\"open|-\n3|-|\"a\" b|-\n");
}
END_TEST

START_TEST(pictures_count_from_the_folder_of_the_table_or_a_given_one)
{
    ck_assert_str_eq(table("sub/t.tsv", "image\tcaption\nc.png\tone\n"), "c.png|sub/c.png|one|-\n");
    ck_assert_str_eq(listing((struct vlp_source_options){.base_dir = "."}, "sub/t.tsv"),
                     "c.png!io\n");
    scratch_put("t.jsonl", "{\"image\":\"c.png\"}", 17);
    ck_assert_str_eq(listing((struct vlp_source_options){.base_dir = "sub"}, "t.jsonl"),
                     "c.png|sub/c.png|-|-\n");
}
END_TEST

START_TEST(rows_that_are_short_endless_or_empty_are_bad_records)
{
    struct vlp_buf b = {0};
    vlp_buf_add_str(&b, "id,text\n1,one\n2\n3,\"");
    for (int i = 0; i < 17 << 20; i++) vlp_buf_add_char(&b, i % 60 ? 'x' : '\n');
    vlp_buf_add_str(&b, "\"\n4,four\n5,\n");
    scratch_put("t.csv", b.data, b.len);
    ck_assert_str_eq(listing((struct vlp_source_options){0}, "t.csv"),
                     "1|-|one|-\nt.csv:2!format\nt.csv:3!limit\n4|-|four|-\n5!format\n");
    vlp_buf_free(&b);
}
END_TEST

START_TEST(every_byte_of_a_row_counts_against_its_limit)
{
    enum { MANY = 17 << 20 };
    static const struct {
        const char *name, *head;
        char        byte;
    } in[] = {{"t.csv", "id,text\n", ','},
              {"t.tsv", "id\ttext\n", '\t'},
              {"t.csv", "id,text\n", '"'},
              {"t.csv", "id,text\n", 'x'}};
    for (size_t i = 0; i < VLP_COUNT(in); i++) {
        struct vlp_buf b = {0};
        char           want[64];
        vlp_buf_add_str(&b, in[i].head);
        vlp_buf_reserve(&b, MANY);
        memset(b.data + b.len, in[i].byte, MANY);
        b.len += MANY;
        vlp_buf_add_str(&b, i == 1 ? "\n1\tafter\n" : "\n1,after\n");
        scratch_put(in[i].name, b.data, b.len);
        vlp_buf_free(&b);
        snprintf(want, sizeof want, "%s:1!limit\n1|-|after|-\n", in[i].name);
        ck_assert_str_eq(listing((struct vlp_source_options){0}, in[i].name), want);
    }
}
END_TEST

START_TEST(a_table_without_anything_usable_is_refused)
{
    ck_assert_str_eq(table("t.tsv", "id\tlabel\n1\t2\n"), "!usage");
    ck_assert_str_eq(table("t.tsv", ""), "");
    ck_assert_str_eq(table("t.tsv", "id\ttext\n"), "");
}
END_TEST

START_TEST(a_nul_in_a_file_name_is_a_bad_record)
{
    scratch_put("t.tsv", "image\tcaption\na.j\0pg\tx\nb.jpg\ty\n", 31);
    ck_assert_ptr_nonnull(
        strstr(listing((struct vlp_source_options){0}, "t.tsv"), "!format\nb.jpg|"));
}
END_TEST

START_TEST(json_lines_are_records_and_bad_lines_bad_records)
{
    ck_assert_str_eq(table("t.jsonl",
                           "\xef\xbb\xbf{\"image\":\"a.jpg\",\"caption\":\"one\",\"label\":3}\r\n\n"
                           "{\"id\":12,\"text\":\"two\"}\n{broken\n[1]\n"
                           "{\"x\":1}\n{\"id\":\"l\",\"text\":\"last\"}"),
                     "a.jpg|a.jpg|one|3\n12|-|two|-\nt.jsonl:4!format\nt.jsonl:5!format\n"
                     "t.jsonl:6!format\nl|-|last|-\n");
}
END_TEST

/* A copy that was not finished: what ends within a row is no row, and others may have been behind.
 */
START_TEST(a_table_that_ends_within_a_row_is_damaged)
{
    static const struct {
        const char *name, *text, *want;
    } in[] = {
        {"t.jsonl", "{\"id\":1,\"text\":\"one\"}\n{\"id\":2,\"text\":\"tw", "1|-|one|-\n!format"},
        {"t.jsonl", "{\"id\":1,\"text\":\"\\\"}{\"}\n{\"id\":2,\"label\":tr",
         "1|-|\"}{|-\n!format"},
        {"t.jsonl", "{\"id\":1,\"text\":\"one\"", "!format"},
        {"t.jsonl", "{\"id\":1,\"te\n{\"id\":2,\"text\":\"\\\"}\"}",
         "t.jsonl:1!format\n2|-|\"}|-\n"},
        {"t.jsonl", "{\"id\":1,\"text\":\"one\"}\nnone", "1|-|one|-\nt.jsonl:2!format\n"},
        {"t.csv", "id,text\n1,one\n2", "1|-|one|-\n!format"},
        {"t.csv", "id,text\n1,one\n2,\"a", "1|-|one|-\n!format"},
        {"t.csv", "text,id,label\none,1,l\ntwo,2", "1|-|one|l\n!format"},
        {"t.csv", "text,id,label\none,1,l\ntwo,2\nthree,3", "1|-|one|l\n2|-|two|-\n3|-|three|-\n"},
        {"t.csv", "text,id,label\none,1,l\ntwo,2,", "1|-|one|l\n2|-|two|-\n"},
        {"t.csv", "text,id,\none,1\ntwo,2", "1|-|one|-\n2|-|two|-\n"},
        {"t.csv", "text,id", ""},
        {"t.csv", "text,id,lab", "!format"},
        {"t.tsv", "id\ttext\n1\tone\n2", "1|-|one|-\n!format"},
        {"t.tsv", "id\ttext\n1\tone\n2\t\"a \"\"b", "1|-|one|-\n2|-|\"a \"\"b|-\n"},
        {"t.tsv", "one\n\"another one", "t.tsv:1|-|one|-\nt.tsv:2|-|\"another one|-\n"},
        {"t.tsv", "id\ttext\n1\t\"one\n2\t\"two\" it said", "1|-|\"one|-\n2|-|\"two\" it said|-\n"},
        {"t.tsv", "id\ttext\n1\tone\n2\t", "1|-|one|-\n2!format\n"},
        {"t.tsv", "a.jpg\tone\nb.jpg", "a.jpg|a.jpg|one|-\n!format"},
        {"t.tsv", "one", "t.tsv:1|-|one|-\n"},
    };
    for (size_t i = 0; i < VLP_COUNT(in); i++)
        ck_assert_str_eq(table(in[i].name, in[i].text), in[i].want);
}
END_TEST

START_TEST(numbers_that_are_none_are_null)
{
    ck_assert_str_eq(
        table("t.jsonl",
              "{\"image\":\"a.jpg\",\"caption\":\"one\",\"x\":NaN,\"id\":Infinity}\n"
              "{\"text\":\"NaN \\\"Infinity, NaN\",\"p\":[-Infinity,NaN , {\"q\":Infinity}]}\n"
              "{\"text\":\"a\",\"x\":NaNa}\n{\"text\":\"a\",\"x\":xNaN}\n"
              "{\"text\":\"a\",\"x\":--Infinity}\n{\"text\":\"NaN\n{\"text\":NaN}\n"),
        "a.jpg|a.jpg|one|-\nt.jsonl:2|-|NaN \"Infinity, NaN|-\nt.jsonl:3!format\n"
        "t.jsonl:4!format\nt.jsonl:5!format\nt.jsonl:6!format\nt.jsonl:7!format\n");
    ck_assert_str_eq(
        table("t.json", "[{\"text\":\"a\",\"x\":NaN}, {\"text\":\"b\",\"x\":-Infinity}]"),
        "t.json:1|-|a|-\nt.json:2|-|b|-\n");
}
END_TEST

START_TEST(a_picture_may_be_a_list_of_one_or_an_object_with_its_path)
{
    ck_assert_str_eq(
        table("t.jsonl",
              "{\"image\":[\"a.jpg\"],\"caption\":\"x\"}\n"
              "{\"image\":{\"bytes\":null,\"path\":\"b.jpg\"},\"id\":1}\n"
              "{\"image\":[{\"path\":\"b.jpg\"}]}\n{\"image\":null,\"path\":\"a.jpg\"}\n"
              "{\"caption\":null,\"text\":\"y\"}\n{\"image\":\"a.jpg\",\"caption\":[null,\"z\"]}\n"
              "{\"image\":\"a.jpg\",\"caption\":[],\"label\":null}\n"),
        "a.jpg|a.jpg|x|-\n1|b.jpg|-|-\nb.jpg|b.jpg|-|-\na.jpg|a.jpg|-|-\nt.jsonl:5|-|y|-\n"
        "a.jpg|a.jpg|z|-\na.jpg|a.jpg|-|-\n");
}
END_TEST

START_TEST(a_value_of_a_type_that_cannot_be_used_fails_its_record_by_name)
{
    static const char *const bad[][2] = {
        {"\"image\":[\"a.jpg\",\"b.jpg\"],\"text\":\"x\"", "'image': a list"},
        {"\"image\":{\"path\":null,\"bytes\":\"AA\"},\"text\":\"x\"", "'image': an object"},
        {"\"image\":[],\"text\":\"x\"", "'image': a list"},
        {"\"image\":true,\"text\":\"x\"", "'image': true"},
        {"\"text\":true,\"caption\":2021", "'caption': a number"},
        {"\"image\":\"a.jpg\",\"id\":\"t.jsonl:1\",\"captions\":[\"x\",[\"y\",7]]",
         "'captions': a number"},
        {"\"caption\":{\"lang\":\"en\"},\"text\":null", "'caption': an object"},
        {"\"text\":\"x\",\"id\":{\"oid\":1}", "'id': an object"},
        {"\"text\":\"x\",\"label\":[\"a\",\"b\"]", "'label': a list"},
    };
    for (size_t i = 0; i < VLP_COUNT(bad); i++) {
        char line[192];
        snprintf(line, sizeof line, "{%s}\n{\"text\":\"after\"}\n", bad[i][0]);
        ck_assert_str_eq(table("t.jsonl", line), "t.jsonl:1!format\nt.jsonl:2|-|after|-\n");
        ck_assert_msg(strstr(last.text, bad[i][1]) != NULL, "%s", last.text);
        ck_assert_msg(strstr(last.text, "line 1") != NULL, "%s", last.text);
    }
    scratch_put("t.jsonl", "{\"text\":\"x\",\"label\":[1]}", 24);
    ck_assert_str_eq(listing((struct vlp_source_options){.label_column = "kind"}, "t.jsonl"),
                     "t.jsonl:1|-|x|-\n");
}
END_TEST

START_TEST(of_the_usual_keys_of_captions_and_labels_the_first_that_can_be_used_counts)
{
    ck_assert_str_eq(
        table("t.jsonl",
              "{\"caption\":2021,\"captions\":[\"y\",7],\"text\":\"x\",\"title\":\"no\"}\n"
              "{\"text\":\"x\",\"label\":true,\"class\":{\"id\":1},\"category\":\"c\"}\n"
              "{\"image\":\"a.jpg\",\"caption\":{\"title\":3,\"raw\":\"x\"}}\n"
              "{\"image\":\"a.jpg\",\"caption\":[],\"raw\":\"x\"}\n"),
        "t.jsonl:1|-|x|-\nt.jsonl:2|-|x|c\na.jpg|a.jpg|x|-\na.jpg|a.jpg|-|-\n");
}
END_TEST

START_TEST(a_fault_of_a_caption_or_label_may_leave_the_rest_of_the_record)
{
    const char *text = "{\"image\":\"a.jpg\",\"title\":{},\"label\":\"c\"}\n"
                       "{\"image\":\"a.jpg\",\"captions\":[\"x\",\"y\"],\"label\":true}\n"
                       "{\"image\":\"gone.jpg\",\"captions\":7}\n{\"text\":\"x\",\"label\":[]}\n"
                       "{\"image\":\"b.jpg\",\"text\":7,\"id\":{}}\n{\"raw\":3}\n";
    scratch_put_text("t.jsonl", text);
    struct vlp_source_options o = {.text_fault = VLP_FAULT_APART, .label_fault = VLP_FAULT_APART};
    ck_assert_str_eq(listing(o, "t.jsonl"),
                     "a.jpg|a.jpg|-|c\na.jpg!format\na.jpg#0|a.jpg|x|-\na.jpg#1|a.jpg|y|-\n"
                     "a.jpg!format\ngone.jpg!io\nt.jsonl:4|-|x|-\nt.jsonl:4!format\n"
                     "b.jpg!format\nt.jsonl:6!format\n");
    o.text_fault = o.label_fault = VLP_FAULT_UNASKED;
    ck_assert_str_eq(listing(o, "t.jsonl"),
                     "a.jpg|a.jpg|-|c\na.jpg#0|a.jpg|x|-\na.jpg#1|a.jpg|y|-\ngone.jpg!io\n"
                     "t.jsonl:4|-|x|-\nb.jpg!format\nt.jsonl:6!format\n");
    ck_assert_str_eq(last.text, "has neither a picture nor a text");
}
END_TEST

START_TEST(a_list_of_captions_makes_as_many_records)
{
    ck_assert_str_eq(
        table("t.json", "[{\"image\": \"a.jpg\", \"caption\": [\"x\", \"y\"]},\n"
                        " {\"image\": \"b.jpg\", \"captions\": [\"only\"]},\n"
                        " {\"image\": \"b.jpg\", \"sentences\": [{\"raw\": \"p\"}, {\"raw\": "
                        "\"q\"}], \"id\": 5}]\n"),
        "a.jpg#0|a.jpg|x|-\na.jpg#1|a.jpg|y|-\nb.jpg|b.jpg|only|-\n5#0|b.jpg|p|-\n5#1|b.jpg|q|-\n");
}
END_TEST

START_TEST(a_json_array_may_be_written_in_any_way_and_its_damage_is_named)
{
    ck_assert_str_eq(table("t.json", " [ ] \n"), "");
    ck_assert_str_eq(table("t.json", "[{\"text\":\"a]}\\\"\"},3,{\"text\":}, {\"text\":\"b\"}]"),
                     "t.json:1|-|a]}\"|-\nt.json:2!format\nt.json:3!format\nt.json:4|-|b|-\n");
    ck_assert_str_eq(table("t.json", "{\"text\":\n\"a\"}\n{\"text\":\"b\"}"),
                     "t.json:1|-|a|-\nt.json:2|-|b|-\n");
    scratch_put("t.json", "\0\0\0 {\"text\":\"a\"}", 16);
    ck_assert_str_eq(listing((struct vlp_source_options){0}, "t.json"),
                     "t.json:1!format\nt.json:2|-|a|-\n");
    const char *bad[] = {"[{\"text\":\"a\"}", "[{\"text\":\"a\"},]",
                         "[{\"text\":\"a\"} {\"text\":\"b\"}]", "[{\"text\":\"a\"}] x",
                         "[{\"text\":\"a\"},{\"text\":\"b"};
    for (size_t i = 0; i < VLP_COUNT(bad); i++) {
        ck_assert_str_eq(table("t.json", bad[i]), "t.json:1|-|a|-\n!format");
        ck_assert_ptr_nonnull(strstr(last.text, "at offset"));
    }
}
END_TEST

START_TEST(columns_of_json_may_be_named)
{
    scratch_put("t.jsonl", "{\"f\":\"a.jpg\",\"t\":\"x\",\"caption\":\"no\"}", 36);
    ck_assert_str_eq(
        listing((struct vlp_source_options){.image_column = "f", .text_column = "t"}, "t.jsonl"),
        "a.jpg|a.jpg|x|-\n");
}
END_TEST

static void note(void *ctx, const char *sentence)
{
    struct vlp_buf *b = ctx;
    vlp_buf_printf(b, "%s\n", sentence);
}

START_TEST(a_key_that_an_option_names_and_no_object_has_is_told)
{
    static const char         text[] = "{\"id\":1,\"text\":\"x\",\"kind\":null}\n"
                                       "{\"id\":2,\"text\":\"y\"}\n";
    struct vlp_buf            said = {0};
    struct vlp_source_options o = {.say = note, .say_ctx = &said};
    o.id_column = "id";
    o.label_column = "kind";
    o.image_column = "pic";
    scratch_put("t.jsonl", text, strlen(text));
    listing(o, "t.jsonl");
    ck_assert_str_eq(said.data, "t.jsonl: no record has a key 'pic'\n");
    scratch_put("t.json", text, strlen(text));
    vlp_buf_clear(&said);
    listing(o, "t.json");
    ck_assert_str_eq(said.data, "t.json: no record has a key 'pic'\n");
    scratch_put("t.jsonl", "5\n", 2);
    vlp_buf_clear(&said);
    listing(o, "t.jsonl");
    ck_assert_uint_eq(said.len, 0);
    vlp_buf_free(&said);
}
END_TEST

START_TEST(stdin_is_seen_by_its_first_bytes)
{
    const struct {
        const char *text, *want;
    } in[] = {{"image\tcaption\na.jpg\tx\n", "a.jpg|a.jpg|x|-\n"},
              {"{\"text\":\"x\"}\n", "-:1|-|x|-\n"},
              {"[{\"text\":\"x\"}]", "-:1|-|x|-\n"},
              {"", ""},
              {"a line, of text\n", "!usage"},
              {"\xff\xd8\xff\xe0 jpeg\x01", "-|-|-|-\n"}};
    for (size_t i = 0; i < VLP_COUNT(in); i++) {
        scratch_put_text("in", in[i].text);
        ck_assert_ptr_nonnull(freopen("in", "rb", stdin));
        ck_assert_str_eq(listing((struct vlp_source_options){0}, "-"), in[i].want);
    }
    scratch_put("in", "text,id\nx,1\n", 12);
    ck_assert_ptr_nonnull(freopen("in", "rb", stdin));
    ck_assert_str_eq(listing((struct vlp_source_options){.format = "csv"}, "-"), "1|-|x|-\n");
}
END_TEST

START_TEST(a_format_can_be_forced)
{
    scratch_put("odd.name", "id,text\n1,x\n", 12);
    ck_assert_str_eq(listing((struct vlp_source_options){.format = "csv"}, "odd.name"),
                     "1|-|x|-\n");
    ck_assert_str_eq(listing((struct vlp_source_options){.format = "parquet"}, "odd.name"),
                     "!usage");
    scratch_put("odd.name", "{\"id\":\"1\",\"text\":\"y\"}", 21);
    ck_assert_str_eq(listing((struct vlp_source_options){0}, "odd.name"), "1|-|y|-\n");
}
END_TEST

START_TEST(tables_are_counted_beforehand)
{
    struct vlp_source        *s;
    char *const               paths[] = {"t.csv", "a.jpg"};
    struct vlp_source_options o = {.paths = paths, .n_paths = 2};
    scratch_put("t.csv", "id,text\n1,\"a\nb\"\n2,c\n", 20);
    ck_assert_int_eq(vlp_source_open(&s, &o, NULL), VLP_OK);
    ck_assert_int_eq(vlp_source_expected(s), 3);
    vlp_source_close(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tables");
    TCase *t = tcase_create("tables");
    tcase_add_checked_fixture(t, make_dir, scratch_leave);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_header_names_the_columns);
    tcase_add_test(t, without_a_header_the_cells_tell);
    tcase_add_test(t, columns_may_be_named_or_numbered);
    tcase_add_loop_test(t, a_label_with_a_nul_is_no_label, 0, 3);
    tcase_add_test(t, a_text_beside_a_bad_label_stays);
    tcase_add_test(t, names_of_columns_with_other_separators_are_refused);
    tcase_add_test(t, a_row_of_names_alone_is_whole);
    tcase_add_test(t, csv_quotes_hold_commas_quotes_and_lines);
    tcase_add_test(t, tsv_quotes_hold_when_they_close_the_field);
    tcase_add_test(t, pictures_count_from_the_folder_of_the_table_or_a_given_one);
    tcase_add_test(t, rows_that_are_short_endless_or_empty_are_bad_records);
    tcase_add_test(t, every_byte_of_a_row_counts_against_its_limit);
    tcase_add_test(t, a_table_without_anything_usable_is_refused);
    tcase_add_test(t, a_nul_in_a_file_name_is_a_bad_record);
    tcase_add_test(t, json_lines_are_records_and_bad_lines_bad_records);
    tcase_add_test(t, a_table_that_ends_within_a_row_is_damaged);
    tcase_add_test(t, numbers_that_are_none_are_null);
    tcase_add_test(t, a_picture_may_be_a_list_of_one_or_an_object_with_its_path);
    tcase_add_test(t, a_value_of_a_type_that_cannot_be_used_fails_its_record_by_name);
    tcase_add_test(t, of_the_usual_keys_of_captions_and_labels_the_first_that_can_be_used_counts);
    tcase_add_test(t, a_fault_of_a_caption_or_label_may_leave_the_rest_of_the_record);
    tcase_add_test(t, a_list_of_captions_makes_as_many_records);
    tcase_add_test(t, a_json_array_may_be_written_in_any_way_and_its_damage_is_named);
    tcase_add_test(t, columns_of_json_may_be_named);
    tcase_add_test(t, a_key_that_an_option_names_and_no_object_has_is_told);
    tcase_add_test(t, stdin_is_seen_by_its_first_bytes);
    tcase_add_test(t, a_format_can_be_forced);
    tcase_add_test(t, tables_are_counted_beforehand);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
