/* testkit.c - server in a thread, raw sockets. */
#include "server/http/testkit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "base/mem.h"

static void run(void *arg)
{
    fer_err err;
    if (http_server_run(arg, &err) != FER_OK)
        fprintf(stderr, "run: %s\n", err.msg);
}

void kit_start(kit *k, const http_options *given, const http_route *routes, size_t n)
{
    static const char *any[] = {"127.0.0.1:0"};
    http_options o = *given;
    if (o.n_listen == 0) {
        o.listen = any;
        o.n_listen = 1;
    }
    fer_err err = {0};
    *k = (kit){0};
    if (http_server_new(&o, &k->s, &err) != FER_OK)
        fail_msg("new: %s", err.msg);
    http_server_routes(k->s, routes, n);
    k->port = http_server_port(k->s, 0);
    assert_int_not_equal(k->port, 0);
    assert_int_equal(fer_thread_start(&k->thread, "server", run, k->s, NULL), FER_OK);
}

void kit_join(kit *k)
{
    if (!k->over)
        fer_thread_join(&k->thread);
    k->over = true;
}

void kit_stop(kit *k, uint64_t grace_ms)
{
    http_server_stop(k->s, grace_ms);
    kit_join(k);
    http_server_free(k->s);
    k->s = NULL;
}

int kit_connect(const kit *k)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(k->port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    struct timeval tv = {KIT_WAIT_MS / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    return fd;
}

void kit_send(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n != 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* refused: the answer tells why */
        at += sent;
        n -= (size_t)sent;
    }
}

void kit_puts(int fd, const char *text)
{
    kit_send(fd, text, strlen(text));
}

uint64_t kit_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void kit_sleep_ms(unsigned ms)
{
    usleep(ms * 1000);
}

ssize_t kit_recv(int fd, void *p, size_t n)
{
    ssize_t got;
    do {
        got = recv(fd, p, n, 0);
    } while (got < 0 && errno == EINTR);
    return got;
}

typedef struct text {
    char *p;
    size_t n;
} text;

static void put(text *t, const char *p, size_t n)
{
    t->p = fer_realloc(t->p, t->n + n + 1);
    memcpy(t->p + t->n, p, n);
    t->n += n;
    t->p[t->n] = '\0';
}

/* Bytes up to and with the end mark; false at the end of the connection. */
static bool read_until(int fd, text *t, const char *mark)
{
    size_t m = strlen(mark);
    char c;
    while (t->n < m || memcmp(t->p + t->n - m, mark, m) != 0) {
        if (kit_recv(fd, &c, 1) != 1)
            return false;
        put(t, &c, 1);
    }
    return true;
}

static bool read_exactly(int fd, text *t, size_t n)
{
    char buf[65536];
    while (n != 0) {
        ssize_t got = kit_recv(fd, buf, n < sizeof buf ? n : sizeof buf);
        if (got <= 0)
            return false;
        put(t, buf, (size_t)got);
        n -= (size_t)got;
    }
    return true;
}

static bool read_chunks(int fd, text *body)
{
    for (;;) {
        text line = {0};
        bool ok = read_until(fd, &line, "\r\n");
        size_t n = ok ? strtoul(line.p, NULL, 16) : 0;
        fer_free(line.p);
        text end = {0};
        ok = ok && read_exactly(fd, body, n) && read_exactly(fd, &end, 2) &&
             memcmp(end.p, "\r\n", 2) == 0;
        fer_free(end.p);
        if (!ok || n == 0)
            return ok;
    }
}

void kit_read(int fd, kit_answer *ret, bool no_body)
{
    text head = {0}, body = {0};
    *ret = (kit_answer){0};
    put(&body, "", 0);
    put(&head, "", 0);
    bool ok = read_until(fd, &head, "\r\n\r\n");
    ret->head = head.p;
    if (ok && strncmp(head.p, "HTTP/1.", 7) == 0)
        ret->status = (int)strtol(head.p + 9, NULL, 10);
    const char *length = ok ? kit_header(ret, "Content-Length") : NULL;
    size_t n = length != NULL ? strtoul(length, NULL, 10) : 0;
    const char *te = ok ? kit_header(ret, "Transfer-Encoding") : NULL;
    ret->chunked = te != NULL && strcmp(te, "chunked") == 0;
    bool none = no_body || ret->status == 204 || ret->status == 304 || ret->status / 100 == 1;
    if (ok && !none) {
        if (ret->chunked)
            ok = read_chunks(fd, &body);
        else if (kit_header(ret, "Content-Length") != NULL)
            ok = read_exactly(fd, &body, n);
        else
            read_exactly(fd, &body, SIZE_MAX);
    }
    ret->complete = ok;
    ret->body = body.p;
    ret->body_n = body.n;
}

void kit_done(kit_answer *a)
{
    fer_free(a->head);
    fer_free(a->body);
    *a = (kit_answer){0};
}

const char *kit_header(const kit_answer *a, const char *name)
{
    static char value[1024];
    size_t n = strlen(name);
    for (const char *p = strstr(a->head, "\r\n"); p != NULL; p = strstr(p + 2, "\r\n")) {
        if (strncasecmp(p + 2, name, n) != 0 || p[2 + n] != ':')
            continue;
        const char *from = p + 2 + n + 1;
        from += strspn(from, " ");
        const char *to = strstr(from, "\r\n");
        snprintf(value, sizeof value, "%.*s", (int)(to - from), from);
        return value;
    }
    return NULL;
}

void kit_gunzip(kit_answer *a)
{
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    text out = {0};
    char buf[65536];
    z.next_in = (Bytef *)a->body;
    z.avail_in = (uInt)a->body_n;
    int rc;
    do {
        z.next_out = (Bytef *)buf;
        z.avail_out = sizeof buf;
        rc = inflate(&z, Z_NO_FLUSH);
        put(&out, buf, sizeof buf - z.avail_out);
    } while (rc == Z_OK);
    inflateEnd(&z);
    assert_int_equal(rc, Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    fer_free(a->body);
    a->body = out.p;
    a->body_n = out.n;
}

bool kit_at_end(int fd)
{
    char c;
    return kit_recv(fd, &c, 1) <= 0 && errno != EAGAIN;
}

void kit_once(const kit *k, const char *request, kit_answer *ret)
{
    int fd = kit_connect(k);
    kit_puts(fd, request);
    kit_read(fd, ret, strncmp(request, "HEAD", 4) == 0);
    close(fd);
}
