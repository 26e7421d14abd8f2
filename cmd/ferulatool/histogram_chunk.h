/* histogram_chunk.h - how many buckets a chunk of native histograms has.
 *
 * Threads: pure.
 */
#ifndef FERULA_CMD_FERULATOOL_HISTOGRAM_CHUNK_H
#define FERULA_CMD_FERULATOOL_HISTOGRAM_CHUNK_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Samples, and the buckets of all of them together; stale markers have none. FER_CORRUPT when the chunk does not decode. */
FER_MUST_CHECK fer_code histogram_chunk_count(uint8_t encoding, fer_str data, uint64_t *ret_samples,
                                              uint64_t *ret_buckets, fer_err *err);

#endif
