/*
 * classify_labels.c -- class names, their other names and prompts, and templates, from text or
 * JSON.
 */
#include <stdlib.h>
#include <string.h>

#include <vlp/classify.h>

enum { MAX_FILE = 256 << 20 };

static enum vlp_status read_file(struct vlp_buf *out, const char *path, struct vlp_error *err)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!f) return vlp_fail(err, VLP_ERR_IO, "%s: cannot be opened: %m", path);
    const enum vlp_status s = vlp_read_all(out, f, MAX_FILE, path, err);
    if (f != stdin) fclose(f);
    if (s != VLP_OK) return s;
    size_t bad;
    if (!vlp_utf8_valid(out->data ? out->data : "", out->len, &bad))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: not UTF-8 at byte %zu", path, bad);
    if (out->len && memchr(out->data, '\0', out->len))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: not a text: it holds a NUL byte", path);
    if (out->len) memset(out->data, ' ', vlp_bom_length(out->data, out->len));
    return VLP_OK;
}

/* The n-th character that is no white space, from 0; NUL where there are fewer. */
static char visible_char(const struct vlp_buf *b, int n)
{
    for (size_t i = 0; i < b->len; i++)
        if (!strchr(" \t\r\n", b->data[i]) && n-- == 0) return b->data[i];
    return '\0';
}

/* s[0..len) without white space at its ends, from the arena. */
static char *trimmed(struct vlp_arena *mem, const char *s, size_t len)
{
    while (len && strchr(" \t\r\n", s[0])) s++, len--;
    while (len && strchr(" \t\r\n", s[len - 1])) len--;
    return vlp_arena_strndup(mem, s, len);
}

/* Pieces of s[0..len) between `sep`, trimmed, empty ones left out. */
static int split(struct vlp_arena *mem, const char *s, size_t len, char sep, const char ***out)
{
    size_t most = 1;
    for (size_t i = 0; i < len; i++) most += s[i] == sep;
    const char **piece = VLP_NEW_N(mem, const char *, most);
    const char  *end = s + len;
    int          n = 0;
    while (s < end) {
        const char *stop = memchr(s, sep, (size_t)(end - s));
        if (!stop) stop = end;
        const char *p = trimmed(mem, s, (size_t)(stop - s));
        if (*p) piece[n++] = p;
        s = stop < end ? stop + 1 : end;
    }
    *out = piece;
    return n;
}

/* A JSON string, or a list of strings. */
static bool strings_of(struct vlp_arena *mem, const json_t *j, int *n, const char *const **out)
{
    const size_t count = json_is_array(j) ? json_array_size(j) : 1;
    const char **s = VLP_NEW_N(mem, const char *, count ? count : 1);
    for (size_t i = 0; i < count; i++) {
        const json_t *e = json_is_array(j) ? json_array_get(j, i) : j;
        if (!json_is_string(e) || json_string_length(e) == 0) return false;
        s[i] = vlp_arena_strndup(mem, json_string_value(e), json_string_length(e));
    }
    *n = (int)count;
    *out = s;
    return count > 0;
}

/* The first member that is none of a class's, which a reader would pass over; NULL. */
static const char *unknown_member(struct vlp_arena *mem, const json_t *j)
{
    static const char *const known[] = {"name", "names", "prompts"};
    const char              *key;
    json_t                  *value;
    json_object_foreach((json_t *)j, key, value)
    {
        size_t i = 0;
        while (i < VLP_COUNT(known) && strcmp(known[i], key) != 0) i++;
        if (i == VLP_COUNT(known)) return vlp_arena_strdup(mem, key);
    }
    return NULL;
}

/* *unknown: the member that it fails for, if it is that. */
static bool label_of_object(struct vlp_arena *mem, const json_t *j, struct vlp_label *l,
                            const char **unknown)
{
    const json_t *name = json_object_get(j, "name"), *names = json_object_get(j, "names");
    const json_t *prompts = json_object_get(j, "prompts");
    if ((*unknown = unknown_member(mem, j))) return false;
    if (names && !strings_of(mem, names, &l->n_names, &l->names)) return false;
    if (prompts && !strings_of(mem, prompts, &l->n_prompts, &l->prompts)) return false;
    if (name && !json_is_string(name)) return false;
    if (name) l->name = vlp_arena_strdup(mem, json_string_value(name));
    if (!l->name && l->n_names) l->name = l->names[0];
    return l->name != NULL;
}

static bool label_of_json(struct vlp_arena *mem, const json_t *j, struct vlp_label *l,
                          const char **unknown)
{
    if (json_is_object(j)) return label_of_object(mem, j, l, unknown);
    if (!strings_of(mem, j, &l->n_names, &l->names)) return false;
    l->name = l->names[0];
    return true;
}

/* Where it fails, out->n is the number of the class, from 1. */
static bool labels_of_json(struct vlp_labels *out, const json_t *root, const char **unknown)
{
    const size_t n = json_is_array(root) ? json_array_size(root) : json_object_size(root);
    out->label = VLP_NEW_N(&out->mem, struct vlp_label, n + 1);
    for (size_t i = 0; json_is_array(root) && i < n; i++)
        if (!label_of_json(&out->mem, json_array_get(root, i), &out->label[out->n++], unknown))
            return false;
    const char *key;
    json_t     *value;
    json_object_foreach((json_t *)root, key, value)
    {
        struct vlp_label *l = &out->label[out->n++];
        l->name = vlp_arena_strdup(&out->mem, key);
        if (json_is_object(value) ? !label_of_object(&out->mem, value, l, unknown)
                                  : !strings_of(&out->mem, value, &l->n_prompts, &l->prompts))
            return false;
    }
    return true;
}

/* What text and JSON have in common: a name of its own for each, none twice. */
static enum vlp_status settle(struct vlp_labels *l, const char *path, struct vlp_error *err)
{
    if (l->n == 0) return vlp_fail(err, VLP_ERR_FORMAT, "%s: no class in it", path);
    struct vlp_names *seen = vlp_names_new();
    enum vlp_status   s = VLP_OK;
    for (int i = 0; i < l->n && s == VLP_OK; i++) {
        struct vlp_label *x = &l->label[i];
        if (!x->names) {
            const char **one = VLP_NEW(&l->mem, const char *);
            *one = x->name;
            x->names = one;
            x->n_names = 1;
        }
        if (vlp_names_add(seen, x->name) != i)
            s = vlp_fail(err, VLP_ERR_FORMAT, "%s: class '%s' is there twice", path, x->name);
    }
    vlp_names_free(seen);
    return s;
}

static enum vlp_status read_labels(struct vlp_labels *l, const struct vlp_buf *b, const char *path,
                                   struct vlp_error *err)
{
    const char first = visible_char(b, 0);
    if (first == '[' || first == '{') {
        json_error_t why;
        json_t      *root = json_loadb(b->data, b->len, JSON_REJECT_DUPLICATES, &why);
        if (!root)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %d: %s", path, why.line, why.text);
        const char *unknown = NULL;
        const bool  fine = labels_of_json(l, root, &unknown);
        json_decref(root);
        if (unknown)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "%s: class %d: '%.60s' is not known: there are name, names and prompts",
                            path, l->n, unknown);
        if (!fine)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "%s: class %d is neither a name, a list of names, nor an object with "
                            "names and prompts",
                            path, l->n);
        return settle(l, path, err);
    }
    const char **line;
    const int    n = split(&l->mem, b->data ? b->data : "", b->len, '\n', &line);
    l->label = VLP_NEW_N(&l->mem, struct vlp_label, n ? (size_t)n : 1);
    for (int i = 0; i < n; i++) {
        const char **names;
        const int    count = split(&l->mem, line[i], strlen(line[i]), '|', &names);
        if (count == 0) continue;
        l->label[l->n++] = (struct vlp_label){.name = names[0], .n_names = count, .names = names};
    }
    return settle(l, path, err);
}

enum vlp_status vlp_labels_read(struct vlp_labels *out, const char *path, struct vlp_error *err)
{
    struct vlp_labels l = {0};
    struct vlp_buf    b = {0};
    vlp_arena_init(&l.mem);
    enum vlp_status s = read_file(&b, path, err);
    if (s == VLP_OK) s = read_labels(&l, &b, path, err);
    vlp_buf_free(&b);
    if (s == VLP_OK)
        *out = l;
    else
        vlp_arena_free(&l.mem);
    return s;
}

enum vlp_status vlp_labels_parse(struct vlp_labels *out, const char *list, struct vlp_error *err)
{
    struct vlp_labels l = {0};
    const char      **name;
    vlp_arena_init(&l.mem);
    l.n = split(&l.mem, list, strlen(list), ',', &name);
    l.label = VLP_NEW_N(&l.mem, struct vlp_label, l.n ? (size_t)l.n : 1);
    for (int i = 0; i < l.n; i++) l.label[i].name = name[i];
    const enum vlp_status s = settle(&l, "the list of classes", err);
    if (s == VLP_OK)
        *out = l;
    else
        vlp_arena_free(&l.mem);
    return s;
}

void vlp_labels_free(struct vlp_labels *l)
{
    vlp_arena_free(&l->mem);
    *l = (struct vlp_labels){0};
}

/*
 * A list in JSON. Lines may begin with '[' too: what is no JSON is meant to be a list only where a
 * string is the first in it; else *root is NULL. An object, as of classes, is no list, but "{} in
 * snow" is a line.
 */
static enum vlp_status template_list(json_t **root, const struct vlp_buf *b, const char *path,
                                     struct vlp_error *err)
{
    json_error_t why;
    if (visible_char(b, 0) == '{' && visible_char(b, 1) == '"')
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: a JSON object is no list of templates (lines, or a JSON list)", path);
    *root = visible_char(b, 0) == '[' ? json_loadb(b->data, b->len, 0, &why) : NULL;
    if (*root || visible_char(b, 0) != '[' || visible_char(b, 1) != '"') return VLP_OK;
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %d: %s", path, why.line, why.text);
}

static enum vlp_status read_templates(struct vlp_templates *t, const struct vlp_buf *b,
                                      const char *path, struct vlp_error *err)
{
    json_t *root;
    VLP_TRY(template_list(&root, b, path, err));
    if (root) {
        const char *const *text = NULL;
        const bool         fine = strings_of(&t->mem, root, &t->n, &text);
        json_decref(root);
        if (!fine) return vlp_fail(err, VLP_ERR_FORMAT, "%s: not a list of templates", path);
        t->text = (const char **)text;
    } else {
        t->n = split(&t->mem, b->data ? b->data : "", b->len, '\n', &t->text);
    }
    if (t->n == 0) return vlp_fail(err, VLP_ERR_FORMAT, "%s: no template in it", path);
    for (int i = 0; i < t->n; i++)
        if (!strstr(t->text[i], "{}"))
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: template %d ('%s') has no {}", path, i + 1,
                            t->text[i]);
    return VLP_OK;
}

enum vlp_status vlp_templates_read(struct vlp_templates *out, const char *path,
                                   struct vlp_error *err)
{
    struct vlp_templates t = {0};
    struct vlp_buf       b = {0};
    vlp_arena_init(&t.mem);
    enum vlp_status s = read_file(&b, path, err);
    if (s == VLP_OK) s = read_templates(&t, &b, path, err);
    vlp_buf_free(&b);
    if (s == VLP_OK)
        *out = t;
    else
        vlp_arena_free(&t.mem);
    return s;
}

void vlp_templates_free(struct vlp_templates *t)
{
    vlp_arena_free(&t->mem);
    *t = (struct vlp_templates){0};
}
