/*
 * base_internal.h -- what the tests want to know of the base room besides its contract.
 */
#ifndef VLP_BASE_INTERNAL_H
#define VLP_BASE_INTERNAL_H

/*
 * Processors that the cgroups of a process grant by their quota, rounded up; 0: any number. `self`
 * is its /proc/self/cgroup, `mount` where the cgroups are (/sys/fs/cgroup), of version 2 or 1.
 */
int vlp_cgroup_cpus(const char *self, const char *mount);

#endif
