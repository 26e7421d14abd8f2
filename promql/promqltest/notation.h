/* notation.h - the values of a series line in test scripts.
 *
 *    1 -2.5 NaN Inf stale   values, one a step
 *    _ _x3                  a step, three steps without a value
 *    5x3                    5 and three more of it
 *    1+2x3 1-2x3            1 and three more, each 2 above (below) the one before
 *    {{...}} {{...}}x3 {{...}}+{{...}}x3 {{...}}-{{...}}x3     native histograms alike
 *
 * A line of start timestamps holds durations, relative to the sample they belong to:
 *
 *    -30s -1mx3 -30s-1mx3 0 _ _x3
 *
 * Everything made lies in the arena given. Threads: pure.
 */
#ifndef FERULA_PROMQLTEST_NOTATION_H
#define FERULA_PROMQLTEST_NOTATION_H

#include "base/arena.h"
#include "base/err.h"
#include "tsdb/histogram.h"

enum { NOTATION_VALUES_MAX = 1000000 }; /* of one line */

typedef struct seq_value {
    bool present;
    bool hint_given;    /* the histogram's counter_reset_hint was written */
    double v;           /* h NULL */
    const histogram *h; /* or a histogram */
} seq_value;

typedef struct seq {
    seq_value *v;
    size_t n, cap;
} seq;

/* FER_INVALID with what is wrong; FER_LIMIT past NOTATION_VALUES_MAX. */
FER_MUST_CHECK fer_code notation_values(fer_str text, fer_arena *a, seq *ret, fer_err *err);

typedef struct start_offset {
    bool present;
    int64_t ms;
} start_offset;

typedef struct start_seq {
    start_offset *v;
    size_t n, cap;
} start_seq;

FER_MUST_CHECK fer_code notation_starts(fer_str text, fer_arena *a, start_seq *ret, fer_err *err);

/* A series line cut into the metric and the text of its values; `@st` behind the metric tells start
 * timestamps. Views of the line. */
typedef struct series_line {
    fer_str metric;
    bool starts;
    fer_str values;
} series_line;
FER_MUST_CHECK fer_code notation_split(fer_str line, series_line *ret, fer_err *err);

#endif
