/* rw1_model.h - test double: compares rw1.c's reading of a message with protobuf-c's.
 *
 * Included by rw1_test.c and rw1_fuzz.c.
 */
#ifndef FERULA_SERVER_REMOTE_RW1_MODEL_H
#define FERULA_SERVER_REMOTE_RW1_MODEL_H

#include "remote.pb-c.h"
#include "server/remote/pb_model.h"
#include "server/remote/rw1.h"

/* The messages rw1.c reads; what the scan takes as opaque bytes is not walked with the request. */
typedef enum model_kind {
    MODEL_REQUEST,
    MODEL_SERIES,
    MODEL_SAMPLE,
    MODEL_METADATA,
    MODEL_LABELS, /* the label fields of a series */
    MODEL_LABEL,
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
        return num > 4 ||
               (type == 2 && (num != 2 || model_legal(bytes, MODEL_SAMPLE, model_known_field)));
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
    MODEL_CHECK((c == FER_OK) == model_legal(msg, MODEL_REQUEST, model_known_field));
    if (both) {
        size_t row = 0;
        MODEL_CHECK(q.n_series == m->n_timeseries && q.n_metadata == m->n_metadata);
        for (size_t i = 0; i < m->n_timeseries; i++) {
            const Prompb__TimeSeries *ts = m->timeseries[i];
            for (size_t k = 0; k < ts->n_samples; k++, row++) {
                MODEL_CHECK(row < q.n_rows && q.rows[row].t == ts->samples[k]->timestamp);
                MODEL_CHECK(memcmp(&q.rows[row].v, &ts->samples[k]->value, 8) == 0);
                if (k == 0)
                    model_check_labels(ts, q.rows[row].raw);
            }
        }
        MODEL_CHECK(row == q.n_rows);
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
