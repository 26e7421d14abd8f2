/* pace_test.c - when work rests, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tsdb/maintenance/pace.h"

#define MS UINT64_C(1000000)

typedef struct fixture {
    fer_clock_fake clock;
    uint64_t writes;
    bool awaited;
    int between;
    pace p;
} fixture;

static uint64_t writes_of(void *arg)
{
    return ((fixture *)arg)->writes;
}

static bool is_awaited(void *arg)
{
    return ((fixture *)arg)->awaited;
}

static void meanwhile(void *arg)
{
    ((fixture *)arg)->between++;
}

static void begin(fixture *f, uint64_t span_ms)
{
    *f = (fixture){0};
    fer_clock_fake_init(&f->clock, 0);
    f->p = (pace){.clock = &f->clock.base,
                  .writes = writes_of,
                  .is_awaited = is_awaited,
                  .meanwhile = meanwhile,
                  .arg = f,
                  .span_ns = span_ms * MS};
    pace_begin(&f->p);
}

/* The rest after a spell of work in which a write came. */
static uint64_t rest_after(fixture *f, int64_t worked_ms, double done)
{
    f->writes++;
    fer_clock_fake_advance(&f->clock, worked_ms);
    return pace_due(&f->p, done);
}

static void test_rests_three_times_the_work_while_others_write(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 0);
    assert_int_equal(rest_after(&f, 4, 0), 12 * MS);
    assert_int_equal(pace_due(&f.p, 0), 0); /* a new spell has begun */
    fer_clock_fake_advance(&f.clock, 4);    /* the last write was just now */
    assert_int_equal(pace_due(&f.p, 0), 12 * MS);
}

static void test_goes_on_when_nobody_writes(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 1000000);
    fer_clock_fake_advance(&f.clock, 1000);
    assert_int_equal(pace_due(&f.p, 0.5), 0);
    assert_int_equal(rest_after(&f, 2, 0.5), 6 * MS);
    fer_clock_fake_advance(&f.clock, 1000);
    assert_int_equal(pace_due(&f.p, 0.9), 0);
}

static void test_short_spells_add_up(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 0);
    assert_int_equal(rest_after(&f, 1, 0), 0);
    assert_int_equal(rest_after(&f, 2, 0), 9 * MS);
}

static void test_a_rest_is_bounded(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 0);
    assert_int_equal(rest_after(&f, 5000, 0), 50 * MS);
}

static void test_long_work_is_spread_over_its_span(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 10000);
    assert_int_equal(rest_after(&f, 10, 0.25), 30 * MS); /* it may be over soon */
    assert_int_equal(rest_after(&f, 89, 0.5), 50 * MS);
    assert_int_equal(rest_after(&f, 2, 0.5078125), 76125000);    /* its part of ten seconds */
    assert_int_equal(rest_after(&f, 40, 0.5087890625), 50 * MS); /* slower than foreseen */
    assert_int_equal(rest_after(&f, 2, 1), 250 * MS);
}

static void test_awaited_work_is_not_spread(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 10000);
    assert_int_equal(rest_after(&f, 200, 0.25), 250 * MS);
    f.awaited = true;
    assert_int_equal(rest_after(&f, 2, 0.5), 6 * MS);
    f.awaited = false;
    assert_int_equal(rest_after(&f, 2, 0.5078125), 76125000);
}

static void test_others_work_before_a_rest(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 0);
    f.writes++;
    fer_clock_fake_advance(&f.clock, 1);
    pace_point(&f.p, 0);
    assert_int_equal(f.between, 0);
    fer_clock_fake_advance(&f.clock, 1);
    pace_point(&f.p, 0);
    assert_int_equal(f.between, 1);
    pace_point(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rests_three_times_the_work_while_others_write),
        cmocka_unit_test(test_goes_on_when_nobody_writes),
        cmocka_unit_test(test_short_spells_add_up),
        cmocka_unit_test(test_a_rest_is_bounded),
        cmocka_unit_test(test_long_work_is_spread_over_its_span),
        cmocka_unit_test(test_awaited_work_is_not_spread),
        cmocka_unit_test(test_others_work_before_a_rest),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
