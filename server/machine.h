/* machine.h - what the process may use and uses: cgroup or machine memory, resident bytes, CPU, files.
 *
 * Sources: cgroup v2 memory.max, v1 memory.limit_in_bytes, /proc/meminfo, /proc/self, sched_getaffinity(2). Any thread.
 */
#ifndef FERULA_SERVER_MACHINE_H
#define FERULA_SERVER_MACHINE_H

#include <stdint.h>

/* The least of the cgroup's limits and the machine's memory. */
int64_t machine_memory_bytes(void);
/* Processors that the process may run on, at least 1. */
unsigned machine_processors(void);
int64_t machine_resident_bytes(void);
int64_t machine_virtual_bytes(void);
double machine_cpu_seconds(void); /* user and system, this process */
int64_t machine_open_fds(void);
int64_t machine_max_fds(void);
/* As many files as the hard limit allows, as Go's programs have it. Before there are other threads. */
void machine_raise_max_fds(void);

#endif
