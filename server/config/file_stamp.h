/* file_stamp.h - whether a file may have changed: one stat(), cheap enough for each request. */
#ifndef FERULA_SERVER_CONFIG_FILE_STAMP_H
#define FERULA_SERVER_CONFIG_FILE_STAMP_H

#include <stdbool.h>
#include <stdint.h>

/* All 0: no such file. */
typedef struct file_stamp {
    int64_t modified_ns, changed_ns;
    uint64_t size, inode, device;
} file_stamp;

/* An empty path has the stamp of a file that is not there. */
file_stamp file_stamp_of(const char *path);
bool file_stamp_eq(const file_stamp *a, const file_stamp *b);

#endif
