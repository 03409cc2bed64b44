/*
 * vectors_jsonl.c -- vectors as JSON lines, one object a record, nothing lost.
 *
 *   {"id":"a.jpg","vector":[0.25,-1]}
 *
 * and where they apply: "meta", a caption, label or stamp; "flags", a list of "text", "truncated",
 * "label"; "stamp", the flags from VLP_RECORD_STAMP_SHIFT on as a number; "id_hex" and "meta_hex",
 * the exact bytes, when they are not UTF-8 ("id" then has U+FFFD in places); "deleted":true in
 * place of "vector". A NaN or infinity, which JSON has no numbers for, is a string: "nan", "inf",
 * "-inf".
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

enum { LINE_LIMIT = 16 << 20 };

static const struct {
    const char *name;
    uint32_t    flag;
} flag_names[] = {
    {"text", VLP_RECORD_TEXT}, {"truncated", VLP_RECORD_TRUNCATED}, {"label", VLP_RECORD_LABEL}};

/* ---- reading ----------------------------------------------------------------------- */

struct jsonl_reader {
    float         *rows;
    struct vlp_buf text; /* ids and metas of the block */
    size_t         id_at[VLP_EMBEDDING_BLOCK], meta_at[VLP_EMBEDDING_BLOCK];
    json_t        *pending; /* records read while looking for the width, each before its line */
    size_t         given;   /* of these */
    int64_t        n_lines; /* read */
};

static bool jsonl_sniff(const uint8_t *p, size_t have, const char *path)
{
    size_t i = vlp_bom_length(p, have);
    (void)path;
    while (i < have && strchr(" \t\r\n", p[i]) && p[i]) i++;
    return i < have && p[i] == '{';
}

/* The next record, a new reference; NULL at the end. */
static enum vlp_status next_object(struct vlp_embedding_reader *r, json_t **out,
                                   struct vlp_error *err)
{
    struct jsonl_reader *v = r->state;
    const char          *line;
    size_t               len;
    json_error_t         e;
    do {
        VLP_TRY(feed_line(&r->feed, LINE_LIMIT, &line, &len, err));
        v->n_lines++;
        if (!line || v->n_lines > 1) continue;
        const size_t bom = vlp_bom_length(line, len);
        line += bom;
        len -= bom;
    } while (line && len == 0);
    *out = NULL;
    if (!line) return VLP_OK;
    *out = json_loadb(line, len, JSON_ALLOW_NUL, &e);
    if (json_is_object(*out)) return VLP_OK;
    const bool parsed = *out != NULL;
    json_decref(*out);
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %lld %s%s", r->feed.name, (long long)v->n_lines,
                    parsed ? "is no JSON object" : "is not JSON: ", parsed ? "" : e.text);
}

/* The width is that of the first vector; deletions may stand before it. */
static enum vlp_status jsonl_open(struct vlp_embedding_reader *r, struct vlp_error *err)
{
    struct jsonl_reader *v = r->state = vlp_calloc(1, sizeof *v);
    size_t               dim = 0;
    v->pending = json_array();
    while (dim == 0) {
        json_t *record;
        VLP_TRY(next_object(r, &record, err));
        if (!record) break;
        dim = json_array_size(json_object_get(record, "vector"));
        json_array_append_new(v->pending, record);
        json_array_append_new(v->pending, json_integer(v->n_lines));
        if (dim == 0 && !json_is_true(json_object_get(record, "deleted"))) break;
    }
    if (dim < 1 || dim > VLP_EMBEDDING_MAX_DIM)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %lld has no vector of 1 to %d values",
                        r->feed.name, (long long)v->n_lines, VLP_EMBEDDING_MAX_DIM);
    r->header.dim = (int)dim;
    r->header.dtype = VLP_F32;
    v->rows = plain_room(row_size(VLP_F32, r->header.dim));
    return VLP_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Add the bytes of record[key] or record[key_hex]; *present false when there is neither. */
static bool take_bytes(struct vlp_buf *out, const json_t *record, const char *key,
                       const char *key_hex, bool *present)
{
    const json_t *hex = json_object_get(record, key_hex), *plain = json_object_get(record, key);
    *present = hex || plain;
    if (json_is_string(hex)) {
        const char  *p = json_string_value(hex);
        const size_t n = json_string_length(hex);
        if (n % 2) return false;
        for (size_t i = 0; i < n; i += 2) {
            const int high = hex_digit(p[i]), low = hex_digit(p[i + 1]);
            if (high < 0 || low < 0) return false;
            vlp_buf_add_char(out, (char)(high << 4 | low));
        }
        return true;
    }
    if (json_is_integer(plain)) {
        vlp_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(plain));
        return true;
    }
    if (json_is_string(plain))
        vlp_buf_add(out, json_string_value(plain), json_string_length(plain));
    return !hex && (!plain || json_is_string(plain));
}

static bool take_value(float *x, const json_t *v)
{
    if (json_is_string(v)) return vlp_parse_f32(json_string_value(v), x);
    *x = (float)json_number_value(v);
    return json_is_number(v);
}

static const char *parse_record(struct vlp_embedding_reader *r, const json_t *record, int i)
{
    struct jsonl_reader *v = r->state;
    const json_t        *vector = json_object_get(record, "vector"), *flag;
    const size_t         dim = (size_t)r->header.dim;
    float               *x = v->rows + (size_t)i * dim;
    bool                 present;
    size_t               k;
    v->id_at[i] = v->text.len;
    if (!take_bytes(&v->text, record, "id", "id_hex", &present) || !present) return "has no id";
    r->id_lens[i] = v->text.len - v->id_at[i];
    vlp_buf_add_char(&v->text, '\0');
    if (r->id_lens[i] > VLP_EMBEDDING_MAX_ID) return "has an id that is too long";
    v->meta_at[i] = v->text.len;
    if (!take_bytes(&v->text, record, "meta", "meta_hex", &present))
        return "has an impossible meta";
    if (v->text.len - v->meta_at[i] > VLP_EMBEDDING_MAX_META) return "has a meta that is too long";
    r->meta_lens[i] = v->text.len - v->meta_at[i];
    r->metas[i] = present ? "" : NULL; /* set when the text has stopped growing */
    vlp_buf_add_char(&v->text, '\0');
    r->flags[i] = json_is_true(json_object_get(record, "deleted")) ? VLP_RECORD_DELETED : 0;
    json_array_foreach(json_object_get(record, "flags"), k, flag)
    {
        for (size_t f = 0; f < VLP_COUNT(flag_names) && json_is_string(flag); f++)
            if (strcmp(json_string_value(flag), flag_names[f].name) == 0)
                r->flags[i] |= flag_names[f].flag;
    }
    const json_int_t stamp = json_integer_value(json_object_get(record, "stamp"));
    if (stamp > 0 && stamp <= UINT32_MAX >> VLP_RECORD_STAMP_SHIFT)
        r->flags[i] |= (uint32_t)stamp << VLP_RECORD_STAMP_SHIFT;
    memset(x, 0, dim * sizeof *x);
    if (r->flags[i] & VLP_RECORD_DELETED) return NULL;
    if (json_array_size(vector) != dim) return "has no vector of the first one's width";
    for (size_t c = 0; c < dim; c++)
        if (!take_value(&x[c], json_array_get(vector, c))) return "has a value that is no number";
    return NULL;
}

static enum vlp_status jsonl_next(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                                  struct vlp_error *err)
{
    struct jsonl_reader *v = r->state;
    const size_t         row = row_size(VLP_F32, r->header.dim);
    int                  n = 0;
    vlp_buf_clear(&v->text);
    for (; n < plain_rows(row); n++) {
        json_t *record = json_incref(json_array_get(v->pending, v->given));
        int64_t line = json_integer_value(json_array_get(v->pending, v->given + 1));
        if (record) {
            v->given += 2;
        } else {
            VLP_TRY(next_object(r, &record, err));
            line = v->n_lines;
        }
        if (!record) break;
        const char *wrong = parse_record(r, record, n);
        json_decref(record);
        if (wrong)
            return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %lld %s", r->feed.name, (long long)line,
                            wrong);
    }
    for (int i = 0; i < n; i++) {
        r->ids[i] = v->text.data + v->id_at[i];
        if (r->metas[i]) r->metas[i] = v->text.data + v->meta_at[i];
    }
    r->ended = n == 0;
    if (n) reader_block(r, b, n, v->rows, row);
    return VLP_OK;
}

static void jsonl_close(struct vlp_embedding_reader *r)
{
    struct jsonl_reader *v = r->state;
    if (!v) return;
    json_decref(v->pending);
    vlp_buf_free(&v->text);
    free(v->rows);
    free(v);
}

/* ---- writing ----------------------------------------------------------------------- */

/* "key":"text" with U+FFFD for what is not UTF-8, then the exact bytes in "key_hex". */
static void put_bytes(struct vlp_buf *b, const char *key, const char *s, size_t len)
{
    vlp_buf_printf(b, "\"%s\":", key);
    if (vlp_buf_add_json(b, s, len)) return;
    vlp_buf_printf(b, ",\"%s_hex\":\"", key);
    for (size_t i = 0; i < len; i++) vlp_buf_printf(b, "%02x", (uint8_t)s[i]);
    vlp_buf_add_char(b, '"');
}

static void put_flags(struct vlp_buf *b, uint32_t flags)
{
    const char *before = ",\"flags\":[";
    for (size_t k = 0; k < VLP_COUNT(flag_names); k++) {
        if (!(flags & flag_names[k].flag)) continue;
        vlp_buf_printf(b, "%s\"%s\"", before, flag_names[k].name);
        before = ",";
    }
    if (*before == ',' && before[1] == '\0') vlp_buf_add_char(b, ']');
    if (flags >> VLP_RECORD_STAMP_SHIFT)
        vlp_buf_printf(b, ",\"stamp\":%u", (unsigned)(flags >> VLP_RECORD_STAMP_SHIFT));
}

static void put_number(struct vlp_buf *b, float x)
{
    char number[32];
    if (isnan(x))
        vlp_buf_add_str(b, "\"nan\"");
    else if (isinf(x))
        vlp_buf_add_str(b, x > 0 ? "\"inf\"" : "\"-inf\"");
    else if (x == 0.0f && signbit(x))
        vlp_buf_add_str(b, "-0.0"); /* -0 would be an integer, which has one zero */
    else
        vlp_buf_add(b, number, (size_t)vlp_format_f32(number, x));
}

static enum vlp_status jsonl_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                                   struct vlp_error *err)
{
    struct text_writer *v = w->state;
    struct vlp_buf     *b = &v->line;
    vlp_buf_clear(b);
    vlp_buf_add_char(b, '{');
    put_bytes(b, "id", r->id, r->id_len);
    put_flags(b, r->flags);
    if (r->meta) {
        vlp_buf_add_char(b, ',');
        put_bytes(b, "meta", r->meta, r->meta_len);
    }
    if (r->flags & VLP_RECORD_DELETED) {
        vlp_buf_add_str(b, ",\"deleted\":true}\n");
        return vlp_output_write(&v->out, b->data, b->len, err);
    }
    vlp_buf_add_str(b, ",\"vector\":");
    for (int c = 0; c < w->header.dim; c++) {
        vlp_buf_add_char(b, c ? ',' : '[');
        put_number(b, r->vector[c]);
    }
    vlp_buf_add_str(b, "]}\n");
    return vlp_output_write(&v->out, b->data, b->len, err);
}

const struct format format_jsonl = {.name = "jsonl",
                                    .sniff = jsonl_sniff,
                                    .open = jsonl_open,
                                    .next = jsonl_next,
                                    .close = jsonl_close,
                                    .create = text_create,
                                    .write = jsonl_write,
                                    .finish = text_finish};
