/* ref_set.h - a set of series refs, as ascending ranges: refs are handed out in order, so most stand side by
 * side.
 *
 * Add, then seal once, then ask. Asking for refs in ascending order costs no search.
 * Threads: one at a time.
 */
#ifndef FERULA_TSDB_REF_SET_H
#define FERULA_TSDB_REF_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

typedef struct ref_range {
    uint64_t first, last; /* both in the set */
} ref_range;

typedef struct ref_set {
    ref_range *r;
    size_t n, cap, at; /* at: the range asked last */
    fer_account *acct;
} ref_set;

/* acct (may be NULL) is charged, past its limit too. */
void ref_set_init(ref_set *s, fer_account *acct);
void ref_set_done(ref_set *s);
void ref_set_add(ref_set *s, uint64_t first, uint64_t last);
/* Sorts; ranges may overlap. */
void ref_set_seal(ref_set *s);
bool ref_set_has(ref_set *s, uint64_t ref);

#endif
