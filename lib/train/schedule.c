/*
 * schedule.c -- the learning rate as a function of the step.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include <vlp/train.h>

static double cosine(double u, double power)
{
    (void)power;
    return 0.5 * (1.0 + cos(3.14159265358979323846 * u));
}

static double linear(double u, double power)
{
    (void)power;
    return 1.0 - u;
}

static double constant(double u, double power)
{
    (void)u, (void)power;
    return 1.0;
}

static double polynomial(double u, double power)
{
    return pow(1.0 - u, power);
}

/* How much of (base - end) is left when the fraction u of the steps after warm-up is done. */
static const struct {
    const char *name;
    double (*left)(double u, double power);
} row[] = {
    {"cosine", cosine}, {"linear", linear}, {"constant", constant}, {"polynomial", polynomial}};

const char *const vlp_schedules[] = {"cosine", "linear", "constant", "polynomial", NULL};
_Static_assert(VLP_COUNT(vlp_schedules) == VLP_COUNT(row) + 1, "");

double vlp_schedule_at(const struct vlp_schedule *s, int64_t t)
{
    if (t < s->warmup) return s->base * (double)(t + 1) / (double)s->warmup;
    const int64_t span = s->total - s->warmup;
    double        u = span > 0 ? (double)(t - s->warmup) / (double)span : 0.0;
    if (u > 1.0) u = 1.0;
    for (size_t i = 0; i < VLP_COUNT(row); i++)
        if (strcmp(row[i].name, s->kind) == 0)
            return s->end + (s->base - s->end) * row[i].left(u, s->power);
    assert(!"unknown schedule");
    return s->base;
}
