/*
 * classify_truth.c -- right answers by id, from TSV, CSV, JSON, JSON lines or a vector of numbers.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <vlp/classify.h>
#include <vlp/data.h>

struct vlp_truth {
    int                  n, cap;
    const char         **id, **label;
    size_t              *id_len;
    const char          *id_column, *label_column; /* from a header line, or NULL */
    struct vlp_id_table *table;
    struct vlp_arena     mem;
};

enum { MAX_FILE = INT32_MAX / 2 };

/* An empty label is none. */
static void add(struct vlp_truth *t, const char *id, size_t id_len, const char *label)
{
    if (!*label) return;
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->id = vlp_realloc(t->id, (size_t)t->cap * sizeof *t->id);
        t->label = vlp_realloc(t->label, (size_t)t->cap * sizeof *t->label);
        t->id_len = vlp_realloc(t->id_len, (size_t)t->cap * sizeof *t->id_len);
    }
    t->id[t->n] = id;
    t->id_len[t->n] = id_len;
    t->label[t->n++] = label;
}

/* ---- TSV ----------------------------------------------------------------------------------- */

/* A field with its escapes undone. */
static char *field(struct vlp_arena *mem, const char *s, size_t len, size_t *out_len)
{
    char *out = vlp_arena_strndup(mem, s, len);
    *out_len = vlp_tsv_unescape(out, len);
    out[*out_len] = '\0';
    return out;
}

static bool is_column_name(const char *s)
{
    static const char *const names[] = {
        "id",       "ids",      "image", "images", "picture", "path",  "file",
        "filename", "filepath", "key",   "query",  "index",   "text",  "texts",
        "caption",  "title",    "label", "labels", "class",   "truth", "target"};
    for (size_t i = 0; i < VLP_COUNT(names); i++)
        if (strcasecmp(s, names[i]) == 0) return true;
    return false;
}

/* A row of a table, unless it is the first and names the columns. */
static void add_row(struct vlp_truth *t, const char *id, size_t id_len, const char *label)
{
    if (t->n > 0 || t->id_column || !is_column_name(id) || !is_column_name(label)) {
        add(t, id, id_len, label);
        return;
    }
    t->id_column = id;
    t->label_column = label;
}

static enum vlp_status read_tsv(struct vlp_truth *t, const char *s, size_t len, const char *path,
                                struct vlp_error *err)
{
    const char *end = s + len;
    for (int line = 1; s < end; line++) {
        const char *stop = memchr(s, '\n', (size_t)(end - s)), *next;
        if (!stop) stop = end;
        next = stop < end ? stop + 1 : end;
        if (stop > s && stop[-1] == '\r') stop--;
        if (stop > s) {
            const char *tab = memchr(s, '\t', (size_t)(stop - s));
            if (!tab)
                return vlp_fail(err, VLP_ERR_FORMAT,
                                "%s: line %d has no tab (commas are for names that end in .csv)",
                                path, line);
            const char *tab2 = memchr(tab + 1, '\t', (size_t)(stop - tab - 1));
            size_t      id_len, label_len;
            const char *id = field(&t->mem, s, (size_t)(tab - s), &id_len);
            const char *label =
                field(&t->mem, tab + 1, (size_t)((tab2 ? tab2 : stop) - tab - 1), &label_len);
            add_row(t, id, id_len, label);
        }
        s = next;
    }
    return VLP_OK;
}

/* ---- CSV ----------------------------------------------------------------------------------- */

static enum vlp_status read_csv(struct vlp_truth *t, const char *s, size_t len, const char *path,
                                struct vlp_error *err)
{
    struct vlp_csv *csv = vlp_csv_open(s, len, path);
    enum vlp_status status;
    for (bool more; (status = vlp_csv_next(csv, &more, err)) == VLP_OK && more;) {
        if (vlp_csv_fields(csv) < 2) {
            status = vlp_fail(err, VLP_ERR_FORMAT, "%s: the row in line %lld has no comma", path,
                              (long long)vlp_csv_line(csv));
            break;
        }
        size_t      id_len, label_len;
        const char *id = vlp_csv_field(csv, 0, &id_len), *label = vlp_csv_field(csv, 1, &label_len);
        add_row(t, vlp_arena_strndup(&t->mem, id, id_len), id_len,
                vlp_arena_strndup(&t->mem, label, label_len));
    }
    vlp_csv_close(csv);
    return status;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* A label or an id: text or a whole number. */
static const char *word(struct vlp_arena *mem, const json_t *j)
{
    if (json_is_string(j)) return vlp_arena_strdup(mem, json_string_value(j));
    if (json_is_integer(j)) return vlp_arena_printf(mem, "%lld", (long long)json_integer_value(j));
    return NULL;
}

/* One label or a list of them; null is none. */
static bool add_json(struct vlp_truth *t, const char *id, const json_t *labels)
{
    const size_t n = json_is_array(labels) ? json_array_size(labels) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(labels) ? json_array_get(labels, i) : labels;
        const char   *label = json_is_null(one) ? "" : word(&t->mem, one);
        if (!label) return false;
        add(t, id, strlen(id), label);
    }
    return true;
}

static const json_t *member(const json_t *j, const char *const *names)
{
    for (; *names; names++)
        if (json_object_get(j, *names)) return json_object_get(j, *names);
    return NULL;
}

static enum vlp_status read_json(struct vlp_truth *t, const char *s, size_t len, const char *path,
                                 struct vlp_error *err)
{
    static const char *const ids[] = {"id", "image", "path", "file", "key", NULL};
    static const char *const labels[] = {"label", "labels", "class", "truth", "target", NULL};
    const char *const        end = s + len;
    for (int i = 0;; i++) {
        while (s < end && strchr(" \t\r\n", *s)) s++;
        if (s == end) return VLP_OK;
        json_error_t why;
        json_t      *j = json_loadb(s, (size_t)(end - s), JSON_DISABLE_EOF_CHECK, &why);
        if (!j) return vlp_fail(err, VLP_ERR_FORMAT, "%s: object %d: %s", path, i + 1, why.text);
        const json_t *id = member(j, ids), *label = member(j, labels);
        bool          fine = json_is_object(j);
        if (fine && id && label) {
            const char *name = word(&t->mem, id);
            fine = name && add_json(t, name, label);
        } else if (fine) {
            const char *key;
            json_t     *value;
            json_object_foreach(j, key, value) fine =
                fine && add_json(t, vlp_arena_strdup(&t->mem, key), value);
        }
        json_decref(j);
        if (!fine)
            return vlp_fail(err, VLP_ERR_FORMAT,
                            "%s: object %d is neither ids with labels nor a record with \"id\" and "
                            "\"label\"",
                            path, i + 1);
        s += why.position;
    }
}

/* ---- a vector of numbers ------------------------------------------------------------------- */

static enum vlp_status read_npy(struct vlp_truth *t, const char *path, struct vlp_error *err)
{
    struct vlp_npy a;
    VLP_TRY(vlp_npy_open(&a, path, err));
    enum vlp_status s = VLP_OK;
    if (a.ndim != 1 || (a.dtype != VLP_I64 && a.dtype != VLP_I32 && a.dtype != VLP_I16 &&
                        a.dtype != VLP_I8 && a.dtype != VLP_U8))
        s = vlp_fail(err, VLP_ERR_FORMAT, "%s: not a vector of whole numbers", path);
    else if (a.dim[0] > INT32_MAX / 2)
        s = vlp_fail(err, VLP_ERR_LIMIT, "%s: more than %d labels", path, INT32_MAX / 2);
    for (int64_t i = 0; s == VLP_OK && i < a.dim[0]; i++) {
        const uint8_t *p = (const uint8_t *)a.data + vlp_dtype_size(a.dtype, (size_t)i);
        long long      v = 0;
        switch (a.dtype) {
        case VLP_I64: v = (long long)vlp_load_u64(p); break;
        case VLP_I32: v = (int32_t)vlp_load_u32(p); break;
        case VLP_I16: v = (int16_t)vlp_load_u16(p); break;
        case VLP_I8: v = *(const int8_t *)p; break;
        default: v = *p; break;
        }
        const char *id = vlp_arena_printf(&t->mem, "%lld", (long long)i);
        add(t, id, strlen(id), vlp_arena_printf(&t->mem, "%lld", v));
    }
    vlp_npy_close(&a);
    return s;
}

/* -------------------------------------------------------------------------------------------- */

static enum vlp_status read_any(struct vlp_truth *t, const char *path, struct vlp_error *err)
{
    if (strcasecmp(vlp_path_ext(path), "npy") == 0) return read_npy(t, path, err);
    struct vlp_buf b = {0};
    FILE          *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!f) return vlp_fail(err, VLP_ERR_IO, "%s: cannot be opened: %m", path);
    enum vlp_status s = vlp_read_all(&b, f, MAX_FILE, path, err);
    if (f != stdin) fclose(f);
    if (s == VLP_OK && b.len) {
        const size_t bom = vlp_bom_length(b.data, b.len);
        const char  *first = b.data + bom;
        while (first < b.data + b.len && strchr(" \t\r\n", *first)) first++;
        if (memchr(b.data, '\0', b.len))
            s = vlp_fail(err, VLP_ERR_FORMAT, "%s: not a text", path);
        else if (first < b.data + b.len && *first == '{')
            s = read_json(t, b.data + bom, b.len - bom, path, err);
        else
            s = (strcasecmp(vlp_path_ext(path), "csv") == 0 ? read_csv : read_tsv)(
                t, b.data + bom, b.len - bom, path, err);
    }
    vlp_buf_free(&b);
    return s;
}

enum vlp_status vlp_truth_read(struct vlp_truth **out, const char *path, struct vlp_error *err)
{
    struct vlp_truth *t = vlp_calloc(1, sizeof *t);
    vlp_arena_init(&t->mem);
    enum vlp_status s = read_any(t, path, err);
    if (s == VLP_OK && t->n == 0)
        s = vlp_fail(err, VLP_ERR_FORMAT, "%s: no right answer in it", path);
    if (s != VLP_OK) {
        vlp_truth_free(t);
        return s;
    }
    t->table = vlp_id_table_new(t->id, t->id_len, t->n);
    *out = t;
    return VLP_OK;
}

void vlp_truth_free(struct vlp_truth *t)
{
    if (!t) return;
    vlp_id_table_free(t->table);
    free(t->id);
    free(t->label);
    free(t->id_len);
    vlp_arena_free(&t->mem);
    free(t);
}

int vlp_truth_count(const struct vlp_truth *t)
{
    return t->n;
}

void vlp_truth_entry(const struct vlp_truth *t, int i, const char **id, const char **label)
{
    *id = t->id[i];
    *label = t->label[i];
}

void vlp_truth_columns(const struct vlp_truth *t, const char **id, const char **label)
{
    *id = t->id_column;
    *label = t->label_column;
}

const char *vlp_truth_of(const struct vlp_truth *t, const char *id, size_t len)
{
    int row = vlp_id_find(t->table, id, len);
    if (row < 0) {
        const char *base = vlp_path_base(id), *dot = strrchr(base, '.');
        row = vlp_id_find(t->table, base, strlen(base));
        if (row < 0 && dot && dot > base) row = vlp_id_find(t->table, base, (size_t)(dot - base));
    }
    return row < 0 ? NULL : t->label[row];
}
