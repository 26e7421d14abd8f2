#include "tsdb/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void floats_need_no_types(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 0);
    samples s;
    samples_init(&s, &acct);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(samples_add(&s, i, i / 2.0), FER_OK);
    assert_int_equal(s.n, 1000);
    assert_null(s.type);
    assert_null(s.st);
    assert_int_equal(fer_account_used(&acct), s.cap * 16);
    samples_done(&s);
    assert_int_equal(fer_account_used(&acct), 0);
}

static void histograms_and_start_times_stay_beside_their_samples(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 0);
    samples s;
    samples_init(&s, &acct);
    histogram h = {.count = 3};
    for (int64_t i = 0; i < 500; i++) {
        if (i >= 100 && i % 3 == 0)
            assert_int_equal(samples_add_histogram(&s, i, SAMPLE_FLOAT_HISTOGRAM, &h), FER_OK);
        else
            assert_int_equal(samples_add(&s, i, 1), FER_OK);
        if (i >= 200)
            assert_int_equal(samples_set_start(&s, s.n - 1, i - 7), FER_OK);
    }
    for (size_t i = 0; i < 500; i++) {
        bool hist = i >= 100 && i % 3 == 0;
        assert_int_equal(s.t[i], i);
        assert_int_equal(s.type[i], hist ? SAMPLE_FLOAT_HISTOGRAM : SAMPLE_FLOAT);
        assert_ptr_equal(s.h[i], hist ? &h : NULL);
        assert_int_equal(s.st[i], i >= 200 ? i - 7 : 0);
    }
    samples_clear(&s);
    assert_int_equal(s.n, 0);
    assert_null(s.type);
    assert_null(s.h);
    assert_null(s.st);
    assert_int_equal(fer_account_used(&acct), s.cap * 16);
    samples_done(&s);
    assert_int_equal(fer_account_used(&acct), 0);
}

static void an_unknown_start_time_takes_no_memory(void **state)
{
    (void)state;
    samples s;
    samples_init(&s, NULL);
    assert_int_equal(samples_add(&s, 1, 1), FER_OK);
    assert_int_equal(samples_set_start(&s, 0, 0), FER_OK);
    assert_null(s.st);
    samples_done(&s);
}

static void a_refusal_changes_nothing(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 64 * 16);
    samples s;
    samples_init(&s, &acct);
    for (int i = 0; i < 64; i++)
        assert_int_equal(samples_add(&s, i, i), FER_OK);
    assert_int_equal(samples_add(&s, 64, 64), FER_LIMIT);
    histogram h = {.count = 1};
    s.n = 63;
    assert_int_equal(samples_add_histogram(&s, 63, SAMPLE_HISTOGRAM, &h), FER_LIMIT);
    assert_int_equal(samples_set_start(&s, 0, 5), FER_LIMIT);
    assert_int_equal(s.n, 63);
    assert_int_equal(s.t[62], 62);
    assert_null(s.type);
    assert_int_equal(fer_account_used(&acct), 64 * 16);
    samples_done(&s);
    assert_int_equal(fer_account_used(&acct), 0);
}

static void histograms_read_live_until_cleared(void **state)
{
    (void)state;
    samples s;
    samples_init(&s, NULL);
    histogram *h = ARENA_NEW(samples_arena(&s), histogram);
    h->count = 5;
    assert_int_equal(samples_add_histogram(&s, 1, SAMPLE_HISTOGRAM, h), FER_OK);
    assert_true(s.h[0]->count == 5);
    samples_clear(&s);
    assert_non_null(ARENA_NEW(samples_arena(&s), histogram));
    samples_done(&s);
}

static void only_the_one_bit_pattern_is_stale(void **state)
{
    (void)state;
    assert_true(sample_is_stale(f64_of_bits(STALE_NAN_BITS)));
    assert_false(sample_is_stale(f64_of_bits(NORMAL_NAN_BITS)));
    assert_false(sample_is_stale(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_need_no_types),
        cmocka_unit_test(histograms_and_start_times_stay_beside_their_samples),
        cmocka_unit_test(an_unknown_start_time_takes_no_memory),
        cmocka_unit_test(a_refusal_changes_nothing),
        cmocka_unit_test(histograms_read_live_until_cleared),
        cmocka_unit_test(only_the_one_bit_pattern_is_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
