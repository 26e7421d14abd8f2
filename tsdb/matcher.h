/* matcher.h - label matchers: =, !=, =~, !~.
 *
 * Regexes are RE2, anchored. A matcher analyses its regex first (literals, prefix) so that storage
 * can look values up instead of matching. Absent labels match as the empty string.
 * Threads: immutable once made.
 */
#ifndef FERULA_TSDB_MATCHER_H
#define FERULA_TSDB_MATCHER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/regex.h"
#include "base/str.h"

typedef enum matcher_type { MATCH_EQ, MATCH_NE, MATCH_RE, MATCH_NRE } matcher_type;

/* What is known of a regex without running it (MATCH_RE, MATCH_NRE; else PATTERN_NONE). */
typedef enum matcher_pattern {
    PATTERN_NONE,
    PATTERN_ANY,       /* .* : every value, the empty one too */
    PATTERN_NOT_EMPTY, /* .+ */
    PATTERN_LITERALS,  /* just fer_regex_literals() */
    PATTERN_REGEX,     /* run it; fer_regex_prefix() may narrow */
} matcher_pattern;

typedef struct matcher {
    matcher_type type;
    matcher_pattern pattern;
    fer_str name;
    fer_str value;
    const fer_regex *re; /* MATCH_RE, MATCH_NRE */
} matcher;

/* Copies the texts to the arena and compiles the regex, freed with the arena.
 * FER_INVALID for a bad regex, FER_LIMIT past the arena's budget. */
FER_MUST_CHECK fer_code matcher_make(fer_arena *a, matcher_type type, fer_str name, fer_str value,
                                     matcher *ret, fer_err *err);
bool matcher_matches(const matcher *m, fer_str value);
/* True if the matcher accepts the empty string, that is: a series without the label. */
bool matcher_matches_empty(const matcher *m);
/* name="value", name=~"re" (Prometheus' Matcher.String(): value strconv-quoted, name quoted unless
 * legacy-valid). */
void matcher_print(fer_buf *out, const matcher *m);
const char *matcher_op(matcher_type t);

#endif
