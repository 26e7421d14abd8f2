/* metrics_page.c - families found by their HELP lines, sorted, each read line by line. */
#include "server/api/metrics_page.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"

static fer_str take_until(fer_str *rest, char c)
{
    const char *at = rest->n == 0 ? NULL : memchr(rest->p, c, rest->n);
    fer_str part = str_head(*rest, at == NULL ? rest->n : (size_t)(at - rest->p));
    *rest = str_from(*rest, part.n + (at != NULL));
    return part;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const page_family *)a)->name, ((const page_family *)b)->name);
}

page_family *page_split(fer_str page, size_t *ret_n)
{
    size_t n = 0, cap = 0;
    page_family *v = NULL;
    while (page.n != 0) {
        fer_str line = take_until(&page, '\n');
        if (str_has_prefix(line, STR("# HELP "))) {
            if (n == cap)
                v = fer_realloc(v, (cap = cap == 0 ? 256 : 2 * cap) * sizeof *v);
            fer_str rest = str_from(line, 7);
            fer_str name = take_until(&rest, ' ');
            v[n++] = (page_family){name, rest, STR("untyped"), {page.p, 0}};
        } else if (n != 0 && str_has_prefix(line, STR("# TYPE "))) {
            fer_str rest = str_from(line, 7);
            take_until(&rest, ' ');
            v[n - 1].type = rest;
            v[n - 1].lines.p = page.p;
        } else if (n != 0) {
            v[n - 1].lines.n = (size_t)(line.p + line.n - v[n - 1].lines.p);
        }
    }
    if (n != 0)
        qsort(v, n, sizeof *v, by_name);
    *ret_n = n;
    return v;
}

double page_number(fer_str value)
{
    double v = (double)NAN;
    bool ok = num_parse_f64(value, &v);
    return ok ? v : (double)NAN;
}

bool page_next_line(fer_str *lines, page_line *ret)
{
    if (lines->n == 0)
        return false;
    fer_str text = take_until(lines, '\n');
    page_line l = {.labels = STR("")};
    size_t i = 0;
    while (i < text.n && text.p[i] != '{' && text.p[i] != ' ')
        i++;
    l.name = str_head(text, i);
    if (i < text.n && text.p[i] == '{') {
        size_t end = text.n;
        while (end > i && text.p[end - 1] != '}')
            end--;
        l.labels = (fer_str){text.p + i + 1, end - i - 2};
        i = end;
    }
    l.value = str_from(text, i + 1);
    *ret = l;
    return true;
}

bool page_next_label(fer_str *labels, fer_str *name, fer_str *value)
{
    if (labels->n == 0)
        return false;
    *name = take_until(labels, '=');
    *labels = str_from(*labels, 1); /* the quote */
    size_t i = 0;
    while (i < labels->n && labels->p[i] != '"')
        i += labels->p[i] == '\\' ? 2 : 1;
    *value = str_head(*labels, i);
    *labels = str_from(*labels, i + 1);
    if (labels->n != 0)
        *labels = str_from(*labels, 1); /* the comma */
    return true;
}

void page_unescape(fer_buf *out, fer_str value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\\' && i + 1 < value.n)
            c = value.p[++i] == 'n' ? '\n' : value.p[i];
        fer_buf_putc(out, c);
    }
}

bool page_is_place(fer_str label)
{
    return str_eq(label, STR("le")) || str_eq(label, STR("quantile"));
}
