/* promqltest.h - runs PromQL test scripts against the query engine, in process.
 *
 * Language: script.h. Each eval runs at its time; an instant eval also with its selectors fixed by @
 * at other times, and each of those as the middle step of a range query, as all must agree.
 *
 * An eval passes, fails, or is skipped when the engine answers FER_UNSUPPORTED, with its text as reason.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_PROMQLTEST_PROMQLTEST_H
#define FERULA_PROMQLTEST_PROMQLTEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "promql/promql.h"

enum { PROMQLTEST_REASONS_MAX = 16, PROMQLTEST_REASON_BYTES_MAX = 96 };

typedef struct promqltest_reason {
    char text[PROMQLTEST_REASON_BYTES_MAX];
    uint32_t n; /* evals skipped for it */
} promqltest_reason;

typedef struct promqltest_score {
    uint32_t evals, passed, failed, skipped;
    promqltest_reason reasons[PROMQLTEST_REASONS_MAX];
    size_t n_reasons;
} promqltest_score;

typedef struct promqltest_options {
    /* Called for every eval that fails; may be NULL. */
    void (*failed)(void *arg, uint32_t line, fer_str query, const char *msg);
    /* Called for every eval that is skipped; may be NULL. */
    void (*skipped)(void *arg, uint32_t line, fer_str query, const char *reason);
    void *arg;
    promql_helpers *helpers; /* of the queries; may be NULL */
} promqltest_options;

/* Runs the whole script. FER_INVALID with "line N: ..." when the script itself is wrong; *ret counts
 * what ran before. */
FER_MUST_CHECK fer_code promqltest_run(fer_str text, const promqltest_options *o,
                                       promqltest_score *ret, fer_err *err);

/* "123/150 passed, 4 failed, 23 skipped (not there yet: 23)" */
void promqltest_print(fer_buf *out, const promqltest_score *s);
void promqltest_add(promqltest_score *sum, const promqltest_score *s);

#endif
