/* read.c - remote read: the request, the two forms of its answer.
 *
 *   ReadResponse        { repeated QueryResult results = 1; }
 *   QueryResult         { repeated TimeSeries timeseries = 1; }
 *   TimeSeries          { repeated Label labels = 1; repeated Sample samples = 2; repeated Histogram histograms = 4; }
 *   ChunkedReadResponse { repeated ChunkedSeries chunked_series = 1; int64 query_index = 2; }
 *   ChunkedSeries       { repeated Label labels = 1; repeated Chunk chunks = 2; }
 *   Chunk               { int64 min_time_ms = 1; int64 max_time_ms = 2; Encoding type = 3; bytes data = 4; }
 *
 * A stream is a run of frames: uvarint length, crc32c (big-endian) of the data, data, which is a
 * ChunkedReadResponse with one series, or a part of its chunks where it is long.
 */
#include "server/remote/read.h"

#include <inttypes.h>

#include <snappy-c.h>

#include "base/crc32c.h"
#include "server/api/gate.h"
#include "server/api/run.h"
#include "server/config/config.h"
#include "server/remote/body.h"
#include "server/remote/pb.h"
#include "server/remote/read_request.h"
#include "server/remote/rw_hist.h"
#include "tsdb/chunk/chunk_encode.h"

enum {
    DECODED_BYTES_MAX = 32 * 1024 * 1024,
    PIECE_BYTES = 64 * 1024,
    CHUNK_SAMPLES = 120,
    WAIT_MS = 10 * 1000, /* for a place */
};
/* One answer of samples, before it is packed; more is refused as a whole. */
#define RESPONSE_BYTES_MAX ((size_t)1 << 30)

typedef struct reader {
    app *a;
    query_run *run;
    read_request req;
    size_t next_query;
    querier *q; /* of query next_query - 1; NULL between queries */
    selection *sel;
    size_t next_series;
    samples found; /* of the series at hand */
    fer_buf labels, series, frame;
} reader;

static void reader_free(void *arg)
{
    reader *d = arg;
    samples_done(&d->found);
    querier_close(d->q);
    query_gate_leave(d->a->read_gate);
    fer_buf_done(&d->labels);
    fer_buf_done(&d->series);
    fer_buf_done(&d->frame);
    query_run_free(d->run);
    fer_free(d);
}

/* Takes over the run and the place. */
static reader *reader_new(app *a, query_run *run)
{
    reader *d = fer_calloc(1, sizeof *d);
    d->a = a;
    d->run = run;
    samples_init(&d->found, &run->acct);
    fer_buf_init(&d->labels, RESPONSE_BYTES_MAX, &run->acct);
    fer_buf_init(&d->series, RESPONSE_BYTES_MAX, &run->acct);
    fer_buf_init(&d->frame, RESPONSE_BYTES_MAX, &run->acct);
    return d;
}

/* ---- walking over the series of all queries ---- */

/* A matcher that asks for one of our external labels asks for series without it: they get it on the way
 * out. */
static fer_code make_matcher(const reader *d, const read_matcher *m, matcher *ret, fer_err *err)
{
    const config_label *external;
    size_t n = config_external_labels(d->run->config, &external);
    fer_str value = m->value;
    for (size_t i = 0; i < n; i++)
        if (m->type == MATCH_EQ && str_eq(external[i].name, m->name) &&
            str_eq(external[i].value, m->value))
            value = STR("");
    if (m->type > MATCH_NRE)
        return fer_fail(err, FER_INVALID, "invalid matcher type %" PRIu32, m->type);
    return matcher_make(d->run->arena, (matcher_type)m->type, m->name, value, ret, err);
}

/* Of all queries, so that a mistake in a later one is told before the answer has begun. */
static fer_code check_matchers(reader *d, fer_err *err)
{
    matcher unused;
    for (size_t i = 0; i < d->req.n_queries; i++)
        for (size_t k = 0; k < d->req.queries[i].n_matchers; k++)
            FER_TRY(make_matcher(d, &d->req.queries[i].matchers[k], &unused, err));
    return FER_OK;
}

/* A query without matchers selects nothing, as in Prometheus. */
static fer_code open_query(reader *d, const read_query *query, fer_err *err)
{
    if (query->n_matchers == 0)
        return FER_OK;
    matcher *m = ARENA_ARRAY(d->run->arena, matcher, query->n_matchers + 1);
    if (m == NULL)
        return fer_fail_budget(err, "remote read");
    for (size_t i = 0; i < query->n_matchers; i++)
        FER_TRY(make_matcher(d, &query->matchers[i], &m[i], err));
    FER_TRY(storage_querier(tsdb_storage(app_db(d->a)), &d->run->ctx, query->start_ms,
                            query->end_ms, &d->q, err));
    select_hints h = {.mint = query->start_ms, .maxt = query->end_ms, .sorted = true};
    d->next_series = 0;
    return querier_select(d->q, &h, m, query->n_matchers, &d->sel, err);
}

/* Moves to the next query; FER_END after the last. */
static fer_code next_query(reader *d, fer_err *err)
{
    querier_close(d->q);
    d->q = NULL;
    d->sel = NULL;
    if (d->next_query == d->req.n_queries)
        return FER_END;
    return open_query(d, &d->req.queries[d->next_query++], err);
}

/* Reads the next series of the query at hand that has samples into found; FER_END after the last, and
 * where no query is open. */
static fer_code next_series(reader *d, size_t *ret, fer_err *err)
{
    if (d->sel == NULL)
        return FER_END;
    const read_query *query = &d->req.queries[d->next_query - 1];
    while (d->next_series < d->sel->n) {
        fer_code c = fer_cancel_check(d->run->ctx.cancel);
        if (c != FER_OK)
            return fer_fail(err, c, "remote read was given up");
        samples_clear(&d->found);
        *ret = d->next_series++;
        FER_TRY(selection_read(d->sel, *ret, query->start_ms, query->end_ms, &d->found, err));
        if (d->found.n != 0)
            return FER_OK;
    }
    return FER_END;
}

/* ---- messages ---- */

static void put_label(fer_buf *out, fer_str name, fer_str value)
{
    size_t n = pb_size_bytes(1, name) + pb_size_bytes(2, value);
    pb_put_tag(out, 1, PB_BYTES);
    pb_put_varint(out, n);
    pb_put_bytes(out, 1, name);
    pb_put_bytes(out, 2, value);
}

/* The labels of a series with the external ones it does not have, as fields 1. */
static fer_code put_labels(reader *d, size_t series, fer_err *err)
{
    const config_label *external;
    size_t n, n_external = config_external_labels(d->run->config, &external), e = 0;
    const syms *s = d->run->ctx.syms;
    const label_id *own = selection_labels(d->sel, series, &n);
    if (own == NULL)
        return fer_fail_budget(err, "remote read");
    fer_buf_clear(&d->labels);
    for (size_t i = 0; i < n; i++) {
        fer_str name = syms_text(s, own[i].name);
        for (; e < n_external && str_cmp(external[e].name, name) < 0; e++)
            put_label(&d->labels, external[e].name, external[e].value);
        if (e < n_external && str_eq(external[e].name, name))
            e++;
        put_label(&d->labels, name, syms_text(s, own[i].value));
    }
    for (; e < n_external; e++)
        put_label(&d->labels, external[e].name, external[e].value);
    return FER_OK;
}

static bool is_histogram(const samples *found, size_t i)
{
    return found->type != NULL && found->type[i] != SAMPLE_FLOAT;
}

/* All floats as fields 2. */
static void put_floats(const samples *found, fer_buf *out)
{
    for (size_t i = 0; i < found->n; i++) {
        if (is_histogram(found, i))
            continue;
        size_t n = (f64_bits(found->v[i]) != 0 ? 9 : 0) + pb_size_int(2, found->t[i]);
        pb_put_tag(out, 2, PB_BYTES);
        pb_put_varint(out, n);
        if (f64_bits(found->v[i]) != 0) {
            pb_put_tag(out, 1, PB_FIXED64);
            fer_buf_put(out, &found->v[i], 8);
        }
        pb_put_int(out, 2, found->t[i]);
    }
}

/* All histograms as fields 4. FER_LIMIT past the budget. */
static fer_code put_histograms(reader *d, fer_buf *out)
{
    const samples *found = &d->found;
    if (found->type == NULL)
        return FER_OK;
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(found->acct, 0);
    fer_buf message, scratch;
    fer_buf_init(&message, RESPONSE_BYTES_MAX, found->acct);
    fer_buf_init(&scratch, RESPONSE_BYTES_MAX, found->acct);
    bool room = true;
    for (size_t i = 0; i < found->n && room; i++) {
        if (!is_histogram(found, i))
            continue;
        hist_sample h;
        fer_arena_reset(tmp);
        room = hist_narrow(found->h[i], found->type[i] == SAMPLE_FLOAT_HISTOGRAM, tmp, &h);
        if (!room)
            break;
        fer_buf_clear(&message);
        rw_put_histogram(&message, found->t[i], &h, &scratch);
        room = !message.full && !scratch.full;
        pb_put_bytes(out, 4, fer_buf_str(&message));
    }
    fer_buf_done(&message);
    fer_buf_done(&scratch);
    return room ? FER_OK : FER_LIMIT;
}

/* ---- a stream ---- */

/* The series message gathered so far, as one frame. */
static void put_frame(reader *d, fer_buf *out)
{
    fer_buf_clear(&d->frame);
    pb_put_bytes(&d->frame, 1, fer_buf_str(&d->series));
    pb_put_int(&d->frame, 2, (int64_t)d->next_query - 1);
    uint8_t crc[4];
    be32_put(crc, crc32c(0, d->frame.p, d->frame.n));
    pb_put_varint(out, d->frame.n);
    fer_buf_put(out, crc, sizeof crc);
    fer_buf_puts(out, fer_buf_str(&d->frame));
}

/* Chunks of a series on their way to frames. */
typedef struct framing {
    reader *d;
    fer_buf *out;
} framing;

/* Adds the chunk to the series message; full ones become a frame. */
static fer_code put_chunk(void *arg, const encoded_chunk *c)
{
    const framing *f = arg;
    fer_buf *series = &f->d->series;
    if (series->n >= f->d->a->o.read_frame_bytes) {
        put_frame(f->d, f->out);
        fer_buf_clear(series);
    }
    if (series->n == 0)
        fer_buf_puts(series, fer_buf_str(&f->d->labels));
    size_t n = pb_size_int(1, c->mint) + pb_size_int(2, c->maxt) + pb_size_int(3, c->encoding) +
               pb_size_bytes(4, c->data);
    pb_put_tag(series, 2, PB_BYTES);
    pb_put_varint(series, n);
    pb_put_int(series, 1, c->mint);
    pb_put_int(series, 2, c->maxt);
    pb_put_int(series, 3, c->encoding);
    pb_put_bytes(series, 4, c->data);
    return FER_OK;
}

static fer_code put_streamed_series(reader *d, size_t series, fer_buf *out, fer_err *err)
{
    FER_TRY(put_labels(d, series, err));
    fer_buf_clear(&d->series);
    framing f = {d, out};
    fer_code c = chunk_encode(&d->found, 0, d->found.n, CHUNK_SAMPLES, put_chunk, &f);
    if (d->series.n != 0)
        put_frame(d, out);
    if (c != FER_OK || d->labels.full || d->series.full || d->frame.full || out->full)
        return fer_fail_budget(err, "remote read");
    return FER_OK;
}

/* http_producer.next */
static fer_code next_piece(void *arg, fer_buf *out, bool *done)
{
    reader *d = arg;
    fer_err err = {0};
    fer_code c = FER_OK;
    size_t begun = out->n, series = 0;
    while (c == FER_OK && out->n - begun < PIECE_BYTES) {
        c = next_series(d, &series, &err);
        if (c == FER_OK)
            c = put_streamed_series(d, series, out, &err);
        else if (c == FER_END)
            c = next_query(d, &err);
    }
    *done = c == FER_END;
    if (c == FER_OK || c == FER_END)
        return FER_OK;
    if (c != FER_CANCELED)
        LOGW(d->a->log, "A streamed remote read was cut", "err", err.msg);
    return c;
}

/* ---- an answer of samples ---- */

static fer_code put_result(reader *d, uint64_t *count, fer_buf *out, fer_err *err)
{
    uint64_t limit = d->a->o.read_sample_limit;
    fer_buf result;
    fer_buf_init(&result, RESPONSE_BYTES_MAX, &d->run->acct);
    fer_code c;
    size_t series = 0;
    while ((c = next_series(d, &series, err)) == FER_OK) {
        *count += d->found.n;
        if (limit != 0 && *count > limit)
            c = fer_fail(err, FER_INVALID, "exceeded sample limit (%" PRIu64 ")", limit);
        else
            c = put_labels(d, series, err);
        if (c != FER_OK)
            break;
        fer_buf_clear(&d->series);
        fer_buf_puts(&d->series, fer_buf_str(&d->labels));
        put_floats(&d->found, &d->series);
        c = put_histograms(d, &d->series);
        pb_put_bytes(&result, 1, fer_buf_str(&d->series));
        if (c != FER_OK || d->labels.full || d->series.full || result.full) {
            c = fer_fail_budget(err, "remote read");
            break;
        }
    }
    if (c == FER_END) {
        pb_put_bytes(out, 1, fer_buf_str(&result));
        c = out->full ? fer_fail_budget(err, "remote read") : FER_OK;
    }
    fer_buf_done(&result);
    return c;
}

/* The whole ReadResponse; the first query is open. */
static fer_code put_response(reader *d, fer_buf *out, fer_err *err)
{
    uint64_t count = 0;
    fer_code c = FER_OK;
    while (c == FER_OK) {
        c = put_result(d, &count, out, err);
        if (c == FER_OK)
            c = next_query(d, err);
    }
    return c == FER_END ? FER_OK : c;
}

static fer_code pack(const fer_buf *plain, fer_buf *out, fer_err *err)
{
    size_t n = snappy_max_compressed_length(plain->n);
    char *to = fer_buf_room(out, n);
    if (to == NULL)
        return fer_fail_budget(err, "remote read");
    snappy_compress(plain->n == 0 ? "" : plain->p, plain->n, to, &n);
    out->n = n;
    return FER_OK;
}

/* ---- the request ---- */

static void reply_error(http_req *r, fer_code c, const fer_err *err)
{
    int status = c == FER_INVALID                        ? 400
                 : c == FER_BUSY || c == FER_LIMIT       ? 503
                 : c == FER_TIMEOUT || c == FER_CANCELED ? 503
                                                         : 500;
    if (status == 503)
        http_resp_header(r, "Retry-After", STR("5"));
    http_reply_text(r, status, "%s", err->msg);
}

static void answer_samples(http_req *r, reader *d)
{
    fer_buf plain, packed;
    fer_err err = {0};
    fer_buf_init(&plain, RESPONSE_BYTES_MAX, &d->run->acct);
    fer_buf_init(&packed, 2 * RESPONSE_BYTES_MAX, &d->run->acct);
    fer_code c = d->next_query == 0 ? FER_OK : put_response(d, &plain, &err);
    if (c == FER_OK)
        c = pack(&plain, &packed, &err);
    if (c == FER_OK) {
        http_resp_header(r, "Content-Encoding", STR("snappy"));
        http_reply(r, 200, "application/x-protobuf", fer_buf_str(&packed));
    } else {
        reply_error(r, c, &err);
    }
    fer_buf_done(&plain);
    fer_buf_done(&packed);
    reader_free(d);
}

static fer_code decode(reader *d, fer_str body, fer_err *err)
{
    rw_decoder decoder = {0};
    fer_buf decoded;
    fer_buf_init(&decoded, DECODED_BYTES_MAX, &d->run->acct);
    fer_code c = rw_decode(&decoder, RW_SNAPPY, body, &decoded, err);
    fer_str msg = {NULL, 0};
    if (c == FER_OK) {
        msg = fer_arena_dup(d->run->arena, fer_buf_str(&decoded));
        c = msg.p == NULL ? fer_fail_budget(err, "remote read") : FER_OK;
    }
    fer_buf_done(&decoded);
    return c == FER_OK ? read_request_parse(msg, d->run->arena, &d->req, err) : c;
}

/* Waits for a place as long as a query may wait; then the run has no deadline: a stream takes as long as
 * its reader keeps reading. */
static fer_code enter(app *a, query_run *run, fer_err *err)
{
    fer_code c = query_gate_enter(a->read_gate, 0, run->ctx.cancel);
    run->ctx.cancel->deadline_ns = 0;
    if (c == FER_OK)
        return FER_OK;
    return fer_fail(err, c == FER_TIMEOUT ? FER_BUSY : c,
                    "%u remote reads are under way (--storage.remote.read-concurrent-limit)",
                    query_gate_max(a->read_gate));
}

void rr_handle(http_req *r, void *arg)
{
    app *a = arg;
    fer_err err = {0};
    query_run *run = query_run_new(a, r, WAIT_MS);
    fer_code c = enter(a, run, &err);
    if (c != FER_OK) {
        reply_error(r, c, &err);
        query_run_free(run);
        return;
    }
    reader *d = reader_new(a, run);
    c = decode(d, http_req_body(r), &err);
    if (c == FER_OK && d->req.response == READ_UNKNOWN)
        c = fer_fail(&err, FER_INVALID,
                     "server does not support any of the requested response types: [%" PRIu32
                     "]; supported: map[SAMPLES:{} STREAMED_XOR_CHUNKS:{}]",
                     d->req.first_type);
    if (c == FER_OK)
        c = check_matchers(d, &err);
    if (c == FER_OK && d->req.n_queries != 0)
        c = next_query(d, &err);
    if (c != FER_OK) {
        reply_error(r, c, &err);
        reader_free(d);
        return;
    }
    if (d->req.response == READ_SAMPLES) {
        answer_samples(r, d);
        return;
    }
    http_producer p = {next_piece, reader_free, d};
    http_reply_stream(r, 200,
                      "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", &p);
}
