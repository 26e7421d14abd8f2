/* rw2.h - remote-write 2.0 requests: the message io.prometheus.write.v2.Request.
 *
 * One scan over the decoded bytes; labels are not built (DESIGN D4). Each symbol of the request is hashed
 * once; a series' fingerprint is a sum over the hashes its label references point to, each times a secret
 * odd factor of its place, so that it does not depend on where this request keeps its symbols. The hashes
 * are keyed, so sums can no more be aimed at than hashes; two label sets meet by chance alone (multilinear
 * hashing; two factors differ by an even number, which costs the order of labels a bit or two of 128). A row's raw bytes are the references as they stand on
 * the wire, and mean something only with the symbols of their request.
 *
 * Spec: Prometheus Remote-Write 2.0; docs/ingestion.md.
 */
#ifndef FERULA_SERVER_REMOTE_RW2_H
#define FERULA_SERVER_REMOTE_RW2_H

#include "server/remote/request.h"

enum { RW2_SYMBOLS_MAX = 1024 * 1024 };

typedef struct rw2_symbol {
    fer_str text;
    fer_hash128 hash;
    uint32_t type, help, unit; /* metadata last told for the series of this name */
} rw2_symbol;

/* The symbols of one request; reused. */
typedef struct rw2_symbols {
    fer_account *acct;
    rw2_symbol *v;
    size_t n, cap;
    size_t
        own; /* behind n: ours, for the labels made of metadata; no reference of a sender means them */
    uint64_t *factors; /* of the places in a series' references; made from the fingerprint's key */
} rw2_symbols;

void rw2_symbols_init(rw2_symbols *s, fer_account *acct);
void rw2_symbols_done(rw2_symbols *s);
/* Bytes kept for reuse. */
size_t rw2_symbols_bytes(const rw2_symbols *s);

/* Scans a Request. A series whose references are odd in number, point outside the symbols or are too
 * many, and one without any sample, histogram or exemplar, is left out, counted and told about in
 * ret->bad. Metadata is told by family, once a request. FER_INVALID names the byte where the message is
 * broken; FER_LIMIT when an account refuses. */
FER_MUST_CHECK fer_code rw2_scan(fer_str msg, rw_fingerprint_fn fp, const void *fp_arg,
                                 rw2_symbols *symbols, rw_request *ret, fer_err *err);

/* tsdb_labels_fn; arg is the rw2_symbols of the row's request. */
fer_code rw2_labels(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                    fer_err *err);

#endif
