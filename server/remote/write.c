/* write.c - the life of a remote-write request.
 *
 * The handler checks the headers, decodes into a scratch taken from a small free list, stages the rows
 * (tsdb_stage) and prepares the whole answer; the scratch goes back at once. The answer goes out when
 * the committer calls done: everything the request was judged against is durable then.
 */
#include "server/remote/write.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/thread.h"
#include "server/remote/rw1.h"

enum {
    SCRATCH_KEEP = 4,                     /* scratches kept for reuse */
    SCRATCH_KEEP_BYTES = 8 * 1024 * 1024, /* a larger one is freed */
    SCRATCH_ARENA_BYTES = 256 * 1024 * 1024,
};

typedef struct scratch scratch;
struct scratch {
    scratch *next;
    fer_buf decoded;
    rw_request request;
    fer_arena *arena; /* labels of new series, report texts */
};

struct rw_receiver {
    app *a;
    metadata_store *metadata;
    fer_mutex mu;
    scratch *free;
    size_t n_free;
    _Atomic uint64_t requests, samples, rejected, invalid_labels, histograms, exemplars, families;
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
    s->arena = fer_arena_new(&w->a->memory_ingest, SCRATCH_ARENA_BYTES);
    return s;
}

static void scratch_free(scratch *s)
{
    fer_buf_done(&s->decoded);
    rw_request_done(&s->request);
    fer_arena_free(s->arena);
    fer_free(s);
}

void rw_receiver_free(rw_receiver *w)
{
    if (w == NULL)
        return;
    while (w->free != NULL) {
        scratch *s = w->free;
        w->free = s->next;
        scratch_free(s);
    }
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
    bool keep = s->decoded.cap + rw_request_bytes(&s->request) <= SCRATCH_KEEP_BYTES;
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

/* The message named by Content-Type; NULL when the type is not protobuf or its parameters are bad. */
static fer_str message_of(fer_str type)
{
    static const char media[] = "application/x-protobuf";
    fer_str v1 = STR("prometheus.WriteRequest");
    if (type.n == 0)
        return v1;
    const char *semi = memchr(type.p, ';', type.n);
    fer_str head = semi == NULL ? type : (fer_str){type.p, (size_t)(semi - type.p)};
    if (!str_eq(head, str_of(media)))
        return (fer_str){NULL, 0};
    fer_str message = v1;
    while (semi != NULL) {
        fer_str rest = str_from(type, (size_t)(semi + 1 - type.p));
        semi = memchr(rest.p, ';', rest.n);
        fer_str param = semi == NULL ? rest : (fer_str){rest.p, (size_t)(semi - rest.p)};
        const char *eq = memchr(param.p, '=', param.n);
        if (eq == NULL)
            return (fer_str){NULL, 0};
        if (str_eq((fer_str){param.p, (size_t)(eq - param.p)}, STR("proto")))
            message = str_from(param, (size_t)(eq + 1 - param.p));
    }
    return message;
}

/* False when the request was answered: wrong encoding or type. */
static bool check_headers(http_req *r)
{
    fer_str encoding = http_req_header(r, "Content-Encoding");
    if (encoding.n != 0 && !str_eq(encoding, STR("snappy"))) {
        http_reply_text(
            r, 415,
            "%.*s encoding (compression) is not accepted by this server; only snappy is "
            "acceptable",
            STR_FMT(encoding));
        return false;
    }
    fer_str type = http_req_header(r, "Content-Type");
    fer_str message = message_of(type);
    if (message.p == NULL) {
        http_reply_text(
            r, 415,
            "expected application/x-protobuf as the first (media) part, got %.*s content-type",
            STR_FMT(type));
        return false;
    }
    if (!str_eq(message, STR("prometheus.WriteRequest"))) {
        http_reply_text(r, 415,
                        "%.*s protobuf message is not accepted by this server; only accepts "
                        "prometheus.WriteRequest",
                        STR_FMT(message));
        return false;
    }
    return true;
}

static void reply_busy(http_req *r, const char *why)
{
    http_resp_header(r, "Retry-After", STR("5"));
    http_reply_text(r, 503, "%s", why);
}

/* An answer, in the request's arena. Two sides finish it, in either order: the handler, which writes
 * status and text, and the committer, which tells the outcome; the later one sends it. */
typedef struct answer {
    http_req *r;
    int status;
    fer_str text;
    fer_code outcome;
    _Atomic int sides;
} answer;

static void answer_side_done(answer *w)
{
    if (atomic_fetch_sub_explicit(&w->sides, 1, memory_order_acq_rel) != 1)
        return;
    if (w->outcome != FER_OK)
        reply_busy(
            w->r, w->outcome == FER_NOSPACE
                      ? "no space left on device: the request is not durable yet"
                      : "the write-ahead log could not be written: the request is not durable yet");
    else if (w->status == 204)
        http_reply(w->r, 204, NULL, (fer_str){NULL, 0});
    else
        http_reply_text(w->r, w->status, "%.*s", STR_FMT(w->text));
}

static void on_durable(void *arg, fer_code code)
{
    answer *w = arg;
    w->outcome = code;
    answer_side_done(w);
}

static void put_count(fer_buf *out, uint64_t n, const char *what)
{
    if (n != 0)
        fer_buf_printf(out, "%s%" PRIu64 " %s",
                       out->n != 0 && out->p[out->n - 1] == '(' ? "" : ", ", n, what);
}

/* The text of a partial refusal: the first reasons, a line each, then the counts. */
static void describe(fer_buf *out, const tsdb_report *rep, const rw_request *q)
{
    for (size_t i = 0; i < rep->n_texts; i++) {
        fer_buf_puts(out, rep->texts[i]);
        fer_buf_putc(out, '\n');
    }
    if (q->n_histograms != 0)
        fer_buf_printf(out, "native histograms are not stored by this version: %zu not stored\n",
                       q->n_histograms);
    if (rep->n_rejected != 0) {
        fer_buf_printf(out, "%" PRIu64 " of %zu samples not stored (", rep->n_rejected, q->n_rows);
        put_count(out, rep->rejected[REJECT_OUT_OF_ORDER], "out of order");
        put_count(out, rep->rejected[REJECT_DUPLICATE], "duplicate sample for timestamp");
        put_count(out, rep->rejected[REJECT_OUT_OF_BOUNDS], "out of bounds");
        put_count(out, rep->rejected[REJECT_TOO_FAR], "too far in the future");
        put_count(out, rep->rejected[REJECT_LABELS], "with invalid labels");
        put_count(out, rep->rejected[REJECT_LIMIT], "of new series beyond the memory limit");
        fer_buf_puts(out, STR("); the rest of the request is stored"));
    } else {
        fer_buf_puts(out, STR("all float samples of the request are stored"));
    }
}

static void refuse_part(answer *w, const tsdb_report *rep, const rw_request *q)
{
    fer_buf text;
    fer_buf_init(&text, 64 * 1024, NULL);
    describe(&text, rep, q);
    w->status = 400;
    w->text = fer_arena_dup(http_req_arena(w->r), fer_buf_str(&text));
    if (w->text.p == NULL)
        w->text = STR("part of the request was not stored");
    fer_buf_done(&text);
}

static void count(rw_receiver *w, const rw_request *q, const tsdb_report *rep)
{
    atomic_fetch_add_explicit(&w->samples, rep->accepted, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->rejected, rep->n_rejected, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->invalid_labels, rep->rejected[REJECT_LABELS],
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&w->histograms, q->n_histograms, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->exemplars, q->n_exemplars, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->families, q->n_metadata, memory_order_relaxed);
}

/* Decodes and stages. FER_OK: the answer is on its way. Otherwise the caller answers. */
static fer_code receive(rw_receiver *w, http_req *r, scratch *s, fer_err *err)
{
    tsdb *db = app_db(w->a);
    FER_TRY(rw_snappy_decode(http_req_body(r), &s->decoded, err));
    FER_TRY(rw1_scan(fer_buf_str(&s->decoded), fingerprint, db, &s->request, err));
    const rw_request *q = &s->request;
    for (size_t i = 0; i < q->n_metadata; i++)
        metadata_store_put(w->metadata, &q->metadata[i]);
    answer *ans = ARENA_NEW(http_req_arena(r), answer);
    if (ans == NULL)
        return fer_fail_budget(err, "remote write");
    ans->r = r;
    ans->status = 204;
    atomic_init(&ans->sides, 2);
    tsdb_report rep = {0};
    FER_TRY(
        tsdb_stage(db, q->rows, q->n_rows, rw1_labels, NULL, s->arena, &rep, on_durable, ans, err));
    count(w, q, &rep);
    if (rep.n_rejected != 0 || q->n_histograms != 0)
        refuse_part(ans, &rep, q);
    answer_side_done(ans);
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
    if (!check_headers(r))
        return;
    atomic_fetch_add_explicit(&w->requests, 1, memory_order_relaxed);
    scratch *s = scratch_take(w);
    fer_err err;
    fer_code c = receive(w, r, s, &err);
    scratch_give(w, s);
    if (c == FER_OK)
        return;
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
        .histograms_refused = atomic_load(&w->histograms),
        .exemplars_dropped = atomic_load(&w->exemplars),
        .metadata = atomic_load(&w->families),
    };
}

metadata_store *rw_metadata_store(rw_receiver *w)
{
    return w->metadata;
}
