/* read_request_model.h - test double: compares read_request.c's reading of a message with protobuf-c's. */
#ifndef FERULA_SERVER_REMOTE_READ_REQUEST_MODEL_H
#define FERULA_SERVER_REMOTE_READ_REQUEST_MODEL_H

#include "remote_read.pb-c.h"
#include "server/remote/pb_model.h"
#include "server/remote/read_request.h"

typedef enum model_kind { MODEL_REQUEST, MODEL_QUERY, MODEL_MATCHER } model_kind;

/* model_known_fn */
static bool model_known_field(int kind, uint64_t num, uint64_t type, fer_str bytes)
{
    uint64_t v;
    switch (kind) {
    case MODEL_REQUEST:
        if (num == 1)
            return type == 2 && model_legal(bytes, MODEL_QUERY, model_known_field);
        if (num == 2 && type == 2) {
            while (bytes.n != 0)
                if (!model_varint(&bytes, &v))
                    return false;
            return true;
        }
        return num > 2 || type == 0;
    case MODEL_QUERY:
        if (num == 3)
            return type == 2 && model_legal(bytes, MODEL_MATCHER, model_known_field);
        return num > 4 || type == (num == 4 ? 2 : 0);
    default:
        return num > 3 || type == (num == 1 ? 0 : 2);
    }
}

static bool model_fits(const Promread__ReadRequest *m)
{
    if (m->n_queries > READ_QUERIES_MAX)
        return false;
    for (size_t i = 0; i < m->n_queries; i++)
        if (m->queries[i]->n_matchers > READ_MATCHERS_MAX)
            return false;
    return true;
}

static read_response model_response(const Promread__ReadRequest *m)
{
    for (size_t i = 0; i < m->n_accepted_response_types; i++)
        if (m->accepted_response_types[i] <= 1)
            return (read_response)m->accepted_response_types[i];
    return m->n_accepted_response_types == 0 ? READ_SAMPLES : READ_UNKNOWN;
}

static void model_check(const Promread__ReadRequest *m, const read_request *q)
{
    MODEL_CHECK(q->n_queries == m->n_queries && q->response == model_response(m));
    for (size_t i = 0; i < q->n_queries; i++) {
        const Promread__Query *theirs = m->queries[i];
        const read_query *ours = &q->queries[i];
        MODEL_CHECK(ours->start_ms == theirs->start_timestamp_ms);
        MODEL_CHECK(ours->end_ms == theirs->end_timestamp_ms);
        MODEL_CHECK(ours->n_matchers == theirs->n_matchers);
        for (size_t k = 0; k < ours->n_matchers; k++) {
            const read_matcher *a = &ours->matchers[k];
            const Promread__LabelMatcher *b = theirs->matchers[k];
            MODEL_CHECK(a->type == b->type);
            /* protobuf-c's strings end at a NUL; ours do not. */
            MODEL_CHECK(has_nul(a->name) || str_eq(a->name, str_of(b->name)));
            MODEL_CHECK(has_nul(a->value) || str_eq(a->value, str_of(b->value)));
        }
    }
}

/* True when both read the message; aborts when they read it differently, or ours takes or refuses what it
 * should not. */
static bool model_compare(fer_str msg)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    read_request q;
    fer_err err;
    fer_code c = read_request_parse(msg, a, &q, &err);
    Promread__ReadRequest *m = promread__read_request__unpack(NULL, msg.n, (const uint8_t *)msg.p);
    bool legal = model_legal(msg, MODEL_REQUEST, model_known_field);
    MODEL_CHECK(c != FER_OK || legal);
    if (legal && m != NULL)
        MODEL_CHECK((c == FER_OK) == model_fits(m));
    if (c == FER_OK && m != NULL)
        model_check(m, &q);
    bool both = c == FER_OK && m != NULL;
    promread__read_request__free_unpacked(m, NULL);
    fer_arena_free(a);
    return both;
}

#endif
