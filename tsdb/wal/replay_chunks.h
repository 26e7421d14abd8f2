/* replay_chunks.h - the chunks of chunks_head by series, while the log is replayed.
 *
 * They are listed before the log is read and attached to their series when the log names it. Threads: one.
 */
#ifndef FERULA_TSDB_REPLAY_CHUNKS_H
#define FERULA_TSDB_REPLAY_CHUNKS_H

#include "tsdb/head/head.h"
#include "tsdb/wal/ref_map.h"

typedef struct replay_chunk {
    full_chunk c;
    uint32_t next; /* of the series, in the order of the files; REF_NONE ends */
} replay_chunk;

typedef struct replay_ooo_chunk {
    uint64_t place; /* as a marker of the log tells it; ascending */
    uint64_t ref;
    full_chunk c;
} replay_ooo_chunk;

typedef struct replay_chunks {
    replay_chunk *v;
    uint64_t *refs; /* of v, while they are gathered */
    uint32_t n, cap;
    ref_map first;         /* ref to its first chunk */
    uint64_t max_ref;      /* over all chunks */
    uint64_t skipped;      /* of other encodings, too large */
    replay_ooo_chunk *ooo; /* of samples out of order, in the order of the files */
    uint32_t n_ooo, cap_ooo;
    int64_t min_valid_time;
    const chunks_head *files;
    fer_account *acct;
} replay_chunks;

/* Lists the chunks of h->files that end at min_valid_time or later. */
void replay_chunks_load(replay_chunks *r, head *h);
void replay_chunks_done(replay_chunks *r);
/* The number of the first chunk of a ref, the others by next; REF_NONE when there is none or they have been taken. */
uint32_t replay_chunks_take(replay_chunks *r, uint64_t ref);

#endif
