/* run.h - what every reading request needs: an account, an arena, symbols, a token, a querier. */
#ifndef FERULA_SERVER_API_RUN_H
#define FERULA_SERVER_API_RUN_H

#include "server/app.h"

typedef struct query_run {
    app *a;
    fer_account acct;
    fer_arena *arena;
    query_ctx ctx;
    const config *config; /* in force when the request began */
    promql_limits limits;
} query_run;

/* The caller owns *ret: query_run_free(). The request's token becomes the run's, with the deadline
 * timeout_ms from now (0: the server's --query.timeout; below 0: at once). */
query_run *query_run_new(app *a, http_req *r, int64_t timeout_ms);
void query_run_free(query_run *q);

/* match[] parameters parsed; FER_INVALID with the text of the first that is wrong. */
typedef struct match_set {
    matcher *m;
    size_t n;
} match_set;
FER_MUST_CHECK fer_code api_selectors(query_run *q, http_req *r, match_set **ret, size_t *ret_n,
                                      fer_err *err);
/* The same, and each selects something by a text that is not empty. */
FER_MUST_CHECK fer_code api_matchers(query_run *q, http_req *r, match_set **ret, size_t *ret_n,
                                     fer_err *err);

#endif
