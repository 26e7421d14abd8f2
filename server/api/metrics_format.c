/* metrics_format.c - OpenMetrics and protobuf from the families of the page. */
#include "server/api/metrics_format.h"

#include <math.h>

#include "base/mem.h"
#include "base/num.h"
#include "server/api/metrics_page.h"
#include "server/remote/pb.h"

enum { MESSAGE_BYTES_MAX = 16 * 1024 * 1024 };

static bool ends_with(fer_str s, fer_str end)
{
    return s.n >= end.n && str_eq(str_from(s, s.n - end.n), end);
}

static bool is_kind(const page_family *f, const char *kind)
{
    return str_eq(f->type, str_of(kind));
}

/* What a line's name has behind the family's. */
static fer_str suffix_of(const page_family *f, const page_line *l)
{
    return str_from(l->name, f->name.n);
}

/* ---- OpenMetrics ---- */

/* As 'g', and ".0" behind what would look like an integer. */
static void put_float(fer_buf *out, double v)
{
    char text[NUM_TEXT_MAX];
    size_t n = num_format_g(text, v);
    fer_buf_put(out, text, n);
    if (isfinite(v) && memchr(text, '.', n) == NULL && memchr(text, 'e', n) == NULL)
        fer_buf_puts(out, STR(".0"));
}

static void put_labels(fer_buf *out, fer_str labels)
{
    fer_str name, value;
    char before = '{';
    while (page_next_label(&labels, &name, &value)) {
        fer_buf_putc(out, before);
        before = ',';
        fer_buf_puts(out, name);
        fer_buf_puts(out, STR("=\""));
        if (page_is_place(name))
            put_float(out, page_number(value));
        else
            fer_buf_puts(out, value);
        fer_buf_putc(out, '"');
    }
    if (before == ',')
        fer_buf_putc(out, '}');
}

/* Quotes are escaped as well; the rest is already. */
static void put_help(fer_buf *out, fer_str help)
{
    for (size_t i = 0; i < help.n; i++) {
        if (help.p[i] == '"')
            fer_buf_putc(out, '\\');
        fer_buf_putc(out, help.p[i]);
    }
}

static void put_text_line(fer_buf *out, const page_family *f, const page_line *l, bool counter)
{
    fer_str suffix = suffix_of(f, l);
    bool whole = str_eq(suffix, STR("_bucket")) || str_eq(suffix, STR("_count"));
    fer_buf_puts(out, l->name);
    if (counter && !ends_with(l->name, STR("_total")))
        fer_buf_puts(out, STR("_total"));
    put_labels(out, l->labels);
    fer_buf_putc(out, ' ');
    if (whole)
        fer_buf_puts(out, l->value);
    else
        put_float(out, page_number(l->value));
    fer_buf_putc(out, '\n');
}

static void put_text_family(fer_buf *out, const page_family *f)
{
    bool counter = is_kind(f, "counter");
    fer_str name = f->name, type = is_kind(f, "untyped") ? STR("unknown") : f->type;
    if (counter && ends_with(name, STR("_total")))
        name.n -= 6;
    fer_buf_printf(out, "# HELP %.*s ", STR_FMT(name));
    put_help(out, f->help);
    fer_buf_printf(out, "\n# TYPE %.*s %.*s\n", STR_FMT(name), STR_FMT(type));
    fer_str rest = f->lines;
    page_line l;
    while (page_next_line(&rest, &l))
        put_text_line(out, f, &l, counter);
}

void metrics_put_openmetrics(fer_buf *out, fer_str page)
{
    size_t n;
    page_family *v = page_split(page, &n);
    for (size_t i = 0; i < n; i++)
        if (v[i].lines.n != 0)
            put_text_family(out, &v[i]);
    fer_buf_puts(out, STR("# EOF\n"));
    fer_free(v);
}

/* ---- protobuf ---- */

/* Numbers of the fields of Metric, and of MetricType. */
static const struct {
    const char *type;
    uint32_t field, number;
} kinds[] = {
    {"counter", 3, 0}, {"gauge", 2, 1}, {"summary", 4, 2}, {"histogram", 7, 4}, {"untyped", 5, 3},
};

static void put_double(fer_buf *out, uint32_t num, double v)
{
    pb_put_tag(out, num, PB_FIXED64);
    fer_buf_put(out, &v, sizeof v); /* little-endian, as all machines we run on */
}

static void put_number(fer_buf *out, uint32_t num, uint64_t v)
{
    pb_put_tag(out, num, PB_VARINT);
    pb_put_varint(out, v);
}

static uint64_t whole_number(fer_str s)
{
    uint64_t v = 0;
    num_parse_u64(s, &v);
    return v;
}

typedef struct pb_scratch {
    fer_buf family, metric, value, part, text;
} pb_scratch;

/* All but bucket and quantile, whose value goes to *ret_place. */
static void put_pairs(pb_scratch *s, fer_str labels, double *ret_place)
{
    fer_str name, value;
    while (page_next_label(&labels, &name, &value)) {
        if (page_is_place(name)) {
            *ret_place = page_number(value);
            continue;
        }
        fer_buf_clear(&s->part);
        fer_buf_clear(&s->text);
        page_unescape(&s->text, value);
        pb_put_bytes(&s->part, 1, name);
        pb_put_bytes(&s->part, 2, fer_buf_str(&s->text));
        pb_put_bytes(&s->metric, 1, fer_buf_str(&s->part));
    }
}

/* The metric is whole: its labels are in s->metric, its value in s->value. */
static void end_metric(pb_scratch *s, uint32_t field)
{
    pb_put_bytes(&s->metric, field, fer_buf_str(&s->value));
    pb_put_bytes(&s->family, 4, fer_buf_str(&s->metric));
    fer_buf_clear(&s->metric);
    fer_buf_clear(&s->value);
}

static void put_place(pb_scratch *s, const page_line *l, bool bucket)
{
    double place = (double)NAN;
    fer_str labels = l->labels, name, value;
    while (page_next_label(&labels, &name, &value))
        if (page_is_place(name))
            place = page_number(value);
    if (bucket && isinf(place))
        return; /* it is the count */
    fer_buf_clear(&s->part);
    if (bucket)
        put_number(&s->part, 1, whole_number(l->value));
    else
        put_double(&s->part, 1, place);
    put_double(&s->part, 2, bucket ? place : page_number(l->value));
    pb_put_bytes(&s->value, 3, fer_buf_str(&s->part));
}

/* Lines of a series stand together, its _count last. */
static void put_grouped(pb_scratch *s, const page_family *f, const page_line *l, uint32_t field)
{
    double none;
    fer_str suffix = suffix_of(f, l);
    if (str_eq(suffix, STR("_sum"))) {
        put_double(&s->value, 2, page_number(l->value));
    } else if (str_eq(suffix, STR("_count"))) {
        put_number(&s->value, 1, whole_number(l->value));
        put_pairs(s, l->labels, &none);
        end_metric(s, field);
    } else {
        put_place(s, l, str_eq(suffix, STR("_bucket")));
    }
}

static void put_message(fer_buf *out, pb_scratch *s, const page_family *f)
{
    enum { N_KINDS = sizeof kinds / sizeof *kinds };
    size_t k = 0;
    while (k + 1 < N_KINDS && !is_kind(f, kinds[k].type))
        k++;
    bool grouped = is_kind(f, "summary") || is_kind(f, "histogram");
    fer_buf_clear(&s->family);
    fer_buf_clear(&s->text);
    page_unescape(&s->text, f->help);
    pb_put_bytes(&s->family, 1, f->name);
    pb_put_bytes(&s->family, 2, fer_buf_str(&s->text));
    put_number(&s->family, 3, kinds[k].number);
    fer_str rest = f->lines;
    page_line l;
    while (page_next_line(&rest, &l)) {
        double none;
        if (grouped) {
            put_grouped(s, f, &l, kinds[k].field);
            continue;
        }
        put_pairs(s, l.labels, &none);
        put_double(&s->value, 1, page_number(l.value));
        end_metric(s, kinds[k].field);
    }
    pb_put_varint(out, s->family.n);
    fer_buf_puts(out, fer_buf_str(&s->family));
}

void metrics_put_protobuf(fer_buf *out, fer_str page)
{
    size_t n;
    page_family *v = page_split(page, &n);
    pb_scratch s;
    fer_buf *all[] = {&s.family, &s.metric, &s.value, &s.part, &s.text};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        fer_buf_init(all[i], MESSAGE_BYTES_MAX, NULL);
    for (size_t i = 0; i < n; i++)
        if (v[i].lines.n != 0)
            put_message(out, &s, &v[i]);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        fer_buf_done(all[i]);
    fer_free(v);
}
