/* The layout, bit by bit:
 *
 *    u8 zero threshold   0: zero; 1..254: 2^(b - 244); 255: f64 follows
 *    varbit schema
 *    positive spans      varbit uint number, then of each: varbit uint length, varbit offset
 *    negative spans
 *    bounds              schema -53 alone: varbit uint number, then of each:
 *                          varbit uint 1000 x + 1 for multiples of 0.001 up to 33554.43, else 0 and f64
 */
#include <math.h>

#include "tsdb/chunk/chunk_hist_state.h"
#include "tsdb/samples.h"

enum {
    THRESHOLD_BIAS = 243, /* over the exponent of a mantissa of one half */
    THRESHOLD_EXPONENT_MIN = -242,
    THRESHOLD_EXPONENT_MAX = 11,
    THRESHOLD_RAW = 255,
    BOUND_MILLIS_MAX = 33554430,
    BOUND_BITS_MIN = 4, /* of a bound */
    SPAN_BITS_MIN = 2   /* of a span */
};

static void put_threshold(bits_out *out, double threshold)
{
    int exponent = 0;
    if (threshold == 0) {
        bits_put(out, 0, 8);
    } else if (frexp(threshold, &exponent) == 0.5 && exponent >= THRESHOLD_EXPONENT_MIN &&
               exponent <= THRESHOLD_EXPONENT_MAX) {
        bits_put(out, (unsigned)(exponent + THRESHOLD_BIAS), 8);
    } else {
        bits_put(out, THRESHOLD_RAW, 8);
        bits_put(out, f64_bits(threshold), 64);
    }
}

static double get_threshold(bits_in *in)
{
    int b = (int)bits_get(in, 8);
    if (b == 0)
        return 0;
    return b == THRESHOLD_RAW ? f64_of_bits(bits_get(in, 64)) : ldexp(0.5, b - THRESHOLD_BIAS);
}

static void put_spans(bits_out *out, const hist_side *side)
{
    bits_put_varbit_uint(out, side->n_spans);
    for (uint32_t i = 0; i < side->n_spans; i++) {
        bits_put_varbit_uint(out, side->spans[i].length);
        bits_put_varbit_int(out, side->spans[i].offset);
    }
}

static fer_code get_spans(bits_in *in, hist_side *side, fer_arena *arena)
{
    uint64_t n = bits_varbit_uint(in);
    if (n > bits_left(in) / SPAN_BITS_MIN || n > UINT32_MAX)
        return FER_CORRUPT;
    histogram_span *spans = fer_arena_alloc(arena, n * sizeof *spans);
    if (spans == NULL)
        return FER_LIMIT;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t length = bits_varbit_uint(in);
        int64_t offset = bits_varbit_int(in);
        if (length > INT32_MAX || offset < INT32_MIN || offset > INT32_MAX)
            return FER_CORRUPT;
        spans[i] = (histogram_span){(int32_t)offset, (uint32_t)length};
    }
    uint64_t buckets = hist_count_buckets(spans, (uint32_t)n);
    if (in->bad || buckets > bits_left(in))
        return FER_CORRUPT;
    side->spans = spans;
    side->n_spans = (uint32_t)n;
    side->n_buckets = (uint32_t)buckets;
    return FER_OK;
}

static void put_bound(bits_out *out, double x)
{
    double millis = x * 1000;
    if (millis >= 0 && millis <= BOUND_MILLIS_MAX && round(millis) / 1000 == x) {
        bits_put_varbit_uint(out, (uint64_t)round(millis) + 1);
    } else {
        bits_put_varbit_uint(out, 0);
        bits_put(out, f64_bits(x), 64);
    }
}

static double get_bound(bits_in *in)
{
    uint64_t v = bits_varbit_uint(in);
    return v == 0 ? f64_of_bits(bits_get(in, 64)) : (double)(v - 1) / 1000;
}

static fer_code get_bounds(bits_in *in, hist_sample *s, fer_arena *arena)
{
    uint64_t n = bits_varbit_uint(in);
    if (n > bits_left(in) / BOUND_BITS_MIN || n > UINT32_MAX)
        return FER_CORRUPT;
    double *bounds = fer_arena_alloc(arena, n * sizeof *bounds);
    if (bounds == NULL)
        return FER_LIMIT;
    for (uint64_t i = 0; i < n; i++)
        bounds[i] = get_bound(in);
    s->custom = bounds;
    s->n_custom = (uint32_t)n;
    return in->bad ? FER_CORRUPT : FER_OK;
}

void hist_layout_put(bits_out *out, const hist_sample *s)
{
    put_threshold(out, s->zero_threshold);
    bits_put_varbit_int(out, s->schema);
    put_spans(out, &s->side[HIST_POS]);
    put_spans(out, &s->side[HIST_NEG]);
    if (s->schema != HIST_SCHEMA_CUSTOM)
        return;
    bits_put_varbit_uint(out, s->n_custom);
    for (uint32_t i = 0; i < s->n_custom; i++)
        put_bound(out, s->custom[i]);
}

fer_code hist_layout_get(bits_in *in, hist_sample *s, fer_arena *arena)
{
    s->zero_threshold = get_threshold(in);
    int64_t schema = bits_varbit_int(in);
    if (in->bad || schema < INT32_MIN || schema > INT32_MAX)
        return FER_CORRUPT;
    s->schema = (int32_t)schema;
    if (!hist_schema_is_known(s->schema))
        return FER_UNSUPPORTED;
    FER_TRY(get_spans(in, &s->side[HIST_POS], arena));
    FER_TRY(get_spans(in, &s->side[HIST_NEG], arena));
    return s->schema == HIST_SCHEMA_CUSTOM ? get_bounds(in, s, arena) : FER_OK;
}
