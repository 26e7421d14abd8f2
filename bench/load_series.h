/* load_series.h - what the load generator sends: the labels of series i, and the sample it has at its k-th time.
 *
 * All follows from i and k alone, so that anybody can check what a server has stored. Threads: pure.
 */
#ifndef FERULA_BENCH_LOAD_SERIES_H
#define FERULA_BENCH_LOAD_SERIES_H

#include <stdint.h>

typedef enum load_kind {
    LOAD_FLOATS,
    LOAD_HISTOGRAMS, /* native ones of integers */
    LOAD_MIXED,      /* four types by turns, exemplars with the floats, metadata */
} load_kind;

typedef enum load_type { LOAD_FLOAT, LOAD_INT_HIST, LOAD_FLOAT_HIST, LOAD_CUSTOM_HIST } load_type;

enum { LOAD_METRICS = 20, LOAD_BUCKETS = 20, LOAD_TRACE_CHARS = 16 };

/* All series of a metric have the same type. */
load_type load_type_of(load_kind kind, uint64_t i);

/* Of floats: a counter that never falls. Of histograms: their sum. */
double load_value(uint64_t i, uint64_t k);
/* Observations in bucket b of a histogram. Histograms of floats have half a one more in each. */
uint64_t load_bucket(uint64_t i, uint64_t k, uint64_t b);
/* The trace_id of the exemplar; ret has room for LOAD_TRACE_CHARS and a NUL. */
void load_trace(uint64_t i, uint64_t k, char *ret);

/* Calls fn for each of the ten labels, sorted by name. Generations have pods of their own. */
typedef void (*load_label_fn)(void *arg, const char *name, const char *value);
void load_labels(uint64_t i, uint64_t generation, load_label_fn fn, void *arg);

#endif
