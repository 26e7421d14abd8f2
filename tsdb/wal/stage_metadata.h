/* stage_metadata.h - what senders tell of families, as records of the open batch.
 *
 * The log tells such things of series: of a family the newest of its series is taken. Threads: under mu.
 */
#ifndef FERULA_TSDB_STAGE_METADATA_H
#define FERULA_TSDB_STAGE_METADATA_H

#include "tsdb/family.h"
#include "tsdb/wal/commit.h"

/* Sets `logged` of those that have a series. */
void stage_metadata(const head *h, batch *b, metadata_family *v, size_t n);

#endif
