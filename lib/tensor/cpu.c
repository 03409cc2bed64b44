/* cpu.c -- which instruction sets this machine runs, and the table of kernels that goes with each.
 */
#include <pthread.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "tensor_internal.h"

static const char *const names[VLP_CPU_COUNT] = {"portable", "avx2", "avx512", "amx"};

static struct vlp_kernels tables[VLP_CPU_COUNT]; /* filled once, then read only */
static enum vlp_cpu       best;
static pthread_once_t     once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
/* The parts of the processor's state that the system saves: without that a register may not be
 * used, whatever cpuid says. */
static uint64_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Tiles are 8 KiB of state that Linux saves only for a process that has asked. */
static bool ask_for_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}

static void find(void)
{
    enum { AVX_STATE = 0x6, AVX512_STATE = 0xe6, TILE_STATE = 0x60000 };
    uint32_t a, b, c, d, b7, c7, d7, a71 = 0;
    tables[VLP_CPU_PORTABLE] = vlp_kernels_portable;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return;
    const uint64_t state = saved_state();
    const bool     fma = (c & bit_FMA) && (c & bit_F16C) && (c & bit_AVX);
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return;
    if (a >= 1) __get_cpuid_count(7, 1, &a71, &b, &c, &d);
    if (!fma || !(b7 & bit_AVX2) || (state & AVX_STATE) != AVX_STATE) return;
    tables[VLP_CPU_AVX2] = vlp_kernels_avx2;
    best = VLP_CPU_AVX2;

    const uint32_t want = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((b7 & want) != want || (state & AVX512_STATE) != AVX512_STATE) return;
    const bool          vnni = c7 & bit_AVX512VNNI, bf16 = a71 & bit_AVX512BF16;
    struct vlp_kernels *t = &tables[VLP_CPU_AVX512];
    *t = vlp_kernels_avx512;
    if (vnni) t->gemm[VLP_PRECISION_INT8] = &vlp_gemm_int8_vnni;
    if (bf16) t->gemm[VLP_PRECISION_BF16] = &vlp_gemm_bf16_avx512;
    best = VLP_CPU_AVX512;

    const uint32_t tiles = 1u << 24 | 1u << 25 | 1u << 22; /* AMX-TILE, -INT8, -BF16 */
    if (!vnni || !bf16 || (d7 & tiles) != tiles || (state & TILE_STATE) != TILE_STATE) return;
    if (!ask_for_tiles()) return;
    t = &tables[VLP_CPU_AMX];
    *t = tables[VLP_CPU_AVX512];
    t->gemm[VLP_PRECISION_INT8] = &vlp_gemm_int8_amx;
    t->gemm[VLP_PRECISION_BF16] = &vlp_gemm_bf16_amx;
    best = VLP_CPU_AMX;
}
#else
static void find(void)
{
    tables[VLP_CPU_PORTABLE] = vlp_kernels_portable;
}
#endif

enum vlp_cpu vlp_cpu_best(void)
{
    pthread_once(&once, find);
    return best;
}

const char *vlp_cpu_name(enum vlp_cpu c)
{
    return names[c];
}

const char *vlp_precision_name(enum vlp_precision p)
{
    static const char *const of[VLP_PRECISION_COUNT] = {"f32", "bf16", "int8"};
    return of[p];
}

enum vlp_status vlp_compute_init(struct vlp_compute *c, struct vlp_pool *pool, const char *name,
                                 enum vlp_precision precision, struct vlp_error *err)
{
    enum vlp_cpu cpu = vlp_cpu_best();
    if (name && *name) {
        int i = 0;
        while (i < VLP_CPU_COUNT && strcmp(name, names[i]) != 0) i++;
        if (i == VLP_CPU_COUNT)
            return vlp_fail(err, VLP_ERR_USAGE,
                            "no instruction set is called '%s': portable, avx2, avx512 or amx",
                            name);
        if (i > (int)cpu)
            return vlp_fail(err, VLP_ERR_USAGE, "this machine cannot run '%s'; its best is '%s'",
                            name, names[cpu]);
        cpu = (enum vlp_cpu)i;
    }
    *c = (struct vlp_compute){
        .pool = pool, .cpu = cpu, .kernels = &tables[cpu], .precision = precision};
    return VLP_OK;
}
