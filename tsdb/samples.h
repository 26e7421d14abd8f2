/* samples.h - decoded samples of one series, as arrays: the currency between storage and PromQL.
 *
 * Ascending timestamps, each once. While a series holds floats only (`type` NULL) loops read t[] and
 * v[] alone. A histogram sample has its place in h[] and v[i] is undefined; h[i] is NULL for floats.
 * Stale markers are delivered as samples; PromQL tells them by sample_is_stale(). A stale histogram
 * is told by its sum.
 *
 * Decoders that write the arrays themselves reserve, fill t[] and v[] behind n, then call
 * samples_commit_floats().
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_SAMPLES_H
#define FERULA_TSDB_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "tsdb/histogram.h"

typedef enum sample_type {
    SAMPLE_FLOAT = 0,
    SAMPLE_HISTOGRAM,       /* was an integer histogram */
    SAMPLE_FLOAT_HISTOGRAM, /* was a float histogram */
} sample_type;

typedef struct samples {
    size_t n, cap;
    int64_t *t; /* milliseconds */
    double *v;
    uint8_t *type;         /* sample_type per sample; NULL = all floats */
    const histogram **h;   /* parallel to type; NULL = all floats */
    int64_t *st;           /* start timestamps, ms, 0 unknown; NULL = all unknown */
    fer_account *acct;     /* charged with the arrays' bytes; may be NULL */
    fer_arena *histograms; /* where h[] point to; samples_arena() makes it, NULL before */
} samples;

void samples_init(samples *s, fer_account *acct);
/* n = 0, types, start timestamps and histograms forgotten; keeps the memory of t[] and v[]. */
void samples_clear(samples *s);
void samples_done(samples *s);
/* Room for `extra` more samples behind n. FER_LIMIT when the account refuses; nothing changes then. */
FER_MUST_CHECK fer_code samples_reserve(samples *s, size_t extra);
FER_MUST_CHECK fer_code samples_add(samples *s, int64_t t, double v);
/* Takes in k floats written at t[n], v[n]; within the room reserved. */
void samples_commit_floats(samples *s, size_t k);

/* Takes out the samples [from, to); those behind move up. */
void samples_remove(samples *s, size_t from, size_t to);
/* The samples from `from` on become the n at the given positions, in that order; positions are not below
 * `from`, each at most once. FER_LIMIT when the account refuses the copy this takes; nothing changes then. */
FER_MUST_CHECK fer_code samples_pick(samples *s, size_t from, const size_t *pick, size_t n);

/* Appends a histogram of the given type; h outlives the samples (see samples_arena). */
FER_MUST_CHECK fer_code samples_add_histogram(samples *s, int64_t t, sample_type type,
                                              const histogram *h);
/* As samples_reserve(), with the arrays for histograms, for decoders that write those: they fill t[] and h[] at n, then commit. */
FER_MUST_CHECK fer_code samples_reserve_histograms(samples *s, size_t extra);
/* Takes in a histogram written at t[n], h[n]; within that room. */
static inline void samples_commit_histogram(samples *s, sample_type type)
{
    s->v[s->n] = 0;
    s->type[s->n] = (uint8_t)type;
    if (s->st != NULL)
        s->st[s->n] = 0;
    s->n++;
}
/* Sets the start timestamp of the sample i < n. */
FER_MUST_CHECK fer_code samples_set_start(samples *s, size_t i, int64_t st);
/* The arena for histograms read into these samples; emptied by samples_clear(). */
fer_arena *samples_arena(samples *s);

/* Special values (FORMAT.md): compared by bits, never by arithmetic. */
#define STALE_NAN_BITS 0x7ff0000000000002ULL
#define NORMAL_NAN_BITS 0x7ff8000000000001ULL

static inline uint64_t f64_bits(double v)
{
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

static inline double f64_of_bits(uint64_t b)
{
    double v;
    memcpy(&v, &b, sizeof v);
    return v;
}

static inline bool sample_is_stale(double v)
{
    return f64_bits(v) == STALE_NAN_BITS;
}

#endif
