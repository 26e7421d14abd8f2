/* lset_test.c - label sets by ids, maps and guards of them, heaps and bit maps. */
#include "promql/exec/lset.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "promql/exec/bits.h"
#include "promql/exec/topk.h"

typedef struct fixture {
    query q;
    fer_err err;
} fixture;

static int setup(void **state)
{
    fixture *f = fer_calloc(1, sizeof *f);
    f->q.scratch = fer_arena_new(NULL, 0);
    f->q.ctx.syms = syms_new(f->q.scratch);
    f->q.err = &f->err;
    f->q.max_samples = 1000;
    f->q.sym_name = query_sym(&f->q, STR("__name__"));
    f->q.sym_type = query_sym(&f->q, STR("__type__"));
    f->q.sym_unit = query_sym(&f->q, STR("__unit__"));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    fer_arena_free(f->q.scratch);
    fer_free(f);
    return 0;
}

static void put(fixture *f, lset_buf *b, const char *name, const char *value)
{
    assert_int_equal(
        lset_put(&f->q, b, query_sym(&f->q, str_of(name)), query_sym(&f->q, str_of(value))),
        FER_OK);
}

static const char *text(fixture *f, const lset_buf *b)
{
    fer_buf out;
    fer_buf_init(&out, 4096, NULL);
    labels_print_metric(&out, lset_texts(&f->q, lset_of(b), f->q.scratch));
    fer_str s = fer_arena_dup(f->q.scratch, fer_buf_str(&out));
    fer_buf_done(&out);
    return s.p;
}

static void labels_stay_sorted_by_text(void **state)
{
    fixture *f = *state;
    lset_buf b = {0};
    put(f, &b, "z", "1");
    put(f, &b, "a", "2");
    put(f, &b, "__name__", "m");
    put(f, &b, "B", "3");
    assert_string_equal(text(f, &b), "m{B=\"3\", a=\"2\", z=\"1\"}");
    put(f, &b, "a", "");
    put(f, &b, "z", "9");
    put(f, &b, "none", "");
    assert_string_equal(text(f, &b), "m{B=\"3\", z=\"9\"}");
}

static void keeping_and_dropping_work_in_place(void **state)
{
    fixture *f = *state;
    lset_buf b = {0};
    static const fer_str texts[] = {{"a", 1}, {"nowhere", 7}};
    lset_names names;
    assert_int_equal(lset_names_make(&f->q, texts, 2, &names), FER_OK);
    put(f, &b, "__name__", "m");
    put(f, &b, "__type__", "counter");
    put(f, &b, "a", "1");
    put(f, &b, "b", "2");
    lset_buf c = {0};
    assert_int_equal(lset_keep(&f->q, &c, lset_of(&b), &names), FER_OK);
    assert_string_equal(text(f, &c), "{a=\"1\"}");
    assert_int_equal(lset_drop(&f->q, &c, lset_of(&b), &names, true), FER_OK);
    assert_string_equal(text(f, &c), "{__type__=\"counter\", b=\"2\"}");
    assert_int_equal(lset_drop_metric(&f->q, &b, lset_of(&b)), FER_OK);
    assert_string_equal(text(f, &b), "{a=\"1\", b=\"2\"}");
    assert_false(lset_has_metric(&f->q, lset_of(&b)));
}

static void a_map_numbers_sets_in_order_of_arrival(void **state)
{
    fixture *f = *state;
    lset_map m = {0};
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 1000; i++) {
            label_id l[2] = {{1, i % 10}, {2, i / 10}};
            uint32_t at;
            bool is_new;
            assert_int_equal(lset_map_add(&f->q, &m, (lset){l, 2}, &at, &is_new), FER_OK);
            assert_int_equal(at, i);
            assert_int_equal(is_new, round == 0);
        }
    label_id l[2] = {{1, 11}, {2, 0}};
    assert_int_equal(lset_map_find(&m, (lset){l, 2}), UINT32_MAX);
    assert_int_equal(lset_map_find(&m, (lset){l, 0}), UINT32_MAX);
}

static void a_guard_sees_a_set_twice_at_one_step(void **state)
{
    fixture *f = *state;
    lset_guard g;
    lset_guard_init(&g, 100);
    for (uint32_t i = 0; i < 500; i++) {
        label_id l = {1, i};
        uint64_t even[2] = {0x5555, 0}, odd[2] = {0xaaaa, 0}, late[2] = {0, 1u << 6};
        size_t step;
        assert_int_equal(lset_guard_add(&f->q, &g, (lset){&l, 1}, even), FER_OK);
        assert_int_equal(lset_guard_add(&f->q, &g, (lset){&l, 1}, odd), FER_OK);
        assert_int_equal(lset_guard_add(&f->q, &g, (lset){&l, 1}, late), FER_OK);
        assert_int_equal(lset_guard_seen(&f->q, &g, 0, (lset){&l, 1}, late, &step), FER_OK);
        assert_int_equal(step, 70);
        assert_int_equal(lset_guard_seen(&f->q, &g, 1, (lset){&l, 1}, late, &step), FER_OK);
        assert_int_equal(step, SIZE_MAX);
    }
    label_id l = {1, 7};
    uint64_t has[2] = {4, 0};
    assert_int_equal(lset_guard_add(&f->q, &g, (lset){&l, 1}, has), FER_INVALID);
    assert_string_equal(f->err.msg, "vector cannot contain metrics with the same labelset");
}

static void heaps_keep_the_best_and_the_first_of_equals(void **state)
{
    static const double in[] = {3, 1, NAN, 5, 3, 2, 7, NAN, 4, 0};
    static const uint32_t top[] = {6, 3, 8}, bottom[] = {9, 1, 5};
    for (int b = 0; b < 2; b++) {
        topk_entry h[4], tmp[4];
        size_t n = 0;
        for (uint32_t i = 0; i < 10; i++) {
            topk_entry e = {in[i], i};
            if (n < 3)
                topk_push(h, n++, b, e);
            else if (topk_beats_top(h, b, e.v))
                topk_replace_top(h, n, b, e);
        }
        topk_sort(h, n, b, tmp);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(h[i].series, b ? bottom[i] : top[i]);
    }
    topk_entry one[2];
    topk_push(one, 0, false, (topk_entry){5, 0});
    assert_false(topk_beats_top(one, false, 5));
    assert_false(topk_beats_top(one, false, NAN));
    assert_true(topk_beats_top(one, false, 5.5));
}

static void a_long_heap_sorts_with_nan_last(void **state)
{
    enum { N = 500 };
    static topk_entry h[N], tmp[N];
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 3);
    for (uint32_t i = 0; i < N; i++) {
        uint64_t x = fer_rng_seeded_next(&r) % 100;
        topk_push(h, i, false, (topk_entry){x == 0 ? NAN : (double)x, i});
    }
    topk_sort(h, N, false, tmp);
    for (size_t i = 1; i < N; i++)
        assert_true(isnan(h[i].v) || h[i - 1].v >= h[i].v);
}

static void bit_maps_walk_by_runs(void **state)
{
    uint64_t b[3] = {0};
    for (size_t i = 60; i < 130; i++)
        bits_set(b, i);
    bits_clear(b, 100);
    size_t from_to[4], k = 0;
    for (bits_run run = {0}; bits_next_run(b, 150, &run);) {
        size_t from = run.from, to = run.to;
        from_to[k++] = from;
        from_to[k++] = to;
    }
    assert_int_equal(k, 4);
    assert_int_equal(from_to[0], 60);
    assert_int_equal(from_to[1], 100);
    assert_int_equal(from_to[2], 101);
    assert_int_equal(from_to[3], 130);
    assert_int_equal(bits_count(b, 150), 69);
    bits_not(b, 150);
    assert_int_equal(bits_count(b, 150), 81);
    assert_int_equal(b[2] >> 22, 0);
    bits_fill(b, 64);
    assert_int_equal(bits_next_clear(b, 0, 64), 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(labels_stay_sorted_by_text),
        TEST(keeping_and_dropping_work_in_place),
        TEST(a_map_numbers_sets_in_order_of_arrival),
        TEST(a_guard_sees_a_set_twice_at_one_step),
        TEST(heaps_keep_the_best_and_the_first_of_equals),
        TEST(a_long_heap_sorts_with_nan_last),
        TEST(bit_maps_walk_by_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
