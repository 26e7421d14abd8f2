/* The input's first byte chooses the encoding, the rest is a chunk. Decoding never leaves the bytes and delivers
 * ascending times; what it gave, written anew, decodes to the same. */
#include <assert.h>

#include "tsdb/chunk/chunk_hist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK_BYTES_MAX = 4096 };

static bool has_ascending_spans(const hist_sample *s)
{
    for (int k = 0; k < HIST_SIDES; k++)
        for (uint32_t i = 1; i < s->side[k].n_spans; i++)
            if (s->side[k].spans[i].offset < 0)
                return false;
    return true;
}

/* The sum is that of an iterator's sample: told apart by their bits, for they may be NaN. */
static void assert_same(const hist_sample *a, const hist_sample *b)
{
    assert(a->schema == b->schema && f64_bits(a->sum) == f64_bits(b->sum));
    assert(a->count.u == b->count.u && a->zero_count.u == b->zero_count.u);
}

/* The newest sample of our chunk is that one. */
static void assert_ends_with(const hist_chunk *c, int64_t t, const hist_sample *s)
{
    fer_arena *tmp = fer_arena_new(NULL, 0);
    hist_iter it;
    fer_code code = hist_iter_init(&it, hist_chunk_encoding(c), hist_chunk_bytes(c), 0, tmp);
    while (code == FER_OK && it.i < it.n)
        code = hist_iter_next(&it);
    assert(code == FER_OK && it.t == t && it.i == hist_chunk_count(c));
    assert_same(&it.sample, s);
    fer_arena_free(tmp);
}

/* All samples of the chunk in chunks of our own, read again now and then. */
static void round_trip(uint8_t encoding, fer_str chunk, fer_arena *arena)
{
    hist_iter it;
    if (hist_iter_init(&it, encoding, chunk, 0, arena) != FER_OK)
        return;
    hist_chunk *open = NULL;
    while (hist_iter_next(&it) == FER_OK && has_ascending_spans(&it.sample)) {
        hist_chunk *prev = open;
        open = prev == NULL ? hist_chunk_new(NULL, it.t, &it.sample)
                            : hist_chunk_append(prev, it.t, &it.sample);
        if (open != prev)
            hist_chunk_free(prev);
        if (it.i == it.n || it.i % 8 == 1)
            assert_ends_with(open, it.t, &it.sample);
    }
    hist_chunk_free(open);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t encodings[] = {CHUNK_HISTOGRAM, CHUNK_FLOAT_HISTOGRAM, CHUNK_HISTOGRAM_ST,
                                        CHUNK_FLOAT_HISTOGRAM_ST};
    if (size == 0 || size > CHUNK_BYTES_MAX)
        return 0;
    uint8_t encoding = encodings[data[0] % 4];
    fer_str chunk = {(const char *)data + 1, size - 1};
    samples all;
    samples_init(&all, NULL);
    fer_code code = hist_decode(encoding, chunk, 0, INT64_MIN, INT64_MAX, &all);
    assert(code == FER_OK || code == FER_CORRUPT || code == FER_UNSUPPORTED);
    for (size_t i = 0; i < all.n; i++)
        assert(all.h[i] != NULL && (i == 0 || all.t[i - 1] < all.t[i]));
    round_trip(encoding, chunk, samples_arena(&all));
    samples_done(&all);
    return 0;
}
