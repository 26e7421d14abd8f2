/* limits_test.c - what a client may not do, and what it is told. */
#include "server/http/testkit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define H " HTTP/1.1\r\nHost: x\r\n"

static void hello(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", STR("hello\n"));
}

static void length(http_req *r, void *arg)
{
    (void)arg;
    http_reply_text(r, 200, "%zu", http_req_body(r).n);
}

/* Requests that wait until the test lets them go. */
static struct {
    fer_mutex mu;
    fer_cond changed;
    unsigned inside, passes;
} gate;

static void gated(http_req *r, void *arg)
{
    (void)arg;
    fer_mutex_lock(&gate.mu);
    gate.inside++;
    fer_cond_broadcast(&gate.changed);
    while (gate.passes == 0)
        fer_cond_wait(&gate.changed, &gate.mu);
    gate.passes--;
    gate.inside--;
    fer_mutex_unlock(&gate.mu);
    http_reply(r, 200, "text/plain", STR("passed"));
}

static void await_inside(unsigned n)
{
    fer_mutex_lock(&gate.mu);
    while (gate.inside != n)
        assert_true(fer_cond_wait_ns(&gate.changed, &gate.mu, 10000000000u));
    fer_mutex_unlock(&gate.mu);
}

static void let_pass(unsigned n)
{
    fer_mutex_lock(&gate.mu);
    gate.passes += n;
    fer_cond_broadcast(&gate.changed);
    fer_mutex_unlock(&gate.mu);
}

static const http_route routes[] = {
    {"/hello", HTTP_GET, HTTP_ON_LOOP, hello, NULL, 0, NULL},
    {"/length", HTTP_POST, HTTP_INGEST, length, NULL, 1 << 20, NULL},
    {"/small", HTTP_POST, HTTP_INGEST, length, NULL, 1000, NULL},
    {"/gated", HTTP_GET, HTTP_QUERY, gated, NULL, 0, NULL},
    {"/gated-write", HTTP_POST, HTTP_INGEST, gated, NULL, 0, NULL},
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

static int init(void **state)
{
    (void)state;
    fer_mutex_init(&gate.mu, "gate", 0);
    fer_cond_init(&gate.changed);
    return 0;
}

static void check_answer(int fd, int status, const char *body, bool closes)
{
    kit_answer a;
    kit_read(fd, &a, false);
    if (a.status != status || strcmp(a.body, body) != 0)
        fail_msg("%d <%s>, want %d <%s>", a.status, a.body, status, body);
    assert_true(a.complete);
    assert_int_equal(kit_header(&a, "Connection") != NULL, closes);
    if (status == 503)
        assert_string_equal(kit_header(&a, "Retry-After"), "1");
    kit_done(&a);
}

/* The answer, that it closes, and that nothing follows it. */
static void check_refused(int fd, int status, const char *body)
{
    check_answer(fd, status, body, true);
    assert_true(kit_at_end(fd));
    close(fd);
}

static void check_hello(int fd)
{
    kit_answer a;
    kit_puts(fd, "GET /hello" H "\r\n");
    kit_read(fd, &a, false);
    assert_int_equal(a.status, 200);
    kit_done(&a);
}

/* ---- sizes ---- */

static void malformed_requests_are_refused_and_closed(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        const char *body;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400, "400 Bad Request: missing required Host header"},
        {"\x16\x03\x01", 400, "400 Bad Request: malformed request line"},
        {"GET / HTTP/2.0\r\n", 505, "505 HTTP Version Not Supported: unsupported protocol version"},
        {"POST /length" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
         "400 Bad Request: invalid Content-Length"},
        {"POST /length" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400,
         "400 Bad Request: invalid Content-Length"},
        {"GET /hello" H "A: b\r\n c\r\n\r\n", 400, "400 Bad Request: folded header line"},
        {"GET /hello" H "Expect: x\r\n\r\n", 417, "417 Expectation Failed"},
        {"POST /length" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
         "400 Bad Request: malformed chunked encoding"},

    };
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = kit_connect(&k);
        check_hello(fd); /* the connection was fine until then */
        kit_puts(fd, cases[i].request);
        check_refused(fd, cases[i].status, cases[i].body);
    }
    /* What stands behind a bad request is never looked at. */
    int fd = kit_connect(&k);
    kit_puts(fd, "BAD\r\n\r\nGET /hello" H "\r\nGET /hello" H "\r\n");
    check_refused(fd, 400, "400 Bad Request: malformed request line");
    kit_stop(&k, 1000);
}

static void large_heads_are_refused(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    fer_buf_puts(&b, STR("GET /hello?"));
    for (int i = 0; i < 32 * 1024; i++)
        fer_buf_putc(&b, 'x');
    fer_buf_puts(&b, STR(H "\r\n"));
    int fd = kit_connect(&k);
    kit_send(fd, b.p, b.n);
    check_refused(fd, 431, "431 Request Header Fields Too Large");
    fer_buf_clear(&b);
    fer_buf_puts(&b, STR("GET /hello" H));
    for (int i = 0; i < 100; i++)
        fer_buf_printf(&b, "H%d: x\r\n", i);
    fer_buf_puts(&b, STR("\r\n"));
    fd = kit_connect(&k);
    kit_send(fd, b.p, b.n);
    check_refused(fd, 431, "431 Request Header Fields Too Large");
    fer_buf_done(&b);
    kit_stop(&k, 1000);
}

static void large_bodies_are_refused(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    /* A small excess is read and thrown away: the connection stays. */
    int fd = kit_connect(&k);
    char request[2000] = "POST /small" H "Content-Length: 1001\r\n\r\n";
    size_t h = strlen(request);
    memset(request + h, 'x', 1001);
    kit_send(fd, request, h + 1001);
    kit_answer a;
    kit_read(fd, &a, false);
    assert_int_equal(a.status, 413);
    assert_string_equal(a.body, "413 Request Entity Too Large");
    kit_done(&a);
    check_hello(fd);
    close(fd);
    /* A large one ends it, whether it is being sent or not. */
    fd = kit_connect(&k);
    kit_puts(fd, "POST /small" H "Content-Length: 9999999999\r\n\r\n");
    check_refused(fd, 413, "413 Request Entity Too Large");
    fd = kit_connect(&k);
    kit_puts(fd, "POST /small" H "Transfer-Encoding: chunked\r\n\r\n3e9\r\n");
    kit_send(fd, request, 1001);
    check_refused(fd, 413, "413 Request Entity Too Large");
    kit_stop(&k, 1000);
}

/* The answer is not lost although the client is still sending. */
static void a_sender_gets_to_read_its_refusal(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    size_t n = 3 << 20;
    char *body = fer_calloc(1, n);
    for (int i = 0; i < 5; i++) {
        int fd = kit_connect(&k);
        kit_puts(fd, "POST /length" H "Content-Length: 3145728\r\n\r\n");
        kit_send(fd, body, n);
        check_refused(fd, 413, "413 Request Entity Too Large");
    }
    fer_free(body);
    kit_stop(&k, 1000);
}

static void bodies_share_a_budget(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.body_budget_bytes = 1 << 20}, routes, N_ROUTES);
    size_t n = 700 * 1024;
    char *body = fer_calloc(1, n);
    char head[100];
    int h = snprintf(head, sizeof head, "POST /length" H "Content-Length: %zu\r\n\r\n", n);
    /* Announcing costs nothing. */
    int idle[4];
    for (int i = 0; i < 4; i++) {
        idle[i] = kit_connect(&k);
        kit_send(idle[i], head, (size_t)h);
    }
    int first = kit_connect(&k);
    kit_send(first, head, (size_t)h);
    kit_send(first, body, n - 1);
    http_stats st = {0};
    while (st.bodies_bytes < n - 1) {
        kit_sleep_ms(1);
        http_server_stats(k.s, &st);
    }
    int second = kit_connect(&k);
    kit_send(second, head, (size_t)h);
    kit_send(second, body, n - 1);
    check_refused(second, 503, "503 Service Unavailable: too many request bodies in flight");
    int third = kit_connect(&k);
    kit_puts(third, "POST /length" H "Transfer-Encoding: chunked\r\n\r\n80000\r\n");
    kit_send(third, body, 0x80000);
    check_refused(third, 503, "503 Service Unavailable");
    kit_send(first, body, 1);
    kit_answer a;
    kit_read(first, &a, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "716800\n");
    kit_done(&a);
    close(first);
    for (int i = 0; i < 4; i++)
        close(idle[i]);
    fer_free(body);
    http_server_stats(k.s, &st);
    assert_true(st.refused >= 2);
    kit_stop(&k, 1000);
}

static void requests_beyond_the_queue_are_refused(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.queue_max = 2, .query_workers = 1}, routes, N_ROUTES);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = kit_connect(&k);
        kit_puts(fds[i], "GET /gated" H "\r\n");
        if (i == 0)
            await_inside(1);
        kit_sleep_ms(20); /* the order of arrival at the server */
    }
    check_answer(fds[3], 503, "503 Service Unavailable: too many requests are waiting", false);
    check_hello(fds[3]);
    close(fds[3]);
    for (int i = 0; i < 3; i++) {
        let_pass(1);
        kit_answer a;
        kit_read(fds[i], &a, false);
        assert_string_equal(a.body, "passed");
        kit_done(&a);
        close(fds[i]);
    }
    kit_stop(&k, 1000);
}

/* Without its body having been asked for, or even sent. */
static void a_full_queue_refuses_before_the_body(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.queue_max = 1, .ingest_workers = 1}, routes, N_ROUTES);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = kit_connect(&k);
        kit_puts(fds[i], "POST /gated-write" H "Content-Length: 1\r\n\r\nx");
        if (i == 0)
            await_inside(1);
        kit_sleep_ms(20);
    }
    int fd = kit_connect(&k);
    kit_puts(fd, "POST /length" H "Content-Length: 1000\r\n\r\n");
    check_answer(fd, 503, "503 Service Unavailable: too many requests are waiting", false);
    char body[1000] = {0};
    kit_send(fd, body, sizeof body); /* thrown away: the connection goes on */
    check_hello(fd);
    kit_puts(fd, "POST /length" H "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
    check_refused(fd, 503, "503 Service Unavailable: too many requests are waiting");
    fd = kit_connect(&k);
    kit_puts(fd, "POST /length" H "Content-Length: 1000000\r\n\r\n");
    check_refused(fd, 503, "503 Service Unavailable: too many requests are waiting");
    let_pass(2);
    for (int i = 0; i < 2; i++) {
        check_answer(fds[i], 200, "passed", false);
        close(fds[i]);
    }
    kit_stop(&k, 1000);
}

/* ---- times ---- */

static void slow_heads_end(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.head_timeout_ms = 200}, routes, N_ROUTES);
    int fd = kit_connect(&k);
    uint64_t from = kit_now_ms();
    kit_puts(fd, "GET /hello HTTP/1.1\r\n");
    kit_sleep_ms(120);
    kit_puts(fd, "Host: x\r\n"); /* does not buy time */
    check_refused(fd, 408, "408 Request Timeout");
    uint64_t took = kit_now_ms() - from;
    assert_in_range(took, 150, 1500);
    http_stats st;
    http_server_stats(k.s, &st);
    assert_int_equal(st.timeouts, 1);
    kit_stop(&k, 1000);
}

static void stalled_bodies_end(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.stall_timeout_ms = 200}, routes, N_ROUTES);
    static const char *const starts[] = {"POST /length" H "Content-Length: 100\r\n\r\nabc",
                                         "POST /length" H
                                         "Transfer-Encoding: chunked\r\n\r\n5\r\na"};
    for (int i = 0; i < 2; i++) {
        int fd = kit_connect(&k);
        kit_puts(fd, starts[i]);
        check_refused(fd, 408, "408 Request Timeout");
    }
    kit_stop(&k, 1000);
}

static void dripping_bodies_end(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.stall_timeout_ms = 400}, routes, N_ROUTES);
    int fd = kit_connect(&k);
    uint64_t from = kit_now_ms();
    kit_puts(fd, "POST /length" H "Content-Length: 100000\r\n\r\n");
    for (int i = 0; i < 15; i++) { /* some 100 bytes a second */
        kit_puts(fd, "x");
        kit_sleep_ms(40);
    }
    check_refused(fd, 408, "408 Request Timeout");
    assert_in_range(kit_now_ms() - from, 350, 1500);
    kit_stop(&k, 1000);
}

static void slow_but_steady_bodies_are_taken(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.stall_timeout_ms = 200}, routes, N_ROUTES);
    int fd = kit_connect(&k);
    kit_puts(fd, "POST /length" H "Content-Length: 10000\r\n\r\n");
    char some[500] = {0};
    for (int i = 0; i < 20; i++) {
        kit_send(fd, some, sizeof some);
        kit_sleep_ms(40);
    }
    kit_answer a;
    kit_read(fd, &a, false);
    assert_string_equal(a.body, "10000\n");
    kit_done(&a);
    close(fd);
    kit_stop(&k, 1000);
}

static void idle_connections_end_without_a_word(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.idle_timeout_ms = 200}, routes, N_ROUTES);
    int unused = kit_connect(&k), used = kit_connect(&k);
    check_hello(used);
    uint64_t from = kit_now_ms();
    assert_true(kit_at_end(unused));
    assert_true(kit_at_end(used));
    assert_in_range(kit_now_ms() - from, 100, 1500);
    close(unused);
    close(used);
    http_stats st;
    do
        http_server_stats(k.s, &st);
    while (st.connections != 0);
    assert_int_equal(st.timeouts, 0);
    kit_stop(&k, 1000);
}

/* ---- the number of connections ---- */

static void the_oldest_idle_connection_gives_way(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.max_connections = 3}, routes, N_ROUTES);
    int a = kit_connect(&k), b = kit_connect(&k), c = kit_connect(&k);
    check_hello(a);
    check_hello(b);
    check_hello(c);
    check_hello(a); /* now b is the one idle longest */
    int d = kit_connect(&k);
    check_hello(d);
    assert_true(kit_at_end(b));
    check_hello(a);
    check_hello(c);
    check_hello(d);
    close(a);
    close(b);
    close(c);
    close(d);
    kit_stop(&k, 1000);
}

static void half_sent_requests_do_not_lock_others_out(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.max_connections = 20}, routes, N_ROUTES);
    int slow[40];
    for (int i = 0; i < 40; i++) {
        slow[i] = kit_connect(&k);
        kit_puts(slow[i], "GET /hello HTTP/1.1\r\nHo");
    }
    uint64_t from = kit_now_ms();
    int fd = kit_connect(&k);
    check_hello(fd);
    assert_true(kit_now_ms() - from < 1000);
    close(fd);
    for (int i = 0; i < 40; i++)
        close(slow[i]);
    kit_stop(&k, 1000);
}

static void a_connection_waits_while_all_are_busy(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.max_connections = 2}, routes, N_ROUTES);
    int busy[2];
    for (int i = 0; i < 2; i++) {
        busy[i] = kit_connect(&k);
        kit_puts(busy[i], "GET /gated" H "\r\n");
    }
    await_inside(2);
    int late[3];
    for (int i = 0; i < 3; i++) {
        late[i] = kit_connect(&k); /* the kernel takes it, the server not yet */
        kit_puts(late[i], "GET /hello" H "\r\n");
    }
    kit_sleep_ms(200);
    http_stats st;
    http_server_stats(k.s, &st);
    assert_int_equal(st.connections, 2);
    char c;
    assert_int_equal(recv(late[0], &c, 1, MSG_DONTWAIT), -1);
    let_pass(2);
    for (int i = 0; i < 3; i++) {
        kit_answer a;
        kit_read(late[i], &a, false);
        assert_int_equal(a.status, 200);
        kit_done(&a);
        close(late[i]);
    }
    for (int i = 0; i < 2; i++) {
        kit_answer a;
        kit_read(busy[i], &a, false);
        assert_string_equal(a.body, "passed");
        kit_done(&a);
        close(busy[i]);
    }
    kit_stop(&k, 1000);
}

static void those_who_drip_give_way(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.max_connections = 3, .stall_timeout_ms = 6000}, routes,
              N_ROUTES);
    int slow[3];
    for (int i = 0; i < 3; i++) {
        slow[i] = kit_connect(&k);
        kit_puts(slow[i], "POST /length" H "Content-Length: 100\r\n\r\nx");
    }
    uint64_t from = kit_now_ms();
    int fd = kit_connect(&k);
    check_hello(fd); /* after a second, not six */
    assert_in_range(kit_now_ms() - from, 500, 4000);
    close(fd);
    for (int i = 0; i < 3; i++)
        close(slow[i]);
    kit_stop(&k, 1000);
}

/* ---- memory ---- */

static void a_server_out_of_memory_still_says_that_it_is_there(void **state)
{
    (void)state;
    fer_account all;
    fer_account_init(&all, "all", NULL, 1 << 20);
    kit k;
    kit_start(&k, &(http_options){.account = &all}, routes, N_ROUTES);
    fer_account_force(&all, 1 << 20);
    int fd = kit_connect(&k);
    check_hello(fd);
    kit_puts(fd, "POST /length" H "Content-Length: 3\r\n\r\nabc");
    check_refused(fd, 503, "503 Service Unavailable");
    fer_account_release(&all, 1 << 20);
    fd = kit_connect(&k);
    kit_puts(fd, "POST /length" H "Content-Length: 3\r\n\r\nabc");
    check_answer(fd, 200, "3\n", false);
    close(fd);
    kit_stop(&k, 1000);
    assert_int_equal(fer_account_used(&all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_are_refused_and_closed),
        cmocka_unit_test(large_heads_are_refused),
        cmocka_unit_test(large_bodies_are_refused),
        cmocka_unit_test(a_sender_gets_to_read_its_refusal),
        cmocka_unit_test(bodies_share_a_budget),
        cmocka_unit_test(requests_beyond_the_queue_are_refused),
        cmocka_unit_test(a_full_queue_refuses_before_the_body),
        cmocka_unit_test(slow_heads_end),
        cmocka_unit_test(stalled_bodies_end),
        cmocka_unit_test(dripping_bodies_end),
        cmocka_unit_test(slow_but_steady_bodies_are_taken),
        cmocka_unit_test(idle_connections_end_without_a_word),
        cmocka_unit_test(the_oldest_idle_connection_gives_way),
        cmocka_unit_test(half_sent_requests_do_not_lock_others_out),
        cmocka_unit_test(a_connection_waits_while_all_are_busy),
        cmocka_unit_test(those_who_drip_give_way),
        cmocka_unit_test(a_server_out_of_memory_still_says_that_it_is_there),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
