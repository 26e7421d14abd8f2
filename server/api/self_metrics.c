/* self_metrics.c - families found by their HELP lines, sorted, each read line by line. */
#include "server/api/self_metrics.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "server/api/reply.h"
#include "server/api/status.h"
#include "server/api/web.h"

enum { PAGE_BYTES_MAX = 16 * 1024 * 1024 };

typedef struct family {
    fer_str name, help, type, lines;
} family;

static fer_str take_until(fer_str *rest, char c)
{
    const char *at = rest->n == 0 ? NULL : memchr(rest->p, c, rest->n);
    fer_str part = str_head(*rest, at == NULL ? rest->n : (size_t)(at - rest->p));
    *rest = str_from(*rest, part.n + (at != NULL));
    return part;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const family *)a)->name, ((const family *)b)->name);
}

/* The families of the page; the caller frees. */
static family *split(fer_str page, size_t *ret_n)
{
    size_t n = 0, cap = 0;
    family *v = NULL;
    while (page.n != 0) {
        fer_str line = take_until(&page, '\n');
        if (str_has_prefix(line, STR("# HELP "))) {
            if (n == cap)
                v = fer_realloc(v, (cap = cap == 0 ? 256 : 2 * cap) * sizeof *v);
            fer_str rest = str_from(line, 7);
            fer_str name = take_until(&rest, ' ');
            v[n++] = (family){name, rest, STR("untyped"), {page.p, 0}};
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

static void put_double(fer_buf *out, double v)
{
    char text[NUM_TEXT_MAX];
    if (isnan(v))
        fer_buf_puts(out, STR("\"NaN\""));
    else if (isinf(v))
        fer_buf_puts(out, v > 0 ? STR("\"Infinity\"") : STR("\"-Infinity\""));
    else
        fer_buf_put(out, text, num_format_g(text, v));
}

static double number_of(fer_str s)
{
    double v = (double)NAN;
    bool ok = num_parse_f64(s, &v);
    return ok ? v : (double)NAN;
}

/* One line: name{labels} value. */
typedef struct line {
    fer_str name, labels, value;
} line;

static line read_line(fer_str text)
{
    line l = {.labels = STR("")};
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
    return l;
}

/* The next name="value", with the value's escapes undone in scratch; false at the end. */
static bool next_label(fer_str *rest, fer_str *name, fer_buf *scratch)
{
    if (rest->n == 0)
        return false;
    *name = take_until(rest, '=');
    fer_buf_clear(scratch);
    size_t i = 1;
    for (; i < rest->n && rest->p[i] != '"'; i++) {
        char c = rest->p[i];
        if (c == '\\' && i + 1 < rest->n)
            c = rest->p[++i] == 'n' ? '\n' : rest->p[i];
        fer_buf_putc(scratch, c);
    }
    *rest = str_from(*rest, i + 1);
    if (rest->n != 0)
        *rest = str_from(*rest, 1); /* the comma */
    return true;
}

/* "label":[...], but for the one that tells bucket or quantile, whose value becomes *ret_place. */
static void put_labels(fer_buf *out, fer_str text, double *ret_place)
{
    fer_buf value;
    fer_buf_init(&value, PAGE_BYTES_MAX, NULL);
    fer_str name;
    const char *before = "\"label\":[";
    while (next_label(&text, &name, &value)) {
        if (str_eq(name, STR("le")) || str_eq(name, STR("quantile"))) {
            *ret_place = number_of(fer_buf_str(&value));
            continue;
        }
        fer_buf_puts(out, str_of(before));
        before = ",";
        fer_buf_puts(out, STR("{\"name\":"));
        text_json(out, name);
        fer_buf_puts(out, STR(",\"value\":"));
        text_json(out, fer_buf_str(&value));
        fer_buf_putc(out, '}');
    }
    if (before[0] == ',')
        fer_buf_puts(out, STR("],"));
    fer_buf_done(&value);
}

static void put_simple(fer_buf *out, const line *l, const char *kind)
{
    double none;
    fer_buf_putc(out, '{');
    put_labels(out, l->labels, &none);
    fer_buf_printf(out, "\"%s\":{\"value\":", kind);
    put_double(out, number_of(l->value));
    fer_buf_puts(out, STR("}}"));
}

static void put_place(fer_buf *parts, const line *l, bool buckets)
{
    fer_buf none;
    double place = (double)NAN;
    fer_buf_init(&none, PAGE_BYTES_MAX, NULL);
    put_labels(&none, l->labels, &place);
    fer_buf_done(&none);
    if (parts->n != 0)
        fer_buf_putc(parts, ',');
    if (buckets)
        fer_buf_printf(parts, "{\"cumulativeCount\":\"%.*s\",\"upperBound\":", STR_FMT(l->value));
    else
        fer_buf_puts(parts, STR("{\"quantile\":"));
    put_double(parts, place);
    if (!buckets) {
        fer_buf_puts(parts, STR(",\"value\":"));
        put_double(parts, number_of(l->value));
    }
    fer_buf_putc(parts, '}');
}

/* A summary or histogram ends with its _count. */
static void put_whole(fer_buf *out, const line *count, fer_str sum, const fer_buf *parts,
                      bool buckets)
{
    double none;
    fer_buf_putc(out, '{');
    put_labels(out, count->labels, &none);
    fer_buf_printf(out, "\"%s\":{\"sampleCount\":\"%.*s\",\"sampleSum\":",
                   buckets ? "histogram" : "summary", STR_FMT(count->value));
    put_double(out, number_of(sum));
    if (parts->n != 0)
        fer_buf_printf(out, ",\"%s\":[%.*s]", buckets ? "bucket" : "quantile", (int)parts->n,
                       parts->p);
    fer_buf_puts(out, STR("}}"));
}

static void put_grouped(fer_buf *out, const family *f, bool buckets)
{
    fer_buf parts;
    fer_buf_init(&parts, PAGE_BYTES_MAX, NULL);
    fer_str rest = f->lines, sum = STR("0");
    const char *sep = "";
    while (rest.n != 0) {
        line l = read_line(take_until(&rest, '\n'));
        fer_str suffix = str_from(l.name, f->name.n);
        if (str_eq(suffix, STR("_sum"))) {
            sum = l.value;
        } else if (str_eq(suffix, STR("_count"))) {
            fer_buf_puts(out, str_of(sep));
            sep = ",";
            put_whole(out, &l, sum, &parts, buckets);
            fer_buf_clear(&parts);
        } else {
            put_place(&parts, &l, buckets);
        }
    }
    fer_buf_done(&parts);
}

static void put_metrics(fer_buf *out, const family *f)
{
    bool buckets = str_eq(f->type, STR("histogram"));
    if (buckets || str_eq(f->type, STR("summary"))) {
        put_grouped(out, f, buckets);
        return;
    }
    const char *kind = str_eq(f->type, STR("counter")) ? "counter"
                       : str_eq(f->type, STR("gauge")) ? "gauge"
                                                       : "untyped";
    fer_str rest = f->lines;
    const char *sep = "";
    while (rest.n != 0) {
        line l = read_line(take_until(&rest, '\n'));
        fer_buf_puts(out, str_of(sep));
        sep = ",";
        put_simple(out, &l, kind);
    }
}

static void put_family(fer_buf *out, const family *f)
{
    fer_buf_puts(out, STR("{\"name\":"));
    text_json(out, f->name);
    fer_buf_puts(out, STR(",\"help\":"));
    text_json(out, f->help);
    fer_buf_puts(out, STR(",\"type\":\""));
    for (size_t i = 0; i < f->type.n; i++)
        fer_buf_putc(out, (char)(f->type.p[i] & ~0x20));
    fer_buf_puts(out, STR("\",\"metric\":["));
    put_metrics(out, f);
    fer_buf_puts(out, STR("]}"));
}

void self_metrics_put(fer_buf *out, fer_str page, const fer_regex *filter)
{
    size_t n;
    family *v = split(page, &n);
    const char *sep = "";
    fer_buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (filter != NULL && !fer_regex_match(filter, v[i].name))
            continue;
        fer_buf_puts(out, str_of(sep));
        sep = ",";
        put_family(out, &v[i]);
    }
    fer_buf_putc(out, ']');
    fer_free(v);
}

void api_self_metrics(http_req *r, void *arg)
{
    fer_str pattern = http_req_param(r, "metric_name_pattern");
    fer_regex *filter = NULL;
    fer_err err;
    if (pattern.n != 0 && fer_regex_new(pattern, &filter, &err) != FER_OK) {
        api_error(r, API_BAD_DATA, "invalid metric_name_pattern: %s", err.msg);
        return;
    }
    fer_buf page, out;
    fer_buf_init(&page, PAGE_BYTES_MAX, NULL);
    metrics_page(&page, arg);
    api_begin(&out);
    self_metrics_put(&out, fer_buf_str(&page), filter);
    fer_buf_done(&page);
    fer_regex_free(filter);
    api_end(r, &out, NULL);
}
