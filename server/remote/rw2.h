/* rw2.h - remote-write 2.0 requests: the message io.prometheus.write.v2.Request.
 *
 * One scan over the decoded bytes; labels are not built (DESIGN D4). Each symbol of the request is hashed once, keyed; a
 * series' fingerprint is a sum over its labels of products of the two symbols' hashes. So it depends neither on where
 * this request keeps its symbols nor on the order of labels, and can no more be aimed at than the hashes. Two label sets meet by
 * chance alone: the sums are polynomials in the hashes, whose halves are odd, and two of them are equal only where all
 * labels are (a product that is zero by chance costs a few bits of 128). A row's raw bytes are the references as they stand on
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
    uint32_t type, help, unit; /* metadata last told for the series of this name */
} rw2_symbol;

/* The symbols of one request; reused. */
typedef struct rw2_symbols {
    fer_account *acct;
    rw2_symbol *v;
    fer_hash128
        *hashes; /* of the texts, both halves odd; apart, as known series need nothing else */
    size_t n, cap, cap_hashes;
    size_t
        own; /* behind n: ours, for the labels made of metadata; no reference of a sender means them */
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
