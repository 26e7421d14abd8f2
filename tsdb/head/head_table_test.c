#include "tsdb/head/head_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/rng.h"

static bool has(const head_table *t, uint64_t hash, uint32_t value)
{
    table_probe p = head_table_probe(t, hash);
    uint32_t v;
    while ((v = table_probe_next(&p)) != TABLE_NONE)
        if (v == value)
            return true;
    return false;
}

static void what_was_put_is_found_until_it_is_removed(void **state)
{
    (void)state;
    enum { N = 20000 };
    static bool in[N];
    memset(in, 0, sizeof in);
    fer_account acct;
    fer_account_init(&acct, "table", NULL, 0);
    head_table t;
    head_table_init(&t, &acct);
    assert_false(has(&t, 1, 1));
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 3);
    for (int step = 0; step < 200000; step++) {
        uint32_t v = (uint32_t)(fer_rng_seeded_next(&rng) % N);
        uint64_t hash = fer_hash_mix(5, v / 2); /* two values under each hash */
        assert_int_equal(has(&t, hash, v), in[v]);
        if (in[v])
            head_table_remove(&t, hash, v);
        else
            head_table_insert(&t, hash, v);
        in[v] = !in[v];
    }
    for (uint32_t v = 0; v < N; v++)
        assert_int_equal(has(&t, fer_hash_mix(5, v / 2), v), in[v]);
    assert_int_equal(t.bytes, fer_account_used(&acct));
    head_table_done(&t);
    assert_int_equal(fer_account_used(&acct), 0);
}

static void memory_stays_close_to_what_it_holds(void **state)
{
    (void)state;
    head_table t;
    head_table_init(&t, NULL);
    for (uint32_t n = 1; n <= 300000; n++) {
        head_table_insert(&t, fer_hash_mix(9, n), n);
        if (n > 50000)
            assert_true(t.bytes < (int64_t)n * 14);
    }
    head_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_it_is_removed),
        cmocka_unit_test(memory_stays_close_to_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
