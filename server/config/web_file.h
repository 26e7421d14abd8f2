/* web_file.h - the files that a web configuration names: where they lie and what is in them. */
#ifndef FERULA_SERVER_CONFIG_WEB_FILE_H
#define FERULA_SERVER_CONFIG_WEB_FILE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* The whole of a small file into the arena, with the errors of Go's os.ReadFile: "open x: no such file or directory". */
FER_MUST_CHECK fer_code web_file_read(const char *path, fer_arena *a, fer_str *ret, fer_err *err);
/* A relative path lies in the folder of `file`. *path becomes one that ends with a NUL, in the arena. */
FER_MUST_CHECK fer_code web_file_resolve(fer_str *path, const char *file, fer_arena *a,
                                         fer_err *err);

#endif
