/* db_querier.h - the whole database as a storage for queries: head and blocks, merged. */
#ifndef FERULA_TSDB_DB_QUERIER_H
#define FERULA_TSDB_DB_QUERIER_H

#include "tsdb/block/block_set.h"
#include "tsdb/head/head.h"
#include "tsdb/querier.h"

FER_MUST_CHECK fer_code db_querier_open(head *h, block_set *blocks, const query_ctx *ctx,
                                        int64_t mint, int64_t maxt, querier **ret, fer_err *err);

#endif
