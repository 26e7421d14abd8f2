/* server_test.c - what clients of a running server see. */
#include "server/http/testkit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

/* ---- handlers ---- */

static void echo(http_req *r, void *arg)
{
    (void)arg;
    fer_str body = http_req_body(r);
    http_reply(r, 200, "application/octet-stream", body);
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
    fer_err err = {0};
    if (http_req_parse_form(r, &err) != FER_OK)
        fer_buf_printf(&b, "error=%s\n", err.msg);
    http_reply_buf(r, 200, "text/plain", &b);
}

static const http_route basic[] = {
    {.path = "/hello",
     .methods = HTTP_GET | HTTP_HEAD,
     .pool = HTTP_ON_LOOP,
     .fn = hello,
     .arg = "hello\n"},
    {.path = "/work", .methods = HTTP_GET, .pool = HTTP_QUERY, .fn = hello, .arg = "worked\n"},
    {.path = "/echo",
     .methods = HTTP_POST | HTTP_PUT,
     .pool = HTTP_INGEST,
     .fn = echo,
     .body_max = 8 << 20},
    {.path = "/show", .methods = HTTP_GET | HTTP_POST, .pool = HTTP_QUERY, .fn = show},
    {.path = "/label/:name/values", .methods = HTTP_GET, .pool = HTTP_QUERY, .fn = show},
};
enum { N_BASIC = sizeof basic / sizeof *basic };

static void a_handler_answers_from_loop_and_pool(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, basic, N_BASIC);
    kit_answer a;
    int fd = kit_connect(&k);
    for (int i = 0; i < 3; i++) {
        kit_puts(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        kit_read(fd, &a, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "hello\n");
        assert_string_equal(kit_header(&a, "Content-Length"), "6");
        assert_non_null(kit_header(&a, "Date"));
        assert_null(kit_header(&a, "Connection"));
        kit_done(&a);
        kit_puts(fd, "GET /work HTTP/1.1\r\nHost: x\r\n\r\n");
        kit_read(fd, &a, false);
        assert_string_equal(a.body, "worked\n");
        kit_done(&a);
    }
    close(fd);
    kit_stop(&k, 1000);
}

static void bodies_arrive_whole(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, basic, N_BASIC);
    static const size_t sizes[] = {0, 1, 100, 16384, 16385, 1000000, 8 << 20};
    int fd = kit_connect(&k);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        char *body = fer_alloc(n + 1);
        for (size_t j = 0; j < n; j++)
            body[j] = (char)(j * 7 + j / 251);
        char head[128];
        int h = snprintf(head, sizeof head,
                         "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", n);
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
    kit_stop(&k, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_answers_from_loop_and_pool),
        cmocka_unit_test(bodies_arrive_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
