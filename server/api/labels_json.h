/* labels_json.h - label sets as JSON objects, one behind the other.
 *
 * Answers list series in order of their labels, so that most labels are those of the series before: their text is
 * kept, and only what differs is written anew.
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_API_LABELS_JSON_H
#define FERULA_SERVER_API_LABELS_JSON_H

#include "base/buf.h"
#include "tsdb/syms.h"

/* The set before. All zero is one that has none; it is to be done with labels_json_done(). */
typedef struct labels_json {
    fer_buf text;   /* of its labels: "a":"b","c":"d" */
    label_id *last; /* them */
    size_t *ends;   /* where in text each ends */
    size_t n, cap;
} labels_json;

/* Appends {"a":"b","c":"d"}. */
void labels_json_put(labels_json *j, fer_buf *out, const syms *s, const label_id *l, size_t n);
void labels_json_done(labels_json *j);

#endif
