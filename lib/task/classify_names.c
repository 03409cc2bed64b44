/*
 * classify_names.c -- names to numbers in order of first appearance.
 */
#include <stdlib.h>
#include <string.h>

#include <vlp/classify.h>

struct vlp_names {
    char **name;
    int   *slot; /* number + 1, or 0 */
    int    n, cap;
    size_t mask;
};

struct vlp_names *vlp_names_new(void)
{
    struct vlp_names *n = vlp_calloc(1, sizeof *n);
    n->mask = 63;
    n->slot = vlp_calloc(n->mask + 1, sizeof *n->slot);
    return n;
}

void vlp_names_free(struct vlp_names *n)
{
    if (!n) return;
    for (int i = 0; i < n->n; i++) free(n->name[i]);
    free(n->name);
    free(n->slot);
    free(n);
}

static size_t place(const struct vlp_names *n, const char *name)
{
    size_t i = (size_t)vlp_hash64(name, strlen(name)) & n->mask;
    while (n->slot[i] && strcmp(n->name[n->slot[i] - 1], name) != 0) i = (i + 1) & n->mask;
    return i;
}

int vlp_names_find(const struct vlp_names *n, const char *name)
{
    return n->slot[place(n, name)] - 1;
}

int vlp_names_add(struct vlp_names *n, const char *name)
{
    const size_t at = place(n, name);
    if (n->slot[at]) return n->slot[at] - 1;
    if (n->n == n->cap) {
        n->cap = n->cap ? 2 * n->cap : 32;
        n->name = vlp_realloc(n->name, (size_t)n->cap * sizeof *n->name);
    }
    n->name[n->n++] = vlp_strdup(name);
    n->slot[at] = n->n;
    if ((size_t)n->n * 2 > n->mask) {
        n->mask = 2 * n->mask + 1;
        free(n->slot);
        n->slot = vlp_calloc(n->mask + 1, sizeof *n->slot);
        for (int i = 0; i < n->n; i++) n->slot[place(n, n->name[i])] = i + 1;
    }
    return n->n - 1;
}

int vlp_names_count(const struct vlp_names *n)
{
    return n->n;
}

const char *vlp_names_get(const struct vlp_names *n, int i)
{
    return n->name[i];
}
