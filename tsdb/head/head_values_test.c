/* The values of a name: in order, whatever came since they were last asked for, and whoever asks meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/head/head_select.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

enum { VALUES_MAX = 1000, RAW_MAX = 32 };

typedef struct fixture {
    test_db t;
    char raw[VALUES_MAX][RAW_MAX]; /* of all series written, in the order they came */
    size_t n;
} fixture;

static int setup(void **state)
{
    fixture *f = fer_calloc(1, sizeof *f);
    test_db_init(&f->t);
    test_db_open(&f->t);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    test_db_done(&f->t);
    fer_free(f);
    return 0;
}

/* Series whose values of i are neither in order nor of one length, not visible until there is a commit. */
static void stage(fixture *f, size_t n)
{
    static tsdb_row rows[VALUES_MAX];
    for (size_t i = 0; i < n; i++, f->n++) {
        snprintf(f->raw[f->n], RAW_MAX, "__name__=m,i=v%zu", f->n * 7919 % 100003 % 5000);
        rows[i] = test_row(&f->t, f->raw[f->n], TEST_NOW, 1);
    }
    assert_int_equal(test_stage(&f->t, rows, n), FER_OK);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The values of the first n series, and no others. */
static void expect_values(fixture *f, size_t n)
{
    static const char *want[VALUES_MAX];
    for (size_t i = 0; i < n; i++)
        want[i] = strchr(f->raw[i], 'i') + 2;
    qsort(want, n, sizeof *want, by_text);
    test_query q;
    test_query_begin(&q, f->t.db, INT64_MIN, INT64_MAX);
    str_list l = {0};
    assert_int_equal(querier_label_values(q.q, STR("i"), NULL, 0, 0, &l, NULL), FER_OK);
    assert_int_equal(l.n, n);
    for (size_t i = 0; i < n; i++)
        assert_true(str_eq(l.v[i], str_of(want[i])));
    test_query_end(&q);
}

static void values_are_in_order_whatever_came_between(void **state)
{
    fixture *f = *state;
    stage(f, 300);
    test_commit(&f->t);
    expect_values(f, 300); /* all are new */
    expect_values(f, 300); /* none */
    stage(f, 2);
    test_commit(&f->t);
    expect_values(f, 302); /* so few that they are merged alone */
    expect_values(f, 302);
    stage(f, 100);
    expect_values(f, 302); /* not yet visible, while some are merged */
    test_commit(&f->t);
    expect_values(f, 402);
    expect_values(f, 402);
}

static void values_not_yet_visible_are_found_later_when_an_order_was_left_meanwhile(void **state)
{
    fixture *f = *state;
    stage(f, 200);
    test_commit(&f->t);
    stage(f, 50);
    expect_values(f, 200);
    test_commit(&f->t);
    expect_values(f, 250);
    expect_values(f, 250);
}

/* What a select judges before it takes the lock, and what has come by then, while others leave an order. */
static void a_select_judges_each_value_once_when_an_order_is_left_meanwhile(void **state)
{
    fixture *f = *state;
    head *h = &f->t.db->h;
    stage(f, 200);
    test_commit(&f->t);
    test_query q;
    test_query_begin(&q, f->t.db, INT64_MIN, INT64_MAX);
    matcher m;
    assert_int_equal(matcher_make(q.arena, MATCH_RE, STR("i"), STR(".*[0-4]"), &m, NULL), FER_OK);
    head_select sel;
    assert_int_equal(head_select_prepare(&sel, h, h->names, q.arena, NULL, &m, 1, NULL), FER_OK);
    stage(f, 100);
    test_commit(&f->t);
    expect_values(f, 300);
    size_t want = 0;
    for (size_t i = 0; i < f->n; i++)
        want += matcher_matches(&m, str_of(strchr(f->raw[i], 'i') + 2));
    slot_list found;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    assert_int_equal(head_select_slots(&sel, &found, NULL), FER_OK);
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    assert_in_range(want, 100, 200);
    assert_int_equal(found.n, want);
    test_query_end(&q);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(values_are_in_order_whatever_came_between),
        TEST(values_not_yet_visible_are_found_later_when_an_order_was_left_meanwhile),
        TEST(a_select_judges_each_value_once_when_an_order_is_left_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
