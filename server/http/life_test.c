/* life_test.c - clients that leave, clients that do not read, many that are idle, and the stop. */
#include "server/http/testkit.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define H " HTTP/1.1\r\nHost: x\r\n"

/* ---- a handler that works until it is cancelled, or let go ---- */

static struct {
    fer_mutex mu;
    fer_cond changed;
    unsigned inside;
    bool open;
    uint64_t ended_ms;
    fer_code how;
} work;

static void work_reset(void)
{
    fer_mutex_lock(&work.mu);
    work.inside = 0;
    work.open = false;
    work.ended_ms = 0;
    fer_mutex_unlock(&work.mu);
}

static void work_on(http_req *r, void *arg)
{
    (void)arg;
    fer_mutex_lock(&work.mu);
    work.inside++;
    fer_cond_broadcast(&work.changed);
    fer_code code = FER_OK;
    while (!work.open && (code = fer_cancel_check(http_req_cancel(r))) == FER_OK)
        fer_cond_wait_ns(&work.changed, &work.mu, 5000000);
    work.how = code;
    work.ended_ms = kit_now_ms();
    fer_cond_broadcast(&work.changed);
    fer_mutex_unlock(&work.mu);
    if (code == FER_OK)
        http_reply(r, 200, "text/plain", STR("done"));
    else
        http_reply_text(r, 503, "cancelled");
}

static void await_inside(unsigned n)
{
    fer_mutex_lock(&work.mu);
    while (work.inside < n)
        assert_true(fer_cond_wait_ns(&work.changed, &work.mu, 10000000000u));
    fer_mutex_unlock(&work.mu);
}

static fer_code await_end(uint64_t *ret_ms)
{
    fer_mutex_lock(&work.mu);
    while (work.ended_ms == 0)
        assert_true(fer_cond_wait_ns(&work.changed, &work.mu, 10000000000u));
    *ret_ms = work.ended_ms;
    fer_code how = work.how;
    fer_mutex_unlock(&work.mu);
    return how;
}

static void let_go(void)
{
    fer_mutex_lock(&work.mu);
    work.open = true;
    fer_cond_broadcast(&work.changed);
    fer_mutex_unlock(&work.mu);
}

/* ---- a stream without end ---- */

static struct {
    _Atomic uint64_t produced;
    _Atomic unsigned freed;
    _Atomic bool finish;
} spring;

static fer_code spring_next(void *arg, fer_buf *out, bool *done)
{
    (void)arg;
    char *room = fer_buf_room(out, 65536);
    memset(room, 'x', 65536);
    out->n += 65536;
    atomic_fetch_add(&spring.produced, 65536);
    *done = atomic_load(&spring.finish);
    return FER_OK;
}

static void spring_free(void *arg)
{
    (void)arg;
    atomic_fetch_add(&spring.freed, 1);
}

static void flow(http_req *r, void *arg)
{
    (void)arg;
    http_producer p = {spring_next, spring_free, NULL};
    http_reply_stream(r, 200, "application/octet-stream", &p);
}

static void await_freed(unsigned n, unsigned within_ms)
{
    uint64_t from = kit_now_ms();
    while (atomic_load(&spring.freed) < n) {
        if (kit_now_ms() - from > within_ms)
            fail_msg("the producer is not freed after %u ms", within_ms);
        kit_sleep_ms(5);
    }
    assert_int_equal(atomic_load(&spring.freed), n);
}

/* Until the stream has begun: of a client that leaves earlier nothing is produced at all. */
static void await_produced(void)
{
    uint64_t from = kit_now_ms();
    while (atomic_load(&spring.produced) == 0) {
        if (kit_now_ms() - from > 10000)
            fail_msg("nothing is produced");
        kit_sleep_ms(1);
    }
}

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

static const http_route routes[] = {
    {"/hello", HTTP_GET, HTTP_ON_LOOP, hello, NULL, 0, NULL},
    {"/work", HTTP_GET | HTTP_POST, HTTP_QUERY, work_on, NULL, 0, NULL},
    {"/flow", HTTP_GET, HTTP_QUERY, flow, NULL, 0, NULL},
    {"/length", HTTP_POST, HTTP_INGEST, length, NULL, 1 << 20, NULL},
};
enum { N_ROUTES = sizeof routes / sizeof *routes };

static int init(void **state)
{
    (void)state;
    fer_mutex_init(&work.mu, "work", 0);
    fer_cond_init(&work.changed);
    return 0;
}

static void reset_by_peer(int fd)
{
    struct linger l = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    close(fd);
}

/* ---- clients that leave ---- */

typedef enum leaving {
    CLOSE,
    RESET,
    HALF_CLOSE,
    CLOSE_BEHIND_PIPELINE,
    RESET_BEHIND_PIPELINE
} leaving;

static void leave(int fd, leaving how)
{
    switch (how) {
    case CLOSE:
    case CLOSE_BEHIND_PIPELINE:
        close(fd);
        break;
    case RESET:
    case RESET_BEHIND_PIPELINE:
        reset_by_peer(fd);
        break;
    case HALF_CLOSE:
        shutdown(fd, SHUT_WR);
        break;
    }
}

static void work_of_a_client_that_leaves_is_cancelled(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    char *more = fer_alloc(1 << 20);
    memset(more, 'x', 1 << 20);
    for (leaving how = CLOSE; how <= RESET_BEHIND_PIPELINE; how++) {
        work_reset();
        int fd = kit_connect(&k);
        kit_puts(fd, "GET /work" H "\r\n");
        await_inside(1);
        if (how >= CLOSE_BEHIND_PIPELINE) { /* more than the server looks at meanwhile */
            kit_puts(fd, "POST /length" H "Content-Length: 10000000\r\n\r\n");
            send(fd, more, 40000, MSG_DONTWAIT | MSG_NOSIGNAL);
            kit_sleep_ms(50);
        }
        uint64_t left = kit_now_ms(), ended;
        leave(fd, how);
        assert_int_equal(await_end(&ended), FER_CANCELED);
        if (ended - left > 250)
            fail_msg("way %d: %u ms", how, (unsigned)(ended - left));
        if (how == HALF_CLOSE) { /* it may still read, and is told */
            kit_answer a;
            kit_read(fd, &a, false);
            assert_int_equal(a.status, 503);
            assert_string_equal(a.body, "cancelled\n");
            kit_done(&a);
            assert_true(kit_at_end(fd));
            close(fd);
        }
    }
    http_stats st;
    do
        http_server_stats(k.s, &st);
    while (st.connections != 0);
    fer_free(more);
    kit_stop(&k, 1000);
}

static void requests_sent_before_a_half_close_are_answered(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    for (int i = 0; i < 20; i++) {
        int fd = kit_connect(&k);
        kit_puts(fd, "POST /length" H "Content-Length: 3\r\n\r\nabcGET /hello" H "\r\n");
        shutdown(fd, SHUT_WR);
        kit_answer a;
        kit_read(fd, &a, false);
        assert_string_equal(a.body, "3\n");
        kit_done(&a);
        kit_read(fd, &a, false);
        assert_string_equal(a.body, "hello\n");
        kit_done(&a);
        assert_true(kit_at_end(fd));
        close(fd);
    }
    kit_stop(&k, 1000);
}

static void half_a_request_and_an_end_is_no_request(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    static const char *const halves[] = {
        "GET /hello HTTP/1.1\r\nHo", "POST /length" H "Content-Length: 9\r\n\r\nabc",
        "POST /length" H "Transfer-Encoding: chunked\r\n\r\n3\r\na"};
    for (int i = 0; i < 3; i++) {
        int fd = kit_connect(&k);
        kit_puts(fd, halves[i]);
        shutdown(fd, SHUT_WR);
        assert_true(kit_at_end(fd));
        close(fd);
    }
    http_stats st;
    do
        http_server_stats(k.s, &st);
    while (st.bodies_bytes != 0 || st.connections != 0);
    kit_stop(&k, 1000);
}

/* ---- clients that do not read ---- */

static void a_stream_waits_for_its_reader(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.stall_timeout_ms = 600}, routes, N_ROUTES);
    spring.produced = 0;
    spring.freed = 0;
    int fd = kit_connect(&k);
    kit_puts(fd, "GET /flow" H "\r\n");
    uint64_t from = kit_now_ms();
    await_freed(1, 5000);
    assert_true(kit_now_ms() - from >= 400);
    /* One MiB of ours, the rest in the kernel's buffers (4 MiB and 6 MiB at most). */
    assert_in_range(atomic_load(&spring.produced), 65536, 13 << 20);
    close(fd);
    kit_stop(&k, 1000);
}

static void a_stream_goes_on_as_it_is_read(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){.stall_timeout_ms = 1500}, routes, N_ROUTES);
    spring.produced = 0;
    spring.freed = 0;
    spring.finish = false;
    int fd = kit_connect(&k);
    int small = 64 * 1024;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    kit_puts(fd, "GET /flow" H "\r\n");
    static char buf[65536];
    uint64_t until = kit_now_ms() + 3500;
    while (kit_now_ms() < until) { /* slowly, but longer than the stall timeout */
        assert_true(kit_recv(fd, buf, sizeof buf) > 0);
        kit_sleep_ms(10);
    }
    spring.finish = true;
    bool ended = false;
    char last[5] = {0};
    while (!ended) {
        ssize_t n = kit_recv(fd, buf, sizeof buf);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++) {
            memmove(last, last + 1, 4);
            last[4] = buf[i];
        }
        ended = memcmp(last, "0\r\n\r\n", 5) == 0;
    }
    await_freed(1, 10000);
    spring.finish = false;
    close(fd);
    kit_stop(&k, 1000);
}

static void a_stream_whose_reader_leaves_is_ended(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    for (leaving how = CLOSE; how <= RESET; how++) {
        for (int read_first = 0; read_first < 2; read_first++) {
            spring.freed = 0;
            spring.produced = 0;
            int fd = kit_connect(&k);
            kit_puts(fd, "GET /flow" H "\r\n");
            await_produced();
            static char buf[65536];
            if (read_first)
                assert_true(kit_recv(fd, buf, sizeof buf) > 0);
            leave(fd, how);
            await_freed(1, 10000);
        }
    }
    kit_stop(&k, 1000);
}

static void answers_to_clients_that_do_not_read_are_bounded(void **state)
{
    (void)state;
    kit k;
    fer_account all;
    fer_account_init(&all, "all", NULL, 0);
    kit_start(&k, &(http_options){.stall_timeout_ms = 400, .account = &all}, routes, N_ROUTES);
    int fd = kit_connect(&k);
    static char some[44 * 1000];
    size_t n = 0;
    const char *one = "GET /hello" H "\r\n";
    for (int i = 0; i < 1000; i++, n += strlen(one))
        memcpy(some + n, one, strlen(one));
    /* Sends for ever; the server stops reading, then ends it. */
    uint64_t sent = 0, until = kit_now_ms() + 10000;
    while (kit_now_ms() < until) {
        struct pollfd p = {fd, POLLOUT, 0};
        if (poll(&p, 1, 50) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0)
            break;
        ssize_t got = send(fd, some, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (got > 0)
            sent += (uint64_t)got;
    }
    assert_true(kit_now_ms() < until);
    assert_true(sent < 32u << 20);
    close(fd);
    kit_stop(&k, 1000);
    assert_int_equal(fer_account_used(&all), 0);
}

/* ---- the stop ---- */

static void a_stop_lets_requests_finish(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    work_reset();
    int idle = kit_connect(&k), busy = kit_connect(&k), sending = kit_connect(&k);
    kit_puts(idle, "GET /hello" H "\r\n");
    /* The answer to the first tells that the second has begun too. */
    kit_puts(sending, "GET /hello" H "\r\nPOST /length" H "Content-Length: 6\r\n\r\nabc");
    kit_answer a;
    kit_read(idle, &a, false);
    kit_done(&a);
    kit_read(sending, &a, false);
    kit_done(&a);
    kit_puts(busy, "GET /work" H "\r\n");
    await_inside(1);
    http_server_stop(k.s, 5000);
    assert_true(http_server_stopping(k.s));
    assert_true(kit_at_end(idle));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(k.port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), -1);
    close(fd);
    kit_puts(sending, "def");
    kit_read(sending, &a, false);
    assert_string_equal(a.body, "6\n");
    assert_string_equal(kit_header(&a, "Connection"), "close");
    kit_done(&a);
    let_go();
    kit_read(busy, &a, false);
    assert_string_equal(a.body, "done");
    assert_string_equal(kit_header(&a, "Connection"), "close");
    kit_done(&a);
    assert_true(kit_at_end(busy));
    kit_join(&k);
    http_server_free(k.s);
    close(idle);
    close(busy);
    close(sending);
}

static void a_stop_does_not_wait_longer_than_its_grace(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    work_reset();
    spring.freed = 0;
    int busy = kit_connect(&k), reading = kit_connect(&k), half = kit_connect(&k);
    kit_puts(busy, "GET /work" H "\r\n");
    await_inside(1);
    kit_puts(reading, "GET /flow" H "\r\n");
    kit_puts(half, "POST /length" H "Content-Length: 6\r\n\r\nabc");
    kit_sleep_ms(50);
    uint64_t from = kit_now_ms(), ended;
    http_server_stop(k.s, 300);
    kit_join(&k);
    assert_in_range(kit_now_ms() - from, 250, 1500);
    assert_int_equal(await_end(&ended), FER_CANCELED);
    http_server_free(k.s);
    assert_int_equal(atomic_load(&spring.freed), 1);
    assert_true(kit_at_end(busy));
    close(busy);
    close(reading);
    close(half);
}

static unsigned work_still_on(void)
{
    fer_mutex_lock(&work.mu);
    unsigned ret = work.inside != 0 && work.ended_ms == 0;
    fer_mutex_unlock(&work.mu);
    return ret;
}

static void what_handlers_work_on_may_go_once_they_have_ended(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        kit k;
        kit_start(&k, &(http_options){0}, routes, N_ROUTES);
        work_reset();
        int fd = kit_connect(&k);
        kit_puts(fd, "GET /work" H "\r\n");
        await_inside(1);
        http_server_stop(k.s, 1);
        kit_join(&k);
        http_server_end_handlers(k.s);
        assert_int_equal(work_still_on(), 0);
        http_server_free(k.s);
        close(fd);
    }
}

static void replies_after_the_end_are_dropped(void **state)
{
    (void)state;
    kit k;
    kit_start(&k, &(http_options){0}, routes, N_ROUTES);
    work_reset();
    int fd = kit_connect(&k);
    kit_puts(fd, "GET /work" H "\r\n");
    await_inside(1);
    kit_stop(&k, 0); /* frees while the handler still runs: waits for it */
    uint64_t ended;
    assert_int_equal(await_end(&ended), FER_CANCELED);
    close(fd);
}

static void a_server_that_never_ran_can_be_freed(void **state)
{
    (void)state;
    const char *listen[] = {"127.0.0.1:0"};
    http_server *s;
    http_options o = {.listen = listen, .n_listen = 1};
    assert_int_equal(http_server_new(&o, &s, NULL), FER_OK);
    http_server_routes(s, routes, N_ROUTES);
    http_server_free(s);
    assert_int_equal(http_server_new(&o, &s, NULL), FER_OK);
    http_server_stop(s, 1000); /* before run */
    assert_int_equal(http_server_run(s, NULL), FER_OK);
    http_server_free(s);
    http_server_free(NULL);
}

/* ---- memory ---- */

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    long size, resident;
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    assert_int_equal(fclose(f), 0);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void idle_connections_cost_little(void **state)
{
    (void)state;
    enum { N = 400 };
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    kit k;
    kit_start(&k, &(http_options){.max_connections = 2000}, routes, N_ROUTES);
    static int fds[3][N];
    long before = 0, after = 0;
    for (int round = 0; round < 3; round++) { /* the first warms the allocator up */
        if (round == 1)
            before = resident_kib();
        for (int i = 0; i < N; i++) {
            fds[round][i] = kit_connect(&k);
            kit_puts(fds[round][i], "POST /length" H "Content-Length: 3\r\n\r\nabc");
            kit_answer a;
            kit_read(fds[round][i], &a, false);
            assert_string_equal(a.body, "3\n");
            kit_done(&a);
        }
    }
    after = resident_kib();
    http_stats st;
    http_server_stats(k.s, &st);
    assert_int_equal(st.connections, 3 * N);
    print_message("%ld bytes a connection\n", (after - before) * 1024 / (2 * N));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true((after - before) * 1024 / (2 * N) <= 8192);
#endif
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < N; i++)
            close(fds[round][i]);
    kit_stop(&k, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_of_a_client_that_leaves_is_cancelled),
        cmocka_unit_test(requests_sent_before_a_half_close_are_answered),
        cmocka_unit_test(half_a_request_and_an_end_is_no_request),
        cmocka_unit_test(a_stream_waits_for_its_reader),
        cmocka_unit_test(a_stream_goes_on_as_it_is_read),
        cmocka_unit_test(a_stream_whose_reader_leaves_is_ended),
        cmocka_unit_test(answers_to_clients_that_do_not_read_are_bounded),
        cmocka_unit_test(a_stop_lets_requests_finish),
        cmocka_unit_test(a_stop_does_not_wait_longer_than_its_grace),
        cmocka_unit_test(what_handlers_work_on_may_go_once_they_have_ended),
        cmocka_unit_test(replies_after_the_end_are_dropped),
        cmocka_unit_test(a_server_that_never_ran_can_be_freed),
        cmocka_unit_test(idle_connections_cost_little),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
