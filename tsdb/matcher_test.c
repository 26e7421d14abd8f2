#include "tsdb/matcher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void values_match_as_in_prometheus(void **state)
{
    (void)state;
    static const struct {
        matcher_type type;
        const char *value;
        const char *text;
        bool matches;
    } t[] = {
        {MATCH_EQ, "a", "a", true},
        {MATCH_EQ, "a", "", false},
        {MATCH_EQ, "", "", true},
        {MATCH_NE, "a", "a", false},
        {MATCH_NE, "a", "", true},
        {MATCH_RE, "a", "a", true},
        {MATCH_RE, "a", "ab", false},
        {MATCH_RE, "a", "ba", false},
        {MATCH_RE, "a|b", "b", true},
        {MATCH_RE, "a|b", "ab", false},
        {MATCH_RE, "a|", "", true},
        {MATCH_RE, "x(a|b)?", "xb", true},
        {MATCH_RE, "x(a|b)?", "x", true},
        {MATCH_RE, "x(a|b)?", "", false},
        {MATCH_RE, "foo.*", "foobar", true},
        {MATCH_RE, "foo.*", "fo", false},
        {MATCH_RE, "foo.*", "foo", true},
        {MATCH_RE, ".*", "", true},
        {MATCH_RE, ".*", "a\nb", true},
        {MATCH_RE, ".+", "", false},
        {MATCH_RE, ".+", "\n", true},
        {MATCH_RE, "a.b", "a\nb", true},
        {MATCH_RE, "(?i)abc", "aBC", true},
        {MATCH_RE, "", "", true},
        {MATCH_RE, "", "x", false},
        {MATCH_NRE, ".*", "a", false},
        {MATCH_NRE, ".+", "", true},
        {MATCH_NRE, "a|b", "a", false},
        {MATCH_NRE, "a|b", "", true},
        {MATCH_RE, "[0-9]+", "123", true},
        {MATCH_RE, "[0-9]+", "12a", false},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        matcher m;
        assert_int_equal(matcher_make(a, t[i].type, STR("l"), str_of(t[i].value), &m, NULL),
                         FER_OK);
        if (matcher_matches(&m, str_of(t[i].text)) != t[i].matches)
            fail_msg("l%s\"%s\" and \"%s\"", matcher_op(t[i].type), t[i].value, t[i].text);
        assert_int_equal(matcher_matches_empty(&m), matcher_matches(&m, STR("")));
    }
}

static void long_alternations_match_like_short_ones(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    for (int i = 0; i < 200; i++)
        fer_buf_printf(&b, "%shost-%d", i == 0 ? "" : "|", i);
    matcher m;
    assert_int_equal(matcher_make(a, MATCH_RE, STR("host"), fer_buf_str(&b), &m, NULL), FER_OK);
    fer_buf_done(&b);
    assert_true(matcher_matches(&m, STR("host-0")));
    assert_true(matcher_matches(&m, STR("host-199")));
    assert_false(matcher_matches(&m, STR("host-200")));
    assert_false(matcher_matches(&m, STR("host-1|host-2")));
}

static void what_the_pattern_says_is_known_before_it_runs(void **state)
{
    (void)state;
    static const struct {
        matcher_type type;
        const char *value;
        matcher_pattern pattern;
    } t[] = {
        {MATCH_EQ, ".*", PATTERN_NONE},       {MATCH_RE, ".*", PATTERN_ANY},
        {MATCH_NRE, ".+", PATTERN_NOT_EMPTY}, {MATCH_RE, "a|b", PATTERN_LITERALS},
        {MATCH_RE, "abc", PATTERN_LITERALS},  {MATCH_RE, "ab.*", PATTERN_REGEX},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        matcher m;
        assert_int_equal(matcher_make(a, t[i].type, STR("l"), str_of(t[i].value), &m, NULL),
                         FER_OK);
        if (m.pattern != t[i].pattern)
            fail_msg("%s: pattern %d", t[i].value, m.pattern);
    }
}

static void a_bad_regex_is_the_callers_error(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    matcher m = {.name = STR("untouched")};
    fer_err err;
    assert_int_equal(matcher_make(a, MATCH_RE, STR("l"), STR("(a"), &m, &err), FER_INVALID);
    assert_string_equal(err.msg, "error parsing regexp: missing closing ): `(a`");
    assert_true(str_eq(m.name, STR("untouched")));
}

static void texts_are_copied(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    char name[] = "job", value[] = "node";
    matcher m;
    assert_int_equal(matcher_make(a, MATCH_EQ, str_of(name), str_of(value), &m, NULL), FER_OK);
    memset(name, 'x', 3);
    memset(value, 'x', 4);
    assert_true(str_eq(m.name, STR("job")));
    assert_true(matcher_matches(&m, STR("node")));
}

static void matchers_print_as_prometheus_prints_them(void **state)
{
    (void)state;
    static const struct {
        matcher_type type;
        const char *name, *value, *text;
    } t[] = {
        {MATCH_EQ, "job", "node", "job=\"node\""},
        {MATCH_NE, "job", "a\"b\\\n", "job!=\"a\\\"b\\\\\\n\""},
        {MATCH_RE, "k.v", "a|b", "\"k.v\"=~\"a|b\""},
        {MATCH_NRE, "_9", "", "_9!~\"\""},
        {MATCH_EQ, "9", "", "\"9\"=\"\""},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        matcher m;
        assert_int_equal(
            matcher_make(a, t[i].type, str_of(t[i].name), str_of(t[i].value), &m, NULL), FER_OK);
        fer_buf b;
        fer_buf_init(&b, 1000, NULL);
        matcher_print(&b, &m);
        assert_int_equal(b.n, strlen(t[i].text));
        assert_memory_equal(b.p, t[i].text, b.n);
        fer_buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_match_as_in_prometheus),
        cmocka_unit_test(long_alternations_match_like_short_ones),
        cmocka_unit_test(what_the_pattern_says_is_known_before_it_runs),
        cmocka_unit_test(a_bad_regex_is_the_callers_error),
        cmocka_unit_test(texts_are_copied),
        cmocka_unit_test(matchers_print_as_prometheus_prints_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
