/*
 * captions.c -- the texts of one picture, from files or tar members that share its stem.
 *
 * .txt and .caption hold one caption a line. .json holds an object with "caption", "captions",
 * "text" ... (columns.c), a string or a list of strings (or of objects with such a key); a list at
 * the top is a list of captions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data_internal.h"

static const char *const endings[] = {"txt", "caption", "json"};

bool captions_ending(const char *ext)
{
    for (size_t i = 0; i < VLP_COUNT(endings); i++)
        if (strcasecmp(ext, endings[i]) == 0) return true;
    return false;
}

void captions_cut(struct captions *c, int n)
{
    while (c->n > n) free(c->text[--c->n]);
}

void captions_free(struct captions *c)
{
    captions_cut(c, 0);
    free(c->text);
    free(c->len);
    free(c->fault);
    *c = (struct captions){0};
}

void captions_add(struct captions *c, const char *text, size_t len)
{
    if ((c->n & (c->n - 1)) == 0) {
        const size_t cap = c->n ? 2 * (size_t)c->n : 1;
        c->text = vlp_realloc(c->text, cap * sizeof *c->text);
        c->len = vlp_realloc(c->len, cap * sizeof *c->len);
    }
    c->text[c->n] = vlp_strndup(text, len);
    c->len[c->n++] = len;
}

void captions_fault(struct captions *c, enum vlp_fault how, enum vlp_status s, const char *fmt, ...)
{
    va_list    ap;
    const bool apart = how == VLP_FAULT_APART;
    if (how == VLP_FAULT_UNASKED || (c->fault && (apart || !c->apart))) return;
    free(c->fault);
    c->apart = apart;
    va_start(ap, fmt);
    if (vasprintf(&c->fault, fmt, ap) < 0) {
        vlp_no_memory(0);
        abort();
    }
    va_end(ap);
    c->fault_status = s;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void captions_add_lines(struct captions *c, const char *text, size_t len)
{
    const char *end = text + len;
    if (len) text += vlp_bom_length(text, len);
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const char *from = text, *to = stop ? stop : end;
        text = to + 1;
        while (from < to && is_space(*from)) from++;
        while (to > from && is_space(to[-1])) to--;
        if (to > from) captions_add(c, from, (size_t)(to - from));
    }
}

/*
 * Nested at most object in list in object: deeper is not a caption. What can be none is answered if
 * a key says that it is one (`named`); metadata may hold anything else.
 */
static const json_t *add_value(struct captions *c, const json_t *v, bool named, int depth);

/* The caption of an object: that of the first key whose value can be used. */
static const json_t *add_object(struct captions *c, const json_t *v, bool named, int depth)
{
    const json_t *wrong = NULL, *inner;
    const int     had = c->n;
    const char   *key;
    size_t        at = 0;
    while ((inner = column_value(v, COLUMN_TEXT, &at, &key)) != NULL) {
        const json_t *fault = add_value(c, inner, true, depth + 1);
        if (!fault) return NULL;
        captions_cut(c, had);
        if (!wrong) wrong = fault;
    }
    return wrong || !named ? wrong : v;
}

static const json_t *add_value(struct captions *c, const json_t *v, bool named, int depth)
{
    enum { DEEPEST = 3 };
    const json_t *wrong = NULL;
    if (!v || json_is_null(v)) return NULL;
    if (json_is_string(v)) {
        captions_add(c, json_string_value(v), json_string_length(v));
        return NULL;
    }
    if (json_is_array(v) && depth < DEEPEST) {
        for (size_t i = 0; i < json_array_size(v) && !wrong; i++)
            wrong = add_value(c, json_array_get(v, i), named, depth + 1);
        return wrong;
    }
    if (depth < DEEPEST) return add_object(c, v, named, depth);
    return named ? v : NULL;
}

const json_t *captions_add_value(struct captions *c, const json_t *v)
{
    const int     had = c->n;
    const json_t *wrong = add_value(c, v, true, 0);
    if (wrong) captions_cut(c, had);
    return wrong;
}

void captions_add_json(struct captions *c, enum vlp_fault how, const char *text, size_t len,
                       const char *name)
{
    json_error_t  e;
    json_t       *root = json_read(text, len, &e);
    const json_t *wrong = add_value(c, root, false, 0);
    if (!root)
        captions_fault(c, how, VLP_ERR_FORMAT, "%s: not JSON: %s (line %d)", name, e.text, e.line);
    if (wrong) {
        captions_cut(c, 0);
        captions_fault(c, how, VLP_ERR_FORMAT, "%s: %s is no caption", name,
                       json_type_words(wrong));
    }
    json_decref(root);
}

/* The text of a caption file; one that is no regular file is not opened, which might wait. */
static enum vlp_status read_text(struct vlp_buf *out, const char *path, struct vlp_error *err)
{
    struct stat st;
    const int   found = stat(path, &st);
    if (found == 0 && no_file_words(&st))
        return vlp_fail(err, VLP_ERR_IO, "%s: %s", path, no_file_words(&st));
    FILE *f = found == 0 ? fopen(path, "rb") : NULL;
    if (!f) return vlp_fail(err, vlp_status_of_errno(errno), "%s: %s", path, strerror(errno));
    const enum vlp_status s = vlp_read_all(out, f, CAPTION_FILE_LIMIT, path, err);
    fclose(f);
    return s;
}

/* What cannot be seen is there: a link to what is away is no caption that was given up. */
static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG);
}

void captions_read_beside(struct captions *c, enum vlp_fault how, const char *picture)
{
    const char    *ext = vlp_path_ext(picture);
    const size_t   stem = strlen(picture) - strlen(ext);
    struct vlp_buf path = {0}, text = {0};
    for (size_t i = 0; i < VLP_COUNT(endings); i++) {
        vlp_buf_clear(&path);
        vlp_buf_add(&path, picture, stem);
        if (!*ext) vlp_buf_add_char(&path, '.');
        vlp_buf_add_str(&path, endings[i]);
        if (!is_there(path.data)) continue;
        struct vlp_error err;
        if (read_text(&text, path.data, &err) != VLP_OK)
            captions_fault(c, how, err.status, "%s", err.text);
        else if (strcmp(endings[i], "json") == 0)
            captions_add_json(c, how, text.data, text.len, path.data);
        else
            captions_add_lines(c, text.data, text.len);
        break;
    }
    vlp_buf_free(&path);
    vlp_buf_free(&text);
}

static int without_fault(const struct captions *c)
{
    return c->n > 1 ? c->n : 1;
}

int captions_records(const struct captions *c)
{
    return without_fault(c) + (c->fault && c->apart);
}

void captions_give(struct captions *c, int k, struct vlp_item *it)
{
    const bool own = k == without_fault(c);
    const bool left = it->path || it->bytes || it->shard || k < c->n;
    if (c->fault && it->status == VLP_OK && (own || !left || !c->apart))
        item_fail(it, c->fault_status, "%s", c->fault);
    if (it->status != VLP_OK && !own) c->apart = false;
    it->text_unread = c->fault && c->apart && !own &&
                      (c->fault_status == VLP_ERR_IO || c->fault_status == VLP_ERR_SHORTAGE);
    /* of how many captions nobody knows */
    it->of_many |= c->fault && it->status != VLP_OK;
    if (k >= c->n) return;
    item_set_text(it, c->text[k], c->len[k]);
    if (c->n > 1) item_number_id(it, k);
}
