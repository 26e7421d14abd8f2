/* vfs_disk.h - a disk in memory that knows what is durable; the ground under vfs_fault.
 *
 * Model. A write changes the file's pages in the cache and marks them dirty; a sync carries the
 * dirty pages and the size to the platter. A sync that fails leaves the pages clean but not
 * carried: no later sync saves them, though reads still show them (as Linux does). Creating,
 * renaming and removing names changes a directory in the cache; only a sync of that directory makes
 * it durable (POSIX; ext4 promises more). A crash leaves what is durable, and, if chance is let in,
 * any part of the dirty sectors and a first part of each directory's unsynced changes; or, as a copy
 * of the disk, what a disk_survival says.
 *
 * Calls return 0 or an errno. Paths have no "..". Threads: one at a time.
 */
#ifndef FERULA_BASE_VFS_DISK_H
#define FERULA_BASE_VFS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

typedef struct disk disk;

typedef struct disk_bytes {
    uint8_t *p;
    size_t n;
    size_t cap;
} disk_bytes;

typedef struct disk_names disk_names;

/* A file or directory; lives as long as the disk. */
typedef struct inode inode;
struct inode {
    uint64_t id; /* in order of making, from 0 */
    bool is_dir;
    bool locked;
    size_t links; /* names it has now */
    size_t opens;
    int64_t mtime_ms;
    disk_bytes cached;  /* of a file: what reads show */
    disk_bytes durable; /* of a file: what a crash leaves */
    uint8_t *dirty;     /* of a file: one a page of the cache */
    size_t dirty_n;
    disk_names *names; /* of a directory */
};

disk *disk_new(void);
void disk_free(disk *d);

/* Bytes of all files that have a name or are open, and how many there may be. */
uint64_t disk_used(const disk *d);
uint64_t disk_capacity(const disk *d);
void disk_set_capacity(disk *d, uint64_t bytes);

int disk_find(disk *d, const char *path, inode **ret);
inode *disk_node(disk *d, uint64_t id);
/* EEXIST when the name is taken. */
int disk_create(disk *d, const char *path, bool is_dir, int64_t mtime_ms, inode **ret);
int disk_unlink(disk *d, const char *path);
int disk_rmdir(disk *d, const char *path);
int disk_rename(disk *d, const char *from, const char *to);
int disk_link(disk *d, const char *from, const char *to);
/* Calls fn with each name; names must not change meanwhile. */
void disk_each_name(const inode *dir, void (*fn)(void *arg, const char *name), void *arg);

size_t disk_read(const inode *file, void *p, size_t n, uint64_t off);
/* Writes what fits; ENOSPC when that is not all, EFBIG past what memory files may be. */
int disk_write(disk *d, inode *file, const void *p, size_t n, uint64_t off);
int disk_truncate(disk *d, inode *file, uint64_t size);

void disk_sync(inode *file);
void disk_sync_failed(inode *file);
/* A rename between directories is one change: it is carried in both, with all before it. */
void disk_sync_dir(disk *d, inode *dir);

/* The power goes. rng NULL: everything not durable is lost; else chance decides (see above). */
void disk_crash(disk *d, fer_rng *rng);

/* ---- what a crash may leave, as a copy ---- */

/* Of bytes that no sync has carried. A file is torn within the newest write alone; all other bytes survive. */
typedef enum disk_data {
    DATA_LOST,
    DATA_KEPT,
    DATA_ZEROED, /* the size survives, the bytes do not */
    DATA_TORN,   /* of the newest write what stands before `cut` */
    DATA_HOLED,  /* of the newest write what stands from `cut` on, and the size */
    DATA_BY_CHANCE,
} disk_data;

/* Of changes of directories that no sync has carried; a rename is one change. */
typedef enum disk_changes {
    CHANGES_LOST,
    CHANGES_KEPT,
    CHANGES_FIRST,    /* those before `change` */
    CHANGES_ALL_BUT,  /* all but `change` */
    CHANGES_ONLY,     /* only `change` */
    CHANGES_BY_CHANCE /* each by a coin */
} disk_changes;

typedef struct disk_survival {
    disk_data data;
    disk_changes changes;
    uint64_t cut;    /* a place in the file, on an edge of sectors */
    uint64_t change; /* of disk_unsynced_changes() */
    fer_rng *rng;    /* of chance */
} disk_survival;

/* The disk after the crash. The caller owns the result. */
disk *disk_survivor(const disk *d, const disk_survival *how);
/* The same disk with the same unsynced state; only what has a name now or may have one after a crash. */
disk *disk_copy(const disk *d);

/* Unsynced changes of names, oldest first: writes at most cap of them, returns how many there are. */
size_t disk_unsynced_changes(const disk *d, uint64_t *ret, size_t cap);
/* Whether a file has bytes that no sync has carried. */
bool disk_has_unsynced_data(const disk *d);
/* The newest write, while no sync has carried it: edges of sectors strictly inside. Returns how many. */
size_t disk_newest_cuts(const disk *d, uint64_t *ret, size_t cap);
/* Of names and bytes as reads show them; equal for equal disks. */
uint64_t disk_hash(const disk *d);

#endif
