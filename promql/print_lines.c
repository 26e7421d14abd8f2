/* print_lines.c - an expression over several lines, as Prometheus' /api/v1/format_query prints it: what
 * takes more than LINE_BYTES on one line has each operand on lines of its own, two blanks further in.
 */
#include "promql/print_int.h"

#include "base/mem.h"

enum { LINE_BYTES = 100 };

static void print_at(fer_buf *out, const expr *e, unsigned level);

static void indent(fer_buf *out, unsigned level)
{
    for (unsigned i = 0; i < level; i++)
        fer_buf_puts(out, STR("  "));
}

/* Printing stops at the limit, so asking costs no more for a large expression. */
static bool fits(const expr *e)
{
    fer_buf line;
    fer_buf_init(&line, LINE_BYTES, NULL);
    promql_print(&line, e);
    bool ret = !line.full;
    fer_buf_done(&line);
    return ret;
}

static void end_list(fer_buf *out, unsigned level)
{
    fer_buf_putc(out, '\n');
    indent(out, level);
    fer_buf_putc(out, ')');
}

static void aggregate_lines(fer_buf *out, const expr_aggregate *a, unsigned level)
{
    indent(out, level);
    print_aggregate_head(out, a);
    fer_buf_putc(out, '\n');
    if (a->param != NULL) {
        print_at(out, a->param, level + 1);
        fer_buf_puts(out, STR(",\n"));
    }
    print_at(out, a->e, level + 1);
    end_list(out, level);
}

static void call_lines(fer_buf *out, const expr_call *c, unsigned level)
{
    indent(out, level);
    fer_buf_printf(out, "%s(\n", c->fn->name);
    for (size_t i = 0; i < c->n_args; i++) {
        if (i > 0)
            fer_buf_puts(out, STR(",\n"));
        print_at(out, c->args[i], level + 1);
    }
    end_list(out, level);
}

static void binary_lines(fer_buf *out, const expr_binary *b, unsigned level)
{
    print_at(out, b->l, level + 1);
    fer_buf_putc(out, '\n');
    indent(out, level);
    print_operator(out, b);
    fer_buf_putc(out, '\n');
    print_at(out, b->r, level + 1);
}

static void paren_lines(fer_buf *out, const expr *in, unsigned level)
{
    indent(out, level);
    fer_buf_puts(out, STR("(\n"));
    print_at(out, in, level + 1);
    end_list(out, level);
}

/* The sign stands before the first line's text, behind its indentation. */
static void unary_lines(fer_buf *out, op sign, const expr *of, unsigned level)
{
    fer_buf lines;
    fer_buf_init(&lines, out->max, out->acct);
    print_at(&lines, of, level);
    size_t blanks = 0;
    while (blanks < lines.n && lines.p[blanks] == ' ')
        blanks++;
    indent(out, level);
    fer_buf_puts(out, str_of(op_text(sign)));
    fer_buf_puts(out, str_from(fer_buf_str(&lines), blanks));
    out->full |= lines.full;
    fer_buf_done(&lines);
}

static void print_at(fer_buf *out, const expr *e, unsigned level)
{
    if (out->full)
        return;
    bool whole = fits(e);
    if (!whole && e->kind == EXPR_AGGREGATE) {
        aggregate_lines(out, &e->u.aggregate, level);
    } else if (!whole && e->kind == EXPR_BINARY) {
        binary_lines(out, &e->u.binary, level);
    } else if (!whole && e->kind == EXPR_CALL) {
        call_lines(out, &e->u.call, level);
    } else if (!whole && e->kind == EXPR_PAREN) {
        paren_lines(out, e->u.paren, level);
    } else if (!whole && e->kind == EXPR_SUBQUERY) {
        print_at(out, e->u.subquery.e, level);
        print_subquery_suffix(out, &e->u.subquery);
    } else if (e->kind == EXPR_UNARY) {
        unary_lines(out, e->u.unary.op, e->u.unary.e, level);
    } else {
        if (e->kind != EXPR_SUBQUERY) /* Prometheus 3.5 forgets it there */
            indent(out, level);
        promql_print(out, e);
    }
}

void promql_print_lines(fer_buf *out, const expr *e)
{
    print_at(out, e, 0);
}
