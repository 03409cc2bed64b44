/*
 * cpus.c -- how many processors this process may really use: affinity, then the cgroup's quota.
 */
#include <sched.h>
#include <stdio.h>

#include <vlp/base.h>

/* cgroup v2: "max 100000" or "quota period" in microseconds; 0 where there is no limit. */
static int quota_cpus(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!f) return 0;
    long long quota = 0, period = 0;
    const int got = fscanf(f, "%lld %lld", &quota, &period);
    fclose(f);
    if (got != 2 || quota <= 0 || period <= 0) return 0;
    return (int)((quota + period - 1) / period);
}

int vlp_cpu_count(void)
{
    cpu_set_t set;
    int       n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    const int quota = quota_cpus();
    if (quota > 0 && quota < n) n = quota;
    return n < 1 ? 1 : n;
}
