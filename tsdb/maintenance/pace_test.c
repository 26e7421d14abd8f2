/* pace_test.c - when work rests, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tsdb/maintenance/pace.h"

static uint64_t count(void *arg)
{
    return *(uint64_t *)arg;
}

typedef struct fixture {
    fer_clock_fake clock;
    uint64_t writes;
    pace p;
} fixture;

static void begin(fixture *f)
{
    *f = (fixture){0};
    fer_clock_fake_init(&f->clock, 0);
    f->p = (pace){.clock = &f->clock.base, .writes = count, .arg = &f->writes};
    pace_begin(&f->p);
}

static void test_rests_three_times_the_work_while_others_write(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    fer_clock_fake_advance(&f.clock, 4);
    f.writes++;
    assert_int_equal(pace_due(&f.p), 12000000);
    assert_int_equal(pace_due(&f.p), 0); /* a new spell has begun */
}

static void test_goes_on_when_nobody_writes(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    fer_clock_fake_advance(&f.clock, 1000);
    assert_int_equal(pace_due(&f.p), 0);
    f.writes++; /* after that second */
    fer_clock_fake_advance(&f.clock, 2);
    assert_int_equal(pace_due(&f.p), 6000000);
}

static void test_short_spells_add_up(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    f.writes++;
    fer_clock_fake_advance(&f.clock, 1);
    assert_int_equal(pace_due(&f.p), 0);
    fer_clock_fake_advance(&f.clock, 2);
    assert_int_equal(pace_due(&f.p), 9000000);
}

static void test_a_rest_is_bounded(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    f.writes++;
    fer_clock_fake_advance(&f.clock, 5000);
    assert_int_equal(pace_due(&f.p), 50000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rests_three_times_the_work_while_others_write),
        cmocka_unit_test(test_goes_on_when_nobody_writes),
        cmocka_unit_test(test_short_spells_add_up),
        cmocka_unit_test(test_a_rest_is_bounded),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
