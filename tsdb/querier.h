/* querier.h - the one interface to stored samples (DESIGN D10, D13).
 *
 * A storage opens queriers over a time range; a querier selects series by matchers; a selection hands
 * out labels as syms ids and samples as arrays. The database implements it over head and blocks
 * (tsdb.h), promql's tests over memory (promql/memstore.h).
 *
 * At select a reader takes, under the head's lock, a pin per matched series, all at one published
 * commit, charged to the query; after that reading takes no lock.
 *
 * Threads: a querier and a selection's labels belong to one thread; selection_read() may run on
 * several threads at once, each with its own `samples`.
 * Lifetime: everything dies with the querier: querier_close().
 */
#ifndef FERULA_TSDB_QUERIER_H
#define FERULA_TSDB_QUERIER_H

#include "base/arena.h"
#include "base/cancel.h"
#include "base/err.h"
#include "tsdb/matcher.h"
#include "tsdb/samples.h"
#include "tsdb/syms.h"

/* What a query brings along; all of it outlives its queriers. */
typedef struct query_ctx {
    fer_arena *arena;   /* the query's memory */
    fer_account *acct;  /* the arena's account: sample arrays charge here */
    syms *syms;         /* label ids of this query */
    fer_cancel *cancel; /* may be NULL */
    bool sweep;         /* one pass over much data: mapped bytes are forgotten behind the reader */
} query_ctx;

/* Labels by name: those listed, or all but those. */
typedef struct label_choice {
    const fer_str *names;
    size_t n;
    bool others;
} label_choice;

typedef struct select_hints {
    int64_t mint, maxt; /* what will be read, ms, both ends inclusive */
    int64_t step_ms;    /* 0 for instant */
    int64_t range_ms;   /* of a range selector, else 0 */
    fer_str func;       /* innermost function or aggregation, may be empty */
    bool sorted;        /* series in label order; else any stable order (head: by ref) */
    uint64_t limit;     /* at most so many series, 0 = all */
    /* Of each series only the newest sample in [mint, maxt] counts: the others may be left out. */
    bool newest_only;
    /* The labels that will be looked at, __name__, __type__ and __unit__ among them; NULL: all. Others may be left out. */
    const label_choice *labels;
    /* No samples will be read; two ids may be of one text. */
    bool labels_only;
} select_hints;

/* A growing list of texts (warnings) in an arena. */
typedef struct str_list {
    fer_str *v;
    size_t n, cap;
} str_list;

typedef struct storage storage;
typedef struct querier querier;
typedef struct selection selection;

typedef struct querier_ops {
    fer_code (*select)(querier *q, const select_hints *h, const matcher *m, size_t nm,
                       selection **ret, fer_err *err);
    /* Unites *ret, which is sorted and unique, with the names, or values of `name`, of series that match all and have
     * data in the querier's range; with the first `limit` of them, 0 = all. The texts live until the querier closes. */
    fer_code (*label_names)(querier *q, const matcher *m, size_t nm, uint64_t limit, str_list *ret,
                            fer_err *err);
    fer_code (*label_values)(querier *q, fer_str name, const matcher *m, size_t nm, uint64_t limit,
                             str_list *ret, fer_err *err);
    void (*close)(querier *q);
} querier_ops;

struct querier {
    const querier_ops *ops;
    query_ctx ctx;
    int64_t mint, maxt; /* inclusive */
    str_list warnings;  /* damaged data left out, and the like */
};

typedef struct selection_ops {
    /* Label ids of series i, sorted by name text, valid until the next call on this selection.
     * NULL past the budget. */
    const label_id *(*labels)(selection *s, size_t i, size_t *ret_n);
    /* Appends the samples of series i with mint <= t <= maxt, ascending; nothing outside that range.
     */
    fer_code (*read)(selection *s, size_t i, int64_t mint, int64_t maxt, samples *out,
                     fer_err *err);
    /* Where labels() leaves some out (select_hints.labels), these look at all of a series but __name__, __type__ and
     * __unit__: a hash of them, and whether two series have the same. NULL where labels() gives all. */
    uint64_t (*rest_hash)(const selection *s, size_t i);
    bool (*rest_equal)(const selection *s, size_t i, size_t k);
} selection_ops;

struct selection {
    const selection_ops *ops;
    size_t n;       /* series; each has a distinct label set */
    bool in_memory; /* so are all labels: labels() cannot fail, and outlives the querier */
};

struct storage {
    fer_code (*open)(storage *st, const query_ctx *ctx, int64_t mint, int64_t maxt, querier **ret,
                     fer_err *err);
};

static inline fer_code storage_querier(storage *st, const query_ctx *ctx, int64_t mint,
                                       int64_t maxt, querier **ret, fer_err *err)
{
    return st->open(st, ctx, mint, maxt, ret, err);
}

static inline fer_code querier_select(querier *q, const select_hints *h, const matcher *m,
                                      size_t nm, selection **ret, fer_err *err)
{
    return q->ops->select(q, h, m, nm, ret, err);
}

static inline fer_code querier_label_names(querier *q, const matcher *m, size_t nm, uint64_t limit,
                                           str_list *ret, fer_err *err)
{
    return q->ops->label_names(q, m, nm, limit, ret, err);
}

static inline fer_code querier_label_values(querier *q, fer_str name, const matcher *m, size_t nm,
                                            uint64_t limit, str_list *ret, fer_err *err)
{
    return q->ops->label_values(q, name, m, nm, limit, ret, err);
}

static inline void querier_close(querier *q)
{
    if (q != NULL)
        q->ops->close(q);
}

static inline const label_id *selection_labels(selection *s, size_t i, size_t *ret_n)
{
    return s->ops->labels(s, i, ret_n);
}

static inline fer_code selection_read(selection *s, size_t i, int64_t mint, int64_t maxt,
                                      samples *out, fer_err *err)
{
    return s->ops->read(s, i, mint, maxt, out, err);
}

/* Room for so many more. FER_LIMIT past the budget. */
FER_MUST_CHECK fer_code str_list_reserve(str_list *l, fer_arena *a, size_t more, fer_err *err);
/* Unites a sorted list without repetitions with another, whose texts are not copied. FER_LIMIT past the budget. */
FER_MUST_CHECK fer_code str_list_unite(str_list *l, fer_arena *a, const fer_str *v, size_t n,
                                       fer_err *err);
/* Appends a text (copied to the arena). FER_LIMIT past the budget. */
FER_MUST_CHECK fer_code str_list_add(str_list *l, fer_arena *a, fer_str text, fer_err *err);

#endif
