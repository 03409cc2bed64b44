/*
 * name_map.c -- foreign tensor names to canonical ones by a table of patterns, and what has to be
 * done to the values on the way.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint_internal.h"

enum { MAX_CAPTURES = 4 };

struct capture {
    const char *at;
    size_t      len;
};

/* Patterns have at most a few wildcards and names are short, so backtracking is bounded. */
static bool match(struct capture *c, int n, const char *from, const char *name)
{
    for (; *from && *from != '*' && *from != '#'; from++, name++)
        if (*from != *name) return false;
    if (!*from) return !*name;
    if (n == MAX_CAPTURES) return false;
    size_t len = 0;
    if (*from == '#') {
        while (isdigit((unsigned char)name[len])) len++;
        c[n] = (struct capture){name, len};
        return len > 0 && match(c, n + 1, from + 1, name + len);
    }
    for (len = 0; name[len]; len++) {
        c[n] = (struct capture){name, len + 1};
        if (match(c, n + 1, from + 1, name + len + 1)) return true;
    }
    return false;
}

bool vlp_name_match(char *out, size_t out_size, const char *from, const char *to, const char *name)
{
    struct capture c[MAX_CAPTURES];
    if (!match(c, 0, from, name)) return false;
    size_t n = 0;
    int    k = 0;
    for (; *to; to++) {
        const bool           wild = *to == '*' || *to == '#';
        const struct capture piece = wild ? c[k++] : (struct capture){to, 1};
        if (n + piece.len >= out_size) return false;
        memcpy(out + n, piece.at, piece.len);
        n += piece.len;
    }
    out[n] = '\0';
    return true;
}

const char *vlp_foreign_name(char *room, size_t size, const struct vlp_name_rule *rules,
                             const char *name)
{
    const struct vlp_name_rule *r = rules;
    while (r && r->from && !vlp_name_match(room, size, r->from, r->to, name)) r++;
    if (!r || (r->from && strcmp(room, name) == 0)) return name;
    for (r = rules; r->from; r++)
        if (*r->to && vlp_name_match(room, size, r->to, r->from, name)) return room;
    return name;
}

/* A dimension of 2^62 beside one of 0 takes no byte of a file, and would be walked all the same. */
static enum vlp_status need_elements(const struct vlp_stored *t, const char *file,
                                     struct vlp_error *err)
{
    return vlp_stored_numel(t)
               ? VLP_OK
               : vlp_fail(err, VLP_ERR_MISMATCH, "%s: '%.100s' has no elements", file, t->name);
}

static enum vlp_status transpose(struct vlp_stored *t, struct vlp_arena *mem, const char *file,
                                 struct vlp_error *err)
{
    VLP_TRY(vlp_stored_not_odd(t, file, err));
    if (t->ndim != 2 || t->dtype == VLP_Q8_0)
        return vlp_fail(err, VLP_ERR_MISMATCH, "%s: '%.100s' is not a matrix", file, t->name);
    VLP_TRY(need_elements(t, file, err));
    const size_t   rows = (size_t)t->dim[0], cols = (size_t)t->dim[1];
    const size_t   elem = vlp_dtype_size(t->dtype, 1);
    const uint8_t *from = t->data;
    uint8_t       *to = vlp_arena_alloc(mem, t->size);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            memcpy(to + (j * rows + i) * elem, from + (i * cols + j) * elem, elem);
    t->dim[0] = (int64_t)cols;
    t->dim[1] = (int64_t)rows;
    t->data = to;
    t->mapped = false;
    return VLP_OK;
}

/* One third of a stacked tensor, until all are there. */
struct part {
    struct vlp_stored t;
    int               place;
};

static int by_target(const void *pa, const void *pb)
{
    const struct part *a = pa, *b = pb;
    const int          order = strcmp(a->t.name, b->t.name);
    return order ? order : a->place - b->place;
}

/* Three tensors of one shape, one after the other along the first dimension. */
static enum vlp_status stack(struct vlp_stored *out, struct vlp_arena *mem, const struct part *p,
                             const char *file, struct vlp_error *err)
{
    const struct vlp_stored *q = &p[0].t;
    for (int i = 0; i < 3; i++) {
        VLP_TRY(vlp_stored_not_odd(&p[i].t, file, err));
        if (q->ndim < 1 || p[i].t.dtype == VLP_Q8_0 ||
            !vlp_stored_shape_is(&p[i].t, q->ndim, q->dim))
            return vlp_fail(err, VLP_ERR_MISMATCH,
                            "%s: the three parts of '%.100s' have different shapes", file, q->name);
    }
    VLP_TRY(need_elements(q, file, err));
    const bool   alike = p[1].t.dtype == q->dtype && p[2].t.dtype == q->dtype;
    const size_t n = vlp_stored_numel(q);
    *out = *q;
    out->mapped = false;
    out->dtype = alike ? q->dtype : VLP_F32;
    const size_t size = vlp_dtype_size(out->dtype, n);
    out->dim[0] *= 3;
    out->size = 3 * size;
    uint8_t *data = vlp_arena_alloc(mem, out->size);
    out->data = data;
    for (int i = 0; i < 3; i++) {
        if (alike)
            memcpy(data + (size_t)i * size, p[i].t.data, size);
        else
            vlp_to_f32((float *)(void *)(data + (size_t)i * size), p[i].t.data, p[i].t.dtype, n);
    }
    return VLP_OK;
}

static enum vlp_status stack_all(struct vlp_stored_list *out, struct vlp_arena *mem,
                                 struct part *part, size_t n, const char *file,
                                 struct vlp_error *err)
{
    static const char *const word[] = {"query", "key", "value"};
    if (n > 1) qsort(part, n, sizeof *part, by_target);
    for (size_t i = 0; i < n; i += 3) {
        for (size_t k = 0; k < 3; k++) {
            const bool there = i + k < n && part[i + k].place == (int)k &&
                               strcmp(part[i + k].t.name, part[i].t.name) == 0;
            if (!there)
                return vlp_fail(err, VLP_ERR_MISMATCH, "%s: '%.100s' lacks its %s part", file,
                                part[i].t.name, word[k]);
        }
        struct vlp_stored t;
        VLP_TRY(stack(&t, mem, &part[i], file, err));
        vlp_stored_list_add(out, &t);
    }
    return VLP_OK;
}

/* The rule for `name`; its target in `to`. NULL when there is none. */
static const struct vlp_name_rule *find_rule(char to[512], const struct vlp_name_rule *rules,
                                             const char *name)
{
    for (; rules->from; rules++)
        if (vlp_name_match(to, 512, rules->from, rules->to, name)) return rules;
    return NULL;
}

enum vlp_status vlp_map_names(struct vlp_stored_list *out, struct vlp_arena *mem,
                              const struct vlp_stored_list *in, const struct vlp_name_rule *rules,
                              const char *file, struct vlp_error *err)
{
    struct part    *part = vlp_malloc((in->n + 1) * sizeof *part);
    size_t          n_parts = 0;
    enum vlp_status s = VLP_OK;
    for (size_t i = 0; i < in->n && s == VLP_OK; i++) {
        struct vlp_stored           t = in->item[i];
        char                        to[512];
        const struct vlp_name_rule *rule = find_rule(to, rules, t.name);
        t.extra = !rule;
        if (rule && rule->action == VLP_MAP_DROP) continue;
        if (rule && rule->action == VLP_MAP_REFUSE) {
            s = vlp_fail(err, VLP_ERR_SUPPORT, "%s: '%.100s' belongs to another architecture", file,
                         t.name);
            break;
        }
        if (rule && strcmp(to, t.name) != 0) t.name = vlp_arena_strdup(mem, to);
        if (rule && rule->action == VLP_MAP_TRANSPOSE) s = transpose(&t, mem, file, err);
        if (rule && rule->action >= VLP_MAP_Q && rule->action <= VLP_MAP_V)
            part[n_parts++] = (struct part){t, (int)(rule->action - VLP_MAP_Q)};
        else
            vlp_stored_list_add(out, &t);
    }
    if (s == VLP_OK) s = stack_all(out, mem, part, n_parts, file, err);
    free(part);
    vlp_stored_sort(out->item, out->n);
    for (size_t i = 1; i < out->n && s == VLP_OK; i++)
        if (strcmp(out->item[i].name, out->item[i - 1].name) == 0)
            s = vlp_fail(err, VLP_ERR_FORMAT, "%s: two tensors stand for '%.100s'", file,
                         out->item[i].name);
    return s;
}

/* The layout most of whose telling names are there. */
static const struct vlp_foreign_layout *layout_of(const struct vlp_safetensors *s)
{
    const struct vlp_foreign_layout *best = NULL;
    int                              most = 1;
    for (const struct vlp_foreign_layout *const *l = vlp_foreign_layouts; *l; l++) {
        int n = 0;
        for (const char *const *name = (*l)->has; *name; name++)
            n += vlp_safetensors_find(s, *name) != NULL;
        if (n < most) continue;
        most = n;
        best = *l;
    }
    return best;
}

enum vlp_status vlp_safetensors_rename(struct vlp_safetensors *s, const char *file,
                                       struct vlp_error *err)
{
    const struct vlp_foreign_layout *layout = layout_of(s);
    const struct vlp_stored_list     in = {s->tensors, s->n_tensors, s->n_tensors};
    struct vlp_stored_list           out = {0};
    if (!layout) return VLP_OK;
    const enum vlp_status status = vlp_map_names(&out, &s->mem, &in, layout->rules, file, err);
    if (status == VLP_OK) {
        struct vlp_stored *old = s->tensors;
        s->tensors = out.item;
        s->n_tensors = out.n;
        out.item = old;
    }
    vlp_stored_list_free(&out);
    return status;
}
