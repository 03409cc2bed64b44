/*
 * arena.c -- memory that is given back all at once: 64-byte aligned pieces cut from large chunks.
 *
 * The chunk list is a stack, newest first. Rewinding drops chunks onto a spare list, where the next
 * request that fits finds them: a step that repeats allocates nothing after its first round.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <vlp/base.h>

enum { ALIGNMENT = 64, FIRST_CHUNK = 64 * 1024, HUGE_PAGE = 2 * 1024 * 1024 };

struct vlp_arena_chunk {
    struct vlp_arena_chunk *next;  /* older */
    struct vlp_arena_chunk *spare; /* of the newest chunk only: rewound chunks, kept for reuse */
    size_t                  size, used;
    _Alignas(ALIGNMENT) unsigned char data[];
};

static struct vlp_arena_chunk *chunk_new(size_t want)
{
    size_t total;
    if (__builtin_add_overflow(want, sizeof(struct vlp_arena_chunk) + HUGE_PAGE, &total)) {
        vlp_no_memory(want);
        abort();
    }
    total = want + sizeof(struct vlp_arena_chunk);
    const bool   huge = total >= HUGE_PAGE;
    const size_t align = huge ? HUGE_PAGE : ALIGNMENT;
    total = (total + align - 1) / align * align;
    struct vlp_arena_chunk *c = vlp_malloc_aligned(align, total);
    if (huge) madvise(c, total, MADV_HUGEPAGE); /* advice: a refusal costs speed only */
    c->next = c->spare = NULL;
    c->size = total - sizeof *c;
    c->used = 0;
    return c;
}

void vlp_arena_init(struct vlp_arena *a)
{
    *a = (struct vlp_arena){0};
}

static void free_spares(struct vlp_arena_chunk *c)
{
    while (c) {
        struct vlp_arena_chunk *next = c->next;
        free(c);
        c = next;
    }
}

void vlp_arena_free(struct vlp_arena *a)
{
    if (a->chunk) free_spares(a->chunk->spare);
    free_spares(a->chunk);
    *a = (struct vlp_arena){0};
}

/* A spare chunk that holds `size`, taken off the list, or NULL. */
static struct vlp_arena_chunk *take_spare(struct vlp_arena_chunk **list, size_t size)
{
    for (struct vlp_arena_chunk **at = list; *at; at = &(*at)->next) {
        if ((*at)->size < size) continue;
        struct vlp_arena_chunk *c = *at;
        *at = c->next;
        return c;
    }
    return NULL;
}

static void push_chunk(struct vlp_arena *a, size_t size)
{
    struct vlp_arena_chunk *spare = a->chunk ? a->chunk->spare : NULL;
    struct vlp_arena_chunk *c = take_spare(&spare, size);
    if (!c) {
        size_t grow = a->chunk ? a->chunk->size * 2 : FIRST_CHUNK;
        if (grow > 64u * 1024 * 1024) grow = 64u * 1024 * 1024;
        c = chunk_new(size > grow ? size : grow);
    }
    c->next = a->chunk;
    c->used = 0;
    if (a->chunk) a->chunk->spare = NULL;
    c->spare = spare;
    a->chunk = c;
}

void *vlp_arena_alloc(struct vlp_arena *a, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT) {
        vlp_no_memory(size);
        abort();
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!a->chunk || a->chunk->size - a->chunk->used < size) push_chunk(a, size);
    void *p = a->chunk->data + a->chunk->used;
    a->chunk->used += size;
    a->used += size;
    if (a->used > a->peak) a->peak = a->used;
    return p;
}

void *vlp_arena_calloc(struct vlp_arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        vlp_no_memory(SIZE_MAX);
        abort();
    }
    return memset(vlp_arena_alloc(a, total), 0, total);
}

char *vlp_arena_strndup(struct vlp_arena *a, const char *s, size_t len)
{
    char *p = vlp_arena_alloc(a, len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

char *vlp_arena_strdup(struct vlp_arena *a, const char *s)
{
    return vlp_arena_strndup(a, s, strlen(s));
}

char *vlp_arena_printf(struct vlp_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = vlp_arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

struct vlp_arena_mark vlp_arena_mark(const struct vlp_arena *a)
{
    return (struct vlp_arena_mark){a->chunk, a->chunk ? a->chunk->used : 0, a->used};
}

void vlp_arena_rewind(struct vlp_arena *a, struct vlp_arena_mark m)
{
    if (!a->chunk) return;
    struct vlp_arena_chunk *spare = a->chunk->spare;
    while (a->chunk != m.chunk) {
        struct vlp_arena_chunk *c = a->chunk;
        if (!m.chunk && !c->next) break; /* keep the oldest in place: the list stays reachable */
        a->chunk = c->next;
        c->next = spare;
        c->spare = NULL;
        spare = c;
    }
    a->chunk->spare = spare;
    a->chunk->used = m.chunk ? m.chunk_used : 0;
    a->used = m.used;
}
