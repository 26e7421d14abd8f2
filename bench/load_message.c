/* load_message.c - messages are written from the inside out: each level has a buffer, which becomes a field of the next.
 *
 *   1.0   WriteRequest { TimeSeries = 1 { Label = 1, Sample = 2, Exemplar = 3, Histogram = 4 }, MetricMetadata = 3 }
 *   2.0   Request { symbols = 4, TimeSeries = 5 { refs = 1, Sample = 2, Histogram = 3, Exemplar = 4, Metadata = 5 } }
 *   OTLP  see server/otlp/scan.c
 */
#include "bench/load_message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "server/remote/pb.h"

enum { MESSAGE_BYTES_MAX = 256 << 20, RESOURCE_SERIES = 100 };
enum { TYPE_COUNTER = 1, TYPE_HISTOGRAM = 3, CUSTOM_SCHEMA = -53, SCHEMA = 3 };

/* Levels of a message, by what is written there. */
typedef enum level { SERIES, LABELS, PART, INNER, POINTS, METRIC, SCOPE, RESOURCE, LEVELS } level;

/* The symbols of one request of remote write 2.0, in a table by their hash. Slots of other requests are empty: so the table
 * need not be cleared, which would leave the server under measure no cache. */
enum { SYMBOL_SLOTS = 1 << 16, SYMBOL_BYTES_MAX = 96 };
typedef struct symbol_table {
    fer_buf fields; /* as they go on the wire */
    struct {
        uint32_t request, ref;
    } slot[SYMBOL_SLOTS];
    fer_str text[SYMBOL_SLOTS / 2]; /* by ref, in texts */
    char *texts;
    size_t texts_n;
    uint32_t n, request;
} symbol_table;

struct load_writer {
    const load_plan *p;
    fer_buf message, b[LEVELS];
    symbol_table *symbols; /* of 2.0 */
};

/* One sample of one series. */
typedef struct spot {
    uint64_t i, k, generation;
    int64_t t;
} spot;

load_writer *load_writer_new(const load_plan *p)
{
    load_writer *w = fer_calloc(1, sizeof *w);
    w->p = p;
    fer_buf_init(&w->message, MESSAGE_BYTES_MAX, NULL);
    for (int l = 0; l < LEVELS; l++)
        fer_buf_init(&w->b[l], MESSAGE_BYTES_MAX, NULL);
    if (p->protocol != LOAD_RW2)
        return w;
    w->symbols = fer_calloc(1, sizeof *w->symbols);
    fer_buf_init(&w->symbols->fields, MESSAGE_BYTES_MAX, NULL);
    w->symbols->texts = fer_alloc((size_t)SYMBOL_SLOTS / 2 * SYMBOL_BYTES_MAX);
    return w;
}

void load_writer_free(load_writer *w)
{
    if (w == NULL)
        return;
    fer_buf_done(&w->message);
    for (int l = 0; l < LEVELS; l++)
        fer_buf_done(&w->b[l]);
    if (w->symbols != NULL) {
        fer_buf_done(&w->symbols->fields);
        fer_free(w->symbols->texts);
    }
    fer_free(w->symbols);
    fer_free(w);
}

/* The buffer of a level, emptied. */
static fer_buf *begin(load_writer *w, level l)
{
    fer_buf_clear(&w->b[l]);
    return &w->b[l];
}

static void put_double(fer_buf *b, uint32_t num, double v)
{
    pb_put_tag(b, num, PB_FIXED64);
    fer_buf_put(b, &v, sizeof v);
}

static void put_fixed(fer_buf *b, uint32_t num, uint64_t v)
{
    pb_put_tag(b, num, PB_FIXED64);
    fer_buf_put(b, &v, sizeof v);
}

static void put_number(fer_buf *b, uint32_t num, uint64_t v)
{
    pb_put_tag(b, num, PB_VARINT);
    pb_put_varint(b, v);
}

/* ---- names and symbols ---- */

static void clear_symbols(symbol_table *s)
{
    fer_buf_clear(&s->fields);
    s->request++;
    s->texts_n = 0;
    s->n = 1; /* the first symbol is empty */
    pb_put_bytes(&s->fields, 4, STR(""));
}

static uint32_t symbol_ref(symbol_table *s, const char *symbol)
{
    fer_str text = str_of(symbol);
    size_t i = fer_hash64(text.p, text.n) % SYMBOL_SLOTS;
    while (s->slot[i].request == s->request && !str_eq(s->text[s->slot[i].ref], text))
        i = (i + 1) % SYMBOL_SLOTS;
    if (s->slot[i].request == s->request)
        return s->slot[i].ref;
    if (s->n == SYMBOL_SLOTS / 2) {
        fprintf(stderr, "loadgen: too many symbols in one request: take a smaller --batch\n");
        exit(2);
    }
    memcpy(s->texts + s->texts_n, text.p, text.n);
    s->text[s->n] = (fer_str){s->texts + s->texts_n, text.n};
    s->texts_n += text.n;
    pb_put_bytes(&s->fields, 4, text);
    s->slot[i].request = s->request;
    return s->slot[i].ref = s->n++;
}

/* A label, of a series or an exemplar: a field of 1.0, or references among the labels of 2.0. */
static void put_label(void *arg, const char *name, const char *value)
{
    load_writer *w = arg;
    fer_buf *to = &w->b[LABELS];
    if (w->symbols != NULL) {
        pb_put_varint(to, symbol_ref(w->symbols, name));
        pb_put_varint(to, symbol_ref(w->symbols, value));
        return;
    }
    fer_buf *pair = begin(w, INNER);
    pb_put_bytes(pair, 1, str_of(name));
    pb_put_bytes(pair, 2, str_of(value));
    pb_put_bytes(to, 1, fer_buf_str(pair));
}

/* What put_label() has gathered becomes the labels of a series or an exemplar. */
static void take_labels(load_writer *w, fer_buf *to)
{
    if (w->symbols != NULL)
        pb_put_bytes(to, 1, fer_buf_str(&w->b[LABELS]));
    else
        fer_buf_puts(to, fer_buf_str(&w->b[LABELS]));
}

static void family_name(uint64_t metric, char *ret, size_t n)
{
    snprintf(ret, n, "bench_http_requests_%02" PRIu64 "_total", metric);
}

static unsigned type_of_family(const load_plan *p, uint64_t metric)
{
    return load_type_of(p->kind, metric) == LOAD_FLOAT ? TYPE_COUNTER : TYPE_HISTOGRAM;
}

static void family_help(uint64_t metric, char *ret, size_t n)
{
    snprintf(ret, n, "What metric %" PRIu64 " counts.", metric);
}

/* ---- remote write ---- */

static void put_sample(fer_buf *series, fer_buf *part, const spot *at)
{
    fer_buf_clear(part);
    put_double(part, 1, load_value(at->i, at->k));
    put_number(part, 2, (uint64_t)at->t);
    pb_put_bytes(series, 2, fer_buf_str(part));
}

static void put_span(load_writer *w, fer_buf *h, int offset, unsigned length)
{
    fer_buf *span = begin(w, INNER);
    put_number(span, 1, zigzag_put(offset));
    put_number(span, 2, length);
    pb_put_bytes(h, 11, fer_buf_str(span));
}

static void put_buckets(load_writer *w, fer_buf *h, load_type type, const spot *at)
{
    fer_buf *b = begin(w, INNER);
    uint64_t before = 0;
    for (uint64_t n = 0; n < LOAD_BUCKETS; n++) {
        uint64_t count = load_bucket(at->i, at->k, n);
        double f = (double)count + 0.5;
        if (type == LOAD_FLOAT_HIST)
            fer_buf_put(b, &f, sizeof f);
        else
            pb_put_varint(b, zigzag_put((int64_t)(count - before)));
        before = count;
    }
    pb_put_bytes(h, type == LOAD_FLOAT_HIST ? 13 : 12, fer_buf_str(b));
}

static void put_bounds(load_writer *w, fer_buf *h)
{
    fer_buf *b = begin(w, INNER);
    for (int n = 1; n < LOAD_BUCKETS; n++) {
        double bound = 0.5 * n;
        fer_buf_put(b, &bound, sizeof bound);
    }
    pb_put_bytes(h, 16, fer_buf_str(b));
}

static uint64_t count_of(const spot *at)
{
    uint64_t ret = 0;
    for (uint64_t n = 0; n < LOAD_BUCKETS; n++)
        ret += load_bucket(at->i, at->k, n);
    return ret;
}

static void put_histogram(load_writer *w, fer_buf *series, uint32_t num, load_type type,
                          const spot *at)
{
    fer_buf *h = begin(w, PART);
    bool custom = type == LOAD_CUSTOM_HIST;
    if (type == LOAD_FLOAT_HIST)
        put_double(h, 2, (double)count_of(at) + 0.5 * LOAD_BUCKETS);
    else
        put_number(h, 1, count_of(at));
    put_double(h, 3, load_value(at->i, at->k));
    put_number(h, 4, zigzag_put(custom ? CUSTOM_SCHEMA : SCHEMA));
    if (!custom)
        put_double(h, 5, 0x1p-128);
    put_span(w, h, custom ? 0 : -8, LOAD_BUCKETS / 2);
    put_span(w, h, custom ? 0 : 2, LOAD_BUCKETS / 2);
    put_buckets(w, h, type, at);
    put_number(h, 15, (uint64_t)at->t);
    if (custom)
        put_bounds(w, h);
    pb_put_bytes(series, num, fer_buf_str(h));
}

static void put_exemplar(load_writer *w, fer_buf *series, uint32_t num, const spot *at)
{
    char trace[LOAD_TRACE_CHARS + 1];
    fer_buf *e = begin(w, PART);
    fer_buf_clear(&w->b[LABELS]);
    load_trace(at->i, at->k, trace);
    put_label(w, "trace_id", trace);
    take_labels(w, e);
    put_double(e, 2, load_value(at->i, at->k));
    put_number(e, 3, (uint64_t)at->t);
    pb_put_bytes(series, num, fer_buf_str(e));
}

static void put_metadata2(load_writer *w, fer_buf *series, const spot *at)
{
    char help[64];
    fer_buf *m = begin(w, PART);
    family_help(at->i % LOAD_METRICS, help, sizeof help);
    put_number(m, 1, type_of_family(w->p, at->i));
    put_number(m, 3, symbol_ref(w->symbols, help));
    pb_put_bytes(series, 5, fer_buf_str(m));
}

static void put_series(load_writer *w, const spot *at)
{
    bool second = w->symbols != NULL, mixed = w->p->kind == LOAD_MIXED;
    load_type type = load_type_of(w->p->kind, at->i);
    fer_buf *series = begin(w, SERIES);
    fer_buf_clear(&w->b[LABELS]);
    load_labels(at->i, at->generation, put_label, w);
    take_labels(w, series);
    if (type == LOAD_FLOAT)
        put_sample(series, &w->b[PART], at);
    else
        put_histogram(w, series, second ? 3 : 4, type, at);
    if (mixed && type == LOAD_FLOAT)
        put_exemplar(w, series, second ? 4 : 3, at);
    if (mixed && second)
        put_metadata2(w, series, at);
    pb_put_bytes(&w->message, second ? 5 : 1, fer_buf_str(series));
}

static void put_metadata1(load_writer *w)
{
    for (uint64_t metric = 0; metric < LOAD_METRICS; metric++) {
        char name[64], help[64];
        fer_buf *m = begin(w, PART);
        family_name(metric, name, sizeof name);
        family_help(metric, help, sizeof help);
        put_number(m, 1, type_of_family(w->p, metric));
        pb_put_bytes(m, 2, str_of(name));
        pb_put_bytes(m, 4, str_of(help));
        pb_put_bytes(&w->message, 3, fer_buf_str(m));
    }
}

/* ---- OTLP ---- */

/* A KeyValue of a text. */
static void put_attribute(load_writer *w, fer_buf *to, uint32_t num, const char *key,
                          const char *text)
{
    fer_str value = str_of(text);
    fer_buf *pair = begin(w, INNER);
    pb_put_bytes(pair, 1, str_of(key));
    pb_put_tag(pair, 2, PB_BYTES);
    pb_put_varint(pair, pb_size_bytes(1, value));
    pb_put_bytes(pair, 1, value);
    pb_put_bytes(to, num, fer_buf_str(pair));
}

static bool is_of_resource(const char *name)
{
    return strcmp(name, "__name__") == 0 || strcmp(name, "job") == 0 ||
           strcmp(name, "instance") == 0;
}

static void put_number_attribute(void *arg, const char *name, const char *value)
{
    load_writer *w = arg;
    if (!is_of_resource(name))
        put_attribute(w, &w->b[PART], 7, name, value);
}

static void put_exponential_attribute(void *arg, const char *name, const char *value)
{
    load_writer *w = arg;
    if (!is_of_resource(name))
        put_attribute(w, &w->b[PART], 1, name, value);
}

static void put_number_point(load_writer *w, const spot *at)
{
    fer_buf *point = begin(w, PART);
    put_fixed(point, 2, (uint64_t)w->p->start * 1000000);
    put_fixed(point, 3, (uint64_t)at->t * 1000000);
    put_double(point, 4, load_value(at->i, at->k));
    load_labels(at->i, at->generation, put_number_attribute, w);
    pb_put_bytes(&w->b[POINTS], 1, fer_buf_str(point));
}

static void put_exponential_point(load_writer *w, const spot *at)
{
    fer_buf *point = begin(w, PART), *counts, *buckets = &w->b[LABELS];
    load_labels(at->i, at->generation, put_exponential_attribute, w);
    put_fixed(point, 2, (uint64_t)w->p->start * 1000000);
    put_fixed(point, 3, (uint64_t)at->t * 1000000);
    put_fixed(point, 4, count_of(at));
    put_double(point, 5, load_value(at->i, at->k));
    put_number(point, 6, zigzag_put(SCHEMA));
    counts = begin(w, INNER);
    for (uint64_t n = 0; n < LOAD_BUCKETS; n++)
        pb_put_varint(counts, load_bucket(at->i, at->k, n));
    fer_buf_clear(buckets);
    put_number(buckets, 1, zigzag_put(-8));
    pb_put_bytes(buckets, 2, fer_buf_str(counts));
    pb_put_bytes(point, 8, fer_buf_str(buckets));
    pb_put_bytes(&w->b[POINTS], 1, fer_buf_str(point));
}

static spot spot_of(const load_writer *w, uint64_t i, uint64_t k);

/* The series of one metric among [from, to). */
static void put_metric(load_writer *w, uint64_t k, uint64_t metric, uint64_t from, uint64_t to)
{
    char name[64];
    bool floats = w->p->kind == LOAD_FLOATS;
    fer_buf *points = begin(w, POINTS), *m = begin(w, METRIC);
    for (uint64_t i = from; i < to; i++) {
        spot at = spot_of(w, i, k);
        if (i % LOAD_METRICS != metric)
            continue;
        if (floats)
            put_number_point(w, &at);
        else
            put_exponential_point(w, &at);
    }
    if (points->n == 0)
        return;
    put_number(points, 2, 2); /* cumulative */
    if (floats)
        put_number(points, 3, 1); /* monotonic */
    snprintf(name, sizeof name, "bench.http.requests.%02" PRIu64, metric);
    pb_put_bytes(m, 1, str_of(name));
    pb_put_bytes(m, 3, STR("{request}"));
    pb_put_bytes(m, floats ? 7 : 10, fer_buf_str(points));
    pb_put_bytes(&w->b[SCOPE], 2, fer_buf_str(m));
}

static void put_resource(load_writer *w, uint64_t k, uint64_t from, uint64_t to)
{
    char text[64];
    fer_buf *r = begin(w, RESOURCE), *attributes = begin(w, PART), *scope;
    snprintf(text, sizeof text, "kubernetes-service-%03" PRIu64, from / 200 % 100);
    put_attribute(w, attributes, 1, "service.name", text);
    snprintf(text, sizeof text, "10.1.%" PRIu64 ".17:9100", from / RESOURCE_SERIES % 250);
    put_attribute(w, attributes, 1, "service.instance.id", text);
    put_attribute(w, attributes, 1, "telemetry.sdk.language", "go");
    snprintf(text, sizeof text, "node-%04" PRIu64, from / RESOURCE_SERIES);
    put_attribute(w, attributes, 1, "host.name", text);
    pb_put_bytes(r, 1, fer_buf_str(attributes));
    scope = begin(w, SCOPE);
    pb_put_bytes(scope, 1,
                 STR("\x0a\x07"
                     "loadgen"));
    for (uint64_t metric = 0; metric < LOAD_METRICS; metric++)
        put_metric(w, k, metric, from, to);
    pb_put_bytes(r, 2, fer_buf_str(scope));
    pb_put_bytes(&w->message, 1, fer_buf_str(r));
}

/* ---- a message ---- */

static spot spot_of(const load_writer *w, uint64_t i, uint64_t k)
{
    const load_plan *p = w->p;
    uint64_t generation = p->churn == 0 ? 0 : (k + i % p->groups * p->churn / p->groups) / p->churn;
    int64_t t = p->start + (int64_t)k * p->step;
    if (p->late != 0 && k >= 2 && (i + k) % p->late == 0)
        t -= p->step * 3 / 2;
    return (spot){i, k, generation, t};
}

static void put_otlp(load_writer *w, uint64_t k, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end;) {
        uint64_t next = (i / RESOURCE_SERIES + 1) * RESOURCE_SERIES;
        put_resource(w, k, i, next < end ? next : end);
        i = next;
    }
}

fer_str load_message(load_writer *w, uint64_t k, uint64_t first, uint64_t count)
{
    fer_buf_clear(&w->message);
    if (w->p->protocol == LOAD_OTLP) {
        put_otlp(w, k, first, first + count);
        return fer_buf_str(&w->message);
    }
    if (w->symbols != NULL)
        clear_symbols(w->symbols);
    for (uint64_t i = first; i < first + count; i++) {
        spot at = spot_of(w, i, k);
        put_series(w, &at);
    }
    if (w->symbols != NULL) { /* as senders have it: in front */
        fer_buf_puts(&w->symbols->fields, fer_buf_str(&w->message));
        return fer_buf_str(&w->symbols->fields);
    }
    if (w->p->kind == LOAD_MIXED)
        put_metadata1(w);
    return fer_buf_str(&w->message);
}
