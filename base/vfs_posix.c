/* vfs_posix.c - the machine's file system. One descriptor a file; errno is read once, at the call. */
#include "base/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"

typedef struct posix_file {
    vfs_file base;
    int fd;
    _Atomic bool direct; /* O_DIRECT is on */
    char path[];         /* for messages */
} posix_file;

static posix_file *of(vfs_file *f)
{
    return (posix_file *)f;
}

/* Runs a call that returns -1 and errno until it is not interrupted. */
#define RETRY(ret, call)                                                                           \
    do {                                                                                           \
        (ret) = (call);                                                                            \
    } while ((ret) < 0 && errno == EINTR)

static fer_code open_flags(vfs *fs, const char *path, int flags, vfs_file **ret, fer_err *err)
{
    int fd;
    RETRY(fd, open(path, flags | O_CLOEXEC, 0666));
    if (fd < 0)
        return fer_fail_sys(err, errno, "open %s", path);
    size_t n = strlen(path) + 1;
    posix_file *f = fer_alloc(sizeof *f + n);
    f->base.fs = fs;
    f->fd = fd;
    f->direct = false;
    memcpy(f->path, path, n);
    *ret = &f->base;
    return FER_OK;
}

/* Not every file system can, and some say so only when they are written to. */
static void set_direct(posix_file *f, bool direct)
{
    int flags = fcntl(f->fd, F_GETFL);
    if (flags >= 0 && fcntl(f->fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0)
        f->direct = direct;
}

/* After a call that failed, with O_DIRECT or not. Whether it may pass now; errno stays. */
static bool end_direct(posix_file *f, bool was_direct)
{
    if (errno != EINVAL || !was_direct)
        return false;
    set_direct(f, false);
    errno = EINVAL;
    return !f->direct;
}

/* How many of so many pages the system's cache holds. */
static size_t cached_pages(void *map, size_t pages, size_t page)
{
    enum { STEP = 4096 };
    unsigned char in[STEP];
    size_t ret = 0;
    for (size_t i = 0; i < pages; i += STEP) {
        size_t n = pages - i < STEP ? pages - i : STEP;
        if (mincore((char *)map + i * page, n * page, in) != 0)
            return pages; /* not known: as ever */
        for (size_t k = 0; k < n; k++)
            ret += in[k] & 1;
    }
    return ret;
}

/* Whether half of the file or more is in the system's cache. */
static bool is_cached(const posix_file *f)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return true;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = ((size_t)st.st_size + page - 1) / page;
    void *map = mmap(NULL, pages * page, PROT_READ, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED)
        return true;
    bool ret = cached_pages(map, pages, page) >= (pages + 1) / 2;
    munmap(map, pages * page);
    return ret;
}

static fer_code posix_open(vfs *fs, const char *path, vfs_mode mode, vfs_file **ret, fer_err *err)
{
    static const int flags[] = {
        [VFS_READ] = O_RDONLY,
        [VFS_READ_ONCE] = O_RDONLY,
        [VFS_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [VFS_CREATE_DIRECT] = O_RDWR | O_CREAT | O_EXCL,
        [VFS_TRUNCATE] = O_RDWR | O_CREAT | O_TRUNC,
        [VFS_READ_WRITE] = O_RDWR,
    };
    FER_TRY(open_flags(fs, path, flags[mode], ret, err));
    if (mode == VFS_CREATE_DIRECT || (mode == VFS_READ_ONCE && !is_cached(of(*ret))))
        set_direct(of(*ret), true);
    return FER_OK;
}

static void posix_close(vfs_file *f)
{
    close(of(f)->fd); /* not retried: Linux has released it whatever it says */
    fer_free(f);
}

static fer_code posix_lock(vfs *fs, const char *path, vfs_file **ret, fer_err *err)
{
    vfs_file *f;
    FER_TRY(open_flags(fs, path, O_RDWR | O_CREAT, &f, err));
    int r;
    /* flock, as Prometheus locks its data directory: the two keep each other out. */
    RETRY(r, flock(of(f)->fd, LOCK_EX | LOCK_NB));
    if (r < 0) {
        int sys = errno;
        posix_close(f);
        if (sys == EWOULDBLOCK)
            return fer_fail(err, FER_BUSY, "lock %s: held by another process", path);
        return fer_fail_sys(err, sys, "lock %s", path);
    }
    *ret = f;
    return FER_OK;
}

static fer_code posix_pread(vfs_file *f, void *p, size_t n, uint64_t off, size_t *ret_n,
                            fer_err *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r;
        bool direct = of(f)->direct;
        RETRY(r, pread(of(f)->fd, (char *)p + done, n - done, (off_t)(off + done)));
        if (r < 0 && end_direct(of(f), direct))
            continue; /* behind the end of a file that ends within a block, too */
        if (r < 0)
            return fer_fail_sys(err, errno, "read %s", of(f)->path);
        if (r == 0)
            break;
        done += (size_t)r;
    }
    *ret_n = done;
    return FER_OK;
}

static fer_code posix_pwrite(vfs_file *f, const void *p, size_t n, uint64_t off, fer_err *err)
{
    size_t done = 0;
    while (done < n) {
        ssize_t r;
        bool direct = of(f)->direct;
        RETRY(r, pwrite(of(f)->fd, (const char *)p + done, n - done, (off_t)(off + done)));
        if (r < 0 && end_direct(of(f), direct))
            continue;
        if (r < 0)
            return fer_fail_sys(err, errno, "write %s", of(f)->path);
        if (r == 0) /* no progress and no reason given */
            return fer_fail_sys(err, EIO, "write %s", of(f)->path);
        done += (size_t)r;
    }
    return FER_OK;
}

static fer_code posix_sync(vfs_file *f, fer_err *err)
{
    int r;
    RETRY(r, fdatasync(of(f)->fd));
    return r < 0 ? fer_fail_sys(err, errno, "sync %s", of(f)->path) : FER_OK;
}

static fer_code posix_truncate(vfs_file *f, uint64_t size, fer_err *err)
{
    int r;
    RETRY(r, ftruncate(of(f)->fd, (off_t)size));
    return r < 0 ? fer_fail_sys(err, errno, "truncate %s", of(f)->path) : FER_OK;
}

static bool posix_reserve(vfs_file *f, uint64_t off, uint64_t n)
{
    return fallocate(of(f)->fd, FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)n) == 0;
}

static void posix_write_back(vfs_file *f, uint64_t off, uint64_t n)
{
    const unsigned all =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    (void)sync_file_range(of(f)->fd, (off_t)off, (off_t)n,
                          all); /* a failure is the next sync's to tell */
}

static fer_code posix_size(vfs_file *f, uint64_t *ret, fer_err *err)
{
    struct stat st;
    if (fstat(of(f)->fd, &st) < 0)
        return fer_fail_sys(err, errno, "stat %s", of(f)->path);
    *ret = (uint64_t)st.st_size;
    return FER_OK;
}

static fer_code posix_map(vfs_file *f, vfs_map *ret, fer_err *err)
{
    uint64_t size;
    FER_TRY(posix_size(f, &size, err));
    if (size == 0) {
        *ret = (vfs_map){0};
        return FER_OK;
    }
    void *p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, of(f)->fd, 0);
    if (p == MAP_FAILED)
        return fer_fail_sys(err, errno, "map %s", of(f)->path);
    *ret = (vfs_map){p, (size_t)size, f->fs, map_guard_add(p, (size_t)size)};
    return FER_OK;
}

static void posix_unmap(vfs_map *m)
{
    map_guard_remove(m->guard);
    munmap((void *)(uintptr_t)m->p, m->n);
}

static void posix_forget(const vfs_map *m)
{
    /* A hint: that it is not followed changes nothing. */
    (void)madvise((void *)(uintptr_t)m->p, m->n, MADV_DONTNEED);
}

static fer_code posix_stat(vfs *fs, const char *path, vfs_stat *ret, fer_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return fer_fail_sys(err, errno, "stat %s", path);
    *ret = (vfs_stat){
        .size = (uint64_t)st.st_size,
        .is_dir = S_ISDIR(st.st_mode),
        .mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
    };
    return FER_OK;
}

static fer_code list_open_dir(DIR *d, const char *dir, vfs_list_fn fn, void *arg, fer_err *err)
{
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (e == NULL)
            return errno == 0 ? FER_OK : fer_fail_sys(err, errno, "list %s", dir);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            FER_TRY(fn(arg, e->d_name));
    }
}

static fer_code posix_list(vfs *fs, const char *dir, vfs_list_fn fn, void *arg, fer_err *err)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return fer_fail_sys(err, errno, "list %s", dir);
    fer_code code = list_open_dir(d, dir, fn, arg, err);
    closedir(d);
    return code;
}

static fer_code posix_mkdir(vfs *fs, const char *path, fer_err *err)
{
    return mkdir(path, 0777) < 0 ? fer_fail_sys(err, errno, "mkdir %s", path) : FER_OK;
}

static fer_code posix_rmdir(vfs *fs, const char *path, fer_err *err)
{
    return rmdir(path) < 0 ? fer_fail_sys(err, errno, "rmdir %s", path) : FER_OK;
}

static fer_code posix_unlink(vfs *fs, const char *path, fer_err *err)
{
    return unlink(path) < 0 ? fer_fail_sys(err, errno, "unlink %s", path) : FER_OK;
}

static fer_code posix_rename(vfs *fs, const char *from, const char *to, fer_err *err)
{
    return rename(from, to) < 0 ? fer_fail_sys(err, errno, "rename %s to %s", from, to) : FER_OK;
}

static fer_code posix_link(vfs *fs, const char *from, const char *to, fer_err *err)
{
    return link(from, to) < 0 ? fer_fail_sys(err, errno, "link %s to %s", from, to) : FER_OK;
}

static fer_code posix_sync_dir(vfs *fs, const char *path, fer_err *err)
{
    int fd, r;
    RETRY(fd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return fer_fail_sys(err, errno, "open %s", path);
    RETRY(r, fsync(fd));
    int sys = errno;
    close(fd);
    return r < 0 ? fer_fail_sys(err, sys, "sync %s", path) : FER_OK;
}

static fer_code posix_free_bytes(vfs *fs, const char *path, uint64_t *ret_free, uint64_t *ret_total,
                                 fer_err *err)
{
    struct statvfs st;
    if (statvfs(path, &st) < 0)
        return fer_fail_sys(err, errno, "statvfs %s", path);
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    return FER_OK;
}

vfs *vfs_posix(void)
{
    static const vfs_ops ops = {
        .open = posix_open,
        .stat = posix_stat,
        .list = posix_list,
        .mkdir = posix_mkdir,
        .rmdir = posix_rmdir,
        .unlink = posix_unlink,
        .rename = posix_rename,
        .link = posix_link,
        .sync_dir = posix_sync_dir,
        .free_bytes = posix_free_bytes,
        .lock = posix_lock,
        .pread = posix_pread,
        .pwrite = posix_pwrite,
        .sync = posix_sync,
        .truncate = posix_truncate,
        .size = posix_size,
        .map = posix_map,
        .unmap = posix_unmap,
        .forget = posix_forget,
        .reserve = posix_reserve,
        .write_back = posix_write_back,
        .close = posix_close,
    };
    static vfs fs = {&ops};
    return &fs;
}
