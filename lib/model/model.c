/*
 * model.c -- from a checkpoint's document and tensors to a model: the family builds, values are
 * bound by name.
 */
#include <vlp/model.h>

#include <stdlib.h>
#include <string.h>

extern const struct vlp_family vlp_family_clip;

const struct vlp_family *const vlp_families[] = {&vlp_family_clip, NULL};

static const char *family_name(const json_t *about)
{
    const char *name = json_string_value(json_object_get(about, "family"));
    return name ? name : "";
}

static const struct vlp_family *find_family(const char *name)
{
    for (const struct vlp_family *const *f = vlp_families; *f; f++)
        if (strcmp((*f)->name, name) == 0) return *f;
    return NULL;
}

/* Declare the parameters that `m->about` asks for. */
static enum vlp_status build(struct vlp_model *m, struct vlp_error *err)
{
    const char *name = family_name(m->about);
    m->family = find_family(name);
    if (!m->family)
        return vlp_fail(err, VLP_ERR_SUPPORT, "the model is of the family '%s', which is not known",
                        name);
    const json_t *config = json_object_get(m->about, "config");
    if (!json_is_object(config))
        return vlp_fail(err, VLP_ERR_FORMAT, "the model's document has no 'config' object");
    return m->family->build(m, config, err);
}

static bool same_shape(const struct vlp_tensor *x, const struct vlp_stored *s)
{
    if (vlp_numel(x) == 1 && s->ndim == 0) return true;
    if (x->ndim != s->ndim) return false;
    for (int i = 0; i < x->ndim; i++)
        if (x->dim[i] != s->dim[i]) return false;
    return true;
}

/* A list of faults for one sentence: the first few by name, the rest counted. */
enum { FAULTS_NAMED = 6 };
struct faults {
    struct vlp_buf text;
    int            n;
};

static void add_shape(struct vlp_buf *b, int ndim, const int64_t *dim)
{
    vlp_buf_add_char(b, '[');
    for (int i = 0; i < ndim; i++) vlp_buf_printf(b, "%s%lld", i ? "," : "", (long long)dim[i]);
    vlp_buf_add_char(b, ']');
}

static void add_fault(struct faults *f, const struct vlp_param *p, const struct vlp_stored *s)
{
    if (f->n++ >= FAULTS_NAMED) return;
    if (f->n > 1) vlp_buf_add_str(&f->text, "; ");
    if (!s) {
        vlp_buf_printf(&f->text, "%s is missing", p->name);
        return;
    }
    int64_t want[VLP_MAX_DIM];
    for (int i = 0; i < p->tensor.ndim; i++) want[i] = p->tensor.dim[i];
    vlp_buf_printf(&f->text, "%s is ", p->name);
    add_shape(&f->text, s->ndim, s->dim);
    vlp_buf_add_str(&f->text, ", not ");
    add_shape(&f->text, p->tensor.ndim, want);
}

static enum vlp_status bind_all(struct vlp_model *m, struct vlp_error *err)
{
    struct faults f = {0};
    for (int i = 0; i < m->params.n; i++) {
        struct vlp_param        *p = m->params.item[i];
        const struct vlp_stored *s = vlp_checkpoint_find(&m->checkpoint, p->name);
        if (s && same_shape(&p->tensor, s)) {
            vlp_param_bind(p, s->dtype, s->data);
            p->mapped = s->mapped;
        } else if (!s || !m->family->fit || !m->family->fit(m, p, s)) {
            add_fault(&f, p, s);
        }
    }
    enum vlp_status st = VLP_OK;
    if (f.n > 0) {
        if (f.n > FAULTS_NAMED) vlp_buf_printf(&f.text, "; and %d more", f.n - FAULTS_NAMED);
        st = vlp_fail(err, VLP_ERR_MISMATCH, "the tensors do not fit the configuration: %s",
                      f.text.data);
    }
    vlp_buf_free(&f.text);
    return st;
}

static void start(struct vlp_model *m)
{
    *m = (struct vlp_model){0};
    vlp_params_init(&m->params);
    vlp_arena_init(&m->mem);
}

enum vlp_status vlp_model_open(struct vlp_model *m, struct vlp_checkpoint *c, struct vlp_error *err)
{
    start(m);
    m->checkpoint = *c;
    *c = (struct vlp_checkpoint){0};
    m->about = json_incref(m->checkpoint.about);
    enum vlp_status s = build(m, err);
    if (s == VLP_OK) s = bind_all(m, err);
    if (s != VLP_OK) vlp_model_close(m);
    return s;
}

enum vlp_status vlp_model_new(struct vlp_model *m, const json_t *about, uint64_t seed,
                              struct vlp_error *err)
{
    start(m);
    m->about = json_deep_copy(about);
    const enum vlp_status s = build(m, err);
    if (s == VLP_OK)
        vlp_params_start(&m->params, seed);
    else
        vlp_model_close(m);
    return s;
}

bool vlp_model_logit_bias(const struct vlp_model *m, float *bias)
{
    const struct vlp_stored *s = vlp_checkpoint_find(&m->checkpoint, "logit_bias");
    if (!s || s->size != vlp_dtype_size(s->dtype, 1)) return false;
    vlp_to_f32(bias, s->data, s->dtype, 1);
    return true;
}

void vlp_model_close(struct vlp_model *m)
{
    if (m->family && m->net && m->family->free) m->family->free(m);
    vlp_params_free(&m->params);
    vlp_arena_free(&m->mem);
    if (m->about) json_decref(m->about);
    vlp_checkpoint_close(&m->checkpoint);
    *m = (struct vlp_model){0};
}

struct vlp_tensor *vlp_encode_image(struct vlp_model *m, struct vlp_tape *t,
                                    struct vlp_tensor *images)
{
    return vlp_encode_image_watched(m, t, images, NULL, NULL);
}

struct vlp_tensor *vlp_encode_text(struct vlp_model *m, struct vlp_tape *t,
                                   const struct vlp_text_batch *b)
{
    return vlp_encode_text_watched(m, t, b, NULL, NULL);
}

struct vlp_tensor *vlp_encode_image_watched(struct vlp_model *m, struct vlp_tape *t,
                                            struct vlp_tensor *images, vlp_watch *watch, void *ctx)
{
    return m->family->encode_image(m, t, images, &(struct vlp_watcher){watch, ctx});
}

struct vlp_tensor *vlp_encode_text_watched(struct vlp_model *m, struct vlp_tape *t,
                                           const struct vlp_text_batch *b, vlp_watch *watch,
                                           void *ctx)
{
    return m->family->encode_text(m, t, b, &(struct vlp_watcher){watch, ctx});
}
