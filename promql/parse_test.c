/* What the parser makes of a text: its canonical text or its error, for the recorded cases of
 * testdata/promql (see the top of parse_cases.txt), and what those do not show: the tree itself,
 * positions, selectors and series descriptions, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/vfs.h"
#include "promql/parse.h"

static const promql_features ALL = {
    .experimental_functions = true,
    .extended_range_selectors = true,
    .fill_modifiers = true,
};

static int make_arena(void **state)
{
    *state = fer_arena_new(NULL, 0);
    return 0;
}

static int free_arena(void **state)
{
    fer_arena_free(*state);
    return 0;
}

/* ---- many lines ---- */

#define LONG_NAME "a_metric_with_a_name_so_long_that_not_much_else_has_room_beside_it_on_one_line"

static void what_is_long_is_laid_out_over_lines(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a+b", "a + b"},
        {"sum by (job) (rate(" LONG_NAME "[5m])) / on(job) group_left(z) -(y > bool 1)",
         "  sum by (job) (\n"
         "    rate(" LONG_NAME "[5m])\n"
         "  )\n"
         "/ on (job) group_left (z)\n"
         "  -(y > bool 1)"},
        {"topk(3, absent_over_time(" LONG_NAME "{a_label=\"v\"}[5m]))",
         "topk(\n"
         "  3,\n"
         "  absent_over_time(\n"
         "    " LONG_NAME "{a_label=\"v\"}[5m]\n"
         "  )\n"
         ")"},
        {"-(" LONG_NAME " + a_second_metric_with_a_long_name)",
         "-(\n"
         "    " LONG_NAME "\n"
         "  +\n"
         "    a_second_metric_with_a_long_name\n"
         ")"},
        {"(" LONG_NAME " + a_second_metric_with_a_long_name)[5m:1m]",
         "(\n"
         "    " LONG_NAME "\n"
         "  +\n"
         "    a_second_metric_with_a_long_name\n"
         ")[5m:1m]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expr *e;
        fer_buf b;
        fer_buf_init(&b, 1 << 16, NULL);
        assert_int_equal(
            promql_parse(str_of(cases[i].text), &(promql_features){0}, *state, &e, NULL), FER_OK);
        promql_print_lines(&b, e);
        fer_buf_putc(&b, '\0');
        assert_string_equal(b.p, cases[i].want);
        fer_buf_done(&b);
    }
}

/* ---- recorded cases ---- */

/* "ok TEXT" or "err TEXT", in the arena. */
static fer_str answer(fer_str text, const promql_features *f, fer_arena *a)
{
    expr *e;
    fer_err err = {0};
    if (promql_parse(text, f, a, &e, &err) != FER_OK)
        return fer_arena_printf(a, "err %s", err.msg);
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    fer_buf_puts(&b, STR("ok "));
    promql_print(&b, e);
    assert_false(b.full);
    fer_str s = fer_arena_dup(a, fer_buf_str(&b));
    fer_buf_done(&b);
    return s;
}

static fer_str take_line(fer_str *rest)
{
    const char *end = memchr(rest->p, '\n', rest->n);
    fer_str line = str_head(*rest, end != NULL ? (size_t)(end - rest->p) : rest->n);
    *rest = str_from(*rest, line.n + 1);
    return line;
}

static void check_case(fer_str text, fer_str want, const promql_features *f, fer_arena *a)
{
    fer_str got = answer(text, f, a);
    if (!str_eq(got, want))
        fail_msg("%.*s\nwant %.*s\ngot  %.*s", STR_FMT(text), STR_FMT(want), STR_FMT(got));
    if (!str_has_prefix(got, STR("ok ")))
        return;
    fer_str again = answer(str_from(got, 3), f, a);
    if (!str_eq(again, got))
        fail_msg("%.*s\nprints %.*s\nthen   %.*s", STR_FMT(text), STR_FMT(got), STR_FMT(again));
}

static size_t check_cases(const char *name, fer_arena *a)
{
    static const promql_features none = {0};
    const promql_features *f = &none;
    char path[512];
    snprintf(path, sizeof path, "%s/promql/%s", FERULA_TESTDATA, name);
    fer_str rest;
    fer_err err = {0};
    if (vfs_read_all(vfs_posix(), path, 4 << 20, a, &rest, &err) != FER_OK)
        fail_msg("%s", err.msg);
    fer_buf text;
    fer_buf_init(&text, 1 << 16, NULL);
    size_t n = 0;
    while (rest.n > 0) {
        fer_str line = take_line(&rest);
        if (str_has_prefix(line, STR("features "))) {
            f = str_eq(line, STR("features all")) ? &ALL : &none;
        } else if (str_has_prefix(line, STR("= "))) {
            fer_buf_clear(&text);
            fer_buf_puts(&text, str_from(line, 2));
        } else if (str_has_prefix(line, STR("+ "))) {
            fer_buf_putc(&text, '\n');
            fer_buf_puts(&text, str_from(line, 2));
        } else if (line.n > 0 && line.p[0] != '#') {
            check_case(fer_buf_str(&text), line, f, a);
            n++;
        }
    }
    fer_buf_done(&text);
    return n;
}

static void answers_are_those_of_prometheus(void **state)
{
    assert_true(check_cases("parse_cases.txt", *state) > 1500);
}

static void newer_language_is_known(void **state)
{
    assert_true(check_cases("parse_cases_newer.txt", *state) > 150);
}

static void assert_answer(fer_arena *a, fer_str text, const char *want)
{
    check_case(text, str_of(want), &ALL, a);
}

/* Bytes that do not go into a text file. */
static void bytes_that_are_no_text_are_refused(void **state)
{
    assert_answer(*state, STR("a\xff"), "err 1:2: parse error: unexpected character: '\ufffd'");
    assert_answer(*state, STR("\"\xff\""), "err 1:1: parse error: invalid UTF-8 rune");
    assert_answer(*state, STR("a{b=\"\xc3\"}"), "err 1:5: parse error: invalid UTF-8 rune");
    assert_answer(*state, STR("a{b=\"\ufffd\"}"), "err 1:5: parse error: invalid UTF-8 rune");
    assert_answer(*state, STR("a\0b"), "err 1:2: parse error: unexpected character: '\\x00'");
    assert_answer(*state, STR("\"\\\xff\""),
                  "err 1:1: parse error: unknown escape sequence U+FFFD '\ufffd'");
    assert_answer(*state, STR("a\r\n+\r\nb c"),
                  "err 3:3: parse error: unexpected identifier \"c\"");
    assert_answer(*state, STR("# \xff\na"), "ok a");
}

static void text_without_an_expression_is_refused(void **state)
{
    assert_answer(*state, STR(""),
                  "err unknown position: parse error: no expression found in input");
    assert_answer(*state, STR("  "), "err 1:1: parse error: no expression found in input");
    assert_answer(*state, STR("\n#x"), "err 1:1: parse error: no expression found in input");
}

/* ---- the tree ---- */

static const expr *parse(fer_arena *a, const char *text)
{
    expr *e;
    fer_err err = {0};
    if (promql_parse(str_of(text), &ALL, a, &e, &err) != FER_OK)
        fail_msg("%s: %s", text, err.msg);
    return e;
}

static void assert_str(fer_str got, const char *want)
{
    if (!str_eq(got, str_of(want)))
        fail_msg("\"%.*s\" is not \"%s\"", STR_FMT(got), want);
}

static void operators_bind_as_documented(void **state)
{
    static const struct {
        const char *text, *same;
    } table[] = {
        {"a or b and c", "a or (b and c)"},
        {"a and b unless c", "(a and b) unless c"},
        {"a and b == c", "a and (b == c)"},
        {"a == b + c", "a == (b + c)"},
        {"a == b == c", "(a == b) == c"},
        {"a </ b + c", "a </ (b + c)"},
        {"a - b - c", "(a - b) - c"},
        {"a + b * c", "a + (b * c)"},
        {"a % b atan2 c", "(a % b) atan2 c"},
        {"a ^ b ^ c", "a ^ (b ^ c)"},
        {"-a ^ b", "-(a ^ b)"},
        {"-a * b", "(-a) * b"},
        {"a ^ -b * c", "(a ^ (-b)) * c"},
        {"2 ^ -a ^ b", "2 ^ (-(a ^ b))"},
        {"a + b offset 5m", "a + (b offset 5m)"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const expr *e = parse(*state, table[i].text), *same = parse(*state, table[i].same);
        /* Walk both down the side that is no leaf, stepping over parens: kinds and operators agree. */
        while (e->kind == EXPR_BINARY || e->kind == EXPR_UNARY) {
            while (same->kind == EXPR_PAREN)
                same = same->u.paren;
            assert_int_equal(e->kind, same->kind);
            if (e->kind == EXPR_UNARY) {
                e = e->u.unary.e;
                same = same->u.unary.e;
                continue;
            }
            assert_int_equal(e->u.binary.op, same->u.binary.op);
            bool left = e->u.binary.l->kind == EXPR_BINARY || e->u.binary.l->kind == EXPR_UNARY;
            e = left ? e->u.binary.l : e->u.binary.r;
            same = left ? same->u.binary.l : same->u.binary.r;
        }
        while (same->kind == EXPR_PAREN)
            same = same->u.paren;
        assert_int_equal(same->kind, e->kind);
    }
}

static void selectors_carry_matchers_and_modifiers(void **state)
{
    const expr *e = parse(*state, "a{b!=\"c\",'d e'=~\"f\"}[5m] offset -1m @ 1.5");
    assert_int_equal(e->kind, EXPR_MATRIX);
    assert_int_equal(e->type, VALUE_MATRIX);
    assert_int_equal(e->u.matrix.range.ms, 300000);
    assert_null(e->u.matrix.range.e);
    const expr_selector *s = &e->u.matrix.selector->u.selector;
    assert_str(s->name, "a");
    assert_int_equal(s->n_matchers, 3);
    assert_str(s->matchers[0].name, "b");
    assert_int_equal(s->matchers[0].type, MATCH_NE);
    assert_str(s->matchers[1].name, "d e");
    assert_non_null(s->matchers[1].re);
    assert_str(s->matchers[2].name, "__name__");
    assert_str(s->matchers[2].value, "a");
    assert_int_equal(s->mod.offset.ms, -60000);
    assert_int_equal(s->mod.at, AT_TIME);
    assert_int_equal(s->mod.at_ms, 1500);
}

static void subqueries_have_a_step_or_the_default(void **state)
{
    const expr_subquery *s = &parse(*state, "a[1h:30s] @ end() offset 5m")->u.subquery;
    assert_int_equal(s->range.ms, 3600000);
    assert_int_equal(s->step.ms, 30000);
    assert_int_equal(s->mod.at, AT_END);
    assert_int_equal(s->mod.offset.ms, 300000);
    s = &parse(*state, "a[1h:]")->u.subquery;
    assert_int_equal(s->step.ms, 0);
    assert_null(s->step.e);
}

static void durations_that_are_computed_stay_trees(void **state)
{
    const duration_expr *d = parse(*state, "a[step() * 2]")->u.matrix.range.e;
    assert_non_null(d);
    assert_int_equal(d->op, DUR_MUL);
    assert_int_equal(d->l->op, DUR_STEP);
    assert_true(d->r->value == 2 && d->r->is_number);
    assert_int_equal(d->pos.start, 2);
    assert_int_equal(d->pos.end, 12);
    assert_int_equal(parse(*state, "a offset -(5m)")->u.selector.mod.offset.ms, -300000);
    d = parse(*state, "a offset (1h30m % 1h)")->u.selector.mod.offset.e;
    assert_int_equal(d->op, DUR_PAREN);
    assert_int_equal(d->l->op, DUR_MOD);
    assert_true(d->l->l->value == 5400 && !d->l->l->is_number);
}

static void binary_modifiers_are_kept(void **state)
{
    const expr_binary *b =
        &parse(*state, "a == bool on (x, 'y z') group_left (w) fill_right(-1) b")->u.binary;
    assert_int_equal(b->op, OP_EQ);
    assert_true(b->return_bool && b->has_matching && b->on);
    assert_int_equal(b->n_labels, 2);
    assert_str(b->labels[1], "y z");
    assert_int_equal(b->card, CARD_MANY_TO_ONE);
    assert_int_equal(b->n_include, 1);
    assert_true(!b->fill_left_set && b->fill_right_set && b->fill_right == -1);
    b = &parse(*state, "a or b")->u.binary;
    assert_int_equal(b->card, CARD_MANY_TO_MANY);
    assert_false(b->has_matching);
    assert_int_equal(parse(*state, "1 + 2")->type, VALUE_SCALAR);
    assert_int_equal(parse(*state, "1 + a")->type, VALUE_VECTOR);
}

static void aggregations_have_their_parts(void **state)
{
    const expr_aggregate *g = &parse(*state, "topk without (x) (3, a)")->u.aggregate;
    assert_int_equal(g->op, AGG_TOPK);
    assert_true(g->without && g->has_grouping && g->n_grouping == 1);
    assert_true(g->param->u.number.v == 3);
    assert_int_equal(g->e->kind, EXPR_SELECTOR);
    g = &parse(*state, "sum(a) by ()")->u.aggregate;
    assert_true(g->has_grouping && !g->without && g->n_grouping == 0 && g->param == NULL);
}

static void positions_are_bytes_of_the_text(void **state)
{
    const expr *e = parse(*state, "  rate( a{b=\"c\"}[5m] offset 1m ) + 1");
    assert_int_equal(e->pos.start, 2);
    assert_int_equal(e->pos.end, 36);
    const expr *call = e->u.binary.l;
    assert_int_equal(call->pos.start, 2);
    assert_int_equal(call->pos.end, 32);
    assert_int_equal(call->u.call.args[0]->pos.start, 8);
    assert_int_equal(call->u.call.args[0]->pos.end, 30);

    uint32_t line, col;
    promql_position(STR("a\n\u00e9b"), 4, &line, &col);
    assert_int_equal(line, 2);
    assert_int_equal(col, 3);
}

/* ---- selectors and series descriptions ---- */

static void assert_selector_error(fer_arena *a, const char *text, const char *want)
{
    matcher *m;
    size_t n;
    fer_err err = {0};
    assert_int_equal(promql_parse_selector(str_of(text), a, &m, &n, &err), FER_INVALID);
    assert_string_equal(err.msg, want);
}

static void series_selectors_stand_alone(void **state)
{
    matcher *m;
    size_t n;
    fer_err err = {0};
    assert_int_equal(promql_parse_selector(STR("up{job=~\"a|b\"}"), *state, &m, &n, &err), FER_OK);
    assert_int_equal(n, 2);
    assert_str(m[0].name, "job");
    assert_str(m[1].value, "up");
    assert_int_equal(promql_parse_selector(STR("{'a b'}"), *state, &m, &n, &err), FER_OK);
    assert_str(m[0].value, "a b");

    assert_selector_error(*state, "up offset 5m", "1:4: parse error: unexpected <offset>");
    assert_selector_error(*state, "rate(up)", "1:5: parse error: unexpected \"(\"");
    assert_selector_error(*state, "5", "1:1: parse error: unexpected number \"5\"");
    assert_selector_error(*state, "{a=\"b\"",
                          "1:7: parse error: unexpected end of input inside braces");
    assert_selector_error(*state, "{a=~\".*\"}",
                          "match[] must contain at least one non-empty matcher");
    assert_selector_error(*state, "{}", "match[] must contain at least one non-empty matcher");
    assert_selector_error(*state, "#c", "1:3: parse error: unexpected end of input");
    assert_selector_error(*state, "", "unknown position: parse error: unexpected end of input");
}

static void assert_metric(fer_arena *a, const char *text, const char *want)
{
    labels ls;
    fer_err err = {0};
    if (promql_parse_metric(str_of(text), a, &ls, &err) != FER_OK)
        fail_msg("%s: %s", text, err.msg);
    fer_buf b;
    fer_buf_init(&b, 1 << 16, NULL);
    labels_print(&b, ls);
    assert_str(fer_buf_str(&b), want);
    fer_buf_done(&b);
}

static void assert_metric_error(fer_arena *a, const char *text, const char *want)
{
    labels ls;
    fer_err err = {0};
    assert_int_equal(promql_parse_metric(str_of(text), a, &ls, &err), FER_INVALID);
    assert_string_equal(err.msg, want);
}

static void series_descriptions_become_labels(void **state)
{
    assert_metric(*state, "up", "{__name__=\"up\"}");
    assert_metric(*state, "up{z=\"1\", a='2',}", "{__name__=\"up\", a=\"2\", z=\"1\"}");
    assert_metric(*state, "{a=\"2\"}", "{a=\"2\"}");
    assert_metric(*state, "{}", "{}");
    assert_metric(*state, "{\"a b\", \"c d\"=\"e\"}", "{__name__=\"a b\", \"c d\"=\"e\"}");
    assert_metric(*state, "sum{by=\"x\"}", "{__name__=\"sum\", by=\"x\"}");

    assert_metric_error(*state, "up{a}",
                        "1:5: parse error: unexpected \"}\" in label set, expected \"=\"");
    assert_metric_error(*state, "up{a=b}",
                        "1:6: parse error: unexpected identifier \"b\" in label set, "
                        "expected string");
    assert_metric_error(*state, "up{a=\"b\" c}",
                        "1:10: parse error: unexpected identifier \"c\" in label set, "
                        "expected \",\" or \"}\"");
    assert_metric_error(*state, "up{=}",
                        "1:4: parse error: unexpected \"=\" in label set, "
                        "expected identifier or \"}\"");
    assert_metric_error(*state, "up 5", "1:4: parse error: unexpected number \"5\"");
}

/* ---- limits ---- */

static fer_str repeat(fer_arena *a, const char *part, size_t n, const char *middle,
                      const char *closing)
{
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    for (size_t i = 0; i < n; i++)
        fer_buf_puts(&b, str_of(part));
    fer_buf_puts(&b, str_of(middle));
    for (size_t i = 0; i < n; i++)
        fer_buf_puts(&b, str_of(closing));
    fer_str s = fer_arena_dup(a, fer_buf_str(&b));
    fer_buf_done(&b);
    return s;
}

static void deep_and_long_expressions_are_limited(void **state)
{
    static const struct {
        const char *part, *middle, *closing;
    } shapes[] = {
        {"(", "a", ")"},       {"-", "a", ""},      {"abs(", "a", ")"},    {"sum(", "a", ")"},
        {"a + ", "a", ""},     {"a ^ ", "a", ""},   {"1 + -(", "a", ")"},  {"", "a", "[5m:]"},
        {"a or ", "a", ""},    {"a[(", "5m", ")]"}, {"", "a[5m", " + 5m"}, {"", "a[5m", " ^ 5m"},
        {"", "a offset ", ""},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        fer_str text = repeat(*state, shapes[i].part, 20000, shapes[i].middle, shapes[i].closing);
        expr *e;
        fer_err err = {0};
        fer_code code = promql_parse(text, &ALL, *state, &e, &err);
        assert_true(code == FER_LIMIT || code == FER_INVALID);
        assert_int_equal(err.code, code);
    }
    expr *e;
    fer_err err = {0};
    fer_str text = repeat(*state, "(", 5000, "a", ")");
    assert_int_equal(promql_parse(text, &ALL, *state, &e, &err), FER_LIMIT);
    assert_non_null(strstr(err.msg, "parse error: expression is nested deeper than 1000 levels"));
    text = repeat(*state, "a + ", 500, "a", "");
    assert_int_equal(promql_parse(text, &ALL, *state, &e, &err), FER_OK);
    assert_int_equal(e->height, 501);

    text = repeat(*state, " ", PROMQL_TEXT_BYTES_MAX, "a", "");
    assert_int_equal(promql_parse(text, &ALL, *state, &e, &err), FER_LIMIT);
    assert_string_equal(err.msg, "query of 131073 bytes is longer than 131072 bytes");
}

static void a_small_budget_is_an_error(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 16 * 1024);
    fer_str text = repeat(a, "a+", 200, "a", "");
    assert_non_null(text.p);
    expr *e;
    fer_err err = {0};
    assert_int_equal(promql_parse(text, &ALL, a, &e, &err), FER_LIMIT);
    fer_arena_free(a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_arena, free_arena)
    static const struct CMUnitTest tests[] = {
        TEST(answers_are_those_of_prometheus),        TEST(newer_language_is_known),
        TEST(bytes_that_are_no_text_are_refused),     TEST(text_without_an_expression_is_refused),
        TEST(what_is_long_is_laid_out_over_lines),    TEST(operators_bind_as_documented),
        TEST(selectors_carry_matchers_and_modifiers), TEST(subqueries_have_a_step_or_the_default),
        TEST(durations_that_are_computed_stay_trees), TEST(binary_modifiers_are_kept),
        TEST(aggregations_have_their_parts),          TEST(positions_are_bytes_of_the_text),
        TEST(series_selectors_stand_alone),           TEST(series_descriptions_become_labels),
        TEST(deep_and_long_expressions_are_limited),  TEST(a_small_budget_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
