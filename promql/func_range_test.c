/* func_range_test.c - range functions against plain versions that look at one window at a time. */
#include "promql/func_range.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "promql/exec/bits.h"
#include "promql/kahan.h"
#include "tsdb/samples.h"

enum { SAMPLES = 400, STEPS = 150 };

typedef struct series {
    int64_t t[SAMPLES];
    double v[SAMPLES];
    uint32_t lo[STEPS], hi[STEPS];
    int64_t ref[STEPS];
    double args[2][STEPS], tmp[SAMPLES];
    uint32_t marks[SAMPLES + 1];
    windows w;
    double out[STEPS];
    uint64_t has[(STEPS + 63) / 64];
} series;

typedef enum shape { REGULAR, JITTERED, SPARSE, SHAPES } shape;
/* WHOLE: sums stay below 2^53; LARGE: they do not. */
typedef enum kind { COUNTER, GAUGE, WILD, SECONDS, WHOLE, LARGE, KINDS } kind;

static double value(fer_rng_seeded *r, kind k, double last)
{
    uint64_t x = fer_rng_seeded_next(r);
    if (k == COUNTER)
        return x % 23 == 0 ? (double)(x % 7) : last + (double)(x % 100);
    if (k == GAUGE)
        return ((double)(x % 100000) - 50000) / 7;
    if (k == SECONDS)
        return x % 29 == 0 ? 0 : (double)(x % 100000) / 700;
    if (k == WHOLE || k == LARGE)
        return (double)((int64_t)x >> (k == WHOLE ? 20 : 12));
    static const double odd[] = {0,      -0.0,     1,         -1,  1e308, -1e308,
                                 1e-300, INFINITY, -INFINITY, NAN, 3,     3};
    return odd[x % (sizeof odd / sizeof *odd)];
}

/* A series and the windows of 150 steps over it. */
static void make(series *s, uint64_t seed, shape sh, kind k, int64_t range, int64_t step)
{
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, seed);
    int64_t t = 0;
    double v = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        uint64_t x = fer_rng_seeded_next(&r);
        t += sh == REGULAR    ? 15000
             : sh == JITTERED ? 14000 + (int64_t)(x % 2000)
                              : 1 + (int64_t)(x % 200000);
        v = value(&r, k, v);
        s->t[i] = t;
        s->v[i] = v;
    }
    for (size_t i = 0; i < STEPS; i++) {
        s->ref[i] = (int64_t)i * step;
        s->args[0][i] = 0.3;
        s->args[1][i] = 0.7;
        uint32_t lo = 0, hi = 0;
        while (hi < SAMPLES && s->t[hi] <= s->ref[i])
            hi++;
        while (lo < hi && s->t[lo] <= s->ref[i] - range)
            lo++;
        s->lo[i] = lo;
        s->hi[i] = hi;
    }
    s->w = (windows){.t = s->t,
                     .v = s->v,
                     .n = SAMPLES,
                     .n_steps = STEPS,
                     .lo = s->lo,
                     .hi = s->hi,
                     .ref = s->ref,
                     .ts = s->ref,
                     .range_ms = range,
                     .range_s = (double)range / 1000,
                     .args = {s->args[0], s->args[1]},
                     .tmp = s->tmp,
                     .marks = s->marks};
    memset(s->has, 0, sizeof s->has);
}

/* ---- plain versions of one window: v[0..n), n > 0 ---- */

/* Neumaier's sum, written with the comparison. */
static void plain_add(double *sum, double *c, double x)
{
    double t = *sum + x;
    if (isinf(t))
        *c = 0;
    else if (fabs(*sum) >= fabs(x))
        *c += (*sum - t) + x;
    else
        *c += (x - t) + *sum;
    *sum = t;
}

static double plain_sum(const double *v, size_t n)
{
    double sum = 0, c = 0;
    for (size_t i = 0; i < n; i++)
        plain_add(&sum, &c, v[i]);
    return isinf(sum) ? sum : sum + c;
}

static double plain_avg(const double *v, size_t n)
{
    double sum = v[0], c = 0, mean = 0;
    bool incremental = false;
    for (size_t i = 1; i < n; i++) {
        double count = (double)(i + 1);
        if (!incremental) {
            double next = sum, next_c = c;
            plain_add(&next, &next_c, v[i]);
            if (!isinf(next)) {
                sum = next;
                c = next_c;
                continue;
            }
            incremental = true;
            mean = sum / (count - 1);
            c /= count - 1;
        }
        double q = (count - 1) / count;
        mean *= q;
        c *= q;
        plain_add(&mean, &c, v[i] / count);
    }
    return incremental ? mean + c : sum / (double)n + c / (double)n;
}

static double plain_max(const double *v, size_t n)
{
    double m = v[0];
    for (size_t i = 0; i < n; i++)
        if (v[i] > m || isnan(m))
            m = v[i];
    return m;
}

static double plain_min(const double *v, size_t n)
{
    double m = v[0];
    for (size_t i = 0; i < n; i++)
        if (v[i] < m || isnan(m))
            m = v[i];
    return m;
}

static double plain_changes(const double *v, size_t n)
{
    double c = 0;
    for (size_t i = 1; i < n; i++)
        c += v[i] != v[i - 1] && !(isnan(v[i]) && isnan(v[i - 1]));
    return c;
}

static double plain_resets(const double *v, size_t n)
{
    double c = 0;
    for (size_t i = 1; i < n; i++)
        c += v[i] < v[i - 1];
    return c;
}

static double plain_variance(const double *v, size_t n)
{
    double mean = 0, mean_c = 0, aux = 0, aux_c = 0;
    for (size_t i = 0; i < n; i++) {
        double delta = v[i] - (mean + mean_c);
        plain_add(&mean, &mean_c, delta / (double)(i + 1));
        plain_add(&aux, &aux_c, delta * (v[i] - (mean + mean_c)));
    }
    return (aux + aux_c) / (double)n;
}

static int nan_first(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    if (isnan(a) || isnan(b))
        return isnan(b) - isnan(a);
    return (a > b) - (a < b);
}

static double plain_quantile(const double *v, size_t n)
{
    double x[SAMPLES], rank = 0.3 * ((double)n - 1), w = rank - floor(rank);
    memcpy(x, v, n * sizeof *x);
    qsort(x, n, sizeof *x, nan_first);
    size_t lower = (size_t)floor(rank), upper = lower + 1 < n ? lower + 1 : n - 1;
    return x[lower] * (1 - w) + x[upper] * w;
}

/* NaNs are alike whatever their bits; zeros too, since which of equal values comes first is not told
 * by their order. */
static void assert_same(double got, double want, bool zeros_alike, size_t step)
{
    if ((isnan(got) && isnan(want)) || (zeros_alike && got == want))
        return;
    if (f64_bits(got) != f64_bits(want))
        fail_msg("step %zu: got %.17g, want %.17g", step, got, want);
}

static void compare(series *s, function_id id, double (*plain)(const double *, size_t), bool zeros)
{
    memset(s->has, 0, sizeof s->has);
    func_range(id)(&s->w, s->out, s->has);
    for (size_t i = 0; i < STEPS; i++) {
        size_t n = s->hi[i] - s->lo[i];
        assert_int_equal(bits_get(s->has, i), n > 0);
        if (n > 0)
            assert_same(s->out[i], plain(s->v + s->lo[i], n), zeros, i);
    }
}

static void every_window_gives_what_it_gives_alone(void **state)
{
    series *s = fer_calloc(1, sizeof *s);
    static const int64_t ranges[] = {15000, 60000, 300000, 3600000}, steps[] = {15000, 40000};
    for (uint64_t seed = 0; seed < SHAPES * KINDS * 8; seed++) {
        make(s, seed, seed % SHAPES, seed / SHAPES % KINDS, ranges[seed % 4], steps[seed / 4 % 2]);
        compare(s, FN_SUM_OVER_TIME, plain_sum, false);
        compare(s, FN_AVG_OVER_TIME, plain_avg, false);
        compare(s, FN_STDVAR_OVER_TIME, plain_variance, false);
        compare(s, FN_MAX_OVER_TIME, plain_max, true);
        compare(s, FN_MIN_OVER_TIME, plain_min, true);
        compare(s, FN_CHANGES, plain_changes, false);
        compare(s, FN_RESETS, plain_resets, false);
        compare(s, FN_QUANTILE_OVER_TIME, plain_quantile, true);
    }
    fer_free(s);
}

/* rate() of one window, each quantity worked out anew. */
static bool plain_rate(const series *s, size_t i, bool counter, double range_s, double *ret)
{
    size_t lo = s->lo[i], hi = s->hi[i];
    if (hi - lo < 2)
        return false;
    double sum = s->v[hi - 1] - s->v[lo];
    for (size_t j = lo + 1; counter && j < hi; j++)
        if (s->v[j] < s->v[j - 1])
            sum += s->v[j - 1];
    double to_start = (double)(s->t[lo] - (s->ref[i] - s->w.range_ms)) / 1000;
    double to_end = (double)(s->ref[i] - s->t[hi - 1]) / 1000;
    double sampled = (double)(s->t[hi - 1] - s->t[lo]) / 1000;
    double average = sampled / (double)(hi - lo - 1), threshold = average * 1.1;
    if (to_start >= threshold)
        to_start = average / 2;
    if (counter && sum > 0 && s->v[lo] >= 0) {
        double to_zero = sampled * (s->v[lo] / sum);
        to_start = to_zero < to_start ? to_zero : to_start;
    }
    if (to_end >= threshold)
        to_end = average / 2;
    double factor = (sampled + to_start + to_end) / sampled;
    if (range_s != 0)
        factor /= range_s;
    *ret = sum * factor;
    return true;
}

static void rates_equal_the_formula_bit_for_bit(void **state)
{
    static const struct {
        function_id id;
        bool counter, per_second;
    } cases[] = {{FN_RATE, true, true}, {FN_INCREASE, true, false}, {FN_DELTA, false, false}};
    series *s = fer_calloc(1, sizeof *s);
    for (uint64_t seed = 0; seed < SHAPES * KINDS * 4; seed++) {
        make(s, seed, seed % SHAPES, seed / SHAPES % KINDS, 300000, 30000);
        for (size_t c = 0; c < 3; c++) {
            memset(s->has, 0, sizeof s->has);
            func_range(cases[c].id)(&s->w, s->out, s->has);
            for (size_t i = 0; i < STEPS; i++) {
                double want = 0;
                bool has = plain_rate(s, i, cases[c].counter,
                                      cases[c].per_second ? s->w.range_s : 0, &want);
                assert_int_equal(bits_get(s->has, i), has);
                if (has)
                    assert_same(s->out[i], want, false, i);
            }
        }
    }
    fer_free(s);
}

static void a_constant_series_has_no_slope(void **state)
{
    series *s = fer_calloc(1, sizeof *s);
    make(s, 1, REGULAR, GAUGE, 300000, 15000);
    for (size_t i = 0; i < SAMPLES; i++)
        s->v[i] = 0.1;
    func_range(FN_DERIV)(&s->w, s->out, s->has);
    assert_int_equal(f64_bits(s->out[STEPS - 1]), 0);
    for (size_t i = 0; i < SAMPLES; i++)
        s->v[i] = (double)s->t[i] / 1000 * 0.5;
    func_range(FN_DERIV)(&s->w, s->out, s->has);
    assert_float_equal(s->out[STEPS - 1], 0.5, 1e-12);
    func_range(FN_PREDICT_LINEAR)(&s->w, s->out, s->has);
    assert_float_equal(s->out[STEPS - 1], ((double)s->ref[STEPS - 1] / 1000 + 0.3) * 0.5, 1e-9);
    fer_free(s);
}

static void start_timestamps_tell_resets(void **state)
{
    static const struct {
        int64_t prev_st, prev_t, st, t;
        bool reset;
    } cases[] = {
        {0, 10, 0, 20, false},   /* unknown */
        {5, 10, 5, 20, false},   /* the same start */
        {5, 10, 12, 20, true},   /* began between the samples */
        {5, 10, 10, 20, true},   /* a delta series */
        {0, 10, 10, 20, false},  /* unknown before */
        {10, 10, 10, 20, false}, /* unknown start time of OTel before */
        {5, 10, 20, 20, false},  /* no start at all */
        {5, 10, 25, 20, false},  /* after its own sample */
        {5, 10, 7, 20, false},   /* overlaps */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            func_start_reset(cases[i].prev_st, cases[i].prev_t, cases[i].st, cases[i].t),
            cases[i].reset);
}

static void columns_add_like_single_sums(void **state)
{
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 7);
    double sum[STEPS] = {0}, c[STEPS] = {0}, want[STEPS] = {0}, want_c[STEPS] = {0}, v[STEPS] = {0};
    for (size_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < STEPS; i++) {
            v[i] = value(&r, i % 3 == 0 ? COUNTER : GAUGE, v[i]);
            plain_add(&want[i], &want_c[i], v[i]);
        }
        kahan_add_columns(sum, c, v, STEPS);
    }
    for (size_t i = 0; i < STEPS; i++)
        assert_same(sum[i] + c[i], want[i] + want_c[i], false, i);
}

/* Tells the steps whose windows are alike, as range.c does. */
static void tell_even(series *s, uint32_t by)
{
    windows *w = &s->w;
    size_t i = 0;
    while (i < STEPS && (w->lo[i] == 0 || w->hi[i] < w->lo[i] + 2))
        i++;
    w->even_from = i;
    while (i + 1 < STEPS && w->lo[i + 1] == w->lo[i] + by && w->hi[i + 1] == w->hi[i] + by)
        i++;
    w->even_to = i < STEPS ? i + 1 : i;
    w->even_by = by;
}

static void windows_told_to_be_alike_give_the_same(void **state)
{
    static const function_id rates[] = {FN_RATE, FN_INCREASE, FN_DELTA};
    static series s, plain;
    for (unsigned i = 0; i < 24; i++) {
        uint32_t by = 1 + i % 3;
        make(&s, i, REGULAR, i % 4 == 0 ? WILD : GAUGE, 60000 + i * 7000, by * 15000);
        for (size_t k = 0; i % 4 > 1 && k < SAMPLES; k++) /* without resets, from near zero */
            s.v[k] = (double)(k * (k + i % 5)) / 8;
        for (size_t f = 0; f < sizeof rates / sizeof *rates; f++) {
            plain = s;
            plain.w.even_to = 0;
            func_range(rates[f])(&plain.w, plain.out, plain.has);
            tell_even(&s, by);
            assert_true(s.w.even_to > s.w.even_from + 50);
            memset(s.has, 0, sizeof s.has);
            func_range(rates[f])(&s.w, s.out, s.has);
            for (size_t k = 0; k < STEPS; k++) {
                assert_int_equal(bits_get(s.has, k), bits_get(plain.has, k));
                if (bits_get(s.has, k))
                    assert_true(f64_bits(s.out[k]) == f64_bits(plain.out[k]));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_told_to_be_alike_give_the_same),
        cmocka_unit_test(every_window_gives_what_it_gives_alone),
        cmocka_unit_test(rates_equal_the_formula_bit_for_bit),
        cmocka_unit_test(a_constant_series_has_no_slope),
        cmocka_unit_test(start_timestamps_tell_resets),
        cmocka_unit_test(columns_add_like_single_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
