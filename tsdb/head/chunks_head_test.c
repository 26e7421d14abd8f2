#include "tsdb/head/chunks_head.h"

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"
#include "tsdb/chunk/chunk_xor.h"

enum { CHUNKS = 150, DATA_MAX = 260 };

typedef struct disk_fixture {
    vfs_fault *f;
    vfs *fs;
    fer_err err;
    char data[CHUNKS][DATA_MAX];
    head_chunk chunk[CHUNKS];
    head_place at[CHUNKS];
} disk_fixture;

static void begin(disk_fixture *d)
{
    memset(d, 0, sizeof *d);
    d->f = vfs_fault_new(NULL);
    d->fs = vfs_fault_fs(d->f);
    for (size_t i = 0; i < CHUNKS; i++) {
        memset(d->data[i], (int)i + 1, DATA_MAX);
        d->chunk[i] = (head_chunk){.series = i % 7 + 1,
                                   .mint = (int64_t)i * 1000 - 5000,
                                   .maxt = (int64_t)i * 1000 - 4001,
                                   .encoding = 1,
                                   .data = {d->data[i], 20 + i * 37 % 240}};
    }
}

static chunks_head *open_dir(disk_fixture *d, uint64_t file_bytes)
{
    chunks_head *c;
    must(chunks_head_open(d->fs, "/chunks_head", file_bytes, NULL, NULL, &c, &d->err), &d->err);
    return c;
}

static void add(disk_fixture *d, chunks_head *c, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        must(chunks_head_add(c, &d->chunk[i], &d->at[i], &d->err), &d->err);
    must(chunks_head_flush(c, &d->err), &d->err);
}

static void assert_readable(disk_fixture *d, const chunks_head *c, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        fer_str got;
        must(chunks_head_get(c, d->at[i], (uint32_t)d->chunk[i].data.n, &got, &d->err), &d->err);
        assert_true(str_eq(got, d->chunk[i].data));
    }
}

static void unmap_left(chunks_head *c)
{
    vfs_map m;
    while (chunks_head_take_left(c, &m))
        vfs_unmap(&m);
}

/* ---- what a walk finds ---- */

typedef struct found {
    disk_fixture *d;
    const chunks_head *c;
    size_t n;
    bool seen[CHUNKS];
} found;

static void see(void *arg, const head_chunk *c, uint32_t file)
{
    found *f = arg;
    size_t i = (size_t)(c->mint + 5000) / 1000;
    assert_true(i < CHUNKS && !f->seen[i]);
    const head_chunk *want = &f->d->chunk[i];
    assert_int_equal(c->series, want->series);
    assert_int_equal(c->maxt, want->maxt);
    assert_int_equal(c->encoding, want->encoding);
    assert_int_equal(c->out_of_order, want->out_of_order);
    assert_true(str_eq(c->data, want->data));
    fer_str got;
    must(
        chunks_head_get(f->c, (head_place){file, c->offset}, (uint32_t)c->data.n, &got, &f->d->err),
        &f->d->err);
    assert_true(str_eq(got, want->data));
    f->seen[i] = true;
    f->n++;
}

/* Opens the folder and returns what was in it; *ret_damages tells how much was told. */
static found walk_dir(disk_fixture *d, uint64_t *ret_damages)
{
    chunks_head *c = open_dir(d, 0);
    found f = {.d = d, .c = c};
    chunks_head_walk(c, see, &f);
    chunks_head_stats st;
    chunks_head_stats_get(c, &st);
    *ret_damages = st.damages;
    chunks_head_close(c);
    return f;
}

static size_t count_files(disk_fixture *d)
{
    chunks_head *c = open_dir(d, 0);
    chunks_head_stats st;
    chunks_head_stats_get(c, &st);
    chunks_head_close(c);
    return st.files;
}

/* ---- tests ---- */

static void written_is_read_at_once_and_after_reopening(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    d.chunk[3].out_of_order = true;
    d.chunk[4].encoding = 2;
    chunks_head *c = open_dir(&d, 4000);
    for (size_t i = 0; i < CHUNKS; i += 10) {
        add(&d, c, i, i + 10);
        assert_readable(&d, c, 0, i + 10);
    }
    unmap_left(c);
    assert_readable(&d, c, 0, CHUNKS);
    chunks_head_close(c);
    uint64_t damages;
    assert_int_equal(walk_dir(&d, &damages).n, CHUNKS);
    assert_int_equal(damages, 0);
    vfs_fault_free(d.f);
}

static void files_end_where_the_next_chunk_would_pass_the_size(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    chunks_head *c = open_dir(&d, 1000);
    add(&d, c, 0, CHUNKS);
    for (size_t i = 0; i + 1 < CHUNKS; i++)
        if (d.at[i + 1].file != d.at[i].file) {
            uint64_t end = d.at[i].offset + d.chunk[i].data.n + 4;
            assert_true(end <= 1000 && end + head_chunk_size(d.chunk[i + 1].data.n) > 1000);
        }
    assert_true(d.at[CHUNKS - 1].file > 20);
    chunks_head_close(c);
    assert_int_equal(count_files(&d), d.at[CHUNKS - 1].file);
    vfs_fault_free(d.f);
}

/* Prometheus takes a file of another owner as it is and begins one of its own; so do we. */
static void a_new_owner_begins_a_new_file(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    for (size_t i = 0; i < 3; i++) {
        chunks_head *c = open_dir(&d, 0);
        add(&d, c, i * 10, i * 10 + 10);
        assert_int_equal(d.at[i * 10].offset, 8 + 25 + 1 + (d.chunk[i * 10].data.n > 127));
        chunks_head_close(c);
    }
    uint64_t damages;
    assert_int_equal(count_files(&d), 3);
    assert_int_equal(walk_dir(&d, &damages).n, 30);
    vfs_fault_free(d.f);
}

static void truncation_removes_whole_files_from_the_lowest(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    chunks_head *c = open_dir(&d, 1000);
    add(&d, c, 0, 100);
    size_t first = 40;
    while (d.at[first].file == d.at[40].file)
        first--;
    first++;
    fer_str before;
    must(chunks_head_get(c, d.at[0], (uint32_t)d.chunk[0].data.n, &before, &d.err), &d.err);
    must(chunks_head_truncate(c, d.chunk[40].mint, &d.err), &d.err);
    assert_readable(&d, c, first, 100);
    assert_true(str_eq(before, d.chunk[0].data)); /* a reader that began before */
    unmap_left(c);
    add(&d, c, 100, CHUNKS);
    assert_true(d.at[100].file > d.at[99].file);
    chunks_head_close(c);

    uint64_t damages;
    found f = walk_dir(&d, &damages);
    assert_int_equal(damages, 0);
    assert_int_equal(f.n, CHUNKS - first);
    assert_true(f.seen[first] && !f.seen[first - 1]);
    c = open_dir(&d, 0);
    chunks_head_walk(c, see, &(found){.d = &d, .c = c});
    must(chunks_head_truncate(c, INT64_MAX, &d.err), &d.err);
    unmap_left(c);
    chunks_head_stats st;
    chunks_head_stats_get(c, &st);
    assert_int_equal(st.files, 0);
    assert_int_equal(st.bytes, 0);
    chunks_head_close(c);
    assert_int_equal(count_files(&d), 0);
    vfs_fault_free(d.f);
}

static fer_str begin_damaging(disk_fixture *d, size_t n, fer_arena *a)
{
    begin(d);
    chunks_head *c = open_dir(d, 0);
    add(d, c, 0, n);
    chunks_head_close(c);
    return read_file(d->fs, "/chunks_head/000001", a);
}

static void a_cut_file_keeps_what_is_whole(void **state)
{
    (void)state;
    static disk_fixture d;
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str whole = begin_damaging(&d, 20, a);
    for (size_t cut = 0; cut < whole.n; cut += 3) {
        write_file(d.fs, "/chunks_head/000001", str_head(whole, cut));
        size_t n = 0;
        while (d.at[n].offset + d.chunk[n].data.n + 4 <= cut)
            n++;
        uint64_t damages;
        found f = walk_dir(&d, &damages);
        assert_int_equal(f.n, n);
        size_t end = n == 0 ? 8 : d.at[n - 1].offset + d.chunk[n - 1].data.n + 4;
        bool zeros = cut >= end && cut < end + 8; /* of the next series' ref */
        assert_int_equal(damages, !zeros && cut >= 4);
        if (cut < 4) /* such a file is no file */
            assert_int_equal(count_files(&d), 0);
    }
    fer_arena_free(a);
    vfs_fault_free(d.f);
}

/* The next file takes the place of one that got no header, so that no number is left out. */
static void a_file_without_a_header_is_written_over(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    must(vfs_mkdir_all(d.fs, "/chunks_head", &d.err), &d.err);
    write_file(d.fs, "/chunks_head/000007", STR(""));
    chunks_head *c = open_dir(&d, 0);
    assert_true(vfs_exists(d.fs, "/chunks_head/000007")); /* opening changes nothing */
    add(&d, c, 0, 10);
    chunks_head_close(c);
    assert_int_equal(count_files(&d), 1);
    uint64_t damages;
    assert_int_equal(walk_dir(&d, &damages).n, 10);
    assert_int_equal(damages, 0);
    assert_false(vfs_exists(d.fs, "/chunks_head/000001"));
    vfs_fault_free(d.f);
}

static void a_flipped_bit_costs_a_chunk_or_the_rest_of_the_file(void **state)
{
    (void)state;
    static disk_fixture d;
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str whole = begin_damaging(&d, 20, a);
    char *copy = fer_memdup0(whole.p, whole.n);
    for (size_t i = 0; i < whole.n; i++) {
        size_t bit = i % 8, chunk = 0;
        copy[i] = (char)(copy[i] ^ 1 << bit);
        write_file(d.fs, "/chunks_head/000001", (fer_str){copy, whole.n});
        copy[i] = whole.p[i];
        while (chunk < 19 && i >= d.at[chunk].offset + d.chunk[chunk].data.n + 4)
            chunk++;
        size_t length_at = d.at[chunk].offset - 1 - (d.chunk[chunk].data.n > 127);
        uint64_t damages;
        found f = walk_dir(&d, &damages);
        assert_int_equal(damages, i < 5 || i >= 8);
        if (i >= 5 && i < 8) { /* padding */
            assert_int_equal(f.n, 20);
        } else if (i < 5) {
            assert_int_equal(f.n, 0);
        } else if (i >= length_at && i < d.at[chunk].offset) {
            assert_true(f.n < 20 && f.n >= chunk);
        } else {
            assert_int_equal(f.n, 19);
            assert_false(f.seen[chunk]);
        }
    }
    fer_free(copy);
    fer_arena_free(a);
    vfs_fault_free(d.f);
}

/* Prometheus makes its files longer than they are and leaves them so. */
static void zeros_end_a_file_and_what_follows_them_is_told(void **state)
{
    (void)state;
    static disk_fixture d;
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str whole = begin_damaging(&d, 5, a);
    static const size_t more[] = {1, 23, 24, 33, 34, 35, 100, 131072};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char *longer = fer_calloc(1, whole.n + more[i]);
        memcpy(longer, whole.p, whole.n);
        write_file(d.fs, "/chunks_head/000001", (fer_str){longer, whole.n + more[i]});
        uint64_t damages;
        assert_int_equal(walk_dir(&d, &damages).n, 5);
        assert_int_equal(damages, 0);
        longer[whole.n + more[i] - 1] = 1;
        write_file(d.fs, "/chunks_head/000001", (fer_str){longer, whole.n + more[i]});
        assert_int_equal(walk_dir(&d, &damages).n, 5);
        assert_int_equal(damages, 1);
        fer_free(longer);
    }
    fer_arena_free(a);
    vfs_fault_free(d.f);
}

static void a_missing_file_is_told_and_the_others_are_read(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    chunks_head *c = open_dir(&d, 1000);
    add(&d, c, 0, CHUNKS);
    chunks_head_close(c);
    must(vfs_unlink(d.fs, "/chunks_head/000003", &d.err), &d.err);
    write_file(d.fs, "/chunks_head/notes.txt", STR("no number"));
    uint64_t damages;
    found f = walk_dir(&d, &damages);
    assert_int_equal(damages, 1);
    for (size_t i = 0; i < CHUNKS; i++)
        assert_int_equal(f.seen[i], d.at[i].file != 3);
    vfs_fault_free(d.f);
}

/* What was flushed stays readable, what is told written is there after reopening, nothing is there twice, and no
 * number is left out. */
static void a_failing_disk_is_told_and_writing_goes_on(void **state)
{
    (void)state;
    static disk_fixture d;
    begin(&d);
    chunks_head *c = open_dir(&d, 2000);
    add(&d, c, 0, 60);
    chunks_head_close(c);
    uint64_t calls = vfs_fault_count(d.f, VFS_CALL_ANY);
    vfs_fault_free(d.f);
    for (uint64_t nth = 1; nth <= calls; nth++) {
        begin(&d);
        vfs_fault_set(d.f,
                      &(vfs_fault_rule){.kind = VFS_CALL_ANY, .nth = nth, .sys = 28, .wrote = 50});
        c = open_dir(&d, 2000);
        size_t n = 0, tries = 0;
        while (n < 60) {
            size_t end = n;
            fer_code code = FER_OK;
            for (; end < n + 15 && end < 60 && code == FER_OK; end++)
                code = chunks_head_add(c, &d.chunk[end], &d.at[end], &d.err);
            end -= code != FER_OK;
            if (code == FER_OK)
                code = chunks_head_flush(c, &d.err);
            while (n < end && chunks_head_has(c, d.at[n]))
                n++;
            assert_true(code == FER_OK || code == FER_NOSPACE);
            assert_true(++tries <= 6);
            assert_readable(&d, c, 0, n);
        }
        uint64_t hits = vfs_fault_hits(d.f);
        vfs_fault_clear(d.f);
        chunks_head_close(c);
        uint64_t damages;
        assert_int_equal(walk_dir(&d, &damages).n, 60);
        assert_true(damages == 0 && hits <= 1);
        vfs_fault_free(d.f);
    }
}

/* After a crash every chunk that is there is whole, and the files have no gap. */
static void a_crash_leaves_whole_chunks(void **state)
{
    (void)state;
    static disk_fixture d;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        begin(&d);
        chunks_head *c = open_dir(&d, 1500);
        add(&d, c, 0, 50);
        must(chunks_head_truncate(c, d.chunk[20].mint, &d.err), &d.err);
        add(&d, c, 50, 70 + seed);
        fer_rng_seeded rng;
        fer_rng_seeded_init(&rng, seed);
        vfs_fault_crash(d.f, &rng.base);
        chunks_head_close(c);

        uint64_t damages;
        found f = walk_dir(&d, &damages);
        /* All but the file being written had been synced. */
        for (size_t i = 20; i < 70 + seed; i++)
            assert_true(f.seen[i] || d.at[i].file == d.at[69 + seed].file);
        assert_true(damages <= 1);
        c = open_dir(&d, 0);
        add(&d, c, 120, 130);
        chunks_head_close(c);
        assert_int_equal(walk_dir(&d, &damages).n, f.n + 10);
        vfs_fault_free(d.f);
    }
}

/* ---- files of Prometheus ---- */

typedef struct copier {
    file_out out;
    size_t n, samples;
} copier;

static void copy_chunk(void *arg, const head_chunk *c)
{
    copier *to = arg;
    samples got;
    samples_init(&got, NULL);
    assert_int_equal(c->encoding, CHUNK_XOR);
    assert_false(c->out_of_order);
    assert_int_equal(xor_decode(c->data, 0, INT64_MIN, INT64_MAX, &got), FER_OK);
    assert_true(got.n > 30 && got.n <= 240);
    assert_int_equal(got.t[0], c->mint);
    assert_int_equal(got.t[got.n - 1], c->maxt);
    to->samples += got.n;
    samples_done(&got);
    head_file_put(&to->out, c);
    to->n++;
}

static void no_damage(void *arg, const head_file_damage *d)
{
    (void)arg;
    fail_msg("at %llu: %s", (unsigned long long)d->offset, d->why);
}

static void a_file_of_prometheus_is_read_and_written_alike(void **state)
{
    vfs_fault *f = vfs_fault_new(NULL);
    fer_err err = {0};
    fer_arena *a = fer_arena_new(NULL, 0);
    copier to = {0};
    for (int number = 1; number <= 2; number++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, FERULA_TESTDATA "/chunks_head/%s/chunks_head/%06d",
                 (const char *)*state, number);
        fer_str theirs = read_file(vfs_posix(), path, a);
        must(file_out_open(&to.out, vfs_fault_fs(f), "/copy", &err), &err);
        head_file_begin(&to.out);
        head_file_scan(theirs, &(head_file_visitor){&to, copy_chunk, no_damage});
        must(file_out_close(&to.out, &err), &err);
        fer_str ours = read_file(vfs_fault_fs(f), "/copy", a);
        assert_true(ours.n > 500 && str_eq(ours, str_head(theirs, ours.n)));
    }
    assert_true(to.n >= 16 && to.samples > 2000);
    fer_arena_free(a);
    vfs_fault_free(f);
}

int main(void)
{
#define GOLDEN(name)                                                                               \
    {                                                                                              \
        "prometheus_" name, a_file_of_prometheus_is_read_and_written_alike, NULL, NULL,            \
            (void *)("prometheus-" name)                                                           \
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read_at_once_and_after_reopening),
        cmocka_unit_test(files_end_where_the_next_chunk_would_pass_the_size),
        cmocka_unit_test(a_new_owner_begins_a_new_file),
        cmocka_unit_test(truncation_removes_whole_files_from_the_lowest),
        cmocka_unit_test(a_cut_file_keeps_what_is_whole),
        cmocka_unit_test(a_file_without_a_header_is_written_over),
        cmocka_unit_test(a_flipped_bit_costs_a_chunk_or_the_rest_of_the_file),
        cmocka_unit_test(zeros_end_a_file_and_what_follows_them_is_told),
        cmocka_unit_test(a_missing_file_is_told_and_the_others_are_read),
        cmocka_unit_test(a_failing_disk_is_told_and_writing_goes_on),
        cmocka_unit_test(a_crash_leaves_whole_chunks),
        GOLDEN("2.42"),
        GOLDEN("3.5"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
