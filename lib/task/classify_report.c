/*
 * classify_report.c -- counts of predictions against the truth.
 */
#include <math.h>
#include <stdlib.h>

#include <vlp/classify.h>

void vlp_evaluation_init(struct vlp_evaluation *e, int n)
{
    *e = (struct vlp_evaluation){.n = n};
    e->confusion = vlp_calloc((size_t)n * (size_t)(n + 1) + 1, sizeof *e->confusion);
}

void vlp_evaluation_free(struct vlp_evaluation *e)
{
    free(e->confusion);
    *e = (struct vlp_evaluation){0};
}

void vlp_evaluation_add(struct vlp_evaluation *e, int truth, const int *best, int n_best)
{
    e->total++;
    e->top1 += best[0] == truth;
    for (int i = 0; i < n_best && i < 5; i++) e->top5 += best[i] == truth;
    e->confusion[(size_t)truth * (size_t)(e->n + 1) + (size_t)best[0]]++;
}

double vlp_evaluation_mean_per_class(const struct vlp_evaluation *e, double *recall)
{
    double sum = 0.0;
    int    classes = 0;
    for (int c = 0; c < e->n; c++) {
        const int64_t *row = e->confusion + (size_t)c * (size_t)(e->n + 1);
        int64_t        total = 0;
        for (int p = 0; p <= e->n; p++) total += row[p];
        if (recall) recall[c] = total ? (double)row[c] / (double)total : (double)NAN;
        if (!total) continue;
        sum += (double)row[c] / (double)total;
        classes++;
    }
    return classes ? sum / classes : 0.0;
}
