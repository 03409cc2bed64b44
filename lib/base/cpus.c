/*
 * cpus.c -- how many processors this process may really use: affinity, then the quotas of its
 * cgroup and of those above it.
 */
#include "base_internal.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vlp/base.h>

/* Up to two numbers of a small file; how many there were. */
static int read_numbers(const char *folder, const char *name, long long number[2])
{
    struct vlp_buf path = {0};
    vlp_buf_printf(&path, "%s/%s", folder, name);
    FILE *f = fopen(path.data, "r");
    vlp_buf_free(&path);
    if (!f) return 0;
    const int got = fscanf(f, "%lld %lld", &number[0], &number[1]);
    fclose(f);
    return got < 0 ? 0 : got;
}

/* Of one cgroup, in microseconds. Version 2 has "max 100000" or "quota period", version 1 a file
 * for each, the quota -1 where there is none. */
static int quota_cpus(const char *folder)
{
    long long n[2] = {0}, period[2] = {0};
    if (read_numbers(folder, "cpu.max", n) != 2) {
        if (read_numbers(folder, "cpu.cfs_quota_us", n) < 1) return 0;
        if (read_numbers(folder, "cpu.cfs_period_us", period) < 1) return 0;
        n[1] = period[0];
    }
    if (n[0] <= 0 || n[1] <= 0) return 0;
    const long long cpus = n[0] / n[1] + (n[0] % n[1] != 0);
    return cpus < INT16_MAX ? (int)cpus : INT16_MAX;
}

static int smaller(int a, int b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The least of `root`, and of the cgroups in it on the way to `group` ("/a/b"). A container may be
 * told the names that its host has: what is not there is passed over. */
static int least_cpus(const char *root, const char *group)
{
    struct vlp_buf at = {0};
    int            least = quota_cpus(root);
    vlp_buf_add_str(&at, root);
    while (*group == '/' && !strstr(group, "/..")) {
        const size_t n = 1 + strcspn(group + 1, "/");
        if (n > 1) {
            vlp_buf_add(&at, group, n);
            least = smaller(least, quota_cpus(at.data));
        }
        group += n;
    }
    vlp_buf_free(&at);
    return least;
}

static bool is_listed(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (; *list; list += strcspn(list, ","), list += *list == ',')
        if (strcspn(list, ",") == n && memcmp(list, word, n) == 0) return true;
    return false;
}

int vlp_cgroup_cpus(const char *self, const char *mount)
{
    FILE  *f = fopen(self, "r");
    char  *line = NULL;
    size_t cap = 0;
    int    least = quota_cpus(mount);
    while (f && getline(&line, &cap, f) > 0) { /* "0::/group" or "3:cpu,cpuacct:/group" */
        char *rest = line;
        line[strcspn(line, "\n")] = '\0';
        strsep(&rest, ":");
        const char *controllers = strsep(&rest, ":");
        if (!rest) continue;
        struct vlp_buf root = {0};
        vlp_buf_add_str(&root, mount);
        if (*controllers) vlp_buf_printf(&root, "/%s", controllers);
        if (!*controllers || is_listed(controllers, "cpu"))
            least = smaller(least, least_cpus(root.data, rest));
        vlp_buf_free(&root);
    }
    free(line);
    if (f) fclose(f);
    return least;
}

/* Processors that the scheduler may take; a set of the usual size is too small for some machines.
 */
static int allowed_cpus(void)
{
    enum { MOST = 1 << 20 };
    for (int most = CPU_SETSIZE; most <= MOST; most *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        const int  n = set && sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)most), set) == 0
                           ? CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)most), set)
                           : 0;
        CPU_FREE(set);
        if (n > 0) return n;
    }
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 && online <= MOST ? (int)online : 1;
}

int vlp_cpu_count(void)
{
    const int quota = vlp_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
    return smaller(allowed_cpus(), quota);
}
