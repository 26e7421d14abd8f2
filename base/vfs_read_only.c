#include "base/vfs_read_only.h"

static vfs *inner_of(vfs *fs)
{
    return ((vfs_read_only *)fs)->inner;
}

static fer_code refuse(const char *path, fer_err *err)
{
    return fer_fail(err, FER_UNSUPPORTED, "%s: open for reading only", path);
}

static fer_code ro_open(vfs *fs, const char *path, vfs_mode mode, vfs_file **ret, fer_err *err)
{
    return mode == VFS_READ || mode == VFS_READ_ONCE ? vfs_open(inner_of(fs), path, mode, ret, err)
                                                     : refuse(path, err);
}

static fer_code ro_stat(vfs *fs, const char *path, vfs_stat *ret, fer_err *err)
{
    return vfs_stat_path(inner_of(fs), path, ret, err);
}

static fer_code ro_list(vfs *fs, const char *dir, vfs_list_fn fn, void *arg, fer_err *err)
{
    return vfs_list(inner_of(fs), dir, fn, arg, err);
}

static fer_code ro_free_bytes(vfs *fs, const char *path, uint64_t *ret_free, uint64_t *ret_total,
                              fer_err *err)
{
    return vfs_free_bytes(inner_of(fs), path, ret_free, ret_total, err);
}

static fer_code ro_name(vfs *fs, const char *path, fer_err *err)
{
    (void)fs;
    return refuse(path, err);
}

static fer_code ro_two_names(vfs *fs, const char *from, const char *to, fer_err *err)
{
    (void)fs, (void)to;
    return refuse(from, err);
}

static fer_code ro_lock(vfs *fs, const char *path, vfs_file **ret, fer_err *err)
{
    (void)fs, (void)ret;
    return refuse(path, err);
}

void vfs_read_only_init(vfs_read_only *ro, vfs *inner)
{
    /* The calls on files and mappings go to the inner one by themselves. */
    static const vfs_ops ops = {
        .open = ro_open,
        .stat = ro_stat,
        .list = ro_list,
        .mkdir = ro_name,
        .rmdir = ro_name,
        .unlink = ro_name,
        .rename = ro_two_names,
        .link = ro_two_names,
        .sync_dir = ro_name,
        .free_bytes = ro_free_bytes,
        .lock = ro_lock,
    };
    *ro = (vfs_read_only){{&ops}, inner};
}
