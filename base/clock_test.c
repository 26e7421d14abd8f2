#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/cancel.h"

static void the_system_clock_tells_the_time(void **state)
{
    fer_clock *c = fer_clock_system();
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t now = c->wall_ms(c);
    assert_true(now >= before && now < before + 60000);
    uint64_t last = c->mono_ns(c);
    for (int i = 0; i < 1000; i++) {
        uint64_t t = c->mono_ns(c);
        assert_true(t >= last);
        last = t;
    }
}

static void a_fake_clock_stands_until_told(void **state)
{
    fer_clock_fake f;
    fer_clock_fake_init(&f, 1000);
    fer_clock *c = &f.base;
    uint64_t mono = c->mono_ns(c);
    assert_int_equal(c->wall_ms(c), 1000);
    assert_int_equal(c->wall_ms(c), 1000);
    fer_clock_fake_advance(&f, 250);
    assert_int_equal(c->wall_ms(c), 1250);
    assert_int_equal(c->mono_ns(c), mono + 250000000);
}

static void a_token_ends_when_cancelled_or_late(void **state)
{
    fer_clock_fake f;
    fer_clock_fake_init(&f, 0);
    fer_cancel t;
    fer_cancel_init(&t, &f.base, 0);
    assert_int_equal(fer_cancel_check(&t), FER_OK);
    fer_clock_fake_advance(&f, 1000000);
    assert_int_equal(fer_cancel_check(&t), FER_OK); /* no deadline */
    fer_cancel_now(&t);
    assert_int_equal(fer_cancel_check(&t), FER_CANCELED);

    fer_cancel_init(&t, &f.base, f.base.mono_ns(&f.base) + 5000000);
    fer_clock_fake_advance(&f, 4);
    assert_int_equal(fer_cancel_check(&t), FER_OK);
    fer_clock_fake_advance(&f, 1);
    assert_int_equal(fer_cancel_check(&t), FER_TIMEOUT);
    fer_cancel_now(&t);
    assert_int_equal(fer_cancel_check(&t), FER_CANCELED);
    assert_int_equal(fer_cancel_check(NULL), FER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_clock_tells_the_time),
        cmocka_unit_test(a_fake_clock_stands_until_told),
        cmocka_unit_test(a_token_ends_when_cancelled_or_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
