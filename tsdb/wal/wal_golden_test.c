/* Directories that Prometheus wrote (testdata/wal) read to what its own promtool lists of them. */
#include "tsdb/wal/wal_testing.h"

#include <stdio.h>

#include "tsdb/wal/record.h"

typedef struct series {
    uint64_t ref;
    char *text; /* the labels, as promtool prints them */
} series;

typedef struct sample {
    uint64_t ref;
    int64_t t;
    double v;
} sample;

typedef struct tombstone {
    uint64_t ref;
    int64_t mint, maxt;
} tombstone;

typedef struct content {
    series series[1000];
    size_t n_series;
    sample samples[10000];
    size_t n_samples;
    tombstone tombstones[100];
    size_t n_tombstones;
    size_t n_metadata, n_other, types[14];
    size_t n_damage;
    wal_damage damage;
} content;

static fer_code take_series(void *arg, uint64_t ref, labels ls)
{
    content *c = arg;
    assert_true(c->n_series < sizeof c->series / sizeof *c->series);
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    labels_print(&b, ls);
    c->series[c->n_series++] = (series){ref, fer_memdup0(b.p, b.n)};
    fer_buf_done(&b);
    return FER_OK;
}

static fer_code take_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    content *c = arg;
    assert_true(c->n_samples < sizeof c->samples / sizeof *c->samples);
    c->samples[c->n_samples++] = (sample){ref, t, v};
    return FER_OK;
}

static fer_code take_tombstone(void *arg, uint64_t ref, int64_t mint, int64_t maxt)
{
    content *c = arg;
    assert_true(c->n_tombstones < sizeof c->tombstones / sizeof *c->tombstones);
    c->tombstones[c->n_tombstones++] = (tombstone){ref, mint, maxt};
    return FER_OK;
}

static fer_code take_metadata(void *arg, const record_metadata *m)
{
    content *c = arg;
    assert_true(m->type <= 7 && m->family.n == 0);
    c->n_metadata++;
    return FER_OK;
}

static fer_code take_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    content *c = arg;
    record_visitor v = {c, take_series, take_sample, take_tombstone, take_metadata};
    fer_err err = {0};
    fer_code code = record_decode(rec, &v, &err);
    assert_in_range(record_type_of(rec), 1, 13);
    c->types[record_type_of(rec)]++;
    if (code == FER_UNSUPPORTED)
        c->n_other++;
    else if (code != FER_OK)
        fail_msg("segment %d offset %d: %s", (int)segment, (int)offset, err.msg);
    return FER_OK;
}

static void take_damage(void *arg, const wal_damage *d)
{
    content *c = arg;
    c->damage = *d;
    c->n_damage++;
}

static bool is_deleted(const content *c, const sample *s)
{
    for (size_t i = 0; i < c->n_tombstones; i++) {
        const tombstone *t = &c->tombstones[i];
        if (t->ref == s->ref && t->mint <= s->t && s->t <= t->maxt)
            return true;
    }
    return false;
}

static const char *labels_of(const content *c, uint64_t ref)
{
    for (size_t i = 0; i < c->n_series; i++)
        if (c->series[i].ref == ref)
            return c->series[i].text;
    fail_msg("sample of unknown series %d", (int)ref);
    return NULL;
}

/* ---- listings: lines of labels, value, time ---- */

typedef struct line {
    const char *labels;
    int64_t t;
    double v;
} line;

static int by_labels_and_time(const void *a, const void *b)
{
    const line *x = a, *y = b;
    int c = strcmp(x->labels, y->labels);
    return c != 0 ? c : (x->t > y->t) - (x->t < y->t);
}

/* `{labels} value time` per line; lines of histograms, whose value is in braces, are left out. */
static size_t parse_dump(char *text, line *ret, size_t cap)
{
    size_t n = 0;
    for (char *p = text, *next; *p != '\0'; p = next) {
        char *end = strchr(p, '\n');
        assert_non_null(end);
        *end = '\0';
        next = end + 1;
        char *time = strrchr(p, ' ');
        assert_non_null(time);
        *time++ = '\0';
        if (time[-2] == '}')
            continue;
        char *value = strrchr(p, ' ');
        assert_non_null(value);
        *value++ = '\0';
        assert_true(n < cap);
        ret[n++] = (line){p, strtoll(time, NULL, 10), strtod(value, NULL)};
    }
    return n;
}

static char *read_text(const char *path, fer_arena *a)
{
    fer_str s;
    fer_err err = {0};
    if (vfs_read_all(vfs_posix(), path, 10 << 20, a, &s, &err) != FER_OK)
        fail_msg("%s", err.msg);
    char *text = fer_arena_alloc(a, s.n + 1);
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return text;
}

static bool same_value(double a, double b)
{
    uint64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y || (a != a && b != b); /* the listing does not tell one NaN from another */
}

static void assert_same_lines(line *got, size_t n_got, line *want, size_t n_want)
{
    qsort(got, n_got, sizeof *got, by_labels_and_time);
    qsort(want, n_want, sizeof *want, by_labels_and_time);
    for (size_t i = 0; i < n_got && i < n_want; i++) {
        if (by_labels_and_time(&got[i], &want[i]) != 0 || !same_value(got[i].v, want[i].v))
            fail_msg("line %zu: read %s %.17g %lld, promtool has %s %.17g %lld", i, got[i].labels,
                     got[i].v, (long long)got[i].t, want[i].labels, want[i].v,
                     (long long)want[i].t);
    }
    assert_int_equal(n_got, n_want);
}

/* ---- the tests ---- */

static content *read_dir(const char *name)
{
    char dir[512];
    snprintf(dir, sizeof dir, "%s/wal/%s/wal", FERULA_TESTDATA, name);
    content *c = fer_calloc(1, sizeof *c);
    fer_err err = {0};
    if (wal_read(vfs_posix(), dir, take_record, take_damage, c, NULL, &err) != FER_OK)
        fail_msg("%s", err.msg);
    return c;
}

static void content_free(content *c)
{
    for (size_t i = 0; i < c->n_series; i++)
        fer_free(c->series[i].text);
    fer_free(c);
}

static void reads_as_promtool(void **state)
{
    const char *name = *state;
    content *c = read_dir(name);
    if (c->n_damage != 0)
        fail_msg("damage in segment %d: %s", (int)c->damage.segment, c->damage.why);

    enum { LINES = 10000 };
    line *lines = fer_calloc(2 * LINES, sizeof *lines);
    size_t n = 0;
    for (size_t i = 0; i < c->n_samples; i++)
        if (!is_deleted(c, &c->samples[i]))
            lines[n++] = (line){labels_of(c, c->samples[i].ref), c->samples[i].t, c->samples[i].v};

    fer_arena *a = fer_arena_new(NULL, 0);
    char path[512];
    snprintf(path, sizeof path, "%s/wal/%s/dump.txt", FERULA_TESTDATA, name);
    size_t n_want = parse_dump(read_text(path, a), lines + LINES, LINES);
    assert_true(n_want > 90);
    assert_same_lines(lines, n, lines + LINES, n_want);
    fer_arena_free(a);
    fer_free(lines);
    content_free(c);
}

static void all_record_types_are_known(void **state)
{
    (void)state;
    content *c = read_dir("prometheus-3.5-all-records");
    assert_true(c->n_metadata >= 3);
    assert_int_equal(c->n_tombstones, 1);
    assert_true(c->types[RECORD_EXEMPLARS] > 0);
    assert_true(c->types[RECORD_CUSTOM_HISTOGRAM_SAMPLES] > 0);
    assert_true(c->n_other > 0);
    content_free(c);
}

/* The records of a segment, written by us in plain form, make the bytes that Prometheus made. */
static void the_same_records_make_the_same_bytes(void **state)
{
    (void)state;
    char dir[] = "/tmp/ferula-wal-XXXXXX";
    assert_non_null(mkdtemp(dir));
    fer_arena *a = fer_arena_new(NULL, 0);
    char path[512];
    snprintf(path, sizeof path, "%s/wal/prometheus-2.42-plain/wal/00000000", FERULA_TESTDATA);
    fer_str want, got;
    assert_int_equal(vfs_read_all(vfs_posix(), path, 10 << 20, a, &want, NULL), FER_OK);

    rec_list l;
    rec_list_init(&l);
    assert_int_equal(wal_read_segment(want, 0, rec_list_take, rec_list_damage, &l), FER_OK);
    wal *w;
    assert_int_equal(wal_open(vfs_posix(), dir, &(wal_options){0}, NULL, &w, NULL), FER_OK);
    for (size_t i = 0; i < l.n; i++) {
        wal_append(w, rec_at(&l, i));
        if (i % 3 == 0)
            assert_int_equal(wal_write(w, NULL), FER_OK);
    }
    assert_int_equal(wal_close(w, NULL), FER_OK);

    snprintf(path, sizeof path, "%s/00000000", dir);
    assert_int_equal(vfs_read_all(vfs_posix(), path, 10 << 20, a, &got, NULL), FER_OK);
    assert_int_equal(got.n, want.n);
    assert_memory_equal(got.p, want.p, want.n);
    assert_true(want.n == 3 * WAL_PAGE_BYTES); /* a record over all of them */
    rec_list_done(&l);
    fer_arena_free(a);
    assert_int_equal(vfs_remove_all(vfs_posix(), dir, NULL), FER_OK);
}

#define READS(name)                                                                                \
    {                                                                                              \
        "reads_as_promtool " name, reads_as_promtool, NULL, NULL, (void *)(uintptr_t)(name)        \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        READS("prometheus-2.42-plain"),
        READS("prometheus-2.42-snappy"),
        READS("prometheus-3.5-plain"),
        READS("prometheus-3.5-snappy"),
        READS("prometheus-3.5-zstd"),
        READS("prometheus-3.5-all-records"),
        READS("prometheus-3.5-checkpoint"),
        cmocka_unit_test(all_record_types_are_known),
        cmocka_unit_test(the_same_records_make_the_same_bytes),
    };
    return cmocka_run_group_tests_name("wal_golden", tests, NULL, NULL);
}
