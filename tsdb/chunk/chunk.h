/* chunk.h - reading a chunk of any encoding: 1 to 6 are known (chunk_xor.h, chunk_xor2.h, chunk_hist.h).
 *
 * Threads: pure.
 */
#ifndef FERULA_TSDB_CHUNK_H
#define FERULA_TSDB_CHUNK_H

#include "base/err.h"
#include "base/str.h"
#include "tsdb/samples.h"

/* Whether chunk_decode() knows the encoding. */
bool chunk_is_known(uint8_t encoding);
/* Appends the samples with mint <= t <= maxt of a whole chunk to out, with their start timestamps. FER_CORRUPT when the
 * bytes are not sound: samples before the fault are delivered; FER_UNSUPPORTED for an encoding or a schema nobody
 * knows; FER_LIMIT from out's account. */
FER_MUST_CHECK fer_code chunk_decode(uint8_t encoding, fer_str chunk, int64_t mint, int64_t maxt,
                                     samples *out);

#endif
