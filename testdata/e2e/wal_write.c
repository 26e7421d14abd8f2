/* wal_write DIR COMPRESSION HOW: writes a WAL with Ferula's writer and prints what is in it, a line
 * `{labels} value time` per sample, for other programs to be asked the same.
 *
 * COMPRESSION: plain, snappy, zstd.
 * HOW: closed   one segment, closed
 *      killed   ends without closing: the last page is short
 *      ahead    in place, and ends without closing: zeros follow
 *      small    segments of 64 KiB, three openings
 *      twice    the last batches of a segment again in the next, as after a failed sync whose
 *               segment could not be cut back
 *      checkpoint  as small; then the older segments become a checkpoint of all from batch
 *               CHECKPOINT_FROM on, and only samples from there on are printed
 *      torn     some writes fail half-way (a limit on file sizes), and are made good in new segments
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "tsdb/wal/checkpoint.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/wal.h"

enum { SERIES = 300, BATCHES = 60, NEW_PER_BATCH = 5, CHECKPOINT_FROM = 30, LINE_MAX = 1 << 16 };

static const int64_t begin_ms = INT64_C(1700000000000);

typedef struct program {
    const char *dir;
    wal_options o;
    wal *w;
    fer_buf rec;
    int failures;
} program;

static void die(const char *what, const fer_err *err)
{
    fprintf(stderr, "wal_write: %s: %s\n", what, err->msg);
    _exit(1);
}

static void open_log(program *p)
{
    fer_err err = {0};
    if (wal_open(vfs_posix(), p->dir, &p->o, NULL, &p->w, &err) != FER_OK)
        die("open", &err);
}

static void close_log(program *p)
{
    fer_err err = {0};
    if (wal_close(p->w, &err) != FER_OK)
        die("close", &err);
}

/* The labels of series i; every 40th has a value long enough for records over several pages. */
static labels labels_of(uint64_t i, label l[4], char id[32], char *text)
{
    size_t n = i % 40 == 39 ? 40000 : i % 50;
    for (size_t k = 0; k < n; k++)
        text[k] = (char)('!' + (i * 31 + k * k * 7 + k / 100 * i) % 90);
    l[0] = (label){STR("__name__"), i % 2 == 0 ? STR("written") : STR("written:by_us")};
    l[1] = (label){STR("id"), {id, (size_t)snprintf(id, 32, "%" PRIu64, i)}};
    l[2] = (label){STR("place"), STR("k\xc3\xbc"
                                     "che \"a\" \\ \n")};
    l[3] = (label){STR("text"), {text, n}};
    return (labels){l, n == 0 ? 3 : 4};
}

static double value_of(uint64_t i, uint64_t batch)
{
    static const uint64_t special[] = {0x7ff0000000000002, 0x7ff8000000000001, 0x7ff0000000000000,
                                       0xfff0000000000000, 0x8000000000000000, 1};
    if (i % 7 == 3 && batch % 9 == 4) {
        double v;
        memcpy(&v, &special[(i / 7 + batch) % 6], sizeof v);
        return v;
    }
    return (double)(i * batch) / 8;
}

static void print_sample(uint64_t i, uint64_t batch)
{
    static char text[LINE_MAX];
    label l[4];
    char id[32], number[NUM_TEXT_MAX];
    fer_buf line;
    fer_buf_init(&line, 4 * LINE_MAX, NULL);
    labels_print(&line, labels_of(i, l, id, text));
    size_t n = num_format_g(number, value_of(i, batch));
    printf("%.*s %.*s %" PRId64 "\n", (int)line.n, line.p, (int)n, number,
           begin_ms + (int64_t)(batch * 15000 + i % 3));
    fer_buf_done(&line);
}

/* In batch b the series up to (b + 1) * NEW_PER_BATCH exist; each has a sample in it. */
static void append_batch(program *p, uint64_t batch, bool print)
{
    static char text[LINE_MAX];
    label l[4];
    char id[32];
    uint64_t known = batch * NEW_PER_BATCH, all = known + NEW_PER_BATCH;
    fer_buf_clear(&p->rec);
    record_series_begin(&p->rec);
    for (uint64_t i = known; i < all && i < SERIES; i++)
        record_series_add(&p->rec, i + 1, labels_of(i, l, id, text));
    if (known < SERIES)
        wal_append(p->w, fer_buf_str(&p->rec));

    fer_buf_clear(&p->rec);
    record_samples s;
    record_samples_begin(&s, &p->rec);
    for (uint64_t i = 0; i < all && i < SERIES; i++) {
        record_samples_add(&s, &p->rec, i + 1, begin_ms + (int64_t)(batch * 15000 + i % 3),
                           value_of(i, batch));
        if (print)
            print_sample(i, batch);
    }
    wal_append(p->w, fer_buf_str(&p->rec));
}

static void limit_files(rlim_t bytes)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, RLIM_INFINITY});
}

/* No file may grow by more than a few bytes: the next write is torn. */
static void tear_next_write(program *p, uint64_t batch)
{
    wal_stats s;
    wal_stats_get(p->w, &s);
    char path[4096];
    snprintf(path, sizeof path, "%s/%08" PRIu64, p->dir, s.segment);
    vfs_stat st;
    if (vfs_stat_path(vfs_posix(), path, &st, NULL) != FER_OK)
        st.size = 0; /* it is made by the next write */
    limit_files(st.size + 9 * batch);
}

static void commit(program *p)
{
    fer_err err = {0};
    if (wal_write(p->w, &err) != FER_OK) {
        p->failures++;
        limit_files(RLIM_INFINITY);
        if (wal_write(p->w, &err) != FER_OK)
            die("write", &err);
    }
    if (wal_sync(p->w, &err) != FER_OK)
        die("sync", &err);
}

static bool parse(int argc, char **argv, program *p)
{
    static const char *const names[] = {"plain", "snappy", "zstd"};
    if (argc != 4)
        return false;
    p->dir = argv[1];
    for (size_t i = 0; i < 3; i++)
        if (strcmp(argv[2], names[i]) == 0)
            p->o.compression = (wal_compression)i;
    if (strcmp(argv[3], "ahead") == 0)
        p->o.ahead_bytes = wal_ahead_bytes(0);
    if (strcmp(argv[3], "small") == 0 || strcmp(argv[3], "checkpoint") == 0)
        p->o.segment_bytes = 2 * WAL_PAGE_BYTES;
    return true;
}

static void make_checkpoint(const program *p)
{
    fer_err err = {0};
    bool any;
    ref_set keep;
    ref_set_init(&keep, NULL);
    ref_set_add(&keep, 1, SERIES);
    ref_set_seal(&keep);
    checkpoint_stats stats;
    checkpoint_request req = {.fs = vfs_posix(),
                              .wal_dir = p->dir,
                              .mint = begin_ms + (int64_t)CHECKPOINT_FROM * 15000,
                              .keep = &keep,
                              .wal = p->o};
    if (checkpoint_choose(req.fs, p->dir, &req.last, &any, &err) != FER_OK || !any ||
        checkpoint_write(&req, &stats, &err) != FER_OK ||
        checkpoint_tidy(req.fs, p->dir, NULL, &err) != FER_OK)
        die("checkpoint", &err);
    ref_set_done(&keep);
}

int main(int argc, char **argv)
{
    program p = {0};
    if (!parse(argc, argv, &p)) {
        fputs("usage: wal_write DIR plain|snappy|zstd "
              "closed|killed|ahead|small|twice|checkpoint|torn\n",
              stderr);
        return 2;
    }
    const char *how = argv[3];
    signal(SIGXFSZ, SIG_IGN);
    fer_buf_init(&p.rec, 64 << 20, NULL);
    open_log(&p);
    for (uint64_t batch = 0; batch < BATCHES; batch++) {
        if (p.o.segment_bytes != 0 && batch % 20 == 19) {
            close_log(&p);
            open_log(&p);
        }
        if (strcmp(how, "twice") == 0 && batch % 20 == 19) {
            close_log(&p);
            open_log(&p);
            for (uint64_t again = batch - 5; again < batch; again++)
                append_batch(&p, again, false);
        }
        append_batch(&p, batch, strcmp(how, "checkpoint") != 0 || batch >= CHECKPOINT_FROM);
        if (strcmp(how, "torn") == 0 && batch % 7 == 3)
            tear_next_write(&p, batch);
        commit(&p);
        limit_files(RLIM_INFINITY);
    }
    if (fflush(stdout) != 0)
        return 1;
    if (strcmp(how, "killed") == 0 || strcmp(how, "ahead") == 0)
        _exit(0);
    if (strcmp(how, "torn") == 0 && p.failures < 5) {
        fprintf(stderr, "wal_write: only %d writes failed\n", p.failures);
        return 1;
    }
    close_log(&p);
    if (strcmp(how, "checkpoint") == 0)
        make_checkpoint(&p);
    fer_buf_done(&p.rec);
    return 0;
}
