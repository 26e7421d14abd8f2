#include "tsdb/block/dir_file.h"

#include <stdio.h>

#include "tsdb/block/file_out.h"

fer_code dir_file_path(char ret[PATH_MAX], const char *dir, const char *name, fer_err *err)
{
    int n = snprintf(ret, PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_MAX)
        return fer_fail(err, FER_LIMIT, "%s/%s: the path is too long", dir, name);
    return FER_OK;
}

static fer_code write_file(vfs *fs, const char *path, fer_str bytes, fer_err *err)
{
    file_out o;
    FER_TRY(file_out_open(&o, fs, path, err));
    file_out_put(&o, bytes.p, bytes.n);
    return file_out_close(&o, err);
}

fer_code dir_file_replace(vfs *fs, const char *dir, const char *name, fer_str bytes, fer_err *err)
{
    char path[PATH_MAX], tmp[PATH_MAX], tmp_name[NAME_MAX + 1];
    snprintf(tmp_name, sizeof tmp_name, "%s.tmp", name);
    FER_TRY(dir_file_path(path, dir, name, err));
    FER_TRY(dir_file_path(tmp, dir, tmp_name, err));
    fer_code code = write_file(fs, tmp, bytes, err);
    if (code == FER_OK)
        code = vfs_rename(fs, tmp, path, err);
    if (code != FER_OK) {
        fer_code ignored = vfs_unlink(fs, tmp, NULL);
        (void)ignored;
        return code;
    }
    return vfs_sync_dir(fs, dir, err);
}

fer_code dir_file_map(vfs *fs, const char *dir, const char *name, vfs_map *ret, fer_err *err)
{
    char path[PATH_MAX];
    FER_TRY(dir_file_path(path, dir, name, err));
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    FER_TRY(vfs_open(fs, path, VFS_READ, &f, err));
    return vfs_map_file(f, ret, err);
}
