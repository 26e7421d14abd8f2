/* head_export.h - what the head holds of a range of time, series by series in label order: for whoever writes
 * a block of it.
 *
 *     head_export *x;
 *     head_export_open(h, mint, maxt, acct, &x, err);
 *     for (uint32_t i = 0; i < head_export_symbols(x, &texts); i++)
 *         index_writer_symbol(..., texts[i], ...);
 *     while (head_export_next(x, &series, &more, err) == FER_OK && more)
 *         chunks, then index_writer_series(..., series.labels, series.n_labels, ...);
 *     head_export_close(x);
 *
 * The range is [mint, maxt): maxt itself is outside, as in a block's meta.json.
 *
 * Which samples. Series are those that have published samples in the range when the export opens. A series is
 * read when its turn comes, as of the newest commit: each request is then in it as a whole or not at
 * all, but series read later may hold newer requests. Where no more samples can arrive in the range, that
 * is where maxt <= the head's newest published sample less half a chunk range, all series are of one
 * commit, the one the export opened at. A series that head_truncate() removes meanwhile is left out;
 * do not truncate into the range while it is exported.
 *
 * Chunks hold just the samples in the range that are not deleted: one that lies within it and of which nothing is deleted
 * has the head's bytes, others are encoded again. They ascend, do not overlap and have at least one sample.
 *
 * Memory: per series 24 bytes and per label pair about 50, charged to acct; beside that only the chunks that
 * must be encoded or copied, of one series. Bytes that writers leave behind meanwhile are kept for the
 * 256 series being read, not for the whole export.
 *
 * Threads: one at a time per export; any thread, writers and queries going on. The head's locks are taken
 * for at most 256 series at a time.
 */
#ifndef FERULA_TSDB_HEAD_EXPORT_H
#define FERULA_TSDB_HEAD_EXPORT_H

#include "tsdb/head/head.h"
#include "tsdb/syms.h"

typedef struct head_export head_export;

typedef struct exported_chunk {
    int64_t mint, maxt; /* of its first and last sample */
    fer_str bytes;      /* the count in front included */
    uint16_t n;         /* samples */
    uint8_t encoding;   /* chunk.h */
} exported_chunk;

typedef struct exported_series {
    uint64_t ref;           /* of the series in the head */
    const label_id *labels; /* numbers of symbols, ascending by name */
    size_t n_labels;
    const exported_chunk *chunks; /* at least one */
    size_t n_chunks;
} exported_series;

/* FER_LIMIT past the budget of acct (may be NULL). The caller owns *ret: head_export_close(). No series in
 * the range is no failure. */
FER_MUST_CHECK fer_code head_export_open(head *h, int64_t mint, int64_t maxt, fer_account *acct,
                                         head_export **ret, fer_err *err);
/* The same for what ooo_freeze() froze, and that alone: samples out of order, encoded anew at 120 a chunk. Deletions count as
 * for the others. */
FER_MUST_CHECK fer_code head_export_open_ooo(head *h, int64_t mint, int64_t maxt, fer_account *acct,
                                             head_export **ret, fer_err *err);
/* Gives back everything; NULL is fine. */
void head_export_close(head_export *x);

/* The names and values of the series, ascending, each once; *ret lives until close. Returns how many. */
uint32_t head_export_symbols(const head_export *x, const fer_str **ret);
/* How many series head_export_next() will give, at most. */
size_t head_export_count(const head_export *x);

/* The next series, in label order; *ret_more false when there is none. What *ret points to is valid until the
 * next call. FER_CORRUPT when a chunk of the head does not decode, FER_LIMIT past the budget. */
FER_MUST_CHECK fer_code head_export_next(head_export *x, exported_series *ret, bool *ret_more,
                                         fer_err *err);

#endif
