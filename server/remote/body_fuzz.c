/* body_fuzz.c - bodies as foreign bytes: what comes out fits the limit and is what libsnappy and
 * libzstd's one-shot decoder say. The first byte chooses the encoding. */
#include <assert.h>

#include <snappy-c.h>
#include <zstd.h>

#include "server/remote/body.h"

enum { OUT_BYTES_MAX = 1 << 20 };

static void check_zstd(fer_str body, fer_code c, const fer_buf *out)
{
    char *expected = fer_alloc(OUT_BYTES_MAX);
    size_t n = ZSTD_decompress(expected, OUT_BYTES_MAX, body.p, body.n);
    if (c == FER_OK) /* the one-shot decoder also takes an empty body and larger windows */
        assert(!ZSTD_isError(n) && n == out->n && memcmp(expected, out->p, n) == 0);
    fer_free(expected);
}

static void check_snappy(fer_str body, fer_code c, const fer_buf *out)
{
    char *expected = fer_alloc(OUT_BYTES_MAX);
    size_t n = OUT_BYTES_MAX;
    bool ok = snappy_uncompress(body.p, body.n, expected, &n) == SNAPPY_OK;
    assert(ok == (c == FER_OK));
    if (ok)
        assert(n == out->n && memcmp(expected, out->p, n) == 0);
    fer_free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    rw_decoder d = {0};
    fer_buf out;
    fer_err err;
    fer_str body = {(const char *)data + 1, size - 1};
    rw_encoding e = (rw_encoding)(data[0] % 3);
    fer_buf_init(&out, OUT_BYTES_MAX, NULL);
    fer_code c = rw_decode(&d, e, body, &out, &err);
    assert(out.n <= OUT_BYTES_MAX);
    if (e == RW_ZSTD)
        check_zstd(body, c, &out);
    if (e == RW_SNAPPY)
        check_snappy(body, c, &out);
    rw_decoder_done(&d);
    fer_buf_done(&out);
    return 0;
}
