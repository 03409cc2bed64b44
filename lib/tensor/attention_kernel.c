/* attention_kernel.c -- attention of flat rows: a task is a sequence, a head, and a run of queries.
 */
#include "tensor_internal.h"

struct attention_job {
    const struct vlp_compute        *c;
    const struct vlp_attention_args *a;
    int                              parts; /* of a sequence's queries */
};

static void attention_task(void *ctx, int i, int worker)
{
    const struct attention_job      *j = ctx;
    const struct vlp_attention_args *a = j->a;
    const int head = i % a->heads, part = i / a->heads % j->parts, seq = i / a->heads / j->parts;
    const int n = a->q_start[seq + 1] - a->q_start[seq], lanes = j->c->kernels->attention_lanes;
    const int tiles = vlp_ceil_div(n, lanes);
    const int q0 = tiles * part / j->parts * lanes, q1 = tiles * (part + 1) / j->parts * lanes;
    (void)worker;
    if (q0 < n) j->c->kernels->attention(a, seq, head, q0, q1 < n ? q1 : n);
}

void vlp_attention_forward(const struct vlp_compute *c, const struct vlp_attention_args *a)
{
    struct attention_job j = {c, a, 1};
    const int            units = a->n_seq * a->heads, threads = vlp_pool_threads(c->pool);
    if (threads > 1 && units > 0 && units < 4 * threads)
        j.parts = vlp_ceil_div(4 * threads, units); /* each part copies the keys it needs */
    vlp_parallel(c->pool, units * j.parts, attention_task, &j);
}
