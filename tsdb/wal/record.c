/* record.c - WAL records (docs/formats/wal.md).
 *
 *   series      1 { ref u64, uvarint n, n x { str name, str value } }...
 *   samples     2 [ base_ref u64, base_t u64, { varint ref-base_ref, varint t-base_t, value u64 }... ]
 *   tombstones  3 { ref u64, varint mint, varint maxt }...
 *   markers     5 { ref u64, place u64 }...
 *   metadata    6 { uvarint ref, type u8, uvarint n, n x { str key, str value } }...
 *
 * Fixed integers are big-endian; str is a uvarint length and the bytes. Differences wrap around, so
 * any two refs or times have one.
 */
#include "tsdb/wal/record.h"

#include "base/mem.h"
#include "base/varint.h"

/* ---- encoding ---- */

static void put_u64(fer_buf *out, uint64_t v)
{
    uint8_t *p = (uint8_t *)fer_buf_room(out, 8);
    if (p == NULL)
        return;
    be64_put(p, v);
    out->n += 8;
}

static void put_uvarint(fer_buf *out, uint64_t v)
{
    uint8_t *p = (uint8_t *)fer_buf_room(out, VARINT_MAX);
    if (p != NULL)
        out->n += uvarint_put(p, v);
}

static void put_str(fer_buf *out, fer_str s)
{
    put_uvarint(out, s.n);
    fer_buf_puts(out, s);
}

void record_series_begin(fer_buf *out)
{
    fer_buf_putc(out, RECORD_SERIES);
}

/* Where there is room. */
static uint8_t *copy_str(uint8_t *at, fer_str s)
{
    at += uvarint_put(at, s.n);
    if (s.n != 0)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

void record_series_add(fer_buf *out, uint64_t ref, labels ls)
{
    size_t need = sizeof ref + VARINT_MAX;
    for (size_t i = 0; i < ls.n; i++)
        need += ls.l[i].name.n + ls.l[i].value.n + (size_t)2 * VARINT_MAX;
    uint8_t *begin = (uint8_t *)fer_buf_room(out, need);
    if (begin == NULL)
        return;
    be64_put(begin, ref);
    uint8_t *at = begin + sizeof ref;
    at += uvarint_put(at, ls.n);
    for (size_t i = 0; i < ls.n; i++)
        at = copy_str(copy_str(at, ls.l[i].name), ls.l[i].value);
    out->n += (size_t)(at - begin);
}

void record_samples_begin(record_samples *s, fer_buf *out)
{
    *s = (record_samples){0};
    fer_buf_putc(out, RECORD_SAMPLES);
}

static void put_varint(fer_buf *out, int64_t v)
{
    uint8_t *p = (uint8_t *)fer_buf_room(out, VARINT_MAX);
    if (p != NULL)
        out->n += varint_put(p, v);
}

void record_tombstones_begin(fer_buf *out)
{
    fer_buf_putc(out, RECORD_TOMBSTONES);
}

void record_tombstones_add(fer_buf *out, uint64_t ref, int64_t mint, int64_t maxt)
{
    put_u64(out, ref);
    put_varint(out, mint);
    put_varint(out, maxt);
}

void record_markers_begin(fer_buf *out)
{
    fer_buf_putc(out, RECORD_MMAP_MARKERS);
}

void record_markers_add(fer_buf *out, uint64_t ref, uint64_t place)
{
    put_u64(out, ref);
    put_u64(out, place);
}

void record_metadata_begin(fer_buf *out)
{
    fer_buf_putc(out, RECORD_METADATA);
}

static void put_field(fer_buf *out, fer_str key, fer_str value)
{
    put_str(out, key);
    put_str(out, value);
}

void record_metadata_add(fer_buf *out, const record_metadata *m)
{
    bool named = m->family.n != 0;
    put_uvarint(out, m->ref);
    fer_buf_putc(out, (char)m->type);
    put_uvarint(out, named ? 3 : 2);
    put_field(out, STR("UNIT"), m->unit);
    put_field(out, STR("HELP"), m->help);
    if (named)
        put_field(out, STR("FAMILY"), m->family);
}

/* ---- decoding ---- */

/* Label sets up to this size need no allocation. */
enum { LABELS_ON_STACK = 64 };

static fer_code cut_short(fer_err *err, const char *what, fer_str rec, const fer_rd *r)
{
    return fer_fail(err, FER_CORRUPT, "%s record: bad or missing bytes at %zu of %zu", what,
                    rec.n - rd_left(r), rec.n);
}

/* Of less than 128 bytes, as nearly all are. */
static inline fer_code read_text(fer_rd *r, fer_str *ret)
{
    size_t left = rd_left(r), n = left == 0 ? 0x80 : *r->p;
    if (n >= 0x80 || n >= left)
        return rd_str(r, ret);
    *ret = (fer_str){(const char *)r->p + 1, n};
    r->p += 1 + n;
    return FER_OK;
}

static fer_code read_labels(fer_rd *r, label *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        FER_TRY(read_text(r, &l[i].name));
        FER_TRY(read_text(r, &l[i].value));
    }
    return FER_OK;
}

/* One series. A failure of the visitor comes as *ret_visit. */
static fer_code read_series(fer_rd *r, const record_visitor *v, fer_code *ret_visit)
{
    uint64_t ref, n;
    FER_TRY(rd_be64(r, &ref));
    FER_TRY(rd_uvarint(r, &n));
    if (n > rd_left(r) / 2) /* each takes two bytes at least */
        return FER_CORRUPT;
    label on_stack[LABELS_ON_STACK];
    label *l = n <= LABELS_ON_STACK ? on_stack : fer_alloc((size_t)n * sizeof *l);
    fer_code code = read_labels(r, l, (size_t)n);
    if (code == FER_OK)
        *ret_visit = v->series(v->arg, ref, (labels){l, (size_t)n});
    if (l != on_stack)
        fer_free(l);
    return code;
}

static fer_code decode_series(fer_str rec, const record_visitor *v, fer_err *err)
{
    fer_rd r = rd_of(str_from(rec, 1));
    while (rd_left(&r) != 0) {
        fer_code visit = FER_OK;
        if (read_series(&r, v, &visit) != FER_OK)
            return cut_short(err, "series", rec, &r);
        FER_TRY(visit);
    }
    return FER_OK;
}

const uint8_t *record_long_varint(const uint8_t *p, int64_t *ret)
{
    uint64_t v = *p & 0x7f;
    for (unsigned shift = 7; *p++ >= 0x80; shift += 7) {
        if (shift == 63 && *p > 1)
            return NULL;
        v |= (uint64_t)(*p & 0x7f) << shift;
    }
    *ret = zigzag_get(v);
    return p;
}

fer_code record_floats_begin(record_floats *s, fer_str rec, fer_err *err)
{
    *s = (record_floats){.left = rd_of(str_from(rec, 1))};
    if (rd_left(&s->left) == 0)
        return FER_OK;
    if (rd_be64(&s->left, &s->base_ref) != FER_OK || rd_be64(&s->left, &s->base_t) != FER_OK)
        return record_floats_damaged(s, rec, err);
    return FER_OK;
}

fer_code record_floats_damaged(const record_floats *s, fer_str rec, fer_err *err)
{
    return cut_short(err, "samples", rec, &s->left);
}

static fer_code decode_samples(fer_str rec, const record_visitor *v, fer_err *err)
{
    record_floats s;
    FER_TRY(record_floats_begin(&s, rec, err));
    while (rd_left(&s.left) != 0) {
        uint64_t ref;
        int64_t t;
        double value;
        if (record_floats_next(&s, &ref, &t, &value) != FER_OK)
            return record_floats_damaged(&s, rec, err);
        FER_TRY(v->sample(v->arg, ref, t, value));
    }
    return FER_OK;
}

static fer_code decode_tombstones(fer_str rec, const record_visitor *v, fer_err *err)
{
    fer_rd r = rd_of(str_from(rec, 1));
    while (rd_left(&r) != 0) {
        uint64_t ref;
        int64_t mint, maxt;
        if (rd_be64(&r, &ref) != FER_OK || rd_varint(&r, &mint) != FER_OK ||
            rd_varint(&r, &maxt) != FER_OK)
            return cut_short(err, "tombstones", rec, &r);
        FER_TRY(v->tombstone(v->arg, ref, mint, maxt));
    }
    return FER_OK;
}

static fer_code decode_markers(fer_str rec, const record_visitor *v, fer_err *err)
{
    fer_rd r = rd_of(str_from(rec, 1));
    while (rd_left(&r) != 0) {
        uint64_t ref, place;
        if (rd_be64(&r, &ref) != FER_OK || rd_be64(&r, &place) != FER_OK)
            return cut_short(err, "markers", rec, &r);
        FER_TRY(v->marker(v->arg, ref, place));
    }
    return FER_OK;
}

/* Other fields are passed over, as Prometheus does, which knows UNIT and HELP. */
static fer_code read_metadata(fer_rd *r, record_metadata *ret)
{
    uint64_t n;
    FER_TRY(rd_uvarint(r, &ret->ref));
    FER_TRY(rd_u8(r, &ret->type));
    FER_TRY(rd_uvarint(r, &n));
    ret->unit = ret->help = ret->family = STR("");
    for (uint64_t i = 0; i < n; i++) {
        fer_str key, value;
        FER_TRY(rd_str(r, &key));
        FER_TRY(rd_str(r, &value));
        if (str_eq(key, STR("UNIT")))
            ret->unit = value;
        else if (str_eq(key, STR("HELP")))
            ret->help = value;
        else if (str_eq(key, STR("FAMILY")))
            ret->family = value;
    }
    return FER_OK;
}

static fer_code decode_metadata(fer_str rec, const record_visitor *v, fer_err *err)
{
    fer_rd r = rd_of(str_from(rec, 1));
    while (rd_left(&r) != 0) {
        record_metadata m;
        if (read_metadata(&r, &m) != FER_OK)
            return cut_short(err, "metadata", rec, &r);
        FER_TRY(v->metadata(v->arg, &m));
    }
    return FER_OK;
}

uint8_t record_type_of(fer_str rec)
{
    return rec.n == 0 ? 0 : (uint8_t)rec.p[0];
}

fer_code record_decode(fer_str rec, const record_visitor *v, fer_err *err)
{
    uint8_t type = record_type_of(rec);
    switch (type) {
    case RECORD_SERIES:
        return v->series == NULL ? FER_OK : decode_series(rec, v, err);
    case RECORD_SAMPLES:
        return v->sample == NULL ? FER_OK : decode_samples(rec, v, err);
    case RECORD_TOMBSTONES:
        return v->tombstone == NULL ? FER_OK : decode_tombstones(rec, v, err);
    case RECORD_MMAP_MARKERS:
        return v->marker == NULL ? FER_OK : decode_markers(rec, v, err);
    case RECORD_METADATA:
        return v->metadata == NULL ? FER_OK : decode_metadata(rec, v, err);
    default:
        return fer_fail(err, FER_UNSUPPORTED, "record of type %u", type);
    }
}
