/* The input is one record: decoding stays within its bytes; histograms that decoded, written again, decode in the same
 * number. */
#include <assert.h>

#include "tsdb/wal/record_hist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct seen {
    fer_buf again;
    size_t n;
} seen;

static const record_base base = {3, 5};

static fer_code see_histogram(void *arg, uint64_t ref, int64_t t, int64_t st, const hist_sample *s)
{
    seen *x = arg;
    (void)st;
    if (x->again.n == 0)
        record_based_begin(&x->again, record_type_of_histogram(s), base);
    if ((uint8_t)x->again.p[0] == record_type_of_histogram(s)) {
        record_histogram_add(&x->again, base, ref, t, s);
        x->n++;
    }
    return FER_OK;
}

static fer_code count_histogram(void *arg, uint64_t ref, int64_t t, int64_t st,
                                const hist_sample *s)
{
    (void)ref, (void)t, (void)st, (void)s;
    ++*(size_t *)arg;
    return FER_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    seen x = {.n = 0};
    fer_buf_init(&x.again, 1 << 24, NULL);
    const record_hist_visitor v = {.arg = &x, .histogram = see_histogram};
    fer_code code = record_hist_decode((fer_str){(const char *)data, size}, a, &v, NULL);
    assert(code == FER_OK || code == FER_CORRUPT || code == FER_UNSUPPORTED);
    size_t n = 0;
    const record_hist_visitor count = {.arg = &n, .histogram = count_histogram};
    if (x.n > 0 && record_hist_decode(fer_buf_str(&x.again), a, &count, NULL) == FER_OK)
        assert(n == x.n);
    else
        assert(x.n == 0);
    fer_buf_done(&x.again);
    fer_arena_free(a);
    return 0;
}
