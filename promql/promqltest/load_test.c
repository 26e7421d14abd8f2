#include "promql/promqltest/load.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "promql/promqltest/histogram_text.h"

typedef struct fixture {
    fer_arena *a;
    memstore *m;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    f = (fixture){fer_arena_new(NULL, 0), memstore_new()};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    memstore_free(f->m);
    fer_arena_free(f->a);
    return 0;
}

static fer_code load(fixture *f, const char *text, fer_err *err)
{
    script s;
    assert_int_equal(script_parse(str_of(text), f->a, &s, err), FER_OK);
    for (size_t i = 0; i < s.n; i++)
        FER_TRY(load_into(f->m, &s.v[i].load, f->a, err));
    return FER_OK;
}

/* The samples of the series whose text is this, or NULL. */
static const samples *samples_of(fixture *f, const char *metric)
{
    const samples *found = NULL;
    for (size_t i = 0; i < memstore_n_series(f->m) && found == NULL; i++) {
        const memstore_series *s = memstore_series_at(f->m, i);
        fer_buf b;
        fer_buf_init(&b, 1000, NULL);
        labels_print_metric(&b, memstore_series_labels(s));
        if (str_eq(fer_buf_str(&b), str_of(metric)))
            found = memstore_series_samples(s);
        fer_buf_done(&b);
    }
    return found;
}

static void samples_lie_a_step_apart_from_the_epoch(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, "load 30s\n a{b=\"c\"} 1 _ stale 4\n", NULL), FER_OK);
    const samples *s = samples_of(f, "a{b=\"c\"}");
    assert_int_equal(s->n, 3);
    assert_int_equal(s->t[0], 0);
    assert_int_equal(s->t[1], 60000);
    assert_int_equal(s->t[2], 90000);
    assert_true(s->v[0] == 1 && s->v[2] == 4);
    assert_true(sample_is_stale(s->v[1]));
    assert_null(s->st);
    assert_null(s->type);
}

static void start_timestamps_are_relative_to_their_samples(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f, "load 1m\n a@st _ -30s _ 1ms\n a 1 2 3 4\n", NULL), FER_OK);
    const samples *s = samples_of(f, "a");
    assert_int_equal(s->st[0], 0);
    assert_int_equal(s->st[1], 30000);
    assert_int_equal(s->st[2], 0);
    assert_int_equal(s->st[3], 180001);
}

static void hints_are_those_the_database_tells(void **state)
{
    fixture *f = *state;
    assert_int_equal(
        load(f,
             "load 1m\n"
             " h {{count:1 buckets:[1]}} {{count:2 buckets:[2]}} {{count:2 buckets:[1 1]}}"
             " {{count:3 buckets:[1 2]}} 5 {{count:4 buckets:[2 2]}}"
             " {{count:5 buckets:[3 2] counter_reset_hint:reset}}"
             " {{count:9 buckets:[3 2] counter_reset_hint:gauge}}"
             " {{count:9 buckets:[3 2]}} {{count:9 schema:1 buckets:[3 2]}}\n",
             NULL),
        FER_OK);
    static const int want[] = {HISTOGRAM_RESET_UNKNOWN,
                               HISTOGRAM_NO_RESET,
                               HISTOGRAM_RESET_UNKNOWN,
                               HISTOGRAM_NO_RESET,
                               -1,
                               HISTOGRAM_RESET_UNKNOWN,
                               HISTOGRAM_RESET_UNKNOWN,
                               HISTOGRAM_GAUGE,
                               HISTOGRAM_RESET_UNKNOWN,
                               HISTOGRAM_RESET_UNKNOWN};
    const samples *s = samples_of(f, "h");
    assert_int_equal(s->n, sizeof want / sizeof *want);
    for (size_t i = 0; i < s->n; i++) {
        assert_int_equal(s->h[i] == NULL, want[i] < 0);
        if (want[i] >= 0)
            assert_int_equal(s->h[i]->reset_hint, want[i]);
    }
}

static void assert_histogram(fixture *f, const samples *s, size_t i, const char *text)
{
    histogram *want;
    bool hint;
    assert_int_equal(histogram_text_parse(str_of(text), f->a, &want, &hint, NULL), FER_OK);
    if (histogram_text_same(want, s->h[i], false))
        return;
    fer_buf b;
    fer_buf_init(&b, 10000, NULL);
    histogram_text_print(&b, s->h[i]);
    fer_buf_putc(&b, '\0');
    fail_msg("sample %zu is %s", i, b.p);
}

static void classic_histograms_become_native_ones(void **state)
{
    fixture *f = *state;
    assert_int_equal(load(f,
                          "load_with_nhcb 1m\n"
                          " x_bucket{job=\"a\", le=\"+Inf\"} 4 8\n"
                          " x_bucket{job=\"a\", le=\"0.1\"} 1 2\n"
                          " x_bucket{job=\"a\", le=\"1e-1\"} 1 2\n"
                          " x_bucket{job=\"a\", le=\"2\"} 3 6\n"
                          " x_sum{job=\"a\"} 5 10\n"
                          " x_count{job=\"a\"} 4 8\n"
                          " x_bucket{job=\"b\", le=\"1\"} _ 3\n"
                          " y_count 7\n"
                          " other 1\n",
                          NULL),
                     FER_OK);
    const samples *s = samples_of(f, "x{job=\"a\"}");
    assert_int_equal(s->n, 2);
    assert_histogram(f, s, 0, "schema:-53 count:4 sum:5 custom_values:[0.1 2] buckets:[1 2 1]");
    assert_histogram(f, s, 1, "schema:-53 count:8 sum:10 custom_values:[0.1 2] buckets:[2 4 2]");
    assert_int_equal(s->h[1]->reset_hint, HISTOGRAM_NO_RESET);
    s = samples_of(f, "x{job=\"b\"}");
    assert_int_equal(s->n, 1);
    assert_int_equal(s->t[0], 60000);
    assert_histogram(f, s, 0, "schema:-53 count:3 custom_values:[1] buckets:[3]");
    assert_histogram(f, samples_of(f, "y"), 0, "schema:-53 count:7 buckets:[7]");
    /* the classic series stay */
    assert_non_null(samples_of(f, "x_bucket{job=\"a\", le=\"1e-1\"}"));
    assert_int_equal(memstore_n_series(f->m), 12);
}

static void loading_again_adds_only_what_is_new(void **state)
{
    fixture *f = *state;
    fer_err err;
    assert_int_equal(load(f, "load 1m\n a 1 2\n b {{count:1}}\n", NULL), FER_OK);
    assert_int_equal(load(f, "load 1m\n a 1 2 3\n b {{count:1}}\n", NULL), FER_OK);
    assert_int_equal(samples_of(f, "a")->n, 3);
    assert_int_equal(load(f, "load 1m\n a 1 5\n", &err), FER_INVALID);
    assert_string_equal(err.msg, "line 2: value 1 is not behind those loaded");
    assert_int_equal(load(f, "load 30s\n a 1 5\n", &err), FER_INVALID);
}

static void what_cannot_be_loaded_is_told(void **state)
{
    fixture *f = *state;
    fer_err err;
    assert_int_equal(load(f, "load 1m\n a@st -1m\n b 1\n", &err), FER_INVALID);
    assert_string_equal(err.msg, "line 2: start timestamps without samples");
    assert_int_equal(
        load(f, "load_with_nhcb 1m\n c_bucket{le=\"1\"} 5\n c_bucket{le=\"2\"} 4\n", &err),
        FER_INVALID);
    assert_string_equal(err.msg, "classic histogram: bucket counts fall");
}

#define WITH_FIXTURE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(samples_lie_a_step_apart_from_the_epoch),
        WITH_FIXTURE(start_timestamps_are_relative_to_their_samples),
        WITH_FIXTURE(hints_are_those_the_database_tells),
        WITH_FIXTURE(classic_histograms_become_native_ones),
        WITH_FIXTURE(loading_again_adds_only_what_is_new),
        WITH_FIXTURE(what_cannot_be_loaded_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
