/* script.h - the scripting language of PromQL tests, read into commands.
 *
 *    clear
 *    load <step>                      load_with_nhcb <step> adds native histograms with custom
 *      <series> <values>...           buckets made of the classic ones
 *      <series>@st <offsets>...
 *    eval instant at <time> <query>
 *    eval range from <time> to <time> step <duration> <query>
 *      expect ordered
 *      expect fail|warn|info [msg:<text> | regex:<re>]
 *      expect no_warn | no_info
 *      expect string "<text>"
 *      expect range vector from <time> to <time> step <duration>
 *      <series> <values>...           the result, or one number for a scalar
 *
 * Times are durations since the Unix epoch, where every load begins. A command ends at an empty line;
 * a line that begins with # counts as one. The older eval_fail, eval_warn, eval_info, eval_ordered
 * and the lines expected_fail_message and expected_fail_regexp are read as the expectations above.
 * Values are those of notation.h. A series written twice in a load has the values written last.
 *
 * Threads: pure. Everything lives in the arena given and views the text.
 */
#ifndef FERULA_PROMQLTEST_SCRIPT_H
#define FERULA_PROMQLTEST_SCRIPT_H

#include "base/regex.h"
#include "promql/promqltest/notation.h"
#include "tsdb/labels.h"

typedef struct script_series {
    uint32_t line;
    labels metric;
    seq values;
} script_series;

typedef struct script_starts {
    uint32_t line;
    labels metric;
    start_seq offsets;
} script_starts;

typedef struct load_command {
    int64_t step_ms;
    bool with_nhcb;
    script_series *series;
    size_t n_series, cap_series;
    script_starts *starts;
    size_t n_starts, cap_starts;
} load_command;

typedef enum expect_kind {
    EXPECT_FAIL,
    EXPECT_WARN,
    EXPECT_NO_WARN,
    EXPECT_INFO,
    EXPECT_NO_INFO,
} expect_kind;

typedef struct expectation {
    expect_kind kind;
    fer_str msg;         /* the whole text, if .p is not NULL */
    const fer_regex *re; /* found in the text, if not NULL */
} expectation;

typedef struct time_range {
    int64_t start_ms, end_ms, step_ms;
} time_range;

typedef struct eval_command {
    fer_str query;
    bool range;      /* otherwise an instant query at time.start_ms */
    time_range time; /* step_ms 0 for instant */
    bool ordered;
    expectation *expect;
    size_t n_expect, cap_expect;
    script_series *series; /* expected */
    size_t n_series, cap_series;
    bool has_scalar, has_string, has_range_vector;
    double scalar;
    fer_str string;
    time_range range_vector; /* where the values of the expected series lie */
} eval_command;

typedef enum command_kind { COMMAND_CLEAR, COMMAND_LOAD, COMMAND_EVAL } command_kind;

typedef struct command {
    command_kind kind;
    uint32_t line;
    load_command load;
    eval_command eval;
} command;

typedef struct script {
    command *v;
    size_t n, cap;
} script;

/* Reads the whole text. FER_INVALID with "line N: ..."; *ret then holds the commands before. */
FER_MUST_CHECK fer_code script_parse(fer_str text, fer_arena *a, script *ret, fer_err *err);

/* The expectation of this kind, from *at on (advanced behind it); NULL: no more. */
const expectation *eval_expectation(const eval_command *e, expect_kind kind, size_t *at);
bool eval_expects(const eval_command *e, expect_kind kind);
/* The text satisfies the expectation. */
bool expectation_met(const expectation *x, fer_str text);

#endif
