/* A log read back by any number of threads gives one and the same head. */
#include "tsdb/wal/replay_lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/head/head_delete.h"
#include "tsdb/head/head_hist.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/record_hist.h"
#include "tsdb/wal/wal.h"

enum { SERIES = 2000, ROUNDS = 260, STEP_MS = 15000 };

/* ---- a log with all that a log may hold ---- */

typedef struct log_maker {
    wal *w;
    fer_buf rec;
    fer_rng_seeded rng;
} log_maker;

static uint64_t chance(log_maker *m, uint64_t n)
{
    return fer_rng_seeded_next(&m->rng) % n;
}

static void put(log_maker *m)
{
    wal_append(m->w, fer_buf_str(&m->rec));
    fer_buf_clear(&m->rec);
}

static void put_series(log_maker *m, uint64_t ref, uint64_t name)
{
    char text[32];
    snprintf(text, sizeof text, "series_%llu", (unsigned long long)name);
    const label l[] = {{STR("__name__"), str_of(text)}, {STR("job"), STR("test")}};
    record_series_begin(&m->rec);
    record_series_add(&m->rec, ref, (labels){l, 2});
    put(m);
}

/* One in 16 series holds histograms, or both kinds. */
static bool is_hist(log_maker *m, uint64_t ref)
{
    return ref % 16 == 5 || (ref % 16 == 6 && chance(m, 50) == 0);
}

static void put_hist(log_maker *m, uint64_t ref, int64_t t)
{
    static const histogram_span span = {0, 3};
    uint64_t n = chance(m, 100);
    hist_num buckets[3] = {{.i = (int64_t)n}, {.i = 1}, {.i = 2}};
    hist_sample s = {.schema = 1, .sum = 5, .count.u = 3 * n + 4};
    s.side[HIST_POS] = (hist_side){&span, buckets, 1, 3};
    record_base base = {ref, t};
    record_based_begin(&m->rec, record_type_of_histogram(&s), base);
    record_histogram_add(&m->rec, base, ref, t, &s);
    put(m);
}

static int64_t time_of(int round)
{
    return TEST_NOW + (int64_t)round * STEP_MS;
}

/* Most samples come in order; some are missing, late or there twice. */
static void put_round(log_maker *m, int round)
{
    record_samples s;
    record_samples_begin(&s, &m->rec);
    for (uint64_t ref = 1; ref <= SERIES; ref++) {
        int64_t t = time_of(round) + (int64_t)(ref % 1000);
        if (chance(m, 20) == 0)
            continue;
        if (chance(m, 40) == 0)
            t -= (int64_t)chance(m, 50) * STEP_MS;
        if (!is_hist(m, ref))
            record_samples_add(&s, &m->rec, ref, t, (double)chance(m, 1000));
    }
    put(m);
    for (uint64_t ref = 1; ref <= SERIES; ref++)
        if (is_hist(m, ref))
            put_hist(m, ref, time_of(round) + (int64_t)(ref % 1000));
}

static void put_deletions(log_maker *m, int round)
{
    record_tombstones_begin(&m->rec);
    for (int i = 0; i < 20; i++)
        record_tombstones_add(&m->rec, 1 + chance(m, SERIES), time_of(round - 20),
                              time_of(round + 20));
    put(m);
}

static void make_log(const test_db *t)
{
    log_maker m = {0};
    char dir[300];
    snprintf(dir, sizeof dir, "%s/wal", t->path);
    fer_buf_init(&m.rec, 1 << 24, NULL);
    fer_rng_seeded_init(&m.rng, 11);
    assert_int_equal(wal_open(vfs_posix(), dir, &(wal_options){0}, NULL, &m.w, NULL), FER_OK);
    for (uint64_t ref = 1; ref <= SERIES / 2; ref++)
        put_series(&m, ref, ref);
    for (int round = 0; round < ROUNDS; round++) {
        if (round == ROUNDS / 3) /* one in ten is an older series under another ref */
            for (uint64_t ref = SERIES / 2 + 1; ref <= SERIES; ref++)
                put_series(&m, ref, ref % 10 == 3 ? ref - SERIES / 2 : ref);
        put_round(&m, round);
        if (round % 50 == 30)
            put_deletions(&m, round);
    }
    assert_int_equal(wal_write(m.w, NULL), FER_OK);
    assert_int_equal(wal_close(m.w, NULL), FER_OK);
    fer_buf_done(&m.rec);
}

/* ---- what a head holds ---- */

static uint64_t mix_bytes(uint64_t h, fer_str bytes)
{
    static const fer_hash_key key;
    return fer_hash_mix(h, fer_hash_keyed(&key, bytes.p, bytes.n).lo);
}

static uint64_t mix_full(const head *h, uint64_t sum, const full_chunk *c)
{
    fer_str bytes;
    assert_int_equal(head_full_bytes(h, c, &bytes, NULL), FER_OK);
    sum = fer_hash_mix(sum, (uint64_t)c->mint);
    sum = fer_hash_mix(sum, (uint64_t)c->span << 8 | c->encoding);
    return mix_bytes(fer_hash_mix(sum, c->file), bytes);
}

static uint64_t mix_open(const head *h, uint64_t sum, const pub_rec *s)
{
    if (s->open == 0)
        return sum;
    sum = fer_hash_mix(sum, (uint64_t)s->min_t);
    sum = fer_hash_mix(sum, (uint64_t)s->app.t);
    if (s->is_hist)
        return mix_bytes(sum, hist_chunk_bytes(head_hist_open(h, s)));
    uint8_t bytes[XOR_CHUNK_BYTES_SOFT];
    head_open_bytes(h, s, bytes);
    return mix_bytes(sum, (fer_str){(const char *)bytes, xor_bytes(&s->app)});
}

static uint64_t sum_of_slot(const head *h, uint32_t slot)
{
    const pub_rec *s = head_pub_rec(h, slot);
    const stage_rec *rec = head_stage_rec(h, slot);
    const full_list *list = s->full == 0 ? NULL : slab_ptr(&h->chunks, s->full);
    uint64_t bits;
    memcpy(&bits, &rec->v, sizeof bits);
    uint64_t sum = fer_hash_mix(fer_hash_mix(slot, (uint64_t)rec->t), bits);
    sum = fer_hash_mix(sum, head_ref(h, slot) << 1 | s->stays);
    for (uint32_t i = 0; list != NULL && i < list->n; i++)
        sum = mix_full(h, sum, &list->c[i]);
    return mix_open(h, sum, s);
}

static uint64_t sum_of_stones(const head *h)
{
    uint64_t sum = 0;
    for (size_t i = 0; h->stones != NULL && i < h->stones->t.n; i++) {
        const tombstone *t = &h->stones->t.v[i];
        sum = fer_hash_mix(fer_hash_mix(fer_hash_mix(sum, t->ref), (uint64_t)t->mint),
                           (uint64_t)t->maxt);
    }
    return sum;
}

typedef struct result {
    uint64_t slots[SERIES], stones;
    uint32_t n_slots;
    replay_stats stats;
    tsdb_stats told;
} result;

static void read_with(test_db *t, unsigned threads, result *ret)
{
    t->o.read_only = true;
    t->o.replay_threads = threads;
    test_db_open(t);
    const head *h = &t->db->h;
    *ret = (result){.stones = sum_of_stones(h), .n_slots = h->n_slots, .stats = t->db->replay};
    tsdb_stats_get(t->db, &ret->told);
    for (uint32_t slot = 0; slot < h->n_slots; slot++)
        ret->slots[slot] = sum_of_slot(h, slot);
    test_db_close(t);
}

static void expect_equal(const result *got, const result *want)
{
    assert_int_equal(got->n_slots, want->n_slots);
    for (uint32_t slot = 0; slot < want->n_slots; slot++)
        if (got->slots[slot] != want->slots[slot])
            fail_msg("slot %u differs", (unsigned)slot);
    assert_int_equal(got->stones, want->stones);
    assert_int_equal(got->stats.samples, want->stats.samples);
    assert_int_equal(got->stats.old_samples, want->stats.old_samples);
    assert_int_equal(got->stats.late_samples, want->stats.late_samples);
    assert_int_equal(got->stats.chunks, want->stats.chunks);
    assert_int_equal(got->stats.deletions, want->stats.deletions);
    assert_int_equal(got->told.chunks, want->told.chunks);
    assert_int_equal(got->told.chunks_created, want->told.chunks_created);
    assert_int_equal(got->told.min_time, want->told.min_time);
    assert_int_equal(got->told.max_time, want->told.max_time);
}

static void any_number_of_threads_gives_the_same_head(void **state)
{
    (void)state;
    test_db t;
    static result want, got;
    test_db_init(&t);
    fer_clock_fake_advance(&t.clock, INT64_C(24) * 3600 * 1000);
    make_log(&t);
    for (int round = 0; round < 2; round++) {
        read_with(&t, 0, &want);
        assert_int_equal(want.n_slots, SERIES - SERIES / 20);
        assert_true(want.stats.late_samples > 300 && want.stats.deletions > 50);
        assert_true((want.stats.chunks != 0) == (round == 1));
        static const unsigned threads[] = {1, 3, 100};
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            read_with(&t, threads[i], &got);
            expect_equal(&got, &want);
        }
        t.o.read_only = false; /* its end puts full chunks into chunks_head */
        test_db_open(&t);
        test_db_close(&t);
    }
    test_db_done(&t);
}

/* Handles of parts, and numbers of regions, are used on. */
static void a_head_goes_on_after_it_was_filled_by_threads(void **state)
{
    (void)state;
    test_db t;
    test_db_init(&t);
    fer_clock_fake_advance(&t.clock, INT64_C(24) * 3600 * 1000);
    make_log(&t);
    t.o.replay_threads = 3;
    t.o.sync = WAL_SYNC_NONE;
    test_db_open(&t);
    char raw[64];
    for (int i = 0; i < 3000; i++) {
        snprintf(raw, sizeof raw, "__name__=series_%d,job=test", 16 * (i % 60) + 1);
        test_write1(&t, raw, time_of(ROUNDS + 1) + i, i);
    }
    test_query q;
    test_query_begin(&q, t.db, time_of(ROUNDS + 1), INT64_MAX);
    const char *m[1][3] = {{"__name__", "=~", "series_.*1"}};
    selection *s = test_select(&q, m, 1, false);
    samples got;
    samples_init(&got, NULL);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++, n += got.n) {
        samples_clear(&got);
        assert_int_equal(selection_read(s, i, time_of(ROUNDS + 1), INT64_MAX, &got, NULL), FER_OK);
    }
    assert_int_equal(n, 600); /* of series 1, 81, 161, ..., a fifth of 60 */
    samples_done(&got);
    test_query_end(&q);
    test_db_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_gives_the_same_head),
        cmocka_unit_test(a_head_goes_on_after_it_was_filled_by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
