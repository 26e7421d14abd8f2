/* inspect_chunk.h - what `tsdb inspect` tells of a chunk, of a block or of chunks_head.
 *
 * Threads: one.
 */
#ifndef FERULA_CMD_FERULATOOL_INSPECT_CHUNK_H
#define FERULA_CMD_FERULATOOL_INSPECT_CHUNK_H

#include "base/err.h"
#include "cmd/ferulatool/report.h"

const char *inspect_encoding_name(uint8_t encoding);
/* The count in the header of a chunk of at least two bytes. */
unsigned inspect_chunk_count(uint8_t encoding, fer_str data);
/* A line for each sample. FER_CORRUPT when the chunk does not decode: samples before the fault are shown; FER_UNSUPPORTED
 * for an encoding or a schema nobody knows. */
FER_MUST_CHECK fer_code inspect_samples(report *r, uint8_t encoding, fer_str data);

#endif
