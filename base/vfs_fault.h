/* vfs_fault.h - a disk in memory that fails, fills up and crashes as told; for tests.
 *
 * What survives a crash and what a failed sync loses is told in vfs_disk.h. Every call of the vfs
 * table counts, and may be made to fail by one rule. A mapping is a copy of the file as it was at
 * the call, so that sanitizers see reads past its end; writes made later do not show in it.
 * Threads: the vfs as vfs.h says; the calls here too.
 */
#ifndef FERULA_BASE_VFS_FAULT_H
#define FERULA_BASE_VFS_FAULT_H

#include "base/clock.h"
#include "base/rng.h"
#include "base/vfs.h"

typedef struct vfs_fault vfs_fault;

typedef enum vfs_call {
    VFS_CALL_OPEN,
    VFS_CALL_STAT,
    VFS_CALL_LIST,
    VFS_CALL_MKDIR,
    VFS_CALL_RMDIR,
    VFS_CALL_UNLINK,
    VFS_CALL_RENAME,
    VFS_CALL_LINK,
    VFS_CALL_SYNC_DIR,
    VFS_CALL_FREE_BYTES,
    VFS_CALL_LOCK,
    VFS_CALL_PREAD,
    VFS_CALL_PWRITE,
    VFS_CALL_SYNC,
    VFS_CALL_TRUNCATE,
    VFS_CALL_SIZE,
    VFS_CALL_MAP,
    VFS_CALL_ANY, /* any of the above; also their number */
} vfs_call;

/* clock gives files their mtime; NULL: always 0. Empty, 1 TiB. */
vfs_fault *vfs_fault_new(fer_clock *clock);
/* As above, on a disk; takes it over. */
struct disk;
vfs_fault *vfs_fault_new_on(struct disk *d, fer_clock *clock);
/* The disk, for vfs_crash.c; no call of the vfs may run meanwhile. */
struct disk *vfs_fault_disk(vfs_fault *f);
/* All files must be closed and all mappings ended. */
void vfs_fault_free(vfs_fault *f);
vfs *vfs_fault_fs(vfs_fault *f);

/* Calls so far, those that failed included. */
uint64_t vfs_fault_count(vfs_fault *f, vfs_call kind);
const char *vfs_call_name(vfs_call kind);

typedef struct vfs_fault_rule {
    vfs_call kind;
    uint64_t nth;      /* 1 = the next matching call */
    bool from_then_on; /* that call and all matching ones after it; else only that one */
    int sys;           /* the errno: EIO, ENOSPC, EMFILE, ... */
    size_t wrote;      /* a failing pwrite first writes so many bytes (at most all) */
    const char *path;  /* only calls whose path contains this; NULL: all. Must outlive the rule. */
} vfs_fault_rule;

/* Replaces the rule there was. A failing sync loses what it should have carried; other failing calls
 * do nothing. Close and unmap never fail. */
void vfs_fault_set(vfs_fault *f, const vfs_fault_rule *rule);
void vfs_fault_clear(vfs_fault *f);
/* Calls that the present rule has made fail. */
uint64_t vfs_fault_hits(vfs_fault *f);

/* From now on writes and truncates that need more fail with ENOSPC, having written what fits. */
void vfs_fault_set_capacity(vfs_fault *f, uint64_t bytes);

/* The power goes: what is not durable is lost, or, with rng, survives by chance. Files open now give
 * EIO from then on and can only be closed; locks are free. The rule is cleared. */
void vfs_fault_crash(vfs_fault *f, fer_rng *rng);

/* What changed or synced the disk, in order: open (when it creates or empties), mkdir, rmdir,
 * unlink, rename, link, sync_dir, lock, pwrite, sync, truncate. */
typedef struct vfs_fault_op {
    vfs_call kind;
    const char *path;
    const char *to;       /* of rename and link; else NULL */
    uint64_t off;         /* of pwrite; the size of truncate */
    uint64_t n;           /* of pwrite */
    int sys;              /* 0 or the errno it failed with */
    uint64_t file;        /* of pwrite, sync and truncate: the inode's id */
    const uint8_t *bytes; /* of pwrite, with vfs_fault_record(); else NULL */
} vfs_fault_op;

/* Valid until the next call of the vfs. */
size_t vfs_fault_ops(vfs_fault *f, const vfs_fault_op **ret);
/* From now on ops keep the bytes written. */
void vfs_fault_record(vfs_fault *f);

#endif
