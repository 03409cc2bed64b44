/*
 * add.c -- a + b, where b's rows begin again when they run out (a bias row, positions, one number).
 *
 *   forward     y[i] = a[i] + b[i mod n]
 *   backward    da += dy,  db[j] += sum over i = j mod n of dy[i]
 */
#include "op_internal.h"

#include <assert.h>

struct part {
    float       *y;
    const float *a, *b;
    size_t       period; /* elements of b */
    size_t       repeats;
};

static void forward_rows(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t r = begin; r < end; r++) {
        const size_t at = (size_t)r * p->period;
        for (size_t i = 0; i < p->period; i++) p->y[at + i] = p->a[at + i] + p->b[i];
    }
}

static void forward_same(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (int64_t i = begin; i < end; i++) p->y[i] = p->a[i] + p->b[i];
}

static void backward_b(void *ctx, int64_t begin, int64_t end)
{
    const struct part *p = ctx;
    for (size_t r = 0; r < p->repeats; r++)
        for (int64_t i = begin; i < end; i++) p->y[i] += p->a[r * p->period + (size_t)i];
}

static void backward(struct vlp_tape *t, const struct vlp_node *n)
{
    struct vlp_tensor *a = n->in[0], *b = n->in[1];
    const size_t       period = vlp_numel(b), total = vlp_numel(a);
    vlp_settle_grad(b);
    op_pass_back(t, a, n->out->grad, a != b);
    if (b->grad && period == 1) {
        double sum = 0.0; /* of perhaps millions */
        for (size_t i = 0; i < total; i++) sum += (double)n->out->grad[i];
        b->grad[0] += (float)sum;
    } else if (b->grad) {
        struct part p = {b->grad, n->out->grad, NULL, period, total / period};
        op_split(t, (int64_t)period, p.repeats, backward_b, &p);
    }
}

const struct vlp_op vlp_op_add = {.name = "add", .backward = backward, .sets = true};

struct vlp_tensor *vlp_add(struct vlp_tape *t, struct vlp_tensor *a, struct vlp_tensor *b)
{
    const size_t period = vlp_numel(b), total = vlp_numel(a);
    assert((period == 1 || vlp_cols(a) == vlp_cols(b)) && total % period == 0);
    struct vlp_tensor *y = vlp_tensor_new(t, a->ndim, a->dim, false);
    vlp_record(t, &vlp_op_add, y, 0, VLP_INPUTS(a, b));
    if (total == period) {
        struct part p = {.y = y->data, .a = vlp_values(a), .b = vlp_values(b)};
        op_split(t, (int64_t)total, 1, forward_same, &p);
    } else {
        struct part p = {y->data, vlp_values(a), vlp_values(b), period, 1};
        op_split(t, (int64_t)(total / period), period, forward_rows, &p);
    }
    return y;
}
