/*
 * tensor.h -- where arithmetic runs, the matrix product, tensors, parameters, and the eager tape.
 *
 * Two promises hold for everything here: results are bit-identical for any number of threads, and a
 * row's result does not depend on the batch it travels in. So every sum has one fixed order (along
 * K), and parallel loops own what they write.
 */
#ifndef VLP_TENSOR_H
#define VLP_TENSOR_H

#include <math.h>

#include <vlp/base.h>

/* ---- where arithmetic runs ----------------------------------------------------------------- */

/* Instruction-set levels, each containing the one before. */
enum vlp_cpu { VLP_CPU_PORTABLE, VLP_CPU_AVX2, VLP_CPU_AVX512, VLP_CPU_AMX, VLP_CPU_COUNT };

enum vlp_precision {
    VLP_PRECISION_F32,
    VLP_PRECISION_BF16,
    VLP_PRECISION_INT8,
    VLP_PRECISION_COUNT
};

struct vlp_kernels; /* one table of function pointers a level: tensor_internal.h */

struct vlp_compute {
    struct vlp_pool          *pool; /* NULL: this thread alone */
    enum vlp_cpu              cpu;
    const struct vlp_kernels *kernels;
    enum vlp_precision        precision; /* of linear layers; everything else is f32 */
    bool passing; /* stored weights are used once: packed piece by piece, nothing kept */
};

enum vlp_cpu vlp_cpu_best(void); /* the highest level this machine can run */
const char  *vlp_cpu_name(enum vlp_cpu c);
const char  *vlp_precision_name(enum vlp_precision p);
/*
 * Choose the level: `name` ("portable", "avx2", "avx512", "amx"), or the best when NULL or "" (the
 * programs pass getenv("VLP_CPU")). VLP_ERR_USAGE for an unknown name or one that this machine
 * cannot run.
 */
enum vlp_status vlp_compute_init(struct vlp_compute *c, struct vlp_pool *pool, const char *name,
                                 enum vlp_precision precision, struct vlp_error *err);

/* ---- the matrix product -------------------------------------------------------------------- */

/* GELU is x Phi(x) with the normal distribution itself, not its tanh approximation (Hendrycks and
 * Gimpel 2016); QUICK_GELU is that paper's other form, x / (1 + exp(-1.702 x)): OpenAI's CLIP. */
enum vlp_activation { VLP_ACT_NONE, VLP_ACT_GELU, VLP_ACT_QUICK_GELU, VLP_ACT_RELU, VLP_ACT_TANH };

/* A weight (N out, K in), row-major in its file, packed into panels for one precision and level. */
struct vlp_packed;

/* Pack rows [0,N) of W; `w` holds `dtype` elements (F32, F16, BF16, Q8_0), rows K apart. Runs on
 * c->pool. With K = 0 every sum is 0. */
struct vlp_packed *vlp_pack(const struct vlp_compute *c, const void *w, enum vlp_dtype dtype, int N,
                            int K, enum vlp_precision precision);
/* The same of the columns of an f32 W (K in, N out), rows ldw apart: for x W. F32 or BF16. */
struct vlp_packed *vlp_pack_columns(const struct vlp_compute *c, const float *w, int ldw, int N,
                                    int K, enum vlp_precision precision);
void               vlp_packed_free(struct vlp_packed *p);
size_t             vlp_packed_size(const struct vlp_packed *p); /* bytes */

/* What happens to y = x W^T on its way to memory, in this order. Zeroed means nothing. */
struct vlp_epilogue {
    const float *bias; /* (N) or NULL */
    float *pre; /* keep the value before the activation here (for backward), ld = ldy; or NULL */
    enum vlp_activation act;
    /* (M, N) with rows ld_residual apart, added last; may be y itself; or NULL */
    const float *residual;
    int          ld_residual;
};

/*
 * y (M, n1-n0) = epilogue(x (M,K) W[n0:n1]^T). n0 is a multiple of VLP_PANEL, n1 too or the end;
 * bias, pre, residual and y start at output n0. Every y element is one chain over k in a fixed
 * order.
 */
#define VLP_PANEL 32
void vlp_gemm_packed(const struct vlp_compute *c, float *y, int ldy, const float *x, int ldx, int M,
                     const struct vlp_packed *w, int n0, int n1, const struct vlp_epilogue *e);

/*
 * y (M, N2) = epilogue2(h W2^T) with h (M, N1) = epilogue1(x W1^T): two layers of whose hidden rows
 * only the second product knows. In bf16 they are never f32 in memory. The same bits as two calls
 * of vlp_gemm_packed with all of W1 and W2. W2 takes N1 inputs; the first epilogue's residual is
 * NULL, its pre has rows of N1; y may be x. `room` is for h, as many bytes as vlp_gemm_pair_room
 * says.
 */
void   vlp_gemm_pair(const struct vlp_compute *c, float *y, int ldy, const float *x, int ldx, int M,
                     const struct vlp_packed *w1, const struct vlp_epilogue *e1,
                     const struct vlp_packed *w2, const struct vlp_epilogue *e2, void *room);
size_t vlp_gemm_pair_room(int M, const struct vlp_packed *w1, const struct vlp_packed *w2);

/*
 * C (M,N) = alpha op(A) op(B) + (accumulate ? C : 0), operands packed on the fly; op is transpose
 * when ta / tb. A is (M,K), or (K,M) under ta; B is (K,N), or (N,K) under tb. `precision` is F32 or
 * BF16: A and B rounded to bf16, products summed in f32. For gradients, attention over long rows,
 * similarity matrices.
 */
void vlp_gemm(const struct vlp_compute *c, enum vlp_precision precision, bool ta, bool tb, int M,
              int N, int K, float alpha, const float *A, int lda, const float *B, int ldb,
              bool accumulate, float *C, int ldc);

/*
 * Softmax attention of flat rows, per sequence and head, no score matrix kept:
 *   y[i] = sum_j softmax_j(scale q_i . k_j + bias[h][i][j]) v_j
 * over all keys j of the sequence, or those that `causal` lets query i see (Vaswani et al. 2017).
 * q rows q_start[s] .. q_start[s+1]-1 attend to k, v rows k_start[s] .. k_start[s+1]-1. q, k, v are
 * rows of ldq / ldk / ldv floats whose head h begins at column h*D.
 */
struct vlp_attention_args {
    float       *y;
    const float *q, *k, *v;
    int          ldy, ldq, ldk, ldv;
    int          heads, head_dim, n_seq;
    const int   *q_start, *k_start; /* n_seq + 1 entries each */
    float        scale;
    bool         causal; /* query i of a sequence sees keys 0 .. i + (keys - queries) */
    const float *bias;   /* (heads, bias_rows, T), rows ld_bias apart, or NULL; row i, column j */
    /* (n_seq) or NULL. The queries of sequence s are those of keys q_place[s] and after: query i
     * sees keys 0 .. q_place[s] + i when causal, and row q_place[s] + i of the bias is its own. */
    const int *q_place;
    int        ld_bias, bias_rows;
    float     *lse; /* (q rows, heads) log-sum-exp for backward, or NULL */
};
void vlp_attention_forward(const struct vlp_compute *c, const struct vlp_attention_args *a);
/*
 * The gradients of q, k, v and bias are added to; each may be NULL. dy has rows as y, dq as q, and
 * so on. With `fill` the columns of q, k and v are written in all rows of the sequences. A thread
 * owns a head of a sequence, or, where the bias wants a gradient, a head of all.
 */
struct vlp_attention_backward_args {
    struct vlp_attention_args of; /* what went forward, y and lse included */
    const float              *dy;
    float                    *dq, *dk, *dv, *dbias;
    bool                      fill; /* dq, dk, dv hold nothing yet */
};
void vlp_attention_backward(const struct vlp_compute                 *c,
                            const struct vlp_attention_backward_args *a);

/*
 * y = (x - mean) rstd w + b of N rows of C, rstd = 1 / sqrt(variance + eps) with the variance over
 * C. mean (N) and rstd (N) are written for backward; w, b, mean and rstd may each be NULL.
 */
void vlp_layernorm_rows(const struct vlp_compute *c, float *y, int ldy, const float *x, int ldx,
                        const float *w, const float *b, float eps, int N, int C, float *mean,
                        float *rstd);
/* y = act(x) of n numbers; y may be x. */
void vlp_activate(const struct vlp_compute *c, enum vlp_activation act, float *y, const float *x,
                  size_t n);
/* dx += dy * act'(x) */
void vlp_activate_backward(const struct vlp_compute *c, enum vlp_activation act, float *dx,
                           const float *dy, const float *x, size_t n);
/* In place: dy becomes dy * act'(x) */
void vlp_activate_chain(const struct vlp_compute *c, enum vlp_activation act, float *dy,
                        const float *x, size_t n);
/*
 * Of one layernorm's rows with their mean and rstd, n = (x - mean) rstd, g = dy w:
 *   dx += (g - mean(g) - n mean(g n)) rstd,  dw += sum_rows dy n,  db += sum_rows dy, rows in order
 * Each of dx, dw, db may be NULL; dx is filled, not added to, when `fill`. On this thread: rows
 * share dw and db.
 */
void vlp_layernorm_backward_rows(const struct vlp_compute *c, float *dx, bool fill, float *dw,
                                 float *db, const float *dy, const float *x, const float *w,
                                 const float *mean, const float *rstd, int N, int C);
/* to[c] += sum over rows of x[r][c], rows in order. */
void vlp_add_columns(const struct vlp_compute *c, float *to, const float *x, int ldx, int N, int C);
float vlp_dot(const struct vlp_compute *c, const float *a, const float *b, int n);

/*
 * Exact search scores: out[r] = q . row r for n rows of dim elements in F32, F16, BF16 or I8 (I8
 * rows: an f32 scale, then dim int8; q is then used in f32), `stride` bytes apart. Fixed order per
 * row.
 */
void vlp_scan_rows(const struct vlp_compute *c, float *out, const float *q, const void *rows,
                   size_t stride, enum vlp_dtype dtype, int dim, int n);

/*
 * How far numbers are from those expected: max |got - want|, and max |want|, which says what that
 * means. NaN when one of them is, however many numbers come after it; so "error <= tolerance" holds
 * of none. Infinity minus infinity is NaN.
 */
struct vlp_difference {
    double error, largest;
};
struct vlp_difference vlp_differ(const float *got, const float *want, size_t n);
/* The larger of two, and NaN when either is: fmax gives the other one, and `>` forgets a NaN. */
static inline double vlp_worse(double a, double b)
{
    return isnan(a) || a >= b ? a : b;
}

/* This machine's measured peaks, for bench, on all threads of c->pool, 64 of them at most: GFLOP/s
 * of c's level (int8: GOP/s), GB/s of reading, and of a = b + s c (STREAM's triad). */
double vlp_peak_flops(const struct vlp_compute *c, enum vlp_precision p);
double vlp_peak_read(const struct vlp_compute *c);
double vlp_peak_triad(const struct vlp_compute *c);

/* ---- tensors ------------------------------------------------------------------------------- */

struct vlp_param;

struct vlp_tensor {
    int               ndim;
    int               dim[VLP_MAX_DIM];
    float            *data;
    float            *grad;  /* NULL: no gradient wanted */
    bool              fresh; /* grad is memory that nothing was written to yet: see vlp_op */
    struct vlp_param *param; /* the parameter it is the value of, or NULL */
};
size_t vlp_numel(const struct vlp_tensor *x);
int    vlp_cols(const struct vlp_tensor *x); /* last dimension */
int    vlp_rows(const struct vlp_tensor *x); /* product of the others */

/* ---- parameters ---------------------------------------------------------------------------- */

enum vlp_init { VLP_INIT_ZERO, VLP_INIT_ONE, VLP_INIT_NORMAL, VLP_INIT_UNIFORM, VLP_INIT_CONST };
struct vlp_start {
    enum vlp_init kind;
    float         value; /* deviation, half width, or constant */
};

/*
 * Declared once, where its layer is built. Value: either trained (`tensor.data` owned by the set)
 * or stored (bytes of a checkpoint, widened or packed when first used). Names are canonical and
 * unique in the set.
 */
struct vlp_param {
    const char       *name;
    struct vlp_tensor tensor; /* data may be NULL until vlp_param_f32 is called */
    struct vlp_start  start;
    bool              decay;  /* gets weight decay */
    bool              buffer; /* a statistic, not trained and not counted */
    int layer; /* depth for layer-wise rates: 0 embeddings, 1.. blocks, last heads; -1 none */
    const char    *tower; /* "image", "text", "fusion", "" : for freezing */
    enum vlp_dtype stored_dtype;
    const void    *stored; /* NULL when trained */
    bool           mapped; /* stored bytes are a file's: forgotten once packed */
    void          *cache;  /* packed forms: tensor room's own */
};

struct vlp_params {
    struct vlp_arena   mem;
    struct vlp_param **item; /* in order of declaration */
    int                n;
    /* where vlp_param puts what it declares next */
    const char *prefix, *tower;
    int         layer;
    void       *index; /* by name */
};

#define VLP_SHAPE(...) ((const int[]){__VA_ARGS__, 0})

void vlp_params_init(struct vlp_params *ps);
void vlp_params_free(struct vlp_params *ps);
/* Declare `prefix` + name. `shape` is zero-terminated: VLP_SHAPE(3*C, C). A scalar has
 * VLP_SHAPE(1). decay is preset to "two dimensions or more". */
struct vlp_param *vlp_param(struct vlp_params *ps, const char *name, const int *shape,
                            struct vlp_start start);
struct vlp_param *vlp_params_find(const struct vlp_params *ps, const char *name);
size_t            vlp_params_count(const struct vlp_params *ps); /* elements, buffers aside */
/* Give every parameter memory of its own and its start value; the numbers depend on (seed, name)
 * only. */
void vlp_params_start(struct vlp_params *ps, uint64_t seed);
/* Bind stored bytes: kept, not copied; the owner outlives the set. Where they lie in a mapped file,
 * set p->mapped too. */
void vlp_param_bind(struct vlp_param *p, enum vlp_dtype dtype, const void *data);
/* Turn every stored value into memory of the set's own, for training. Not while others use the set.
 */
void vlp_params_train(struct vlp_params *ps);
/* The f32 values, widened now if need be (thread-safe, once). */
const float *vlp_param_f32(struct vlp_param *p);

/*
 * Rows [first, first + count) of a stored (N, K) weight packed now for c's precision; the caller
 * frees them. NULL where the stored form cannot be packed as it lies.
 */
struct vlp_packed *vlp_param_pack_rows(const struct vlp_compute *c, const struct vlp_param *p,
                                       int first, int count);

/* How a matrix enters a product with rows of x: as it stands, (N out, K in); transposed, (K in, N
 * out); or a convolution's (N, Cin, k, k) for rows in (ky, kx, Cin) order. */
enum vlp_form { VLP_FORM_PLAIN, VLP_FORM_TRANSPOSED, VLP_FORM_CONV };
/*
 * The same for any tensor and form. Of a stored parameter the cached form; of anything else packed
 * now, and *own is what the caller frees after use (NULL otherwise).
 */
const struct vlp_packed *vlp_tensor_packed(const struct vlp_compute *c, const struct vlp_tensor *w,
                                           enum vlp_form form, enum vlp_precision precision,
                                           struct vlp_packed **own);
/* The values: the data of a plain tensor, vlp_param_f32 of a parameter's. */
const float *vlp_values(const struct vlp_tensor *x);

/* ---- the tape ------------------------------------------------------------------------------ */

#define VLP_MAX_IN 6
struct vlp_node;
struct vlp_tape;
/*
 * backward adds to the gradients of its inputs; that of its output is spent by then. The gradient
 * of what an op made is memory without contents until the first op adds to it: zeros are put there
 * before, unless that op says that it `sets`. It then asks vlp_first_grad of every input and fills
 * the gradient where the answer is yes, and so a gradient is written once and not three times.
 */
struct vlp_op {
    const char *name;
    void (*backward)(struct vlp_tape *t, const struct vlp_node *n);
    bool sets;
};
/* Nothing there yet? Then the caller fills all of x->grad. (False where none is wanted.) */
static inline bool vlp_first_grad(struct vlp_tensor *x)
{
    const bool first = x && x->grad && x->fresh;
    if (first) x->fresh = false;
    return first;
}
/* Zeros, if nothing is there yet. */
void vlp_settle_grad(struct vlp_tensor *x);
struct vlp_node {
    const struct vlp_op *op;
    struct vlp_tensor   *out, *in[VLP_MAX_IN];
    void                *saved;
    struct vlp_node     *prev;
};
/* Several processes share a batch: `sum` makes x[0 .. n) the sum over them, the same in each. */
struct vlp_reduce {
    void (*sum)(void *ctx, double *x, size_t n);
    void *ctx;
};
/*
 * Ops compute at once and leave a note; vlp_backward replays the notes. Everything made under a
 * tape lives in `mem` until the caller rewinds it. With `recording` false no note and no
 * gradient. Whether notes are taken and whether it is training are two questions: features whose
 * gradient is found later are computed twice, the first time without notes, and dropout must leave
 * out the same both times.
 */
struct vlp_tape {
    struct vlp_compute compute;
    struct vlp_arena  *mem;
    bool               recording;
    bool               training; /* dropout and drop path are at work, noted or not */
    bool               paused;   /* compute as while recording, but leave no notes */
    bool               wanted;   /* while paused: something would have been noted */
    bool             recompute;  /* blocks keep their input alone and are computed again backward */
    struct vlp_node *last;
    struct vlp_rng   rng;           /* dropout, drop path */
    double           patch_dropout; /* share of a picture's patches left out while training */
    /* Batch norms that are trained: statistics of the batch itself, and, if they are to be kept,
     * the stored ones moved towards them. */
    bool                     batch_statistics, keep_statistics;
    const struct vlp_reduce *reduce; /* NULL: the batch is this process's alone */
};
/* `training` is what `recording` is, until the caller says otherwise. */
void vlp_tape_init(struct vlp_tape *t, const struct vlp_compute *c, struct vlp_arena *mem,
                   bool recording);
/* A new tensor, data undefined. `want_grad` gives it a zeroed gradient. */
struct vlp_tensor *vlp_tensor_new(struct vlp_tape *t, int ndim, const int *dim, bool want_grad);
struct vlp_tensor *vlp_tensor_of(struct vlp_tape *t, float *data, int ndim,
                                 const int *dim); /* wrap, no gradient */
#define VLP_DIMS(...)                                                                              \
    (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), (const int[])                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
/* Where no note needs it, because nothing is recorded or x has no gradient: give back all that was
 * made since `mark` but x, which moves there. */
struct vlp_tensor *vlp_keep(struct vlp_tape *t, struct vlp_arena_mark mark, struct vlp_tensor *x);
/*
 * For ops: note op and its n_in inputs (NULL allowed) for `out`, with saved_size bytes of memory
 * for backward. Gives `out` a fresh gradient if any input has one. Returns the saved memory, or,
 * where nothing is recorded, scratch memory of that size all the same.
 */
void *vlp_record(struct vlp_tape *t, const struct vlp_op *op, struct vlp_tensor *out,
                 size_t saved_size, int n_in, struct vlp_tensor *const *in);
#define VLP_INPUTS(...)                                                                            \
    (int)(sizeof((struct vlp_tensor *const[]){__VA_ARGS__}) / sizeof(struct vlp_tensor *)),        \
        (struct vlp_tensor *const[])                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
/* Would vlp_record note this? */
bool vlp_wants_grad(const struct vlp_tape *t, int n_in, struct vlp_tensor *const *in);
/*
 * root->grad must be filled (a scalar loss: 1.0), and so may that of other outputs, their `fresh`
 * made false. Walks back to the start of the tape and forgets the notes; what led nowhere is passed
 * over.
 */
void vlp_backward(struct vlp_tape *t, struct vlp_tensor *root);

#endif
