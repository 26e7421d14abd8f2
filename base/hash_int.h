/* hash_int.h - the forms of the keyed hash, for its tests. */
#ifndef FERULA_BASE_HASH_INT_H
#define FERULA_BASE_HASH_INT_H

#include "base/hash.h"

enum { HASH_AES_MIN = 16 }; /* shorter texts go by XXH3 in every form */

/* By what the processor has; each includes those before. Both of AES give the same. */
typedef enum hash_form { HASH_XXH3, HASH_AES, HASH_WIDE_AES } hash_form;

/* What fer_hash_keyed() uses. */
hash_form hash_best_form(void);
/* form: at most hash_best_form(). */
fer_hash128 hash_keyed_by(hash_form form, const fer_hash_key *key, const void *p, size_t n);

#endif
