/*
 * check_nn.c -- the block against a plain double-precision one, and position embeddings resampled.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vlp/nn.h>

/* ---- resampling ---------------------------------------------------------------------------- */

static const float grid3[] = {0, 1, 4, 9, 16, 25, 36, 49, 64};

static const struct {
    enum vlp_resample kind;
    int               side;
    float             want[16];
} golden[] = {
    {VLP_RESAMPLE_ANTIALIAS,
     4,
     {-0.506015f, -0.228327f, 1.267337f, 3.043328f, 3.519798f, 6.021556f, 10.756741f, 14.756803f,
      19.204424f, 24.945702f, 34.399479f, 41.639061f, 36.714970f, 44.680321f, 57.373615f,
      66.837273f}},
    {VLP_RESAMPLE_ANTIALIAS, 2, {2.871166f, 8.197848f, 30.284525f, 47.044525f}},
    {VLP_RESAMPLE_BICUBIC,
     4,
     {-0.686862f, -0.564097f, 0.911753f, 2.677096f, 2.490591f, 4.784619f, 9.654833f, 13.591441f,
      19.013315f, 24.701708f, 34.878368f, 42.209339f, 36.973969f, 44.833630f, 58.404655f,
      67.906891f}},
};

START_TEST(grids_are_resampled_by_the_published_rules)
{
    float x[10] = {77.0f}, out[17]; /* a row to keep, then the grid */
    memcpy(x + 1, grid3, sizeof grid3);
    const int n = golden[_i].side;
    vlp_resample_grid(out, n, n, x, 3, 3, 1, 1, golden[_i].kind);
    ck_assert_float_eq(out[0], 77.0f);
    for (int i = 0; i < n * n; i++) ck_assert_float_eq_tol(out[1 + i], golden[_i].want[i], 2e-5f);
}
END_TEST

START_TEST(the_same_size_is_the_identity)
{
    for (int kind = VLP_RESAMPLE_ANTIALIAS; kind <= VLP_RESAMPLE_LINEAR; kind++) {
        float out[9];
        vlp_resample_grid(out, 3, 3, grid3, 3, 3, 0, 1, (enum vlp_resample)kind);
        ck_assert_mem_eq(out, grid3, sizeof grid3);
    }
}
END_TEST

START_TEST(lines_are_resampled_linearly_with_clamped_ends)
{
    /* s = (o + 1/2) 2/4 - 1/2 = -1/4 (clamped to 0), 1/4, 3/4, 5/4 (upper tap clamped) */
    const float x[] = {10, 20, 30, 40}, want[] = {10, 20, 15, 25, 25, 35, 30, 40};
    float       out[8];
    vlp_resample_grid(out, 4, 1, x, 2, 1, 0, 2, VLP_RESAMPLE_LINEAR);
    for (int i = 0; i < 8; i++) ck_assert_float_eq_tol(out[i], want[i], 1e-5f);
}
END_TEST

START_TEST(oblong_grids_are_resampled_along_their_own_axes)
{
    float x[6], out[12];
    for (int i = 0; i < 6; i++) x[i] = (float)(i * i);
    vlp_resample_grid(out, 2, 6, x, 2, 3, 0, 1, VLP_RESAMPLE_BICUBIC);
    float wide[6];
    for (int y = 0; y < 2; y++) {
        vlp_resample_grid(wide, 1, 6, x + 3 * y, 1, 3, 0, 1, VLP_RESAMPLE_BICUBIC);
        for (int i = 0; i < 6; i++) ck_assert_float_eq_tol(out[6 * y + i], wide[i], 1e-5f);
    }
}
END_TEST

/* ---- blocks -------------------------------------------------------------------------------- */

enum { C = 32, MLP = 45, HEADS = 2, LONGEST = 9 };

struct bench {
    struct vlp_params  ps;
    struct vlp_arena   mem;
    struct vlp_compute compute;
    struct vlp_block   block;
};

struct choice {
    const char         *name;
    enum vlp_norm_place place;
    bool                causal, cross, gamma, split, own_biases, apart, bias, fused_cross;
};
static const struct choice choices[] = {
    {.name = "clip image", .place = VLP_NORM_BEFORE},
    {.name = "clip text", .place = VLP_NORM_BEFORE, .causal = true},
    {.name = "albef text", .place = VLP_NORM_AFTER, .apart = true},
    {.name = "albef fusion", .place = VLP_NORM_AFTER, .cross = true, .apart = true},
    {.name = "cross-attention under norms before",
     .place = VLP_NORM_BEFORE,
     .cross = true,
     .apart = true},
    {.name = "vlmo",
     .place = VLP_NORM_BEFORE,
     .gamma = true,
     .split = true,
     .own_biases = true,
     .bias = true},
    {.name = "cross-attention from a fused weight",
     .place = VLP_NORM_BEFORE,
     .cross = true,
     .fused_cross = true},
    {.name = "cross-attention from a fused weight with biases of its own",
     .place = VLP_NORM_BEFORE,
     .cross = true,
     .own_biases = true,
     .fused_cross = true},
};

static const struct vlp_start spread = {VLP_INIT_NORMAL, 0.2f};

static struct vlp_attend declare_attend(struct vlp_params *ps, const struct choice *c, bool apart)
{
    struct vlp_attend a = {.proj = vlp_dense_declare(ps, "proj", C, C, spread, &spread)};
    if (apart) {
        a.q = vlp_dense_declare(ps, "q", C, C, spread, &spread);
        a.k = vlp_dense_declare(ps, "k", C, C, spread, &spread);
        a.v = vlp_dense_declare(ps, "v", C, C, spread, &spread);
        return a;
    }
    a.qkv = vlp_dense_declare(ps, "qkv", 3 * C, C, spread, c->own_biases ? NULL : &spread);
    if (c->own_biases) {
        a.q.b = vlp_param(ps, "q_bias", VLP_SHAPE(C), spread);
        a.v.b = vlp_param(ps, "v_bias", VLP_SHAPE(C), spread);
    }
    return a;
}

static void open_bench(struct bench *b, const struct choice *c)
{
    struct vlp_error err;
    *b = (struct bench){0};
    ck_assert_int_eq(
        vlp_compute_init(&b->compute, NULL, getenv("VLP_CPU"), VLP_PRECISION_F32, &err), VLP_OK);
    vlp_params_init(&b->ps);
    struct vlp_params *ps = &b->ps;
    struct vlp_block  *k = &b->block;
    *k = (struct vlp_block){
        .width = C, .heads = HEADS, .place = c->place, .act = VLP_ACT_GELU, .causal = c->causal};
    k->norm = vlp_norm_declare(ps, "norm", C, 1e-5f);
    k->self = declare_attend(ps, c, c->apart);
    if (c->cross) {
        ps->prefix = "cross.";
        k->cross_norm = vlp_norm_declare(ps, "norm", C, 1e-5f);
        k->cross = declare_attend(ps, c, !c->fused_cross);
    }
    k->n_experts = c->split ? 2 : 1;
    for (int e = 0; e < k->n_experts; e++) {
        ps->prefix = e ? "expert1." : "expert0.";
        k->expert[e].norm = vlp_norm_declare(ps, "norm", C, 1e-5f);
        k->expert[e].fc1 = vlp_dense_declare(ps, "fc1", MLP, C, spread, &spread);
        k->expert[e].fc2 = vlp_dense_declare(ps, "fc2", C, MLP, spread, &spread);
    }
    if (c->gamma) {
        k->gamma1 = vlp_param(ps, "gamma1", VLP_SHAPE(C), spread);
        k->gamma2 = vlp_param(ps, "gamma2", VLP_SHAPE(C), spread);
    }
    vlp_params_start(ps, 3);
}

static void close_bench(struct bench *b)
{
    vlp_params_free(&b->ps);
    vlp_arena_free(&b->mem);
}

/* Plain arithmetic in double: one sequence, every formula spelled out. */
struct rows {
    double x[2 * LONGEST][3 * C];
    int    n;
};

static double value(const struct vlp_param *p, size_t i)
{
    return p ? (double)p->tensor.data[i] : 0.0;
}

static void plain_norm(struct rows *x, const struct vlp_norm *n)
{
    for (int i = 0; i < x->n; i++) {
        double mean = 0.0, var = 0.0;
        for (int c = 0; c < C; c++) mean += x->x[i][c] / C;
        for (int c = 0; c < C; c++) var += (x->x[i][c] - mean) * (x->x[i][c] - mean) / C;
        for (int c = 0; c < C; c++)
            x->x[i][c] = (x->x[i][c] - mean) / sqrt(var + (double)n->eps) * value(n->w, (size_t)c) +
                         value(n->b, (size_t)c);
    }
}

static struct rows plain_dense(const struct rows *x, const struct vlp_dense *d, int first, int out,
                               int in)
{
    struct rows y = {.n = x->n};
    for (int i = 0; i < x->n; i++)
        for (int o = 0; o < out; o++) {
            y.x[i][o] = d->b ? value(d->b, (size_t)(first + o)) : 0.0;
            for (int c = 0; c < in; c++)
                y.x[i][o] += x->x[i][c] * value(d->w, (size_t)(first + o) * (size_t)in + (size_t)c);
        }
    return y;
}

static struct rows plain_part(const struct rows *x, const struct vlp_attend *a, int part)
{
    const struct vlp_dense *own = part == 0 ? &a->q : part == 1 ? &a->k : &a->v;
    if (own->w) return plain_dense(x, own, 0, C, C);
    const struct vlp_dense weight = {.w = a->qkv.w, .b = a->qkv.b};
    struct rows            y = plain_dense(x, &weight, part * C, C, C);
    for (int i = 0; own->b && i < y.n; i++)
        for (int c = 0; c < C; c++) y.x[i][c] += value(own->b, (size_t)c);
    return y;
}

static struct rows plain_attend(const struct rows *x, const struct rows *seen,
                                const struct vlp_attend *a, bool causal, const float *bias)
{
    const struct rows q = plain_part(x, a, 0), k = plain_part(seen, a, 1),
                      v = plain_part(seen, a, 2);
    struct rows y = {.n = x->n};
    const int   D = C / HEADS;
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < x->n; i++) {
            double p[2 * LONGEST] = {0}, sum = 0.0;
            for (int j = 0; j < seen->n && !(causal && j > i); j++) {
                double s = 0.0;
                for (int d = 0; d < D; d++) s += q.x[i][h * D + d] * k.x[j][h * D + d];
                s = s / sqrt((double)D) +
                    (bias ? (double)bias[(h * LONGEST + i) * LONGEST + j] : 0.0);
                sum += p[j] = exp(s);
            }
            for (int j = 0; j < seen->n; j++)
                for (int d = 0; d < D; d++) y.x[i][h * D + d] += p[j] / sum * v.x[j][h * D + d];
        }
    return plain_dense(&y, &a->proj, 0, C, C);
}

static void plain_add(struct rows *x, const struct rows *y, const struct vlp_param *gamma)
{
    for (int i = 0; i < x->n; i++)
        for (int c = 0; c < C; c++)
            x->x[i][c] += y->x[i][c] * (gamma ? value(gamma, (size_t)c) : 1.0);
}

static struct rows plain_mlp(const struct rows *x, const struct vlp_expert *e)
{
    struct rows h = plain_dense(x, &e->fc1, 0, MLP, C);
    for (int i = 0; i < h.n; i++)
        for (int c = 0; c < MLP; c++) h.x[i][c] *= 0.5 * (1.0 + erf(h.x[i][c] / sqrt(2.0)));
    return plain_dense(&h, &e->fc2, 0, C, MLP);
}

static void plain_block(struct rows *x, const struct vlp_block *b, const struct rows *memory,
                        int split, const float *bias)
{
    const bool  before = b->place == VLP_NORM_BEFORE;
    struct rows a = *x;
    if (before) plain_norm(&a, &b->norm);
    struct rows y = plain_attend(&a, &a, &b->self, b->causal, bias);
    plain_add(x, &y, b->gamma1);
    if (!before) plain_norm(x, &b->norm);
    if (memory) {
        a = *x;
        if (before) plain_norm(&a, &b->cross_norm);
        y = plain_attend(&a, memory, &b->cross, false, NULL);
        plain_add(x, &y, NULL);
        if (!before) plain_norm(x, &b->cross_norm);
    }
    struct rows done = {.n = x->n};
    for (int e = 0; e < b->n_experts; e++) {
        struct rows z = *x, in = *x;
        if (before) plain_norm(&in, &b->expert[e].norm);
        y = plain_mlp(&in, &b->expert[e]);
        plain_add(&z, &y, b->gamma2);
        if (!before) plain_norm(&z, &b->expert[e].norm);
        for (int i = 0; i < x->n; i++)
            if (b->n_experts == 1 || (i < split) == (e == 0))
                memcpy(done.x[i], z.x[i], sizeof z.x[i]);
    }
    *x = done;
}

static struct vlp_tensor *noise(struct vlp_tape *t, int rows, int cols, uint64_t seed)
{
    struct vlp_tensor *x = vlp_tensor_new(t, VLP_DIMS(rows, cols), false);
    struct vlp_rng     r;
    vlp_rng_seed(&r, seed, 0);
    for (size_t i = 0; i < vlp_numel(x); i++) x->data[i] = (float)vlp_rng_normal(&r);
    return x;
}

static const int start[] = {0, 4, LONGEST + 4}, memory_start[] = {0, 7, 12}, split[] = {1, 6};

static struct rows rows_of(const struct vlp_tensor *x, const int *starts, int s)
{
    struct rows r = {.n = starts[s + 1] - starts[s]};
    for (int i = 0; i < r.n; i++)
        for (int c = 0; c < C; c++)
            r.x[i][c] = (double)x->data[(size_t)(starts[s] + i) * C + (size_t)c];
    return r;
}

static struct vlp_block_input input_of(struct vlp_tape *t, const struct choice *c)
{
    struct vlp_block_input in = {.seqs = {2, start}};
    if (c->cross) {
        in.memory = noise(t, 12, C, 9);
        in.memory_seqs = (struct vlp_seqs){2, memory_start};
    }
    if (c->split) in.split = split;
    if (c->bias) {
        in.bias = noise(t, HEADS * LONGEST, LONGEST, 10);
        *in.bias =
            (struct vlp_tensor){.ndim = 3, .dim = {HEADS, LONGEST, LONGEST}, .data = in.bias->data};
    }
    return in;
}

START_TEST(a_block_computes_its_formula)
{
    const struct choice *c = &choices[_i];
    struct bench         b;
    open_bench(&b, c);
    for (int recording = 0; recording < 2; recording++) {
        struct vlp_tape t;
        vlp_tape_init(&t, &b.compute, &b.mem, recording);
        struct vlp_tensor           *x = noise(&t, start[2], C, 8);
        const struct vlp_tensor      copy = *noise(&t, start[2], C, 8);
        const struct vlp_block_input in = input_of(&t, c);
        const struct vlp_tensor     *y = vlp_block_forward(&t, &b.block, x, &in);
        ck_assert(recording ? y != x : y == x); /* in place only where nothing is kept */
        for (int s = 0; s < 2; s++) {
            struct rows want = rows_of(&copy, start, s);
            struct rows memory = {0};
            if (c->cross) memory = rows_of(in.memory, memory_start, s);
            plain_block(&want, &b.block, c->cross ? &memory : NULL, split[s],
                        in.bias ? in.bias->data : NULL);
            const struct rows got = rows_of(y, start, s);
            for (int i = 0; i < got.n; i++)
                for (int k = 0; k < C; k++)
                    ck_assert_msg(fabs(got.x[i][k] - want.x[i][k]) <
                                      2e-5 * (1 + fabs(want.x[i][k])),
                                  "%s, sequence %d, row %d, column %d: %.7g, not %.7g", c->name, s,
                                  i, k, got.x[i][k], want.x[i][k]);
        }
    }
    close_bench(&b);
}
END_TEST

/* Any row of a sequence: under a mask it sees what it saw, and it keeps its row of the bias. */
START_TEST(a_pooled_row_has_the_bits_of_the_full_block)
{
    static const int tried[][2] = {{0, 4}, {3, 12}, {1, 9}, {2, 4}};
    struct choice    c = choices[_i / 2];
    struct bench     b;
    c.split = false; /* which goes with all rows only */
    c.bias |= _i % 2;
    open_bench(&b, &c);
    for (size_t k = 0; k < VLP_COUNT(tried); k++) {
        struct vlp_tape t;
        vlp_tape_init(&t, &b.compute, &b.mem, true);
        struct vlp_tensor       *x = noise(&t, start[2], C, 8);
        struct vlp_block_input   in = input_of(&t, &c);
        const struct vlp_tensor *full = vlp_block_forward(&t, &b.block, x, &in);
        in.pooled = tried[k];
        const struct vlp_tensor *few = vlp_block_forward(&t, &b.block, x, &in);
        ck_assert_int_eq(vlp_rows(few), 2);
        for (int s = 0; s < 2; s++)
            ck_assert_mem_eq(few->data + s * C, full->data + tried[k][s] * C, C * sizeof(float));
    }
    close_bench(&b);
}
END_TEST

static const int row_of_each[] = {2, 9};

/* The gradient of x and of the bias when only these rows want one, pooled or not. */
static void gradient_of_rows(struct bench *b, const struct choice *c, bool pooled, float *dx,
                             float *dbias)
{
    struct vlp_tape t;
    vlp_tape_init(&t, &b->compute, &b->mem, true);
    struct vlp_tensor     *x = noise(&t, start[2], C, 8);
    struct vlp_block_input in = input_of(&t, c);
    x->grad = vlp_arena_calloc(&b->mem, vlp_numel(x), sizeof(float));
    in.bias->grad = vlp_arena_calloc(&b->mem, vlp_numel(in.bias), sizeof(float));
    in.pooled = pooled ? row_of_each : NULL;
    struct vlp_tensor *y = vlp_block_forward(&t, &b->block, x, &in);
    memset(y->grad, 0, vlp_numel(y) * sizeof(float));
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < C; k++)
            y->grad[(pooled ? s : row_of_each[s]) * C + k] = (float)((s + k) % 5) - 2.0f;
    vlp_backward(&t, y);
    memcpy(dx, x->grad, vlp_numel(x) * sizeof(float));
    memcpy(dbias, in.bias->grad, vlp_numel(in.bias) * sizeof(float));
}

START_TEST(a_pooled_row_has_the_gradient_of_the_full_block)
{
    enum { X = (LONGEST + 4) * C, BIAS = HEADS * LONGEST * LONGEST };
    struct choice c = choices[_i];
    struct bench  b;
    float         dx[2][X], dbias[2][BIAS], most = 0.0f;
    c.bias = true;
    open_bench(&b, &c);
    for (int pooled = 0; pooled < 2; pooled++)
        gradient_of_rows(&b, &c, pooled, dx[pooled], dbias[pooled]);
    for (int i = 0; i < X; i++) ck_assert_float_eq_tol(dx[0][i], dx[1][i], 2e-5f);
    for (int i = 0; i < BIAS; i++) {
        ck_assert_float_eq_tol(dbias[0][i], dbias[1][i], 2e-5f);
        most = fmaxf(most, fabsf(dbias[1][i]));
    }
    ck_assert_float_gt(most, 1e-3f);
    close_bench(&b);
}
END_TEST

START_TEST(a_bias_of_scores_may_be_a_stored_parameter)
{
    struct choice     c = choices[0];
    struct bench      b;
    struct vlp_tape   t;
    struct vlp_params ps;
    c.bias = true;
    open_bench(&b, &c);
    vlp_tape_init(&t, &b.compute, &b.mem, false);
    struct vlp_block_input in = input_of(&t, &c);
    /* without notes a block may write over its input */
    const struct vlp_tensor *want =
        vlp_block_forward(&t, &b.block, noise(&t, LONGEST + 4, C, 8), &in);
    vlp_params_init(&ps);
    struct vlp_param *p = vlp_param(&ps, "bias", VLP_SHAPE(HEADS, LONGEST, LONGEST), spread);
    vlp_param_bind(p, VLP_F32, in.bias->data);
    in.bias = &p->tensor;
    const struct vlp_tensor *got =
        vlp_block_forward(&t, &b.block, noise(&t, LONGEST + 4, C, 8), &in);
    ck_assert_mem_eq(got->data, want->data, vlp_numel(want) * sizeof(float));
    vlp_params_free(&ps);
    close_bench(&b);
}
END_TEST

START_TEST(drop_path_leaves_whole_sequences_alone_while_training_only)
{
    struct bench b;
    open_bench(&b, &choices[0]);
    b.block.drop_path = 0.9999999f; /* both branches of both sequences go, almost surely */
    struct vlp_tape t;
    vlp_tape_init(&t, &b.compute, &b.mem, true);
    struct vlp_tensor           *x = noise(&t, start[2], C, 8);
    const struct vlp_block_input in = {.seqs = {2, start}};
    const struct vlp_tensor     *y = vlp_block_forward(&t, &b.block, x, &in);
    ck_assert_mem_eq(y->data, x->data, vlp_numel(x) * sizeof(float));
    t.recording = t.training = false;
    y = vlp_block_forward(&t, &b.block, x, &in);
    const struct vlp_tensor *again = noise(&t, start[2], C, 8);
    ck_assert_mem_ne(y->data, again->data, vlp_numel(x) * sizeof(float));
    close_bench(&b);
}
END_TEST

/* Hidden rows dropped almost surely leave the MLP's last bias alone; what is added to x is kept. */
START_TEST(dropout_of_hidden_rows_is_a_choice_of_its_own)
{
    for (int hidden = 0; hidden < 2; hidden++) {
        struct bench b;
        open_bench(&b, &choices[0]);
        *(hidden ? &b.block.dropout_hidden : &b.block.dropout) = 0.9999999f;
        struct vlp_tape t;
        vlp_tape_init(&t, &b.compute, &b.mem, false);
        struct vlp_tensor           *x = noise(&t, start[2], C, 8);
        const struct vlp_block_input in = {.seqs = {2, start}};
        struct vlp_block             attend_only = b.block;
        attend_only.dropout_hidden = 0.0f;
        attend_only.expert[0].fc1.w =
            vlp_param(&b.ps, "nothing", VLP_SHAPE(MLP, C), (struct vlp_start){VLP_INIT_ZERO, 0});
        attend_only.expert[0].fc1.b = NULL;
        vlp_params_start(&b.ps, 3);
        const struct vlp_tensor *want = vlp_block_forward(&t, &attend_only, x, &in);
        struct vlp_tensor       *again = noise(&t, start[2], C, 8);
        t.training = true;
        const struct vlp_tensor *got = vlp_block_forward(&t, &b.block, again, &in);
        const struct vlp_tensor *as_it_was = hidden ? want : noise(&t, start[2], C, 8);
        ck_assert_mem_eq(got->data, as_it_was->data, vlp_numel(got) * sizeof(float));
        close_bench(&b);
    }
}
END_TEST

START_TEST(training_without_notes_draws_the_same_random_numbers)
{
    const struct choice *c = &choices[_i];
    struct bench         b;
    open_bench(&b, c);
    b.block.dropout = 0.3f;
    b.block.dropout_hidden = 0.1f;
    b.block.drop_path = 0.2f;
    const struct vlp_tensor *y[2];
    for (int recording = 0; recording < 2; recording++) {
        struct vlp_tape t;
        vlp_tape_init(&t, &b.compute, &b.mem, recording);
        t.training = true;
        struct vlp_tensor           *x = noise(&t, start[2], C, 8);
        const struct vlp_block_input in = input_of(&t, c);
        y[recording] = vlp_block_forward(&t, &b.block, x, &in);
    }
    ck_assert_mem_eq(y[0]->data, y[1]->data, vlp_numel(y[0]) * sizeof(float));
    close_bench(&b);
}
END_TEST

START_TEST(a_recomputed_block_draws_the_same_random_numbers)
{
    float gradient[2][C], out[2];
    for (int recompute = 0; recompute < 2; recompute++) {
        struct bench b;
        open_bench(&b, &choices[3]);
        b.block.dropout = 0.3f;
        b.block.dropout_hidden = 0.1f;
        b.block.drop_path = 0.2f;
        struct vlp_tensor *gain = &b.block.norm.w->tensor;
        gain->grad = vlp_arena_calloc(&b.mem, C, sizeof(float));
        struct vlp_tape t;
        vlp_tape_init(&t, &b.compute, &b.mem, true);
        struct vlp_tensor           *x = noise(&t, start[2], C, 8);
        const struct vlp_block_input in = input_of(&t, &choices[3]);
        struct vlp_tensor           *y = recompute ? vlp_block_recomputed(&t, &b.block, x, &in)
                                                   : vlp_block_forward(&t, &b.block, x, &in);
        for (size_t i = 0; i < vlp_numel(y); i++) y->grad[i] = (float)(i % 7) - 3.0f;
        vlp_backward(&t, y);
        out[recompute] = y->data[5];
        memcpy(gradient[recompute], gain->grad, sizeof gradient[0]);
        close_bench(&b);
    }
    ck_assert_float_eq(out[0], out[1]);
    ck_assert_mem_eq(gradient[0], gradient[1], sizeof gradient[0]);
    float most = 0.0f;
    for (int c = 0; c < C; c++) most = fmaxf(most, fabsf(gradient[0][c]));
    ck_assert_float_gt(most, 0.0f);
}
END_TEST

/* ---- stacks -------------------------------------------------------------------------------- */

enum { BLOCKS = 3 };

/* Each block has a bias of its own, and the last the other expert for all rows. */
struct each {
    struct vlp_tensor *bias[BLOCKS];
    int                experts;
};

static void differ(void *ctx, int block, struct vlp_block_input *in)
{
    const struct each *e = ctx;
    if (e->bias[0]) in->bias = e->bias[block];
    if (block + 1 < BLOCKS || e->experts < 2) return;
    in->split = NULL;
    in->expert = 1;
}

enum { ONE_BY_ONE, AS_A_STACK, RECOMPUTED, WAYS };

/* The rows pooled from a stack of the block three times over, and the gradients of x, of the
 * memory, and of the biases. */
static void run_stack(struct bench *b, const struct choice *c, int way, float *y, float *d)
{
    const size_t           bias_len = HEADS * LONGEST * LONGEST;
    struct vlp_block       block[BLOCKS] = {b->block, b->block, b->block};
    const struct vlp_stack stack = {"text", BLOCKS, block};
    struct vlp_tape        t;
    struct each            e = {.experts = b->block.n_experts};
    vlp_tape_init(&t, &b->compute, &b->mem, true);
    t.recompute = way == RECOMPUTED;
    struct vlp_tensor     *x = noise(&t, start[2], C, 8);
    struct vlp_stack_input in = {.all = input_of(&t, c), .each = differ, .ctx = &e};
    x->grad = vlp_arena_calloc(&b->mem, vlp_numel(x), sizeof(float));
    if (in.all.memory) in.all.memory->grad = vlp_arena_calloc(&b->mem, 12 * C, sizeof(float));
    for (int i = 0; i < BLOCKS && c->bias; i++) {
        e.bias[i] = VLP_NEW(&b->mem, struct vlp_tensor);
        *e.bias[i] = *in.all.bias;
        e.bias[i]->data = noise(&t, 1, (int)bias_len, 20 + (uint64_t)i)->data;
        e.bias[i]->grad = vlp_arena_calloc(&b->mem, bias_len, sizeof(float));
    }
    in.all.pooled = row_of_each;
    struct vlp_tensor *out = x;
    for (int i = 0; i < BLOCKS && way == ONE_BY_ONE; i++) {
        struct vlp_block_input own = in.all;
        differ(&e, i, &own);
        if (i + 1 < BLOCKS) own.pooled = NULL;
        out = vlp_block_forward(&t, &block[i], out, &own);
    }
    if (way != ONE_BY_ONE) out = vlp_stack_forward(&t, &stack, x, &in, NULL);
    ck_assert_int_eq(vlp_rows(out), 2);
    memcpy(y, out->data, 2 * C * sizeof(float));
    for (int i = 0; i < 2 * C; i++) out->grad[i] = (float)(i % 7) - 3.0f;
    vlp_backward(&t, out);
    memcpy(d, x->grad, vlp_numel(x) * sizeof(float));
    d += vlp_numel(x);
    if (in.all.memory) memcpy(d, in.all.memory->grad, 12 * C * sizeof(float));
    for (int i = 0; i < BLOCKS && c->bias; i++)
        memcpy(d + (size_t)i * bias_len, e.bias[i]->grad, bias_len * sizeof(float));
}

START_TEST(a_stack_is_its_blocks_one_by_one)
{
    enum { D = (LONGEST + 4) * C + BLOCKS * HEADS * LONGEST * LONGEST + 12 * C };
    static float         y[WAYS][2 * C], d[WAYS][D];
    const struct choice *c = &choices[_i];
    struct bench         b;
    open_bench(&b, c);
    for (int way = 0; way < WAYS; way++) run_stack(&b, c, way, y[way], d[way]);
    for (int way = 1; way < WAYS; way++) {
        ck_assert_mem_eq(y[0], y[way], sizeof y[0]);
        ck_assert_mem_eq(d[0], d[way], sizeof d[0]);
    }
    close_bench(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nn");
    TCase *t = tcase_create("resampling");
    tcase_add_loop_test(t, grids_are_resampled_by_the_published_rules, 0, VLP_COUNT(golden));
    tcase_add_test(t, the_same_size_is_the_identity);
    tcase_add_test(t, lines_are_resampled_linearly_with_clamped_ends);
    tcase_add_test(t, oblong_grids_are_resampled_along_their_own_axes);
    suite_add_tcase(s, t);
    t = tcase_create("blocks");
    tcase_add_loop_test(t, a_block_computes_its_formula, 0, VLP_COUNT(choices));
    tcase_add_loop_test(t, a_pooled_row_has_the_bits_of_the_full_block, 0,
                        2 * (int)VLP_COUNT(choices));
    tcase_add_loop_test(t, a_pooled_row_has_the_gradient_of_the_full_block, 0, 2);
    tcase_add_test(t, a_bias_of_scores_may_be_a_stored_parameter);
    tcase_add_test(t, drop_path_leaves_whole_sequences_alone_while_training_only);
    tcase_add_test(t, dropout_of_hidden_rows_is_a_choice_of_its_own);
    tcase_add_loop_test(t, training_without_notes_draws_the_same_random_numbers, 0,
                        VLP_COUNT(choices));
    tcase_add_test(t, a_recomputed_block_draws_the_same_random_numbers);
    suite_add_tcase(s, t);
    t = tcase_create("stacks");
    tcase_add_loop_test(t, a_stack_is_its_blocks_one_by_one, 0, VLP_COUNT(choices));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
