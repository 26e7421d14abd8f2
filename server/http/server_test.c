/* server_test.c - what clients of a running server see: answers, routes, parameters, compression. */
#include "server/http/testkit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- handlers ---- */

static void echo(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "application/octet-stream", http_req_body(r));
}

static void hello(http_req *r, void *arg)
{
    http_reply(r, 200, "text/plain; charset=utf-8", str_of(arg));
}

static void put_pair(fer_buf *b, http_req *r, const char *name)
{
    const fer_str *values;
    size_t n = http_req_params(r, name, &values);
    fer_buf_printf(b, "%s=", name);
    for (size_t i = 0; i < n; i++)
        fer_buf_printf(b, "[%.*s]", STR_FMT(values[i]));
    fer_buf_putc(b, '\n');
}

static void show(http_req *r, void *arg)
{
    (void)arg;
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    fer_buf_printf(&b, "path=%.*s\nwild=%.*s\n", STR_FMT(http_req_path(r)),
                   STR_FMT(http_req_wildcard(r)));
    put_pair(&b, r, "query");
    put_pair(&b, r, "match[]");
    fer_str first = http_req_param(r, "query");
    fer_buf_printf(&b, "first=%.*s has=%d%d\n", STR_FMT(first), http_req_has_param(r, "query"),
                   http_req_has_param(r, "nothing"));
    fer_err err = {0};
    if (http_req_parse_form(r, &err) != FER_OK)
        fer_buf_printf(&b, "error=%s\n", err.msg);
    http_reply_buf(r, 200, "text/plain", &b);
}

static void status(http_req *r, void *arg)
{
    (void)arg;
    int code = (int)strtol(http_req_wildcard(r).p, NULL, 10);
    http_resp_header(r, "X-Own", STR("a\r\nInjected: b"));
    http_reply(r, code, "application/json", STR("{}"));
}

static void packed(http_req *r, void *arg)
{
    (void)arg;
    http_resp_header(r, "Content-Encoding", STR("snappy"));
    http_reply(r, 200, "text/plain", STR("as it is"));
}

static void failing(http_req *r, void *arg)
{
    (void)arg;
    http_reply_text(r, 400, "no %s", "way");
}

/* A request handed to a thread that is none of the server's. */
static struct {
    fer_mutex mu;
    fer_cond given;
    http_req *r;
} hand_over;

static void reply_later(void *arg)
{
    (void)arg;
    fer_mutex_lock(&hand_over.mu);
    while (hand_over.r == NULL)
        fer_cond_wait(&hand_over.given, &hand_over.mu);
    http_req *r = hand_over.r;
    hand_over.r = NULL;
    fer_mutex_unlock(&hand_over.mu);
    kit_sleep_ms(20);
    http_reply(r, 200, "text/plain", http_req_body(r));
}

static void later(http_req *r, void *arg)
{
    (void)arg;
    fer_mutex_lock(&hand_over.mu);
    hand_over.r = r;
    fer_cond_signal(&hand_over.given);
    fer_mutex_unlock(&hand_over.mu);
}

/* "0\n1\n2\n"... up to the number in the query, some at a time. */
typedef struct counting {
    unsigned at, end;
} counting;

static fer_code count_next(void *arg, fer_buf *out, bool *done)
{
    counting *c = arg;
    for (int i = 0; i < 1000 && c->at < c->end; i++)
        fer_buf_printf(out, "%u\n", c->at++);
    *done = c->at == c->end;
    return FER_OK;
}

static void count(http_req *r, void *arg)
{
    (void)arg;
    counting *c = fer_calloc(1, sizeof *c);
    fer_str n = http_req_param(r, "n");
    c->end = (unsigned)strtoul(fer_arena_dup(http_req_arena(r), n).p, NULL, 10);
    http_producer p = {count_next, fer_free, c};
    http_reply_stream(r, 200, "text/plain", &p);
}

static fer_code fail_next(void *arg, fer_buf *out, bool *done)
{
    counting *c = arg;
    (void)done;
    for (int i = 0; i < 20000; i++)
        fer_buf_puts(out, STR("0123456789"));
    return c->at++ == 1 ? FER_CORRUPT : FER_OK;
}

static void fail_midway(http_req *r, void *arg)
{
    (void)arg;
    http_producer p = {fail_next, fer_free, fer_calloc(1, sizeof(counting))};
    http_reply_stream(r, 200, "text/plain", &p);
}

static const http_route routes[] = {
    {"/", HTTP_GET, HTTP_ON_LOOP, hello, "root\n", 0, NULL},
    {"/hello", HTTP_GET | HTTP_HEAD, HTTP_ON_LOOP, hello, "hello\n", 0, NULL},
    {"/work", HTTP_GET | HTTP_OPTIONS, HTTP_QUERY, hello, "worked\n", 0, NULL},
    {"/echo", HTTP_POST | HTTP_PUT, HTTP_INGEST, echo, NULL, 8 << 20, "/echo-label"},
    {"/small", HTTP_POST, HTTP_INGEST, echo, NULL, 1000, NULL},
    {"/show", HTTP_GET | HTTP_POST | HTTP_PUT, HTTP_QUERY, show, NULL, 0, NULL},
    {"/label/:name/values", HTTP_GET, HTTP_QUERY, show, NULL, 0, NULL},
    {"/status/:code", HTTP_GET | HTTP_HEAD, HTTP_QUERY, status, NULL, 0, NULL},
    {"/packed", HTTP_GET, HTTP_QUERY, packed, NULL, 0, NULL},
    {"/failing", HTTP_GET, HTTP_QUERY, failing, NULL, 0, NULL},
    {"/later", HTTP_POST, HTTP_INGEST, later, NULL, 0, NULL},
    {"/count", HTTP_GET | HTTP_HEAD, HTTP_QUERY, count, NULL, 0, NULL},
    {"/loopcount", HTTP_GET, HTTP_ON_LOOP, count, NULL, 0, NULL},
    {"/midway", HTTP_GET, HTTP_QUERY, fail_midway, NULL, 0, NULL},
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

static kit k;

static int start(void **state)
{
    (void)state;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop(&k, 1000);
    return 0;
}

static void check_once(const char *request, int want_status, const char *want_body)
{
    kit_answer a;
    kit_once(&k, request, &a);
    if (a.status != want_status || !a.complete || strcmp(a.body, want_body) != 0)
        fail_msg("<%s>: %d <%s>, want %d <%s>", request, a.status, a.body, want_status, want_body);
    kit_done(&a);
}

#define H " HTTP/1.1\r\nHost: x\r\n"

/* ---- answers ---- */

static void handlers_answer_from_loop_and_pool_on_one_connection(void **state)
{
    (void)state;
    int fd = kit_connect(&k);
    for (int i = 0; i < 3; i++) {
        kit_answer a;
        kit_puts(fd, "GET /hello" H "\r\n");
        kit_read(fd, &a, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "hello\n");
        assert_string_equal(kit_header(&a, "Content-Length"), "6");
        assert_string_equal(kit_header(&a, "Content-Type"), "text/plain; charset=utf-8");
        assert_string_equal(kit_header(&a, "Vary"), "Accept-Encoding");
        assert_null(kit_header(&a, "Connection"));
        assert_null(kit_header(&a, "Content-Encoding"));
        kit_done(&a);
        kit_puts(fd, "GET /work" H "\r\n");
        kit_read(fd, &a, false);
        assert_string_equal(a.body, "worked\n");
        kit_done(&a);
    }
    close(fd);
}

static void the_date_is_the_wall_clock(void **state)
{
    (void)state;
    kit_answer a;
    time_t before = time(NULL);
    kit_once(&k, "GET /hello" H "\r\n", &a);
    struct tm tm = {0};
    const char *date = kit_header(&a, "Date");
    assert_non_null(date);
    assert_int_equal(strlen(date), 29);
    assert_non_null(strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm));
    time_t told = timegm(&tm);
    assert_true(told >= before - 1 && told <= time(NULL));
    kit_done(&a);
}

static void head_has_headers_only(void **state)
{
    (void)state;
    int fd = kit_connect(&k);
    kit_answer a;
    for (int i = 0; i < 2; i++) {
        kit_puts(fd, "HEAD /hello" H "\r\n");
        kit_read(fd, &a, true);
        assert_int_equal(a.status, 200);
        assert_string_equal(kit_header(&a, "Content-Length"), "6");
        kit_done(&a);
        kit_puts(fd, "HEAD /count?n=100000" H "\r\n");
        kit_read(fd, &a, true);
        assert_int_equal(a.status, 200);
        kit_done(&a);
    }
    kit_puts(fd, "GET /hello" H "\r\n");
    kit_read(fd, &a, false);
    assert_string_equal(a.body, "hello\n");
    kit_done(&a);
    close(fd);
}

static void old_clients_are_closed_unless_they_ask(void **state)
{
    (void)state;
    int fd = kit_connect(&k);
    kit_answer a;
    kit_puts(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    kit_read(fd, &a, false);
    assert_true(strncmp(a.head, "HTTP/1.0 200 OK\r\n", 17) == 0);
    assert_string_equal(kit_header(&a, "Connection"), "keep-alive");
    kit_done(&a);
    kit_puts(fd, "GET /hello HTTP/1.0\r\n\r\n");
    kit_read(fd, &a, false);
    assert_string_equal(kit_header(&a, "Connection"), "close");
    kit_done(&a);
    assert_true(kit_at_end(fd));
    close(fd);
    fd = kit_connect(&k);
    kit_puts(fd, "GET /hello" H "Connection: close\r\n\r\n");
    kit_read(fd, &a, false);
    assert_string_equal(kit_header(&a, "Connection"), "close");
    kit_done(&a);
    assert_true(kit_at_end(fd));
    close(fd);
}

static void upgrades_are_declined_by_ignoring_them(void **state)
{
    (void)state;
    check_once("GET /hello" H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
               "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
               200, "hello\n");
}

static void statuses_without_a_body_have_none(void **state)
{
    (void)state;
    int fd = kit_connect(&k);
    static const int codes[] = {204, 304, 200};
    for (int i = 0; i < 3; i++) {
        char request[100];
        snprintf(request, sizeof request, "GET /status/%d" H "\r\n", codes[i]);
        kit_puts(fd, request);
        kit_answer a;
        kit_read(fd, &a, false);
        assert_int_equal(a.status, codes[i]);
        assert_true((kit_header(&a, "Content-Length") == NULL) == (codes[i] != 200));
        kit_done(&a);
    }
    close(fd);
}

static void header_values_cannot_split_the_answer(void **state)
{
    (void)state;
    kit_answer a;
    kit_once(&k, "GET /status/200" H "\r\n", &a);
    assert_string_equal(kit_header(&a, "X-Own"), "a  Injected: b");
    assert_null(kit_header(&a, "Injected"));
    kit_done(&a);
}

static void a_reply_may_come_later_from_any_thread(void **state)
{
    (void)state;
    fer_mutex_init(&hand_over.mu, "hand over", 0);
    fer_cond_init(&hand_over.given);
    fer_thread t;
    assert_int_equal(fer_thread_start(&t, "later", reply_later, NULL, NULL), FER_OK);
    check_once("POST /later" H "Content-Length: 5\r\n\r\nlater", 200, "later");
    fer_thread_join(&t);
    fer_cond_done(&hand_over.given);
    fer_mutex_done(&hand_over.mu);
}

static void texts_of_errors_end_in_a_newline(void **state)
{
    (void)state;
    check_once("GET /failing" H "\r\n", 400, "no way\n");
}

/* ---- routes and parameters ---- */

static void unknown_paths_and_methods_are_told(void **state)
{
    (void)state;
    check_once("GET /nowhere" H "\r\n", 404, "404 page not found\n");
    check_once("OPTIONS *" H "\r\n", 200, "");
    check_once("CONNECT a:1" H "\r\n", 404, "404 page not found\n");
    kit_answer a;
    kit_once(&k, "DELETE /work" H "\r\n", &a);
    assert_int_equal(a.status, 405);
    assert_string_equal(kit_header(&a, "Allow"), "GET, OPTIONS");
    kit_done(&a);
    kit_once(&k, "BREW /work" H "\r\n", &a);
    assert_int_equal(a.status, 405);
    kit_done(&a);
}

static void form_comes_before_query(void **state)
{
    (void)state;
    check_once("POST /show?query=url&match[]=a" H
               "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
               "Content-Length: 32\r\n\r\nquery=body+1&match[]=%7B%7D&match",
               200,
               "path=/show\nwild=\nquery=[body 1][url]\nmatch[]=[{}][a]\nfirst=body 1 has=10\n");
    check_once("POST /show?query=url" H "Content-Length: 10\r\n\r\nquery=body", 200,
               "path=/show\nwild=\nquery=[url]\nmatch[]=\nfirst=url has=10\n");
    check_once("POST /show?query=url" H
               "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n",
               200, "path=/show\nwild=\nquery=[url]\nmatch[]=\nfirst=url has=10\n");
    check_once("GET /show?query=url" H
               "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\n"
               "query=body",
               200, "path=/show\nwild=\nquery=[url]\nmatch[]=\nfirst=url has=10\n");
}

static void bad_forms_are_told_and_the_rest_kept(void **state)
{
    (void)state;
    check_once("GET /show?match[]=%zz&query=q" H "\r\n", 200,
               "path=/show\nwild=\nquery=[q]\nmatch[]=\nfirst=q has=10\n"
               "error=invalid URL escape \"%zz\"\n");
    check_once(
        "POST /show?query=%yy" H
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1;b=2",
        200,
        "path=/show\nwild=\nquery=\nmatch[]=\nfirst= has=00\n"
        "error=invalid semicolon separator in query\n");
}

static void raw_bytes_of_browsers_are_taken(void **state)
{
    (void)state;
    check_once("GET /show?query={a=~\"b|c\",d!=\"^`<>\\\"}&match[]=\xc3\xa4" H "\r\n", 200,
               "path=/show\nwild=\nquery=[{a=~\"b|c\",d!=\"^`<>\\\"}]\nmatch[]=[\xc3\xa4]\n"
               "first={a=~\"b|c\",d!=\"^`<>\\\"} has=10\n");
}

static void wildcards_are_decoded(void **state)
{
    (void)state;
    check_once("GET /label/a%2Fb%20+c/values" H "\r\n", 200,
               "path=/label/a/b +c/values\nwild=a/b +c\nquery=\nmatch[]=\nfirst= has=00\n");
}

static void a_prefix_is_required_and_removed(void **state)
{
    (void)state;
    kit own = k;
    kit_start(&k, &(http_options){.route_prefix = "/prom/"}, routes, N_ROUTES);
    check_once("GET /prom/hello" H "\r\n", 200, "hello\n");
    check_once("GET /prom" H "\r\n", 200, "root\n");
    check_once("GET /prom/" H "\r\n", 200, "root\n");
    check_once("GET /hello" H "\r\n", 404, "404 page not found\n");
    check_once("GET /promx/hello" H "\r\n", 404, "404 page not found\n");
    kit_answer a;
    kit_once(&k, "GET /" H "\r\n", &a);
    assert_int_equal(a.status, 302);
    assert_string_equal(kit_header(&a, "Location"), "/prom");
    kit_done(&a);
    kit_stop(&k, 1000);
    k = own;
}

/* ---- compression ---- */

static void answers_are_compressed_where_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *request, *body;
        int status;
    } cases[] = {
        {"GET /hello" H "Accept-Encoding: gzip\r\n\r\n", "hello\n", 200},
        {"GET /work" H "Accept-Encoding: br, gzip;q=0.5\r\n\r\n", "worked\n", 200},
        {"GET /status/500" H "Accept-Encoding: gzip\r\n\r\n", "{}", 500},
        {"GET /nowhere" H "Accept-Encoding: gzip\r\n\r\n", "404 page not found\n", 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit_answer a;
        kit_once(&k, cases[i].request, &a);
        assert_int_equal(a.status, cases[i].status);
        assert_string_equal(kit_header(&a, "Content-Encoding"), "gzip");
        assert_string_equal(kit_header(&a, "Vary"), "Accept-Encoding");
        kit_gunzip(&a);
        assert_string_equal(a.body, cases[i].body);
        kit_done(&a);
    }
}

static void answers_are_plain_where_gzip_is_not_accepted(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /hello" H "Accept-Encoding: gzip;q=0\r\n\r\n",
        "GET /hello" H "Accept-Encoding: deflate, br\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        check_once(requests[i], 200, "hello\n");
    kit_answer a;
    kit_once(&k, "GET /packed" H "Accept-Encoding: gzip\r\n\r\n", &a);
    assert_string_equal(kit_header(&a, "Content-Encoding"), "snappy");
    assert_string_equal(a.body, "as it is");
    kit_done(&a);
    kit_once(&k, "POST /echo" H "Accept-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", &a);
    assert_null(kit_header(&a, "Content-Encoding"));
    assert_string_equal(a.body, "abc");
    kit_done(&a);
}

/* ---- bodies ---- */

static void bodies_arrive_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 16384, 16385, 1000000, 8 << 20};
    int fd = kit_connect(&k);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        char *body = fer_alloc(n + 1);
        for (size_t j = 0; j < n; j++)
            body[j] = (char)(j * 7 + j / 251);
        char head[128];
        int h = snprintf(head, sizeof head, "POST /echo" H "Content-Length: %zu\r\n\r\n", n);
        kit_send(fd, head, (size_t)h);
        kit_send(fd, body, n);
        kit_answer a;
        kit_read(fd, &a, false);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body_n, n);
        assert_memory_equal(a.body, body, n);
        kit_done(&a);
        fer_free(body);
    }
    close(fd);
}

static void chunked_bodies_arrive_whole(void **state)
{
    (void)state;
    int fd = kit_connect(&k);
    for (unsigned size = 1; size <= 100000; size *= 10) {
        fer_buf b, want;
        fer_buf_init(&b, 64 << 20, NULL);
        fer_buf_init(&want, 64 << 20, NULL);
        fer_buf_puts(&b, STR("POST /echo" H "Transfer-Encoding: chunked\r\n\r\n"));
        for (int c = 0; c < 20; c++) {
            fer_buf_printf(&b, "%x\r\n", size);
            for (unsigned i = 0; i < size; i++) {
                fer_buf_putc(&b, (char)('a' + (i + (unsigned)c) % 26));
                fer_buf_putc(&want, (char)('a' + (i + (unsigned)c) % 26));
            }
            fer_buf_puts(&b, STR("\r\n"));
        }
        fer_buf_puts(&b, STR("0\r\nTrailer: x\r\n\r\n"));
        kit_send(fd, b.p, b.n);
        kit_answer a;
        kit_read(fd, &a, false);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body_n, want.n);
        assert_memory_equal(a.body, want.p, want.n);
        kit_done(&a);
        fer_buf_done(&b);
        fer_buf_done(&want);
    }
    close(fd);
}

static void the_server_says_continue_when_asked(void **state)
{
    (void)state;
    int fd = kit_connect(&k);
    kit_answer a;
    kit_puts(fd, "POST /echo" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    kit_read(fd, &a, false);
    assert_string_equal(a.head, "HTTP/1.1 100 Continue\r\n\r\n");
    kit_done(&a);
    kit_puts(fd, "abc");
    kit_read(fd, &a, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "abc");
    kit_done(&a);
    /* Without a body there is nothing to continue with. */
    kit_puts(fd, "POST /echo" H "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    kit_read(fd, &a, false);
    assert_int_equal(a.status, 200);
    kit_done(&a);
    /* A refusal comes at once, and the body never. */
    kit_puts(fd, "POST /nowhere" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    kit_read(fd, &a, false);
    assert_int_equal(a.status, 404);
    assert_string_equal(kit_header(&a, "Connection"), "close");
    kit_done(&a);
    assert_true(kit_at_end(fd));
    close(fd);
}

static void bodies_nobody_wanted_are_skipped(void **state)
{
    (void)state;
    int fd = kit_connect(&k);
    kit_answer a;
    kit_puts(fd, "POST /nowhere" H "Content-Length: 20\r\n\r\nGET / HTTP/1.1\r\n\r\nxx");
    kit_read(fd, &a, false);
    assert_int_equal(a.status, 404);
    kit_done(&a);
    kit_puts(fd, "POST /nowhere" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    kit_read(fd, &a, false);
    assert_int_equal(a.status, 404);
    kit_done(&a);
    kit_puts(fd, "GET /hello" H "\r\n");
    kit_read(fd, &a, false);
    assert_string_equal(a.body, "hello\n");
    kit_done(&a);
    close(fd);
}

/* ---- streams ---- */

static void check_count(const kit_answer *a, unsigned n)
{
    const char *p = a->body;
    for (unsigned i = 0; i < n; i++) {
        char *end;
        assert_int_equal(strtoul(p, &end, 10), i);
        assert_true(*end == '\n');
        p = end + 1;
    }
    assert_int_equal(p - a->body, a->body_n);
}

static void streams_are_sized_or_chunked(void **state)
{
    (void)state;
    static const char *const targets[] = {"/count", "/loopcount"};
    for (int t = 0; t < 2; t++) {
        int fd = kit_connect(&k);
        for (unsigned n = 0; n <= 3000000; n = n == 0 ? 1 : n * 1000 / (n == 1000 ? 10 : 1)) {
            for (int gz = 0; gz < 2; gz++) {
                char request[200];
                snprintf(request, sizeof request, "GET %s?n=%u" H "%s\r\n", targets[t], n,
                         gz ? "Accept-Encoding: gzip\r\n" : "");
                kit_puts(fd, request);
                kit_answer a;
                kit_read(fd, &a, false);
                assert_int_equal(a.status, 200);
                assert_true(a.complete);
                assert_int_equal(a.chunked, n > 50000);
                assert_int_equal(kit_header(&a, "Content-Encoding") != NULL, gz);
                if (gz)
                    kit_gunzip(&a);
                check_count(&a, n);
                kit_done(&a);
            }
        }
        close(fd);
    }
}

static void streams_to_old_clients_end_with_the_connection(void **state)
{
    (void)state;
    int fd = kit_connect(&k);
    kit_puts(fd, "GET /count?n=100000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    kit_answer a;
    kit_read(fd, &a, false);
    assert_false(a.chunked);
    assert_null(kit_header(&a, "Content-Length"));
    assert_string_equal(kit_header(&a, "Connection"), "close");
    check_count(&a, 100000);
    kit_done(&a);
    close(fd);
}

static void a_failing_producer_cuts_the_answer(void **state)
{
    (void)state;
    kit_answer a;
    kit_once(&k, "GET /midway" H "\r\n", &a);
    assert_int_equal(a.status, 200);
    assert_true(a.chunked);
    assert_false(a.complete);
    kit_done(&a);
}

/* ---- around ---- */

static bool not_ready(void *arg)
{
    (void)arg;
    return false;
}

static void only_instant_routes_answer_before_ready(void **state)
{
    (void)state;
    kit own = k;
    kit_start(&k, &(http_options){.ready = not_ready}, routes, N_ROUTES);
    check_once("GET /hello" H "\r\n", 200, "hello\n");
    check_once("GET /nowhere" H "\r\n", 404, "404 page not found\n");
    check_once("POST /echo" H "Content-Length: 3\r\n\r\nabc", 503, "Service Unavailable");
    kit_answer a;
    kit_once(&k, "GET /work" H "\r\n", &a);
    assert_int_equal(a.status, 503);
    assert_string_equal(kit_header(&a, "X-Prometheus-Stopping"), "false");
    assert_null(kit_header(&a, "Connection"));
    kit_done(&a);
    kit_stop(&k, 1000);
    k = own;
}

static void routes_are_counted(void **state)
{
    (void)state;
    kit own = k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    check_once("GET /hello" H "\r\n", 200, "hello\n");
    check_once("GET /hello" H "\r\n", 200, "hello\n");
    check_once("POST /echo" H "Content-Length: 3\r\n\r\nabc", 200, "abc");
    check_once("GET /failing" H "\r\n", 400, "no way\n");
    check_once("POST /hello" H "\r\n", 405, "Method Not Allowed\n");
    check_once("bad\r\n\r\n", 400, "400 Bad Request: malformed request line");
    http_route_stats *rs = fer_calloc(N_ROUTES, sizeof *rs);
    size_t n = http_server_route_stats(k.s, rs, N_ROUTES);
    assert_int_equal(n, N_ROUTES);
    for (size_t i = 0; i < n; i++) {
        uint64_t want = strcmp(rs[i].handler, "/hello") == 0        ? 2
                        : strcmp(rs[i].handler, "/echo-label") == 0 ? 1
                        : strcmp(rs[i].handler, "/failing") == 0    ? 1
                                                                    : 0;
        assert_int_equal(rs[i].count, want);
        assert_int_equal(rs[i].by_status[200] + rs[i].by_status[400], want);
        assert_int_equal(rs[i].duration_buckets[HTTP_DURATION_BUCKETS], want);
        assert_int_equal(rs[i].size_buckets[0], want);
        if (strcmp(rs[i].handler, "/hello") == 0)
            assert_true(rs[i].size_sum == 12 && rs[i].duration_sum > 0);
    }
    fer_free(rs);
    http_stats st;
    http_server_stats(k.s, &st);
    assert_int_equal(st.accepted, 6);
    assert_int_equal(st.bad_requests, 1);
    assert_int_equal(st.bodies_bytes, 0);
    kit_stop(&k, 1000);
    k = own;
}

static void a_taken_address_is_named(void **state)
{
    (void)state;
    char address[40], want[100];
    snprintf(address, sizeof address, "127.0.0.1:%u", k.port);
    snprintf(want, sizeof want, "listen tcp %s: bind: address already in use", address);
    const char *listen[] = {address};
    fer_err err = {0};
    http_server *s = NULL;
    http_options o = {.listen = listen, .n_listen = 1};
    assert_int_not_equal(http_server_new(&o, &s, &err), FER_OK);
    assert_string_equal(err.msg, want);
    assert_null(s);
}

static void addresses_come_in_gos_forms(void **state)
{
    (void)state;
    static const struct {
        const char *address, *error;
    } cases[] = {
        {"127.0.0.1:0", NULL},
        {":0", NULL},
        {"0.0.0.0:0", NULL},
        {"localhost:0", NULL},
        {"9090", "listen tcp: address 9090: missing port in address"},
        {"::1:9090", "listen tcp: address ::1:9090: too many colons in address"},
        {"127.0.0.1:x", "listen tcp: address 127.0.0.1:x: invalid port"},
        {"127.0.0.1:", "listen tcp: address 127.0.0.1:: invalid port"},
        {"127.0.0.1:65536", "listen tcp: address 127.0.0.1:65536: invalid port"},
        {"192.0.2.1:0", "listen tcp 192.0.2.1:0: bind: cannot assign requested address"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_options o = {.listen = (const char **)&cases[i].address, .n_listen = 1};
        http_server *s = NULL;
        fer_err err = {0};
        fer_code code = http_server_new(&o, &s, &err);
        if (cases[i].error == NULL) {
            assert_int_equal(code, FER_OK);
            assert_int_not_equal(http_server_port(s, 0), 0);
        } else {
            assert_int_not_equal(code, FER_OK);
            assert_string_equal(err.msg, cases[i].error);
        }
        http_server_free(s);
    }
}

static void several_addresses_are_served(void **state)
{
    (void)state;
    const char *listen[] = {"127.0.0.1:0", "127.0.0.1:0"};
    kit two;
    kit_start(&two, &(http_options){.listen = listen, .n_listen = 2}, routes, N_ROUTES);
    for (size_t i = 0; i < 2; i++) {
        two.port = http_server_port(two.s, i);
        kit_answer a;
        kit_once(&two, "GET /hello" H "\r\n", &a);
        assert_string_equal(a.body, "hello\n");
        kit_done(&a);
    }
    kit_stop(&two, 1000);
}

static void remote(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, NULL, http_req_remote(r));
}

static void clients_are_known_by_their_address(void **state)
{
    (void)state;
    static const http_route route = {.path = "/", .methods = HTTP_GET, .fn = remote};
    static const char *const listens[] = {"127.0.0.1:0", ":0"}; /* IPv4, and both on one socket */
    for (int i = 0; i < 2; i++) {
        const char *listen[] = {listens[i]};
        kit own;
        kit_start(&own, &(http_options){.listen = listen, .n_listen = 1}, &route, 1);
        int fd = kit_connect(&own);
        struct sockaddr_in sa;
        socklen_t n = sizeof sa;
        assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
        char want[40];
        snprintf(want, sizeof want, "127.0.0.1:%u", ntohs(sa.sin_port));
        kit_puts(fd, "GET /" H "\r\n");
        kit_answer a;
        kit_read(fd, &a, false);
        assert_string_equal(a.body, want);
        kit_done(&a);
        close(fd);
        kit_stop(&own, 1000);
    }
}

static void on_usr1(void *arg, int signum)
{
    http_server **s = arg;
    assert_int_equal(signum, SIGUSR1);
    http_server_stop(*s, 1000);
}

static void signals_reach_the_loop(void **state)
{
    (void)state;
    const char *listen[] = {"127.0.0.1:0"};
    http_options o = {.listen = listen, .n_listen = 1};
    kit own = {0};
    fer_err err;
    assert_int_equal(http_server_new(&o, &own.s, &err), FER_OK);
    assert_int_equal(http_server_on_signal(own.s, SIGUSR1, on_usr1, &own.s, &err), FER_OK);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(http_server_run(own.s, &err), FER_OK);
    http_server_free(own.s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        T(handlers_answer_from_loop_and_pool_on_one_connection),
        T(the_date_is_the_wall_clock),
        T(head_has_headers_only),
        T(old_clients_are_closed_unless_they_ask),
        T(upgrades_are_declined_by_ignoring_them),
        T(statuses_without_a_body_have_none),
        T(header_values_cannot_split_the_answer),
        T(a_reply_may_come_later_from_any_thread),
        T(texts_of_errors_end_in_a_newline),
        T(unknown_paths_and_methods_are_told),
        T(form_comes_before_query),
        T(bad_forms_are_told_and_the_rest_kept),
        T(raw_bytes_of_browsers_are_taken),
        T(wildcards_are_decoded),
        T(a_prefix_is_required_and_removed),
        T(answers_are_compressed_where_accepted),
        T(answers_are_plain_where_gzip_is_not_accepted),
        T(bodies_arrive_whole),
        T(chunked_bodies_arrive_whole),
        T(the_server_says_continue_when_asked),
        T(bodies_nobody_wanted_are_skipped),
        T(streams_are_sized_or_chunked),
        T(streams_to_old_clients_end_with_the_connection),
        T(a_failing_producer_cuts_the_answer),
        T(only_instant_routes_answer_before_ready),
        T(routes_are_counted),
        T(a_taken_address_is_named),
        T(addresses_come_in_gos_forms),
        T(several_addresses_are_served),
        T(clients_are_known_by_their_address),
        T(signals_reach_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
