/*
 * source_json.c -- records from JSON: lines of objects, or one array (or sequence) of objects.
 *
 * JSON lines: a line that is no object is a bad record, and the next line is the next record; a
 * last one that is open where the file ends was cut off, and who knows what was behind it. In an
 * array an element that is no object is a bad record; brackets that do not match end the input.
 * A caption may be a list: as many records as captions.
 */
#include <stdlib.h>
#include <string.h>

#include "data_internal.h"

struct source_state {
    struct stream   stream;
    struct vlp_buf  text; /* of the object in hand */
    int64_t         n;    /* objects or lines met */
    json_t         *object;
    struct field    field[COLUMN_COUNT]; /* of the object: its strings, or numbers in `room` */
    char            room[COLUMN_COUNT][32];
    struct captions captions;
    int             at;                /* records given of this object */
    bool            any;               /* object was met */
    bool            met[COLUMN_COUNT]; /* the key that an option tells, in any of them */
    enum { UNSEEN, IN_ARRAY, IN_SEQUENCE, ENDED } where;
};

static enum vlp_status json_open(struct input *in, struct vlp_error *err)
{
    struct source_state *s = vlp_calloc(1, sizeof *s);
    in->state = s;
    return input_stream(in, &s->stream, err);
}

static enum vlp_status skip_bom(struct stream *s, struct vlp_error *err)
{
    VLP_TRY(stream_fill(s, 3, err));
    const size_t bom = vlp_bom_length(s->buf + s->begin, s->end - s->begin);
    s->begin += bom;
    s->offset += bom;
    return VLP_OK;
}

/* ---- the text of the next object --------------------------------------------------- */

static enum vlp_status next_line(struct source_state *s, bool *more, bool *too_long,
                                 struct vlp_error *err)
{
    if (s->n == 0) VLP_TRY(skip_bom(&s->stream, err));
    do {
        VLP_TRY(stream_line(&s->stream, '\n', RECORD_LIMIT, &s->text, too_long, more, err));
        s->n += *more;
    } while (*more && strspn(s->text.data, " \t\r") == s->text.len);
    return VLP_OK;
}

/* The next byte that is no space, not eaten; -1 at the end. */
static enum vlp_status look(struct stream *s, int *c, struct vlp_error *err)
{
    enum vlp_status status = VLP_OK;
    for (;;) {
        VLP_TRY(stream_fill(s, 1, err));
        *c = s->begin < s->end ? s->buf[s->begin] : -1;
        if (*c != ' ' && *c != '\t' && *c != '\n' && *c != '\r') return VLP_OK;
        stream_byte(s, &status, err);
    }
}

static enum vlp_status wrong_at(const struct source_state *s, const char *what,
                                struct vlp_error *err)
{
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: at offset %llu: %s", s->stream.name,
                    (unsigned long long)s->stream.offset, what);
}

/* How deep in brackets, and whether in a string, the bytes up to here are. */
struct nesting {
    int  depth;
    bool quoted, escaped;
};

static void nest(struct nesting *n, int c)
{
    if (n->quoted) {
        n->quoted = n->escaped || c != '"';
        n->escaped = !n->escaped && c == '\\';
    } else if (c == '"') {
        n->quoted = true;
    } else if (c == '{' || c == '[') {
        n->depth++;
    } else if (c == '}' || c == ']') {
        n->depth--;
    }
}

static bool is_open(const struct nesting *n)
{
    return n->depth > 0 || n->quoted;
}

/* The last line, without its end, may be all that is left of one. */
static bool is_cut(const struct source_state *s)
{
    struct nesting n = {0};
    if (!s->stream.unended) return false;
    for (size_t i = 0; i < s->text.len; i++) nest(&n, s->text.data[i]);
    return is_open(&n);
}

/* One value, by its brackets and quotes; whether it is JSON is seen later. */
static enum vlp_status take_value(struct source_state *s, bool *too_long, struct vlp_error *err)
{
    enum vlp_status status = VLP_OK;
    struct nesting  n = {0};
    vlp_buf_clear(&s->text);
    *too_long = false;
    for (;;) {
        VLP_TRY(stream_fill(&s->stream, 1, err));
        if (s->stream.begin == s->stream.end) {
            return is_open(&n) ? wrong_at(s, ends_inside, err) : VLP_OK;
        }
        const int c = s->stream.buf[s->stream.begin];
        if (!is_open(&n) && s->text.len && memchr(",]} \t\r\n", c, 7)) return VLP_OK;
        stream_byte(&s->stream, &status, err);
        if (s->text.len < RECORD_LIMIT)
            vlp_buf_add_char(&s->text, (char)c);
        else
            *too_long = true;
        nest(&n, c);
        if (n.depth < 0) return wrong_at(s, "a closing bracket without an opening one", err);
        if (!is_open(&n) && (c == '}' || c == ']')) return VLP_OK;
    }
}

static enum vlp_status next_element(struct source_state *s, bool *more, bool *too_long,
                                    struct vlp_error *err)
{
    enum vlp_status status = VLP_OK;
    int             c;
    *more = false;
    if (s->where == UNSEEN) {
        VLP_TRY(skip_bom(&s->stream, err));
        VLP_TRY(look(&s->stream, &c, err));
        s->where = c == '[' ? IN_ARRAY : IN_SEQUENCE;
        if (c == '[') stream_byte(&s->stream, &status, err);
    }
    if (s->where == ENDED) return VLP_OK;
    VLP_TRY(look(&s->stream, &c, err));
    if (s->where == IN_ARRAY) {
        if (c == ',' && s->n > 0) {
            stream_byte(&s->stream, &status, err);
            VLP_TRY(look(&s->stream, &c, err));
            if (c == ']' || c == ',') return wrong_at(s, "a comma without a record", err);
        } else if (c != ']' && c >= 0 && s->n > 0) {
            return wrong_at(s, "a comma is missing between records", err);
        }
        if (c < 0) return wrong_at(s, "the file ends before its list does", err);
        if (c == ']') {
            stream_byte(&s->stream, &status, err);
            s->where = ENDED;
            VLP_TRY(look(&s->stream, &c, err));
            return c < 0 ? VLP_OK : wrong_at(s, "something follows the list", err);
        }
    }
    if (c < 0) return VLP_OK;
    *more = true;
    s->n++;
    return take_value(s, too_long, err);
}

/* ---- records ----------------------------------------------------------------------- */

/* The next value that may be this column's: of the key that was told, or of the usual ones. */
static const json_t *value_of(const struct input *in, const json_t *object, enum column c,
                              size_t *at, const char **name)
{
    const char *option = column_option(in->opt, c);
    if (!option) return column_value(object, c, at, name);
    *name = option;
    return (*at)++ == 0 ? json_object_get(object, option) : NULL;
}

/* The name of a picture: a string, one in a list of its own, or an object's "path". */
static const json_t *picture_name(const json_t *v)
{
    if (json_is_array(v) && json_array_size(v) == 1) v = json_array_get(v, 0);
    return json_is_object(v) ? json_object_get(v, "path") : v;
}

/* The text of a string, or of a number in `room`. */
static struct field field_of(const json_t *v, char room[32])
{
    if (json_is_string(v)) return (struct field){json_string_value(v), json_string_length(v)};
    if (json_is_integer(v))
        snprintf(room, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        vlp_format_f64(room, json_real_value(v));
    else
        return (struct field){0};
    return (struct field){room, strlen(room)};
}

static const char *unit_of(const struct input *in)
{
    return in->kind == &source_jsonl ? "line" : "record";
}

/* A picture or an id that cannot be used fails the record, which else would be another than was
 * meant; of a caption or a label the caller says what it does. The first such value is told. */
static void cannot_use(const struct input *in, const char *key, const json_t *v, enum column c)
{
    static const char *const wanted[COLUMN_COUNT] = {[COLUMN_IMAGE] = "name of a picture",
                                                     [COLUMN_TEXT] = "caption",
                                                     [COLUMN_ID] = "id",
                                                     [COLUMN_LABEL] = "label"};
    struct source_state     *s = in->state;
    const enum vlp_fault     how = c == COLUMN_TEXT    ? in->opt->text_fault
                                   : c == COLUMN_LABEL ? column_label_fault(in->opt)
                                                       : VLP_FAULT_WHOLE;
    captions_fault(&s->captions, how, VLP_ERR_FORMAT, "%s %lld: '%s': %s is no %s", unit_of(in),
                   (long long)s->n, key,
                   json_is_string(v) ? "a text with a NUL byte" : json_type_words(v), wanted[c]);
}

/* Take the value as this column's; what in it cannot be used is answered. */
static const json_t *take_as(struct source_state *s, enum column c, const json_t *v)
{
    if (c == COLUMN_TEXT) return captions_add_value(&s->captions, v);
    const struct field f = field_of(c == COLUMN_IMAGE ? picture_name(v) : v, s->room[c]);
    if (!f.bytes || (c == COLUMN_LABEL && memchr(f.bytes, '\0', f.len))) return v;
    s->field[c] = f;
    return NULL;
}

/*
 * The column's value in the object in hand. Words such as "title" and "category" name all kinds of
 * things: of captions and labels the first that can be used counts.
 */
static void read_column(struct input *in, enum column c)
{
    struct source_state *s = in->state;
    const bool           guess = c == COLUMN_TEXT || c == COLUMN_LABEL;
    const json_t        *v, *wrong = NULL;
    const char          *key, *wrong_key = NULL;
    size_t               at = 0;
    s->field[c] = (struct field){0};
    const char *option = column_option(in->opt, c);
    s->met[c] |= option && json_object_get(s->object, option);
    while ((v = value_of(in, s->object, c, &at, &key)) != NULL && !json_is_null(v)) {
        const json_t *fault = take_as(s, c, v);
        if (!fault) return;
        if (!wrong) {
            wrong = fault;
            wrong_key = key;
        }
        if (!guess) break;
    }
    if (wrong) cannot_use(in, wrong_key, wrong, c);
}

/* Fields and captions of the object in hand. */
static void read_object(struct input *in)
{
    struct source_state *s = in->state;
    s->any = true;
    for (int c = 0; c < COLUMN_COUNT; c++) read_column(in, (enum column)c);
    if (s->captions.fault && !s->captions.apart) captions_cut(&s->captions, 0);
}

/* Of a table this is wrong usage; here it is known when all has been read. */
static void tell_unmet(const struct input *in)
{
    const struct source_state *s = in->state;
    char                       sentence[512];
    if (!s->any || in->counting || !in->opt->say) return;
    for (int c = 0; c < COLUMN_COUNT; c++) {
        const char *option = column_option(in->opt, (enum column)c);
        if (!option || s->met[c]) continue;
        snprintf(sentence, sizeof sentence, "%s: no record has a key '%s'", s->stream.name, option);
        in->opt->say(in->opt->say_ctx, sentence);
    }
}

static void give(struct input *in, struct vlp_item *out)
{
    struct source_state *s = in->state;
    record_make(out, in, s->field, s->n);
    captions_give(&s->captions, s->at++, out);
    record_check(out);
}

static enum vlp_status json_next(struct input *in, struct vlp_item *out, bool *more,
                                 struct vlp_error *err)
{
    struct source_state *s = in->state;
    const bool           lines = in->kind == &source_jsonl;
    bool                 too_long = false;
    json_error_t         e;
    if (s->object && s->at < captions_records(&s->captions)) {
        *more = true;
        give(in, out);
        return VLP_OK;
    }
    json_decref(s->object);
    s->object = NULL;
    captions_free(&s->captions);
    s->at = 0;
    VLP_TRY(lines ? next_line(s, more, &too_long, err) : next_element(s, more, &too_long, err));
    if (!*more) {
        tell_unmet(in);
        return VLP_OK;
    }
    json_t *object = too_long ? NULL : json_read(s->text.data, s->text.len, &e);
    if (json_is_object(object)) {
        s->object = object;
        read_object(in);
        give(in, out);
        return VLP_OK;
    }
    const char     *unit = unit_of(in);
    const long long n = s->n;
    if (lines && !object && !too_long && is_cut(s))
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: line %lld: %s", s->stream.name, n, ends_inside);
    item_begin_at(out, "%s:%lld", in->path, n);
    if (too_long)
        item_fail(out, VLP_ERR_LIMIT, "%s %lld is longer than %d bytes", unit, n, RECORD_LIMIT);
    else if (object)
        item_fail(out, VLP_ERR_FORMAT, "%s %lld is no JSON object", unit, n);
    else
        item_fail(out, VLP_ERR_FORMAT, "%s %lld is not JSON: %s", unit, n, e.text);
    json_decref(object);
    return VLP_OK;
}

static void json_close(struct input *in)
{
    struct source_state *s = in->state;
    if (!s) return;
    json_decref(s->object);
    captions_free(&s->captions);
    vlp_buf_free(&s->text);
    stream_close(&s->stream);
    free(s);
}

const struct source_kind source_jsonl = {"jsonl", json_open, json_next, json_close};
const struct source_kind source_json = {"json", json_open, json_next, json_close};
