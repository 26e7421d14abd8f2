/* metrics_format.h - the page /metrics in other formats than the classic text. Pure.
 *
 * Sources: OpenMetrics 1.0 (text), io/prometheus/client/metrics.proto; what both leave open is as Prometheus' Go library
 * does it: families by name, a bucket +Inf in text only, "1.0" for whole numbers of floating kind in OpenMetrics.
 */
#ifndef FERULA_SERVER_API_METRICS_FORMAT_H
#define FERULA_SERVER_API_METRICS_FORMAT_H

#include "base/buf.h"

/* Both take the page as metrics_page.h reads it. Families without lines are left out. */
void metrics_put_openmetrics(fer_buf *out, fer_str page);
/* MetricFamily messages, each with its length before it. */
void metrics_put_protobuf(fer_buf *out, fer_str page);

#endif
