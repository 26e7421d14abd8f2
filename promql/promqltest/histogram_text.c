#include "promql/promqltest/histogram_text.h"

#include <float.h>
#include <math.h>

#include "base/num.h"
#include "tsdb/samples.h"

enum { BUCKETS_MAX = 10000 }; /* in one list of the notation */

/* ---- reading ---- */

typedef struct number_list {
    double *v;
    uint32_t n;
} number_list;

/* What was written, before it is put together. */
typedef struct draft {
    histogram h;
    number_list pos, neg, custom;
    double offset, n_offset, schema;
    bool hint_given;
} draft;

static fer_code parse_number(fer_str text, double *ret, fer_err *err)
{
    if (!num_parse_f64(text, ret))
        return fer_fail(err, FER_INVALID, "histogram: \"%.*s\" is no number", STR_FMT(text));
    return FER_OK;
}

static fer_code parse_list(fer_str text, fer_arena *a, number_list *ret, fer_err *err)
{
    if (text.n < 2 || text.p[0] != '[' || text.p[text.n - 1] != ']')
        return fer_fail(err, FER_INVALID, "histogram: \"%.*s\" is no list", STR_FMT(text));
    text = str_head(str_from(text, 1), text.n - 2);
    if (text.n > BUCKETS_MAX)
        return fer_fail(err, FER_LIMIT, "histogram: list of more than %d bytes", BUCKETS_MAX);

    number_list l = {ARENA_ARRAY(a, double, text.n), 0};
    if (l.v == NULL)
        return fer_fail_budget(err, "histogram");
    for (size_t i = 0; i < text.n;) {
        size_t end = i;
        while (end < text.n && text.p[end] != ' ')
            end++;
        if (end > i)
            FER_TRY(parse_number((fer_str){text.p + i, end - i}, &l.v[l.n++], err));
        i = end + 1;
    }
    *ret = l;
    return FER_OK;
}

static fer_code parse_hint(fer_str text, draft *d, fer_err *err)
{
    static const char *const names[] = {
        [HISTOGRAM_RESET_UNKNOWN] = "unknown",
        [HISTOGRAM_RESET] = "reset",
        [HISTOGRAM_NO_RESET] = "not_reset",
        [HISTOGRAM_GAUGE] = "gauge",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq(text, str_of(names[i]))) {
            d->h.reset_hint = (uint8_t)i;
            d->hint_given = true;
            return FER_OK;
        }
    }
    return fer_fail(err, FER_INVALID, "histogram: unknown counter_reset_hint \"%.*s\"",
                    STR_FMT(text));
}

static fer_code parse_key(fer_str key, fer_str value, draft *d, fer_arena *a, fer_err *err)
{
    const struct {
        const char *key;
        double *number;
        number_list *list;
    } keys[] = {
        {"schema", &d->schema, NULL},
        {"sum", &d->h.sum, NULL},
        {"count", &d->h.count, NULL},
        {"z_bucket", &d->h.zero_count, NULL},
        {"z_bucket_w", &d->h.zero_threshold, NULL},
        {"offset", &d->offset, NULL},
        {"n_offset", &d->n_offset, NULL},
        {"buckets", NULL, &d->pos},
        {"n_buckets", NULL, &d->neg},
        {"custom_values", NULL, &d->custom},
    };
    if (str_eq(key, STR("counter_reset_hint")))
        return parse_hint(value, d, err);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!str_eq(key, str_of(keys[i].key)))
            continue;
        return keys[i].number != NULL ? parse_number(value, keys[i].number, err)
                                      : parse_list(value, a, keys[i].list, err);
    }
    return fer_fail(err, FER_INVALID, "histogram: unknown key \"%.*s\"", STR_FMT(key));
}

/* The end of the value that begins at i: a list runs to its bracket, others to the next space. */
static size_t value_end(fer_str text, size_t i)
{
    char stop = i < text.n && text.p[i] == '[' ? ']' : ' ';
    while (i < text.n && text.p[i] != stop)
        i++;
    return stop == ']' && i < text.n ? i + 1 : i;
}

static fer_code parse_keys(fer_str text, draft *d, fer_arena *a, fer_err *err)
{
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] == ' ') {
            i++;
            continue;
        }
        size_t colon = i;
        while (colon < text.n && text.p[colon] != ':')
            colon++;
        if (colon == text.n)
            return fer_fail(err, FER_INVALID, "histogram: \"%.*s\" has no value",
                            STR_FMT(str_from(text, i)));
        size_t end = value_end(text, colon + 1);
        fer_str key = {text.p + i, colon - i};
        fer_str value = {text.p + colon + 1, end - colon - 1};
        FER_TRY(parse_key(key, value, d, a, err));
        i = end;
    }
    return FER_OK;
}

static bool is_int32(double v)
{
    return v >= INT32_MIN && v <= INT32_MAX && v == floor(v);
}

/* One span that holds all the counts. */
static fer_code set_span(number_list counts, double offset, fer_arena *a,
                         const histogram_span **ret_span, uint32_t *ret_n, fer_err *err)
{
    if (counts.n == 0)
        return FER_OK;
    histogram_span *s = ARENA_NEW(a, histogram_span);
    if (s == NULL)
        return fer_fail_budget(err, "histogram");
    *s = (histogram_span){(int32_t)offset, counts.n};
    *ret_span = s;
    *ret_n = 1;
    return FER_OK;
}

fer_code histogram_text_parse(fer_str text, fer_arena *a, histogram **ret, bool *ret_hint_given,
                              fer_err *err)
{
    draft d = {0};
    FER_TRY(parse_keys(text, &d, a, err));
    if (!is_int32(d.schema) || !is_int32(d.offset) || !is_int32(d.n_offset))
        return fer_fail(err, FER_INVALID, "histogram: schema and offsets are integers");

    histogram *h = ARENA_NEW(a, histogram);
    if (h == NULL)
        return fer_fail_budget(err, "histogram");
    *h = d.h;
    h->schema = (int32_t)d.schema;
    h->pos = d.pos.v;
    h->n_pos = d.pos.n;
    h->neg = d.neg.v;
    h->n_neg = d.neg.n;
    h->custom = d.custom.v;
    h->n_custom = d.custom.n;
    FER_TRY(set_span(d.pos, d.offset, a, &h->pos_spans, &h->n_pos_spans, err));
    FER_TRY(set_span(d.neg, d.n_offset, a, &h->neg_spans, &h->n_neg_spans, err));
    *ret = h;
    *ret_hint_given = d.hint_given;
    return FER_OK;
}

/* ---- buckets by index ---- */

bucket_list histogram_buckets(const histogram *h, bool negative, fer_arena *a)
{
    const histogram_span *spans = negative ? h->neg_spans : h->pos_spans;
    uint32_t n_spans = negative ? h->n_neg_spans : h->n_pos_spans;
    const double *counts = negative ? h->neg : h->pos;
    uint32_t n_counts = negative ? h->n_neg : h->n_pos;

    bucket_list l = {ARENA_ARRAY(a, bucket, n_counts), 0};
    if (l.v == NULL)
        return l;
    int64_t index = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < n_spans; i++) {
        index += spans[i].offset;
        for (uint32_t k = 0; k < spans[i].length && at < n_counts; k++, index++, at++)
            if (counts[at] != 0)
                l.v[l.n++] = (bucket){index, counts[at]};
    }
    return l;
}

/* ---- printing ---- */

static void print_number(fer_buf *out, const char *key, double v)
{
    char text[NUM_TEXT_MAX];
    if (v == 0)
        return;
    fer_buf_printf(out, " %s:", key);
    fer_buf_put(out, text, num_format_g(text, v));
}

static void print_list(fer_buf *out, const char *key, const double *v, size_t n)
{
    char text[NUM_TEXT_MAX];
    fer_buf_printf(out, " %s:[", key);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            fer_buf_putc(out, ' ');
        fer_buf_put(out, text, num_format_g(text, v[i]));
    }
    fer_buf_putc(out, ']');
}

/* Spans with gaps are written as the notation can: from the first to the last index. */
static void print_buckets(fer_buf *out, const char *key, const char *offset_key, bucket_list l)
{
    char text[NUM_TEXT_MAX];
    if (l.n == 0)
        return;
    print_number(out, offset_key, (double)l.v[0].index);
    fer_buf_printf(out, " %s:[", key);
    int64_t index = l.v[0].index;
    for (size_t i = 0; i < l.n; i++, index++) {
        for (; index < l.v[i].index && !out->full; index++)
            fer_buf_puts(out, STR("0 "));
        fer_buf_put(out, text, num_format_g(text, l.v[i].count));
        if (i + 1 < l.n)
            fer_buf_putc(out, ' ');
    }
    fer_buf_putc(out, ']');
}

void histogram_text_print(fer_buf *out, const histogram *h)
{
    static const char *const hints[] = {"", "reset", "not_reset", "gauge"};
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    fer_buf_printf(out, "{{schema:%d", h->schema);
    print_number(out, "count", h->count);
    print_number(out, "sum", h->sum);
    if (h->reset_hint != HISTOGRAM_RESET_UNKNOWN)
        fer_buf_printf(out, " counter_reset_hint:%s", hints[h->reset_hint & 3]);
    print_number(out, "z_bucket", h->zero_count);
    print_number(out, "z_bucket_w", h->zero_threshold);
    if (h->n_custom > 0)
        print_list(out, "custom_values", h->custom, h->n_custom);
    print_buckets(out, "buckets", "offset", histogram_buckets(h, false, a));
    print_buckets(out, "n_buckets", "n_offset", histogram_buckets(h, true, a));
    fer_buf_puts(out, STR("}}"));
}

/* ---- comparing ---- */

bool almost_equal(double a, double b)
{
    const double epsilon = 1e-6;
    if (sample_is_stale(a) || sample_is_stale(b))
        return sample_is_stale(a) && sample_is_stale(b);
    if (isnan(a) && isnan(b))
        return true;
    if (a == b)
        return true;
    double sum = fabs(a) + fabs(b);
    double diff = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN)
        return diff < epsilon * DBL_MIN;
    return diff / fmin(sum, DBL_MAX) < epsilon;
}

static bool same_buckets(bucket_list a, bucket_list b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (a.v[i].index != b.v[i].index || !almost_equal(a.v[i].count, b.v[i].count))
            return false;
    return true;
}

static bool same_bounds(const histogram *a, const histogram *b)
{
    if (a->n_custom != b->n_custom)
        return false;
    for (uint32_t i = 0; i < a->n_custom; i++)
        if (a->custom[i] != b->custom[i])
            return false;
    return true;
}

bool histogram_text_same(const histogram *want, const histogram *got, bool compare_hint)
{
    if (want->schema != got->schema || !almost_equal(want->count, got->count) ||
        !almost_equal(want->sum, got->sum) || want->zero_threshold != got->zero_threshold ||
        !almost_equal(want->zero_count, got->zero_count))
        return false;
    if (compare_hint && want->reset_hint != got->reset_hint)
        return false;
    if (want->schema == HISTOGRAM_SCHEMA_CUSTOM && !same_bounds(want, got))
        return false;

    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    for (int negative = 0; negative < 2; negative++)
        if (!same_buckets(histogram_buckets(want, negative, a),
                          histogram_buckets(got, negative, a)))
            return false;
    return true;
}

/* ---- adding ---- */

/* The index in a resolution 2^-shift times as fine: bucket i covers (base^(i-1), base^i]. */
static int64_t coarser_index(int64_t index, int32_t shift)
{
    return ((index - 1) >> shift) + 1;
}

static fer_code check_combinable(const histogram *a, const histogram *b, fer_err *err)
{
    if (a->schema > b->schema)
        return fer_fail(err, FER_INVALID,
                        "error combining histograms: cannot merge from schema %d to %d", b->schema,
                        a->schema);
    bool custom = a->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if (custom != (b->schema == HISTOGRAM_SCHEMA_CUSTOM))
        return fer_fail(err, FER_INVALID,
                        "error combining histograms: exponential and custom buckets");
    if (custom && !same_bounds(a, b))
        return fer_fail(err, FER_INVALID, "error combining histograms: different custom bounds");
    if (b->schema - a->schema > 60)
        return fer_fail(err, FER_INVALID, "error combining histograms: schema %d", b->schema);
    if (a->zero_threshold == b->zero_threshold)
        return FER_OK;
    const histogram *narrow = a->zero_threshold < b->zero_threshold ? a : b;
    if (narrow->n_pos > 0 || narrow->n_neg > 0)
        return fer_fail(err, FER_INVALID,
                        "error combining histograms: zero buckets of different width");
    return FER_OK;
}

/* The union of both lists with counts added; b's indices `shift` coarser, in a's resolution. */
static bucket_list merge_buckets(bucket_list a, bucket_list b, int32_t shift, double sign,
                                 fer_arena *arena)
{
    bucket_list out = {ARENA_ARRAY(arena, bucket, a.n + b.n), 0};
    if (out.v == NULL)
        return out;
    size_t i = 0, k = 0;
    while (i < a.n || k < b.n) {
        int64_t b_index = k < b.n ? coarser_index(b.v[k].index, shift) : INT64_MAX;
        int64_t index = i < a.n && a.v[i].index < b_index ? a.v[i].index : b_index;
        double count = i < a.n && a.v[i].index == index ? a.v[i++].count : 0;
        for (; k < b.n && coarser_index(b.v[k].index, shift) == index; k++)
            count += sign * b.v[k].count;
        out.v[out.n++] = (bucket){index, count};
    }
    return out;
}

/* Spans and counts of a list; runs of neighbours share a span. */
static bool set_buckets(bucket_list l, fer_arena *a, const histogram_span **ret_spans,
                        uint32_t *ret_n_spans, const double **ret_counts, uint32_t *ret_n)
{
    histogram_span *spans = ARENA_ARRAY(a, histogram_span, l.n);
    double *counts = ARENA_ARRAY(a, double, l.n);
    if (spans == NULL || counts == NULL)
        return false;
    uint32_t n_spans = 0;
    int64_t next = 0;
    for (size_t i = 0; i < l.n; i++) {
        if (i == 0 || l.v[i].index != next)
            spans[n_spans++] = (histogram_span){(int32_t)(l.v[i].index - next), 0};
        spans[n_spans - 1].length++;
        counts[i] = l.v[i].count;
        next = l.v[i].index + 1;
    }
    *ret_spans = spans;
    *ret_n_spans = n_spans;
    *ret_counts = counts;
    *ret_n = (uint32_t)l.n;
    return true;
}

/* A gauge stays one; two counters keep a hint only where they agree. */
static uint8_t combined_hint(const histogram *a, const histogram *b)
{
    if (a->reset_hint == b->reset_hint)
        return a->reset_hint;
    bool gauge = a->reset_hint == HISTOGRAM_GAUGE || b->reset_hint == HISTOGRAM_GAUGE;
    return gauge ? HISTOGRAM_GAUGE : HISTOGRAM_RESET_UNKNOWN;
}

fer_code histogram_text_combine(const histogram *a, const histogram *b, double sign,
                                fer_arena *arena, histogram **ret, fer_err *err)
{
    FER_TRY(check_combinable(a, b, err));
    histogram *h = ARENA_NEW(arena, histogram);
    if (h == NULL)
        return fer_fail_budget(err, "histogram");
    *h = *a;
    h->count += sign * b->count;
    h->sum += sign * b->sum;
    h->zero_count += sign * b->zero_count;
    h->zero_threshold = fmax(a->zero_threshold, b->zero_threshold);
    h->reset_hint = sign < 0 ? HISTOGRAM_GAUGE : combined_hint(a, b);

    int32_t shift = b->schema - a->schema;
    bucket_list pos = merge_buckets(histogram_buckets(a, false, arena),
                                    histogram_buckets(b, false, arena), shift, sign, arena);
    bucket_list neg = merge_buckets(histogram_buckets(a, true, arena),
                                    histogram_buckets(b, true, arena), shift, sign, arena);
    if (!set_buckets(pos, arena, &h->pos_spans, &h->n_pos_spans, &h->pos, &h->n_pos) ||
        !set_buckets(neg, arena, &h->neg_spans, &h->n_neg_spans, &h->neg, &h->n_neg))
        return fer_fail_budget(err, "histogram");
    *ret = h;
    return FER_OK;
}
