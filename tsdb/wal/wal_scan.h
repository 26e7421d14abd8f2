/* wal_scan.h - the reader's inside: pages in, records out. wal_read.c scans, wal_dir.c brings files.
 *
 * One scan reads any number of segments, one after the other, and keeps its buffers between them.
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_WAL_SCAN_H
#define FERULA_TSDB_WAL_SCAN_H

#include "tsdb/wal/wal.h"

typedef struct wal_scan wal_scan;

/* damage may be NULL. The caller owns the result: wal_scan_free(). */
wal_scan *wal_scan_new(wal_record_fn fn, wal_damage_fn damage, void *arg);
void wal_scan_free(wal_scan *s);

/* Begins a segment. path (may be NULL) is kept until the next begin. */
void wal_scan_begin(wal_scan *s, uint64_t segment, const char *path);
/* The next page: WAL_PAGE_BYTES bytes, fewer only for the last. Fails as the record function says. */
FER_MUST_CHECK fer_code wal_scan_page(wal_scan *s, const uint8_t *page, size_t n);
/* In place of the next page, of n bytes, which could not be read. */
void wal_scan_lost_page(wal_scan *s, size_t n, const char *why);
/* The segment ends behind the last page. */
void wal_scan_end(wal_scan *s);
/* Tells damage that no page shows, such as a missing segment. */
void wal_scan_tell(wal_scan *s, const wal_damage *d);

#endif
