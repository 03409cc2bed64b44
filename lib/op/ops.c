/*
 * ops.c -- every op in one array, which the gradient test walks.
 */
#include "op_internal.h"

const struct vlp_op *const vlp_ops[] = {
    &vlp_op_linear,
    &vlp_op_mlp,
    &vlp_op_project,
    &vlp_op_matmul_nt,
    &vlp_op_attention,
    &vlp_op_layernorm,
    &vlp_op_act,
    &vlp_op_add,
    &vlp_op_scale,
    &vlp_op_scale_rows,
    &vlp_op_scale_exp,
    &vlp_op_lookup,
    &vlp_op_gather_rows,
    &vlp_op_concat_tokens,
    &vlp_op_mean_rows,
    &vlp_op_normalize,
    &vlp_op_transpose,
    &vlp_op_dropout,
    &vlp_op_drop_path,
    &vlp_op_cross_entropy,
    &vlp_op_cross_entropy_soft,
    &vlp_op_sigmoid_pairs,
    &vlp_op_patchify,
    &vlp_op_conv2d,
    &vlp_op_avg_pool,
    &vlp_op_nchw_to_nhwc,
    &vlp_op_batch_norm,
    NULL,
};
