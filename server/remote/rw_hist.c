/* rw_hist.c - two walks over the fields: the first one sizes the arrays. */
#include "server/remote/rw_hist.h"

#include <string.h>

#include "server/remote/pb.h"
#include "tsdb/hist_check.h"

/* The numbers of one side as they stand on the wire; which of the two kinds counts is known at the end. */
typedef struct wire_side {
    histogram_span *spans;
    hist_num *deltas, *counts;
    size_t n_spans, n_deltas, n_counts;
} wire_side;

typedef struct wire_hist {
    wire_side side[HIST_SIDES];
    double *custom;
    size_t n_custom;
    uint64_t count_int, zero_int, hint, time;
    double count_float, zero_float, sum, zero_threshold;
    int32_t schema;
    bool is_float, is_zero_float;
} wire_hist;

static int32_t sint32_of(uint64_t v)
{
    uint32_t u = (uint32_t)v;
    return (int32_t)(u >> 1 ^ (0U - (u & 1)));
}

static fer_code scan_span(fer_str msg, histogram_span *ret)
{
    fer_rd r = rd_of(msg);
    *ret = (histogram_span){0, 0};
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

/* Each ends with a byte below 0x80; one that does not end is found when they are read. */
static size_t count_varints(fer_str bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes.n; i++)
        n += (unsigned char)bytes.p[i] < 0x80;
    return n;
}

/* Numbers of a repeated field, packed or one alone. NULL: they are only counted. */
static fer_code take_deltas(const pb_field *f, hist_num *to, size_t *n)
{
    fer_rd r = rd_of(f->bytes);
    uint64_t v = f->u;
    if (f->type == PB_VARINT) {
        if (to != NULL)
            to[*n].i = zigzag_get(v);
        ++*n;
        return FER_OK;
    }
    if (f->type != PB_BYTES)
        return FER_CORRUPT;
    if (to == NULL) {
        *n += count_varints(f->bytes);
        return FER_OK;
    }
    size_t at = *n;
    while (r.p != r.end) {
        if (*r.p < 0x80)
            v = *r.p++;
        else
            FER_TRY(rd_uvarint(&r, &v));
        to[at++].i = zigzag_get(v);
    }
    *n = at;
    return FER_OK;
}

static fer_code take_doubles(const pb_field *f, void *to, size_t *n)
{
    fer_str bytes = f->type == PB_FIXED64 ? (fer_str){(const char *)&f->u, 8} : f->bytes;
    if ((f->type != PB_FIXED64 && f->type != PB_BYTES) || bytes.n % 8 != 0)
        return FER_CORRUPT;
    if (to != NULL && bytes.n != 0)
        memcpy((char *)to + *n * 8, bytes.p,
               bytes.n); /* little-endian, as all machines we run on */
    *n += bytes.n / 8;
    return FER_OK;
}

static fer_code take_span(const pb_field *f, wire_side *side)
{
    histogram_span span;
    if (f->type != PB_BYTES)
        return FER_CORRUPT;
    if (side->spans != NULL) {
        FER_TRY(scan_span(f->bytes, &span));
        side->spans[side->n_spans] = span;
    }
    side->n_spans++;
    return FER_OK;
}

/* Fields 8 to 13 and 16. */
static fer_code take_array(const pb_field *f, wire_hist *w)
{
    if (f->num == 16)
        return take_doubles(f, w->custom, &w->n_custom);
    wire_side *side = &w->side[f->num <= 10 ? HIST_NEG : HIST_POS];
    switch (f->num) {
    case 8:
    case 11:
        return take_span(f, side);
    case 9:
    case 12:
        return take_deltas(f, side->deltas, &side->n_deltas);
    default:
        return take_doubles(f, side->counts, &side->n_counts);
    }
}

static fer_code take_f64(const pb_field *f, double *ret)
{
    if (f->type != PB_FIXED64)
        return FER_CORRUPT;
    *ret = f64_of_bits(f->u);
    return FER_OK;
}

static fer_code take_field(const pb_field *f, wire_hist *w)
{
    switch (f->num) {
    case 2:
        w->is_float = true;
        return take_f64(f, &w->count_float);
    case 3:
        return take_f64(f, &w->sum);
    case 5:
        return take_f64(f, &w->zero_threshold);
    case 7:
        w->is_zero_float = true;
        return take_f64(f, &w->zero_float);
    default:
        break;
    }
    if ((f->num >= 8 && f->num <= 13) || f->num == 16)
        return take_array(f, w);
    if (f->type != PB_VARINT)
        return FER_CORRUPT;
    switch (f->num) {
    case 1:
        w->is_float = false;
        w->count_int = f->u;
        break;
    case 4:
        w->schema = sint32_of(f->u);
        break;
    case 6:
        w->is_zero_float = false;
        w->zero_int = f->u;
        break;
    case 14:
        w->hint = f->u;
        break;
    case 15:
        w->time = f->u;
        break;
    default: /* start_timestamp */
        break;
    }
    return FER_OK;
}

static fer_code walk(fer_str msg, uint32_t last_field, wire_hist *w)
{
    fer_rd r = rd_of(msg);
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num <= last_field)
            FER_TRY(take_field(&f, w));
    }
}

/* Arrays of the sizes counted, which are counted again when they are filled. */
static fer_code make_arrays(wire_hist *w, fer_arena *a)
{
    for (int k = 0; k < HIST_SIDES; k++) {
        wire_side *side = &w->side[k];
        side->spans = fer_arena_alloc(a, side->n_spans * sizeof *side->spans);
        side->deltas = fer_arena_alloc(a, side->n_deltas * sizeof *side->deltas);
        side->counts = fer_arena_alloc(a, side->n_counts * sizeof *side->counts);
        if (side->spans == NULL || side->deltas == NULL || side->counts == NULL)
            return FER_LIMIT;
        side->n_spans = side->n_deltas = side->n_counts = 0;
    }
    w->custom = fer_arena_alloc(a, w->n_custom * sizeof *w->custom);
    w->n_custom = 0;
    return w->custom == NULL ? FER_LIMIT : FER_OK;
}

/* A count of the other kind is none. */
static hist_sample sample_of(const wire_hist *w)
{
    hist_sample s = {
        .is_float = w->is_float,
        .reset_hint = w->hint <= HISTOGRAM_GAUGE ? (uint8_t)w->hint : HISTOGRAM_RESET_UNKNOWN,
        .schema = w->schema,
        .n_custom = (uint32_t)w->n_custom,
        .zero_threshold = w->zero_threshold,
        .sum = w->sum,
        .custom = w->custom,
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
        s.side[k] = (hist_side){side->spans, w->is_float ? side->counts : side->deltas,
                                (uint32_t)side->n_spans,
                                (uint32_t)(w->is_float ? side->n_counts : side->n_deltas)};
    }
    return s;
}

fer_code rw_scan_histogram(fer_str msg, uint32_t last_field, fer_arena *a, tsdb_hist_row *ret)
{
    wire_hist w = {0};
    FER_TRY(walk(msg, last_field, &w));
    FER_TRY(make_arrays(&w, a));
    FER_TRY(walk(msg, last_field, &w));
    ret->t = (int64_t)w.time;
    ret->h = sample_of(&w);
    ret->refuse = STR("");
    fer_err err = {0};
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
