/*
 * classify_names.c -- names to numbers in order of first appearance.
 */
#include <stdlib.h>
#include <string.h>

#include <vlp/classify.h>

struct vlp_names {
    struct vlp_strings all;
    struct vlp_arena   mem;
};

struct vlp_names *vlp_names_new(void)
{
    struct vlp_names *n = vlp_calloc(1, sizeof *n);
    vlp_arena_init(&n->mem);
    return n;
}

void vlp_names_free(struct vlp_names *n)
{
    if (!n) return;
    vlp_strings_free(&n->all);
    vlp_arena_free(&n->mem);
    free(n);
}

int vlp_names_find(const struct vlp_names *n, const char *name)
{
    return (int)vlp_strings_find(&n->all, name, strlen(name));
}

int vlp_names_add(struct vlp_names *n, const char *name)
{
    return (int)vlp_strings_add(&n->all, &n->mem, name, strlen(name));
}

int vlp_names_count(const struct vlp_names *n)
{
    return (int)n->all.n;
}

const char *vlp_names_get(const struct vlp_names *n, int i)
{
    return n->all.item[i].s;
}
