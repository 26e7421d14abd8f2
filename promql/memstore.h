/* memstore.h - a storage in memory, for tests of the query engine.
 *
 * Holds typed samples (floats, stale markers, histograms) and start timestamps, and answers through
 * tsdb/querier.h as the database does: unsorted selections come in the order the series were made,
 * which is not label order. Series without samples in the range asked for are selected too, as blocks
 * may do; reading them gives nothing. Labels that nobody will look at are left out.
 *
 * Threads: filling is for one thread; then any number of queriers may read.
 * Lifetime: label texts and histograms live until memstore_free(), and outlive the queries.
 */
#ifndef FERULA_PROMQL_MEMSTORE_H
#define FERULA_PROMQL_MEMSTORE_H

#include "tsdb/querier.h"

typedef struct memstore memstore;
typedef struct memstore_series memstore_series;

memstore *memstore_new(void);
void memstore_free(memstore *m); /* NULL is fine */
void memstore_freep(memstore **m);
storage *memstore_storage(memstore *m);

/* The series with these labels (canonical; copied), new or known. */
memstore_series *memstore_series_of(memstore *m, labels ls);

/* Timestamps of a series ascend: FER_INVALID for one that is not above the last. */
FER_MUST_CHECK fer_code memstore_add(memstore_series *s, int64_t t, double v);
/* Copies the histogram. */
FER_MUST_CHECK fer_code memstore_add_histogram(memstore_series *s, int64_t t, sample_type type,
                                               const histogram *h);
/* Sets the start timestamp of the last sample added. */
void memstore_set_start(memstore_series *s, int64_t st);

/* Looking around without a querier. */
size_t memstore_n_series(const memstore *m);
const memstore_series *memstore_series_at(const memstore *m, size_t i);
labels memstore_series_labels(const memstore_series *s);
const samples *memstore_series_samples(const memstore_series *s);

/* From now on queriers carry this warning. The text is copied. */
void memstore_warn(memstore *m, fer_str text);
/* From now on reading samples fails so; FER_OK ends it. */
void memstore_fail_reads(memstore *m, fer_code code);

#endif
