/* loadgen.c - writes a known set of samples to a remote-write receiver, and says what was acknowledged.
 *
 *   loadgen --target 127.0.0.1:9090 [--path /api/v1/write] [--series N] [--samples N] [--from K]
 *           [--batch N] [--connections N] [--start MS] [--step MS] [--seconds S] [--churn N] [--groups N]
 *           [--ledger FILE] [--rate SAMPLES_PER_S] [--protocol 1|2]
 *
 * Series i has ten labels, about 220 bytes of text; its k-th sample lies at start + k * step and has a
 * value that follows from i and k alone (series_value), so that anybody can check it. Connection c
 * sends the series i with i / batch % connections == c, time after time, one sample a series and
 * request. Every answer must be 2xx; a 503 is sent again after a pause, anything else ends the run
 * with status 1.
 *
 * --protocol 2 sends the same as remote write 2.0: the symbols of a request, each once, and references.
 *
 * A ledger gets one line per request: "a K FIRST COUNT" once acknowledged, "i K FIRST COUNT" for those
 * whose answer never came. When the receiver goes away the run ends with status 3.
 *
 * SIGTERM ends the run early, as --seconds does later.
 * With --churn all series get new pods every N samples; with --groups each of so many parts at a time of its own.
 *
 * It prints: requests, samples, seconds, samples/s, of the times of requests the median, the 99th percentile and the most in ms.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <snappy-c.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/thread.h"
#include "base/varint.h"

enum { CONNECTIONS_MAX = 64, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_GONE = 3, HEAD_MAX = 16384 };

typedef struct options {
    char host[64];
    uint16_t port;
    const char *path, *ledger;
    uint64_t series, samples, from, batch, connections, churn, groups, rate;
    uint64_t protocol;
    int64_t start, step, seconds;
} options;

/* The symbols of one request of remote write 2.0, in a table by their hash. */
enum { SYMBOL_SLOTS = 1 << 16, SYMBOL_BYTES_MAX = 96 };
typedef struct symbol_table {
    fer_buf fields; /* as they go on the wire */
    struct {
        fer_str text; /* in texts */
        uint32_t ref;
    } slot[SYMBOL_SLOTS];
    char *texts;
    size_t texts_n;
    uint32_t n;
} symbol_table;

typedef struct worker {
    const options *o;
    unsigned index;
    int fd;
    fer_buf message, packed, request;
    symbol_table *symbols; /* protocol 2 */
    uint64_t requests, sent, busy;
    uint32_t *took_us; /* of each request */
    size_t took_cap;
    int status; /* 0, EXIT_REFUSED, EXIT_GONE */
    char why[512];
} worker;

static FILE *ledger;
static fer_mutex ledger_mu;
static _Atomic bool stop;

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * 0x9e3779b97f4a7c15ULL + b;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Every twentieth series is a bucket of a classic histogram: its le has this place, from 0. */
static const char *const bounds[] = {"0.1", "0.5", "1", "5", "+Inf"};
enum { METRICS = 20, BOUNDS = sizeof bounds / sizeof *bounds };

static bool is_bucket(uint64_t i)
{
    return i % METRICS == METRICS - 1;
}

/* A counter: grows by 1 + i % 97 a sample, with jitter below that, so that it never falls; buckets grow
 * the faster the higher their bound. */
static double series_value(uint64_t i, uint64_t k)
{
    uint64_t slope = 1 + i % 97;
    uint64_t v = i % 1000 + k * slope + mix(i, k) % slope;
    return (double)(is_bucket(i) ? v * (1 + i / METRICS % BOUNDS) : v);
}

static void put_varint(fer_buf *b, uint64_t v)
{
    char *at = fer_buf_room(b, VARINT_MAX);
    b->n += uvarint_put((uint8_t *)at, v);
}

static symbol_table *new_symbols(void)
{
    symbol_table *s = fer_calloc(1, sizeof *s);
    fer_buf_init(&s->fields, 256u << 20, NULL);
    s->texts = fer_alloc((size_t)SYMBOL_SLOTS / 2 * SYMBOL_BYTES_MAX);
    return s;
}

static void free_symbols(symbol_table *s)
{
    if (s == NULL)
        return;
    fer_buf_done(&s->fields);
    fer_free(s->texts);
    fer_free(s);
}

static void clear_symbols(symbol_table *s)
{
    fer_buf_clear(&s->fields);
    for (size_t i = 0; i < SYMBOL_SLOTS; i++)
        s->slot[i].text.p = NULL;
    s->texts_n = 0;
    s->n = 1; /* the first symbol is empty */
    fer_buf_puts(&s->fields, (fer_str){"\x22\0", 2});
}

static uint32_t symbol_ref(symbol_table *s, fer_str text)
{
    size_t i = fer_hash64(text.p, text.n) % SYMBOL_SLOTS;
    while (s->slot[i].text.p != NULL && !str_eq(s->slot[i].text, text))
        i = (i + 1) % SYMBOL_SLOTS;
    if (s->slot[i].text.p != NULL)
        return s->slot[i].ref;
    if (s->n == SYMBOL_SLOTS / 2) {
        fprintf(stderr, "loadgen: too many symbols in one request: take a smaller --batch\n");
        exit(EXIT_USAGE);
    }
    memcpy(s->texts + s->texts_n, text.p, text.n);
    s->slot[i].text = (fer_str){s->texts + s->texts_n, text.n};
    s->texts_n += text.n;
    fer_buf_putc(&s->fields, 0x22);
    put_varint(&s->fields, text.n);
    fer_buf_puts(&s->fields, text);
    return s->slot[i].ref = s->n++;
}

/* Where a series' labels go: as fields, or as references to the request's symbols. */
typedef struct label_sink {
    fer_buf *out;
    symbol_table *symbols; /* NULL: fields */
} label_sink;

static void put_label(const label_sink *to, const char *name, const char *value)
{
    fer_buf *b = to->out;
    if (to->symbols != NULL) {
        put_varint(b, symbol_ref(to->symbols, str_of(name)));
        put_varint(b, symbol_ref(to->symbols, str_of(value)));
        return;
    }
    size_t name_n = strlen(name), n = strlen(value);
    fer_buf_putc(b, 0x0a);
    put_varint(b, 4 + name_n + n);
    fer_buf_putc(b, 0x0a);
    put_varint(b, name_n);
    fer_buf_put(b, name, name_n);
    fer_buf_putc(b, 0x12);
    put_varint(b, n);
    fer_buf_put(b, value, n);
}

static void put_numbered(const label_sink *b, const char *name, const char *fmt, unsigned long v)
{
    char value[96];
    snprintf(value, sizeof value, fmt, v);
    put_label(b, name, value);
}

/* Series i in generation g (churn gives every generation new pods). */
static void put_labels(const label_sink *b, uint64_t i, uint64_t g)
{
    put_numbered(b, "__name__", "bench_http_requests_%02lu_total", i % METRICS);
    put_numbered(b, "cluster", "production-eu-%02lu", i / 50000 % 4);
    put_numbered(b, "container", "application-%02lu", i / 20 % 10);
    put_numbered(b, "endpoint", "metrics-%lu", i / 20 % 2);
    put_numbered(b, "instance", "10.1.%lu.17:9100", i / 20 % 250);
    put_numbered(b, "job", "kubernetes-service-%03lu", i / 200 % 100);
    if (is_bucket(i))
        put_label(b, "le", bounds[i / METRICS % BOUNDS]);
    put_label(b, "method", i % 2 == 0 ? "GET" : "POST");
    put_numbered(b, "namespace", "team-%02lu-backend", i / 1000 % 30);
    put_numbered(b, "pod", "application-5d8f7c9b4d-%08lx", g << 32 | i);
    if (!is_bucket(i))
        put_numbered(b, "status", "%lu", 200 + i % 5);
}

static void put_sample(fer_buf *b, int64_t t, double v)
{
    uint8_t stamp[VARINT_MAX];
    size_t stamp_n = uvarint_put(stamp, (uint64_t)t);
    fer_buf_putc(b, 0x12);
    put_varint(b, 10 + stamp_n);
    fer_buf_putc(b, 0x09);
    fer_buf_put(b, &v, 8);
    fer_buf_putc(b, 0x10);
    fer_buf_put(b, stamp, stamp_n);
}

static void put_series(fer_buf *out, fer_buf *scratch, uint64_t i, uint64_t g, int64_t t, double v)
{
    fer_buf_clear(scratch);
    put_labels(&(label_sink){.out = scratch}, i, g);
    put_sample(scratch, t, v);
    fer_buf_putc(out, 0x0a);
    put_varint(out, scratch->n);
    fer_buf_put(out, scratch->p, scratch->n);
}

/* The same in remote write 2.0; refs is another scratch. */
static void put_series2(symbol_table *symbols, fer_buf *out, fer_buf *scratch, fer_buf *refs,
                        uint64_t i, uint64_t g, int64_t t, double v)
{
    fer_buf_clear(scratch);
    fer_buf_clear(refs);
    put_labels(&(label_sink){.out = refs, .symbols = symbols}, i, g);
    fer_buf_putc(scratch, 0x0a);
    put_varint(scratch, refs->n);
    fer_buf_put(scratch, refs->p, refs->n);
    put_sample(scratch, t, v);
    fer_buf_putc(out, 0x2a);
    put_varint(out, scratch->n);
    fer_buf_put(out, scratch->p, scratch->n);
}

static uint64_t generation(const options *o, uint64_t i, uint64_t k)
{
    return o->churn == 0 ? 0 : (k + i % o->groups * o->churn / o->groups) / o->churn;
}

static void build_message(worker *w, uint64_t k, uint64_t first, uint64_t count)
{
    const options *o = w->o;
    fer_buf scratch, refs;
    fer_buf_init(&scratch, 1 << 16, NULL);
    fer_buf_init(&refs, 1 << 16, NULL);
    fer_buf_clear(&w->message);
    if (w->symbols != NULL)
        clear_symbols(w->symbols);
    int64_t t = o->start + (int64_t)k * o->step;
    for (uint64_t i = first; i < first + count; i++)
        if (w->symbols != NULL)
            put_series2(w->symbols, &w->message, &scratch, &refs, i, generation(o, i, k), t,
                        series_value(i, k));
        else
            put_series(&w->message, &scratch, i, generation(o, i, k), t, series_value(i, k));
    if (w->symbols != NULL)
        fer_buf_puts(&w->message, fer_buf_str(&w->symbols->fields));
    fer_buf_done(&scratch);
    fer_buf_done(&refs);
}

static void build_request(worker *w, uint64_t k, uint64_t first, uint64_t count)
{
    const options *o = w->o;
    build_message(w, k, first, count);
    fer_buf_clear(&w->packed);
    size_t n = snappy_max_compressed_length(w->message.n);
    char *to = fer_buf_room(&w->packed, n);
    snappy_compress(w->message.p, w->message.n, to, &n);
    w->packed.n = n;
    fer_buf_clear(&w->request);
    fer_buf_printf(&w->request,
                   "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Encoding: snappy\r\nContent-Type: "
                   "application/x-protobuf%s\r\n"
                   "User-Agent: loadgen\r\nX-Prometheus-Remote-Write-Version: "
                   "%s\r\nContent-Length: %zu\r\n\r\n",
                   o->path, o->host,
                   o->protocol == 2 ? ";proto=io.prometheus.write.v2.Request" : "",
                   o->protocol == 2 ? "2.0.0" : "0.1.0", n);
    fer_buf_put(&w->request, w->packed.p, n);
}

static bool dial(worker *w)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(w->o->port)};
    int one = 1;
    inet_pton(AF_INET, w->o->host, &a.sin_addr);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(w->fd, (struct sockaddr *)&a, sizeof a) == 0)
        return true;
    snprintf(w->why, sizeof w->why, "connect to %s:%u failed", w->o->host, w->o->port);
    close(w->fd);
    w->fd = -1;
    return false;
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* Reads one answer: its status, or -1 when the receiver went away. The body's start goes to w->why. */
static int read_answer(worker *w)
{
    char buf[HEAD_MAX + 1];
    size_t n = 0;
    const char *end = NULL;
    while (end == NULL && n < HEAD_MAX) {
        ssize_t got = recv(w->fd, buf + n, HEAD_MAX - n, 0);
        if (got <= 0)
            return -1;
        n += (size_t)got;
        buf[n] = '\0';
        end = strstr(buf, "\r\n\r\n");
    }
    int64_t length = 0;
    const char *field = strcasestr(buf, "\r\ncontent-length: ");
    if (field != NULL && field < end)
        length = strtoll(field + 18, NULL, 10);
    size_t have = n - (size_t)(end + 4 - buf);
    snprintf(w->why, sizeof w->why, "%.*s", (int)(have < 400 ? have : 400), end + 4);
    while ((int64_t)have < length) {
        char rest[4096];
        ssize_t got = recv(w->fd, rest, sizeof rest, 0);
        if (got <= 0)
            return -1;
        have += (size_t)got;
    }
    return (int)strtol(buf + 9, NULL, 10);
}

static void note(char what, uint64_t k, uint64_t first, uint64_t count)
{
    if (ledger == NULL)
        return;
    fer_mutex_lock(&ledger_mu);
    fprintf(ledger, "%c %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", what, k, first, count);
    fflush(ledger);
    fer_mutex_unlock(&ledger_mu);
}

static void note_time(worker *w, uint64_t us)
{
    if (w->requests == w->took_cap) {
        w->took_cap = w->took_cap == 0 ? 4096 : w->took_cap * 2;
        w->took_us = fer_realloc(w->took_us, w->took_cap * sizeof *w->took_us);
    }
    w->took_us[w->requests++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* One batch until it is acknowledged; false ends the worker. */
static bool deliver(worker *w, uint64_t k, uint64_t first, uint64_t count)
{
    fer_clock *clock = fer_clock_system();
    build_request(w, k, first, count);
    for (;;) {
        uint64_t t0 = clock->mono_ns(clock);
        int status = send_all(w->fd, w->request.p, w->request.n) ? read_answer(w) : -1;
        uint64_t took = clock->mono_ns(clock) - t0;
        note_time(w, took / 1000);
        if (status / 100 == 2) {
            note('a', k, first, count);
            w->sent += count;
            return true;
        }
        if (status == 503) {
            w->busy++;
            note('i', k, first, count);
            usleep(50 * 1000);
            continue;
        }
        if (status < 0)
            note('i', k, first, count);
        w->status = status < 0 ? EXIT_GONE : EXIT_REFUSED;
        if (status > 0) {
            char body[400];
            snprintf(body, sizeof body, "%.399s", w->why);
            snprintf(w->why, sizeof w->why, "status %d: %s", status, body);
        } else {
            snprintf(w->why, sizeof w->why, "the receiver went away");
        }
        return false;
    }
}

/* Sleeps so that the worker keeps to its share of the rate. */
static void pace(const worker *w, uint64_t t0)
{
    fer_clock *clock = fer_clock_system();
    if (w->o->rate == 0)
        return;
    double due = (double)w->sent / ((double)w->o->rate / (double)w->o->connections);
    double now = (double)(clock->mono_ns(clock) - t0) / 1e9;
    if (due > now)
        usleep((unsigned)((due - now) * 1e6));
}

static void on_stop(int number)
{
    (void)number;
    atomic_store(&stop, true);
}

static void worker_main(void *arg)
{
    worker *w = arg;
    const options *o = w->o;
    fer_clock *clock = fer_clock_system();
    uint64_t t0 = clock->mono_ns(clock);
    if (!dial(w)) {
        w->status = EXIT_GONE;
        return;
    }
    for (uint64_t k = o->from; k < o->from + o->samples; k++) {
        for (uint64_t first = w->index * o->batch; first < o->series;
             first += o->connections * o->batch) {
            uint64_t count = o->series - first < o->batch ? o->series - first : o->batch;
            bool over =
                o->seconds != 0 && clock->mono_ns(clock) - t0 > (uint64_t)o->seconds * 1000000000u;
            if (over || atomic_load(&stop) || !deliver(w, k, first, count)) {
                if (w->status == EXIT_REFUSED)
                    atomic_store(&stop, true);
                return;
            }
            pace(w, t0);
        }
    }
}

static uint64_t number(const char *name, const char *text)
{
    uint64_t v;
    if (text != NULL && num_parse_u64(str_of(text), &v))
        return v;
    fprintf(stderr, "loadgen: %s wants a whole number\n", name);
    exit(EXIT_USAGE);
}

static void parse_target(options *o, const char *text)
{
    const char *colon = text == NULL ? NULL : strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof o->host) {
        fprintf(stderr, "loadgen: --target wants ADDRESS:PORT\n");
        exit(EXIT_USAGE);
    }
    memcpy(o->host, text, (size_t)(colon - text));
    o->port = (uint16_t)number("--target", colon + 1);
}

static void parse_args(options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {
        {"--series", &o->series},
        {"--samples", &o->samples},
        {"--from", &o->from},
        {"--batch", &o->batch},
        {"--connections", &o->connections},
        {"--churn", &o->churn},
        {"--groups", &o->groups},
        {"--rate", &o->rate},
        {"--protocol", &o->protocol},
        {"--start", (uint64_t *)&o->start},
        {"--step", (uint64_t *)&o->step},
        {"--seconds", (uint64_t *)&o->seconds},
    };
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool known = false;
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            if (strcmp(argv[i], numbers[k].name) != 0)
                continue;
            *numbers[k].to = number(argv[i], value);
            known = true;
        }
        if (strcmp(argv[i], "--target") == 0)
            parse_target(o, value);
        else if (strcmp(argv[i], "--path") == 0 && value != NULL)
            o->path = value;
        else if (strcmp(argv[i], "--ledger") == 0 && value != NULL)
            o->ledger = value;
        else if (!known) {
            fprintf(stderr, "loadgen: unknown argument %s\n", argv[i]);
            exit(EXIT_USAGE);
        }
    }
    if (o->protocol != 1 && o->protocol != 2) {
        fprintf(stderr, "loadgen: --protocol is 1 or 2\n");
        exit(EXIT_USAGE);
    }
    if (o->port == 0 || o->batch == 0 || o->connections == 0 || o->connections > CONNECTIONS_MAX) {
        fprintf(stderr,
                "loadgen: --target is needed; --batch, --groups and --connections (at most %d) "
                "above 0\n",
                CONNECTIONS_MAX);
        exit(EXIT_USAGE);
    }
}

static int by_size(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sorted; one of 0 when there are none. The caller owns it. */
static uint32_t *all_times(const worker *w, const options *o, uint64_t n)
{
    uint32_t *all = fer_calloc(n + 1, sizeof *all), *at = all;
    for (uint64_t c = 0; c < o->connections; c++) {
        if (w[c].requests != 0)
            memcpy(at, w[c].took_us, w[c].requests * sizeof *at);
        at += w[c].requests;
    }
    qsort(all, n, sizeof *all, by_size);
    return all;
}

static int report(const worker *w, const options *o, double seconds)
{
    uint64_t requests = 0, sent = 0, busy = 0;
    int status = 0;
    for (uint64_t c = 0; c < o->connections; c++) {
        requests += w[c].requests;
        sent += w[c].sent;
        busy += w[c].busy;
        if (w[c].status != 0 && status != EXIT_REFUSED) {
            status = w[c].status;
            fprintf(stderr, "loadgen: connection %" PRIu64 ": %s\n", c, w[c].why);
        }
    }
    uint32_t *took = all_times(w, o, requests);
    uint64_t last = requests == 0 ? 0 : requests - 1;
    printf(
        "requests=%" PRIu64 " samples=%" PRIu64
        " seconds=%.3f samples_per_s=%.0f median_ms=%.2f p99_ms=%.2f slowest_ms=%.1f busy=%" PRIu64
        "\n",
        requests, sent, seconds, (double)sent / seconds, took[requests / 2] / 1e3,
        took[last - last / 100] / 1e3, took[last] / 1e3, busy);
    fer_free(took);
    return status;
}

int main(int argc, char **argv)
{
    static worker w[CONNECTIONS_MAX];
    static fer_thread threads[CONNECTIONS_MAX];
    options o = {.path = "/api/v1/write",
                 .series = 100000,
                 .samples = 200,
                 .batch = 2000,
                 .protocol = 1,
                 .connections = 2,
                 .groups = 1,
                 .step = 15000};
    parse_args(&o, argc, argv);
    fer_clock *clock = fer_clock_system();
    if (o.start == 0)
        o.start = clock->wall_ms(clock) / 15000 * 15000 - (int64_t)(o.from + o.samples) * o.step;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_stop);
    fer_mutex_init(&ledger_mu, "ledger", 0);
    if (o.ledger != NULL && (ledger = fopen(o.ledger, "ae")) == NULL) {
        fprintf(stderr, "loadgen: cannot open %s\n", o.ledger);
        return EXIT_USAGE;
    }
    uint64_t t0 = clock->mono_ns(clock);
    for (unsigned c = 0; c < o.connections; c++) {
        fer_err err;
        w[c] = (worker){.o = &o, .index = c, .fd = -1};
        fer_buf_init(&w[c].message, 256u << 20, NULL);
        fer_buf_init(&w[c].packed, 512u << 20, NULL);
        fer_buf_init(&w[c].request, 512u << 20, NULL);
        w[c].symbols = o.protocol == 2 ? new_symbols() : NULL;
        if (fer_thread_start(&threads[c], "load", worker_main, &w[c], &err) != FER_OK) {
            fprintf(stderr, "loadgen: %s\n", err.msg);
            return EXIT_REFUSED;
        }
    }
    for (unsigned c = 0; c < o.connections; c++) {
        fer_thread_join(&threads[c]);
        if (w[c].fd >= 0)
            close(w[c].fd);
        fer_buf_done(&w[c].message);
        fer_buf_done(&w[c].packed);
        fer_buf_done(&w[c].request);
        free_symbols(w[c].symbols);
    }
    int status = report(w, &o, (double)(clock->mono_ns(clock) - t0) / 1e9);
    for (unsigned c = 0; c < o.connections; c++)
        fer_free(w[c].took_us);
    if (ledger != NULL)
        fclose(ledger);
    return status;
}
