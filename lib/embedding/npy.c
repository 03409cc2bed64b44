/*
 * npy.c -- NumPy's .npy arrays, versions 1 to 3, mapped; and written as version 1.
 *
 *   93 'NUMPY', major, minor, header length (u16 in version 1, u32 after it), a Python literal:
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }  spaces, newline; then the elements
 */
#include <stdlib.h>
#include <string.h>

#include "embedding_internal.h"

enum { NPY_PREAMBLE = 8, NPY_MAX_HEADER = 1 << 20, NPY_MAX_DIMS = 8 };

/* NumPy has no bf16: an array of it cannot be written. */
static const struct {
    const char    *descr;
    enum vlp_dtype dtype;
} descr_table[] = {
    {"<f4", VLP_F32}, {"<f2", VLP_F16}, {"<f8", VLP_F64}, {"<i8", VLP_I64},  {"<i4", VLP_I32},
    {"<i2", VLP_I16}, {"|i1", VLP_I8},  {"|u1", VLP_U8},  {"|b1", VLP_BOOL}, {"<i1", VLP_I8},
    {"<u1", VLP_U8},  {"=f4", VLP_F32}, {"=f8", VLP_F64},
};

/* ---- the literal ------------------------------------------------------------------- */

struct literal {
    const char *p, *end;
};

static void skip_space(struct literal *l)
{
    while (l->p < l->end && (*l->p == ' ' || *l->p == '\n' || *l->p == '\t' || *l->p == '\r'))
        l->p++;
}

static bool take(struct literal *l, const char *word)
{
    const size_t n = strlen(word);
    skip_space(l);
    if ((size_t)(l->end - l->p) < n || memcmp(l->p, word, n) != 0) return false;
    l->p += n;
    return true;
}

static bool take_string(struct literal *l, char *out, size_t size)
{
    skip_space(l);
    if (l->p == l->end || (*l->p != '\'' && *l->p != '"')) return false;
    const char  quote = *l->p++;
    const char *end = memchr(l->p, quote, (size_t)(l->end - l->p));
    if (!end || (size_t)(end - l->p) >= size) return false;
    memcpy(out, l->p, (size_t)(end - l->p));
    out[end - l->p] = '\0';
    l->p = end + 1;
    return true;
}

static bool take_count(struct literal *l, int64_t *out)
{
    skip_space(l);
    int64_t     v = 0;
    const char *begin = l->p;
    for (; l->p < l->end && *l->p >= '0' && *l->p <= '9'; l->p++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *l->p - '0', &v))
            return false;
    if (l->p == begin) return false;
    if (l->p < l->end && *l->p == 'L') l->p++; /* Python 2 wrote its long integers so */
    *out = v;
    return true;
}

static bool take_shape(struct literal *l, struct vlp_npy *n)
{
    n->ndim = 0;
    if (!take(l, "(")) return false;
    while (!take(l, ")")) {
        if (n->ndim == NPY_MAX_DIMS || !take_count(l, &n->dim[n->ndim++])) return false;
        if (!take(l, ",")) return take(l, ")");
    }
    return true;
}

static enum vlp_status parse_header(struct vlp_npy *n, struct literal l, const char *name,
                                    struct vlp_error *err)
{
    char descr[64] = "", key[32];
    bool fortran = false, has_order = false, has_shape = false;
    bool sound = take(&l, "{");
    while (sound && !take(&l, "}")) {
        sound = take_string(&l, key, sizeof key) && take(&l, ":");
        if (sound && strcmp(key, "descr") == 0) {
            skip_space(&l);
            if (l.p < l.end && *l.p == '[')
                return vlp_fail(err, VLP_ERR_SUPPORT, "%s: .npy array of records", name);
            sound = take_string(&l, descr, sizeof descr);
        } else if (sound && strcmp(key, "fortran_order") == 0) {
            fortran = take(&l, "True");
            sound = has_order = fortran || take(&l, "False");
        } else if (sound && strcmp(key, "shape") == 0) {
            sound = has_shape = take_shape(&l, n);
        } else {
            sound = false;
        }
        if (sound && !take(&l, ",")) {
            sound = take(&l, "}");
            break;
        }
    }
    if (!sound || !*descr || !has_order || !has_shape)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: the .npy header is damaged", name);
    size_t k = 0;
    while (k < VLP_COUNT(descr_table) && strcmp(descr_table[k].descr, descr) != 0) k++;
    if (k == VLP_COUNT(descr_table))
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: .npy array of elements '%s'", name, descr);
    n->dtype = descr_table[k].dtype;
    int long_dims = 0;
    for (int i = 0; i < n->ndim; i++) long_dims += n->dim[i] != 1;
    if (fortran && long_dims > 1)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: .npy array in Fortran order", name);
    return VLP_OK;
}

/* Bytes of all elements; SIZE_MAX when no memory could hold them. */
static size_t data_size(const struct vlp_npy *n)
{
    size_t count = 1;
    bool   empty = false;
    for (int i = 0; i < n->ndim; i++) empty |= n->dim[i] == 0;
    if (empty) return 0;
    for (int i = 0; i < n->ndim; i++)
        if (__builtin_mul_overflow(count, (uint64_t)n->dim[i], &count)) return SIZE_MAX;
    return vlp_dtype_size(n->dtype, count);
}

enum vlp_status npy_parse(struct vlp_npy *n, const uint8_t *p, size_t size, const char *name,
                          struct vlp_error *err)
{
    if (size < NPY_PREAMBLE + 2 || memcmp(p, "\x93NUMPY", 6) != 0)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: is not an .npy file", name);
    const int major = p[6], length_size = major == 1 ? 2 : 4;
    if (major < 1 || major > 3)
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: .npy version %d.%d", name, major, p[7]);
    const size_t at = NPY_PREAMBLE + (size_t)length_size;
    if (size < at) return vlp_fail(err, VLP_ERR_FORMAT, "%s: cut off in the .npy header", name);
    const size_t len =
        length_size == 2 ? vlp_load_u16(p + NPY_PREAMBLE) : vlp_load_u32(p + NPY_PREAMBLE);
    if (len > size - at)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: cut off in the .npy header", name);
    if (len > NPY_MAX_HEADER)
        return vlp_fail(err, VLP_ERR_LIMIT, "%s: an .npy header of %zu bytes", name, len);
    const char *text = (const char *)p + at;
    VLP_TRY(parse_header(n, (struct literal){text, text + len}, name, err));
    const size_t need = data_size(n), have = size - at - len;
    if (need > have)
        return vlp_fail(err, VLP_ERR_FORMAT,
                        "%s: cut off: %zu bytes of elements where its shape wants %zu", name, have,
                        need);
    n->data = p + at + len;
    return VLP_OK;
}

/* Old writers align to 16 bytes or not at all; the caller may want to read elements in place. */
static void align_data(struct vlp_npy *n)
{
    if ((uintptr_t)n->data % vlp_dtype_size(n->dtype, 1) == 0) return;
    const size_t   size = data_size(n);
    uint8_t       *copy = vlp_malloc(size);
    struct vlp_map map = {.data = copy, .size = size};
    memcpy(copy, n->data, size);
    vlp_map_close(&n->map);
    n->map = map;
    n->data = copy;
}

enum vlp_status vlp_npy_open(struct vlp_npy *out, const char *path, struct vlp_error *err)
{
    struct vlp_npy n = {0};
    VLP_TRY(vlp_map_open(&n.map, path, err));
    const enum vlp_status s = npy_parse(&n, n.map.data, n.map.size, path, err);
    if (s != VLP_OK) {
        vlp_map_close(&n.map);
        return s;
    }
    if (data_size(&n)) align_data(&n);
    *out = n;
    return VLP_OK;
}

void vlp_npy_close(struct vlp_npy *n)
{
    vlp_map_close(&n->map);
    *n = (struct vlp_npy){0};
}

/* ---- writing ----------------------------------------------------------------------- */

bool npy_put_header(struct vlp_buf *b, enum vlp_dtype dtype, int ndim, const int64_t *dim,
                    size_t at_least)
{
    size_t k = 0;
    while (k < VLP_COUNT(descr_table) && descr_table[k].dtype != dtype) k++;
    if (k == VLP_COUNT(descr_table)) return false;
    struct vlp_buf text = {0};
    vlp_buf_printf(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                   descr_table[k].descr);
    for (int i = 0; i < ndim; i++)
        vlp_buf_printf(&text, "%s%lld%s", i ? " " : "", (long long)dim[i],
                       i + 1 < ndim || ndim == 1 ? "," : "");
    vlp_buf_add_str(&text, "), }");
    size_t total = (size_t)vle_padded(NPY_PREAMBLE + 2 + text.len + 1);
    if (total < at_least) total = at_least;
    while (text.len + 1 < total - NPY_PREAMBLE - 2) vlp_buf_add_char(&text, ' ');
    vlp_buf_add_char(&text, '\n');
    uint8_t len[2];
    vlp_store_u16(len, (uint16_t)text.len);
    vlp_buf_add(b, "\x93NUMPY\x01\x00", NPY_PREAMBLE);
    vlp_buf_add(b, len, sizeof len);
    vlp_buf_add(b, text.data, text.len);
    vlp_buf_free(&text);
    return true;
}

enum vlp_status vlp_npy_write(struct vlp_output *o, enum vlp_dtype dtype, int ndim,
                              const int64_t *dim, const void *data, struct vlp_error *err)
{
    struct vlp_buf b = {0};
    struct vlp_npy n = {.dtype = dtype, .ndim = ndim};
    if (ndim < 0 || ndim > NPY_MAX_DIMS || !npy_put_header(&b, dtype, ndim, dim, 0)) {
        vlp_buf_free(&b);
        return vlp_fail(err, VLP_ERR_SUPPORT, "%s: .npy has no array of %d dimensions of %s",
                        o->path, ndim, vlp_dtype_name(dtype));
    }
    if (ndim) memcpy(n.dim, dim, (size_t)ndim * sizeof *dim);
    enum vlp_status s = vlp_output_write(o, b.data, b.len, err);
    if (s == VLP_OK) s = vlp_output_write(o, data, data_size(&n), err);
    vlp_buf_free(&b);
    return s;
}
