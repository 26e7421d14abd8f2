/* Regular expressions. The error texts were given by Prometheus 3.5 for the same patterns. Matching
 * without RE2 (literals, prefixes, wild shapes) is compared with RE2 itself, which
 * fer_regex_groups() always asks. */
#include "base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

static fer_regex *compile(const char *pattern)
{
    fer_regex *re;
    fer_err err;
    if (fer_regex_new(str_of(pattern), &re, &err) != FER_OK)
        fail_msg("%s: %s", pattern, err.msg);
    return re;
}

static bool matches(const char *pattern, const char *text)
{
    fer_regex *re = compile(pattern);
    bool fast = fer_regex_match(re, str_of(text));
    if (fast != fer_regex_groups(re, str_of(text), NULL, 0))
        fail_msg("%s on %s: our shortcut says %d, RE2 not", pattern, text, fast);
    fer_regex_free(re);
    return fast;
}

static void errors_have_the_words_of_go(void **state)
{
    static const char *const rows[][2] = {
        {"(a", "missing closing ): `(a`"},
        {"((((a", "missing closing ): `((((a`"},
        {"(?i:a", "missing closing ): `(?i:a`"},
        {"(?<n>a", "missing closing ): `(?<n>a`"},
        {"a)", "unexpected ): `a)`"},
        {"*", "missing argument to repetition operator: `*`"},
        {"?", "missing argument to repetition operator: `?`"},
        {"+?", "missing argument to repetition operator: `+?`"},
        {"a|*", "missing argument to repetition operator: `*`"},
        {"(?i)*", "missing argument to repetition operator: `*`"},
        {"a**", "invalid nested repetition operator: `**`"},
        {"a??*", "invalid nested repetition operator: `??*`"},
        {".**", "invalid nested repetition operator: `**`"},
        {"x|\\.+*", "invalid nested repetition operator: `+*`"},
        {"a|.*|+", "missing argument to repetition operator: `+`"},
        {"x{1}{2}", "invalid nested repetition operator: `{1}{2}`"},
        {"[a", "missing closing ]: `[a`"},
        {"[]a", "missing closing ]: `[]a`"},
        {"[b-a]", "invalid character class range: `b-a`"},
        {"[[:foo:]]", "invalid character class range: `[:foo:]`"},
        {"\\pX", "invalid character class range: `\\pX`"},
        {"\\p{Foo}", "invalid character class range: `\\p{Foo}`"},
        {"a{1001}", "invalid repeat count: `{1001}`"},
        {"a{2,1}", "invalid repeat count: `{2,1}`"},
        {"(a{999}){999}", "invalid repeat count: `{999}`"},
        {"\\", "trailing backslash at end of expression: ``"},
        {"a\\", "trailing backslash at end of expression: ``"},
        {"\\q", "invalid escape sequence: `\\q`"},
        {"\\C", "invalid escape sequence: `\\C`"},
        {"\\8", "invalid escape sequence: `\\8`"},
        {"\\x{110000}", "invalid escape sequence: `\\x{110000`"},
        {"\\u1234", "invalid escape sequence: `\\u`"},
        {"[\\q]", "invalid escape sequence: `\\q`"},
        {"[a-\\d]", "invalid escape sequence: `\\d`"},
        {"(?P<n", "invalid named capture: `(?P<n`"},
        {"(?<n", "invalid named capture: `(?<n`"},
        {"(?P<>a)", "invalid named capture: `(?P<>`"},
        {"(?<!a)", "invalid named capture: `(?<!a)`"},
        {"(?P<\xc3\xa9>x)", "invalid named capture: `(?P<\xc3\xa9>`"},
        {"(?", "invalid or unsupported Perl syntax: `(?`"},
        {"(?z)", "invalid or unsupported Perl syntax: `(?z`"},
        {"(?=a)", "invalid or unsupported Perl syntax: `(?=`"},
        {"(?P=n)", "invalid or unsupported Perl syntax: `(?P`"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fer_regex *re = (fer_regex *)1;
        fer_err err;
        assert_int_equal(fer_regex_new(str_of(rows[i][0]), &re, &err), FER_INVALID);
        assert_ptr_equal(re, (fer_regex *)1); /* untouched */
        assert_memory_equal(err.msg, "error parsing regexp: ", 22);
        assert_string_equal(err.msg + 22, rows[i][1]);
    }
}

static void invalid_utf8_is_refused(void **state)
{
    fer_regex *re;
    fer_err err;
    assert_int_equal(fer_regex_new(STR("a\xff"), &re, &err), FER_INVALID);
    assert_string_equal(err.msg, "error parsing regexp: invalid UTF-8: `a\xff`");
}

static void matches_are_of_the_whole_text(void **state)
{
    assert_true(matches("a", "a"));
    assert_false(matches("a", "ab"));
    assert_false(matches("a", "ba"));
    assert_true(matches("a|b", "b"));
    assert_false(matches("a|b", "ab"));
    assert_true(matches("[a-c]+", "abc"));
    assert_false(matches("[a-c]+", "abcd"));
    assert_true(matches("^a$", "a"));
    assert_true(matches("^a|b$", "b"));
    assert_true(matches("", ""));
    assert_false(matches("", "a"));
    assert_false(matches("a$", "a\n"));
}

static void a_dot_matches_newlines_and_whole_runes(void **state)
{
    assert_true(matches("a.b", "a\nb"));
    assert_true(matches(".*", "a\nb\n"));
    assert_true(matches(".+", "\n"));
    assert_true(matches("a.c", "a\xc3\xa9"
                               "c"));
    assert_false(matches("a..c", "a\xc3\xa9"
                                 "c"));
    assert_false(matches(".+.+", "\xc3\xa9"));
    assert_true(matches(".+.+", "\xc3\xa9x"));
}

static void flags_and_classes_work(void **state)
{
    assert_true(matches("(?i)foo", "FoO"));
    assert_true(matches("(?i:foo)bar", "FOObar"));
    assert_false(matches("(?i:foo)bar", "FOOBAR"));
    assert_true(matches("foo(?i)bar", "fooBAR"));
    assert_false(matches("foo(?i)bar", "FOObar"));
    assert_true(matches("(?-s)a.b", "axb"));
    assert_false(matches("(?-s)a.b", "a\nb"));
    assert_true(matches("\\d+\\.\\d+", "12.5"));
    assert_true(matches("\\p{Greek}+", "\xce\xb1\xce\xb2"));
    assert_true(matches("[[:alpha:]_]*", "a_b"));
    assert_true(matches("\\Qa.b\\E", "a.b"));
    assert_false(matches("\\Qa.b\\E", "axb"));
    assert_true(matches("a{2,3}", "aaa"));
    assert_false(matches("a{2,3}", "aaaa"));
    assert_true(matches("a{,2}", "a{,2}"));
}

static void wild_shapes(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool want;
    } rows[] = {
        {"foo.*", "foo", true},
        {"foo.*", "foobar", true},
        {"foo.*", "fo", false},
        {"foo.+", "foo", false},
        {"foo.+", "foox", true},
        {".*foo", "xfoo", true},
        {".*foo", "foo", true},
        {".*foo", "foox", false},
        {".+foo", "foo", false},
        {".+foo", "xfoo", true},
        {".*foo.*", "afoob", true},
        {".*foo.*", "afob", false},
        {".+foo.+", "foo", false},
        {".+foo.+", "xfoo", false},
        {".+foo.+", "foox", false},
        {".+foo.+", "xfoox", true},
        {".+foo.+", "foofoox", true},
        {".+foo.*", "foo", false},
        {".+foo.*", "xfoo", true},
        {".*foo.+", "foo", false},
        {".*foo.+", "foox", true},
        {".*", "", true},
        {".+", "", false},
        {".*.*", "", true},
        {".+.*", "", false},
        {".+.*", "x", true},
        {"^foo.*$", "foox", true},
        {"a\\.*", "a...", true},
        {"a\\.*", "axx", false},
        {"a\\\\.*", "a\\x", true},
        {"foo\\$", "foo$", true},
        {"a|a.+", "a", true},
        {"a|b.*", "bx", true},
        {"a|b.*", "ax", false},
        {"(a|b).*", "bx", true},
        {"(a).*", "ax", true},
        {".*a|b.*", "xa", true},
        {".*a|b.*", "bx", true},
        {".*a|b.*", "xb", false},
        {"foo.*?", "foobar", true},
        {".*?foo", "xfoo", true},
        {"fo.o.*", "foXo", true},
        {"\xc3\xa9.+", "\xc3\xa9", false},
        {"$.*", "", true},
        {"$.*", "a", false},
        {".*^", "", true},
        {".*^", "a", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (matches(rows[i].pattern, rows[i].text) != rows[i].want)
            fail_msg("%s on \"%s\": want %d", rows[i].pattern, rows[i].text, rows[i].want);
    }
}

static void assert_literals(const char *pattern, const char *const *want, size_t want_n)
{
    fer_regex *re = compile(pattern);
    const fer_str *got;
    size_t n = fer_regex_literals(re, &got);
    if (n != want_n)
        fail_msg("%s: %zu literals, want %zu", pattern, n, want_n);
    for (size_t i = 0; i < n; i++)
        assert_true(str_eq(got[i], str_of(want[i])));
    fer_regex_free(re);
}

#define LITERALS(pattern, ...)                                                                     \
    assert_literals(pattern, (const char *const[]){__VA_ARGS__},                                   \
                    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void finite_sets_are_found_sorted_and_once(void **state)
{
    LITERALS("foo", "foo");
    LITERALS("", "");
    LITERALS("b|a|c", "a", "b", "c");
    LITERALS("a|b|a", "a", "b");
    LITERALS("a|b|c(d|e)", "a", "b", "cd", "ce");
    LITERALS("(?:a|b)(?P<n>c|d)(?<m>e)", "ace", "ade", "bce", "bde");
    LITERALS("ab?c", "abc", "ac");
    LITERALS("(foo|bar)?", "", "bar", "foo");
    LITERALS("a|", "", "a");
    LITERALS("a\\.b\\-c\\_", "a.b-c_");
    LITERALS("^a$", "a");
    LITERALS("^(a|b)$", "a", "b");
    LITERALS("^a|b$", "a", "b");
    LITERALS("a\\nb", "a\nb");
    LITERALS("\xc3\xa9?", "", "\xc3\xa9");
    LITERALS("a{,2}", "a{,2}");
    LITERALS("a]}", "a]}");
}

static void infinite_or_strange_patterns_have_no_set(void **state)
{
    static const char *const patterns[] = {"a*",      "a+",     "a.b",  ".*",    "[ab]",  "a{2}",
                                           "(?i)a",   "(?i:a)", "\\d",  "a|b.",  "a\\b",  "\\pN",
                                           "\\Qa\\E", "\\x41",  "a^b",  "a$b",   "(^a)",  "(a$)",
                                           "a(?s)b",  "\\bfoo", "\\Aa", "\\101", "a??b+", "(a|b)*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        assert_literals(patterns[i], NULL, 0);
}

static void sets_stop_at_256(void **state)
{
    fer_regex *re = compile("(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)");
    const fer_str *got;
    assert_int_equal(fer_regex_literals(re, &got), 256);
    assert_true(str_eq(got[255], STR("11111111")));
    fer_regex_free(re);
    assert_literals("(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)", NULL, 0);
    assert_true(matches("(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)(0|1)", "101010101"));

    char many[257 * 5 + 1] = "";
    for (int i = 0; i < 257; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "%sx%03d", i ? "|" : "", i);
    assert_literals(many, NULL, 0);
    assert_true(matches(many, "x256"));
    assert_false(matches(many, "x257"));
    re = compile(many);
    assert_true(str_eq(fer_regex_prefix(re), STR("x")));
    fer_regex_free(re);
}

static void prefixes_are_what_every_match_begins_with(void **state)
{
    static const char *const rows[][2] = {
        {"foo.*", "foo"},
        {"foo[0-9]+bar", "foo"},
        {"foo|fob", "fo"},
        {"foo|bar", ""},
        {"foo(bar|baz)x*", "fooba"},
        {"fo+", "fo"},
        {"fo*", "f"},
        {"fo?x.", "f"},
        {"(?i)foo", ""},
        {"^foo.*", "foo"},
        {".*foo", ""},
        {"fo{2}", "fo"},
        {"fo{0,1}x", "f"},
        {"f\\d", "f"},
        {"(foo|food).", "foo"},
        {"a\\.b+", "a.b"},
        {"(a|b)*c", ""},
        {"foo\\pNx", "foo"},
        {"[]a]x", ""},
        {"x[[:alpha:]]]y", "x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fer_regex *re = compile(rows[i][0]);
        fer_str got = fer_regex_prefix(re);
        if (!str_eq(got, str_of(rows[i][1])))
            fail_msg("%s: prefix %.*s, want %s", rows[i][0], STR_FMT(got), rows[i][1]);
        fer_regex_free(re);
    }
}

static void groups_are_numbered_and_named(void **state)
{
    fer_regex *re = compile("(a+)(?P<mid>b)?(?:x)(?<last>c*)");
    assert_int_equal(fer_regex_group_count(re), 3);
    assert_int_equal(fer_regex_group_index(re, STR("mid")), 2);
    assert_int_equal(fer_regex_group_index(re, STR("last")), 3);
    assert_int_equal(fer_regex_group_index(re, STR("none")), -1);
    fer_str g[6];
    assert_true(fer_regex_groups(re, STR("aaxcc"), g, 6));
    assert_true(str_eq(g[0], STR("aaxcc")));
    assert_true(str_eq(g[1], STR("aa")));
    assert_null(g[2].p);
    assert_true(str_eq(g[3], STR("cc")));
    assert_null(g[4].p);
    assert_null(g[5].p);
    assert_true(fer_regex_groups(re, STR("ax"), g, 4));
    assert_non_null(g[3].p); /* took part, empty */
    assert_int_equal(g[3].n, 0);
    assert_false(fer_regex_groups(re, STR("b"), g, 4));
    fer_regex_free(re);

    re = compile("(a)?");
    assert_true(fer_regex_groups(re, (fer_str){NULL, 0}, g, 2));
    assert_non_null(g[0].p);
    assert_null(g[1].p);
    fer_regex_free(re);
}

static const char *nested(size_t depth)
{
    static char pattern[5000];
    memset(pattern, '(', depth);
    pattern[depth] = 'a';
    memset(pattern + depth + 1, ')', depth);
    pattern[2 * depth + 1] = '\0';
    return pattern;
}

static void assert_refused(const char *pattern, const char *reason)
{
    fer_regex *re;
    fer_err err;
    assert_int_equal(fer_regex_new(str_of(pattern), &re, &err), FER_INVALID);
    assert_memory_equal(err.msg + 22, reason, strlen(reason));
}

/* What the size is counted on must not be mistaken for it. */
static void large_but_fair_patterns_are_taken(void **state)
{
    assert_true(matches("(a{10}){100}", "") == false);
    assert_true(matches("[(]{3}", "((("));
    assert_true(matches("\\({3}", "((("));
    assert_true(matches("\\Q((({999}\\E", "((({999}"));
    assert_true(matches("a{,999999}", "a{,999999}"));
    assert_true(matches("a{9999999999x", "a{9999999999x"));
    assert_true(matches("(?i)(?:a|(?P<n>b){2})", "BB"));
    assert_true(matches("a{0}", ""));
    char *many = fer_alloc(20000 * 6 + 2);
    for (int i = 0; i < 20000; i++)
        snprintf(many + (size_t)i * 6, 7, "%05d|", i);
    memcpy(many + (size_t)20000 * 6, "z", 2);
    assert_true(matches(many, "19999"));
    assert_false(matches(many, "20000"));
    fer_free(many);
}

/* Of this thread, so that a busy machine does not matter. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void hostile_patterns_stay_small(void **state)
{
    assert_true(matches(nested(900), "a"));
    assert_refused(nested(1000), "expression nests too deeply");
    assert_refused(nested(2000), "expression nests too deeply");
    assert_refused("((\\pL{500}\\pN){2}x)*", "expression too large");
    assert_refused("((a{100}b){100}c){100}", "invalid repeat count"); /* more than 1000 in all */

    /* 8,000 bytes that would be 1,000,000 instructions: refused before they are unfolded. */
    char *many = fer_alloc(1000 * 8 + 1);
    for (int i = 0; i < 1000; i++)
        memcpy(many + (size_t)i * 8, "xa{1000}", 9);
    uint64_t before = cpu_ns();
    assert_refused(many, "expression too large");
    assert_true(cpu_ns() - before < 50000000);
    fer_free(many);

    char *text = fer_alloc(50001);
    memset(text, 'a', 50000);
    text[50000] = '\0';
    assert_false(matches("(a*)*b", text)); /* linear, where backtracking never ends */
    fer_free(text);
}

/* When the scratch for reading shapes ends, less is known, and RE2 still matches. */
static void patterns_too_big_to_read_still_match(void **state)
{
    enum { LONG = 3000 };
    static char pattern[LONG + 256], text[LONG + 16];
    memset(pattern, 'x', LONG);
    memset(text, 'x', LONG);
    for (int i = 0; i < 8; i++) {
        memcpy(pattern + LONG + i * 5, "(a|b)", 5);
        text[LONG + i] = i % 2 ? 'a' : 'b';
        text[LONG + i + 1] = '\0';
        assert_true(matches(pattern, text));
        text[LONG + i] = 'c';
        assert_false(matches(pattern, text));
        text[LONG + i] = 'b';
    }
    assert_literals(pattern, NULL, 0);

    char *many = fer_alloc(60000);
    size_t n = 0;
    for (int i = 0; i < 600; i++)
        n += (size_t)snprintf(many + n, 60000 - n, "%slong-literal-text-%05d-of-many(?:-x|-y)?",
                              i ? "|" : "", i);
    assert_literals(many, NULL, 0);
    assert_true(matches(many, "long-literal-text-00599-of-many-y"));
    assert_false(matches(many, "long-literal-text-00600-of-many"));
    fer_free(many);
}

/* Random patterns over a small alphabet, random texts: shortcuts and RE2 must agree, a match must
 * begin with the prefix, and a known set must be the set of matches. */
static void append_random(char *to, size_t max, fer_rng_seeded *rng, int depth)
{
    static const char *const atoms[] = {"a",   "b",        "ab",   ".",     "\\.", "[ab]",   "[^a]",
                                        "\\d", "\xc3\xa9", "(?:)", "\\x61", "a",   "b",      ".*",
                                        ".+",  "ba",       ".*",   "^",     "$",   "\\Qa\\E"};
    static const char *const marks[] = {"*", "+", "?", "{2}", "{0,1}", "*?", "??", "{1,}"};
    uint64_t parts = 1 + fer_rng_seeded_next(rng) % 4;
    for (uint64_t i = 0; i < parts && strlen(to) + 40 < max; i++) {
        uint64_t roll = fer_rng_seeded_next(rng) % 10;
        size_t n = strlen(to);
        if (roll == 0 && i > 0) {
            snprintf(to + n, max - n, "|");
        } else if (roll <= 2 && depth < 3) {
            snprintf(to + n, max - n, roll == 1 ? "(" : "(?:");
            append_random(to, max, rng, depth + 1);
            n = strlen(to);
            snprintf(to + n, max - n, ")");
        } else {
            const char *atom = atoms[fer_rng_seeded_next(rng) % (sizeof atoms / sizeof *atoms)];
            snprintf(to + n, max - n, "%s", atom);
        }
        n = strlen(to);
        if (fer_rng_seeded_next(rng) % 4 == 0 && n > 0 && strchr("|*+?$^", to[n - 1]) == NULL)
            snprintf(to + n, max - n, "%s", marks[fer_rng_seeded_next(rng) % 8]);
    }
}

static void check_one(const char *pattern, fer_rng_seeded *rng)
{
    fer_regex *re;
    if (fer_regex_new(str_of(pattern), &re, NULL) != FER_OK)
        return;
    fer_str prefix = fer_regex_prefix(re);
    const fer_str *set;
    size_t set_n = fer_regex_literals(re, &set);
    for (size_t i = 0; i < set_n; i++) {
        if (!fer_regex_groups(re, set[i], NULL, 0))
            fail_msg("%s: does not match its literal %.*s", pattern, STR_FMT(set[i]));
    }
    for (int k = 0; k < 40; k++) {
        static const char *const pieces[] = {"a", "b", ".", "\xc3\xa9", "\n", "5", "ab"};
        char text[64] = "";
        for (uint64_t n = fer_rng_seeded_next(rng) % 7; n > 0; n--)
            strncat(text, pieces[fer_rng_seeded_next(rng) % 7], sizeof text - strlen(text) - 1);
        bool truth = fer_regex_groups(re, str_of(text), NULL, 0);
        if (fer_regex_match(re, str_of(text)) != truth)
            fail_msg("%s on \"%s\": RE2 says %d", pattern, text, truth);
        if (truth && !str_has_prefix(str_of(text), prefix))
            fail_msg("%s matches \"%s\" without prefix %.*s", pattern, text, STR_FMT(prefix));
    }
    fer_regex_free(re);
}

static void shortcuts_agree_with_re2(void **state)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 3);
    for (int i = 0; i < 4000; i++) {
        char pattern[256] = "";
        append_random(pattern, sizeof pattern, &rng, 0);
        check_one(pattern, &rng);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_the_words_of_go),
        cmocka_unit_test(invalid_utf8_is_refused),
        cmocka_unit_test(matches_are_of_the_whole_text),
        cmocka_unit_test(a_dot_matches_newlines_and_whole_runes),
        cmocka_unit_test(flags_and_classes_work),
        cmocka_unit_test(wild_shapes),
        cmocka_unit_test(finite_sets_are_found_sorted_and_once),
        cmocka_unit_test(infinite_or_strange_patterns_have_no_set),
        cmocka_unit_test(sets_stop_at_256),
        cmocka_unit_test(prefixes_are_what_every_match_begins_with),
        cmocka_unit_test(groups_are_numbered_and_named),
        cmocka_unit_test(large_but_fair_patterns_are_taken),
        cmocka_unit_test(hostile_patterns_stay_small),
        cmocka_unit_test(patterns_too_big_to_read_still_match),
        cmocka_unit_test(shortcuts_agree_with_re2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
