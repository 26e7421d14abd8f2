/* Bodies, behind the type byte:
 *
 *    4            base, { d, value u64, uvarint n, n x { str name, str value } }...
 *    7 to 10      base, { d, histogram }...
 *    11 to 13     { first: varint ref, varint t, varint st; later: varint ref - previous ref, varint t - first t, start;
 *                   then value u64 or histogram }...
 *
 *    base         u64 ref, u64 t
 *    d            varint ref - base ref, varint t - base t
 *    start        u8: 0 none, 1 that of the sample before, 2 varint st - first st follows
 *    histogram    u8 hint, varint schema, f64 zero threshold, zero count, count, f64 sum, spans, spans, buckets,
 *                 buckets, bounds
 *    spans        uvarint n, n x { varint offset, uvarint length }
 *    buckets      uvarint n, then n numbers
 *    bounds       of schema -53 alone: uvarint n, n x f64
 *
 * Numbers of integer histograms are uvarint counts and varint buckets; of float histograms f64. All fixed numbers are
 * big-endian.
 */
#include "tsdb/wal/record_hist.h"

#include <string.h>

#include "base/varint.h"
#include "tsdb/samples.h"

/* ---- encoding ---- */

/* Each returns what is behind what it wrote. */

static inline uint8_t *put_u64(uint8_t *to, uint64_t v)
{
    be64_put(to, v);
    return to + 8;
}

static inline uint8_t *put_uvarint(uint8_t *to, uint64_t v)
{
    return to + uvarint_put(to, v);
}

static inline uint8_t *put_varint(uint8_t *to, int64_t v)
{
    return to + varint_put(to, v);
}

static uint8_t *put_str(uint8_t *to, fer_str s)
{
    to = put_uvarint(to, s.n);
    if (s.n != 0)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

/* What was written at fer_buf_room() is of the buffer now. */
static void took_room(fer_buf *out, const uint8_t *end)
{
    out->n = (size_t)((const char *)end - out->p);
}

record_type record_type_of_histogram(const hist_sample *s)
{
    if (s->schema == HIST_SCHEMA_CUSTOM)
        return s->is_float ? RECORD_CUSTOM_FLOAT_HISTOGRAM_SAMPLES
                           : RECORD_CUSTOM_HISTOGRAM_SAMPLES;
    return s->is_float ? RECORD_FLOAT_HISTOGRAM_SAMPLES : RECORD_HISTOGRAM_SAMPLES;
}

void record_based_begin(fer_buf *out, record_type type, record_base base)
{
    enum { BASE_BYTES = 1 + 2 * 8 };
    uint8_t *to = (uint8_t *)fer_buf_room(out, BASE_BYTES);
    if (to == NULL)
        return; /* the buffer knows that it is full */
    *to = (uint8_t)type;
    took_room(out, put_u64(put_u64(to + 1, base.ref), (uint64_t)base.t));
}

static uint8_t *put_place(uint8_t *to, record_base base, uint64_t ref, int64_t t)
{
    to = put_varint(to, (int64_t)(ref - base.ref));
    return put_varint(to, (int64_t)((uint64_t)t - (uint64_t)base.t));
}

static inline uint8_t *put_count(uint8_t *to, hist_num v, bool is_float)
{
    return is_float ? put_u64(to, v.u) : put_uvarint(to, v.u);
}

static uint8_t *put_spans(uint8_t *to, const hist_side *side)
{
    to = put_uvarint(to, side->n_spans);
    for (uint32_t i = 0; i < side->n_spans; i++)
        to = put_uvarint(put_varint(to, side->spans[i].offset), side->spans[i].length);
    return to;
}

static uint8_t *put_buckets(uint8_t *to, const hist_side *side, bool is_float)
{
    const hist_num *b = side->buckets;
    const uint32_t n = side->n_buckets;
    to = put_uvarint(to, n);
    for (uint32_t i = 0; is_float && i < n; i++)
        to = put_u64(to, b[i].u);
    for (uint32_t i = 0; !is_float && i < n; i++)
        to = put_varint(to, b[i].i);
    return to;
}

/* At most. */
static size_t histogram_bytes(const hist_sample *s)
{
    enum { NUMBERS = 13 }; /* that each histogram has, lengths of arrays among them */
    size_t n = NUMBERS;
    for (int k = 0; k < HIST_SIDES; k++)
        n += 2 * (size_t)s->side[k].n_spans + s->side[k].n_buckets;
    return (n + s->n_custom) * VARINT_MAX;
}

void record_histogram_add(fer_buf *out, record_base base, uint64_t ref, int64_t t,
                          const hist_sample *s)
{
    uint8_t *to = (uint8_t *)fer_buf_room(out, histogram_bytes(s));
    if (to == NULL)
        return;
    to = put_place(to, base, ref, t);
    *to++ = s->reset_hint;
    to = put_varint(to, s->schema);
    to = put_u64(to, f64_bits(s->zero_threshold));
    to = put_count(to, s->zero_count, s->is_float);
    to = put_count(to, s->count, s->is_float);
    to = put_u64(to, f64_bits(s->sum));
    for (int k = 0; k < HIST_SIDES; k++)
        to = put_spans(to, &s->side[k]);
    for (int k = 0; k < HIST_SIDES; k++)
        to = put_buckets(to, &s->side[k], s->is_float);
    if (s->schema == HIST_SCHEMA_CUSTOM) {
        to = put_uvarint(to, s->n_custom);
        for (uint32_t i = 0; i < s->n_custom; i++)
            to = put_u64(to, f64_bits(s->custom[i]));
    }
    took_room(out, to);
}

void record_exemplar_add(fer_buf *out, record_base base, uint64_t ref, int64_t t, double v,
                         labels ls)
{
    enum { NUMBERS = 4 };
    size_t bytes = (NUMBERS + 2 * ls.n) * VARINT_MAX;
    for (size_t i = 0; i < ls.n; i++)
        bytes += ls.l[i].name.n + ls.l[i].value.n;
    uint8_t *to = (uint8_t *)fer_buf_room(out, bytes);
    if (to == NULL)
        return;
    to = put_u64(put_place(to, base, ref, t), f64_bits(v));
    to = put_uvarint(to, ls.n);
    for (size_t i = 0; i < ls.n; i++)
        to = put_str(put_str(to, ls.l[i].name), ls.l[i].value);
    took_room(out, to);
}

/* ---- decoding ---- */

static fer_code read_f64(fer_rd *r, double *ret)
{
    uint64_t bits;
    FER_TRY(rd_be64(r, &bits));
    *ret = f64_of_bits(bits);
    return FER_OK;
}

/* The number of items to come, of item_bytes at least each. */
static fer_code read_n(fer_rd *r, size_t item_bytes, uint32_t *ret)
{
    uint64_t n;
    FER_TRY(rd_uvarint(r, &n));
    if (n > rd_left(r) / item_bytes || n > INT32_MAX)
        return FER_CORRUPT;
    *ret = (uint32_t)n;
    return FER_OK;
}

static fer_code read_count(fer_rd *r, bool is_float, hist_num *ret)
{
    return is_float ? rd_be64(r, &ret->u) : rd_uvarint(r, &ret->u);
}

static fer_code read_spans(fer_rd *r, hist_side *side, fer_arena *a)
{
    FER_TRY(read_n(r, 2, &side->n_spans));
    histogram_span *spans = fer_arena_alloc(a, side->n_spans * sizeof *spans);
    if (spans == NULL)
        return FER_LIMIT;
    for (uint32_t i = 0; i < side->n_spans; i++) {
        int64_t offset;
        uint64_t length;
        FER_TRY(rd_varint(r, &offset));
        FER_TRY(rd_uvarint(r, &length));
        if (offset < INT32_MIN || offset > INT32_MAX || length > INT32_MAX)
            return FER_CORRUPT;
        spans[i] = (histogram_span){(int32_t)offset, (uint32_t)length};
    }
    side->spans = spans;
    return FER_OK;
}

/* As many as the spans say. */
static fer_code read_buckets(fer_rd *r, hist_side *side, bool is_float, fer_arena *a)
{
    FER_TRY(read_n(r, is_float ? 8 : 1, &side->n_buckets));
    if (hist_count_buckets(side->spans, side->n_spans) != side->n_buckets)
        return FER_CORRUPT;
    hist_num *buckets = fer_arena_alloc(a, side->n_buckets * sizeof *buckets);
    if (buckets == NULL)
        return FER_LIMIT;
    for (uint32_t i = 0; i < side->n_buckets; i++)
        FER_TRY(is_float ? rd_be64(r, &buckets[i].u) : rd_varint(r, &buckets[i].i));
    side->buckets = buckets;
    return FER_OK;
}

static fer_code read_bounds(fer_rd *r, hist_sample *s, fer_arena *a)
{
    FER_TRY(read_n(r, 8, &s->n_custom));
    double *bounds = fer_arena_alloc(a, s->n_custom * sizeof *bounds);
    if (bounds == NULL)
        return FER_LIMIT;
    for (uint32_t i = 0; i < s->n_custom; i++)
        FER_TRY(read_f64(r, &bounds[i]));
    s->custom = bounds;
    return FER_OK;
}

static fer_code read_histogram(fer_rd *r, hist_sample *s, fer_arena *a)
{
    int64_t schema;
    FER_TRY(rd_u8(r, &s->reset_hint));
    FER_TRY(rd_varint(r, &schema));
    if (schema < INT32_MIN || schema > INT32_MAX || s->reset_hint > HISTOGRAM_GAUGE)
        return FER_CORRUPT;
    s->schema = (int32_t)schema;
    FER_TRY(read_f64(r, &s->zero_threshold));
    FER_TRY(read_count(r, s->is_float, &s->zero_count));
    FER_TRY(read_count(r, s->is_float, &s->count));
    FER_TRY(read_f64(r, &s->sum));
    for (int k = 0; k < HIST_SIDES; k++)
        FER_TRY(read_spans(r, &s->side[k], a));
    for (int k = 0; k < HIST_SIDES; k++)
        FER_TRY(read_buckets(r, &s->side[k], s->is_float, a));
    return s->schema == HIST_SCHEMA_CUSTOM ? read_bounds(r, s, a) : FER_OK;
}

static fer_code read_labels(fer_rd *r, labels *ret, fer_arena *a)
{
    uint32_t n;
    FER_TRY(read_n(r, 2, &n));
    label *l = fer_arena_alloc(a, n * sizeof *l);
    if (l == NULL)
        return FER_LIMIT;
    for (uint32_t i = 0; i < n; i++) {
        FER_TRY(rd_str(r, &l[i].name));
        FER_TRY(rd_str(r, &l[i].value));
    }
    *ret = (labels){l, n};
    return FER_OK;
}

/* Where the next item lies in series and time. */
typedef struct places {
    bool has_starts; /* types 11 to 13 */
    uint64_t n;      /* items read */
    uint64_t ref;    /* base, or the one before */
    int64_t t;       /* base, or the first */
    int64_t first_st, st;
} places;

static fer_code read_start(fer_rd *r, places *p)
{
    uint8_t marker;
    int64_t d;
    FER_TRY(rd_u8(r, &marker));
    switch (marker) {
    case 0:
        p->st = 0;
        return FER_OK;
    case 1:
        return FER_OK;
    case 2:
        FER_TRY(rd_varint(r, &d));
        p->st = (int64_t)((uint64_t)p->first_st + (uint64_t)d);
        return FER_OK;
    default:
        return FER_CORRUPT;
    }
}

static fer_code read_place(fer_rd *r, places *p, uint64_t *ref, int64_t *t)
{
    int64_t d_ref, d_t;
    FER_TRY(rd_varint(r, &d_ref));
    FER_TRY(rd_varint(r, &d_t));
    *ref = p->ref + (uint64_t)d_ref;
    *t = (int64_t)((uint64_t)p->t + (uint64_t)d_t);
    if (!p->has_starts)
        return FER_OK;
    p->ref = *ref;
    if (p->n++ > 0)
        return read_start(r, p);
    p->t = *t;
    FER_TRY(rd_varint(r, &p->first_st));
    p->st = p->first_st;
    return FER_OK;
}

static fer_code read_item(fer_rd *r, uint8_t type, places *p, fer_arena *a,
                          const record_hist_visitor *v)
{
    uint64_t ref;
    int64_t t;
    double value;
    FER_TRY(read_place(r, p, &ref, &t));
    if (type == RECORD_SAMPLES_V2) {
        FER_TRY(read_f64(r, &value));
        return v->sample == NULL ? FER_OK : v->sample(v->arg, ref, t, p->st, value);
    }
    if (type == RECORD_EXEMPLARS) {
        labels ls;
        FER_TRY(read_f64(r, &value));
        FER_TRY(read_labels(r, &ls, a));
        return v->exemplar == NULL ? FER_OK : v->exemplar(v->arg, ref, t, value, ls);
    }
    hist_sample s = {.is_float = type == RECORD_FLOAT_HISTOGRAM_SAMPLES ||
                                 type == RECORD_CUSTOM_FLOAT_HISTOGRAM_SAMPLES ||
                                 type == RECORD_FLOAT_HISTOGRAM_SAMPLES_V2};
    FER_TRY(read_histogram(r, &s, a));
    return v->histogram == NULL ? FER_OK : v->histogram(v->arg, ref, t, p->st, &s);
}

fer_code record_hist_decode(fer_str rec, fer_arena *arena, const record_hist_visitor *v,
                            fer_err *err)
{
    uint8_t type = record_type_of(rec);
    bool is_based = type == RECORD_EXEMPLARS || (type >= RECORD_HISTOGRAM_SAMPLES &&
                                                 type <= RECORD_CUSTOM_FLOAT_HISTOGRAM_SAMPLES);
    if (!is_based && (type < RECORD_SAMPLES_V2 || type > RECORD_FLOAT_HISTOGRAM_SAMPLES_V2))
        return fer_fail(err, FER_UNSUPPORTED, "record of type %u", type);
    fer_rd r = rd_of(str_from(rec, 1));
    places p = {.has_starts = !is_based};
    fer_code code = FER_OK;
    if (is_based && rd_left(&r) > 0) {
        uint64_t t = 0;
        code = rd_be64(&r, &p.ref);
        if (code == FER_OK)
            code = rd_be64(&r, &t);
        p.t = (int64_t)t;
    }
    while (code == FER_OK && rd_left(&r) > 0)
        code = read_item(&r, type, &p, arena, v);
    if (code == FER_CORRUPT)
        return fer_fail(err, FER_CORRUPT, "record of type %u: bad or missing bytes at %zu of %zu",
                        type, rec.n - rd_left(&r), rec.n);
    return code;
}
