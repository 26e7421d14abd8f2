/* Chunks with start timestamps: XOR2, and histograms of encodings 5 and 6. No release at hand writes them: the encoders
 * here follow the description of the format (docs/formats/chunk_xor2.md, chunk_histogram.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "tsdb/chunk/bits.h"
#include "tsdb/chunk/chunk.h"
#include "tsdb/chunk/chunk_hist.h"
#include "tsdb/chunk/chunk_xor2.h"

enum { SERIES_MAX = 300, ENCODING_XOR2 = 4 };

typedef struct sample {
    int64_t t, st;
    double v;
} sample;

/* ---- an encoder ---- */

typedef struct encoder {
    bits_out out;
    uint32_t n;
    uint8_t starts; /* header byte */
    int64_t t, st, diff;
    uint64_t delta, baseline;
    bits_window window;
} encoder;

static void put_varint(bits_out *out, int64_t v)
{
    uint8_t bytes[VARINT_MAX];
    size_t n = varint_put(bytes, v);
    for (size_t i = 0; i < n; i++)
        bits_put(out, bytes[i], 8);
}

/* What follows a sample; e->t is still the time of the one before. */
static void put_start(encoder *e, int64_t t, int64_t st)
{
    uint32_t changes_at = e->starts & 0x7f;
    if (e->n == 0) {
        if (st != 0) {
            e->starts = 0x80;
            put_varint(&e->out, t - st);
        }
    } else if (changes_at != 0) {
        bits_put_varbit_int(&e->out, (e->t - st) - e->diff);
        e->diff = e->t - st;
    } else if (st != e->st || e->n == 127) {
        e->starts |= (uint8_t)e->n;
        e->diff = e->t - st;
        bits_put_varbit_int(&e->out, e->diff);
    }
    e->st = st;
}

static bool fits(int64_t v, unsigned k)
{
    return v >= -(INT64_C(1) << (k - 1)) && v < INT64_C(1) << (k - 1);
}

static void put_window(encoder *e, uint64_t change, bool known)
{
    unsigned leading = (unsigned)__builtin_clzll(change);
    unsigned trailing = (unsigned)__builtin_ctzll(change);
    leading = leading > 31 ? 31 : leading;
    if (e->window.leading != BITS_NO_WINDOW && leading >= e->window.leading &&
        trailing >= e->window.trailing) {
        bits_put(&e->out, known ? 0 : 2, known ? 1 : 2);
        bits_put(&e->out, change >> e->window.trailing,
                 64U - e->window.leading - e->window.trailing);
        return;
    }
    bits_put(&e->out, known ? 1 : 6, known ? 1 : 3);
    bits_put(&e->out, leading, 5);
    bits_put(&e->out, (64 - leading - trailing) & 63, 6);
    bits_put(&e->out, change >> trailing, 64 - leading - trailing);
    e->window = (bits_window){(uint8_t)leading, (uint8_t)trailing};
}

static void put_code_a(encoder *e, double v, uint64_t change)
{
    if (sample_is_stale(v))
        bits_put(&e->out, 7, 3);
    else if (change == 0)
        bits_put(&e->out, 0, 1);
    else
        put_window(e, change, false);
}

static void put_joint(encoder *e, int64_t dod, double v, uint64_t change)
{
    if (dod == 0 && sample_is_stale(v)) {
        bits_put(&e->out, 31, 5);
    } else if (dod == 0 && change == 0) {
        bits_put(&e->out, 0, 1);
    } else if (dod == 0) {
        bits_put(&e->out, 2, 2);
        put_window(e, change, true);
    } else {
        unsigned width = fits(dod, 13) ? 13 : fits(dod, 20) ? 20 : 64;
        unsigned ones = width == 13 ? 2 : width == 20 ? 3 : 4;
        bits_put_ones(&e->out, ones, 5);
        bits_put(&e->out, width == 64 ? (uint64_t)dod : (uint64_t)dod & ((1U << width) - 1), width);
        put_code_a(e, v, change);
    }
}

static void encode_one(encoder *e, const sample *s)
{
    uint64_t change = sample_is_stale(s->v) ? 0 : f64_bits(s->v) ^ e->baseline;
    uint64_t delta = (uint64_t)s->t - (uint64_t)e->t;
    if (e->n == 0) {
        put_varint(&e->out, s->t);
        bits_put(&e->out, f64_bits(s->v), 64);
        delta = 0;
    } else if (e->n == 1) {
        uint8_t bytes[VARINT_MAX];
        size_t n = uvarint_put(bytes, delta);
        for (size_t i = 0; i < n; i++)
            bits_put(&e->out, bytes[i], 8);
        put_code_a(e, s->v, change);
    } else {
        put_joint(e, (int64_t)(delta - e->delta), s->v, change);
    }
    put_start(e, s->t, s->st);
    e->baseline ^= change;
    e->delta = delta;
    e->t = s->t;
    e->n++;
}

static fer_str encode(encoder *e, const sample *s, size_t n)
{
    *e = (encoder){.window = {BITS_NO_WINDOW, 0}};
    bits_put(&e->out, n, 16);
    bits_put(&e->out, 0, 8);
    for (size_t i = 0; i < n; i++)
        encode_one(e, &s[i]);
    e->out.p[2] = e->starts;
    return (fer_str){(char *)e->out.p, bits_bytes(&e->out)};
}

/* ---- round trips ---- */

static void assert_decodes(const sample *s, size_t n)
{
    encoder e;
    fer_str chunk = encode(&e, s, n);
    samples out;
    samples_init(&out, NULL);
    assert_int_equal(chunk_decode(ENCODING_XOR2, chunk, INT64_MIN, INT64_MAX, &out), FER_OK);
    assert_int_equal(out.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out.t[i], s[i].t);
        assert_true(f64_bits(out.v[i]) == f64_bits(s[i].v));
        assert_int_equal(out.st == NULL ? 0 : out.st[i], s[i].st);
    }
    samples_done(&out);
    fer_free(e.out.p);
}

static size_t random_series(fer_rng_seeded *r, sample *s)
{
    size_t n = 1 + fer_rng_seeded_next(r) % SERIES_MAX;
    uint64_t kind = fer_rng_seeded_next(r);
    int64_t t = (int64_t)(fer_rng_seeded_next(r) % 2000000000000);
    int64_t st = kind & 1 ? t - 5 : 0;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = fer_rng_seeded_next(r);
        t += kind & 2 ? 15000 : (int64_t)(1 + x % (UINT64_C(1) << (x >> 58 & 31)));
        if (kind & 4 && x % 50 == 0)
            st = t - (int64_t)(x >> 40);
        if (kind & 8)
            st = t - 1000;
        v ^= x % 3 == 0 ? 0 : x << (x >> 59);
        s[i] = (sample){t, st, x % 7 == 0 ? f64_of_bits(STALE_NAN_BITS) : f64_of_bits(v)};
        if (v == STALE_NAN_BITS)
            v = 0;
    }
    return n;
}

static void samples_and_their_starts_come_back(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 4);
    for (int i = 0; i < 400; i++) {
        sample s[SERIES_MAX];
        size_t n = random_series(&r, s);
        assert_decodes(s, n);
    }
}

static void distances_at_every_code_boundary_come_back(void **state)
{
    (void)state;
    static const int64_t dods[] = {0,      4095,    4096,    -4096,   -4097,           524287,
                                   524288, -524288, -524289, 1 << 30, INT64_C(1) << 50};
    sample s[SERIES_MAX] = {{.t = -5}, {.t = 3000000}};
    int64_t delta = 3000005;
    size_t n = 2;
    for (size_t i = 0; i < sizeof dods / sizeof *dods; i++, n++) {
        delta += dods[i];
        s[n] = (sample){.t = s[n - 1].t + delta, .v = (double)(n / 2)};
    }
    assert_decodes(s, n);
}

static void only_the_range_is_delivered(void **state)
{
    (void)state;
    sample s[20];
    for (int i = 0; i < 20; i++)
        s[i] = (sample){i * 10 + 10, i * 10, i};
    encoder e;
    fer_str chunk = encode(&e, s, 20);
    samples out;
    samples_init(&out, NULL);
    assert_int_equal(xor2_decode(chunk, 0, 45, 100, &out), FER_OK);
    assert_int_equal(out.n, 6);
    assert_int_equal(out.t[0], 50);
    assert_int_equal(out.st[0], 40);
    samples_done(&out);
    fer_free(e.out.p);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 9);
    for (int round = 0; round < 8; round++) {
        sample s[SERIES_MAX];
        size_t n = random_series(&r, s);
        encoder e;
        fer_str chunk = encode(&e, s, n);
        for (size_t cut = 0; cut < chunk.n; cut++) {
            char *exact = memcpy(fer_alloc(cut + 1), chunk.p, cut);
            exact = fer_realloc(exact, cut + (cut == 0));
            samples out;
            samples_init(&out, NULL);
            assert_int_equal(
                chunk_decode(ENCODING_XOR2, (fer_str){exact, cut}, INT64_MIN, INT64_MAX, &out),
                FER_CORRUPT);
            assert_true(out.n < n);
            samples_done(&out);
            fer_free(exact);
        }
        fer_free(e.out.p);
    }
}

/* ---- histograms with start timestamps ---- */

/* One bucket, every sample one more: integer samples of schema 0. */
static fer_str encode_histograms(encoder *e, const sample *s, size_t n)
{
    *e = (encoder){.n = 0};
    bits_put(&e->out, 0x8000U | n, 16); /* begins with a reset */
    bits_put(&e->out, 0, 8);
    bits_put(&e->out, 0, 8);
    bits_put_varbit_int(&e->out, 0);
    bits_put_varbit_uint(&e->out, 1);
    bits_put_varbit_uint(&e->out, 1);
    bits_put_varbit_int(&e->out, 3);
    bits_put_varbit_uint(&e->out, 0);
    for (size_t i = 0; i < n; i++) {
        uint64_t delta = (uint64_t)s[i].t - (uint64_t)e->t;
        bits_put_varbit_int(&e->out, i == 0 ? s[i].t : (int64_t)(delta - e->delta));
        bits_put_varbit_int(&e->out, i == 1); /* the count's step becomes 1 */
        bits_put_varbit_int(&e->out, 0);
        bits_put(&e->out, 0, i == 0 ? 64 : 1);
        bits_put_varbit_int(&e->out, i == 1);
        put_start(e, s[i].t, s[i].st);
        e->delta = i == 0 ? 0 : delta;
        e->t = s[i].t;
        e->n++;
    }
    e->out.p[2] = e->starts;
    return (fer_str){(char *)e->out.p, bits_bytes(&e->out)};
}

static void histograms_come_with_their_starts(void **state)
{
    (void)state;
    sample s[SERIES_MAX];
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < SERIES_MAX; i++) {
            int64_t t = 1000 + 15 * i;
            s[i] = (sample){.t = t, .st = kind == 0 ? 0 : kind == 1 ? 990 : t - 7};
            if (kind == 3)
                s[i].st = i < 50 ? 0 : t / 200 * 200;
        }
        encoder e;
        fer_str chunk = encode_histograms(&e, s, SERIES_MAX);
        samples out;
        samples_init(&out, NULL);
        assert_int_equal(chunk_decode(CHUNK_HISTOGRAM_ST, chunk, INT64_MIN, INT64_MAX, &out),
                         FER_OK);
        assert_int_equal(out.n, SERIES_MAX);
        for (int i = 0; i < SERIES_MAX; i++) {
            assert_int_equal(out.t[i], s[i].t);
            assert_int_equal(out.st == NULL ? 0 : out.st[i], s[i].st);
            assert_true(out.h[i]->count == i && out.h[i]->pos[0] == i);
        }
        samples_done(&out);
        fer_free(e.out.p);
    }
}

static void encodings_that_nobody_knows_are_said_so(void **state)
{
    (void)state;
    samples out;
    samples_init(&out, NULL);
    assert_int_equal(chunk_decode(0, STR("abc"), 0, 1, &out), FER_UNSUPPORTED);
    assert_int_equal(chunk_decode(7, STR("abc"), 0, 1, &out), FER_UNSUPPORTED);
    samples_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_and_their_starts_come_back),
        cmocka_unit_test(distances_at_every_code_boundary_come_back),
        cmocka_unit_test(only_the_range_is_delivered),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(histograms_come_with_their_starts),
        cmocka_unit_test(encodings_that_nobody_knows_are_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
