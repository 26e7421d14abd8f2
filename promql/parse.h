/* parse.h - PromQL text to a checked tree, and back.
 *
 * Language of Prometheus 3.14 (DESIGN D14), error texts and positions as Prometheus' parser gives
 * them: "1:5: parse error: ...". Budget: 128 KiB of text, trees of height 1000
 * (FER_LIMIT with a clear text), so that recursion over a tree is safe on an ordinary stack.
 */
#ifndef FERULA_PROMQL_PARSE_H
#define FERULA_PROMQL_PARSE_H

#include "promql/ast.h"
#include "tsdb/labels.h"

enum { PROMQL_TEXT_BYTES_MAX = 128 * 1024, PROMQL_DEPTH_MAX = 1000 };

/* --enable-feature gates. */
typedef struct promql_features {
    bool experimental_functions;
    bool extended_range_selectors; /* anchored, smoothed */
    bool fill_modifiers;
    bool delayed_name_removal;
    bool use_start_timestamps;
    bool per_step_stats;
    bool type_and_unit_labels;
} promql_features;

/* Parses and type-checks; f NULL: no feature is on. FER_INVALID with Prometheus' text. Everything in the arena. */
FER_MUST_CHECK fer_code promql_parse(fer_str text, const promql_features *f, fer_arena *a,
                                     expr **ret, fer_err *err);
/* A series selector without modifiers, as match[] and label calls take it; at least one matcher must
 * not match the empty string. */
FER_MUST_CHECK fer_code promql_parse_selector(fer_str text, fer_arena *a, matcher **ret,
                                              size_t *ret_n, fer_err *err);
/* As promql_parse_selector, but all matchers may match the empty string, as promtool has it. */
FER_MUST_CHECK fer_code promql_parse_matchers(fer_str text, fer_arena *a, matcher **ret,
                                              size_t *ret_n, fer_err *err);
/* Series description of the test language and of exemplars: name{a="b"}; labels in the arena, sorted. */
FER_MUST_CHECK fer_code promql_parse_metric(fer_str text, fer_arena *a, labels *ret, fer_err *err);

/* Expr.String() of Prometheus: canonical one-line text. */
void promql_print(fer_buf *out, const expr *e);
/* The same over several lines, where it is longer than 100 bytes. Set out->max generously: indentation
 * grows with the depth. */
void promql_print_lines(fer_buf *out, const expr *e);

/* Line and column (both from 1, column in bytes) of an offset. */
void promql_position(fer_str text, uint32_t offset, uint32_t *line, uint32_t *col);

#endif
