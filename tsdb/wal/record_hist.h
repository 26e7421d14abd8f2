/* record_hist.h - write-ahead log records of histograms and exemplars (docs/formats/wal.md).
 *
 * Written: exemplars (4), histograms (7 to 10). Read: those, and what Prometheus writes with start timestamps: samples
 * (11), histograms of integers (12) and floats (13), custom bounds among them.
 *
 * Refs and times of types 4 and 7 to 10 are told as differences to a base, which is the first sample of the batch, in
 * whichever of its records that one is.
 * Threads: pure functions.
 */
#ifndef FERULA_TSDB_RECORD_HIST_H
#define FERULA_TSDB_RECORD_HIST_H

#include "tsdb/hist_sample.h"
#include "tsdb/wal/record.h"

typedef struct record_base {
    uint64_t ref;
    int64_t t;
} record_base;

/* The type of the record that holds such a sample, 7 to 10. */
record_type record_type_of_histogram(const hist_sample *s);
/* Begins a record of type 4 or 7 to 10; at least one item follows. */
void record_based_begin(fer_buf *out, record_type type, record_base base);
/* A histogram of the record's type. */
void record_histogram_add(fer_buf *out, record_base base, uint64_t ref, int64_t t,
                          const hist_sample *s);
void record_exemplar_add(fer_buf *out, record_base base, uint64_t ref, int64_t t, double v,
                         labels ls);

typedef struct record_hist_visitor {
    void *arg;
    /* NULL entries skip. st: start timestamp, 0 unknown. Views live until the arena is reset, texts as long as the
     * record. A histogram may have a schema nobody knows (hist_schema_is_known()): such a sample is left out. */
    fer_code (*sample)(void *arg, uint64_t ref, int64_t t, int64_t st, double v);
    fer_code (*histogram)(void *arg, uint64_t ref, int64_t t, int64_t st, const hist_sample *s);
    fer_code (*exemplar)(void *arg, uint64_t ref, int64_t t, double v, labels ls);
} record_hist_visitor;

/* Decodes a record of type 4 or 7 to 13. FER_CORRUPT with what and where: items before the fault have been delivered;
 * FER_LIMIT from the arena; FER_UNSUPPORTED for other types. */
FER_MUST_CHECK fer_code record_hist_decode(fer_str rec, fer_arena *arena,
                                           const record_hist_visitor *v, fer_err *err);

#endif
