/* write_bench.c - what a sample of remote write costs from the body of its request to the head, by step.
 *
 *     write_bench [--protocol=1|2] [--kind=floats|histograms|mixed] [--series=N] [--samples=N] [--batch=N]
 *
 * One thread decodes, scans, stages and commits the requests of bench/loadgen; with wal-sync=none, as the disk is not what is
 * measured, and without HTTP. Prints CPU time (user and system) per sample of a known series.
 */
#include <inttypes.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "bench/load_message.h"
#include "server/remote/body.h"
#include "server/remote/rw1.h"
#include "server/remote/rw2.h"
#include "tsdb/tsdb_testing.h"

enum { INTERVAL_MS = 15000, BODY_BYTES_MAX = 64 << 20 };

typedef struct bench {
    test_db t;
    load_plan plan;
    uint64_t series, samples, batch;
    load_writer *writer;
    fer_buf body, decoded;
    rw_decoder decoder;
    rw_request q;
    rw2_symbols symbols;
    uint64_t bytes, packed_bytes;
    double decode, scan, stage, commit;
} bench;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "write_bench: %s: %s\n", what, why);
    exit(1);
}

static fer_hash128 fingerprint(const void *arg, fer_str raw)
{
    return tsdb_fingerprint(arg, raw);
}

static void known(void *arg, const tsdb_row *rows, size_t n, bool *ret)
{
    tsdb_known(arg, rows, n, ret);
}

static void on_done(void *arg, fer_code code)
{
    (void)arg;
    if (code != FER_OK)
        die("not durable", fer_code_name(code));
}

static void make_body(bench *b, uint64_t k, uint64_t first, uint64_t count)
{
    fer_str message = load_message(b->writer, k, first, count);
    size_t n = snappy_max_compressed_length(message.n);
    fer_buf_clear(&b->body);
    char *to = fer_buf_room(&b->body, n);
    if (to == NULL || snappy_compress(message.p, message.n, to, &n) != SNAPPY_OK)
        die("body", "too large");
    b->body.n = n;
    b->bytes += message.n;
    b->packed_bytes += n;
}

static fer_code scan(bench *b, fer_err *err)
{
    fer_str msg = fer_buf_str(&b->decoded);
    if (b->plan.protocol == LOAD_RW2)
        return rw2_scan(msg, fingerprint, b->t.db, &b->symbols, &b->q, err);
    return rw1_scan_known(msg, fingerprint, b->t.db, known, b->t.db, &b->q, err);
}

/* The server's part. */
static void receive(bench *b)
{
    fer_err err = {0};
    rw_request *q = &b->q;
    double begun = cpu_seconds();
    if (rw_decode(&b->decoder, RW_SNAPPY, fer_buf_str(&b->body), &b->decoded, &err) != FER_OK)
        die("decode", err.msg);
    double decoded = cpu_seconds();
    if (scan(b, &err) != FER_OK)
        die("scan", err.msg);
    double scanned = cpu_seconds();
    const tsdb_rows rows = {.floats = q->rows,
                            .n_floats = q->n_rows,
                            .hists = q->hists,
                            .n_hists = q->n_hists,
                            .exemplars = q->exemplars,
                            .n_exemplars = q->n_exemplar_rows};
    tsdb_labels_fn parse = b->plan.protocol == LOAD_RW2 ? rw2_labels : rw1_labels;
    fer_arena_reset(b->t.scratch);
    if (tsdb_stage_rows(b->t.db, &rows, parse, &b->symbols, b->t.scratch, &b->t.report, on_done, b,
                        &err) != FER_OK)
        die("stage", err.msg);
    if (b->t.report.n_rejected != 0)
        die("refused", b->t.report.n_texts != 0 ? b->t.report.texts[0].p : "no reason");
    double staged = cpu_seconds();
    test_commit(&b->t);
    b->decode += decoded - begun;
    b->scan += scanned - decoded;
    b->stage += staged - scanned;
    b->commit += cpu_seconds() - staged;
}

static void run(bench *b)
{
    for (uint64_t k = 0; k < b->samples; k++) {
        fer_clock_fake_advance(&b->t.clock, INTERVAL_MS);
        if (k == 1) { /* the series are there */
            b->decode = b->scan = b->stage = b->commit = 0;
            b->bytes = b->packed_bytes = 0;
        }
        for (uint64_t first = 0; first < b->series; first += b->batch) {
            make_body(b, k, first, b->series - first < b->batch ? b->series - first : b->batch);
            receive(b);
        }
    }
}

static void print(const bench *b)
{
    double n = (double)(b->series * (b->samples - 1)), ns = n * 1e-9;
    tsdb_stats st;
    tsdb_stats_get(b->t.db, &st);
    printf("%.1f ns CPU a sample: decode %.1f, scan %.1f, stage %.1f, commit %.1f\n",
           (b->decode + b->scan + b->stage + b->commit) / ns, b->decode / ns, b->scan / ns,
           b->stage / ns, b->commit / ns);
    printf("%.1f bytes of message a sample, %.1f of body; head: %.0f bytes a series\n",
           (double)b->bytes / n, (double)b->packed_bytes / n,
           (double)st.head_bytes / (double)b->series);
}

static uint64_t number(const char *arg, const char *value)
{
    uint64_t v;
    if (!num_parse_u64(str_of(value), &v) || v == 0)
        die(arg, "wants a number above 0");
    return v;
}

static load_kind kind_of(const char *word)
{
    if (strcmp(word, "floats") == 0)
        return LOAD_FLOATS;
    if (strcmp(word, "histograms") == 0)
        return LOAD_HISTOGRAMS;
    if (strcmp(word, "mixed") == 0)
        return LOAD_MIXED;
    die(word, "no such kind");
}

static void parse_args(bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *eq = strchr(argv[i], '='), *value = eq == NULL ? "" : eq + 1;
        fer_str name = {argv[i], eq == NULL ? strlen(argv[i]) : (size_t)(eq - argv[i])};
        if (str_eq(name, STR("--series")))
            b->series = number(argv[i], value);
        else if (str_eq(name, STR("--samples")))
            b->samples = number(argv[i], value);
        else if (str_eq(name, STR("--batch")))
            b->batch = number(argv[i], value);
        else if (str_eq(name, STR("--protocol")))
            b->plan.protocol = number(argv[i], value) == 1 ? LOAD_RW1 : LOAD_RW2;
        else if (str_eq(name, STR("--kind")))
            b->plan.kind = kind_of(value);
        else
            die(argv[i], "no such flag");
    }
}

int main(int argc, char **argv)
{
    bench b = {.plan = {.protocol = LOAD_RW1,
                        .kind = LOAD_FLOATS,
                        .start = TEST_NOW,
                        .step = INTERVAL_MS,
                        .groups = 1},
               .series = 20000,
               .samples = 120,
               .batch = 2000};
    parse_args(&b, argc, argv);
    test_db_init(&b.t);
    b.t.o.sync = WAL_SYNC_NONE;
    test_db_open(&b.t);
    b.writer = load_writer_new(&b.plan);
    fer_buf_init(&b.body, BODY_BYTES_MAX, NULL);
    fer_buf_init(&b.decoded, BODY_BYTES_MAX, NULL);
    rw_request_init(&b.q, NULL);
    rw2_symbols_init(&b.symbols, NULL);
    run(&b);
    print(&b);
    load_writer_free(b.writer);
    fer_buf_done(&b.body);
    fer_buf_done(&b.decoded);
    rw_decoder_done(&b.decoder);
    rw_request_done(&b.q);
    rw2_symbols_done(&b.symbols);
    test_db_done(&b.t);
    return 0;
}
