/* reply.c - envelopes. */
#include "server/api/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/num.h"
#include "base/text.h"

enum { REPLY_BYTES_MAX = 512 * 1024 * 1024, NOTES_MAX = 10 };

void api_begin(fer_buf *out)
{
    fer_buf_init(out, REPLY_BYTES_MAX, NULL);
    fer_buf_puts(out, STR("{\"status\":\"success\",\"data\":"));
}

void api_end(http_req *r, fer_buf *out, const str_list *warnings)
{
    if (warnings != NULL)
        api_put_notes(out, "warnings", warnings);
    fer_buf_putc(out, '}');
    if (out->full) {
        fer_buf_done(out);
        api_error(r, API_INTERNAL, "the answer is larger than %d bytes", REPLY_BYTES_MAX);
        return;
    }
    http_reply_buf(r, 200, API_JSON, out);
}

void api_data(http_req *r, const char *json)
{
    fer_buf out;
    api_begin(&out);
    fer_buf_puts(&out, str_of(json));
    api_end(r, &out, NULL);
}

void api_error(http_req *r, api_error_type type, const char *fmt, ...)
{
    static const struct {
        const char *name;
        int status;
    } kinds[] = {
        [API_BAD_DATA] = {"bad_data", 400},
        [API_EXECUTION] = {"execution", 422},
        [API_CANCELED] = {"canceled", 499},
        [API_TIMEOUT] = {"timeout", 503},
        [API_INTERNAL] = {"internal", 500},
        [API_NOT_FOUND] = {"not_found", 404},
        [API_NOT_ACCEPTABLE] = {"not_acceptable", 406},
        [API_UNAVAILABLE] = {"unavailable", 500},
    };
    char text[FER_ERR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fer_buf out;
    fer_buf_init(&out, 1 << 20, NULL);
    fer_buf_printf(&out, "{\"status\":\"error\",\"errorType\":\"%s\",\"error\":", kinds[type].name);
    text_json(&out, str_of(text));
    fer_buf_putc(&out, '}');
    http_reply_buf(r, kinds[type].status, API_JSON, &out);
}

void api_exec_error(http_req *r, fer_code code, const fer_err *err)
{
    api_error_type type = code == FER_CANCELED  ? API_CANCELED
                          : code == FER_TIMEOUT ? API_TIMEOUT
                          : code == FER_IO || code == FER_CORRUPT || code == FER_NOMEM
                              ? API_INTERNAL
                              : API_EXECUTION;
    api_error(r, type, "%s", err->msg);
}

void api_put_strings(fer_buf *out, const str_list *l)
{
    size_t bytes = 2;
    for (size_t i = 0; i < l->n; i++)
        bytes += l->v[i].n + 3;
    (void)fer_buf_room(out, bytes); /* at once, as few have anything escaped */
    fer_buf_putc(out, '[');
    for (size_t i = 0; i < l->n; i++) {
        enum { AHEAD = 16 };
        if (i + AHEAD < l->n)
            __builtin_prefetch(l->v[i + AHEAD].p); /* texts may lie all over memory */
        if (i != 0)
            fer_buf_putc(out, ',');
        text_json(out, l->v[i]);
    }
    fer_buf_putc(out, ']');
}

void api_put_notes(fer_buf *out, const char *key, const str_list *notes)
{
    if (notes->n == 0)
        return;
    str_list shown = *notes;
    if (shown.n > NOTES_MAX)
        shown.n = NOTES_MAX;
    fer_buf_printf(out, ",\"%s\":", key);
    api_put_strings(out, &shown);
    if (notes->n > NOTES_MAX) {
        out->n--; /* reopen the list */
        fer_buf_printf(out, ",\"%zu more %s annotations omitted\"]", notes->n - NOTES_MAX,
                       key[0] == 'w' ? "warning" : "info");
    }
}

size_t api_format_time(char *buf, int64_t ms)
{
    uint64_t abs = ms < 0 ? (uint64_t)0 - (uint64_t)ms : (uint64_t)ms;
    unsigned rest = (unsigned)(abs % 1000);
    size_t n = 0;
    if (ms < 0)
        buf[n++] = '-';
    n += num_format_u64(buf + n, abs / 1000);
    if (rest == 0)
        return n;
    buf[n++] = '.';
    buf[n++] = (char)('0' + rest / 100);
    buf[n++] = (char)('0' + rest / 10 % 10);
    buf[n++] = (char)('0' + rest % 10);
    return n;
}

void api_put_time(fer_buf *out, int64_t ms)
{
    char *at = fer_buf_room(out, API_TIME_MAX);
    if (at != NULL)
        out->n += api_format_time(at, ms);
}

fer_str api_time_text(int64_t ms, char buf[API_TIME_TEXT_MAX])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    size_t n = strftime(buf, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(buf + n, 8, ".%03dZ", (int)(ms % 1000));
    return (fer_str){buf, n};
}
