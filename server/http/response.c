/* response.c - replies: made ready where they are given, written by the loop.
 *
 * The thread that replies compresses the body, lets go of what the request held, and posts it. The
 * loop writes the status line and the headers, because only it knows whether the connection stays.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"
#include "server/http/int.h"

/* ---- status and date ---- */

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Status";
}

/* IMF-fixdate, made once a second. */
static const char *date_text(http_server *s)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t now = s->o.clock->wall_ms(s->o.clock) / 1000;
    if (now != s->date_s || s->date[0] == '\0') {
        time_t t = (time_t)now;
        struct tm tm;
        if (gmtime_r(&t, &tm) == NULL)
            memset(&tm, 0, sizeof tm);
        snprintf(s->date, sizeof s->date, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
                 tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min,
                 tm.tm_sec);
        s->date_s = now;
    }
    return s->date;
}

static bool status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* ---- giving the reply: any thread ---- */

void http_resp_header(http_req *r, const char *name, fer_str value)
{
    if (http_str_ieq(str_of(name), STR("Content-Encoding")))
        r->own_encoding = true;
    fer_buf_puts(&r->headers, str_of(name));
    fer_buf_puts(&r->headers, STR(": "));
    for (size_t i = 0; i < value.n; i++)
        fer_buf_putc(&r->headers, value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
    fer_buf_puts(&r->headers, STR("\r\n"));
}

static void begin(http_req *r, int status, const char *type)
{
    assert(!r->streaming);
    r->status = status;
    if (type != NULL)
        http_resp_header(r, "Content-Type", str_of(type));
    r->compressible = type != NULL && !r->own_encoding && status_has_body(status) &&
                      http_compressible(str_of(type));
    r->gzipped = r->compressible && r->accepts_gzip;
}

/* Tells the ledger of bytes that wait to be sent; they are given back with the buffer. */
static void charge_out(http_req *r)
{
    if (r->out.acct != NULL || r->out.cap == 0)
        return;
    r->out.acct = r->s->o.account;
    fer_account_force(r->out.acct, r->out.cap);
}

static void finish_whole(http_req *r)
{
    charge_out(r);
    r->reply = HTTP_REPLY_WHOLE;
    http_req_release(r);
    http_post(r);
}

/* Compresses body whole into r->out; false (and nothing done) when that is not possible. */
static bool compress_whole(http_req *r, fer_str body)
{
    http_gzip *z = http_gzip_new(body.n + 1);
    if (z == NULL)
        return false;
    fer_buf_init(&r->out, body.n + body.n / 8 + HTTP_PIECE_BYTES, NULL);
    fer_code code = http_gzip_add(z, body, true, &r->out);
    http_gzip_free(z);
    if (code == FER_OK)
        return true;
    fer_buf_done(&r->out);
    return false;
}

void http_reply(http_req *r, int status, const char *type, fer_str body)
{
    begin(r, status, type);
    if (r->gzipped && !compress_whole(r, body))
        r->gzipped = false;
    if (!r->gzipped) {
        fer_buf_init(&r->out, body.n, NULL);
        fer_buf_puts(&r->out, body);
    }
    finish_whole(r);
}

void http_reply_buf(http_req *r, int status, const char *type, fer_buf *body)
{
    begin(r, status, type);
    if (r->gzipped && compress_whole(r, fer_buf_str(body))) {
        fer_buf_done(body);
    } else {
        r->gzipped = false;
        r->out = *body;
        *body = (fer_buf){.max = body->max, .acct = body->acct};
    }
    finish_whole(r);
}

void http_reply_text(http_req *r, int status, const char *fmt, ...)
{
    fer_buf b;
    fer_buf_init(&b, HTTP_PIECE_BYTES, NULL);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *at = n < 0 ? NULL : fer_buf_room(&b, (size_t)n + 1);
    if (at != NULL) {
        va_start(ap, fmt);
        vsnprintf(at, (size_t)n + 1, fmt, ap);
        va_end(ap);
        b.n = (size_t)n;
    }
    fer_buf_putc(&b, '\n');
    static const char nosniff[] = "X-Content-Type-Options: nosniff\r\n";
    if (r->headers.n == 0 ||
        memmem(r->headers.p, r->headers.n, nosniff, sizeof nosniff - 1) == NULL)
        http_resp_header(r, "X-Content-Type-Options", STR("nosniff"));
    http_reply_buf(r, status, "text/plain; charset=utf-8", &b);
}

void http_reply_own(http_req *r, int status, const char *text)
{
    char body[256];
    int n = snprintf(body, sizeof body, "%d %s%s%s", status, http_status_text(status),
                     *text == '\0' ? "" : ": ", text);
    r->own_encoding = true; /* as it is */
    http_reply(r, status, "text/plain; charset=utf-8", (fer_str){body, (size_t)n});
}

/* ---- streams: worker threads ---- */

static void end_stream(http_req *r)
{
    r->streaming = false;
    if (r->producer.free != NULL)
        r->producer.free(r->producer.arg);
    http_req_release(r);
}

/* Collects `want` bytes of the answer, or all of it. */
static fer_code produce(http_req *r, size_t want, fer_buf *raw, bool *done)
{
    *done = false;
    while (!*done && raw->n < want) {
        if (atomic_load_explicit(&r->gone, memory_order_relaxed))
            return FER_CANCELED;
        size_t before = raw->n;
        FER_TRY(r->producer.next(r->producer.arg, raw, done));
        if (raw->full)
            return FER_LIMIT;
        if (raw->n == before)
            break;
    }
    return FER_OK;
}

/* Moves raw to r->out, compressed when the reply is. */
static fer_code encode(http_req *r, fer_buf *raw, bool done)
{
    if (!r->gzipped) {
        r->out = *raw;
        *raw = (fer_buf){0};
        return FER_OK;
    }
    fer_buf_init(&r->out, raw->n + raw->n / 8 + HTTP_PIECE_BYTES, NULL);
    fer_code code = http_gzip_add(r->gzip, fer_buf_str(raw), done, &r->out);
    fer_buf_done(raw);
    return code;
}

/* Larger pieces go the fewer times between a worker and the loop. */
static size_t next_piece_bytes(size_t before)
{
    return before == 0                          ? HTTP_PIECE_BYTES
           : before < HTTP_PIECE_MOST_BYTES / 2 ? before * 2
                                                : HTTP_PIECE_MOST_BYTES;
}

static void step(http_req *r, bool first)
{
    fer_buf raw;
    fer_buf_init(&raw, HTTP_PIECE_MAX_BYTES, NULL);
    size_t want = first ? HTTP_FIRST_BYTES : r->piece_bytes;
    if (!first)
        (void)fer_buf_room(&raw, want + HTTP_PIECE_BYTES / 4);
    r->piece_bytes = next_piece_bytes(first ? 0 : want);
    bool done;
    fer_code code = produce(r, want, &raw, &done);
    r->dry = raw.n == 0 && !done;
    if (code == FER_OK && first && r->gzipped) {
        r->gzip = http_gzip_new(done ? raw.n + 1 : 0);
        r->gzipped = r->gzip != NULL;
    }
    if (code == FER_OK)
        code = encode(r, &raw, done);
    fer_buf_done(&raw);
    charge_out(r);
    if (code != FER_OK)
        r->reply = HTTP_REPLY_CUT;
    else if (done)
        r->reply = first ? HTTP_REPLY_WHOLE : HTTP_REPLY_LAST;
    else
        r->reply = first ? HTTP_REPLY_FIRST : HTTP_REPLY_PIECE;
    if (code != FER_OK || done)
        end_stream(r);
    http_post(r);
}

static http_req *of_job(http_job *j)
{
    return (http_req *)((char *)j - offsetof(http_req, job));
}

static void run_first(http_job *j)
{
    step(of_job(j), true);
}

static void run_next(http_job *j)
{
    step(of_job(j), false);
}

static void run_abort(http_job *j)
{
    http_req *r = of_job(j);
    end_stream(r);
    r->reply = HTTP_REPLY_DROPPED;
    http_post(r);
}

static http_workers *pool_of(const http_req *r)
{
    return http_server_pool(r->s, r->route < 0 ? HTTP_QUERY : r->s->routes.v[r->route].route.pool);
}

static void add_step(http_req *r, void (*run)(http_job *j))
{
    r->away = true;
    r->job.run = run;
    http_workers_add_urgent(pool_of(r), &r->job);
}

void http_stream_next(http_req *r)
{
    add_step(r, run_next);
}

void http_stream_tick(http_req *r, uint64_t now_ms)
{
    if (r->away || r->rest_until_ms == 0 || now_ms < r->rest_until_ms)
        return;
    r->rest_until_ms = 0;
    if (atomic_load_explicit(&r->cancel.canceled, memory_order_relaxed))
        http_conn_close(r->conn); /* nobody waits for it any more */
    else
        http_stream_next(r);
}

/* After a piece has been sent. */
static void go_on(http_req *r)
{
    if (r->dry)
        r->rest_until_ms = uv_now(&r->s->loop) + HTTP_REST_MS;
    else
        http_stream_next(r);
}

void http_stream_abort(http_req *r)
{
    add_step(r, run_abort);
}

void http_reply_stream(http_req *r, int status, const char *type, const http_producer *p)
{
    begin(r, status, type);
    r->producer = *p;
    r->streaming = true;
    r->dry = false;
    if (http_workers_inside(pool_of(r))) {
        step(r, true);
    } else {
        add_step(r, run_first);
    }
}

/* ---- the handler ---- */

void http_run_handler(http_job *j)
{
    http_req *r = of_job(j);
    if (atomic_load_explicit(&r->gone, memory_order_relaxed)) {
        http_req_release(r);
        r->reply = HTTP_REPLY_DROPPED;
        http_post(r);
        return;
    }
    const http_options *o = &r->s->o;
    const http_route *route = &r->s->routes.v[r->route].route;
    if (o->before == NULL || o->before(r, o->before_arg))
        route->fn(r, route->arg);
}

void http_admit(http_req *r, int status)
{
    r->status = status;
    r->reply = HTTP_REPLY_ADMIT;
    http_post(r);
}

/* ---- writing it: the loop ---- */

static bool stays_open(const http_req *r)
{
    return r->keep_alive && !r->s->stopping && !http_server_crowded(r->s);
}

static void put_u64(fer_buf *out, uint64_t v)
{
    char text[NUM_TEXT_MAX];
    fer_buf_put(out, text, num_format_u64(text, v));
}

/* Without printf, which costs more than all else of an answer without a body. */
static void put_head(http_req *r, fer_buf *h, bool keep)
{
    fer_buf_clear(h);
    fer_buf_puts(h, r->minor == 0 ? STR("HTTP/1.0 ") : STR("HTTP/1.1 "));
    put_u64(h, (uint64_t)r->status);
    fer_buf_putc(h, ' ');
    fer_buf_puts(h, str_of(http_status_text(r->status)));
    fer_buf_puts(h, STR("\r\n"));
    fer_buf_puts(h, fer_buf_str(&r->headers));
    if (r->gzipped)
        fer_buf_puts(h, STR("Content-Encoding: gzip\r\n"));
    if (r->compressible)
        fer_buf_puts(h, STR("Vary: Accept-Encoding\r\n"));
    fer_buf_puts(h, STR("Date: "));
    fer_buf_puts(h, str_of(date_text(r->s)));
    fer_buf_puts(h, STR("\r\n"));
    if (r->chunked) {
        fer_buf_puts(h, STR("Transfer-Encoding: chunked\r\n"));
    } else if (status_has_body(r->status) && r->reply == HTTP_REPLY_WHOLE) {
        fer_buf_puts(h, STR("Content-Length: "));
        put_u64(h, r->out.n);
        fer_buf_puts(h, STR("\r\n"));
    }
    if (!keep)
        fer_buf_puts(h, STR("Connection: close\r\n"));
    else if (r->minor == 0)
        fer_buf_puts(h, STR("Connection: keep-alive\r\n"));
    fer_buf_puts(h, STR("\r\n"));
}

static void note(http_req *r)
{
    fer_clock *clock = r->s->o.clock;
    http_stats_note(&r->s->stats, r->route, r->status, clock->mono_ns(clock) - r->received_ns,
                    r->out_bytes);
}

/* Sends what r->out holds, framed; false when the connection is closed by it. */
static bool send_out(http_req *r, bool head, bool last)
{
    uv_buf_t bufs[4];
    unsigned n = 0;
    char size[24];
    fer_buf *h = &r->s->head;
    bool body = r->out.n != 0 && r->method != HTTP_HEAD && status_has_body(r->status);
    if (head)
        bufs[n++] = uv_buf_init(h->p, (unsigned)h->n);
    if (body && r->chunked)
        bufs[n++] = uv_buf_init(size, (unsigned)snprintf(size, sizeof size, "%zx\r\n", r->out.n));
    if (body)
        bufs[n++] = uv_buf_init(r->out.p, (unsigned)r->out.n);
    if (r->chunked && r->method != HTTP_HEAD && (body || last)) {
        static char tails[3][8] = {"\r\n", "0\r\n\r\n", "\r\n0\r\n\r\n"};
        char *tail = tails[last + (body && last)];
        bufs[n++] = uv_buf_init(tail, (unsigned)strlen(tail));
    }
    if (body)
        r->out_bytes += r->out.n;
    fer_buf out = r->out;
    r->out = (fer_buf){0};
    return n == 0 ? (fer_buf_done(&out), true) : http_conn_write(r->conn, bufs, n, &out);
}

void http_req_drop(http_req *r)
{
    if (r->dispatched)
        atomic_fetch_sub(&r->s->live, 1);
    http_req_recycle(r);
}

static void finish(http_req *r, bool keep)
{
    http_conn *c = r->conn;
    note(r);
    c->req = NULL;
    http_req_drop(r);
    http_conn_answered(c, !keep);
}

static void take_whole(http_req *r)
{
    bool keep = stays_open(r);
    put_head(r, &r->s->head, keep);
    if (send_out(r, true, false))
        finish(r, keep);
}

/* HTTP/1.0 knows no chunks: the end of the connection ends the answer. */
static void take_first(http_req *r)
{
    if (r->minor == 0)
        r->keep_alive = false;
    r->chunked = r->minor != 0;
    r->keep_alive = stays_open(r);
    put_head(r, &r->s->head, r->keep_alive);
    bool open = send_out(r, true, false);
    if (!open)
        return;
    if (r->method == HTTP_HEAD || !status_has_body(r->status))
        http_stream_abort(r);
    else
        go_on(r);
}

static void take_piece(http_req *r)
{
    if (!send_out(r, false, false))
        return;
    if (r->dry || http_conn_queued(r->conn) < HTTP_OUT_HIGH_BYTES)
        go_on(r);
}

void http_loop_take(http_req *r)
{
    r->away = false;
    if (r->conn == NULL) {
        if (r->streaming)
            http_stream_abort(r);
        else
            http_req_drop(r);
        return;
    }
    switch (r->reply) {
    case HTTP_REPLY_WHOLE:
        take_whole(r);
        break;
    case HTTP_REPLY_FIRST:
        take_first(r);
        break;
    case HTTP_REPLY_PIECE:
        take_piece(r);
        break;
    case HTTP_REPLY_LAST:
        if (send_out(r, false, true))
            finish(r, stays_open(r)); /* the stop may have begun meanwhile */
        break;
    case HTTP_REPLY_DROPPED: /* only a HEAD answer's producer is ended while the client is there */
        finish(r, r->keep_alive);
        break;
    case HTTP_REPLY_CUT:
        http_conn_close(r->conn); /* drops r */
        break;
    case HTTP_REPLY_ADMIT:
        r->dispatched = false;
        atomic_fetch_sub(&r->s->live, 1);
        http_conn_admitted(r->conn, r->status);
        break;
    }
}
