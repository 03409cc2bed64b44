/*
 * rows.c -- one vector as it is stored, and back.
 *
 *   i8:  scale = max|x| / 127 (f32), then round(x / scale) as i8, padded to a multiple of 4 bytes;
 *        NaN or infinity in the row makes the scale NaN, and so all of the row
 */
#include <math.h>
#include <string.h>

#include "embedding_internal.h"

bool dtype_can_be_stored(enum vlp_dtype t)
{
    return t == VLP_F32 || t == VLP_F16 || t == VLP_BF16 || t == VLP_I8;
}

size_t row_size(enum vlp_dtype t, int dim)
{
    if (t == VLP_I8) return 4 + ((size_t)dim + 3) / 4 * 4;
    return vlp_dtype_size(t, (size_t)dim);
}

size_t vlp_embedding_row_size(const struct vlp_embedding_header *h)
{
    return row_size(h->dtype, h->dim);
}

static void quantise(void *row, const float *x, int dim)
{
    float largest = 0.0f;
    bool  finite = true;
    for (int c = 0; c < dim; c++) {
        const float a = fabsf(x[c]);
        finite &= isfinite(a) != 0;
        if (a > largest) largest = a;
    }
    const float scale = finite ? largest / 127.0f : NAN;
    int8_t     *q = (int8_t *)row + sizeof scale;
    memset(row, 0, row_size(VLP_I8, dim));
    memcpy(row, &scale, sizeof scale);
    for (int c = 0; c < dim; c++) {
        const float v = scale > 0.0f ? rintf(x[c] / scale) : 0.0f;
        q[c] = (int8_t)(v > 127.0f ? 127.0f : v < -127.0f ? -127.0f : v);
    }
}

void row_from_f32(void *row, enum vlp_dtype t, const float *x, int dim)
{
    if (t == VLP_I8)
        quantise(row, x, dim);
    else
        vlp_from_f32(row, t, x, (size_t)dim);
}

void vlp_embedding_row_f32(const struct vlp_embedding_header *h,
                           const struct vlp_embedding_block *b, int i, float *out)
{
    const uint8_t *row = (const uint8_t *)b->raw + (size_t)i * b->row_size;
    if (h->dtype != VLP_I8) {
        vlp_to_f32(out, row, h->dtype, (size_t)h->dim);
        return;
    }
    float scale;
    memcpy(&scale, row, sizeof scale);
    const int8_t *q = (const int8_t *)(row + sizeof scale);
    for (int c = 0; c < h->dim; c++) out[c] = scale * (float)q[c];
}

static const char *model_name(const struct vlp_embedding_header *h)
{
    return h->fingerprint[0] ? h->fingerprint : "unknown";
}

enum vlp_status vlp_embedding_compatible(const struct vlp_embedding_header *a, const char *a_name,
                                         const struct vlp_embedding_header *b, const char *b_name,
                                         bool ignore_model, struct vlp_error *err)
{
    if (a->dim != b->dim)
        return vlp_fail(err, VLP_ERR_MISMATCH, "%s has vectors of %d values, %s of %d", a_name,
                        a->dim, b_name, b->dim);
    /* Imported vectors do not know their model: nothing speaks against them. */
    const bool known = a->fingerprint[0] && b->fingerprint[0];
    if (!ignore_model && known && strcmp(a->fingerprint, b->fingerprint) != 0)
        return vlp_fail(err, VLP_ERR_MISMATCH, "%s was made by model %s, %s by model %s", a_name,
                        model_name(a), b_name, model_name(b));
    return VLP_OK;
}
