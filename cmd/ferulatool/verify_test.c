/* Golden blocks and logs are verified whole, and with one bit flipped. What no check covers is named by
 * is_uncovered(), and in docs/ferulatool.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/rng.h"
#include "base/varint.h"
#include "cmd/ferulatool/verify.h"
#include "tsdb/block/block_meta.h"

enum { FILES_MAX = 256, FLIPS = 1000, LOG_FLIPS = 400, FILE_BYTES_MAX = 1 << 20 };

typedef struct file {
    char path[256];
    uint64_t bytes;
} file;

/* A copy of a golden folder. */
typedef struct copy {
    char dir[64];
    file files[FILES_MAX];
    size_t n;
    uint64_t bytes;
} copy;

typedef struct listing {
    copy *c;
    const char *from, *to;
} listing;

static fer_code copy_entry(void *arg, const char *name);

static void copy_folder(copy *c, const char *from, const char *to)
{
    listing l = {c, from, to};
    assert_int_equal(vfs_mkdir_all(vfs_posix(), to, NULL), FER_OK);
    assert_int_equal(vfs_list(vfs_posix(), from, copy_entry, &l, NULL), FER_OK);
}

static void copy_file(copy *c, const char *from, const char *to)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    fer_str bytes;
    assert_int_equal(vfs_read_all(vfs_posix(), from, FILE_BYTES_MAX, a, &bytes, NULL), FER_OK);
    assert_int_equal(vfs_open(vfs_posix(), to, VFS_CREATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, bytes.p, bytes.n, 0, NULL), FER_OK);
    assert_true(c->n < FILES_MAX);
    file *entry = &c->files[c->n++];
    snprintf(entry->path, sizeof entry->path, "%s", to);
    entry->bytes = bytes.n;
    c->bytes += bytes.n;
}

static fer_code copy_entry(void *arg, const char *name)
{
    const listing *l = arg;
    char from[512], to[256];
    vfs_stat st;
    if (strcmp(name, "dump.txt") == 0 || strcmp(name, "sent.txt") == 0)
        return FER_OK;
    snprintf(from, sizeof from, "%s/%s", l->from, name);
    snprintf(to, sizeof to, "%s/%s", l->to, name);
    assert_int_equal(vfs_stat_path(vfs_posix(), from, &st, NULL), FER_OK);
    if (st.is_dir)
        copy_folder(l->c, from, to);
    else
        copy_file(l->c, from, to);
    return FER_OK;
}

static void copy_golden(copy *c, const char *name)
{
    char from[256];
    *c = (copy){.dir = "/tmp/ferulatool-verify-XXXXXX"};
    assert_non_null(mkdtemp(c->dir));
    snprintf(from, sizeof from, "%s/%s", FERULA_TESTDATA, name);
    copy_folder(c, from, c->dir);
}

static void remove_copy(copy *c)
{
    assert_int_equal(vfs_remove_all(vfs_posix(), c->dir, NULL), FER_OK);
}

static void print_finding(void *arg, const char *path, uint64_t offset, const char *what)
{
    if (arg != NULL)
        print_message("# %s: %llu: %s\n", path, (unsigned long long)offset, what);
}

static uint64_t findings(const copy *c, bool show)
{
    verify v;
    verify_begin(&v, vfs_posix(), print_finding, show ? &v : NULL);
    verify_dir(&v, c->dir);
    verify_end(&v);
    return v.findings;
}

static void flip(const file *f, uint64_t bit)
{
    FER_CLEANUP(vfs_closep) vfs_file *h = NULL;
    uint8_t byte;
    size_t n;
    assert_int_equal(vfs_open(vfs_posix(), f->path, VFS_READ_WRITE, &h, NULL), FER_OK);
    assert_int_equal(vfs_pread(h, &byte, 1, bit / 8, &n, NULL), FER_OK);
    assert_int_equal(n, 1);
    byte ^= (uint8_t)(1U << bit % 8);
    assert_int_equal(vfs_pwrite(h, &byte, 1, bit / 8, NULL), FER_OK);
}

static const file *random_place(const copy *c, fer_rng_seeded *r, uint64_t *ret_bit)
{
    uint64_t at = fer_rng_seeded_next(r) % (8 * c->bytes);
    const file *f = c->files;
    for (; at >= 8 * f->bytes; f++)
        at -= 8 * f->bytes;
    *ret_bit = at;
    return f;
}

static bool is_meta(const file *f)
{
    return str_has_suffix(str_of(f->path), STR("/meta.json"));
}

/* The lowest bit of an index' version makes 3 of 2, which is read alike. */
static bool is_uncovered(const file *f, uint64_t bit)
{
    return str_has_suffix(str_of(f->path), STR("/index")) && bit == 4 * 8;
}

static const char *const golden[] = {
    "blocks/overlap-3.5",         "blocks/prometheus-2.42",
    "blocks/prometheus-3.5",      "blocks/promtool-2.42",
    "blocks/promtool-3.5",        "histograms/prometheus-3.5",
    "wal/prometheus-2.42-plain",  "wal/prometheus-3.5-checkpoint",
    "wal/prometheus-3.5-zstd",    "wal/prometheus-3.5-all-records",
    "chunks_head/prometheus-3.5", "chunks_head/prometheus-2.42",
};
enum { GOLDEN_BLOCKS = 6, N_GOLDEN = sizeof golden / sizeof *golden };

static void golden_directories_are_without_findings(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        copy c;
        copy_golden(&c, golden[i]);
        assert_int_equal(findings(&c, true), 0);
        remove_copy(&c);
    }
}

static void every_flipped_bit_of_a_block_is_found(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 4);
    size_t meta = 0, meta_found = 0, uncovered = 0;
    for (size_t i = 0; i < GOLDEN_BLOCKS; i++) {
        copy c;
        copy_golden(&c, golden[i]);
        for (size_t k = 0; k < FLIPS / GOLDEN_BLOCKS; k++) {
            uint64_t bit;
            const file *f = random_place(&c, &r, &bit);
            flip(f, bit);
            bool found = findings(&c, false) != 0;
            flip(f, bit);
            meta += is_meta(f);
            meta_found += is_meta(f) && found;
            uncovered += is_uncovered(f, bit);
            if (!found && !is_meta(f) && !is_uncovered(f, bit))
                fail_msg("not found: %s, bit %llu", f->path, (unsigned long long)bit);
        }
        assert_int_equal(findings(&c, true), 0);
        remove_copy(&c);
    }
    print_message("# meta.json: %zu of %zu found; %zu not covered\n", meta_found, meta, uncovered);
    assert_true(meta > 20 && meta_found * 10 >= meta * 7);
}

static void flipped_bits_of_logs_and_head_chunks_are_found(void **state)
{
    (void)state;
    fer_rng_seeded r;
    fer_rng_seeded_init(&r, 5);
    for (size_t i = GOLDEN_BLOCKS; i < N_GOLDEN; i++) {
        copy c;
        copy_golden(&c, golden[i]);
        for (size_t k = 0; k < LOG_FLIPS / (N_GOLDEN - GOLDEN_BLOCKS); k++) {
            uint64_t bit;
            const file *f = random_place(&c, &r, &bit);
            flip(f, bit);
            if (findings(&c, false) == 0)
                fail_msg("not found: %s, bit %llu", f->path, (unsigned long long)bit);
            flip(f, bit);
        }
        remove_copy(&c);
    }
}

static const file *find_file(const copy *c, const char *end)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_has_suffix(str_of(c->files[i].path), str_of(end)))
            return &c->files[i];
    fail_msg("no %s", end);
    return NULL;
}

/* Overwrites what is behind the header of the first chunk, under a checksum that is right. */
static void spoil_first_chunk(const file *f)
{
    enum { FILE_HEADER = 8, CHUNK_HEADER = 4, CRC_BYTES = 4 }; /* of it the encoding is one */
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    FER_CLEANUP(vfs_closep) vfs_file *h = NULL;
    fer_str bytes;
    uint64_t n = 0;
    assert_int_equal(vfs_read_all(vfs_posix(), f->path, FILE_BYTES_MAX, a, &bytes, NULL), FER_OK);
    fer_rd r = rd_of(str_from(bytes, FILE_HEADER));
    assert_int_equal(rd_uvarint(&r, &n), FER_OK);
    uint8_t *chunk = (uint8_t *)fer_memdup0(r.p, n + 1 + CRC_BYTES);
    memset(chunk + CHUNK_HEADER, 0xff, n + 1 - CHUNK_HEADER);
    be32_put(chunk + n + 1, crc32c(0, chunk, n + 1));
    assert_int_equal(vfs_open(vfs_posix(), f->path, VFS_READ_WRITE, &h, NULL), FER_OK);
    uint64_t at = (uint64_t)((const char *)r.p - bytes.p);
    assert_int_equal(vfs_pwrite(h, chunk, n + 1 + CRC_BYTES, at, NULL), FER_OK);
    fer_free(chunk);
}

static void histograms_that_do_not_decode_are_found(void **state)
{
    (void)state;
    copy c;
    copy_golden(&c, "histograms/prometheus-3.5");
    spoil_first_chunk(find_file(&c, "/chunks/000001"));
    assert_int_equal(findings(&c, true), 1);
    remove_copy(&c);
}

static void missing_files_are_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"blocks/prometheus-3.5", "/index"},
        {"blocks/prometheus-3.5", "/meta.json"},
        {"blocks/prometheus-3.5", "/chunks/000001"},
        {"blocks/prometheus-3.5", "/tombstones"}, /* meta.json counts what was in it */
        {"wal/prometheus-3.5-zstd", "/wal/00000001"},
        {"wal/prometheus-3.5-checkpoint", "/wal/00000004"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy c;
        copy_golden(&c, cases[i][0]);
        assert_int_equal(vfs_unlink(vfs_posix(), find_file(&c, cases[i][1])->path, NULL), FER_OK);
        assert_int_not_equal(findings(&c, false), 0);
        remove_copy(&c);
    }
}

static void cut(const file *f, uint64_t bytes)
{
    FER_CLEANUP(vfs_closep) vfs_file *h = NULL;
    assert_int_equal(vfs_open(vfs_posix(), f->path, VFS_READ_WRITE, &h, NULL), FER_OK);
    assert_int_equal(vfs_truncate(h, bytes, NULL), FER_OK);
}

static void files_cut_short_are_found_and_crash_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"/index", "/meta.json", "/chunks/000001", "/tombstones"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        copy c;
        copy_golden(&c, "blocks/promtool-3.5");
        const file *f = find_file(&c, names[i]);
        for (uint64_t n = f->bytes; n-- != 0;) {
            if (f->bytes > 512 && n % 37 != 0)
                continue;
            cut(f, n);
            assert_int_not_equal(findings(&c, false), 0);
        }
        remove_copy(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_directories_are_without_findings),
        cmocka_unit_test(every_flipped_bit_of_a_block_is_found),
        cmocka_unit_test(flipped_bits_of_logs_and_head_chunks_are_found),
        cmocka_unit_test(histograms_that_do_not_decode_are_found),
        cmocka_unit_test(missing_files_are_found),
        cmocka_unit_test(files_cut_short_are_found_and_crash_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
