/* func_date.c - from seconds to the parts of a date.
 *
 * Gregorian arithmetic on days counted from 1 March of year 0, so that the leap day comes last in a
 * year (the usual "days from civil" method). Like Go, the number of seconds since a zero far in the
 * past is taken modulo 2^64, so that every int64 is some date.
 */
#include "promql/func_date.h"

enum { DAY_SECONDS = 86400 };

/* Days from 1970-01-01 to 1 January of year -292277022399, and so many seconds before it. */
#define ZERO_DAYS (-INT64_C(106751991073094))
#define ZERO_SECONDS ((uint64_t)-ZERO_DAYS * DAY_SECONDS)

typedef struct date {
    int64_t year;
    int month, day; /* from 1 */
    int year_day;   /* from 1 */
    int week_day;   /* Sunday 0 */
    int hour, minute;
} date;

static bool is_leap(int64_t y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static date date_of(int64_t unix_seconds)
{
    uint64_t since_zero = (uint64_t)unix_seconds + ZERO_SECONDS;
    int64_t days = (int64_t)(since_zero / DAY_SECONDS) + ZERO_DAYS; /* since 1970-01-01 */

    int64_t z = days + 719468; /* since 0000-03-01 */
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int doy = (int)(doe - (365 * yoe + yoe / 4 - yoe / 100)); /* from 1 March */
    int mp = (5 * doy + 2) / 153;

    date d;
    d.day = doy - (153 * mp + 2) / 5 + 1;
    d.month = mp < 10 ? mp + 3 : mp - 9;
    d.year = yoe + era * 400 + (d.month <= 2);
    int second = (int)(since_zero % DAY_SECONDS);
    d.hour = second / 3600;
    d.minute = second / 60 % 60;
    int64_t wd = (days + 4) % 7;
    d.week_day = (int)(wd < 0 ? wd + 7 : wd);
    d.year_day = d.month > 2 ? doy + 60 + is_leap(d.year) : doy - 305;
    return d;
}

double func_date(function_id id, double unix_seconds)
{
    /* The conversion of amd64: what does not fit is the smallest integer. */
    bool fits = unix_seconds >= -9223372036854775808.0 && unix_seconds < 9223372036854775808.0;
    date d = date_of(fits ? (int64_t)unix_seconds : INT64_MIN);
    switch (id) {
    case FN_MINUTE:
        return d.minute;
    case FN_HOUR:
        return d.hour;
    case FN_DAY_OF_WEEK:
        return d.week_day;
    case FN_DAY_OF_MONTH:
        return d.day;
    case FN_DAY_OF_YEAR:
        return d.year_day;
    case FN_DAYS_IN_MONTH:
        return days_in_month(d.year, d.month);
    case FN_MONTH:
        return d.month;
    default:
        return (double)d.year;
    }
}
