/* exemplar.h - the exemplars of OTLP points.
 *
 * Source: the OpenTelemetry specification, "Prometheus and OpenMetrics compatibility", Exemplars: trace_id and span_id in
 * hex, the filtered attributes unless all labels together get longer than 128 characters.
 */
#ifndef FERULA_SERVER_OTLP_EXEMPLAR_H
#define FERULA_SERVER_OTLP_EXEMPLAR_H

#include "tsdb/labels.h"

typedef struct otlp_exemplar {
    label *labels; /* in any order */
    size_t n_labels;
    int64_t t;
    double v;
} otlp_exemplar;

/* Reads a message Exemplar; labels are in the arena or views of msg. FER_CORRUPT for bytes that are none, FER_LIMIT from
 * the arena. */
FER_MUST_CHECK fer_code otlp_read_exemplar(fer_str msg, fer_arena *a, otlp_exemplar *ret);

#endif
