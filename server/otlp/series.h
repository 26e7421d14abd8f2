/* series.h - the series of OTLP points: what names them, and their labels.
 *
 * Labels are not built for series that the head knows (DESIGN D4): a row carries a view of the point's
 * attributes and of what stands around it, and a fingerprint over the same.
 */
#ifndef FERULA_SERVER_OTLP_SERIES_H
#define FERULA_SERVER_OTLP_SERIES_H

#include "server/otlp/options.h"
#include "tsdb/labels.h"

/* Which of the series that a point turns into. */
typedef enum otlp_part {
    OTLP_PART_VALUE,
    OTLP_PART_SUM,
    OTLP_PART_COUNT,
    OTLP_PART_BUCKET,   /* bound is le */
    OTLP_PART_QUANTILE, /* bound is the quantile */
    OTLP_PART_TARGET,   /* target_info */
} otlp_part;

/* What the points of one metric share. Texts and messages are views into the request. */
typedef struct otlp_metric {
    const otlp_options *o;
    fer_str resource;   /* message Resource */
    fer_str scope;      /* message InstrumentationScope */
    fer_str schema_url; /* of the scope */
    fer_str name;       /* translated, without the endings of parts */
    fer_str type, unit; /* where they become labels: of Prometheus, of OTLP; empty: unknown */
} otlp_metric;

/* A row's raw bytes are one of these. */
typedef struct otlp_series {
    const otlp_metric *metric;
    fer_str attributes; /* fields that are messages KeyValue, one after the other */
    otlp_part part;
    uint32_t point; /* of the request, from 1 on; 0: none, as of target_info */
    double bound;
} otlp_series;

/* tsdb_labels_fn; raw is an otlp_series. */
fer_code otlp_labels(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                     fer_err *err);

/* Whether the resource has a target_info: an attribute that does not identify it, and one that makes job or
 * instance. FER_CORRUPT when the message is none. */
FER_MUST_CHECK fer_code otlp_has_target(fer_str resource, bool *ret);

#endif
