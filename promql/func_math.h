/* func_math.h - functions of one number, and Go's min and max.
 */
#ifndef FERULA_PROMQL_FUNC_MATH_H
#define FERULA_PROMQL_FUNC_MATH_H

#include <math.h>

#include "promql/ast.h"

typedef double (*math_fn)(double);

/* abs, ceil, sin, ... ; NULL when the function is not of this kind. */
math_fn func_math(function_id id);

/* math.Max: an infinity wins over NaN, NaN over numbers, +0 over -0. */
static inline double go_max(double a, double b)
{
    if (a == INFINITY || b == INFINITY)
        return INFINITY;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) ? b : a;
    return a > b ? a : b;
}

static inline double go_min(double a, double b)
{
    if (a == -INFINITY || b == -INFINITY)
        return -INFINITY;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) ? a : b;
    return a < b ? a : b;
}

#endif
