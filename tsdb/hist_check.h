/* hist_check.h - whether a histogram is sound, and its identity.
 *
 * Threads: pure.
 */
#ifndef FERULA_TSDB_HIST_CHECK_H
#define FERULA_TSDB_HIST_CHECK_H

#include "base/err.h"
#include "tsdb/hist_sample.h"

enum {
    /* Of buckets, spans and bounds together, far beyond what any client makes. */
    HIST_ITEMS_MAX = 1 << 16
};

/* FER_INVALID with Prometheus' text: schema, spans, numbers of buckets, negative counts, count against buckets, custom
 * bounds. Only what passes may be appended to a chunk. */
FER_MUST_CHECK fer_code hist_check(const hist_sample *s, fer_err *err);

/* A float that stands for the histogram where a series' newest value is kept: a NaN no sender writes, with 48 bits of a
 * hash over what makes histograms equal: all but the reset hint and empty buckets. */
double hist_mark(const hist_sample *s);

enum { HIST_MARK_INTEGER = 0xfffb, HIST_MARK_FLOAT = 0xfffc };

/* The upper 16 bits of a value: one of the two above when it is a mark. */
static inline bool hist_is_mark(uint64_t bits)
{
    return bits >> 48 == HIST_MARK_INTEGER || bits >> 48 == HIST_MARK_FLOAT;
}

static inline bool hist_is_float_mark(uint64_t bits)
{
    return bits >> 48 == HIST_MARK_FLOAT;
}

#endif
