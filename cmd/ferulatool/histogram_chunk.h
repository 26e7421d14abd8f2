/* histogram_chunk.h - the layout of a native histogram chunk: what its header tells without its samples.
 *
 *    samples u16 | reset hint u8 | bit stream: zero threshold, schema, positive spans, negative spans, ...
 *
 * Spans are the same for all samples of a chunk. Threads: pure.
 */
#ifndef FERULA_CMD_FERULATOOL_HISTOGRAM_CHUNK_H
#define FERULA_CMD_FERULATOOL_HISTOGRAM_CHUNK_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { CHUNK_HISTOGRAM = 2, CHUNK_FLOAT_HISTOGRAM = 3 };

/* Buckets of all samples together, those of stale markers included, which have none. FER_CORRUPT when the layout does not decode. */
FER_MUST_CHECK fer_code histogram_chunk_buckets(fer_str data, uint64_t *ret, fer_err *err);

#endif
