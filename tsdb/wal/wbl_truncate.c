#include "tsdb/wal/wbl_truncate.h"

#include "tsdb/wal/wal_dir.h"

static fer_code empty_file(vfs *fs, const char *path, fer_err *err)
{
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    uint64_t size;
    FER_TRY(vfs_open(fs, path, VFS_READ_WRITE, &f, err));
    FER_TRY(vfs_size(f, &size, err));
    if (size == 0)
        return FER_OK;
    FER_TRY(vfs_truncate(f, 0, err));
    return vfs_sync(f, err);
}

fer_code wbl_remove_before(vfs *fs, const char *dir, uint64_t segment, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    FER_TRY(wal_list(fs, dir, a, &v, &n, err));
    for (size_t i = 0; i < n && v[i] < segment; i++) {
        char path[PATH_MAX];
        FER_TRY(wal_segment_path(path, dir, v[i], err));
        if (i + 1 == n)
            return empty_file(fs, path, err);
        FER_TRY(vfs_unlink(fs, path, err));
        FER_TRY(vfs_sync_dir(fs, dir, err));
    }
    return FER_OK;
}
