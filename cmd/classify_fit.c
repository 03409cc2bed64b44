/*
 * classify_fit.c -- --fit: a linear probe from labelled vectors, its penalty given or searched for.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "classify_parts.h"

/* Labelled rows, gathered. */
struct labelled {
    float                      *x;
    int                        *y;
    int                         n, dim;
    struct vlp_embedding_header header; /* of the file, without about */
    bool                        penultimate;
    bool *held_out; /* of each row: for validation; NULL: all are of one use */
};

static void labelled_free(struct labelled *l)
{
    free(l->x);
    free(l->y);
    free(l->held_out);
}

/* Names of classes of one file, in rows; numbered anew when all are known. The file may be a pipe,
 * or grow: it is read once. */
static enum vlp_status read_rows(struct labelled *l, struct vlp_names *names,
                                 struct classify_job *job, const char *path, bool hold_out,
                                 struct vlp_error *err)
{
    struct vlp_set set;
    struct vlp_buf buf = {0};
    VLP_TRY(classify_read_set(job, &set, path, err));
    enum vlp_status s = classify_layer(&l->penultimate, &set, path, err);
    if (s != VLP_OK) {
        vlp_set_free(&set);
        return s;
    }
    const float *x = vlp_set_vectors(&set, VLP_DOT);
    l->dim = set.header.dim;
    l->header = set.header;
    l->header.about = NULL;
    l->x = vlp_malloc(((size_t)set.n * (size_t)l->dim + 1) * sizeof *l->x);
    l->y = vlp_malloc(((size_t)set.n + 1) * sizeof *l->y);
    if (hold_out) l->held_out = vlp_calloc((size_t)set.n + 1, sizeof *l->held_out);
    l->n = 0;
    int unlabelled = 0;
    for (int i = 0; i < set.n; i++) {
        const char *own = classify_own_label(&set, i);
        const char *label = classify_label_of(job, set.ids[i], set.id_lens[i], own, &buf);
        job->truth_labels |= job->truth && label;
        if (!label) label = own;
        unlabelled += !label;
        if (!label) continue;
        const float *row = x + (size_t)i * (size_t)l->dim;
        bool         odd;
        s = cmd_check_vector(&job->failures, set.ids[i], set.id_lens[i], row, l->dim, &odd, err);
        if (s != VLP_OK) break;
        if (odd) continue;
        l->y[l->n] = vlp_names_add(names, label);
        if (hold_out) {
            /* by the id, so that the same record is held out whatever its neighbours */
            const uint64_t h = vlp_hash64(set.ids[i], set.id_lens[i]);
            l->held_out[l->n] = (double)(h >> 11) * 0x1p-53 < classify.holdout;
        }
        memcpy(l->x + (size_t)l->n * (size_t)l->dim, row, (size_t)l->dim * sizeof *x);
        l->n++;
    }
    if (s == VLP_OK && l->n == 0)
        s = classify_no_label(job, path, unlabelled < set.n, err);
    else if (s == VLP_OK && unlabelled > 0)
        cmd_note("%s: %d of %d records have no label and are left out", path, unlabelled, set.n);
    vlp_buf_free(&buf);
    vlp_set_free(&set);
    return s;
}

static bool all_numbers(const struct vlp_names *names)
{
    int64_t v;
    for (int i = 0; i < vlp_names_count(names); i++)
        if (!vlp_parse_i64(vlp_names_get(names, i), &v)) return false;
    return true;
}

struct sorting {
    const struct vlp_names *names;
    bool                    numbers;
};

static int name_order(const void *a, const void *b, void *ctx)
{
    const struct sorting *s = ctx;
    const char           *x = vlp_names_get(s->names, *(const int *)a);
    const char           *y = vlp_names_get(s->names, *(const int *)b);
    int64_t               u, v;
    if (s->numbers && vlp_parse_i64(x, &u) && vlp_parse_i64(y, &v) && u != v) return u < v ? -1 : 1;
    return strcmp(x, y);
}

/* Classes in sorted order (by number where all are numbers), rows renumbered. */
static int *sorted_classes(const struct vlp_names *names, struct labelled *a, struct labelled *b)
{
    const int      n = vlp_names_count(names);
    struct sorting how = {names, all_numbers(names)};
    int           *order = vlp_malloc(((size_t)n + 1) * sizeof *order);
    int           *number = vlp_malloc(((size_t)n + 1) * sizeof *number);
    for (int i = 0; i < n; i++) order[i] = i;
    qsort_r(order, (size_t)n, sizeof *order, name_order, &how);
    for (int i = 0; i < n; i++) number[order[i]] = i;
    for (int i = 0; i < a->n; i++) a->y[i] = number[a->y[i]];
    for (int i = 0; i < b->n; i++) b->y[i] = number[b->y[i]];
    free(number);
    return order;
}

/* Split the held-out rows off. */
static void split(struct labelled *all, struct labelled *rest)
{
    const size_t size = (size_t)all->dim * sizeof *all->x;
    *rest = (struct labelled){.dim = all->dim};
    rest->x = vlp_malloc((size_t)all->n * size + 1);
    rest->y = vlp_malloc(((size_t)all->n + 1) * sizeof *rest->y);
    struct labelled *const to[2] = {all, rest};
    int                    n[2] = {0, 0};
    for (int i = 0; i < all->n; i++) {
        struct labelled *t = to[all->held_out[i]];
        const int        at = n[all->held_out[i]]++;
        memmove(t->x + (size_t)at * (size_t)all->dim, all->x + (size_t)i * (size_t)all->dim, size);
        t->y[at] = all->y[i];
    }
    all->n = n[0];
    rest->n = n[1];
}

static void append(struct labelled *a, const struct labelled *b)
{
    const size_t row = (size_t)a->dim * sizeof *a->x;
    a->x = vlp_realloc(a->x, (size_t)(a->n + b->n) * row + 1);
    a->y = vlp_realloc(a->y, (size_t)(a->n + b->n + 1) * sizeof *a->y);
    memcpy(a->x + (size_t)a->n * (size_t)a->dim, b->x, (size_t)b->n * row);
    memcpy(a->y + a->n, b->y, (size_t)b->n * sizeof *b->y);
    a->n += b->n;
}

static void tell(void *ctx, double lambda, double accuracy, double loss)
{
    (void)ctx;
    cmd_note("lambda %.4g: accuracy %.4f, cross-entropy %.4f", lambda, accuracy, loss);
}

static void put_number(FILE *f, const char *name, double v, bool first)
{
    fprintf(f, classify.json ? "%s\"%s\": " : "%s%s\t", classify.json && !first ? ", " : "", name);
    classify_put_f64(f, v);
    if (!classify.json) putc('\n', f);
}

static void put_fit(FILE *f, const struct vlp_probe *p, double C, int n, double accuracy,
                    double loss)
{
    if (classify.json)
        putc('{', f);
    else if (classify.header)
        fputs("measure\tvalue\n", f);
    put_number(f, "objective", p->objective, true);
    put_number(f, "C", C, false);
    put_number(f, "lambda", 1.0 / C, false);
    put_number(f, "iterations", p->iterations, false);
    put_number(f, "gradient", p->gradient, false);
    put_number(f, "classes", p->n_classes, false);
    put_number(f, "records", n, false);
    put_number(f, "accuracy", accuracy, false);
    put_number(f, "cross_entropy", loss, false);
    if (classify.json) fputs("}\n", f);
}

/* The probe as the classifier of this run. */
static void adopt(struct classify_job *job, const struct vlp_probe *p, const struct labelled *l,
                  const struct vlp_names *names, const int *order)
{
    struct vlp_classifier *c = &job->classifier;
    *c = (struct vlp_classifier){.n = p->n_classes,
                                 .dim = p->dim,
                                 .scale = 1.0f,
                                 .unit_inputs = l->header.normalized,
                                 .penultimate = l->penultimate};
    vlp_arena_init(&c->mem);
    job->has_classifier = true;
    memcpy(c->fingerprint, l->header.fingerprint, sizeof c->fingerprint);
    const size_t n = (size_t)c->n * (size_t)c->dim;
    c->name = VLP_NEW_N(&c->mem, const char *, (size_t)c->n);
    c->weight = VLP_NEW_N(&c->mem, float, n);
    c->bias = VLP_NEW_N(&c->mem, float, (size_t)c->n);
    for (size_t i = 0; i < n; i++) c->weight[i] = (float)p->W[i];
    job->classes = vlp_names_new();
    for (int i = 0; i < c->n; i++) {
        c->bias[i] = (float)p->b[i];
        c->name[i] = vlp_arena_strdup(&c->mem, vlp_names_get(names, order[i]));
        vlp_names_add(job->classes, c->name[i]);
    }
}

static enum vlp_status fit(struct classify_job *job, struct labelled *l, struct labelled *held,
                           struct vlp_names *names, bool alone, struct vlp_error *err)
{
    struct vlp_probe_options opt = {.C = classify.C,
                                    .tolerance = classify.tolerance,
                                    .max_iterations = (int)classify.max_iterations};
    const int                n_classes = vlp_names_count(names);
    if (n_classes < 2)
        return vlp_fail(err, VLP_ERR_FORMAT, "%s: a probe needs two classes", classify.fit);
    int *order = sorted_classes(names, l, held);
    if (classify.sweep) {
        if (l->held_out) split(l, held);
        enum vlp_status s = VLP_OK;
        if (l->n == 0 || held->n == 0)
            s = vlp_fail(err, VLP_ERR_FORMAT, "%s: too few records to hold some out", classify.fit);
        if (s != VLP_OK) {
            free(order);
            return s;
        }
        const double lambda = vlp_probe_sweep(&job->compute, l->x, l->n, l->y, held->x, held->n,
                                              held->y, l->dim, n_classes, &opt, tell, NULL);
        opt.C = 1.0 / lambda;
        append(l, held);
    }
    struct vlp_probe p;
    double           accuracy, loss;
    vlp_probe_fit(&p, &job->compute, l->x, l->n, l->dim, l->y, n_classes, &opt);
    vlp_probe_test(&p, &job->compute, l->x, l->n, l->y, &accuracy, &loss);
    adopt(job, &p, l, names, order);
    if (!p.converged)
        cmd_warn("the probe has not converged after %d steps: largest gradient %.3g", p.iterations,
                 p.gradient);
    cmd_note("fitted %d classes to %d records: objective %.9g, accuracy on them %.4f", n_classes,
             l->n, p.objective, accuracy);
    const bool            put = alone && !job->silent;
    const enum vlp_status s = put ? classify_open_output(job, err) : VLP_OK;
    if (put && s == VLP_OK) put_fit(job->out.file, &p, opt.C, l->n, accuracy, loss);
    vlp_probe_free(&p);
    free(order);
    return s;
}

enum vlp_status classify_fit(struct classify_job *job, bool alone, struct vlp_error *err)
{
    struct labelled   l = {0}, held = {0};
    struct vlp_names *names = vlp_names_new();
    const bool        hold_out = classify.sweep && !classify.validation;
    enum vlp_status   s = read_rows(&l, names, job, classify.fit, hold_out, err);
    if (s == VLP_OK && classify.validation)
        s = read_rows(&held, names, job, classify.validation, false, err);
    if (s == VLP_OK && classify.validation)
        s = vlp_embedding_compatible(&l.header, classify.fit, &held.header, classify.validation,
                                     classify.ignore_model, err);
    if (s == VLP_OK) s = fit(job, &l, &held, names, alone, err);
    labelled_free(&l);
    labelled_free(&held);
    vlp_names_free(names);
    if (s != VLP_OK || !classify.save) return s;
    json_t *about =
        json_pack("{s:s, s:s}", "command", "vlp-classify --fit", "version", VLP_VERSION);
    s = vlp_classifier_write(&job->classifier, classify.save, about, classify.force, err);
    json_decref(about);
    return s;
}
