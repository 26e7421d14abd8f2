#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "cmd/ferulatool/go_text.h"

typedef struct text_case {
    int64_t v;
    const char *text;
} text_case;

static void assert_texts(const text_case *cases, size_t n, void (*print)(fer_buf *out, int64_t v))
{
    for (size_t i = 0; i < n; i++) {
        fer_buf out;
        fer_buf_init(&out, 256, NULL);
        print(&out, cases[i].v);
        fer_buf_putc(&out, '\0');
        assert_string_equal(out.p, cases[i].text);
        fer_buf_done(&out);
    }
}

static void durations(void **state)
{
    (void)state;
    static const text_case cases[] = {
        {0, "0s"},
        {1, "1ms"},
        {999, "999ms"},
        {1000, "1s"},
        {61001, "1m1.001s"},
        {2340001, "39m0.001s"},
        {7200000, "2h0m0s"},
        {-7200500, "-2h0m0.5s"},
        {360000000, "100h0m0s"},
    };
    assert_texts(cases, sizeof cases / sizeof *cases, go_duration);
}

static void times(void **state)
{
    (void)state;
    static const text_case cases[] = {
        {0, "1970-01-01 00:00:00 +0000 UTC"},
        {1700006400999, "2023-11-15 00:00:00 +0000 UTC"},
        {-1001, "1969-12-31 23:59:59 +0000 UTC"},
    };
    assert_texts(cases, sizeof cases / sizeof *cases, go_time);
}

static void bytes(void **state)
{
    (void)state;
    static const text_case cases[] = {
        {0, "0B"},          {1, "1B"},           {1024, "1KiB"},
        {1611, "1KiB587B"}, {1048577, "1MiB1B"}, {INT64_C(5) << 40 | 7 << 20, "5TiB7MiB"},
    };
    assert_texts(cases, sizeof cases / sizeof *cases, text_format_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(times),
        cmocka_unit_test(bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
