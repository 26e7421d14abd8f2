/* wal_file.h - the file of the segment that is being written.
 *
 * Bytes are appended and synced. Written in place (`ahead_bytes` above 0), zeros go first, so many at a time, and the bytes
 * then over them, in whole blocks and past the system's cache: a sync has data to make durable and neither the file's size
 * nor its place on the disk, which is most of what a sync costs. Until it is trimmed the file ends in zeros, as a log may
 * (docs/formats/wal.md). Without, it is an ordinary file.
 *
 * After a failure of append or sync only wal_file_cut() and wal_file_close() make sense.
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_WAL_FILE_H
#define FERULA_TSDB_WAL_FILE_H

#include "base/vfs.h"

typedef struct wal_file wal_file;

/* Makes the file, which must not be there: FER_EXISTS. ahead_bytes is a multiple of VFS_BLOCK_BYTES; zeros are not written
 * beyond bytes_max. The caller owns *ret: wal_file_close(). */
FER_MUST_CHECK fer_code wal_file_create(vfs *fs, const char *path, uint64_t ahead_bytes,
                                        uint64_t bytes_max, wal_file **ret, fer_err *err);
void wal_file_close(wal_file *f); /* NULL is fine */

FER_MUST_CHECK fer_code wal_file_append(wal_file *f, fer_str bytes, fer_err *err);
FER_MUST_CHECK fer_code wal_file_sync(wal_file *f, fer_err *err);
/* Takes away what lies behind `size`, at most the end; nothing is appended afterwards. */
FER_MUST_CHECK fer_code wal_file_cut(wal_file *f, uint64_t size, fer_err *err);
/* Takes the zeros behind the end away, if there are any; a failure leaves them. Nothing is appended afterwards. */
void wal_file_trim(wal_file *f);

#endif
