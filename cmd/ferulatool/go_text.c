#include "cmd/ferulatool/go_text.h"

#include <inttypes.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* Digits behind the point without zeros at the end; `n` of them at most. */
static void fraction(fer_buf *out, uint64_t v, unsigned n)
{
    if (v == 0)
        return;
    for (; v % 10 == 0; n--)
        v /= 10;
    fer_buf_printf(out, ".%0*" PRIu64, (int)n, v);
}

void go_duration(fer_buf *out, int64_t ms)
{
    uint64_t ns = (uint64_t)ms * NS_PER_MS;
    if (ns >> 63) {
        fer_buf_putc(out, '-');
        ns = -ns;
    }
    if (ns != 0 && ns < NS_PER_S) {
        fer_buf_printf(out, "%" PRIu64, ns / NS_PER_MS);
        fraction(out, ns % NS_PER_MS, 6);
        fer_buf_puts(out, STR("ms"));
        return;
    }
    uint64_t s = ns / NS_PER_S;
    if (s >= 3600)
        fer_buf_printf(out, "%" PRIu64 "h", s / 3600);
    if (s >= 60)
        fer_buf_printf(out, "%" PRIu64 "m", s / 60 % 60);
    fer_buf_printf(out, "%" PRIu64, s % 60);
    fraction(out, ns % NS_PER_S, 9);
    fer_buf_putc(out, 's');
}

void go_time(fer_buf *out, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (gmtime_r(&s, &tm) == NULL)
        fer_buf_printf(out, "%" PRId64, ms);
    else
        fer_buf_printf(out, "%04lld-%02d-%02d %02d:%02d:%02d +0000 UTC", tm.tm_year + 1900LL,
                       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
