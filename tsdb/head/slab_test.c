#include "tsdb/head/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

static void every_size_gets_room_with_little_waste(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "slab", NULL, 0);
    slab s;
    slab_init(&s, &acct);
    for (size_t n = 1; n <= SLAB_ITEM_MAX; n++) {
        slab_ref ref = slab_alloc(&s, n);
        assert_true(ref != 0);
        assert_int_equal(slab_size(&s, ref), slab_round(n));
        assert_true(slab_size(&s, ref) >= n);
        assert_true(slab_size(&s, ref) < n + n / 8 + SLAB_UNIT_BYTES);
        assert_int_equal((uintptr_t)slab_ptr(&s, ref) % 8, 0);
        memset(slab_ptr(&s, ref), 0xab, n);
        slab_free(&s, ref);
    }
    slab_done(&s);
    assert_int_equal(fer_account_used(&acct), 0);
}

typedef struct item {
    slab_ref ref;
    uint32_t n;
    uint8_t fill;
} item;

static bool intact(const slab *s, item it)
{
    const uint8_t *p = slab_ptr(s, it.ref);
    for (uint32_t i = 0; i < it.n; i++)
        if (p[i] != it.fill)
            return false;
    return true;
}

static void make_item(slab *s, item *it, fer_rng_seeded *rng)
{
    uint64_t r = fer_rng_seeded_next(rng);
    it->n = 1 + (uint32_t)((r >> 32) % 300);
    it->fill = (uint8_t)(r >> 16);
    it->ref = slab_alloc(s, it->n);
    memset(slab_ptr(s, it->ref), it->fill, it->n);
}

static void items_keep_their_bytes_through_random_use(void **state)
{
    (void)state;
    enum { ITEMS = 3000, STEPS = 60000 };
    static item items[ITEMS];
    memset(items, 0, sizeof items);
    fer_account acct;
    fer_account_init(&acct, "slab", NULL, 0);
    slab s;
    slab_init(&s, &acct);
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 7);
    for (int step = 0; step < STEPS; step++) {
        uint64_t r = fer_rng_seeded_next(&rng);
        item *it = &items[r % ITEMS];
        if (it->ref != 0) {
            assert_true(intact(&s, *it));
            slab_free(&s, it->ref);
            it->ref = 0;
            continue;
        }
        it->n = 1 + (uint32_t)((r >> 32) % (r >> 31 & 1 ? 100 : SLAB_ITEM_MAX));
        it->fill = (uint8_t)(r >> 16);
        it->ref = slab_alloc(&s, it->n);
        memset(slab_ptr(&s, it->ref), it->fill, it->n);
    }
    for (int i = 0; i < ITEMS; i++) {
        if (items[i].ref != 0)
            assert_true(intact(&s, items[i]));
        slab_free(&s, items[i].ref);
    }
    /* One region a class at most is kept. */
    assert_true(atomic_load(&s.bytes) <= (SLAB_CLASSES + 1) * SLAB_REGION_BYTES);
    assert_int_equal(atomic_load(&s.bytes), fer_account_used(&acct));
    slab_done(&s);
    assert_int_equal(fer_account_used(&acct), 0);
}

static void freed_regions_are_used_again(void **state)
{
    (void)state;
    enum { N = 40000 };
    static slab_ref refs[N];
    slab s;
    slab_init(&s, NULL);
    int64_t peak = 0;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < N; i++)
            refs[i] = slab_alloc(&s, 64);
        if (round == 0)
            peak = atomic_load(&s.bytes);
        assert_true(atomic_load(&s.bytes) <= peak);
        for (int i = 0; i < N; i++)
            slab_free(&s, refs[(i * 7919) % N]);
    }
    slab_done(&s);
}

/* Every step a fifth of the items goes, from all regions alike, and what lies in a sparse region is put elsewhere. */
static void items_that_stay_need_few_regions(void **state)
{
    (void)state;
    enum { N = 40000, ITEM = 64 };
    static item items[N];
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 5);
    slab s;
    slab_init(&s, NULL);
    for (uint32_t i = 0; i < N; i++) {
        items[i] = (item){slab_alloc(&s, ITEM), ITEM, (uint8_t)(i * 7)};
        memset(slab_ptr(&s, items[i].ref), items[i].fill, ITEM);
    }
    for (uint32_t n = N, moved = 0; n > N / 20;) {
        for (uint32_t i = 0; i < n; i++)
            if (slab_is_sparse(&s, items[i].ref)) {
                slab_ref to = slab_alloc(&s, ITEM);
                memcpy(slab_ptr(&s, to), slab_ptr(&s, items[i].ref), ITEM);
                slab_free(&s, items[i].ref);
                items[i].ref = to;
                moved++;
            }
        int64_t held = atomic_load(&s.bytes) - SLAB_PAGE_REGIONS * (int64_t)sizeof(slab_region);
        assert_true(held <= (int64_t)n * ITEM / 3 * 4 + 2 * SLAB_REGION_BYTES);
        assert_true(moved <= N);
        for (uint32_t i = 0; i < n; i++) {
            assert_true(intact(&s, items[i]));
            if (fer_rng_seeded_next(&rng) % 5 == 0) {
                slab_free(&s, items[i].ref);
                items[i--] = items[--n];
            }
        }
    }
    slab_done(&s);
}

/* Rather than a new one. */
static void sparse_regions_are_used_again(void **state)
{
    (void)state;
    enum { N = 40000 };
    static slab_ref refs[N];
    slab s;
    slab_init(&s, NULL);
    for (int i = 0; i < N; i++)
        refs[i] = slab_alloc(&s, 64);
    int64_t most = atomic_load(&s.bytes);
    for (int i = 0; i < N; i += 2)
        slab_free(&s, refs[i]);
    assert_true(slab_is_sparse(&s, refs[1]));
    for (int i = 0; i < N; i += 2)
        refs[i] = slab_alloc(&s, 64);
    assert_int_equal(atomic_load(&s.bytes), most);
    slab_done(&s);
}

static void trimming_leaves_nothing_of_what_is_empty(void **state)
{
    (void)state;
    fer_account acct;
    fer_account_init(&acct, "test", NULL, 0);
    slab s;
    slab_init(&s, &acct);
    slab_ref kept = slab_alloc(&s, 100), other = slab_alloc(&s, 1000);
    memset(slab_ptr(&s, kept), 7, 100);
    int64_t before = atomic_load(&s.bytes);
    slab_free(&s, other);
    assert_int_equal(atomic_load(&s.bytes), before);
    for (unsigned cls = 0; cls < SLAB_CLASSES; cls++)
        slab_trim(&s, cls);
    assert_true(atomic_load(&s.bytes) < before);
    assert_int_equal(((uint8_t *)slab_ptr(&s, kept))[99], 7);
    other = slab_alloc(&s, 1000);
    assert_int_equal(atomic_load(&s.bytes), before);
    slab_free(&s, kept);
    slab_free(&s, other);
    slab_done(&s);
    assert_int_equal(fer_account_used(&acct), 0);
}

static void parts_filled_apart_are_one_slab_when_joined(void **state)
{
    (void)state;
    enum { PARTS = 3, N = 30000, OLD = 5000 };
    static item items[PARTS][N], old[OLD];
    fer_account acct;
    fer_account_init(&acct, "slab", NULL, 0);
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 3);
    slab s, part[PARTS];
    slab_init(&s, &acct);
    for (int round = 0; round < 3; round++) { /* the first time there is nothing before */
        for (uint32_t k = 0; k < PARTS; k++)
            slab_split(&s, &part[k], k, PARTS);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < PARTS - (i > N / 2); k++) /* the last gets less */
                make_item(&part[k], &items[k][i], &rng);
        for (int k = 0; k < PARTS; k++)
            for (int i = 0; i < N / 3; i++) {
                slab_free(&part[k], items[k][i].ref);
                items[k][i].ref = 0;
            }
        for (int k = 0; k < PARTS; k++)
            slab_join(&s, &part[k]);
        assert_int_equal(atomic_load(&s.bytes), fer_account_used(&acct));
        for (int i = 0; i < OLD; i++) {
            if (round != 0)
                assert_true(intact(&s, old[i]));
            slab_free(&s, old[i].ref);
            make_item(&s, &old[i], &rng);
        }
        for (int i = 0; i < N; i++)
            for (int k = 0; k < PARTS; k++) {
                if (items[k][i].ref != 0)
                    assert_true(intact(&s, items[k][i]));
                slab_free(&s, items[k][i].ref);
                items[k][i].ref = 0;
            }
        assert_int_equal(atomic_load(&s.bytes), fer_account_used(&acct));
    }
    for (int i = 0; i < OLD; i++)
        slab_free(&s, old[i].ref);
    for (unsigned cls = 0; cls < SLAB_CLASSES; cls++)
        slab_trim(&s, cls);
    /* A page of numbers for each part that there was. */
    assert_true(atomic_load(&s.bytes) <= 9 * SLAB_PAGE_REGIONS * (int64_t)sizeof(slab_region));
    slab_done(&s);
    assert_int_equal(fer_account_used(&acct), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_filled_apart_are_one_slab_when_joined),
        cmocka_unit_test(trimming_leaves_nothing_of_what_is_empty),
        cmocka_unit_test(every_size_gets_room_with_little_waste),
        cmocka_unit_test(items_keep_their_bytes_through_random_use),
        cmocka_unit_test(freed_regions_are_used_again),
        cmocka_unit_test(items_that_stay_need_few_regions),
        cmocka_unit_test(sparse_regions_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
