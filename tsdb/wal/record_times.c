/* record_times.c - types 4 and 7 to 13 (FORMAT.md 12).
 *
 *    4, 7-10   [ base_ref u64, base_t u64, { varint dref, varint dt, item }... ]
 *    11-13     first: varint ref, varint t, varint st, item; then { varint dref, varint t - first_t, marker, item }
 *    marker    u8; 2 is followed by varint st
 */
#include "tsdb/wal/record_times.h"

#include "base/varint.h"

enum { MARKER_EXPLICIT = 2, SCHEMA_CUSTOM = -53 };

bool record_has_times(uint8_t type)
{
    return type == RECORD_EXEMPLARS ||
           (type >= RECORD_HISTOGRAM_SAMPLES && type <= RECORD_FLOAT_HISTOGRAM_SAMPLES_V2);
}

static fer_code skip(fer_rd *r, uint64_t n)
{
    fer_str bytes;
    return rd_bytes(r, n, &bytes);
}

static fer_code skip_varints(fer_rd *r, uint64_t n)
{
    uint64_t v;
    for (uint64_t i = 0; i < n; i++)
        FER_TRY(rd_uvarint(r, &v));
    return FER_OK;
}

/* A count, and so many numbers of 8 bytes. */
static fer_code skip_doubles(fer_rd *r)
{
    uint64_t n;
    FER_TRY(rd_uvarint(r, &n));
    return n > rd_left(r) / 8 ? FER_CORRUPT : skip(r, n * 8);
}

static fer_code skip_spans(fer_rd *r)
{
    uint64_t n;
    FER_TRY(rd_uvarint(r, &n));
    return n > rd_left(r) / 2 ? FER_CORRUPT : skip_varints(r, 2 * n);
}

static fer_code skip_deltas(fer_rd *r)
{
    uint64_t n;
    FER_TRY(rd_uvarint(r, &n));
    return skip_varints(r, n);
}

static fer_code skip_histogram(fer_rd *r, bool of_floats)
{
    int64_t schema;
    FER_TRY(skip(r, 1));
    FER_TRY(rd_varint(r, &schema));
    FER_TRY(skip(r, 8)); /* zero threshold */
    FER_TRY(of_floats ? skip(r, 16) : skip_varints(r, 2));
    FER_TRY(skip(r, 8)); /* sum */
    FER_TRY(skip_spans(r));
    FER_TRY(skip_spans(r));
    for (int i = 0; i < 2; i++)
        FER_TRY(of_floats ? skip_doubles(r) : skip_deltas(r));
    return schema == SCHEMA_CUSTOM ? skip_doubles(r) : FER_OK;
}

static fer_code skip_exemplar(fer_rd *r)
{
    uint64_t n;
    fer_str s;
    FER_TRY(skip(r, 8));
    FER_TRY(rd_uvarint(r, &n));
    if (n > rd_left(r) / 2)
        return FER_CORRUPT;
    for (uint64_t i = 0; i < 2 * n; i++)
        FER_TRY(rd_str(r, &s));
    return FER_OK;
}

static fer_code skip_item(fer_rd *r, uint8_t type)
{
    switch (type) {
    case RECORD_EXEMPLARS:
        return skip_exemplar(r);
    case RECORD_SAMPLES_V2:
        return skip(r, 8);
    case RECORD_HISTOGRAM_SAMPLES:
    case RECORD_CUSTOM_HISTOGRAM_SAMPLES:
    case RECORD_HISTOGRAM_SAMPLES_V2:
        return skip_histogram(r, false);
    default:
        return skip_histogram(r, true);
    }
}

static void see(int64_t *newest, int64_t base, int64_t distance)
{
    int64_t t = (int64_t)((uint64_t)base + (uint64_t)distance);
    if (t > *newest)
        *newest = t;
}

static fer_code newest_of_based(fer_rd *r, uint8_t type, int64_t *ret)
{
    uint64_t base;
    FER_TRY(skip(r, 8));
    FER_TRY(rd_be64(r, &base));
    while (rd_left(r) != 0) {
        int64_t dref, dt;
        FER_TRY(rd_varint(r, &dref));
        FER_TRY(rd_varint(r, &dt));
        FER_TRY(skip_item(r, type));
        see(ret, (int64_t)base, dt);
    }
    return FER_OK;
}

static fer_code newest_of_started(fer_rd *r, uint8_t type, int64_t *ret)
{
    int64_t first = 0;
    for (bool begin = true; rd_left(r) != 0; begin = false) {
        int64_t ref, t, start;
        uint8_t marker = MARKER_EXPLICIT;
        FER_TRY(rd_varint(r, &ref));
        FER_TRY(rd_varint(r, &t));
        if (!begin)
            FER_TRY(rd_u8(r, &marker));
        if (marker == MARKER_EXPLICIT)
            FER_TRY(rd_varint(r, &start));
        FER_TRY(skip_item(r, type));
        see(ret, first, t);
        if (begin)
            first = t;
    }
    return FER_OK;
}

fer_code record_newest(fer_str rec, int64_t *ret)
{
    uint8_t type = record_type_of(rec);
    fer_rd r = rd_of(str_from(rec, 1));
    *ret = INT64_MIN;
    if (rd_left(&r) == 0)
        return FER_OK;
    fer_code code = type >= RECORD_SAMPLES_V2 ? newest_of_started(&r, type, ret)
                                              : newest_of_based(&r, type, ret);
    return code == FER_OK ? FER_OK : FER_CORRUPT;
}
