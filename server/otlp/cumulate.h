/* cumulate.h - delta points become cumulative ones (feature otlp-deltatocumulative).
 *
 * What a stream, the points of one series, adds up to is kept in memory alone: a start begins anew, and so does a stream that
 * had no point for five minutes, or whose histogram has other bounds. Exponential histograms keep at most 160 buckets a side; beyond
 * that their scale is lowered.
 * Threads: any; a lock of its own.
 */
#ifndef FERULA_SERVER_OTLP_CUMULATE_H
#define FERULA_SERVER_OTLP_CUMULATE_H

#include "base/clock.h"
#include "base/hash.h"
#include "server/otlp/point.h"

typedef struct otlp_cumulator otlp_cumulator;

otlp_cumulator *otlp_cumulator_new(fer_clock *clock, fer_account *acct);
void otlp_cumulator_free(otlp_cumulator *c); /* NULL is fine */

/* Adds the point to its stream and makes it what the stream is then; what it points to is in the arena. A point of the time of the
 * newest is one sent again: it is not added. FER_INVALID: an older one. FER_CORRUPT: buckets that are none. FER_LIMIT. */
FER_MUST_CHECK fer_code otlp_cumulate(otlp_cumulator *c, fer_hash128 stream, otlp_kind kind,
                                      fer_arena *a, otlp_point *p);

#endif
