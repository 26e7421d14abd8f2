/* helpers_testing.h - threads for queries to borrow, in tests and benches.
 *
 * Threads: one query at a time.
 */
#ifndef FERULA_PROMQL_HELPERS_TESTING_H
#define FERULA_PROMQL_HELPERS_TESTING_H

#include "promql/promql.h"

typedef struct testing_helpers testing_helpers;

/* So many threads; min_work as in promql_helpers, 1 has even the smallest queries use them. Does not fail. */
testing_helpers *testing_helpers_new(unsigned threads, uint64_t min_work);
void testing_helpers_free(testing_helpers *t);
promql_helpers *testing_helpers_of(testing_helpers *t);
/* Threads lent ever. */
uint64_t testing_helpers_lent(testing_helpers *t);

#endif
