#include "base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void bytes_are_appended(void **state)
{
    fer_buf b;
    fer_buf_init(&b, 1000, NULL);
    fer_buf_put(&b, "ab", 2);
    fer_buf_puts(&b, STR("cd"));
    fer_buf_putc(&b, 'e');
    fer_buf_printf(&b, "%03d", 7);
    fer_buf_put(&b, NULL, 0);
    assert_true(str_eq(fer_buf_str(&b), STR("abcde007")));
    char *room = fer_buf_room(&b, 3);
    memcpy(room, "xyz", 3);
    b.n += 3;
    assert_true(str_eq(fer_buf_str(&b), STR("abcde007xyz")));
    assert_false(b.full);
    fer_buf_done(&b);
}

static void past_the_maximum_nothing_changes(void **state)
{
    fer_buf b;
    fer_buf_init(&b, 100, NULL);
    for (int i = 0; i < 98; i++)
        fer_buf_putc(&b, 'x');
    fer_buf_put(&b, "yyy", 3);
    assert_true(b.full);
    assert_int_equal(b.n, 98);
    fer_buf_put(&b, "zz", 2); /* what fits still goes in; the flag stays */
    assert_int_equal(b.n, 100);
    assert_true(b.full);
    assert_null(fer_buf_room(&b, 1));
    assert_null(fer_buf_room(&b, SIZE_MAX));
    assert_int_equal(b.p[97], 'x');
    assert_int_equal(b.p[99], 'z');
    fer_buf_clear(&b);
    assert_false(b.full);
    assert_int_equal(b.n, 0);
    fer_buf_putc(&b, 'a');
    assert_true(str_eq(fer_buf_str(&b), STR("a")));
    fer_buf_done(&b);
}

static void every_maximum_is_exact(void **state)
{
    for (size_t max = 0; max < 300; max++) {
        fer_buf b;
        fer_buf_init(&b, max, NULL);
        for (size_t i = 0; i < max; i++)
            fer_buf_putc(&b, 'x');
        assert_false(b.full);
        assert_int_equal(b.n, max);
        fer_buf_putc(&b, 'x');
        assert_true(b.full);
        assert_int_equal(b.n, max);
        fer_buf_done(&b);
    }
}

static void printing_to_the_last_byte(void **state)
{
    for (size_t max = 0; max < 70; max++) {
        fer_buf b;
        fer_buf_init(&b, max, NULL);
        fer_buf_printf(&b, "%s", "0123456789");
        assert_int_equal(b.n, max >= 10 ? 10 : 0);
        assert_int_equal(b.full, max < 10);
        fer_buf_done(&b);
    }
}

static void the_account_pays_and_may_refuse(void **state)
{
    fer_account acct;
    fer_account_init(&acct, "response", NULL, 300);
    fer_buf b;
    fer_buf_init(&b, 1 << 20, &acct);
    for (int i = 0; i < 1000; i++)
        fer_buf_putc(&b, 'x');
    assert_true(b.full);
    assert_true(b.n > 0 && b.n <= 300);
    assert_int_equal(fer_account_used(&acct), b.cap);
    assert_true(fer_account_used(&acct) <= 300);
    fer_buf_done(&b);
    assert_int_equal(fer_account_used(&acct), 0);
    fer_buf_putc(&b, 'y'); /* may be used again */
    assert_true(str_eq(fer_buf_str(&b), STR("y")));
    fer_buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_appended),
        cmocka_unit_test(past_the_maximum_nothing_changes),
        cmocka_unit_test(every_maximum_is_exact),
        cmocka_unit_test(printing_to_the_last_byte),
        cmocka_unit_test(the_account_pays_and_may_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
