/* events_test.c - streams whose producer has nothing to say for a while, and the hook before handlers. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "server/http/testkit.h"

#define H " HTTP/1.1\r\nHost: a\r\n"

static _Atomic int said, freed;

/* What `said` counts beyond its last call; ends at 100. */
static fer_code news_next(void *arg, fer_buf *out, bool *done)
{
    int *told = arg;
    for (int n = atomic_load(&said); *told < n && *told < 100; ++*told)
        fer_buf_printf(out, "data: %d\n\n", *told);
    *done = *told == 100;
    return FER_OK;
}

static void news_free(void *arg)
{
    fer_free(arg);
    atomic_fetch_add(&freed, 1);
}

static void news(http_req *r, void *arg)
{
    (void)arg;
    int *told = fer_calloc(1, sizeof *told);
    *told = atomic_load(&said);
    http_producer p = {news_next, news_free, told};
    http_reply_stream(r, 200, "text/event-stream", &p);
}

static void hello(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", STR("hello\n"));
}

static bool doorman(http_req *r, void *arg)
{
    http_resp_header(r, "X-Doorman", str_of(arg));
    if (http_req_header(r, "Origin").n == 0)
        return true;
    http_reply_text(r, 403, "not you");
    return false;
}

static const http_route routes[] = {
    {"/news", HTTP_GET, HTTP_ON_LOOP, news, NULL, 0, NULL},
    {"/hello", HTTP_GET, HTTP_ON_LOOP, hello, NULL, 0, NULL},
    {"/work", HTTP_GET | HTTP_POST, HTTP_QUERY, hello, NULL, 0, NULL},
};

static kit k;

static int start(void **state)
{
    (void)state;
    static char name[] = "Jim";
    atomic_store(&said, 0);
    atomic_store(&freed, 0);
    kit_start(&k, &(http_options){.before = doorman, .before_arg = name}, routes,
              sizeof routes / sizeof *routes);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    kit_stop(&k, 1000);
    return 0;
}

/* Reads until the text has come; what came is in buf. */
static void read_until(int fd, const char *text, char *buf, size_t cap)
{
    size_t n = 0;
    buf[0] = '\0';
    while (strstr(buf, text) == NULL) {
        assert_true(n + 1 < cap);
        ssize_t got = kit_recv(fd, buf + n, cap - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
        buf[n] = '\0';
    }
}

static void news_arrive_when_they_happen(void **state)
{
    (void)state;
    char buf[8192];
    int fd = kit_connect(&k);
    kit_puts(fd, "GET /news" H "Accept-Encoding: gzip\r\n\r\n");
    read_until(fd, "\r\n\r\n", buf, sizeof buf); /* the head comes without a first event */
    assert_non_null(strstr(buf, "Transfer-Encoding: chunked"));
    assert_null(strstr(buf, "gzip"));
    atomic_store(&said, 1);
    read_until(fd, "data: 0\n\n", buf, sizeof buf);
    kit_sleep_ms(100);
    atomic_store(&said, 3);
    read_until(fd, "data: 2\n\n", buf, sizeof buf);
    assert_int_equal(atomic_load(&freed), 0);
    atomic_store(&said, 100);
    read_until(fd, "\r\n0\r\n\r\n", buf, sizeof buf);
    kit_puts(fd, "GET /hello" H "\r\n"); /* and the connection serves on */
    read_until(fd, "hello\n", buf, sizeof buf);
    assert_int_equal(atomic_load(&freed), 1);
    close(fd);
}

static void who_leaves_while_nothing_happens_is_noticed(void **state)
{
    (void)state;
    char buf[8192];
    int fd = kit_connect(&k);
    kit_puts(fd, "GET /news" H "\r\n");
    read_until(fd, "\r\n\r\n", buf, sizeof buf);
    kit_sleep_ms(50);
    close(fd);
    for (int i = 0; i < 100 && atomic_load(&freed) == 0; i++)
        kit_sleep_ms(20);
    assert_int_equal(atomic_load(&freed), 1);
    kit_answer a; /* its request is used again */
    for (int i = 0; i < 3; i++) {
        kit_once(&k, "GET /work" H "\r\n", &a);
        assert_int_equal(a.status, 200);
        kit_done(&a);
        kit_sleep_ms(300);
    }
}

static void the_hook_may_add_headers_and_refuse(void **state)
{
    (void)state;
    kit_answer a;
    static const char *const paths[] = {"GET /hello", "POST /work"};
    for (int i = 0; i < 2; i++) {
        char request[200];
        snprintf(request, sizeof request, "%s" H "\r\n", paths[i]);
        kit_once(&k, request, &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(kit_header(&a, "X-Doorman"), "Jim");
        kit_done(&a);
        snprintf(request, sizeof request, "%s" H "Origin: b\r\n\r\n", paths[i]);
        kit_once(&k, request, &a);
        assert_int_equal(a.status, 403);
        assert_string_equal(a.body, "not you\n");
        kit_done(&a);
    }
}

static void options_are_answered_where_nobody_does(void **state)
{
    (void)state;
    kit_answer a;
    kit_once(&k, "OPTIONS /work" H "\r\n", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(kit_header(&a, "Allow"), "GET, OPTIONS, POST");
    assert_int_equal(a.body_n, 0);
    kit_done(&a);
    kit_once(&k, "OPTIONS /nowhere" H "\r\n", &a);
    assert_int_equal(a.status, 404);
    kit_done(&a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        T(news_arrive_when_they_happen),
        T(who_leaves_while_nothing_happens_is_noticed),
        T(the_hook_may_add_headers_and_refuse),
        T(options_are_answered_where_nobody_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
