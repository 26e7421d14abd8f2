/* params.c - parsing of API parameters. */
#include "server/api/params.h"

#include <inttypes.h>
#include <math.h>

#include "base/num.h"
#include "base/text.h"

/* strconv.ParseFloat also takes underscores between digits; the API inherits that. */
static bool parse_number(fer_str s, double *ret)
{
    char buf[64];
    size_t n = 0;
    if (s.n == 0 || s.n > sizeof buf)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool between = s.p[i] == '_' && i > 0 && i + 1 < s.n && s.p[i - 1] >= '0' &&
                       s.p[i - 1] <= '9' && s.p[i + 1] >= '0' && s.p[i + 1] <= '9';
        if (!between)
            buf[n++] = s.p[i];
    }
    return num_parse_f64((fer_str){buf, n}, ret);
}

/* Seconds to ms as Go does it: whole seconds and fraction apart, the fraction rounded to ms first. */
static int64_t seconds_to_ms(double s)
{
    if (isnan(s))
        return API_MIN_TIME_MS;
    if (s >= (double)(API_MAX_TIME_MS / 1000))
        return API_MAX_TIME_MS;
    if (s <= (double)(API_MIN_TIME_MS / 1000))
        return API_MIN_TIME_MS;
    double whole;
    double fraction = modf(s, &whole);
    fraction = round(fraction * 1000) / 1000;
    int64_t ns = (int64_t)(fraction * 1e9);
    int64_t ms = ns / 1000000;
    if (ns < 0 && ns % 1000000 != 0)
        ms--;
    return (int64_t)whole * 1000 + ms;
}

/* Exactly n digits at s[at]; -1 otherwise. */
static int digits(fer_str s, size_t at, size_t n)
{
    int v = 0;
    if (at + n > s.n)
        return -1;
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        v = v * 10 + (s.p[i] - '0');
    }
    return v;
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days_of(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int days_in_month(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

/* ".123456" at *at -> ms, rounded down; moves *at behind it. */
static int64_t fraction_ms(fer_str s, size_t *at)
{
    int64_t ms = 0, scale = 100;
    for (++*at; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9'; ++*at) {
        ms += (s.p[*at] - '0') * scale;
        scale /= 10;
    }
    return ms;
}

/* "Z" or "+hh:mm" up to the end -> minutes east; false otherwise. */
static bool zone_minutes(fer_str zone, int *ret)
{
    if (str_eq(zone, STR("Z"))) {
        *ret = 0;
        return true;
    }
    if (zone.n != 6 || (zone.p[0] != '+' && zone.p[0] != '-') || zone.p[3] != ':')
        return false;
    int h = digits(zone, 1, 2), m = digits(zone, 4, 2);
    if (h < 0 || h > 24 || m < 0 || m > 60) /* so far go Go's zones */
        return false;
    *ret = (zone.p[0] == '-' ? -1 : 1) * (h * 60 + m);
    return true;
}

/* RFC 3339 with any fraction. */
static bool parse_rfc3339(fer_str s, int64_t *ret_ms)
{
    int y = digits(s, 0, 4), mo = digits(s, 5, 2), d = digits(s, 8, 2);
    int h = digits(s, 11, 2), mi = digits(s, 14, 2), sec = digits(s, 17, 2);
    if (s.n < 20 || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != 'T' || s.p[13] != ':' ||
        s.p[16] != ':')
        return false;
    if (y < 0 || mo < 1 || mo > 12 || d < 1 || d > days_in_month(y, mo) || h < 0 || h > 23 ||
        mi < 0 || mi > 59 || sec < 0 || sec > 59)
        return false;
    size_t at = 19;
    int64_t ms = 0;
    if (s.p[at] == '.' || s.p[at] == ',') {
        if (digits(s, at + 1, 1) < 0)
            return false;
        ms = fraction_ms(s, &at);
    }
    int zone;
    if (!zone_minutes(str_from(s, at), &zone))
        return false;
    int64_t minutes = days_of(y, mo, d) * 1440 + h * 60 + mi - zone;
    *ret_ms = (minutes * 60 + sec) * 1000 + ms;
    return true;
}

fer_code api_parse_time(fer_str s, int64_t *ret_ms, fer_err *err)
{
    double v;
    if (parse_number(s, &v)) {
        *ret_ms = seconds_to_ms(v);
        return FER_OK;
    }
    if (parse_rfc3339(s, ret_ms))
        return FER_OK;
    /* The texts Go prints for its own extremes. */
    if (str_eq(s, STR("-292273086-05-16T16:47:06Z"))) {
        *ret_ms = API_MIN_TIME_MS;
        return FER_OK;
    }
    if (str_eq(s, STR("292277025-08-18T07:12:54.999999999Z")) ||
        str_eq(s, STR("+292277025-08-18T07:12:54.999999999Z"))) {
        *ret_ms = API_MAX_TIME_MS;
        return FER_OK;
    }
    fer_buf quoted;
    fer_buf_init(&quoted, 1024, NULL);
    text_quote(&quoted, str_head(s, 200));
    fer_fail(err, FER_INVALID, "cannot parse %.*s to a valid timestamp", (int)quoted.n, quoted.p);
    fer_buf_done(&quoted);
    return FER_INVALID;
}

fer_code api_parse_duration(fer_str s, int64_t *ret_ms, fer_err *err)
{
    double v;
    const char *extra = "";
    if (parse_number(s, &v)) {
        double ns = v * 1e9;
        if (isnan(ns)) { /* as Go converts it */
            *ret_ms = INT64_MIN / 1000000;
            return FER_OK;
        }
        if (ns <= 9223372036854775807.0 && ns >= -9223372036854775808.0) {
            *ret_ms = (int64_t)ns / 1000000;
            return FER_OK;
        }
        extra = ". It overflows int64";
    } else if (text_parse_duration(s, ret_ms, NULL) == FER_OK) {
        return FER_OK;
    }
    fer_buf quoted;
    fer_buf_init(&quoted, 1024, NULL);
    text_quote(&quoted, str_head(s, 200));
    fer_fail(err, FER_INVALID, "cannot parse %.*s to a valid duration%s", (int)quoted.n, quoted.p,
             extra);
    fer_buf_done(&quoted);
    return FER_INVALID;
}

fer_code api_time_param(http_req *r, const char *name, int64_t def_ms, int64_t *ret_ms,
                        fer_err *err)
{
    fer_str s = http_req_param(r, name);
    if (s.n == 0) {
        *ret_ms = def_ms;
        return FER_OK;
    }
    fer_code c = api_parse_time(s, ret_ms, err);
    if (c != FER_OK)
        fer_err_prefix(err, "invalid parameter \"%s\": invalid time value for '%s'", name, name);
    return c;
}

fer_code api_int_param(fer_str s, const char *function, int64_t *ret, fer_err *err)
{
    if (num_parse_i64(s, ret))
        return FER_OK;
    size_t sign = s.n != 0 && (s.p[0] == '+' || s.p[0] == '-'), i = sign;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    fer_buf quoted;
    fer_buf_init(&quoted, 1024, NULL);
    text_quote(&quoted, str_head(s, 200));
    fer_fail(err, FER_INVALID, "strconv.%s: parsing %.*s: %s", function, (int)quoted.n, quoted.p,
             i == s.n && i > sign ? "value out of range" : "invalid syntax");
    fer_buf_done(&quoted);
    return FER_INVALID;
}

bool api_is_word(fer_str s, const char *word)
{
    size_t i = 0;
    while (i < s.n && word[i] != '\0' && (s.p[i] | 0x20) == word[i])
        i++;
    return i == s.n && word[i] == '\0';
}

bool api_parse_bool(fer_str s, bool *ret)
{
    static const char *const texts[] = {"1", "t", "T", "TRUE",  "true",  "True",
                                        "0", "f", "F", "FALSE", "false", "False"};
    enum { TEXTS = sizeof texts / sizeof *texts };
    size_t i = 0;
    while (i < TEXTS && !str_eq(s, str_of(texts[i])))
        i++;
    *ret = i < TEXTS / 2;
    return i < TEXTS;
}

fer_code api_limit_param(http_req *r, uint64_t *ret, fer_err *err)
{
    fer_str s = http_req_param(r, "limit");
    *ret = 0;
    if (s.n == 0)
        return FER_OK;
    int64_t v;
    if (api_int_param(s, "Atoi", &v, err) != FER_OK)
        return fer_err_prefix(err, "invalid parameter \"limit\"");
    if (v < 0)
        return fer_fail(err, FER_INVALID,
                        "invalid parameter \"limit\": limit must be non-negative");
    *ret = (uint64_t)v;
    return FER_OK;
}
