/* wal.h - the durable log of what the head accepted (docs/formats/wal.md; DESIGN D1, D3).
 *
 * Prometheus' format: segments of 32 KiB pages, records cut into fragments with CRC-32C. The writer
 * frames staged records in memory and writes them with one pwrite per batch; wal_sync() makes them
 * durable. Every process start begins a new segment. After a failed write or sync the segment is
 * abandoned (never a second sync on it: the kernel may have dropped the dirty pages) and everything
 * not known durable is written again to a new segment.
 *
 * A record may therefore be read twice. What is written again is always the end of the log, whole and
 * in order: a reader sees ... a b c | b c d ..., each copy complete. Who replays must take an equal
 * sample at or before the newest of its series, and a series already known, as nothing new.
 *
 * Threads: a wal writer belongs to the committer; readers are separate objects.
 */
#ifndef FERULA_TSDB_WAL_H
#define FERULA_TSDB_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/vfs.h"

enum { WAL_PAGE_BYTES = 32 * 1024, WAL_HEADER_BYTES = 7 };
#define WAL_SEGMENT_BYTES_DEFAULT (128u << 20)
/* No record may be longer, before or after compression; a reader takes a longer one as damage. */
#define WAL_RECORD_BYTES_MAX (256u << 20)

typedef enum wal_compression { WAL_PLAIN, WAL_SNAPPY, WAL_ZSTD } wal_compression;

typedef struct wal_options {
    uint64_t segment_bytes;      /* multiple of the page; 0 = default */
    wal_compression compression; /* of records that get smaller by it; the others stay plain */
    fer_clock *clock;            /* times the syncs; NULL = the machine's */
    uint64_t
        ahead_bytes; /* a multiple of the page: segments are written in place (wal_file.h). 0 = they grow */
    bool
        begun; /* a log without a segment gets an empty one: promtool takes a wbl/ without one for broken */
} wal_options;

/* ahead_bytes for segments of so many bytes (0: the default) that are synced often: 1 MiB of 128. */
uint64_t wal_ahead_bytes(uint64_t segment_bytes);

typedef struct wal wal;

typedef struct wal_stats {
    uint64_t segment;          /* number of the segment being written, or of the next to be made */
    uint64_t fsyncs, fsync_ns; /* of segments: count and total time, failed ones included */
    uint64_t fsync_max_ns;
    uint64_t bytes_written; /* framed, rewritten ones again */
    uint64_t records;       /* appended */
    uint64_t pages;         /* completed */
    uint64_t writes_failed; /* calls of wal_write and wal_sync that failed */
} wal_stats;

/* Opens the log in `dir` (made if absent) for writing, at a new segment behind the last one there
 * (0 when none). The segment's file is made by the first wal_write, so that opening needs no space on
 * the disk. The caller owns *ret: wal_close(). */
FER_MUST_CHECK fer_code wal_open(vfs *fs, const char *dir, const wal_options *o, fer_log *log,
                                 wal **ret, fer_err *err);

/* Takes the record into the batch being built; copies the bytes. Infallible (memory is bounded by
 * the caller's staging budget). A record never crosses segments. At most WAL_RECORD_BYTES_MAX. */
void wal_append(wal *w, fer_str rec);
/* Writes what has been appended since. On failure keeps all that is not durable, and the next
 * wal_write begins a new segment with it. Syncs the old segment when it begins another. */
FER_MUST_CHECK fer_code wal_write(wal *w, fer_err *err);
/* fdatasync of what wal_write wrote. On failure as wal_write: everything written since the last good
 * sync is written again by the next wal_write; until that has succeeded wal_sync fails too. With no
 * sync due it returns FER_OK at once. */
FER_MUST_CHECK fer_code wal_sync(wal *w, fer_err *err);
/* Ends the segment, synced: the next wal_write begins another. All that was appended must be written. On
 * failure as wal_sync. */
FER_MUST_CHECK fer_code wal_cut(wal *w, fer_err *err);
/* For wal-sync=none and interval: forget the bytes kept for rewriting up to here, without a sync. */
void wal_relax(wal *w);
/* Gives back the memory of buffers that hold nothing. */
void wal_rest(wal *w);
/* Bytes held because they are not known durable. */
size_t wal_pending_bytes(const wal *w);
void wal_stats_get(const wal *w, wal_stats *ret);
/* Pads the last page, syncs, closes. The handle is gone also on failure. */
fer_code wal_close(wal *w, fer_err *err);

/* ---- reading ---- */

/* Called per record, in order; rec valid during the call. A result other than FER_OK ends the reading. */
typedef fer_code (*wal_record_fn)(void *arg, uint64_t segment, uint64_t offset, fer_str rec);

typedef struct wal_damage {
    const char *path; /* of the file, valid during the call; NULL from wal_read_segment */
    uint64_t segment;
    uint64_t offset; /* where the loss begins: a page, a fragment or a record's first fragment */
    uint64_t lost_bytes; /* from there until reading could go on; 0 for missing segments */
    bool unread;         /* the disk did not give part of it */
    bool torn; /* nothing could be read behind it in this segment: at the end of a log, and of
                          * a segment whose writer was killed, this is a write that never finished */
    char why[128];
} wal_damage;
/* Called per damaged range, before the record that reading goes on with. */
typedef void (*wal_damage_fn)(void *arg, const wal_damage *d);

/* Where a write begins that was never finished. */
typedef struct wal_tear {
    bool found;
    uint64_t segment, offset;
} wal_tear;
/* For a reader's damage function: keeps the last. */
void wal_note_tear(wal_tear *t, const wal_damage *d);
/* Cuts it off, durably, if its segment is the newest of the log: before anything is written behind it, for Prometheus deletes all that
 * follows a torn record. */
FER_MUST_CHECK fer_code wal_cut_tear(vfs *fs, const char *dir, const wal_tear *t, fer_err *err);

/* Reads one segment's bytes: the recovery rule of wal_read.c. `damage` may be NULL. Fails only as fn
 * says. */
FER_MUST_CHECK fer_code wal_read_segment(fer_str bytes, uint64_t segment, wal_record_fn fn,
                                         wal_damage_fn damage, void *arg);

/* The numbers of the segments in a WAL directory, ascending, in the arena. */
FER_MUST_CHECK fer_code wal_list(vfs *fs, const char *dir, fer_arena *a, uint64_t **ret,
                                 size_t *ret_n, fer_err *err);
/* Reads the newest checkpoint, if any, then all segments behind it. Records of a checkpoint come with
 * the checkpoint's number as their segment: they stand for the segments up to it. progress may be
 * NULL and is set to the segment being read. Missing numbers between segments are told as damage, and
 * so is a page that the disk does not give. Fails when a directory cannot be listed or a file not be
 * opened, and as fn says. Holds one record and four megabytes of file at a time, which a thread reads ahead (wal_fetch.h). */
FER_MUST_CHECK fer_code wal_read(vfs *fs, const char *dir, wal_record_fn fn, wal_damage_fn damage,
                                 void *arg, _Atomic uint64_t *progress_current, fer_err *err);
/* As wal_read, without the segments behind `last`. */
FER_MUST_CHECK fer_code wal_read_until(vfs *fs, const char *dir, uint64_t last, wal_record_fn fn,
                                       wal_damage_fn damage, void *arg, fer_err *err);

#endif
