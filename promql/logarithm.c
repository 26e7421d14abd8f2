/* logarithm.c - see logarithm.h. The order of operations is what makes the bits. */
#include "promql/logarithm.h"

#include <math.h>

/* ln 2 in two parts: the first has zeros at its end, so that its multiples by an exponent are exact. */
static const double LN2_HIGH = 0x1.62e42feep-1;
static const double LN2_LOW = 1.90821492927058770002e-10;

/* v, finite and above 0, as 2^exponent * (1 + ret) with 1 + ret in [sqrt(1/2), sqrt(2)). */
static double reduce(double v, int *exponent)
{
    double m = frexp(v, exponent);
    if (m < M_SQRT1_2) {
        m *= 2;
        (*exponent)--;
    }
    return m - 1;
}

/* ln(1 + f) = 2 atanh(s) with s = f / (2 + f), as a series in s^2 by odd and even terms. */
double go_log(double v)
{
    if (isnan(v) || v == INFINITY)
        return v;
    if (v < 0)
        return NAN;
    if (v == 0)
        return -INFINITY;
    int exponent;
    double f = reduce(v, &exponent), k = exponent;
    double s = f / (2 + f), s2 = s * s, s4 = s2 * s2;
    double odd = s2 * (6.666666666666735130e-01 +
                       s4 * (2.857142874366239149e-01 +
                             s4 * (1.818357216161805012e-01 + s4 * 1.479819860511658591e-01)));
    double even = s4 * (3.999999999940941908e-01 +
                        s4 * (2.222219843214978396e-01 + s4 * 1.531383769920937332e-01));
    double half = 0.5 * f * f;
    return k * LN2_HIGH - ((half - (s * (half + (odd + even)) + k * LN2_LOW)) - f);
}

double go_log2(double v)
{
    int exponent;
    double m = frexp(v, &exponent);
    if (m == 0.5) /* powers of two are exact */
        return exponent - 1;
    return isfinite(v) && v > 0 ? go_log(m) * M_LOG2E + exponent : go_log(v);
}

double go_log10(double v)
{
    return go_log(v) * M_LOG10E;
}

/* 2^v = 2^k * e^r; e^r by a rational function of r, whose rounding error `low` is carried along. */
double go_exp2(double v)
{
    static const double LARGEST = 1.0239999999999999e+03, SMALLEST = -1.0740e+03;
    if (isnan(v) || v > LARGEST)
        return v > LARGEST ? INFINITY : v;
    if (v < SMALLEST)
        return 0;
    int k = (int)(v + (v > 0 ? 0.5 : -0.5));
    double t = v - k, high = t * LN2_HIGH, low = -t * LN2_LOW;
    double r = high - low, r2 = r * r;
    double c =
        r -
        r2 * (1.66666666666666657415e-01 +
              r2 * (-2.77777777770155933842e-03 +
                    r2 * (6.61375632143793436117e-05 +
                          r2 * (-1.65339022054652515390e-06 + r2 * 4.13813679705723846039e-08))));
    return ldexp(1 - ((low - (r * c) / (2 - c)) - high), k);
}
