/* options.h - what the section `otlp` of the configuration says about translation.
 *
 * Immutable once made; the texts belong to whoever made it.
 */
#ifndef FERULA_SERVER_OTLP_OPTIONS_H
#define FERULA_SERVER_OTLP_OPTIONS_H

#include <stdint.h>

#include "server/otlp/cumulate.h"
#include "server/otlp/names.h"

typedef struct otlp_options {
    unsigned strategy; /* otlp_strategy bits */
    otlp_label_style labels;
    const fer_str *attributes; /* of resources: promoted, or, where all are, left out. Sorted */
    size_t n_attributes;
    bool promote_all;
    bool promote_scope;
    bool convert_to_custom;    /* classic histograms become native ones with custom buckets */
    bool keep_identifying;     /* service.name and the like stay in target_info */
    bool type_and_unit;        /* become labels */
    bool native_delta;         /* delta points are stored as they are */
    otlp_cumulator *cumulator; /* adds them up; NULL: not. With neither they are refused */
    int64_t lookback_ms;       /* of queries: target_info has a sample every half of it */
    uint64_t version;          /* differs between options that translate differently */
} otlp_options;

#endif
