/* self_metrics.h - the text of /metrics as JSON: protobuf's mapping of io.prometheus.client.MetricFamily. */
#ifndef FERULA_SERVER_API_SELF_METRICS_H
#define FERULA_SERVER_API_SELF_METRICS_H

#include "base/buf.h"
#include "base/regex.h"

/* Appends a JSON array of the families in the page, which is our own text format with HELP and TYPE in front of each,
 * by name; filter NULL: all. */
void self_metrics_put(fer_buf *out, fer_str page, const fer_regex *filter);

#endif
