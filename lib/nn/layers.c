/*
 * layers.c -- norms and linear layers: declared by name, run by their struct.
 */
#include <vlp/nn.h>

#include <stdio.h>

static struct vlp_param *declare(struct vlp_params *ps, const char *name, const char *part,
                                 const int *shape, struct vlp_start start)
{
    char full[160];
    snprintf(full, sizeof full, "%s.%s", name, part);
    return vlp_param(ps, full, shape, start);
}

struct vlp_norm vlp_norm_declare(struct vlp_params *ps, const char *name, int width, float eps)
{
    return (struct vlp_norm){
        .w = declare(ps, name, "weight", VLP_SHAPE(width), (struct vlp_start){VLP_INIT_ONE, 0}),
        .b = declare(ps, name, "bias", VLP_SHAPE(width), (struct vlp_start){VLP_INIT_ZERO, 0}),
        .eps = eps,
    };
}

struct vlp_dense vlp_dense_declare(struct vlp_params *ps, const char *name, int out, int in,
                                   struct vlp_start w, const struct vlp_start *b)
{
    return (struct vlp_dense){
        .w = declare(ps, name, "weight", VLP_SHAPE(out, in), w),
        .b = b ? declare(ps, name, "bias", VLP_SHAPE(out), *b) : NULL,
    };
}

struct vlp_tensor *vlp_norm_forward(struct vlp_tape *t, const struct vlp_norm *n,
                                    struct vlp_tensor *x)
{
    return n->w ? vlp_layernorm(t, x, &n->w->tensor, &n->b->tensor, n->eps) : x;
}

struct vlp_tensor *vlp_dense_forward(struct vlp_tape *t, const struct vlp_dense *d,
                                     struct vlp_tensor *x, enum vlp_activation act)
{
    return vlp_linear(t, x, &d->w->tensor, d->b ? &d->b->tensor : NULL,
                      &(struct vlp_linear_options){.act = act});
}
