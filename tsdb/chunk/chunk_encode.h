/* chunk_encode.h - decoded samples become chunks again: for who merges, cuts or sends them.
 *
 * Floats become chunks of encoding 1, histograms of 2 and 3. Start timestamps are left out.
 * Threads: pure.
 */
#ifndef FERULA_TSDB_CHUNK_ENCODE_H
#define FERULA_TSDB_CHUNK_ENCODE_H

#include "base/err.h"
#include "base/str.h"
#include "tsdb/samples.h"

typedef struct encoded_chunk {
    int64_t mint, maxt;
    fer_str data; /* valid during the call that gives it */
    uint16_t n;   /* samples */
    uint8_t encoding;
} encoded_chunk;

/* What is not FER_OK ends the encoding and is handed on. */
typedef fer_code (*chunk_put_fn)(void *arg, const encoded_chunk *c);

/* Gives the samples [from, to), which ascend, as chunks of at most `most` samples; a chunk ends also where the type of
 * samples changes, and where a histogram cannot share one with those before. FER_LIMIT past s's account. */
FER_MUST_CHECK fer_code chunk_encode(const samples *s, size_t from, size_t to, size_t most,
                                     chunk_put_fn put, void *arg);

#endif
