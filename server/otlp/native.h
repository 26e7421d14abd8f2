/* native.h - OTLP histograms as native histograms.
 *
 * Source: the OpenTelemetry specification, "Prometheus and OpenMetrics compatibility", Exponential Histograms: bucket i of
 * OTLP is bucket i + 1 here, scale is schema, finer scales than 8 are reduced, coarser than -4 refused.
 * Threads: pure.
 */
#ifndef FERULA_SERVER_OTLP_NATIVE_H
#define FERULA_SERVER_OTLP_NATIVE_H

#include "server/otlp/point.h"
#include "tsdb/tsdb.h"

/* The time and histogram of ret; its arrays are in the arena. What cannot be stored has its reason in ret->refuse.
 * FER_CORRUPT: the buckets are no such message; FER_LIMIT from the arena. */
FER_MUST_CHECK fer_code otlp_native_exponential(const otlp_point *p, fer_arena *a,
                                                tsdb_hist_row *ret);
/* A histogram with bounds of its own, as custom buckets. */
FER_MUST_CHECK fer_code otlp_native_custom(const otlp_point *p, fer_arena *a, tsdb_hist_row *ret);

#endif
