/* vfs_read_only.h - another file system, on which nothing can be made, changed or removed.
 *
 * Files are the other's; opening one for writing, and every call that changes names, fails with FER_UNSUPPORTED.
 * Threads: as the other.
 */
#ifndef FERULA_BASE_VFS_READ_ONLY_H
#define FERULA_BASE_VFS_READ_ONLY_H

#include "base/vfs.h"

typedef struct vfs_read_only {
    vfs base;
    vfs *inner;
} vfs_read_only;

/* ro is used in place and outlives its users. */
void vfs_read_only_init(vfs_read_only *ro, vfs *inner);

#endif
