/*
 * classify_results.c -- predictions as they come, and what they add up to.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <vlp/html.h>

#include "classify_parts.h"

void classify_put_f32(FILE *f, float v)
{
    char text[32];
    if (!isfinite(v)) { /* JSON has no such numbers */
        fputs(classify.json ? "null" : isnan(v) ? "nan" : v > 0.0f ? "inf" : "-inf", f);
        return;
    }
    fwrite(text, 1, (size_t)vlp_format_f32(text, v), f);
}

void classify_put_f64(FILE *f, double v)
{
    char text[32];
    if (isfinite(v))
        fwrite(text, 1, (size_t)vlp_format_f64(text, v), f);
    else
        fputs("null", f);
}

static bool named_by_number(const struct vlp_classifier *c)
{
    int64_t number;
    for (int i = 0; i < c->n; i++)
        if (vlp_parse_i64(c->name[i], &number)) return true;
    return false;
}

enum vlp_status classify_open_output(struct classify_job *job, struct vlp_error *err)
{
    return vlp_output_open(&job->out, classify.output ? classify.output : "-", classify.force, err);
}

void classify_put_header(struct classify_job *job)
{
    if (classify.header && !classify.json && !job->silent)
        fputs("id\trank\tlabel\tscore\n", job->out.file);
    if (classify.html) job->page = vlp_page_open("Classes", NULL);
    const size_t n = (size_t)job->classifier.n;
    job->logits = vlp_malloc((n + 1) * sizeof *job->logits);
    job->scores = vlp_malloc((n + 1) * sizeof *job->scores);
    job->order = vlp_malloc((n + 1) * sizeof *job->order);
    vlp_evaluation_init(&job->evaluation, job->classifier.n);
}

/* Scores of all classes. */
static void score(struct classify_job *job, const float *x)
{
    const struct vlp_classifier *c = &job->classifier;
    if (!job->has_knn) {
        vlp_classifier_logits(c, &job->compute, x, job->logits);
        vlp_scores(c, (enum vlp_score)classify.score, job->logits, job->scores);
        return;
    }
    const struct vlp_candidates *rows = &job->knn.rows;
    const int                    k = (int)vlp_min_i64(classify.neighbours, rows->n);
    struct vlp_search           *s = vlp_search_open(&job->compute, x, 1, c->dim, k, -HUGE_VALF);
    const struct vlp_hit        *hit;
    for (int i = 0; i < rows->n_runs; i++) vlp_search_rows(s, &rows->run[i]);
    const int n = vlp_search_hits(s, 0, &hit);
    vlp_knn_vote(job->scores, c->n, hit, n, job->knn.class_of_row, classify.temperature);
    vlp_search_close(s);
}

/* Class n stands for "unknown". */
static const char *class_name(const struct classify_job *job, int c)
{
    return c == job->classifier.n ? classify.unknown_name : job->classifier.name[c];
}

enum vlp_status classify_check_unknown(const struct classify_job *job, struct vlp_error *err)
{
    const bool shown = cmd_given("unknown") || classify.confusion;
    if (!shown || vlp_names_find(job->classes, classify.unknown_name) < 0) return VLP_OK;
    return vlp_fail(err, VLP_ERR_USAGE,
                    "'%s' is a class's name and what is printed for records of no class: "
                    "--unknown-name gives another",
                    classify.unknown_name);
}

/* A right label is a class's name, or its number where no name is a number. */
int classify_number_of(const struct classify_job *job, const char *label)
{
    int64_t   number;
    const int c = vlp_names_find(job->classes, label);
    if (c >= 0) return c;
    if (!job->named_by_number && vlp_parse_i64(label, &number) && number >= 0 &&
        number < job->classifier.n)
        return (int)number;
    return -1;
}

enum vlp_status classify_expect_truth(struct classify_job *job, struct vlp_error *err)
{
    job->named_by_number = named_by_number(&job->classifier);
    /* right labels that were for neighbours or a probe need not be for what is classified */
    job->has_truth = (job->truth && !job->truth_labels) || classify.folder_labels;
    if (!job->truth || (!classify.report && !classify.confusion)) return VLP_OK;
    for (int i = 0; i < vlp_truth_count(job->truth); i++) {
        const char *id, *label;
        vlp_truth_entry(job->truth, i, &id, &label);
        if (classify_number_of(job, label) >= 0) return VLP_OK;
    }
    return vlp_fail(err, VLP_ERR_USAGE, "%s: none of its labels is one of the classes",
                    classify.truth);
}

static void put_tsv(struct classify_job *job, const char *id, size_t id_len, const int *order,
                    int n, float best)
{
    FILE *f = job->out.file;
    for (int r = 0; r < n; r++) {
        const char *name = class_name(job, order[r]);
        cmd_put_tsv(f, id, id_len);
        fprintf(f, "\t%d\t", r + 1);
        cmd_put_tsv(f, name, strlen(name));
        putc('\t', f);
        classify_put_f32(f, order[r] == job->classifier.n ? best : job->scores[order[r]]);
        putc('\n', f);
    }
}

static void put_json(struct classify_job *job, const char *id, size_t id_len, const int *order,
                     int n, float best, const char *truth)
{
    FILE *f = job->out.file;
    fputs("{\"id\": ", f);
    cmd_put_json(f, id, id_len);
    fputs(", \"label\": ", f);
    cmd_put_json(f, class_name(job, order[0]), strlen(class_name(job, order[0])));
    fputs(", \"score\": ", f);
    classify_put_f32(f, best);
    if (truth) {
        fputs(", \"truth\": ", f);
        cmd_put_json(f, truth, strlen(truth));
    }
    fputs(", \"classes\": [", f);
    for (int r = 0; r < n; r++) {
        const char *name = class_name(job, order[r]);
        fprintf(f, "%s{\"label\": ", r ? ", " : "");
        cmd_put_json(f, name, strlen(name));
        fputs(", \"score\": ", f);
        classify_put_f32(f, order[r] == job->classifier.n ? best : job->scores[order[r]]);
        putc('}', f);
    }
    fputs("]}\n", f);
}

static void put_card(struct classify_job *job, const char *id, const char *picture,
                     const int *order, int n, bool unknown, const char *truth, int right)
{
    enum { BARS = 5 };
    struct vlp_page_bar bar[BARS];
    char                value[BARS][32], text[512];
    n = n < BARS ? n : BARS;
    for (int r = 0; r < n; r++) {
        const double s = (double)job->scores[order[r]];
        snprintf(value[r], sizeof value[r], "%.3f", s);
        bar[r] = (struct vlp_page_bar){class_name(job, order[r]), value[r], s};
    }
    text[0] = '\0';
    if (unknown) snprintf(text, sizeof text, "%s", classify.unknown_name);
    if (truth)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%struth: %s",
                 unknown ? ", " : "", truth);
    vlp_page_card(job->page, &(struct vlp_page_card){.picture = picture,
                                                     .title = id,
                                                     .text = *text ? text : NULL,
                                                     .bar = bar,
                                                     .n_bars = n,
                                                     .mark = right < 0   ? VLP_MARK_NONE
                                                             : right > 0 ? VLP_MARK_RIGHT
                                                                         : VLP_MARK_WRONG});
}

void classify_one(struct classify_job *job, const char *id, size_t id_len, const float *x,
                  const char *own, const char *picture)
{
    struct vlp_buf buf = {0};
    const int      classes = job->classifier.n;
    score(job, x);
    /* Scores may have run into 0 or 1 together; what they are made from still tells them apart. */
    const float *by = job->has_knn ? job->scores : job->logits;
    const int    want = (int)vlp_max_i64(classify.k ? vlp_min_i64(classify.k, classes) : classes,
                                      vlp_min_i64(5, classes));
    int         n = vlp_best_classes(by, classes, want, job->order);
    const bool  unknown = n == 0 || job->scores[job->order[0]] < (float)classify.unknown;
    const float best = n ? job->scores[job->order[0]] : (float)NAN;
    const char *truth = classify_label_of(job, id, id_len, own, &buf);
    const int   number = truth ? classify_number_of(job, truth) : -1;
    const char *right_name = number >= 0 ? job->classifier.name[number] : truth;
    int         right = -1;
    job->has_truth |= truth != NULL;
    job->n_told += truth != NULL;
    if (number >= 0) {
        const int none = classes;
        vlp_evaluation_add(&job->evaluation, number, unknown ? &none : job->order, unknown ? 1 : n);
        right = !unknown && job->order[0] == number;
    } else {
        job->n_without_truth++;
    }
    const int none = classes, shown = classify.k ? (int)vlp_min_i64(n, classify.k) : n;
    if (!job->silent && classify.json)
        put_json(job, id, id_len, unknown ? &none : job->order, unknown ? 1 : shown, best,
                 right_name);
    else if (!job->silent)
        put_tsv(job, id, id_len, unknown ? &none : job->order, unknown ? 1 : shown, best);
    if (job->page) put_card(job, id, picture, job->order, n, unknown, right_name, right);
    job->n_done++;
    vlp_buf_free(&buf);
}

/* ---- at the end ------------------------------------------------------------------------------ */

static enum vlp_status write_file(const char *path, const struct vlp_buf *b, struct vlp_error *err)
{
    struct vlp_output o;
    VLP_TRY(vlp_output_open(&o, path, classify.force, err));
    enum vlp_status s = vlp_output_write(&o, b->data, b->len, err);
    if (s == VLP_OK) s = vlp_output_commit(&o, err);
    vlp_output_abort(&o);
    return s;
}

static enum vlp_status write_report(struct classify_job *job, struct vlp_error *err)
{
    const struct vlp_evaluation *e = &job->evaluation;
    const double                 total = e->total ? (double)e->total : 1.0;
    double                      *recall = vlp_malloc(((size_t)e->n + 1) * sizeof *recall);
    const double                 mean = vlp_evaluation_mean_per_class(e, recall);
    json_t                      *classes = json_array(), *confusion = json_array();
    for (int c = 0; c < e->n; c++) {
        json_t *row = json_array(), *name = json_string(job->classifier.name[c]);
        int64_t count = 0;
        for (int p = 0; p <= e->n; p++) {
            const int64_t v = e->confusion[(size_t)c * (size_t)(e->n + 1) + (size_t)p];
            json_array_append_new(row, json_integer(v));
            count += v;
        }
        json_array_append_new(confusion, row);
        json_array_append_new(classes,
                              json_pack("{s:o, s:I, s:o}", "label", name ? name : json_string("?"),
                                        "records", (json_int_t)count, "accuracy",
                                        count ? json_real(recall[c]) : json_null()));
    }
    free(recall);
    json_t *report =
        json_pack("{s:I, s:I, s:f, s:f, s:f, s:o, s:o}", "records", (json_int_t)e->total,
                  "without_truth", (json_int_t)job->n_without_truth, "top1",
                  (double)e->top1 / total, "top5", (double)e->top5 / total, "mean_per_class", mean,
                  "classes", classes, "confusion", confusion);
    char          *text = json_dumps(report, JSON_REAL_PRECISION(17) | JSON_INDENT(1));
    struct vlp_buf b = {0};
    vlp_buf_add_str(&b, text);
    vlp_buf_add_char(&b, '\n');
    free(text);
    json_decref(report);
    const enum vlp_status s = write_file(classify.report, &b, err);
    vlp_buf_free(&b);
    return s;
}

static void confusion_tsv(const struct classify_job *job, struct vlp_buf *b)
{
    const struct vlp_evaluation *e = &job->evaluation;
    vlp_buf_add_str(b, "truth");
    for (int p = 0; p <= e->n; p++) {
        vlp_buf_add_char(b, '\t');
        vlp_buf_add_tsv(b, class_name(job, p), strlen(class_name(job, p)));
    }
    vlp_buf_add_char(b, '\n');
    for (int c = 0; c < e->n; c++) {
        vlp_buf_add_tsv(b, job->classifier.name[c], strlen(job->classifier.name[c]));
        for (int p = 0; p <= e->n; p++)
            vlp_buf_printf(b, "\t%lld",
                           (long long)e->confusion[(size_t)c * (size_t)(e->n + 1) + (size_t)p]);
        vlp_buf_add_char(b, '\n');
    }
}

static enum vlp_status write_confusion(struct classify_job *job, struct vlp_error *err)
{
    struct vlp_buf  b = {0};
    enum vlp_status s = VLP_OK;
    if (strcasecmp(vlp_path_ext(classify.confusion), "png") == 0)
        s = vlp_confusion_png(&b, &job->evaluation, job->classifier.name, err);
    else
        confusion_tsv(job, &b);
    if (s == VLP_OK) s = write_file(classify.confusion, &b, err);
    vlp_buf_free(&b);
    return s;
}

/* Accuracy as a table, and the confusion matrix, below the cards. */
static void page_evaluation(struct classify_job *job)
{
    const struct vlp_evaluation *e = &job->evaluation;
    char                         number[4][32];
    struct vlp_buf               png = {0};
    struct vlp_error             err;
    if (!e->total) return;
    snprintf(number[0], sizeof number[0], "%lld", (long long)e->total);
    snprintf(number[1], sizeof number[1], "%.4f", (double)e->top1 / (double)e->total);
    snprintf(number[2], sizeof number[2], "%.4f", (double)e->top5 / (double)e->total);
    snprintf(number[3], sizeof number[3], "%.4f", vlp_evaluation_mean_per_class(e, NULL));
    const char *const cells[] = {"measure", "value", "records", number[0],        "top-1",
                                 number[1], "top-5", number[2], "mean per class", number[3]};
    vlp_page_section(job->page, "Accuracy", NULL, NULL);
    vlp_page_table(job->page, 5, 2, cells);
    if (vlp_confusion_png(&png, e, job->classifier.name, &err) == VLP_OK)
        vlp_page_png(job->page, png.data, png.len, "confusion matrix");
    vlp_buf_free(&png);
}

static enum vlp_status write_page(struct classify_job *job, struct vlp_error *err)
{
    page_evaluation(job);
    return cmd_write_page(job->page, job->pool, classify.html, classify.force, &job->failures, err);
}

enum vlp_status classify_finish(struct classify_job *job, struct vlp_error *err)
{
    const struct vlp_evaluation *e = &job->evaluation;
    const bool                   counts = classify.report || classify.confusion;
    struct vlp_error             later;
    enum vlp_status              s = VLP_OK;
    if (!job->has_truth) job->n_without_truth = 0; /* nobody spoke of right and wrong */
    if (e->total)
        cmd_note("%lld record%s: top-1 %.4f, top-5 %.4f, mean per class %.4f", (long long)e->total,
                 cmd_plural(e->total), (double)e->top1 / (double)e->total,
                 (double)e->top5 / (double)e->total, vlp_evaluation_mean_per_class(e, NULL));
    if (job->n_without_truth)
        cmd_warn(job->n_without_truth == 1 ? "%lld record has no right label among the classes"
                                           : "%lld records have no right label among the classes",
                 (long long)job->n_without_truth);
    if (job->truth && !job->n_told && !job->truth_labels)
        cmd_warn("%s: none of its ids is that of a record%s", classify.truth, classify_truth_ids());
    const struct {
        bool due;
        enum vlp_status (*write)(struct classify_job *, struct vlp_error *);
    } file[] = {{job->page != NULL, write_page},
                {classify.report && e->total, write_report},
                {classify.confusion && e->total, write_confusion}};
    for (size_t i = 0; i < VLP_COUNT(file); i++) {
        if (!file[i].due) continue;
        const enum vlp_status made = file[i].write(job, s == VLP_OK ? err : &later);
        if (s == VLP_OK) s = made;
    }
    if (s == VLP_OK && counts && !e->total)
        s = vlp_fail(err, VLP_ERR_FORMAT,
                     "no record has a right label among the classes: there is nothing to count for "
                     "%s",
                     classify.report ? "--report" : "--confusion");
    return s;
}
