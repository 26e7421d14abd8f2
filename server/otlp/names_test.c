/* Names: the examples of the specification and the corners of its rules. */
#include "server/otlp/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"

typedef struct name_case {
    const char *name, *unit;
    otlp_kind kind;
    const char *classic, *utf8, *plain; /* NULL: refused */
} name_case;

/* classic: escaped, with suffixes; utf8: suffixes alone; plain: escaped alone. */
static const name_case names[] = {
    {"http.server.duration", "s", OTLP_HISTOGRAM, "http_server_duration_seconds",
     "http.server.duration_seconds", "http_server_duration"},
    {"requests", "1", OTLP_COUNTER, "requests_total", "requests_total", "requests"},
    {"requests", "1", OTLP_GAUGE, "requests_ratio", "requests_ratio", "requests"},
    {"hit_ratio", "1", OTLP_GAUGE, "hit_ratio", "hit_ratio", "hit_ratio"},
    {"hit.ratio.now", "1", OTLP_GAUGE, "hit_now_ratio", "hit.ratio.now_ratio", "hit_ratio_now"},
    {"foo_total", "", OTLP_COUNTER, "foo_total", "foo_total", "foo_total"},
    {"foo.total.bar", "", OTLP_COUNTER, "foo_bar_total", "foo.total.bar_total", "foo_total_bar"},
    {"foo_total", "", OTLP_GAUGE, "foo_total", "foo_total", "foo_total"},
    {"memory", "By", OTLP_GAUGE, "memory_bytes", "memory_bytes", "memory"},
    {"bytes.used", "By", OTLP_GAUGE, "bytes_used", "bytes.used_bytes", "bytes_used"},
    {"used.bytes", "By", OTLP_COUNTER, "used_bytes_total", "used.bytes_total", "used_bytes"},
    {"speed", "By/s", OTLP_GAUGE, "speed_bytes_per_second", "speed_bytes_per_second", "speed"},
    {"speed", "m/m", OTLP_GAUGE, "speed_meters_per_minute", "speed_meters_per_minute", "speed"},
    {"rate", "1/s", OTLP_GAUGE, "rate_per_second", "rate_per_second", "rate"},
    {"rate_per_second", "1/s", OTLP_GAUGE, "rate_per_second_per_second", "rate_per_second",
     "rate_per_second"},
    {"jobs", "{job}", OTLP_COUNTER, "jobs_total", "jobs_total", "jobs"},
    {"jobs", "{job}/s", OTLP_GAUGE, "jobs_per_second", "jobs_per_second", "jobs"},
    {"jobs", "s/{job}", OTLP_GAUGE, "jobs_seconds", "jobs_seconds", "jobs"},
    {"load", "%", OTLP_GAUGE, "load_percent", "load_percent", "load"},
    {"t", " Cel ", OTLP_GAUGE, "t_celsius", "t_celsius", "t"},
    {"mass", "kg*m", OTLP_GAUGE, "mass_kg_m", "mass_kg*m", "mass"},
    {"a..b__c--d", "", OTLP_SUM, "a_b_c_d", "a..b__c--d", "a_b__c_d"},
    {"9lives", "", OTLP_GAUGE, "_9lives", "9lives", "_9lives"},
    {"a:b", "", OTLP_GAUGE, "a:b", "a:b", "a:b"},
    {".edge.", "", OTLP_GAUGE, "edge", ".edge.", "edge"},
    {"__", "", OTLP_GAUGE, NULL, "__", "__"},
    {"--", "", OTLP_GAUGE, NULL, "--", NULL},
    {"", "s", OTLP_GAUGE, "seconds", "_seconds", NULL},
    {"", "", OTLP_GAUGE, NULL, NULL, NULL},
};

static void check_name(unsigned strategy, const name_case *c, const char *expected)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str got = {"", 0};
    fer_err err;
    fer_code code =
        otlp_metric_name(strategy, str_of(c->name), str_of(c->unit), c->kind, a, &got, &err);
    if (expected == NULL) {
        assert_int_equal(code, FER_INVALID);
    } else {
        assert_int_equal(code, FER_OK);
        fer_str z = fer_arena_dup(a, got);
        assert_string_equal(z.p, expected);
    }
    fer_arena_free(a);
}

static void test_metric_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_name(OTLP_ESCAPE | OTLP_SUFFIXES, &names[i], names[i].classic);
        check_name(OTLP_SUFFIXES, &names[i], names[i].utf8);
        check_name(OTLP_ESCAPE, &names[i], names[i].plain);
        check_name(OTLP_NO_TRANSLATION, &names[i], names[i].name[0] == 0 ? NULL : names[i].name);
    }
}

static void check_label(otlp_label_style style, const char *name, const char *expected)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str got = {"", 0};
    fer_err err;
    fer_code code = otlp_label_name(style, str_of(name), a, &got, &err);
    if (expected == NULL) {
        assert_int_equal(code, FER_INVALID);
    } else {
        assert_int_equal(code, FER_OK);
        assert_string_equal(fer_arena_dup(a, got).p, expected);
    }
    fer_arena_free(a);
}

static void test_label_names(void **state)
{
    (void)state;
    otlp_label_style style = {true, true, true};
    check_label(style, "http.method", "http_method");
    check_label(style, "9nine", "key_9nine");
    check_label(style, "_one", "key_one");
    check_label(style, "__two", "__two");
    check_label(style, ".dot", "key_dot");
    check_label(style, "a:b", "a_b");
    check_label(style, "a..b", "a__b");
    check_label(style, "\xc3\xbcn", "key_n");
    check_label(style, "_", "key_");
    check_label(style, "__", "__");
    check_label(style, ".", NULL);
    check_label(style, "", NULL);
    check_label((otlp_label_style){true, false, true}, "_one", "_one");
    check_label((otlp_label_style){true, true, false}, "a..b__c", "a_b_c");
    check_label((otlp_label_style){false, true, true}, "a..\xc3\xbc", "a..\xc3\xbc");
}

/* Escaped, and as they are. */
static const char *const units[][3] = {
    {"s", "seconds", "seconds"},
    {"1", "", ""},
    {"{request}", "", ""},
    {"", "", ""},
    {"By/s", "bytes_per_second", "bytes_per_second"},
    {"1/s", "per_second", "per_second"},
    {"{job}/min", "per_min", "per_min"},
    {"light-years / mo", "light_years_per_month", "light-years_per_month"},
    {"_odd-", "odd", "odd-"},
    {"\xc2\xb0", "", "\xc2\xb0"},
};

static void test_units(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        for (int plain = 0; plain < 2; plain++) {
            fer_str got;
            fer_err err;
            assert_int_equal(otlp_unit_name(plain ? OTLP_SUFFIXES : OTLP_ESCAPE,
                                            str_of(units[i][0]), a, &got, &err),
                             FER_OK);
            assert_string_equal(fer_arena_dup(a, got).p, units[i][1 + plain]);
        }
    }
    fer_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metric_names),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_label_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
