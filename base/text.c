/* text.c - see text.h. */
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>

#include "base/num.h"
#include "base/utf8.h"

typedef struct range {
    uint32_t first, last;
} range;

/* What Go's strconv.IsPrint refuses above ASCII: controls, format characters, spaces, surrogates,
 * private use and noncharacters (Unicode 15 categories C and Z). Of unassigned code points only the
 * large empty areas are listed; single holes between scripts count as printable. */
static const range unprintable[] = {
    {0x7f, 0xa0},       {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},
    {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},
    {0x1680, 0x1680},   {0x180e, 0x180e},   {0x2000, 0x200f},   {0x2028, 0x202f},
    {0x205f, 0x206f},   {0x3000, 0x3000},   {0xd800, 0xf8ff},   {0xfdd0, 0xfdef},
    {0xfeff, 0xfeff},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},   {0x110bd, 0x110bd},
    {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0x1fbfa, 0x1ffff}, {0x2fa1e, 0x2ffff}, {0x323b0, 0xe00ff}, {0xe01f0, 0x10ffff},
};

bool text_printable(uint32_t rune)
{
    if (rune < 0x7f)
        return rune >= 0x20;
    size_t lo = 0, hi = sizeof unprintable / sizeof *unprintable;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rune > unprintable[mid].last)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo == sizeof unprintable / sizeof *unprintable || rune < unprintable[lo].first;
}

static void quote_rune(fer_buf *out, fer_str bytes, uint32_t rune)
{
    static const char controls[] = "abtnvfr"; /* \a is 7 and so on */
    if (rune == '"' || rune == '\\') {
        fer_buf_putc(out, '\\');
        fer_buf_puts(out, bytes);
    } else if (text_printable(rune)) {
        fer_buf_puts(out, bytes);
    } else if (rune >= 7 && rune <= 13) {
        fer_buf_putc(out, '\\');
        fer_buf_putc(out, controls[rune - 7]);
    } else if (rune < 0x80) {
        fer_buf_printf(out, "\\x%02x", rune);
    } else if (rune < 0x10000) {
        fer_buf_printf(out, "\\u%04x", rune);
    } else {
        fer_buf_printf(out, "\\U%08x", rune);
    }
}

void text_quote(fer_buf *out, fer_str s)
{
    fer_buf_putc(out, '"');
    for (size_t i = 0; i < s.n;) {
        fer_str rest = str_from(s, i);
        uint32_t rune;
        size_t n = utf8_decode(rest, &rune);
        if (n != 0)
            quote_rune(out, str_head(rest, n), rune);
        else
            fer_buf_printf(out, "\\x%02x", (unsigned char)s.p[i]);
        i += n != 0 ? n : 1;
    }
    fer_buf_putc(out, '"');
}

/* How one of Go's writers spells what may be spelt in several ways. */
typedef struct json_style {
    const char *escaped;  /* ASCII bytes >= 0x20 written as \u00xx */
    const char *letters;  /* for \b \t \n \v \f \r; 0 = \u00xx */
    bool line_separators; /* U+2028 and U+2029 escaped */
    fer_str replacement;  /* of an invalid byte */
} json_style;

static void json_ascii(fer_buf *out, char c, const json_style *style)
{
    if (c == '"' || c == '\\') {
        fer_buf_putc(out, '\\');
        fer_buf_putc(out, c);
    } else if (c >= '\b' && c <= '\r' && style->letters[c - '\b'] != ' ') {
        fer_buf_putc(out, '\\');
        fer_buf_putc(out, style->letters[c - '\b']);
    } else if (c < 0x20 || strchr(style->escaped, c) != NULL) {
        fer_buf_printf(out, "\\u%04x", (unsigned char)c);
    } else {
        fer_buf_putc(out, c);
    }
}

typedef signed char bytes16 __attribute__((vector_size(16)));
typedef uint64_t halves __attribute__((vector_size(16)));

/* Whether one of 16 bytes is a control, not ASCII (both are below 0x20 as signed numbers), or one of those that some
 * style escapes. */
static inline bool json_special(bytes16 x)
{
    /* < and > differ in one bit, and so do & and the quote. */
    halves special = (halves)((x < 0x20) | ((x & ~4) == '"') | (x == '\\') | ((x & ~2) == '<'));
    return (special[0] | special[1]) != 0;
}

static inline bytes16 load16(const char *p)
{
    bytes16 x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Of fewer than 16 bytes: all of them, some twice. */
static inline bytes16 load_few(const char *p, size_t n)
{
    uint64_t a = 0x6161616161616161, b = a;
    uint32_t c, d;
    if (n >= sizeof a) {
        memcpy(&a, p, sizeof a);
        memcpy(&b, p + n - sizeof b, sizeof b);
    } else if (n >= sizeof c) {
        memcpy(&c, p, sizeof c);
        memcpy(&d, p + n - sizeof d, sizeof d);
        a = (uint64_t)c << 32 | d;
    } else if (n != 0) {
        a = (uint64_t)(uint8_t)p[0] << 16 | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint8_t)p[n - 1] |
            (a & ~UINT64_C(0xffffff));
    }
    return (bytes16)(halves){a, b};
}

/* Whether every style copies s as it is. */
static bool json_is_plain(fer_str s)
{
    if (s.n < sizeof(bytes16))
        return !json_special(load_few(s.p, s.n));
    for (size_t n = 0; n + sizeof(bytes16) < s.n; n += sizeof(bytes16))
        if (json_special(load16(s.p + n)))
            return false;
    return !json_special(load16(s.p + s.n - sizeof(bytes16)));
}

/* The length of the run at the beginning of s that every style copies as it is. */
static size_t json_plain_run(fer_str s)
{
    size_t n = 0;
    while (n + sizeof(bytes16) <= s.n && !json_special(load16(s.p + n)))
        n += sizeof(bytes16);
    while (n < s.n) {
        unsigned char c = (unsigned char)s.p[n];
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&')
            break;
        n++;
    }
    return n;
}

static void put_json(fer_buf *out, fer_str s, const json_style *style)
{
    if (json_is_plain(s)) { /* as most are */
        char *at = fer_buf_room(out, s.n + 2);
        if (at == NULL)
            return;
        at[0] = '"';
        if (s.n != 0)
            memcpy(at + 1, s.p, s.n);
        at[s.n + 1] = '"';
        out->n += s.n + 2;
        return;
    }
    fer_buf_putc(out, '"');
    while (s.n > 0) {
        size_t n = json_plain_run(s);
        fer_buf_put(out, s.p, n);
        s = str_from(s, n);
        if (s.n == 0)
            break;
        uint32_t rune;
        n = utf8_decode(s, &rune);
        if (n == 0)
            fer_buf_puts(out, style->replacement);
        else if (n == 1)
            json_ascii(out, s.p[0], style);
        else if (style->line_separators && (rune == 0x2028 || rune == 0x2029))
            fer_buf_printf(out, "\\u%04x", rune);
        else
            fer_buf_put(out, s.p, n);
        s = str_from(s, n != 0 ? n : 1);
    }
    fer_buf_putc(out, '"');
}

void text_json(fer_buf *out, fer_str s)
{
    static const json_style style = {"<>&", "btn fr", true, {"\\ufffd", 6}};
    put_json(out, s, &style);
}

void text_json_plain(fer_buf *out, fer_str s)
{
    static const json_style style = {"", " tn  r", false, {"\xef\xbf\xbd", 3}};
    put_json(out, s, &style);
}

typedef struct unit {
    const char *name;
    int64_t ms;
    bool exact; /* written only when nothing remains behind it */
} unit;

static const unit units[] = {
    {"y", 365LL * 86400000, true},
    {"w", 7LL * 86400000, true},
    {"d", 86400000, false},
    {"h", 3600000, false},
    {"m", 60000, false},
    {"s", 1000, false},
    {"ms", 1, false},
};

enum { UNITS = sizeof units / sizeof *units };

/* Go keeps durations in nanoseconds. */
static const int64_t duration_max_ms = INT64_MAX / 1000000;

static fer_code bad_duration(fer_str s, fer_err *err)
{
    fer_buf text;
    fer_buf_init(&text, SIZE_MAX / 2, NULL);
    text_quote(&text, s);
    fer_fail(err, FER_INVALID, "not a valid duration string: %.*s", STR_FMT(text));
    fer_buf_done(&text);
    return FER_INVALID;
}

static fer_code unknown_unit(fer_str name, fer_str s, fer_err *err)
{
    fer_buf text;
    fer_buf_init(&text, SIZE_MAX / 2, NULL);
    text_quote(&text, name);
    fer_buf_puts(&text, STR(" in duration "));
    text_quote(&text, s);
    fer_fail(err, FER_INVALID, "unknown unit %.*s", STR_FMT(text));
    fer_buf_done(&text);
    return FER_INVALID;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t find_unit(fer_str name)
{
    size_t i = 0;
    while (i < UNITS && !str_eq(name, str_of(units[i].name)))
        i++;
    return i;
}

/* The number at the beginning of s and its unit, which runs to the next digit. */
static bool split_term(fer_str s, uint64_t *ret_value, size_t *ret_digits, fer_str *ret_unit)
{
    uint64_t v = 0;
    size_t i = 0, end;
    for (; i < s.n && is_digit(s.p[i]); i++) {
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    for (end = i; end < s.n && !is_digit(s.p[end]);)
        end++;
    *ret_value = v;
    *ret_digits = i;
    *ret_unit = (fer_str){s.p + i, end - i};
    return i != 0 && end != i;
}

fer_code text_parse_duration(fer_str s, int64_t *ret_ms, fer_err *err)
{
    if (s.n == 0)
        return fer_fail(err, FER_INVALID, "empty duration string");
    int64_t total = 0;
    size_t next_unit = 0; /* units come in order, each once */
    fer_str rest = str_eq(s, STR("0")) ? STR("") : s;
    while (rest.n > 0) {
        uint64_t v;
        size_t digits;
        fer_str name;
        if (!split_term(rest, &v, &digits, &name))
            return bad_duration(s, err);
        size_t u = find_unit(name);
        if (u == UNITS)
            return unknown_unit(name, s, err);
        if (u < next_unit)
            return bad_duration(s, err);
        next_unit = u + 1;
        if (v > (uint64_t)((duration_max_ms - total) / units[u].ms))
            return fer_fail(err, FER_INVALID, "duration out of range");
        total += (int64_t)v * units[u].ms;
        rest = str_from(rest, digits + name.n);
    }
    *ret_ms = total;
    return FER_OK;
}

void text_format_duration(fer_buf *out, int64_t ms)
{
    if (ms == 0)
        fer_buf_puts(out, STR("0s"));
    if (ms < 0)
        fer_buf_putc(out, '-');
    uint64_t left = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    for (size_t i = 0; i < UNITS; i++) {
        uint64_t size = (uint64_t)units[i].ms;
        assert(size > 0);
        if (left < size || (units[i].exact && left % size != 0))
            continue;
        fer_buf_printf(out, "%llu%s", (unsigned long long)(left / size), units[i].name);
        left %= size;
    }
}

enum { DISTANCE_MAX = 64 };

size_t text_distance(fer_str a, fer_str b)
{
    if (a.n > DISTANCE_MAX || b.n > DISTANCE_MAX)
        return SIZE_MAX;
    size_t row[DISTANCE_MAX + 1]; /* distances of a's first i bytes to b's first j */
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 0; i < a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.n; j++) {
            size_t change = diagonal + (a.p[i] != b.p[j]);
            size_t gap = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = change < gap ? change : gap;
        }
    }
    return row[b.n];
}

/* Decimal and binary spelling; each 1024 times the one before. */
static const char *const byte_units[][2] = {{"B", "B"},    {"KB", "KiB"}, {"MB", "MiB"},
                                            {"GB", "GiB"}, {"TB", "TiB"}, {"PB", "PiB"},
                                            {"EB", "EiB"}};
enum { BYTE_UNITS = sizeof byte_units / sizeof *byte_units };

/* Takes a number and its unit off *text. */
static bool take_bytes(fer_str *text, double *ret)
{
    size_t n = 0, m;
    while (n < text->n && strchr("0123456789.", text->p[n]) != NULL)
        n++;
    if (n == 0 || !num_parse_f64(str_head(*text, n), ret))
        return false;
    for (m = n; m < text->n && strchr("0123456789.", text->p[m]) == NULL; m++) {
    }
    fer_str name = {text->p + n, m - n};
    *text = str_from(*text, m);
    for (size_t i = 0; i < BYTE_UNITS; i++, *ret *= 1024)
        if (str_eq(name, str_of(byte_units[i][0])) || str_eq(name, str_of(byte_units[i][1])))
            return true;
    return name.n == 0 && *ret == 0;
}

bool text_parse_bytes(fer_str text, uint64_t *ret)
{
    double sum = 0, one;
    do {
        if (!take_bytes(&text, &one))
            return false;
        sum += one;
    } while (text.n != 0);
    if (sum >= 9223372036854775808.0)
        return false;
    *ret = (uint64_t)sum;
    return true;
}

void text_format_bytes(fer_buf *out, int64_t bytes)
{
    if (bytes <= 0) {
        fer_buf_puts(out, STR("0B"));
        return;
    }
    for (int i = BYTE_UNITS - 1; i >= 0; i--) {
        int64_t part = bytes >> (10 * i) & (i == BYTE_UNITS - 1 ? INT64_MAX : 1023);
        if (part != 0)
            fer_buf_printf(out, "%" PRId64 "%s", part, byte_units[i][1]);
    }
}
