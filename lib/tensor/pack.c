/*
 * pack.c -- weights rearranged once into the panels that the matrix kernels read.
 *
 * A panel is nr rows of W, unit by unit: [unit][nr] of four bytes, zeros where W ends. For f32
 * products 16-bit and Q8_0 weights keep their size and are expanded panel by panel when used, so a
 * packed weight is never larger than its source. For int8 products every row gets one scale.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_internal.h"

void vlp_k_blocks(int units, int *kc, int *n_blocks)
{
    const int n = vlp_ceil_div(units, VLP_KC);
    *kc = vlp_ceil_div(vlp_ceil_div(units, n), 32) * 32; /* whole Q8_0 blocks, whole tiles */
    *n_blocks = vlp_ceil_div(units, *kc);
}

struct pack_job {
    const struct vlp_kernels *k;
    struct vlp_packed        *p;
    const uint8_t            *w;
    enum vlp_dtype            dtype;
    size_t                    row_size;
};

static bool aligned(const void *p)
{
    return (uintptr_t)p % sizeof(float) == 0;
}

/* Row n of W as f32: where it is, or in `room`. Files do not align their rows. */
static const float *row_f32(const struct pack_job *j, int n, float *room)
{
    const uint8_t *row = j->w + (size_t)n * j->row_size;
    /* Q8_0 rows are whole blocks */
    const int K =
        j->dtype == VLP_Q8_0 ? vlp_ceil_div(j->p->K, VLP_Q8_0_BLOCK) * VLP_Q8_0_BLOCK : j->p->K;
    if (j->dtype == VLP_F32 && aligned(row)) return (const float *)(const void *)row;
    if (j->dtype == VLP_F32)
        memcpy(room, row, (size_t)K * sizeof *room);
    else
        j->k->widen(room, row, j->dtype, K);
    return room;
}

/* Row n as the units of the stored form. */
static void row_units(const struct pack_job *j, int n, uint32_t *out, float *room)
{
    struct vlp_packed *p = j->p;
    const uint8_t     *row = j->w + (size_t)n * j->row_size;
    const int          nr = p->kind->nr, panel = n / nr;
    if (p->kind->w_limit) {
        const float *w = row_f32(j, n, room);
        p->w_scale[n] = j->k->row_int8((int8_t *)out, w, p->K, p->kind->w_limit, &p->w_sum[n]);
    } else if (p->store == VLP_Q8_0) {
        const int blocks = p->K / VLP_Q8_0_BLOCK;
        float    *scale = p->block_scale + (size_t)panel * blocks * nr + n % nr;
        for (int i = 0; i < blocks; i++, row += VLP_Q8_0_BYTES) {
            scale[(size_t)i * nr] = vlp_f16_to_f32(vlp_load_u16(row));
            memcpy((uint8_t *)out + i * VLP_Q8_0_BLOCK, row + 2, VLP_Q8_0_BLOCK);
        }
    } else if (p->store == VLP_F32 || p->store == j->dtype) {
        const void *w = p->store == j->dtype ? (const void *)row : row_f32(j, n, room);
        memcpy(out, w, vlp_dtype_size(p->store, (size_t)p->K));
    } else { /* 16 bits from something else */
        vlp_from_f32(out, p->store, row_f32(j, n, room), (size_t)p->K);
    }
}

static void pack_panel(void *ctx, int i, int worker)
{
    const struct pack_job *j = ctx;
    struct vlp_packed     *p = j->p;
    const int              nr = p->kind->nr, n0 = i * nr;
    const int              rows = p->N - n0 < nr ? p->N - n0 : nr;
    const size_t           units = p->panel / ((size_t)nr * 4);
    uint32_t              *out = (uint32_t *)(void *)((char *)p->data + (size_t)i * p->panel);
    (void)worker;
    const size_t stride = units + 4;
    uint32_t    *row = vlp_scratch(VLP_SCRATCH_PANEL, stride * nr * 4 + ((size_t)p->K + 64) * 4);
    memset(row, 0, stride * nr * 4);
    for (int r = 0; r < rows; r++)
        row_units(j, n0 + r, row + r * stride, (float *)(row + stride * nr));
    vlp_transpose_units(out, (size_t)nr, row, stride, nr, (int)units);
}

/* A half with exponent 31 is infinite or no number: the quick way of expanding would lose that. */
struct finite_job {
    const uint8_t *h;
    size_t         n;
    atomic_bool    infinite;
};

enum { FINITE_RUN = 1 << 17 };

static void look_for_infinite(void *ctx, int i, int worker)
{
    struct finite_job *j = ctx;
    const size_t       at = (size_t)i * FINITE_RUN, left = j->n - at;
    const size_t       n = left < FINITE_RUN ? left : FINITE_RUN;
    unsigned           bad = 0;
    (void)worker;
    for (size_t k = 0; k < n; k++) {
        uint16_t h;
        memcpy(&h, j->h + (at + k) * sizeof h, sizeof h);
        bad |= (h & 0x7c00) == 0x7c00;
    }
    if (bad) atomic_store_explicit(&j->infinite, true, memory_order_relaxed);
}

static bool all_finite_f16(const struct vlp_compute *c, const void *h, size_t n)
{
    struct finite_job j = {.h = h, .n = n};
    vlp_parallel(c->pool, (int)((n + FINITE_RUN - 1) / FINITE_RUN), look_for_infinite, &j);
    return !j.infinite;
}

/* How units are to lie in memory for a source of `dtype`. */
static enum vlp_dtype stored_form(const struct vlp_compute *c, const struct vlp_gemm_kind *kind,
                                  const void *w, enum vlp_dtype dtype, int N, int K)
{
    if (kind->w_limit) return VLP_I8;
    if (kind->unit == 2 || kind->round_bf16) return VLP_BF16;
    if (dtype == VLP_BF16) return VLP_BF16;
    if (dtype == VLP_F16 && all_finite_f16(c, w, (size_t)N * K)) return VLP_F16;
    if (dtype == VLP_Q8_0 && K > 0 && K % VLP_Q8_0_BLOCK == 0) return VLP_Q8_0;
    return VLP_F32;
}

/* Units are those of products on the fly: their packing is the faster one. */
static bool lies_as_multiplied(const struct vlp_packed *p)
{
    return p->kind->load_columns && (p->kind->unit > 1 || p->store == VLP_F32);
}

struct vlp_packed *vlp_pack(const struct vlp_compute *c, const void *w, enum vlp_dtype dtype, int N,
                            int K, enum vlp_precision precision)
{
    struct vlp_packed          *p = vlp_calloc(1, sizeof *p);
    const struct vlp_gemm_kind *kind = c->kernels->gemm[precision];
    /* sums of 255 * 127 stay within 31 bits up to here */
    if (kind->w_limit && K > 65536) kind = c->kernels->gemm[VLP_PRECISION_F32];
    p->kind = kind;
    p->N = N;
    p->K = K;
    p->units = vlp_units_of(kind, K);
    vlp_k_blocks(p->units, &p->kc, &p->n_blocks);
    p->store = stored_form(c, kind, w, dtype, N, K);

    const int panels = vlp_ceil_div(N, kind->nr), nr = kind->nr;
    size_t    units = (size_t)p->units;
    if (kind->unit == 1 && (p->store == VLP_F16 || p->store == VLP_BF16)) units = (units + 1) / 2;
    if (p->store == VLP_Q8_0) units /= 4;
    p->panel = units * nr * 4;
    p->size = p->panel * panels;
    p->data = vlp_aligned(p->size);
    if (p->store == VLP_Q8_0) {
        const size_t n = (size_t)panels * (K / VLP_Q8_0_BLOCK) * nr;
        p->block_scale = vlp_calloc(n, sizeof(float));
        p->size += n * sizeof(float);
    }
    if (kind->w_limit) {
        p->w_scale = vlp_calloc((size_t)panels * nr, sizeof(float));
        p->w_sum = vlp_calloc((size_t)panels * nr, sizeof(int32_t));
        p->size += (size_t)panels * nr * 8;
    }
    if (dtype == VLP_F32 && aligned(w) && lies_as_multiplied(p)) {
        const struct vlp_operand o = {kind, p->data, w, true, K, K, N, p->units};
        vlp_operand_pack(c, &o);
        return p;
    }
    struct pack_job j = {c->kernels, p, w, dtype, vlp_dtype_size(dtype, (size_t)K)};
    vlp_parallel(c->pool, panels, pack_panel, &j);
    return p;
}

struct vlp_packed *vlp_pack_columns(const struct vlp_compute *c, const float *w, int ldw, int N,
                                    int K, enum vlp_precision precision)
{
    struct vlp_packed *p = vlp_calloc(1, sizeof *p);
    p->kind = c->kernels->gemm[precision];
    p->N = N;
    p->K = K;
    p->units = vlp_units_of(p->kind, K);
    vlp_k_blocks(p->units, &p->kc, &p->n_blocks);
    p->store = VLP_F32; /* rounded, where products of bfloats run in f32 */
    p->panel = (size_t)p->units * p->kind->nr * 4;
    p->size = p->panel * (size_t)vlp_ceil_div(N, p->kind->nr);
    p->data = vlp_aligned(p->size);
    const struct vlp_operand o = {p->kind, p->data, w, false, ldw, K, N, p->units};
    vlp_operand_pack(c, &o);
    return p;
}

void vlp_packed_free(struct vlp_packed *p)
{
    if (!p) return;
    free(p->data);
    free(p->block_scale);
    free(p->w_scale);
    free(p->w_sum);
    free(p);
}

size_t vlp_packed_size(const struct vlp_packed *p)
{
    return p->size;
}
