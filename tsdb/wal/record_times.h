/* record_times.h - the times in WAL records whose samples this version does not take apart: exemplars,
 * histograms, samples with start timestamps. Threads: pure.
 */
#ifndef FERULA_TSDB_RECORD_TIMES_H
#define FERULA_TSDB_RECORD_TIMES_H

#include "tsdb/wal/record.h"

/* Whether record_newest() knows the type. */
bool record_has_times(uint8_t type);
/* The newest time in a record of such a type, in ms; INT64_MIN when it holds nothing. FER_CORRUPT when its bytes
 * end early. */
FER_MUST_CHECK fer_code record_newest(fer_str rec, int64_t *ret);

#endif
