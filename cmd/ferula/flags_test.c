/* flags_test.c - the command line as operators and charts write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/ferula/flags.h"

enum { ARGS_MAX = 16 };

typedef struct parsed {
    flags *f;
    flags_action action;
    app_options o;
    fer_log_level level;
    fer_log_format format;
    fer_err err;
} parsed;

/* args ends with NULL. */
static fer_code parse(parsed *p, const char *const *args)
{
    char *argv[ARGS_MAX] = {"ferula"};
    int argc = 1;
    *p = (parsed){.f = NULL};
    for (; *args != NULL; args++)
        argv[argc++] = (char *)(uintptr_t)*args;
    FER_TRY(flags_parse(argc, argv, &p->f, &p->action, &p->err));
    if (p->action != FLAGS_RUN)
        return FER_OK;
    return flags_options(p->f, &p->o, &p->level, &p->format, &p->err);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *shown(const parsed *p, const char *name)
{
    for (size_t i = 0; i < p->o.n_flags; i++)
        if (str_eq(str_of(p->o.flags[i].name), str_of(name)))
            return p->o.flags[i].value;
    return NULL;
}

static void the_container_command_starts_as_it_is(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(
        parse(&p, ARGS("--config.file=/etc/prometheus/prometheus.yml",
                       "--storage.tsdb.path=/prometheus", "--web.enable-remote-write-receiver",
                       "--storage.tsdb.retention.time=15d",
                       "--web.console.libraries=/usr/share/prometheus/console_libraries")),
        FER_OK);
    assert_string_equal(p.o.config_file, "/etc/prometheus/prometheus.yml");
    assert_string_equal(p.o.data_path, "/prometheus");
    assert_true(p.o.enable_remote_write_receiver);
    assert_int_equal(p.o.retention_ms, 15 * 86400000ll);
    assert_int_equal(p.o.n_listen, 1);
    assert_string_equal(p.o.listen[0], "0.0.0.0:9090");
    assert_true(str_eq(flags_without_effect(p.f), STR("--web.console.libraries")));
    flags_free(p.f);
}

static void values_follow_or_are_joined_and_booleans_negate(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(parse(&p, ARGS("--query.timeout", "30s", "--no-web.enable-lifecycle",
                                    "--web.listen-address", ":1", "--web.listen-address=[::1]:2",
                                    "--log.format=json", "--log.level", "debug",
                                    "--storage.tsdb.wal-sync=interval")),
                     FER_OK);
    assert_int_equal(p.o.query_timeout_ms, 30000);
    assert_false(p.o.enable_lifecycle);
    assert_int_equal(p.o.n_listen, 2);
    assert_string_equal(p.o.listen[1], "[::1]:2");
    assert_int_equal(p.level, LOG_DEBUG);
    assert_int_equal(p.format, LOG_JSON);
    assert_int_equal(p.o.wal_sync, WAL_SYNC_INTERVAL);
    assert_string_equal(shown(&p, "query.timeout"), "30s");
    assert_string_equal(shown(&p, "query.max-concurrency"), "20");
    assert_string_equal(shown(&p, "web.listen-address"), ":1,[::1]:2");
    flags_free(p.f);
}

static void defaults_are_prometheus_defaults(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(parse(&p, ARGS(NULL)), FER_OK);
    assert_null(p.o.config_file);
    assert_string_equal(p.o.data_path, "data/");
    assert_int_equal(p.o.max_connections, 512);
    assert_int_equal(p.o.query_timeout_ms, 120000);
    assert_int_equal(p.o.query_max_samples, 50000000);
    assert_int_equal(p.o.query_max_concurrency, 20);
    assert_int_equal(p.o.query_lookback_ms, 300000);
    assert_int_equal(p.o.wal_sync, WAL_SYNC_GROUP);
    assert_false(p.o.enable_remote_write_receiver);
    flags_free(p.f);
}

static void prometheus_yml_is_read_where_it_is(void **state)
{
    (void)state;
    char folder[] = "/tmp/flags-test-XXXXXX", before[4096];
    parsed p;
    assert_non_null(getcwd(before, sizeof before));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    FILE *file = fopen("prometheus.yml", "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(parse(&p, ARGS(NULL)), FER_OK);
    assert_string_equal(p.o.config_file, "prometheus.yml");
    flags_free(p.f);
    assert_int_equal(unlink("prometheus.yml"), 0);
    assert_int_equal(parse(&p, ARGS("--config.file=prometheus.yml")), FER_OK);
    assert_string_equal(p.o.config_file, "prometheus.yml");
    flags_free(p.f);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void features_without_effect_are_told(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(parse(&p, ARGS("--enable-feature=exemplar-storage,old-ui,,native-histograms",
                                    "--enable-feature=promql-experimental-functions",
                                    "--enable-feature=serch-api,search-api")),
                     FER_OK);
    assert_true(str_eq(flags_features_without_effect(p.f), STR("old-ui, serch-api")));
    flags_free(p.f);
    assert_int_equal(parse(&p, ARGS(NULL)), FER_OK);
    assert_int_equal(flags_features_without_effect(p.f).n, 0);
    flags_free(p.f);
}

static void limits_follow_from_each_other(void **state)
{
    (void)state;
    const int64_t hour = 3600000;
    parsed p;
    assert_int_equal(parse(&p, ARGS(NULL)), FER_OK);
    assert_int_equal(p.o.retention_ms, 15 * 24 * hour);
    assert_int_equal(p.o.min_block_ms, 2 * hour);
    assert_int_equal(p.o.max_block_ms, 36 * hour);
    assert_string_equal(shown(&p, "storage.tsdb.retention.time"), "15d");
    assert_string_equal(shown(&p, "storage.tsdb.max-block-duration"), "1d12h");
    flags_free(p.f);
    assert_int_equal(parse(&p, ARGS("--storage.tsdb.retention.size=1.5GB",
                                    "--no-storage.tsdb.allow-overlapping-compaction")),
                     FER_OK);
    assert_int_equal(p.o.retention_ms, 0);
    assert_int_equal(p.o.retention_bytes, 3ull << 29);
    assert_int_equal(p.o.max_block_ms, 31 * 24 * hour);
    assert_true(p.o.keep_overlapping);
    flags_free(p.f);
    assert_int_equal(
        parse(&p, ARGS("--storage.tsdb.retention.time=1y", "--storage.tsdb.max-block-duration=2h")),
        FER_OK);
    assert_int_equal(p.o.max_block_ms, 2 * hour);
    flags_free(p.f);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *error;
    } cases[] = {
        {"--web.listen-adress=:1",
         "unknown long flag '--web.listen-adress', did you mean '--web.listen-address'?"},
        {"--zzzzzzzzzzzzzzzzzzzzzzzz", "unknown long flag '--zzzzzzzzzzzzzzzzzzzzzzzz'"},
        {"--no-query.timeout", "unknown long flag '--no-query.timeout'"},
        {"--query.timeout", "expected argument for flag '--query.timeout'"},
        {"--query.timeout=5", "flag '--query.timeout': not a valid duration string: \"5\""},
        {"--query.max-samples=many", "flag '--query.max-samples': invalid number \"many\""},
        {"--storage.tsdb.retention.size=1XB",
         "flag '--storage.tsdb.retention.size': invalid size \"1XB\""},
        {"--storage.tsdb.max-block-chunk-segment-size=1KB",
         "flag 'storage.tsdb.max-block-chunk-segment-size' must be set over 1MB"},
        {"--log.level=loud",
         "flag '--log.level': enum value must be one of debug,info,warn,error, got 'loud'"},
        {"-x", "unknown short flag '-x'"},
        {"data", "unexpected data"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p;
        assert_int_equal(parse(&p, ARGS(cases[i].arg)), FER_INVALID);
        if (!str_has_prefix(str_of(p.err.msg), str_of(cases[i].error)))
            fail_msg("%s\n-- is not --\n%s", p.err.msg, cases[i].error);
        flags_free(p.f);
    }
    parsed p;
    assert_int_equal(parse(&p, ARGS("--query.timeout=1s", "--query.timeout=2s")), FER_INVALID);
    assert_string_equal(p.err.msg, "flag 'query.timeout' cannot be repeated");
}

static void help_and_version_win(void **state)
{
    (void)state;
    parsed p;
    assert_int_equal(parse(&p, ARGS("--help")), FER_OK);
    assert_int_equal(p.action, FLAGS_HELP);
    flags_free(p.f);
    assert_int_equal(parse(&p, ARGS("--version")), FER_OK);
    assert_int_equal(p.action, FLAGS_VERSION);
    flags_free(p.f);
}

static void the_messages_of_remote_write_are_known_by_name(void **state)
{
    (void)state;
    parsed p;
    const char *const both[] = {NULL};
    assert_int_equal(parse(&p, both), FER_OK);
    assert_int_equal(p.o.rw_messages, APP_RW_V1 | APP_RW_V2);
    flags_free(p.f);
#define MESSAGES "--web.remote-write-receiver.accepted-protobuf-messages="
    assert_int_equal(parse(&p, ARGS(MESSAGES "io.prometheus.write.v2.Request")), FER_OK);
    assert_int_equal(p.o.rw_messages, APP_RW_V2);
    flags_free(p.f);
    assert_int_equal(parse(&p, ARGS(MESSAGES "prometheus.WriteRequest",
                                    MESSAGES "io.prometheus.write.v2.Request")),
                     FER_OK);
    assert_int_equal(p.o.rw_messages, APP_RW_V1 | APP_RW_V2);
    flags_free(p.f);
    assert_int_equal(parse(&p, ARGS(MESSAGES "prometheus.writerequest")), FER_INVALID);
    assert_non_null(strstr(p.err.msg, "unknown remote write protobuf message"));
    flags_free(p.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_container_command_starts_as_it_is),
        cmocka_unit_test(values_follow_or_are_joined_and_booleans_negate),
        cmocka_unit_test(defaults_are_prometheus_defaults),
        cmocka_unit_test(prometheus_yml_is_read_where_it_is),
        cmocka_unit_test(features_without_effect_are_told),
        cmocka_unit_test(limits_follow_from_each_other),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(help_and_version_win),
        cmocka_unit_test(the_messages_of_remote_write_are_known_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
