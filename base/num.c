/* num.c - see num.h. The shortest digits come from shortest.c, the reading of decimal text from the shim; the
 * layout of the digits, the grammar and hexadecimal floats are here.
 */
#include "base/num.h"

#include <assert.h>
#include <math.h>

#include "base/shim.h"
#include "base/shortest.h"

/* Go's 'g' with the shortest precision uses an exponent from 10^6 on. */
enum { G_EXPONENT = 6 };

/* The digits of a finite value that is not negative: 0.d1d2d3... x 10^point. */
typedef struct digits {
    uint64_t d;
    unsigned n;
    int point;
} digits;

static unsigned digit_count(uint64_t v);

static digits digits_of(double v)
{
    int exponent = 0;
    uint64_t d = v == 0 ? 0 : shortest_of(v, &exponent);
    unsigned n = digit_count(d);
    return (digits){d, n, exponent + (int)n};
}

/* Eight characters, the first in the lowest byte. */
typedef uint64_t eight;

/* Of eight digits, zeros in front, each step splitting all parts of the number at once: into fours, twos, ones. */
static inline eight eight_digits(uint32_t v)
{
    uint64_t x = v / 10000 | (uint64_t)(v % 10000) << 32;
    uint64_t hundreds = (x * 10486) >> 20 & UINT64_C(0x0000007f0000007f);
    x = hundreds | (x - 100 * hundreds) << 16;
    uint64_t tens = (x * 103) >> 10 & UINT64_C(0x000f000f000f000f);
    return (tens | (x - 10 * tens) << 8) + UINT64_C(0x3030303030303030);
}

static inline void put_chars(char *to, eight x)
{
    memcpy(to, &x, sizeof x);
}

/* Writes the digits, and up to seven characters behind them. Returns the first eight characters. */
static inline eight put_digits(char *to, const digits *ds)
{
    const uint64_t half = 100000000;
    if (ds->n <= 8) {
        assert(ds->n > 0);
        eight x = eight_digits((uint32_t)ds->d) >> (64 - 8 * ds->n);
        put_chars(to, x);
        return x;
    }
    uint64_t high = ds->d / half;
    eight low = eight_digits((uint32_t)(ds->d % half));
    if (ds->n <= 16) {
        unsigned zeros = 16 - ds->n; /* in front of the high half */
        eight x = eight_digits((uint32_t)high) >> (8 * zeros);
        if (zeros != 0)
            x |= low << (64 - 8 * zeros);
        put_chars(to, x);
        put_chars(to + ds->n - 8, low);
        return x;
    }
    eight middle = eight_digits((uint32_t)(high % half));
    eight x = middle << 8 | (eight)('0' + high / half);
    put_chars(to, x);
    put_chars(to + 8, middle >> 56 | low << 8);
    to[16] = (char)(low >> 56);
    return x;
}

static size_t put(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n);
    return n;
}

/* NaN and the infinities; 0 for a finite value. */
static size_t put_special(char *buf, double v)
{
    if (isnan(v))
        return put(buf, "NaN");
    if (isinf(v))
        return put(buf, v > 0 ? "+Inf" : "-Inf");
    return 0;
}

static size_t put_sign(char *buf, double v)
{
    if (!signbit(v))
        return 0;
    *buf = '-';
    return 1;
}

static size_t put_fixed(char *to, const digits *ds)
{
    if (ds->point <= 0) {
        size_t zeros = (size_t)-ds->point;
        memcpy(to, "0.", 2);
        memset(to + 2, '0', zeros);
        put_digits(to + 2 + zeros, ds);
        return 2 + zeros + ds->n;
    }
    size_t whole = (size_t)ds->point;
    if (ds->n <= whole) {
        put_digits(to, ds);
        memset(to + ds->n, '0', whole - ds->n);
        return whole;
    }
    /* All digits one place further than they begin, then those in front of the point over them. */
    eight x = put_digits(to + 1, ds);
    if (whole < sizeof x) {
        eight before = (UINT64_C(1) << (8 * whole)) - 1;
        put_chars(to, (x & before) | (eight)'.' << (8 * whole) | (x & ~before) << 8);
    } else {
        memmove(to, to + 1, whole);
        to[whole] = '.';
    }
    return ds->n + 1;
}

static size_t put_exponent(char *to, const digits *ds)
{
    char *w = to + 1;
    put_digits(w, ds);
    to[0] = to[1];
    if (ds->n > 1) {
        to[1] = '.';
        w += ds->n;
    }
    int e = ds->d == 0 ? 0 : ds->point - 1;
    *w++ = 'e';
    *w++ = e < 0 ? '-' : '+';
    unsigned u = e < 0 ? (unsigned)-e : (unsigned)e;
    if (u >= 100)
        *w++ = (char)('0' + u / 100);
    *w++ = (char)('0' + u / 10 % 10);
    *w++ = (char)('0' + u % 10);
    return (size_t)(w - to);
}

/* Counters and the like: integers of up to eight digits. 0 for others. */
static inline size_t put_small(char *buf, double v)
{
    uint32_t whole = v >= 0 && v < 1e8 ? (uint32_t)(int32_t)v : 0;
    if (whole == 0 || (double)whole != v)
        return 0;
    eight x = eight_digits(whole);
    unsigned zeros = (unsigned)__builtin_ctzll(x - UINT64_C(0x3030303030303030)) / 8;
    put_chars(buf, x >> (8 * zeros));
    return 8 - zeros;
}

/* Integers whose digits are all significant: each is a double, and so is each neighbour. */
static bool is_plain_integer(double a)
{
    return a < 0x1p53 && (double)(int64_t)a == a;
}

size_t num_format_f(char *buf, double v)
{
    size_t n = put_small(buf, v);
    if (n != 0)
        return n;
    if (is_plain_integer(fabs(v))) {
        n = put_sign(buf, v);
        return n + num_format_u64(buf + n, (uint64_t)fabs(v));
    }
    n = put_special(buf, v);
    if (n != 0)
        return n;
    digits ds = digits_of(fabs(v));
    n = put_sign(buf, v);
    return n + put_fixed(buf + n, &ds);
}

size_t num_format_e(char *buf, double v)
{
    size_t n = put_special(buf, v);
    if (n != 0)
        return n;
    digits ds = digits_of(fabs(v));
    n = put_sign(buf, v);
    return n + put_exponent(buf + n, &ds);
}

size_t num_format_g(char *buf, double v)
{
    size_t n = put_special(buf, v);
    if (n != 0)
        return n;
    digits ds = digits_of(fabs(v));
    n = put_sign(buf, v);
    int e = ds.point - 1;
    if (ds.d != 0 && (e < -4 || e >= G_EXPONENT))
        return n + put_exponent(buf + n, &ds);
    return n + put_fixed(buf + n, &ds);
}

size_t num_format_json(char *buf, double v)
{
    double a = fabs(v);
    size_t n = put_small(buf, v);
    if (n != 0)
        return n;
    if (a != 0 && (a < 1e-6 || a >= 1e21))
        return num_format_e(buf, v);
    return num_format_f(buf, v);
}

size_t num_format_om(char *buf, double v)
{
    if (v == 0)
        return put(buf, "0.0"); /* also for -0, as Prometheus' writer */
    size_t n = num_format_g(buf, v);
    if (!isfinite(v) || memchr(buf, '.', n) != NULL || memchr(buf, 'e', n) != NULL)
        return n;
    return n + put(buf + n, ".0");
}

/* 1 for 0. */
static unsigned digit_count(uint64_t v)
{
    static const uint64_t powers[] = {1u,
                                      10u,
                                      100u,
                                      1000u,
                                      10000u,
                                      100000u,
                                      1000000u,
                                      10000000u,
                                      100000000u,
                                      1000000000u,
                                      10000000000u,
                                      100000000000u,
                                      1000000000000u,
                                      10000000000000u,
                                      100000000000000u,
                                      1000000000000000u,
                                      10000000000000000u,
                                      100000000000000000u,
                                      1000000000000000000u,
                                      10000000000000000000u};
    /* 1233 / 4096 is log10(2) but for a little: all digits, or all but one. */
    unsigned n = (64U - (unsigned)__builtin_clzll(v | 1)) * 1233 >> 12;
    return n + (v >= powers[n] || v == 0);
}

static const char number_pairs[] = "00010203040506070809101112131415161718192021222324"
                                   "25262728293031323334353637383940414243444546474849"
                                   "50515253545556575859606162636465666768697071727374"
                                   "75767778798081828384858687888990919293949596979899";

size_t num_format_u64(char *buf, uint64_t v)
{
    unsigned n = digit_count(v), at = n;
    for (; v >= 100; v /= 100) {
        at -= 2;
        memcpy(buf + at, number_pairs + v % 100 * 2, 2);
    }
    if (at == 2)
        memcpy(buf, number_pairs + v * 2, 2);
    else
        buf[0] = (char)('0' + v);
    return n;
}

void num_put_four(char *buf, uint32_t v)
{
    memcpy(buf, number_pairs + v / 100 * 2, 2);
    memcpy(buf + 2, number_pairs + v % 100 * 2, 2);
}

size_t num_format_i64(char *buf, int64_t v)
{
    if (v >= 0)
        return num_format_u64(buf, (uint64_t)v);
    *buf = '-';
    return 1 + num_format_u64(buf + 1, -(uint64_t)v);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static bool equal_fold(fer_str s, const char *lower)
{
    size_t n = strlen(lower);
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if ((char)(s.p[i] | 0x20) != lower[i])
            return false;
    }
    return true;
}

/* An optionally signed run of digits that is all of s. Saturates far beyond any double's range. */
static bool parse_exponent(fer_str s, int *ret)
{
    size_t i = 0;
    bool neg = false;
    if (s.n > 0 && (s.p[0] == '+' || s.p[0] == '-')) {
        neg = s.p[0] == '-';
        i = 1;
    }
    if (i == s.n)
        return false;
    int e = 0;
    for (; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return false;
        if (e < 10000000)
            e = e * 10 + (s.p[i] - '0');
    }
    *ret = neg ? -e : e;
    return true;
}

/* m x 2^e rounded once, to nearest even; `rest` tells that bits below m's last were not zero. */
static double hex_round(uint64_t m, int64_t e, bool rest)
{
    if (m == 0)
        return 0;
    int shift = __builtin_clzll(m);
    m <<= shift; /* 0.1xxx x 2^(e + 64) */
    e -= shift;
    int64_t top = e + 63; /* exponent of the leading bit */
    if (top > 1023)
        return HUGE_VAL;
    int64_t keep = top >= -1022 ? 53 : 53 + 1022 + top;
    if (keep < 0)
        return 0;
    uint64_t kept = keep == 0 ? 0 : m >> (64 - keep);
    uint64_t below = keep == 0 ? m : m << keep;
    const uint64_t half = 1ULL << 63;
    if (below > half || (below == half && (rest || (kept & 1) != 0)))
        kept++;
    return ldexp((double)kept, (int)(e + 64 - keep));
}

/* What follows "0x": hexadecimal digits with at most one point, then p and a decimal exponent. */
static bool parse_hex(fer_str s, double *ret)
{
    uint64_t m = 0;
    int64_t e = 0;
    bool rest = false, seen_digit = false, seen_point = false;
    size_t i = 0;
    for (; i < s.n; i++) {
        if (s.p[i] == '.' && !seen_point) {
            seen_point = true;
            continue;
        }
        int d = hex_value(s.p[i]);
        if (d < 0)
            break;
        seen_digit = true;
        if (m >> 60 == 0) {
            m = m << 4 | (uint64_t)d;
            e -= seen_point ? 4 : 0;
        } else {
            rest = rest || d != 0;
            e += seen_point ? 0 : 4;
        }
    }
    int power;
    if (!seen_digit || i == s.n || (s.p[i] | 0x20) != 'p' ||
        !parse_exponent(str_from(s, i + 1), &power))
        return false;
    *ret = hex_round(m, e + power, rest);
    return true;
}

static bool parse_decimal(fer_str s, double *ret)
{
    size_t i = 0;
    bool seen_digit = false, seen_point = false;
    for (; i < s.n; i++) {
        if (is_digit(s.p[i]))
            seen_digit = true;
        else if (s.p[i] == '.' && !seen_point)
            seen_point = true;
        else
            break;
    }
    if (!seen_digit)
        return false;
    int e;
    if (i < s.n && ((s.p[i] | 0x20) != 'e' || !parse_exponent(str_from(s, i + 1), &e)))
        return false;
    *ret = shim_parse_decimal(s.p, s.n);
    return true;
}

bool num_parse_f64(fer_str s, double *ret)
{
    if (equal_fold(s, "nan")) {
        *ret = NAN;
        return true;
    }
    bool neg = false;
    if (s.n > 0 && (s.p[0] == '+' || s.p[0] == '-')) {
        neg = s.p[0] == '-';
        s = str_from(s, 1);
    }
    if (equal_fold(s, "inf") || equal_fold(s, "infinity")) {
        *ret = neg ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    double v = 0;
    bool hex = s.n > 2 && s.p[0] == '0' && (s.p[1] | 0x20) == 'x';
    if (hex ? !parse_hex(str_from(s, 2), &v) : !parse_decimal(s, &v))
        return false;
    *ret = neg ? -v : v;
    return isfinite(v);
}

bool num_parse_u64(fer_str s, uint64_t *ret)
{
    if (s.n > 0 && s.p[0] == '+')
        s = str_from(s, 1);
    if (s.n == 0)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *ret = v;
    return true;
}

bool num_parse_i64(fer_str s, int64_t *ret)
{
    bool neg = s.n > 0 && s.p[0] == '-';
    uint64_t u;
    if (neg && (s.n < 2 || !is_digit(s.p[1])))
        return false;
    if (!num_parse_u64(neg ? str_from(s, 1) : s, &u))
        return false;
    if (u > (uint64_t)INT64_MAX + (neg ? 1 : 0))
        return false;
    *ret = neg ? (int64_t)-u : (int64_t)u;
    return true;
}
