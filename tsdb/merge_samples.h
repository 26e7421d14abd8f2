/* merge_samples.h - runs of samples, each in time order, become one.
 *
 * Of samples at one time that is kept which Prometheus keeps (docs/formats/block.md, merging).
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_MERGE_SAMPLES_H
#define FERULA_TSDB_MERGE_SAMPLES_H

#include "base/err.h"
#include "tsdb/samples.h"

/* Where a run's samples are in the array. */
typedef struct sample_run {
    size_t at, end;
} sample_run;

/* Brings out[from..] into order; the runs cover it, and their order decides between equal times. FER_LIMIT when
 * the account refuses. */
FER_MUST_CHECK fer_code merge_samples(samples *out, size_t from, sample_run *runs, uint32_t n_runs);

#endif
