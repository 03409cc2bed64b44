/*
 * pickle.c -- the machine: opcodes of pickle protocols 1 to 5 that weights are written with.
 *
 * One table row per opcode: what its argument looks like and which function acts. An opcode that is
 * not in the table ends the reading.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pickle.h"

#define MAX_PICKLE ((size_t)64 << 20)
/* Values of an honest pickle take some 20 times its length. */
#define MAX_MEMORY ((size_t)512 << 20)

struct machine {
    const char        *file;
    struct vlp_arena  *mem;
    size_t             mem_at_start;
    const uint8_t     *start, *p, *end; /* of what is read, at most MAX_PICKLE bytes */
    size_t             beyond;          /* bytes after `end` that are there */
    struct vlp_value **stack;
    size_t             n, stack_cap;
    size_t            *mark; /* stack heights */
    size_t             n_marks, mark_cap;
    struct vlp_value **memo;
    size_t             memo_cap, memo_next;
    bool               stopped;
    struct vlp_error  *err;

    const struct vlp_storage *storages;
};

static struct vlp_value none = {.kind = VLP_VALUE_NONE};
static struct vlp_value truths[2] = {{.kind = VLP_VALUE_BOOL, .i = 0},
                                     {.kind = VLP_VALUE_BOOL, .i = 1}};

static enum vlp_status bad(const struct machine *m, const char *what)
{
    return vlp_fail(m->err, VLP_ERR_FORMAT, "%s: pickle, byte %zu: %s", m->file,
                    (size_t)(m->p - m->start), what);
}

/* The pickle wants `more` bytes beyond `end`. */
static enum vlp_status cut_short(const struct machine *m, size_t more)
{
    if (more > m->beyond) return bad(m, "truncated");
    return vlp_fail(m->err, VLP_ERR_LIMIT, "%s: pickle: longer than the %zu MiB that weights need",
                    m->file, MAX_PICKLE >> 20);
}

/* ---- stack ----------------------------------------------------------------------------------- */

static void push(struct machine *m, struct vlp_value *v)
{
    if (m->n == m->stack_cap) {
        m->stack_cap = m->stack_cap ? 2 * m->stack_cap : 256;
        m->stack = vlp_realloc(m->stack, m->stack_cap * sizeof *m->stack);
    }
    m->stack[m->n++] = v;
}

static struct vlp_value *push_new(struct machine *m, enum vlp_value_kind kind)
{
    struct vlp_value *v = VLP_NEW(m->mem, struct vlp_value);
    v->kind = kind;
    push(m, v);
    return v;
}

/* Height below which the open mark forbids to take. */
static size_t floor_of(const struct machine *m)
{
    return m->n_marks ? m->mark[m->n_marks - 1] : 0;
}

static bool has(const struct machine *m, size_t count)
{
    return m->n - floor_of(m) >= count;
}

/* ---- operations: arg is the opcode's number, text its bytes ---------------------------------- */

typedef enum vlp_status operation(struct machine *m, uint64_t arg, const uint8_t *text);

static enum vlp_status op_proto(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)text;
    return arg <= 5 ? VLP_OK
                    : vlp_fail(m->err, VLP_ERR_SUPPORT, "%s: pickle protocol %llu", m->file,
                               (unsigned long long)arg);
}

static enum vlp_status op_nothing(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)m, (void)arg, (void)text;
    return VLP_OK;
}

static enum vlp_status op_stop(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (m->n != 1 || m->n_marks) return bad(m, "it stops with an unfinished value");
    m->stopped = true;
    return VLP_OK;
}

static enum vlp_status op_mark(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (m->n_marks == m->mark_cap) {
        m->mark_cap = m->mark_cap ? 2 * m->mark_cap : 64;
        m->mark = vlp_realloc(m->mark, m->mark_cap * sizeof *m->mark);
    }
    m->mark[m->n_marks++] = m->n;
    return VLP_OK;
}

static enum vlp_status op_dup(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (!has(m, 1)) return bad(m, "the stack is empty");
    push(m, m->stack[m->n - 1]);
    return VLP_OK;
}

static enum vlp_status op_pop(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (!has(m, 1)) return bad(m, "the stack is empty");
    m->n--;
    return VLP_OK;
}

static enum vlp_status op_pop_mark(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (!m->n_marks) return bad(m, "no mark");
    m->n = m->mark[--m->n_marks];
    return VLP_OK;
}

static enum vlp_status op_none(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    push(m, &none);
    return VLP_OK;
}

static enum vlp_status op_true(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    push(m, &truths[1]);
    return VLP_OK;
}

static enum vlp_status op_false(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    push(m, &truths[0]);
    return VLP_OK;
}

static enum vlp_status op_unsigned(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)text;
    push_new(m, VLP_VALUE_INT)->i = (int64_t)arg;
    return VLP_OK;
}

static enum vlp_status op_signed(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)text;
    push_new(m, VLP_VALUE_INT)->i = (int32_t)(uint32_t)arg;
    return VLP_OK;
}

/* A line of digits, as protocol 1 writes truths (I01) and what is longer than 32 bits (123L). */
static enum vlp_status op_line(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    char           line[32];
    const uint8_t *stop = memchr(m->p, '\n', (size_t)(m->end - m->p));
    if (!stop) return cut_short(m, 1);
    const size_t n = (size_t)(stop - m->p);
    if (n >= sizeof line) return bad(m, "a number is too long");
    memcpy(line, m->p, n);
    line[n] = '\0';
    m->p = stop + 1;
    if (strcmp(line, "00") == 0 || strcmp(line, "01") == 0) {
        push(m, &truths[line[1] - '0']);
        return VLP_OK;
    }
    char *rest;
    errno = 0;
    const long long v = strtoll(line, &rest, 10);
    if (rest == line || errno || (*rest && strcmp(rest, "L") != 0)) return bad(m, "no number");
    push_new(m, VLP_VALUE_INT)->i = v;
    return VLP_OK;
}

static enum vlp_status op_float(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    push_new(m, VLP_VALUE_FLOAT);
    return VLP_OK;
}

static enum vlp_status op_text(struct machine *m, uint64_t arg, const uint8_t *text)
{
    struct vlp_value *v = push_new(m, VLP_VALUE_TEXT);
    v->text.s = vlp_arena_strndup(m->mem, (const char *)text, (size_t)arg);
    v->text.len = (size_t)arg;
    return VLP_OK;
}

/* Little-endian two's complement; what does not fit into 64 bits stays bytes. */
static enum vlp_status op_long(struct machine *m, uint64_t arg, const uint8_t *text)
{
    if (arg > 8) return op_text(m, arg, text);
    uint64_t v = arg && text[arg - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = arg; i-- > 0;) v = v << 8 | text[i];
    push_new(m, VLP_VALUE_INT)->i = (int64_t)v;
    return VLP_OK;
}

static enum vlp_status push_seq(struct machine *m, enum vlp_value_kind kind, size_t count)
{
    if (!has(m, count)) return bad(m, "the stack is empty");
    struct vlp_value *v = VLP_NEW(m->mem, struct vlp_value);
    v->kind = kind;
    v->seq.n = v->seq.cap = count;
    v->seq.item = VLP_NEW_N(m->mem, struct vlp_value *, count);
    m->n -= count;
    if (count) memcpy(v->seq.item, m->stack + m->n, count * sizeof *v->seq.item);
    push(m, v);
    return VLP_OK;
}

static enum vlp_status op_tuple_of(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)text;
    return push_seq(m, VLP_VALUE_TUPLE, (size_t)arg);
}

static enum vlp_status op_tuple0(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg;
    return op_tuple_of(m, 0, text);
}

static enum vlp_status op_tuple1(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg;
    return op_tuple_of(m, 1, text);
}

static enum vlp_status op_tuple2(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg;
    return op_tuple_of(m, 2, text);
}

static enum vlp_status op_tuple3(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg;
    return op_tuple_of(m, 3, text);
}

/* How many values stand above the mark, which is taken away. */
static enum vlp_status above_mark(struct machine *m, size_t *count)
{
    if (!m->n_marks) return bad(m, "no mark");
    *count = m->n - m->mark[--m->n_marks];
    return VLP_OK;
}

static enum vlp_status op_tuple(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    size_t count = 0;
    VLP_TRY(above_mark(m, &count));
    return push_seq(m, VLP_VALUE_TUPLE, count);
}

static enum vlp_status op_list(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    return push_seq(m, VLP_VALUE_LIST, 0);
}

static enum vlp_status op_dict(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    return push_seq(m, VLP_VALUE_DICT, 0);
}

static enum vlp_status op_list_of(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    size_t count = 0;
    VLP_TRY(above_mark(m, &count));
    return push_seq(m, VLP_VALUE_LIST, count);
}

static enum vlp_status op_dict_of(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    size_t count = 0;
    VLP_TRY(above_mark(m, &count));
    if (count % 2) return bad(m, "a key without a value");
    return push_seq(m, VLP_VALUE_DICT, count);
}

static enum vlp_status op_opaque(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    push_new(m, VLP_VALUE_OPAQUE);
    return VLP_OK;
}

/* The topmost `count` values move into the container below them, if it is of that kind. */
static enum vlp_status extend(struct machine *m, enum vlp_value_kind kind, size_t count)
{
    if (!has(m, count + 1)) return bad(m, "nothing to add to");
    m->n -= count;
    struct vlp_value *v = m->stack[m->n - 1];
    if (v->kind == VLP_VALUE_OPAQUE) return VLP_OK;
    if (v->kind != kind) return bad(m, "an item is added to what holds no items");
    if (v->seq.n + count > v->seq.cap) {
        const size_t       cap = 2 * v->seq.cap + count + 4;
        struct vlp_value **item = VLP_NEW_N(m->mem, struct vlp_value *, cap);
        if (v->seq.n) memcpy(item, v->seq.item, v->seq.n * sizeof *item);
        v->seq.item = item;
        v->seq.cap = cap;
    }
    if (count) memcpy(v->seq.item + v->seq.n, m->stack + m->n, count * sizeof *v->seq.item);
    v->seq.n += count;
    return VLP_OK;
}

static enum vlp_status op_append(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    return extend(m, VLP_VALUE_LIST, 1);
}

static enum vlp_status op_appends(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    size_t count = 0;
    VLP_TRY(above_mark(m, &count));
    return extend(m, VLP_VALUE_LIST, count);
}

static enum vlp_status op_setitem(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    return extend(m, VLP_VALUE_DICT, 2);
}

static enum vlp_status op_setitems(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    size_t count = 0;
    VLP_TRY(above_mark(m, &count));
    if (count % 2) return bad(m, "a key without a value");
    return extend(m, VLP_VALUE_DICT, count);
}

static enum vlp_status put(struct machine *m, uint64_t at)
{
    if (!has(m, 1)) return bad(m, "the stack is empty");
    /* Writers number the memo from 0, and each entry costs at least a byte of input. */
    if (at >= (uint64_t)(m->p - m->start))
        return vlp_fail(m->err, VLP_ERR_LIMIT, "%s: pickle: memo entry %llu after %zu bytes",
                        m->file, (unsigned long long)at, (size_t)(m->p - m->start));
    if (at >= m->memo_cap) {
        const size_t cap = (size_t)at + (size_t)at / 2 + 256;
        m->memo = vlp_realloc(m->memo, cap * sizeof *m->memo);
        memset(m->memo + m->memo_cap, 0, (cap - m->memo_cap) * sizeof *m->memo);
        m->memo_cap = cap;
    }
    m->memo[at] = m->stack[m->n - 1];
    return VLP_OK;
}

static enum vlp_status op_put(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)text;
    return put(m, arg);
}

static enum vlp_status op_memoize(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    return put(m, m->memo_next++);
}

static enum vlp_status op_get(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)text;
    if (arg >= m->memo_cap || !m->memo[arg]) return bad(m, "a memo entry that was never made");
    push(m, m->memo[arg]);
    return VLP_OK;
}

static enum vlp_status push_global(struct machine *m, const char *module, size_t module_len,
                                   const char *name, size_t name_len)
{
    char full[512];
    if (module_len + name_len + 2 > sizeof full) return bad(m, "the name of a global is too long");
    memcpy(full, module, module_len);
    full[module_len] = ' ';
    memcpy(full + module_len + 1, name, name_len);
    full[module_len + 1 + name_len] = '\0';
    const struct vlp_global *g = vlp_global_find(full);
    if (!g)
        return vlp_fail(m->err, VLP_ERR_FORMAT,
                        "%s: pickle, byte %zu: asks for '%.*s.%.*s', which is not on the list of "
                        "what weights may name; nothing was run",
                        m->file, (size_t)(m->p - m->start),
                        (int)(module_len < 100 ? module_len : 100), module,
                        (int)(name_len < 100 ? name_len : 100), name);
    push_new(m, VLP_VALUE_GLOBAL)->global = g;
    return VLP_OK;
}

/* Two lines: module, name. `text` starts the first; the table reads no argument for it. */
static enum vlp_status op_global(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    const uint8_t *module = m->p;
    const uint8_t *cut = memchr(module, '\n', (size_t)(m->end - module));
    const uint8_t *stop = cut ? memchr(cut + 1, '\n', (size_t)(m->end - cut - 1)) : NULL;
    if (!stop) return cut_short(m, 1);
    m->p = stop + 1;
    return push_global(m, (const char *)module, (size_t)(cut - module), (const char *)cut + 1,
                       (size_t)(stop - cut - 1));
}

static enum vlp_status op_stack_global(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (!has(m, 2)) return bad(m, "the stack is empty");
    const struct vlp_value *module = m->stack[m->n - 2], *name = m->stack[m->n - 1];
    if (module->kind != VLP_VALUE_TEXT || name->kind != VLP_VALUE_TEXT)
        return bad(m, "a global whose name is no text");
    m->n -= 2;
    return push_global(m, module->text.s, module->text.len, name->text.s, name->text.len);
}

/* callable, args tuple -> result. */
static enum vlp_status op_reduce(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (!has(m, 2)) return bad(m, "the stack is empty");
    const struct vlp_value *callee = m->stack[m->n - 2], *args = m->stack[m->n - 1];
    if (args->kind != VLP_VALUE_TUPLE) return bad(m, "a call without arguments");
    m->n -= 2;
    if (callee->kind == VLP_VALUE_OPAQUE) return op_opaque(m, 0, NULL);
    if (callee->kind != VLP_VALUE_GLOBAL) return bad(m, "a call of what is no function");
    struct vlp_value *out = NULL;
    VLP_TRY(vlp_pickle_call(&out, m->mem, callee->global, args, m->file, m->err));
    push(m, out);
    return VLP_OK;
}

/* class, args tuple -> instance: TorchScript modules, and bookkeeping. */
static enum vlp_status op_newobj(struct machine *m, uint64_t arg, const uint8_t *text)
{
    if (!has(m, 2)) return bad(m, "the stack is empty");
    const struct vlp_value *cls = m->stack[m->n - 2];
    if (cls->kind == VLP_VALUE_GLOBAL && cls->global->role != VLP_GLOBAL_MODULE &&
        cls->global->role != VLP_GLOBAL_INERT && cls->global->role != VLP_GLOBAL_DICT)
        return bad(m, "an instance of what is no class of the list");
    return op_reduce(m, arg, text);
}

/* class, args tuple, keywords -> instance: never a module. */
static enum vlp_status op_newobj_ex(struct machine *m, uint64_t arg, const uint8_t *text)
{
    if (!has(m, 3)) return bad(m, "the stack is empty");
    m->n--;
    return op_newobj(m, arg, text);
}

/* What stands above the mark becomes a set, which holds nothing of interest. */
static enum vlp_status op_frozenset(struct machine *m, uint64_t arg, const uint8_t *text)
{
    VLP_TRY(op_pop_mark(m, arg, text));
    return op_opaque(m, 0, NULL);
}

/* instance, state -> instance. Only a module's state is of interest. */
static enum vlp_status op_build(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (!has(m, 2)) return bad(m, "the stack is empty");
    const struct vlp_value *state = m->stack[--m->n];
    struct vlp_value       *v = m->stack[m->n - 1];
    if (v->kind == VLP_VALUE_DICT || v->kind == VLP_VALUE_OPAQUE || v->kind == VLP_VALUE_TENSOR ||
        v->kind == VLP_VALUE_ODD)
        return VLP_OK; /* attributes of a dict: the versions of modules */
    if (v->kind != VLP_VALUE_OBJECT || v->seq.n) return bad(m, "state for what has none");
    if (state->kind != VLP_VALUE_DICT) return bad(m, "a module whose state is no dict");
    v->seq = state->seq;
    return VLP_OK;
}

static enum vlp_status op_persid(struct machine *m, uint64_t arg, const uint8_t *text)
{
    (void)arg, (void)text;
    if (!has(m, 1)) return bad(m, "the stack is empty");
    struct vlp_value *out = NULL;
    VLP_TRY(vlp_pickle_storage(&out, m->mem, m->stack[--m->n], m->file, m->err));
    if (out->kind == VLP_VALUE_STORAGE) {
        out->storage->before = m->storages;
        m->storages = out->storage;
    }
    push(m, out);
    return VLP_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* How the bytes after the opcode are read. */
enum argument {
    ARG_NONE,
    ARG_U8, /* a number of 1, 2, 4 or 8 bytes */
    ARG_U16,
    ARG_U32,
    ARG_U64,
    ARG_TEXT8, /* a length of 1, 4 or 8 bytes, then that many bytes */
    ARG_TEXT32,
    ARG_TEXT64,
};
static const struct {
    int  bytes;
    bool text;
} arguments[] = {[ARG_NONE] = {0, false},  [ARG_U8] = {1, false},   [ARG_U16] = {2, false},
                 [ARG_U32] = {4, false},   [ARG_U64] = {8, false},  [ARG_TEXT8] = {1, true},
                 [ARG_TEXT32] = {4, true}, [ARG_TEXT64] = {8, true}};

static const struct opcode {
    enum argument argument;
    operation    *run;
} opcodes[256] = {
    [0x80] = {ARG_U8, op_proto},          /* PROTO */
    [0x95] = {ARG_U64, op_nothing},       /* FRAME */
    ['.'] = {ARG_NONE, op_stop},          /* STOP */
    ['('] = {ARG_NONE, op_mark},          /* MARK */
    ['0'] = {ARG_NONE, op_pop},           /* POP */
    ['2'] = {ARG_NONE, op_dup},           /* DUP */
    ['1'] = {ARG_NONE, op_pop_mark},      /* POP_MARK */
    ['N'] = {ARG_NONE, op_none},          /* NONE */
    [0x88] = {ARG_NONE, op_true},         /* NEWTRUE */
    [0x89] = {ARG_NONE, op_false},        /* NEWFALSE */
    ['K'] = {ARG_U8, op_unsigned},        /* BININT1 */
    ['M'] = {ARG_U16, op_unsigned},       /* BININT2 */
    ['J'] = {ARG_U32, op_signed},         /* BININT */
    [0x8a] = {ARG_TEXT8, op_long},        /* LONG1 */
    [0x8b] = {ARG_TEXT32, op_long},       /* LONG4 */
    ['I'] = {ARG_NONE, op_line},          /* INT */
    ['L'] = {ARG_NONE, op_line},          /* LONG */
    ['G'] = {ARG_U64, op_float},          /* BINFLOAT */
    ['X'] = {ARG_TEXT32, op_text},        /* BINUNICODE */
    [0x8c] = {ARG_TEXT8, op_text},        /* SHORT_BINUNICODE */
    [0x8d] = {ARG_TEXT64, op_text},       /* BINUNICODE8 */
    ['U'] = {ARG_TEXT8, op_text},         /* SHORT_BINSTRING */
    ['T'] = {ARG_TEXT32, op_text},        /* BINSTRING */
    ['C'] = {ARG_TEXT8, op_text},         /* SHORT_BINBYTES */
    ['B'] = {ARG_TEXT32, op_text},        /* BINBYTES */
    [0x8e] = {ARG_TEXT64, op_text},       /* BINBYTES8 */
    [0x96] = {ARG_TEXT64, op_text},       /* BYTEARRAY8 */
    [')'] = {ARG_NONE, op_tuple0},        /* EMPTY_TUPLE */
    ['t'] = {ARG_NONE, op_tuple},         /* TUPLE */
    [0x85] = {ARG_NONE, op_tuple1},       /* TUPLE1 */
    [0x86] = {ARG_NONE, op_tuple2},       /* TUPLE2 */
    [0x87] = {ARG_NONE, op_tuple3},       /* TUPLE3 */
    [']'] = {ARG_NONE, op_list},          /* EMPTY_LIST */
    ['l'] = {ARG_NONE, op_list_of},       /* LIST */
    ['a'] = {ARG_NONE, op_append},        /* APPEND */
    ['e'] = {ARG_NONE, op_appends},       /* APPENDS */
    ['}'] = {ARG_NONE, op_dict},          /* EMPTY_DICT */
    ['d'] = {ARG_NONE, op_dict_of},       /* DICT */
    ['s'] = {ARG_NONE, op_setitem},       /* SETITEM */
    ['u'] = {ARG_NONE, op_setitems},      /* SETITEMS */
    [0x8f] = {ARG_NONE, op_opaque},       /* EMPTY_SET */
    [0x90] = {ARG_NONE, op_appends},      /* ADDITEMS, to an opaque set */
    [0x91] = {ARG_NONE, op_frozenset},    /* FROZENSET */
    ['q'] = {ARG_U8, op_put},             /* BINPUT */
    ['r'] = {ARG_U32, op_put},            /* LONG_BINPUT */
    [0x94] = {ARG_NONE, op_memoize},      /* MEMOIZE */
    ['h'] = {ARG_U8, op_get},             /* BINGET */
    ['j'] = {ARG_U32, op_get},            /* LONG_BINGET */
    ['c'] = {ARG_NONE, op_global},        /* GLOBAL */
    [0x93] = {ARG_NONE, op_stack_global}, /* STACK_GLOBAL */
    ['R'] = {ARG_NONE, op_reduce},        /* REDUCE */
    [0x81] = {ARG_NONE, op_newobj},       /* NEWOBJ */
    [0x92] = {ARG_NONE, op_newobj_ex},    /* NEWOBJ_EX */
    ['b'] = {ARG_NONE, op_build},         /* BUILD */
    ['Q'] = {ARG_NONE, op_persid},        /* BINPERSID */
};

static enum vlp_status step(struct machine *m)
{
    if (m->p == m->end) return cut_short(m, 1);
    const struct opcode *o = &opcodes[*m->p];
    if (!o->run)
        return vlp_fail(m->err, VLP_ERR_FORMAT,
                        "%s: pickle, byte %zu: opcode 0x%02x is not allowed", m->file,
                        (size_t)(m->p - m->start), *m->p);
    m->p++;
    const size_t bytes = (size_t)arguments[o->argument].bytes;
    const size_t left = (size_t)(m->end - m->p);
    if (left < bytes) return cut_short(m, bytes - left);
    uint64_t arg = 0;
    for (size_t i = bytes; i-- > 0;) arg = arg << 8 | m->p[i];
    m->p += bytes;
    const uint8_t *text = m->p;
    if (arguments[o->argument].text) {
        const size_t rest = (size_t)(m->end - m->p);
        if (arg > rest + m->beyond) return bad(m, "a text is longer than the pickle");
        if (arg > rest) return cut_short(m, (size_t)(arg - rest));
        m->p += arg;
    }
    VLP_TRY(o->run(m, arg, text));
    if (m->mem->used - m->mem_at_start > MAX_MEMORY)
        return vlp_fail(m->err, VLP_ERR_LIMIT, "%s: pickle: more values than weights need",
                        m->file);
    return VLP_OK;
}

enum vlp_status vlp_pickle_run(struct vlp_pickled *out, struct vlp_arena *mem,
                               const struct vlp_bytes *in, struct vlp_error *err)
{
    const size_t    size = in->size < MAX_PICKLE ? in->size : MAX_PICKLE;
    struct machine  m = {.file = in->name,
                         .mem = mem,
                         .mem_at_start = mem->used,
                         .start = in->data,
                         .p = in->data,
                         .end = in->data + size,
                         .beyond = in->size - size,
                         .err = err};
    enum vlp_status s = VLP_OK;
    while (s == VLP_OK && !m.stopped) s = step(&m);
    if (s == VLP_OK) *out = (struct vlp_pickled){m.stack[0], (size_t)(m.p - m.start), m.storages};
    free(m.stack);
    free(m.mark);
    free(m.memo);
    return s;
}

struct vlp_value *vlp_value_get(const struct vlp_value *dict, const char *key)
{
    if (dict->kind != VLP_VALUE_DICT && dict->kind != VLP_VALUE_OBJECT) return NULL;
    for (size_t i = dict->seq.n; i >= 2; i -= 2) { /* the last one set counts */
        const struct vlp_value *k = dict->seq.item[i - 2];
        if (k->kind == VLP_VALUE_TEXT && strcmp(k->text.s, key) == 0) return dict->seq.item[i - 1];
    }
    return NULL;
}
