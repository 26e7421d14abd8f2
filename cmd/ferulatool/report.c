#include "cmd/ferulatool/report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/text.h"
#include "promql/hist_stats.h"

#define JSON_EXACT_MAX (INT64_C(1) << 53)

void report_open(report *r, bool json)
{
    *r = (report){.json = json};
    out_open(&r->o);
}

int report_close(report *r)
{
    return out_close(&r->o) && r->damages == 0 ? 0 : EXIT_FAILURE;
}

void report_begin(report *r, const char *kind)
{
    if (r->json)
        fer_buf_printf(&r->o.b, "{\"kind\":\"%s\"", kind);
    else
        fer_buf_puts(&r->o.b, str_of(kind));
}

static void put_key(report *r, const char *key)
{
    fer_buf_printf(&r->o.b, r->json ? ",\"%s\":" : " %s=", key);
}

void report_uint(report *r, const char *key, uint64_t v)
{
    put_key(r, key);
    fer_buf_printf(&r->o.b, r->json && v > JSON_EXACT_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, v);
}

void report_int(report *r, const char *key, int64_t v)
{
    put_key(r, key);
    bool exact = v >= -JSON_EXACT_MAX && v <= JSON_EXACT_MAX;
    fer_buf_printf(&r->o.b, r->json && !exact ? "\"%" PRId64 "\"" : "%" PRId64, v);
}

void report_float(report *r, const char *key, double v)
{
    char text[NUM_TEXT_MAX];
    put_key(r, key);
    if (r->json)
        fer_buf_putc(&r->o.b, '"');
    fer_buf_put(&r->o.b, text, num_format_g(text, v));
    if (r->json)
        fer_buf_putc(&r->o.b, '"');
}

void report_bool(report *r, const char *key, bool v)
{
    put_key(r, key);
    fer_buf_puts(&r->o.b, v ? STR("true") : STR("false"));
}

/* Whether a text is as clear without quotes. */
static bool is_plain(fer_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' || s.p[i] == 0x7f)
            return false;
    return s.n != 0;
}

void report_text(report *r, const char *key, fer_str v)
{
    put_key(r, key);
    if (r->json)
        text_json_plain(&r->o.b, v);
    else if (is_plain(v))
        fer_buf_puts(&r->o.b, v);
    else
        text_quote(&r->o.b, v);
}

void report_labels(report *r, const char *key, labels ls)
{
    put_key(r, key);
    if (!r->json) {
        labels_print(&r->o.b, ls);
        return;
    }
    fer_buf_putc(&r->o.b, '{');
    for (size_t i = 0; i < ls.n; i++) {
        if (i != 0)
            fer_buf_putc(&r->o.b, ',');
        text_json_plain(&r->o.b, ls.l[i].name);
        fer_buf_putc(&r->o.b, ':');
        text_json_plain(&r->o.b, ls.l[i].value);
    }
    fer_buf_putc(&r->o.b, '}');
}

void report_histogram(report *r, const histogram *h, bool integers)
{
    fer_buf text;
    fer_buf_init(&text, SIZE_MAX / 2, NULL);
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(NULL, 0);
    if (hist_print(h, integers, tmp, &text) == FER_OK)
        report_text(r, "histogram", fer_buf_str(&text));
    fer_buf_done(&text);
}

void report_end(report *r)
{
    fer_buf_puts(&r->o.b, r->json ? STR("}\n") : STR("\n"));
    out_line(&r->o);
}

void report_damage(report *r, const char *file, uint64_t offset, const char *what)
{
    r->damages++;
    report_begin(r, "damage");
    report_text(r, "file", str_of(file));
    report_uint(r, "offset", offset);
    report_text(r, "what", str_of(what));
    report_end(r);
}
