/*
 * kernels_impl.h -- a level's table: what is one source compiled for every level, and its own int8.
 *
 * Included once, last, by the file of each level, after its simd_*.h, with these defined:
 *   TILE_ROWS, TILE_VECTORS      the register tile of f32
 *   PEAK_SUMS                    how many sums keep its units busy
 *   LEVEL_KERNELS, LEVEL_INT8    the table's name, and how the level multiplies bytes
 */
#ifndef VLP_KERNELS_IMPL_H
#define VLP_KERNELS_IMPL_H

#include "attention_back_impl.h"
#include "attention_impl.h"
#include "finish_impl.h"
#include "peak_impl.h"
#include "scan_impl.h"
#include "weights_impl.h"

static const struct vlp_gemm_kind f32 = {
    .name = "f32",
    .mr = TILE_ROWS,
    .nr = TILE_COLS,
    .unit = 1,
    .row_step = 1,
    .k_align = 1,
    .tile = tile_f32,
    .load_row = load_row_f32,
    .load_columns = load_columns_f32,
    .finish = finish,
    .expand = expand_panel,
    .flops = flops_f32,
};

static const struct vlp_gemm_kind bf16 = {
    .name = "bf16 as f32",
    .mr = TILE_ROWS,
    .nr = TILE_COLS,
    .unit = 1,
    .row_step = 1,
    .k_align = 1,
    .round_bf16 = true,
    .tile = tile_f32,
    .load_row = load_row_bf16_as_f32,
    .load_columns = load_columns_bf16_as_f32,
    .finish = finish,
    .expand = expand_panel,
    .flops = flops_f32,
};

const struct vlp_kernels LEVEL_KERNELS = {
    .gemm = {&f32, &bf16, &LEVEL_INT8},
    .layernorm = row_layernorm,
    .activate = row_activate,
    .activate_backward = row_activate_backward,
    .activate_chain = row_activate_chain,
    .layernorm_backward = row_layernorm_backward,
    .add_columns = add_columns,
    .dot = row_dot,
    .widen = row_widen,
    .row_int8 = row_int8,
    .scan = scan_rows,
    .attention_lanes = QUERIES,
    .attention = attention,
    .attention_backward = attention_backward,
    .read = read_all,
    .triad = triad,
};

#endif
