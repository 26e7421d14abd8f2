/* form.c - percent-encoded pairs. */
#include "server/http/form.h"

#include "base/text.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static fer_code bad_escape(fer_str at, fer_err *err)
{
    fer_buf b;
    fer_buf_init(&b, 64, NULL);
    text_quote(&b, str_head(at, 3));
    fer_code code = fer_fail(err, FER_INVALID, "invalid URL escape %.*s", (int)b.n, b.p);
    fer_buf_done(&b);
    return code;
}

static bool needs_decoding(fer_str s, bool plus)
{
    return s.n != 0 && (memchr(s.p, '%', s.n) != NULL || (plus && memchr(s.p, '+', s.n) != NULL));
}

fer_code http_unescape(fer_str text, bool plus, fer_arena *a, fer_str *ret, fer_err *err)
{
    if (!needs_decoding(text, plus)) {
        *ret = text;
        return FER_OK;
    }
    char *out = fer_arena_alloc(a, text.n);
    if (out == NULL)
        return fer_fail_budget(err, "request");
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%') {
            int hi = text.n - i < 3 ? -1 : hex_value(text.p[i + 1]);
            int lo = hi < 0 ? -1 : hex_value(text.p[i + 2]);
            if (lo < 0)
                return bad_escape(str_from(text, i), err);
            c = (char)(hi * 16 + lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    *ret = (fer_str){out, n};
    return FER_OK;
}

static fer_code add(http_form *f, fer_str name, fer_str value, fer_arena *a, fer_err *err)
{
    if (f->n == HTTP_FORM_PAIRS_MAX)
        return fer_fail(err, FER_LIMIT, "too many parameters: more than %d", HTTP_FORM_PAIRS_MAX);
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 8 : 2 * f->cap;
        void *more = fer_arena_grow(a, f->pairs, f->cap * sizeof *f->pairs, cap * sizeof *f->pairs);
        if (more == NULL)
            return fer_fail_budget(err, "request");
        f->pairs = more;
        f->cap = cap;
    }
    f->pairs[f->n++] = (struct http_pair){name, value};
    return FER_OK;
}

static fer_code parse_pair(http_form *f, fer_str pair, fer_arena *a, fer_err *err)
{
    if (memchr(pair.p, ';', pair.n) != NULL)
        return fer_fail(err, FER_INVALID, "invalid semicolon separator in query");
    const char *eq = memchr(pair.p, '=', pair.n);
    size_t at = eq == NULL ? pair.n : (size_t)(eq - pair.p);
    fer_str name, value;
    FER_TRY(http_unescape(str_head(pair, at), true, a, &name, err));
    FER_TRY(http_unescape(str_from(pair, at + 1), true, a, &value, err));
    return add(f, name, value, a, err);
}

fer_code http_form_parse(http_form *f, fer_str text, fer_arena *a, fer_err *err)
{
    fer_code first = FER_OK;
    while (text.n != 0) {
        const char *amp = memchr(text.p, '&', text.n);
        size_t at = amp == NULL ? text.n : (size_t)(amp - text.p);
        fer_str pair = str_head(text, at);
        text = str_from(text, at + 1);
        if (pair.n == 0)
            continue;
        fer_code code = parse_pair(f, pair, a, first == FER_OK ? err : NULL);
        if (code == FER_LIMIT)
            return code;
        if (first == FER_OK)
            first = code;
    }
    return first;
}
