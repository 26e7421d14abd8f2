/* rw1_model.h - test double: compares rw1.c's reading of a message with protobuf-c's.
 *
 * Included by rw1_test.c and rw1_fuzz.c.
 */
#ifndef FERULA_SERVER_REMOTE_RW1_MODEL_H
#define FERULA_SERVER_REMOTE_RW1_MODEL_H

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/varint.h"
#include "remote.pb-c.h"
#include "server/remote/rw1.h"

static fer_hash128 model_fingerprint(const void *arg, fer_str raw)
{
    (void)arg;
    return (fer_hash128){fer_hash64(raw.p, raw.n), raw.n};
}

#define MODEL_CHECK(cond)                                                                          \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: differs from protobuf-c: %s\n", __FILE__, __LINE__, #cond);    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static bool has_nul(fer_str s)
{
    return s.n != 0 && memchr(s.p, 0, s.n) != NULL;
}

static void model_check_labels(const Prompb__TimeSeries *ts, fer_str raw)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    label *l;
    size_t n;
    fer_err err;
    fer_code c = rw1_labels(NULL, raw, a, &l, &n, &err);
    if (ts->n_labels > LABELS_MAX) {
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

/* True when both sides read the message and agree on all of it; aborts when they read it differently.
 * What rw1 accepts, protobuf-c must accept. The other way round may differ for labels (protobuf-c
 * checks nested bytes at once, rw1 when a series is new), so that case is checked at the labels. */
static bool model_compare(fer_str msg)
{
    rw_request q;
    rw_request_init(&q, NULL);
    fer_err err;
    fer_code c = rw1_scan(msg, model_fingerprint, NULL, &q, &err);
    Prompb__WriteRequest *m = prompb__write_request__unpack(NULL, msg.n, (const uint8_t *)msg.p);
    bool both = c == FER_OK && m != NULL;
    if (c != FER_OK)
        MODEL_CHECK(m == NULL);
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
