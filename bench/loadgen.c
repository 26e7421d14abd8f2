/* loadgen.c - writes a known set of samples to a remote-write receiver, and says what was acknowledged.
 *
 *   loadgen --target 127.0.0.1:9090 [--path /api/v1/write] [--series N] [--samples N] [--from K]
 *           [--batch N] [--connections N] [--start MS] [--step MS] [--seconds S] [--churn N] [--groups N] [--late N]
 *           [--ledger FILE] [--rate SAMPLES_PER_S] [--protocol 1|2|otlp] [--kind floats|histograms|mixed] [--gzip 0|1]
 *
 * Series i has ten labels, about 220 bytes of text; its k-th sample lies at start + k * step and follows
 * from i and k alone (load_series.h), so that anybody can check it. Connection c
 * sends the series i with i / batch % connections == c, time after time, one sample a series and
 * request. Every answer must be 2xx; a 503 is sent again after a pause, anything else ends the run
 * with status 1.
 *
 * --protocol 2 sends the same as remote write 2.0, otlp as OTLP with the labels as attributes (load_message.h).
 *
 * A ledger gets one line per request: "a K FIRST COUNT" once acknowledged, "i K FIRST COUNT" for those
 * whose answer never came. When the receiver goes away the run ends with status 3.
 *
 * SIGTERM ends the run early, as --seconds does later.
 * With --late every N-th sample of a series is out of order: one and a half steps older than its place says.
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
#include <zlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/thread.h"
#include "bench/load_message.h"

enum { CONNECTIONS_MAX = 64, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_GONE = 3, HEAD_MAX = 16384 };

typedef struct options {
    char host[64];
    uint16_t port;
    const char *path, *ledger;
    uint64_t series, samples, from, batch, connections, rate, gzip;
    int64_t seconds;
    load_plan plan;
} options;

typedef struct worker {
    const options *o;
    unsigned index;
    int fd;
    load_writer *writer;
    fer_buf packed, request;
    uint64_t requests, sent, busy;
    uint32_t *took_us; /* of each request */
    size_t took_cap;
    int status; /* 0, EXIT_REFUSED, EXIT_GONE */
    char why[512];
} worker;

static FILE *ledger;
static fer_mutex ledger_mu;
static _Atomic bool stop;

static const char *content_type(load_protocol p)
{
    return p == LOAD_RW2 ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                         : "application/x-protobuf";
}

static const char *version_header(load_protocol p)
{
    if (p == LOAD_OTLP)
        return "";
    return p == LOAD_RW2 ? "X-Prometheus-Remote-Write-Version: 2.0.0\r\n"
                         : "X-Prometheus-Remote-Write-Version: 0.1.0\r\n";
}

static void pack_snappy(fer_str message, fer_buf *out)
{
    size_t n = snappy_max_compressed_length(message.n);
    char *to = fer_buf_room(out, n);
    snappy_compress(message.p, message.n, to, &n);
    out->n = n;
}

static void pack_gzip(fer_str message, fer_buf *out)
{
    enum { GZIP = 15 + 16, LEVEL = 6, MEMORY = 8 };
    z_stream z = {0};
    deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY);
    size_t room = deflateBound(&z, message.n);
    z.next_in = (Bytef *)(uintptr_t)message.p;
    z.avail_in = (unsigned)message.n;
    z.next_out = (Bytef *)fer_buf_room(out, room);
    z.avail_out = (unsigned)room;
    deflate(&z, Z_FINISH);
    out->n = room - z.avail_out;
    deflateEnd(&z);
}

static void build_request(worker *w, uint64_t k, uint64_t first, uint64_t count)
{
    const options *o = w->o;
    fer_str body = load_message(w->writer, k, first, count);
    const char *encoding = "";
    fer_buf_clear(&w->packed);
    if (o->plan.protocol != LOAD_OTLP) {
        pack_snappy(body, &w->packed);
        encoding = "Content-Encoding: snappy\r\n";
    } else if (o->gzip != 0) {
        pack_gzip(body, &w->packed);
        encoding = "Content-Encoding: gzip\r\n";
    }
    if (w->packed.n != 0)
        body = fer_buf_str(&w->packed);
    fer_buf_clear(&w->request);
    fer_buf_printf(&w->request,
                   "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: %s\r\nUser-Agent: loadgen\r\n%s"
                   "Content-Length: %zu\r\n\r\n",
                   o->path, o->host, encoding, content_type(o->plan.protocol),
                   version_header(o->plan.protocol), body.n);
    fer_buf_puts(&w->request, body);
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
        if (status / 100 == 2 && w->why[0] == '\0') { /* OTLP tells of a part that is refused */
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

typedef struct choice {
    const char *word;
    unsigned value;
} choice;

static const choice protocols[] = {
    {"1", LOAD_RW1}, {"2", LOAD_RW2}, {"otlp", LOAD_OTLP}, {NULL, 0}};
static const choice kinds[] = {
    {"floats", LOAD_FLOATS}, {"histograms", LOAD_HISTOGRAMS}, {"mixed", LOAD_MIXED}, {NULL, 0}};

static unsigned word(const char *name, const char *text, const choice *among)
{
    for (; text != NULL && among->word != NULL; among++)
        if (strcmp(text, among->word) == 0)
            return among->value;
    fprintf(stderr, "loadgen: no such %s\n", name);
    exit(EXIT_USAGE);
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
        {"--churn", &o->plan.churn},
        {"--groups", &o->plan.groups},
        {"--late", &o->plan.late},
        {"--rate", &o->rate},
        {"--gzip", &o->gzip},
        {"--start", (uint64_t *)&o->plan.start},
        {"--step", (uint64_t *)&o->plan.step},
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
        else if (strcmp(argv[i], "--protocol") == 0)
            o->plan.protocol = (load_protocol)word(argv[i], value, protocols);
        else if (strcmp(argv[i], "--kind") == 0)
            o->plan.kind = (load_kind)word(argv[i], value, kinds);
        else if (!known) {
            fprintf(stderr, "loadgen: unknown argument %s\n", argv[i]);
            exit(EXIT_USAGE);
        }
    }
    if (o->plan.protocol == LOAD_OTLP && o->plan.kind == LOAD_MIXED) {
        fprintf(stderr, "loadgen: OTLP has no mixed kind\n");
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
                 .connections = 2,
                 .plan = {.protocol = LOAD_RW1, .groups = 1, .step = 15000}};
    parse_args(&o, argc, argv);
    fer_clock *clock = fer_clock_system();
    if (o.plan.start == 0)
        o.plan.start =
            clock->wall_ms(clock) / 15000 * 15000 - (int64_t)(o.from + o.samples) * o.plan.step;
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
        fer_buf_init(&w[c].packed, 512u << 20, NULL);
        fer_buf_init(&w[c].request, 512u << 20, NULL);
        w[c].writer = load_writer_new(&o.plan);
        if (fer_thread_start(&threads[c], "load", worker_main, &w[c], &err) != FER_OK) {
            fprintf(stderr, "loadgen: %s\n", err.msg);
            return EXIT_REFUSED;
        }
    }
    for (unsigned c = 0; c < o.connections; c++) {
        fer_thread_join(&threads[c]);
        if (w[c].fd >= 0)
            close(w[c].fd);
        fer_buf_done(&w[c].packed);
        fer_buf_done(&w[c].request);
        load_writer_free(w[c].writer);
    }
    int status = report(w, &o, (double)(clock->mono_ns(clock) - t0) / 1e9);
    for (unsigned c = 0; c < o.connections; c++)
        fer_free(w[c].took_us);
    if (ledger != NULL)
        fclose(ledger);
    return status;
}
