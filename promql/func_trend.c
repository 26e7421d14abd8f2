/* func_trend.c - deriv, predict_linear and double_exponential_smoothing. */
#include <math.h>

#include "promql/exec/bits.h"
#include "promql/func_range.h"
#include "promql/kahan.h"

typedef struct line {
    double slope, intercept;
} line;

/* Least squares through n >= 2 samples, time in seconds from t0. */
static line fit(const int64_t *t, const double *v, size_t n, int64_t t0)
{
    kahan x = {0, 0}, y = {0, 0}, xy = {0, 0}, xx = {0, 0};
    bool constant = true;
    for (size_t i = 0; i < n; i++) {
        constant = constant && (i == 0 || v[i] == v[0]);
        double dx = (double)(t[i] - t0) / 1e3;
        kahan_add(&x, dx);
        kahan_add(&y, v[i]);
        kahan_add(&xy, dx * v[i]);
        kahan_add(&xx, dx * dx);
    }
    if (constant)
        return isinf(v[0]) ? (line){NAN, NAN} : (line){0, v[0]};
    double sx = x.sum + x.c, sy = y.sum + y.c, sxy = xy.sum + xy.c, sxx = xx.sum + xx.c;
    double count = (double)n;
    double covariance = sxy - sx * sy / count, variance = sxx - sx * sx / count;
    double slope = covariance / variance;
    return (line){slope, sy / count - slope * sx / count};
}

void func_deriv(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        size_t lo = w->lo[i], hi = w->hi[i];
        if (hi < lo + 2)
            continue;
        out[i] = fit(w->t + lo, w->v + lo, hi - lo, w->t[lo]).slope;
        bits_set(has, i);
    }
}

void func_predict_linear(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        size_t lo = w->lo[i], hi = w->hi[i];
        if (hi < lo + 2)
            continue;
        line l = fit(w->t + lo, w->v + lo, hi - lo, w->ts[i]);
        out[i] = l.slope * w->args[0][i] + l.intercept;
        bits_set(has, i);
    }
}

/* Holt's linear trend (R. J. Hyndman, G. Athanasopoulos, "Forecasting", 8.2): level and trend. */
static double smooth(const double *v, size_t n, double sf, double tf)
{
    double before = 0, level = v[0], trend = v[1] - v[0];
    for (size_t i = 1; i < n; i++) {
        double x = sf * v[i];
        if (i > 1)
            trend = tf * (level - before) + (1 - tf) * trend;
        double y = (1 - sf) * (level + trend);
        before = level;
        level = x + y;
    }
    return level;
}

void func_smoothing(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        size_t lo = w->lo[i], hi = w->hi[i];
        if (hi < lo + 2)
            continue;
        out[i] = smooth(w->v + lo, hi - lo, w->args[0][i], w->args[1][i]);
        bits_set(has, i);
    }
}
