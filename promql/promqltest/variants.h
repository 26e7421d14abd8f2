/* variants.h - what a test may do to a parsed query, and what the query touches.
 *
 * Threads: pure.
 */
#ifndef FERULA_PROMQLTEST_VARIANTS_H
#define FERULA_PROMQLTEST_VARIANTS_H

#include "promql/ast.h"

/* Calls fn for every node, parents first; stops below a node for which it returns false. */
void expr_visit(expr *e, bool (*fn)(void *arg, expr *e), void *arg);

/* Fixes every selector and subquery that has no @ to the time, so that the result no longer depends on
 * when the query runs. Selectors inside a subquery with @ keep their times. False, and nothing is
 * promised of the tree, when the query calls functions that tell the time. */
bool expr_fix_time(expr *e, int64_t at_ms);

/* The value depends on the range of the query: start(), end(), range(), step(), also in durations and
 * behind @. */
bool expr_depends_on_range(expr *e);

#endif
