/* The input is an XOR2 chunk: decoding never leaves the bytes and delivers ascending times; a narrower range gives a
 * part of the same. */
#include <assert.h>

#include "tsdb/chunk/chunk_xor2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_str chunk = {(const char *)data, size};
    samples all, part;
    samples_init(&all, NULL);
    samples_init(&part, NULL);
    fer_code code = xor2_decode(chunk, 0, INT64_MIN, INT64_MAX, &all);
    assert(code == FER_OK || code == FER_CORRUPT);
    for (size_t i = 1; i < all.n; i++)
        assert(all.t[i - 1] < all.t[i]);
    if (all.n > 2) {
        code = xor2_decode(chunk, 0, all.t[1], all.t[all.n - 2], &part);
        assert(code == FER_OK && part.n == all.n - 2);
        for (size_t i = 0; i < part.n; i++)
            assert(part.t[i] == all.t[i + 1] && f64_bits(part.v[i]) == f64_bits(all.v[i + 1]) &&
                   (part.st == NULL ? 0 : part.st[i]) == (all.st == NULL ? 0 : all.st[i + 1]));
    }
    samples_done(&part);
    samples_done(&all);
    return 0;
}
