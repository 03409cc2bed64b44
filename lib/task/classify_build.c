/*
 * classify_build.c -- a zero-shot classifier from classes and prompts.
 *
 *   w_c = unit( mean over prompts p of c of unit(encode(p)) )
 */
#include <stdlib.h>
#include <string.h>

#include <vlp/classify.h>

/* Prompts are encoded this many at a time: the memory of one batch, whatever the number of classes.
 */
enum { PROMPTS_AT_ONCE = 256 };

struct prompts {
    int              n;
    const char     **text;
    int             *of_class;
    struct vlp_arena mem;
};

static const char *filled(struct vlp_arena *mem, const char *template_text, const char *name)
{
    size_t len;
    return vlp_template_fill(mem, template_text, name, strlen(name), &len);
}

/* Every prompt of every class: names times its own prompts, or times templates; an own prompt
 * without {} says nothing of the name, and stands once. */
static void list_prompts(struct prompts *p, const struct vlp_labels *labels,
                         const char *const *templates, int n_templates)
{
    size_t most = 0;
    for (int c = 0; c < labels->n; c++)
        most += (size_t)labels->label[c].n_names *
                (size_t)vlp_max_i64(labels->label[c].n_prompts, n_templates);
    vlp_arena_init(&p->mem);
    p->text = VLP_NEW_N(&p->mem, const char *, most + 1);
    p->of_class = VLP_NEW_N(&p->mem, int, most + 1);
    for (int c = 0; c < labels->n; c++) {
        const struct vlp_label *l = &labels->label[c];
        for (int i = 0; i < l->n_prompts; i++) {
            const bool open = strstr(l->prompts[i], "{}") != NULL;
            for (int k = 0; k < (open ? l->n_names : 1); k++) {
                p->of_class[p->n] = c;
                p->text[p->n++] =
                    open ? filled(&p->mem, l->prompts[i], l->names[k]) : l->prompts[i];
            }
        }
        for (int i = 0; i < l->n_names && !l->n_prompts; i++)
            for (int t = 0; t < n_templates; t++) {
                p->of_class[p->n] = c;
                p->text[p->n++] = filled(&p->mem, templates[t], l->names[i]);
            }
    }
}

static enum vlp_status encode(struct vlp_classifier *out, struct vlp_encoder *e,
                              const struct prompts *p, int *n_cut, struct vlp_error *err)
{
    const int       dim = out->dim;
    float          *rows = vlp_malloc(PROMPTS_AT_ONCE * (size_t)dim * sizeof *rows);
    bool           *cut = vlp_malloc(PROMPTS_AT_ONCE * sizeof *cut);
    double         *sum = vlp_calloc((size_t)out->n * (size_t)dim, sizeof *sum);
    enum vlp_status s = VLP_OK;
    for (int i0 = 0; i0 < p->n && s == VLP_OK; i0 += PROMPTS_AT_ONCE) {
        const int n = (int)vlp_min_i64(PROMPTS_AT_ONCE, p->n - i0);
        s = vlp_encode_strings(e, p->text + i0, n, rows, cut, err);
        for (int i = 0; i < n && s == VLP_OK; i++) {
            double *w = sum + (size_t)p->of_class[i0 + i] * (size_t)dim;
            for (int j = 0; j < dim; j++) w[j] += (double)rows[(size_t)i * (size_t)dim + (size_t)j];
            if (cut[i] && n_cut) ++*n_cut;
        }
    }
    /* the mean and its sum have one direction */
    for (size_t i = 0; i < (size_t)out->n * (size_t)dim; i++) out->weight[i] = (float)sum[i];
    for (int c = 0; c < out->n; c++) vlp_unit_length(out->weight + (size_t)c * (size_t)dim, dim);
    free(rows);
    free(cut);
    free(sum);
    return s;
}

enum vlp_status vlp_classifier_build(struct vlp_classifier *out, struct vlp_encoder *e,
                                     const struct vlp_labels *labels, const char *const *templates,
                                     int n_templates, int *n_cut, struct vlp_error *err)
{
    struct vlp_classifier c = {.n = labels->n,
                               .dim = e->model.embed_dim,
                               .scale = VLP_ZERO_SHOT_SCALE,
                               .unit_inputs = true};
    struct prompts        p = {0};
    if (n_cut) *n_cut = 0;
    vlp_arena_init(&c.mem);
    memcpy(c.fingerprint, e->fingerprint, sizeof c.fingerprint);
    c.name = VLP_NEW_N(&c.mem, const char *, (size_t)c.n);
    for (int i = 0; i < c.n; i++) c.name[i] = vlp_arena_strdup(&c.mem, labels->label[i].name);
    c.weight = VLP_NEW_N(&c.mem, float, (size_t)c.n *(size_t)c.dim);
    list_prompts(&p, labels, templates, n_templates);
    const enum vlp_status s = encode(&c, e, &p, n_cut, err);
    vlp_arena_free(&p.mem);
    if (s == VLP_OK)
        *out = c;
    else
        vlp_classifier_free(&c);
    return s;
}
