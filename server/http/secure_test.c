/* secure_test.c - HTTP over TLS, with OpenSSL's client on the other side. */
#include "server/http/testkit.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/tls/session.h"

enum { BIG_BYTES = 5 * 1000 * 1000, PATH_BYTES = 256 };

/* ---- the server ---- */

static char folder[] = "/tmp/ferula-secure-XXXXXX";
static tls_context *context; /* of the next connections; NULL: none to be had */

static tls_session *secure(void *arg)
{
    (void)arg;
    return context == NULL ? NULL : tls_session_new(context);
}

static void hello(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", STR("hello"));
}

static void slow(http_req *r, void *arg)
{
    (void)arg;
    kit_sleep_ms(30);
    http_reply(r, 200, "text/plain", http_req_param(r, "n"));
}

static void echo(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "application/octet-stream", http_req_body(r));
}

static char big_byte(size_t i)
{
    return (char)(i * 2654435761U >> 13);
}

static fer_code big_next(void *arg, fer_buf *out, bool *done)
{
    size_t *at = arg;
    for (size_t k = 0; k < 100000 && *at < BIG_BYTES; k++)
        fer_buf_putc(out, big_byte((*at)++));
    *done = *at == BIG_BYTES;
    return FER_OK;
}

static void big(http_req *r, void *arg)
{
    (void)arg;
    http_producer p = {big_next, fer_free, fer_calloc(1, sizeof(size_t))};
    http_reply_stream(r, 200, "application/octet-stream", &p);
}

static const http_route routes[] = {
    {"/hello", HTTP_GET, HTTP_ON_LOOP, hello, NULL, 0, NULL},
    {"/slow", HTTP_GET, HTTP_QUERY, slow, NULL, 0, NULL},
    {"/echo", HTTP_POST, HTTP_QUERY, echo, NULL, 8 << 20, NULL},
    {"/big", HTTP_GET, HTTP_QUERY, big, NULL, 0, NULL},
};

static void start(kit *k, http_options o)
{
    o.secure = secure;
    kit_start(k, &o, routes, sizeof routes / sizeof *routes);
}

static http_stats stats_of(const kit *k)
{
    http_stats s;
    http_server_stats(k->s, &s);
    return s;
}

/* ---- certificates ---- */

static void path_of(const char *name, char ret[PATH_BYTES])
{
    snprintf(ret, PATH_BYTES, "%s/%s", folder, name);
}

static void write_pair(const char *cert_name, const char *key_name)
{
    char path[PATH_BYTES];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -1000);
    X509_gmtime_adj(X509_getm_notAfter(x), 100000);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    path_of(cert_name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(fclose(f), 0);
    path_of(key_name, path);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x);
    EVP_PKEY_free(key);
}

static tls_context *new_context(const char *more)
{
    char path[PATH_BYTES];
    path_of("web.yml", path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n%s", more);
    assert_int_equal(fclose(f), 0);
    web_config *c;
    tls_context *x = NULL;
    fer_err err = {0};
    if (web_config_load(path, &c, NULL, &err) != FER_OK || tls_context_new(c, &x, &err) != FER_OK)
        fail_msg("%s", err.msg);
    web_config_free(c);
    return x;
}

/* ---- a client ---- */

typedef struct client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* NULL: the SSL has the socket */
    size_t piece;  /* bytes sent at once */
} client;

/* piece 0: as OpenSSL sends them. */
static client client_new(const kit *k, size_t piece, int max_version)
{
    client c = {.fd = kit_connect(k), .ctx = SSL_CTX_new(TLS_client_method()), .piece = piece};
    int one = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (max_version != 0)
        SSL_CTX_set_max_proto_version(c.ctx, max_version);
    c.ssl = SSL_new(c.ctx);
    SSL_set_connect_state(c.ssl);
    if (piece == 0) {
        SSL_set_fd(c.ssl, c.fd);
    } else {
        c.in = BIO_new(BIO_s_mem());
        c.out = BIO_new(BIO_s_mem());
        SSL_set_bio(c.ssl, c.in, c.out);
    }
    return c;
}

static void client_done(client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
    ERR_clear_error();
}

static void flush(client *c)
{
    char buf[1 << 14];
    int n;
    while (c->out != NULL &&
           (n = BIO_read(c->out, buf, (int)(c->piece < sizeof buf ? c->piece : sizeof buf))) > 0) {
        kit_send(c->fd, buf, (size_t)n);
        if (c->piece < 64)
            usleep(50);
    }
}

static bool fill(client *c)
{
    char buf[1 << 14];
    ssize_t n = c->in == NULL ? 0 : kit_recv(c->fd, buf, sizeof buf);
    return n > 0 && BIO_write(c->in, buf, (int)n) == n;
}

/* Runs f until it is done or fails for good; its last result. */
static int drive(client *c, int (*f)(client *c, void *p, int n), void *p, int n)
{
    for (;;) {
        errno = 0;
        int rc = f(c, p, n);
        bool interrupted = c->in == NULL && errno == EINTR;
        int why = rc > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, rc);
        if (interrupted && (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE))
            continue;
        flush(c);
        if (why != SSL_ERROR_WANT_READ || !fill(c))
            return rc;
    }
}

static int do_shake(client *c, void *p, int n)
{
    (void)p;
    (void)n;
    return SSL_do_handshake(c->ssl);
}

static int do_read(client *c, void *p, int n)
{
    return SSL_read(c->ssl, p, n);
}

static int do_write(client *c, void *p, int n)
{
    return SSL_write(c->ssl, p, n);
}

static bool shake(client *c)
{
    return drive(c, do_shake, NULL, 0) == 1;
}

static void say(client *c, const void *p, size_t n)
{
    assert_int_equal(drive(c, do_write, (void *)(uintptr_t)p, (int)n), (int)n);
}

static void ask(client *c, const char *text)
{
    say(c, text, strlen(text));
}

/* Reads until `n` bytes or the end are there; how many. */
static size_t hear(client *c, char *p, size_t n)
{
    size_t at = 0;
    while (at < n) {
        int rc = drive(c, do_read, p + at, (int)(n - at));
        if (rc <= 0)
            break;
        at += (size_t)rc;
    }
    return at;
}

/* Reads one answer with a Content-Length; its body, with a NUL. */
static char *hear_answer(client *c, int *ret_status)
{
    char head[4096];
    size_t n = 0;
    while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n < sizeof head - 1);
        assert_int_equal(hear(c, head + n, 1), 1);
        n++;
    }
    head[n] = '\0';
    *ret_status = (int)strtol(head + 9, NULL, 10);
    const char *length = strstr(head, "Content-Length: ");
    assert_non_null(length);
    size_t body_n = (size_t)strtoull(length + 16, NULL, 10);
    char *body = fer_alloc(body_n + 1);
    assert_int_equal(hear(c, body, body_n), body_n);
    body[body_n] = '\0';
    return body;
}

static void assert_hello(client *c)
{
    int status;
    ask(c, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    char *body = hear_answer(c, &status);
    assert_int_equal(status, 200);
    assert_string_equal(body, "hello");
    fer_free(body);
}

/* ---- cases ---- */

static void requests_are_answered(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    kit k;
    start(&k, (http_options){0});
    for (size_t i = 0; i < 2; i++) {
        client c = client_new(&k, 0, versions[i]);
        assert_true(shake(&c));
        assert_int_equal(SSL_version(c.ssl), versions[i]);
        assert_hello(&c);
        assert_hello(&c);
        client_done(&c);
    }
    assert_int_equal(stats_of(&k).handshakes, 2);
    kit_stop(&k, 1000);
}

static void a_connection_split_anywhere_works(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 5, 7, 11, 64, 333, 1000};
    kit k;
    start(&k, (http_options){0});
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        client c = client_new(&k, pieces[i], i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
        assert_true(shake(&c));
        assert_hello(&c);
        client_done(&c);
    }
    kit_stop(&k, 1000);
}

static void large_bodies_come_and_go_whole(void **state)
{
    (void)state;
    enum { BODY_BYTES = 3 * 1000 * 1000 };
    static const size_t pieces[] = {0, 1777};
    kit k;
    start(&k, (http_options){0});
    char *body = fer_alloc(BODY_BYTES);
    for (size_t i = 0; i < BODY_BYTES; i++)
        body[i] = big_byte(i);
    for (size_t i = 0; i < 2; i++) {
        client c = client_new(&k, pieces[i], 0);
        int status;
        assert_true(shake(&c));
        ask(&c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
        say(&c, body, BODY_BYTES);
        char *back = hear_answer(&c, &status);
        assert_int_equal(status, 200);
        assert_memory_equal(back, body, BODY_BYTES);
        fer_free(back);
        assert_hello(&c);
        client_done(&c);
    }
    fer_free(body);
    kit_stop(&k, 1000);
}

static void long_streams_arrive_whole(void **state)
{
    (void)state;
    kit k;
    start(&k, (http_options){0});
    client c = client_new(&k, 0, 0);
    assert_true(shake(&c));
    ask(&c, "GET /big HTTP/1.0\r\n\r\n"); /* not chunked; the end ends it */
    size_t cap = BIG_BYTES + 4096;
    char *all = fer_alloc(cap + 1);
    size_t n = hear(&c, all, cap);
    all[n] = '\0';
    char *body = strstr(all, "\r\n\r\n");
    assert_non_null(body);
    body += 4;
    assert_int_equal(n - (size_t)(body - all), BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        if (body[i] != big_byte(i))
            fail_msg("byte %zu", i);
    assert_int_equal(SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    fer_free(all);
    client_done(&c);
    kit_stop(&k, 1000);
}

/* More than what is read ahead of a request: the rest waits encrypted. */
static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    enum { REQUESTS = 12, PAD = 5000 };
    kit k;
    start(&k, (http_options){0});
    client c = client_new(&k, 0, 0);
    assert_true(shake(&c));
    fer_buf all;
    fer_buf_init(&all, 1 << 20, NULL);
    for (int i = 0; i < REQUESTS; i++) {
        fer_buf_printf(&all, "GET /slow?n=%d HTTP/1.1\r\nHost: x\r\nX-Pad: ", i);
        for (int p = 0; p < PAD; p++)
            fer_buf_putc(&all, 'p');
        fer_buf_puts(&all, STR("\r\n\r\n"));
    }
    say(&c, all.p, all.n);
    for (int i = 0; i < REQUESTS; i++) {
        char want[16];
        int status;
        snprintf(want, sizeof want, "%d", i);
        char *body = hear_answer(&c, &status);
        assert_int_equal(status, 200);
        assert_string_equal(body, want);
        fer_free(body);
    }
    fer_buf_done(&all);
    client_done(&c);
    kit_stop(&k, 1000);
}

static void plain_http_is_told_so(void **state)
{
    (void)state;
    static const char want[] = "HTTP/1.0 400 Bad Request\r\n\r\n"
                               "Client sent an HTTP request to an HTTPS server.\n";
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "PUT /x HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n"};
    kit k;
    start(&k, (http_options){0});
    for (size_t i = 0; i < 5; i++) {
        char got[256] = "";
        size_t n = 0;
        int fd = kit_connect(&k);
        kit_send(fd, requests[i], 2);
        kit_sleep_ms(5);
        kit_puts(fd, requests[i] + 2);
        for (ssize_t rc;
             n < sizeof got - 1 && (rc = kit_recv(fd, got + n, sizeof got - 1 - n)) > 0;)
            n += (size_t)rc;
        assert_string_equal(got, want);
        close(fd);
    }
    assert_int_equal(stats_of(&k).handshake_errors[HTTP_HANDSHAKE_PLAIN_HTTP], 5);
    kit_stop(&k, 1000);
}

static void what_is_no_tls_ends_the_connection(void **state)
{
    (void)state;
    kit k;
    start(&k, (http_options){0});
    int fd = kit_connect(&k);
    kit_puts(fd, "SSH-2.0-OpenSSH_9.2\r\n");
    char buf[64];
    while (kit_recv(fd, buf, sizeof buf) > 0) /* an alert */
        ;
    close(fd);
    assert_int_equal(stats_of(&k).handshake_errors[HTTP_HANDSHAKE_PROTOCOL], 1);
    kit_stop(&k, 1000);
}

static void slow_handshakes_end(void **state)
{
    (void)state;
    kit k;
    start(&k, (http_options){.head_timeout_ms = 200});
    int silent = kit_connect(&k), half = kit_connect(&k);
    kit_send(half, "\x16\x03\x01\x02", 4);
    uint64_t from = kit_now_ms();
    assert_true(kit_at_end(silent));
    assert_true(kit_at_end(half));
    assert_true(kit_now_ms() - from < 3000);
    assert_int_equal(stats_of(&k).handshake_errors[HTTP_HANDSHAKE_TIMEOUT], 2);
    close(silent);
    close(half);
    client c = client_new(&k, 0, 0); /* an open one idles by another limit */
    assert_true(shake(&c));
    kit_sleep_ms(400);
    assert_hello(&c);
    client_done(&c);
    kit_stop(&k, 1000);
}

static void the_end_is_announced(void **state)
{
    (void)state;
    kit k;
    char byte;
    int status;
    start(&k, (http_options){.idle_timeout_ms = 200});
    client c = client_new(&k, 0, 0);
    assert_true(shake(&c));
    ask(&c, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    fer_free(hear_answer(&c, &status));
    assert_int_equal(hear(&c, &byte, 1), 0);
    assert_int_equal(SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    client_done(&c);
    c = client_new(&k, 0, 0);
    assert_true(shake(&c));
    assert_int_equal(hear(&c, &byte, 1), 0); /* idle for too long */
    assert_int_equal(SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    client_done(&c);
    kit_stop(&k, 1000);
}

static void who_ends_sending_is_answered(void **state)
{
    (void)state;
    kit k;
    int status;
    start(&k, (http_options){0});
    client c = client_new(&k, 0, 0);
    assert_true(shake(&c));
    ask(&c, "GET /slow?n=7 HTTP/1.1\r\nHost: x\r\n\r\n");
    SSL_shutdown(c.ssl);
    char *body = hear_answer(&c, &status);
    assert_string_equal(body, "7");
    fer_free(body);
    client_done(&c);
    kit_stop(&k, 1000);
}

static void protocols_are_negotiated(void **state)
{
    (void)state;
    static const unsigned char both[] = "\x02h2\x08http/1.1", only[] = "\x02h2";
    kit k;
    start(&k, (http_options){0});
    client c = client_new(&k, 0, 0);
    const unsigned char *chosen;
    unsigned n;
    SSL_set_alpn_protos(c.ssl, both, sizeof both - 1);
    assert_true(shake(&c));
    SSL_get0_alpn_selected(c.ssl, &chosen, &n);
    assert_int_equal(n, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    assert_hello(&c);
    client_done(&c);
    c = client_new(&k, 0, 0);
    SSL_set_alpn_protos(c.ssl, only, sizeof only - 1);
    assert_false(shake(&c));
    client_done(&c);
    kit_stop(&k, 1000);
}

static void without_a_certificate_handshakes_fail(void **state)
{
    (void)state;
    kit k;
    tls_context *was = context;
    context = NULL;
    start(&k, (http_options){0});
    client c = client_new(&k, 0, 0);
    assert_false(shake(&c));
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_TLSV1_ALERT_INTERNAL_ERROR);
    client_done(&c);
    assert_int_equal(stats_of(&k).handshake_errors[HTTP_HANDSHAKE_CONFIG], 1);
    kit_stop(&k, 1000);
    context = was;
}

/* The client's first flight, as it would send it. */
static size_t client_hello(const kit *k, char *p, size_t n)
{
    client c = client_new(k, 1, 0);
    SSL_do_handshake(c.ssl);
    int got = BIO_read(c.out, p, (int)n);
    client_done(&c);
    assert_true(got > 100);
    return (size_t)got;
}

static void handshakes_cut_or_damaged_anywhere_do_no_harm(void **state)
{
    (void)state;
    kit k;
    char hello[4096], damaged[4096], buf[4096];
    start(&k, (http_options){.head_timeout_ms = 300});
    size_t n = client_hello(&k, hello, sizeof hello);
    for (size_t cut = 0; cut < n; cut += 13) {
        int fd = kit_connect(&k);
        kit_send(fd, hello, cut);
        close(fd);
        memcpy(damaged, hello, n);
        damaged[cut] ^= (char)0x55;
        fd = kit_connect(&k);
        kit_send(fd, damaged, n);
        ssize_t got =
            kit_recv(fd, buf, sizeof buf); /* an alert, or the answer where it did not matter */
        assert_true(got >= 0);
        close(fd);
    }
    client c = client_new(&k, 0, 0);
    assert_true(shake(&c));
    assert_hello(&c);
    client_done(&c);
    kit_stop(&k, 1000);
}

static void damaged_records_end_the_connection(void **state)
{
    (void)state;
    static const char record[] = "\x17\x03\x03\x00\x20"
                                 "0123456789abcdef0123456789abcdef";
    kit k;
    char byte;
    start(&k, (http_options){0});
    client c = client_new(&k, 0, 0);
    assert_true(shake(&c));
    assert_hello(&c);
    kit_send(c.fd, record, sizeof record - 1);
    assert_int_equal(hear(&c, &byte, 1), 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    client_done(&c);
    kit_stop(&k, 1000);
}

/* New connections get the new certificate, those that stand go on. */
static void certificates_change_under_connections(void **state)
{
    (void)state;
    kit k;
    start(&k, (http_options){0});
    client before = client_new(&k, 0, 0);
    assert_true(shake(&before));
    assert_hello(&before);
    tls_context *was = context;
    write_pair("cert.pem", "key.pem");
    context = new_context("");
    tls_context_unref(was);
    client after = client_new(&k, 0, 0);
    assert_true(shake(&after));
    assert_hello(&after);
    assert_hello(&before);
    X509 *a = SSL_get1_peer_certificate(before.ssl), *b = SSL_get1_peer_certificate(after.ssl);
    assert_int_not_equal(X509_cmp(a, b), 0);
    X509_free(a);
    X509_free(b);
    client_done(&before);
    client_done(&after);
    kit_stop(&k, 1000);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_pair("cert.pem", "key.pem");
    context = new_context("");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"cert.pem", "key.pem", "web.yml"};
    char path[PATH_BYTES];
    tls_context_unref(context);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(names[i], path);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(a_connection_split_anywhere_works),
        cmocka_unit_test(large_bodies_come_and_go_whole),
        cmocka_unit_test(long_streams_arrive_whole),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(plain_http_is_told_so),
        cmocka_unit_test(what_is_no_tls_ends_the_connection),
        cmocka_unit_test(slow_handshakes_end),
        cmocka_unit_test(the_end_is_announced),
        cmocka_unit_test(who_ends_sending_is_answered),
        cmocka_unit_test(protocols_are_negotiated),
        cmocka_unit_test(without_a_certificate_handshakes_fail),
        cmocka_unit_test(handshakes_cut_or_damaged_anywhere_do_no_harm),
        cmocka_unit_test(damaged_records_end_the_connection),
        cmocka_unit_test(certificates_change_under_connections),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
