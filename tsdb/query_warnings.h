/* query_warnings.h - what an answer will say about data it could not read.
 *
 * Samples may be read on several threads (querier.h), so texts are added under a lock and kept in an arena
 * of their own, which dies with the query's. Each text once, WARNINGS_MAX of them.
 * Threads: query_warn from any; the list is read when all reading has ended.
 */
#ifndef FERULA_TSDB_QUERY_WARNINGS_H
#define FERULA_TSDB_QUERY_WARNINGS_H

#include "base/thread.h"
#include "tsdb/querier.h"

enum { WARNINGS_MAX = 10, RANK_QUERY_WARNINGS = 200 };

typedef struct query_warnings {
    fer_mutex mu;
    fer_arena *arena;
    str_list *list;
} query_warnings;

/* In the query's arena, freed with it; texts go to *list. NULL past the budget. */
query_warnings *query_warnings_new(const query_ctx *ctx, str_list *list);
void query_warn(query_warnings *w, const char *fmt, ...) FER_PRINTF(2, 3);

#endif
