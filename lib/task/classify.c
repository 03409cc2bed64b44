/*
 * classify.c -- logits and scores of a feature vector under a classifier.
 *
 *   logit_c = scale (w_c . x) + bias_c
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search_internal.h"
#include <vlp/classify.h>

const char *const vlp_score_names[] = {"softmax", "sigmoid", "cosine", "margin", "logit", NULL};

void vlp_classifier_logits(const struct vlp_classifier *c, const struct vlp_compute *compute,
                           const float *x, float *logits)
{
    struct vlp_compute alone = *compute;
    alone.pool = NULL;
    float *unit = NULL;
    if (c->unit_inputs) {
        unit = vlp_malloc((size_t)c->dim * sizeof *unit);
        memcpy(unit, x, (size_t)c->dim * sizeof *unit);
        vlp_unit_length(unit, c->dim);
    }
    vlp_scan_rows(&alone, logits, unit ? unit : x, c->weight, (size_t)c->dim * sizeof(float),
                  VLP_F32, c->dim, c->n);
    free(unit);
    for (int i = 0; i < c->n; i++) logits[i] = c->scale * logits[i] + (c->bias ? c->bias[i] : 0.0f);
}

static void softmax(const float *z, int n, float *out)
{
    double most = -INFINITY, sum = 0.0;
    for (int i = 0; i < n; i++) most = fmax(most, (double)z[i]);
    for (int i = 0; i < n; i++) sum += exp((double)z[i] - most);
    for (int i = 0; i < n; i++) out[i] = (float)(exp((double)z[i] - most) / sum);
}

/* Above each class the largest other logit: the first or the second of all. */
static void margins(const struct vlp_classifier *c, const float *z, float *out)
{
    int   first = 0;
    float second = -INFINITY;
    for (int i = 1; i < c->n; i++)
        if (z[i] > z[first]) first = i;
    for (int i = 0; i < c->n; i++)
        if (i != first) second = fmaxf(second, z[i]);
    if (c->n == 1) second = 0.0f; /* nothing to be ahead of: the score itself */
    for (int i = 0; i < c->n; i++) out[i] = (z[i] - (i == first ? second : z[first])) / c->scale;
}

void vlp_scores(const struct vlp_classifier *c, enum vlp_score kind, const float *z, float *out)
{
    switch (kind) {
    case VLP_SOFTMAX: softmax(z, c->n, out); break;
    case VLP_SIGMOID:
        for (int i = 0; i < c->n; i++) out[i] = (float)(1.0 / (1.0 + exp(-(double)z[i])));
        break;
    case VLP_SCORE_COSINE:
        for (int i = 0; i < c->n; i++) out[i] = (z[i] - (c->bias ? c->bias[i] : 0.0f)) / c->scale;
        break;
    case VLP_MARGIN: margins(c, z, out); break;
    case VLP_LOGIT: memcpy(out, z, (size_t)c->n * sizeof *out); break;
    }
}

int vlp_best_classes(const float *scores, int n, int k, int *order)
{
    struct shortlist list;
    if (k <= 0 || k > n) k = n;
    shortlist_init(&list, k, -INFINITY);
    for (int i = 0; i < n; i++) shortlist_offer(&list, i, scores[i]);
    if (list.n) qsort(list.hit, (size_t)list.n, sizeof *list.hit, hit_order);
    const int found = list.n; /* fewer than k when some are not numbers */
    for (int i = 0; i < found; i++) order[i] = (int)list.hit[i].row;
    shortlist_free(&list);
    return found;
}
