/* family.h - families of metrics: what senders tell of them, and the names of their series.
 *
 * Threads: pure functions.
 */
#ifndef FERULA_TSDB_FAMILY_H
#define FERULA_TSDB_FAMILY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* As remote write and the log number them. */
typedef enum family_type {
    FAMILY_UNKNOWN,
    FAMILY_COUNTER,
    FAMILY_GAUGE,
    FAMILY_HISTOGRAM,
    FAMILY_GAUGE_HISTOGRAM,
    FAMILY_SUMMARY,
    FAMILY_INFO,
    FAMILY_STATESET
} family_type;

typedef struct metadata_family {
    fer_str family;
    uint32_t type; /* family_type, or what a later sender has */
    fer_str help, unit;
    bool logged; /* it is in the log */
} metadata_family;

/* The family of the series of this name, when nothing else tells it: series of a histogram or summary bear its name with an ending. A
 * counter's and an info's name is taken for the family's, as it is outside of OpenMetrics. */
fer_str family_of(fer_str name, uint32_t type);
/* What names of series of such a family may have behind its name, the empty ending first; NULL is behind the last. OpenMetrics
 * names the family of a counter x_total x, and that of an info x_info. */
const char *const *family_endings(uint32_t type);

#endif
