/* config_test.c - prometheus.yml: what is accepted, what is refused and where, what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config/config.h"

static char path[] = "/tmp/ferula-config-XXXXXX";

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static fer_code load(const char *text, const config **ret, fer_err *err)
{
    write_file(text);
    return config_load(path, NULL, ret, err);
}

static void every_offence_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *error;
    } cases[] = {
        {"global:\n  scrape_intervall: 15s\n", "2: field scrape_intervall not found in global"},
        {"glob:\n  a: b\n", "1: field glob not found in the configuration"},
        {"global:\n  scrape_interval: 15x\n", "2: scrape_interval: "},
        {"global:\n  external_labels: [a]\n", "2: external_labels must be a mapping"},
        {"scrape_configs:\n- job_name: a\n  honor_labels: maybe\n",
         "3: honor_labels must be true or false"},
        {"scrape_configs:\n- job_name: a\n  static_configs:\n  - target: [x]\n",
         "4: field target not found in static_configs"},
        {"scrape_configs: {}\n", "1: scrape_configs must be a list"},
        {"remote_write:\n- url: http://x\n  protobuf_message: foo\n",
         "3: protobuf_message must be one of "},
        {"global:\n  sample_limit: ten\n", "2: sample_limit must be a whole number"},
        {"global:\n  body_size_limit: 10Q\n", "2: body_size_limit must be a size such as 10MB"},
        {"global:\n  scrape_interval: 1m\n  scrape_interval: 2m\n",
         "3: mapping key \"scrape_interval\" already defined at line 2"},
        {"global: &a\n  scrape_interval: 1m\nruntime: *a\n",
         "2: field scrape_interval not found in runtime"},
        {"global: *a\n", "1: unknown anchor 'a' referenced"},
        {"global: &a [*a]\n", "1: anchor 'a' value contains itself"},
        {"global:\n  <<: 1\n", "2: map merge requires map or sequence of maps as the value"},
        {"global:\n  external_labels: {<<: {a: b}, a: c}\n", "2: key \"a\" already set in map"},
        {"rule_files: [[a]]\n", "1: rule_files must be a list of texts"},
        {"global:\n\tscrape_interval: 1m\n", "2: "},
        {"storage:\n  tsdb:\n    retention:\n      percentage: 101\n",
         "4: storage.tsdb.retention.percentage must be from 0 to 100"},
        {"storage:\n  tsdb:\n    retention: {size: 5}\n", "3: size must be a size such as 10MB"},
        {"- a\n", "1: the configuration must be a mapping"},
        {"global: {}\n---\nglobal: {}\n", "2: a second document"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const config *c = NULL;
        fer_err err = {0};
        char expected[512];
        assert_int_equal(load(cases[i].yaml, &c, &err), FER_INVALID);
        snprintf(expected, sizeof expected, "%s:%s", path, cases[i].error);
        if (!str_has_prefix(str_of(err.msg), str_of(expected)))
            fail_msg("%s\n-- is not --\n%s", err.msg, expected);
        assert_null(c);
    }
}

/* Nine lists of nine aliases of the one before: 9^9 texts. */
static void aliases_of_aliases_make_no_bomb(void **state)
{
    (void)state;
    char text[2048], *at = text;
    at += snprintf(at, (size_t)(text + sizeof text - at), "rule_files:\n- &a0 x\n");
    for (int i = 1; i <= 9; i++) {
        at += snprintf(at, (size_t)(text + sizeof text - at), "- &a%d [", i);
        for (int k = 0; k < 9; k++)
            at += snprintf(at, (size_t)(text + sizeof text - at), "%s*a%d", k == 0 ? "" : ", ",
                           i - 1);
        at += snprintf(at, (size_t)(text + sizeof text - at), "]\n");
    }
    const config *c = NULL;
    fer_err err = {0};
    assert_int_not_equal(load(text, &c, &err), FER_OK);
    assert_null(c);
    assert_non_null(strstr(err.msg, "configuration"));
}

static void a_missing_file_is_told_apart(void **state)
{
    (void)state;
    const config *c;
    fer_err err;
    assert_int_equal(config_load("/nonexistent/prometheus.yml", NULL, &c, &err), FER_NOTFOUND);
    assert_non_null(strstr(err.msg, "/nonexistent/prometheus.yml"));
}

#define PROTOCOLS(indent)                                                                          \
    indent "scrape_protocols:\n" indent "- OpenMetricsText1.0.0\n" indent                          \
           "- OpenMetricsText0.0.1\n" indent "- PrometheusText1.0.0\n" indent                      \
           "- PrometheusText0.0.4\n"
#define RUNTIME "runtime:\n  gogc: 75\n"
#define OTLP "otlp:\n  translation_strategy: UnderscoreEscapingWithSuffixes\n"

static const char *yaml_of(const config *c)
{
    static char text[8192];
    fer_str yaml;
    assert_int_equal(config_yaml(c, &yaml, NULL), FER_OK);
    snprintf(text, sizeof text, "%.*s", STR_FMT(yaml));
    return text;
}

static void defaults_serve_without_a_file(void **state)
{
    (void)state;
    const config *c;
    assert_int_equal(config_load(NULL, NULL, &c, NULL), FER_OK);
    assert_int_equal(config_evaluation_interval_ms(c), 60000);
    assert_string_equal(yaml_of(c),
                        "global:\n"
                        "  scrape_interval: 1m\n"
                        "  scrape_timeout: 10s\n" PROTOCOLS(
                            "  ") "  evaluation_interval: 1m\n"
                                  "  metric_name_validation_scheme: utf8\n"
                                  "  metric_name_escaping_scheme: allow-utf-8\n" RUNTIME OTLP);
    config_free(c);
}

static void the_operators_file_is_accepted_and_secrets_are_hidden(void **state)
{
    (void)state;
    setenv("FERULA_TEST_REPLICA", "r-1", 1);
    const config *c;
    fer_err err = {0};
    fer_code code = load("global:\n"
                         "  scrape_interval: 30s\n"
                         "  evaluation_interval: 2m\n"
                         "  external_labels:\n"
                         "    prometheus_replica: ${FERULA_TEST_REPLICA}\n"
                         "    cluster: eu$$1\n"
                         "scrape_configs:\n"
                         "- job_name: node\n"
                         "  basic_auth:\n"
                         "    username: u\n"
                         "    password: hunter2\n"
                         "  kubernetes_sd_configs:\n"
                         "  - role: pod\n"
                         "    bearer_token: hunter3\n"
                         "  relabel_configs:\n"
                         "  - source_labels: [__address__]\n"
                         "    action: hashmod\n"
                         "    modulus: 4\n"
                         "    target_label: __tmp\n"
                         "remote_write:\n"
                         "- url: http://x/api/v1/write\n"
                         "  sigv4: {secret_key: hunter4}\n",
                         &c, &err);
    if (code != FER_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(config_evaluation_interval_ms(c), 120000);
    const config_label *l;
    assert_int_equal(config_external_labels(c, &l), 2);
    assert_true(str_eq(l[0].name, STR("cluster")) && str_eq(l[0].value, STR("eu$1")));
    assert_true(str_eq(l[1].name, STR("prometheus_replica")) && str_eq(l[1].value, STR("r-1")));
    const char *yaml = yaml_of(c);
    assert_null(strstr(yaml, "hunter"));
    assert_non_null(strstr(yaml, "  scrape_timeout: 10s\n"));
    assert_non_null(strstr(yaml, "    prometheus_replica: r-1\n"));
    assert_non_null(strstr(yaml, "\n  basic_auth:\n    username: u\n    password: <secret>\n"));
    config_free(c);
}

/* The text as Prometheus 3.5 prints it, for what test_config.py compares with Prometheus itself. */
static void what_counts_is_shown_as_prometheus_shows_it(void **state)
{
    (void)state;
    const config *c;
    fer_err err = {0};
    fer_code code = load("remote_write: [{url: 'http://u:p@x/w', queue_config: {max_shards: 5}}]\n"
                         "scrape_configs:\n"
                         "- static_configs:\n"
                         "  - labels: {a10: 'true', a9: x, A: '12'}\n"
                         "    targets: ['x:1']\n"
                         "  relabel_configs: [{source_labels: [a, '1'], action: KEEP, regex: x}]\n"
                         "  bearer_token_file: /t\n"
                         "  job_name: j\n"
                         "  body_size_limit: 1536KB\n"
                         "global:\n"
                         "  scrape_interval: 5s\n"
                         "  evaluation_interval: 90s\n"
                         "  sample_limit: 7\n",
                         &c, &err);
    if (code != FER_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(yaml_of(c),
                        "global:\n"
                        "  scrape_interval: 5s\n"
                        "  scrape_timeout: 5s\n" PROTOCOLS(
                            "  ") "  evaluation_interval: 1m30s\n"
                                  "  sample_limit: 7\n" RUNTIME "scrape_configs:\n"
                                  "- job_name: j\n"
                                  "  honor_timestamps: true\n"
                                  "  track_timestamps_staleness: false\n"
                                  "  scrape_interval: 5s\n"
                                  "  scrape_timeout: 5s\n" PROTOCOLS(
                                      "  ") "  always_scrape_classic_histograms: false\n"
                                            "  convert_classic_histograms_to_nhcb: false\n"
                                            "  metrics_path: /metrics\n"
                                            "  scheme: http\n"
                                            "  enable_compression: true\n"
                                            "  body_size_limit: 1MiB512KiB\n"
                                            "  sample_limit: 7\n"
                                            "  metric_name_validation_scheme: utf8\n"
                                            "  metric_name_escaping_scheme: allow-utf-8\n"
                                            "  authorization:\n"
                                            "    type: Bearer\n"
                                            "    credentials_file: /t\n"
                                            "  follow_redirects: true\n"
                                            "  enable_http2: true\n"
                                            "  relabel_configs:\n"
                                            "  - source_labels: [a, \"1\"]\n"
                                            "    separator: ;\n"
                                            "    regex: x\n"
                                            "    replacement: $1\n"
                                            "    action: keep\n"
                                            "  static_configs:\n"
                                            "  - targets:\n"
                                            "    - x:1\n"
                                            "    labels:\n"
                                            "      A: \"12\"\n"
                                            "      a9: x\n"
                                            "      a10: \"true\"\n"
                                            "remote_write:\n"
                                            "- url: http://u:xxxxx@x/w\n"
                                            "  remote_timeout: 30s\n"
                                            "  protobuf_message: prometheus.WriteRequest\n"
                                            "  follow_redirects: true\n"
                                            "  enable_http2: false\n"
                                            "  queue_config:\n"
                                            "    capacity: 10000\n"
                                            "    max_shards: 5\n"
                                            "    min_shards: 1\n"
                                            "    max_samples_per_send: 2000\n"
                                            "    batch_send_deadline: 5s\n"
                                            "    min_backoff: 30ms\n"
                                            "    max_backoff: 5s\n"
                                            "  metadata_config:\n"
                                            "    send: true\n"
                                            "    send_interval: 1m\n"
                                            "    max_samples_per_send: 2000\n" OTLP);
    config_free(c);
}

/* $FERULA_TEST_REPLICA is put in after the file was read. */
static void what_is_no_utf8_is_refused(void **state)
{
    (void)state;
    const config *c = NULL;
    fer_err err = {0};
    setenv("FERULA_TEST_REPLICA", "\xff", 1);
    assert_int_equal(load("global: {external_labels: {a: $FERULA_TEST_REPLICA}}\n", &c, &err),
                     FER_INVALID);
    assert_non_null(strstr(err.msg, ":1: the value of external label a is no UTF-8"));
    assert_null(c);
}

static void what_is_shown_reads_back_as_the_same(void **state)
{
    (void)state;
    const config *c;
    fer_err err = {0};
    assert_int_equal(load("scrape_configs:\n- job_name: \"a: b\"\n  params: {module: [http, "
                          "\"x'y\"]}\n  static_configs:\n  - targets: []\n"
                          "storage: {tsdb: {out_of_order_time_window: 90s}}\n",
                          &c, &err),
                     FER_OK);
    char once[8192];
    snprintf(once, sizeof once, "%s", yaml_of(c));
    config_free(c);
    if (load(once, &c, &err) != FER_OK)
        fail_msg("%s\n%s", err.msg, once);
    assert_string_equal(yaml_of(c), once);
    config_free(c);
}

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static void the_window_for_samples_out_of_order_is_read(void **state)
{
    (void)state;
    const config *c = NULL;
    fer_err err = {0};
    assert_int_equal(load("storage: {tsdb: {out_of_order_time_window: 1h30m}}\n", &c, &err),
                     FER_OK);
    assert_int_equal(config_ooo_window_ms(c), 90 * 60 * 1000);
    config_free(c);
    assert_int_equal(load("storage: {tsdb: {}}\n", &c, &err), FER_OK);
    assert_int_equal(config_ooo_window_ms(c), 0);
    config_free(c);
}

static void retention_is_read(void **state)
{
    (void)state;
    const config *c = NULL;
    fer_err err = {0};
    assert_int_equal(
        load("storage:\n  tsdb:\n    retention: {time: 30d, size: 1.5GB, percentage: 12.5}\n", &c,
             &err),
        FER_OK);
    config_retention r = config_retention_of(c);
    assert_int_equal(r.time_ms, INT64_C(30) * 86400000);
    assert_int_equal(r.bytes, 3ull << 29);
    assert_true(r.percentage == 12.5);
    config_free(c);
    assert_int_equal(load("storage:\n  tsdb:\n    retention:\n", &c, &err), FER_OK);
    r = config_retention_of(c);
    assert_true(r.time_ms == 0 && r.bytes == 0 && r.percentage == 0);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retention_is_read),
        cmocka_unit_test(the_window_for_samples_out_of_order_is_read),
        cmocka_unit_test(every_offence_is_named_with_its_line),
        cmocka_unit_test(aliases_of_aliases_make_no_bomb),
        cmocka_unit_test(a_missing_file_is_told_apart),
        cmocka_unit_test(defaults_serve_without_a_file),
        cmocka_unit_test(the_operators_file_is_accepted_and_secrets_are_hidden),
        cmocka_unit_test(what_counts_is_shown_as_prometheus_shows_it),
        cmocka_unit_test(what_is_no_utf8_is_refused),
        cmocka_unit_test(what_is_shown_reads_back_as_the_same),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
