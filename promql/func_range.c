/* func_range.c - the *_over_time family. */
#include "promql/func_range.h"

#include <math.h>
#include <stdlib.h>

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

/* The windows from step i on that are worked out together, as chains of operations that do not wait for
 * each other: as far as the shortest reaches. */
typedef struct lanes {
    size_t steps; /* at most KAHAN_LANES; further lanes repeat the first */
    uint32_t at[KAHAN_LANES], least;
} lanes;

static lanes lanes_from(const windows *w, size_t i)
{
    lanes l = {.steps = w->n_steps - i < KAHAN_LANES ? w->n_steps - i : KAHAN_LANES,
               .least = UINT32_MAX};
    for (size_t x = 0; x < KAHAN_LANES; x++) {
        size_t step = x < l.steps ? i + x : i;
        uint32_t length = w->hi[step] - w->lo[step];
        l.at[x] = w->lo[step];
        l.least = length < l.least ? length : l.least;
    }
    return l;
}

/* Sums of the windows from step i on, as many as there are lanes. How many. */
static size_t sum_some(const windows *w, size_t i, kahan *k)
{
    lanes l = lanes_from(w, i);
    kahan_sum_windows(w->v, l.at, l.least, k);
    for (size_t x = 0; x < l.steps; x++)
        for (size_t j = (size_t)l.at[x] + l.least; j < w->hi[i + x]; j++)
            kahan_add(&k[x], w->v[j]);
    return l.steps;
}

/* Sums of whole numbers up to 2^53 lose nothing, in whatever order they are added. Where all samples together are no more, as
 * those of most counters, w->tmp gets for each the sum up to it, and a window's is the difference of two. False where they are not
 * such, or that is not less work. */
static bool sums_are_exact(const windows *w)
{
    const double whole = 0x1p52, most = 0x1p53; /* above `whole` there are no fractions */
    double sum = 0, size = 0;
    uint64_t additions = 0;
    for (size_t i = 0; i < w->n_steps; i++)
        additions += w->hi[i] - w->lo[i];
    if (additions < 4 * (uint64_t)w->n)
        return false;
    for (size_t i = 0; i < w->n; i++) {
        double magnitude = fabs(w->v[i]);
        if (magnitude + whole - whole != magnitude)
            return false;
        size += magnitude;
        w->tmp[i] = sum += w->v[i];
    }
    return size <= most;
}

/* The sum of a window that is not empty, where sums are exact. */
static inline double exact_sum(const windows *w, size_t i)
{
    double before = w->lo[i] == 0 ? 0 : w->tmp[w->lo[i] - 1];
    return w->tmp[w->hi[i] - 1] - before;
}

static void exact_sums(const windows *w, bool mean, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        out[i] = exact_sum(w, i) / (mean ? (double)(w->hi[i] - w->lo[i]) : 1);
        bits_set(has, i);
    }
}

static void sum_over_time(const windows *w, double *out, uint64_t *has)
{
    kahan k[KAHAN_LANES];
    if (sums_are_exact(w)) {
        exact_sums(w, false, out, has);
        return;
    }
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
    if (sums_are_exact(w)) {
        exact_sums(w, true, out, has);
        return;
    }
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

static void variance_over_time(const windows *w, bool root, double *out, uint64_t *has)
{
    kahan_moments m[KAHAN_LANES];
    for (size_t i = 0, steps; i < w->n_steps; i += steps) {
        lanes l = lanes_from(w, i);
        steps = l.steps;
        kahan_moments_of_windows(w->v, l.at, l.least, m);
        for (size_t x = 0; x < steps; x++) {
            size_t n = w->hi[i + x] - w->lo[i + x];
            if (n == 0)
                continue;
            for (size_t j = l.least; j < n; j++)
                kahan_moments_add(&m[x], (double)(j + 1), w->v[l.at[x] + j]);
            double variance = (m[x].squares.sum + m[x].squares.c) / (double)n;
            out[i + x] = root ? sqrt(variance) : variance;
            bits_set(has, i + x);
        }
    }
}

static void stdvar_over_time(const windows *w, double *out, uint64_t *has)
{
    variance_over_time(w, false, out, has);
}

static void stddev_over_time(const windows *w, double *out, uint64_t *has)
{
    variance_over_time(w, true, out, has);
}

/* The window in ascending order, NaN first, in w->tmp: as samples come and go they are put in and taken
 * out, unless so many do that sorting anew is less work. */
typedef struct sorted {
    double *v;
    size_t n, nans;
    size_t lo, hi; /* the samples in it */
} sorted;

/* The first place in v[nans..n) whose value is not less than x. */
static size_t place_of(const sorted *s, double x)
{
    size_t lo = s->nans, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->v[mid] < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void put_in(sorted *s, double x)
{
    size_t at = isnan(x) ? s->nans++ : place_of(s, x);
    memmove(s->v + at + 1, s->v + at, (s->n - at) * sizeof *s->v);
    s->v[at] = x;
    s->n++;
}

static void take_out(sorted *s, double x)
{
    size_t at = isnan(x) ? --s->nans : place_of(s, x);
    s->n--;
    memmove(s->v + at, s->v + at + 1, (s->n - at) * sizeof *s->v);
}

static int ascending(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    if (isnan(a) || isnan(b))
        return isnan(b) - isnan(a);
    return (a > b) - (a < b);
}

static void slide_to(sorted *s, const windows *w, size_t lo, size_t hi)
{
    size_t changes = (lo - s->lo) + (hi - s->hi);
    if (lo >= s->hi || changes * 4 > hi - lo) {
        s->n = hi - lo;
        memcpy(s->v, w->v + lo, s->n * sizeof *s->v);
        qsort(s->v, s->n, sizeof *s->v, ascending);
        for (s->nans = 0; s->nans < s->n && isnan(s->v[s->nans]); s->nans++)
            ;
    } else {
        for (size_t j = s->lo; j < lo; j++)
            take_out(s, w->v[j]);
        for (size_t j = s->hi; j < hi; j++)
            put_in(s, w->v[j]);
    }
    s->lo = lo;
    s->hi = hi;
}

/* Windows that share little are not sorted but partitioned. */
static bool shares_much(const windows *w, size_t i)
{
    size_t n = w->hi[i] - w->lo[i];
    return i + 1 < w->n_steps && n > 16 && w->hi[i] > w->lo[i + 1] &&
           ((w->lo[i + 1] - w->lo[i]) + (w->hi[i + 1] - w->hi[i])) * 4 <= n;
}

static void quantile_over_time(const windows *w, double *out, uint64_t *has)
{
    sorted s = {.v = w->tmp};
    for (size_t i = 0; i < w->n_steps; i++) {
        if (is_empty(w, i))
            continue;
        size_t n = w->hi[i] - w->lo[i];
        bool in_order = s.hi > w->lo[i] || shares_much(w, i);
        if (in_order) {
            slide_to(&s, w, w->lo[i], w->hi[i]);
            out[i] = func_quantile_sorted(w->args[0][i], s.v, n);
        } else {
            memcpy(w->tmp, w->v + w->lo[i], n * sizeof *w->v);
            out[i] = func_quantile(w->args[0][i], w->tmp, n);
        }
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
