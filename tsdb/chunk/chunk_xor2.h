/* chunk_xor2.h - float chunks of encoding 4, with start timestamps (docs/formats/chunk_xor2.md): reading.
 *
 * Prometheus writes them from 3.11 on when it is told to; Ferula writes encoding 1.
 * Threads: pure.
 */
#ifndef FERULA_TSDB_CHUNK_XOR2_H
#define FERULA_TSDB_CHUNK_XOR2_H

#include "base/err.h"
#include "base/str.h"
#include "tsdb/samples.h"

enum { CHUNK_XOR2 = 4 };

/* As xor_decode(), with start timestamps. */
FER_MUST_CHECK fer_code xor2_decode(fer_str chunk, uint32_t n, int64_t mint, int64_t maxt,
                                    samples *out);

#endif
