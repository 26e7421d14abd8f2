/* rw_hist.h - the Histogram message of remote write, which 1.0 and 2.0 share.
 *
 *   Histogram  { oneof { uint64 count_int = 1; double count_float = 2; } double sum = 3; sint32 schema = 4;
 *                double zero_threshold = 5; oneof { uint64 zero_count_int = 6; double zero_count_float = 7; }
 *                repeated BucketSpan negative_spans = 8; repeated sint64 negative_deltas = 9;
 *                repeated double negative_counts = 10; repeated BucketSpan positive_spans = 11;
 *                repeated sint64 positive_deltas = 12; repeated double positive_counts = 13;
 *                ResetHint reset_hint = 14; int64 timestamp = 15; repeated double custom_values = 16; }
 *                and in 2.0 int64 start_timestamp = 17, which is not stored
 *   BucketSpan { sint32 offset = 1; uint32 length = 2; }
 *
 * Threads: pure.
 */
#ifndef FERULA_SERVER_REMOTE_RW_HIST_H
#define FERULA_SERVER_REMOTE_RW_HIST_H

#include "base/arena.h"
#include "base/buf.h"
#include "tsdb/tsdb.h"

enum { RW1_HISTOGRAM_FIELDS = 16, RW2_HISTOGRAM_FIELDS = 17 };

/* Reads a message whose known fields are those up to last_field, arrays into the arena. A histogram of the wire that
 * cannot be stored has its reason in ret->refuse; one with a finer resolution than is stored is reduced. FER_CORRUPT for
 * bytes that are no such message, FER_LIMIT from the arena. */
FER_MUST_CHECK fer_code rw_scan_histogram(fer_str msg, uint32_t last_field, fer_arena *a,
                                          tsdb_hist_row *ret);

/* Writes the message of 1.0, which remote read answers with. `tmp` is emptied. */
void rw_put_histogram(fer_buf *out, int64_t t, const hist_sample *h, fer_buf *tmp);

#endif
