/* vfs_crash.h - the disks that a crash can leave, from the record of what was done; for tests.
 *
 * A life is run once on a vfs_fault that records. Here it is lived again step by step, and at every step the
 * disks are made that a crash then can leave (vfs_disk.h tells the model). Like ALICE (OSDI 2014), but below
 * the vfs table. Disks that equal one made before are left out as long as the caller's `epoch`, what it demands of them, is
 * the same.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_BASE_VFS_CRASH_H
#define FERULA_BASE_VFS_CRASH_H

#include "base/vfs_fault.h"

typedef struct vfs_crash vfs_crash;

typedef enum vfs_crash_depth {
    CRASH_SHORT, /* all, nothing, names without bytes, bytes without names, one torn write, one by chance */
    CRASH_FULL, /* and each edge of sectors, each unsynced change alone and missing, more by chance */
} vfs_crash_depth;

/* Begins on the disk as it is now. Its unsynced state counts unless all is made durable by vfs_crash_settled(). */
vfs_crash *vfs_crash_new(vfs_fault *begin, vfs_crash_depth depth);
void vfs_crash_free(vfs_crash *c); /* NULL is fine */

/* The disk after an orderly stop of the machine, new; files of the old one stay open there. The caller owns it. */
vfs_fault *vfs_crash_settled(vfs_fault *f, fer_clock *clock);
/* The disk after the process died and the machine lives on: what no sync has carried is still in the cache. */
vfs_fault *vfs_crash_killed(vfs_fault *f, fer_clock *clock);

/* Lives one more op, which must be one of the disk that the crash began with; one that failed changes nothing. */
void vfs_crash_apply(vfs_crash *c, const vfs_fault_op *op);

typedef struct vfs_crash_image {
    vfs_fault *disk;  /* the caller owns it */
    const char *what; /* how it came to be, for people; valid until the next call */
    bool killed;      /* the process died, the cache lives */
} vfs_crash_image;

/* The next disk that a crash at this place leaves; false when there is no further one. */
bool vfs_crash_next(vfs_crash *c, uint64_t epoch, fer_clock *clock, vfs_crash_image *ret);
/* Disks found to equal one before. */
uint64_t vfs_crash_equal(const vfs_crash *c);

#endif
