/* labels_json.h - label sets as JSON objects, one behind the other.
 *
 * Most labels are those of the series before, in their order at least: their text is kept, and only what differs is
 * written anew. A label that has been written twice is kept, too, as it will come again.
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_API_LABELS_JSON_H
#define FERULA_SERVER_API_LABELS_JSON_H

#include "base/buf.h"
#include "tsdb/syms.h"

typedef struct known_label known_label;

/* The set before. All zero is one that has none; it is to be done with labels_json_done(). */
typedef struct labels_json {
    fer_buf text;   /* of its labels: "a":"b","c":"d" */
    label_id *last; /* them */
    size_t *ends;   /* where in text each ends */
    size_t n, cap;
    known_label *known; /* by a value's id */
    uint32_t n_known;
    fer_buf texts; /* of those written twice */
} labels_json;

/* Appends {"a":"b","c":"d"}. The same symbols each time. */
void labels_json_put(labels_json *j, fer_buf *out, const syms *s, const label_id *l, size_t n);
void labels_json_done(labels_json *j);

#endif
