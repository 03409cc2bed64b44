/*
 * probe_sweep.c -- the penalty that does best on held-out rows.
 *
 * lambda = 10^e with e = -6, -4 ... 6 first; then the neighbours of the best at distance 1, 1/2,
 * 1/4 and 1/8 of a decade in turn: what a full search over 97 values would most likely find, in 15
 * fits.
 */
#include <math.h>

#include <vlp/classify.h>

struct trial {
    double exponent, accuracy, loss;
};

static bool better(const struct trial *a, const struct trial *b)
{
    if (a->accuracy != b->accuracy) return a->accuracy > b->accuracy;
    if (a->loss != b->loss) return a->loss < b->loss;
    return a->exponent > b->exponent;
}

double vlp_probe_sweep(const struct vlp_compute *c, const float *x, int n, const int *y,
                       const float *vx, int vn, const int *vy, int dim, int n_classes,
                       const struct vlp_probe_options *opt,
                       void (*told)(void *ctx, double lambda, double accuracy, double loss),
                       void *ctx)
{
    double       queue[8];
    int          n_queue = 0;
    struct trial best = {0};
    bool         any = false;
    for (int e = -6; e <= 6; e += 2) queue[n_queue++] = e;
    for (double step = 1.0; n_queue; step *= 0.5) {
        for (int i = 0; i < n_queue; i++) {
            struct vlp_probe_options o = *opt;
            struct vlp_probe         p;
            struct trial             t = {.exponent = queue[i]};
            if (opt->stop && opt->stop(opt->ctx)) break;
            o.C = pow(10.0, -t.exponent);
            vlp_probe_fit(&p, c, x, n, dim, y, n_classes, &o);
            vlp_probe_test(&p, c, vx, vn, vy, &t.accuracy, &t.loss);
            vlp_probe_free(&p);
            if (told) told(ctx, pow(10.0, t.exponent), t.accuracy, t.loss);
            if (!any || better(&t, &best)) best = t;
            any = true;
        }
        n_queue = 0;
        for (int side = -1; side <= 1 && step >= 0.125; side += 2) {
            const double e = best.exponent + side * step;
            if (e >= -6.0 && e <= 6.0) queue[n_queue++] = e;
        }
    }
    return pow(10.0, best.exponent);
}
