/*
 * search_shortlist.c -- the best k hits of one query, in a heap whose root is the worst of them.
 *
 * Order is total (score, then row), so what is kept does not depend on the order of arrival.
 */
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"

void shortlist_init(struct shortlist *s, int k, float min_score)
{
    *s = (struct shortlist){.k = k, .min_score = min_score};
}

void shortlist_free(struct shortlist *s)
{
    free(s->hit);
    *s = (struct shortlist){0};
}

static void sift_down(struct vlp_hit *h, int n)
{
    const struct vlp_hit x = h[0];
    int                  i = 0;
    for (;;) {
        int child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && hit_before(&h[child], &h[child + 1])) child++;
        if (!hit_before(&x, &h[child])) break;
        h[i] = h[child];
        i = child;
    }
    h[i] = x;
}

static void sift_up(struct vlp_hit *h, int i)
{
    const struct vlp_hit x = h[i];
    while (i > 0) {
        const int parent = (i - 1) / 2;
        if (!hit_before(&h[parent], &x)) break;
        h[i] = h[parent];
        i = parent;
    }
    h[i] = x;
}

void shortlist_offer(struct shortlist *s, int64_t row, float score)
{
    const struct vlp_hit x = {row, score};
    if (!(score >= s->min_score)) return; /* NaN too */
    if (s->k && s->n == s->k) {
        if (!hit_before(&x, &s->hit[0])) return;
        s->hit[0] = x;
        sift_down(s->hit, s->n);
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        if (s->k && s->cap > s->k) s->cap = s->k;
        s->hit = vlp_realloc(s->hit, (size_t)s->cap * sizeof *s->hit);
    }
    s->hit[s->n++] = x;
    if (s->k) sift_up(s->hit, s->n - 1);
}

int hit_order(const void *a, const void *b)
{
    return hit_before(b, a) - hit_before(a, b);
}
