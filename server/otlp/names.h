/* names.h - names of OTLP metrics and attributes as names of Prometheus' metrics and labels.
 *
 * Source: the OpenTelemetry specification, "Prometheus and OpenMetrics compatibility", and what Prometheus'
 * otlp.translation_strategy says of it (REMOTE.md section 6).
 * Threads: any.
 */
#ifndef FERULA_SERVER_OTLP_NAMES_H
#define FERULA_SERVER_OTLP_NAMES_H

#include "base/arena.h"
#include "base/err.h"

/* Bits of otlp.translation_strategy. */
typedef enum otlp_strategy {
    OTLP_NO_TRANSLATION = 0,
    OTLP_ESCAPE = 1,   /* what the old names do not allow becomes an underscore */
    OTLP_SUFFIXES = 2, /* unit and type are told by the name's end */
} otlp_strategy;

typedef enum otlp_kind {
    OTLP_NO_KIND,
    OTLP_GAUGE,
    OTLP_SUM,     /* not monotonic */
    OTLP_COUNTER, /* a monotonic sum */
    OTLP_HISTOGRAM,
    OTLP_EXPONENTIAL_HISTOGRAM,
    OTLP_SUMMARY,
} otlp_kind;

/* The metric's name; in the arena, or name itself. FER_INVALID when nothing of a name is left. */
FER_MUST_CHECK fer_code otlp_metric_name(unsigned strategy, fer_str name, fer_str unit,
                                         otlp_kind kind, fer_arena *a, fer_str *ret, fer_err *err);

/* The unit in the words that names end with, `by/s` as bytes_per_second; in the arena. Empty for what is no unit. */
FER_MUST_CHECK fer_code otlp_unit_name(unsigned strategy, fer_str unit, fer_arena *a, fer_str *ret,
                                       fer_err *err);

typedef struct otlp_label_style {
    bool escape;                /* OTLP_ESCAPE */
    bool key_before_underscore; /* _x becomes key_x; __x stays */
    bool keep_underscores;      /* runs of underscores stay as they are */
} otlp_label_style;

/* The label's name; in the arena, or name itself. FER_INVALID as above. */
FER_MUST_CHECK fer_code otlp_label_name(otlp_label_style style, fer_str name, fer_arena *a,
                                        fer_str *ret, fer_err *err);

#endif
