/* active_test.c - the list of queries under way, and the file that outlives a crash. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/vfs_fault.h"
#include "server/api/active.h"

enum { PLACE = 1000 };

typedef struct world {
    fer_clock_fake clock;
    vfs_fault *disk;
    fer_account account;
    fer_log *log;
    int log_pipe[2];
    active_queries *a;
} world;

static int set_up(void **state)
{
    world *w = fer_calloc(1, sizeof *w);
    fer_clock_fake_init(&w->clock, 1700000000500);
    w->disk = vfs_fault_new(&w->clock.base);
    fer_account_init(&w->account, "query", NULL, 0);
    assert_int_equal(vfs_mkdir_all(vfs_fault_fs(w->disk), "d", NULL), FER_OK);
    assert_int_equal(pipe(w->log_pipe), 0);
    w->log = fer_log_new(w->log_pipe[1], LOG_INFO, LOG_LOGFMT, &w->clock.base);
    w->a = active_queries_new(3, &w->clock.base, w->log);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    active_queries_free(w->a);
    vfs_fault_free(w->disk);
    fer_log_free(w->log);
    close(w->log_pipe[0]);
    close(w->log_pipe[1]);
    fer_free(w);
    return 0;
}

static active_query asking(world *w, fer_cancel *token, const char *text)
{
    fer_cancel_init(token, &w->clock.base, 0);
    return (active_query){.text = str_of(text),
                          .client = STR("127.0.0.1"),
                          .path = STR("/api/v1/query"),
                          .start_ms = 1000,
                          .end_ms = 2500,
                          .step_ms = 500,
                          .token = token,
                          .account = &w->account};
}

static fer_str file_of(world *w, fer_arena *a)
{
    fer_str text;
    assert_int_equal(
        vfs_read_all(vfs_fault_fs(w->disk), "d/queries.active", 1 << 20, a, &text, NULL), FER_OK);
    return text;
}

static void what_runs_stands_in_the_file(void **state)
{
    world *w = *state;
    fer_cancel t1, t2;
    active_query one = asking(w, &t1, "up{a=\"\xc3\xa4\"}"), two = asking(w, &t2, "sum(x)");
    fer_arena *a = fer_arena_new(NULL, 0);
    active_queries_open(w->a, vfs_fault_fs(w->disk), "d");
    active_add(w->a, &one);
    active_add(w->a, &two);
    fer_str file = file_of(w, a);
    assert_int_equal(file.n, 1 + 3 * PLACE);
    assert_int_equal(file.p[0], '[');
    assert_int_equal(file.p[1], '\0'); /* both wait */
    active_start(w->a, &one);
    active_start(w->a, &two);
    file = file_of(w, a);
    assert_string_equal(file.p + 1,
                        "{\"query\":\"up{a=\\\"\xc3\xa4\\\"}\",\"timestamp_sec\":1700000000}");
    assert_int_equal(file.p[PLACE], ',');
    assert_string_equal(file.p + 1 + PLACE, "{\"query\":\"sum(x)\",\"timestamp_sec\":1700000000}");
    active_remove(w->a, &one);
    file = file_of(w, a);
    assert_int_equal(file.p[1], '\0');
    assert_int_equal(file.p[PLACE], '\0');
    assert_int_equal(file.p[1 + PLACE], '{');
    active_remove(w->a, &two);
    active_counts n = active_count(w->a);
    assert_int_equal(n.waiting + n.running, 0);
    fer_arena_free(a);
}

static void long_texts_are_cut_between_characters(void **state)
{
    world *w = *state;
    char text[5001];
    fer_cancel t;
    fer_arena *a = fer_arena_new(NULL, 0);
    for (size_t i = 0; i < 5000; i += 2) {
        text[i] = (char)0xc3;
        text[i + 1] = (char)0xa4;
    }
    text[5000] = '\0';
    active_query q = asking(w, &t, text);
    active_queries_open(w->a, vfs_fault_fs(w->disk), "d");
    active_add(w->a, &q);
    active_start(w->a, &q);
    fer_str file = file_of(w, a);
    size_t n = strlen(file.p + 1);
    assert_true(n > PLACE - 40 && n < PLACE);
    assert_null(strstr(file.p + 1, "ufffd"));
    assert_non_null(strstr(file.p + 1, "\xa4\",\"timestamp_sec\":1700000000}"));
    active_remove(w->a, &q);
    fer_arena_free(a);
}

static void a_start_tells_what_was_not_finished(void **state)
{
    world *w = *state;
    fer_cancel t1, t2;
    char said[4096] = "";
    active_query one = asking(w, &t1, "one"), two = asking(w, &t2, "two");
    active_queries_open(w->a, vfs_fault_fs(w->disk), "d");
    active_add(w->a, &one);
    active_add(w->a, &two);
    active_start(w->a, &one);
    active_start(w->a, &two);
    active_remove(w->a, &one);
    active_queries *next =
        active_queries_new(1, &w->clock.base, w->log); /* the process after a crash */
    active_queries_open(next, vfs_fault_fs(w->disk), "d");
    assert_true(read(w->log_pipe[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, "didn't finish"));
    assert_non_null(strstr(said, "[{\\\"query\\\":\\\"two\\\",\\\"timestamp_sec\\\":1700000000}]"));
    assert_null(strstr(said, "one"));
    active_queries_free(next);
    active_remove(w->a, &two);
    fer_arena *a = fer_arena_new(NULL, 0);
    active_queries_free(w->a);
    w->a = active_queries_new(1, &w->clock.base, w->log);
    active_queries_open(w->a, vfs_fault_fs(w->disk), "d");
    assert_int_equal(file_of(w, a).n, 1 + PLACE);
    fer_arena_free(a);
}

static void a_full_disk_costs_the_file_only(void **state)
{
    world *w = *state;
    fer_cancel t;
    active_query q = asking(w, &t, "up");
    vfs_fault_rule full = {
        .kind = VFS_CALL_PWRITE, .nth = 1, .from_then_on = true, .sys = ENOSPC, .path = "queries"};
    vfs_fault_set(w->disk, &full);
    active_queries_open(w->a, vfs_fault_fs(w->disk), "d");
    active_add(w->a, &q);
    active_start(w->a, &q);
    assert_int_equal(active_count(w->a).running, 1);
    active_remove(w->a, &q);
}

static void a_query_is_told_and_killed(void **state)
{
    world *w = *state;
    fer_cancel t1, t2;
    active_query one = asking(w, &t1, "a<b"), two = asking(w, &t2, "two");
    fer_buf out;
    fer_buf_init(&out, 1 << 16, NULL);
    active_add(w->a, &one);
    active_start(w->a, &one);
    active_add(w->a, &two);
    fer_clock_fake_advance(&w->clock, 1250);
    assert_false(active_kill(w->a, 77));
    assert_true(active_kill(w->a, two.id));
    assert_int_equal(fer_cancel_check(&t1), FER_OK);
    assert_int_equal(fer_cancel_check(&t2), FER_CANCELED);
    active_put(w->a, &out);
    fer_buf_putc(&out, '\0');
    assert_string_equal(
        out.p,
        "[{\"id\":\"1\",\"state\":\"running\",\"path\":\"/api/v1/query\",\"query\":\"a\\u003cb\","
        "\"start\":1,\"end\":2.500,\"step\":0.500,\"client\":\"127.0.0.1\",\"since\":"
        "\"2023-11-14T22:13:20.500Z\",\"seconds\":1.250,\"memoryBytes\":0},"
        "{\"id\":\"2\",\"state\":\"killed\",\"path\":\"/api/v1/query\",\"query\":\"two\","
        "\"start\":1,\"end\":2.500,\"step\":0.500,\"client\":\"127.0.0.1\",\"since\":"
        "\"2023-11-14T22:13:20.500Z\",\"seconds\":1.250,\"memoryBytes\":0}]");
    fer_buf_done(&out);
    active_remove(w->a, &one);
    active_remove(w->a, &two);
    assert_int_equal(active_count(w->a).killed, 1);
    assert_false(active_kill(w->a, two.id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_runs_stands_in_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_between_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_start_tells_what_was_not_finished, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_costs_the_file_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_query_is_told_and_killed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
