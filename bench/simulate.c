/* simulate.c - months in the life of a database, on a fake clock, in minutes.
 *
 *     simulate [--days=N] [--series=N] [--dir=DIR]
 *
 * Every 15 s a sample of each of `series` slots; a tenth of the slots gets a new series every hour, and the one before ends with a
 * stale marker. In the middle of the time a storm brings fifty times as many series for one hour. A pass of maintenance every
 * simulated minute, a restart every 31 hours. Retention is two fifths of the time; in the last third also a size.
 *
 * Which samples there are follows from slot, generation and time alone (life_of, value_of). So after each pass that changed the
 * blocks or the head it is checked that
 *   - blocks follow each other without gap and overlap, of the levels, ranges and sources that Prometheus plans, no other folder left;
 *   - their meta.json count just the samples and series that lie in their range, and their sizes are those of their files;
 *   - retention keeps what it must and no more;
 *   - every sample in the range of what changed, and of the head, is answered once with its value (each day, and at the end:
 *     every sample there is);
 *   - the log is bounded, and no series number stands for two series;
 *   - memory of the head and of the process is back at its level some hours after the storm.
 * The directory is a new one below the system's temporary one, removed at the end, unless --dir names one, which is kept.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "tsdb/block/block_set.h"
#include "tsdb/block/block_sums.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/wal.h"

#define STEP_MS INT64_C(15000)
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define BLOCK_MS (2 * HOUR_MS)
/* A multiple of 162 h, so that windows of all sizes begin here. */
#define BEGIN_MS (INT64_C(2915) * 162 * HOUR_MS)

#define FOREVER_MS (2 * BEGIN_MS)

enum {
    SAMPLES_PER_HOUR = (int)(HOUR_MS / STEP_MS),
    SAMPLES_PER_PASS = (int)(MINUTE_MS / STEP_MS),
    GROUPS = 10, /* of slots; one is replaced each hour */
    STORM = 50,  /* times as many series */
    RESTART_HOURS = 31,
    CALM_HOURS = 20,
    SETTLE_HOURS = 6, /* until the head has forgotten a series */
    TEXT_MAX = 160,
    SEGMENT_BYTES = 4 * WAL_PAGE_BYTES,
    BUFFERS_BYTES = 4 << 20,
    REGIONS_BYTES = 8 * 64 << 10,
};

/* jemalloc, where it is linked, gives back at once what is free: what the process keeps is then what it needs. */
extern const char *malloc_conf;
const char *malloc_conf = "dirty_decay_ms:0,muzzy_decay_ms:0";

typedef struct slot {
    char text[TEXT_MAX];
    int64_t gen; /* that text tells of; -1 before the first */
    fer_hash128 fp;
} slot;

typedef struct memory_level {
    int64_t head_bytes, process_bytes; /* the most just after a cut of the head */
} memory_level;

typedef struct simulation {
    tsdb_options o;
    tsdb *db;
    fer_clock_fake clock;
    fer_rng_seeded rng;
    fer_account ledger;
    fer_arena *scratch;
    int64_t hours, slots, storm_slots;
    int64_t storm_begin, storm_end; /* hours */
    int64_t k;                      /* the next sample to write */
    slot *v;                        /* slots, then those of the storm */
    tsdb_row *rows;
    fer_code done;
    ulid *known; /* blocks as of the last check */
    size_t n_known;
    uint64_t reloads, cuts; /* as of the last pass */
    uint64_t checked, passes, restarts, compactions, by_time, by_size;
    uint64_t wal_bytes_an_hour, wal_most;
    memory_level calm, after;
} simulation;

__attribute__((format(printf, 2, 3), noreturn)) static void fail(const simulation *s,
                                                                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "simulate: hour %.2f: ", (double)s->k / SAMPLES_PER_HOUR);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static void must(const simulation *s, fer_code code, const fer_err *err)
{
    if (code != FER_OK)
        fail(s, "%s", err->msg);
}

/* ---- which samples there are ---- */

static bool is_storm(const simulation *s, int64_t i)
{
    return i >= s->slots;
}

static int64_t gen_at(const simulation *s, int64_t i, int64_t hour)
{
    return is_storm(s, i) ? 0 : (hour + GROUPS - i % GROUPS) / GROUPS;
}

/* Sample numbers [begin, end) of a series. */
typedef struct life {
    int64_t begin, end;
} life;

static life life_of(const simulation *s, int64_t i, int64_t gen)
{
    if (is_storm(s, i))
        return (life){s->storm_begin * SAMPLES_PER_HOUR, s->storm_end * SAMPLES_PER_HOUR};
    int64_t begin = (gen - 1) * GROUPS + i % GROUPS, end = begin + GROUPS;
    return (life){(begin > 0 ? begin : 0) * SAMPLES_PER_HOUR, end * SAMPLES_PER_HOUR};
}

/* Targets are scraped one after the other. */
static int64_t offset_of(int64_t i)
{
    return i * 377 % STEP_MS;
}

static int64_t time_of(int64_t i, int64_t k)
{
    return BEGIN_MS + k * STEP_MS + offset_of(i);
}

/* The first sample number of slot i at or after t. */
static int64_t first_from(int64_t i, int64_t t)
{
    int64_t since = t - BEGIN_MS - offset_of(i);
    return since <= 0 ? 0 : (since + STEP_MS - 1) / STEP_MS;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a * 0x9e3779b97f4a7c15ULL + b;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    return z ^ (z >> 31);
}

/* By slot: a counter, a gauge of three decimals, bytes in steps, or always the same. */
static double value_of(const simulation *s, int64_t i, int64_t gen, int64_t k)
{
    life l = life_of(s, i, gen);
    if (k == l.end - 1)
        return f64_of_bits(STALE_NAN_BITS);
    uint64_t id = (uint64_t)i << 20 | (uint64_t)gen, age = (uint64_t)(k - l.begin);
    switch (i % 4) {
    case 0:
        return (double)(age * (1 + id % 97) + mix(id, age) % (1 + id % 97));
    case 1:
        return (double)(mix(id, age) % 100000) / 1000;
    case 2:
        return (double)((1 + mix(id, age / 20) % 64) << 20);
    default:
        return (double)id;
    }
}

typedef struct amount {
    uint64_t samples, series;
} amount;

/* What lies in [from, to) and is written. */
static amount amount_in(const simulation *s, int64_t from, int64_t to)
{
    amount sum = {0};
    for (int64_t i = 0; i < s->slots + s->storm_slots; i++) {
        int64_t a = first_from(i, from), b = first_from(i, to);
        b = b < s->k ? b : s->k;
        if (a >= b)
            continue;
        int64_t last = gen_at(s, i, (b - 1) / SAMPLES_PER_HOUR);
        for (int64_t g = gen_at(s, i, a / SAMPLES_PER_HOUR); g <= last; g++) {
            life l = life_of(s, i, g);
            int64_t first = l.begin > a ? l.begin : a, end = l.end < b ? l.end : b;
            sum.samples += first < end ? (uint64_t)(end - first) : 0;
            sum.series += first < end;
        }
    }
    return sum;
}

/* ---- writing ---- */

static void name_series(slot *sl, int64_t i, int64_t gen)
{
    sl->gen = gen;
    snprintf(sl->text, sizeof sl->text,
             "__name__=simulated_kind_%02d_total,gen=%" PRId64 ",instance=10.0.%d.%d:9100,"
             "job=service-%d,pod=pod-%08" PRIx64 ",slot=%" PRId64,
             (int)(i % 20), gen, (int)(i / 250 % 250), (int)(i % 250), (int)(i / 20 % 10),
             (uint64_t)mix((uint64_t)i, (uint64_t)gen) >> 32, i);
}

static fer_code parse_series(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                             fer_err *err)
{
    (void)arg;
    (void)err;
    label *l = ARENA_ARRAY(scratch, label, raw.n);
    size_t n = 0;
    while (raw.n != 0) {
        const char *comma = memchr(raw.p, ',', raw.n);
        fer_str item = str_head(raw, comma == NULL ? raw.n : (size_t)(comma - raw.p));
        raw = str_from(raw, item.n + (comma != NULL));
        size_t eq = (size_t)((const char *)memchr(item.p, '=', item.n) - item.p);
        l[n++] = (label){str_head(item, eq), str_from(item, eq + 1)};
    }
    *ret = l;
    *ret_n = n;
    return FER_OK;
}

static void on_done(void *arg, fer_code code)
{
    ((simulation *)arg)->done = code;
}

static void put_rows(simulation *s, size_t n)
{
    tsdb_report report = {0};
    fer_err err = {0};
    s->done = FER_BUSY;
    fer_arena_reset(s->scratch);
    must(s,
         tsdb_stage(s->db, s->rows, n, parse_series, NULL, s->scratch, &report, on_done, s, &err),
         &err);
    must(s, tsdb_commit_step(s->db, NULL, &err), &err);
    if (s->done != FER_OK || report.accepted != n || report.duplicate_equal != 0)
        fail(s, "of %zu samples %" PRIu64 " are accepted", n, report.accepted);
}

static void write_samples(simulation *s)
{
    int64_t hour = s->k / SAMPLES_PER_HOUR;
    bool storm = hour >= s->storm_begin && hour < s->storm_end;
    size_t n = 0;
    for (int64_t i = 0; i < s->slots + (storm ? s->storm_slots : 0); i++) {
        slot *sl = &s->v[i];
        int64_t gen = gen_at(s, i, hour);
        if (sl->gen != gen) {
            name_series(sl, i, gen);
            sl->fp = tsdb_fingerprint(s->db, str_of(sl->text));
        }
        s->rows[n++] = (tsdb_row){.fp = sl->fp,
                                  .raw = str_of(sl->text),
                                  .t = time_of(i, s->k),
                                  .v = value_of(s, i, gen, s->k)};
    }
    put_rows(s, n);
    s->k++;
    fer_clock_fake_advance(&s->clock, STEP_MS);
}

/* ---- reading back ---- */

static int64_t number_of(const simulation *s, const syms *y, const label_id *ids, size_t n,
                         const char *name)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t v;
        if (str_eq(syms_text(y, ids[i].name), str_of(name)) &&
            num_parse_u64(syms_text(y, ids[i].value), &v))
            return (int64_t)v;
    }
    fail(s, "a series has no %s", name);
}

/* The samples are those of the series in [from, to], each once. */
static void check_series(const simulation *s, int64_t i, int64_t gen, int64_t from, int64_t to,
                         const samples *got)
{
    life l = life_of(s, i, gen);
    int64_t k = first_from(i, from), end = first_from(i, to + 1);
    k = k > l.begin ? k : l.begin;
    end = end < l.end ? end : l.end;
    end = end < s->k ? end : s->k;
    if ((int64_t)got->n != end - k)
        fail(s,
             "slot %" PRId64 ", generation %" PRId64 " has %zu samples in [%" PRId64 ", %" PRId64
             "] and should have %" PRId64,
             i, gen, got->n, from, to, end - k);
    for (size_t n = 0; n < got->n; n++, k++)
        if (got->t[n] != time_of(i, k) || f64_bits(got->v[n]) != f64_bits(value_of(s, i, gen, k)))
            fail(s,
                 "slot %" PRId64 ", generation %" PRId64 ", sample %" PRId64 " is %g at %" PRId64,
                 i, gen, k, got->v[n], got->t[n]);
}

/* Every sample in [from, to], both inside. */
static void check_samples(simulation *s, int64_t from, int64_t to)
{
    fer_err err = {0};
    fer_arena *a = fer_arena_new(NULL, 0);
    query_ctx ctx = {.arena = a, .syms = syms_new(a)};
    querier *q;
    selection *sel;
    matcher all;
    samples got;
    samples_init(&got, NULL);
    must(s, matcher_make(a, MATCH_NE, str_of("__name__"), str_of(""), &all, &err), &err);
    must(s, storage_querier(tsdb_storage(s->db), &ctx, from, to, &q, &err), &err);
    select_hints hints = {.mint = from, .maxt = to};
    must(s, querier_select(q, &hints, &all, 1, &sel, &err), &err);
    amount want = amount_in(s, from, to + 1), have = {0};
    int64_t gens = s->hours / GROUPS + 2;
    bool *seen = fer_calloc((size_t)((s->slots + s->storm_slots) * gens), sizeof *seen);
    for (size_t n = 0; n < sel->n; n++) {
        size_t n_labels;
        const label_id *ids = selection_labels(sel, n, &n_labels);
        int64_t i = number_of(s, ctx.syms, ids, n_labels, "slot"),
                gen = number_of(s, ctx.syms, ids, n_labels, "gen");
        if (i >= s->slots + s->storm_slots || gen >= gens || seen[i * gens + gen])
            fail(s, "slot %" PRId64 ", generation %" PRId64 " is there twice, or never was", i,
                 gen);
        seen[i * gens + gen] = true;
        samples_clear(&got);
        must(s, selection_read(sel, n, from, to, &got, &err), &err);
        if (got.n != 0)
            check_series(s, i, gen, from, to, &got);
        have.series += got.n != 0;
        have.samples += got.n;
    }
    if (have.series != want.series || have.samples != want.samples || q->warnings.n != 0)
        fail(s,
             "%" PRIu64 " series with %" PRIu64 " samples in [%" PRId64 ", %" PRId64
             "], should be %" PRIu64 " with %" PRIu64,
             have.series, have.samples, from, to, want.series, want.samples);
    s->checked += have.samples;
    fer_free(seen);
    samples_done(&got);
    querier_close(q);
    fer_arena_free(a);
}

/* ---- blocks ---- */

typedef struct folder {
    const simulation *s;
    const block_list *blocks;
    size_t n;
} folder;

static fer_code note_folder(void *arg, const char *name)
{
    folder *f = arg;
    if (strlen(name) < ULID_CHARS)
        return FER_OK;
    f->n++;
    for (size_t i = 0; i < f->blocks->n; i++)
        if (strcmp(f->blocks->v[i]->name, name) == 0)
            return FER_OK;
    fail(f->s, "the folder %s is left over", name);
}

static uint64_t bytes_below(const simulation *s, const char *path);

typedef struct size_sum {
    const simulation *s;
    const char *path;
    uint64_t bytes;
} size_sum;

static fer_code add_size(void *arg, const char *name)
{
    size_sum *sum = arg;
    if (strcmp(name, BLOCK_SUMS_FILE) == 0)
        return FER_OK; /* as Prometheus counts, which does not know it */
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", sum->path, name);
    if (stat(path, &st) != 0)
        fail(sum->s, "%s is gone", path);
    sum->bytes += S_ISDIR(st.st_mode) ? bytes_below(sum->s, path) : (uint64_t)st.st_size;
    return FER_OK;
}

static uint64_t bytes_below(const simulation *s, const char *path)
{
    fer_err err = {0};
    size_sum sum = {s, path, 0};
    must(s, vfs_list(s->o.fs, path, add_size, &sum, &err), &err);
    return sum.bytes;
}

static uint64_t bytes_of(const simulation *s, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", s->o.path, name);
    return bytes_below(s, path);
}

/* Level 1 spans one block range, each further level three times the one before, or less at the edge of what retention left. */
static int64_t level_of(int64_t span)
{
    int64_t level = 1;
    for (int64_t range = BLOCK_MS; span > range; range *= 3)
        level++;
    return level;
}

static void check_block(const simulation *s, const block *b)
{
    const block_meta *m = &b->meta;
    amount want = amount_in(s, m->min_time, m->max_time);
    if (m->stats.samples != want.samples || m->stats.float_samples != want.samples)
        fail(s, "%s has %" PRIu64 " samples and should have %" PRIu64, b->name, m->stats.samples,
             want.samples);
    if (m->stats.series != want.series || m->stats.chunks < want.series)
        fail(s, "%s has %" PRIu64 " series and should have %" PRIu64, b->name, m->stats.series,
             want.series);
    if (m->stats.tombstones != 0 || b->stones.n != 0 || m->failed || m->deletable)
        fail(s, "%s is marked", b->name);
    int64_t span = m->max_time - m->min_time;
    if (m->min_time % BLOCK_MS != 0 || m->max_time % BLOCK_MS != 0 || m->level != level_of(span))
        fail(s, "%s spans %" PRId64 " ms at level %" PRId64, b->name, span, m->level);
    if ((int64_t)m->n_sources != span / BLOCK_MS || (m->level == 1) != (m->n_parents == 0))
        fail(s, "%s has %zu sources and %zu parents", b->name, m->n_sources, m->n_parents);
    if (b->file_bytes != bytes_of(s, b->name))
        fail(s, "%s is said to have %" PRIu64 " bytes", b->name, b->file_bytes);
}

/* No window of a range, behind which there are newer blocks than the newest, holds two blocks. */
static void check_plan(const simulation *s, const block_list *l)
{
    int64_t newest = l->v[l->n - 1]->meta.min_time, max = maintenance_max_block_ms(&s->o);
    for (int64_t range = 3 * BLOCK_MS; range <= max; range *= 3)
        for (size_t i = 1; i + 1 < l->n; i++) {
            const block_meta *a = &l->v[i - 1]->meta, *b = &l->v[i]->meta;
            int64_t window = a->min_time / range;
            bool together = (b->max_time - 1) / range == window;
            if (together && (window + 1) * range <= newest)
                fail(s, "%s and %s should be one block", l->v[i - 1]->name, l->v[i]->name);
        }
    for (size_t i = 0; i < l->n; i++) {
        const block_meta *m = &l->v[i]->meta;
        int64_t range = BLOCK_MS;
        for (int64_t level = 1; level < m->level; level++)
            range *= 3;
        if (range > max || m->min_time / range != (m->max_time - 1) / range)
            fail(s, "%s crosses a window", l->v[i]->name);
    }
}

static void check_retention(const simulation *s, const block_list *l)
{
    int64_t first = l->v[0]->meta.min_time, end = l->v[0]->meta.max_time;
    int64_t edge = l->v[l->n - 1]->meta.max_time - s->o.retention_ms;
    if (l->n > 1 && end <= edge)
        fail(s, "the oldest block ended %" PRId64 " ms beyond retention", edge - end);
    if (s->o.retention_bytes == 0) {
        if (first > BEGIN_MS && first > edge)
            fail(s, "%" PRId64 " ms are gone before their time", first - edge);
        return;
    }
    uint64_t bytes = bytes_of(s, "wal") + bytes_of(s, "chunks_head");
    for (size_t i = 0; i < l->n; i++)
        bytes += l->v[i]->file_bytes;
    if (bytes > s->o.retention_bytes)
        fail(s, "%" PRIu64 " bytes are kept, above the limit", bytes);
}

/* The least time of a block that was not there at the last check; INT64_MAX without one. */
static int64_t note_blocks(simulation *s, const block_list *l)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < l->n; i++) {
        bool known = false;
        for (size_t n = 0; n < s->n_known; n++)
            known |= strcmp(s->known[n].text, l->v[i]->name) == 0;
        if (!known && l->v[i]->meta.min_time < least)
            least = l->v[i]->meta.min_time;
    }
    s->known = fer_realloc(s->known, (l->n + 1) * sizeof *s->known);
    s->n_known = l->n;
    for (size_t i = 0; i < l->n; i++)
        s->known[i] = l->v[i]->meta.id;
    return least;
}

/* All blocks, and the samples of those that are new and of what is behind them; returns where the oldest begins. */
static int64_t check_blocks(simulation *s)
{
    fer_err err = {0};
    block_list l = block_set_all(&s->db->blocks);
    folder f = {s, &l, 0};
    must(s, vfs_list(s->o.fs, s->o.path, note_folder, &f, &err), &err);
    int64_t oldest = BEGIN_MS, least = note_blocks(s, &l);
    if (l.n != 0) {
        oldest = l.v[0]->meta.min_time;
        for (size_t i = 0; i < l.n; i++) {
            if (i > 0 && l.v[i]->meta.min_time != l.v[i - 1]->meta.max_time)
                fail(s, "%s does not begin where %s ends", l.v[i]->name, l.v[i - 1]->name);
            check_block(s, l.v[i]);
        }
        check_plan(s, &l);
        check_retention(s, &l);
    }
    block_list_done(&l);
    if (least != INT64_MAX)
        check_samples(s, least, FOREVER_MS);
    return oldest;
}

/* ---- the log and memory ---- */

typedef struct named_ref {
    uint64_t ref, labels;
} named_ref;

typedef struct ref_list {
    named_ref *v;
    size_t n, cap;
} ref_list;

static fer_code note_ref(void *arg, uint64_t ref, labels ls)
{
    ref_list *l = arg;
    uint64_t h = 0;
    for (size_t i = 0; i < ls.n; i++)
        h = mix(h, fer_hash64(ls.l[i].name.p, ls.l[i].name.n) ^
                       mix(1, fer_hash64(ls.l[i].value.p, ls.l[i].value.n)));
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 1024 : 2 * l->cap;
        l->v = fer_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = (named_ref){ref, h};
    return FER_OK;
}

static fer_code note_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    (void)segment;
    (void)offset;
    record_visitor v = {.arg = arg, .series = note_ref};
    return record_type_of(rec) == RECORD_SERIES ? record_decode(rec, &v, NULL) : FER_OK;
}

static void note_damage(void *arg, const wal_damage *d)
{
    (void)arg;
    fprintf(stderr, "simulate: the log is damaged: %s\n", d->why);
    exit(EXIT_FAILURE);
}

static int by_ref(const void *a, const void *b)
{
    const named_ref *x = a, *y = b;
    return x->ref != y->ref ? (x->ref > y->ref) - (x->ref < y->ref)
                            : (x->labels > y->labels) - (x->labels < y->labels);
}

static void check_refs(const simulation *s)
{
    fer_err err = {0};
    ref_list l = {0};
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s/wal", s->o.path);
    must(s, wal_read(s->o.fs, dir, note_record, note_damage, &l, NULL, &err), &err);
    if (l.n != 0)
        qsort(l.v, l.n, sizeof *l.v, by_ref);
    for (size_t i = 1; i < l.n; i++)
        if (l.v[i].ref == l.v[i - 1].ref && l.v[i].labels != l.v[i - 1].labels)
            fail(s, "%" PRIu64 " stands for two series", l.v[i].ref);
    fer_free(l.v);
}

/* Of the process, without mapped files. */
static int64_t process_bytes(void)
{
    char line[128];
    long long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoll(line + 8, NULL, 10);
    if (f != NULL)
        (void)fclose(f);
    return kib * 1024;
}

static void raise_to(int64_t *most, int64_t v)
{
    if (v > *most)
        *most = v;
}

/* Just after the head was cut. */
static void check_head(simulation *s)
{
    tsdb_stats st;
    tsdb_stats_get(s->db, &st);
    int64_t hour = s->k / SAMPLES_PER_HOUR;
    bool calm = hour < s->storm_begin, settled = hour >= s->storm_end + SETTLE_HOURS;
    if (st.max_time - st.min_time > BLOCK_MS * 3 / 2)
        fail(s, "the head spans %" PRId64 " ms", st.max_time - st.min_time);
    if (hour < SETTLE_HOURS || (!calm && !settled))
        return;
    uint64_t series = (uint64_t)(s->slots * (GROUPS + SETTLE_HOURS) / GROUPS);
    if (st.series > series)
        fail(s, "the head has %" PRIu64 " series", st.series);
    memory_level *level = calm ? &s->calm : &s->after;
    raise_to(&level->head_bytes, st.head_bytes);
    raise_to(&level->process_bytes, process_bytes());
    if (s->wal_bytes_an_hour == 0)
        s->wal_bytes_an_hour = st.wal_bytes / (uint64_t)hour;
    if (st.wal_bytes_on_disk > s->wal_most)
        s->wal_most = st.wal_bytes_on_disk;
    /* a third at the least of what is kept stays, each cut frees two thirds of the rest */
    if (st.wal_bytes_on_disk > 8 * s->wal_bytes_an_hour + 4 * SEGMENT_BYTES)
        fail(s, "the log has %" PRIu64 " bytes, an hour is %" PRIu64, st.wal_bytes_on_disk,
             s->wal_bytes_an_hour);
}

static void check_memory(const simulation *s)
{
    /* a region may stay for each size of a chunk that something lives in */
    if (s->after.head_bytes > s->calm.head_bytes + s->calm.head_bytes / 20 + REGIONS_BYTES)
        fail(s, "the head keeps %" PRId64 " bytes, before the storm %" PRId64, s->after.head_bytes,
             s->calm.head_bytes);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return; /* they keep what is free */
#endif
    /* buffers keep the size of the largest request */
    if (s->after.process_bytes > s->calm.process_bytes + s->calm.process_bytes / 4 + BUFFERS_BYTES)
        fail(s, "the process keeps %" PRId64 " bytes, before the storm %" PRId64,
             s->after.process_bytes, s->calm.process_bytes);
}

/* ---- time goes by ---- */

static void open_db(simulation *s)
{
    fer_err err = {0};
    must(s, tsdb_open(&s->o, NULL, &s->db, &err), &err);
    for (int64_t i = 0; i < s->slots + s->storm_slots; i++)
        s->v[i].gen = -1;
    s->reloads = s->cuts = 0;
}

static void close_db(simulation *s)
{
    fer_err err = {0};
    tsdb_maintenance_stats told;
    tsdb_maintenance_stats_get(s->db, &told);
    s->compactions += told.compactions;
    s->by_time += told.time_retentions;
    s->by_size += told.size_retentions;
    if (told.compactions_failed != 0 || told.checkpoints_failed != 0)
        fail(s, "something failed");
    must(s, tsdb_close(s->db, &err), &err);
    if (fer_account_used(&s->ledger) != 0)
        fail(s, "%" PRId64 " bytes are still charged", fer_account_used(&s->ledger));
}

static void pass(simulation *s)
{
    fer_err err = {0};
    tsdb_maintenance_stats told;
    must(s, tsdb_maintenance_step(s->db, &err), &err);
    s->passes++;
    tsdb_maintenance_stats_get(s->db, &told);
    if (told.reloads != s->reloads)
        check_blocks(s);
    if (told.head_truncations != s->cuts)
        check_head(s);
    s->reloads = told.reloads;
    s->cuts = told.head_truncations;
}

static void restart(simulation *s)
{
    close_db(s);
    if (s->o.retention_bytes == 0 && s->k > s->hours * SAMPLES_PER_HOUR / 3 * 2)
        s->o.retention_bytes = bytes_below(s, s->o.path) / 2;
    open_db(s);
    s->restarts++;
    tsdb_stats st;
    tsdb_stats_get(s->db, &st);
    block_list l = block_set_all(&s->db->blocks);
    amount left = amount_in(s, l.n == 0 ? BEGIN_MS : l.v[l.n - 1]->meta.max_time, FOREVER_MS);
    if (st.series != left.series)
        fail(s,
             "%" PRIu64 " series in the head after a restart, and %" PRIu64 " have samples there",
             st.series, left.series);
    int64_t from = l.n == 0 ? BEGIN_MS : l.v[l.n - 1]->meta.min_time;
    block_list_done(&l);
    check_samples(s, from, FOREVER_MS);
}

/* At no round time, and not in the day after the storm: a restart would tidy up behind it. */
static bool is_restart(const simulation *s)
{
    int64_t every = RESTART_HOURS * SAMPLES_PER_HOUR, hour = s->k / SAMPLES_PER_HOUR;
    return s->k % every == every / 2 + 7 &&
           (hour < s->storm_begin || hour >= s->storm_begin + CALM_HOURS);
}

static void live(simulation *s)
{
    while (s->k < s->hours * SAMPLES_PER_HOUR) {
        write_samples(s);
        if (s->k % SAMPLES_PER_PASS == 0)
            pass(s);
        if (s->k % (24 * SAMPLES_PER_HOUR) == 0) {
            check_samples(s, check_blocks(s), FOREVER_MS);
            check_refs(s);
        }
        if (is_restart(s))
            restart(s);
    }
}

static void report(const simulation *s)
{
    static const double mib = 1024 * 1024;
    tsdb_stats st;
    tsdb_stats_get(s->db, &st);
    block_list l = block_set_all(&s->db->blocks);
    uint64_t kept = 0;
    for (size_t i = 0; i < l.n; i++)
        kept += l.v[i]->meta.stats.samples;
    printf("%" PRId64 " days, %" PRId64 " series at a time: %" PRIu64 " passes, %" PRIu64
           " compactions, %" PRIu64 " restarts, %" PRIu64 " samples read back\n",
           s->hours / 24, s->slots, s->passes, s->compactions, s->restarts, s->checked);
    printf("blocks: %zu, the oldest of level %" PRId64
           ", %.2f bytes a sample; log at most %.1f MiB, an hour being %.1f\n",
           l.n, l.v[0]->meta.level, (double)st.blocks_bytes / (double)kept,
           (double)s->wal_most / mib, (double)s->wal_bytes_an_hour / mib);
    printf(
        "after cuts at most: head %.2f MiB before the storm, %.2f after; process %.1f and %.1f\n",
        (double)s->calm.head_bytes / mib, (double)s->after.head_bytes / mib,
        (double)s->calm.process_bytes / mib, (double)s->after.process_bytes / mib);
    block_list_done(&l);
}

static void prepare(simulation *s, const char *dir, int64_t days, int64_t slots)
{
    fer_clock_fake_init(&s->clock, BEGIN_MS);
    fer_rng_seeded_init(&s->rng, 1);
    fer_account_init(&s->ledger, "simulate", NULL, 0);
    s->scratch = fer_arena_new(NULL, 0);
    s->hours = days * 24;
    s->slots = slots;
    s->storm_slots = slots * STORM;
    s->storm_begin = s->hours / 2 + 1;
    s->storm_end = s->storm_begin + 1;
    size_t n = (size_t)(s->slots + s->storm_slots);
    s->v = fer_calloc(n, sizeof *s->v);
    s->rows = fer_calloc(n, sizeof *s->rows);
    int64_t retention_ms = s->hours * HOUR_MS / 5 * 2;
    s->o = (tsdb_options){.path = dir,
                          .fs = vfs_posix(),
                          .clock = &s->clock.base,
                          .rng = &s->rng.base,
                          .account = &s->ledger,
                          .sync = WAL_SYNC_NONE,
                          .wal_segment_bytes = SEGMENT_BYTES,
                          .min_block_ms = BLOCK_MS,
                          .max_block_ms = retention_ms / 2,
                          .retention_ms = retention_ms};
}

static void done(simulation *s)
{
    fer_free(s->known);
    fer_free(s->rows);
    fer_free(s->v);
    fer_arena_free(s->scratch);
}

static int64_t number(const char *text)
{
    uint64_t v;
    if (num_parse_u64(str_of(text), &v) && v > 0 && v < 100000)
        return (int64_t)v;
    fprintf(stderr, "usage: simulate [--days=N] [--series=N] [--dir=DIR]\n");
    exit(2);
}

int main(int argc, char **argv)
{
    int64_t days = 60, series = 200;
    const char *dir = NULL, *tmp = getenv("TMPDIR");
    char made[PATH_MAX];
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--days=", 7) == 0)
            days = number(argv[i] + 7);
        else if (strncmp(argv[i], "--series=", 9) == 0)
            series = number(argv[i] + 9);
        else if (strncmp(argv[i], "--dir=", 6) == 0)
            dir = argv[i] + 6;
        else
            number(argv[i]);
    }
    snprintf(made, sizeof made, "%s/ferula-simulate-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (dir == NULL && mkdtemp(made) == NULL) {
        fprintf(stderr, "simulate: no folder can be made in %s\n", made);
        return EXIT_FAILURE;
    }
    simulation s = {0};
    prepare(&s, dir != NULL ? dir : made, days, series);
    open_db(&s);
    live(&s);
    check_samples(&s, check_blocks(&s), FOREVER_MS);
    report(&s);
    check_memory(&s);
    close_db(&s);
    if (s.by_time == 0 || s.by_size == 0)
        fail(&s, "nothing went for its age, or nothing for the size");
    fer_err err = {0};
    if (dir == NULL)
        must(&s, vfs_remove_all(s.o.fs, made, &err), &err);
    done(&s);
    return EXIT_SUCCESS;
}
