/*
 * probe_internal.h -- minimising a smooth function of many variables.
 */
#ifndef VLP_PROBE_INTERNAL_H
#define VLP_PROBE_INTERNAL_H

#include <vlp/base.h>

/* The value at x, and its gradient. */
typedef double probe_value(void *ctx, const double *x, double *gradient);

struct probe_minimum {
    double value, gradient; /* gradient: its largest entry */
    int    iterations;
    bool   converged;
};

/* Minimise from x, in place, until the gradient's largest entry is at most `tolerance`. */
struct probe_minimum probe_minimise(double *x, int n, probe_value *value, void *ctx,
                                    double tolerance, int max_iterations, bool (*stop)(void *ctx),
                                    void *stop_ctx);

#endif
