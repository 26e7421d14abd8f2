/* basic_auth_test.c - Basic headers, bcrypt as Go does it, and a server that asks for passwords. */
#include "server/http/testkit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/auth/basic_auth.h"
#include "server/auth/bcrypt.h"
#include "server/tls/openssl.h"

/* "fakepassword", at cost 10 and (made for this) the cheapest. */
#define HASH_10 "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"

/* ---- headers ---- */

static void headers_are_read_as_go_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *header, *name, *password; /* name NULL: refused */
    } cases[] = {
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
        {"basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"},
        {"BASIC YTpiOmM=", "a", "b:c"},
        {"Basic Og==", "", ""},
        {"Basic YTo=", "a", ""},
        {"Basic OmI=", "", "b"},
        {"Basic YQ==", NULL, NULL},
        {"Basic ", NULL, NULL},
        {"Basic", NULL, NULL},
        {"", NULL, NULL},
        {"BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==", NULL, NULL},
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", NULL, NULL},
        {"Basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ==", NULL, NULL},
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==x", NULL, NULL},
        {"Basic YTpi====", NULL, NULL},
        {"Basic ====", NULL, NULL},
        {"Basic YTp_", NULL, NULL},
        {"Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fer_arena *a = fer_arena_new(NULL, 0);
        fer_str name, password;
        bool ok = basic_auth_parse(str_of(cases[i].header), a, &name, &password);
        if (ok != (cases[i].name != NULL))
            fail_msg("%s", cases[i].header);
        if (ok) {
            assert_true(str_eq(name, str_of(cases[i].name)));
            assert_true(str_eq(password, str_of(cases[i].password)));
        }
        fer_arena_free(a);
    }
}

/* ---- bcrypt ---- */

/* A hash of the password at the least cost. */
static void hash_of(const char *password, char ret[BCRYPT_FAKE_BYTES])
{
    struct crypt_data *data = fer_calloc(1, sizeof *data);
    const char *h = openssl.crypt_r(password, "$2y$04$abcdefghijklmnopqrstuu", data);
    assert_non_null(h);
    assert_int_equal(strlen(h), BCRYPT_FAKE_BYTES - 1);
    memcpy(ret, h, BCRYPT_FAKE_BYTES);
    fer_free(data);
}

static void hashes_match_their_password_alone(void **state)
{
    (void)state;
    char h[BCRYPT_FAKE_BYTES], other[BCRYPT_FAKE_BYTES + 1];
    assert_true(bcrypt_matches(STR(HASH_10), STR("fakepassword")));
    hash_of("secret", h);
    assert_true(bcrypt_matches(str_of(h), STR("secret")));
    assert_false(bcrypt_matches(str_of(h), STR("Secret")));
    assert_false(bcrypt_matches(str_of(h), STR("")));
    assert_false(bcrypt_matches(str_of(h), STR("secret\0more")));
    static const char minors[] = "abxyz";
    for (const char *m = minors; *m != '\0'; m++) { /* Go looks at none of them */
        memcpy(other, h, sizeof h);
        other[2] = *m;
        assert_true(bcrypt_matches(str_of(other), STR("secret")));
    }
    snprintf(other, sizeof other, "$2$%s", h + 4);
    assert_true(bcrypt_matches(str_of(other), STR("secret")));
    snprintf(other, sizeof other, "%sx", h);
    assert_false(bcrypt_matches(str_of(other), STR("secret")));
    memcpy(other, h, sizeof h);
    other[BCRYPT_FAKE_BYTES - 2] ^= 4;
    assert_false(bcrypt_matches(str_of(other), STR("secret")));
}

static void only_72_bytes_count(void **state)
{
    (void)state;
    char h[BCRYPT_FAKE_BYTES], password[100];
    memset(password, 'p', sizeof password);
    password[80] = '\0';
    hash_of(password, h);
    assert_true(bcrypt_matches(str_of(h), (fer_str){password, 80}));
    assert_true(bcrypt_matches(str_of(h), (fer_str){password, 72}));
    assert_false(bcrypt_matches(str_of(h), (fer_str){password, 71}));
}

static void the_fake_hash_costs_as_much_and_never_matches(void **state)
{
    (void)state;
    char fake[BCRYPT_FAKE_BYTES], h[BCRYPT_FAKE_BYTES];
    bcrypt_fake(STR(HASH_10), fake);
    assert_int_equal(strlen(fake), BCRYPT_FAKE_BYTES - 1);
    assert_memory_equal(fake, "$2y$10$", 7);
    hash_of("secret", h);
    bcrypt_fake(str_of(h), fake);
    assert_memory_equal(fake, "$2y$04$", 7);
    struct crypt_data *data = fer_calloc(1, sizeof *data);
    const char *got = openssl.crypt_r("secret", fake, data);
    assert_non_null(got); /* libcrypt computes, it does not refuse */
    assert_int_equal(strlen(got), BCRYPT_FAKE_BYTES - 1);
    fer_free(data);
    assert_false(bcrypt_matches(str_of(fake), STR("secret")));
}

/* ---- a server ---- */

static web_config users;
static web_pair user_list[2];
static char cheap[BCRYPT_FAKE_BYTES];

static int admit(http_req *r, void *arg)
{
    return basic_auth_check(arg, &users, r);
}

static void hello(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", http_req_body(r));
}

static const http_route routes[] = {
    {"/hello", HTTP_GET | HTTP_POST, HTTP_QUERY, hello, NULL, 1 << 20, NULL}};

typedef struct guarded {
    kit k;
    basic_auth *auth;
} guarded;

static void start(guarded *g, const char *hash)
{
    user_list[0] = (web_pair){STR("dave"), str_of(hash)};
    users.users = (web_pairs){user_list, 1};
    assert_int_equal(basic_auth_new(&g->auth, NULL), FER_OK);
    kit_start(&g->k, &(http_options){.admit = admit, .admit_arg = g->auth}, routes, 1);
}

static basic_auth_stats stop(guarded *g)
{
    basic_auth_stats s;
    basic_auth_stats_get(g->auth, &s);
    kit_stop(&g->k, 1000);
    basic_auth_free(g->auth);
    return s;
}

/* dave:secret, dave:wrong, eve:secret */
#define RIGHT "Authorization: Basic ZGF2ZTpzZWNyZXQ=\r\n"
#define WRONG "Authorization: Basic ZGF2ZTp3cm9uZw==\r\n"
#define UNKNOWN "Authorization: Basic ZXZlOnNlY3JldA==\r\n"

static int status_of(const kit *k, const char *header)
{
    char request[512];
    kit_answer a;
    snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: x\r\n%s\r\n", header);
    kit_once(k, request, &a);
    int status = a.status;
    const char *asks = kit_header(&a, "WWW-Authenticate");
    if (status == 401) {
        assert_string_equal(asks, "Basic");
        assert_string_equal(a.body, "Unauthorized\n");
    } else {
        assert_null(asks);
    }
    kit_done(&a);
    return status;
}

static void pairs_are_checked_once(void **state)
{
    (void)state;
    guarded g;
    start(&g, cheap);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(status_of(&g.k, ""), 401);
        assert_int_equal(status_of(&g.k, WRONG), 401);
        assert_int_equal(status_of(&g.k, UNKNOWN), 401);
        assert_int_equal(status_of(&g.k, RIGHT), 200);
    }
    basic_auth_stats s = stop(&g);
    assert_int_equal(s.checks, 3);
    assert_int_equal(s.accepted, 3);
    assert_int_equal(s.refused, 9);
}

static void every_path_and_method_asks(void **state)
{
    (void)state;
    guarded g;
    kit_answer a;
    start(&g, cheap);
    kit_once(&g.k, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_int_equal(a.status, 401);
    kit_done(&a);
    kit_once(&g.k, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", &a);
    assert_int_equal(a.status, 401);
    kit_done(&a);
    kit_once(&g.k, "DELETE /hello HTTP/1.1\r\nHost: x\r\n" RIGHT "\r\n", &a);
    assert_int_equal(a.status, 405);
    kit_done(&a);
    stop(&g);
}

/* The body comes while the password is being checked. */
static void bodies_wait_for_the_check(void **state)
{
    (void)state;
    enum { BODY = 200000 };
    guarded g;
    kit_answer a;
    start(&g, cheap);
    for (int piece = 1; piece <= 2; piece++) {
        int fd = kit_connect(&g.k);
        char *body = fer_alloc(BODY);
        memset(body, 'b', BODY);
        kit_puts(fd, "POST /hello HTTP/1.1\r\nHost: x\r\n" RIGHT "Content-Length: 200000\r\n\r\n");
        kit_send(fd, body, BODY);
        kit_puts(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n" WRONG "\r\n"
                     "GET /hello HTTP/1.1\r\nHost: x\r\n" RIGHT "\r\n");
        kit_read(fd, &a, false);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body_n, BODY);
        assert_memory_equal(a.body, body, BODY);
        kit_done(&a);
        kit_read(fd, &a, false);
        assert_int_equal(a.status, 401);
        kit_done(&a);
        kit_read(fd, &a, false);
        assert_int_equal(a.status, 200);
        kit_done(&a);
        fer_free(body);
        close(fd);
    }
    stop(&g);
}

/* Forty writers that start at once cost one check. */
static void the_same_pair_waits_together(void **state)
{
    (void)state;
    enum { CLIENTS = 40 };
    guarded g;
    int fds[CLIENTS];
    start(&g, HASH_10);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = kit_connect(&g.k);
        kit_puts(fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\n"
                         "Authorization: Basic ZGF2ZTpmYWtlcGFzc3dvcmQ=\r\n\r\n");
    }
    for (int i = 0; i < CLIENTS; i++) {
        kit_answer a;
        kit_read(fds[i], &a, false);
        assert_int_equal(a.status, 200);
        kit_done(&a);
        close(fds[i]);
    }
    assert_int_equal(stop(&g).checks, 1);
}

static void too_many_different_pairs_are_refused(void **state)
{
    (void)state;
    enum { CLIENTS = 30 };
    guarded g;
    int fds[CLIENTS], busy = 0, refused = 0;
    start(&g, HASH_10);
    for (int i = 0; i < CLIENTS; i++) {
        char request[256];
        fds[i] = kit_connect(&g.k);
        /* dave:xA .. */
        snprintf(request, sizeof request,
                 "GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ZGF2ZTp4%c%c==\r\n\r\n",
                 'Q' + i / 4 % 8, "AQgw"[i % 4]);
        kit_puts(fds[i], request);
    }
    for (int i = 0; i < CLIENTS; i++) {
        kit_answer a;
        kit_read(fds[i], &a, false);
        busy += a.status == 503;
        refused += a.status == 401;
        if (a.status == 503)
            assert_string_equal(kit_header(&a, "Retry-After"), "1");
        kit_done(&a);
        close(fds[i]);
    }
    assert_int_equal(busy + refused, CLIENTS);
    assert_true(busy > 0);
    assert_true(refused >= BASIC_AUTH_QUEUE);
    assert_int_equal(stop(&g).busy, busy);
}

static void a_stop_waits_for_checks(void **state)
{
    (void)state;
    guarded g;
    start(&g, HASH_10);
    int fd = kit_connect(&g.k);
    kit_puts(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n" WRONG "\r\n");
    kit_sleep_ms(10);
    stop(&g);
    close(fd);
}

/* Who leaves while waiting costs no check. */
static void who_has_left_is_not_checked(void **state)
{
    (void)state;
    enum { CLIENTS = 10 };
    guarded g;
    int fds[CLIENTS];
    start(&g, HASH_10);
    for (int i = 0; i < CLIENTS; i++) {
        char request[256];
        fds[i] = kit_connect(&g.k);
        snprintf(request, sizeof request,
                 "GET /hello HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ZGF2ZTp4%cA==\r\n\r\n",
                 'A' + i);
        kit_puts(fds[i], request);
    }
    kit_sleep_ms(20);
    for (int i = 1; i < CLIENTS; i++) { /* with a reset, which ends the connection at once */
        struct linger now = {.l_onoff = 1};
        setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fds[i]);
    }
    kit_answer a;
    kit_read(fds[0], &a, false);
    assert_int_equal(a.status, 401);
    kit_done(&a);
    close(fds[0]);
    assert_true(stop(&g).checks < CLIENTS);
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(openssl_load(NULL), FER_OK);
    hash_of("secret", cheap);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_as_go_reads_them),
        cmocka_unit_test(hashes_match_their_password_alone),
        cmocka_unit_test(only_72_bytes_count),
        cmocka_unit_test(the_fake_hash_costs_as_much_and_never_matches),
        cmocka_unit_test(pairs_are_checked_once),
        cmocka_unit_test(every_path_and_method_asks),
        cmocka_unit_test(bodies_wait_for_the_check),
        cmocka_unit_test(the_same_pair_waits_together),
        cmocka_unit_test(too_many_different_pairs_are_refused),
        cmocka_unit_test(a_stop_waits_for_checks),
        cmocka_unit_test(who_has_left_is_not_checked),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
