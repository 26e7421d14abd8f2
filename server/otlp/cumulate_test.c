/* What delta points add up to: numbers, classic and exponential histograms, points sent again or too late, streams that end. */
#include "server/otlp/cumulate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/remote/pb.h"

typedef struct setting {
    fer_clock_fake clock;
    fer_account acct;
    otlp_cumulator *c;
    fer_arena *a;
} setting;

static const fer_hash128 one = {1, 1}, two = {65, 2}; /* the same place in a small table */

static void setting_init(setting *s)
{
    fer_clock_fake_init(&s->clock, 1700000000000);
    fer_account_init(&s->acct, "delta", NULL, 0);
    s->c = otlp_cumulator_new(&s->clock.base, &s->acct);
    s->a = fer_arena_new(NULL, 0);
}

static void setting_done(setting *s)
{
    otlp_cumulator_free(s->c);
    fer_arena_free(s->a);
    assert_int_equal(fer_account_used(&s->acct), 0);
}

/* The value of the stream behind a point; NAN when it is refused. */
static double sum_of(setting *s, fer_hash128 key, uint64_t t, double v)
{
    otlp_point p = {.time_ns = t, .value = v};
    fer_code c = otlp_cumulate(s->c, key, OTLP_COUNTER, s->a, &p);
    assert_true(c == FER_OK || c == FER_INVALID);
    return c == FER_OK ? p.value : -1;
}

static void numbers_add_up_each_point_once(void **state)
{
    (void)state;
    setting s;
    setting_init(&s);
    assert_true(sum_of(&s, one, 10, 1.5) == 1.5);
    assert_true(sum_of(&s, two, 10, 100) == 100);
    assert_true(sum_of(&s, one, 20, 2) == 3.5);
    assert_true(sum_of(&s, one, 20, 2) == 3.5); /* sent again */
    assert_true(sum_of(&s, one, 15, 7) == -1);
    assert_true(sum_of(&s, two, 11, 1) == 101);
    for (uint64_t i = 0; i < 500; i++) /* the table grows */
        assert_true(sum_of(&s, (fer_hash128){3 * i, 7}, 1, (double)i) == (double)i);
    assert_true(sum_of(&s, one, 30, 1) == 4.5);
    setting_done(&s);
}

static void a_stream_is_forgotten_after_five_minutes(void **state)
{
    (void)state;
    setting s;
    setting_init(&s);
    assert_true(sum_of(&s, one, 10, 1) == 1);
    fer_clock_fake_advance(&s.clock, 4 * 60 * 1000);
    assert_true(sum_of(&s, one, 20, 1) == 2);
    assert_true(sum_of(&s, two, 20, 1) == 1);
    fer_clock_fake_advance(&s.clock, 6 * 60 * 1000);
    assert_true(sum_of(&s, one, 30, 1) == 1);
    setting_done(&s);
}

static otlp_point classic(uint64_t t, const double *bounds, const uint64_t *counts, size_t n)
{
    otlp_point p = {.time_ns = t, .sum = 0.5, .has_sum = true};
    p.bounds.s = (fer_str){(const char *)bounds, (n - 1) * 8};
    p.counts.s = (fer_str){(const char *)counts, n * 8};
    for (size_t i = 0; i < n; i++)
        p.count += counts[i];
    return p;
}

static void classic_histograms_add_up_while_bounds_are_the_same(void **state)
{
    (void)state;
    static const double bounds[] = {1, 2}, others[] = {1, 3};
    static const uint64_t counts[] = {1, 2, 3};
    setting s;
    setting_init(&s);
    for (uint64_t t = 1; t <= 3; t++) {
        otlp_point p = classic(t, bounds, counts, 3);
        assert_int_equal(otlp_cumulate(s.c, one, OTLP_HISTOGRAM, s.a, &p), FER_OK);
        const uint64_t want[] = {t, 2 * t, 3 * t};
        assert_memory_equal(p.counts.s.p, want, sizeof want);
        assert_true(p.count == 6 * t && p.sum == 0.5 * (double)t);
    }
    otlp_point p = classic(4, others, counts, 3);
    assert_int_equal(otlp_cumulate(s.c, one, OTLP_HISTOGRAM, s.a, &p), FER_OK);
    assert_memory_equal(p.counts.s.p, counts, sizeof counts);
    assert_true(p.count == 6 && p.sum == 0.5);
    setting_done(&s);
}

static fer_str buckets_of(fer_arena *a, int offset, const uint8_t *counts, size_t n)
{
    fer_buf b;
    fer_buf_init(&b, 1024, NULL);
    pb_put_int(&b, 1, (int64_t)zigzag_put(offset));
    pb_put_bytes(&b, 2, (fer_str){(const char *)counts, n});
    fer_str ret = fer_arena_dup(a, fer_buf_str(&b));
    fer_buf_done(&b);
    return ret;
}

static void expect_buckets(setting *s, uint64_t t, int scale, int offset, const uint8_t *counts,
                           size_t n, int want_scale, int want_offset, const uint8_t *want,
                           size_t want_n)
{
    otlp_point p = {.time_ns = t, .scale = scale, .count = 1, .zero_count = 1, .negative = STR("")};
    p.positive = buckets_of(s->a, offset, counts, n);
    assert_int_equal(otlp_cumulate(s->c, one, OTLP_EXPONENTIAL_HISTOGRAM, s->a, &p), FER_OK);
    fer_str expected = buckets_of(s->a, want_offset, want, want_n);
    assert_int_equal(p.scale, want_scale);
    assert_true(p.count == t && p.zero_count == t && p.negative.n == 0);
    assert_int_equal(p.positive.n, expected.n);
    assert_memory_equal(p.positive.p, expected.p, expected.n);
}

static void exponential_histograms_meet_at_the_lower_scale(void **state)
{
    (void)state;
    static const uint8_t a[] = {1, 2, 3}, b[] = {5}, ab[] = {1, 2, 8}, low[] = {1, 10, 7};
    static const uint8_t far[] = {1};
    setting s;
    setting_init(&s);
    expect_buckets(&s, 1, 3, -1, a, 3, 3, -1, a, 3);
    expect_buckets(&s, 2, 3, 1, b, 1, 3, -1, ab, 3);
    /* -1 is in bucket -1 of the next scale, 0 and 1 in bucket 0. */
    static const uint8_t seven[] = {7};
    expect_buckets(&s, 3, 2, 1, seven, 1, 2, -1, low, 3);
    /* 500 buckets away: two steps down, so that 160 hold both. */
    otlp_point p = {.time_ns = 4, .scale = 2, .negative = STR("")};
    p.positive = buckets_of(s.a, 500, far, 1);
    assert_int_equal(otlp_cumulate(s.c, one, OTLP_EXPONENTIAL_HISTOGRAM, s.a, &p), FER_OK);
    assert_int_equal(p.scale, 0);
    setting_done(&s);
}

static void what_cannot_be_added_is_refused(void **state)
{
    (void)state;
    setting s;
    setting_init(&s);
    otlp_point p = {.time_ns = 1, .scale = 99, .positive = STR(""), .negative = STR("")};
    assert_int_equal(otlp_cumulate(s.c, one, OTLP_EXPONENTIAL_HISTOGRAM, s.a, &p), FER_INVALID);
    p.scale = 3;
    p.positive = (fer_str){"\x12\x01\xff", 3};
    assert_int_equal(otlp_cumulate(s.c, one, OTLP_EXPONENTIAL_HISTOGRAM, s.a, &p), FER_CORRUPT);
    setting_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_add_up_each_point_once),
        cmocka_unit_test(a_stream_is_forgotten_after_five_minutes),
        cmocka_unit_test(classic_histograms_add_up_while_bounds_are_the_same),
        cmocka_unit_test(exponential_histograms_meet_at_the_lower_scale),
        cmocka_unit_test(what_cannot_be_added_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
