/* stage.h - judging a request's rows and turning the good ones into WAL records of the open batch.
 *
 * Threads: stage_request() takes head->mu for the whole request.
 */
#ifndef FERULA_TSDB_STAGE_H
#define FERULA_TSDB_STAGE_H

#include "tsdb/wal/commit.h"

/* What tsdb_stage() was given. */
typedef struct stage_request {
    tsdb_rows rows;
    tsdb_labels_fn parse;
    void *parse_arg;
    fer_arena *scratch;
    tsdb_done_fn done;
    void *done_arg;
    int64_t now_ms;
} stage_request;

FER_MUST_CHECK fer_code stage_request_take(committer *c, const stage_request *req,
                                           tsdb_report *report, fer_err *err);

#endif
