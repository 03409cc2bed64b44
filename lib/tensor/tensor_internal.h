/*
 * tensor_internal.h -- what the tensor room's files share: one table of kernels a level, packed
 * weights, scratch memory of a thread.
 *
 * All matrix kernels see the same geometry, whatever the numbers are. K is counted in units of four
 * bytes: one float, two bfloats, or four bytes. A block of x is rows of VLP_A_STRIDE units; a
 * weight is panels of nr columns, unit after unit, each unit a row of nr times four bytes. A tile
 * is mr rows by nr columns of sums. K is cut in blocks of at most VLP_KC units; the sums between
 * two blocks wait in memory, so every sum stays one chain over k.
 */
#ifndef VLP_TENSOR_INTERNAL_H
#define VLP_TENSOR_INTERNAL_H

#include <vlp/tensor.h>

#define ALWAYS_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 32")
#endif

/* f(1) .. f(n): every height that a tile of n rows can have, as cases of a switch. */
#define TILE_CASES_4(f)  f(1) f(2) f(3) f(4)
#define TILE_CASES_6(f)  TILE_CASES_4(f) f(5) f(6)
#define TILE_CASES_14(f) TILE_CASES_6(f) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14)

/* f(act) for every activation, as cases of a switch: their kernels are compiled for each apart. */
#define ACTIVATION_CASES(f)                                                                        \
    f(VLP_ACT_NONE) f(VLP_ACT_GELU) f(VLP_ACT_QUICK_GELU) f(VLP_ACT_RELU) f(VLP_ACT_TANH)

enum {
    VLP_KC = 768, /* units in a block of K; a multiple of 32 */
    /* units from row to row: odd in cache lines, so rows do not collide */
    VLP_A_STRIDE = VLP_KC + 16,
    VLP_FEW_ROWS = 4, /* a tile of so few waits for its panel, not for its products */
    VLP_MAX_MR = 32,
    VLP_MAX_NR = 32
};

/* How a row of x was brought to bytes: x = scale (u - zero). */
struct vlp_quant {
    float   scale;
    int32_t zero;
};

/* A tile's way to memory. */
struct vlp_tile_out {
    float                  *y;
    uint32_t               *units; /* rows of the next product, written instead of y; else NULL */
    int                     ldy, rows, cols;
    const float            *bias, *residual; /* at the tile's corner, like y and pre */
    float                  *pre;
    int                     ld_residual;
    enum vlp_activation     act;
    float                   alpha;
    const struct vlp_quant *quant; /* per row; NULL in floats */
    const float            *w_scale;
    const int32_t          *w_sum; /* per column: its scale, its sum over k */
};

/* One way to multiply: a register tile and how numbers get there. */
struct vlp_gemm_kind {
    const char *name;
    int         mr, nr;
    int         unit;       /* elements of k in a unit: 1, 2 or 4 */
    int         row_step;   /* tiles begin at multiples of this */
    int         k_align;    /* units of a block are a multiple of this */
    int         w_limit;    /* largest |weight| when quantised, else 0 */
    bool        round_bf16; /* x is rounded to bf16 though the products run in f32 */
    /* c (rows x nr, contiguous) = or += a b over `units` units. `next` is what to prefetch: a line
     * a unit, or with no more than VLP_FEW_ROWS rows as many as a unit has. With a row_step, rows
     * up to its next multiple may be read and written: there is room.
     */
    void (*tile)(int rows, int units, const void *a, const void *b, void *c, bool add,
                 const void *next);
    /* `n` elements of one row to units; quant is filled first by quant_row */
    void (*load_row)(void *a, const float *x, int n, const struct vlp_quant *q);
    /* n columns of k rows of x to units that run down the rows: unit u of column j to
     * out[u * stride + j]. NULL in bytes. */
    void (*load_columns)(uint32_t *out, size_t stride, const float *x, size_t ldx, int k, int n);
    struct vlp_quant (*quant_row)(const float *x, int n);
    void (*finish)(const void *c, int nr, const struct vlp_tile_out *out);
    /* The same to out->units, alpha 1 and no residual; a panel fills whole units. Or NULL. */
    void (*finish_units)(const void *c, const struct vlp_tile_out *out);
    /* `units` f32 units of a panel from its stored form */
    void (*expand)(float *b, const void *stored, enum vlp_dtype dtype, const float *scale, int nr,
                   int units);
    void (*enter)(void); /* once per task, before and after; or NULL */
    void (*leave)(void);
    double (*flops)(long rounds); /* as many operations as there can be; returns their number */
};

struct vlp_kernels {
    const struct vlp_gemm_kind *gemm[VLP_PRECISION_COUNT];
    void (*layernorm)(float *y, const float *x, const float *w, const float *b, float eps, int C,
                      float *mean, float *rstd);
    void (*activate)(enum vlp_activation act, float *y, const float *x, size_t n);
    void (*activate_backward)(enum vlp_activation act, float *dx, const float *dy, const float *x,
                              size_t n);
    void (*activate_chain)(enum vlp_activation act, float *dy, const float *x, size_t n);
    void (*layernorm_backward)(float *dx, bool fill, float *dw, float *db, const float *dy,
                               const float *x, const float *w, float mean, float rstd, int C);
    void (*add_columns)(float *to, const float *x, size_t ldx, int N, int C);
    float (*dot)(const float *a, const float *b, int n);
    void (*widen)(float *out, const void *in, enum vlp_dtype dtype, int n);
    /* weights as bytes of at most `limit`: their sum, and the scale */
    float (*row_int8)(int8_t *out, const float *w, int n, int limit, int32_t *sum);
    void (*scan)(float *out, const float *q, const void *rows, size_t stride, enum vlp_dtype dtype,
                 int dim, int n);
    int attention_lanes; /* queries of a tile */
    void (*attention)(const struct vlp_attention_args *a, int seq, int head, int q0, int q1);
    void (*attention_backward)(const struct vlp_attention_backward_args *a, int seq, int head);
    double (*read)(const float *p, size_t n);
    void (*triad)(float *a, const float *b, const float *c, float s, size_t n);
};

extern const struct vlp_kernels vlp_kernels_portable;
#if defined(__x86_64__)
extern const struct vlp_kernels   vlp_kernels_avx2, vlp_kernels_avx512;
extern const struct vlp_gemm_kind vlp_gemm_int8_avx2, vlp_gemm_int8_vnni, vlp_gemm_bf16_avx512;
extern const struct vlp_gemm_kind vlp_gemm_int8_amx, vlp_gemm_bf16_amx;
#endif

struct vlp_packed {
    const struct vlp_gemm_kind *kind;
    int                         N, K, units;  /* units of one column, padded to k_align */
    int                         kc, n_blocks; /* units of a block (the last may have fewer) */
    /* how units lie in `data`: F32 when as the tile wants them, else expanded */
    enum vlp_dtype store;
    size_t         panel; /* bytes of a panel */
    size_t         size;  /* bytes of all */
    void          *data;
    float         *block_scale; /* Q8_0: [panel][K / VLP_Q8_0_BLOCK][nr] */
    float         *w_scale;     /* int8: per column */
    int32_t       *w_sum;
};

/* Cut `units` in equal blocks of at most VLP_KC. */
void vlp_k_blocks(int units, int *kc, int *n_blocks);

/* Rows as tiles read them: units of block kb of row r from at + kb * k_step + r * VLP_A_STRIDE on.
 */
struct vlp_unit_rows {
    uint32_t *at;
    size_t    k_step;
    int       kc; /* units of a block */
};

/* A product on its way: the operands are a packed weight and rows of x, or columns when `ta`. */
struct vlp_product {
    const struct vlp_compute   *c;
    const struct vlp_packed    *w;
    const float                *x;
    const struct vlp_unit_rows *from; /* instead of x; or NULL */
    int                         ldx, M, n0, n1;
    bool                        ta;
    float                      *y;
    const struct vlp_unit_rows *to; /* instead of y, all columns of w; or NULL */
    int                         ldy;
    float                       alpha;
    struct vlp_epilogue         e;
};
void vlp_product_run(const struct vlp_product *p);

/* op(B) = B (K, N), or B (N, K) turned over under tb, as the panels of `kind`: units from `out` on.
 */
struct vlp_operand {
    const struct vlp_gemm_kind *kind;
    uint32_t                   *out;
    const float                *b;
    bool                        tb;
    int                         ldb, K, N;
    int                         units; /* of a column, padded as the kind wants */
};
int  vlp_units_of(const struct vlp_gemm_kind *kind, int K); /* of a column, padded */
void vlp_operand_pack(const struct vlp_compute *c, const struct vlp_operand *o);

/*
 * Memory that a thread keeps for its kernels, one piece for each use; contents undefined, valid
 * until the same thread asks for the same use again. Freed when the thread ends.
 */
enum vlp_scratch_use {
    VLP_SCRATCH_A,       /* packed rows of one task */
    VLP_SCRATCH_SHARED,  /* packed rows of all tasks */
    VLP_SCRATCH_PARTIAL, /* sums between blocks of K */
    VLP_SCRATCH_PANEL,   /* an expanded panel */
    VLP_SCRATCH_B,       /* the second operand packed on the fly */
    VLP_SCRATCH_ATTENTION,
    VLP_SCRATCH_COUNT
};
void *vlp_scratch(enum vlp_scratch_use use, size_t size);
/* 64-byte aligned, advised as huge pages where it is large; freed by free. */
void *vlp_aligned(size_t size);

/* dst[j * dst_stride + i] = src[i * src_stride + j], units of four bytes, i < rows, j < cols */
void vlp_transpose_units(uint32_t *dst, size_t dst_stride, const uint32_t *src, size_t src_stride,
                         int rows, int cols);

static inline int vlp_ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

#endif
