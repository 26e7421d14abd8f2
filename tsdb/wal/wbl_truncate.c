#include "tsdb/wal/wbl_truncate.h"

#include <inttypes.h>
#include <stdio.h>

#include "tsdb/block/dir_file.h"
#include "tsdb/wal/wal.h"

fer_code wbl_remove_before(vfs *fs, const char *dir, uint64_t segment, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    FER_TRY(wal_list(fs, dir, a, &v, &n, err));
    for (size_t i = 0; i < n && v[i] < segment; i++) {
        char name[24], path[PATH_MAX];
        snprintf(name, sizeof name, "%08" PRIu64, v[i]);
        FER_TRY(dir_file_path(path, dir, name, err));
        FER_TRY(vfs_unlink(fs, path, err));
        FER_TRY(vfs_sync_dir(fs, dir, err));
    }
    return FER_OK;
}
