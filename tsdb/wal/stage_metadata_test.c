/* stage_metadata_test.c - what the log tells of families when it is read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tsdb/tsdb_testing.h"

#define ROW(raw) test_row(t, "__name__=" raw, TEST_NOW, 1)

static void note(void *arg, const metadata_family *m)
{
    fer_buf_printf(arg, "%.*s %u %.*s %.*s\n", STR_FMT(m->family), m->type, STR_FMT(m->unit),
                   STR_FMT(m->help));
}

typedef struct fixture {
    test_db t;
    fer_buf told;
} fixture;

static void set_up(fixture *f)
{
    test_db_init(&f->t);
    fer_buf_init(&f->told, 1 << 20, NULL);
    f->t.o.on_metadata = note;
    f->t.o.on_metadata_arg = &f->told;
    test_db_open(&f->t);
}

static void tear_down(fixture *f)
{
    test_db_done(&f->t);
    fer_buf_done(&f->told);
}

static void expect_told(fixture *f, const char *text)
{
    fer_buf_clear(&f->told);
    test_db_reopen(&f->t);
    fer_buf_putc(&f->told, '\0');
    assert_string_equal(f->told.p, text);
}

static void tell(test_db *t, metadata_family *v, size_t n)
{
    const tsdb_rows rows = {.metadata = v, .n_metadata = n};
    assert_int_equal(test_stage_rows(t, &rows), FER_OK);
    test_commit(t);
}

static metadata_family family(const char *name, uint32_t type, const char *unit, const char *help)
{
    return (metadata_family){str_of(name), type, str_of(help), str_of(unit), false};
}

static void families_come_back_by_one_of_their_series(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    test_db *t = &f.t;
    const tsdb_row rows[] = {ROW("a_total,n=1"), ROW("a_total,n=2"), ROW("h_bucket,le=1"),
                             ROW("s_sum"),       ROW("g_count"),     ROW("n_count")};
    metadata_family v[] = {family("a_total", FAMILY_COUNTER, "", "All."),
                           family("h", FAMILY_HISTOGRAM, "seconds", "How long."),
                           family("s", FAMILY_SUMMARY, "", ""),
                           family("none", FAMILY_GAUGE, "", "Without series."),
                           family("g", FAMILY_GAUGE, "", "Has no parts."),
                           family("g_count", 99, "", "Of a later sender."),
                           family("n_count", FAMILY_HISTOGRAM, "", "Its own name ends so.")};
    const tsdb_rows all = {.floats = rows, .n_floats = 6, .metadata = v, .n_metadata = 7};
    assert_int_equal(test_stage_rows(t, &all), FER_OK);
    test_commit(t);
    const bool logged[] = {true, true, true, false, false, true, true};
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(v[i].logged, logged[i]);
    expect_told(&f, "a_total 1  All.\nh 3 seconds How long.\ns 5  \ng_count 0  Of a later sender.\n"
                    "n_count 3  Its own name ends so.\n");
    tear_down(&f);
}

/* As a scrape of OpenMetrics names them, beside a sender that names the series. */
static void families_of_openmetrics_come_back_by_their_names(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    test_db *t = &f.t;
    const tsdb_row rows[] = {ROW("c_total"), ROW("c_created"), ROW("b_info"),
                             ROW("d_total"), ROW("d"),         ROW("e_total")};
    metadata_family v[] = {family("c", FAMILY_COUNTER, "", "Short."),
                           family("b", FAMILY_INFO, "", "Build."),
                           family("d", FAMILY_COUNTER, "", "Has a series of its name."),
                           family("d_total", FAMILY_COUNTER, "", "Another."),
                           family("e", FAMILY_GAUGE, "", "No counter.")};
    const tsdb_rows all = {.floats = rows, .n_floats = 6, .metadata = v, .n_metadata = 5};
    assert_int_equal(test_stage_rows(t, &all), FER_OK);
    test_commit(t);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(v[i].logged, i < 4);
    expect_told(&f,
                "c 1  Short.\nb 6  Build.\nd 1  Has a series of its name.\nd_total 1  Another.\n");
    tear_down(&f);
}

static void what_is_told_last_holds_and_needs_no_samples(void **state)
{
    (void)state;
    fixture f;
    set_up(&f);
    test_db *t = &f.t;
    test_write1(t, "__name__=x", TEST_NOW, 1);
    metadata_family first = family("x", FAMILY_GAUGE, "", "First."),
                    second = family("x", FAMILY_COUNTER, "", "Second.");
    tell(t, &first, 1);
    tell(t, &second, 1);
    assert_int_equal(t->n_done, 3);
    expect_told(&f, "x 2  First.\nx 1  Second.\n");
    tear_down(&f);
}

static void many_families_are_several_records(void **state)
{
    (void)state;
    enum { N = 300 };
    fixture f;
    set_up(&f);
    test_db *t = &f.t;
    static char help[2000], raw[N][32];
    memset(help, 'x', sizeof help - 1);
    static tsdb_row rows[N];
    static metadata_family v[N];
    for (size_t i = 0; i < N; i++) {
        snprintf(raw[i], sizeof raw[i], "__name__=m%zu", i);
        rows[i] = test_row(t, raw[i], TEST_NOW, 1);
        v[i] = family(raw[i] + sizeof "__name__=" - 1, FAMILY_GAUGE, "", help);
    }
    const tsdb_rows all = {.floats = rows, .n_floats = N, .metadata = v, .n_metadata = N};
    assert_int_equal(test_stage_rows(t, &all), FER_OK);
    test_commit(t);
    test_db_reopen(t);
    size_t lines = 0;
    for (size_t i = 0; i < f.told.n; i++)
        lines += f.told.p[i] == '\n';
    assert_int_equal(lines, N);
    tear_down(&f);
}

static void names_of_series_and_families(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint32_t type;
        const char *family;
    } cases[] = {{"x_bucket", FAMILY_HISTOGRAM, "x"},     {"x_count", FAMILY_SUMMARY, "x"},
                 {"x_gsum", FAMILY_GAUGE_HISTOGRAM, "x"}, {"x_sum", FAMILY_COUNTER, "x_sum"},
                 {"_sum", FAMILY_SUMMARY, "_sum"},        {"x", FAMILY_HISTOGRAM, "x"},
                 {"x_total", FAMILY_COUNTER, "x_total"},  {"x_info", FAMILY_INFO, "x_info"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(
            str_eq(family_of(str_of(cases[i].name), cases[i].type), str_of(cases[i].family)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_come_back_by_one_of_their_series),
        cmocka_unit_test(families_of_openmetrics_come_back_by_their_names),
        cmocka_unit_test(what_is_told_last_holds_and_needs_no_samples),
        cmocka_unit_test(many_families_are_several_records),
        cmocka_unit_test(names_of_series_and_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
