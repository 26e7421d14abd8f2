/* query_log.c - lines are made whole and appended by one write, so that they never mix. */
#include "server/api/query_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/text.h"
#include "base/thread.h"
#include "server/api/reply.h"

enum { LINE_BYTES_MAX = 4 << 20 };

struct query_log {
    fer_clock *clock;
    fer_mutex mu; /* the fields below; held while a line is written */
    int fd;       /* -1: no log */
    uint64_t failures;
};

query_log *query_log_new(fer_clock *clock)
{
    query_log *l = fer_calloc(1, sizeof *l);
    fer_mutex_init(&l->mu, "query log", 0);
    l->clock = clock;
    l->fd = -1;
    return l;
}

void query_log_free(query_log *l)
{
    if (l == NULL)
        return;
    if (l->fd >= 0)
        close(l->fd);
    fer_mutex_done(&l->mu);
    fer_free(l);
}

fer_code query_log_open(query_log *l, fer_str path, fer_err *err)
{
    int fd = -1;
    if (path.n != 0) {
        char *name = fer_memdup0(path.p, path.n);
        fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        int error = errno;
        fer_free(name);
        if (fd < 0)
            return fer_fail_sys(err, error, "can't create json log file %.*s", STR_FMT(path));
    }
    fer_mutex_lock(&l->mu);
    int old = l->fd;
    l->fd = fd;
    fer_mutex_unlock(&l->mu);
    if (old >= 0)
        close(old);
    return FER_OK;
}

bool query_log_enabled(query_log *l)
{
    fer_mutex_lock(&l->mu);
    bool on = l->fd >= 0;
    fer_mutex_unlock(&l->mu);
    return on;
}

uint64_t query_log_failures(query_log *l)
{
    fer_mutex_lock(&l->mu);
    uint64_t n = l->failures;
    fer_mutex_unlock(&l->mu);
    return n;
}

static void put_text(fer_buf *out, const char *key, fer_str value)
{
    fer_buf_printf(out, "\"%s\":", key);
    text_json(out, value);
}

static void put_time(fer_buf *out, const char *key, int64_t ms)
{
    char text[API_TIME_TEXT_MAX];
    put_text(out, key, api_time_text(ms, text));
}

static void put_line(fer_buf *out, const query_log_line *line, int64_t now_ms)
{
    fer_buf_putc(out, '{');
    put_time(out, "time", now_ms);
    fer_buf_puts(out, STR(",\"level\":\"INFO\",\"source\":\"query_log.c\",\"msg\":\"promql query "
                          "logged\",\"params\":{"));
    put_time(out, "end", line->end_ms);
    fer_buf_putc(out, ',');
    put_text(out, "query", line->query);
    fer_buf_putc(out, ',');
    put_time(out, "start", line->start_ms);
    fer_buf_printf(out, ",\"step\":%" PRId64 "}", line->step_ms / 1000);
    if (line->error.n != 0) {
        fer_buf_putc(out, ',');
        put_text(out, "error", line->error);
    }
    fer_buf_puts(out, STR(",\"stats\":"));
    fer_buf_puts(out, line->stats);
    fer_buf_puts(out, STR(",\"httpRequest\":{"));
    put_text(out, "clientIP", line->client_ip);
    fer_buf_putc(out, ',');
    put_text(out, "method", str_of(line->method));
    fer_buf_putc(out, ',');
    put_text(out, "path", line->path);
    fer_buf_puts(out, STR("}}\n"));
}

void query_log_write(query_log *l, const query_log_line *line)
{
    fer_buf out;
    fer_buf_init(&out, LINE_BYTES_MAX, NULL);
    put_line(&out, line, l->clock->wall_ms(l->clock));
    fer_mutex_lock(&l->mu);
    if (l->fd >= 0 && (out.full || write(l->fd, out.p, out.n) != (ssize_t)out.n))
        l->failures++;
    fer_mutex_unlock(&l->mu);
    fer_buf_done(&out);
}
