/* rw1_model.h - test double: compares rw1.c's reading of a message with protobuf-c's.
 *
 * Included by rw1_test.c and rw1_fuzz.c.
 */
#ifndef FERULA_SERVER_REMOTE_RW1_MODEL_H
#define FERULA_SERVER_REMOTE_RW1_MODEL_H

#include "remote.pb-c.h"
#include "server/remote/pb_model.h"
#include "server/remote/rw1.h"
#include "server/remote/rw_hist.h"

/* The messages rw1.c reads; what the scan takes as opaque bytes is not walked with the request. */
typedef enum model_kind {
    MODEL_REQUEST,
    MODEL_SERIES,
    MODEL_SAMPLE,
    MODEL_METADATA,
    MODEL_LABELS, /* the label fields of a series */
    MODEL_LABEL,
    MODEL_HISTOGRAM,
    MODEL_EXEMPLAR,
} model_kind;

/* model_known_fn */
static bool model_known_field(int kind, uint64_t num, uint64_t type, fer_str bytes)
{
    switch (kind) {
    case MODEL_REQUEST:
        if (num != 1 && num != 3)
            return true;
        return type == 2 &&
               model_legal(bytes, num == 1 ? MODEL_SERIES : MODEL_METADATA, model_known_field);
    case MODEL_SERIES:
        if (num >= 2 && num <= 4)
            return type == 2 && model_legal(bytes,
                                            num == 2   ? MODEL_SAMPLE
                                            : num == 3 ? MODEL_EXEMPLAR
                                                       : MODEL_HISTOGRAM,
                                            model_known_field);
        return num > 4 || type == 2;
    case MODEL_EXEMPLAR:
        if (num == 1)
            return type == 2 && model_legal(bytes, MODEL_LABEL, model_known_field);
        return num > 3 || type == (num == 2 ? 1 : 0);
    case MODEL_HISTOGRAM:
        return model_known_in_histogram(RW1_HISTOGRAM_FIELDS, num, type, bytes);
    case MODEL_SAMPLE:
        return num > 2 || type == (num == 1 ? 1 : 0);
    case MODEL_LABELS:
        return num == 1 && type == 2 && model_legal(bytes, MODEL_LABEL, model_known_field);
    case MODEL_LABEL:
        return num > 2 || type == 2;
    default:
        return num > 5 || num == 3 || type == (num == 1 ? 0 : 2);
    }
}

static void model_check_labels(const Prompb__TimeSeries *ts, fer_str raw)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    label *l;
    size_t n;
    fer_err err;
    fer_code c = rw1_labels(NULL, raw, a, &l, &n, &err);
    if (ts->n_labels > LABELS_MAX || !model_legal(raw, MODEL_LABELS, model_known_field)) {
        MODEL_CHECK(c == FER_INVALID);
    } else {
        MODEL_CHECK(c == FER_OK && n == ts->n_labels);
        for (size_t i = 0; i < n; i++) {
            /* protobuf-c's strings end at a NUL; ours do not. */
            MODEL_CHECK(has_nul(l[i].name) || str_eq(l[i].name, str_of(ts->labels[i]->name)));
            MODEL_CHECK(has_nul(l[i].value) || str_eq(l[i].value, str_of(ts->labels[i]->value)));
        }
    }
    fer_arena_free(a);
}

static void model_check_side(const hist_side *side, bool is_float, size_t n_spans,
                             Prompb__BucketSpan **spans, size_t n_deltas, const int64_t *deltas,
                             size_t n_counts, const double *counts)
{
    MODEL_CHECK(side->n_spans == n_spans);
    for (size_t i = 0; i < n_spans; i++)
        MODEL_CHECK(side->spans[i].offset == spans[i]->offset &&
                    side->spans[i].length == spans[i]->length);
    MODEL_CHECK(side->n_buckets == (is_float ? n_counts : n_deltas));
    MODEL_CHECK(side->n_buckets == 0 ||
                memcmp(side->buckets, is_float ? (const void *)counts : (const void *)deltas,
                       side->n_buckets * 8) == 0);
}

static void model_check_histogram(const tsdb_hist_row *row, const Prompb__Histogram *m)
{
    const hist_sample *h = &row->h;
    bool is_float = m->count_case == PROMPB__HISTOGRAM__COUNT_COUNT_FLOAT;
    bool is_zero_float = m->zero_count_case == PROMPB__HISTOGRAM__ZERO_COUNT_ZERO_COUNT_FLOAT;
    MODEL_CHECK(row->t == m->timestamp && h->is_float == is_float);
    if (row->refuse.n == 0 && m->schema > HIST_SCHEMA_MAX)
        return; /* reduced */
    MODEL_CHECK(h->schema == m->schema && f64_bits(h->sum) == f64_bits(m->sum));
    MODEL_CHECK(f64_bits(h->zero_threshold) == f64_bits(m->zero_threshold));
    MODEL_CHECK(is_float ? f64_bits(h->count.f) == f64_bits(m->count_float)
                         : h->count.u == (m->count_case == 0 ? 0 : m->count_int));
    MODEL_CHECK(is_float ? f64_bits(h->zero_count.f) ==
                               (is_zero_float ? f64_bits(m->zero_count_float) : 0)
                         : h->zero_count.u ==
                               (is_zero_float || m->zero_count_case == 0 ? 0 : m->zero_count_int));
    MODEL_CHECK(h->reset_hint == (m->reset_hint > 3 ? 0 : m->reset_hint));
    model_check_side(&h->side[HIST_NEG], is_float, m->n_negative_spans, m->negative_spans,
                     m->n_negative_deltas, m->negative_deltas, m->n_negative_counts,
                     m->negative_counts);
    model_check_side(&h->side[HIST_POS], is_float, m->n_positive_spans, m->positive_spans,
                     m->n_positive_deltas, m->positive_deltas, m->n_positive_counts,
                     m->positive_counts);
    MODEL_CHECK(h->n_custom == m->n_custom_values);
    MODEL_CHECK(h->n_custom == 0 ||
                memcmp(h->custom, m->custom_values, h->n_custom * sizeof *h->custom) == 0);
}

/* rw1_known_fn: those in the request arg; of NULL none. */
static void model_known(void *arg, const tsdb_row *rows, size_t n, bool *ret)
{
    const rw_request *q = arg;
    for (size_t i = 0; i < n; i++) {
        ret[i] = false;
        for (size_t k = 0; q != NULL && k < q->n_rows; k++)
            ret[i] = ret[i] || memcmp(&q->rows[k].fp, &rows[i].fp, sizeof rows[i].fp) == 0;
    }
}

/* The scan that guesses reads what the other one has read, whatever is known. */
static void model_check_guesses(fer_str msg, fer_code code, rw_request *want)
{
    for (int some = 0; some < 2; some++) {
        rw_request q;
        fer_err err;
        rw_request_init(&q, NULL);
        fer_code c = rw1_scan_known(msg, model_fingerprint, NULL, model_known,
                                    some && code == FER_OK ? want : NULL, &q, &err);
        MODEL_CHECK(c == code && q.n_rows == want->n_rows && q.n_series == want->n_series);
        MODEL_CHECK(q.n_hists == want->n_hists && q.n_metadata == want->n_metadata);
        for (size_t i = 0; i < q.n_rows; i++) {
            const tsdb_row *a = &q.rows[i], *b = &want->rows[i];
            MODEL_CHECK(a->t == b->t && f64_bits(a->v) == f64_bits(b->v));
            MODEL_CHECK(c != FER_OK || str_eq(a->raw, b->raw));
            MODEL_CHECK(c != FER_OK || memcmp(&a->fp, &b->fp, sizeof a->fp) == 0);
        }
        rw_request_done(&q);
    }
}

/* True when rw1 and protobuf-c read the message; aborts when they read it differently, or when rw1
 * takes or refuses what it should not. protobuf-c checks the bytes of labels at once, rw1 when a series is
 * new: a message that only rw1 takes is checked at its labels. */
static bool model_compare(fer_str msg)
{
    rw_request q;
    rw_request_init(&q, NULL);
    fer_err err;
    fer_code c = rw1_scan(msg, model_fingerprint, NULL, &q, &err);
    Prompb__WriteRequest *m = prompb__write_request__unpack(NULL, msg.n, (const uint8_t *)msg.p);
    bool both = c == FER_OK && m != NULL;
    model_check_guesses(msg, c, &q);
    MODEL_CHECK((c == FER_OK) == model_legal(msg, MODEL_REQUEST, model_known_field));
    if (both) {
        size_t row = 0, hist = 0;
        MODEL_CHECK(q.n_series == m->n_timeseries && q.n_metadata == m->n_metadata);
        for (size_t i = 0; i < m->n_timeseries; i++) {
            const Prompb__TimeSeries *ts = m->timeseries[i];
            for (size_t k = 0; k < ts->n_samples; k++, row++) {
                MODEL_CHECK(row < q.n_rows && q.rows[row].t == ts->samples[k]->timestamp);
                MODEL_CHECK(memcmp(&q.rows[row].v, &ts->samples[k]->value, 8) == 0);
                if (k == 0)
                    model_check_labels(ts, q.rows[row].raw);
            }
            for (size_t k = 0; k < ts->n_histograms; k++, hist++) {
                MODEL_CHECK(hist < q.n_hists);
                model_check_histogram(&q.hists[hist], ts->histograms[k]);
            }
        }
        MODEL_CHECK(row == q.n_rows && hist == q.n_hists);
        for (size_t i = 0; i < m->n_metadata; i++) {
            const metadata_family *f = &q.metadata[i];
            MODEL_CHECK(f->type == m->metadata[i]->type);
            MODEL_CHECK(has_nul(f->help) || str_eq(f->help, str_of(m->metadata[i]->help)));
            MODEL_CHECK(has_nul(f->unit) || str_eq(f->unit, str_of(m->metadata[i]->unit)));
        }
    }
    prompb__write_request__free_unpacked(m, NULL);
    rw_request_done(&q);
    return both;
}

#endif
