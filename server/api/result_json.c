/* result_json.c - a producer that walks series and points and stops at each full piece. */
#include "server/api/result_json.h"

#include <inttypes.h>

#include "base/num.h"
#include "base/text.h"
#include "server/api/histogram_json.h"
#include "server/api/labels_json.h"
#include "server/api/reply.h"

enum {
    PIECE_BYTES = 64 * 1024,
    HEAD_BYTES = 32, /* copied whole */
    POINT_BYTES_MAX = NUM_TEXT_MAX + HEAD_BYTES + 8,
    HEAD_SPAN_MS = 10000 * 1000
};

/* What stands before a value: [1700000000.123," Within ten thousand seconds, times with the same milliseconds differ
 * in four digits only. */
typedef struct time_head {
    char text[HEAD_BYTES - 2];
    uint8_t n;
    uint8_t digits;   /* where those four are */
    int64_t begin_ms; /* where they are 0000; INT64_MAX: they are not all there, or no text is */
} time_head;

static_assert(API_TIME_MAX + 3 <= HEAD_BYTES - 2, "a time fits");

typedef struct writer {
    query_run *run;
    const promql_result *res;
    result_stats stats;
    int64_t start_ms, step_ms;
    labels_json metric; /* of the series before */
    time_head head;
    size_t series;  /* the next series */
    size_t point;   /* of it, the next point; > 0 means the series is open */
    bool list_open; /* with histograms: a list of values or histograms is begun */
    bool no_memory;
    hist_buckets buckets; /* of the histogram at hand */
    bool begun;
} writer;

static void put_metric(writer *w, fer_buf *out, const result_series *rs)
{
    fer_buf_puts(out, STR("{\"metric\":"));
    labels_json_put(&w->metric, out, w->run->ctx.syms, rs->labels, rs->n_labels);
}

static void make_head(time_head *h, int64_t t)
{
    int64_t ms = t % 1000;
    h->text[0] = '[';
    size_t n = 1 + api_format_time(h->text + 1, t);
    h->digits = (uint8_t)(n - (ms == 0 ? 4 : 8));
    h->text[n++] = ',';
    h->text[n++] = '"';
    h->n = (uint8_t)n;
    h->begin_ms = t < HEAD_SPAN_MS ? INT64_MAX : t / HEAD_SPAN_MS * HEAD_SPAN_MS + ms;
}

/* Writes up to HEAD_BYTES. */
static size_t put_head(time_head *h, char *to, int64_t t)
{
    uint64_t ahead = (uint64_t)t - (uint64_t)h->begin_ms;
    uint32_t s = (uint32_t)ahead / 1000;
    bool alike = ahead < HEAD_SPAN_MS && s * 1000 == ahead;
    if (!alike)
        make_head(h, t);
    memcpy(to, h->text, sizeof h->text);
    if (alike)
        num_put_four(to + h->digits, s);
    return h->n;
}

/* [1700000000.123,"1.5"] */
static void put_point(writer *w, fer_buf *out, int64_t t, double v)
{
    char *at = fer_buf_room(out, POINT_BYTES_MAX);
    if (at == NULL)
        return;
    at += put_head(&w->head, at, t);
    at += num_format_json(at, v);
    *at++ = '"';
    *at++ = ']';
    out->n = (size_t)(at - out->p);
}

/* [1700000000.123,{...}] */
static void put_histogram(writer *w, fer_buf *out, int64_t t, const histogram *h)
{
    fer_buf_putc(out, '[');
    api_put_time(out, t);
    fer_buf_putc(out, ',');
    if (histogram_json(out, h, w->run->arena, &w->buckets) != FER_OK)
        w->no_memory = true;
    fer_buf_putc(out, ']');
}

static void put_vector_series(writer *w, fer_buf *out, const result_series *rs)
{
    put_metric(w, out, rs);
    if (rs->h != NULL && rs->h[0] != NULL) {
        fer_buf_puts(out, STR(",\"histogram\":"));
        put_histogram(w, out, rs->t[0], rs->h[0]);
    } else {
        fer_buf_puts(out, STR(",\"value\":"));
        put_point(w, out, rs->t[0], rs->v[0]);
    }
    fer_buf_putc(out, '}');
    w->series++;
}

/* Points of one series until the piece is full (out reaches `full` bytes) or the series ends. */
static void put_matrix_series(writer *w, fer_buf *out, const result_series *rs, size_t full)
{
    if (w->point == 0) {
        put_metric(w, out, rs);
        fer_buf_puts(out, STR(",\"values\":["));
    }
    do { /* at least one, so that an open series is told by its point */
        if (w->point != 0)
            fer_buf_putc(out, ',');
        put_point(w, out, rs->t[w->point], rs->v[w->point]);
        w->point++;
    } while (w->point < rs->n && out->n < full);
    if (w->point == rs->n) {
        fer_buf_puts(out, STR("]}"));
        w->series++;
        w->point = 0;
    }
}

/* A series with histograms: first the floats as "values", then the "histograms", so that its points are
 * walked twice; w->point counts both times. */
static void put_mixed_series(writer *w, fer_buf *out, const result_series *rs, size_t full)
{
    size_t twice = 2 * (size_t)rs->n;
    if (w->point == 0)
        put_metric(w, out, rs);
    do {
        size_t i = w->point % rs->n;
        bool second = w->point >= rs->n;
        if ((rs->h[i] != NULL) == second) {
            if (w->list_open)
                fer_buf_putc(out, ',');
            else
                fer_buf_puts(out, second ? STR(",\"histograms\":[") : STR(",\"values\":["));
            w->list_open = true;
            if (second)
                put_histogram(w, out, rs->t[i], rs->h[i]);
            else
                put_point(w, out, rs->t[i], rs->v[i]);
        }
        w->point++;
        if (w->point % rs->n == 0 && w->list_open) {
            fer_buf_putc(out, ']');
            w->list_open = false;
        }
    } while (w->point < twice && out->n < full);
    if (w->point == twice) {
        fer_buf_putc(out, '}');
        w->series++;
        w->point = 0;
    }
}

/* Outside of points, times are plain numbers: 1.5, not 1.500. */
static void put_plain_time(fer_buf *out, int64_t ms)
{
    if (fer_buf_room(out, NUM_TEXT_MAX) != NULL)
        out->n += num_format_json(out->p + out->n, (double)ms / 1000);
}

static void put_scalar(fer_buf *out, const promql_result *res)
{
    fer_buf_putc(out, '[');
    put_plain_time(out, res->t);
    fer_buf_putc(out, ',');
    if (res->type == VALUE_STRING) {
        text_json(out, res->string);
    } else if (fer_buf_room(out, POINT_BYTES_MAX) != NULL) {
        fer_buf_putc(out, '"');
        out->n += num_format_f(out->p + out->n, res->scalar);
        fer_buf_putc(out, '"');
    }
    fer_buf_putc(out, ']');
}

static void put_seconds(fer_buf *out, const char *key, double s)
{
    if (fer_buf_room(out, POINT_BYTES_MAX) == NULL)
        return;
    fer_buf_printf(out, "\"%s\":", key);
    if (fer_buf_room(out, NUM_TEXT_MAX) != NULL)
        out->n += num_format_json(out->p + out->n, s);
}

static void put_per_step(fer_buf *out, const promql_stats *st, int64_t start_ms, int64_t step_ms)
{
    fer_buf_puts(out, STR("\"totalQueryableSamplesPerStep\":["));
    for (size_t i = 0; i < st->n_steps; i++) {
        fer_buf_puts(out, i == 0 ? STR("[") : STR(",["));
        put_plain_time(out, start_ms + (int64_t)i * step_ms);
        fer_buf_printf(out, ",%" PRIu64 "]", st->total_per_step[i]);
    }
    fer_buf_puts(out, STR("],"));
}

static void put_timings(fer_buf *out, const result_stats *s)
{
    put_seconds(out, "evalTotalTime", s->eval_total_s);
    fer_buf_putc(out, ',');
    put_seconds(out, "resultSortTime", s->sort_s);
    fer_buf_putc(out, ',');
    put_seconds(out, "queryPreparationTime", s->prepare_s);
    fer_buf_putc(out, ',');
    put_seconds(out, "innerEvalTime", s->inner_eval_s);
    fer_buf_putc(out, ',');
    put_seconds(out, "execQueueTime", s->queue_s);
    fer_buf_putc(out, ',');
    put_seconds(out, "execTotalTime", s->exec_total_s);
}

void result_stats_put(fer_buf *out, const result_stats *s, const promql_stats *counts,
                      int64_t start_ms, int64_t step_ms)
{
    fer_buf_puts(out, STR("{\"timings\":{"));
    put_timings(out, s);
    fer_buf_puts(out, STR("},\"samples\":{"));
    if (s->per_step && counts != NULL && counts->total_per_step != NULL)
        put_per_step(out, counts, start_ms, step_ms);
    fer_buf_printf(out, "\"totalQueryableSamples\":%" PRIu64 ",\"peakSamples\":%" PRIu64 "}",
                   counts == NULL ? 0 : counts->total_samples,
                   counts == NULL ? 0 : counts->peak_samples);
    if (s->cost_shown) { /* ours */
        fer_buf_puts(out, STR(",\"cost\":{"));
        put_seconds(out, "cpuSeconds", s->cpu_s);
        fer_buf_printf(out, ",\"samplesRead\":%" PRIu64 ",\"peakBytes\":%" PRIu64 "}",
                       counts == NULL ? 0 : counts->samples_read, s->peak_bytes);
    }
    fer_buf_putc(out, '}');
}

static void put_end(const writer *w, fer_buf *out)
{
    bool list = w->res->type == VALUE_VECTOR || w->res->type == VALUE_MATRIX;
    if (list)
        fer_buf_putc(out, ']');
    if (w->stats.shown) {
        fer_buf_puts(out, STR(",\"stats\":"));
        result_stats_put(out, &w->stats, &w->res->stats, w->start_ms, w->step_ms);
    }
    fer_buf_putc(out, '}');
    api_put_notes(out, "warnings", &w->res->warnings);
    api_put_notes(out, "infos", &w->res->infos);
    fer_buf_putc(out, '}');
}

static fer_code next_piece(void *arg, fer_buf *out, bool *done)
{
    writer *w = arg;
    const promql_result *res = w->res;
    bool list = res->type == VALUE_VECTOR || res->type == VALUE_MATRIX;
    size_t full = out->n + PIECE_BYTES; /* earlier pieces may still be there */
    if (!w->begun) {
        w->begun = true;
        fer_buf_printf(out, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":%s",
                       value_type_name(res->type), list ? "[" : "");
        if (!list)
            put_scalar(out, res);
    }
    while (list && w->series < res->n_series && out->n < full) {
        const result_series *rs = &res->series[w->series];
        if (w->series != 0 && w->point == 0)
            fer_buf_putc(out, ',');
        if (res->type == VALUE_VECTOR)
            put_vector_series(w, out, rs);
        else if (rs->h != NULL)
            put_mixed_series(w, out, rs, full);
        else
            put_matrix_series(w, out, rs, full);
    }
    if (w->no_memory)
        return FER_LIMIT;
    if (list && w->series < res->n_series)
        return out->full ? FER_LIMIT : FER_OK;
    put_end(w, out);
    *done = true;
    return out->full ? FER_LIMIT : FER_OK;
}

static void writer_free(void *arg)
{
    writer *w = arg;
    labels_json_done(&w->metric);
    query_run_free(w->run);
    fer_free(w);
}

void result_send(http_req *r, query_run *run, const promql_result *res, const result_stats *stats,
                 int64_t start_ms, int64_t step_ms)
{
    writer *w = fer_calloc(1, sizeof *w);
    *w = (writer){.run = run,
                  .res = res,
                  .stats = *stats,
                  .start_ms = start_ms,
                  .step_ms = step_ms,
                  .head.begin_ms = INT64_MAX};
    http_producer p = {next_piece, writer_free, w};
    http_reply_stream(r, 200, API_JSON, &p);
}
