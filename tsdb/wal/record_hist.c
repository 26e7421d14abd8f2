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

#include "base/varint.h"
#include "tsdb/samples.h"

/* ---- encoding ---- */

static void put_u64(fer_buf *out, uint64_t v)
{
    uint8_t bytes[8];
    be64_put(bytes, v);
    fer_buf_put(out, bytes, sizeof bytes);
}

static void put_uvarint(fer_buf *out, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    fer_buf_put(out, bytes, uvarint_put(bytes, v));
}

static void put_varint(fer_buf *out, int64_t v)
{
    put_uvarint(out, zigzag_put(v));
}

static void put_str(fer_buf *out, fer_str s)
{
    put_uvarint(out, s.n);
    fer_buf_puts(out, s);
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
    fer_buf_putc(out, (char)type);
    put_u64(out, base.ref);
    put_u64(out, (uint64_t)base.t);
}

static void put_place(fer_buf *out, record_base base, uint64_t ref, int64_t t)
{
    put_varint(out, (int64_t)(ref - base.ref));
    put_varint(out, (int64_t)((uint64_t)t - (uint64_t)base.t));
}

static void put_count(fer_buf *out, hist_num v, bool is_float)
{
    if (is_float)
        put_u64(out, v.u);
    else
        put_uvarint(out, v.u);
}

static void put_spans(fer_buf *out, const hist_side *side)
{
    put_uvarint(out, side->n_spans);
    for (uint32_t i = 0; i < side->n_spans; i++) {
        put_varint(out, side->spans[i].offset);
        put_uvarint(out, side->spans[i].length);
    }
}

static void put_buckets(fer_buf *out, const hist_side *side, bool is_float)
{
    put_uvarint(out, side->n_buckets);
    uint8_t *to = (uint8_t *)fer_buf_room(out, (size_t)side->n_buckets * VARINT_MAX);
    if (to == NULL)
        return; /* the buffer knows that it is full */
    size_t n = 0;
    for (uint32_t i = 0; i < side->n_buckets; i++) {
        if (is_float) {
            be64_put(to + n, side->buckets[i].u);
            n += 8;
        } else {
            n += varint_put(to + n, side->buckets[i].i);
        }
    }
    out->n += n;
}

void record_histogram_add(fer_buf *out, record_base base, uint64_t ref, int64_t t,
                          const hist_sample *s)
{
    put_place(out, base, ref, t);
    fer_buf_putc(out, (char)s->reset_hint);
    put_varint(out, s->schema);
    put_u64(out, f64_bits(s->zero_threshold));
    put_count(out, s->zero_count, s->is_float);
    put_count(out, s->count, s->is_float);
    put_u64(out, f64_bits(s->sum));
    for (int k = 0; k < HIST_SIDES; k++)
        put_spans(out, &s->side[k]);
    for (int k = 0; k < HIST_SIDES; k++)
        put_buckets(out, &s->side[k], s->is_float);
    if (s->schema != HIST_SCHEMA_CUSTOM)
        return;
    put_uvarint(out, s->n_custom);
    for (uint32_t i = 0; i < s->n_custom; i++)
        put_u64(out, f64_bits(s->custom[i]));
}

void record_exemplar_add(fer_buf *out, record_base base, uint64_t ref, int64_t t, double v,
                         labels ls)
{
    put_place(out, base, ref, t);
    put_u64(out, f64_bits(v));
    put_uvarint(out, ls.n);
    for (size_t i = 0; i < ls.n; i++) {
        put_str(out, ls.l[i].name);
        put_str(out, ls.l[i].value);
    }
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
