#include "tsdb/map_use.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { CHUNK = 500, MIB = 1 << 20 };

/* How often `n` bytes in chunks, each `gap` bytes behind the one before, make a reader forget. */
static unsigned forgets(uint64_t n, uint64_t gap)
{
    map_use u = {0};
    unsigned times = 0;
    for (uint64_t at = 8; at < n; at += gap)
        times += map_use_note(&u, at, CHUNK);
    return times;
}

static void test_little_is_kept(void **state)
{
    (void)state;
    assert_int_equal(forgets(7 * MIB, CHUNK), 0);
    assert_int_equal(forgets(MIB, CHUNK), 0);
}

/* One pass forgets about once in so many bytes. */
static void test_pass_over_much(void **state)
{
    (void)state;
    assert_in_range(forgets(800 * (uint64_t)MIB, CHUNK), 95, 105);
}

/* Far places bring a window each. */
static void test_scattered_places(void **state)
{
    (void)state;
    assert_in_range(forgets(800 * (uint64_t)MIB, MIB), 5, 7);
}

/* Looking at the same few places again and again brings nothing. */
static void test_one_place(void **state)
{
    (void)state;
    map_use u = {0};
    for (int i = 0; i < 100000; i++)
        assert_false(map_use_note(&u, 8 + (uint64_t)(i % 20) * CHUNK, CHUNK));
}

static void test_more_than_all_at_once(void **state)
{
    (void)state;
    map_use u = {0};
    assert_true(map_use_note(&u, 8, 100 * (uint64_t)MIB));
    assert_false(map_use_note(&u, 200 * (uint64_t)MIB, CHUNK));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_little_is_kept),        cmocka_unit_test(test_pass_over_much),
        cmocka_unit_test(test_scattered_places),      cmocka_unit_test(test_one_place),
        cmocka_unit_test(test_more_than_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
