/* vfs_disk.h - a disk in memory that knows what is durable; the ground under vfs_fault.
 *
 * Model. A write changes the file's pages in the cache and marks them dirty; a sync carries the
 * dirty pages and the size to the platter. A sync that fails leaves the pages clean but not
 * carried: no later sync saves them, though reads still show them (as Linux does). Creating,
 * renaming and removing names changes a directory in the cache; only a sync of that directory makes
 * it durable (POSIX; ext4 promises more). A crash leaves what is durable, and, if chance is let in,
 * any part of the dirty sectors and a first part of each directory's unsynced changes.
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
    inode *next;
};

disk *disk_new(void);
void disk_free(disk *d);

/* Bytes of all files that have a name or are open, and how many there may be. */
uint64_t disk_used(const disk *d);
uint64_t disk_capacity(const disk *d);
void disk_set_capacity(disk *d, uint64_t bytes);

int disk_find(disk *d, const char *path, inode **ret);
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
void disk_sync_dir(inode *dir);

/* The power goes. rng NULL: everything not durable is lost; else chance decides (see above). */
void disk_crash(disk *d, fer_rng *rng);

#endif
