/* Log lines. What is quoted and how was seen in lines of Prometheus 3.5 in both formats. */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/thread.h"

enum { TEXT_MAX = 1 << 20 };

typedef struct fixture {
    int fd[2];
    fer_clock_fake clock;
    char *text;
} fixture;

static int setup(void **state)
{
    fixture *x = fer_calloc(1, sizeof *x);
    x->text = fer_alloc(TEXT_MAX);
    fer_clock_fake_init(&x->clock, 1767323045678); /* 2026-01-02T03:04:05.678Z */
    *state = x;
    return pipe2(x->fd, O_CLOEXEC | O_NONBLOCK);
}

static int teardown(void **state)
{
    fixture *x = *state;
    close(x->fd[0]);
    close(x->fd[1]);
    fer_free(x->text);
    fer_free(x);
    return 0;
}

/* What has been written since the last call. */
static const char *written(fixture *x)
{
    ssize_t n = read(x->fd[0], x->text, TEXT_MAX - 1);
    x->text[n < 0 ? 0 : n] = '\0';
    return x->text;
}

static void a_logfmt_line(void **state)
{
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_INFO, LOG_LOGFMT, &x->clock.base);
    fer_log_kv(l, LOG_INFO, "../server/main.c", 12, "Replaying the WAL", "segments", "3", "dir",
               "data/wal", (char *)0);
    assert_string_equal(written(x), "time=2026-01-02T03:04:05.678Z level=INFO source=main.c:12 "
                                    "msg=\"Replaying the WAL\" segments=3 dir=data/wal\n");
    fer_log_kv(l, LOG_WARN, "x.c", 1, "done", (char *)0);
    assert_string_equal(written(x),
                        "time=2026-01-02T03:04:05.678Z level=WARN source=x.c:1 msg=done\n");
    fer_log_free(l);
}

static void a_json_line(void **state)
{
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_DEBUG, LOG_JSON, &x->clock.base);
    fer_log_kv(l, LOG_ERROR, "/a/b/main.c", 580, "Error loading config", "err",
               "open <&>\b\x01\x7f\xc3\xa9\"\\: no\nsuch", "empty", "", (char *)0);
    assert_string_equal(
        written(x),
        "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"ERROR\",\"source\":\"main.c:580\","
        "\"msg\":\"Error loading config\","
        "\"err\":\"open <&>\\u0008\\u0001\x7f\xc3\xa9\\\"\\\\: no\\nsuch\",\"empty\":\"\"}\n");
    fer_log_free(l);
}

static void values_are_quoted_as_slog_does(void **state)
{
    static const char *const rows[][2] = {
        {"plain", "plain"},
        {"q\\<\x7f\xc3\xa9>&'{}[]:,", "q\\<\x7f\xc3\xa9>&'{}[]:,"},
        {"", "\"\""},
        {"a b", "\"a b\""},
        {"a=b", "\"a=b\""},
        {"a\"b", "\"a\\\"b\""},
        {"a\nb", "\"a\\nb\""},
        {"\b\x01\xff", "\"\\b\\x01\\xff\""},
        {"\xc2\xa0", "\"\\u00a0\""},
        {"\xe2\x80\xa8", "\"\\u2028\""},
        {"\xef\xbf\xbd", "\"\xef\xbf\xbd\""},
        {"\xf3\xa0\x80\x81", "\"\\U000e0001\""},
    };
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_INFO, LOG_LOGFMT, &x->clock.base);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fer_log_kv(l, LOG_INFO, "x.c", 1, "m", "k", rows[i][0], (char *)0);
        char want[256];
        snprintf(want, sizeof want,
                 "time=2026-01-02T03:04:05.678Z level=INFO source=x.c:1 msg=m k=%s\n", rows[i][1]);
        assert_string_equal(written(x), want);
    }
    fer_log_kv(l, LOG_INFO, "x.c", 1, "m", "a key", "v", (char *)0);
    assert_non_null(strstr(written(x), " \"a key\"=v\n"));
    fer_log_free(l);
}

static void lower_levels_and_no_logger_write_nothing(void **state)
{
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_WARN, LOG_LOGFMT, &x->clock.base);
    LOGD(l, "no");
    LOGI(l, "no", "k", "v");
    LOGE(NULL, "no");
    assert_string_equal(written(x), "");
    LOGE(l, "yes");
    assert_non_null(strstr(written(x), "level=ERROR source=log_test.c:"));
    fer_log_free(l);
}

static void numbers_and_slices_have_short_lived_text(void **state)
{
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_INFO, LOG_LOGFMT, &x->clock.base);
    LOGI(l, "m", "min", LOG_INT(INT64_MIN), "n", LOG_INT(42), "s", LOG_STR(STR("slice")));
    assert_non_null(strstr(written(x), " msg=m min=-9223372036854775808 n=42 s=slice\n"));
    char big[400], cut[256];
    memset(big, 'x', sizeof big);
    assert_int_equal(strlen(fer_log_str(cut, (fer_str){big, sizeof big})), 255);
    assert_string_equal(fer_log_str(cut, (fer_str){NULL, 0}), "");
    fer_log_free(l);
}

static void times_before_1970_and_whole_seconds(void **state)
{
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_INFO, LOG_LOGFMT, &x->clock.base);
    fer_clock_fake_init(&x->clock, -1);
    fer_log_kv(l, LOG_INFO, "x.c", 1, "m", (char *)0);
    assert_memory_equal(written(x), "time=1969-12-31T23:59:59.999Z ", 30);
    fer_clock_fake_init(&x->clock, 0);
    fer_log_kv(l, LOG_INFO, "x.c", 1, "m", (char *)0);
    assert_memory_equal(written(x), "time=1970-01-01T00:00:00.000Z ", 30);
    fer_log_free(l);
}

static void long_values_are_cut(void **state)
{
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_INFO, LOG_LOGFMT, &x->clock.base);
    char *big = fer_calloc(1, 100001);
    memset(big, 'x', 100000);
    fer_log_kv(l, LOG_INFO, "x.c", 1, "m", "k", big, "after", "1", (char *)0);
    const char *line = written(x);
    assert_int_equal(strspn(strstr(line, " k=") + 3, "x"), 16384);
    assert_non_null(strstr(line, " after=1\n"));
    fer_free(big);
    fer_log_free(l);
}

static void a_key_without_value_ends_the_line(void **state)
{
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_INFO, LOG_LOGFMT, &x->clock.base);
    fer_log_kv(l, LOG_INFO, "x.c", 1, "m", "a", "1", "b", (char *)0);
    assert_non_null(strstr(written(x), " msg=m a=1 b=\"\"\n"));
    fer_log_free(l);
}

/* A pipe that takes no more, or no descriptor at all, must not hold or stop the process. */
static void nobody_reading_is_no_harm(void **state)
{
    fixture *x = *state;
    fer_log *l = fer_log_new(x->fd[1], LOG_INFO, LOG_LOGFMT, &x->clock.base);
    for (int i = 0; i < 2000; i++)
        LOGI(l, "filling the pipe with lines of some length", "k", "v");
    fer_log_free(l);
    l = fer_log_new(-1, LOG_INFO, LOG_LOGFMT, &x->clock.base);
    LOGI(l, "lost");
    fer_log_free(l);
    fer_log_free(NULL);
}

static void log_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        LOGI((fer_log *)arg, "a line of some length", "k", "value with spaces");
}

static void lines_of_threads_do_not_mix(void **state)
{
    fixture *x = *state;
    FILE *file = tmpfile();
    fer_log *l = fer_log_new(fileno(file), LOG_INFO, LOG_LOGFMT, &x->clock.base);
    fer_thread t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(fer_thread_start(&t[i], "log", log_many, l, NULL), FER_OK);
    for (int i = 0; i < 4; i++)
        fer_thread_join(&t[i]);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    int lines = 0;
    while (fgets(x->text, TEXT_MAX, file) != NULL) {
        assert_memory_equal(x->text, "time=2026-", 10);
        assert_non_null(
            strstr(x->text, " msg=\"a line of some length\" k=\"value with spaces\"\n"));
        lines++;
    }
    assert_int_equal(lines, 800);
    fer_log_free(l);
    assert_int_equal(fclose(file), 0);
}

int main(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_logfmt_line),
        LOG_TEST(a_json_line),
        LOG_TEST(values_are_quoted_as_slog_does),
        LOG_TEST(lower_levels_and_no_logger_write_nothing),
        LOG_TEST(numbers_and_slices_have_short_lived_text),
        LOG_TEST(times_before_1970_and_whole_seconds),
        LOG_TEST(long_values_are_cut),
        LOG_TEST(a_key_without_value_ends_the_line),
        LOG_TEST(nobody_reading_is_no_harm),
        LOG_TEST(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
