/* exemplars.h - the newest exemplars of all series, in a ring of fixed size; durable through the log alone.
 *
 * A full ring forgets its oldest. The exemplars of a series ascend by time, then value, then labels; which series there
 * are follows from the ring. As Prometheus has it.
 *
 * Threads: any; a lock of its own (rank RANK_EXEMPLARS), never held across I/O.
 */
#ifndef FERULA_TSDB_EXEMPLARS_H
#define FERULA_TSDB_EXEMPLARS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "tsdb/labels.h"
#include "tsdb/matcher.h"

enum { RANK_EXEMPLARS = 120, EXEMPLAR_RUNES_MAX = 128 };

typedef struct exemplar {
    labels ls;
    double v;
    int64_t t; /* ms */
} exemplar;

typedef enum exemplar_verdict {
    EXEMPLAR_NEW,
    EXEMPLAR_DUPLICATE, /* equal to the newest of its series */
    EXEMPLAR_OUT_OF_ORDER,
    EXEMPLAR_TOO_LONG, /* more than EXEMPLAR_RUNES_MAX characters of labels */
    EXEMPLAR_OFF,      /* none are kept */
} exemplar_verdict;

typedef struct exemplar_store exemplar_store;

/* Keeps max exemplars, none with 0. Memory is taken as they come, on the account; the key outlives it. */
exemplar_store *exemplar_store_new(size_t max, const fer_hash_key *key, fer_account *acct);
void exemplar_store_free(exemplar_store *s); /* NULL is fine */

/* Another size; of too many the oldest are forgotten. */
void exemplar_store_resize(exemplar_store *s, size_t max);

/* What add would say now. */
exemplar_verdict exemplar_store_check(exemplar_store *s, labels series, const exemplar *e);
/* Copies; keeps only what is new. */
exemplar_verdict exemplar_store_add(exemplar_store *s, labels series, const exemplar *e);

/* The exemplars of one series, ascending. */
typedef struct exemplar_series {
    labels series;
    exemplar *v;
    size_t n;
} exemplar_series;

/* The series that match all matchers of one of the sets and have exemplars in [mint, maxt], ascending by labels; copies
 * in the arena. FER_LIMIT from it. */
typedef struct exemplar_matchers {
    const matcher *m;
    size_t n;
} exemplar_matchers;
FER_MUST_CHECK fer_code exemplar_store_select(exemplar_store *s, int64_t mint, int64_t maxt,
                                              const exemplar_matchers *sets, size_t n_sets,
                                              fer_arena *a, exemplar_series **ret, size_t *ret_n,
                                              fer_err *err);

typedef struct exemplar_stats {
    uint64_t appended, out_of_order; /* since the start */
    size_t exemplars, series, max;
    int64_t oldest_t; /* of the ring; 0 while it is empty */
} exemplar_stats;
void exemplar_stats_get(exemplar_store *s, exemplar_stats *ret);

#endif
