#include "tsdb/chunk/chunk_xor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/varint.h"

enum { BUF_BYTES = 8192, SERIES_MAX = 400 };

typedef struct sample {
    int64_t t;
    double v;
} sample;

/* A buffer whose room ends where the promise ends: AddressSanitizer sees a byte more. */
typedef struct writer {
    xor_appender a;
    uint8_t *buf;
} writer;

static void write_init(writer *w)
{
    xor_init(&w->a);
    w->buf = fer_calloc(1, xor_bytes(&w->a) + XOR_SAMPLE_BYTES_MAX);
}

static void write_one(writer *w, int64_t t, double v)
{
    size_t used = xor_bytes(&w->a);
    uint8_t *next = fer_calloc(1, used + XOR_SAMPLE_BYTES_MAX);
    memcpy(next, w->buf, used);
    fer_free(w->buf);
    w->buf = next;
    xor_append(&w->a, w->buf, t, v);
    assert_true(xor_bytes(&w->a) <= used + XOR_SAMPLE_BYTES_MAX);
    for (size_t i = xor_bytes(&w->a); i < used + XOR_SAMPLE_BYTES_MAX; i++)
        assert_int_equal(w->buf[i], 0);
}

/* The chunk alone, so that reading past it is seen; the caller frees .p. */
static fer_str write_end(writer *w)
{
    size_t n = xor_bytes(&w->a);
    char *exact = fer_memdup0(w->buf, n);
    fer_free(w->buf);
    return (fer_str){fer_realloc(exact, n), n};
}

static fer_str chunk_of(const sample *s, size_t n)
{
    writer w;
    write_init(&w);
    for (size_t i = 0; i < n; i++)
        write_one(&w, s[i].t, s[i].v);
    return write_end(&w);
}

static void assert_samples(const samples *out, const sample *want, size_t n)
{
    assert_int_equal(out->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out->t[i], want[i].t);
        assert_true(f64_bits(out->v[i]) == f64_bits(want[i].v));
    }
}

static void assert_round_trip(const sample *s, size_t n)
{
    fer_str chunk = chunk_of(s, n);
    samples out;
    samples_init(&out, NULL);
    assert_int_equal(xor_decode(chunk, 0, INT64_MIN, INT64_MAX, &out), FER_OK);
    assert_samples(&out, s, n);
    samples_done(&out);
    fer_free((void *)chunk.p);
}

/* ---- chunks that promtool 2.42 wrote from OpenMetrics text ---- */

static const int64_t golden_t0 = 1700000000000;

static size_t golden_counter(sample *s)
{
    for (int i = 0; i < 20; i++)
        s[i] = (sample){golden_t0 + INT64_C(15000) * i, 1000 + 7 * i};
    return 20;
}

static size_t golden_gauge(sample *s)
{
    static const int jitter[] = {0, 1, -3, 120, -9000, 9000, 0, 5000};
    const double values[] = {0.1,      0.1, -2.5, 1e300, 3.25, f64_of_bits(NORMAL_NAN_BITS),
                             INFINITY, 0};
    for (int i = 0; i < 24; i++)
        s[i] = (sample){golden_t0 + INT64_C(15000) * i + jitter[i % 8], values[i % 8]};
    return 24;
}

static size_t golden_gaps(sample *s)
{
    static const int64_t at[] = {0, 1, 8193, 16386, 90115, 90116, 700000, 700001, 2000000};
    static const double values[] = {1, 2, 2, 2, -2, -2, 5e-324, 1.7976931348623157e308, 0};
    for (int i = 0; i < 9; i++)
        s[i] = (sample){golden_t0 + at[i], values[i]};
    return 9;
}

static const struct {
    size_t (*fill)(sample *s);
    const char *hex;
} golden[] = {
    {golden_counter,
     "001480a0abfef962408f4000000000009875e41f7017296d657fee427b88b94b701b943a2536896f1ffa128da1"
     "283a728580"},
    {golden_gauge,
     "001880a0abfef9623fb999999999999a99755ffde0fffef666666666666c03fd7c67c8791000eb3b76f963e3de"
     "43c8800759d8d3e18beffc800000000000765a2200200000000000070dac3097fff763c317bfdccccccccccccd"
     "93895ffde0fffef666666666666c03fd7c67c8791000eb3b76f963e3de43c8800759d8d3e18beffc8000000000"
     "00765a2200200000000000070dac3097fff763c317bfdccccccccccccd93895ffde0fffef666666666666c03fd"
     "7c67c8791000eb3b76f963e3de43c8800759d8d3e18beffc800000000000765a2200200000000000070dac3097"
     "ffc0"},
    {golden_gaps,
     "000980a0abfef9623ff000000000000001c25fff9fff4000b40003003eee0007800000000004a72de003000000"
     "0000000007fffffffffffdac6967feffffffffffffef000000000013d61e9ffbffffffffffffc0"},
};

static void bytes_are_those_prometheus_writes(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof golden / sizeof *golden; g++) {
        sample s[SERIES_MAX];
        size_t n = golden[g].fill(s);
        fer_str chunk = chunk_of(s, n);
        assert_int_equal(chunk.n * 2, strlen(golden[g].hex));
        for (size_t i = 0; i < chunk.n; i++) {
            char hex[3];
            snprintf(hex, sizeof hex, "%02x", (uint8_t)chunk.p[i]);
            assert_memory_equal(hex, golden[g].hex + 2 * i, 2);
        }
        fer_free((void *)chunk.p);
        assert_round_trip(s, n);
    }
}

/* ---- round trips ---- */

static void timestamps_at_every_code_boundary_come_back(void **state)
{
    (void)state;
    static const int64_t dods[] = {0,
                                   1,
                                   -1,
                                   8192,
                                   8193,
                                   -8191,
                                   -8192,
                                   65536,
                                   65537,
                                   -65535,
                                   -65536,
                                   524288,
                                   524289,
                                   -524287,
                                   -524288,
                                   INT32_MAX,
                                   INT64_C(1) << 60,
                                   -5,
                                   -(INT64_C(1) << 59)};
    sample s[SERIES_MAX] = {{.t = INT64_MIN + 7, .v = 1}, {.t = INT64_MIN + 3000007, .v = 1}};
    int64_t delta = 3000000;
    size_t n = 2;
    for (size_t i = 0; i < sizeof dods / sizeof *dods; i++, n++) {
        delta += dods[i];
        assert_true(delta > 0);
        s[n] = (sample){s[n - 1].t + delta, (double)n};
    }
    assert_round_trip(s, n);
}

static void extreme_timestamps_fit_the_promised_room(void **state)
{
    (void)state;
    for (int second = 0; second < 2; second++) {
        sample s[] = {
            {INT64_MIN, 0.1}, {second == 0 ? INT64_MAX - 1 : -1, -3e7}, {INT64_MAX, 1e-9}};
        assert_round_trip(s, 1);
        assert_round_trip(s, 2);
        assert_round_trip(s, 3);
    }
}

static void special_values_keep_their_bits(void **state)
{
    (void)state;
    const double v[] = {0.0,
                        -0.0,
                        INFINITY,
                        -INFINITY,
                        f64_of_bits(STALE_NAN_BITS),
                        1e308,
                        5e-324,
                        -1,
                        1,
                        f64_of_bits(NORMAL_NAN_BITS),
                        f64_of_bits(UINT64_MAX),
                        f64_of_bits(1),
                        f64_of_bits(UINT64_C(1) << 63)};
    sample s[SERIES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        for (size_t k = 0; k < sizeof v / sizeof *v; k++, n++)
            s[n] = (sample){(int64_t)n * 10, v[k]};
    for (size_t len = 1; len <= n; len += 7)
        assert_round_trip(s, len);
}

static size_t random_series(fer_rng_seeded *r, sample *s)
{
    size_t n = 1 + fer_rng_seeded_next(r) % SERIES_MAX;
    uint64_t kind = fer_rng_seeded_next(r);
    int64_t t = (int64_t)(fer_rng_seeded_next(r) % 2000000000000);
    double v = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = fer_rng_seeded_next(r);
        t += kind & 1 ? 15000 : (int64_t)(1 + (x >> (x % 56)) % (UINT64_C(1) << 50));
        if (kind & 2)
            v += (double)(x % 100);
        else if (x % 3 != 0)
            v = f64_of_bits(kind & 4 ? x : x & 0xfff0000000000000);
        s[i] = (sample){t, v};
    }
    return n;
}

static void random_series_come_back(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 1);
    for (int i = 0; i < 500; i++) {
        sample s[SERIES_MAX];
        size_t n = random_series(&r, s);
        assert_round_trip(s, n);
    }
}

/* Puts a code behind the stream of buf bit by bit. */
static void put_code(uint8_t *buf, uint32_t at, uint64_t code, unsigned k)
{
    for (unsigned i = 0; i < k; i++, at++)
        buf[at / 8] |= (uint8_t)((code >> (k - 1 - i) & 1) << (7 - at % 8));
}

static void short_codes_are_those_of_the_long_way(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 11);
    size_t n_short = 0, n_long = 0;
    for (int i = 0; i < 500; i++) {
        sample s[SERIES_MAX];
        size_t n = random_series(&r, s);
        uint8_t buf[BUF_BYTES] = {0}, want[BUF_BYTES] = {0};
        xor_appender a, b;
        xor_init(&a);
        xor_init(&b);
        for (size_t k = 0; k < n; k++) {
            uint64_t code;
            uint32_t at = a.bits;
            xor_appender before = a;
            unsigned bits = xor_append_short(&a, s[k].t, s[k].v, &code);
            assert_in_range(bits, 0, XOR_SHORT_BITS);
            if (bits != 0) {
                put_code(buf, at, code, bits);
                n_short++;
            } else {
                assert_memory_equal(&a, &before, sizeof a);
                xor_append(&a, buf, s[k].t, s[k].v);
                n_long++;
            }
            xor_append(&b, want, s[k].t, s[k].v);
            assert_memory_equal(&a, &b, sizeof a);
        }
        assert_memory_equal(buf + 2, want + 2, BUF_BYTES - 2);
    }
    assert_true(n_short > 10000 && n_long > 10000);
}

/* ---- what readers ask for ---- */

static void only_the_time_range_is_delivered(void **state)
{
    (void)state;
    sample s[SERIES_MAX];
    size_t n = golden_counter(s);
    fer_str chunk = chunk_of(s, n);
    for (size_t from = 0; from < n; from++) {
        for (size_t to = from; to < n; to++) {
            samples out;
            samples_init(&out, NULL);
            assert_int_equal(xor_decode(chunk, 0, s[from].t, s[to].t, &out), FER_OK);
            assert_samples(&out, s + from, to - from + 1);
            samples_clear(&out);
            assert_int_equal(xor_decode(chunk, 0, s[from].t + 1, s[to].t - 1, &out), FER_OK);
            assert_int_equal(out.n, to - from <= 1 ? 0 : to - from - 1);
            samples_done(&out);
        }
    }
    fer_free((void *)chunk.p);
}

static void samples_are_appended_behind_those_there(void **state)
{
    (void)state;
    sample s[SERIES_MAX];
    size_t n = golden_counter(s);
    fer_str a = chunk_of(s, 11);
    fer_str b = chunk_of(s + 11, n - 11);
    samples out;
    samples_init(&out, NULL);
    assert_int_equal(xor_decode(a, 0, INT64_MIN, INT64_MAX, &out), FER_OK);
    assert_int_equal(xor_decode(b, 0, INT64_MIN, INT64_MAX, &out), FER_OK);
    assert_samples(&out, s, n);
    samples_done(&out);
    fer_free((void *)a.p);
    fer_free((void *)b.p);
}

/* What a reader pinned at any moment stays readable while the appender goes on: the bytes that were
 * full then do not change, and the rest decodes to the pinned count. */
static void a_pinned_prefix_survives_later_appends(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 7);
    sample s[SERIES_MAX];
    size_t n = random_series(&r, s);
    uint8_t buf[BUF_BYTES] = {0};
    uint8_t before[BUF_BYTES];
    xor_appender a;
    xor_init(&a);
    for (size_t i = 0; i < n; i++) {
        size_t len = xor_bytes(&a);
        bool open = a.bits % 8 != 0;
        memcpy(before, buf, len);
        xor_append(&a, buf, s[i].t, s[i].v);
        assert_memory_equal(before + 2, buf + 2, len - 2 - open);

        if (i == 0)
            continue;
        char *pinned = fer_memdup0(before, len); /* holds the count of then */
        memcpy(pinned, buf, 2);                  /* and now that of later */
        samples out;
        samples_init(&out, NULL);
        assert_int_equal(
            xor_decode((fer_str){pinned, len}, (uint32_t)i, INT64_MIN, INT64_MAX, &out), FER_OK);
        assert_samples(&out, s, i);
        samples_clear(&out);
        assert_int_equal(
            xor_decode((fer_str){(char *)buf, len}, (uint32_t)i, INT64_MIN, INT64_MAX, &out),
            FER_OK);
        assert_samples(&out, s, i);
        samples_done(&out);
        fer_free(pinned);
    }
}

static void an_appender_rebuilt_from_bytes_goes_on_alike(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 3);
    for (int round = 0; round < 50; round++) {
        sample s[SERIES_MAX];
        size_t n = random_series(&r, s);
        size_t cut = (size_t)(fer_rng_seeded_next(&r) % n);
        fer_str whole = chunk_of(s, n);
        fer_str part = chunk_of(s, cut);
        uint8_t *buf = fer_calloc(1, whole.n + XOR_SAMPLE_BYTES_MAX);
        memcpy(buf, part.p, part.n);
        xor_appender a;
        assert_int_equal(xor_resume(&a, part), FER_OK);
        assert_int_equal(a.n, cut);
        for (size_t i = cut; i < n; i++)
            xor_append(&a, buf, s[i].t, s[i].v);
        assert_int_equal(xor_bytes(&a), whole.n);
        assert_memory_equal(buf, whole.p, whole.n);
        fer_free(buf);
        fer_free((void *)part.p);
        fer_free((void *)whole.p);
    }
}

/* ---- damage ---- */

static void every_truncation_is_refused(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 5);
    for (int round = 0; round < 10; round++) {
        sample s[SERIES_MAX];
        size_t n = random_series(&r, s);
        fer_str chunk = chunk_of(s, n);
        for (size_t cut = 0; cut < chunk.n; cut++) {
            char *exact = fer_memdup0(chunk.p, cut);
            exact = fer_realloc(exact, cut + (cut == 0));
            samples out;
            samples_init(&out, NULL);
            assert_int_equal(xor_decode((fer_str){exact, cut}, 0, INT64_MIN, INT64_MAX, &out),
                             FER_CORRUPT);
            assert_true(out.n < n);
            if (out.n > 0) /* what was whole is delivered as it was */
                assert_samples(&out, s, out.n);
            xor_appender a = {.n = 77};
            assert_int_equal(xor_resume(&a, (fer_str){exact, cut}), FER_CORRUPT);
            assert_int_equal(a.n, 77);
            samples_done(&out);
            fer_free(exact);
        }
        fer_free((void *)chunk.p);
    }
}

static void impossible_codes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint8_t stream[14]; /* after t0 = 0, v0 = 0 */
        uint16_t n;
    } t[] = {
        {"window used before there is one", {1, 0x80}, 2},
        {"window wider than 64 bits", {1, 0xff, 0xff, 0xff}, 2},
        {"second sample not later", {0, 0}, 2},
        {"third sample not later: dod -1", {1, 0x5f, 0xff, 0x80}, 3},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char chunk[11 + sizeof t->stream] = {0};
        be16_put((uint8_t *)chunk, t[i].n);
        memcpy(chunk + 11, t[i].stream, sizeof t->stream);
        samples out;
        samples_init(&out, NULL);
        fer_str c = {chunk, sizeof chunk};
        if (xor_decode(c, 0, INT64_MIN, INT64_MAX, &out) != FER_CORRUPT)
            fail_msg("%s", t[i].what);
        assert_int_equal(out.n, t[i].n - 1);
        samples_done(&out);
    }
}

static void a_lying_count_reserves_no_more_than_the_bytes_allow(void **state)
{
    (void)state;
    sample s[] = {{1, 1}};
    fer_str chunk = chunk_of(s, 1);
    be16_put((uint8_t *)(uintptr_t)chunk.p, UINT16_MAX);
    samples out;
    samples_init(&out, NULL);
    assert_int_equal(xor_decode(chunk, 0, INT64_MIN, INT64_MAX, &out), FER_CORRUPT);
    assert_samples(&out, s, 1);
    assert_true(out.cap < 1000);
    samples_done(&out);
    fer_free((void *)chunk.p);
}

static void a_budget_that_is_spent_refuses(void **state)
{
    (void)state;
    sample s[SERIES_MAX];
    size_t n = golden_gauge(s);
    fer_str chunk = chunk_of(s, n);
    fer_account acct;
    fer_account_init(&acct, "test", NULL, 100);
    samples out;
    samples_init(&out, &acct);
    assert_int_equal(xor_decode(chunk, 0, INT64_MIN, INT64_MAX, &out), FER_LIMIT);
    assert_int_equal(out.n, 0);
    assert_int_equal(fer_account_used(&acct), 0);
    samples_done(&out);
    fer_free((void *)chunk.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_prometheus_writes),
        cmocka_unit_test(timestamps_at_every_code_boundary_come_back),
        cmocka_unit_test(extreme_timestamps_fit_the_promised_room),
        cmocka_unit_test(special_values_keep_their_bits),
        cmocka_unit_test(random_series_come_back),
        cmocka_unit_test(short_codes_are_those_of_the_long_way),
        cmocka_unit_test(only_the_time_range_is_delivered),
        cmocka_unit_test(samples_are_appended_behind_those_there),
        cmocka_unit_test(a_pinned_prefix_survives_later_appends),
        cmocka_unit_test(an_appender_rebuilt_from_bytes_goes_on_alike),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(impossible_codes_are_refused),
        cmocka_unit_test(a_lying_count_reserves_no_more_than_the_bytes_allow),
        cmocka_unit_test(a_budget_that_is_spent_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
