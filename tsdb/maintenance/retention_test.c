#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/maintenance/retention.h"

/* Blocks that end at 100, 200, ... and have 10 bytes each; which stay, as text: 'k' kept, 't' time, 's' size. */
static void check(retention_limits l, retention_state s, size_t n, const char *want)
{
    block b[8];
    block *v[8] = {0};
    retention_cause c[8] = {0};
    char got[9] = "";
    memset(b, 0, sizeof b);
    for (size_t i = 0; i < n; i++) {
        b[i].meta.max_time = 100 * (int64_t)(i + 1);
        b[i].file_bytes = 10;
        v[n - 1 - i] = &b[i]; /* in any order */
    }
    size_t gone = retention_choose(&l, &s, v, n, c), told = 0;
    for (size_t i = 0; i < n; i++) {
        got[i] = "kts"[c[n - 1 - i]];
        told += got[i] != 'k';
    }
    assert_string_equal(got, want);
    assert_int_equal(gone, told);
}

static void blocks_expire_by_time_and_by_size(void **state)
{
    (void)state;
    const retention_state now = {.now_ms = 1000};
    check((retention_limits){0}, now, 4, "kkkk");
    check((retention_limits){.time_ms = 300}, now, 4, "tkkk"); /* 300 or more after it */
    check((retention_limits){.time_ms = 301}, now, 4, "kkkk");
    check((retention_limits){.time_ms = 1}, now, 4, "tttk"); /* the newest stays */
    check((retention_limits){.size_bytes = 40}, now, 4, "kkkk");
    check((retention_limits){.size_bytes = 39}, now, 4, "skkk");
    check((retention_limits){.size_bytes = 9}, now, 4, "ssss");
    check((retention_limits){.size_bytes = 40}, (retention_state){11, 1000}, 4, "sskk");
    check((retention_limits){.time_ms = 300, .size_bytes = 29}, now, 4, "tskk");
    check((retention_limits){.time_ms = 1, .size_bytes = 1}, now, 0, "");
}

static void a_clock_that_jumped_deletes_nothing(void **state)
{
    (void)state;
    check((retention_limits){.time_ms = 100}, (retention_state){0, -3600000 + 400}, 4, "tttk");
    check((retention_limits){.time_ms = 100}, (retention_state){0, -3600000 + 399}, 4, "kkkk");
    check((retention_limits){.size_bytes = 20}, (retention_state){0, -3600000}, 4, "sskk");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_expire_by_time_and_by_size),
        cmocka_unit_test(a_clock_that_jumped_deletes_nothing),
    };
    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
