/* regex_int.h - the parts of regex.c that have files of their own: regex_shape.c (what a pattern says
 * without running it) and regex_dialect.c (Go's patterns in RE2's words). */
#ifndef FERULA_BASE_REGEX_INT_H
#define FERULA_BASE_REGEX_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { REGEX_LITERALS_MAX = 256 };

/* What surrounds the literal of a wild pattern. */
typedef enum regex_side {
    SIDE_NONE, /* nothing: the text begins (ends) here */
    SIDE_ANY,  /* .* */
    SIDE_SOME, /* .+ */
} regex_side;

typedef struct regex_shape {
    /* The pattern matches exactly these: sorted, each once; 0 = no such set is known. */
    fer_str *literals;
    size_t literals_n;
    fer_str prefix; /* every match begins with it */
    /* The pattern is `before`, one literal, `after`, and not both sides are SIDE_NONE. */
    bool wild;
    regex_side before, after;
    fer_str middle;
} regex_shape;

/* Whether RE2 is certain to accept the pattern: a short one of letters, digits and the like, "|", and dots, which may be
 * repeated or escaped. Most patterns in queries are such. */
bool regex_is_plain(fer_str pattern);

/* Reads the shape of a pattern that has compiled, or is plain. Views point into the arena; when its budget ends,
 * or the pattern has parts not understood here, less is known: never something wrong. */
regex_shape regex_shape_of(fer_str pattern, fer_arena *a);

/* Whether s matches a wild shape. */
bool regex_wild_match(const regex_shape *shape, fer_str s);

/* FER_INVALID, in the words of Go, for patterns nested too deeply or too large for RE2. */
FER_MUST_CHECK fer_code regex_check_size(fer_str pattern, fer_err *err);
/* Appends the pattern with (?<name>...) as (?P<name>...). FER_INVALID for what Go refuses and RE2
 * does not: \C (any byte) and names that are not [A-Za-z0-9_]+. */
FER_MUST_CHECK fer_code regex_translate(fer_str pattern, fer_buf *out, fer_err *err);

#endif
