/* checkpoint.h - what is still needed of the oldest segments of the log, so that they can be deleted
 * (docs/formats/wal.md, FORMAT.md 12).
 *
 *     wal/checkpoint.00000003/00000000 ...    stands for the segments up to 3
 *
 * Of the newest checkpoint and the segments behind it, up to `last`, it keeps
 *   - the series whose refs are in the set given: those in the head, and those of samples that may still be
 *     in the log;
 *   - samples at or after mint; deletions of kept series that reach to stones_mint, before which a start reads nothing back; the
 *     newest metadata of each;
 *   - whole records of exemplars, histograms and samples with start timestamps, which this version
 *     does not take apart, when one of their times is at or after mint.
 * Records of other kinds are left out, as Prometheus does; damage is passed over as replay passes over it.
 *
 * It is written beside, synced, and renamed; a crash at any point leaves a directory that replays to the
 * same head. The log is read and written as a stream: held are a megabyte each way, the set of
 * refs and the newest metadata.
 *
 * Threads: one at a time per directory; the writer of the log (wal.h) goes on meanwhile, behind `last`.
 */
#ifndef FERULA_TSDB_CHECKPOINT_H
#define FERULA_TSDB_CHECKPOINT_H

#include "tsdb/wal/ref_set.h"
#include "tsdb/wal/wal.h"

typedef struct checkpoint_request {
    vfs *fs;
    const char *wal_dir;
    uint64_t last;       /* segment; closed, and so are those before */
    int64_t mint;        /* ms; older samples are in blocks, or given up */
    int64_t stones_mint; /* likewise for deletions: where the next start begins, at most mint */
    ref_set *keep;       /* sealed */
    wal_options wal;
    fer_account *acct; /* of the metadata held; may be NULL */
    fer_log *log;      /* may be NULL */
} checkpoint_request;

typedef struct checkpoint_stats {
    uint64_t series_kept, series_dropped, samples_kept, samples_dropped;
    uint64_t others_kept, others_dropped; /* deletions, metadata, whole records */
    uint64_t damages;                     /* passed over */
} checkpoint_stats;

/* Which segments the next checkpoint should take: two thirds of those behind the newest checkpoint, the
 * newest, which may be in writing, not counted. False in *ret_any when there is nothing worth it. */
FER_MUST_CHECK fer_code checkpoint_choose(vfs *fs, const char *wal_dir, uint64_t *ret_last,
                                          bool *ret_any, fer_err *err);
/* Writes checkpoint.`last`, durably. A failure leaves the log as it was, but perhaps for checkpoint.*.tmp. */
FER_MUST_CHECK fer_code checkpoint_write(const checkpoint_request *req, checkpoint_stats *ret,
                                         fer_err *err);
/* Deletes the segments that the newest checkpoint stands for, older checkpoints, and what crashes left of
 * unfinished ones. *ret_removed (may be NULL): how many segments. */
FER_MUST_CHECK fer_code checkpoint_tidy(vfs *fs, const char *wal_dir, uint64_t *ret_removed,
                                        fer_err *err);
/* Only what crashes left of unfinished ones. */
FER_MUST_CHECK fer_code checkpoint_remove_unfinished(vfs *fs, const char *wal_dir, fer_err *err);

#endif
