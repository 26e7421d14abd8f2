/* Chunks of native histograms: those a real Prometheus 3.5 wrote (testdata/histograms), written alike and read alike;
 * and what damage does. */
#include "tsdb/chunk/chunk_hist.h"

#include "base/rng.h"
#include "tsdb/block/block_select.h"
#include "tsdb/hist_testing.h"

enum { RANGE_MS = 2 * 3600 * 1000 };

/* ---- the golden block ---- */

typedef struct golden {
    sent sent;
    block *b;
} golden;

static void golden_init(golden *g)
{
    fer_err err = {0};
    sent_init(&g->sent);
    const char *dir = FERULA_TESTDATA "/histograms/prometheus-3.5";
    block_names names = list_blocks(vfs_posix(), dir);
    assert_int_equal(names.n, 1);
    must(block_open(vfs_posix(), dir, names.v[0], NULL, &g->b, &err), &err);
}

static void golden_done(golden *g)
{
    block_unref(g->b);
    sent_done(&g->sent);
}

typedef struct stored_chunk {
    int64_t mint, maxt;
    uint8_t encoding;
    fer_str data;
} stored_chunk;

/* Calls fn for each series of the block, with its chunks. */
static void each_series(golden *g,
                        void (*fn)(const sent_series *s, const stored_chunk *c, size_t n))
{
    fer_err err = {0};
    ref_list refs;
    size_t seen = 0;
    must(block_select(g->b, g->sent.a, NULL, NULL, NULL, 0, &refs, &err), &err);
    for (size_t i = 0; i < refs.n; i++) {
        index_series series;
        uint32_t name, value;
        fer_str text;
        must(block_index_series(&g->b->index, refs.v[i], &series, &err), &err);
        assert_int_equal(index_series_label(&series, &name, &value), FER_OK);
        assert_int_equal(block_symbols_text(&g->b->index.symbols, value, &text), FER_OK);
        char what[32];
        snprintf(what, sizeof what, "%.*s", STR_FMT(text));
        stored_chunk chunks[256];
        size_t n = 0;
        index_chunk c;
        while (index_series_chunk(&series, &c) == FER_OK) {
            stored_chunk *to = &chunks[n++];
            *to = (stored_chunk){.mint = c.mint, .maxt = c.maxt};
            must(block_chunks_get(&g->b->chunks, c.ref, &to->encoding, &to->data, &err), &err);
        }
        fn(sent_find(&g->sent, what), chunks, n);
        seen++;
    }
    assert_int_equal(seen, g->sent.n);
}

/* ---- writing as the head does ---- */

typedef struct series_writer {
    hist_chunk *v[256];
    size_t n;
    hist_cut cut;
} series_writer;

static void write_one(series_writer *w, int64_t t, const hist_sample *s)
{
    hist_chunk *open = w->n == 0 ? NULL : w->v[w->n - 1];
    if (open == NULL ||
        hist_cut_is_due(&w->cut, t, hist_chunk_bytes(open).n, hist_chunk_count(open), RANGE_MS)) {
        w->v[w->n++] = hist_chunk_new(open, t, s);
        hist_cut_begin(&w->cut, t, RANGE_MS);
        return;
    }
    hist_chunk *c = hist_chunk_append(open, t, s);
    if (c != open)
        w->v[w->n++] = c;
    hist_cut_appended(&w->cut, t, c != open, RANGE_MS);
}

static void writer_done(series_writer *w)
{
    for (size_t i = 0; i < w->n; i++)
        hist_chunk_free(w->v[i]);
}

static void is_written_alike(const sent_series *s, const stored_chunk *want, size_t n)
{
    series_writer w = {0};
    for (size_t i = 0; i < s->n; i++)
        write_one(&w, s->v[i].t, &s->v[i].s);
    for (size_t i = 0; i < n && i < w.n; i++) {
        fer_str got = hist_chunk_bytes(w.v[i]);
        /* Prometheus writes the open chunk anew when it makes a block, and forgets whether it began with a reset. */
        if (i + 1 == n && (uint8_t)got.p[2] != HIST_HEADER_GAUGE)
            ((char *)(uintptr_t)got.p)[2] = 0;
        assert_int_equal(hist_chunk_encoding(w.v[i]), want[i].encoding);
        if (!str_eq(got, want[i].data)) {
            size_t at = 0;
            while (at < got.n && at < want[i].data.n && got.p[at] == want[i].data.p[at])
                at++;
            fail_msg(
                "%s: chunk %zu of %zu differs at byte %zu: %zu bytes, %u samples, flags %x, not "
                "%zu, %u, %x",
                s->name, i, n, at, got.n, be16_get((const uint8_t *)got.p), got.p[2] & 0xff,
                want[i].data.n, be16_get((const uint8_t *)want[i].data.p),
                want[i].data.p[2] & 0xff);
        }
        int64_t t;
        hist_chunk_last(w.v[i], &t);
        assert_int_equal(t, want[i].maxt);
    }
    assert_int_equal(w.n, n);
    writer_done(&w);
}

static void chunks_are_those_prometheus_writes(void **state)
{
    (void)state;
    golden g;
    golden_init(&g);
    each_series(&g, is_written_alike);
    golden_done(&g);
}

/* ---- reading ---- */

static void is_read_alike(const sent_series *s, const stored_chunk *c, size_t n)
{
    samples got;
    samples_init(&got, NULL);
    fer_arena *a = fer_arena_new(NULL, 0);
    for (size_t i = 0; i < n; i++) {
        size_t first = got.n;
        assert_int_equal(hist_decode(c[i].encoding, c[i].data, 0, INT64_MIN, INT64_MAX, &got),
                         FER_OK);
        assert_int_equal(got.t[first], c[i].mint);
        bool is_gauge = (uint8_t)c[i].data.p[2] == HIST_HEADER_GAUGE;
        for (size_t k = first; k < got.n; k++)
            if (!sample_is_stale(got.h[k]->sum))
                assert_int_equal(got.h[k]->reset_hint, is_gauge     ? HISTOGRAM_GAUGE
                                                       : k == first ? HISTOGRAM_RESET_UNKNOWN
                                                                    : HISTOGRAM_NO_RESET);
    }
    assert_int_equal(got.n, s->n);
    for (size_t i = 0; i < s->n; i++) {
        assert_int_equal(got.t[i], s->v[i].t);
        assert_int_equal(got.type[i],
                         s->v[i].s.is_float ? SAMPLE_FLOAT_HISTOGRAM : SAMPLE_HISTOGRAM);
        assert_same_histogram(got.h[i], hist_widen(&s->v[i].s, a));
    }
    fer_arena_free(a);
    samples_done(&got);
}

static void what_was_sent_is_read(void **state)
{
    (void)state;
    golden g;
    golden_init(&g);
    each_series(&g, is_read_alike);
    golden_done(&g);
}

static void gives_the_range_asked_for(const sent_series *s, const stored_chunk *c, size_t n)
{
    if (strncmp(s->name, "steady", 6) != 0)
        return;
    samples got;
    samples_init(&got, NULL);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(hist_decode(c[i].encoding, c[i].data, 0, s->v[7].t, s->v[40].t, &got),
                         FER_OK);
    assert_int_equal(got.n, 34);
    assert_int_equal(got.t[0], s->v[7].t);
    samples_clear(&got);
    assert_int_equal(hist_decode(c[0].encoding, c[0].data, 3, INT64_MIN, INT64_MAX, &got), FER_OK);
    assert_int_equal(got.n, 3);
    samples_done(&got);
}

static void only_what_is_asked_for_is_delivered(void **state)
{
    (void)state;
    golden g;
    golden_init(&g);
    each_series(&g, gives_the_range_asked_for);
    golden_done(&g);
}

/* ---- what is seldom: written and read back ---- */

static const histogram_span two_spans[] = {{-3, 2}, {4, 1}};

static hist_sample small(uint64_t a, int64_t b, int64_t c)
{
    static hist_num buckets[64][3];
    static size_t next;
    hist_num *v = buckets[next++ % 64];
    v[0].u = a;
    v[1].i = b;
    v[2].i = c;
    hist_sample s = {.schema = 1, .zero_threshold = 0.5, .sum = 1.5};
    s.side[HIST_POS] = (hist_side){two_spans, v, 2, 3};
    s.count.u = a + (a + (uint64_t)b) + (a + (uint64_t)b + (uint64_t)c);
    return s;
}

static void the_newest_sample_is_told_in_the_layout_of_the_chunk(void **state)
{
    (void)state;
    hist_sample s = small(1, 2, 3);
    hist_chunk *c = hist_chunk_new(NULL, 5, &s);
    static const histogram_span more[] = {{-3, 3}, {3, 1}};
    static const hist_num wide[] = {{.i = 2}, {.i = 2}, {.i = -3}, {.i = 6}};
    hist_sample t = s;
    t.side[HIST_POS] = (hist_side){more, wide, 2, 4};
    t.count.u = 100;
    assert_ptr_equal(hist_chunk_append(c, 6, &t), c);
    assert_int_equal(hist_chunk_count(c), 2);
    int64_t at;
    const hist_sample *last = hist_chunk_last(c, &at);
    assert_int_equal(at, 6);
    assert_int_equal(last->side[HIST_POS].n_buckets, 4);
    assert_int_equal(last->side[HIST_POS].buckets[2].i, -3);
    assert_true(hist_chunk_memory(c) > hist_chunk_bytes(c).n);

    samples got;
    samples_init(&got, NULL);
    assert_int_equal(hist_decode(CHUNK_HISTOGRAM, hist_chunk_bytes(c), 0, 0, 10, &got), FER_OK);
    assert_int_equal(got.n, 2);
    const double counts[] = {1, 3, 0, 6};
    assert_memory_equal(got.h[0]->pos, counts, sizeof counts);
    samples_done(&got);
    hist_chunk_free(c);
}

/* The chunk has buckets 1, 2, 3, 6, 9, of which 2, 3 and 9 are empty; the sample has 1, 4, 6, 12. */
static void a_sample_that_lacks_buckets_and_has_new_ones_fits(void **state)
{
    (void)state;
    static const histogram_span some[] = {{1, 3}, {2, 1}, {2, 1}};
    static const histogram_span other[] = {{1, 1}, {2, 1}, {1, 1}, {5, 1}};
    static const hist_num a[] = {{.i = 5}, {.i = -5}, {.i = 0}, {.i = 7}, {.i = -7}};
    static const hist_num b[] = {{.i = 6}, {.i = -4}, {.i = 6}, {.i = -5}};
    hist_sample s = {.sum = 1, .count.u = 12}, t = {.sum = 2, .count.u = 19};
    s.side[HIST_NEG] = (hist_side){some, a, 3, 5};
    t.side[HIST_NEG] = (hist_side){other, b, 4, 4};
    hist_chunk *c = hist_chunk_new(NULL, 1, &s);
    assert_ptr_equal(hist_chunk_append(c, 2, &t), c);
    samples got;
    samples_init(&got, NULL);
    assert_int_equal(hist_decode(CHUNK_HISTOGRAM, hist_chunk_bytes(c), 0, 0, 10, &got), FER_OK);
    static const histogram_span all[] = {{1, 4}, {1, 1}, {2, 1}, {2, 1}};
    const double first[] = {5, 0, 0, 0, 7, 0, 0}, second[] = {6, 0, 0, 2, 8, 0, 3};
    assert_int_equal(got.h[1]->n_neg_spans, 4);
    assert_memory_equal(got.h[1]->neg_spans, all, sizeof all);
    assert_memory_equal(got.h[0]->neg, first, sizeof first);
    assert_memory_equal(got.h[1]->neg, second, sizeof second);
    samples_done(&got);
    hist_chunk_free(c);
}

/* Two buckets of schema 10 are one of schema 9, four one of schema 8: 1..4 become 1, 5..8 become 2. */
static void resolutions_of_the_future_are_reduced_to_what_queries_know(void **state)
{
    (void)state;
    static const histogram_span spans[] = {{0, 3}, {1, 3}, {400, 1}};
    static const hist_num buckets[] = {{.i = 1}, {.i = 1}, {.i = 1}, {.i = 1},
                                       {.i = 1}, {.i = 1}, {.i = 1}};
    hist_sample s = {.schema = 10, .sum = 2};
    s.side[HIST_POS] = (hist_side){spans, buckets, 3, 7};
    s.count.u = 28;
    hist_chunk *c = hist_chunk_new(NULL, 1, &s);
    samples got;
    samples_init(&got, NULL);
    assert_int_equal(hist_decode(CHUNK_HISTOGRAM, hist_chunk_bytes(c), 0, 0, 10, &got), FER_OK);
    const histogram *h = got.h[0];
    const double counts[] = {1, 9, 11, 7}; /* buckets 0; 1, 2, 4; 5, 6; 407 */
    assert_int_equal(h->schema, 8);
    assert_int_equal(h->n_pos, 4);
    assert_memory_equal(h->pos, counts, sizeof counts);
    assert_int_equal(h->n_pos_spans, 2);
    assert_int_equal(h->pos_spans[0].length, 3);
    assert_int_equal(h->pos_spans[1].offset, 99);
    samples_done(&got);
    hist_chunk_free(c);
}

static void a_schema_that_nobody_knows_is_said_so(void **state)
{
    (void)state;
    static const int32_t unknown[] = {-10, 53, -52, 1000};
    for (size_t i = 0; i < 4; i++) {
        hist_sample s = small(1, 0, 0);
        s.schema = unknown[i];
        hist_chunk *c = hist_chunk_new(NULL, 1, &s);
        samples got;
        samples_init(&got, NULL);
        assert_int_equal(hist_decode(CHUNK_HISTOGRAM, hist_chunk_bytes(c), 0, 0, 10, &got),
                         FER_UNSUPPORTED);
        samples_done(&got);
        hist_chunk_free(c);
    }
}

/* ---- damage ---- */

static void stands_damage(const sent_series *s, const stored_chunk *c, size_t n)
{
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 11);
    for (size_t i = 0; i < n && i < 3; i++) {
        for (size_t cut = 0; cut < c[i].data.n; cut++) {
            char *exact = memcpy(fer_alloc(cut + 1), c[i].data.p, cut);
            exact = fer_realloc(exact, cut + (cut == 0));
            samples got;
            samples_init(&got, NULL);
            assert_int_equal(
                hist_decode(c[i].encoding, (fer_str){exact, cut}, 0, INT64_MIN, INT64_MAX, &got),
                FER_CORRUPT);
            assert_true(got.n < be16_get((const uint8_t *)c[i].data.p));
            samples_done(&got);
            fer_free(exact);
        }
        for (int flip = 0; flip < 300; flip++) {
            char *bytes = fer_memdup0(c[i].data.p, c[i].data.n);
            uint64_t bit = fer_rng_seeded_next(&r) % (c[i].data.n * 8);
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ (char)(1 << bit % 8));
            samples got;
            samples_init(&got, NULL);
            fer_code code = hist_decode(c[i].encoding, (fer_str){bytes, c[i].data.n}, 0, INT64_MIN,
                                        INT64_MAX, &got);
            assert_true(code == FER_OK || code == FER_CORRUPT || code == FER_UNSUPPORTED);
            for (size_t k = 1; k < got.n; k++)
                assert_true(got.t[k] > got.t[k - 1]);
            samples_done(&got);
            fer_free(bytes);
        }
    }
    (void)s;
}

static void truncations_are_refused_and_flipped_bits_do_no_harm(void **state)
{
    (void)state;
    golden g;
    golden_init(&g);
    each_series(&g, stands_damage);
    golden_done(&g);
}

/* ---- numbers ---- */

/* As bits.h tells it, bit by bit. */
static void put_plainly(bits_out *out, int64_t v)
{
    static const unsigned payload[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};
    unsigned ones = 0;
    for (; ones < 8; ones++) {
        int64_t half = ones == 0 ? 0 : INT64_C(1) << (payload[ones] - 1);
        if (ones == 0 ? v == 0 : v >= 1 - half && v <= half)
            break;
    }
    for (unsigned i = 0; i < ones; i++)
        bits_put(out, 1, 1);
    if (ones < 8)
        bits_put(out, 0, 1);
    for (unsigned i = payload[ones]; i-- > 0;)
        bits_put(out, (uint64_t)v >> i & 1, 1);
}

/* Both ways of writing them, from each bit of a byte on. */
static void numbers_take_the_shortest_code_that_holds_them(void **state)
{
    (void)state;
    int64_t v[65 * 6];
    size_t n = 0;
    for (unsigned bit = 0; bit < 64; bit++)
        for (int64_t d = -1; d <= 1; d++) {
            v[n++] = (int64_t)((UINT64_C(1) << bit) + (uint64_t)d);
            v[n++] = (int64_t)(0 - (UINT64_C(1) << bit) + (uint64_t)d);
        }
    for (unsigned before = 0; before < 8; before++) {
        bits_out plain = {0}, each = {0}, together = {0};
        bits_put(&plain, 0, before);
        bits_put(&each, 0, before);
        bits_put(&together, 0, before);
        bits_run run = bits_run_begin(&together, n);
        for (size_t i = 0; i < n; i++) {
            put_plainly(&plain, v[i]);
            bits_put_varbit_int(&each, v[i]);
            bits_run_varbit_int(&run, v[i]);
        }
        bits_run_end(&together, &run);
        assert_int_equal(each.n, plain.n);
        assert_int_equal(together.n, plain.n);
        assert_memory_equal(each.p, plain.p, bits_bytes(&plain));
        assert_memory_equal(together.p, plain.p, bits_bytes(&plain));
        fer_free(plain.p);
        fer_free(each.p);
        fer_free(together.p);
    }
}

static void a_layout_that_lies_takes_no_memory(void **state)
{
    (void)state;
    bits_out out = {0};
    bits_put(&out, 1, 16);
    bits_put(&out, 0, 8);
    bits_put(&out, 0, 8);          /* no zero threshold */
    bits_put_varbit_int(&out, 0);  /* schema */
    bits_put_varbit_uint(&out, 1); /* one span of */
    bits_put_varbit_uint(&out, 1 << 30);
    bits_put(&out, 0, 64);
    fer_account acct;
    fer_account_init(&acct, "test", NULL, 0);
    samples got;
    samples_init(&got, &acct);
    fer_str chunk = {(char *)out.p, bits_bytes(&out)};
    assert_int_equal(hist_decode(CHUNK_HISTOGRAM, chunk, 0, 0, 1, &got), FER_CORRUPT);
    assert_true(fer_account_peak(&acct) < 1 << 20);
    samples_done(&got);
    fer_free(out.p);
}

static void a_budget_that_is_spent_refuses(void **state)
{
    (void)state;
    hist_sample s = small(1, 1, 1);
    hist_chunk *c = hist_chunk_new(NULL, 1, &s);
    fer_account acct;
    fer_account_init(&acct, "test", NULL, 100);
    samples got;
    samples_init(&got, &acct);
    assert_int_equal(hist_decode(CHUNK_HISTOGRAM, hist_chunk_bytes(c), 0, 0, 10, &got), FER_LIMIT);
    samples_done(&got);
    hist_chunk_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_those_prometheus_writes),
        cmocka_unit_test(what_was_sent_is_read),
        cmocka_unit_test(only_what_is_asked_for_is_delivered),
        cmocka_unit_test(the_newest_sample_is_told_in_the_layout_of_the_chunk),
        cmocka_unit_test(a_sample_that_lacks_buckets_and_has_new_ones_fits),
        cmocka_unit_test(resolutions_of_the_future_are_reduced_to_what_queries_know),
        cmocka_unit_test(a_schema_that_nobody_knows_is_said_so),
        cmocka_unit_test(truncations_are_refused_and_flipped_bits_do_no_harm),
        cmocka_unit_test(numbers_take_the_shortest_code_that_holds_them),
        cmocka_unit_test(a_layout_that_lies_takes_no_memory),
        cmocka_unit_test(a_budget_that_is_spent_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
