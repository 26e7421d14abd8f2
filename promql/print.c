/* print.c - an expression as canonical text on one line: Prometheus' Expr.String().
 *
 * What is printed parses to a tree that prints the same. For that, and other than Prometheus 3.5,
 * label names that are no plain words are quoted in every list, and group_left and fill modifiers
 * keep an empty ignoring () before them.
 */
#include "promql/print_int.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "base/num.h"
#include "base/text.h"

static void puts_c(fer_buf *out, const char *s)
{
    fer_buf_puts(out, str_of(s));
}

static void print_number(fer_buf *out, double v)
{
    char text[NUM_TEXT_MAX];
    fer_buf_put(out, text, num_format_f(text, v));
}

static void print_ms(fer_buf *out, int64_t ms)
{
    if (ms < 0)
        fer_buf_putc(out, '-');
    text_format_duration(out, ms < 0 ? -ms : ms);
}

/* ---- durations ---- */

static void print_duration_expr(fer_buf *out, const duration_expr *d);

static void print_duration_call(fer_buf *out, const char *name, const duration_expr *d)
{
    fer_buf_printf(out, "%s(", name);
    if (d->l != NULL) {
        print_duration_expr(out, d->l);
        puts_c(out, ", ");
        print_duration_expr(out, d->r);
    }
    fer_buf_putc(out, ')');
}

static const char *duration_op_text(duration_op o)
{
    switch (o) {
    case DUR_ADD:
        return "+";
    case DUR_SUB:
        return "-";
    case DUR_MUL:
        return "*";
    case DUR_DIV:
        return "/";
    case DUR_MOD:
        return "%";
    default:
        return "^";
    }
}

static void print_duration_expr(fer_buf *out, const duration_expr *d)
{
    switch (d->op) {
    case DUR_LITERAL:
        if (d->is_number)
            print_number(out, d->value);
        else
            print_ms(out, llround(d->value * 1000));
        return;
    case DUR_STEP:
        print_duration_call(out, "step", d);
        return;
    case DUR_RANGE:
        print_duration_call(out, "range", d);
        return;
    case DUR_MIN_OF:
        print_duration_call(out, "min_of", d);
        return;
    case DUR_MAX_OF:
        print_duration_call(out, "max_of", d);
        return;
    case DUR_NEG:
    case DUR_POS:
        fer_buf_putc(out, d->op == DUR_NEG ? '-' : '+');
        print_duration_expr(out, d->l);
        return;
    case DUR_PAREN:
        fer_buf_putc(out, '(');
        print_duration_expr(out, d->l);
        fer_buf_putc(out, ')');
        return;
    default:
        print_duration_expr(out, d->l);
        fer_buf_printf(out, " %s ", duration_op_text(d->op));
        print_duration_expr(out, d->r);
    }
}

static void print_duration(fer_buf *out, duration d)
{
    if (d.e != NULL)
        print_duration_expr(out, d.e);
    else
        print_ms(out, d.ms);
}

static void print_modifiers(fer_buf *out, const modifiers *m)
{
    switch (m->at) {
    case AT_NONE:
        break;
    case AT_TIME:
        fer_buf_printf(out, " @ %.3f", (double)m->at_ms / 1000);
        break;
    case AT_START:
        puts_c(out, " @ start()");
        break;
    case AT_END:
        puts_c(out, " @ end()");
        break;
    }
    if (m->offset.ms != 0 || m->offset.e != NULL) {
        puts_c(out, " offset ");
        print_duration(out, m->offset);
    }
}

/* ---- selectors ---- */

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const fer_str *)a, *(const fer_str *)b);
}

/* The matchers, sorted as texts; the one of the name before the braces is left out. */
static void print_matchers(fer_buf *out, const expr_selector *s)
{
    size_t n = s->n_matchers - (s->name.n > 0 ? 1 : 0);
    if (n == 0)
        return;
    fer_buf all;
    fer_buf_init(&all, out->max, out->acct);
    size_t *ends = fer_calloc(n, sizeof *ends);
    fer_str *texts = fer_calloc(n, sizeof *texts);
    for (size_t i = 0; i < n; i++) {
        matcher_print(&all, &s->matchers[i]);
        ends[i] = all.n;
    }
    for (size_t i = 0, from = 0; i < n; from = ends[i++])
        texts[i] = (fer_str){all.p + from, ends[i] - from};
    qsort(texts, n, sizeof *texts, by_text);
    for (size_t i = 0; i < n; i++) {
        fer_buf_putc(out, i == 0 ? '{' : ',');
        fer_buf_puts(out, texts[i]);
    }
    fer_buf_putc(out, '}');
    out->full |= all.full;
    fer_free(texts);
    fer_free(ends);
    fer_buf_done(&all);
}

/* With its range when it has one; modifiers come last. */
static void print_selector(fer_buf *out, const expr_selector *s, const duration *range)
{
    fer_buf_puts(out, s->name);
    print_matchers(out, s);
    if (range != NULL) {
        fer_buf_putc(out, '[');
        print_duration(out, *range);
        fer_buf_putc(out, ']');
    }
    if (s->anchored)
        puts_c(out, " anchored");
    if (s->smoothed)
        puts_c(out, " smoothed");
    print_modifiers(out, &s->mod);
}

void print_subquery_suffix(fer_buf *out, const expr_subquery *s)
{
    fer_buf_putc(out, '[');
    print_duration(out, s->range);
    fer_buf_putc(out, ':');
    if (s->step.e != NULL || s->step.ms != 0)
        print_duration(out, s->step);
    fer_buf_putc(out, ']');
    print_modifiers(out, &s->mod);
}

/* ---- calls and operators ---- */

/* inf and nan are numbers to the lexer. */
static bool is_plain_name(fer_str name)
{
    bool number =
        name.n == 3 && (strncasecmp(name.p, "inf", 3) == 0 || strncasecmp(name.p, "nan", 3) == 0);
    return metric_name_is_legacy(name) && !number;
}

static void print_names(fer_buf *out, const fer_str *names, size_t n)
{
    fer_buf_putc(out, '(');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            puts_c(out, ", ");
        if (is_plain_name(names[i]))
            fer_buf_puts(out, names[i]);
        else
            text_quote(out, names[i]);
    }
    fer_buf_putc(out, ')');
}

static void print_call(fer_buf *out, const expr_call *c)
{
    fer_buf_printf(out, "%s(", c->fn->name);
    for (size_t i = 0; i < c->n_args; i++) {
        if (i > 0)
            puts_c(out, ", ");
        promql_print(out, c->args[i]);
    }
    fer_buf_putc(out, ')');
}

void print_aggregate_head(fer_buf *out, const expr_aggregate *a)
{
    puts_c(out, agg_text(a->op));
    if (a->without || a->n_grouping > 0) {
        puts_c(out, a->without ? " without " : " by ");
        print_names(out, a->grouping, a->n_grouping);
        fer_buf_putc(out, ' ');
    }
    fer_buf_putc(out, '(');
}

static void print_aggregate(fer_buf *out, const expr_aggregate *a)
{
    print_aggregate_head(out, a);
    if (a->param != NULL) {
        promql_print(out, a->param);
        puts_c(out, ", ");
    }
    promql_print(out, a->e);
    fer_buf_putc(out, ')');
}

static void print_fill(fer_buf *out, const char *word, double v)
{
    fer_buf_printf(out, " %s (", word);
    print_number(out, v);
    fer_buf_putc(out, ')');
}

/* NaN is like NaN, and 0 unlike -0. */
static bool same_fill(const expr_binary *b)
{
    if (isnan(b->fill_left) || isnan(b->fill_right))
        return isnan(b->fill_left) && isnan(b->fill_right);
    return b->fill_left == b->fill_right && signbit(b->fill_left) == signbit(b->fill_right);
}

static void print_fills(fer_buf *out, const expr_binary *b)
{
    if (b->fill_left_set && b->fill_right_set && same_fill(b)) {
        print_fill(out, "fill", b->fill_left);
        return;
    }
    if (b->fill_left_set)
        print_fill(out, "fill_left", b->fill_left);
    if (b->fill_right_set)
        print_fill(out, "fill_right", b->fill_right);
}

void print_operator(fer_buf *out, const expr_binary *b)
{
    puts_c(out, op_text(b->op));
    if (b->return_bool)
        puts_c(out, " bool");
    bool grouped = b->card == CARD_MANY_TO_ONE || b->card == CARD_ONE_TO_MANY;
    if (b->has_matching && (b->on || b->n_labels > 0 || grouped)) {
        puts_c(out, b->on ? " on " : " ignoring ");
        print_names(out, b->labels, b->n_labels);
    }
    if (grouped) {
        puts_c(out, b->card == CARD_MANY_TO_ONE ? " group_left " : " group_right ");
        print_names(out, b->include, b->n_include);
    }
    print_fills(out, b);
}

static void print_binary(fer_buf *out, const expr_binary *b)
{
    promql_print(out, b->l);
    fer_buf_putc(out, ' ');
    print_operator(out, b);
    fer_buf_putc(out, ' ');
    promql_print(out, b->r);
}

void promql_print(fer_buf *out, const expr *e)
{
    if (out->full)
        return;
    switch (e->kind) {
    case EXPR_NUMBER:
        if (e->u.number.is_duration)
            print_ms(out, llround(e->u.number.v * 1000));
        else
            print_number(out, e->u.number.v);
        return;
    case EXPR_STRING:
        text_quote(out, e->u.string);
        return;
    case EXPR_SELECTOR:
        print_selector(out, &e->u.selector, NULL);
        return;
    case EXPR_MATRIX:
        print_selector(out, &e->u.matrix.selector->u.selector, &e->u.matrix.range);
        return;
    case EXPR_SUBQUERY:
        promql_print(out, e->u.subquery.e);
        print_subquery_suffix(out, &e->u.subquery);
        return;
    case EXPR_CALL:
        print_call(out, &e->u.call);
        return;
    case EXPR_AGGREGATE:
        print_aggregate(out, &e->u.aggregate);
        return;
    case EXPR_BINARY:
        print_binary(out, &e->u.binary);
        return;
    case EXPR_UNARY:
        puts_c(out, op_text(e->u.unary.op));
        promql_print(out, e->u.unary.e);
        return;
    case EXPR_PAREN:
        fer_buf_putc(out, '(');
        promql_print(out, e->u.paren);
        fer_buf_putc(out, ')');
        return;
    }
}
