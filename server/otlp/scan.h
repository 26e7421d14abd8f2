/* scan.h - an OTLP metrics request, ExportMetricsServiceRequest, to rows.
 *
 * One pass over the decoded bytes; nothing is built but a small note for each row (series.h).
 * Source: opentelemetry-proto, metrics/v1; its translation as Prometheus does it (REMOTE.md section 6):
 * gauges and sums are one series a point, classic histograms and summaries several; a resource gets
 * target_info. Points without a recorded value are stale markers.
 */
#ifndef FERULA_SERVER_OTLP_SCAN_H
#define FERULA_SERVER_OTLP_SCAN_H

#include "server/otlp/name_cache.h"
#include "server/otlp/series.h"
#include "server/remote/request.h"

typedef struct otlp_refused {
    size_t points; /* data points of which nothing is among the rows */
} otlp_refused;

/* The rows' raw bytes are in the arena, which lives until the request is staged, and point into msg. What
 * cannot be stored is left out, counted and told about in ret->bad. FER_INVALID names the byte where the
 * message is broken; FER_LIMIT when an account refuses. */
FER_MUST_CHECK fer_code otlp_scan(fer_str msg, const otlp_options *o, rw_fingerprint_fn fp,
                                  const void *fp_arg, otlp_name_cache *names, fer_arena *a,
                                  rw_request *ret, otlp_refused *refused, fer_err *err);

#endif
