#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void a_failure_carries_code_and_text(void **state)
{
    fer_err err;
    err.sys = 5;
    assert_int_equal(fer_fail(&err, FER_INVALID, "bad %s at %d", "label", 3), FER_INVALID);
    assert_int_equal(err.code, FER_INVALID);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.msg, "bad label at 3");
    assert_int_equal(fer_fail(NULL, FER_LIMIT, "%s", "nobody reads"), FER_LIMIT);
}

static void errno_chooses_the_code(void **state)
{
    static const struct {
        int sys;
        fer_code code;
    } rows[] = {
        {EIO, FER_IO},          {EACCES, FER_IO},     {ENOSPC, FER_NOSPACE}, {EDQUOT, FER_NOSPACE},
        {ENOENT, FER_NOTFOUND}, {EEXIST, FER_EXISTS}, {EMFILE, FER_IO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fer_err err;
        assert_int_equal(fer_fail_sys(&err, rows[i].sys, "open %s", "x"), rows[i].code);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(err.sys, rows[i].sys);
        assert_memory_equal(err.msg, "open x: ", 8);
        assert_int_equal(fer_fail_sys(NULL, rows[i].sys, "open x"), rows[i].code);
    }
    fer_err err;
    fer_fail_sys(&err, ENOENT, "open %s", "x");
    assert_string_equal(err.msg, "open x: No such file or directory");
}

static void prefixes_go_in_front(void **state)
{
    fer_err err;
    fer_fail_sys(&err, EIO, "read a");
    assert_int_equal(fer_err_prefix(&err, "block %d", 7), FER_IO);
    assert_int_equal(fer_err_prefix(&err, "query"), FER_IO);
    assert_string_equal(err.msg, "query: block 7: read a: Input/output error");
    assert_int_equal(err.sys, EIO);
    assert_int_equal(fer_err_prefix(NULL, "x"), FER_OK);
}

static void long_texts_are_cut_not_spilt(void **state)
{
    struct {
        fer_err err;
        char behind[16];
    } guarded;
    memset(guarded.behind, '!', sizeof guarded.behind);
    static char big[3 * FER_ERR_MSG_MAX];
    memset(big, 'x', sizeof big - 1);
    fer_fail(&guarded.err, FER_INVALID, "%s", big);
    assert_int_equal(strlen(guarded.err.msg), FER_ERR_MSG_MAX - 1);
    fer_fail_sys(&guarded.err, EIO, "%s", big);
    assert_int_equal(strlen(guarded.err.msg), FER_ERR_MSG_MAX - 1);
    fer_err_prefix(&guarded.err, "prefix");
    assert_memory_equal(guarded.err.msg, "prefix: xxx", 11);
    fer_err_prefix(&guarded.err, "%s", big);
    assert_int_equal(strlen(guarded.err.msg), FER_ERR_MSG_MAX - 1);
    assert_memory_equal(guarded.behind, "!!!!!!!!!!!!!!!!", sizeof guarded.behind);
}

static void every_code_has_a_name_of_its_own(void **state)
{
    for (fer_code a = FER_OK; a <= FER_UNSUPPORTED; a++) {
        assert_non_null(fer_code_name(a));
        for (fer_code b = FER_OK; b < a; b++)
            assert_string_not_equal(fer_code_name(a), fer_code_name(b));
    }
    assert_string_equal(fer_code_name(FER_CORRUPT), "corrupt");
}

static fer_code try_it(fer_code code, int *reached)
{
    FER_TRY(code);
    *reached = 1;
    return FER_END;
}

static void try_returns_what_failed(void **state)
{
    int reached = 0;
    assert_int_equal(try_it(FER_CORRUPT, &reached), FER_CORRUPT);
    assert_int_equal(reached, 0);
    assert_int_equal(try_it(FER_OK, &reached), FER_END);
    assert_int_equal(reached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_carries_code_and_text),
        cmocka_unit_test(errno_chooses_the_code),
        cmocka_unit_test(prefixes_go_in_front),
        cmocka_unit_test(long_texts_are_cut_not_spilt),
        cmocka_unit_test(every_code_has_a_name_of_its_own),
        cmocka_unit_test(try_returns_what_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
