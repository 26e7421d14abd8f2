/* The index's reader on what Prometheus wrote and on what our writer wrote, whole and damaged; the writer
 * against Prometheus' bytes. */
#include "tsdb/block/block_index.h"

#include <stdlib.h>

#include "base/crc32c.h"
#include "base/vfs_fault.h"
#include "tsdb/block/block_index_write.h"
#include "tsdb/block/block_testing.h"

/* Mappings of this file system are exactly as long as the file, so that sanitizers see. */
typedef struct index_fixture {
    vfs_fault *f;
    vfs *fs;
    fer_err err;
} index_fixture;

static void begin(index_fixture *d)
{
    *d = (index_fixture){.f = vfs_fault_new(NULL)};
    d->fs = vfs_fault_fs(d->f);
    must(vfs_mkdir_all(d->fs, "/b", &d->err), &d->err);
}

static fer_str symbol(const block_index *x, uint32_t i)
{
    fer_str s = {NULL, 0};
    assert_int_equal(block_symbols_text(&x->symbols, i, &s), FER_OK);
    return s;
}

/* Writes what the reader sees anew. */
static fer_code rewrite(const block_index *x, vfs *fs, fer_err *err)
{
    index_writer *w;
    FER_TRY(index_writer_open(fs, "/b", NULL, &w, err));
    fer_code code = FER_OK;
    for (uint32_t i = 0; i < x->symbols.n && code == FER_OK; i++)
        code = index_writer_symbol(w, symbol(x, i), err);
    index_postings all;
    if (code == FER_OK)
        code = block_index_postings(x, x->all, &all, err);
    for (uint32_t i = 0; code == FER_OK && i < all.n; i++) {
        index_series s;
        label_id ids[64];
        index_chunk c[64];
        size_t n = 0, n_chunks = 0;
        must(block_index_series(x, index_posting(&all, i), &s, err), err);
        while (index_series_label(&s, &ids[n].name, &ids[n].value) == FER_OK)
            n++;
        while (index_series_chunk(&s, &c[n_chunks]) == FER_OK)
            n_chunks++;
        code = index_writer_series(w, ids, n, c, n_chunks, err);
    }
    if (code == FER_OK)
        return index_writer_close(w, err);
    index_writer_abort(w);
    return code;
}

static uint64_t list_begin(const index_toc *t)
{
    return (t->postings + 3) / 4 * 4;
}

/* Prometheus up to 3.5 and beyond also writes label indices, which nobody reads; later versions, and we, do
 * not. All else is the same: symbols and series byte for byte, postings lists byte for byte at other places. */
static void same_but_for_label_indices(const block_index *want, const block_index *got)
{
    uint64_t end = want->toc.label_indices;
    assert_int_equal(got->toc.label_indices, end);
    assert_memory_equal(got->map.p, want->map.p, end);
    uint64_t n = want->toc.label_indices_table - list_begin(&want->toc);
    assert_int_equal(got->toc.postings_table - list_begin(&got->toc), n);
    assert_memory_equal(got->map.p + list_begin(&got->toc), want->map.p + list_begin(&want->toc),
                        n);
    assert_int_equal(got->n_names, want->n_names);
    assert_int_equal(got->all - list_begin(&got->toc), want->all - list_begin(&want->toc));
    for (size_t i = 0; i < want->n_names; i++) {
        index_values w, g;
        index_values_begin(&w, want, i);
        index_values_begin(&g, got, i);
        fer_str wv, gv;
        uint64_t wo, go;
        while (index_values_next(&w, &wv, &wo) == FER_OK) {
            assert_int_equal(index_values_next(&g, &gv, &go), FER_OK);
            assert_true(str_eq(wv, gv));
            assert_int_equal(wo - list_begin(&want->toc), go - list_begin(&got->toc));
        }
        assert_int_equal(index_values_next(&g, &gv, &go), FER_END);
    }
}

static void prometheus_indexes_come_back(void **state)
{
    (void)state;
    static const char *const goldens[] = {"promtool-2.42", "promtool-3.5", "prometheus-2.42",
                                          "prometheus-3.5"};
    for (size_t i = 0; i < 4; i++) {
        char dir[PATH_MAX], path[PATH_MAX];
        snprintf(dir, sizeof dir, FERULA_TESTDATA "/blocks/%s", goldens[i]);
        block_names l = list_blocks(vfs_posix(), dir);
        for (size_t k = 0; k < l.n; k++) {
            index_fixture d;
            begin(&d);
            block_index want, got;
            snprintf(path, sizeof path, "%s/%s", dir, l.v[k]);
            must(block_index_open(&want, vfs_posix(), path, NULL, &d.err), &d.err);
            must(rewrite(&want, d.fs, &d.err), &d.err);
            assert_false(vfs_exists(d.fs, "/b/index_tmp_po"));
            must(block_index_open(&got, d.fs, "/b", NULL, &d.err), &d.err);
            same_but_for_label_indices(&want, &got);
            block_index_close(&want);
            block_index_close(&got);
            vfs_fault_free(d.f);
        }
    }
}

/* ---- an index of our own ---- */

enum { SERIES = 300 };

static void write_own(vfs *fs, fer_account *acct, fer_err *err)
{
    static const char *const texts[] = {"__name__", "a", "b", "big", "x"};
    char number[8];
    index_writer *w;
    must(index_writer_open(fs, "/b", acct, &w, err), err);
    for (uint32_t i = 0; i < SERIES; i++) { /* symbols 0..299: "000".. */
        snprintf(number, sizeof number, "%03u", (unsigned)i);
        must(index_writer_symbol(w, str_of(number), err), err);
    }
    for (uint32_t i = 0; i < 5; i++)
        must(index_writer_symbol(w, str_of(texts[i]), err), err);
    uint64_t ref = 8;
    for (uint32_t i = 0; i < SERIES; i++) {
        label_id ids[3] = {{SERIES, SERIES + 3}, {SERIES + 1, i}, {SERIES + 2, i % 7}};
        index_chunk c[3];
        for (size_t k = 0; k < i % 4; k++) {
            int64_t t = (int64_t)k * 1000 - 500 + i;
            c[k] = (index_chunk){t, t + (int64_t)(k * 100), ref += 10 + i};
        }
        must(index_writer_series(w, ids, i % 7 == 6 ? 2 : 3, c, i % 4, err), err);
    }
    must(index_writer_close(w, err), err);
}

static void values_are(const block_index *x, const char *name, size_t n)
{
    size_t at = block_index_name(x, str_of(name));
    assert_true(at != INDEX_NONE);
    index_values v;
    index_values_begin(&v, x, at);
    fer_str value, last = {NULL, 0};
    uint64_t off, found;
    size_t seen = 0;
    while (index_values_next(&v, &value, &off) == FER_OK) {
        assert_true(seen == 0 || str_cmp(last, value) < 0);
        assert_int_equal(block_index_value(x, at, value, &found), FER_OK);
        assert_int_equal(found, off);
        char longer[16];
        snprintf(longer, sizeof longer, "%.*s!", STR_FMT(value));
        assert_int_equal(block_index_value(x, at, str_of(longer), &found), FER_NOTFOUND);
        last = value;
        seen++;
    }
    assert_int_equal(block_index_value(x, at, STR(""), &found), FER_NOTFOUND);
    assert_int_equal(block_index_value(x, at, STR("~"), &found), FER_NOTFOUND);
    assert_int_equal(seen, n);
}

static void symbols_are_found(const block_index *x)
{
    for (uint32_t i = 0; i < x->symbols.n; i++) {
        uint32_t at;
        fer_str text = symbol(x, i);
        assert_true(block_symbols_find(&x->symbols, text, &at));
        assert_int_equal(at, i);
        char longer[16];
        snprintf(longer, sizeof longer, "%.*s!", STR_FMT(text));
        assert_false(block_symbols_find(&x->symbols, str_of(longer), &at));
    }
    uint32_t at;
    fer_str text;
    assert_false(block_symbols_find(&x->symbols, STR(""), &at));
    assert_false(block_symbols_find(&x->symbols, STR("~"), &at));
    assert_int_equal(block_symbols_text(&x->symbols, x->symbols.n, &text), FER_CORRUPT);
}

static void check_own_series(const block_index *x, uint32_t i, uint32_t ref, fer_err *err)
{
    index_series s;
    must(block_index_series(x, ref, &s, err), err);
    uint32_t name, value;
    assert_int_equal(index_series_label(&s, &name, &value), FER_OK);
    assert_true(name == SERIES && value == SERIES + 3);
    if (i % 2 == 0) { /* labels not read are passed over */
        assert_int_equal(index_series_label(&s, &name, &value), FER_OK);
        assert_true(name == SERIES + 1 && value == i);
    }
    index_chunk c;
    for (size_t k = 0; k < i % 4; k++) {
        assert_int_equal(index_series_chunk(&s, &c), FER_OK);
        assert_int_equal(c.mint, (int64_t)k * 1000 - 500 + i);
        assert_int_equal(c.maxt - c.mint, (int64_t)k * 100);
    }
    assert_int_equal(index_series_chunk(&s, &c), FER_END);
}

static void written_is_read(void **state)
{
    (void)state;
    index_fixture d;
    begin(&d);
    fer_account acct;
    fer_account_init(&acct, "test", NULL, 0);
    write_own(d.fs, &acct, &d.err);
    assert_int_equal(fer_account_used(&acct), 0);
    assert_true(fer_account_peak(&acct) > 0);

    block_index x;
    must(block_index_open(&x, d.fs, "/b", &acct, &d.err), &d.err);
    int64_t opened = fer_account_used(&acct);
    assert_true(opened > 0);
    symbols_are_found(&x); /* whose places are noted now */
    assert_int_equal(fer_account_used(&acct) - opened, (x.symbols.n / SYMBOL_STRIDE + 1) * 4);
    opened = fer_account_used(&acct);
    values_are(&x, "a", SERIES); /* so are those of the values of a name */
    assert_int_equal(fer_account_used(&acct) - opened, (SERIES / INDEX_VALUE_STRIDE + 1) * 4);
    values_are(&x, "__name__", 1);
    values_are(&x, "b", 6);
    assert_int_equal(block_index_name(&x, STR("c")), INDEX_NONE);
    index_postings all, one;
    must(block_index_postings(&x, x.all, &all, &d.err), &d.err);
    assert_int_equal(all.n, SERIES);
    for (uint32_t i = 0; i < SERIES; i++)
        check_own_series(&x, i, index_posting(&all, i), &d.err);
    uint64_t off;
    assert_int_equal(block_index_value(&x, block_index_name(&x, STR("b")), STR("003"), &off),
                     FER_OK);
    must(block_index_postings(&x, off, &one, &d.err), &d.err);
    for (uint32_t i = 0; i < one.n; i++)
        assert_int_equal(index_posting(&one, i), index_posting(&all, 3 + 7 * i));
    assert_int_equal(one.n, (SERIES - 4) / 7 + 1);
    block_index_close(&x);
    assert_int_equal(fer_account_used(&acct), 0);
    vfs_fault_free(d.f);
}

static void an_empty_index_is_fine(void **state)
{
    (void)state;
    index_fixture d;
    begin(&d);
    index_writer *w;
    must(index_writer_open(d.fs, "/b", NULL, &w, &d.err), &d.err);
    must(index_writer_close(w, &d.err), &d.err);
    block_index x;
    must(block_index_open(&x, d.fs, "/b", NULL, &d.err), &d.err);
    index_postings all;
    must(block_index_postings(&x, x.all, &all, &d.err), &d.err);
    assert_int_equal(all.n, 0);
    block_index_close(&x);
    vfs_fault_free(d.f);
}

/* Reads all there is; returns a checksum of it, or 0 at the first failure. */
static uint32_t digest(const block_index *x)
{
    uint32_t crc = 1;
    index_postings all;
    if (x->all == 0 || block_index_postings(x, x->all, &all, NULL) != FER_OK)
        return 0;
    for (uint32_t i = 0; i < all.n; i++) {
        index_series s;
        uint32_t pair[2];
        index_chunk c;
        fer_code code;
        if (block_index_series(x, index_posting(&all, i), &s, NULL) != FER_OK)
            return 0;
        while ((code = index_series_label(&s, &pair[0], &pair[1])) == FER_OK)
            for (size_t k = 0; k < 2; k++) {
                fer_str text;
                if (block_symbols_text(&x->symbols, pair[k], &text) != FER_OK)
                    return 0;
                crc = crc32c(crc, text.p, text.n);
            }
        while (code == FER_END && (code = index_series_chunk(&s, &c)) == FER_OK) {
            crc = crc32c(crc, &c, sizeof c);
            code = FER_END;
        }
        if (code != FER_END)
            return 0;
    }
    for (size_t i = 0; i < x->n_names; i++) {
        index_values v;
        index_values_begin(&v, x, i);
        fer_str value;
        uint64_t off;
        while (index_values_next(&v, &value, &off) == FER_OK) {
            index_postings l;
            if (block_index_postings(x, off, &l, NULL) != FER_OK)
                return 0;
            crc = crc32c(crc32c(crc, value.p, value.n), l.p, l.n * 4UL);
        }
    }
    return crc;
}

static uint32_t digest_of(index_fixture *d, const char *p, size_t n)
{
    write_file(d->fs, "/b/index", (fer_str){p, n});
    block_index x;
    fer_err err = {0};
    fer_code code = block_index_open(&x, d->fs, "/b", NULL, &err);
    if (code != FER_OK) {
        assert_int_equal(code, FER_CORRUPT);
        assert_true(err.msg[0] != '\0');
        return 0;
    }
    uint32_t sum = digest(&x);
    block_index_close(&x);
    return sum;
}

static void damage_is_told_or_harmless(void **state)
{
    (void)state;
    index_fixture d;
    begin(&d);
    write_own(d.fs, NULL, &d.err);
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_str whole = read_file(d.fs, "/b/index", a);
    char *copy = fer_memdup0(whole.p, whole.n);
    uint32_t right = digest_of(&d, copy, whole.n);
    assert_int_not_equal(right, 0);
    size_t harmless = 0, tried = 0;
    for (size_t i = 0; i < whole.n; i += i < 64 || i + 64 > whole.n ? 1 : 11, tried++) {
        copy[i] = (char)(copy[i] ^ 1 << i % 8);
        uint32_t sum = digest_of(&d, copy, whole.n);
        assert_true(sum == 0 || sum == right);
        harmless += sum == right; /* padding, and the version byte */
        copy[i] = whole.p[i];
    }
    assert_true(harmless < tried / 4);
    for (size_t cut = 0; cut < whole.n; cut += cut < 64 || cut + 64 > whole.n ? 1 : 53)
        assert_int_equal(digest_of(&d, whole.p, cut), 0);
    fer_free(copy);
    fer_arena_free(a);
    vfs_fault_free(d.f);
}

static void the_writer_keeps_order(void **state)
{
    (void)state;
    index_fixture d;
    begin(&d);
    index_writer *w;
    must(index_writer_open(d.fs, "/b", NULL, &w, &d.err), &d.err);
    must(index_writer_symbol(w, STR("a"), &d.err), &d.err);
    must(index_writer_symbol(w, STR("b"), &d.err), &d.err);
    assert_int_equal(index_writer_symbol(w, STR("b"), &d.err), FER_INVALID);
    assert_int_equal(index_writer_symbol(w, STR("ab"), &d.err), FER_INVALID);
    const label_id one = {0, 1}, unknown = {0, 2}, two[] = {{0, 1}, {0, 1}};
    const index_chunk c[] = {{5, 9, 8}, {9, 10, 20}}, back = {5, 4, 8};
    must(index_writer_series(w, &one, 1, c, 1, &d.err), &d.err);
    assert_int_equal(index_writer_series(w, &one, 1, c, 1, &d.err), FER_INVALID);
    assert_int_equal(index_writer_series(w, &unknown, 1, c, 1, &d.err), FER_INVALID);
    assert_int_equal(index_writer_series(w, two, 2, c, 1, &d.err), FER_INVALID);
    const label_id next = {1, 0};
    assert_int_equal(index_writer_series(w, &next, 1, c, 2, &d.err), FER_INVALID);
    assert_int_equal(index_writer_series(w, &next, 1, &back, 1, &d.err), FER_INVALID);
    assert_int_equal(index_writer_symbol(w, STR("z"), &d.err), FER_INVALID);
    index_writer_abort(w);
    vfs_fault_free(d.f);
}

static void a_failing_disk_is_told(void **state)
{
    (void)state;
    index_fixture d, src;
    begin(&src);
    write_own(src.fs, NULL, &src.err);
    block_index x;
    must(block_index_open(&x, src.fs, "/b", NULL, &src.err), &src.err);
    begin(&d);
    uint64_t before = vfs_fault_count(d.f, VFS_CALL_ANY);
    must(rewrite(&x, d.fs, &d.err), &d.err);
    uint64_t calls = vfs_fault_count(d.f, VFS_CALL_ANY) - before;
    vfs_fault_free(d.f);
    for (uint64_t nth = 1; nth <= calls; nth++) {
        begin(&d);
        vfs_fault_set(d.f, &(vfs_fault_rule){.kind = VFS_CALL_ANY, .nth = nth, .sys = 28});
        fer_code code = rewrite(&x, d.fs, &d.err);
        assert_int_equal(code, FER_NOSPACE);
        vfs_fault_free(d.f);
    }
    block_index_close(&x);
    vfs_fault_free(src.f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prometheus_indexes_come_back),
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(an_empty_index_is_fine),
        cmocka_unit_test(damage_is_told_or_harmless),
        cmocka_unit_test(the_writer_keeps_order),
        cmocka_unit_test(a_failing_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
