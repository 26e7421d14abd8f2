/* check.h - results of the engine against what a script expects.
 *
 * Each check answers FER_OK, or FER_INVALID with the first difference.
 * Threads: one at a time (syms takes in new texts).
 */
#ifndef FERULA_PROMQLTEST_CHECK_H
#define FERULA_PROMQLTEST_CHECK_H

#include "promql/promql.h"
#include "promql/promqltest/script.h"

/* The value of a query that went well, as the eval asked for it. */
FER_MUST_CHECK fer_code check_result(const eval_command *e, const promql_result *r, syms *s,
                                     fer_err *err);

/* The same instant query run as a range query has the same value at its step at_ms; order is not
 * compared. */
FER_MUST_CHECK fer_code check_step(const eval_command *e, const promql_result *matrix,
                                   int64_t at_ms, syms *s, fer_err *err);

/* warn, no_warn, info, no_info: each text expected is there, and where texts are expected no other. */
FER_MUST_CHECK fer_code check_annotations(const eval_command *e, const promql_result *r,
                                          fer_err *err);

/* The query failed, with this text. */
FER_MUST_CHECK fer_code check_failure(const eval_command *e, const char *msg, fer_err *err);

#endif
