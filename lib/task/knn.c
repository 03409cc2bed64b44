/*
 * knn.c -- the vote of labelled neighbours.
 *
 *   score_c = sum_{i of class c} exp((s_i - s_1)/T) / sum_i exp((s_i - s_1)/T)
 */
#include <math.h>
#include <stdlib.h>

#include <vlp/classify.h>

void vlp_knn_vote(float *scores, int n_classes, const struct vlp_hit *hits, int n_hits,
                  const int *class_of_row, double temperature)
{
    double *vote = vlp_calloc((size_t)n_classes + 1, sizeof *vote), total = 0.0;
    for (int i = 0; i < n_hits; i++) {
        const double w = exp(((double)hits[i].score - (double)hits[0].score) / temperature);
        vote[class_of_row[hits[i].row]] += w;
        total += w;
    }
    for (int c = 0; c < n_classes; c++) scores[c] = total > 0.0 ? (float)(vote[c] / total) : 0.0f;
    free(vote);
}
