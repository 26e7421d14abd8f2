#include "base/zeros.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void zeros_from_the_begin_of_a_page(void **state)
{
    (void)state;
    const char *p = fer_zeros();
    assert_int_equal((uintptr_t)p % 4096, 0);
    assert_int_equal(p[0], 0);
    assert_memory_equal(p, p + 1, FER_ZEROS_BYTES - 1);
    assert_ptr_equal(fer_zeros(), p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(zeros_from_the_begin_of_a_page)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
