#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "promql/ast.h"

static void every_function_is_found_by_its_name_and_id(void **state)
{
    (void)state;
    for (int id = 0; id < FN_COUNT; id++) {
        const promql_function *fn = promql_function_get((function_id)id);
        assert_non_null(fn);
        assert_int_equal(fn->id, id);
        assert_ptr_equal(promql_function_find(str_of(fn->name)), fn);
        if (fn->variadic != 0)
            assert_true(promql_function_params(fn) > 0);
    }
}

static void unknown_names_are_not_found(void **state)
{
    (void)state;
    static const char *const names[] = {"", "a", "Rate", "rate_", "zzz", "holt_winters", "sum"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_null(promql_function_find(str_of(names[i])));
}

static void signatures_are_those_of_the_language(void **state)
{
    (void)state;
    const promql_function *fn = promql_function_find(STR("label_replace"));
    assert_int_equal(promql_function_params(fn), 5);
    assert_int_equal(fn->variadic, 0);
    fn = promql_function_find(STR("time"));
    assert_int_equal(promql_function_params(fn), 0);
    assert_int_equal(fn->ret, VALUE_SCALAR);
    fn = promql_function_find(STR("histogram_quantile"));
    assert_int_equal(fn->args[0], VALUE_SCALAR);
    assert_int_equal(fn->args[1], VALUE_VECTOR);
    fn = promql_function_find(STR("mad_over_time"));
    assert_true(fn->experimental);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_found_by_its_name_and_id),
        cmocka_unit_test(unknown_names_are_not_found),
        cmocka_unit_test(signatures_are_those_of_the_language),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
