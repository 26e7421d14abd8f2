/* crash_images.h - lives a scenario once and opens every disk that a crash in it can leave; for tests.
 *
 * Of each disk is demanded: the database starts, whatever the disk; what was acknowledged is there, what was not sent is not,
 * nothing is there twice (crash_model.h); nothing unfinished is left over; a pass of maintenance succeeds and changes no
 * answer; new samples are taken; a second start gives the same. When only the process died, what was in flight is
 * sent again, and must outlive a power cut once it is acknowledged. And crashes of the start itself, at every step of it, are
 * looked at in the same way.
 */
#ifndef FERULA_TSDB_CRASH_IMAGES_H
#define FERULA_TSDB_CRASH_IMAGES_H

#include <stdio.h>

#include "base/vfs_crash.h"
#include "tsdb/crash/crash_scenarios.h"

typedef struct crash_options {
    vfs_crash_depth depth;
    unsigned every;        /* places looked at: 1 = each op, 3 = each third */
    unsigned second;       /* of each so many disks the start is crashed, too; 0: of none */
    unsigned findings_max; /* then the scenario ends */
    FILE *out;             /* findings in words */
} crash_options;

typedef struct crash_counts {
    uint64_t ops;    /* of the scenario */
    uint64_t first;  /* disks of a crash in it */
    uint64_t second; /* disks of a crash in the start after one */
    uint64_t equal;  /* left out, for they equal one before */
    uint64_t findings;
} crash_counts;

void crash_images_run(const crash_scenario *s, const crash_options *o, crash_counts *ret);

#endif
