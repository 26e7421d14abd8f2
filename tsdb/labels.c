#include "tsdb/labels.h"

#include "base/hash.h"
#include "base/text.h"
#include "base/utf8.h"

enum {
    INSERTION_MAX = 32, /* labels sorted by insertion; more go to qsort */
    HASH_STACK_BYTES = 1024,
    ERR_LABELS_BYTES = 1024, /* of a label set quoted in an error; no pair begins behind that */
    ERR_TEXT_BYTES = 256,    /* of one name or value there */
    ERR_BUF_BYTES = 16 * 1024
};

static const fer_str metric_name = {"__name__", 8};

/* ---- names and pairs as text ---- */

static bool name_is_legacy(fer_str s, bool colons)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool digit = c >= '0' && c <= '9' && i > 0;
        if (!letter && !digit && !(colons && c == ':'))
            return false;
    }
    return s.n > 0;
}

bool label_name_is_legacy(fer_str name)
{
    return name_is_legacy(name, false);
}

bool metric_name_is_legacy(fer_str name)
{
    return name_is_legacy(name, true);
}

static void print_pair(fer_buf *out, const label *l)
{
    if (label_name_is_legacy(l->name))
        fer_buf_puts(out, l->name);
    else
        text_quote(out, l->name);
    fer_buf_putc(out, '=');
    text_quote(out, l->value);
}

/* ---- canonical form ---- */

static int name_order(const void *a, const void *b)
{
    return str_cmp(((const label *)a)->name, ((const label *)b)->name);
}

/* Whether each name is above the one before, as senders write them. */
static bool is_ascending(const label *l, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (str_cmp(l[i - 1].name, l[i].name) >= 0)
            return false;
    return true;
}

static void sort_by_name(label *l, size_t n)
{
    if (n > INSERTION_MAX) {
        qsort(l, n, sizeof *l, name_order);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        label x = l[i];
        size_t at = i;
        while (at > 0 && str_cmp(x.name, l[at - 1].name) < 0) {
            l[at] = l[at - 1];
            at--;
        }
        l[at] = x;
    }
}

/* Enough of the labels to find the series by; what follows is left out. */
static void print_shortened(fer_buf *out, const label *l, size_t n)
{
    fer_buf_putc(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            fer_buf_puts(out, STR(", "));
        if (out->n > ERR_LABELS_BYTES) {
            fer_buf_puts(out, STR("..."));
            break;
        }
        label part = {str_head(l[i].name, ERR_TEXT_BYTES), str_head(l[i].value, ERR_TEXT_BYTES)};
        print_pair(out, &part);
    }
    fer_buf_putc(out, '}');
}

static fer_code fail_invalid(fer_err *err, const label *l, size_t n)
{
    fer_buf b;
    fer_buf_init(&b, ERR_BUF_BYTES, NULL);
    print_shortened(&b, l, n);
    fer_code code = fer_fail(err, FER_INVALID, "invalid metric name or labels, got %.*s",
                             STR_FMT(fer_buf_str(&b)));
    fer_buf_done(&b);
    return code;
}

static fer_code fail_duplicate(fer_err *err, const label *l, size_t n, fer_str name)
{
    fer_buf b;
    fer_buf_init(&b, ERR_BUF_BYTES, NULL);
    print_shortened(&b, l, n);
    fer_code code =
        fer_fail(err, FER_INVALID, "invalid labels for series, labels %.*s, duplicated label %.*s",
                 STR_FMT(fer_buf_str(&b)), STR_FMT(str_head(name, ERR_TEXT_BYTES)));
    fer_buf_done(&b);
    return code;
}

static fer_code check_sizes(const label *l, size_t n, fer_err *err)
{
    if (n > LABELS_MAX)
        return fer_fail(err, FER_LIMIT, "series has %zu labels, the limit is %d", n, LABELS_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t longer = l[i].name.n > l[i].value.n ? l[i].name.n : l[i].value.n;
        if (longer > LABEL_VALUE_BYTES_MAX)
            return fer_fail(
                err, FER_LIMIT, "label \"%.*s\": name or value of %zu bytes, the limit is %d",
                STR_FMT(str_head(l[i].name, ERR_TEXT_BYTES)), longer, LABEL_VALUE_BYTES_MAX);
    }
    return FER_OK;
}

/* __name__ must be there with a value where it is needed; where it is not, it may be missing but
 * still not be empty. */
static bool all_valid(const label *l, size_t n, bool need_name)
{
    bool has_name = false;
    for (size_t i = 0; i < n; i++) {
        if (l[i].name.n == 0 || !utf8_valid(l[i].name) || !utf8_valid(l[i].value))
            return false;
        if (str_eq(l[i].name, metric_name)) {
            if (l[i].value.n == 0)
                return false;
            has_name = true;
        }
    }
    return has_name || !need_name;
}

fer_code labels_canonical(label *l, size_t n, bool need_name, labels *ret, fer_err *err)
{
    FER_TRY(check_sizes(l, n, err));
    bool ascending = is_ascending(l, n);
    if (!ascending)
        sort_by_name(l, n);
    if (!all_valid(l, n, need_name))
        return fail_invalid(err, l, n);
    for (size_t i = 1; i < n && !ascending; i++)
        if (str_eq(l[i - 1].name, l[i].name))
            return fail_duplicate(err, l, n, l[i].name);

    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (l[i].value.n != 0)
            l[kept++] = l[i];
    *ret = (labels){l, kept};
    return FER_OK;
}

/* ---- reading and comparing ---- */

fer_str labels_get(labels ls, fer_str name)
{
    for (size_t i = 0; i < ls.n; i++)
        if (str_eq(ls.l[i].name, name))
            return ls.l[i].value;
    return STR("");
}

int labels_cmp(labels a, labels b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    for (size_t i = 0; i < n; i++) {
        int c = str_cmp(a.l[i].name, b.l[i].name);
        if (c == 0)
            c = str_cmp(a.l[i].value, b.l[i].value);
        if (c != 0)
            return c;
    }
    return (a.n > b.n) - (a.n < b.n);
}

bool labels_eq(labels a, labels b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (!str_eq(a.l[i].name, b.l[i].name) || !str_eq(a.l[i].value, b.l[i].value))
            return false;
    return true;
}

static size_t hashed_size(fer_str s)
{
    return s.n + (s.n < 255 ? 1 : 4);
}

static uint8_t *put_hashed(uint8_t *p, fer_str s)
{
    if (s.n < 255) {
        *p++ = (uint8_t)s.n;
    } else {
        *p++ = 255;
        *p++ = (uint8_t)s.n;
        *p++ = (uint8_t)(s.n >> 8);
        *p++ = (uint8_t)(s.n >> 16);
    }
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return p + s.n;
}

uint64_t labels_hash(labels ls)
{
    if (ls.n == 0)
        return fer_hash64("", 0);
    size_t size = 0;
    for (size_t i = 0; i < ls.n; i++)
        size += hashed_size(ls.l[i].name) + hashed_size(ls.l[i].value);

    uint8_t stack[HASH_STACK_BYTES];
    uint8_t *bytes = size <= sizeof stack ? stack : fer_alloc(size);
    uint8_t *p = bytes;
    for (size_t i = 0; i < ls.n; i++) {
        p = put_hashed(p, ls.l[i].name);
        p = put_hashed(p, ls.l[i].value);
    }
    uint64_t h = fer_hash64(bytes, size);
    if (bytes != stack)
        fer_free(bytes);
    return h;
}

/* ---- printing ---- */

void labels_print(fer_buf *out, labels ls)
{
    fer_buf_putc(out, '{');
    for (size_t i = 0; i < ls.n; i++) {
        if (i > 0)
            fer_buf_puts(out, STR(", "));
        print_pair(out, &ls.l[i]);
    }
    fer_buf_putc(out, '}');
}

void labels_print_metric(fer_buf *out, labels ls)
{
    fer_str name = labels_get(ls, metric_name);
    bool quoted = name.n > 0 && !metric_name_is_legacy(name);
    if (!quoted)
        fer_buf_puts(out, name);
    if (ls.n == 1 && name.n > 0 && !quoted)
        return;

    bool first = true;
    fer_buf_putc(out, '{');
    if (quoted) {
        text_quote(out, name);
        first = false;
    }
    for (size_t i = 0; i < ls.n; i++) {
        if (str_eq(ls.l[i].name, metric_name))
            continue;
        if (!first)
            fer_buf_puts(out, STR(", "));
        first = false;
        print_pair(out, &ls.l[i]);
    }
    fer_buf_putc(out, '}');
}
