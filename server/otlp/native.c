/* native.c - buckets become spans and differences; runs of empty ones longer than two become gaps.
 *
 *   Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2; }
 */
#include "server/otlp/native.h"

#include "server/remote/pb.h"
#include "tsdb/hist_check.h"
#include "tsdb/samples.h"

enum { SCALE_MIN = -4, FILL_MAX = 2 };

static const double zero_threshold_default = 1e-128;

/* A side being written, bucket by bucket. */
typedef struct side_out {
    histogram_span *spans;
    hist_num *buckets;
    uint32_t n_spans, n_buckets;
    int64_t next;  /* the place behind the last bucket */
    uint64_t last; /* its count */
} side_out;

static inline void put_bucket(side_out *o, uint64_t n)
{
    o->buckets[o->n_buckets++].i = (int64_t)(n - o->last);
    o->spans[o->n_spans - 1].length++;
    o->last = n;
    o->next++;
}

/* Bucket `at` has the count n; places ascend. */
static inline void side_put(side_out *o, int64_t at, uint64_t n)
{
    int64_t gap = at - o->next;
    if (n == 0)
        return;
    if (o->n_spans == 0 || gap > FILL_MAX) {
        o->spans[o->n_spans++] = (histogram_span){(int32_t)gap, 0};
        o->next = at;
    }
    while (o->next < at)
        put_bucket(o, 0);
    put_bucket(o, n);
}

/* For n places at most, one behind the other: a new span takes FILL_MAX + 1 empty ones and one that is not. */
static bool side_begin(side_out *o, size_t n, fer_arena *a)
{
    size_t spans = n / (FILL_MAX + 2) + 1;
    *o = (side_out){.spans = fer_arena_alloc(a, spans * sizeof *o->spans),
                    .buckets = fer_arena_alloc(a, n * sizeof *o->buckets)};
    return o->spans != NULL && o->buckets != NULL;
}

static hist_side side_done(const side_out *o)
{
    return (hist_side){o->spans, o->buckets, o->n_spans, o->n_buckets};
}

/* ---- exponential buckets ---- */

typedef struct buckets {
    int32_t offset;
    size_t n; /* counts */
} buckets;

/* How many varints end among the bytes. */
static size_t count_varints(fer_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += (uint8_t)s.p[i] < 0x80;
    return n;
}

static fer_code measure_buckets(fer_str msg, buckets *b)
{
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num > 2)
            continue;
        if (f.type != PB_VARINT && !(f.num == 2 && f.type == PB_BYTES))
            return FER_CORRUPT;
        if (f.num == 1)
            b->offset = (int32_t)((uint32_t)f.u >> 1 ^ (0U - ((uint32_t)f.u & 1)));
        else
            b->n += f.type == PB_VARINT ? 1 : count_varints(f.bytes);
    }
}

/* at is the place of the next count. */
static fer_code put_counts(side_out *o, const pb_field *f, int64_t *at)
{
    if (f->type == PB_VARINT) {
        side_put(o, (*at)++, f->u);
        return FER_OK;
    }
    for (fer_rd r = rd_of(f->bytes); r.p != r.end;) {
        uint64_t v = *r.p;
        if (v < 0x80)
            r.p++;
        else
            FER_TRY(rd_uvarint(&r, &v));
        side_put(o, (*at)++, v);
    }
    return FER_OK;
}

/* FER_INVALID: too many buckets, or too far out. */
static fer_code make_side(fer_str msg, fer_arena *a, hist_side *ret)
{
    buckets b = {0};
    side_out o;
    FER_TRY(measure_buckets(msg, &b));
    if (b.n == 0) {
        *ret = (hist_side){0};
        return FER_OK;
    }
    if (b.n > HIST_ITEMS_MAX || b.offset > INT32_MAX - HIST_ITEMS_MAX)
        return FER_INVALID;
    if (!side_begin(&o, b.n, a))
        return FER_LIMIT;
    int64_t at = (int64_t)b.offset + 1;
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num == 2)
            FER_TRY(put_counts(&o, &f, &at));
    }
    *ret = side_done(&o);
    return FER_OK;
}

/* ---- the whole ---- */

static fer_code refuse(fer_arena *a, const char *why, tsdb_hist_row *ret)
{
    ret->refuse = fer_arena_dup(a, str_of(why));
    return ret->refuse.p == NULL ? FER_LIMIT : FER_OK;
}

static hist_sample begin(const otlp_point *p, int32_t schema)
{
    hist_sample h = {.schema = schema, .sum = p->has_sum ? p->sum : 0};
    h.count.u = p->count;
    return h;
}

/* What is made of the buckets, checked. */
static fer_code finish(fer_arena *a, tsdb_hist_row *ret)
{
    fer_err err = {0};
    if (hist_check(&ret->h, &err) != FER_OK)
        return refuse(a, err.msg, ret);
    return hist_lower(&ret->h, a) ? FER_OK : FER_LIMIT;
}

/* True when the point says that there is no value; then ret is a stale marker. */
static bool take_stale(const otlp_point *p, int32_t schema, tsdb_hist_row *ret)
{
    ret->t = otlp_ms(p->time_ns);
    ret->refuse = STR("");
    if ((p->flags & OTLP_NO_RECORDED_VALUE) == 0)
        return false;
    ret->h = (hist_sample){.schema = schema, .sum = f64_of_bits(STALE_NAN_BITS)};
    return true;
}

fer_code otlp_native_exponential(const otlp_point *p, fer_arena *a, tsdb_hist_row *ret)
{
    if (take_stale(p, 0, ret))
        return FER_OK;
    if (p->scale < SCALE_MIN || p->scale > HIST_SCHEMA_RESERVED_MAX)
        return refuse(a,
                      p->scale < SCALE_MIN
                          ? "an exponential histogram of a scale below -4 cannot be stored"
                          : "an exponential histogram of a scale above 52 cannot be stored",
                      ret);
    hist_sample h = begin(p, p->scale);
    h.zero_threshold = p->zero_threshold == 0 ? zero_threshold_default : p->zero_threshold;
    h.zero_count.u = p->zero_count;
    fer_code c = make_side(p->positive, a, &h.side[HIST_POS]);
    if (c == FER_OK)
        c = make_side(p->negative, a, &h.side[HIST_NEG]);
    if (c == FER_INVALID)
        return refuse(a, "an exponential histogram has too many buckets, or too far out", ret);
    FER_TRY(c);
    ret->h = h;
    return finish(a, ret);
}

fer_code otlp_native_custom(const otlp_point *p, fer_arena *a, tsdb_hist_row *ret)
{
    if (take_stale(p, HIST_SCHEMA_CUSTOM, ret))
        return FER_OK;
    size_t n = p->counts.s.n / 8;
    hist_sample h = begin(p, HIST_SCHEMA_CUSTOM);
    side_out o;
    if (n > HIST_ITEMS_MAX || p->bounds.s.n / 8 > HIST_ITEMS_MAX)
        return refuse(a, "a histogram has too many buckets", ret);
    double *bounds = fer_arena_alloc(a, p->bounds.s.n);
    if (bounds == NULL || !side_begin(&o, n, a))
        return FER_LIMIT;
    if (p->bounds.s.n != 0) /* little-endian, as all machines we run on */
        memcpy(bounds, p->bounds.s.p, p->bounds.s.n);
    for (size_t i = 0; i < n; i++) {
        uint64_t count;
        memcpy(&count, p->counts.s.p + 8 * i, 8);
        side_put(&o, (int64_t)i, count);
    }
    h.custom = bounds;
    h.n_custom = (uint32_t)(p->bounds.s.n / 8);
    h.side[HIST_POS] = side_done(&o);
    ret->h = h;
    return finish(a, ret);
}
