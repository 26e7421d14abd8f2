/* web_config_test.c - the texts of testdata/web_config/cases.json; values; paths. What certificates say is tested end to end. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "server/config/web_config.h"

/* Whether the text alone has the fault, or a file that it names. */
static bool is_of_text(const char *error)
{
    static const char *const begins[] = {"yaml: ",        "unknown ",      "HTTP header",
                                         "invalid value", "crypto/bcrypt", "strconv."};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(error, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

static void every_case_has_its_error(void **state)
{
    (void)state;
    json_t *cases = json_load_file(FERULA_TESTDATA "/web_config/cases.json", 0, NULL);
    assert_non_null(cases);
    assert_true(json_array_size(cases) > 90);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *k = json_array_get(cases, i);
        const char *error = json_string_value(json_object_get(k, "error"));
        const char *name = json_string_value(json_object_get(k, "name"));
        if (strstr(name, "inline") != NULL) /* its certificates are not there yet */
            continue;
        web_config *c;
        fer_err err;
        fer_code code = web_config_parse(str_of(json_string_value(json_object_get(k, "file"))),
                                         "web.yml", &c, NULL, &err);
        if (error == NULL || !is_of_text(error)) {
            if (code != FER_OK)
                fail_msg("%s: %s", name, err.msg);
            web_config_free(c);
        } else {
            if (code == FER_OK || strcmp(err.msg, error) != 0)
                fail_msg("%s: %s", name, code == FER_OK ? "taken" : err.msg);
        }
    }
    json_decref(cases);
}

static web_config *parse(const char *text, const char *path)
{
    web_config *c = NULL;
    fer_err err;
    if (web_config_parse(str_of(text), path, &c, NULL, &err) != FER_OK)
        fail_msg("%s", err.msg);
    return c;
}

static void values_are_taken(void **state)
{
    (void)state;
    web_config *c = parse("", "web.yml");
    assert_false(web_config_wants_tls(c));
    assert_int_equal(c->tls.min, WEB_TLS12);
    assert_int_equal(c->tls.max, WEB_TLS13);
    assert_true(c->tls.prefer_server_ciphers && c->http2);
    assert_int_equal(c->rate_interval_ns, 0);
    web_config_free(c);
    c = parse("tls_server_config:\n  client_auth_type: X\n  min_version: TLS11\n"
              "  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n"
              "  curve_preferences: [X25519]\n  prefer_server_cipher_suites: false\n"
              "  client_allowed_sans: [a, 2]\n"
              "rate_limit: {interval: 1m1.5s, burst: 3}\n"
              "http_server_config:\n  http2: off\n  headers: {X-XSS-Protection: 1}\n",
              "web.yml");
    assert_true(web_config_wants_tls(c));
    assert_int_equal(c->tls.min, WEB_TLS11);
    assert_int_equal(c->tls.n_ciphers, 2);
    assert_null(c->tls.ciphers[0]->openssl);
    assert_string_equal(c->tls.ciphers[1]->openssl, "ECDHE-RSA-AES128-SHA");
    assert_int_equal(c->tls.n_curves, 1);
    assert_false(c->tls.prefer_server_ciphers || c->http2);
    assert_int_equal(c->tls.client_allowed_sans.n, 2);
    assert_true(str_eq(c->tls.client_allowed_sans.v[1], STR("2")));
    assert_int_equal(c->rate_interval_ns, 61500000000);
    assert_int_equal(c->rate_burst, 3);
    assert_int_equal(c->headers.n, 1);
    assert_true(str_eq(c->headers.v[0].value, STR("1")));
    web_config_free(c);
}

static void paths_are_those_of_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *file, *path, *want;
    } cases[] = {
        {"web.yml", "a.pem", "a.pem"},
        {"etc/web.yml", "a.pem", "etc/a.pem"},
        {"/etc/x/web.yml", "a.pem", "/etc/x/a.pem"},
        {"/etc/x/web.yml", "../a.pem", "/etc/a.pem"},
        {"/web.yml", "../a.pem", "/a.pem"},
        {"etc/web.yml", "../../a.pem", "../a.pem"},
        {"etc/web.yml", "./b//c/./../a.pem", "etc/b/a.pem"},
        {"etc/web.yml", "..", "."},
        {"./web.yml", "a.pem", "a.pem"},
        {"etc/web.yml", "/x/../a.pem", "/x/../a.pem"},
        {"../web.yml", "../a.pem", "../../a.pem"},
        {"etc/web.yml", "...", "etc/..."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "tls_server_config:\n  cert_file: %s\n", cases[i].path);
        web_config *c = parse(text, cases[i].file);
        assert_string_equal(c->tls.cert_file.p, cases[i].want);
        web_config_free(c);
    }
}

static void faults_have_a_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
    } cases[] = {
        {"\n\nx: 1\n", 3},
        {"tls_server_config:\n  cert_file: a\n  min_version: TLS9\n", 3},
        {"tls_server_config:\n  cipher_suites:\n  - TLS_AES_128_GCM_SHA256\n  - x\n", 4},
        {"basic_auth_users:\n  a: b\n", 2},
        {"http_server_config:\n  headers:\n    X-XSS-Protection: 1\n    Server: x\n", 4},
        {"rate_limit: {}\nrate_limit: {}\n", 2},
        {"\n\na: b: c\n", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        web_config *c;
        int line = -1;
        assert_int_equal(web_config_parse(str_of(cases[i].text), "web.yml", &c, &line, NULL),
                         FER_INVALID);
        assert_int_equal(line, cases[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_has_its_error),
        cmocka_unit_test(values_are_taken),
        cmocka_unit_test(paths_are_those_of_the_file),
        cmocka_unit_test(faults_have_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
