/* labels.h - label sets as text: sorted names, unique, no empty values.
 *
 * This is the form at the edges (creating a series, answering a query). Inside,
 * the head keeps dictionary ids and queries keep syms ids (syms.h).
 */
#ifndef FERULA_TSDB_LABELS_H
#define FERULA_TSDB_LABELS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

typedef struct label {
    fer_str name;
    fer_str value;
} label;

typedef struct labels {
    const label *l; /* sorted by name bytewise */
    size_t n;
} labels;

/* Limits at the door (RELIABILITY): more labels or a longer value is FER_LIMIT. */
enum { LABELS_MAX = 1024, LABEL_VALUE_BYTES_MAX = 64 * 1024 };

/* Sorts l[0..n) by name in place, drops labels with empty values, and checks: names not empty and
 * valid UTF-8, values valid UTF-8, no name twice, __name__ present if need_name. *ret views l.
 * FER_INVALID with Prometheus' texts otherwise. */
FER_MUST_CHECK fer_code labels_canonical(label *l, size_t n, bool need_name, labels *ret,
                                         fer_err *err);

/* The value of a label, or an empty slice. */
fer_str labels_get(labels ls, fer_str name);
/* Pairwise name then value bytewise; on a common prefix the shorter set first. */
int labels_cmp(labels a, labels b);
bool labels_eq(labels a, labels b);
/* XXH64 over Prometheus' stringlabels bytes (each name and value prefixed by its length: one byte
 * below 255, else 0xff and three bytes little-endian). FEATURES 3.4 limit_ratio. */
uint64_t labels_hash(labels ls);
/* Prometheus' text: {a="b", c="d"}; names that are not legacy-valid are quoted. */
void labels_print(fer_buf *out, labels ls);
/* name{a="b"} when __name__ is there, as metric text in errors. */
void labels_print_metric(fer_buf *out, labels ls);
/* [a-zA-Z_][a-zA-Z0-9_]* ; with colons for metric names. */
bool label_name_is_legacy(fer_str name);
bool metric_name_is_legacy(fer_str name);

#endif
