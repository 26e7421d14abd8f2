/* regex.h - RE2 syntax regular expressions, fully anchored, linear time.
 *
 * Prometheus anchors matchers as ^(?s:RE)$; so does this. Wraps RE2 in the C++
 * shim; a program-size cap keeps hostile patterns small.
 * Threads: a compiled regex is immutable; match from any thread.
 */
#ifndef FERULA_BASE_REGEX_H
#define FERULA_BASE_REGEX_H

#include "base/err.h"
#include "base/str.h"

typedef struct fer_regex fer_regex;

/* FER_INVALID with a message in the words of Go's regexp/syntax where it has the same kind
 * ("error parsing regexp: missing closing ): `(a`"). The caller owns *ret: fer_regex_free(). */
FER_MUST_CHECK fer_code fer_regex_new(fer_str pattern, fer_regex **ret, fer_err *err);
void fer_regex_free(fer_regex *re); /* NULL is fine */

/* Whole-string match. */
bool fer_regex_match(const fer_regex *re, fer_str s);

/* As fer_regex_match, with submatches: groups[0] is the whole, up to n filled; a group that did not
 * take part has p NULL. */
bool fer_regex_groups(const fer_regex *re, fer_str s, fer_str *groups, size_t n);
/* Number of capturing groups. */
size_t fer_regex_group_count(const fer_regex *re);
/* Index of the named group, or -1. */
int fer_regex_group_index(const fer_regex *re, fer_str name);

/* What the pattern says without running it; all views of the pattern's memory, valid while re lives.
 * A finite set of literals (at most 256, e.g. "a|b|c(d|e)"), else none. */
size_t fer_regex_literals(const fer_regex *re, const fer_str **ret);
/* A literal prefix every match begins with; may be empty. */
fer_str fer_regex_prefix(const fer_regex *re);

#endif
