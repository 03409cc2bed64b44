/* scan.c -- exact search scores of many rows: contiguous runs of rows to each task. */
#include "tensor_internal.h"

enum { TASK_BYTES = 1 << 20 };

struct scan_job {
    const struct vlp_kernels *k;
    float                    *out;
    const float              *q;
    const uint8_t            *rows;
    size_t                    stride;
    enum vlp_dtype            dtype;
    int                       dim, n, step;
};

static void scan_task(void *ctx, int i, int worker)
{
    const struct scan_job *j = ctx;
    const int              r0 = i * j->step, left = j->n - r0;
    (void)worker;
    j->k->scan(j->out + r0, j->q, j->rows + (size_t)r0 * j->stride, j->stride, j->dtype, j->dim,
               left < j->step ? left : j->step);
}

void vlp_scan_rows(const struct vlp_compute *c, float *out, const float *q, const void *rows,
                   size_t stride, enum vlp_dtype dtype, int dim, int n)
{
    struct scan_job j = {c->kernels, out, q, rows, stride, dtype, dim, n, 0};
    if (n <= 0) return;
    j.step = (int)(TASK_BYTES / (stride ? stride : 1)) + 1;
    vlp_parallel(c->pool, vlp_ceil_div(n, j.step), scan_task, &j);
}
