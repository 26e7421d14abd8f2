/* value_set.h - a matcher as a set of a label's values.
 *
 * A matcher that does not accept the empty string asks for one of its values; one that does accepts series
 * without the label too, so it is told by the values it forbids. This is how storages turn matchers into
 * postings. Threads: immutable.
 */
#ifndef FERULA_TSDB_VALUE_SET_H
#define FERULA_TSDB_VALUE_SET_H

#include "tsdb/matcher.h"

typedef struct value_set {
    const matcher *m;
    bool forbids;
} value_set;

static inline value_set value_set_of(const matcher *m)
{
    return (value_set){m, matcher_matches_empty(m)};
}

/* The values that make up the set, when they can be looked up; 0 when all values must be judged. */
size_t value_set_listed(const value_set *s, const fer_str **ret);

static inline bool value_set_has(const value_set *s, fer_str value)
{
    return matcher_matches(s->m, value) != s->forbids;
}

#endif
