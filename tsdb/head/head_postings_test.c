#include "tsdb/head/head_postings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

enum { N = 30000 };

/* Ascending slots with distances of at most `step`. */
static uint32_t fill(slab *s, postings *p, uint32_t *want, uint32_t n, uint32_t step)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, step);
    uint32_t slot = (uint32_t)(fer_rng_seeded_next(&rng) % step);
    for (uint32_t i = 0; i < n; i++) {
        want[i] = slot;
        postings_add(s, p, slot);
        slot += 1 + (uint32_t)(fer_rng_seeded_next(&rng) % step);
    }
    return slot;
}

static void lists_read_back_whole_and_cut(void **state)
{
    (void)state;
    static uint32_t want[N], got[N];
    static const uint32_t lengths[] = {1, 2, 3, 9, 100, 1000, N};
    static const uint32_t steps[] = {1, 2, 200, 70000};
    slab s;
    slab_init(&s, NULL);
    for (size_t a = 0; a < sizeof lengths / sizeof *lengths; a++) {
        for (size_t b = 0; b < sizeof steps / sizeof *steps; b++) {
            uint32_t n = lengths[a];
            postings p = {0};
            assert_int_equal(postings_read(&s, &p, UINT32_MAX, got), 0);
            uint32_t end = fill(&s, &p, want, n, steps[b]);
            assert_int_equal(p.n, n);
            assert_int_equal(postings_read(&s, &p, end, got), n);
            assert_memory_equal(got, want, n * sizeof *got);
            assert_int_equal(postings_read(&s, &p, want[n / 2], got), n / 2);

            uint64_t *bits = fer_calloc(end / 64 + 1, sizeof *bits);
            assert_int_equal(postings_mark(&s, &p, want[n - 1], bits), n - 1);
            assert_int_equal(postings_mark(&s, &p, end, bits), n);
            uint64_t set = 0;
            for (uint32_t w = 0; w <= end / 64; w++)
                set += (uint64_t)__builtin_popcountll(bits[w]);
            assert_int_equal(set, n);
            for (uint32_t i = 0; i < n; i++)
                assert_true(bits[want[i] / 64] >> (want[i] % 64) & 1);
            fer_free(bits);
        }
    }
    slab_done(&s);
}

static void dense_lists_cost_a_byte_a_series(void **state)
{
    (void)state;
    slab s;
    slab_init(&s, NULL);
    postings p = {0};
    for (uint32_t i = 0; i < 5000000; i++)
        postings_add(&s, &p, i);
    assert_true(atomic_load(&s.bytes) < 6000000); /* with a region for each size it grew through */
    slab_done(&s);
}

static bool is_slot(const void *arg, uint32_t slot)
{
    return slot == *(const uint32_t *)arg;
}

/* Slots are used again: the order is kept, cutting takes out what is not below. */
static void slots_in_any_order_read_back(void **state)
{
    (void)state;
    static uint32_t want[N], got[N], kept[N];
    slab s;
    slab_init(&s, NULL);
    postings p = {0};
    for (uint32_t i = 0; i < N; i++) {
        want[i] = (uint32_t)((uint64_t)(i + 5) * 7919 % N);
        postings_add(&s, &p, want[i]);
    }
    assert_int_equal(postings_read(&s, &p, N, got), N);
    assert_memory_equal(got, want, sizeof want);
    uint32_t n = 0;
    for (uint32_t i = 0; i < N; i++)
        if (want[i] < N / 3)
            kept[n++] = want[i];
    assert_int_equal(postings_read(&s, &p, N / 3, got), n);
    assert_memory_equal(got, kept, n * sizeof *got);
    static uint64_t bits[N / 64 + 1];
    assert_int_equal(postings_mark(&s, &p, N / 3, bits), n);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(bits[i / 64] >> (i % 64) & 1, i < N / 3);
    for (uint32_t i = 0; i <= N; i += 1000)
        assert_int_equal(postings_any(&s, &p, is_slot, &i), i < N);
    slab_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_read_back_whole_and_cut),
        cmocka_unit_test(slots_in_any_order_read_back),
        cmocka_unit_test(dense_lists_cost_a_byte_a_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
