/* block_index.h - a block's index, mapped: symbols, series, postings.
 *
 * Versions 1 to 3. Checked at open: header, table of contents, symbols, postings offset table, each with its
 * checksum; a posting list's at each access, a series' at the first of a query. All offsets are checked at each use:
 * bytes that change under us give FER_CORRUPT or other labels, never a read outside the mapping. Bytes on
 * disk: docs/formats/block.md.
 *
 * A series ref is what postings hold: its offset / 16 (version 1: its offset).
 * Threads: any. Texts are views of the mapping, valid until block_index_close().
 */
#ifndef FERULA_TSDB_BLOCK_INDEX_H
#define FERULA_TSDB_BLOCK_INDEX_H

#include <stdatomic.h>

#include "base/varint.h"
#include "base/vfs.h"
#include "tsdb/block/block_symbols.h"

enum {
    INDEX_HEADER_BYTES = 5,
    INDEX_TOC_BYTES = 52,
    INDEX_SERIES_ALIGN = 16,
    INDEX_POSTINGS_ALIGN = 4,
    INDEX_VALUE_STRIDE = 32
};
#define INDEX_MAGIC 0xbaaad700U
#define INDEX_NONE SIZE_MAX

typedef struct index_toc {
    uint64_t symbols, series, label_indices, label_indices_table, postings, postings_table;
} index_toc;

/* A label name in the postings offset table. */
typedef struct index_name {
    fer_str text;
    uint32_t first; /* its first entry: where in the table or, if there is an order, which of it */
    uint32_t n;     /* values */
    _Atomic(uint32_t *)
        places; /* of every 32nd entry, in the table; NULL until a value is looked up */
} index_name;

typedef struct block_index {
    vfs_map map;
    uint8_t version;
    index_toc toc;
    block_symbols symbols;
    fer_str table;     /* entries of the postings offset table */
    index_name *names; /* ascending */
    size_t n_names;
    uint32_t *order; /* places of all entries, sorted, where the table is not; NULL where it is */
    size_t n_order;
    uint64_t all; /* offset of the list of all series; 0: there is none */
    fer_account *acct;
} block_index;

/* Takes the mapping, also on failure. */
FER_MUST_CHECK fer_code block_index_open_map(block_index *x, vfs_map map, fer_account *acct,
                                             fer_err *err);
FER_MUST_CHECK fer_code block_index_open(block_index *x, vfs *fs, const char *dir,
                                         fer_account *acct, fer_err *err);
void block_index_close(block_index *x);

/* ---- series ---- */

typedef struct index_chunk {
    int64_t mint, maxt; /* ms, both inside */
    uint64_t ref;       /* block_chunks_get() */
} index_chunk;

/* A cursor over one series: labels first, then chunks. */
typedef struct index_series {
    fer_rd r;
    uint64_t labels_left, chunks_left;
    bool chunks_begun;
    index_chunk last;
} index_series;

FER_MUST_CHECK fer_code block_index_series(const block_index *x, uint64_t ref, index_series *ret,
                                           fer_err *err);
/* The same for a series that was read before, without its checksum. */
FER_MUST_CHECK fer_code block_index_series_again(const block_index *x, uint64_t ref,
                                                 index_series *ret, fer_err *err);
/* FER_END behind the last. Symbols' texts: block_symbols_text(). */
FER_MUST_CHECK fer_code index_series_label(index_series *s, uint32_t *ret_name,
                                           uint32_t *ret_value);
/* Passes over labels not yet read. FER_END behind the last. */
FER_MUST_CHECK fer_code index_series_chunk(index_series *s, index_chunk *ret);

/* ---- postings ---- */

/* Ascending refs. */
typedef struct index_postings {
    const uint8_t *p; /* big-endian u32 each */
    uint32_t n;
} index_postings;

static inline uint32_t index_posting(const index_postings *l, size_t i)
{
    return be32_get(l->p + 4 * i);
}

FER_MUST_CHECK fer_code block_index_postings(const block_index *x, uint64_t off,
                                             index_postings *ret, fer_err *err);

/* The number of a name in names[], or INDEX_NONE. */
size_t block_index_name(const block_index *x, fer_str name);
/* Where the postings of a pair are; FER_NOTFOUND when there is no such pair. */
FER_MUST_CHECK fer_code block_index_value(const block_index *x, size_t name, fer_str value,
                                          uint64_t *ret_off);

/* The values of a name, ascending. */
typedef struct index_values {
    const block_index *x;
    const index_name *name;
    uint32_t i;
    fer_rd r;
} index_values;

void index_values_begin(index_values *v, const block_index *x, size_t name);
/* FER_END behind the last. */
FER_MUST_CHECK fer_code index_values_next(index_values *v, fer_str *ret_value, uint64_t *ret_off);

#endif
