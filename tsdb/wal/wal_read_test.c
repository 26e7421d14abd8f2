/* Damaged logs: what is lost is told, costs at most the records that touch the damaged page, and
 * nothing is ever read that was not written. FERULA_TEST_ALL=1 flips every bit; else a part of them. */
#include "tsdb/wal/wal_testing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/varint.h"
#include "base/vfs_fault.h"
#include "tsdb/wal/record.h"
#include "tsdb/wal/wal_frame.h"

enum { PAYLOAD = WAL_PAGE_BYTES - WAL_HEADER_BYTES, RECORDS_MAX = 256 };

/* A segment in memory, the records in it, and where each begins and ends. */
typedef struct segment {
    uint8_t *p;
    size_t n;
    rec_list want;
    uint64_t end[RECORDS_MAX];
    rec_list got;
} segment;

static void put_series_record(fer_buf *b, uint64_t from, size_t n)
{
    fer_buf_clear(b);
    record_series_begin(b);
    for (uint64_t i = from; i < from + n; i++) {
        char id[40];
        uint64_t x = i * 0x9e3779b97f4a7c15, y = i * 0xc2b2ae3d27d4eb4f;
        int len = snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64, x, y);
        label l[] = {{STR("__name__"), STR("a_metric")}, {STR("id"), {id, (size_t)len}}};
        record_series_add(b, i, (labels){l, 2});
    }
}

static void put_samples_record(fer_buf *b, uint64_t from, size_t n, int64_t t)
{
    fer_buf_clear(b);
    record_samples s;
    record_samples_begin(&s, b);
    for (uint64_t i = from; i < from + n; i++)
        record_samples_add(&s, b, i, t, (double)(i * i) + 0.1);
}

/* Some pages: records within pages, over a page end, and one over all of a page. */
static void write_records(wal *w, wal_compression compression)
{
    static const size_t long_record[] = {[WAL_PLAIN] = 900, [WAL_SNAPPY] = 1500, [WAL_ZSTD] = 2600};
    fer_buf b;
    fer_buf_init(&b, 1 << 20, NULL);
    for (uint64_t i = 0; i < 8; i++) {
        put_series_record(&b, i * 40, 40);
        wal_append(w, fer_buf_str(&b));
        put_samples_record(&b, i * 40, 40, 1000000);
        wal_append(w, fer_buf_str(&b));
    }
    put_series_record(&b, 1000, long_record[compression]);
    wal_append(w, fer_buf_str(&b));
    for (uint64_t i = 0; i < 30; i++) {
        put_samples_record(&b, i * 7, 1 + i * 3, 2000000 + (int64_t)i);
        wal_append(w, fer_buf_str(&b));
    }
    fer_buf_done(&b);
}

static uint64_t record_end(const segment *s, size_t i)
{
    if (i + 1 < s->want.n)
        return s->want.v[i + 1].offset;
    size_t end = s->n;
    while (s->p[end - 1] == 0)
        end--;
    return end;
}

static int make_segment(void **state)
{
    segment *s = fer_calloc(1, sizeof *s);
    rec_list_init(&s->want);
    rec_list_init(&s->got);
    vfs_fault *disk = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(disk);
    wal_options o = {.compression = (wal_compression)(uintptr_t)*state};
    wal *w;
    assert_int_equal(wal_open(fs, "wal", &o, NULL, &w, NULL), FER_OK);
    write_records(w, o.compression);
    assert_int_equal(wal_close(w, NULL), FER_OK);

    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str bytes;
    assert_int_equal(vfs_read_all(fs, "wal/00000000", 1 << 20, a, &bytes, NULL), FER_OK);
    s->n = bytes.n;
    s->p = fer_alloc(bytes.n);
    memcpy(s->p, bytes.p, bytes.n);
    assert_int_equal(wal_read_segment(bytes, 0, rec_list_take, rec_list_damage, &s->want), FER_OK);
    assert_int_equal(s->want.n, 47);
    assert_true(s->n >= 3 * WAL_PAGE_BYTES);
    for (size_t i = 0; i < s->want.n; i++)
        s->end[i] = record_end(s, i);
    fer_arena_free(a);
    vfs_fault_free(disk);
    *state = s;
    return 0;
}

static int free_segment(void **state)
{
    segment *s = *state;
    rec_list_done(&s->want);
    rec_list_done(&s->got);
    fer_free(s->p);
    fer_free(s);
    return 0;
}

static void read_bytes(segment *s, const uint8_t *p, size_t n)
{
    rec_list_clear(&s->got);
    assert_int_equal(
        wal_read_segment((fer_str){(const char *)p, n}, 0, rec_list_take, rec_list_damage, &s->got),
        FER_OK);
}

/* A record no replay takes for anything: of no length, or of no type there is. */
static bool is_void(fer_str rec)
{
    return record_type_of(rec) == 0 || record_type_of(rec) > 13;
}

/* What was read are records that were written, in their order; void ones aside. Marks which. */
static void assert_only_written(const segment *s, bool seen[RECORDS_MAX])
{
    memset(seen, 0, RECORDS_MAX * sizeof *seen);
    size_t next = 0;
    for (size_t i = 0; i < s->got.n; i++) {
        fer_str rec = rec_at(&s->got, i);
        while (next < s->want.n && s->want.v[next].offset != s->got.v[i].offset)
            next++;
        if (is_void(rec)) {
            next = 0;
            while (next < s->want.n && s->want.v[next].offset <= s->got.v[i].offset)
                next++;
            continue;
        }
        assert_true(next < s->want.n);
        assert_true(str_eq(rec, rec_at(&s->want, next)));
        seen[next++] = true;
    }
}

/* With `page` damaged: all records that do not touch it are read; if one is not, it is told. */
static void assert_costs_one_page(const segment *s, size_t page, const char *what, size_t where)
{
    bool seen[RECORDS_MAX];
    assert_only_written(s, seen);
    size_t lost = 0;
    for (size_t i = 0; i < s->want.n; i++) {
        bool touches = s->want.v[i].offset / WAL_PAGE_BYTES <= page &&
                       page <= (s->end[i] - 1) / WAL_PAGE_BYTES;
        if (!seen[i] && !touches)
            fail_msg("%s at %zu: record %zu, which is not on page %zu, is lost", what, where, i,
                     page);
        lost += !seen[i];
    }
    size_t told = s->got.n_damage;
    for (size_t i = 0; i < s->got.n; i++)
        told += s->got.v[i].n != 0 && is_void(rec_at(&s->got, i));
    if (lost != 0 && told == 0)
        fail_msg("%s at %zu: %zu records are lost in silence", what, where, lost);
    for (size_t i = 0; i < s->got.n_damage; i++) {
        const wal_damage *d = &s->got.damage[i];
        assert_true(d->offset + d->lost_bytes <= s->n);
        assert_true(d->offset / WAL_PAGE_BYTES <= page);
        assert_true(d->offset + d->lost_bytes >= page * WAL_PAGE_BYTES);
        assert_true(d->why[0] != '\0');
        assert_int_equal(d->torn, d->offset + d->lost_bytes == s->n);
    }
}

/* Marks the bytes of fragment headers and of paddings. */
static void mark_framing(const segment *s, bool *ret)
{
    for (size_t i = 0; i < s->n;) {
        size_t left = WAL_PAGE_BYTES - i % WAL_PAGE_BYTES;
        size_t data = 0, framing = WAL_HEADER_BYTES;
        if (left < WAL_HEADER_BYTES || s->p[i] == 0)
            framing = left;
        else
            data = be16_get(s->p + i + 1);
        memset(ret + i, true, framing);
        i += framing + data;
    }
}

static void any_flipped_bit_costs_one_page(void **state)
{
    segment *s = *state;
    bool all = getenv("FERULA_TEST_ALL") != NULL;
    bool *framing = fer_calloc(s->n, sizeof *framing);
    mark_framing(s, framing);
    size_t step = 0;
    for (size_t i = 0; i < s->n; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool padding = framing[i] && s->p[i] == 0;
            if (!all && step++ % (!framing[i] ? 997 : padding ? 499 : 1) != 0)
                continue;
            s->p[i] ^= (uint8_t)(1U << bit);
            read_bytes(s, s->p, s->n);
            s->p[i] ^= (uint8_t)(1U << bit);
            assert_costs_one_page(s, i / WAL_PAGE_BYTES, "flip", i);
        }
    }
    fer_free(framing);
}

static void damaged_sectors_cost_their_page(void **state)
{
    segment *s = *state;
    enum { SECTOR = 512 };
    uint8_t saved[SECTOR];
    for (size_t i = 0; i < s->n; i += SECTOR) {
        memcpy(saved, s->p + i, SECTOR);
        for (int how = 0; how < 3; how++) {
            if (how == 0)
                memset(s->p + i, 0, SECTOR);
            else if (how == 1)
                memset(s->p + i, 0xff, SECTOR);
            else
                memcpy(s->p + i, s->p + (i + 7777) % (s->n - SECTOR), SECTOR);
            read_bytes(s, s->p, s->n);
            memcpy(s->p + i, saved, SECTOR);
            assert_costs_one_page(s, i / WAL_PAGE_BYTES, "sector", i);
        }
    }
}

/* Whether i is a few bytes from where a record or a page begins. */
static bool is_near_a_begin(const segment *s, size_t i)
{
    for (size_t k = 0; k < s->want.n; k++)
        if (i + 9 > s->want.v[k].offset && i < s->want.v[k].offset + 9)
            return true;
    return (i + 9) % WAL_PAGE_BYTES < 18;
}

/* Of a log cut anywhere the whole records are read, and the rest of one is told as torn. */
static void every_truncation_keeps_the_whole_records(void **state)
{
    segment *s = *state;
    for (size_t cut = 0; cut <= s->n; cut++) {
        if (cut % 499 != 0 && !is_near_a_begin(s, cut))
            continue;
        uint8_t *exact = fer_alloc(cut + 1);
        memcpy(exact, s->p, cut);
        exact = fer_realloc(exact, cut == 0 ? 1 : cut); /* so that sanitizers see reads behind it */
        read_bytes(s, exact, cut);
        fer_free(exact);
        bool seen[RECORDS_MAX];
        assert_only_written(s, seen);
        bool inside = false;
        for (size_t i = 0; i < s->want.n; i++) {
            if (s->end[i] <= cut)
                assert_true(seen[i]);
            inside |= s->want.v[i].offset < cut && cut < s->end[i];
        }
        /* a record may end a few unused bytes before the page and the next record begin */
        assert_true(s->got.n_damage <= (inside ? 1 : 0));
        if (s->got.n_damage == 0)
            continue;
        const wal_damage *d = &s->got.damage[0];
        assert_true(d->torn);
        assert_int_equal(d->offset + d->lost_bytes, cut);
        assert_int_equal(d->offset, s->want.v[s->got.n].offset);
    }
}

static void lost_pages_cost_only_their_records(void **state)
{
    segment *s = *state;
    uint8_t *p = fer_alloc(s->n);
    for (size_t page = 0; page < s->n / WAL_PAGE_BYTES; page++) {
        memcpy(p, s->p, s->n);
        memset(p + page * WAL_PAGE_BYTES, 0, WAL_PAGE_BYTES);
        read_bytes(s, p, s->n);
        bool seen[RECORDS_MAX];
        assert_only_written(s, seen);
        for (size_t i = 0; i < s->want.n; i++)
            if (s->want.v[i].offset / WAL_PAGE_BYTES > page ||
                (s->end[i] - 1) / WAL_PAGE_BYTES < page)
                assert_true(seen[i]);
    }
    fer_free(p);
}

static void tails_of_zeros_read_fine(void **state)
{
    segment *s = *state;
    size_t zeros = 200 * WAL_PAGE_BYTES;
    uint8_t *p = fer_calloc(1, s->n + zeros);
    size_t used = record_end(s, s->want.n - 1);
    memcpy(p, s->p, used);
    for (size_t n = used; n < s->n + zeros; n += 100003) {
        read_bytes(s, p, n);
        assert_int_equal(s->got.n, s->want.n);
        assert_int_equal(s->got.n_damage, 0);
    }
    fer_free(p);
}

/* ---- fragments that are sound and make no sense ---- */

typedef struct page_buf {
    uint8_t p[4 * WAL_PAGE_BYTES];
    size_t n;
} page_buf;

static void put_fragment(page_buf *b, uint8_t type, const void *data, size_t n)
{
    uint8_t *p = b->p + b->n;
    p[0] = type;
    be16_put(p + 1, (uint16_t)n);
    be32_put(p + 3, crc32c(0, data, n));
    if (n != 0)
        memcpy(p + WAL_HEADER_BYTES, data, n);
    b->n += WAL_HEADER_BYTES + n;
}

static void next_page(page_buf *b)
{
    b->n = (b->n + WAL_PAGE_BYTES - 1) / WAL_PAGE_BYTES * WAL_PAGE_BYTES;
}

/* Reads `sound` fragments, then what `bad` names, then a page with a good record. */
static void assert_damage(uint8_t type, const void *data, size_t n, const char *why)
{
    page_buf *b = fer_calloc(1, sizeof *b);
    put_fragment(b, FRAME_WHOLE, "before", 6);
    put_fragment(b, type, data, n);
    put_fragment(b, FRAME_WHOLE, "same page", 9);
    next_page(b);
    put_fragment(b, FRAME_MIDDLE, "", 0);
    next_page(b);
    put_fragment(b, FRAME_LAST, "of nothing", 10);
    put_fragment(b, FRAME_WHOLE, "after", 5);
    rec_list l;
    rec_list_init(&l);
    assert_int_equal(
        wal_read_segment((fer_str){(char *)b->p, b->n}, 42, rec_list_take, rec_list_damage, &l),
        FER_OK);
    assert_int_equal(l.n, 2);
    assert_true(str_eq(rec_at(&l, 0), STR("before")));
    assert_true(str_eq(rec_at(&l, 1), STR("after")));
    assert_int_equal(l.n_damage, 1);
    assert_string_equal(l.damage[0].why, why);
    assert_int_equal(l.damage[0].segment, 42);
    assert_int_equal(l.damage[0].offset, 13);
    assert_int_equal(l.damage[0].lost_bytes, 2 * WAL_PAGE_BYTES + 17 - 13);
    assert_false(l.damage[0].torn);
    rec_list_done(&l);
    fer_free(b);
}

static void senseless_fragments_are_told(void **state)
{
    (void)state;
    assert_damage(FRAME_MIDDLE, "x", 1, "record goes on before the end of the page");
    assert_damage(FRAME_FIRST, "x", 1, "record goes on before the end of the page");
    assert_damage(FRAME_LAST, "x", 1, "record without its beginning");
    assert_damage(5, "x", 1, "no such type of fragment");
    assert_damage(7, "x", 1, "no such type of fragment");
    assert_damage(0x20 | FRAME_WHOLE, "x", 1, "no such type of fragment");
    assert_damage(0x80 | FRAME_WHOLE, "x", 1, "no such type of fragment");
    assert_damage(FRAME_PACKED | FRAME_WHOLE, "x", 1, "no such type of fragment");
    assert_damage(FRAME_SNAPPY, "x", 1, "no such type of fragment");
    assert_damage(0, "x", 1, "bytes other than zero in the padding of a page");
}

/* A whole fragment in the middle of a record has a good checksum and is not believed: a middle one
 * with a flipped bit looks like it. */
static void an_intruder_in_a_record_is_not_believed(void **state)
{
    (void)state;
    page_buf *b = fer_calloc(1, sizeof *b);
    uint8_t *fill = fer_calloc(1, PAYLOAD);
    put_fragment(b, FRAME_FIRST, fill, PAYLOAD);
    put_fragment(b, FRAME_WHOLE, fill, PAYLOAD);
    put_fragment(b, FRAME_LAST, "end", 3);
    put_fragment(b, FRAME_WHOLE, "after", 5);
    rec_list l;
    rec_list_init(&l);
    assert_int_equal(
        wal_read_segment((fer_str){(char *)b->p, b->n}, 0, rec_list_take, rec_list_damage, &l),
        FER_OK);
    assert_int_equal(l.n, 1);
    assert_true(str_eq(rec_at(&l, 0), STR("after")));
    assert_int_equal(l.n_damage, 1);
    assert_string_equal(l.damage[0].why, "record without its end");
    assert_int_equal(l.damage[0].offset, 0);
    assert_int_equal(l.damage[0].lost_bytes, 2 * WAL_PAGE_BYTES + 10);
    rec_list_done(&l);
    fer_free(fill);
    fer_free(b);
}

/* Each packed record here has good fragments; it alone is lost. */
static void what_does_not_decompress_is_lost_alone(void **state)
{
    (void)state;
    static const struct {
        uint8_t packed;
        const char *data;
        size_t n;
    } bad[] = {
        {FRAME_SNAPPY, "", 0},
        {FRAME_SNAPPY, "\xff\xff\xff\xff\x0f\0a", 7}, /* claims 4 GiB */
        {FRAME_SNAPPY, "\xff\xff\xff\x7f\0a", 6},     /* claims 256 MiB of 6 bytes */
        {FRAME_SNAPPY, "\x02\0a\0b\0c", 7},           /* goes on */
        {FRAME_ZSTD, "", 0},
        {FRAME_ZSTD, "junk", 4},
        {FRAME_ZSTD, "\x28\xb5\x2f\xfd\x20\x01\x09\0\0", 9},    /* cut short */
        {FRAME_ZSTD, "\x28\xb5\x2f\xfd\x20\x01\x09\0\0aa", 11}, /* goes on */
        /* blocks of one byte repeated, 128 KiB each, without end */
        {FRAME_ZSTD, "\x28\xb5\x2f\xfd\xa0\0\0\0\x40\x02\0\x10\0", 13},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        page_buf *b = fer_calloc(1, sizeof *b);
        put_fragment(b, FRAME_WHOLE | bad[i].packed, bad[i].data, bad[i].n);
        put_fragment(b, FRAME_WHOLE | FRAME_SNAPPY, "\x01\0a", 3);
        put_fragment(b, FRAME_WHOLE | FRAME_ZSTD, "\x28\xb5\x2f\xfd\x20\x01\x09\0\0a", 10);
        rec_list l;
        rec_list_init(&l);
        assert_int_equal(
            wal_read_segment((fer_str){(char *)b->p, b->n}, 0, rec_list_take, rec_list_damage, &l),
            FER_OK);
        assert_int_equal(l.n, 2);
        assert_true(str_eq(rec_at(&l, 0), STR("a")));
        assert_true(str_eq(rec_at(&l, 1), STR("a")));
        assert_int_equal(l.n_damage, 1);
        assert_string_equal(l.damage[0].why, "record does not decompress");
        assert_int_equal(l.damage[0].lost_bytes, WAL_HEADER_BYTES + bad[i].n);
        rec_list_done(&l);
        fer_free(b);
    }
}

static void fragments_of_a_record_agree_on_compression(void **state)
{
    (void)state;
    page_buf *b = fer_calloc(1, sizeof *b);
    uint8_t *fill = fer_calloc(1, PAYLOAD);
    put_fragment(b, FRAME_FIRST | FRAME_SNAPPY, fill, PAYLOAD);
    put_fragment(b, FRAME_LAST, "end", 3);
    put_fragment(b, FRAME_WHOLE, "same page", 9);
    rec_list l;
    rec_list_init(&l);
    assert_int_equal(
        wal_read_segment((fer_str){(char *)b->p, b->n}, 0, rec_list_take, rec_list_damage, &l),
        FER_OK);
    assert_int_equal(l.n, 0);
    assert_string_equal(l.damage[0].why, "fragments of a record differ in compression");
    rec_list_done(&l);
    fer_free(fill);
    fer_free(b);
}

/* ---- directories ---- */

static void put_file(vfs *fs, const char *path, const void *p, size_t n)
{
    vfs_file *f;
    assert_int_equal(vfs_open(fs, path, VFS_TRUNCATE, &f, NULL), FER_OK);
    assert_int_equal(vfs_pwrite(f, p, n, 0, NULL), FER_OK);
    vfs_close(f);
}

static void put_segment(vfs *fs, const char *path, const char *rec)
{
    page_buf *b = fer_calloc(1, sizeof *b);
    put_fragment(b, FRAME_WHOLE, rec, strlen(rec));
    put_file(fs, path, b->p, b->n);
    fer_free(b);
}

typedef struct place {
    const char *rec;
    uint64_t segment;
} place;

static void assert_dir_reads(vfs *fs, const place *want, size_t n, const char *damage)
{
    rec_list l;
    rec_list_init(&l);
    rec_list_read(&l, fs, "wal");
    assert_int_equal(l.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(str_eq(rec_at(&l, i), str_of(want[i].rec)));
        assert_int_equal(l.v[i].segment, want[i].segment);
    }
    assert_int_equal(l.n_damage, damage != NULL);
    if (damage != NULL)
        assert_string_equal(l.damage[0].why, damage);
    rec_list_done(&l);
}

static void directories_are_read_in_order(void **state)
{
    (void)state;
    vfs_fault *disk = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(disk);
    assert_int_equal(vfs_mkdir_all(fs, "wal/checkpoint.00000004", NULL), FER_OK);
    assert_int_equal(vfs_mkdir_all(fs, "wal/checkpoint.00000009.tmp", NULL), FER_OK);
    assert_int_equal(vfs_mkdir_all(fs, "wal/checkpoint.00000002", NULL), FER_OK);
    put_segment(fs, "wal/00000012", "twelve");
    put_segment(fs, "wal/00000004", "in the checkpoint");
    put_segment(fs, "wal/00000006", "six");
    put_segment(fs, "wal/100000000", "far");
    put_segment(fs, "wal/7", "no segment");
    put_segment(fs, "wal/000000008", "no segment");
    put_segment(fs, "wal/00000005.repair", "no segment");
    put_segment(fs, "wal/series_state.json", "no segment");
    put_segment(fs, "wal/checkpoint.00000002/00000000", "old");
    put_segment(fs, "wal/checkpoint.00000009.tmp/00000000", "unfinished");
    put_segment(fs, "wal/checkpoint.00000004/00000001", "b");
    put_segment(fs, "wal/checkpoint.00000004/00000000", "a");

    rec_list l;
    rec_list_init(&l);
    _Atomic uint64_t current = 0;
    assert_int_equal(wal_read(fs, "wal", rec_list_take, rec_list_damage, &l, &current, NULL),
                     FER_OK);
    assert_int_equal(atomic_load(&current), 100000000);
    static const place want[] = {
        {"a", 4}, {"b", 4}, {"six", 6}, {"twelve", 12}, {"far", 100000000}};
    assert_int_equal(l.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(str_eq(rec_at(&l, i), str_of(want[i].rec)));
        assert_int_equal(l.v[i].segment, want[i].segment);
    }
    static const char *const gaps[] = {"segment 5 is missing", "segments 7 to 11 are missing",
                                       "segments 13 to 99999999 are missing"};
    assert_int_equal(l.n_damage, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(l.damage[i].why, gaps[i]);
        assert_int_equal(l.damage[i].lost_bytes, 0);
    }
    rec_list_done(&l);
    vfs_fault_free(disk);
}

static void the_first_segment_may_have_any_number(void **state)
{
    (void)state;
    vfs_fault *disk = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(disk);
    assert_int_equal(vfs_mkdir_all(fs, "wal", NULL), FER_OK);
    assert_dir_reads(fs, NULL, 0, NULL);
    put_segment(fs, "wal/00000007", "seven");
    put_file(fs, "wal/00000008", "", 0);
    put_segment(fs, "wal/00000009", "nine");
    assert_dir_reads(fs, (place[]){{"seven", 7}, {"nine", 9}}, 2, NULL);

    /* that of a checkpoint is 0 */
    assert_int_equal(vfs_mkdir_all(fs, "wal/checkpoint.00000008", NULL), FER_OK);
    put_segment(fs, "wal/checkpoint.00000008/00000001", "one");
    assert_dir_reads(fs, (place[]){{"one", 8}, {"nine", 9}}, 2, "segment 0 is missing");
    vfs_fault_free(disk);
}

static void a_bad_sector_costs_its_page(void **state)
{
    (void)state;
    vfs_fault *disk = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(disk);
    wal *w;
    assert_int_equal(wal_open(fs, "wal", &(wal_options){0}, NULL, &w, NULL), FER_OK);
    fer_buf scratch;
    fer_buf_init(&scratch, 1 << 20, NULL);
    for (uint64_t i = 0; i < 100; i++) /* one a page */
        wal_append(w, make_rec(&scratch, i, PAYLOAD));
    assert_int_equal(wal_close(w, NULL), FER_OK);
    rec_list l;
    rec_list_init(&l);

    /* once: read again page by page, nothing is lost */
    for (uint64_t nth = 1; nth <= 4; nth++) {
        vfs_fault_set(disk, &(vfs_fault_rule){.kind = VFS_CALL_PREAD, .nth = nth, .sys = EIO});
        rec_list_read(&l, fs, "wal");
        assert_int_equal(l.n, 100);
        assert_int_equal(l.n_damage, 0);
    }
    /* for good: the pages are told as one range, by what the disk says */
    vfs_fault_set(disk, &(vfs_fault_rule){
                            .kind = VFS_CALL_PREAD, .nth = 2, .sys = EIO, .from_then_on = true});
    rec_list_read(&l, fs, "wal");
    assert_int_equal(l.n, 32); /* the first megabyte */
    assert_int_equal(l.n_damage, 1);
    assert_int_equal(l.damage[0].offset, 32 * WAL_PAGE_BYTES);
    assert_int_equal(l.damage[0].lost_bytes, 68 * WAL_PAGE_BYTES);
    assert_true(l.damage[0].torn);
    assert_non_null(strstr(l.damage[0].why, "Input/output error"));
    vfs_fault_clear(disk);

    /* what cannot be listed or opened fails */
    static const vfs_call calls[] = {VFS_CALL_LIST, VFS_CALL_OPEN, VFS_CALL_SIZE};
    for (size_t i = 0; i < 3; i++) {
        vfs_fault_set(disk, &(vfs_fault_rule){.kind = calls[i], .nth = 1, .sys = EMFILE});
        fer_err err = {0};
        assert_int_equal(wal_read(fs, "wal", rec_list_take, NULL, &l, NULL, &err), FER_IO);
        assert_non_null(strstr(err.msg, "Too many open files"));
    }
    rec_list_done(&l);
    fer_buf_done(&scratch);
    vfs_fault_free(disk);
}

#define SEGMENT(f, c)                                                                              \
    {                                                                                              \
#f " " #c, f, make_segment, free_segment, (void *)(uintptr_t)(c)                           \
    }
#define EACH(f) SEGMENT(f, WAL_PLAIN), SEGMENT(f, WAL_SNAPPY), SEGMENT(f, WAL_ZSTD)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(any_flipped_bit_costs_one_page),
        EACH(damaged_sectors_cost_their_page),
        EACH(every_truncation_keeps_the_whole_records),
        EACH(lost_pages_cost_only_their_records),
        EACH(tails_of_zeros_read_fine),
        cmocka_unit_test(senseless_fragments_are_told),
        cmocka_unit_test(an_intruder_in_a_record_is_not_believed),
        cmocka_unit_test(what_does_not_decompress_is_lost_alone),
        cmocka_unit_test(fragments_of_a_record_agree_on_compression),
        cmocka_unit_test(directories_are_read_in_order),
        cmocka_unit_test(the_first_segment_may_have_any_number),
        cmocka_unit_test(a_bad_sector_costs_its_page),
    };
    return cmocka_run_group_tests_name("wal_read", tests, NULL, NULL);
}
