/* wbl_truncate.h - the log of samples out of order made shorter. */
#ifndef FERULA_TSDB_WBL_TRUNCATE_H
#define FERULA_TSDB_WBL_TRUNCATE_H

#include "base/vfs.h"

/* Removes the segments before `segment`, whose samples are all in blocks: the lowest first, each durably, so that a crash
 * leaves no gap. Where none is behind them the last is kept, empty: promtool takes a wbl/ without a segment for broken. */
FER_MUST_CHECK fer_code wbl_remove_before(vfs *fs, const char *dir, uint64_t segment, fer_err *err);

#endif
