/* receive.c - the life of an OTLP request: headers, decoding, scan, staging, the answer. */
#include "server/otlp/receive.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "base/thread.h"
#include "server/config/live.h"
#include "server/http/parse.h"
#include "server/otlp/json.h"
#include "server/otlp/scan.h"
#include "server/remote/body.h"
#include "server/remote/durable.h"
#include "server/remote/write.h"

enum {
    ARENA_BYTES_MAX = 256 * 1024 * 1024,
    TEXT_BYTES_MAX = 16 * 1024,
    JSON_GROWTH = 4, /* a number of two bytes in a list of JSON, comma included, is one of eight */
    WORK_KEEP = 4,   /* kept for reuse */
    WORK_KEEP_BYTES = 8 * 1024 * 1024, /* a larger one is freed */
};

/* The memory of a request until it is staged. */
typedef struct work work;
struct work {
    work *next;
    fer_buf decoded, message;
    rw_request request;
    fer_arena *arena;
    rw_decoder decoder;
    otlp_name_cache *names;
};

struct otlp_receiver {
    app *a;
    fer_mutex mu;
    work *free;
    size_t n_free;
    otlp_cumulator *cumulator; /* NULL: delta points are not added up */
    _Atomic uint64_t requests, samples, refused_points;
};

otlp_receiver *otlp_receiver_new(app *a)
{
    otlp_receiver *o = fer_calloc(1, sizeof *o);
    o->a = a;
    fer_mutex_init(&o->mu, "OTLP work", 0);
    if (a->o.otlp_add_deltas)
        o->cumulator = otlp_cumulator_new(a->clock, &a->memory_ingest);
    return o;
}

static work *work_new(app *a)
{
    work *w = fer_calloc(1, sizeof *w);
    w->arena = fer_arena_new(&a->memory_ingest, ARENA_BYTES_MAX);
    fer_buf_init(&w->decoded, RW_DECODED_BYTES_MAX, &a->memory_ingest);
    fer_buf_init(&w->message, (size_t)JSON_GROWTH * RW_DECODED_BYTES_MAX, &a->memory_ingest);
    rw_request_init(&w->request, &a->memory_ingest);
    w->names = otlp_name_cache_new();
    return w;
}

static void work_free(work *w)
{
    rw_decoder_done(&w->decoder);
    fer_buf_done(&w->decoded);
    fer_buf_done(&w->message);
    rw_request_done(&w->request);
    fer_arena_free(w->arena);
    otlp_name_cache_free(w->names);
    fer_free(w);
}

void otlp_receiver_rest(otlp_receiver *o)
{
    fer_mutex_lock(&o->mu);
    work *w = o->free;
    o->free = NULL;
    o->n_free = 0;
    fer_mutex_unlock(&o->mu);
    for (work *next; w != NULL; w = next) {
        next = w->next;
        work_free(w);
    }
}

void otlp_receiver_free(otlp_receiver *o)
{
    if (o == NULL)
        return;
    otlp_receiver_rest(o);
    otlp_cumulator_free(o->cumulator);
    fer_mutex_done(&o->mu);
    fer_free(o);
}

static work *work_take(otlp_receiver *o)
{
    fer_mutex_lock(&o->mu);
    work *w = o->free;
    if (w != NULL) {
        o->free = w->next;
        o->n_free--;
    }
    fer_mutex_unlock(&o->mu);
    return w != NULL ? w : work_new(o->a);
}

static void work_give(otlp_receiver *o, work *w)
{
    fer_arena_reset(w->arena);
    bool keep = w->decoded.cap + w->message.cap + rw_request_bytes(&w->request) <= WORK_KEEP_BYTES;
    fer_mutex_lock(&o->mu);
    keep = keep && o->n_free < WORK_KEEP;
    if (keep) {
        w->next = o->free;
        o->free = w;
        o->n_free++;
    }
    fer_mutex_unlock(&o->mu);
    if (!keep)
        work_free(w);
}

/* ---- what the headers say ---- */

typedef struct content {
    bool json, gzip;
} content;

static const char json_type[] = "application/json", protobuf_type[] = "application/x-protobuf";

/* Whatever its parameters are. */
static bool is_media_type(fer_str header, const char *type)
{
    const char *semi = memchr(header.p, ';', header.n);
    fer_str media = str_head(header, semi == NULL ? header.n : (size_t)(semi - header.p));
    return http_str_ieq(http_str_trim(media), str_of(type));
}

/* A failure as the protocol has it: google.rpc.Status { string message = 2; }, in the form of the request. */
static void reply_status(http_req *r, bool json, int status, fer_str why)
{
    fer_buf body;
    fer_buf_init(&body, 8 * TEXT_BYTES_MAX, NULL);
    if (json) {
        fer_buf_puts(&body, STR("{\"message\":"));
        text_json(&body, why);
        fer_buf_putc(&body, '}');
    } else {
        pb_put_bytes(&body, 2, why);
    }
    http_reply_buf(r, status, json ? json_type : protobuf_type, &body);
}

/* What may succeed later. */
static void reply_later(http_req *r, bool json, const char *why)
{
    http_resp_header(r, "Retry-After", STR(BUSY_RETRY_AFTER));
    reply_status(r, json, 503, str_of(why));
}

static bool check_headers(http_req *r, content *ret)
{
    fer_str type = http_req_header(r, "Content-Type");
    fer_str encoding = http_req_header(r, "Content-Encoding");
    ret->json = is_media_type(type, json_type);
    ret->gzip = http_str_ieq(encoding, STR("gzip"));
    if (!ret->json && !is_media_type(type, protobuf_type)) {
        http_reply_text(r, 400,
                        "unsupported content type: %.*s, supported: [application/json, "
                        "application/x-protobuf]",
                        STR_FMT(type));
        return false;
    }
    if (ret->gzip || encoding.n == 0)
        return true;
    char why[256];
    int n = snprintf(why, sizeof why,
                     "unsupported compression: %.*s. Only \"gzip\" or no compression supported",
                     (int)(encoding.n < 128 ? encoding.n : 128), encoding.p);
    reply_status(r, ret->json, 400, (fer_str){why, (size_t)n});
    return false;
}

/* ---- the answer ---- */

/* In the request's arena. */
typedef struct answer {
    durable_reply reply; /* first: the hooks get it */
    bool json;
    uint64_t refused; /* points of which something is not stored */
    bool nothing;     /* of the request is stored */
    fer_str text;     /* why */
} answer;

/* ExportMetricsServiceResponse { ExportMetricsPartialSuccess partial_success = 1 {
 *     int64 rejected_data_points = 1; string error_message = 2; } } */
static void put_partial(fer_buf *out, const answer *w)
{
    if (w->json) {
        fer_buf_printf(
            out, "{\"partialSuccess\":{\"rejectedDataPoints\":\"%" PRIu64 "\",\"errorMessage\":",
            w->refused);
        text_json(out, w->text);
        fer_buf_puts(out, STR("}}"));
        return;
    }
    size_t n = pb_size_int(1, (int64_t)w->refused) + pb_size_bytes(2, w->text);
    pb_put_tag(out, 1, PB_BYTES);
    pb_put_varint(out, n);
    pb_put_int(out, 1, (int64_t)w->refused);
    pb_put_bytes(out, 2, w->text);
}

static void send_answer(durable_reply *d)
{
    const answer *w = (const answer *)d;
    const char *type = w->json ? json_type : protobuf_type;
    if (w->text.n == 0) {
        http_reply(d->r, 200, type, w->json ? STR("{}") : STR(""));
        return;
    }
    if (w->nothing) {
        reply_status(d->r, w->json, 400, w->text);
        return;
    }
    fer_buf body;
    fer_buf_init(&body, 2 * TEXT_BYTES_MAX, NULL);
    put_partial(&body, w);
    http_reply(d->r, 200, type, fer_buf_str(&body));
    fer_buf_done(&body);
}

static void send_refusal(durable_reply *d, const char *why)
{
    reply_later(d->r, ((const answer *)d)->json, why);
}

/* The first reasons, a line each. */
static fer_str describe(fer_arena *a, const rw_request *q, const tsdb_report *rep)
{
    fer_buf text;
    fer_buf_init(&text, TEXT_BYTES_MAX, NULL);
    fer_buf_puts(&text, fer_buf_str(&q->bad));
    for (size_t i = 0; i < rep->n_texts; i++) {
        fer_buf_puts(&text, rep->texts[i]);
        fer_buf_putc(&text, '\n');
    }
    fer_str all = fer_buf_str(&text);
    if (all.n != 0)
        all.n--; /* the last line's end */
    fer_str ret = fer_arena_dup(a, all);
    fer_buf_done(&text);
    return ret.n != 0 ? ret : STR("part of the request was not stored");
}

/* ---- the request ---- */

/* The protobuf message of the request. */
static fer_code decode(work *w, http_req *r, const content *of, fer_str *ret, fer_err *err)
{
    fer_str body = http_req_body(r);
    fer_buf_clear(&w->message);
    if (of->gzip) {
        FER_TRY(rw_decode(&w->decoder, RW_GZIP, body, &w->decoded, err));
        body = fer_buf_str(&w->decoded);
    }
    if (of->json) {
        FER_TRY(otlp_json_to_protobuf(body, &w->message, err));
        body = fer_buf_str(&w->message);
    }
    *ret = body;
    return FER_OK;
}

static fer_hash128 fingerprint(const void *arg, fer_str raw)
{
    return tsdb_fingerprint(arg, raw);
}

/* Points with rows that were refused; those of one come one behind the other. */
typedef struct refused_points {
    uint64_t n;
    uint32_t last;
} refused_points;

static void note_refused(void *arg, fer_str raw)
{
    refused_points *c = arg;
    uint32_t point = ((const otlp_series *)(const void *)raw.p)->point;
    c->n += point != 0 && point != c->last;
    c->last = point;
}

static fer_code stage(otlp_receiver *o, http_req *r, const content *of, work *w,
                      const otlp_refused *refused, fer_err *err)
{
    const rw_request *q = &w->request;
    answer *ans = ARENA_NEW(http_req_arena(r), answer);
    if (ans == NULL)
        return fer_fail_budget(err, "OTLP request");
    durable_reply_init(&ans->reply, r, send_answer);
    ans->reply.refuse = send_refusal;
    ans->json = of->json;
    tsdb_report rep = {0};
    refused_points points = {0};
    metadata_store *store = rw_metadata_store(o->a->receiver);
    size_t n_metadata = metadata_store_put_all(store, q->metadata, q->n_metadata);
    const tsdb_rows rows = {q->rows,
                            q->n_rows,
                            q->hists,
                            q->n_hists,
                            q->exemplars,
                            q->n_exemplar_rows,
                            .on_reject = note_refused,
                            .on_reject_arg = &points,
                            .metadata = q->metadata,
                            .n_metadata = n_metadata};
    FER_TRY(tsdb_stage_rows(app_db(o->a), &rows, otlp_labels, NULL, w->arena, &rep,
                            durable_reply_committed, &ans->reply, err));
    metadata_store_staged(store, q->metadata, n_metadata);
    ans->refused = refused->points + points.n;
    ans->nothing = rep.accepted == 0;
    if (refused->points + rep.n_rejected != 0)
        ans->text = describe(http_req_arena(r), q, &rep);
    atomic_fetch_add_explicit(&o->samples, rep.accepted, memory_order_relaxed);
    atomic_fetch_add_explicit(&o->refused_points, ans->refused, memory_order_relaxed);
    durable_reply_prepared(&ans->reply);
    return FER_OK;
}

/* FER_OK: the answer is on its way. Otherwise the caller answers. */
static fer_code receive(otlp_receiver *o, http_req *r, const content *of, work *w,
                        const otlp_options *options, fer_err *err)
{
    fer_str msg;
    otlp_refused refused;
    FER_TRY(decode(w, r, of, &msg, err));
    FER_TRY(otlp_scan(msg, options, fingerprint, app_db(o->a), w->names, w->arena, &w->request,
                      &refused, err));
    return stage(o, r, of, w, &refused, err);
}

void otlp_handle(http_req *r, void *arg)
{
    app *a = arg;
    otlp_receiver *o = a->otlp;
    content of;
    if (!a->o.enable_otlp_receiver) {
        http_reply_text(r, 404,
                        "otlp write receiver needs to be enabled with --web.enable-otlp-receiver");
        return;
    }
    if (!check_headers(r, &of))
        return;
    atomic_fetch_add_explicit(&o->requests, 1, memory_order_relaxed);
    const config *c = live_config_take(a->config);
    otlp_options options = *config_otlp(c);
    options.lookback_ms = a->o.query_lookback_ms;
    options.native_delta = a->o.otlp_native_delta;
    options.type_and_unit = a->limits.features.type_and_unit_labels;
    options.cumulator = o->cumulator;
    fer_err err;
    work *w = work_take(o);
    fer_code code = receive(o, r, &of, w, &options, &err);
    bool too_large = of.gzip && w->decoded.n == w->decoded.max;
    work_give(o, w);
    config_free(c);
    if (code == FER_INVALID)
        reply_status(r, of.json, too_large ? 413 : 400, str_of(err.msg));
    else if (code != FER_OK)
        reply_later(r, of.json, err.msg);
}

void otlp_stats_get(const otlp_receiver *o, otlp_stats *ret)
{
    *ret = (otlp_stats){
        .requests = atomic_load(&o->requests),
        .samples = atomic_load(&o->samples),
        .refused_points = atomic_load(&o->refused_points),
    };
}
