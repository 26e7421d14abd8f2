/* pipeline_test.c - as many answers as requests, in their order, however the bytes are cut. */
#include "server/http/testkit.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define H " HTTP/1.1\r\nHost: x\r\n"

static void number(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", http_req_param(r, "n"));
}

/* Length and a checksum of the body, behind the number. */
static void digest(http_req *r, void *arg)
{
    (void)arg;
    fer_str n = http_req_param(r, "n"), body = http_req_body(r);
    unsigned sum = 0;
    for (size_t i = 0; i < body.n; i++)
        sum = sum * 31 + (unsigned char)body.p[i];
    fer_buf b;
    fer_buf_init(&b, 1000, NULL);
    fer_buf_printf(&b, "%.*s %zu %u", STR_FMT(n), body.n, sum);
    http_reply_buf(r, 200, "text/plain", &b);
}

static const http_route routes[] = {
    {"/loop", HTTP_GET | HTTP_POST, HTTP_ON_LOOP, number, NULL, 1 << 20, NULL},
    {"/query", HTTP_GET | HTTP_POST, HTTP_QUERY, number, NULL, 1 << 20, NULL},
    {"/digest", HTTP_POST, HTTP_INGEST, digest, NULL, 1 << 20, NULL},
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

static unsigned seed;

static unsigned next_random(unsigned below)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % below;
}

/* Appends request i to `in`, and what its answer must be ("status body\n") to `want`. */
static void make_request(unsigned i, fer_buf *in, fer_buf *want)
{
    char body[3000];
    unsigned n = next_random(4) == 0 ? next_random(sizeof body) : next_random(20), sum = 0;
    for (unsigned k = 0; k < n; k++) {
        body[k] = "GET / HTTP/1.1\r\n\r\n0\r\n"[next_random(21)]; /* bodies that look like heads */
        sum = sum * 31 + (unsigned char)body[k];
    }
    switch (next_random(6)) {
    case 0:
        fer_buf_printf(in, "GET /loop?n=%u" H "\r\n", i);
        fer_buf_printf(want, "200 %u\n", i);
        break;
    case 1:
        fer_buf_printf(in, "\r\nGET /query?n=%u" H "A: b\r\n\r\n", i);
        fer_buf_printf(want, "200 %u\n", i);
        break;
    case 2:
        fer_buf_printf(in, "POST /digest?n=%u" H "Content-Length: %u\r\n\r\n", i, n);
        fer_buf_put(in, body, n);
        fer_buf_printf(want, "200 %u %u %u\n", i, n, sum);
        break;
    case 3:
        fer_buf_printf(in, "POST /digest?n=%u" H "Transfer-Encoding: chunked\r\n\r\n", i);
        for (unsigned at = 0; at < n;) {
            unsigned piece = 1 + next_random(n - at);
            fer_buf_printf(in, "%x\r\n", piece);
            fer_buf_put(in, body + at, piece);
            fer_buf_puts(in, STR("\r\n"));
            at += piece;
        }
        fer_buf_puts(in, STR("0\r\n\r\n"));
        fer_buf_printf(want, "200 %u %u %u\n", i, n, sum);
        break;
    case 4:
        fer_buf_printf(in, "POST /none" H "Content-Length: %u\r\n\r\n", n);
        fer_buf_put(in, body, n);
        fer_buf_puts(want, STR("404 404 page not found\n\n"));
        break;
    default:
        fer_buf_puts(in, STR("DELETE /loop" H "\r\n"));
        fer_buf_puts(want, STR("405 Method Not Allowed\n\n"));
        break;
    }
}

static void read_answers(int fd, unsigned n, fer_buf *got)
{
    for (unsigned i = 0; i < n; i++) {
        kit_answer a;
        kit_read(fd, &a, false);
        assert_true(a.complete);
        fer_buf_printf(got, "%d %s\n", a.status, a.body);
        kit_done(&a);
    }
}

typedef struct sending {
    int fd;
    fer_str bytes;
    unsigned cut_max; /* 0: whole */
    unsigned seed;
} sending;

static void send_all(void *arg)
{
    sending *s = arg;
    for (size_t at = 0; at < s->bytes.n;) {
        size_t n = s->bytes.n - at;
        if (s->cut_max != 0) {
            s->seed = s->seed * 1103515245 + 12345;
            size_t piece = 1 + (s->seed >> 8) % s->cut_max;
            n = piece < n ? piece : n;
        }
        kit_send(s->fd, s->bytes.p + at, n);
        at += n;
    }
}

static void check_exchange(const kit *k, unsigned n, unsigned cut_max)
{
    fer_buf in, want, got;
    fer_buf_init(&in, 64 << 20, NULL);
    fer_buf_init(&want, 64 << 20, NULL);
    fer_buf_init(&got, 64 << 20, NULL);
    for (unsigned i = 0; i < n; i++)
        make_request(i, &in, &want);
    int fd = kit_connect(k);
    sending s = {fd, fer_buf_str(&in), cut_max, seed};
    fer_thread t;
    assert_int_equal(fer_thread_start(&t, "sender", send_all, &s, NULL), FER_OK);
    read_answers(fd, n, &got);
    fer_thread_join(&t);
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.p, want.p, want.n);
    /* Nothing follows, and the connection still works. */
    struct pollfd p = {fd, POLLIN, 0};
    assert_int_equal(poll(&p, 1, 20), 0);
    kit_puts(fd, "GET /loop?n=end" H "\r\n");
    kit_answer a;
    kit_read(fd, &a, false);
    assert_string_equal(a.body, "end");
    kit_done(&a);
    close(fd);
    fer_buf_done(&in);
    fer_buf_done(&want);
    fer_buf_done(&got);
}

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

static void answers_come_in_order_when_sent_whole(void **state)
{
    (void)state;
    for (seed = 1; seed < 6; seed++)
        check_exchange(&k, 300, 0);
}

static void answers_come_in_order_when_sent_byte_by_byte(void **state)
{
    (void)state;
    seed = 77;
    check_exchange(&k, 60, 1);
}

static void answers_come_in_order_when_cut_anywhere(void **state)
{
    (void)state;
    for (unsigned cut = 2; cut < 5000; cut *= 3) {
        seed = cut;
        check_exchange(&k, 200, cut);
    }
}

/* Sends as long as the server takes it, without reading; then reads all. */
static void a_long_pipeline_waits_in_the_kernel(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    enum { N = 20000 };
#else
    enum { N = 100000 };
#endif
    fer_buf in;
    fer_buf_init(&in, 64 << 20, NULL);
    for (unsigned i = 0; i < N; i++)
        fer_buf_printf(&in, "GET /loop?n=%u" H "\r\n", i);
    int fd = kit_connect(&k);
    size_t sent = 0;
    for (int quiet = 0; quiet < 30 && sent < in.n;) {
        ssize_t n = send(fd, in.p + sent, in.n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) {
            kit_sleep_ms(10);
            quiet++;
            continue;
        }
        sent += (size_t)n;
        quiet = 0;
    }
    sending s = {fd, str_from(fer_buf_str(&in), sent), 0, 0};
    fer_thread t;
    assert_int_equal(fer_thread_start(&t, "sender", send_all, &s, NULL), FER_OK);
    char *all = fer_alloc(32 << 20);
    size_t n = 0;
    unsigned seen = 0;
    while (seen < N) {
        ssize_t got = kit_recv(fd, all + n, (32 << 20) - n);
        assert_true(got > 0);
        for (size_t i = n < 8 ? 0 : n - 8; i + 9 <= n + (size_t)got; i++)
            if (memcmp(all + i, "HTTP/1.1 ", 9) == 0)
                seen++;
        n += (size_t)got;
    }
    fer_thread_join(&t);
    /* The last answer has come with its whole body. */
    char last[8];
    size_t last_n = (size_t)snprintf(last, sizeof last, "%d", N - 1);
    while (memcmp(all + n - last_n, last, last_n) != 0) {
        ssize_t got = kit_recv(fd, all + n, (32 << 20) - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    const char *p = all;
    for (unsigned i = 0; i < N; i++) {
        p = memmem(p, (size_t)(all + n - p), "\r\n\r\n", 4);
        assert_non_null(p);
        p += 4;
        char text[8];
        int len = snprintf(text, sizeof text, "%u", i);
        assert_memory_equal(p, text, (size_t)len);
    }
    fer_free(all);
    fer_buf_done(&in);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_come_in_order_when_sent_whole, start, stop),
        cmocka_unit_test_setup_teardown(answers_come_in_order_when_sent_byte_by_byte, start, stop),
        cmocka_unit_test_setup_teardown(answers_come_in_order_when_cut_anywhere, start, stop),
        cmocka_unit_test_setup_teardown(a_long_pipeline_waits_in_the_kernel, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
