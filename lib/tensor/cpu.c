/* cpu.c -- which instruction sets this machine runs, and the table of kernels that goes with each.
 */
#include <pthread.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
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

static void find(void)
{
    enum { AVX_STATE = 0x6, AVX512_STATE = 0xe6 };
    uint32_t a, b, c, d, b7;
    tables[VLP_CPU_PORTABLE] = vlp_kernels_portable;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return;
    const uint64_t state = saved_state();
    const bool     fma = (c & bit_FMA) && (c & bit_F16C) && (c & bit_AVX);
    if (!__get_cpuid_count(7, 0, &a, &b7, &c, &d)) return;
    if (!fma || !(b7 & bit_AVX2) || (state & AVX_STATE) != AVX_STATE) return;
    tables[VLP_CPU_AVX2] = vlp_kernels_avx2;
    best = VLP_CPU_AVX2;

    const uint32_t want = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((b7 & want) != want || (state & AVX512_STATE) != AVX512_STATE) return;
    tables[VLP_CPU_AVX512] = vlp_kernels_avx512;
    best = VLP_CPU_AVX512;
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
    *c = (struct vlp_compute){pool, cpu, &tables[cpu], precision};
    return VLP_OK;
}
