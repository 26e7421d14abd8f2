/* Two readings of the input. As a chunk: decoding never leaves the bytes, delivers ascending times,
 * and what it accepted in full, appended anew, decodes to the same. As a list of samples: they come
 * back bit for bit, at every pinned length. */
#include <assert.h>

#include "tsdb/chunk/chunk_xor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK_BYTES_MAX = 4096, SAMPLE_INPUT_BYTES = 10 };

static void assert_same(const samples *a, const samples *b, size_t n)
{
    assert(b->n == n && a->n >= n);
    for (size_t i = 0; i < n; i++)
        assert(a->t[i] == b->t[i] && f64_bits(a->v[i]) == f64_bits(b->v[i]));
}

/* Writes the samples anew and reads them back; every `stride`-th prefix is read while it grows. */
static void round_trip(const samples *s, size_t stride)
{
    uint8_t *buf = fer_calloc(1, 2 + s->n * XOR_SAMPLE_BYTES_MAX + XOR_SAMPLE_BYTES_MAX);
    samples out;
    samples_init(&out, NULL);
    xor_appender a;
    xor_init(&a);
    for (size_t i = 0; i < s->n; i++) {
        xor_append(&a, buf, s->t[i], s->v[i]);
        if (i % stride != 0 && i + 1 != s->n)
            continue;
        fer_str chunk = {(char *)buf, xor_bytes(&a)};
        samples_clear(&out);
        assert(xor_decode(chunk, (uint32_t)i + 1, INT64_MIN, INT64_MAX, &out) == FER_OK);
        assert_same(s, &out, i + 1);

        xor_appender again;
        assert(xor_resume(&again, chunk) == FER_OK);
        assert(again.bits == a.bits && again.t == a.t && again.n == a.n);
        assert(again.leading == a.leading &&
               (again.leading == 0xff || again.trailing == a.trailing));
    }
    samples_done(&out);
    fer_free(buf);
}

static void as_chunk(const uint8_t *data, size_t size)
{
    fer_str chunk = {(const char *)data, size};
    samples all, part;
    samples_init(&all, NULL);
    samples_init(&part, NULL);
    fer_code code = xor_decode(chunk, 0, INT64_MIN, INT64_MAX, &all);
    assert(code == FER_OK || code == FER_CORRUPT);
    for (size_t i = 1; i < all.n; i++)
        assert(all.t[i - 1] < all.t[i]);
    if (all.n > 2) {
        int64_t mint = all.t[1], maxt = all.t[all.n - 2];
        assert(xor_decode(chunk, 0, mint, maxt, &part) == FER_OK);
        assert(part.n == all.n - 2 && part.t[0] == mint && part.t[part.n - 1] == maxt);
    }
    xor_appender a;
    if (xor_resume(&a, chunk) == FER_OK)
        assert(code == FER_OK && a.n == all.n && xor_bytes(&a) == size);
    round_trip(&all, 1 + all.n / 8);
    samples_done(&part);
    samples_done(&all);
}

/* Each 10 bytes a sample: how much later (shaped by the first byte), and the value's bits, of which
 * some repeat the last value's. */
static void as_samples(const uint8_t *data, size_t size)
{
    samples s;
    samples_init(&s, NULL);
    int64_t t = 0;
    uint64_t v = 0;
    for (; size >= SAMPLE_INPUT_BYTES; data += SAMPLE_INPUT_BYTES, size -= SAMPLE_INPUT_BYTES) {
        uint64_t x;
        memcpy(&x, data + 2, sizeof x);
        int64_t step = 1 + (int64_t)(x >> 2 >> (data[0] & 63));
        if (t > INT64_MAX - step)
            break;
        t += step;
        v ^= data[1] & 1 ? x >> (data[1] >> 2) : 0;
        fer_code code = samples_add(&s, t, f64_of_bits(v));
        assert(code == FER_OK);
    }
    round_trip(&s, 1 + s.n / 8);
    samples_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > CHUNK_BYTES_MAX)
        return 0;
    if (data[0] & 1)
        as_samples(data + 1, size - 1);
    else
        as_chunk(data + 1, size - 1);
    return 0;
}
