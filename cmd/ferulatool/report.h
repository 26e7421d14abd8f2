/* report.h - things found, a line each: `kind key=value ...`, or with --json one JSON object a line.
 *
 * Integers beyond 2^53, and all floats, are texts in JSON, as in Prometheus' API. Threads: one.
 */
#ifndef FERULA_CMD_FERULATOOL_REPORT_H
#define FERULA_CMD_FERULATOOL_REPORT_H

#include "cmd/ferulatool/out.h"
#include "tsdb/histogram.h"
#include "tsdb/labels.h"

typedef struct report {
    tool_out o;
    bool json;
    uint64_t damages;
} report;

void report_open(report *r, bool json);
/* Writes the rest; the exit code: 1 when damage was told or the output could not be written. */
int report_close(report *r);

void report_begin(report *r, const char *kind);
void report_uint(report *r, const char *key, uint64_t v);
void report_int(report *r, const char *key, int64_t v);
void report_float(report *r, const char *key, double v);
void report_bool(report *r, const char *key, bool v);
void report_text(report *r, const char *key, fer_str v);
void report_labels(report *r, const char *key, labels ls);
/* The key is "histogram"; as `dump` prints it. */
void report_histogram(report *r, const histogram *h, bool integers);
void report_end(report *r);

/* A line of its own: damage file=... offset=... what=... */
void report_damage(report *r, const char *file, uint64_t offset, const char *what);

#endif
