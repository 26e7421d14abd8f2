/* write.c - the life of a remote-write request.
 *
 * The handler checks the headers, which tell the message, decodes into a scratch taken from a small free
 * list, stages the rows (tsdb_stage_rows) and prepares the whole answer; the scratch goes back at once. The answer goes out when
 * the committer calls done: everything the request was judged against is durable then.
 */
#include "server/remote/write.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/thread.h"
#include "server/http/parse.h"
#include "server/remote/body.h"
#include "server/remote/durable.h"
#include "server/remote/rw1.h"
#include "server/remote/rw2.h"

enum {
    SCRATCH_KEEP = 4,                     /* scratches kept for reuse */
    SCRATCH_KEEP_BYTES = 8 * 1024 * 1024, /* a larger one is freed */
    SCRATCH_ARENA_BYTES = 256 * 1024 * 1024,
};

typedef struct scratch scratch;
struct scratch {
    scratch *next;
    rw_decoder decoder;
    fer_buf decoded;
    rw_request request;
    rw2_symbols symbols;
    fer_arena *arena; /* labels of new series, report texts */
};

struct rw_receiver {
    app *a;
    metadata_store *metadata;
    fer_mutex mu;
    scratch *free;
    size_t n_free;
    _Atomic uint64_t requests, samples, rejected, invalid_labels, histograms, exemplars,
        exemplars_dropped, families;
};

rw_receiver *rw_receiver_new(app *a)
{
    rw_receiver *w = fer_calloc(1, sizeof *w);
    w->a = a;
    w->metadata = metadata_store_new(&a->memory_ingest);
    fer_mutex_init(&w->mu, "write scratch", 0);
    return w;
}

static scratch *scratch_new(rw_receiver *w)
{
    scratch *s = fer_calloc(1, sizeof *s);
    fer_buf_init(&s->decoded, RW_DECODED_BYTES_MAX, &w->a->memory_ingest);
    rw_request_init(&s->request, &w->a->memory_ingest);
    s->request.wants_starts = w->a->o.zero_at_start;
    s->request.wants_types = w->a->limits.features.type_and_unit_labels;
    rw2_symbols_init(&s->symbols, &w->a->memory_ingest);
    s->arena = fer_arena_new(&w->a->memory_ingest, SCRATCH_ARENA_BYTES);
    return s;
}

static void scratch_free(scratch *s)
{
    rw_decoder_done(&s->decoder);
    fer_buf_done(&s->decoded);
    rw_request_done(&s->request);
    rw2_symbols_done(&s->symbols);
    fer_arena_free(s->arena);
    fer_free(s);
}

void rw_receiver_rest(rw_receiver *w)
{
    fer_mutex_lock(&w->mu);
    scratch *s = w->free;
    w->free = NULL;
    w->n_free = 0;
    fer_mutex_unlock(&w->mu);
    for (scratch *next; s != NULL; s = next) {
        next = s->next;
        scratch_free(s);
    }
}

void rw_receiver_free(rw_receiver *w)
{
    if (w == NULL)
        return;
    rw_receiver_rest(w);
    metadata_store_free(w->metadata);
    fer_mutex_done(&w->mu);
    fer_free(w);
}

static scratch *scratch_take(rw_receiver *w)
{
    fer_mutex_lock(&w->mu);
    scratch *s = w->free;
    if (s != NULL) {
        w->free = s->next;
        w->n_free--;
    }
    fer_mutex_unlock(&w->mu);
    return s != NULL ? s : scratch_new(w);
}

static void scratch_give(rw_receiver *w, scratch *s)
{
    fer_arena_reset(s->arena);
    size_t bytes = s->decoded.cap + rw_request_bytes(&s->request) + rw2_symbols_bytes(&s->symbols);
    bool keep = bytes <= SCRATCH_KEEP_BYTES;
    fer_mutex_lock(&w->mu);
    keep = keep && w->n_free < SCRATCH_KEEP;
    if (keep) {
        s->next = w->free;
        w->free = s;
        w->n_free++;
    }
    fer_mutex_unlock(&w->mu);
    if (!keep)
        scratch_free(s);
}

static fer_hash128 fingerprint(const void *arg, fer_str raw)
{
    return tsdb_fingerprint(arg, raw);
}

static void known(void *arg, const tsdb_row *rows, size_t n, bool *ret)
{
    tsdb_known(arg, rows, n, ret);
}

/* ---- what the headers say ---- */

typedef struct content {
    app_rw_message message;
    rw_encoding encoding;
} content;

/* Names of types, parameters and codings are the same in any case; a parameter's value may stand in quotes (RFC 9110
 * sections 5.6.6, 8.3.1, 8.4.1). */

static fer_str unquoted(fer_str s)
{
    bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
    return quoted ? (fer_str){s.p + 1, s.n - 2} : s;
}

/* What of a request is stored. */
typedef struct written {
    uint64_t samples, histograms, exemplars;
} written;

static const written nothing;

static void put_number(http_req *r, const char *name, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRIu64, v);
    http_resp_header(r, name, (fer_str){text, (size_t)n});
}

/* Every answer to a 2.0 request tells what was written. */
static void put_written(http_req *r, app_rw_message message, written w)
{
    if (message != APP_RW_V2)
        return;
    put_number(r, "X-Prometheus-Remote-Write-Samples-Written", w.samples);
    put_number(r, "X-Prometheus-Remote-Write-Histograms-Written", w.histograms);
    put_number(r, "X-Prometheus-Remote-Write-Exemplars-Written", w.exemplars);
}

/* The value of the parameter `proto`; empty where there is none. False when the parameters are not of
 * the form name=value. */
static bool proto_of(fer_str type, fer_str params, http_req *r, fer_str *ret)
{
    *ret = STR("");
    while (params.n != 0) {
        const char *semi = memchr(params.p, ';', params.n);
        fer_str param = str_head(params, semi == NULL ? params.n : (size_t)(semi - params.p));
        params = str_from(params, param.n + 1);
        const char *eq = memchr(param.p, '=', param.n);
        if (eq == NULL) {
            http_reply_text(
                r, 415,
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters "
                "to be key-values, got %.*s in %.*s content-type",
                STR_FMT(param), STR_FMT(type));
            return false;
        }
        fer_str name = str_head(param, (size_t)(eq - param.p));
        if (http_str_ieq(http_str_trim(name), STR("proto")))
            *ret = unquoted(http_str_trim(str_from(param, name.n + 1)));
    }
    return true;
}

/* False when the request was answered. */
static bool check_type(http_req *r, app_rw_message *ret)
{
    fer_str type = http_req_header(r, "Content-Type");
    *ret = APP_RW_V1;
    if (type.n == 0)
        return true;
    const char *semi = memchr(type.p, ';', type.n);
    fer_str media = str_head(type, semi == NULL ? type.n : (size_t)(semi - type.p));
    if (!http_str_ieq(http_str_trim(media), STR("application/x-protobuf"))) {
        http_reply_text(
            r, 415,
            "expected application/x-protobuf as the first (media) part, got %.*s content-type",
            STR_FMT(type));
        return false;
    }
    fer_str proto;
    if (!proto_of(type, str_from(type, media.n + 1), r, &proto))
        return false;
    if (proto.n == 0 || str_eq(proto, str_of(app_rw_message_name(APP_RW_V1))))
        return true;
    *ret = APP_RW_V2;
    if (str_eq(proto, str_of(app_rw_message_name(APP_RW_V2))))
        return true;
    http_reply_text(r, 415,
                    "got %.*s content type; unknown remote write protobuf message %.*s, supported: "
                    "%s, %s",
                    STR_FMT(type), STR_FMT(proto), app_rw_message_name(APP_RW_V1),
                    app_rw_message_name(APP_RW_V2));
    return false;
}

static bool check_accepted(const app *a, http_req *r, app_rw_message message)
{
    if (a->o.rw_messages & message)
        return true;
    put_written(r, message, nothing);
    http_reply_text(r, 415, "%s protobuf message is not accepted by this server; only accepts %s",
                    app_rw_message_name(message), app_rw_message_name(a->o.rw_messages));
    return false;
}

/* False when the request was answered: wrong encoding or type. */
static bool check_headers(const app *a, http_req *r, content *ret)
{
    if (!check_type(r, &ret->message) || !check_accepted(a, r, ret->message))
        return false;
    fer_str encoding = http_req_header(r, "Content-Encoding");
    ret->encoding = http_str_ieq(encoding, STR("zstd")) ? RW_ZSTD : RW_SNAPPY;
    if (ret->encoding == RW_ZSTD || encoding.n == 0 || http_str_ieq(encoding, STR("snappy")))
        return true;
    put_written(r, ret->message, nothing);
    http_reply_text(r, 415,
                    "%.*s encoding (compression) is not accepted by this server; only snappy and "
                    "zstd are acceptable",
                    STR_FMT(encoding));
    return false;
}

/* ---- the answer ---- */

/* An answer, in the request's arena. */
typedef struct answer {
    durable_reply reply; /* first: the hooks get it */
    app_rw_message message;
    written stored;
    int status;
    fer_str text;
} answer;

static void send_answer(durable_reply *d)
{
    const answer *w = (const answer *)d;
    put_written(d->r, w->message, w->stored);
    if (w->status == 204)
        http_reply(d->r, 204, NULL, (fer_str){NULL, 0});
    else
        http_reply_text(d->r, w->status, "%.*s", STR_FMT(w->text));
}

static void send_refusal(durable_reply *d, const char *why)
{
    put_written(d->r, ((const answer *)d)->message, nothing);
    reply_busy(d->r, why);
}

static void put_count(fer_buf *out, uint64_t n, const char *what)
{
    if (n != 0)
        fer_buf_printf(out, "%s%" PRIu64 " %s",
                       out->n != 0 && out->p[out->n - 1] == '(' ? "" : ", ", n, what);
}

static bool is_partial(const rw_request *q, const tsdb_report *rep)
{
    return rep->n_rejected != 0 || q->n_bad_series != 0;
}

static void put_counts(fer_buf *out, const tsdb_report *rep, const rw_request *q)
{
    uint64_t bad = rep->n_rejected + q->n_bad_samples;
    if (bad == 0) {
        fer_buf_puts(out, STR("all samples of the request are stored"));
        return;
    }
    fer_buf_printf(out, "%" PRIu64 " of %zu samples not stored (", bad,
                   q->n_rows + q->n_hists + q->n_bad_samples);
    put_count(out, rep->rejected[REJECT_OUT_OF_ORDER], "out of order");
    put_count(out, rep->rejected[REJECT_TOO_OLD], "too old");
    put_count(out, rep->rejected[REJECT_DUPLICATE], "duplicate sample for timestamp");
    put_count(out, rep->rejected[REJECT_OUT_OF_BOUNDS], "out of bounds");
    put_count(out, rep->rejected[REJECT_TOO_FAR], "too far in the future");
    put_count(out, rep->rejected[REJECT_HISTOGRAM], "invalid native histograms");
    put_count(out, rep->rejected[REJECT_LABELS] + q->n_bad_samples, "with invalid labels");
    put_count(out, rep->rejected[REJECT_LIMIT], "of new series beyond the memory limit");
    fer_buf_puts(out, STR("); the rest of the request is stored"));
}

/* The text of a partial refusal: the first reasons, a line each, then the counts. */
static void describe(fer_buf *out, const tsdb_report *rep, const rw_request *q)
{
    fer_buf_puts(out, fer_buf_str(&q->bad));
    for (size_t i = 0; i < rep->n_texts; i++) {
        fer_buf_puts(out, rep->texts[i]);
        fer_buf_putc(out, '\n');
    }
    put_counts(out, rep, q);
}

static void refuse_part(answer *w, const tsdb_report *rep, const rw_request *q)
{
    fer_buf text;
    fer_buf_init(&text, 64 * 1024, NULL);
    describe(&text, rep, q);
    w->status = 400;
    w->text = fer_arena_dup(http_req_arena(w->reply.r), fer_buf_str(&text));
    if (w->text.p == NULL)
        w->text = STR("part of the request was not stored");
    fer_buf_done(&text);
}

static void count(rw_receiver *w, const rw_request *q, const tsdb_report *rep)
{
    atomic_fetch_add_explicit(&w->samples, rep->accepted - rep->hists_accepted,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&w->rejected, rep->n_rejected + q->n_bad_samples,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&w->invalid_labels, rep->rejected[REJECT_LABELS] + q->n_bad_samples,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&w->histograms, rep->hists_accepted, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->exemplars, rep->exemplars_accepted, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->exemplars_dropped, q->n_exemplars - rep->exemplars_accepted,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&w->families, q->n_metadata, memory_order_relaxed);
}

static fer_code scan_message(tsdb *db, scratch *s, app_rw_message message, fer_err *err)
{
    fer_str msg = fer_buf_str(&s->decoded);
    if (message == APP_RW_V2)
        return rw2_scan(msg, fingerprint, db, &s->symbols, &s->request, err);
    return rw1_scan_known(msg, fingerprint, db, known, db, &s->request, err);
}

/* Decodes and stages. FER_OK: the answer is on its way. Otherwise the caller answers. */
static fer_code receive(rw_receiver *w, http_req *r, const content *of, scratch *s, fer_err *err)
{
    tsdb *db = app_db(w->a);
    FER_TRY(rw_decode(&s->decoder, of->encoding, http_req_body(r), &s->decoded, err));
    FER_TRY(scan_message(db, s, of->message, err));
    const rw_request *q = &s->request;
    size_t n_metadata = metadata_store_put_all(w->metadata, q->metadata, q->n_metadata);
    answer *ans = ARENA_NEW(http_req_arena(r), answer);
    if (ans == NULL)
        return fer_fail_budget(err, "remote write");
    durable_reply_init(&ans->reply, r, send_answer);
    ans->reply.refuse = send_refusal;
    ans->message = of->message;
    ans->status = 204;
    tsdb_report rep = {0};
    tsdb_labels_fn parse = of->message == APP_RW_V2 ? rw2_labels : rw1_labels;
    const tsdb_rows rows = {q->rows,      q->n_rows,          q->hists,  q->n_hists,
                            q->exemplars, q->n_exemplar_rows, q->starts, q->n_starts,
                            q->metadata,  n_metadata};
    FER_TRY(tsdb_stage_rows(db, &rows, parse, &s->symbols, s->arena, &rep, durable_reply_committed,
                            &ans->reply, err));
    metadata_store_staged(w->metadata, q->metadata, n_metadata);
    ans->stored =
        (written){rep.accepted - rep.hists_accepted, rep.hists_accepted, rep.exemplars_accepted};
    count(w, q, &rep);
    if (is_partial(q, &rep))
        refuse_part(ans, &rep, q);
    durable_reply_prepared(&ans->reply);
    return FER_OK;
}

void rw_handle(http_req *r, void *arg)
{
    app *a = arg;
    rw_receiver *w = a->receiver;
    if (!a->o.enable_remote_write_receiver) {
        http_reply_text(
            r, 404,
            "remote write receiver needs to be enabled with --web.enable-remote-write-receiver");
        return;
    }
    content of;
    if (!check_headers(a, r, &of))
        return;
    atomic_fetch_add_explicit(&w->requests, 1, memory_order_relaxed);
    scratch *s = scratch_take(w);
    fer_err err;
    fer_code c = receive(w, r, &of, s, &err);
    scratch_give(w, s);
    if (c == FER_OK)
        return;
    put_written(r, of.message, nothing);
    if (c == FER_INVALID)
        http_reply_text(r, 400, "%s", err.msg);
    else
        reply_busy(r, err.msg);
}

void rw_stats_get(const rw_receiver *w, rw_stats *ret)
{
    *ret = (rw_stats){
        .requests = atomic_load(&w->requests),
        .samples = atomic_load(&w->samples),
        .rejected_samples = atomic_load(&w->rejected),
        .invalid_labels = atomic_load(&w->invalid_labels),
        .histograms = atomic_load(&w->histograms),
        .exemplars = atomic_load(&w->exemplars),
        .exemplars_dropped = atomic_load(&w->exemplars_dropped),
        .metadata = atomic_load(&w->families),
    };
}

metadata_store *rw_metadata_store(rw_receiver *w)
{
    return w->metadata;
}
