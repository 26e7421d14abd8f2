/* hist_math.h - arithmetic of native histograms, with the bits of Prometheus' results.
 *
 * A `hist` is a histogram being computed: buckets as sorted indexes with a count and, while a compensated
 * sum is under way, a compensation each. Operands are read from stored histograms. Histograms of different
 * schemas meet in the coarser one, zero buckets of different width in one wide enough for both, custom
 * bounds in those they have in common. A bucket of count 0 is part of the layout until hist_compact().
 *
 * Memory comes from the arena given to hist_init(); FER_LIMIT past its budget, then the hist is unusable.
 * Threads: one at a time.
 */
#ifndef FERULA_PROMQL_HIST_MATH_H
#define FERULA_PROMQL_HIST_MATH_H

#include "base/arena.h"
#include "promql/hist_cursor.h"
#include "promql/kahan.h"

typedef struct hist_side {
    int32_t *index;
    double *v, *c; /* counts and compensations, these undefined where hist.compensated is false */
    bool *
        start; /* a span begins at this bucket: how Prometheus lays buckets out is seen in what it counts as read */
    uint32_t n, cap;
    /* The spans of the histogram this was loaded from, while the buckets are still those. */
    histogram_span *spans;
    uint32_t n_spans, spans_cap;
    bool as_loaded;
    double first_end; /* upper end of the first bucket, as loaded; NaN: not known */
} hist_side;

typedef struct hist {
    fer_arena *a;
    int32_t schema;
    uint8_t reset_hint; /* histogram_reset_hint */
    bool compensated;   /* compensations mean something */
    double zero_threshold;
    kahan zero, count, sum;
    hist_side pos, neg;
    double *custom;
    uint32_t n_custom, custom_cap;
} hist;

/* What adding found; callers turn it into annotations. */
enum {
    HIST_COLLISION = 1,  /* one operand says it was reset, the other that it was not */
    HIST_RECONCILED = 2, /* custom bounds differed */
};

void hist_init(hist *h, fer_arena *a);
/* Becomes a copy of the histogram. */
FER_MUST_CHECK fer_code hist_load(hist *h, const histogram *from);
FER_MUST_CHECK fer_code hist_assign(hist *to, const hist *from);
/* A histogram in the arena, compensations left out. */
FER_MUST_CHECK fer_code hist_store(const hist *h, fer_arena *a, const histogram **ret);
/* A deep copy. */
FER_MUST_CHECK fer_code histogram_copy(const histogram *h, fer_arena *a, const histogram **ret);

/* FER_INVALID for exponential against custom buckets; then nothing has changed. *notes gains HIST_ bits. */
FER_MUST_CHECK fer_code hist_add(hist *h, const histogram *other, unsigned *notes);
FER_MUST_CHECK fer_code hist_sub(hist *h, const histogram *other, unsigned *notes);
/* Adds with compensation. */
FER_MUST_CHECK fer_code hist_sum(hist *h, const histogram *other, unsigned *notes);
/* Becomes the compensated sum of n > 0 histograms, in their order. */
FER_MUST_CHECK fer_code hist_sum_all(hist *h, const histogram *const *x, size_t n, unsigned *notes);
/* Becomes what lay between x at time tx and y at ty, linearly; a counter that was reset between them rose
 * from nothing. *taken and *added gain the notes of its subtraction and its addition. */
FER_MUST_CHECK fer_code hist_between(hist *h, const histogram *x, int64_t tx, const histogram *y,
                                     int64_t ty, int64_t t, bool counter, unsigned *taken,
                                     unsigned *added);
/* Ends a compensated sum: compensations join the counts. */
void hist_settle(hist *h);

/* By a negative number the result is a gauge; divided by 0 it has no buckets. */
void hist_scale(hist *h, double factor);
void hist_divide(hist *h, double by);
/* To a coarser schema; nothing for a finer one. */
void hist_reduce(hist *h, int32_t schema);
/* Drops empty buckets. */
void hist_compact(hist *h);
/* Any infinite number in it. */
bool hist_overflows(const hist *h);
/* Keeps the observations below (`below`) or above the cut, as far as buckets tell (hist_trim.c). */
void hist_trim(hist *h, double cut, bool below);

/* ---- the mean of several (hist_mean.c): their sum over their number, until it overflows; then updated one by one ---- */

typedef struct hist_mean {
    hist h, tmp;
    double n;
    double most; /* no number of the sum can be larger */
    bool incremental;
} hist_mean;

void hist_mean_init(hist_mean *m, fer_arena *a);
/* Forgets what was added; the memory stays. */
void hist_mean_begin(hist_mean *m);
FER_MUST_CHECK fer_code hist_mean_add(hist_mean *m, const histogram *x, unsigned *notes);
/* m->h becomes the mean. */
void hist_mean_finish(hist_mean *m);

/* ---- comparing stored histograms (hist_reset.c) ---- */

/* `now` cannot be a later state of the counter `before`: its hint says so, or something in it shrank. */
bool histogram_was_reset(const histogram *now, const histogram *before);
/* The same layout (empty buckets included) and the same bits; hints do not count. */
bool histogram_same(const histogram *a, const histogram *b);

/* The zero bucket widened to *threshold takes in the buckets below it; where the threshold would cut a
 * populated bucket, it moves to that one's end. */
kahan histogram_widen_zero(const histogram *h, double *threshold);

#endif
