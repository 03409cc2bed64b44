/*
 * probe.c -- the linear probe: multinomial logistic regression in double.
 *
 *   f(W,b) = 1/2 |W|^2 + C sum_i CE_i,    CE_i = log sum_c exp(z_ic) - z_iy,    z_i = W x_i + b
 *   dW = W + C sum_i (p_i - e_y) x_i^T,   db = C sum_i (p_i - e_y)
 *
 * b is free, so features may be taken about their mean and b moved afterwards: the same minimum,
 * with far fewer steps where all features point one way, as CLIP's do.
 *
 * Rows are cut into blocks whose number does not depend on the threads; every block has a gradient
 * of its own and they are added in order, so the result is the same for any -j.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"
#include <vlp/classify.h>

enum { MAX_BLOCKS = 32, MIN_BLOCK = 64 };

struct problem {
    struct vlp_pool *pool;
    const float     *x;
    const int       *y;
    int              n, dim, n_classes, n_blocks;
    double           C;
    const double    *mean;    /* of the features, or NULL: as they are */
    const double    *theta;   /* W then b, while a value is computed */
    double          *partial; /* per block: gradient, then the loss */
    double          *scratch; /* per worker: x in double, z */
};

typedef double v2d __attribute__((vector_size(16)));

/* a . b, eight running sums in one fixed order */
static double dot(const double *a, const double *b, int n)
{
    v2d s[4] = {{0}};
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 4; j++) {
            v2d x, y;
            memcpy(&x, a + i + 2 * j, sizeof x);
            memcpy(&y, b + i + 2 * j, sizeof y);
            s[j] += x * y;
        }
    const v2d t = (s[0] + s[1]) + (s[2] + s[3]);
    double    sum = t[0] + t[1];
    for (; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void add_scaled(double *y, double a, const double *x, int n)
{
    const v2d aa = {a, a};
    int       i = 0;
    for (; i + 2 <= n; i += 2) {
        v2d u, v;
        memcpy(&u, x + i, sizeof u);
        memcpy(&v, y + i, sizeof v);
        v += aa * u;
        memcpy(y + i, &v, sizeof v);
    }
    for (; i < n; i++) y[i] += a * x[i];
}

/* z = W x + b for row i; x in double is left in `wide`. */
static void logits(const struct problem *p, const double *theta, int i, double *wide, double *z)
{
    const float  *x = p->x + (size_t)i * (size_t)p->dim;
    const double *b = theta + (size_t)p->n_classes * (size_t)p->dim;
    for (int j = 0; j < p->dim; j++) wide[j] = (double)x[j] - (p->mean ? p->mean[j] : 0.0);
    for (int c = 0; c < p->n_classes; c++)
        z[c] = dot(theta + (size_t)c * (size_t)p->dim, wide, p->dim) + b[c];
}

/* z becomes the probabilities; returns the cross-entropy with class y. */
static double cross_entropy(double *z, int n, int y)
{
    double most = z[0], sum = 0.0;
    for (int c = 1; c < n; c++) most = fmax(most, z[c]);
    const double of_y = z[y] - most;
    for (int c = 0; c < n; c++) sum += z[c] = exp(z[c] - most);
    for (int c = 0; c < n; c++) z[c] /= sum;
    return log(sum) - of_y;
}

static size_t variables(const struct problem *p)
{
    return (size_t)p->n_classes * ((size_t)p->dim + 1);
}

static void block_task(void *ctx, int block, int worker)
{
    const struct problem *p = ctx;
    const size_t          n_var = variables(p);
    double               *g = p->partial + (size_t)block * (n_var + 1);
    double               *gb = g + (size_t)p->n_classes * (size_t)p->dim;
    double               *wide = p->scratch + (size_t)worker * (size_t)(p->dim + p->n_classes);
    double               *z = wide + p->dim, loss = 0.0;
    const int             begin = (int)((int64_t)p->n * block / p->n_blocks);
    const int             end = (int)((int64_t)p->n * (block + 1) / p->n_blocks);
    memset(g, 0, n_var * sizeof *g);
    for (int i = begin; i < end; i++) {
        logits(p, p->theta, i, wide, z);
        loss += cross_entropy(z, p->n_classes, p->y[i]);
        z[p->y[i]] -= 1.0;
        for (int c = 0; c < p->n_classes; c++) {
            add_scaled(g + (size_t)c * (size_t)p->dim, z[c], wide, p->dim);
            gb[c] += z[c];
        }
    }
    g[n_var] = loss;
}

static double value_of(void *ctx, const double *theta, double *gradient)
{
    struct problem *p = ctx;
    const size_t    n_var = variables(p), n_w = (size_t)p->n_classes * (size_t)p->dim;
    double          loss = 0.0, square = 0.0;
    p->theta = theta;
    vlp_parallel(p->pool, p->n_blocks, block_task, p);
    memset(gradient, 0, n_var * sizeof *gradient);
    for (int k = 0; k < p->n_blocks; k++) {
        const double *g = p->partial + (size_t)k * (n_var + 1);
        for (size_t i = 0; i < n_var; i++) gradient[i] += g[i];
        loss += g[n_var];
    }
    for (size_t i = 0; i < n_var; i++) gradient[i] *= p->C;
    for (size_t i = 0; i < n_w; i++) {
        gradient[i] += theta[i];
        square += theta[i] * theta[i];
    }
    return 0.5 * square + p->C * loss;
}

static double *mean_of(const float *x, int n, int dim)
{
    double *mean = vlp_calloc((size_t)dim + 1, sizeof *mean);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < dim; j++) mean[j] += (double)x[(size_t)i * (size_t)dim + (size_t)j];
    for (int j = 0; j < dim; j++) mean[j] /= n > 0 ? n : 1;
    return mean;
}

/* W (x - mean) + b = W x + (b - W mean) */
static void move_biases(double *theta, const double *mean, int dim, int n_classes)
{
    double *b = theta + (size_t)n_classes * (size_t)dim;
    for (int c = 0; c < n_classes; c++) b[c] -= dot(theta + (size_t)c * (size_t)dim, mean, dim);
}

void vlp_probe_fit(struct vlp_probe *out, const struct vlp_compute *c, const float *x, int n,
                   int dim, const int *y, int n_classes, const struct vlp_probe_options *opt)
{
    struct problem p = {.pool = c->pool,
                        .x = x,
                        .y = y,
                        .n = n,
                        .dim = dim,
                        .n_classes = n_classes,
                        .n_blocks = (int)vlp_min_i64(MAX_BLOCKS, (n + MIN_BLOCK - 1) / MIN_BLOCK),
                        .C = opt->C};
    const size_t   n_var = variables(&p), threads = (size_t)vlp_pool_threads(c->pool);
    const double   tolerance = (opt->tolerance > 0.0 ? opt->tolerance : 1e-8) * opt->C * n;
    double        *theta = vlp_calloc(n_var, sizeof *theta), *mean = mean_of(x, n, dim);
    p.mean = mean;
    p.partial = vlp_malloc(((size_t)p.n_blocks * (n_var + 1) + 1) * sizeof *p.partial);
    p.scratch = vlp_malloc(threads * (size_t)(dim + n_classes) * sizeof *p.scratch);
    const struct probe_minimum m =
        probe_minimise(theta, (int)n_var, value_of, &p, tolerance,
                       opt->max_iterations > 0 ? opt->max_iterations : 1000, opt->stop, opt->ctx);
    move_biases(theta, mean, dim, n_classes);
    free(mean);
    free(p.partial);
    free(p.scratch);
    *out = (struct vlp_probe){.n_classes = n_classes,
                              .dim = dim,
                              .W = theta,
                              .b = theta + (size_t)n_classes * (size_t)dim,
                              .objective = m.value,
                              .gradient = m.gradient,
                              .iterations = m.iterations,
                              .converged = m.converged};
}

void vlp_probe_free(struct vlp_probe *p)
{
    free(p->W); /* b lies behind it */
    *p = (struct vlp_probe){0};
}

struct test {
    struct problem          p;
    const struct vlp_probe *probe;
    double                 *loss; /* per row */
    bool                   *right;
};

static void test_task(void *ctx, int block, int worker)
{
    struct test *t = ctx;
    double      *wide = t->p.scratch + (size_t)worker * (size_t)(t->p.dim + t->p.n_classes);
    double      *z = wide + t->p.dim;
    const int    begin = (int)((int64_t)t->p.n * block / t->p.n_blocks);
    const int    end = (int)((int64_t)t->p.n * (block + 1) / t->p.n_blocks);
    for (int i = begin; i < end; i++) {
        int best = 0;
        logits(&t->p, t->probe->W, i, wide, z);
        for (int c = 1; c < t->p.n_classes; c++)
            if (z[c] > z[best]) best = c;
        t->right[i] = best == t->p.y[i];
        t->loss[i] = cross_entropy(z, t->p.n_classes, t->p.y[i]);
    }
}

void vlp_probe_test(const struct vlp_probe *p, const struct vlp_compute *c, const float *x, int n,
                    const int *y, double *accuracy, double *loss)
{
    const size_t threads = (size_t)vlp_pool_threads(c->pool);
    struct test  t = {.p = {.x = x, .y = y, .n = n, .dim = p->dim, .n_classes = p->n_classes},
                      .probe = p};
    t.p.n_blocks = (int)vlp_min_i64(MAX_BLOCKS, (n + MIN_BLOCK - 1) / MIN_BLOCK);
    t.p.scratch = vlp_malloc(threads * (size_t)(p->dim + p->n_classes) * sizeof *t.p.scratch);
    t.loss = vlp_malloc(((size_t)n + 1) * sizeof *t.loss);
    t.right = vlp_malloc((size_t)n + 1);
    vlp_parallel(c->pool, t.p.n_blocks, test_task, &t);
    double sum = 0.0;
    int    right = 0;
    for (int i = 0; i < n; i++) {
        sum += t.loss[i];
        right += t.right[i];
    }
    *accuracy = n ? (double)right / n : 0.0;
    *loss = n ? sum / n : 0.0;
    free(t.p.scratch);
    free(t.loss);
    free(t.right);
}
