/* regex_int.h - what a pattern says without running it; shared by regex.c and regex_shape.c. */
#ifndef FERULA_BASE_REGEX_INT_H
#define FERULA_BASE_REGEX_INT_H

#include "base/arena.h"
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

/* Reads the shape of a pattern that has compiled. Views point into the arena; when its budget ends,
 * or the pattern has parts not understood here, less is known: never something wrong. */
regex_shape regex_shape_of(fer_str pattern, fer_arena *a);

/* Whether s matches a wild shape. */
bool regex_wild_match(const regex_shape *shape, fer_str s);

#endif
