/*
 * tensor.c -- the shape of a tensor, and where its values are.
 */
#include <vlp/tensor.h>

#include <assert.h>

size_t vlp_numel(const struct vlp_tensor *x)
{
    size_t n = 1;
    for (int i = 0; i < x->ndim; i++) n *= (size_t)x->dim[i];
    return n;
}

int vlp_cols(const struct vlp_tensor *x)
{
    return x->ndim == 0 ? 1 : x->dim[x->ndim - 1];
}

int vlp_rows(const struct vlp_tensor *x)
{
    int n = 1;
    for (int i = 0; i + 1 < x->ndim; i++) n *= x->dim[i];
    return n;
}

const float *vlp_values(const struct vlp_tensor *x)
{
    const float *v = x->param ? vlp_param_f32(x->param) : x->data;
    assert(v);
    return v;
}
