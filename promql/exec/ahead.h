/* ahead.h - the series of a leaf evaluated ahead of it, by its own thread and by borrowed ones.
 *
 * A leaf is an operator that reads a selection: a selector, or a range function over one. Pulled, it evaluates one
 * series after the other. When much work lies before it and threads can be borrowed (promql_helpers), batches of
 * series are evaluated by whoever is free, each thread with a copy of the leaf, and the leaf takes the outcomes in the
 * order of the selection. Only values are computed ahead. Labels, annotations, counts, limits and errors stay with the
 * leaf, so that none depends on how many threads there are or when they run. A series of which there is more to say
 * than floats (histograms, an annotation, an error) is evaluated once more, by the leaf itself.
 *
 * Memory: some 128 KiB for each of two batches a thread, charged to the query.
 * Threads: the functions are for the query's own thread. Of the leaf, borrowed threads use only their copies.
 */
#ifndef FERULA_PROMQL_EXEC_AHEAD_H
#define FERULA_PROMQL_EXEC_AHEAD_H

#include "promql/exec/source.h"

/* What one series gives. */
typedef struct ahead_series {
    double *v; /* a column as in a vec, all steps long, and its steps, none to begin with */
    uint64_t *has;
    uint32_t *lo,
        *hi; /* where `windows` says so: what samples each step from `from` to `to` looked at */
    size_t from, to;
    size_t n_samples;     /* decoded */
    uint64_t total, read; /* samples looked at */
    uint64_t overlaps;
    bool again; /* it is for the leaf to evaluate */
} ahead_series;

typedef struct ahead_ops {
    /* A copy of the leaf, in q->scratch, that works for q and shares with the leaf only what no longer changes. */
    fer_code (*copy)(void *leaf, query *q, void **ret);
    /* Evaluates series i of the selection. Not FER_OK: the leaf does it. q->annos is NULL, which refuses annotations. */
    fer_code (*evaluate)(void *copy, size_t i, ahead_series *ret);
} ahead_ops;

/* In the leaf, zeroed but for the first six. */
typedef struct ahead_reader {
    const ahead_ops *ops;
    void *leaf;
    query *q;
    const grid *g;
    source_cursor *cur; /* NULL: the leaf is always alone */
    bool windows;       /* it wants lo and hi */
    uint64_t spent;     /* the leaf's work alone, in samples and steps, on so many series */
    size_t n_alone;
    struct ahead_run *run; /* NULL: alone */
    bool over;             /* and so to the end */
} ahead_reader;

/* The outcome of the next series, valid until the next call, the cursor behind it. *ret NULL: the leaf evaluates the one at
 * the cursor, if there is one left, and tells ahead_alone(). */
FER_MUST_CHECK fer_code ahead_next(ahead_reader *a, const ahead_series **ret);

/* Finding a series and its chunks costs as much as so many samples. */
enum { AHEAD_SERIES_WORK = 64 };

/* The leaf has evaluated a series of so many samples. With histograms among them it goes on alone to the end. */
static inline void ahead_alone(ahead_reader *a, size_t n_samples, bool histograms)
{
    a->over = a->over || histograms;
    a->spent += n_samples + a->g->n + AHEAD_SERIES_WORK;
    a->n_alone++;
}

#endif
