/* func_rate.c - rate, increase, delta, irate, idelta, resets, changes.
 *
 * The change between the first and the last sample of a window is extrapolated to the range's ends
 * when samples lie close enough to them: within 1.1 average distances, otherwise by half of one. A
 * counter is not extrapolated below zero, and what it held before each reset is added.
 *
 * The resets of a series are listed once; each window adds those inside it, oldest first.
 */
#include <math.h>

#include "promql/exec/bits.h"
#include "promql/func_range.h"
#include "promql/scan.h"

enum { RESETS_AT_ONCE = 64 };

bool func_start_reset(int64_t prev_st, int64_t prev_t, int64_t st, int64_t t)
{
    if (st == 0 || st >= t || st < prev_t)
        return false;
    if (st > prev_t)
        return true;
    /* Begins where the sample before ended: a delta series, if that one's start is known. */
    return prev_st <= prev_t && prev_st != 0 && prev_st != prev_t;
}

static inline bool is_reset(const windows *w, size_t i)
{
    return w->v[i] < w->v[i - 1] ||
           (w->st != NULL && func_start_reset(w->st[i - 1], w->t[i - 1], w->st[i], w->t[i]));
}

/* Indexes of samples that begin anew, into w->marks. Most counters never do, which is seen faster for many samples
 * at once. */
static size_t list_resets(const windows *w)
{
    size_t n = 0;
    for (size_t from = 1; from < w->n; from += RESETS_AT_ONCE) {
        size_t to = w->n - from < RESETS_AT_ONCE ? w->n : from + RESETS_AT_ONCE;
        if (w->st == NULL && !scan_any_fall(w->v + from - 1, to - from + 1))
            continue;
        for (size_t i = from; i < to; i++) {
            w->marks[n] = (uint32_t)i;
            n += is_reset(w, i);
        }
    }
    return n;
}

typedef struct rate_kind {
    bool counter, per_second;
} rate_kind;

/* How the samples of a window lie in its range. Where samples come at a fixed interval and steps are
 * multiples of it, this is the same from step to step, so the last one is kept. */
typedef struct shape {
    int64_t before, after, length; /* first sample - start, end - last sample, last - first; ms */
    size_t n;                      /* distances between samples */
    double to_start, to_end, sampled;
    double factor; /* extrapolating over all of to_start */
} shape;

static double factor_of(const shape *s, double to_start, bool per_second, double range_s)
{
    double f = 1;
    if (s->sampled != 0)
        f = (s->sampled + to_start + s->to_end) / s->sampled;
    return per_second ? f / range_s : f;
}

/* The shape of a window of at least two samples. */
static void take_shape(const windows *w, size_t i, rate_kind kind, shape *s)
{
    size_t lo = w->lo[i], last = w->hi[i] - 1;
    int64_t before = w->t[lo] - (w->ref[i] - w->range_ms);
    int64_t after = w->ref[i] - w->t[last], length = w->t[last] - w->t[lo];
    if (s->n == last - lo && s->before == before && s->after == after && s->length == length)
        return;
    *s = (shape){.before = before, .after = after, .length = length, .n = last - lo};
    s->to_start = (double)before / 1000;
    s->to_end = (double)after / 1000;
    s->sampled = (double)length / 1000;
    double average = s->sampled / (double)s->n, threshold = average * 1.1;
    if (s->to_start >= threshold)
        s->to_start = average / 2;
    if (s->to_end >= threshold)
        s->to_end = average / 2;
    s->factor = factor_of(s, s->to_start, kind.per_second, w->range_s);
}

/* The change of window i over its whole range; `sum` is its change between the first and the last of
 * at least two samples, resets made good. */
static inline double extrapolate(const windows *w, size_t i, rate_kind kind, shape *s, double sum)
{
    take_shape(w, i, kind, s);
    double first = w->v[w->lo[i]];
    /* A counter that would have been below 0 at the start began later. Most are far from that, which
     * is seen without dividing. */
    if (kind.counter && sum > 0 && first >= 0 &&
        !(first * s->sampled > s->to_start * sum * 1.0000001)) {
        double to_zero = s->sampled * (first / sum);
        if (to_zero < s->to_start)
            return sum * factor_of(s, to_zero, kind.per_second, w->range_s);
    }
    return sum * s->factor;
}

/* With start timestamps, a counter is known to have been 0 where it started inside the range, and one
 * sample is enough. */
static bool starts_inside(const windows *w, size_t i)
{
    size_t lo = w->lo[i];
    return w->st != NULL && w->st[lo] != 0 && w->st[lo] > w->ref[i] - w->range_ms &&
           w->st[lo] < w->t[lo];
}

static double from_start(const windows *w, size_t i, rate_kind kind, double sum)
{
    size_t lo = w->lo[i], last = w->hi[i] - 1;
    double to_end = (double)(w->ref[i] - w->t[last]) / 1000;
    double average = 0;
    if (last > lo)
        average = (double)(w->t[last] - w->t[lo]) / 1000 / (double)(last - lo);
    if (to_end >= average * 1.1)
        to_end = average / 2;
    shape s = {.sampled = (double)(w->t[last] - w->st[lo]) / 1000, .to_end = to_end};
    return (sum + w->v[lo]) * factor_of(&s, 0, kind.per_second, w->range_s);
}

/* ---- anchored and smoothed: values at the range's ends are taken or interpolated ---- */

static double between(const windows *w, size_t a, size_t b, int64_t t, bool counter)
{
    double va = w->v[a], vb = w->v[b];
    if (counter && vb < va)
        va = 0;
    return va + (vb - va) * (double)(t - w->t[a]) / (double)(w->t[b] - w->t[a]);
}

/* What resets inside add: `from` and `to` are the samples strictly within the range. */
static double corrections(const windows *w, double left, double right, size_t from, size_t to)
{
    double sum = 0, prev = left;
    for (size_t i = from; i < to; i++) {
        if (w->v[i] < prev)
            sum += prev;
        prev = w->v[i];
    }
    if (right < prev)
        sum += prev;
    return sum;
}

static bool change_between_ends(const windows *w, size_t i, rate_kind kind, double *ret)
{
    size_t lo = w->lo[i], last = w->hi[i] - 1, first;
    int64_t start = w->ref[i] - w->range_ms, end = w->ref[i];
    for (first = lo; first < last && w->t[first] <= start; first++)
        ;
    first = first > lo ? first - 1 : lo;
    if (w->smoothed) {
        size_t j = lo;
        while (j < last && w->t[j] < end)
            j++;
        last = j;
    }
    if (w->t[last] <= start || (w->smoothed && w->t[first] > end))
        return false;

    double left = w->smoothed && w->t[first] < start
                      ? between(w, first, first + 1, start, kind.counter)
                      : w->v[first];
    double right = w->smoothed && last > lo && w->t[last] > end
                       ? between(w, last - 1, last, end, kind.counter)
                       : w->v[last];
    double sum = right - left;
    if (kind.counter) {
        size_t from = first + (w->t[first] <= start);
        size_t to = last + (w->t[last] < end);
        sum += corrections(w, left, right, from, to > from ? to : from);
    }
    if (kind.per_second)
        sum /= w->range_s;
    *ret = sum;
    return true;
}

static void extended(const windows *w, rate_kind kind, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++)
        if (w->lo[i] < w->hi[i] && change_between_ends(w, i, kind, &out[i]))
            bits_set(has, i);
}

/* Steps whose windows are alike, of a series without resets: one shape serves all. */
static inline void rate_evenly(const windows *w, rate_kind kind, shape *s, double *out,
                               uint64_t *has)
{
    size_t from = w->even_from, to = w->even_to, by = w->even_by;
    take_shape(w, from, kind, s);
    const double *first = w->v + w->lo[from], *last = w->v + w->hi[from] - 1;
    double factor = s->factor, sampled = s->sampled, to_start = s->to_start * 1.0000001;
    for (size_t i = from; i < to; i++) {
        double a = first[(i - from) * by], sum = last[(i - from) * by] - a;
        out[i] = sum * factor;
        if (kind.counter && sum > 0 && a >= 0 && !(a * sampled > to_start * sum))
            out[i] = extrapolate(w, i, kind, s, sum);
    }
    bits_set_range(has, from, to);
}

static inline void rate_like(const windows *w, rate_kind kind, double *out, uint64_t *has)
{
    if (w->anchored || w->smoothed) {
        extended(w, kind, out, has);
        return;
    }
    size_t n_resets = kind.counter ? list_resets(w) : 0, next = 0;
    shape s = {0};
    bool evenly = n_resets == 0 && w->st == NULL && w->even_from < w->even_to &&
                  w->hi[w->even_from] - w->lo[w->even_from] >= 2;
    if (evenly)
        rate_evenly(w, kind, &s, out, has);
    for (size_t i = 0; i < w->n_steps; i++) {
        if (evenly && i == w->even_from)
            i = w->even_to;
        if (i >= w->n_steps || w->lo[i] >= w->hi[i])
            continue;
        bool started = kind.counter && starts_inside(w, i);
        if (!started && w->hi[i] - w->lo[i] < 2)
            continue;
        double sum = w->v[w->hi[i] - 1] - w->v[w->lo[i]];
        while (next < n_resets && w->marks[next] <= w->lo[i])
            next++;
        for (size_t r = next; r < n_resets && w->marks[r] < w->hi[i]; r++)
            sum += w->v[w->marks[r] - 1];
        out[i] = started ? from_start(w, i, kind, sum) : extrapolate(w, i, kind, &s, sum);
        bits_set(has, i);
    }
}

void func_rate(const windows *w, double *out, uint64_t *has)
{
    rate_like(w, (rate_kind){.counter = true, .per_second = true}, out, has);
}

void func_increase(const windows *w, double *out, uint64_t *has)
{
    rate_like(w, (rate_kind){.counter = true}, out, has);
}

void func_delta(const windows *w, double *out, uint64_t *has)
{
    rate_like(w, (rate_kind){0}, out, has);
}

/* ---- from the last two samples ---- */

static inline void last_two(const windows *w, bool rate, double *out, uint64_t *has)
{
    for (size_t i = 0; i < w->n_steps; i++) {
        if (w->hi[i] < w->lo[i] + 2)
            continue;
        size_t b = w->hi[i] - 1;
        double v = w->v[b];
        if (!rate || !is_reset(w, b))
            v = v - w->v[b - 1];
        if (rate)
            v /= (double)(w->t[b] - w->t[b - 1]) / 1000;
        out[i] = v;
        bits_set(has, i);
    }
}

void func_irate(const windows *w, double *out, uint64_t *has)
{
    last_two(w, true, out, has);
}

void func_idelta(const windows *w, double *out, uint64_t *has)
{
    last_two(w, false, out, has);
}

/* ---- counting ---- */

/* Where counting starts: with `anchored` at the last sample not after the range's start, if another
 * one follows; false when there is nothing to count. */
static bool first_counted(const windows *w, size_t i, size_t *ret)
{
    size_t lo = w->lo[i], hi = w->hi[i];
    *ret = lo;
    if (!w->anchored)
        return lo < hi;
    int64_t start = w->ref[i] - w->range_ms;
    size_t after = lo;
    while (after < hi && w->t[after] <= start)
        after++;
    *ret = after > lo ? after - 1 : lo;
    return after < hi;
}

void func_count_marks(const windows *w, size_t n_marks, double *out, uint64_t *has)
{
    size_t from = 0, to = 0;
    for (size_t i = 0; i < w->n_steps; i++) {
        size_t first;
        if (!first_counted(w, i, &first))
            continue;
        while (from < n_marks && w->marks[from] <= first)
            from++;
        while (to < n_marks && w->marks[to] < w->hi[i])
            to++;
        out[i] = to > from ? (double)(to - from) : 0;
        bits_set(has, i);
    }
}

void func_resets(const windows *w, double *out, uint64_t *has)
{
    func_count_marks(w, list_resets(w), out, has);
}

void func_changes(const windows *w, double *out, uint64_t *has)
{
    size_t n = 0;
    for (size_t i = 1; i < w->n; i++) {
        w->marks[n] = (uint32_t)i;
        n += w->v[i] != w->v[i - 1] && !(isnan(w->v[i]) && isnan(w->v[i - 1]));
    }
    func_count_marks(w, n, out, has);
}
