/* func_range.c - the *_over_time family. */
#include "promql/func_range.h"

#include <math.h>

#include "promql/exec/bits.h"
#include "promql/kahan.h"

static bool is_empty(const windows *w, size_t i)
{
    return w->lo[i] >= w->hi[i];
}

static void count_over_time(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = w->hi[i] - w->lo[i];
        bits_set(has, i);
    }
}

static void present_over_time(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = 1;
        bits_set(has, i);
    }
}

static void last_over_time(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = w->v[w->hi[i] - 1];
        bits_set(has, i);
    }
}

static void first_over_time(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = w->v[w->lo[i]];
        bits_set(has, i);
    }
}

static void ts_of_first(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = (double)w->t[w->lo[i]] / 1000;
        bits_set(has, i);
    }
}

static void ts_of_last(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = (double)w->t[w->hi[i] - 1] / 1000;
        bits_set(has, i);
    }
}

/* Sums of the windows from step i on, as many as there are lanes: together as far as the shortest
 * reaches, as chains of additions that do not wait for each other, then each by itself. How many. */
static size_t sum_some(const windows *w, size_t i, kahan *k)
{
    size_t steps = w->n_steps - i < KAHAN_LANES ? w->n_steps - i : KAHAN_LANES;
    uint32_t at[KAHAN_LANES], least = UINT32_MAX;
    for (size_t x = 0; x < KAHAN_LANES; x++) {
        size_t step = x < steps ? i + x : i;
        uint32_t length = w->hi[step] - w->lo[step];
        at[x] = w->lo[step];
        least = length < least ? length : least;
    }
    kahan_sum_windows(w->v, at, least, k);
    for (size_t x = 0; x < steps; x++)
        for (size_t j = (size_t)at[x] + least; j < w->hi[i + x]; j++)
            kahan_add(&k[x], w->v[j]);
    return steps;
}

static void sum_over_time(const windows *w, double *out, uint64_t *has)
{
    kahan k[KAHAN_LANES];
    for (size_t i = 0, steps; i < w->n_steps; i += steps) {
        steps = sum_some(w, i, k);
        for (size_t x = 0; x < steps; x++) {
            if (w->lo[i + x] == w->hi[i + x])
                continue;
            out[i + x] = isinf(k[x].sum) ? k[x].sum : k[x].sum + k[x].c;
            bits_set(has, i + x);
        }
    }
}

/* The mean as sum / count until the sum overflows, from there on updated sample by sample. */
static double mean_of(const double *v, size_t n)
{
    kahan k = {v[0], 0};
    size_t i = 1;
    for (; i < n; i++) {
        kahan next = k;
        kahan_add(&next, v[i]);
        if (isinf(next.sum))
            break;
        k = next;
    }
    if (i == n)
        return k.sum / (double)n + k.c / (double)n;

    kahan mean = {k.sum / (double)i, k.c / (double)i};
    for (; i < n; i++) {
        double count = (double)(i + 1), f = (count - 1) / count;
        mean.sum *= f;
        mean.c *= f;
        kahan_add(&mean, v[i] / count);
    }
    return mean.sum + mean.c;
}

static void avg_over_time(const windows *w, double *out, uint64_t *has)
{
    kahan k[KAHAN_LANES];
    for (size_t i = 0, steps; i < w->n_steps; i += steps) {
        steps = sum_some(w, i, k);
        for (size_t x = 0; x < steps; x++) {
            size_t n = w->hi[i + x] - w->lo[i + x];
            if (n == 0)
                continue;
            /* Sums start at 0 instead of the first sample, which changes the sign of a zero at most,
             * and that is lost in the last addition; an overflow or NaN goes the long way. */
            out[i + x] = isfinite(k[x].sum) ? k[x].sum / (double)n + k[x].c / (double)n
                                            : mean_of(w->v + w->lo[i + x], n);
            bits_set(has, i + x);
        }
    }
}

/* The first largest (smallest) of each window; NaN only when nothing else is there, then the last of
 * them. Candidates that a later sample beats are dropped as it comes, so that every sample is looked at
 * twice at most (D. Lemire, "Streaming maximum-minimum filter", 2006). w->marks holds them, best
 * first. */
static inline __attribute__((always_inline)) void extreme_over_time(const windows *w, bool largest,
                                                                    double *out, uint64_t *has)
{
    size_t head = 0, tail = 0, seen = 0;
    for (size_t i = 0; i < w->n_steps; i++) {
        size_t lo = w->lo[i], hi = w->hi[i];
        if (lo >= hi)
            continue;
        for (seen = seen < lo ? lo : seen; seen < hi; seen++) {
            double v = w->v[seen];
            if (isnan(v))
                continue;
            while (tail > head &&
                   (largest ? w->v[w->marks[tail - 1]] < v : w->v[w->marks[tail - 1]] > v))
                tail--;
            w->marks[tail++] = (uint32_t)seen;
        }
        while (head < tail && w->marks[head] < lo)
            head++;
        out[i] = head < tail ? w->v[w->marks[head]] : w->v[hi - 1];
        bits_set(has, i);
    }
}

static void max_over_time(const windows *w, double *out, uint64_t *has)
{
    extreme_over_time(w, true, out, has);
}

static void min_over_time(const windows *w, double *out, uint64_t *has)
{
    extreme_over_time(w, false, out, has);
}

static void ts_of_max(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        size_t m = w->lo[i];
        for (size_t j = m; j < w->hi[i]; j++)
            if (w->v[j] >= w->v[m] || isnan(w->v[m]))
                m = j;
        out[i] = (double)w->t[m] / 1000;
        bits_set(has, i);
    }
}

static void ts_of_min(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        size_t m = w->lo[i];
        for (size_t j = m; j < w->hi[i]; j++)
            if (w->v[j] <= w->v[m] || isnan(w->v[m]))
                m = j;
        out[i] = (double)w->t[m] / 1000;
        bits_set(has, i);
    }
}

/* Welford's update with both running values compensated. */
static double variance_of(const double *v, size_t n)
{
    kahan mean = {0, 0}, aux = {0, 0};
    double count = 0;
    for (size_t i = 0; i < n; i++) {
        count++;
        double delta = v[i] - (mean.sum + mean.c);
        kahan_add(&mean, delta / count);
        kahan_add(&aux, delta * (v[i] - (mean.sum + mean.c)));
    }
    return (aux.sum + aux.c) / count;
}

static void stdvar_over_time(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = variance_of(w->v + w->lo[i], w->hi[i] - w->lo[i]);
        bits_set(has, i);
    }
}

static void stddev_over_time(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = sqrt(variance_of(w->v + w->lo[i], w->hi[i] - w->lo[i]));
        bits_set(has, i);
    }
}

static void quantile_over_time(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        size_t n = w->hi[i] - w->lo[i];
        memcpy(w->tmp, w->v + w->lo[i], n * sizeof *w->v);
        out[i] = func_quantile(w->args[0][i], w->tmp, n);
        bits_set(has, i);
    }
}

static double deviation_of(double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(v[i]))
            return NAN;
    double median = func_quantile(0.5, v, n);
    for (size_t i = 0; i < n; i++)
        v[i] = fabs(v[i] - median);
    return func_quantile(0.5, v, n);
}

static void mad_over_time(const windows *w, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        size_t n = w->hi[i] - w->lo[i];
        memcpy(w->tmp, w->v + w->lo[i], n * sizeof *w->v);
        out[i] = deviation_of(w->tmp, n);
        bits_set(has, i);
    }
}

range_fn func_range(function_id id)
{
    static const range_fn fns[FN_COUNT] = {
        [FN_ABSENT_OVER_TIME] = present_over_time,
        [FN_AVG_OVER_TIME] = avg_over_time,
        [FN_CHANGES] = func_changes,
        [FN_COUNT_OVER_TIME] = count_over_time,
        [FN_DELTA] = func_delta,
        [FN_DERIV] = func_deriv,
        [FN_DOUBLE_EXPONENTIAL_SMOOTHING] = func_smoothing,
        [FN_FIRST_OVER_TIME] = first_over_time,
        [FN_IDELTA] = func_idelta,
        [FN_INCREASE] = func_increase,
        [FN_IRATE] = func_irate,
        [FN_LAST_OVER_TIME] = last_over_time,
        [FN_MAD_OVER_TIME] = mad_over_time,
        [FN_MAX_OVER_TIME] = max_over_time,
        [FN_MIN_OVER_TIME] = min_over_time,
        [FN_PREDICT_LINEAR] = func_predict_linear,
        [FN_PRESENT_OVER_TIME] = present_over_time,
        [FN_QUANTILE_OVER_TIME] = quantile_over_time,
        [FN_RATE] = func_rate,
        [FN_RESETS] = func_resets,
        [FN_STDDEV_OVER_TIME] = stddev_over_time,
        [FN_STDVAR_OVER_TIME] = stdvar_over_time,
        [FN_SUM_OVER_TIME] = sum_over_time,
        [FN_TS_OF_FIRST_OVER_TIME] = ts_of_first,
        [FN_TS_OF_LAST_OVER_TIME] = ts_of_last,
        [FN_TS_OF_MAX_OVER_TIME] = ts_of_max,
        [FN_TS_OF_MIN_OVER_TIME] = ts_of_min,
    };
    return fns[id];
}

bool func_range_may_smooth(function_id id)
{
    return id == FN_RATE || id == FN_INCREASE || id == FN_DELTA;
}

bool func_range_may_anchor(function_id id)
{
    return func_range_may_smooth(id) || id == FN_RESETS || id == FN_CHANGES;
}
