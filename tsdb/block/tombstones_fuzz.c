/* The input is a tombstones file, by its first byte as it is or with its checksum put right. What is read comes sorted,
 * intervals of a ref apart from each other; written anew it reads as the same. */
#include "tsdb/block/tombstones.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/varint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER_BYTES = 5, CRC_BYTES = 4 };

static void check_order(const tombstones *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const tombstone *s = &t->v[i];
        assert(i == 0 || s[-1].ref < s->ref || (s[-1].ref == s->ref && s[-1].maxt < s->mint));
        size_t n;
        const tombstone *of = tombstones_of(t, s->ref, &n);
        assert(of != NULL && of <= s && s < of + n);
    }
}

static void read_again(const tombstones *t)
{
    fer_buf bytes;
    fer_err err = {0};
    tombstones again;
    fer_buf_init(&bytes, 64 << 20, NULL);
    tombstones_print(&bytes, t);
    tombstones_init(&again, NULL);
    fer_code code = tombstones_parse(&again, fer_buf_str(&bytes), &err);
    assert(code == FER_OK && again.n == t->n);
    for (size_t i = 0; i < t->n; i++)
        assert(again.v[i].ref == t->v[i].ref && again.v[i].mint == t->v[i].mint &&
               again.v[i].maxt == t->v[i].maxt);
    tombstones_done(&again);
    fer_buf_done(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool fix = data[0] % 2 == 1;
    size--;
    uint8_t *copy = fer_alloc(size + 1);
    memcpy(copy, data + 1, size);
    if (fix && size >= HEADER_BYTES + CRC_BYTES)
        be32_put(copy + size - CRC_BYTES,
                 crc32c(0, copy + HEADER_BYTES, size - HEADER_BYTES - CRC_BYTES));
    tombstones t;
    fer_err err = {0};
    tombstones_init(&t, NULL);
    fer_code code = tombstones_parse(&t, (fer_str){(const char *)copy, size}, &err);
    assert(code == FER_OK || (code == FER_CORRUPT && err.msg[0] != '\0' && t.n == 0));
    if (code == FER_OK) {
        check_order(&t);
        read_again(&t);
    }
    tombstones_done(&t);
    fer_free(copy);
    return 0;
}
