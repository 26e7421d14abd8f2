/* Three readings of the input, by its first byte: a segment's bytes; the same with every checksum put
 * right, so that fuzzing gets behind them; and a program that builds a segment from fragments, so that
 * a few bytes make many pages. Reading stays within the bytes; records and damages come in order and do
 * not overlap; a segment cut short gives a first part of the records. */
#include <assert.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/varint.h"
#include "tsdb/wal/wal_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGES_MAX = 8, RECORDS_MAX = 64 * 1024 };

typedef struct seen {
    uint64_t size;
    uint64_t at;   /* where the next record or damage may begin */
    uint64_t last; /* where the last record began */
    size_t n;
    uint64_t sums[RECORDS_MAX]; /* of all records up to each */
} seen;

static seen whole, part;

static fer_code see_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    seen *s = arg;
    assert(segment == 7 && offset >= s->at && offset + WAL_HEADER_BYTES <= s->size);
    assert(rec.n <= WAL_RECORD_BYTES_MAX);
    s->at = offset + WAL_HEADER_BYTES;
    uint64_t sum = s->n == 0 ? 0 : s->sums[s->n - 1];
    sum = (sum ^ offset ^ (uint64_t)crc32c(0, rec.p, rec.n) << 32 ^ rec.n) * 0x100000001b3;
    assert(s->n < RECORDS_MAX);
    s->sums[s->n++] = sum;
    return FER_OK;
}

static void see_damage(void *arg, const wal_damage *d)
{
    seen *s = arg;
    assert(d->segment == 7 && d->path == NULL && d->why[0] != '\0' && d->lost_bytes != 0);
    assert(d->offset >= s->at && d->offset + d->lost_bytes <= s->size);
    assert(!d->torn || d->offset + d->lost_bytes == s->size);
    s->at = d->offset + d->lost_bytes;
}

static void read_all(seen *s, const uint8_t *p, size_t n)
{
    s->size = n;
    s->at = s->n = 0;
    fer_code code = wal_read_segment((fer_str){(const char *)p, n}, 7, see_record, see_damage, s);
    assert(code == FER_OK);
}

static void check(const uint8_t *p, size_t n, size_t cut)
{
    read_all(&whole, p, n);
    uint8_t *exact = fer_alloc(cut + 1);
    memcpy(exact, p, cut);
    exact = fer_realloc(exact, cut == 0 ? 1 : cut);
    read_all(&part, exact, cut);
    fer_free(exact);
    assert(part.n <= whole.n);
    assert(part.n == 0 || part.sums[part.n - 1] == whole.sums[part.n - 1]);
}

/* Walks the fragments as far as they make sense and puts their checksums right. */
static void fix_checksums(uint8_t *p, size_t n)
{
    for (size_t i = 0; i + WAL_HEADER_BYTES <= n;) {
        size_t left = WAL_PAGE_BYTES - i % WAL_PAGE_BYTES;
        if (left < WAL_HEADER_BYTES || p[i] == 0) {
            i += left;
            continue;
        }
        size_t length = be16_get(p + i + 1) % (left - WAL_HEADER_BYTES + 1);
        if (length > n - i - WAL_HEADER_BYTES)
            length = n - i - WAL_HEADER_BYTES;
        be16_put(p + i + 1, (uint16_t)length);
        be32_put(p + i + 3, crc32c(0, p + i + WAL_HEADER_BYTES, length));
        i += WAL_HEADER_BYTES + length;
    }
}

typedef struct program {
    fer_rd in;
    uint8_t p[PAGES_MAX * WAL_PAGE_BYTES];
    size_t n;
} program;

static size_t page_left(const program *b)
{
    return WAL_PAGE_BYTES - b->n % WAL_PAGE_BYTES;
}

/* A fragment of type `type` whose data begin with `data` and go on with zeros up to length. */
static void put_fragment(program *b, uint8_t type, fer_str data, size_t length)
{
    if (sizeof b->p - b->n < WAL_HEADER_BYTES + length)
        return;
    uint8_t *p = b->p + b->n;
    memset(p, 0, WAL_HEADER_BYTES + length);
    p[0] = type;
    be16_put(p + 1, (uint16_t)length);
    memcpy(p + WAL_HEADER_BYTES, data.p, data.n < length ? data.n : length);
    be32_put(p + 3, crc32c(0, p + WAL_HEADER_BYTES, length));
    b->n += WAL_HEADER_BYTES + length;
}

/* One step: what to do, a fragment's type, and bytes. False at the end of the program. */
static bool step(program *b)
{
    uint8_t what, type;
    fer_str data;
    if (rd_u8(&b->in, &what) != FER_OK || rd_u8(&b->in, &type) != FER_OK ||
        rd_str(&b->in, &data) != FER_OK)
        return false;
    size_t left = page_left(b), fill = left < WAL_HEADER_BYTES ? 0 : left - WAL_HEADER_BYTES;
    switch (what % 6) {
    case 0: /* a fragment of these bytes */
        put_fragment(b, type, data, data.n < fill ? data.n : fill);
        break;
    case 1: /* one that fills the page */
        put_fragment(b, type, data, fill);
        break;
    case 2: /* one that leaves a few bytes of it */
        put_fragment(b, type, data, fill > data.n ? fill - data.n : 0);
        break;
    case 3: /* the rest of the page is zeros */
        b->n = b->n + left <= sizeof b->p ? b->n + left : b->n;
        break;
    case 4: /* bytes as they are */
        for (size_t i = 0; i < data.n && b->n < sizeof b->p; i++)
            b->p[b->n++] = (uint8_t)data.p[i];
        break;
    case 5: /* a wrong checksum */
        put_fragment(b, type, data, data.n < fill ? data.n : fill);
        if (b->n != 0)
            b->p[b->n - 1] ^= type;
        break;
    }
    return true;
}

static void run_program(const uint8_t *data, size_t size, size_t cut)
{
    static program b;
    memset(&b, 0, sizeof b);
    b.in = rd_of((fer_str){(const char *)data, size});
    while (step(&b))
        continue;
    check(b.p, b.n, b.n == 0 ? 0 : cut * 131 % b.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    uint8_t mode = data[0];
    size_t cut = be16_get(data + 1);
    data += 3;
    size -= 3;
    if (mode % 3 == 2) {
        run_program(data, size, cut);
        return 0;
    }
    uint8_t *copy = fer_alloc(size + 1);
    memcpy(copy, data, size);
    if (mode % 3 == 1)
        fix_checksums(copy, size);
    check(copy, size, size == 0 ? 0 : cut % size);
    fer_free(copy);
    return 0;
}
