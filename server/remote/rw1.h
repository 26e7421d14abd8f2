/* rw1.h - remote-write 1.0 requests: prometheus.WriteRequest in a snappy block.
 *
 * One scan over the decompressed bytes; labels are not built (DESIGN D4): a row carries the raw bytes
 * of its series' label fields and their fingerprint. Spec: Prometheus Remote-Write 1.0; REMOTE.md.
 */
#ifndef FERULA_SERVER_REMOTE_RW1_H
#define FERULA_SERVER_REMOTE_RW1_H

#include "base/buf.h"
#include "server/remote/metadata.h"
#include "tsdb/tsdb.h"

enum { RW_DECODED_BYTES_MAX = 32 * 1024 * 1024 };

/* What one request holds; views into the decoded bytes. Reused from request to request. */
typedef struct rw_request {
    fer_account *acct;
    tsdb_row *rows; /* samples in the order of the request */
    size_t n_rows, cap_rows;
    metadata_family *metadata;
    size_t n_metadata, cap_metadata;
    size_t n_series, n_histograms, n_exemplars;
    size_t msg_bytes;
    fer_buf gathered;         /* label bytes of series whose label fields are not in one run */
    fer_str histogram_labels; /* raw labels of the first series with a histogram */
} rw_request;

/* Gives the 128-bit identity of raw label bytes: tsdb_fingerprint(). */
typedef fer_hash128 (*rw_fingerprint_fn)(const void *arg, fer_str raw);

void rw_request_init(rw_request *q, fer_account *acct);
void rw_request_done(rw_request *q);
/* Bytes kept for reuse. */
size_t rw_request_bytes(const rw_request *q);

/* The raw snappy block -> bytes in out (cleared first). FER_INVALID: not a snappy block, or more than
 * RW_DECODED_BYTES_MAX when decoded (checked before memory is taken); FER_LIMIT: out's account. */
FER_MUST_CHECK fer_code rw_snappy_decode(fer_str body, fer_buf *out, fer_err *err);

/* Scans a WriteRequest. FER_INVALID names the message that is broken and the byte; FER_LIMIT when the
 * account refuses. */
FER_MUST_CHECK fer_code rw1_scan(fer_str msg, rw_fingerprint_fn fp, const void *fp_arg,
                                 rw_request *ret, fer_err *err);

/* tsdb_labels_fn: the labels of a row's raw bytes, in the order of the wire. */
fer_code rw1_labels(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                    fer_err *err);

#endif
