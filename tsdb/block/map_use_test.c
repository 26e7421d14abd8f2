#include "tsdb/block/map_use.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { CHUNK = 500, MIB = 1 << 20 };

/* How often places, each `gap` bytes behind the one before, make the reader of a file of n bytes forget. */
static unsigned forgets(uint64_t n, uint64_t gap)
{
    map_use u = {0};
    unsigned times = 0;
    for (uint64_t at = 8; at < n; at += gap)
        times += map_use_note(&u, at, MAP_USE_BLOCK_WINDOWS);
    return times;
}

static void little_is_kept(void **state)
{
    (void)state;
    assert_int_equal(forgets(2 * MIB, CHUNK), 0);
    assert_int_equal(forgets(MIB, CHUNK), 0);
}

/* One pass forgets about once in so many bytes. */
static void one_pass_over_much_forgets_now_and_then(void **state)
{
    (void)state;
    assert_in_range(forgets(400 * (uint64_t)MIB, CHUNK), 193, 200);
}

/* Far places bring a window each. */
static void scattered_places_count_by_windows(void **state)
{
    (void)state;
    assert_in_range(forgets(400 * (uint64_t)MIB, MIB), 12, 12);
}

/* Looking at the same places again and again brings nothing, however far apart they are. */
static void places_count_once(void **state)
{
    (void)state;
    map_use u = {0};
    for (int i = 0; i < 100000; i++)
        assert_false(map_use_note(&u, (uint64_t)(i % 30) * 17 * MIB, MAP_USE_BLOCK_WINDOWS));
}

static void chunks_are_checked_until_the_mapping_is_forgotten(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "test", NULL, 0);
    map_use u;
    map_use_init(&u, MIB, &acct);
    assert_true(fer_account_used(&acct) > 0);
    assert_false(map_use_is_checked(&u, 8, CHUNK));
    for (uint64_t at = 8; at < MIB; at += CHUNK) {
        assert_false(map_use_is_checked(&u, at, CHUNK));
        map_use_set_checked(&u, at, CHUNK);
        assert_true(map_use_is_checked(&u, at, CHUNK));
    }
    map_use_clear(&u);
    for (uint64_t at = 8; at < MIB; at += CHUNK)
        assert_false(map_use_is_checked(&u, at, CHUNK));
    map_use_done(&u);
    assert_int_equal(fer_account_used(&acct), 0);
}

/* Several short ones may begin in the same 64 bytes; of what lies behind the end nothing is known. */
static void short_chunks_and_those_behind_the_end_are_never_checked(void **state)
{
    (void)state;
    map_use u;
    map_use_init(&u, MIB, NULL);
    map_use_set_checked(&u, 8, 20);
    assert_false(map_use_is_checked(&u, 8, 20));
    assert_false(map_use_is_checked(&u, 28, CHUNK));
    map_use_set_checked(&u, 2 * MIB, CHUNK);
    assert_false(map_use_is_checked(&u, 2 * MIB, CHUNK));
    map_use_done(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_checked_until_the_mapping_is_forgotten),
        cmocka_unit_test(short_chunks_and_those_behind_the_end_are_never_checked),
        cmocka_unit_test(little_is_kept),
        cmocka_unit_test(one_pass_over_much_forgets_now_and_then),
        cmocka_unit_test(scattered_places_count_by_windows),
        cmocka_unit_test(places_count_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
