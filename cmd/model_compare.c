/*
 * model_compare.c -- vlp-model compare: a model's numbers beside somebody else's.
 *
 * DIR/inputs.safetensors    image f32 (n, 3, R, R) normalised pixels; text i64 or i32 (n, T) ids
 * DIR/expected.safetensors  what the reference made of them, by name
 *
 * absolute error = max |got - expected|;  relative error = that over max |expected|
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/loss.h>

#include "model_verbs.h"

static double      tolerance = 1e-4;
static bool        allow_missing, gradients;
static const char *loss = "softmax";

/* A named value that the model has computed: all rows of all samples. */
struct value {
    char    name[96];
    float  *data;
    int64_t rows, cols, first; /* rows of sample 0 */
};

/* Hidden states of the first sample alone are compared as well: all samples' are large. */
static bool is_hidden_state(const char *name)
{
    return strstr(name, ".block") != NULL;
}

struct values {
    struct value *item;
    int           n, cap;
    const char   *side; /* "image" or "text": which run is being watched */
};

static struct value *find_value(struct values *v, const char *name)
{
    for (int i = 0; i < v->n; i++)
        if (strcmp(v->item[i].name, name) == 0) return &v->item[i];
    return NULL;
}

static void add_rows(struct values *v, const char *name, const float *data, int64_t rows,
                     int64_t cols, int64_t first)
{
    struct value *x = find_value(v, name);
    if (!x) {
        if (v->n == v->cap) {
            v->cap = v->cap ? 2 * v->cap : 16;
            v->item = vlp_realloc(v->item, (size_t)v->cap * sizeof *v->item);
        }
        x = &v->item[v->n++];
        *x = (struct value){.cols = cols, .first = first};
        snprintf(x->name, sizeof x->name, "%s", name);
    }
    x->data = vlp_realloc(x->data, (size_t)((x->rows + rows) * cols) * sizeof *x->data);
    memcpy(x->data + x->rows * cols, data, (size_t)(rows * cols) * sizeof *data);
    x->rows += rows;
}

static void watch(void *ctx, const char *name, const struct vlp_tensor *value, struct vlp_seqs seqs)
{
    const int64_t first = seqs.n > 0 && seqs.start ? seqs.start[1] - seqs.start[0] : 1;
    add_rows(ctx, name, value->data, vlp_rows(value), vlp_cols(value), first);
}

/* f / max(|f|, 1e-12), in double */
static void add_embeds(struct values *v, const char *from, const char *to)
{
    const struct value *f = find_value(v, from);
    if (!f) return;
    float        *row = vlp_malloc((size_t)f->cols * sizeof *row);
    const int64_t rows = f->rows, cols = f->cols;
    for (int64_t i = 0; i < rows; i++) {
        f = find_value(v, from); /* add_rows moves the table */
        double sum = 0;
        for (int64_t c = 0; c < cols; c++)
            sum += (double)f->data[i * cols + c] * f->data[i * cols + c];
        const double length = fmax(sqrt(sum), 1e-12);
        for (int64_t c = 0; c < cols; c++) row[c] = (float)(f->data[i * cols + c] / length);
        add_rows(v, to, row, 1, cols, 1);
    }
    free(row);
}

static void add_logits(struct values *v, struct vlp_model *m)
{
    const struct value *a = find_value(v, "image_embeds"), *b = find_value(v, "text_embeds");
    if (!m->logit_scale) return;
    const double scale = exp((double)vlp_param_f32(m->logit_scale)[0]);
    const float  told = (float)scale;
    add_rows(v, "logit_scale", &told, 1, 1, 1);
    if (!a || !b) return;
    /* open_clip's models of the sigmoid loss */
    float bias = 0;
    vlp_model_logit_bias(m, &bias);
    const int64_t ni = a->rows, nt = b->rows, dim = a->cols;
    float        *per_image = vlp_malloc((size_t)(ni * nt) * sizeof *per_image);
    float        *per_text = vlp_malloc((size_t)(ni * nt) * sizeof *per_text);
    for (int64_t i = 0; i < ni; i++)
        for (int64_t j = 0; j < nt; j++) {
            double dot = 0;
            for (int64_t c = 0; c < dim; c++)
                dot += (double)a->data[i * dim + c] * b->data[j * dim + c];
            per_image[i * nt + j] = per_text[j * ni + i] = (float)(scale * dot + bias);
        }
    add_rows(v, "logits_per_image", per_image, ni, nt, 1);
    add_rows(v, "logits_per_text", per_text, nt, ni, 1);
    free(per_image);
    free(per_text);
}

/* ---- inputs ------------------------------------------------------------------------ */

enum { SAMPLES_A_PASS = 8 };

static enum vlp_status run_images(struct values *v, struct vlp_encoder *e,
                                  const struct vlp_stored *in, struct vlp_error *err)
{
    const int64_t patch = e->model.patch_size;
    if (in->dtype != VLP_F32 || in->ndim != 4 || in->dim[1] != 3 || in->dim[0] < 1)
        return vlp_fail(err, VLP_ERR_MISMATCH, "'image' is not f32 of shape (n, 3, R, R)");
    const int64_t h = in->dim[2], w = in->dim[3], side = e->model.image_size;
    const bool    resampled = e->model.any_size && h >= patch && w >= patch;
    if ((h != side || w != side) && !resampled)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "'image' is %" PRId64 " by %" PRId64 " pixels, the model takes %" PRId64, w,
                        h, side);
    struct vlp_arena mem;
    vlp_arena_init(&mem);
    for (int64_t i = 0; i < in->dim[0]; i += SAMPLES_A_PASS) {
        const struct vlp_arena_mark mark = vlp_arena_mark(&mem);
        const int64_t               n = vlp_min_i64(SAMPLES_A_PASS, in->dim[0] - i);
        float                      *x = VLP_NEW_N(&mem, float, (size_t)(n * 3 * h * w));
        memcpy(x, (const char *)in->data + (size_t)(i * 3 * h * w) * sizeof *x,
               (size_t)(n * 3 * h * w) * sizeof *x);
        struct vlp_tape t;
        vlp_tape_init(&t, &e->compute, &mem, false);
        struct vlp_tensor *pixels = vlp_tensor_of(&t, x, VLP_DIMS((int)n, 3, (int)h, (int)w));
        struct vlp_tensor *f = vlp_encode_image_watched(&e->model, &t, pixels, watch, v);
        add_rows(v, "image_features", f->data, n, vlp_cols(f), 1);
        vlp_arena_rewind(&mem, mark);
    }
    vlp_arena_free(&mem);
    return VLP_OK;
}

static enum vlp_status read_ids(int32_t *out, const struct vlp_stored *in, int64_t count, int vocab,
                                struct vlp_error *err)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t id;
        if (in->dtype == VLP_I64) {
            memcpy(&id, (const char *)in->data + (size_t)i * 8, 8);
        } else {
            int32_t small;
            memcpy(&small, (const char *)in->data + (size_t)i * 4, 4);
            id = small;
        }
        if (id < 0 || id >= vocab)
            return vlp_fail(err, VLP_ERR_MISMATCH, "'text' holds id %" PRId64 ", the model has %d",
                            id, vocab);
        out[i] = (int32_t)id;
    }
    return VLP_OK;
}

enum vlp_status model_read_texts(int32_t **ids, struct vlp_arena *mem, const struct vlp_stored *in,
                                 const struct vlp_model *m, struct vlp_error *err)
{
    if ((in->dtype != VLP_I64 && in->dtype != VLP_I32) || in->ndim != 2 || in->dim[0] < 1)
        return vlp_fail(err, VLP_ERR_MISMATCH, "'text' is not i64 or i32 of shape (n, T)");
    const int64_t n = in->dim[0], T = in->dim[1];
    if (T < 1 || T > m->context)
        return vlp_fail(err, VLP_ERR_MISMATCH,
                        "'text' has rows of %" PRId64 " ids, the model takes %d", T, m->context);
    *ids = VLP_NEW_N(mem, int32_t, (size_t)(n * T));
    return read_ids(*ids, in, n * T, m->vocab, err);
}

static enum vlp_status run_texts(struct values *v, struct vlp_encoder *e,
                                 const struct vlp_stored *in, struct vlp_error *err)
{
    int32_t         *ids;
    struct vlp_arena mem;
    vlp_arena_init(&mem);
    enum vlp_status s = model_read_texts(&ids, &mem, in, &e->model, err);
    const int64_t   n = s == VLP_OK ? in->dim[0] : 0, T = s == VLP_OK ? in->dim[1] : 0;
    for (int64_t i = 0; i < n && s == VLP_OK; i += SAMPLES_A_PASS) {
        const struct vlp_arena_mark mark = vlp_arena_mark(&mem);
        const int                   count = (int)vlp_min_i64(SAMPLES_A_PASS, n - i);
        int                        *start = VLP_NEW_N(&mem, int, (size_t)count + 1);
        for (int k = 0; k <= count; k++) start[k] = k * (int)T;
        struct vlp_tape t;
        vlp_tape_init(&t, &e->compute, &mem, false);
        const struct vlp_text_batch b = {count, ids + i * T, start};
        struct vlp_tensor          *f = vlp_encode_text_watched(&e->model, &t, &b, watch, v);
        add_rows(v, "text_features", f->data, count, vlp_cols(f), 1);
        vlp_arena_rewind(&mem, mark);
    }
    vlp_arena_free(&mem);
    return s;
}

/* ---- the comparison ---------------------------------------------------------------- */

struct verdict {
    double absolute, relative;
    char   trouble[128]; /* "" when there are numbers */
};

static struct verdict compare(struct values *v, const struct vlp_stored *want)
{
    struct verdict r = {0};
    char           name[96];
    const size_t   len = strlen(want->name);
    const bool     exact = len > 6 && strcmp(want->name + len - 6, ".exact") == 0;
    snprintf(name, sizeof name, "%.*s", (int)(exact ? len - 6 : len), want->name);
    const struct value *got = find_value(v, name);
    if (!got) {
        snprintf(r.trouble, sizeof r.trouble, "the model computes no such value");
        return r;
    }
    int64_t n = 1;
    for (int i = 0; i < want->ndim; i++) n *= want->dim[i];
    const int64_t cols = want->ndim > 0 ? want->dim[want->ndim - 1] : 1;
    const bool    whole = n == got->rows * got->cols;
    const bool    first = is_hidden_state(name) && n == got->first * got->cols;
    const bool    fits = cols == got->cols && (whole || first);
    const bool    number = want->dtype <= VLP_F64; /* the floating types come first */
    if (!fits || !number) {
        snprintf(r.trouble, sizeof r.trouble,
                 fits ? "is of no type that can be compared"
                      : "has another shape than (%" PRId64 ", %" PRId64 ")",
                 got->rows, got->cols);
        return r;
    }
    float *w = vlp_malloc((size_t)n * sizeof *w);
    vlp_to_f32(w, want->data, want->dtype, (size_t)n);
    const struct vlp_difference d = vlp_differ(got->data, w, (size_t)n);
    r.absolute = d.error;
    r.relative = d.largest > 0 ? d.error / d.largest : d.error;
    free(w);
    return r;
}

static int report(struct values *v, const struct vlp_safetensors *expected)
{
    int bad = 0;
    for (size_t i = 0; i < expected->n_tensors; i++) {
        const struct vlp_stored *want = &expected->tensors[i];
        const struct verdict     r = compare(v, want);
        const bool               good = *r.trouble ? allow_missing : r.absolute <= tolerance;
        bad += !good;
        model_put_verdict(want->name, r.absolute, r.relative, r.trouble, good);
    }
    return bad;
}

static enum vlp_status open_one(struct vlp_safetensors *s, const char *dir, const char *name,
                                struct vlp_error *err)
{
    struct vlp_arena mem;
    vlp_arena_init(&mem);
    const enum vlp_status status = vlp_safetensors_open(s, vlp_path_join(&mem, dir, name), err);
    vlp_arena_free(&mem);
    return status;
}

static enum vlp_status run_all(const char *dir, int *bad, struct vlp_error *err)
{
    struct vlp_safetensors inputs = {0}, expected = {0};
    struct vlp_encoder     e = {0};
    struct values          v = {0};
    bool                   opened = false;
    enum vlp_status        s = open_one(&inputs, dir, "inputs.safetensors", err);
    if (s == VLP_OK) s = open_one(&expected, dir, "expected.safetensors", err);
    if (s == VLP_OK) opened = (s = cmd_model_open(&e, err)) == VLP_OK;
    const struct vlp_stored *image = vlp_safetensors_find(&inputs, "image");
    const struct vlp_stored *text = vlp_safetensors_find(&inputs, "text");
    if (s == VLP_OK && !image && !text)
        s = vlp_fail(err, VLP_ERR_MISMATCH, "%s/inputs.safetensors has neither 'image' nor 'text'",
                     dir);
    if (s == VLP_OK && expected.n_tensors == 0)
        s = vlp_fail(err, VLP_ERR_MISMATCH, "%s/expected.safetensors is empty", dir);
    const bool ready = s == VLP_OK;
    if (ready && image) s = run_images(&v, &e, image, err);
    if (s == VLP_OK && text) s = run_texts(&v, &e, text, err);
    if (ready && s != VLP_OK) vlp_fail_in(err, "%s/inputs.safetensors", dir);
    if (s == VLP_OK) {
        add_embeds(&v, "image_features", "image_embeds");
        add_embeds(&v, "text_features", "text_embeds");
        add_logits(&v, &e.model);
        *bad = report(&v, &expected);
    }
    for (int i = 0; i < v.n; i++) free(v.item[i].data);
    free(v.item);
    if (opened) vlp_encoder_close(&e);
    vlp_safetensors_close(&inputs);
    vlp_safetensors_close(&expected);
    return s;
}

static int run(int argc, char **argv)
{
    struct vlp_error err;
    int              bad = 0;
    if (argc != 2)
        cmd_usage_error("name one folder with inputs.safetensors and expected.safetensors");
    model_check_operands("DIR", argc, argv);
    model_begin_lines("name\tabsolute\trelative\tverdict");
    const enum vlp_status s = gradients
                                  ? model_compare_gradients(argv[1], loss, tolerance, &bad, &err)
                                  : run_all(argv[1], &bad, &err);
    if (s != VLP_OK) return cmd_finish(cmd_fail(&err));
    if (bad > 0) {
        cmd_error("%s: expected tensors that do not agree: %d (tolerance %g)", argv[1], bad,
                  tolerance);
        return cmd_finish(CMD_MISMATCH);
    }
    return cmd_finish(CMD_OK);
}

/* clang-format off */
static const struct cmd_option options[] = {
    CMD_ROW(0, "tolerance", "X", CMD_FLOAT, &tolerance, "1e-4",
            "largest absolute error that passes", .group = "Comparison", .max = 1e30),
    CMD_ROW(0, "allow-missing", NULL, CMD_FLAG, &allow_missing, NULL,
            "expected tensors that the model does not compute do not count"),
    CMD_ROW(0, "gradients", NULL, CMD_FLAG, &gradients, NULL,
            "gradients.safetensors instead: of the loss of all pairs, relative errors decide"),
    CMD_ROW(0, "loss", "NAME", CMD_STRING, &loss, "softmax",
            "with --gradients: softmax, or sigmoid with gradients_sigmoid.safetensors",
            .choices = vlp_contrastive_loss_names),
    MODEL_LINES_OPTIONS("tensor"),
    CMD_MODEL_OPTION,
    CMD_ROW(0, "precision", "NAME", CMD_CHOICE, &cmd_model.precision, "f32",
            "arithmetic of linear layers: f32, bf16 or int8", .choices = cmd_precisions),
    CMD_THREADS_OPTION, CMD_COMMON_OPTIONS, CMD_LAST};
/* clang-format on */

static const char *const usage[] = {"[OPTION]... -m MODEL DIR", NULL};

const struct cmd_program cmd_model_compare = {
    .name = "vlp-model compare",
    .summary = "a model's numbers beside a reference's: largest absolute and relative error",
    .usage = usage,
    .options = options,
    .notes =
        "Columns: name, largest absolute error, that over the largest expected value, verdict.",
    .run = run,
};
