/* wal_dir.h - names of the files of a WAL directory. Threads: any. */
#ifndef FERULA_TSDB_WAL_DIR_H
#define FERULA_TSDB_WAL_DIR_H

#include <limits.h>

#include "tsdb/wal/wal.h"

/* The numbers of the checkpoints, ascending, in the arena. */
FER_MUST_CHECK fer_code wal_list_checkpoints(vfs *fs, const char *dir, fer_arena *a, uint64_t **ret,
                                             size_t *ret_n, fer_err *err);
FER_MUST_CHECK fer_code wal_segment_path(char ret[PATH_MAX], const char *dir, uint64_t segment,
                                         fer_err *err);

#endif
