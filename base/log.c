/* log.c - see log.h. A line is built in memory and written with one call under the logger's lock.
 *
 * Quoting as Go's slog: in logfmt a key or value is quoted (strconv.Quote) when it is empty, holds a
 * space, '=', '"', a control, an unprintable rune or invalid UTF-8.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/utf8.h"

enum {
    VALUE_MAX = 16 << 10, /* longer values are cut */
    LINE_MAX_BYTES = 16 << 20,
};

struct fer_log {
    int fd;
    fer_log_level level;
    fer_log_format format;
    fer_clock *clock;
    fer_mutex mu; /* one write at a time */
};

fer_log *fer_log_new(int fd, fer_log_level level, fer_log_format format, fer_clock *clock)
{
    fer_log *l = fer_alloc(sizeof *l);
    *l = (fer_log){.fd = fd, .level = level, .format = format, .clock = clock};
    fer_mutex_init(&l->mu, "log", 0);
    return l;
}

void fer_log_free(fer_log *l)
{
    if (l == NULL)
        return;
    fer_mutex_done(&l->mu);
    fer_free(l);
}

static bool needs_quotes(fer_str s)
{
    if (s.n == 0)
        return true;
    for (size_t i = 0; i < s.n;) {
        uint32_t rune;
        size_t n = utf8_decode(str_from(s, i), &rune);
        if (n == 0 || rune == 0xfffd || rune <= ' ' || rune == '=' || rune == '"')
            return true;
        if (n > 1 && !text_printable(rune))
            return true;
        i += n;
    }
    return false;
}

static void put_logfmt(fer_buf *line, fer_str s)
{
    if (needs_quotes(s))
        text_quote(line, s);
    else
        fer_buf_puts(line, s);
}

static void put_pair(fer_buf *line, fer_log_format format, const char *key, const char *value)
{
    fer_str k = str_of(key);
    fer_str v = str_head(str_of(value == NULL ? "" : value), VALUE_MAX);
    if (format == LOG_JSON) {
        fer_buf_putc(line, line->n == 0 ? '{' : ',');
        text_json_plain(line, k);
        fer_buf_putc(line, ':');
        text_json_plain(line, v);
    } else {
        if (line->n != 0)
            fer_buf_putc(line, ' ');
        put_logfmt(line, k);
        fer_buf_putc(line, '=');
        put_logfmt(line, v);
    }
}

static void put_time(fer_buf *line, fer_log_format format, int64_t wall_ms)
{
    int64_t ms = (wall_ms % 1000 + 1000) % 1000;
    time_t s = (time_t)((wall_ms - ms) / 1000);
    struct tm tm = {0};
    gmtime_r(&s, &tm);
    char text[64];
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03dZ", (int)ms);
    put_pair(line, format, "time", text);
}

static void put_source(fer_buf *line, fer_log_format format, const char *file, int number)
{
    const char *slash = strrchr(file, '/');
    char text[128];
    snprintf(text, sizeof text, "%s:%d", slash == NULL ? file : slash + 1, number);
    put_pair(line, format, "source", text);
}

static void write_line(fer_log *l, fer_str line)
{
    fer_mutex_lock(&l->mu);
    while (line.n > 0) {
        ssize_t n = write(l->fd, line.p, line.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* nobody to tell */
        line = str_from(line, (size_t)n);
    }
    fer_mutex_unlock(&l->mu);
}

void fer_log_kv(fer_log *l, fer_log_level level, const char *file, int line_number, const char *msg,
                ...)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    if (l == NULL || level < l->level)
        return;
    fer_buf line;
    fer_buf_init(&line, LINE_MAX_BYTES, NULL);
    put_time(&line, l->format, l->clock->wall_ms(l->clock));
    put_pair(&line, l->format, "level", names[level]);
    put_source(&line, l->format, file, line_number);
    put_pair(&line, l->format, "msg", msg);

    va_list ap;
    va_start(ap, msg);
    for (const char *key; (key = va_arg(ap, const char *)) != NULL;) {
        const char *value = va_arg(ap, const char *);
        put_pair(&line, l->format, key, value);
        if (value == NULL)
            break; /* a key without its value */
    }
    va_end(ap);

    fer_buf_puts(&line, l->format == LOG_JSON ? STR("}\n") : STR("\n"));
    assert(!line.full);
    write_line(l, fer_buf_str(&line));
    fer_buf_done(&line);
}

const char *fer_log_int(char buf[24], int64_t v)
{
    snprintf(buf, 24, "%" PRId64, v);
    return buf;
}

const char *fer_log_str(char buf[256], fer_str s)
{
    size_t n = s.n < 255 ? s.n : 255;
    if (n != 0)
        memcpy(buf, s.p, n);
    buf[n] = '\0';
    return buf;
}
