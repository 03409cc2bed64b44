/* attention_kernel.c -- attention of flat rows: a task is a sequence, some heads, and a run of
 * queries.
 */
#include "tensor_internal.h"

struct attention_job {
    const struct vlp_compute        *c;
    const struct vlp_attention_args *a;
    int                              parts;  /* of a sequence's queries */
    int                              groups; /* of heads */
};

static void attention_task(void *ctx, int i, int worker)
{
    const struct attention_job      *j = ctx;
    const struct vlp_attention_args *a = j->a;
    const int                        group = i % j->groups, part = i / j->groups % j->parts;
    const int seq = i / j->groups / j->parts, lanes = j->c->kernels->attention_lanes;
    const int h0 = a->heads * group / j->groups, h1 = a->heads * (group + 1) / j->groups;
    const int n = a->q_start[seq + 1] - a->q_start[seq], tiles = vlp_ceil_div(n, lanes);
    const int q0 = tiles * part / j->parts * lanes, end = tiles * (part + 1) / j->parts * lanes;
    const int q1 = end < n ? end : n;
    (void)worker;
    for (int h = h0; h < h1 && q0 < q1; h++) j->c->kernels->attention(a, seq, h, q0, q1);
}

void vlp_attention_forward(const struct vlp_compute *c, const struct vlp_attention_args *a)
{
    struct attention_job j = {c, a, 1, 1};
    const int            want = 8 * vlp_pool_threads(c->pool);
    if (a->n_seq <= 0 || a->heads <= 0) return;
    if (vlp_pool_threads(c->pool) > 1 && a->n_seq < want) {
        j.groups = vlp_ceil_div(want, a->n_seq);
        if (j.groups > a->heads) {
            j.groups = a->heads;
            /* each part copies the keys it needs */
            j.parts = vlp_ceil_div(want / 2, a->n_seq * a->heads);
        }
    }
    vlp_parallel(c->pool, a->n_seq * j.groups * j.parts, attention_task, &j);
}

struct back_job {
    const struct vlp_compute                 *c;
    const struct vlp_attention_backward_args *a;
};

static void back_task(void *ctx, int i, int worker)
{
    const struct back_job                    *j = ctx;
    const struct vlp_attention_backward_args *a = j->a;
    const int                                 heads = a->of.heads;
    (void)worker;
    if (!a->dbias) {
        j->c->kernels->attention_backward(a, i / heads, i % heads);
        return;
    }
    for (int s = 0; s < a->of.n_seq; s++) j->c->kernels->attention_backward(a, s, i);
}

void vlp_attention_backward(const struct vlp_compute                 *c,
                            const struct vlp_attention_backward_args *a)
{
    struct back_job j = {c, a};
    vlp_parallel(c->pool, a->of.heads * (a->dbias ? 1 : a->of.n_seq), back_task, &j);
}
