/* block_check.h - whether all of a block can be read. Threads: any. */
#ifndef FERULA_TSDB_BLOCK_CHECK_H
#define FERULA_TSDB_BLOCK_CHECK_H

#include "base/cancel.h"
#include "tsdb/block/block.h"

/* Reads every series and every chunk with its checksum. FER_CORRUPT with the first that is damaged; FER_CANCELED,
 * FER_TIMEOUT. */
FER_MUST_CHECK fer_code block_check(const block *b, const fer_cancel *cancel, fer_err *err);

#endif
