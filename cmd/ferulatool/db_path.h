/* db_path.h - a data directory on the command line: its blocks by name. Threads: any. */
#ifndef FERULA_CMD_FERULATOOL_DB_PATH_H
#define FERULA_CMD_FERULATOOL_DB_PATH_H

#include "base/arena.h"
#include "tsdb/block/block_meta.h"

/* Fails with promtool's text when there is no such directory. */
FER_MUST_CHECK fer_code db_path_check(const char *path, fer_err *err);
/* The names that are those of blocks, ascending, in the arena. */
FER_MUST_CHECK fer_code db_path_blocks(const char *path, fer_arena *a, ulid **ret, size_t *ret_n,
                                       fer_err *err);
/* Prints the error, and why it hurt, on standard error; returns the exit code. */
int db_path_fail(const fer_err *err);

#endif
