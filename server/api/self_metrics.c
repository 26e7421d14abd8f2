/* self_metrics.c - the families of the page as protobuf's JSON. */
#include "server/api/self_metrics.h"

#include <math.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "server/api/metrics_page.h"
#include "server/api/reply.h"
#include "server/api/status.h"
#include "server/api/web.h"

enum { PAGE_BYTES_MAX = 16 * 1024 * 1024 };

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

/* "label":[...], but for the one that tells bucket or quantile, whose value becomes *ret_place. */
static void put_labels(fer_buf *out, fer_str text, double *ret_place)
{
    fer_buf value;
    fer_buf_init(&value, PAGE_BYTES_MAX, NULL);
    fer_str name, escaped;
    const char *before = "\"label\":[";
    while (page_next_label(&text, &name, &escaped)) {
        if (page_is_place(name)) {
            *ret_place = page_number(escaped);
            continue;
        }
        fer_buf_clear(&value);
        page_unescape(&value, escaped);
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

static void put_simple(fer_buf *out, const page_line *l, const char *kind)
{
    double none;
    fer_buf_putc(out, '{');
    put_labels(out, l->labels, &none);
    fer_buf_printf(out, "\"%s\":{\"value\":", kind);
    put_double(out, page_number(l->value));
    fer_buf_puts(out, STR("}}"));
}

static void put_place(fer_buf *parts, const page_line *l, bool buckets)
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
        put_double(parts, page_number(l->value));
    }
    fer_buf_putc(parts, '}');
}

/* A summary or histogram ends with its _count. */
static void put_whole(fer_buf *out, const page_line *count, fer_str sum, const fer_buf *parts,
                      bool buckets)
{
    double none;
    fer_buf_putc(out, '{');
    put_labels(out, count->labels, &none);
    fer_buf_printf(out, "\"%s\":{\"sampleCount\":\"%.*s\",\"sampleSum\":",
                   buckets ? "histogram" : "summary", STR_FMT(count->value));
    put_double(out, page_number(sum));
    if (parts->n != 0)
        fer_buf_printf(out, ",\"%s\":[%.*s]", buckets ? "bucket" : "quantile", (int)parts->n,
                       parts->p);
    fer_buf_puts(out, STR("}}"));
}

static void put_grouped(fer_buf *out, const page_family *f, bool buckets)
{
    fer_buf parts;
    fer_buf_init(&parts, PAGE_BYTES_MAX, NULL);
    fer_str rest = f->lines, sum = STR("0");
    const char *sep = "";
    page_line l;
    while (page_next_line(&rest, &l)) {
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

static void put_metrics(fer_buf *out, const page_family *f)
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
    page_line l;
    while (page_next_line(&rest, &l)) {
        fer_buf_puts(out, str_of(sep));
        sep = ",";
        put_simple(out, &l, kind);
    }
}

static void put_family(fer_buf *out, const page_family *f)
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
    page_family *v = page_split(page, &n);
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
