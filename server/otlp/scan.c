/* scan.c - the walk through resources, scopes, metrics and points.
 *
 *   ExportMetricsServiceRequest { repeated ResourceMetrics = 1; }
 *   ResourceMetrics { Resource = 1; repeated ScopeMetrics = 2; }
 *   ScopeMetrics { InstrumentationScope = 1; repeated Metric = 2; string schema_url = 3; }
 *   Metric { string name = 1, description = 2, unit = 3;
 *            oneof { Gauge = 5; Sum = 7; Histogram = 9; ExponentialHistogram = 10; Summary = 11; } }
 *   each of them { repeated data points = 1; temporality = 2; bool is_monotonic = 3; }
 *
 * Fields may come in any order, so what stands beside the repeated ones is read in a pass of its own.
 *
 * A series is known by three hashes in one: of what surrounds the metric, of the metric, of the point's attributes.
 */
#include "server/otlp/scan.h"

#include <math.h>

#include "server/otlp/exemplar.h"
#include "server/otlp/native.h"
#include "tsdb/samples.h"

enum { DELTA = 1, CUMULATIVE = 2 };
enum { TYPE_UNKNOWN = 0, TYPE_COUNTER = 1, TYPE_GAUGE = 2, TYPE_HISTOGRAM = 3, TYPE_SUMMARY = 5 };

/* A target_info that this request has given already. */
typedef struct target {
    fer_hash128 fp;
    int64_t newest;
} target;

typedef struct scan {
    const otlp_options *o;
    rw_fingerprint_fn fp;
    const void *fp_arg;
    otlp_name_cache *names;
    fer_arena *a;
    rw_request *q;
    otlp_refused *refused;
    /* Where the walk is. */
    fer_str resource, scope, schema_url;
    fer_hash128 around;
    uint64_t oldest_ns, newest_ns; /* of the resource's points */
    uint32_t n_points;             /* of the request */
    target *targets;
    size_t n_targets, cap_targets;
} scan;

/* The fields of a metric and of the one message that holds its points. */
typedef struct metric_fields {
    fer_str name, description, unit, points;
    fer_str head; /* the bytes before the points: all the others where `whole` */
    bool whole;
    otlp_kind kind;
    uint64_t temporality;
    bool monotonic;
} metric_fields;

typedef struct type_and_unit {
    fer_str type, unit;
} type_and_unit;

static const type_and_unit no_type_and_unit = {{"", 0}, {"", 0}};

/* A point and where it stands. */
typedef struct spot {
    const otlp_metric *metric;
    otlp_kind kind;
    bool delta;
    uint32_t point; /* its number */
    fer_hash128 metric_fp, point_fp;
    otlp_point p;
} spot;

/* ---- rows ---- */

static fer_hash128 fp_series(const scan *s, const spot *at, otlp_part part, double bound)
{
    struct {
        fer_hash128 metric, point;
        double bound;
        uint64_t part;
    } key = {at->metric_fp, at->point_fp, bound, part};
    fer_hash128 ret = s->fp(s->fp_arg, (fer_str){(const char *)&key, sizeof key});
    return ret;
}

/* What a row's raw bytes are; .p NULL past the budget. */
static fer_str raw_of(scan *s, const spot *at, otlp_part part, double bound)
{
    otlp_series *series = fer_arena_alloc(s->a, sizeof *series);
    if (series != NULL)
        *series = (otlp_series){at->metric, at->p.attributes.s, part, at->point, bound};
    return (fer_str){(const char *)series, sizeof *series};
}

static fer_code add_row(scan *s, const spot *at, otlp_part part, double bound, int64_t t, double v,
                        fer_hash128 fp)
{
    rw_request *q = s->q;
    fer_str raw = raw_of(s, at, part, bound);
    if (raw.p == NULL)
        return FER_LIMIT;
    if (q->n_rows == q->cap_rows)
        FER_TRY(rw_grow(q->acct, (void **)&q->rows, &q->cap_rows, sizeof *q->rows));
    q->rows[q->n_rows++] = (tsdb_row){fp, raw, t, v};
    return FER_OK;
}

/* A value of the point, or the stale marker when it has none. */
static fer_code put(scan *s, const spot *at, otlp_part part, double bound, double v)
{
    if (at->p.flags & OTLP_NO_RECORDED_VALUE)
        v = f64_of_bits(STALE_NAN_BITS);
    return add_row(s, at, part, bound, otlp_ms(at->p.time_ns), v, fp_series(s, at, part, bound));
}

static void refuse(scan *s, size_t points, const char *what, fer_str name)
{
    s->refused->points += points;
    if (s->q->n_bad_series++ < RW_BAD_TEXTS_MAX)
        fer_buf_printf(&s->q->bad, "%s for metric \"%.*s\"\n", what, STR_FMT(str_head(name, 256)));
}

/* ---- what a point turns into ---- */

static fer_code put_native(scan *s, const spot *at)
{
    rw_request *q = s->q;
    if (q->n_hists == q->cap_hists)
        FER_TRY(rw_grow(q->acct, (void **)&q->hists, &q->cap_hists, sizeof *q->hists));
    tsdb_hist_row *row = &q->hists[q->n_hists];
    *row = (tsdb_hist_row){.fp = fp_series(s, at, OTLP_PART_VALUE, 0),
                           .raw = raw_of(s, at, OTLP_PART_VALUE, 0),
                           .before = q->n_rows};
    if (row->raw.p == NULL)
        return FER_LIMIT;
    if (at->kind == OTLP_HISTOGRAM)
        FER_TRY(otlp_native_custom(&at->p, s->a, row));
    else
        FER_TRY(otlp_native_exponential(&at->p, s->a, row));
    if (at->delta && s->o->cumulator == NULL)
        row->h.reset_hint = HISTOGRAM_GAUGE;
    q->n_hists++;
    return FER_OK;
}

/* Buckets hold what is at most their bound; OTLP tells each one's own. */
static fer_code put_buckets(scan *s, const spot *at)
{
    fer_str bounds = at->p.bounds.s, counts = at->p.counts.s;
    uint64_t total = 0;
    for (size_t i = 0; i < bounds.n && i < counts.n; i += 8) {
        uint64_t n, bound;
        memcpy(&n, counts.p + i, 8); /* little-endian, as all machines we run on */
        memcpy(&bound, bounds.p + i, 8);
        total += n;
        FER_TRY(put(s, at, OTLP_PART_BUCKET, f64_of_bits(bound), (double)total));
    }
    return put(s, at, OTLP_PART_BUCKET, INFINITY, (double)at->p.count);
}

static fer_code put_histogram(scan *s, const spot *at)
{
    if (s->o->convert_to_custom)
        return put_native(s, at);
    if (at->p.has_sum)
        FER_TRY(put(s, at, OTLP_PART_SUM, 0, at->p.sum));
    FER_TRY(put(s, at, OTLP_PART_COUNT, 0, (double)at->p.count));
    return put_buckets(s, at);
}

/* ValueAtQuantile { double quantile = 1; double value = 2; } */
static fer_code put_quantile(scan *s, const spot *at, fer_str msg)
{
    uint64_t bits[2] = {0, 0};
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num > 2)
            continue;
        if (f.type != PB_FIXED64)
            return FER_CORRUPT;
        bits[f.num - 1] = f.u;
    }
    return put(s, at, OTLP_PART_QUANTILE, f64_of_bits(bits[0]), f64_of_bits(bits[1]));
}

/* SummaryDataPoint { ... repeated ValueAtQuantile quantile_values = 6; ... } */
static fer_code put_summary(scan *s, const spot *at, fer_str msg)
{
    FER_TRY(put(s, at, OTLP_PART_SUM, 0, at->p.sum));
    FER_TRY(put(s, at, OTLP_PART_COUNT, 0, (double)at->p.count));
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num == 6)
            FER_TRY(put_quantile(s, at, f.bytes));
    }
}

/* The bucket that an exemplar's value lies in: that of the least bound not below it. */
static double bound_of(const otlp_point *p, double v)
{
    double ret = INFINITY;
    for (size_t i = 0; i < p->bounds.s.n && i < p->counts.s.n; i += 8) {
        uint64_t bits;
        memcpy(&bits, p->bounds.s.p + i, 8);
        if (v <= f64_of_bits(bits) && f64_of_bits(bits) < ret)
            ret = f64_of_bits(bits);
    }
    return ret;
}

static fer_code put_exemplar(scan *s, const spot *at, fer_str msg)
{
    rw_request *q = s->q;
    otlp_exemplar e;
    size_t n = q->n_exemplar_rows;
    q->n_exemplars++;
    FER_TRY(otlp_read_exemplar(msg, s->a, &e));
    FER_TRY(rw_add_exemplar(q, e.labels, e.n_labels, e.t, e.v));
    if (q->n_exemplar_rows == n) /* its labels are none */
        return FER_OK;
    bool bucket = at->kind == OTLP_HISTOGRAM && !s->o->convert_to_custom;
    otlp_part part = bucket ? OTLP_PART_BUCKET : OTLP_PART_VALUE;
    double bound = bucket ? bound_of(&at->p, e.v) : 0;
    tsdb_exemplar_row *row = &q->exemplars[n];
    row->fp = fp_series(s, at, part, bound);
    row->raw = raw_of(s, at, part, bound);
    return row->raw.p == NULL ? FER_LIMIT : FER_OK;
}

/* Gauges have none. */
static fer_code put_exemplars(scan *s, const spot *at)
{
    if (at->kind == OTLP_GAUGE)
        return FER_OK;
    for (fer_rd r = rd_of(at->p.exemplars.s);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        FER_TRY(put_exemplar(s, at, f.bytes));
    }
}

static fer_code put_point(scan *s, const spot *at, fer_str msg)
{
    switch (at->kind) {
    case OTLP_HISTOGRAM:
        return put_histogram(s, at);
    case OTLP_EXPONENTIAL_HISTOGRAM:
        return put_native(s, at);
    case OTLP_SUMMARY:
        return put_summary(s, at, msg);
    default:
        return put(s, at, OTLP_PART_VALUE, 0, at->p.value);
    }
}

/* A delta point becomes a cumulative one. FER_INVALID: it cannot. */
static fer_code add_up(scan *s, spot *at)
{
    if (!at->delta || s->o->cumulator == NULL || (at->p.flags & OTLP_NO_RECORDED_VALUE))
        return FER_OK;
    return otlp_cumulate(s->o->cumulator, fp_series(s, at, OTLP_PART_VALUE, at->kind), at->kind,
                         s->a, &at->p);
}

static fer_code scan_point(scan *s, fer_str msg, spot *at)
{
    FER_TRY(otlp_read_point(msg, at->kind, s->a, &at->p));
    at->point = ++s->n_points;
    at->point_fp = s->fp(s->fp_arg, at->p.attributes.s);
    fer_code c = add_up(s, at);
    if (c == FER_INVALID) {
        refuse(s, 1, "a delta point is older than the newest of its series, or out of bounds",
               at->metric->name);
        return FER_OK;
    }
    FER_TRY(c);
    if (at->p.time_ns < s->oldest_ns)
        s->oldest_ns = at->p.time_ns;
    if (at->p.time_ns > s->newest_ns)
        s->newest_ns = at->p.time_ns;
    FER_TRY(put_point(s, at, msg));
    return put_exemplars(s, at);
}

/* ---- metrics ---- */

/* Gauge, Sum, Histogram, ...: what stands beside the points, and how many of them. */
static fer_code read_points_message(metric_fields *m, size_t *ret_points)
{
    *ret_points = 0;
    for (fer_rd r = rd_of(m->points);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num == 1 && f.type == PB_BYTES)
            ++*ret_points;
        else if (f.num == 2 && f.type == PB_VARINT)
            m->temporality = f.u;
        else if (f.num == 3 && f.type == PB_VARINT)
            m->monotonic = f.u != 0;
        else if (f.num <= 3)
            return FER_CORRUPT;
    }
}

static fer_code read_metric(fer_str msg, metric_fields *m)
{
    static const uint8_t kinds[] = {[5] = OTLP_GAUGE,
                                    [7] = OTLP_SUM,
                                    [9] = OTLP_HISTOGRAM,
                                    [10] = OTLP_EXPONENTIAL_HISTOGRAM,
                                    [11] = OTLP_SUMMARY};
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num > 11)
            continue;
        if (f.type != PB_BYTES)
            return FER_CORRUPT;
        if (f.num <= 3 && m->kind != OTLP_NO_KIND)
            m->whole = false;
        if (f.num == 1)
            m->name = f.bytes;
        else if (f.num == 2)
            m->description = f.bytes;
        else if (f.num == 3)
            m->unit = f.bytes;
        else if (kinds[f.num] != OTLP_NO_KIND) {
            m->kind = (otlp_kind)kinds[f.num];
            m->points = f.bytes;
            m->head = (fer_str){msg.p, (size_t)((const char *)f.start - msg.p)};
        }
    }
}

static bool has_temporality(otlp_kind kind)
{
    return kind == OTLP_SUM || kind == OTLP_COUNTER || kind == OTLP_HISTOGRAM ||
           kind == OTLP_EXPONENTIAL_HISTOGRAM;
}

static uint8_t type_of(const scan *s, const metric_fields *m)
{
    static const uint8_t types[] = {[OTLP_GAUGE] = TYPE_GAUGE,
                                    [OTLP_SUM] = TYPE_GAUGE,
                                    [OTLP_COUNTER] = TYPE_COUNTER,
                                    [OTLP_HISTOGRAM] = TYPE_HISTOGRAM,
                                    [OTLP_EXPONENTIAL_HISTOGRAM] = TYPE_HISTOGRAM,
                                    [OTLP_SUMMARY] = TYPE_SUMMARY};
    bool is_delta = m->temporality == DELTA && has_temporality(m->kind) && s->o->native_delta;
    return is_delta ? TYPE_UNKNOWN : types[m->kind];
}

static fer_code note_metadata(scan *s, const metric_fields *m, fer_str name)
{
    metadata_family family = {name, type_of(s, m), m->description, m->unit};
    return rw_add_metadata(s->q, &family);
}

/* Nothing where they do not become labels. */
static type_and_unit type_and_unit_of(const scan *s, const metric_fields *m)
{
    static const char *const names[] = {[TYPE_UNKNOWN] = "",
                                        [TYPE_COUNTER] = "counter",
                                        [TYPE_GAUGE] = "gauge",
                                        [TYPE_HISTOGRAM] = "histogram",
                                        [TYPE_SUMMARY] = "summary"};
    if (!s->o->type_and_unit)
        return no_type_and_unit;
    return (type_and_unit){str_of(names[type_of(s, m)]), m->unit};
}

/* Where the points of this metric stand. */
static fer_code spot_of_metric(scan *s, otlp_kind kind, fer_str name, type_and_unit of, spot *ret)
{
    otlp_metric *metric = fer_arena_alloc(s->a, sizeof *metric);
    if (metric == NULL)
        return FER_LIMIT;
    *metric = (otlp_metric){s->o, s->resource, s->scope, s->schema_url, name, of.type, of.unit};
    struct {
        fer_hash128 around, name, type, unit;
    } key = {.around = s->around, .name = s->fp(s->fp_arg, name)};
    if (s->o->type_and_unit) {
        key.type = s->fp(s->fp_arg, of.type);
        key.unit = s->fp(s->fp_arg, of.unit);
    }
    *ret = (spot){.metric = metric,
                  .kind = kind,
                  .metric_fp = s->fp(s->fp_arg, (fer_str){(const char *)&key, sizeof key})};
    return FER_OK;
}

static fer_code scan_points(scan *s, const metric_fields *m, fer_str name)
{
    spot at;
    FER_TRY(note_metadata(s, m, name));
    FER_TRY(spot_of_metric(s, m->kind, name, type_and_unit_of(s, m), &at));
    at.delta = has_temporality(m->kind) && m->temporality == DELTA;
    for (fer_rd r = rd_of(m->points);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num == 1)
            FER_TRY(scan_point(s, f.bytes, &at));
    }
}

static bool is_taken(const otlp_options *o, uint64_t temporality)
{
    bool deltas = o->native_delta || o->cumulator != NULL;
    return temporality == CUMULATIVE || (temporality == DELTA && deltas);
}

/* The metric's name, translated here or before. FER_INVALID as otlp_metric_name(). */
static fer_code translate(scan *s, const metric_fields *m, fer_str *ret, fer_err *why)
{
    struct {
        fer_hash128 head;
        uint64_t kind, strategy;
    } of = {s->fp(s->fp_arg, m->head), m->kind, s->o->strategy};
    fer_hash128 key = s->fp(s->fp_arg, (fer_str){(const char *)&of, sizeof of});
    fer_str kept = m->whole ? otlp_name_cache_get(s->names, key) : STR("");
    if (kept.n != 0) {
        *ret = fer_arena_dup(s->a, kept);
        return ret->p == NULL ? FER_LIMIT : FER_OK;
    }
    FER_TRY(otlp_metric_name(s->o->strategy, m->name, m->unit, m->kind, s->a, ret, why));
    if (m->whole)
        otlp_name_cache_put(s->names, key, *ret);
    return FER_OK;
}

static fer_code scan_metric(scan *s, fer_str msg)
{
    metric_fields m = {.name = STR(""),
                       .description = STR(""),
                       .unit = STR(""),
                       .points = STR(""),
                       .head = STR(""),
                       .whole = true};
    size_t points;
    fer_str name;
    fer_err why;
    FER_TRY(read_metric(msg, &m));
    FER_TRY(read_points_message(&m, &points));
    if (m.kind == OTLP_SUM && m.monotonic)
        m.kind = OTLP_COUNTER;
    if (points == 0)
        return FER_OK;
    if (has_temporality(m.kind) && !is_taken(s->o, m.temporality)) {
        refuse(s, points, "invalid temporality and type combination", m.name);
        return FER_OK;
    }
    fer_code c = translate(s, &m, &name, &why);
    if (c == FER_INVALID) {
        refuse(s, points, why.msg, m.name);
        return FER_OK;
    }
    FER_TRY(c);
    return scan_points(s, &m, name);
}

/* ---- resources ---- */

/* The hash of what the metrics to come have in common. */
static void note_around(scan *s)
{
    struct {
        fer_hash128 resource, scope, schema_url;
        uint64_t options;
    } key = {s->fp(s->fp_arg, s->resource), {0, 0}, {0, 0}, s->o->version};
    if (s->o->promote_scope) {
        key.scope = s->fp(s->fp_arg, s->scope);
        key.schema_url = s->fp(s->fp_arg, s->schema_url);
    }
    s->around = s->fp(s->fp_arg, (fer_str){(const char *)&key, sizeof key});
}

static fer_code scan_scope_metrics(scan *s, fer_str msg)
{
    pb_field f = {0};
    s->scope = s->schema_url = STR("");
    for (fer_rd r = rd_of(msg);;) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num <= 3 && f.type != PB_BYTES)
            return FER_CORRUPT;
        if (f.num == 1)
            s->scope = f.bytes;
        else if (f.num == 3)
            s->schema_url = f.bytes;
    }
    note_around(s);
    for (fer_rd r = rd_of(msg);;) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num == 2)
            FER_TRY(scan_metric(s, f.bytes));
    }
}

/* The time of the newest sample this request has given to the series; a new one has none. Of very many series
 * the first are forgotten: at worst a sample is told to be out of order that is there already. */
static fer_code find_target(scan *s, fer_hash128 fp, int64_t **ret)
{
    enum { TARGETS_MAX = 1024 };
    size_t n = s->n_targets < TARGETS_MAX ? s->n_targets : TARGETS_MAX;
    for (size_t i = 0; i < n; i++)
        if (s->targets[i].fp.lo == fp.lo && s->targets[i].fp.hi == fp.hi) {
            *ret = &s->targets[i].newest;
            return FER_OK;
        }
    if (n == s->cap_targets && n < TARGETS_MAX) {
        size_t cap = n == 0 ? 8 : 2 * n;
        target *grown = fer_arena_grow(s->a, s->targets, n * sizeof *grown, cap * sizeof *grown);
        if (grown == NULL)
            return FER_LIMIT;
        s->targets = grown;
        s->cap_targets = cap;
    }
    target *t = &s->targets[s->n_targets++ % TARGETS_MAX];
    *t = (target){fp, INT64_MIN};
    *ret = &t->newest;
    return FER_OK;
}

/* A 1 from the oldest point on, twice a lookback, and at the newest one; of a very long time its end. */
static fer_code put_target(scan *s)
{
    enum { SAMPLES_MAX = 1000 };
    bool has;
    spot at;
    int64_t *newest;
    FER_TRY(otlp_has_target(s->resource, &has));
    if (!has)
        return FER_OK;
    s->scope = s->schema_url = STR("");
    note_around(s);
    FER_TRY(spot_of_metric(s, OTLP_NO_KIND, STR("target_info"), no_type_and_unit, &at));
    at.p.attributes.s = STR("");
    fer_hash128 fp = fp_series(s, &at, OTLP_PART_TARGET, 0);
    FER_TRY(find_target(s, fp, &newest));
    int64_t from = otlp_ms(s->oldest_ns), to = otlp_ms(s->newest_ns);
    int64_t step = s->o->lookback_ms / 2 > 0 ? s->o->lookback_ms / 2 : 1;
    if ((to - from) / step > SAMPLES_MAX)
        from = to - SAMPLES_MAX * step;
    for (int64_t t = from; t < to; t += step)
        if (t > *newest) {
            FER_TRY(add_row(s, &at, OTLP_PART_TARGET, 0, t, 1, fp));
            *newest = t;
        }
    if (to <= *newest)
        return FER_OK;
    *newest = to;
    return add_row(s, &at, OTLP_PART_TARGET, 0, to, 1, fp);
}

static fer_code scan_resource_metrics(scan *s, fer_str msg)
{
    pb_field f = {0};
    s->resource = STR("");
    s->oldest_ns = UINT64_MAX;
    s->newest_ns = 0;
    for (fer_rd r = rd_of(msg);;) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num <= 2 && f.type != PB_BYTES)
            return FER_CORRUPT;
        if (f.num == 1)
            s->resource = f.bytes;
    }
    for (fer_rd r = rd_of(msg);;) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num == 2)
            FER_TRY(scan_scope_metrics(s, f.bytes));
    }
    return s->oldest_ns == UINT64_MAX ? FER_OK : put_target(s);
}

fer_code otlp_scan(fer_str msg, const otlp_options *o, rw_fingerprint_fn fp, const void *fp_arg,
                   otlp_name_cache *names, fer_arena *a, rw_request *ret, otlp_refused *refused,
                   fer_err *err)
{
    scan s = {
        .o = o, .fp = fp, .fp_arg = fp_arg, .names = names, .a = a, .q = ret, .refused = refused};
    *refused = (otlp_refused){0};
    rw_request_begin(ret, msg.n);
    if (msg.n == 0)
        return FER_OK;
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        if (c == FER_OK && f.num == 1)
            c = f.type == PB_BYTES ? scan_resource_metrics(&s, f.bytes) : FER_CORRUPT;
        if (c == FER_LIMIT)
            return fer_fail_budget(err, "OTLP request");
        if (c != FER_OK)
            return fer_fail(err, FER_INVALID,
                            "proto: malformed ExportMetricsServiceRequest in the field at byte %td",
                            f.start - (const uint8_t *)msg.p);
    }
}
