/*
 * vectors_safetensors.c -- vectors as a safetensors file: "vectors" (n, dim), "scales" (n) for i8,
 * "flags" (n) I32, and "ids" and "metas" U8: strings with a NUL after each, an absent meta is one
 * byte 01 instead.
 *
 *   u64 length of the header, JSON header, tensors without gaps in the order of their offsets
 *
 * __metadata__ has format, modality, normalized, metric, fingerprint and (JSON text) about.
 */
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

static const struct {
    const char    *name;
    enum vlp_dtype dtype;
} names[] = {{"F32", VLP_F32}, {"F16", VLP_F16}, {"BF16", VLP_BF16}, {"I8", VLP_I8}};

static const char *const modality_names[] = {"any", "image", "text", "class"};
static const char *const metric_names[] = {"cosine", "dot"};
static const char *const truth_names[] = {"false", "true"};
static const char        our_format[] = "vlp-embedding";
static const char        absent_meta = '\x01';

/* ---- reading ----------------------------------------------------------------------- */

struct part {
    const uint8_t *data;
    size_t         size;
};

struct st_reader {
    json_t         *root;
    struct part     vectors, scales, flags, ids, metas;
    int64_t         n, at;
    size_t          id_at, meta_at;
    struct ids_file numbers; /* ids where the file has none */
    void           *rows;
};

static bool st_sniff(const uint8_t *p, size_t have, const char *path)
{
    (void)path;
    return have >= 10 && vlp_load_u64(p) >= 2 && vlp_load_u64(p) < 100000000 && p[8] == '{';
}

static enum vlp_status bad(const struct vlp_embedding_reader *r, const char *what,
                           struct vlp_error *err)
{
    return vlp_fail(err, VLP_ERR_FORMAT, "%s: %s", r->feed.name, what);
}

/* The bytes of tensor `name`; false when its offsets or its size are impossible. A tensor that is
 * not there has no data. */
static bool find_part(struct part *out, const json_t *root, const char *name, const uint8_t *data,
                      size_t size, size_t want)
{
    const json_t *t = json_object_get(root, name), *offsets = json_object_get(t, "data_offsets");
    if (!t) return true;
    const json_int_t from = json_integer_value(json_array_get(offsets, 0));
    const json_int_t to = json_integer_value(json_array_get(offsets, 1));
    if (json_array_size(offsets) != 2 || from < 0 || to < from || (uint64_t)to > size) return false;
    *out = (struct part){data + from, (size_t)(to - from)};
    return want == SIZE_MAX || out->size == want;
}

/* Which of these names the member has, the first where it is not there; false: none of them. */
static bool choose(int *out, const json_t *m, const char *key, const char *const *list, int n)
{
    const json_t *v = json_object_get(m, key);
    const char   *name = json_string_value(v);
    *out = 0;
    if (!v) return true;
    while (*out < n && !(name && strcmp(list[*out], name) == 0)) ++*out;
    return *out < n;
}

static bool take_fingerprint(char out[33], const json_t *m)
{
    const json_t *v = json_object_get(m, "fingerprint");
    const char   *text = json_string_value(v);
    if (!v) return true;
    if (!text || strlen(text) > 32 || strspn(text, "0123456789abcdef") != strlen(text))
        return false;
    strcpy(out, text);
    return true;
}

static bool take_about(json_t **out, const json_t *m)
{
    const json_t *v = json_object_get(m, "about");
    const char   *text = json_string_value(v);
    *out = text ? json_loads(text, 0, NULL) : NULL;
    return !v || *out;
}

static bool is_ours(const json_t *m)
{
    const char *format = json_string_value(json_object_get(m, "format"));
    return format && strcmp(format, our_format) == 0;
}

/* A fingerprint that others wrote is of something else. */
static void say_no_fingerprint(struct vlp_embedding_reader *r)
{
    struct vlp_error told;
    if (!r->opt.say) return;
    vlp_fail(&told, VLP_ERR_FORMAT, "%s: its fingerprint is not one of vlp, and not used",
             r->feed.name);
    r->opt.say(r->opt.ctx, told.text);
}

/* What is misunderstood would be wrong without a word: scores, or what may be compared. But words
 * that others use as well (`foreign`) mean in their files what they like. */
static enum vlp_status take_metadata(struct vlp_embedding_reader *r, const json_t *root,
                                     struct vlp_error *err)
{
    struct vlp_embedding_header *h = &r->header;
    const json_t                *m = json_object_get(root, "__metadata__");
    const bool                   foreign = !is_ours(m);
    int                          modality, normalized, metric;
    const char                  *wrong = NULL;
    const bool                   has_modality =
        choose(&modality, m, "modality", modality_names, VLP_COUNT(modality_names));
    const bool has_fingerprint = take_fingerprint(h->fingerprint, m);
    if (!choose(&normalized, m, "normalized", truth_names, VLP_COUNT(truth_names)))
        wrong = "normalized is neither true nor false";
    else if (!choose(&metric, m, "metric", metric_names, VLP_COUNT(metric_names)))
        wrong = "metric is neither cosine nor dot";
    else if (!has_modality && !foreign)
        wrong = "modality is none of any, image, text, class";
    else if (!has_fingerprint && !foreign)
        wrong = "fingerprint is not up to 32 lower-case hexadecimal digits";
    else if (!take_about(&h->about, m) && !foreign)
        wrong = "about is not JSON";
    if (wrong)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: in its __metadata__, %s", r->feed.name, wrong);
    if (!has_fingerprint) say_no_fingerprint(r);
    h->modality = has_modality ? (enum vlp_modality)modality : VLP_ANY;
    h->normalized = normalized;
    h->metric = (enum vlp_metric)metric;
    return VLP_OK;
}

static enum vlp_status st_open(struct vlp_embedding_reader *r, struct vlp_error *err)
{
    struct st_reader *v = r->state = vlp_calloc(1, sizeof *v);
    const uint8_t    *p;
    size_t            have;
    VLP_TRY(feed_see(&r->feed, SIZE_MAX, &p, &have, err));
    if (have < 8) return bad(r, "cut off in the safetensors header", err);
    const uint64_t len = vlp_load_u64(p);
    if (len > have - 8) return bad(r, "cut off in the safetensors header", err);
    v->root = json_loadb((const char *)p + 8, (size_t)len, 0, NULL);
    const json_t *t = json_object_get(v->root, "vectors"), *shape = json_object_get(t, "shape");
    if (!v->root) return bad(r, "the safetensors header is not JSON", err);
    if (!t) return bad(r, "a safetensors file without a tensor 'vectors'", err);
    const json_int_t n = json_integer_value(json_array_get(shape, 0));
    const json_int_t dim = json_integer_value(json_array_get(shape, 1));
    if (json_array_size(shape) != 2 || n < 0 || dim < 1 || dim > VLP_EMBEDDING_MAX_DIM)
        return bad(r, "tensor 'vectors' has an impossible shape", err);
    const char *dtype = json_string_value(json_object_get(t, "dtype"));
    size_t      k = 0, size, per_row;
    while (k < VLP_COUNT(names) && !(dtype && strcmp(names[k].name, dtype) == 0)) k++;
    if (k == VLP_COUNT(names))
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: tensor 'vectors' of elements '%s'", r->feed.name,
                        dtype ? dtype : "");
    r->header.dim = (int)dim;
    r->header.dtype = names[k].dtype;
    per_row = vlp_dtype_size(names[k].dtype, (size_t)dim);
    const uint8_t *data = p + 8 + len;
    const size_t   data_size = have - 8 - (size_t)len;
    if (__builtin_mul_overflow((size_t)n, per_row, &size) ||
        !find_part(&v->vectors, v->root, "vectors", data, data_size, size) ||
        !find_part(&v->scales, v->root, "scales", data, data_size, (size_t)n * 4) ||
        !find_part(&v->flags, v->root, "flags", data, data_size, (size_t)n * 4) ||
        !find_part(&v->ids, v->root, "ids", data, data_size, SIZE_MAX) ||
        !find_part(&v->metas, v->root, "metas", data, data_size, SIZE_MAX))
        return bad(r, "a tensor lies outside of the file or has another size than its shape", err);
    if (r->header.dtype == VLP_I8 && !v->scales.data) return bad(r, "no tensor 'scales'", err);
    v->n = n;
    r->bare = !v->flags.data;
    VLP_TRY(take_metadata(r, v->root, err));
    v->rows = plain_room(row_size(r->header.dtype, r->header.dim));
    return VLP_OK;
}

/* The string at *at of the part; NULL when it is not ended. */
static const char *take_string(const struct part *p, size_t *at, size_t *len)
{
    const char *s = (const char *)p->data + *at;
    const char *end = *at < p->size ? memchr(s, '\0', p->size - *at) : NULL;
    if (!end) return NULL;
    *len = (size_t)(end - s);
    *at += *len + 1;
    return s;
}

static const char *take_names(struct vlp_embedding_reader *r, int i)
{
    struct st_reader *v = r->state;
    if (v->ids.data) {
        r->ids[i] = take_string(&v->ids, &v->id_at, &r->id_lens[i]);
        if (!r->ids[i] || r->id_lens[i] > VLP_EMBEDDING_MAX_ID) return "tensor 'ids' is damaged";
    }
    if (v->metas.data) {
        const char *s = take_string(&v->metas, &v->meta_at, &r->meta_lens[i]);
        if (!s || r->meta_lens[i] > VLP_EMBEDDING_MAX_META) return "tensor 'metas' is damaged";
        const bool absent = r->meta_lens[i] == 1 && *s == absent_meta;
        r->metas[i] = absent ? NULL : s;
        if (absent) r->meta_lens[i] = 0;
    }
    return NULL;
}

static enum vlp_status st_next(struct vlp_embedding_reader *r, struct vlp_embedding_block *b,
                               struct vlp_error *err)
{
    struct st_reader *v = r->state;
    const size_t      row = row_size(r->header.dtype, r->header.dim);
    const size_t      stored = vlp_dtype_size(r->header.dtype, (size_t)r->header.dim);
    const int         n = (int)vlp_min_i64(v->n - v->at, plain_rows(row));
    const bool        i8 = r->header.dtype == VLP_I8;
    if (n == 0) {
        r->ended = true;
        return VLP_OK;
    }
    if (!v->ids.data) VLP_TRY(ids_take(&v->numbers, r, n, err));
    plain_block(r, b, n, v->rows, row);
    for (int i = 0; i < n; i++) {
        uint8_t     *to = (uint8_t *)v->rows + (size_t)i * row;
        const size_t k = (size_t)(v->at + i);
        memset(to, 0, row);
        if (i8) memcpy(to, v->scales.data + 4 * k, 4);
        memcpy(to + (i8 ? 4 : 0), v->vectors.data + k * stored, stored);
        if (v->flags.data) r->flags[i] = vlp_load_u32(v->flags.data + 4 * k);
        const char *wrong = take_names(r, i);
        if (wrong) return bad(r, wrong, err);
    }
    v->at += n;
    return VLP_OK;
}

static void st_close(struct vlp_embedding_reader *r)
{
    struct st_reader *v = r->state;
    if (!v) return;
    ids_close(&v->numbers);
    json_decref(v->root);
    free(v->rows);
    free(v);
}

/* ---- writing ----------------------------------------------------------------------- */

struct st_writer {
    struct late_output out;
    size_t             reserved;
    int64_t            n;
    struct vlp_buf     scales, flags, ids, metas;
    uint8_t           *row;
};

/* The header, padded with spaces to `reserved` bytes (0: as long as it is). */
static char *make_header(const struct vlp_embedding_writer *w, size_t reserved)
{
    const struct st_writer            *v = w->state;
    const struct vlp_embedding_header *h = &w->header;
    size_t                             k = 0, at = 0;
    while (names[k].dtype != h->dtype) k++;
    const long long n = v->n, dim = h->dim;
    const size_t    vectors = (size_t)n * vlp_dtype_size(h->dtype, (size_t)dim);
    char           *about = h->about ? json_dumps(h->about, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_t         *meta =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s*}", "format", our_format, "modality",
                  modality_names[h->modality], "normalized", truth_names[h->normalized], "metric",
                  metric_names[h->metric], "fingerprint", h->fingerprint, "about", about);
    char          *meta_text = json_dumps(meta, JSON_COMPACT);
    struct vlp_buf b = {0};
    vlp_buf_printf(&b, "{\"__metadata__\":%s", meta_text);
    const struct {
        const char *name, *dtype;
        size_t      size;
        long long   rows;
    } part[] = {{"vectors", names[k].name, vectors, n},
                {"scales", "F32", v->scales.len, n},
                {"flags", "I32", v->flags.len, n},
                {"ids", "U8", v->ids.len, (long long)v->ids.len},
                {"metas", "U8", v->metas.len, (long long)v->metas.len}};
    for (size_t i = 0; i < VLP_COUNT(part); i++) {
        if (i == 1 && h->dtype != VLP_I8) continue;
        vlp_buf_printf(&b, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%lld", part[i].name, part[i].dtype,
                       part[i].rows);
        if (i == 0) vlp_buf_printf(&b, ",%lld", dim);
        vlp_buf_printf(&b, "],\"data_offsets\":[%zu,%zu]}", at, at + part[i].size);
        at += part[i].size;
    }
    vlp_buf_add_char(&b, '}');
    while (b.len < reserved) vlp_buf_add_char(&b, ' ');
    free(about);
    free(meta_text);
    json_decref(meta);
    return b.data;
}

static enum vlp_status st_create(struct vlp_embedding_writer              *w,
                                 const struct vlp_embedding_write_options *opt,
                                 struct vlp_error                         *err)
{
    enum { ROOM_FOR_NUMBERS = 15 * 20 };
    struct st_writer *v = w->state = vlp_calloc(1, sizeof *v);
    v->row = vlp_malloc(row_size(w->header.dtype, w->header.dim));
    char *header = make_header(w, 0);
    v->reserved = (size_t)vle_padded(8 + strlen(header) + ROOM_FOR_NUMBERS);
    free(header);
    const enum vlp_status s = late_open(&v->out, w, opt, v->reserved, err);
    if (s == VLP_OK) return VLP_OK;
    free(v->row);
    free(v);
    return s;
}

static enum vlp_status st_write(struct vlp_embedding_writer *w, const struct vlp_record *r,
                                struct vlp_error *err)
{
    struct st_writer *v = w->state;
    const bool        i8 = w->header.dtype == VLP_I8;
    uint8_t           flags[4];
    VLP_TRY(plain_check(w, r, err));
    VLP_TRY(strings_check(w, r, err));
    if (r->meta && r->meta_len == 1 && *r->meta == absent_meta)
        return vlp_fail(err, VLP_ERR_SUPPORT,
                        "%s: a text or label that is the byte 1 alone (of '%s'), which stands for "
                        "none in safetensors",
                        w->path, r->id);
    row_from_f32(v->row, w->header.dtype, r->vector, w->header.dim);
    if (i8) vlp_buf_add(&v->scales, v->row, 4);
    VLP_TRY(late_write(&v->out, v->row + (i8 ? 4 : 0),
                       vlp_dtype_size(w->header.dtype, (size_t)w->header.dim), err));
    vlp_store_u32(flags, r->flags);
    vlp_buf_add(&v->flags, flags, sizeof flags);
    vlp_buf_add(&v->ids, r->id, r->id_len);
    vlp_buf_add_char(&v->ids, '\0');
    if (r->meta)
        vlp_buf_add(&v->metas, r->meta, r->meta_len);
    else
        vlp_buf_add_char(&v->metas, absent_meta);
    vlp_buf_add_char(&v->metas, '\0');
    v->n++;
    return VLP_OK;
}

static enum vlp_status st_commit(struct vlp_embedding_writer *w, struct vlp_error *err)
{
    struct st_writer *v = w->state;
    VLP_TRY(late_write(&v->out, v->scales.data, v->scales.len, err));
    VLP_TRY(late_write(&v->out, v->flags.data, v->flags.len, err));
    VLP_TRY(late_write(&v->out, v->ids.data, v->ids.len, err));
    VLP_TRY(late_write(&v->out, v->metas.data, v->metas.len, err));
    struct vlp_buf head = {0};
    uint8_t        len[8];
    char          *header = make_header(w, v->reserved - sizeof len);
    vlp_store_u64(len, v->reserved - sizeof len);
    vlp_buf_add(&head, len, sizeof len);
    vlp_buf_add_str(&head, header);
    const enum vlp_status s = late_commit(&v->out, head.data, head.len, err);
    vlp_buf_free(&head);
    free(header);
    return s;
}

static enum vlp_status st_finish(struct vlp_embedding_writer *w, bool commit, struct vlp_error *err)
{
    struct st_writer     *v = w->state;
    const enum vlp_status s = commit ? st_commit(w, err) : VLP_OK;
    if (!commit || s != VLP_OK) late_abort(&v->out);
    vlp_buf_free(&v->scales);
    vlp_buf_free(&v->flags);
    vlp_buf_free(&v->ids);
    vlp_buf_free(&v->metas);
    free(v->row);
    free(v);
    return s;
}

const struct format format_safetensors = {.name = "safetensors",
                                          .binary = true,
                                          .sniff = st_sniff,
                                          .open = st_open,
                                          .next = st_next,
                                          .close = st_close,
                                          .create = st_create,
                                          .write = st_write,
                                          .finish = st_finish};
