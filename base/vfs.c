/* vfs.c - the calls of vfs.h: most pass to the table, some are made of several. */
#include "base/vfs.h"

#include <errno.h>
#include <limits.h>

fer_code vfs_open(vfs *fs, const char *path, vfs_mode mode, vfs_file **ret, fer_err *err)
{
    return fs->ops->open(fs, path, mode, ret, err);
}

void vfs_close(vfs_file *f)
{
    if (f != NULL)
        f->fs->ops->close(f);
}

void vfs_closep(vfs_file **f)
{
    vfs_close(*f);
    *f = NULL;
}

fer_code vfs_pread(vfs_file *f, void *p, size_t n, uint64_t off, size_t *ret_n, fer_err *err)
{
    return f->fs->ops->pread(f, p, n, off, ret_n, err);
}

fer_code vfs_pwrite(vfs_file *f, const void *p, size_t n, uint64_t off, fer_err *err)
{
    return f->fs->ops->pwrite(f, p, n, off, err);
}

fer_code vfs_sync(vfs_file *f, fer_err *err)
{
    return f->fs->ops->sync(f, err);
}

fer_code vfs_truncate(vfs_file *f, uint64_t size, fer_err *err)
{
    return f->fs->ops->truncate(f, size, err);
}

bool vfs_reserve(vfs_file *f, uint64_t off, uint64_t n)
{
    return f->fs->ops->reserve != NULL && f->fs->ops->reserve(f, off, n);
}

void vfs_write_back(vfs_file *f, uint64_t off, uint64_t n)
{
    if (f->fs->ops->write_back != NULL)
        f->fs->ops->write_back(f, off, n);
}

fer_code vfs_size(vfs_file *f, uint64_t *ret, fer_err *err)
{
    return f->fs->ops->size(f, ret, err);
}

fer_code vfs_map_file(vfs_file *f, vfs_map *ret, fer_err *err)
{
    return f->fs->ops->map(f, ret, err);
}

void vfs_unmap(vfs_map *m)
{
    if (m->p != NULL)
        m->fs->ops->unmap(m);
    *m = (vfs_map){0};
}

void vfs_forget(const vfs_map *m)
{
    if (m->p != NULL && m->fs->ops->forget != NULL)
        m->fs->ops->forget(m);
}

fer_code vfs_stat_path(vfs *fs, const char *path, vfs_stat *ret, fer_err *err)
{
    return fs->ops->stat(fs, path, ret, err);
}

bool vfs_exists(vfs *fs, const char *path)
{
    vfs_stat st;
    return fs->ops->stat(fs, path, &st, NULL) == FER_OK;
}

fer_code vfs_list(vfs *fs, const char *dir, vfs_list_fn fn, void *arg, fer_err *err)
{
    return fs->ops->list(fs, dir, fn, arg, err);
}

fer_code vfs_rmdir(vfs *fs, const char *path, fer_err *err)
{
    return fs->ops->rmdir(fs, path, err);
}

fer_code vfs_unlink(vfs *fs, const char *path, fer_err *err)
{
    return fs->ops->unlink(fs, path, err);
}

fer_code vfs_rename(vfs *fs, const char *from, const char *to, fer_err *err)
{
    return fs->ops->rename(fs, from, to, err);
}

fer_code vfs_link(vfs *fs, const char *from, const char *to, fer_err *err)
{
    return fs->ops->link(fs, from, to, err);
}

fer_code vfs_sync_dir(vfs *fs, const char *path, fer_err *err)
{
    return fs->ops->sync_dir(fs, path, err);
}

fer_code vfs_free_bytes(vfs *fs, const char *path, uint64_t *ret_free, uint64_t *ret_total,
                        fer_err *err)
{
    return fs->ops->free_bytes(fs, path, ret_free, ret_total, err);
}

fer_code vfs_lock(vfs *fs, const char *path, vfs_file **ret, fer_err *err)
{
    return fs->ops->lock(fs, path, ret, err);
}

/* Cuts the last name off a path; what is left may be empty. */
static void to_parent(char *path)
{
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    path[n] = '\0';
}

static fer_code make_one(vfs *fs, const char *path, fer_err *err)
{
    fer_code code = fs->ops->mkdir(fs, path, err);
    if (code == FER_EXISTS) {
        vfs_stat st;
        FER_TRY(fs->ops->stat(fs, path, &st, err));
        return st.is_dir ? FER_OK : fer_fail_sys(err, ENOTDIR, "mkdir %s", path);
    }
    if (code != FER_OK)
        return code;
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    to_parent(parent);
    return fs->ops->sync_dir(fs, parent[0] == '\0' ? "." : parent, err);
}

fer_code vfs_mkdir_all(vfs *fs, const char *path, fer_err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return fer_fail_sys(err, n == 0 ? ENOENT : ENAMETOOLONG, "mkdir %s", path);
    vfs_stat st;
    if (fs->ops->stat(fs, path, &st, NULL) == FER_OK && st.is_dir)
        return FER_OK;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        FER_TRY(make_one(fs, part, err));
    }
    return FER_OK;
}

/* Names of a directory, linked in an arena: deleting while listing is nobody's promise. */
typedef struct name {
    struct name *next;
    fer_str text;
} name;

typedef struct name_list {
    fer_arena *a;
    name *first;
} name_list;

static fer_code remember_name(void *arg, const char *text)
{
    name_list *l = arg;
    name *e = ARENA_NEW(l->a, name);
    *e = (name){l->first, fer_arena_dup(l->a, str_of(text))};
    l->first = e;
    return FER_OK;
}

static fer_code remove_dir(vfs *fs, const char *path, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    name_list names = {a, NULL};
    FER_TRY(fs->ops->list(fs, path, remember_name, &names, err));
    for (name *e = names.first; e != NULL; e = e->next) {
        fer_str child = fer_arena_printf(a, "%s/%s", path, e->text.p);
        FER_TRY(vfs_remove_all(fs, child.p, err));
    }
    return fs->ops->rmdir(fs, path, err);
}

fer_code vfs_remove_all(vfs *fs, const char *path, fer_err *err)
{
    /* unlink first: a symbolic link to a directory is removed, not followed. */
    fer_code code = fs->ops->unlink(fs, path, err);
    if (code == FER_OK || code == FER_NOTFOUND)
        return FER_OK;
    vfs_stat st;
    if (fs->ops->stat(fs, path, &st, NULL) == FER_OK && st.is_dir)
        return remove_dir(fs, path, err);
    return code;
}

fer_code vfs_read_all(vfs *fs, const char *path, size_t max, fer_arena *a, fer_str *ret,
                      fer_err *err)
{
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    FER_TRY(vfs_open(fs, path, VFS_READ, &f, err));
    uint64_t size;
    FER_TRY(vfs_size(f, &size, err));
    if (size > max)
        return fer_fail(err, FER_LIMIT, "read %s: file is larger than %zu bytes", path, max);
    char *p = fer_arena_alloc(a, (size_t)size + 1);
    if (p == NULL)
        return fer_fail_budget(err, path);
    size_t n;
    FER_TRY(vfs_pread(f, p, (size_t)size, 0, &n, err));
    p[n] = '\0';
    *ret = (fer_str){p, n};
    return FER_OK;
}
