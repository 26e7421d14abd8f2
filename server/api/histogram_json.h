/* histogram_json.h - a native histogram as Prometheus' API shows it.
 *
 *    {"count":"4","sum":"5.5","buckets":[[0,"1","2","4"]]}
 *
 * A bucket is [which ends belong to it, lower, upper, count]: 0 the upper one, 1 the lower one, 2 none, 3
 * both. Empty buckets are left out.
 */
#ifndef FERULA_SERVER_API_HISTOGRAM_JSON_H
#define FERULA_SERVER_API_HISTOGRAM_JSON_H

#include "base/buf.h"
#include "promql/hist_stats.h"

/* `room` is reused from call to call and lies in the arena. FER_LIMIT past its budget. */
FER_MUST_CHECK fer_code histogram_json(fer_buf *out, const histogram *h, fer_arena *a,
                                       hist_buckets *room);

#endif
