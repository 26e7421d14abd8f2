/* vfs.h - all file I/O as a table (DESIGN D2), mapping included.
 *
 * Implementations: the machine's file system (vfs_posix.h) and the fault-injecting, crash-modelling
 * one of the tests (vfs_fault.h). Paths are NUL-terminated, relative to the process or absolute.
 * Every call names the path in its error. EINTR is retried below this table; short writes and
 * reads are completed or reported as failures, never returned.
 *
 * Threads: the table from any thread; a file from one at a time, except vfs_pread and vfs_sync, which
 * any thread may call.
 */
#ifndef FERULA_BASE_VFS_H
#define FERULA_BASE_VFS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map_guard.h"
#include "base/str.h"

typedef struct vfs vfs;
typedef struct vfs_file vfs_file;

typedef enum vfs_mode {
    VFS_READ,      /* existing file, read only */
    VFS_READ_ONCE, /* the same, by vfs_pread alone; what the system's cache does not hold is read past it where that can
                      be done: places and sizes, but for what lies behind the end, and where in memory, are multiples
                      of VFS_BLOCK_BYTES */
    VFS_CREATE,    /* must not exist; read and write */
    VFS_CREATE_DIRECT, /* the same; writes go past the system's cache where it can do so: places and sizes of them, and
                          where in memory they lie, are multiples of VFS_BLOCK_BYTES */
    VFS_TRUNCATE,   /* created or emptied; read and write */
    VFS_READ_WRITE, /* existing file */
} vfs_mode;

enum { VFS_BLOCK_BYTES = 4096 };

typedef struct vfs_stat {
    uint64_t size;
    bool is_dir;
    int64_t mtime_ms;
} vfs_stat;

typedef struct vfs_map {
    const uint8_t *p; /* NULL for an empty file */
    size_t n;
    vfs *fs;          /* whose it is; NULL when p is */
    map_guard *guard; /* NULL: it cannot fail */
} vfs_map;

/* Called for each directory entry except . and .. ; name is valid during the call.
 * A result other than FER_OK ends the listing and is returned. */
typedef fer_code (*vfs_list_fn)(void *arg, const char *name);

typedef struct vfs_ops {
    fer_code (*open)(vfs *fs, const char *path, vfs_mode mode, vfs_file **ret, fer_err *err);
    fer_code (*stat)(vfs *fs, const char *path, vfs_stat *ret, fer_err *err);
    fer_code (*list)(vfs *fs, const char *dir, vfs_list_fn fn, void *arg, fer_err *err);
    fer_code (*mkdir)(vfs *fs, const char *path, fer_err *err); /* FER_EXISTS if there */
    fer_code (*rmdir)(vfs *fs, const char *path, fer_err *err);
    fer_code (*unlink)(vfs *fs, const char *path, fer_err *err);
    fer_code (*rename)(vfs *fs, const char *from, const char *to, fer_err *err);
    fer_code (*link)(vfs *fs, const char *from, const char *to, fer_err *err);
    fer_code (*sync_dir)(vfs *fs, const char *path, fer_err *err);
    fer_code (*free_bytes)(vfs *fs, const char *path, uint64_t *ret_free, uint64_t *ret_total,
                           fer_err *err);
    /* Takes an exclusive lock on the (created) file; FER_BUSY when another process holds it. */
    fer_code (*lock)(vfs *fs, const char *path, vfs_file **ret, fer_err *err);

    fer_code (*pread)(vfs_file *f, void *p, size_t n, uint64_t off, size_t *ret_n, fer_err *err);
    fer_code (*pwrite)(vfs_file *f, const void *p, size_t n, uint64_t off, fer_err *err);
    fer_code (*sync)(vfs_file *f, fer_err *err); /* fdatasync: data and size are durable */
    fer_code (*truncate)(vfs_file *f, uint64_t size, fer_err *err);
    fer_code (*size)(vfs_file *f, uint64_t *ret, fer_err *err);
    fer_code (*map)(vfs_file *f, vfs_map *ret, fer_err *err); /* read only, whole file */
    void (*unmap)(vfs_map *m);
    void (*forget)(const vfs_map *m); /* these three may be NULL */
    bool (*reserve)(vfs_file *f, uint64_t off, uint64_t n);
    void (*write_back)(vfs_file *f, uint64_t off, uint64_t n);
    void (*close)(vfs_file *f);
} vfs_ops;

struct vfs {
    const vfs_ops *ops;
};

struct vfs_file {
    vfs *fs;
};

/* The calls; each may fail with FER_IO, FER_NOSPACE, FER_NOTFOUND, FER_EXISTS. */
FER_MUST_CHECK fer_code vfs_open(vfs *fs, const char *path, vfs_mode mode, vfs_file **ret,
                                 fer_err *err);
void vfs_close(vfs_file *f); /* NULL is fine */
void vfs_closep(vfs_file **f);
/* Reads up to n bytes; *ret_n < n only at the end of the file. */
FER_MUST_CHECK fer_code vfs_pread(vfs_file *f, void *p, size_t n, uint64_t off, size_t *ret_n,
                                  fer_err *err);
/* Writes all n bytes or fails (then any part may have been written). */
FER_MUST_CHECK fer_code vfs_pwrite(vfs_file *f, const void *p, size_t n, uint64_t off,
                                   fer_err *err);
FER_MUST_CHECK fer_code vfs_sync(vfs_file *f, fer_err *err);
FER_MUST_CHECK fer_code vfs_truncate(vfs_file *f, uint64_t size, fer_err *err);
/* Takes the place on disk of bytes to come without changing the size; whether it did. vfs_truncate gives back what
 * lies beyond the size. */
bool vfs_reserve(vfs_file *f, uint64_t off, uint64_t n);
/* Hands these bytes to the disk and waits until it has taken them, which makes nothing durable: it keeps the sync
 * that does short. */
void vfs_write_back(vfs_file *f, uint64_t off, uint64_t n);
FER_MUST_CHECK fer_code vfs_size(vfs_file *f, uint64_t *ret, fer_err *err);
FER_MUST_CHECK fer_code vfs_map_file(vfs_file *f, vfs_map *ret, fer_err *err);
void vfs_unmap(vfs_map *m);
/* Whether bytes read of it so far may have been lost (map_guard.h). Asked after reading. */
static inline bool vfs_map_failed(const vfs_map *m)
{
    return m->guard != NULL && map_guard_failed(m->guard);
}
/* The bytes need not stay in memory; they are read anew when they are touched again. For one pass over much. */
void vfs_forget(const vfs_map *m);
FER_MUST_CHECK fer_code vfs_stat_path(vfs *fs, const char *path, vfs_stat *ret, fer_err *err);
bool vfs_exists(vfs *fs, const char *path);
FER_MUST_CHECK fer_code vfs_list(vfs *fs, const char *dir, vfs_list_fn fn, void *arg, fer_err *err);
/* Makes the directory and those above it that are missing, each durable in its parent; fine if
 * it is there. */
FER_MUST_CHECK fer_code vfs_mkdir_all(vfs *fs, const char *path, fer_err *err);
FER_MUST_CHECK fer_code vfs_rmdir(vfs *fs, const char *path, fer_err *err);
FER_MUST_CHECK fer_code vfs_unlink(vfs *fs, const char *path, fer_err *err);
/* Removes a file or a directory with all in it; fine if absent. */
FER_MUST_CHECK fer_code vfs_remove_all(vfs *fs, const char *path, fer_err *err);
FER_MUST_CHECK fer_code vfs_rename(vfs *fs, const char *from, const char *to, fer_err *err);
FER_MUST_CHECK fer_code vfs_link(vfs *fs, const char *from, const char *to, fer_err *err);
FER_MUST_CHECK fer_code vfs_sync_dir(vfs *fs, const char *path, fer_err *err);
FER_MUST_CHECK fer_code vfs_free_bytes(vfs *fs, const char *path, uint64_t *ret_free,
                                       uint64_t *ret_total, fer_err *err);
FER_MUST_CHECK fer_code vfs_lock(vfs *fs, const char *path, vfs_file **ret, fer_err *err);
/* The whole file, at most max bytes (FER_LIMIT beyond), in the arena. */
FER_MUST_CHECK fer_code vfs_read_all(vfs *fs, const char *path, size_t max, fer_arena *a,
                                     fer_str *ret, fer_err *err);

/* The machine's own file system. Static. */
vfs *vfs_posix(void);

#endif
