/* merge_querier_test.c - several sources as one, over sources that are tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "tsdb/merge_querier.h"

enum { SERIES_MAX = 4, SAMPLES_MAX = 6, ALL = 1000 };

/* A source: series by their name, times that end with 0, the value is the time and a hundred thousand times the source's mark. */
typedef struct table_series {
    const char *name;
    int64_t t[SAMPLES_MAX];
} table_series;

typedef struct table {
    querier base;
    int mark;
    table_series series[SERIES_MAX];
    size_t n;
    fer_code fails; /* what select and label calls answer */
    bool sorted;    /* as the last select was asked */
    unsigned closed;
} table;

typedef struct table_selection {
    selection base;
    const table *t;
    label_id id;
} table_selection;

static const label_id *table_labels(selection *base, size_t i, size_t *ret_n)
{
    table_selection *s = (table_selection *)base;
    syms *y = s->t->base.ctx.syms;
    s->id =
        (label_id){syms_intern(y, STR("__name__")), syms_intern(y, str_of(s->t->series[i].name))};
    *ret_n = 1;
    return &s->id;
}

static fer_code table_read(selection *base, size_t i, int64_t mint, int64_t maxt, samples *out,
                           fer_err *err)
{
    (void)err;
    const table *t = ((table_selection *)base)->t;
    for (const int64_t *at = t->series[i].t; *at != 0; at++)
        if (*at >= mint && *at <= maxt)
            FER_TRY(samples_add(out, *at, (double)(*at + t->mark * 100000)));
    return FER_OK;
}

static const selection_ops table_selection_ops = {.labels = table_labels, .read = table_read};

static fer_code table_select(querier *base, const select_hints *h, const matcher *m, size_t nm,
                             selection **ret, fer_err *err)
{
    (void)m;
    (void)nm;
    table *t = (table *)base;
    if (t->fails != FER_OK)
        return fer_fail(err, t->fails, "source %d fails", t->mark);
    t->sorted = h->sorted;
    table_selection *s = ARENA_NEW(base->ctx.arena, table_selection);
    assert_non_null(s);
    *s = (table_selection){.base = {&table_selection_ops, t->n}, .t = t};
    *ret = &s->base;
    return FER_OK;
}

static fer_code table_names(querier *base, const matcher *m, size_t nm, uint64_t limit,
                            str_list *ret, fer_err *err)
{
    (void)m;
    (void)nm;
    table *t = (table *)base;
    if (t->fails != FER_OK)
        return fer_fail(err, t->fails, "source %d fails", t->mark);
    str_list own = {0};
    for (size_t i = 0; i < t->n && (limit == 0 || i < limit); i++)
        FER_TRY(str_list_add(&own, base->ctx.arena, str_of(t->series[i].name), err));
    return str_list_unite(ret, base->ctx.arena, own.v, own.n, err);
}

static fer_code table_values(querier *base, fer_str name, const matcher *m, size_t nm,
                             uint64_t limit, str_list *ret, fer_err *err)
{
    assert_true(str_eq(name, STR("__name__")));
    return table_names(base, m, nm, limit, ret, err);
}

static void table_close(querier *base)
{
    ((table *)base)->closed++;
}

static const querier_ops table_ops = {table_select, table_names, table_values, table_close};

/* ---- the merge under test ---- */

typedef struct fixture {
    fer_account account;
    query_ctx ctx;
    merge_querier *m;
    querier *q;
} fixture;

static void begin(fixture *f, table *const *sources, const int64_t *begins, size_t n)
{
    *f = (fixture){0};
    fer_account_init(&f->account, "test", NULL, 0);
    f->ctx.arena = fer_arena_new(&f->account, 0);
    f->ctx.acct = &f->account;
    f->ctx.syms = syms_new(f->ctx.arena);
    query_warnings *w;
    assert_int_equal(merge_querier_new(&f->ctx, 0, ALL, n, &f->m, &w, NULL), FER_OK);
    for (size_t i = 0; i < n; i++) {
        sources[i]->base = (querier){.ops = &table_ops, .ctx = f->ctx, .mint = 0, .maxt = ALL};
        sources[i]->mark = (int)i + 1;
        merge_querier_add(f->m, (merge_source){&sources[i]->base, begins[i]});
    }
    f->q = merge_querier_base(f->m);
}

static void end(fixture *f)
{
    querier_close(f->q);
    fer_arena_free(f->ctx.arena);
    assert_int_equal(fer_account_used(&f->account), 0);
}

/* "name: source/time ...; ..." of all series. */
static const char *text_of(fixture *f, uint64_t limit, int64_t mint, int64_t maxt)
{
    fer_err err = {0};
    selection *s;
    select_hints h = {.mint = mint, .maxt = maxt, .limit = limit};
    assert_int_equal(querier_select(f->q, &h, NULL, 0, &s, &err), FER_OK);
    fer_str text = STR("");
    for (size_t i = 0; i < s->n; i++) {
        size_t n;
        samples got;
        samples_init(&got, NULL);
        const label_id *ids = selection_labels(s, i, &n);
        text = fer_arena_printf(f->ctx.arena, "%.*s%s%.*s:", STR_FMT(text), i == 0 ? "" : "; ",
                                STR_FMT(syms_text(f->ctx.syms, ids->value)));
        assert_int_equal(selection_read(s, i, mint, maxt, &got, &err), FER_OK);
        for (size_t k = 0; k < got.n; k++) {
            int mark = (int)got.v[k] / 100000;
            assert_true(got.v[k] == (double)(got.t[k] + mark * 100000));
            text = fer_arena_printf(f->ctx.arena, "%.*s %d/%lld", STR_FMT(text), mark,
                                    (long long)got.t[k]);
        }
        samples_done(&got);
    }
    return text.p;
}

static void equal_series_become_one_in_order_of_labels(void **state)
{
    (void)state;
    table head = {.series = {{"b", {30}}, {"d", {31}}}, .n = 2};
    table first = {.series = {{"a", {1, 2}}, {"b", {1}}, {"c", {3}}}, .n = 3};
    table second = {.series = {{"b", {12, 14}}, {"e", {15}}}, .n = 2};
    fixture f;
    /* as the database has them: the head first, which begins last */
    begin(&f, (table *[]){&head, &first, &second}, (int64_t[]){INT64_MAX, 0, 10}, 3);
    assert_string_equal(text_of(&f, 0, 0, ALL),
                        "a: 2/1 2/2; b: 2/1 3/12 3/14 1/30; c: 2/3; d: 1/31; e: 3/15");
    assert_true(head.sorted && first.sorted && second.sorted);
    assert_string_equal(text_of(&f, 2, 0, ALL), "a: 2/1 2/2; b: 2/1 3/12 3/14 1/30");
    assert_string_equal(text_of(&f, 0, 2, 12), "a: 2/2; b: 3/12; c: 2/3; d:; e:");
    end(&f);
    assert_true(head.closed == 1 && first.closed == 1 && second.closed == 1);
}

static void a_time_is_there_once(void **state)
{
    (void)state;
    table one = {.series = {{"a", {1, 2, 3, 6}}}, .n = 1};
    table two = {.series = {{"a", {2, 3, 4}}}, .n = 1};
    fixture f;
    begin(&f, (table *[]){&one, &two}, (int64_t[]){0, 0}, 2);
    /* as Prometheus' chain of iterators: who is behind waits, and who waited has its turn */
    assert_string_equal(text_of(&f, 0, 0, ALL), "a: 1/1 2/2 2/3 2/4 1/6");
    end(&f);

    table same = {.series = {{"a", {1, 2, 3}}}, .n = 1}, again = same, third = same;
    begin(&f, (table *[]){&same, &again, &third}, (int64_t[]){0, 0, 0}, 3);
    const char *text = text_of(&f, 0, 0, ALL);
    unsigned n = 0;
    for (const char *at = text; *at != '\0'; at++)
        n += *at == '/';
    assert_int_equal(n, 3);
    end(&f);

    /* one lies inside a hole of the other */
    table around = {.series = {{"a", {1, 2, 8, 9}}}, .n = 1};
    table inside = {.series = {{"a", {4, 5}}}, .n = 1};
    begin(&f, (table *[]){&around, &inside}, (int64_t[]){0, 3}, 2);
    assert_string_equal(text_of(&f, 0, 0, ALL), "a: 1/1 1/2 2/4 2/5 1/8 1/9");
    end(&f);
}

static void what_was_there_before_stays(void **state)
{
    (void)state;
    table one = {.series = {{"a", {5, 7}}}, .n = 1};
    table two = {.series = {{"a", {6}}}, .n = 1};
    fixture f;
    begin(&f, (table *[]){&one, &two}, (int64_t[]){0, 0}, 2);
    selection *s;
    fer_err err = {0};
    assert_int_equal(querier_select(f.q, &(select_hints){.maxt = ALL}, NULL, 0, &s, &err), FER_OK);
    samples got;
    samples_init(&got, NULL);
    assert_int_equal(samples_add(&got, 900, 1), FER_OK);
    assert_int_equal(selection_read(s, 0, 0, ALL, &got, &err), FER_OK);
    static const int64_t want[] = {900, 5, 6, 7};
    assert_int_equal(got.n, 4);
    assert_memory_equal(got.t, want, sizeof want);
    samples_done(&got);
    end(&f);
}

static void one_source_keeps_its_order(void **state)
{
    (void)state;
    table one = {.series = {{"b", {1}}, {"a", {2}}}, .n = 2};
    fixture f;
    begin(&f, (table *[]){&one}, (int64_t[]){0}, 1);
    assert_string_equal(text_of(&f, 0, 0, ALL), "b: 1/1; a: 1/2");
    assert_false(one.sorted);
    end(&f);
    begin(&f, NULL, NULL, 0);
    assert_string_equal(text_of(&f, 0, 0, ALL), "");
    end(&f);
}

static const char *join(fixture *f, const str_list *l)
{
    fer_str text = STR("");
    for (size_t i = 0; i < l->n; i++)
        text = fer_arena_printf(f->ctx.arena, "%.*s%.*s ", STR_FMT(text), STR_FMT(l->v[i]));
    return text.p;
}

static void label_calls_give_the_sorted_union(void **state)
{
    (void)state;
    table one = {.series = {{"a", {1}}, {"c", {1}}}, .n = 2};
    table two = {.series = {{"a", {1}}, {"b", {1}}, {"d", {1}}}, .n = 3};
    fixture f;
    begin(&f, (table *[]){&one, &two}, (int64_t[]){0, 0}, 2);
    fer_err err = {0};
    str_list l = {0};
    assert_int_equal(querier_label_names(f.q, NULL, 0, 0, &l, &err), FER_OK);
    assert_string_equal(join(&f, &l), "a b c d ");
    l = (str_list){0};
    assert_int_equal(querier_label_values(f.q, STR("__name__"), NULL, 0, 2, &l, &err), FER_OK);
    assert_string_equal(join(&f, &l), "a b ");
    /* who has texts already keeps them */
    l.n = 0;
    assert_int_equal(str_list_add(&l, f.ctx.arena, STR("b"), &err), FER_OK);
    assert_int_equal(querier_label_values(f.q, STR("__name__"), NULL, 0, 1, &l, &err), FER_OK);
    assert_string_equal(join(&f, &l), "a b ");
    end(&f);
}

static void the_failure_of_a_source_is_told(void **state)
{
    (void)state;
    table one = {.series = {{"a", {1}}}, .n = 1};
    table two = {.fails = FER_CORRUPT};
    fixture f;
    begin(&f, (table *[]){&one, &two}, (int64_t[]){0, 0}, 2);
    fer_err err = {0};
    selection *s;
    str_list l = {0};
    assert_int_equal(querier_select(f.q, &(select_hints){.maxt = ALL}, NULL, 0, &s, &err),
                     FER_CORRUPT);
    assert_string_equal(err.msg, "source 2 fails");
    assert_int_equal(querier_label_names(f.q, NULL, 0, 0, &l, &err), FER_CORRUPT);
    assert_int_equal(querier_label_values(f.q, STR("__name__"), NULL, 0, 0, &l, &err), FER_CORRUPT);
    end(&f);
    assert_true(one.closed == 1 && two.closed == 1);
}

static void samples_beyond_the_budget_are_refused(void **state)
{
    (void)state;
    table one = {.series = {{"a", {1, 3}}}, .n = 1};
    table two = {.series = {{"a", {2, 4}}}, .n = 1};
    fixture f;
    begin(&f, (table *[]){&one, &two}, (int64_t[]){0, 0}, 2);
    selection *s;
    fer_err err = {0};
    assert_int_equal(querier_select(f.q, &(select_hints){.maxt = ALL}, NULL, 0, &s, &err), FER_OK);
    samples got;
    samples_init(&got, &f.account);
    assert_int_equal(samples_reserve(&got, 4), FER_OK);
    f.account.limit_bytes = fer_account_used(&f.account); /* none for the merge itself */
    assert_int_equal(selection_read(s, 0, 0, ALL, &got, &err), FER_LIMIT);
    f.account.limit_bytes = 0;
    samples_clear(&got);
    assert_int_equal(selection_read(s, 0, 0, ALL, &got, &err), FER_OK);
    assert_int_equal(got.n, 4);
    samples_done(&got);
    end(&f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_series_become_one_in_order_of_labels),
        cmocka_unit_test(a_time_is_there_once),
        cmocka_unit_test(what_was_there_before_stays),
        cmocka_unit_test(one_source_keeps_its_order),
        cmocka_unit_test(label_calls_give_the_sorted_union),
        cmocka_unit_test(the_failure_of_a_source_is_told),
        cmocka_unit_test(samples_beyond_the_budget_are_refused),
    };
    return cmocka_run_group_tests_name("merge_querier", tests, NULL, NULL);
}
