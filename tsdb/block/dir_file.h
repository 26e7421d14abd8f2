/* dir_file.h - paths of files in a folder, and a file replaced as a whole. Threads: any. */
#ifndef FERULA_TSDB_DIR_FILE_H
#define FERULA_TSDB_DIR_FILE_H

#include <limits.h>

#include "base/str.h"
#include "base/vfs.h"

/* dir/name; FER_LIMIT when it is longer than the system takes. */
FER_MUST_CHECK fer_code dir_file_path(char ret[PATH_MAX], const char *dir, const char *name,
                                      fer_err *err);
/* Writes dir/name by way of dir/name.tmp: after a crash the old file or the new one is there; on return
 * it is durable. */
FER_MUST_CHECK fer_code dir_file_replace(vfs *fs, const char *dir, const char *name, fer_str bytes,
                                         fer_err *err);
/* Maps the file; an empty one has p NULL. */
FER_MUST_CHECK fer_code dir_file_map(vfs *fs, const char *dir, const char *name, vfs_map *ret,
                                     fer_err *err);

#endif
