/* crash_faults.h - lets every call of a scenario fail in turn, once or from then on; for tests.
 *
 * While the disk fails nothing may crash, and nothing may be told that is not so. Then either the disk is well again, and the
 * database must be, too: all that was sent becomes visible, maintenance succeeds, nothing unfinished is left over; or the
 * power goes while the disk fails, and the next start must find what was acknowledged (crash_exam.h).
 */
#ifndef FERULA_TSDB_CRASH_FAULTS_H
#define FERULA_TSDB_CRASH_FAULTS_H

#include <stdio.h>

#include "tsdb/crash/crash_scenarios.h"

typedef struct fault_options {
    unsigned every; /* calls that fail: 1 = each, 3 = each third */
    unsigned findings_max;
    FILE *out;
} fault_options;

typedef struct fault_counts {
    uint64_t calls; /* of the scenario */
    uint64_t lives; /* in which the disk failed */
    uint64_t findings;
} fault_counts;

/* Of a scenario that does not restart. */
void crash_faults_run(const crash_scenario *s, const fault_options *o, fault_counts *ret);

#endif
