/* rw2_model.h - test double: compares rw2.c's reading of a message with protobuf-c's.
 *
 * Included by rw2_test.c and rw2_fuzz.c.
 */
#ifndef FERULA_SERVER_REMOTE_RW2_MODEL_H
#define FERULA_SERVER_REMOTE_RW2_MODEL_H

#include "remote2.pb-c.h"
#include "server/remote/pb_model.h"
#include "server/remote/rw2.h"
#include "server/remote/rw_hist.h"

typedef enum model_kind {
    MODEL_REQUEST,
    MODEL_SERIES,
    MODEL_SAMPLE,
    MODEL_METADATA,
    MODEL_HISTOGRAM,
    MODEL_EXEMPLAR,
} model_kind;

/* model_known_fn */
static bool model_known_field(int kind, uint64_t num, uint64_t type, fer_str bytes)
{
    switch (kind) {
    case MODEL_REQUEST:
        if (num != 4 && num != 5)
            return true;
        return type == 2 && (num == 4 || model_legal(bytes, MODEL_SERIES, model_known_field));
    case MODEL_SERIES:
        if (num == 1)
            return type == 0 || (type == 2 && model_packed(bytes));
        if (num == 2 || num == 5)
            return type == 2 &&
                   model_legal(bytes, num == 2 ? MODEL_SAMPLE : MODEL_METADATA, model_known_field);
        if (num == 3 || num == 4)
            return type == 2 && model_legal(bytes, num == 3 ? MODEL_HISTOGRAM : MODEL_EXEMPLAR,
                                            model_known_field);
        return num > 5 || type == 2;
    case MODEL_EXEMPLAR:
        if (num == 1)
            return type == 0 || (type == 2 && model_packed(bytes));
        return num > 3 || type == (num == 2 ? 1 : 0);
    case MODEL_HISTOGRAM:
        return model_known_in_histogram(RW2_HISTOGRAM_FIELDS, num, type, bytes);
    case MODEL_SAMPLE:
        return num > 3 || type == (num == 1 ? 1 : 0);
    default:
        return num > 4 || num == 2 || type == 0;
    }
}

/* Several metadata messages in one series are merged differently by protobuf-c: it takes an explicit
 * zero for absent. */
static bool model_repeats_metadata(fer_str msg)
{
    size_t n = 0;
    while (msg.n != 0) {
        uint64_t tag, v = 0;
        if (!model_varint(&msg, &tag))
            return true;
        uint64_t type = tag & 7;
        if ((type == 0 || type == 2) && !model_varint(&msg, &v))
            return true;
        size_t skip = type == 0 ? 0 : type == 1 ? 8 : type == 5 ? 4 : v;
        fer_str body = str_head(msg, skip);
        msg = str_from(msg, skip);
        if (tag >> 3 == 5 && type == 2 && (++n > 1 && body.n != 0))
            return true;
    }
    return false;
}

static bool model_takes(const Prompb2__Request *m, const Prompb2__TimeSeries *ts)
{
    if (ts->n_labels_refs % 2 != 0 || ts->n_labels_refs > 2 * LABELS_MAX)
        return false;
    for (size_t i = 0; i < ts->n_labels_refs; i++)
        if (ts->labels_refs[i] >= m->n_symbols)
            return false;
    const Prompb2__Metadata *d = ts->metadata;
    if (d != NULL && (d->help_ref != 0 || d->unit_ref != 0) &&
        (d->help_ref >= m->n_symbols || d->unit_ref >= m->n_symbols))
        return false;
    return ts->n_samples + ts->n_histograms + ts->n_exemplars != 0;
}

static void model_check_labels(const Prompb2__Request *m, const Prompb2__TimeSeries *ts,
                               rw2_symbols *symbols, fer_str raw)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    label *l;
    size_t n;
    MODEL_CHECK(rw2_labels(symbols, raw, a, &l, &n, NULL) == FER_OK);
    MODEL_CHECK(n == ts->n_labels_refs / 2);
    for (size_t i = 0; i < n; i++) {
        /* protobuf-c's strings end at a NUL; ours do not. */
        const char *name = m->symbols[ts->labels_refs[2 * i]];
        const char *value = m->symbols[ts->labels_refs[2 * i + 1]];
        MODEL_CHECK(has_nul(l[i].name) || str_eq(l[i].name, str_of(name)));
        MODEL_CHECK(has_nul(l[i].value) || str_eq(l[i].value, str_of(value)));
    }
    fer_arena_free(a);
}

static void model_check(const Prompb2__Request *m, const rw_request *q, rw2_symbols *symbols)
{
    size_t row = 0, bad = 0, bad_samples = 0, exemplars = 0, histograms = 0;
    MODEL_CHECK(q->n_series == m->n_timeseries && symbols->n == m->n_symbols);
    for (size_t i = 0; i < m->n_timeseries; i++) {
        const Prompb2__TimeSeries *ts = m->timeseries[i];
        exemplars += ts->n_exemplars;
        if (!model_takes(m, ts)) {
            bad++;
            bad_samples += ts->n_samples + ts->n_histograms;
            continue;
        }
        histograms += ts->n_histograms;
        for (size_t k = 0; k < ts->n_samples; k++, row++) {
            MODEL_CHECK(row < q->n_rows && q->rows[row].t == ts->samples[k]->timestamp);
            MODEL_CHECK(memcmp(&q->rows[row].v, &ts->samples[k]->value, 8) == 0);
            if (k == 0)
                model_check_labels(m, ts, symbols, q->rows[row].raw);
        }
    }
    MODEL_CHECK(row == q->n_rows && bad == q->n_bad_series && bad_samples == q->n_bad_samples);
    MODEL_CHECK(exemplars == q->n_exemplars && histograms == q->n_hists);
}

static bool model_is_comparable(fer_str msg)
{
    while (msg.n != 0) {
        uint64_t tag, v = 0;
        if (!model_varint(&msg, &tag))
            return false;
        uint64_t type = tag & 7;
        if ((type == 0 || type == 2) && !model_varint(&msg, &v))
            return false;
        size_t skip = type == 0 ? 0 : type == 1 ? 8 : type == 5 ? 4 : v;
        if (tag >> 3 == 5 && model_repeats_metadata(str_head(msg, skip)))
            return false;
        msg = str_from(msg, skip);
    }
    return true;
}

/* True when rw2 and protobuf-c read the message; aborts when they read it differently, or when rw2 takes
 * or refuses what it should not. */
static bool model_compare(fer_str msg)
{
    rw_request q;
    rw2_symbols symbols;
    fer_err err;
    rw_request_init(&q, NULL);
    q.wants_starts = true;
    rw2_symbols_init(&symbols, NULL);
    fer_code c = rw2_scan(msg, model_fingerprint, NULL, &symbols, &q, &err);
    Prompb2__Request *m = prompb2__request__unpack(NULL, msg.n, (const uint8_t *)msg.p);
    bool both = c == FER_OK && m != NULL;
    MODEL_CHECK((c == FER_OK) == model_legal(msg, MODEL_REQUEST, model_known_field));
    for (size_t i = 0; c == FER_OK && i < q.n_starts; i++) {
        const tsdb_start *st = &q.starts[i];
        MODEL_CHECK(st->row < (st->of_hist ? q.n_hists : q.n_rows));
        MODEL_CHECK(st->t > 0 && st->t < (st->of_hist ? q.hists[st->row].t : q.rows[st->row].t));
    }
    if (both && model_is_comparable(msg))
        model_check(m, &q, &symbols);
    prompb2__request__free_unpacked(m, NULL);
    rw2_symbols_done(&symbols);
    rw_request_done(&q);
    return both;
}

#endif
