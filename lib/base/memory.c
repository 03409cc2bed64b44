/*
 * memory.c -- allocation that does not fail: one handler hears of it when the system has no more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/base.h>

static void say_and_exit(size_t wanted)
{
    vlp_outputs_remove();
    fprintf(stderr, "vlp: out of memory: %zu bytes wanted\n", wanted);
    exit(1);
}

void (*vlp_no_memory)(size_t wanted) = say_and_exit;

static void refuse(size_t wanted)
{
    vlp_no_memory(wanted);
    abort(); /* the handler must not return */
}

void *vlp_malloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p) refuse(size);
    return p;
}

void *vlp_calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) refuse(SIZE_MAX);
    void *p = calloc(1, total ? total : 1);
    if (!p) refuse(total);
    return p;
}

void *vlp_realloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    if (!q) refuse(size);
    return q;
}

void *vlp_malloc_aligned(size_t align, size_t size)
{
    void *p = aligned_alloc(align, size ? size : align);
    if (!p) refuse(size);
    return p;
}

char *vlp_strndup(const char *s, size_t len)
{
    char *p = vlp_malloc(len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

char *vlp_strdup(const char *s)
{
    return vlp_strndup(s, strlen(s));
}
