/* rw_hist.c - one walk over the fields. */
#include "server/remote/rw_hist.h"

#include <string.h>

#include "server/remote/pb.h"
#include "tsdb/hist_check.h"

/* A repeated field as it stands on the wire, in the arena. */
typedef struct wire_list {
    void *v;
    size_t n, cap;
} wire_list;

/* Which of the two kinds of buckets counts is known at the end. */
typedef struct wire_side {
    wire_list spans, deltas, counts;
} wire_side;

typedef struct wire_hist {
    fer_arena *arena;
    wire_side side[HIST_SIDES];
    wire_list custom;
    uint64_t count_int, zero_int, schema, hint, time;
    double count_float, zero_float, sum, zero_threshold;
    bool is_float, is_zero_float;
} wire_hist;

/* Room for `more` items behind the list's. */
static inline fer_code need_room(wire_list *l, size_t more, size_t item_bytes, fer_arena *a)
{
    if (more <= l->cap - l->n)
        return FER_OK;
    size_t cap = l->n + more > 2 * l->cap ? l->n + more : 2 * l->cap;
    void *v = fer_arena_grow(a, l->v, l->cap * item_bytes, cap * item_bytes);
    if (v == NULL)
        return FER_LIMIT;
    l->v = v;
    l->cap = cap;
    return FER_OK;
}

static int32_t sint32_of(uint64_t v)
{
    uint32_t u = (uint32_t)v;
    return (int32_t)(u >> 1 ^ (0U - (u & 1)));
}

static fer_code scan_span(fer_str msg, histogram_span *ret)
{
    enum { TAG_OFFSET = 0x08, TAG_LENGTH = 0x10, USUAL_BYTES = 4 };
    fer_rd r = rd_of(msg);
    *ret = (histogram_span){0, 0};
    if (msg.n == USUAL_BYTES && r.p[0] == TAG_OFFSET && r.p[1] < 0x80 && r.p[2] == TAG_LENGTH &&
        r.p[3] < 0x80) { /* as nearly all are */
        *ret = (histogram_span){sint32_of(r.p[1]), r.p[3]};
        return FER_OK;
    }
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num > 2)
            continue;
        if (f.type != PB_VARINT)
            return FER_CORRUPT;
        if (f.num == 1)
            ret->offset = sint32_of(f.u);
        else
            ret->length = (uint32_t)f.u;
    }
}

static fer_code take_span(const pb_field *f, wire_list *to, fer_arena *a)
{
    enum { SPANS_USUAL = 4 };
    if (f->type != PB_BYTES)
        return FER_CORRUPT;
    if (to->n == to->cap)
        FER_TRY(need_room(to, SPANS_USUAL, sizeof(histogram_span), a));
    return scan_span(f->bytes, (histogram_span *)to->v + to->n++);
}

/* Each ends with a byte below 0x80; one that does not end is found when they are read. */
static size_t count_varints(fer_str bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i++)
        n += (unsigned char)bytes.p[i] < 0x80;
    return n;
}

/* Reads numbers of one byte or two, as nearly all are, up to four of eight bytes: to where a longer one stands, or the end is
 * near. Returns what is behind the last in `to`. */
static hist_num *take_short_deltas(fer_rd *r, hist_num *to)
{
    enum { AT_ONCE = 4, LONGER = 0x8080 };
    for (uint64_t w; rd_left(r) >= sizeof w;) {
        memcpy(&w, r->p, sizeof w); /* little-endian */
        for (int k = 0; k < AT_ONCE; k++) {
            if ((w & LONGER) == LONGER)
                return to;
            uint64_t two = w >> 7 & 1;
            (to++)->i = zigzag_get((w & 0x7f) | (w >> 1 & 0x3f80 & (0 - two)));
            w >>= 8 << two;
            r->p += 1 + two;
        }
    }
    return to;
}

/* Numbers of a repeated field, packed or one alone. */
static fer_code take_deltas(const pb_field *f, wire_list *to, fer_arena *a)
{
    if (f->type == PB_VARINT) {
        FER_TRY(need_room(to, 1, sizeof(hist_num), a));
        ((hist_num *)to->v)[to->n++].i = zigzag_get(f->u);
        return FER_OK;
    }
    if (f->type != PB_BYTES)
        return FER_CORRUPT;
    size_t n = count_varints(f->bytes);
    if (n == 0)
        return f->bytes.n == 0 ? FER_OK : FER_CORRUPT; /* the only one does not end */
    FER_TRY(need_room(to, n, sizeof(hist_num), a));
    fer_rd r = rd_of(f->bytes);
    hist_num *at = to->v;
    at += to->n;
    while (r.p != r.end) {
        uint64_t v;
        at = take_short_deltas(&r, at);
        if (r.p == r.end)
            break;
        FER_TRY(rd_uvarint(&r, &v));
        (at++)->i = zigzag_get(v);
    }
    to->n = (size_t)(at - (hist_num *)to->v);
    return FER_OK;
}

static fer_code take_doubles(const pb_field *f, wire_list *to, fer_arena *a)
{
    fer_str bytes = f->type == PB_FIXED64 ? (fer_str){(const char *)&f->u, 8} : f->bytes;
    if ((f->type != PB_FIXED64 && f->type != PB_BYTES) || bytes.n % 8 != 0)
        return FER_CORRUPT;
    if (bytes.n == 0)
        return FER_OK;
    FER_TRY(need_room(to, bytes.n / 8, sizeof(double), a));
    memcpy((double *)to->v + to->n, bytes.p,
           bytes.n); /* little-endian, as all machines we run on */
    to->n += bytes.n / 8;
    return FER_OK;
}

static fer_code take_f64(const pb_field *f, double *ret)
{
    if (f->type != PB_FIXED64)
        return FER_CORRUPT;
    *ret = f64_of_bits(f->u);
    return FER_OK;
}

static fer_code take_u64(const pb_field *f, uint64_t *ret)
{
    if (f->type != PB_VARINT)
        return FER_CORRUPT;
    *ret = f->u;
    return FER_OK;
}

static inline fer_code take_field(const pb_field *f, wire_hist *w)
{
    wire_side *side = &w->side[f->num <= 10 ? HIST_NEG : HIST_POS];
    uint64_t start; /* is looked for elsewhere */
    switch (f->num) {
    case 1:
        w->is_float = false;
        return take_u64(f, &w->count_int);
    case 2:
        w->is_float = true;
        return take_f64(f, &w->count_float);
    case 3:
        return take_f64(f, &w->sum);
    case 4:
        return take_u64(f, &w->schema);
    case 5:
        return take_f64(f, &w->zero_threshold);
    case 6:
        w->is_zero_float = false;
        return take_u64(f, &w->zero_int);
    case 7:
        w->is_zero_float = true;
        return take_f64(f, &w->zero_float);
    case 8:
    case 11:
        return take_span(f, &side->spans, w->arena);
    case 9:
    case 12:
        return take_deltas(f, &side->deltas, w->arena);
    case 10:
    case 13:
        return take_doubles(f, &side->counts, w->arena);
    case 14:
        return take_u64(f, &w->hint);
    case 15:
        return take_u64(f, &w->time);
    case 16:
        return take_doubles(f, &w->custom, w->arena);
    default:
        return take_u64(f, &start);
    }
}

static fer_code walk(fer_str msg, uint32_t last_field, wire_hist *w)
{
    fer_rd r = rd_of(msg);
    pb_field f = {0};
    for (;;) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num <= last_field)
            FER_TRY(take_field(&f, w));
    }
}

/* A count of the other kind is none. */
static hist_sample sample_of(const wire_hist *w)
{
    hist_sample s = {
        .is_float = w->is_float,
        .reset_hint = w->hint <= HISTOGRAM_GAUGE ? (uint8_t)w->hint : HISTOGRAM_RESET_UNKNOWN,
        .schema = sint32_of(w->schema),
        .n_custom = (uint32_t)w->custom.n,
        .zero_threshold = w->zero_threshold,
        .sum = w->sum,
        .custom = w->custom.v,
    };
    if (w->is_float) {
        s.count.f = w->count_float;
        s.zero_count.f = w->is_zero_float ? w->zero_float : 0;
    } else {
        s.count.u = w->count_int;
        s.zero_count.u = w->is_zero_float ? 0 : w->zero_int;
    }
    for (int k = 0; k < HIST_SIDES; k++) {
        const wire_side *side = &w->side[k];
        const wire_list *buckets = w->is_float ? &side->counts : &side->deltas;
        s.side[k] =
            (hist_side){side->spans.v, buckets->v, (uint32_t)side->spans.n, (uint32_t)buckets->n};
    }
    return s;
}

fer_code rw_scan_histogram(fer_str msg, uint32_t last_field, fer_arena *a, tsdb_hist_row *ret)
{
    wire_hist w = {.arena = a};
    FER_TRY(walk(msg, last_field, &w));
    ret->t = (int64_t)w.time;
    ret->h = sample_of(&w);
    ret->refuse = STR("");
    fer_err err;
    if (hist_check(&ret->h, &err) == FER_OK)
        return hist_lower(&ret->h, a) ? FER_OK : FER_LIMIT;
    ret->refuse = fer_arena_dup(a, str_of(err.msg));
    return ret->refuse.p == NULL ? FER_LIMIT : FER_OK;
}

/* ---- writing ---- */

static void put_f64(fer_buf *out, uint32_t num, double v)
{
    if (f64_bits(v) == 0)
        return;
    pb_put_tag(out, num, PB_FIXED64);
    fer_buf_put(out, &v, 8);
}

/* A member of a oneof is written also when it is zero. */
static void put_count(fer_buf *out, uint32_t num, hist_num v, bool is_float)
{
    pb_put_tag(out, is_float ? num + 1 : num, is_float ? PB_FIXED64 : PB_VARINT);
    if (is_float)
        fer_buf_put(out, &v.f, 8);
    else
        pb_put_varint(out, v.u);
}

static void put_side(fer_buf *out, uint32_t num, const hist_side *side, bool is_float, fer_buf *tmp)
{
    for (uint32_t i = 0; i < side->n_spans; i++) {
        fer_buf_clear(tmp);
        pb_put_int(tmp, 1, (int64_t)zigzag_put(side->spans[i].offset));
        pb_put_int(tmp, 2, side->spans[i].length);
        pb_put_bytes(out, num, fer_buf_str(tmp));
    }
    if (side->n_buckets == 0)
        return;
    fer_buf_clear(tmp);
    for (uint32_t i = 0; i < side->n_buckets; i++) {
        if (is_float)
            fer_buf_put(tmp, &side->buckets[i].f, 8);
        else
            pb_put_varint(tmp, zigzag_put(side->buckets[i].i));
    }
    pb_put_bytes(out, is_float ? num + 2 : num + 1, fer_buf_str(tmp));
}

void rw_put_histogram(fer_buf *out, int64_t t, const hist_sample *h, fer_buf *tmp)
{
    put_count(out, 1, h->count, h->is_float);
    put_f64(out, 3, h->sum);
    pb_put_int(out, 4, (int64_t)zigzag_put(h->schema));
    put_f64(out, 5, h->zero_threshold);
    put_count(out, 6, h->zero_count, h->is_float);
    put_side(out, 8, &h->side[HIST_NEG], h->is_float, tmp);
    put_side(out, 11, &h->side[HIST_POS], h->is_float, tmp);
    pb_put_int(out, 14, h->reset_hint);
    pb_put_int(out, 15, t);
    if (h->n_custom != 0)
        pb_put_bytes(out, 16, (fer_str){(const char *)h->custom, h->n_custom * sizeof *h->custom});
}
