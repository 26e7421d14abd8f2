#include "promql/memstore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LABEL(n, v)                                                                                \
    {                                                                                              \
        {"" n, sizeof(n) - 1},                                                                     \
        {                                                                                          \
            "" v, sizeof(v) - 1                                                                    \
        }                                                                                          \
    }
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* z_metric before a_metric: made in another order than labels sort. */
static const label z_a[] = {LABEL("__name__", "z"), LABEL("job", "a")};
static const label z_b[] = {LABEL("__name__", "z"), LABEL("job", "b"), LABEL("zone", "1")};
static const label a_a[] = {LABEL("__name__", "a"), LABEL("job", "a")};

typedef struct fixture {
    memstore *m;
    fer_arena *arena;
    query_ctx ctx;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    f.m = memstore_new();
    const labels all[] = {{z_a, 2}, {z_b, 3}, {a_a, 2}};
    for (size_t i = 0; i < COUNT(all); i++) {
        memstore_series *s = memstore_series_of(f.m, all[i]);
        for (int64_t t = 0; t < 10; t++)
            assert_int_equal(memstore_add(s, t * 1000 + (int64_t)i, (double)t), FER_OK);
    }
    f.arena = fer_arena_new(NULL, 0);
    f.ctx = (query_ctx){.arena = f.arena, .syms = syms_new(f.arena)};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    fer_arena_free(f->arena);
    memstore_free(f->m);
    return 0;
}

static querier *open_querier(fixture *f, int64_t mint, int64_t maxt)
{
    querier *q;
    assert_int_equal(storage_querier(memstore_storage(f->m), &f->ctx, mint, maxt, &q, NULL),
                     FER_OK);
    return q;
}

static selection *select_where(fixture *f, matcher_type type, fer_str name, fer_str value,
                               bool sorted, uint64_t limit)
{
    matcher m;
    assert_int_equal(matcher_make(f->arena, type, name, value, &m, NULL), FER_OK);
    querier *q = open_querier(f, 0, 100000);
    const select_hints h = {.maxt = 100000, .sorted = sorted, .limit = limit};
    selection *s;
    assert_int_equal(querier_select(q, &h, &m, 1, &s, NULL), FER_OK);
    return s;
}

static void assert_labels(fixture *f, selection *s, size_t i, const label *want, size_t n)
{
    size_t got;
    const label_id *ids = selection_labels(s, i, &got);
    assert_int_equal(got, n);
    for (size_t k = 0; k < n; k++) {
        assert_true(str_eq(syms_text(f->ctx.syms, ids[k].name), want[k].name));
        assert_true(str_eq(syms_text(f->ctx.syms, ids[k].value), want[k].value));
    }
}

static void series_come_as_made_or_in_label_order(void **state)
{
    fixture *f = *state;
    selection *s = select_where(f, MATCH_RE, STR("__name__"), STR(".+"), false, 0);
    assert_int_equal(s->n, 3);
    assert_labels(f, s, 0, z_a, 2);
    assert_labels(f, s, 1, z_b, 3);
    assert_labels(f, s, 2, a_a, 2);
    s = select_where(f, MATCH_RE, STR("__name__"), STR(".+"), true, 0);
    assert_labels(f, s, 0, a_a, 2);
    assert_labels(f, s, 1, z_a, 2);
    assert_labels(f, s, 2, z_b, 3);
    s = select_where(f, MATCH_RE, STR("__name__"), STR(".+"), true, 2);
    assert_int_equal(s->n, 2);
}

static void matchers_choose_and_absent_labels_are_empty(void **state)
{
    fixture *f = *state;
    assert_int_equal(select_where(f, MATCH_EQ, STR("job"), STR("a"), false, 0)->n, 2);
    assert_int_equal(select_where(f, MATCH_EQ, STR("zone"), STR(""), false, 0)->n, 2);
    assert_int_equal(select_where(f, MATCH_NE, STR("zone"), STR(""), false, 0)->n, 1);
    assert_int_equal(select_where(f, MATCH_EQ, STR("job"), STR("c"), false, 0)->n, 0);
}

static void reading_keeps_to_the_range(void **state)
{
    fixture *f = *state;
    selection *s = select_where(f, MATCH_EQ, STR("zone"), STR("1"), false, 0);
    samples out;
    samples_init(&out, NULL);
    assert_int_equal(selection_read(s, 0, 2001, 4001, &out, NULL), FER_OK);
    assert_int_equal(out.n, 3);
    assert_int_equal(out.t[0], 2001);
    assert_int_equal(out.t[2], 4001);
    assert_true(out.v[2] == 4);
    samples_clear(&out);
    assert_int_equal(selection_read(s, 0, 2002, 3000, &out, NULL), FER_OK);
    assert_int_equal(out.n, 0);
    samples_done(&out);
}

static void histograms_and_start_times_come_back(void **state)
{
    fixture *f = *state;
    static const label ls[] = {LABEL("__name__", "mixed")};
    memstore_series *s = memstore_series_of(f->m, (labels){ls, 1});
    histogram_span span = {-1, 2};
    double counts[] = {1, 2};
    histogram h = {
        .schema = 3, .count = 3, .n_pos_spans = 1, .pos_spans = &span, .n_pos = 2, .pos = counts};
    assert_int_equal(memstore_add(s, 1, 7), FER_OK);
    assert_int_equal(memstore_add_histogram(s, 2, SAMPLE_FLOAT_HISTOGRAM, &h), FER_OK);
    memstore_set_start(s, 1);
    memset(counts, 0, sizeof counts); /* it was copied */
    span.length = 0;

    selection *sel = select_where(f, MATCH_EQ, STR("__name__"), STR("mixed"), false, 0);
    samples out;
    samples_init(&out, NULL);
    assert_int_equal(selection_read(sel, 0, 0, 10, &out, NULL), FER_OK);
    assert_int_equal(out.n, 2);
    assert_int_equal(out.type[0], SAMPLE_FLOAT);
    assert_int_equal(out.type[1], SAMPLE_FLOAT_HISTOGRAM);
    assert_true(out.h[1]->pos[1] == 2);
    assert_int_equal(out.h[1]->pos_spans[0].length, 2);
    assert_int_equal(out.st[0], 0);
    assert_int_equal(out.st[1], 1);
    samples_done(&out);
}

static void time_must_grow(void **state)
{
    fixture *f = *state;
    memstore_series *s = memstore_series_of(f->m, (labels){z_a, 2});
    histogram h = {0};
    assert_int_equal(memstore_add(s, 9000, 1), FER_INVALID);
    assert_int_equal(memstore_add_histogram(s, 8000, SAMPLE_HISTOGRAM, &h), FER_INVALID);
    assert_int_equal(memstore_series_samples(s)->n, 10);
    assert_int_equal(memstore_n_series(f->m), 3);
}

static void assert_list(const str_list *l, const char *joined)
{
    fer_buf b;
    fer_buf_init(&b, 1000, NULL);
    for (size_t i = 0; i < l->n; i++)
        fer_buf_printf(&b, "%s%.*s", i == 0 ? "" : " ", STR_FMT(l->v[i]));
    assert_int_equal(b.n, strlen(joined));
    if (b.n > 0)
        assert_memory_equal(b.p, joined, b.n);
    fer_buf_done(&b);
}

static void names_and_values_are_those_of_series_with_data(void **state)
{
    fixture *f = *state;
    str_list l = {0};
    querier *q = open_querier(f, 0, 100000);
    assert_int_equal(querier_label_names(q, NULL, 0, 0, &l, NULL), FER_OK);
    assert_list(&l, "__name__ job zone");
    l.n = 0;
    assert_int_equal(querier_label_values(q, STR("__name__"), NULL, 0, 0, &l, NULL), FER_OK);
    assert_list(&l, "a z");
    l.n = 0;
    assert_int_equal(querier_label_values(q, STR("job"), NULL, 0, 1, &l, NULL), FER_OK);
    assert_list(&l, "a");
    l.n = 0;
    matcher m;
    assert_int_equal(matcher_make(f->arena, MATCH_EQ, STR("job"), STR("a"), &m, NULL), FER_OK);
    assert_int_equal(querier_label_names(q, &m, 1, 0, &l, NULL), FER_OK);
    assert_list(&l, "__name__ job");
    l.n = 0;
    querier_close(q);

    q = open_querier(f, 9002, 9002); /* only the third series has a sample there */
    assert_int_equal(querier_label_values(q, STR("__name__"), NULL, 0, 0, &l, NULL), FER_OK);
    assert_list(&l, "a");
    l.n = 0;
    querier_close(q);
}

static void many_series_are_found_again(void **state)
{
    fixture *f = *state;
    char text[16];
    label l[] = {LABEL("id", "")};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            l[0].value = (fer_str){text, (size_t)snprintf(text, sizeof text, "%d", i)};
            memstore_series *s = memstore_series_of(f->m, (labels){l, 1});
            assert_int_equal(memstore_add(s, round, i), FER_OK);
        }
    }
    assert_int_equal(memstore_n_series(f->m), 1003);
    assert_int_equal(select_where(f, MATCH_EQ, STR("id"), STR("999"), false, 0)->n, 1);
}

static void faults_and_warnings_reach_the_reader(void **state)
{
    fixture *f = *state;
    memstore_warn(f->m, STR("block left out"));
    querier *q = open_querier(f, 0, 1);
    assert_list(&q->warnings, "block left out");
    selection *s = select_where(f, MATCH_EQ, STR("zone"), STR("1"), false, 0);
    samples out;
    samples_init(&out, NULL);
    memstore_fail_reads(f->m, FER_IO);
    assert_int_equal(selection_read(s, 0, 0, 10000, &out, NULL), FER_IO);
    memstore_fail_reads(f->m, FER_OK);
    assert_int_equal(selection_read(s, 0, 0, 10000, &out, NULL), FER_OK);
    samples_done(&out);
}

static void a_small_budget_refuses(void **state)
{
    fixture *f = *state;
    fer_account acct;
    fer_account_init(&acct, "query", NULL, 100);
    selection *s = select_where(f, MATCH_EQ, STR("zone"), STR("1"), false, 0);
    samples out;
    samples_init(&out, &acct);
    fer_err err;
    assert_int_equal(selection_read(s, 0, 0, 10000, &out, &err), FER_LIMIT);
    samples_done(&out);
}

#define WITH_FIXTURE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(series_come_as_made_or_in_label_order),
        WITH_FIXTURE(matchers_choose_and_absent_labels_are_empty),
        WITH_FIXTURE(reading_keeps_to_the_range),
        WITH_FIXTURE(histograms_and_start_times_come_back),
        WITH_FIXTURE(time_must_grow),
        WITH_FIXTURE(names_and_values_are_those_of_series_with_data),
        WITH_FIXTURE(many_series_are_found_again),
        WITH_FIXTURE(faults_and_warnings_reach_the_reader),
        WITH_FIXTURE(a_small_budget_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
