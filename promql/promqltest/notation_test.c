#include "promql/promqltest/notation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/num.h"
#include "promql/promqltest/histogram_text.h"
#include "tsdb/samples.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The values as text, one blank between them. */
static void print_seq(fer_buf *out, const seq *s)
{
    char text[NUM_TEXT_MAX];
    for (size_t i = 0; i < s->n; i++) {
        if (i > 0)
            fer_buf_putc(out, ' ');
        if (!s->v[i].present)
            fer_buf_putc(out, '_');
        else if (s->v[i].h != NULL)
            histogram_text_print(out, s->v[i].h);
        else if (sample_is_stale(s->v[i].v))
            fer_buf_puts(out, STR("stale"));
        else
            fer_buf_put(out, text, num_format_g(text, s->v[i].v));
    }
}

static void values_expand(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } t[] = {
        {"", ""},
        {"1 2.5 -3", "1 2.5 -3"},
        {" 1\t 2 ", "1 2"},
        {"0+10x3", "0 10 20 30"},
        {"10-2.5x2", "10 7.5 5"},
        {"-1+1x2", "-1 0 1"},
        {"5x2", "5 5 5"},
        {"7x0", "7"},
        {"1+1x0", "1"},
        {"_ 1 _x3 2 _x0", "_ 1 _ _ _ 2"},
        {"NaN Inf +Inf -Inf nan inf", "NaN +Inf +Inf -Inf NaN +Inf"},
        {"stale 1 stalex1", "stale 1 stale stale"},
        {"NaNx2", "NaN NaN NaN"},
        {"1e3 1.5e-2 .5 5. 1e+2", "1000 0.015 0.5 5 100"},
        {"1e1+1x1", "10 11"},
        {"0x3", "0 0 0 0"},
        {"Inf-Infx1", "+Inf NaN"},
        {"{{count:1}} {{}}x1", "{{schema:0 count:1}} {{schema:0}} {{schema:0}}"},
        {"{{count:1 sum:2 buckets:[1]}}+{{count:1 buckets:[0 1]}}x2",
         "{{schema:0 count:1 sum:2 buckets:[1]}} {{schema:0 count:2 sum:2 buckets:[1 1]}} "
         "{{schema:0 count:3 sum:2 buckets:[1 2]}}"},
        {"{{count:3}}-{{count:1}}x1",
         "{{schema:0 count:3}} {{schema:0 count:2 counter_reset_hint:gauge}}"},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        seq s;
        fer_err err = {0};
        if (notation_values(str_of(t[i].in), a, &s, &err) != FER_OK)
            fail_msg("%s: %s", t[i].in, err.msg);
        fer_buf b;
        fer_buf_init(&b, 10000, NULL);
        print_seq(&b, &s);
        fer_buf_putc(&b, '\0');
        assert_string_equal(b.p, t[i].out);
        fer_buf_done(&b);
    }
}

static void wrong_values_are_refused(void **state)
{
    (void)state;
    static const char *const t[] = {
        "a",
        "1 b",
        "1+2",
        "1x",
        "x3",
        "1x-1",
        "1+x3",
        "1y",
        "stal",
        "_y",
        "_x",
        "1+1x3x",
        "{{",
        "{{}",
        "{count:1}",
        "{{a:1}}",
        "{{count}}",
        "{{count:x}}",
        "{{buckets:1}}",
        "{{buckets:[1}}",
        "{{}}+1x3",
        "{{}}+{{}}",
        "{{schema:1.5}}",
        "1x99999999999",
        "1x999999 2x999999",
        "--1",
        "1 2x3.5",
        "{{counter_reset_hint:maybe}}",
        "{{schema:0}}+{{schema:-1}}x1",
        "{{schema:0}}+{{schema:-53}}x1",
        "1_0",
        "0x1f",
        "5\xff",
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
        seq s = {.n = 77};
        fer_err err = {0};
        if (notation_values(str_of(t[i]), a, &s, &err) == FER_OK)
            fail_msg("accepted: %s", t[i]);
        assert_true(err.msg[0] != '\0');
        assert_int_equal(s.n, 77);
    }
}

static void start_offsets_expand(void **state)
{
    (void)state;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    start_seq s;
    assert_int_equal(notation_starts(STR("_ -30s-1mx2 +1m 0 _x2 -0msx1 1ms"), a, &s, NULL), FER_OK);
    static const struct {
        bool present;
        int64_t ms;
    } want[] = {{false, 0},    {true, -30000}, {true, -90000}, {true, -150000},
                {true, 60000}, {true, 0},      {false, 0},     {false, 0},
                {true, 0},     {true, 0},      {true, 1}};
    assert_int_equal(s.n, COUNT(want));
    for (size_t i = 0; i < s.n; i++) {
        assert_int_equal(s.v[i].present, want[i].present);
        assert_int_equal(s.v[i].ms, want[i].ms);
    }
    assert_int_not_equal(notation_starts(STR("-1m-1m"), a, &s, NULL), FER_OK);
    assert_int_not_equal(notation_starts(STR("5"), a, &s, NULL), FER_OK);
    assert_int_not_equal(notation_starts(STR("1q"), a, &s, NULL), FER_OK);
}

static void lines_are_cut_behind_the_metric(void **state)
{
    (void)state;
    static const struct {
        const char *line, *metric, *values;
        bool starts;
    } t[] = {
        {"up 1 2", "up", " 1 2", false},
        {"up{a=\"}\", b='{', c=`\"`} 1", "up{a=\"}\", b='{', c=`\"`}", " 1", false},
        {"up{a=\"\\\"}\"} 1", "up{a=\"\\\"}\"}", " 1", false},
        {"{} 4", "{}", " 4", false},
        {"{\"a b\", c=\"d\"}\t4", "{\"a b\", c=\"d\"}", "\t4", false},
        {"up {a=\"b\"} 1", "up {a=\"b\"}", " 1", false},
        {"up {{count:1}}", "up", " {{count:1}}", false},
        {"up{} {{count:1}}", "up{}", " {{count:1}}", false},
        {"up@st _ -1m", "up", " _ -1m", true},
        {"up{a=\"@st\"}@st 0", "up{a=\"@st\"}", " 0", true},
        {"up", "up", "", false},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        series_line l;
        assert_int_equal(notation_split(str_of(t[i].line), &l, NULL), FER_OK);
        assert_true(str_eq(l.metric, str_of(t[i].metric)));
        assert_true(str_eq(l.values, str_of(t[i].values)));
        assert_int_equal(l.starts, t[i].starts);
    }
    static const char *const bad[] = {"", "{a=\"b\" 1", "up{a=\"}", "up{}x 1", "@st 1", "up@sty 1"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        series_line l;
        fer_err err;
        if (notation_split(str_of(bad[i]), &l, &err) != FER_INVALID)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void a_small_budget_is_told(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "test", NULL, 100000);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(&acct, 0);
    seq s;
    fer_err err;
    assert_int_equal(notation_values(STR("1x100000"), a, &s, &err), FER_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_expand),          cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(start_offsets_expand),   cmocka_unit_test(lines_are_cut_behind_the_metric),
        cmocka_unit_test(a_small_budget_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
