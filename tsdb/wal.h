/* wal.h - the durable log of what the head accepted (FORMAT.md section 12; DESIGN D1, D3).
 *
 * Prometheus' format: segments of 32 KiB pages, records cut into fragments with CRC-32C. The writer
 * frames staged records in memory and writes them with one pwrite per batch; wal_sync() makes them
 * durable. Every process start begins a new segment. After a failed write or sync the segment is
 * abandoned (never a second sync on it: the kernel may have dropped the dirty pages) and everything
 * not known durable is written again to a new segment.
 *
 * Threads: a wal writer belongs to the committer; readers are separate objects.
 */
#ifndef FERULA_TSDB_WAL_H
#define FERULA_TSDB_WAL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/vfs.h"

enum { WAL_PAGE_BYTES = 32 * 1024, WAL_HEADER_BYTES = 7 };
#define WAL_SEGMENT_BYTES_DEFAULT (128u << 20)

typedef enum wal_compression { WAL_PLAIN, WAL_SNAPPY, WAL_ZSTD } wal_compression;

typedef struct wal_options {
    uint64_t segment_bytes; /* multiple of the page; 0 = default */
    wal_compression compression;
} wal_options;

typedef struct wal wal;

typedef struct wal_stats {
    uint64_t segment;          /* number of the segment being written */
    uint64_t fsyncs, fsync_ns; /* count and total time */
    uint64_t fsync_max_ns;
    uint64_t bytes_written, records, pages;
    uint64_t writes_failed;
} wal_stats;

/* Opens the log in `dir` (made if absent) for writing, at a new segment behind the last one there
 * (0 when none). The caller owns *ret: wal_close(). */
FER_MUST_CHECK fer_code wal_open(vfs *fs, const char *dir, const wal_options *o, fer_log *log,
                                 wal **ret, fer_err *err);

/* Takes the records into the batch being built; copies the bytes. Infallible (memory is bounded by
 * the caller's staging budget). A record never crosses segments. */
void wal_append(wal *w, fer_str rec);
/* Writes what has been appended since. On failure keeps all that is not durable, and the next
 * wal_write begins a new segment with it. */
FER_MUST_CHECK fer_code wal_write(wal *w, fer_err *err);
/* fdatasync of what wal_write wrote. On failure as wal_write: everything written since the last good
 * sync is written again by the next wal_write. With no sync due it returns FER_OK at once. */
FER_MUST_CHECK fer_code wal_sync(wal *w, fer_err *err);
/* For wal-sync=none and interval: forget the bytes kept for rewriting up to here, without a sync. */
void wal_relax(wal *w);
/* Bytes held because they are not known durable. */
size_t wal_pending_bytes(const wal *w);
void wal_stats_get(const wal *w, wal_stats *ret);
/* Pads the last page, syncs, closes. The handle is gone also on failure. */
fer_code wal_close(wal *w, fer_err *err);

/* ---- reading ---- */

/* Called per record, in order; rec valid during the call. A result other than FER_OK ends the reading. */
typedef fer_code (*wal_record_fn)(void *arg, uint64_t segment, uint64_t offset, fer_str rec);

typedef struct wal_damage {
    uint64_t segment;
    uint64_t offset;      /* of the page or fragment that failed */
    uint64_t lost_bytes;  /* skipped until reading could go on */
    char why[128];
} wal_damage;
/* Called per damaged range; reading goes on at the next page. */
typedef void (*wal_damage_fn)(void *arg, const wal_damage *d);

typedef struct wal_progress {
    uint64_t first, last, current; /* segment numbers */
} wal_progress;

/* Reads one segment's bytes: the recovery rule of wal.c. A torn last record of a segment is normal
 * (the writer died) and is told as damage only when `last` is false and bytes are lost. */
FER_MUST_CHECK fer_code wal_read_segment(fer_str bytes, uint64_t segment, wal_record_fn fn,
                                         wal_damage_fn damage, void *arg, fer_err *err);

/* Lists segments of a WAL directory, ascending; sets of at most max numbers in the arena. */
FER_MUST_CHECK fer_code wal_list(vfs *fs, const char *dir, fer_arena *a, uint64_t **ret, size_t *ret_n,
                                 fer_err *err);
/* Reads the newest checkpoint, if any, then all segments behind it. progress may be NULL and is
 * updated as reading goes (from this thread). */
FER_MUST_CHECK fer_code wal_read(vfs *fs, const char *dir, wal_record_fn fn, wal_damage_fn damage,
                                 void *arg, _Atomic uint64_t *progress_current, fer_err *err);

#endif
