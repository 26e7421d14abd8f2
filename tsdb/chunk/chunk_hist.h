/* chunk_hist.h - chunks of native histograms (docs/formats/chunk_histogram.md).
 *
 * Read: encodings 2 (integer), 3 (float), and 5 and 6, which are those with start timestamps. Written: 2 and 3, in
 * the bytes Prometheus writes.
 *
 * A chunk has one layout (schema, zero threshold, spans, bounds), that of its first sample. A later sample that has
 * more buckets makes the whole chunk be written anew; one that lacks empty buckets gets them. What cannot share a
 * chunk - another schema, threshold or bounds, a counter reset, a sample behind a stale marker, gauge and counter -
 * begins the next one, whose header says whether that was a reset.
 *
 * Threads: one at a time. The bytes of an open chunk move and change with each append: readers copy them.
 */
#ifndef FERULA_TSDB_CHUNK_HIST_H
#define FERULA_TSDB_CHUNK_HIST_H

#include "tsdb/chunk/chunk_hist_state.h"
#include "tsdb/chunk/chunk_st.h"
#include "tsdb/samples.h"

enum {
    CHUNK_HISTOGRAM = 2,
    CHUNK_FLOAT_HISTOGRAM = 3,
    CHUNK_HISTOGRAM_ST = 5,
    CHUNK_FLOAT_HISTOGRAM_ST = 6,
    CHUNK_ST_COUNT_BITS =
        14, /* of the count in front of 5 and 6; the others of the two bytes are the header */
};

static inline bool chunk_is_histogram(uint8_t encoding)
{
    return encoding == CHUNK_HISTOGRAM || encoding == CHUNK_FLOAT_HISTOGRAM ||
           encoding == CHUNK_HISTOGRAM_ST || encoding == CHUNK_FLOAT_HISTOGRAM_ST;
}

/* What the two upper bits of the flags say of a chunk's first sample, in bits 7 and 6. */
typedef enum hist_header {
    HIST_HEADER_UNKNOWN = 0,
    HIST_HEADER_NOT_RESET = 0x40,
    HIST_HEADER_RESET = 0x80,
    HIST_HEADER_GAUGE = 0xc0,
} hist_header;

/* ---- reading ---- */

/* The samples of a chunk one by one, as stored. */
typedef struct hist_iter {
    int64_t t, st;      /* of the sample; st 0: not set */
    hist_sample sample; /* views that the next call overwrites, but for spans and bounds */
    uint32_t n, i;      /* samples in the chunk, and read */
    /* the reader's own */
    uint8_t header; /* hist_header */
    bool is_float, has_starts;
    fer_arena *arena;
    bits_in in;
    hist_state state;
    chunk_st starts;
} hist_iter;

/* `n` samples at most are read (the header's count if n is 0). The arena takes the layout and the state and outlives
 * the views. FER_CORRUPT for bytes without a header. */
FER_MUST_CHECK fer_code hist_iter_init(hist_iter *it, uint8_t encoding, fer_str chunk, uint32_t n,
                                       fer_arena *arena);
/* FER_END behind the last; FER_CORRUPT, FER_UNSUPPORTED for a schema nobody knows, FER_LIMIT from the arena. The reset
 * hint is unknown for a chunk's first sample, then "no reset"; gauge in all samples of a gauge chunk. */
FER_MUST_CHECK fer_code hist_iter_next(hist_iter *it);

/* As xor_decode(): appends the samples with mint <= t <= maxt, widened, with their start timestamps; reads no further
 * than the first sample past maxt. Samples before a fault are delivered. FER_LIMIT from out's account. */
FER_MUST_CHECK fer_code hist_decode(uint8_t encoding, fer_str chunk, uint32_t n, int64_t mint,
                                    int64_t maxt, samples *out);

/* ---- writing ---- */

typedef struct hist_chunk hist_chunk;

/* A chunk with its first sample. `prev` is the chunk before it, of the same kind and still open, or NULL when there is
 * none: from it comes whether the counter was reset. */
FER_NEVER_NULL hist_chunk *hist_chunk_new(const hist_chunk *prev, int64_t t, const hist_sample *s);
void hist_chunk_free(hist_chunk *c);
/* Adds a sample of the chunk's kind (integer or float), later than its last and sound: spans that ascend, with as many
 * buckets as they tell. Returns c; or, when the sample cannot be in this chunk, another that begins with it: c is then
 * complete and as it was. */
FER_NEVER_NULL hist_chunk *hist_chunk_append(hist_chunk *c, int64_t t, const hist_sample *s);

/* For those who append to many chunks in turn: has the processor fetch what the next append will need, the second what the first
 * had fetched tells of. */
void hist_chunk_prefetch(const hist_chunk *c);
void hist_chunk_prefetch_numbers(const hist_chunk *c);

uint8_t hist_chunk_encoding(const hist_chunk *c);
/* Valid until the next append. */
fer_str hist_chunk_bytes(const hist_chunk *c);
uint32_t hist_chunk_count(const hist_chunk *c);
/* The newest sample, in the chunk's layout; valid until the next append. */
const hist_sample *hist_chunk_last(const hist_chunk *c, int64_t *ret_t);
/* Memory held, for the ledger. */
size_t hist_chunk_memory(const hist_chunk *c);

/* ---- when the head begins a new chunk ---- */

/* Beside the chunk's owner, for each series. All zero: no chunk yet. */
typedef struct hist_cut {
    int64_t mint, maxt; /* of the open chunk */
    int64_t next_at;    /* a sample at or past this begins a new chunk */
    bool is_planned;    /* next_at was computed from the chunk's size */
} hist_cut;

/* A chunk begins with a sample at t because hist_cut_is_due() said so, or because it is the first. */
void hist_cut_begin(hist_cut *k, int64_t t, int64_t range_ms);
/* Whether the sample at t begins a new chunk, the open one having that many bytes and samples. */
bool hist_cut_is_due(hist_cut *k, int64_t t, size_t bytes, uint32_t n, int64_t range_ms);
/* The sample at t is in; `began`: hist_chunk_append() gave another chunk. */
void hist_cut_appended(hist_cut *k, int64_t t, bool began, int64_t range_ms);

#endif
