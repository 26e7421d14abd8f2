/* head_select.h - from matchers to the slots of the head's series that satisfy all.
 *
 * A matcher becomes a set of label pairs: one that does not accept the empty string asks for one of its
 * pairs, one that does forbids the pairs it does not accept (a series without the label passes). Regexes
 * are matched against a label's values, not against series, and mostly before any lock is taken: against all
 * values, or, where other matchers leave fewer series than there are values, against those that these have.
 */
#ifndef FERULA_TSDB_HEAD_SELECT_H
#define FERULA_TSDB_HEAD_SELECT_H

#include "base/cancel.h"
#include "tsdb/head/head.h"
#include "tsdb/head/value_set.h"

/* The pairs a matcher asks for or forbids. */
typedef struct pair_set {
    value_set values;
    uint32_t name;   /* DICT_NONE while unknown */
    uint32_t *pairs; /* in the arena */
    uint32_t n, cap;
    uint32_t seen, next_pair,
        reorders; /* the name's values when they were judged; newer pairs have ids from next_pair on */
    uint64_t total; /* length of all lists together */

    /* Of a set that is judged by the candidates of the others: the pairs known so far, and those that are in
     * the set; bits by pair. */
    bool late;
    uint64_t *known, *in;
    uint32_t n_bits;
} pair_set;

typedef struct head_select {
    head *h;
    const head_names *names; /* the pairs are of */
    fer_arena *tmp;          /* freed by the caller after use */
    const fer_cancel *cancel;
    pair_set *sets;
    size_t n;
} head_select;

typedef struct slot_list {
    uint32_t *v;
    size_t n;
} slot_list;

/* Judges the values known so far; takes mu for moments. The names are kept by the caller. FER_LIMIT,
 * FER_CANCELED, FER_TIMEOUT. */
FER_MUST_CHECK fer_code head_select_prepare(head_select *s, head *h, const head_names *names,
                                            fer_arena *tmp, const fer_cancel *cancel,
                                            const matcher *m, size_t nm, fer_err *err);
/* The published slots that match, in tmp, in the order they came or by number; empty ones may be among them.
 * When the head has other names by now, the values are judged again. Under publish and mu. */
FER_MUST_CHECK fer_code head_select_slots(head_select *s, slot_list *ret, fer_err *err);

#endif
