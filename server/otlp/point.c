/* point.c - one walk over a point's fields; a table for each kind tells which field is what.
 *
 * Start times, minima and maxima are passed over; so are a summary's quantiles, of which each becomes a series:
 * scan.c walks over them.
 */
#include "server/otlp/point.h"

#include "server/remote/pb.h"

typedef enum member {
    M_NONE,
    M_TIME,
    M_FLAGS,
    M_ATTRIBUTE,
    M_EXEMPLAR,
    M_DOUBLE,
    M_INT,
    M_COUNT,
    M_SUM,
    M_COUNTS,
    M_BOUNDS,
    M_QUANTILE,
    M_SCALE,
    M_ZERO_COUNT,
    M_ZERO_THRESHOLD,
    M_POSITIVE,
    M_NEGATIVE,
} member;

enum { FIELDS = 15 };

/* Numbers of opentelemetry-proto, metrics v1. */
static const uint8_t number_fields[FIELDS] = {
    [3] = M_TIME, [4] = M_DOUBLE, [5] = M_EXEMPLAR, [6] = M_INT, [7] = M_ATTRIBUTE, [8] = M_FLAGS};
static const uint8_t histogram_fields[FIELDS] = {
    [3] = M_TIME,   [4] = M_COUNT,    [5] = M_SUM,       [6] = M_COUNTS,
    [7] = M_BOUNDS, [8] = M_EXEMPLAR, [9] = M_ATTRIBUTE, [10] = M_FLAGS};
static const uint8_t exponential_fields[FIELDS] = {
    [1] = M_ATTRIBUTE, [3] = M_TIME,       [4] = M_COUNT,          [5] = M_SUM,
    [6] = M_SCALE,     [7] = M_ZERO_COUNT, [8] = M_POSITIVE,       [9] = M_NEGATIVE,
    [10] = M_FLAGS,    [11] = M_EXEMPLAR,  [14] = M_ZERO_THRESHOLD};
static const uint8_t summary_fields[FIELDS] = {
    [3] = M_TIME, [4] = M_COUNT, [5] = M_SUM, [6] = M_QUANTILE, [7] = M_ATTRIBUTE, [8] = M_FLAGS};

static const uint8_t *fields_of(otlp_kind kind)
{
    switch (kind) {
    case OTLP_HISTOGRAM:
        return histogram_fields;
    case OTLP_EXPONENTIAL_HISTOGRAM:
        return exponential_fields;
    case OTLP_SUMMARY:
        return summary_fields;
    default:
        return number_fields;
    }
}

static bool has_type(member m, pb_type type)
{
    static const uint8_t types[] = {[M_TIME] = PB_FIXED64,       [M_FLAGS] = PB_VARINT,
                                    [M_ATTRIBUTE] = PB_BYTES,    [M_EXEMPLAR] = PB_BYTES,
                                    [M_DOUBLE] = PB_FIXED64,     [M_INT] = PB_FIXED64,
                                    [M_COUNT] = PB_FIXED64,      [M_SUM] = PB_FIXED64,
                                    [M_COUNTS] = PB_BYTES,       [M_BOUNDS] = PB_BYTES,
                                    [M_QUANTILE] = PB_BYTES,     [M_SCALE] = PB_VARINT,
                                    [M_ZERO_COUNT] = PB_FIXED64, [M_ZERO_THRESHOLD] = PB_FIXED64,
                                    [M_POSITIVE] = PB_BYTES,     [M_NEGATIVE] = PB_BYTES};
    return types[m] == type || ((m == M_COUNTS || m == M_BOUNDS) && type == PB_FIXED64);
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static fer_code run_add(fer_arena *a, otlp_run *to, fer_str more)
{
    if (to->s.n == 0) {
        to->s = more;
        return FER_OK;
    }
    if (!to->copied && to->s.p + to->s.n == more.p) {
        to->s.n += more.n;
        return FER_OK;
    }
    size_t n = to->s.n + more.n;
    char *p = to->copied ? fer_arena_grow(a, (char *)(uintptr_t)to->s.p, to->s.n, n)
                         : fer_arena_alloc(a, n);
    if (p == NULL)
        return FER_LIMIT;
    if (!to->copied)
        memcpy(p, to->s.p, to->s.n);
    memcpy(p + to->s.n, more.p, more.n);
    *to = (otlp_run){{p, n}, true};
    return FER_OK;
}

/* Numbers of 64 bits, packed into one field, into several, or each in its own. */
static fer_code add_numbers(fer_arena *a, otlp_run *to, const pb_field *f)
{
    if (f->type == PB_BYTES && f->bytes.n % 8 != 0)
        return FER_CORRUPT;
    if (f->type == PB_BYTES)
        return f->bytes.n == 0 ? FER_OK : run_add(a, to, f->bytes);
    fer_str one = fer_arena_dup(a, (fer_str){(const char *)&f->u, sizeof f->u});
    return one.p == NULL ? FER_LIMIT : run_add(a, to, one);
}

static int32_t sint32_of(uint64_t v)
{
    uint32_t u = (uint32_t)v;
    return (int32_t)(u >> 1 ^ (0U - (u & 1)));
}

static fer_code take(fer_arena *a, member m, const pb_field *f, const uint8_t *end, otlp_point *p)
{
    switch (m) {
    case M_TIME:
        p->time_ns = f->u;
        break;
    case M_FLAGS:
        p->flags = f->u;
        break;
    case M_ATTRIBUTE:
    case M_EXEMPLAR:
        return run_add(a, m == M_ATTRIBUTE ? &p->attributes : &p->exemplars,
                       (fer_str){(const char *)f->start, (size_t)(end - f->start)});
    case M_DOUBLE:
        p->value = double_of(f->u);
        break;
    case M_INT:
        p->value = (double)(int64_t)f->u;
        break;
    case M_COUNT:
        p->count = f->u;
        break;
    case M_SUM:
        p->sum = double_of(f->u);
        p->has_sum = true;
        break;
    case M_COUNTS:
        return add_numbers(a, &p->counts, f);
    case M_BOUNDS:
        return add_numbers(a, &p->bounds, f);
    case M_SCALE:
        p->scale = sint32_of(f->u);
        break;
    case M_ZERO_COUNT:
        p->zero_count = f->u;
        break;
    case M_ZERO_THRESHOLD:
        p->zero_threshold = double_of(f->u);
        break;
    case M_POSITIVE:
        p->positive = f->bytes;
        break;
    case M_NEGATIVE:
        p->negative = f->bytes;
        break;
    default:
        break;
    }
    return FER_OK;
}

/* The first byte of a KeyValue in a point of this kind. */
static uint8_t attribute_tag(otlp_kind kind)
{
    switch (kind) {
    case OTLP_HISTOGRAM:
        return 9 << 3 | PB_BYTES;
    case OTLP_EXPONENTIAL_HISTOGRAM:
        return 1 << 3 | PB_BYTES;
    default:
        return 7 << 3 | PB_BYTES;
    }
}

/* The attributes that stand here one behind the other: nearly always all there are. */
static fer_code take_attributes(fer_arena *a, uint8_t tag, fer_rd *r, otlp_point *p)
{
    const uint8_t *start = r->p;
    fer_str one;
    while (r->p != r->end && *r->p == tag) {
        r->p++;
        FER_TRY(rd_str(r, &one));
    }
    return run_add(a, &p->attributes, (fer_str){(const char *)start, (size_t)(r->p - start)});
}

fer_code otlp_read_point(fer_str msg, otlp_kind kind, fer_arena *a, otlp_point *ret)
{
    const uint8_t *members = fields_of(kind);
    otlp_point p = {
        .attributes.s = STR(""), .exemplars.s = STR(""), .positive = STR(""), .negative = STR("")};
    const uint8_t tag = attribute_tag(kind);
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        if (r.p != r.end && *r.p == tag)
            FER_TRY(take_attributes(a, tag, &r, &p));
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        member m = f.num < FIELDS ? (member)members[f.num] : M_NONE;
        if (m == M_NONE)
            continue;
        if (!has_type(m, f.type))
            return FER_CORRUPT;
        FER_TRY(take(a, m, &f, r.p, &p));
    }
    *ret = p;
    return FER_OK;
}
