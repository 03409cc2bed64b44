/*
 * gemm_amx.c -- bfloats and bytes on AMX: tiles of 32 rows by 32 columns in tile registers.
 *
 * A thread configures its tile registers when it enters a task and releases them when it leaves, so
 * that the system need not save them in between. Permission is asked for once, in cpu.c.
 */
#include "simd_avx512.h"

#include "finish_bf16_impl.h"
#include "finish_impl.h"
#include "load_bf16_impl.h"
#include "quant_impl.h"

#define TILE_ZERO(t)              _tile_zero(t)
#define TILE_LOAD(t, at, stride)  _tile_loadd(t, at, stride)
#define TILE_STORE(t, at, stride) _tile_stored(t, at, stride)

#define AMX_NAME tile_bf16
#define TILE_DOT _tile_dpbf16ps
#include "gemm_amx_impl.h"
#undef AMX_NAME
#undef TILE_DOT

#define AMX_NAME tile_int8
#define TILE_DOT _tile_dpbusd
#include "gemm_amx_impl.h"

static void enter(void)
{
    /* palette 1: eight registers of 16 rows by 64 bytes */
    static const struct {
        uint8_t  palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t  rows[16];
    } config __attribute__((aligned(64))) = {.palette = 1,
                                             .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                             .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
}

static void leave(void)
{
    _tile_release();
}

static double flops_bf16(long rounds)
{
    enter();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(6);
    for (long r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 6);
        _tile_dpbf16ps(2, 4, 6);
        _tile_dpbf16ps(3, 4, 6);
    }
    leave();
    return 2.0 * 4 * 16 * 16 * 32 * (double)rounds;
}

static double flops_int8(long rounds)
{
    enter();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(6);
    for (long r = 0; r < rounds; r++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 6);
        _tile_dpbusd(2, 4, 6);
        _tile_dpbusd(3, 4, 6);
    }
    leave();
    return 2.0 * 4 * 16 * 16 * 64 * (double)rounds;
}

const struct vlp_gemm_kind vlp_gemm_bf16_amx = {
    .name = "bf16 amx",
    .mr = 32,
    .nr = 32,
    .unit = 2,
    .row_step = 16,
    .k_align = 16,
    .tile = tile_bf16,
    .load_row = load_row_bf16,
    .load_columns = load_columns_bf16,
    .finish = finish,
    .finish_units = finish_units_bf16,
    .enter = enter,
    .leave = leave,
    .flops = flops_bf16,
};

const struct vlp_gemm_kind vlp_gemm_int8_amx = {
    .name = "int8 amx",
    .mr = 32,
    .nr = 32,
    .unit = 4,
    .row_step = 16,
    .k_align = 16,
    .w_limit = 127,
    .tile = tile_int8,
    .load_row = load_row_u8,
    .quant_row = quant_row,
    .finish = finish,
    .enter = enter,
    .leave = leave,
    .flops = flops_int8,
};
