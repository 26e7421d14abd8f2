#include "tsdb/head/exemplars.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"

static const fer_hash_key key;

typedef struct setting {
    exemplar_store *s;
    fer_account acct;
    fer_arena *a;
} setting;

static void setting_init(setting *x, size_t max)
{
    fer_account_init(&x->acct, "exemplars", NULL, 0);
    x->s = exemplar_store_new(max, &key, &x->acct);
    x->a = fer_arena_new(NULL, 0);
}

static void setting_done(setting *x)
{
    exemplar_store_free(x->s);
    fer_arena_free(x->a);
    assert_int_equal(fer_account_used(&x->acct), 0);
}

static exemplar_verdict add(setting *x, const char *series, const char *id, int64_t t, double v)
{
    label ls = {STR("__name__"), str_of(series)}, l = {STR("trace_id"), str_of(id)};
    const exemplar e = {{&l, 1}, v, t};
    const labels of = {&ls, 1};
    exemplar_verdict foretold = exemplar_store_check(x->s, of, &e);
    assert_int_equal(exemplar_store_add(x->s, of, &e), foretold);
    return foretold;
}

/* "series id@t id@t;..." of what matches the name. */
static const char *found(setting *x, matcher_type type, const char *name, int64_t mint,
                         int64_t maxt)
{
    static char text[4096];
    matcher m;
    exemplar_series *v;
    size_t n, at = 0;
    text[0] = '\0';
    assert_int_equal(matcher_make(x->a, type, STR("__name__"), str_of(name), &m, NULL), FER_OK);
    const exemplar_matchers set = {&m, 1};
    assert_int_equal(exemplar_store_select(x->s, mint, maxt, &set, 1, x->a, &v, &n, NULL), FER_OK);
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", i == 0 ? "" : ";",
                               STR_FMT(v[i].series.l[0].value));
        for (size_t k = 0; k < v[i].n; k++)
            at += (size_t)snprintf(text + at, sizeof text - at, " %.*s@%lld",
                                   STR_FMT(v[i].v[k].ls.l[0].value), (long long)v[i].v[k].t);
    }
    return text;
}

static void exemplars_of_a_series_ascend_and_are_there_once(void **state)
{
    (void)state;
    setting x;
    setting_init(&x, 10);
    assert_int_equal(add(&x, "m", "a", 5, 1), EXEMPLAR_NEW);
    assert_int_equal(add(&x, "m", "a", 5, 1), EXEMPLAR_DUPLICATE);
    assert_int_equal(add(&x, "m", "b", 4, 1), EXEMPLAR_OUT_OF_ORDER);
    assert_int_equal(add(&x, "m", "b", 5, 0.5), EXEMPLAR_OUT_OF_ORDER);
    assert_int_equal(add(&x, "m", "b", 5, 2), EXEMPLAR_NEW);
    assert_int_equal(add(&x, "a", "c", 1, 2), EXEMPLAR_NEW);
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 9), "a c@1;m a@5 b@5");
    assert_string_equal(found(&x, MATCH_EQ, "m", 6, 9), "");
    assert_string_equal(found(&x, MATCH_EQ, "a", 0, 9), "a c@1");
    setting_done(&x);
}

static void a_full_ring_forgets_its_oldest_and_their_series(void **state)
{
    (void)state;
    setting x;
    char name[16];
    setting_init(&x, 100);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "m%d", i / 2);
        assert_int_equal(add(&x, name, "id", i, 1), EXEMPLAR_NEW);
    }
    exemplar_stats st;
    exemplar_stats_get(x.s, &st);
    assert_int_equal(st.exemplars, 100);
    assert_int_equal(st.series, 50);
    assert_int_equal(st.appended, 1000);
    assert_int_equal(st.oldest_t, 900);
    assert_string_equal(found(&x, MATCH_EQ, "m449", 0, 2000), "");
    assert_string_equal(found(&x, MATCH_EQ, "m450", 0, 2000), "m450 id@900 id@901");
    setting_done(&x);
}

static void another_size_keeps_the_newest(void **state)
{
    (void)state;
    setting x;
    setting_init(&x, 4);
    for (int i = 1; i <= 7; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        add(&x, i % 3 == 0 ? "b" : "a", id, i, 1);
    }
    exemplar_store_resize(x.s, 4);
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 9), "a 4@4 5@5 7@7;b 6@6");
    exemplar_store_resize(x.s, 6); /* the oldest was in the middle */
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 9), "a 4@4 5@5 7@7;b 6@6");
    add(&x, "c", "8", 8, 1);
    add(&x, "b", "9", 9, 1);
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 9), "a 4@4 5@5 7@7;b 6@6 9@9;c 8@8");
    add(&x, "a", "10", 10, 1);
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 10), "a 5@5 7@7 10@10;b 6@6 9@9;c 8@8");
    exemplar_store_resize(x.s, 2);
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 10), "a 10@10;b 9@9");
    add(&x, "d", "11", 11, 1);
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 11), "a 10@10;d 11@11");
    exemplar_store_resize(x.s, 0);
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 11), "");
    assert_int_equal(add(&x, "d", "12", 12, 1), EXEMPLAR_OFF);
    exemplar_store_resize(x.s, 1);
    assert_int_equal(add(&x, "d", "12", 12, 1), EXEMPLAR_NEW);
    assert_string_equal(found(&x, MATCH_RE, ".+", 0, 12), "d 12@12");
    setting_done(&x);
}

static void what_cannot_be_kept_is_told(void **state)
{
    (void)state;
    setting x;
    char id[200];
    memset(id, 'x', sizeof id - 1);
    id[121] = '\0';
    setting_init(&x, 1);
    assert_int_equal(add(&x, "m", id, 1, 1), EXEMPLAR_TOO_LONG);
    id[120] = '\0'; /* with "trace_id": 128 */
    assert_int_equal(add(&x, "m", id, 1, 1), EXEMPLAR_NEW);
    assert_int_equal(add(&x, "m", "b", 2, 1), EXEMPLAR_NEW);
    assert_string_equal(found(&x, MATCH_EQ, "m", 0, 9), "m b@2");
    setting_done(&x);
    setting_init(&x, 0);
    assert_int_equal(add(&x, "m", "b", 2, 1), EXEMPLAR_OFF);
    setting_done(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exemplars_of_a_series_ascend_and_are_there_once),
        cmocka_unit_test(a_full_ring_forgets_its_oldest_and_their_series),
        cmocka_unit_test(another_size_keeps_the_newest),
        cmocka_unit_test(what_cannot_be_kept_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
