/* wbl_replay.h - the log of samples out of order (wbl) read back, behind the other log.
 *
 * Chunks of chunks_head that are marked so come first; then the samples of the log. A marker says that what the series has
 * in the log before it is in a chunk: if that chunk was read back, these samples are dropped. If not, as
 * after a power cut, they stay, then perhaps twice: reading takes each once.
 * Threads: one, before anybody else knows the head.
 */
#ifndef FERULA_TSDB_WBL_REPLAY_H
#define FERULA_TSDB_WBL_REPLAY_H

#include "tsdb/head/ooo_series.h"
#include "tsdb/wal/ref_map.h"
#include "tsdb/wal/replay_chunks.h"
#include "tsdb/wal/wal.h"

typedef struct wbl_replay_stats {
    uint64_t samples, chunks, unknown_refs, corruptions;
    uint64_t max_ref; /* seen */
    wal_tear tear;
} wbl_replay_stats;

/* refs: to slots. A folder that is not there is an empty log. */
FER_MUST_CHECK fer_code wbl_replay(head *h, vfs *fs, const char *wbl_dir, ref_map *refs,
                                   const replay_chunks *chunks, wbl_replay_stats *ret,
                                   fer_err *err);

#endif
