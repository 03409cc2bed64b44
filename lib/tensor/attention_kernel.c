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
