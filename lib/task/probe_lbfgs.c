/*
 * probe_lbfgs.c -- limited-memory BFGS with a strong Wolfe line search, in double.
 *
 *   direction d = -H g by the two-loop recursion over the last 20 steps; step t with
 *   f(x + t d) <= f(x) + 1e-4 t g.d   and   |g(x + t d).d| <= 0.9 |g.d|
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"

enum { HISTORY = 20, LINE_STEPS = 40 };

static double dot(const double *a, const double *b, int n)
{
    double s[4] = {0};
    for (int i = 0; i < n; i++) s[i & 3] += a[i] * b[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static double largest(const double *a, int n)
{
    double most = 0.0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs(a[i]));
    return most;
}

struct lbfgs {
    int     n, stored;
    double *s[HISTORY], *y[HISTORY], rho[HISTORY]; /* newest first */
    double *d, *try, *try_g;
};

static void direction(struct lbfgs *b, const double *g)
{
    double alpha[HISTORY];
    for (int i = 0; i < b->n; i++) b->d[i] = -g[i];
    for (int k = 0; k < b->stored; k++) {
        alpha[k] = b->rho[k] * dot(b->s[k], b->d, b->n);
        for (int i = 0; i < b->n; i++) b->d[i] -= alpha[k] * b->y[k][i];
    }
    if (b->stored) {
        const double gamma = 1.0 / (b->rho[0] * dot(b->y[0], b->y[0], b->n));
        for (int i = 0; i < b->n; i++) b->d[i] *= gamma;
    }
    for (int k = b->stored - 1; k >= 0; k--) {
        const double beta = b->rho[k] * dot(b->y[k], b->d, b->n);
        for (int i = 0; i < b->n; i++) b->d[i] += (alpha[k] - beta) * b->s[k][i];
    }
}

/* A point on the line: step, value, slope. */
struct point {
    double t, f, slope;
};

/* The minimum of the cubic through both ends, kept inside the bracket. */
static double between(struct point a, struct point b)
{
    const double d1 = a.slope + b.slope - 3.0 * (a.f - b.f) / (a.t - b.t);
    const double square = d1 * d1 - a.slope * b.slope;
    const double low = fmin(a.t, b.t), high = fmax(a.t, b.t), edge = 0.1 * (high - low);
    double       t = 0.5 * (low + high);
    if (square >= 0.0) {
        const double d2 = copysign(sqrt(square), b.t - a.t);
        const double at = b.t - (b.t - a.t) * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
        if (isfinite(at)) t = at;
    }
    return fmin(fmax(t, low + edge), high - edge);
}

/* Values that differ by rounding only are equal: near the minimum the slope decides. */
static bool falls_enough(struct point p, struct point start)
{
    const double noise = 1e-14 * (fabs(start.f) + fabs(p.f));
    return p.f <= start.f + 1e-4 * p.t * start.slope + noise;
}

static struct point evaluate(struct lbfgs *b, const double *x, double t, probe_value *value,
                             void *ctx)
{
    for (int i = 0; i < b->n; i++) b->try[i] = x[i] + t * b->d[i];
    const double f = value(ctx, b->try, b->try_g);
    return (struct point){t, f, dot(b->try_g, b->d, b->n)};
}

/* Leaves the accepted point in b->try and its gradient in b->try_g; false when none is found. */
static bool search_line(struct lbfgs *b, const double *x, double f, const double *g, double t,
                        probe_value *value, void *ctx, double *out_f)
{
    const struct point start = {0.0, f, dot(g, b->d, b->n)};
    struct point       low = start, high = {0};
    bool               bracketed = false;
    for (int i = 0; i < LINE_STEPS; i++) {
        const struct point p = evaluate(b, x, t, value, ctx);
        if (!isfinite(p.f) || !falls_enough(p, start) ||
            (p.f > low.f + 1e-14 * fabs(low.f) && low.t > 0.0)) {
            high = p;
            bracketed = true;
        } else if (fabs(p.slope) <= -0.9 * start.slope) {
            *out_f = p.f;
            return true;
        } else {
            if (p.slope * (bracketed ? high.t - low.t : 1.0) >= 0.0) {
                high = low;
                bracketed = true;
            }
            low = p;
        }
        if (!bracketed)
            t = 2.0 * t;
        else if (!isfinite(high.f))
            t = 0.5 * (low.t + high.t);
        else
            t = between(low, high);
        if (bracketed && fabs(high.t - low.t) < 1e-16 * fmax(1.0, high.t)) break;
    }
    return false;
}

static void remember(struct lbfgs *b, const double *x, const double *g)
{
    double *s = b->s[HISTORY - 1], *y = b->y[HISTORY - 1];
    for (int i = 0; i < b->n; i++) {
        s[i] = b->try[i] - x[i];
        y[i] = b->try_g[i] - g[i];
    }
    const double sy = dot(s, y, b->n);
    if (b->stored == HISTORY) b->stored--; /* its place has been taken */
    if (!(sy > 0.0)) return;
    memmove(b->s + 1, b->s, (HISTORY - 1) * sizeof *b->s);
    memmove(b->y + 1, b->y, (HISTORY - 1) * sizeof *b->y);
    memmove(b->rho + 1, b->rho, (HISTORY - 1) * sizeof *b->rho);
    b->s[0] = s;
    b->y[0] = y;
    b->rho[0] = 1.0 / sy;
    b->stored++;
}

struct probe_minimum probe_minimise(double *x, int n, probe_value *value, void *ctx,
                                    double tolerance, int max_iterations, bool (*stop)(void *ctx),
                                    void *stop_ctx)
{
    const size_t         size = (size_t)n * sizeof(double);
    struct probe_minimum m = {0};
    struct lbfgs         b = {.n = n};
    double              *memory = vlp_malloc((2 * HISTORY + 4) * size);
    double              *g = memory + (size_t)n * 2 * HISTORY;
    for (int k = 0; k < HISTORY; k++) {
        b.s[k] = memory + (size_t)n * (size_t)(2 * k);
        b.y[k] = memory + (size_t)n * (size_t)(2 * k + 1);
    }
    b.d = g + n;
    b.try = b.d + n;
    b.try_g = b.try + n;
    m.value = value(ctx, x, g);
    m.gradient = largest(g, n);
    while (m.gradient > tolerance && m.iterations < max_iterations && !(stop && stop(stop_ctx))) {
        direction(&b, g);
        if (!(dot(b.d, g, n) < 0.0)) {
            b.stored = 0;
            direction(&b, g);
        }
        const double t = b.stored ? 1.0 : fmin(1.0, 1.0 / sqrt(dot(g, g, n)));
        if (!search_line(&b, x, m.value, g, t, value, ctx, &m.value)) {
            if (!b.stored) break; /* not even downhill: as low as doubles go */
            b.stored = 0;
            continue;
        }
        remember(&b, x, g);
        memcpy(x, b.try, size);
        memcpy(g, b.try_g, size);
        m.gradient = largest(g, n);
        m.iterations++;
    }
    m.converged = m.gradient <= tolerance;
    free(memory);
    return m;
}
