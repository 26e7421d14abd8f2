/* block_index_write.c
 *
 * Postings are by pair, series come by label set: they are turned round by reading the written series back. A
 * pass over them gathers (value, ref) of as many names as the budget allows, each name in a part of its own
 * whose length was counted while the series were written; sorted by value, a part is the name's lists. Passes
 * go through the names in order, so the lists are written where they belong. The postings offset table comes
 * behind them; its entries wait in a file of their own.
 */
#include "tsdb/block/block_index_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/hash.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/block/file_out.h"
#include "tsdb/head/head_table.h"

enum {
    PASS_POSTINGS = 4 << 20,
    COPY_BYTES = 64 * 1024,
    FORGET_BYTES = 4 << 20, /* read back, before the mapping is forgotten */
    TABLE_KEYS = 2
};
#define FILE_BYTES_MAX (UINT64_C(16) * UINT32_MAX)

typedef struct counted_name {
    uint32_t symbol;
    uint32_t n;     /* series that have it */
    uint64_t *part; /* during a pass: value << 32 | ref */
    uint32_t used;
} counted_name;

struct index_writer {
    vfs *fs;
    char path[PATH_MAX], table_path[PATH_MAX];
    fer_account *acct;
    file_out out, table;
    index_toc toc;

    uint32_t n_symbols;
    fer_buf last_symbol;
    bool symbols_done;

    fer_buf series; /* the body of one */
    label_id *last; /* labels of the last series */
    size_t last_n, last_cap;
    uint64_t last_chunk; /* its ref */
    uint32_t n_series;

    head_table by_symbol; /* to names[] */
    counted_name *names;
    uint32_t n_names, cap_names;

    vfs_map map; /* what is written, once all series are */
    block_symbols symbols;
    uint32_t n_entries;
};

static fer_code invalid(fer_err *err, const char *what)
{
    return fer_fail(err, FER_INVALID, "writing an index: %s", what);
}

/* ---- opening and ending ---- */

static fer_code begin_file(index_writer *w, fer_err *err)
{
    FER_TRY(file_out_open(&w->out, w->fs, w->path, err));
    file_out_be32(&w->out, INDEX_MAGIC);
    file_out_u8(&w->out, 2);
    w->toc.symbols = file_out_pos(&w->out);
    file_out_be64(&w->out, 0); /* length and number, known at the end */
    return file_out_check(&w->out, err);
}

fer_code index_writer_open(vfs *fs, const char *dir, fer_account *acct, index_writer **ret,
                           fer_err *err)
{
    index_writer *w = fer_calloc(1, sizeof *w);
    w->fs = fs;
    w->acct = acct;
    fer_buf_init(&w->last_symbol, UINT32_MAX, acct);
    fer_buf_init(&w->series, UINT32_MAX, acct);
    head_table_init(&w->by_symbol, acct);
    fer_code code = dir_file_path(w->path, dir, "index", err);
    if (code == FER_OK)
        code = dir_file_path(w->table_path, dir, "index_tmp_po", err);
    if (code == FER_OK)
        code = begin_file(w, err);
    if (code != FER_OK) {
        index_writer_abort(w);
        return code;
    }
    *ret = w;
    return FER_OK;
}

void index_writer_abort(index_writer *w)
{
    if (w == NULL)
        return;
    file_out_abort(&w->out);
    file_out_abort(&w->table);
    block_symbols_close(&w->symbols);
    vfs_unmap(&w->map);
    fer_buf_done(&w->last_symbol);
    fer_buf_done(&w->series);
    fer_account_release(w->acct, w->last_cap * sizeof *w->last + w->cap_names * sizeof *w->names);
    fer_free(w->last);
    fer_free(w->names);
    head_table_done(&w->by_symbol);
    fer_free(w);
}

/* ---- symbols ---- */

fer_code index_writer_symbol(index_writer *w, fer_str text, fer_err *err)
{
    if (w->symbols_done)
        return invalid(err, "a symbol behind the series");
    if (w->n_symbols != 0 && str_cmp(fer_buf_str(&w->last_symbol), text) >= 0)
        return invalid(err, "symbols out of order");
    if (w->n_symbols == UINT32_MAX ||
        file_out_pos(&w->out) + text.n + VARINT_MAX - w->toc.symbols > UINT32_MAX)
        return fer_fail(err, FER_LIMIT, "the symbols of an index take more than 4 GiB");
    file_out_puts(&w->out, text);
    w->n_symbols++;
    fer_buf_clear(&w->last_symbol);
    fer_buf_puts(&w->last_symbol, text);
    if (w->last_symbol.full)
        return fer_fail_budget(err, "writing an index");
    return file_out_check(&w->out, err);
}

/* The checksum covers the number of symbols, which stands before them and is known only now: the bytes
 * are read back. */
static fer_code checksum_of(file_out *o, uint64_t from, uint64_t to, uint32_t *ret, fer_err *err)
{
    uint8_t *buf = fer_alloc(COPY_BYTES);
    uint32_t crc = 0;
    fer_code code = file_out_flush(o, err);
    while (code == FER_OK && from < to) {
        size_t want = to - from < COPY_BYTES ? (size_t)(to - from) : COPY_BYTES, n = 0;
        code = vfs_pread(o->f, buf, want, from, &n, err);
        if (code == FER_OK && n != want)
            code = fer_fail(err, FER_IO, "an index shrank while it was written");
        crc = crc32c(crc, buf, n);
        from += n;
    }
    fer_free(buf);
    if (code == FER_OK)
        *ret = crc;
    return code;
}

static fer_code finish_symbols(index_writer *w, fer_err *err)
{
    w->symbols_done = true;
    uint64_t end = file_out_pos(&w->out);
    uint8_t head[8];
    be32_put(head, (uint32_t)(end - w->toc.symbols - 4));
    be32_put(head + 4, w->n_symbols);
    file_out_patch(&w->out, w->toc.symbols, head, sizeof head);
    uint32_t crc;
    FER_TRY(checksum_of(&w->out, w->toc.symbols + 4, end, &crc, err));
    file_out_be32(&w->out, crc);
    w->toc.series = file_out_pos(&w->out);
    return FER_OK;
}

/* ---- series ---- */

static counted_name *find_name(index_writer *w, uint32_t symbol)
{
    table_probe probe = head_table_probe(&w->by_symbol, fer_hash_mix(0, symbol));
    for (uint32_t i; (i = table_probe_next(&probe)) != TABLE_NONE;)
        if (w->names[i].symbol == symbol)
            return &w->names[i];
    return NULL;
}

static void count_name(index_writer *w, uint32_t symbol)
{
    counted_name *name = find_name(w, symbol);
    if (name == NULL) {
        if (w->n_names == w->cap_names) {
            uint32_t cap = w->cap_names == 0 ? 64 : w->cap_names * 2;
            w->names = fer_realloc(w->names, cap * sizeof *w->names);
            fer_account_force(w->acct, (cap - w->cap_names) * sizeof *w->names);
            w->cap_names = cap;
        }
        head_table_insert(&w->by_symbol, fer_hash_mix(0, symbol), w->n_names);
        name = &w->names[w->n_names++];
        *name = (counted_name){.symbol = symbol};
    }
    name->n++;
}

/* Numbers of sorted symbols compare as their texts do. */
static int compare_series(const label_id *a, size_t an, const label_id *b, size_t bn)
{
    for (size_t i = 0; i < an && i < bn; i++) {
        if (a[i].name != b[i].name)
            return a[i].name < b[i].name ? -1 : 1;
        if (a[i].value != b[i].value)
            return a[i].value < b[i].value ? -1 : 1;
    }
    return (an > bn) - (an < bn);
}

static fer_code check_series(const index_writer *w, const label_id *pairs, size_t n,
                             const index_chunk *c, size_t n_chunks, fer_err *err)
{
    if (w->n_series != 0 && compare_series(w->last, w->last_n, pairs, n) >= 0)
        return invalid(err, "series out of order");
    for (size_t i = 0; i < n; i++)
        if (pairs[i].name >= w->n_symbols || pairs[i].value >= w->n_symbols ||
            (i != 0 && pairs[i].name <= pairs[i - 1].name))
            return invalid(err, "labels out of order or without symbol");
    uint64_t ref = w->last_chunk;
    for (size_t i = 0; i < n_chunks; ref = c[i].ref, i++)
        if (c[i].maxt < c[i].mint || c[i].ref < ref || (i != 0 && c[i].mint <= c[i - 1].maxt))
            return invalid(err, "chunks out of order");
    return FER_OK;
}

static void put_uvarint(fer_buf *b, uint64_t v)
{
    uint8_t p[VARINT_MAX];
    fer_buf_put(b, p, uvarint_put(p, v));
}

static void put_varint(fer_buf *b, int64_t v)
{
    put_uvarint(b, zigzag_put(v));
}

static void encode_series(fer_buf *b, const label_id *pairs, size_t n, const index_chunk *c,
                          size_t n_chunks)
{
    fer_buf_clear(b);
    put_uvarint(b, n);
    for (size_t i = 0; i < n; i++) {
        put_uvarint(b, pairs[i].name);
        put_uvarint(b, pairs[i].value);
    }
    put_uvarint(b, n_chunks);
    for (size_t i = 0; i < n_chunks; i++) {
        if (i == 0)
            put_varint(b, c[i].mint);
        else
            put_uvarint(b, (uint64_t)c[i].mint - (uint64_t)c[i - 1].maxt);
        put_uvarint(b, (uint64_t)c[i].maxt - (uint64_t)c[i].mint);
        if (i == 0)
            put_uvarint(b, c[i].ref);
        else
            put_varint(b, (int64_t)(c[i].ref - c[i - 1].ref));
    }
}

static void remember_labels(index_writer *w, const label_id *pairs, size_t n)
{
    if (n > w->last_cap) {
        w->last = fer_realloc(w->last, n * sizeof *w->last);
        fer_account_force(w->acct, (n - w->last_cap) * sizeof *w->last);
        w->last_cap = n;
    }
    if (n != 0)
        memcpy(w->last, pairs, n * sizeof *pairs);
    w->last_n = n;
}

fer_code index_writer_series(index_writer *w, const label_id *pairs, size_t n,
                             const index_chunk *chunks, size_t n_chunks, fer_err *err)
{
    if (!w->symbols_done)
        FER_TRY(finish_symbols(w, err));
    FER_TRY(check_series(w, pairs, n, chunks, n_chunks, err));
    encode_series(&w->series, pairs, n, chunks, n_chunks);
    if (w->series.full)
        return fer_fail(err, FER_LIMIT, "a series of an index is too large");
    file_out_pad(&w->out, INDEX_SERIES_ALIGN);
    if (file_out_pos(&w->out) > FILE_BYTES_MAX)
        return fer_fail(err, FER_LIMIT, "an index of more than 64 GiB");
    file_out_uvarint(&w->out, w->series.n);
    w->out.crc = 0;
    file_out_put(&w->out, w->series.p, w->series.n);
    file_out_be32(&w->out, w->out.crc);

    for (size_t i = 0; i < n; i++)
        count_name(w, pairs[i].name);
    remember_labels(w, pairs, n);
    w->n_series++;
    if (n_chunks != 0)
        w->last_chunk = chunks[n_chunks - 1].ref;
    return file_out_check(&w->out, err);
}

/* ---- series read back ---- */

typedef struct series_reader {
    fer_rd r;
    const vfs_map *map;
    const uint8_t *touched; /* what is before it has been forgotten */
} series_reader;

static series_reader read_back(const index_writer *w)
{
    const uint8_t *from = w->map.p + w->toc.series;
    return (series_reader){{from, w->map.p + w->toc.label_indices}, &w->map, from};
}

/* The next series' ref and labels; FER_END behind the last. */
static fer_code next_series(series_reader *s, uint32_t *ret_ref, index_series *ret)
{
    if (s->r.p - s->touched > FORGET_BYTES) {
        vfs_forget(s->map);
        s->touched = s->r.p;
    }
    size_t place = (size_t)(s->r.p - s->map->p);
    size_t pad = (INDEX_SERIES_ALIGN - place % INDEX_SERIES_ALIGN) % INDEX_SERIES_ALIGN;
    if (rd_left(&s->r) <= pad)
        return FER_END;
    s->r.p += pad;
    uint64_t n;
    fer_str body;
    uint32_t crc;
    *ret_ref = (uint32_t)((place + pad) / INDEX_SERIES_ALIGN);
    FER_TRY(rd_uvarint(&s->r, &n));
    FER_TRY(rd_bytes(&s->r, n, &body));
    FER_TRY(rd_be32(&s->r, &crc));
    *ret = (index_series){.r = rd_of(body)};
    return rd_uvarint(&ret->r, &ret->labels_left);
}

/* ---- postings ---- */

static fer_code begin_list(index_writer *w, uint64_t n, fer_err *err)
{
    if (n > UINT32_MAX / 4 - 1)
        return fer_fail(err, FER_LIMIT, "a postings list of more than 4 GiB");
    file_out_pad(&w->out, INDEX_POSTINGS_ALIGN);
    return FER_OK;
}

static void add_entry(index_writer *w, fer_str name, fer_str value)
{
    file_out_uvarint(&w->table, TABLE_KEYS);
    file_out_puts(&w->table, name);
    file_out_puts(&w->table, value);
    file_out_uvarint(&w->table, file_out_pos(&w->out));
    w->n_entries++;
}

static fer_code write_all_list(index_writer *w, fer_err *err)
{
    FER_TRY(begin_list(w, w->n_series, err));
    add_entry(w, STR(""), STR(""));
    file_out_be32(&w->out, 4 * w->n_series + 4);
    w->out.crc = 0;
    file_out_be32(&w->out, w->n_series);
    series_reader r = read_back(w);
    index_series s;
    uint32_t ref;
    fer_code code;
    while ((code = next_series(&r, &ref, &s)) == FER_OK)
        file_out_be32(&w->out, ref);
    file_out_be32(&w->out, w->out.crc);
    return code == FER_END ? file_out_check(&w->out, err)
                           : fer_fail(err, code, "an index changed while it was written");
}

static int by_symbol_number(const void *a, const void *b)
{
    uint32_t x = ((const counted_name *)a)->symbol, y = ((const counted_name *)b)->symbol;
    return (x > y) - (x < y);
}

static void sort_names(index_writer *w)
{
    if (w->n_names != 0)
        qsort(w->names, w->n_names, sizeof *w->names, by_symbol_number);
    head_table_done(&w->by_symbol);
    head_table_init(&w->by_symbol, w->acct);
    for (uint32_t i = 0; i < w->n_names; i++)
        head_table_insert(&w->by_symbol, fer_hash_mix(0, w->names[i].symbol), i);
}

/* Fills the parts of names [from, to). */
static fer_code gather(index_writer *w, uint32_t from, uint32_t to)
{
    series_reader r = read_back(w);
    index_series s;
    uint32_t ref, name, value;
    fer_code code;
    while ((code = next_series(&r, &ref, &s)) == FER_OK) {
        while (index_series_label(&s, &name, &value) == FER_OK) {
            counted_name *c = find_name(w, name);
            if (c >= w->names + from && c < w->names + to && c->used < c->n)
                c->part[c->used++] = (uint64_t)value << 32 | ref;
        }
    }
    return code;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void sort_part(counted_name *c)
{
    for (uint32_t i = 1; i < c->used; i++) {
        if (c->part[i] < c->part[i - 1]) { /* many names come sorted, as series do */
            qsort(c->part, c->used, sizeof *c->part, by_number);
            return;
        }
    }
}

static fer_code write_name(index_writer *w, counted_name *c, fer_err *err)
{
    fer_str name, value;
    sort_part(c);
    FER_TRY(block_symbols_text(&w->symbols, c->symbol, &name));
    for (uint32_t i = 0, end; i < c->used; i = end) {
        for (end = i + 1; end < c->used && c->part[end] >> 32 == c->part[i] >> 32;)
            end++;
        FER_TRY(block_symbols_text(&w->symbols, (uint32_t)(c->part[i] >> 32), &value));
        FER_TRY(begin_list(w, end - i, err));
        add_entry(w, name, value);
        file_out_be32(&w->out, 4 * (end - i) + 4);
        w->out.crc = 0;
        file_out_be32(&w->out, end - i);
        for (uint32_t k = i; k < end; k++)
            file_out_be32(&w->out, (uint32_t)c->part[k]);
        file_out_be32(&w->out, w->out.crc);
    }
    FER_TRY(file_out_check(&w->table, err));
    return file_out_check(&w->out, err);
}

static fer_code write_names(index_writer *w, uint32_t from, uint32_t to, uint64_t *memory,
                            fer_err *err)
{
    for (uint32_t i = from; i < to; memory += w->names[i].n, i++) {
        w->names[i].part = memory;
        w->names[i].used = 0;
    }
    fer_code code = gather(w, from, to);
    if (code != FER_END)
        return fer_fail(err, code, "an index changed while it was written");
    for (uint32_t i = from; i < to; i++)
        FER_TRY(write_name(w, &w->names[i], err));
    return FER_OK;
}

static fer_code write_lists(index_writer *w, fer_err *err)
{
    FER_TRY(write_all_list(w, err));
    sort_names(w);
    for (uint32_t from = 0, to; from < w->n_names; from = to) {
        uint64_t n = w->names[from].n;
        for (to = from + 1; to < w->n_names && n + w->names[to].n <= PASS_POSTINGS; to++)
            n += w->names[to].n;
        fer_account_force(w->acct, n * sizeof(uint64_t));
        uint64_t *memory = fer_alloc(n * sizeof *memory);
        fer_code code = write_names(w, from, to, memory, err);
        fer_free(memory);
        fer_account_release(w->acct, n * sizeof(uint64_t));
        FER_TRY(code);
    }
    return FER_OK;
}

/* ---- the end of the file ---- */

static fer_code copy_table(index_writer *w, fer_err *err)
{
    uint64_t n = file_out_pos(&w->table);
    if (n + 4 > UINT32_MAX)
        return fer_fail(err, FER_LIMIT, "the postings offset table takes more than 4 GiB");
    FER_TRY(file_out_flush(&w->table, err));
    file_out_be32(&w->out, (uint32_t)n + 4);
    w->out.crc = 0;
    file_out_be32(&w->out, w->n_entries);
    uint8_t *buf = fer_alloc(COPY_BYTES);
    fer_code code = FER_OK;
    for (uint64_t at = 0; at < n && code == FER_OK;) {
        size_t got = 0;
        code = vfs_pread(w->table.f, buf, COPY_BYTES, at, &got, err);
        if (code == FER_OK && got == 0)
            code = fer_fail(err, FER_IO, "index_tmp_po shrank while it was read");
        file_out_put(&w->out, buf, got);
        at += got;
    }
    fer_free(buf);
    FER_TRY(code);
    file_out_be32(&w->out, w->out.crc);
    file_out_abort(&w->table);
    return vfs_unlink(w->fs, w->table_path, err);
}

static void write_toc(index_writer *w)
{
    w->out.crc = 0;
    file_out_be64(&w->out, w->toc.symbols);
    file_out_be64(&w->out, w->toc.series);
    file_out_be64(&w->out, w->toc.label_indices);
    file_out_be64(&w->out, w->toc.label_indices_table);
    file_out_be64(&w->out, w->toc.postings);
    file_out_be64(&w->out, w->toc.postings_table);
    file_out_be32(&w->out, w->out.crc);
}

static fer_code finish(index_writer *w, fer_err *err)
{
    if (!w->symbols_done)
        FER_TRY(finish_symbols(w, err));
    w->toc.label_indices = w->toc.postings = file_out_pos(&w->out);
    FER_TRY(file_out_flush(&w->out, err));
    FER_TRY(vfs_map_file(w->out.f, &w->map, err));
    fer_str file = {(const char *)w->map.p, w->map.n};
    FER_TRY(block_symbols_open(&w->symbols, file, w->toc.symbols, false, w->acct, err));
    FER_TRY(file_out_open(&w->table, w->fs, w->table_path, err));
    FER_TRY(write_lists(w, err));
    w->toc.postings_table = w->toc.label_indices_table = file_out_pos(&w->out);
    FER_TRY(copy_table(w, err));
    write_toc(w);
    if (file_out_pos(&w->out) > FILE_BYTES_MAX)
        return fer_fail(err, FER_LIMIT, "an index of more than 64 GiB");
    return file_out_close(&w->out, err);
}

fer_code index_writer_close(index_writer *w, fer_err *err)
{
    fer_code code = finish(w, err);
    index_writer_abort(w);
    return code;
}
