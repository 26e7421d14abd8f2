/* head_mmap.h - full chunks leave memory for chunks_head.
 *
 * Called now and then by whoever maintains the head; in between they stay in the slab. Needs h->files.
 * Threads: one at a time, and not while chunks are removed from the head; staging, publishing and readers go
 * on meanwhile: each lock is held for about a thousand series at a time and never across I/O.
 */
#ifndef FERULA_TSDB_HEAD_MMAP_H
#define FERULA_TSDB_HEAD_MMAP_H

#include "tsdb/head/head.h"

/* Writes every full chunk that is in memory and lets its bytes there go. On failure those not yet written stay
 * where they are, for the next call. */
FER_MUST_CHECK fer_code head_mmap_full_chunks(head *h, fer_err *err);
/* Removes the files of chunks_head that end before mint: no series has a chunk in them any more. */
FER_MUST_CHECK fer_code head_mmap_truncate(head *h, int64_t mint, fer_err *err);

#endif
