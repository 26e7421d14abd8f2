/* load_message.h - the samples of load_series.h as messages of remote write 1.0, 2.0 and OTLP.
 *
 * In OTLP a hundred series make a resource, whose attributes give job and instance; floats are monotonic sums, histograms
 * exponential ones. It has no mixed kind.
 * Threads: a writer belongs to one at a time.
 */
#ifndef FERULA_BENCH_LOAD_MESSAGE_H
#define FERULA_BENCH_LOAD_MESSAGE_H

#include "base/str.h"
#include "bench/load_series.h"

typedef enum load_protocol { LOAD_RW1 = 1, LOAD_RW2 = 2, LOAD_OTLP } load_protocol;

typedef struct load_plan {
    load_protocol protocol;
    load_kind kind;
    int64_t start, step; /* ms; sample k lies at start + k * step */
    uint64_t churn,
        groups;    /* new pods every `churn` samples, 0 never; each group at a time of its own */
    uint64_t late; /* of each series every so many-th sample comes behind a newer one; 0: none */
} load_plan;

typedef struct load_writer load_writer; /* opaque */

/* The plan must outlive the writer. */
load_writer *load_writer_new(const load_plan *p);
void load_writer_free(load_writer *w); /* NULL is fine */

/* Sample k of the series [first, first + count); valid until the next call. */
fer_str load_message(load_writer *w, uint64_t k, uint64_t first, uint64_t count);

#endif
