/* rw1.h - remote-write 1.0 requests: the message prometheus.WriteRequest.
 *
 * One scan over the decoded bytes; labels are not built (DESIGN D4): a row carries the raw bytes
 * of its series' label fields and their fingerprint. Spec: Prometheus Remote-Write 1.0; REMOTE.md.
 */
#ifndef FERULA_SERVER_REMOTE_RW1_H
#define FERULA_SERVER_REMOTE_RW1_H

#include "server/remote/request.h"

/* Scans a WriteRequest. FER_INVALID names the message that is broken and the byte; FER_LIMIT when the
 * account refuses. */
FER_MUST_CHECK fer_code rw1_scan(fer_str msg, rw_fingerprint_fn fp, const void *fp_arg,
                                 rw_request *ret, fer_err *err);

/* tsdb_known(). */
typedef void (*rw1_known_fn)(void *arg, const tsdb_row *rows, size_t n, bool *ret);
/* The same, cheaper where most series are known: those of one sample are taken for labels up to it, which is looked at only
 * when `known` does not know the name that makes. */
FER_MUST_CHECK fer_code rw1_scan_known(fer_str msg, rw_fingerprint_fn fp, const void *fp_arg,
                                       rw1_known_fn known, void *known_arg, rw_request *ret,
                                       fer_err *err);

/* tsdb_labels_fn: the labels of a row's raw bytes, in the order of the wire. */
fer_code rw1_labels(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                    fer_err *err);

#endif
