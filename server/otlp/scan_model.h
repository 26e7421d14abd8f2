/* scan_model.h - test double: what the scan makes of a message, as lines, and against protobuf-c's reading.
 *
 * Included by scan_test.c and scan_fuzz.c.
 */
#ifndef FERULA_SERVER_OTLP_SCAN_MODEL_H
#define FERULA_SERVER_OTLP_SCAN_MODEL_H

#include <inttypes.h>
#include <math.h>

#include "base/num.h"
#include "otlp.pb-c.h"
#include "server/otlp/scan.h"
#include "server/remote/pb_model.h"

static const otlp_options model_options = {
    .strategy = OTLP_ESCAPE | OTLP_SUFFIXES,
    .labels = {true, true, true},
    .lookback_ms = 300000,
};

/* The labels of a row, or the reason why there are none. */
static inline void model_print_labels(fer_buf *out, fer_str raw)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    label *l;
    size_t n;
    labels ls;
    fer_err err;
    fer_code c = otlp_labels(NULL, raw, a, &l, &n, &err);
    if (c == FER_OK)
        c = labels_canonical(l, n, true, &ls, &err);
    if (c == FER_OK)
        labels_print_metric(out, ls);
    else
        fer_buf_puts(out, str_of(err.msg));
    fer_arena_free(a);
}

static inline void model_print_side(fer_buf *out, const char *name, const hist_side *side)
{
    for (uint32_t i = 0; i < side->n_spans; i++)
        fer_buf_printf(out, " %s[%d+%u]", name, side->spans[i].offset, side->spans[i].length);
    for (uint32_t i = 0; i < side->n_buckets; i++)
        fer_buf_printf(out, " %" PRId64, side->buckets[i].i);
}

static inline void model_print_native(fer_buf *out, const tsdb_hist_row *row)
{
    model_print_labels(out, row->raw);
    if (row->refuse.n != 0) {
        fer_buf_printf(out, " refused: %.*s\n", STR_FMT(row->refuse));
        return;
    }
    const hist_sample *h = &row->h;
    fer_buf_printf(out, " schema %d, %" PRIu64 " of sum %g, zero %" PRIu64 " to %g,", h->schema,
                   h->count.u, h->sum, h->zero_count.u, h->zero_threshold);
    model_print_side(out, "+", &h->side[HIST_POS]);
    model_print_side(out, "-", &h->side[HIST_NEG]);
    for (uint32_t i = 0; i < h->n_custom; i++)
        fer_buf_printf(out, " le %g", h->custom[i]);
    fer_buf_printf(out, " @%" PRId64 "\n", row->t);
}

/* A line a row: {labels} value @time. */
static inline void model_print(fer_buf *out, const rw_request *q)
{
    for (size_t i = 0; i < q->n_rows; i++) {
        char text[NUM_TEXT_MAX];
        model_print_labels(out, q->rows[i].raw);
        fer_buf_putc(out, ' ');
        fer_buf_put(out, text, num_format_g(text, q->rows[i].v));
        fer_buf_printf(out, " @%" PRId64 "\n", q->rows[i].t);
    }
    for (size_t i = 0; i < q->n_hists; i++)
        model_print_native(out, &q->hists[i]);
}

/* ---- protobuf-c's reading ---- */

typedef struct model_walk {
    const rw_request *q;
    size_t row;
} model_walk;

static inline void model_expect(model_walk *w, otlp_part part, double bound, uint64_t ns,
                                uint32_t flags, double v)
{
    MODEL_CHECK(w->row < w->q->n_rows);
    const tsdb_row *r = &w->q->rows[w->row++];
    const otlp_series *s = (const void *)r->raw.p;
    bool stale = (flags & 1) != 0;
    MODEL_CHECK(s->part == part && memcmp(&s->bound, &bound, sizeof bound) == 0);
    MODEL_CHECK(r->t == (int64_t)ns / 1000000);
    MODEL_CHECK(stale ? isnan(r->v) : memcmp(&r->v, &v, sizeof v) == 0);
}

static inline void model_numbers(model_walk *w, Otlppb__NumberDataPoint **p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = 0;
        if (p[i]->value_case == OTLPPB__NUMBER_DATA_POINT__VALUE_AS_DOUBLE)
            v = p[i]->as_double;
        else if (p[i]->value_case == OTLPPB__NUMBER_DATA_POINT__VALUE_AS_INT)
            v = (double)p[i]->as_int;
        model_expect(w, OTLP_PART_VALUE, 0, p[i]->time_unix_nano, p[i]->flags, v);
    }
}

static inline void model_histograms(model_walk *w, Otlppb__HistogramDataPoint **p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t t = p[i]->time_unix_nano, total = 0;
        uint32_t flags = p[i]->flags;
        if (p[i]->maybe_case == OTLPPB__HISTOGRAM_DATA_POINT__MAYBE_SUM)
            model_expect(w, OTLP_PART_SUM, 0, t, flags, p[i]->sum);
        model_expect(w, OTLP_PART_COUNT, 0, t, flags, (double)p[i]->count);
        for (size_t k = 0; k < p[i]->n_bucket_counts && k < p[i]->n_explicit_bounds; k++) {
            total += p[i]->bucket_counts[k];
            model_expect(w, OTLP_PART_BUCKET, p[i]->explicit_bounds[k], t, flags, (double)total);
        }
        model_expect(w, OTLP_PART_BUCKET, INFINITY, t, flags, (double)p[i]->count);
    }
}

static inline void model_summaries(model_walk *w, Otlppb__SummaryDataPoint **p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t t = p[i]->time_unix_nano;
        uint32_t flags = p[i]->flags;
        model_expect(w, OTLP_PART_SUM, 0, t, flags, p[i]->sum);
        model_expect(w, OTLP_PART_COUNT, 0, t, flags, (double)p[i]->count);
        for (size_t k = 0; k < p[i]->n_quantile_values; k++)
            model_expect(w, OTLP_PART_QUANTILE, p[i]->quantile_values[k]->quantile, t, flags,
                         p[i]->quantile_values[k]->value);
    }
}

/* Whether the metric's name is one; where it is not, the scan leaves the metric out. */
static inline bool model_has_name(const Otlppb__Metric *m, otlp_kind kind)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str name;
    fer_err err;
    fer_code c =
        otlp_metric_name(model_options.strategy, (fer_str){(const char *)m->name.data, m->name.len},
                         (fer_str){(const char *)m->unit.data, m->unit.len}, kind, a, &name, &err);
    fer_arena_free(a);
    return c == FER_OK;
}

static inline void model_metric(model_walk *w, const Otlppb__Metric *m)
{
    switch (m->data_case) {
    case OTLPPB__METRIC__DATA_GAUGE:
        if (model_has_name(m, OTLP_GAUGE))
            model_numbers(w, m->gauge->data_points, m->gauge->n_data_points);
        break;
    case OTLPPB__METRIC__DATA_SUM:
        if (m->sum->aggregation_temporality == 2 &&
            model_has_name(m, m->sum->is_monotonic ? OTLP_COUNTER : OTLP_SUM))
            model_numbers(w, m->sum->data_points, m->sum->n_data_points);
        break;
    case OTLPPB__METRIC__DATA_HISTOGRAM:
        if (m->histogram->aggregation_temporality == 2 && model_has_name(m, OTLP_HISTOGRAM))
            model_histograms(w, m->histogram->data_points, m->histogram->n_data_points);
        break;
    case OTLPPB__METRIC__DATA_SUMMARY:
        if (model_has_name(m, OTLP_SUMMARY))
            model_summaries(w, m->summary->data_points, m->summary->n_data_points);
        break;
    default:
        break;
    }
}

/* Rows of target_info stand behind those of their resource. */
static inline void model_skip_targets(model_walk *w)
{
    while (w->row < w->q->n_rows &&
           ((const otlp_series *)(const void *)w->q->rows[w->row].raw.p)->part == OTLP_PART_TARGET)
        w->row++;
}

static inline void model_request(const rw_request *q, const Otlppb__Request *m)
{
    model_walk w = {q, 0};
    for (size_t i = 0; i < m->n_resource_metrics; i++) {
        const Otlppb__ResourceMetrics *rm = m->resource_metrics[i];
        for (size_t j = 0; j < rm->n_scope_metrics; j++)
            for (size_t k = 0; k < rm->scope_metrics[j]->n_metrics; k++)
                model_metric(&w, rm->scope_metrics[j]->metrics[k]);
        model_skip_targets(&w);
    }
    MODEL_CHECK(w.row == q->n_rows);
}

static inline bool model_has_unknown(const ProtobufCMessage *m);

/* The same of the messages in a field. */
static inline bool model_field_has_unknown(const ProtobufCMessage *m,
                                           const ProtobufCFieldDescriptor *f)
{
    const char *at = (const char *)m + f->offset;
    const char *quantifier = (const char *)m + f->quantifier_offset;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)(const void *)quantifier;
        ProtobufCMessage *const *list = *(ProtobufCMessage *const *const *)(const void *)at;
        for (size_t i = 0; i < n; i++)
            if (model_has_unknown(list[i]))
                return true;
        return false;
    }
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *(const uint32_t *)(const void *)quantifier != f->id)
        return false;
    const ProtobufCMessage *one = *(ProtobufCMessage *const *)(const void *)at;
    return one != NULL && model_has_unknown(one);
}

/* Whether there are fields that the .proto leaves out (exemplars, exponential histograms): the scan may read them,
 * or find them malformed. */
static inline bool model_has_unknown(const ProtobufCMessage *m)
{
    if (m->n_unknown_fields != 0)
        return true;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        if (model_field_has_unknown(m, &m->descriptor->fields[i]))
            return true;
    return false;
}

/* Whether protobuf-c writes what it has read as it stood: then both must read the same. (Elsewhere messages
 * are merged, numbers cut and the like, and the scan may see it otherwise.) */
static inline bool model_is_plain(fer_str msg, const Otlppb__Request *m)
{
    if (model_has_unknown(&m->base) || otlppb__request__get_packed_size(m) != msg.n)
        return false;
    uint8_t *again = fer_alloc(msg.n + 1);
    otlppb__request__pack(m, again);
    bool same = msg.n == 0 || memcmp(again, msg.p, msg.n) == 0;
    fer_free(again);
    return same;
}

static inline void model_lines(fer_code c, const rw_request *q, const fer_err *err, fer_buf *out)
{
    if (c == FER_OK) {
        fer_buf_puts(out, fer_buf_str(&q->bad));
        model_print(out, q);
    } else {
        fer_buf_puts(out, str_of(err->msg));
    }
}

/* Scans the message and compares, once more with the names of the first time; aborts on a difference. The lines, or the error.
 * True: it was read. */
static inline bool model_scan(fer_str msg, const otlp_options *o, fer_buf *ret_lines)
{
    rw_request q;
    otlp_refused refused;
    fer_err err;
    fer_arena *a = fer_arena_new(NULL, 0);
    otlp_name_cache *names = otlp_name_cache_new();
    fer_buf again;
    fer_buf_init(&again, SIZE_MAX / 2, NULL);
    rw_request_init(&q, NULL);
    fer_code c = otlp_scan(msg, o, model_fingerprint, NULL, names, a, &q, &refused, &err);
    Otlppb__Request *m = otlppb__request__unpack(NULL, msg.n, (const uint8_t *)msg.p);
    if (m != NULL && model_is_plain(msg, m)) {
        MODEL_CHECK(c == FER_OK);
        model_request(&q, m);
    }
    if (m != NULL)
        otlppb__request__free_unpacked(m, NULL);
    size_t from = ret_lines->n;
    model_lines(c, &q, &err, ret_lines);
    fer_arena_reset(a);
    MODEL_CHECK(otlp_scan(msg, o, model_fingerprint, NULL, names, a, &q, &refused, &err) == c);
    model_lines(c, &q, &err, &again);
    MODEL_CHECK(str_eq(str_from(fer_buf_str(ret_lines), from), fer_buf_str(&again)) ||
                ret_lines->full);
    fer_buf_done(&again);
    rw_request_done(&q);
    otlp_name_cache_free(names);
    fer_arena_free(a);
    return c == FER_OK;
}

#endif
