/* metrics_text.h - families of /metrics in the classic text format 0.0.4, as the rooms of the page write them.
 *
 * Names are without characters that need escapes. Every family has HELP and TYPE in front, and stands once: metrics_page.h reads them back.
 */
#ifndef FERULA_SERVER_API_METRICS_TEXT_H
#define FERULA_SERVER_API_METRICS_TEXT_H

#include "base/buf.h"
#include "tsdb/maintenance/spread.h"

/* HELP and TYPE; the lines follow. */
void metrics_head(fer_buf *out, const char *type, const char *name, const char *help);
/* A value and the end of its line. */
void metrics_number(fer_buf *out, double v);
/* Families of one line. */
void metrics_gauge(fer_buf *out, const char *name, const char *help, double v);
void metrics_counter(fer_buf *out, const char *name, const char *help, double v);
/* A line; labels as they stand between the braces. */
void metrics_labelled(fer_buf *out, const char *name, const char *label_text, double v);
/* A summary without quantiles. */
void metrics_summary(fer_buf *out, const char *name, const char *help, double sum, uint64_t count);
/* A histogram without buckets but the last. */
void metrics_times(fer_buf *out, const char *name, const char *help, double sum, uint64_t count);
/* A histogram. The range of chunks is in ms, whatever its name says, as in Prometheus. */
void metrics_spread(fer_buf *out, const char *name, const char *help, const spread *t,
                    const spread_scale *scale);

#endif
