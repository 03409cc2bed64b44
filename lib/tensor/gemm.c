/*
 * gemm.c -- y = epilogue(x W^T): which thread multiplies what, in which order.
 *
 * Rows are cut in blocks whose packed form stays in the second-level cache, columns in chunks of
 * panels; a task is one of each. With a block for every thread a task packs its own rows, block of
 * K by block of K, and nobody waits; with fewer, the rows are packed once, by all threads or by
 * each for itself, and the columns are cut finer. Rows that another product has made may lie as
 * tiles read them already. Within a task: for each block of K, for each
 * panel, for each tile of rows. However it is cut, each element is the same chain over k.
 */
#include <string.h>

#include "tensor_internal.h"

enum {
    PAGE = 4096,
    CHUNK_PANELS = 4,
    BLOCK_ROWS = 126,  /* times VLP_KC floats: 390 KiB */
    CHUNK_COLS = 4096, /* at most, so that sums between blocks of K stay in the cache */
};

struct run {
    const struct vlp_product   *p;
    const struct vlp_gemm_kind *kind;
    int                         first_panel, panels; /* of the range n0 .. n1 */
    int                         blocks, chunks;      /* of rows; of panels */
    uint32_t                   *shared;              /* packed rows of all, or NULL */
    struct vlp_quant           *shared_quant;
    size_t                      k_step; /* units from one block of K to the next in packed rows */
    bool *packed; /* where each worker packs all rows for itself, once: has it? else NULL */
};

static int cut(int n, int parts, int i)
{
    return (int)((int64_t)n * i / parts);
}

static int block_units(const struct vlp_packed *w, int kb)
{
    const int left = w->units - kb * w->kc;
    return left < w->kc ? left : w->kc;
}

/* Elements kb * kc * unit .. of row r as units at `a`. */
static void load_row(const struct run *g, uint32_t *a, int r, int kb, const struct vlp_quant *q)
{
    const struct vlp_product *p = g->p;
    const int                 unit = g->kind->unit, units = block_units(p->w, kb);
    const int                 k0 = kb * p->w->kc * unit, want = units * unit;
    const int                 have = p->w->K - k0 < want ? p->w->K - k0 : want;
    if (have < want) memset(a, 0, (size_t)units * 4);
    g->kind->load_row(a, p->x + (size_t)r * p->ldx + k0, have, q);
}

/* Block kb of columns r0 .. r1 of x as rows at a, a cache line of columns at a time. */
static void turn_columns(const struct run *g, uint32_t *a, int r0, int r1, int kb)
{
    enum { LINE = 16 };
    const struct vlp_product   *p = g->p;
    const struct vlp_gemm_kind *kind = g->kind;
    const int                   units = block_units(p->w, kb), k0 = kb * p->w->kc * kind->unit;
    const int                   left = p->w->K - k0, want = units * kind->unit;
    const int                   have = left < want ? left : want;
    const float                *x = p->x + (size_t)k0 * p->ldx;
    uint32_t                    strip[VLP_KC * LINE];
    if (kind->unit == 1 && !kind->round_bf16) {
        vlp_transpose_units(a, VLP_A_STRIDE, (const uint32_t *)(const void *)(x + r0),
                            (size_t)p->ldx, units, r1 - r0);
        return;
    }
    const size_t filled = (size_t)vlp_ceil_div(have, kind->unit) * LINE;
    memset(strip + filled, 0, ((size_t)units * LINE - filled) * sizeof *strip);
    for (int r = r0; r < r1; r += LINE, a += LINE * VLP_A_STRIDE) {
        const int n = r1 - r < LINE ? r1 - r : LINE;
        kind->load_columns(strip, LINE, x + r, (size_t)p->ldx, have, n);
        vlp_transpose_units(a, VLP_A_STRIDE, strip, LINE, units, n);
    }
}

/* Block kb of rows r0 .. r1 to a; columns of x are turned into rows first. */
static void load_rows(const struct run *g, uint32_t *a, struct vlp_quant *quant, int r0, int r1,
                      int kb)
{
    const struct vlp_product *p = g->p;
    if (p->ta) {
        turn_columns(g, a, r0, r1, kb);
        return;
    }
    for (int r = r0; r < r1; r++) {
        const size_t i = (size_t)(r - r0);
        if (quant && kb == 0) quant[i] = g->kind->quant_row(p->x + (size_t)r * p->ldx, p->w->K);
        load_row(g, a + i * VLP_A_STRIDE, r, kb, quant ? &quant[i] : NULL);
    }
}

/* Rows that one task packs for all: columns come in cache lines. */
static int shared_rows(const struct vlp_product *p)
{
    return p->ta ? 16 : 8;
}

static void load_shared(void *ctx, int i, int worker)
{
    const struct run *g = ctx;
    const int         rows = shared_rows(g->p);
    const int         r0 = i * rows, r1 = r0 + rows < g->p->M ? r0 + rows : g->p->M;
    (void)worker;
    for (int kb = 0; kb < g->p->w->n_blocks; kb++)
        load_rows(g, g->shared + kb * g->k_step + (size_t)r0 * VLP_A_STRIDE,
                  g->shared_quant ? g->shared_quant + r0 : NULL, r0, r1, kb);
}

/* Where column n of row r stands in rows that the next product reads. */
static uint32_t *unit_of(const struct vlp_unit_rows *to, int unit, int r, int n)
{
    const int u = n / unit, kb = u / to->kc;
    return to->at + kb * to->k_step + (size_t)r * VLP_A_STRIDE + (u - kb * to->kc);
}

/* Where tile (r, columns from n) goes; n counts from w's first column. */
static struct vlp_tile_out tile_out(const struct run *g, int r, int rows, int n,
                                    const struct vlp_quant *quant)
{
    const struct vlp_product  *p = g->p;
    const struct vlp_epilogue *e = &p->e;
    const int                  col = n - p->n0, left = p->n1 - n;
    return (struct vlp_tile_out){
        .y = p->to ? NULL : p->y + (size_t)r * p->ldy + col,
        .units = p->to ? unit_of(p->to, g->kind->unit, r, n) : NULL,
        .ldy = p->ldy,
        .rows = rows,
        .cols = left < g->kind->nr ? left : g->kind->nr,
        .bias = e->bias ? e->bias + col : NULL,
        .residual = e->residual ? e->residual + (size_t)r * e->ld_residual + col : NULL,
        .ld_residual = e->ld_residual,
        .pre = e->pre ? e->pre + (size_t)r * p->ldy + col : NULL,
        .act = e->act,
        .alpha = p->alpha,
        .quant = quant,
        .w_scale = quant ? p->w->w_scale + n : NULL,
        .w_sum = quant ? p->w->w_sum + n : NULL,
    };
}

/* Block kb of a panel as the tile wants it, and the block that comes after it. */
static const void *panel_block(const struct run *g, int panel, int kb, bool by_panel, float *room,
                               const char **next)
{
    const struct vlp_packed *w = g->p->w;
    const size_t             nr = (size_t)g->kind->nr, k0 = (size_t)kb * w->kc;
    const bool               expand = g->kind->unit == 1 && w->store != VLP_F32;
    /* bytes of a unit of one column in its stored form */
    const size_t size = !expand ? 4 : w->store == VLP_Q8_0 ? 1 : 2;
    const int    units = block_units(w, kb);
    const char  *at = (const char *)w->data + (size_t)panel * w->panel + k0 * nr * size;
    /* Panel by panel, memory passes in one stream: a little ahead is best (measured: a page). A
     * block that is expanded has passed by then, and the one after it is next. */
    const size_t block = (size_t)units * nr * size;
    *next = at + (!by_panel ? w->panel : expand ? block : (size_t)PAGE);
    if (!expand) return at;
    const float *scale = NULL;
    if (w->store == VLP_Q8_0)
        scale =
            w->block_scale + ((size_t)panel * (w->K / VLP_Q8_0_BLOCK) + k0 / VLP_Q8_0_BLOCK) * nr;
    g->kind->expand(room, at, w->store, scale, (int)nr, units);
    return room;
}

/* Rows are split evenly over tiles, by the kind's step. */
static int row_of_tile(const struct vlp_gemm_kind *kind, int rows, int tiles, int t)
{
    const int step = kind->row_step, row = cut(vlp_ceil_div(rows, step), tiles, t) * step;
    return row < rows ? row : rows;
}

static inline void prefetch_lines(const char *at, size_t size)
{
    __asm__ volatile(""); /* else gcc takes this for a function without effects and drops calls */
    for (size_t i = 0; i < size; i += 64) __builtin_prefetch(at + i, 0, 2);
}

/* What finishing a tile will touch comes near while its sums are made. */
static void prefetch_out(const struct vlp_tile_out *o)
{
    const size_t size = (size_t)o->cols * sizeof *o->y;
    if (o->units) return; /* lines that are overwritten whole */
    for (int r = 0; r < o->rows; r++) {
        prefetch_lines((const char *)(o->y + (size_t)r * o->ldy), size);
        if (o->residual && o->residual != o->y)
            prefetch_lines((const char *)(o->residual + (size_t)r * o->ld_residual), size);
    }
}

/* A block of rows times a chunk of panels, with the memory it works in. */
struct task {
    int               r0, rows, tiles; /* rows, and how many tiles they are cut in */
    int               p0, p1;          /* panels */
    uint32_t         *a;               /* packed rows of block kb at a + kb * k_step */
    size_t            k_step;          /* 0: only the block at hand is there */
    struct vlp_quant *quant;
    bool              by_panel; /* one tile uses a panel up: then panel by panel, as memory lies */
    char             *sums;     /* between blocks of K: of all panels, else of one tile */
    size_t            panel_sums;
    float            *room; /* for an expanded panel */
};

/* Rows that others have packed already, or room for our own. */
static void find_rows(const struct run *g, struct task *t, int worker)
{
    const int n_blocks = g->p->w->n_blocks;
    /* Tiles may read rows beyond the last one: room for them, whatever it holds. */
    const size_t block = (size_t)(t->rows + VLP_MAX_MR) * VLP_A_STRIDE;
    if (g->shared) {
        t->a = g->shared + (size_t)t->r0 * VLP_A_STRIDE;
        t->k_step = g->k_step;
        t->quant = g->shared_quant ? g->shared_quant + t->r0 : NULL;
        return;
    }
    /* Rows become bytes as a whole, since their scale comes first. */
    t->k_step = g->kind->w_limit || t->by_panel || g->packed ? block : 0;
    const size_t units = t->k_step ? block * (size_t)n_blocks : block;
    t->a = vlp_scratch(VLP_SCRATCH_A, units * 4 + (size_t)t->rows * sizeof *t->quant);
    t->quant = g->kind->w_limit ? (struct vlp_quant *)(void *)(t->a + units) : NULL;
    if (g->packed && g->packed[worker]) return;
    for (int kb = 0; t->k_step && kb < n_blocks; kb++)
        load_rows(g, t->a + kb * t->k_step, t->quant, t->r0, t->r0 + t->rows, kb);
    if (g->packed) g->packed[worker] = true;
}

/* All tiles of one panel over one block of K. */
static void run_panel(const struct run *g, const struct task *t, int panel, int kb)
{
    const struct vlp_packed    *w = g->p->w;
    const struct vlp_gemm_kind *kind = g->kind;
    const int                   units = block_units(w, kb);
    const bool                  last = kb == w->n_blocks - 1;
    const char                 *next;
    const void                 *b = panel_block(g, panel, kb, t->by_panel, t->room, &next);
    /* bytes of the next block in its stored form: a tile asks for a part, 64 of them a unit */
    const size_t ahead = w->panel / (size_t)w->units * (size_t)units;
    for (int i = 0; i < t->tiles; i++) {
        const int       row = row_of_tile(kind, t->rows, t->tiles, i);
        const int       n = row_of_tile(kind, t->rows, t->tiles, i + 1) - row;
        const size_t    asked = (size_t)i * units * 64;
        const uint32_t *a = t->a + kb * t->k_step + (size_t)row * VLP_A_STRIDE;
        char           *c = t->sums;
        if (t->panel_sums) {
            c += t->panel_sums * (size_t)(panel - t->p0) + (size_t)row * kind->nr * 4;
            prefetch_lines(c + (size_t)n * kind->nr * 4, (size_t)kind->mr * kind->nr * 4);
        }
        const struct vlp_tile_out out =
            tile_out(g, t->r0 + row, n, panel * kind->nr, t->quant ? t->quant + row : NULL);
        if (last) prefetch_out(&out);
        kind->tile(n, units, a, b, c, kb > 0, asked < ahead ? next + asked : (const char *)b);
        if (!last) continue;
        if (out.units)
            kind->finish_units(c, &out);
        else
            kind->finish(c, kind->nr, &out);
    }
}

static void run_task(void *ctx, int i, int worker)
{
    const struct run           *g = ctx;
    const struct vlp_gemm_kind *kind = g->kind;
    const int                   M = g->p->M, n_blocks = g->p->w->n_blocks;
    const int                   mb = i % g->blocks, chunk = i / g->blocks;
    struct task                 t = {.r0 = cut(M, g->blocks, mb)};
    t.rows = cut(M, g->blocks, mb + 1) - t.r0;
    t.tiles = vlp_ceil_div(t.rows, kind->mr);
    t.p0 = g->first_panel + cut(g->panels, g->chunks, chunk);
    t.p1 = g->first_panel + cut(g->panels, g->chunks, chunk + 1);
    t.by_panel = t.tiles == 1;
    find_rows(g, &t, worker);

    const int    padded = vlp_ceil_div(t.rows, kind->row_step) * kind->row_step;
    const size_t tile_size = (size_t)VLP_MAX_MR * VLP_MAX_NR * 4;
    if (n_blocks > 1 && !t.by_panel) t.panel_sums = (size_t)padded * kind->nr * 4;
    const size_t all_sums = t.panel_sums * (size_t)(t.p1 - t.p0);
    t.sums = vlp_scratch(VLP_SCRATCH_PARTIAL, t.panel_sums ? all_sums : tile_size);
    t.room = vlp_scratch(VLP_SCRATCH_PANEL, (size_t)VLP_A_STRIDE * kind->nr * 4);

    if (kind->enter) kind->enter();
    if (t.by_panel) {
        for (int panel = t.p0; panel < t.p1; panel++)
            for (int kb = 0; kb < n_blocks; kb++) run_panel(g, &t, panel, kb);
    } else {
        for (int kb = 0; kb < n_blocks; kb++) {
            if (!t.k_step) load_rows(g, t.a, NULL, t.r0, t.r0 + t.rows, kb);
            for (int panel = t.p0; panel < t.p1; panel++) run_panel(g, &t, panel, kb);
        }
    }
    if (kind->leave) kind->leave();
}

/*
 * Few short rows: a copy for each worker costs less than to wait for a shared one and to fetch half
 * of it from other processors' caches. Not where a row is turned into bytes, nor where a worker has
 * too few columns to earn the copy back.
 */
static bool is_copied(const struct run *g, int threads)
{
    enum { COLS_A_THREAD = 128 };
    return g->blocks == 1 && g->p->w->n_blocks == 1 && !g->kind->w_limit && !g->p->ta &&
           g->panels * g->kind->nr >= COLS_A_THREAD * threads;
}

/* The least number from n on whose multiple by `each` is one of threads too: none works alone. */
static int evened(int n, int each, int threads)
{
    while ((int64_t)n * each % threads != 0) n++;
    return n;
}

/* Cut the columns finely enough for all threads, and have the rows packed that tasks share. */
static void share(struct run *g, int threads)
{
    const struct vlp_product *p = g->p;
    const int                 n_blocks = p->w->n_blocks;
    /* Enough tasks to even out, but a chunk's first panel comes unasked: not too few panels. */
    int want = vlp_ceil_div(4 * threads, g->blocks);
    if (want > g->panels / CHUNK_PANELS) want = g->panels / CHUNK_PANELS;
    if (want * g->blocks < threads) want = vlp_ceil_div(threads, g->blocks);
    if (g->chunks < want) g->chunks = want;
    g->chunks = evened(g->chunks, g->blocks, threads);
    if (g->chunks > g->panels) g->chunks = g->panels;
    if (p->from) return;
    if (is_copied(g, threads)) {
        g->packed = vlp_scratch(VLP_SCRATCH_SHARED, (size_t)threads * sizeof *g->packed);
        memset(g->packed, 0, (size_t)threads * sizeof *g->packed);
        return;
    }
    const size_t rows = (size_t)(p->M + VLP_MAX_MR);
    g->k_step = rows * VLP_A_STRIDE;
    g->shared = vlp_scratch(VLP_SCRATCH_SHARED,
                            g->k_step * 4 * (size_t)n_blocks + rows * sizeof *g->shared_quant);
    if (g->kind->w_limit)
        g->shared_quant = (struct vlp_quant *)(void *)(g->shared + g->k_step * (size_t)n_blocks);
    vlp_parallel(p->c->pool, vlp_ceil_div(p->M, shared_rows(p)), load_shared, g);
}

void vlp_product_run(const struct vlp_product *p)
{
    const struct vlp_gemm_kind *kind = p->w->kind;
    const int                   threads = vlp_pool_threads(p->c->pool);
    struct run                  g = {.p = p, .kind = kind};
    if (p->from) {
        g.shared = p->from->at;
        g.k_step = p->from->k_step;
    }
    if (p->M <= 0 || p->n1 <= p->n0) return;
    g.first_panel = p->n0 / kind->nr;
    g.panels = vlp_ceil_div(p->n1, kind->nr) - g.first_panel;
    g.blocks = vlp_ceil_div(p->M, BLOCK_ROWS);
    g.chunks = vlp_ceil_div(g.panels * kind->nr, CHUNK_COLS);
    if (g.blocks < threads)
        share(&g, threads);
    else
        g.blocks = evened(g.blocks, 1, threads);
    vlp_parallel(p->c->pool, g.blocks * g.chunks, run_task, &g);
}

void vlp_gemm_packed(const struct vlp_compute *c, float *y, int ldy, const float *x, int ldx, int M,
                     const struct vlp_packed *w, int n0, int n1, const struct vlp_epilogue *e)
{
    struct vlp_product p = {.c = c,
                            .w = w,
                            .x = x,
                            .ldx = ldx,
                            .M = M,
                            .n0 = n0,
                            .n1 = n1,
                            .y = y,
                            .ldy = ldy,
                            .alpha = 1.0f};
    if (e) p.e = *e;
    vlp_product_run(&p);
}

static bool stays_in_units(const struct vlp_packed *w1, const struct vlp_packed *w2)
{
    return w1->kind == w2->kind && w1->kind->finish_units;
}

/* Units from one block of K to the next; tiles may read rows beyond the last one. */
static size_t unit_rows_step(int M)
{
    return (size_t)(M + VLP_MAX_MR) * VLP_A_STRIDE;
}

size_t vlp_gemm_pair_room(int M, const struct vlp_packed *w1, const struct vlp_packed *w2)
{
    return stays_in_units(w1, w2) ? unit_rows_step(M) * (size_t)w2->n_blocks * sizeof(uint32_t)
                                  : (size_t)M * w1->N * sizeof(float);
}

void vlp_gemm_pair(const struct vlp_compute *c, float *y, int ldy, const float *x, int ldx, int M,
                   const struct vlp_packed *w1, const struct vlp_epilogue *e1,
                   const struct vlp_packed *w2, const struct vlp_epilogue *e2, void *room)
{
    const int H = w1->N;
    if (!stays_in_units(w1, w2)) {
        vlp_gemm_packed(c, room, H, x, ldx, M, w1, 0, H, e1);
        vlp_gemm_packed(c, y, ldy, room, H, M, w2, 0, w2->N, e2);
        return;
    }
    const struct vlp_unit_rows h = {room, unit_rows_step(M), w2->kc};
    struct vlp_product         first = {
                .c = c, .w = w1, .x = x, .ldx = ldx, .M = M, .n1 = H, .to = &h, .ldy = H, .alpha = 1.0f};
    struct vlp_product second = {
        .c = c, .w = w2, .from = &h, .M = M, .n1 = w2->N, .y = y, .ldy = ldy, .alpha = 1.0f};
    if (e1) first.e = *e1;
    if (e2) second.e = *e2;
    vlp_product_run(&first);
    vlp_product_run(&second);
}
