/* func_math.c - functions of one number. */
#include "promql/func_math.h"

#include "promql/logarithm.h"

static double rad(double v)
{
    return v * M_PI / 180;
}

static double deg(double v)
{
    return v * 180 / M_PI;
}

static double sgn(double v)
{
    return v < 0 ? -1 : v > 0 ? 1 : v;
}

/* Go's Sinh and Cosh are exp(x)/2 beyond this, and so overflow a little earlier than C's. */
static const double HYPERBOLIC_LARGE = 21;

static double sinh_go(double v)
{
    if (fabs(v) <= HYPERBOLIC_LARGE)
        return sinh(v);
    return copysign(exp(fabs(v)) * 0.5, v);
}

static double cosh_go(double v)
{
    return fabs(v) <= HYPERBOLIC_LARGE ? cosh(v) : exp(fabs(v)) * 0.5;
}

math_fn func_math(function_id id)
{
    static const math_fn fns[FN_COUNT] = {
        [FN_ABS] = fabs,  [FN_CEIL] = ceil,   [FN_FLOOR] = floor,  [FN_EXP] = exp,
        [FN_SQRT] = sqrt, [FN_LN] = go_log,   [FN_LOG2] = go_log2, [FN_LOG10] = go_log10,
        [FN_SIN] = sin,   [FN_COS] = cos,     [FN_TAN] = tan,      [FN_ASIN] = asin,
        [FN_ACOS] = acos, [FN_ATAN] = atan,   [FN_SINH] = sinh_go, [FN_COSH] = cosh_go,
        [FN_TANH] = tanh, [FN_ASINH] = asinh, [FN_ACOSH] = acosh,  [FN_ATANH] = atanh,
        [FN_RAD] = rad,   [FN_DEG] = deg,     [FN_SGN] = sgn,
    };
    return fns[id];
}
