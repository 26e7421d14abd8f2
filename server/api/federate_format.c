/* federate_format.c - the Accept header, and names as it wants them. */
#include "server/api/federate_format.h"

#include <inttypes.h>

#include "base/num.h"
#include "base/utf8.h"
#include "tsdb/labels.h"

enum { CLAUSES_MAX = 32 };

static fer_str trim(fer_str s)
{
    while (s.n != 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_from(s, 1);
    while (s.n != 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* The part before the separator; *rest is moved behind it. */
static fer_str next_part(fer_str *rest, char separator)
{
    const char *end = rest->n == 0 ? NULL : memchr(rest->p, separator, rest->n);
    fer_str part = str_head(*rest, end == NULL ? rest->n : (size_t)(end - rest->p));
    *rest = str_from(*rest, part.n + 1);
    return trim(part);
}

typedef struct clause {
    fer_str type, version, escaping, proto, encoding;
    double q;
} clause;

static clause read_clause(fer_str text)
{
    clause c = {.type = next_part(&text, ';'), .q = 1};
    while (text.n != 0) {
        fer_str param = next_part(&text, ';');
        fer_str name = next_part(&param, '=');
        if (str_eq(name, STR("version")))
            c.version = trim(param);
        else if (str_eq(name, STR("escaping")))
            c.escaping = trim(param);
        else if (str_eq(name, STR("proto")))
            c.proto = trim(param);
        else if (str_eq(name, STR("encoding")))
            c.encoding = trim(param);
        else if (str_eq(name, STR("q")) && !num_parse_f64(trim(param), &c.q))
            c.q = 0;
    }
    return c;
}

static bool is_text(const clause *c)
{
    bool type = str_eq(c->type, STR("text/plain")) || str_eq(c->type, STR("text/*"));
    return type && (c->version.n == 0 || str_eq(c->version, STR("0.0.4")) ||
                    str_eq(c->version, STR("1.0.0")));
}

static bool is_protobuf(const clause *c)
{
    return str_eq(c->type, STR("application/vnd.google.protobuf")) &&
           str_eq(c->proto, STR("io.prometheus.client.MetricFamily")) &&
           str_eq(c->encoding, STR("delimited"));
}

static bool scheme_of(fer_str text, name_escaping *ret)
{
    static const struct {
        const char *text;
        name_escaping e;
    } known[] = {
        {"underscores", ESCAPE_UNDERSCORES},
        {"dots", ESCAPE_DOTS},
        {"values", ESCAPE_VALUES},
        {"allow-utf-8", ESCAPE_NONE},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_eq(text, str_of(known[i].text))) {
            *ret = known[i].e;
            return true;
        }
    return false;
}

/* Whether the clause is one of the offers. */
static bool is_offered(const clause *c, unsigned offers, exposition *ret)
{
    *ret = EXPOSE_TEXT;
    if (is_text(c))
        return true;
    if ((offers & OFFER_PROTOBUF) && is_protobuf(c)) {
        *ret = EXPOSE_PROTOBUF;
        return true;
    }
    if (!(offers & OFFER_OPENMETRICS) || !str_eq(c->type, STR("application/openmetrics-text")))
        return false;
    bool newest = str_eq(c->version, STR("1.0.0"));
    *ret = newest ? EXPOSE_OPENMETRICS_1_0_0 : EXPOSE_OPENMETRICS_0_0_1;
    return newest || c->version.n == 0 || str_eq(c->version, STR("0.0.1"));
}

exposition federate_negotiate(fer_str accept, unsigned offers, name_escaping *ret)
{
    clause c[CLAUSES_MAX];
    size_t n = 0;
    *ret = ESCAPE_UNDERSCORES;
    while (accept.n != 0 && n < CLAUSES_MAX) {
        clause one = read_clause(next_part(&accept, ','));
        size_t i = n++; /* the better first, equal ones as they came */
        for (; i > 0 && c[i - 1].q < one.q; i--)
            c[i] = c[i - 1];
        c[i] = one;
    }
    exposition x = EXPOSE_TEXT;
    for (size_t i = 0; i < n; i++) {
        scheme_of(c[i].escaping, ret);
        if (is_offered(&c[i], offers, &x))
            return x;
    }
    return EXPOSE_TEXT;
}

#define ALL_ESCAPINGS(type)                                                                        \
    {                                                                                              \
        type "escaping=underscores", type "escaping=dots", type "escaping=values",                 \
            type "escaping=allow-utf-8"                                                            \
    }

const char *federate_content_type(exposition x, name_escaping e)
{
    static const char *const types[][4] = {
        ALL_ESCAPINGS("text/plain; version=0.0.4; charset=utf-8; "),
        ALL_ESCAPINGS("application/vnd.google.protobuf; "
                      "proto=io.prometheus.client.MetricFamily; encoding=delimited; "),
        ALL_ESCAPINGS("application/openmetrics-text; version=0.0.1; charset=utf-8; "),
        ALL_ESCAPINGS("application/openmetrics-text; version=1.0.0; charset=utf-8; "),
    };
    return types[x][e];
}

/* ---- names ---- */

static bool is_legacy(uint32_t rune, bool first)
{
    return (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z') || rune == '_' ||
           rune == ':' || (rune >= '0' && rune <= '9' && !first);
}

static void put_rune(fer_buf *out, name_escaping e, uint32_t rune, bool first)
{
    if (e == ESCAPE_UNDERSCORES)
        fer_buf_putc(out, is_legacy(rune, first) ? (char)rune : '_');
    else if (rune != '_' && is_legacy(rune, first))
        fer_buf_putc(out, (char)rune);
    else if (e == ESCAPE_DOTS && rune == '.')
        fer_buf_puts(out, STR("_dot_"));
    else if (e == ESCAPE_DOTS || rune == '_')
        fer_buf_puts(out, STR("__"));
    else
        fer_buf_printf(out, "_%" PRIx32 "_", rune);
}

void federate_put_name(fer_buf *out, name_escaping e, fer_str name)
{
    if (e == ESCAPE_NONE || metric_name_is_legacy(name)) {
        fer_buf_puts(out, name);
        return;
    }
    if (e == ESCAPE_VALUES)
        fer_buf_puts(out, STR("U__"));
    for (size_t i = 0; i < name.n;) {
        uint32_t rune;
        size_t n = utf8_decode(str_from(name, i), &rune);
        if (n == 0) { /* not UTF-8 */
            n = 1;
            rune = 0xfffd;
        }
        put_rune(out, e, rune, i == 0);
        i += n;
    }
}
