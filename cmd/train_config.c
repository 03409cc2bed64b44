/*
 * train_config.c -- a configuration file is the same options written as JSON: {"model": {...},
 * "data": [...], "train": {"lr": 0.001, ...}}.
 *
 * Its members are turned into options before the command line's own, which therefore win. A key
 * that nobody knows is refused: a misspelt one would train with the presets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "train_cmd.h"

struct words {
    char **item;
    int    n, cap;
};

static void add_word(struct words *w, char *s)
{
    if (w->n + 1 >= w->cap) {
        w->cap = w->cap ? 2 * w->cap : 64;
        w->item = vlp_realloc(w->item, (size_t)w->cap * sizeof *w->item);
    }
    w->item[w->n++] = s;
    w->item[w->n] = NULL;
}

/* "key": value as --key=value; true as --key; false and null as nothing. */
static bool add_member(struct words *w, const char *key, const json_t *value)
{
    struct vlp_buf b = {0};
    char           number[32];
    if (json_is_false(value) || json_is_null(value)) return true;
    if (json_is_array(value)) {
        size_t  i;
        json_t *each;
        json_array_foreach((json_t *)value, i, each) if (!add_member(w, key, each)) return false;
        return true;
    }
    vlp_buf_printf(&b, "--%s", key);
    if (json_is_string(value)) {
        vlp_buf_printf(&b, "=%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        vlp_buf_printf(&b, "=%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        vlp_format_f64(number, json_real_value(value));
        vlp_buf_printf(&b, "=%s", number);
    } else if (!json_is_true(value)) {
        vlp_buf_free(&b);
        return false;
    }
    add_word(w, b.data);
    return true;
}

_Noreturn static void refuse(const char *path, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn static void refuse(const char *path, const char *fmt, ...)
{
    char    text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cmd_error("%s: %s", path, text);
    exit(CMD_USAGE);
}

static const char *name_of(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

enum { MAX_CONFIG = 16 << 20 }; /* bytes: some devices never end */

/* All of the file; "-": of standard input. */
static void read_text(struct vlp_buf *b, const char *path)
{
    struct vlp_error      err;
    FILE                 *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    const enum vlp_status s = f ? vlp_read_all(b, f, MAX_CONFIG, name_of(path), &err)
                                : vlp_fail(&err, VLP_ERR_IO, "%s: %s", path, strerror(errno));
    if (f && f != stdin) fclose(f);
    if (s == VLP_OK) return;
    exit(cmd_fail(&err));
}

json_t *train_config; /* the whole file, or NULL */

/* What may stand at the top, and of what kind it is. */
static const struct {
    const char *key;
    json_type   type;
    const char *kind;
} members[] = {
    {"model", JSON_OBJECT, "an object"},
    {"vocabulary", JSON_STRING, "a file's name"},
    {"data", JSON_ARRAY, "a list"},
    {"train", JSON_OBJECT, "an object"},
};

static void check_members(const char *path)
{
    const char *key;
    json_t     *value;
    json_object_foreach(train_config, key, value)
    {
        size_t i = 0;
        while (i < VLP_COUNT(members) && strcmp(members[i].key, key) != 0) i++;
        if (i == VLP_COUNT(members))
            refuse(path, "'%.60s' is not known: there are model, vocabulary, data and train", key);
        if (json_typeof(value) != members[i].type)
            refuse(path, "'%s' is not %s", key, members[i].kind);
    }
    size_t  i;
    json_t *each;
    json_array_foreach(json_object_get(train_config, "data"), i, each) if (!json_is_string(each))
        refuse(path, "data[%zu] is not a text", i);
}

/* Whole names only: what a file abbreviates today may mean two options tomorrow. */
static bool is_option(const char *key)
{
    for (const struct cmd_option *o = train_program.options; o->kind != CMD_END; o++)
        if (o->name && strcmp(o->name, key) == 0) return true;
    return false;
}

/* argv with the file's options before the command line's. The strings live as long as the process.
 */
void train_read_config(int *argc, char ***argv)
{
    const char *path = cmd_value_of(&train_program, *argc, *argv, "config");
    if (!path) return;
    cmd_begin(&train_program);
    json_error_t   where;
    const char    *key;
    json_t        *value;
    struct vlp_buf text = {0};
    read_text(&text, path);
    vlp_buf_add(&text, "", 0); /* an empty file is a text, too */
    path = name_of(path);
    const size_t bom = vlp_bom_length(text.data, text.len);
    train_config = json_loadb(text.data + bom, text.len - bom, JSON_REJECT_DUPLICATES, &where);
    vlp_buf_free(&text);
    if (!train_config) refuse(path, "line %d: %s", where.line, where.text);
    if (!json_is_object(train_config)) refuse(path, "not a JSON object");
    check_members(path);
    static struct words w; /* options point into it */
    add_word(&w, (*argv)[0]);
    json_object_foreach(json_object_get(train_config, "train"), key, value)
    {
        if (!add_member(&w, key, value))
            refuse(path, "train.%s: neither a number, a text, true nor a list", key);
    }
    if (cmd_value_of(&train_program, w.n, w.item, "config"))
        refuse(path, "a configuration names no other: train.config would not be read");
    json_object_foreach(json_object_get(train_config, "train"), key, value) if (!is_option(key))
        refuse(path, "train.%.60s is not known: options are there by their long names", key);
    for (int i = 1; i < *argc; i++) add_word(&w, (*argv)[i]);
    *argc = w.n;
    *argv = w.item;
}

/* Data of the command line, else of the file. */
char *const *train_data_list(int argc, char **argv, int first, int *n)
{
    if (first < argc) {
        *n = argc - first;
        return argv + first;
    }
    static struct words w; /* the run points into it */
    size_t              i;
    json_t             *each;
    add_word(&w, NULL);
    w.n = 0;
    json_array_foreach(json_object_get(train_config, "data"), i, each)
        add_word(&w, (char *)json_string_value(each));
    *n = w.n;
    return w.item;
}
