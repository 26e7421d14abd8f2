/* lset.h - label sets inside a query: arrays of (name id, value id) sorted by name text.
 *
 * Sets are compared and hashed by ids. A map keys by whole sets and compares them exactly.
 */
#ifndef FERULA_PROMQL_EXEC_LSET_H
#define FERULA_PROMQL_EXEC_LSET_H

#include "promql/exec/query.h"

typedef struct lset {
    const label_id *l;
    size_t n;
} lset;

static inline bool lset_eq(lset a, lset b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.l, b.l, a.n * sizeof *a.l) == 0);
}

uint64_t lset_hash(lset s);
/* The value id of a name; 0 (the empty text) when absent. */
uint32_t lset_get(lset s, uint32_t name);
fer_str lset_get_text(const query *q, lset s, uint32_t name);
/* A copy in scratch; .l NULL with q->err filled past the budget. */
lset lset_dup(query *q, lset s);
/* As labels of text, in `a`; .l NULL past the budget. */
labels lset_texts(const query *q, lset s, fer_arena *a);

/* As Prometheus writes a metric, in scratch. */
fer_str lset_print(query *q, lset s);

/* A list of names to keep or to drop. */
typedef struct lset_names {
    uint32_t *ids;
    size_t n;
} lset_names;

FER_MUST_CHECK fer_code lset_names_make(query *q, const fer_str *texts, size_t n, lset_names *ret);

/* Writing sets. The buffer grows as needed and is reused. */
typedef struct lset_buf {
    label_id *l;
    size_t n, cap;
} lset_buf;

static inline lset lset_of(const lset_buf *b)
{
    return (lset){b->l, b->n};
}

FER_MUST_CHECK fer_code lset_set_to(query *q, lset_buf *b, lset s);
FER_MUST_CHECK fer_code lset_keep(query *q, lset_buf *b, lset s, const lset_names *names);
FER_MUST_CHECK fer_code lset_drop(query *q, lset_buf *b, lset s, const lset_names *names,
                                  bool drop_name);
/* Without __name__, __type__ and __unit__. */
FER_MUST_CHECK fer_code lset_drop_metric(query *q, lset_buf *b, lset s);
bool lset_has_metric(const query *q, lset s);
/* Sets a label of the buffer; value 0 removes it. */
FER_MUST_CHECK fer_code lset_put(query *q, lset_buf *b, uint32_t name, uint32_t value);

/* ---- sets to consecutive numbers from 0 ---- */

typedef struct lset_map {
    uint32_t *slots; /* number + 1; 0 is free */
    size_t n_slots;
    uint64_t *hashes;
    lset *keys; /* copies in scratch */
    size_t n, cap;
} lset_map;

/* The number of the set, *ret_new when it was not there before. */
FER_MUST_CHECK fer_code lset_map_add(query *q, lset_map *m, lset s, uint32_t *ret, bool *ret_new);
/* UINT32_MAX when absent. */
uint32_t lset_map_find(const lset_map *m, lset s);

/* ---- finding the same set twice at one step ---- */

/* Remembers sets by a 128-bit hash of their ids (which the query hands out itself) and the steps at
 * which each was seen: a few bytes a series where the sets would take a hundred. */
typedef struct lset_guard {
    struct guard_slot *slots;
    size_t n_slots, n, n_steps;
    uint64_t *has; /* bits_words(n_steps) words a slot */
} lset_guard;

/* n_steps 0: the set alone counts, whatever its steps. */
void lset_guard_init(lset_guard *g, size_t n_steps);
/* Adds the set to those of `group`. *ret is the first step at which it was there before, SIZE_MAX when there is none. */
FER_MUST_CHECK fer_code lset_guard_seen(query *q, lset_guard *g, uint32_t group, lset s,
                                        const uint64_t *has, size_t *ret);
/* The same, all of one group; seen before is FER_INVALID "vector cannot contain metrics with the same labelset". */
FER_MUST_CHECK fer_code lset_guard_add(query *q, lset_guard *g, lset s, const uint64_t *has);

/* ---- steps by set ---- */

/* For each set (say, a matching signature) the steps at which something was seen. */
typedef struct lset_steps {
    lset_map map;
    uint64_t *has; /* bits_words(n_steps) words a set */
    size_t cap, n_steps;
} lset_steps;

/* The steps of the set, empty when new; valid until the next add. */
FER_MUST_CHECK fer_code lset_steps_add(query *q, lset_steps *m, lset s, uint64_t **ret);
/* NULL when absent. */
uint64_t *lset_steps_find(const lset_steps *m, lset s);

#endif
