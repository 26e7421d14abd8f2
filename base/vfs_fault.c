/* vfs_fault.c - see vfs_fault.h. Each call: count it, ask the rule, do it on the disk, note it. */
#include "base/vfs_fault.h"

#include <assert.h>
#include <errno.h>

#include "base/mem.h"
#include "base/thread.h"
#include "base/vfs_disk.h"

struct vfs_fault {
    vfs base;
    fer_mutex mu; /* everything below */
    disk *disk;
    fer_clock *clock;
    fer_arena *arena; /* texts of ops */
    vfs_fault_op *ops;
    size_t ops_n, ops_cap;
    uint64_t counts[VFS_CALL_ANY + 1];
    vfs_fault_rule rule; /* nth 0: none */
    uint64_t matched;
    uint64_t hits;
    uint64_t crashes;
    size_t open_files;
    size_t maps;
    bool records;
};

typedef struct fault_file {
    vfs_file base;
    inode *node;
    uint64_t crashes; /* as many as there had been when it was opened */
    bool writable;
    bool holds_lock;
    bool direct;
    char path[];
} fault_file;

static vfs_fault *fault_of(vfs *fs)
{
    return (vfs_fault *)fs;
}

static fault_file *file_of(vfs_file *f)
{
    return (fault_file *)f;
}

const char *vfs_call_name(vfs_call kind)
{
    static const char *const names[] = {
        [VFS_CALL_OPEN] = "open",         [VFS_CALL_STAT] = "stat",
        [VFS_CALL_LIST] = "list",         [VFS_CALL_MKDIR] = "mkdir",
        [VFS_CALL_RMDIR] = "rmdir",       [VFS_CALL_UNLINK] = "unlink",
        [VFS_CALL_RENAME] = "rename",     [VFS_CALL_LINK] = "link",
        [VFS_CALL_SYNC_DIR] = "sync_dir", [VFS_CALL_FREE_BYTES] = "free_bytes",
        [VFS_CALL_LOCK] = "lock",         [VFS_CALL_PREAD] = "pread",
        [VFS_CALL_PWRITE] = "pwrite",     [VFS_CALL_SYNC] = "sync",
        [VFS_CALL_TRUNCATE] = "truncate", [VFS_CALL_SIZE] = "size",
        [VFS_CALL_MAP] = "map",           [VFS_CALL_ANY] = "any",
    };
    return names[kind];
}

/* Counts the call; the errno it must fail with, or 0. Leaves the lock taken. */
static int enter(vfs_fault *f, vfs_call kind, const char *path, const char *to)
{
    fer_mutex_lock(&f->mu);
    f->counts[kind]++;
    f->counts[VFS_CALL_ANY]++;
    const vfs_fault_rule *r = &f->rule;
    if (r->nth == 0 || (r->kind != VFS_CALL_ANY && r->kind != kind))
        return 0;
    if (r->path != NULL && strstr(path, r->path) == NULL &&
        (to == NULL || strstr(to, r->path) == NULL))
        return 0;
    f->matched++;
    if (f->matched != r->nth && !(f->matched > r->nth && r->from_then_on))
        return 0;
    f->hits++;
    return r->sys;
}

static int enter_file(vfs_file *file, vfs_call kind)
{
    vfs_fault *f = fault_of(file->fs);
    int sys = enter(f, kind, file_of(file)->path, NULL);
    return file_of(file)->crashes == f->crashes ? sys : EIO;
}

/* Releases the lock and tells the caller. */
static fer_code leave(vfs_fault *f, vfs_call kind, const char *path, int sys, fer_err *err)
{
    fer_mutex_unlock(&f->mu);
    return sys == 0 ? FER_OK : fer_fail_sys(err, sys, "%s %s", vfs_call_name(kind), path);
}

static void note(vfs_fault *f, vfs_fault_op op)
{
    if (f->ops_n == f->ops_cap) {
        f->ops_cap = f->ops_cap == 0 ? 64 : f->ops_cap * 2;
        f->ops = fer_realloc(f->ops, f->ops_cap * sizeof *f->ops);
    }
    op.path = fer_arena_dup(f->arena, str_of(op.path)).p;
    if (op.to != NULL)
        op.to = fer_arena_dup(f->arena, str_of(op.to)).p;
    if (!f->records)
        op.bytes = NULL;
    else if (op.bytes != NULL)
        op.bytes =
            (const uint8_t *)fer_arena_dup(f->arena, (fer_str){(const char *)op.bytes, op.n}).p;
    f->ops[f->ops_n++] = op;
}

static int64_t now_ms(vfs_fault *f)
{
    return f->clock == NULL ? 0 : f->clock->wall_ms(f->clock);
}

/* Files. */

static vfs_file *new_file(vfs_fault *f, inode *node, const char *path, bool writable)
{
    size_t n = strlen(path) + 1;
    fault_file *file = fer_calloc(1, sizeof *file + n);
    file->base.fs = &f->base;
    file->node = node;
    file->crashes = f->crashes;
    file->writable = writable;
    memcpy(file->path, path, n);
    node->opens++;
    f->open_files++;
    return &file->base;
}

static bool is_reading(vfs_mode mode)
{
    return mode == VFS_READ || mode == VFS_READ_ONCE;
}

static int open_node(vfs_fault *f, const char *path, vfs_mode mode, inode **ret)
{
    if (mode == VFS_CREATE || mode == VFS_CREATE_DIRECT)
        return disk_create(f->disk, path, false, now_ms(f), ret);
    int sys = disk_find(f->disk, path, ret);
    if (sys == ENOENT && mode == VFS_TRUNCATE)
        return disk_create(f->disk, path, false, now_ms(f), ret);
    if (sys == 0 && (*ret)->is_dir && !is_reading(mode))
        return EISDIR;
    if (sys == 0 && mode == VFS_TRUNCATE)
        return disk_truncate(f->disk, *ret, 0);
    return sys;
}

static fer_code fault_open(vfs *fs, const char *path, vfs_mode mode, vfs_file **ret, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    inode *node = NULL;
    int sys = enter(f, VFS_CALL_OPEN, path, NULL);
    if (sys == 0)
        sys = open_node(f, path, mode, &node);
    if (sys == 0) {
        *ret = new_file(f, node, path, !is_reading(mode));
        file_of(*ret)->direct = mode == VFS_CREATE_DIRECT;
    }
    if (!is_reading(mode) && mode != VFS_READ_WRITE)
        note(f, (vfs_fault_op){.kind = VFS_CALL_OPEN, .path = path, .sys = sys});
    return leave(f, VFS_CALL_OPEN, path, sys, err);
}

static int lock_node(vfs_fault *f, const char *path, inode **ret)
{
    int sys = disk_find(f->disk, path, ret);
    if (sys == ENOENT)
        sys = disk_create(f->disk, path, false, now_ms(f), ret);
    if (sys == 0 && (*ret)->is_dir)
        sys = EISDIR;
    if (sys == 0 && (*ret)->locked)
        sys = EWOULDBLOCK;
    return sys;
}

static fer_code fault_lock(vfs *fs, const char *path, vfs_file **ret, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    inode *node = NULL;
    int sys = enter(f, VFS_CALL_LOCK, path, NULL);
    if (sys == 0)
        sys = lock_node(f, path, &node);
    if (sys == 0) {
        *ret = new_file(f, node, path, true);
        file_of(*ret)->holds_lock = true;
        node->locked = true;
    }
    note(f, (vfs_fault_op){.kind = VFS_CALL_LOCK, .path = path, .sys = sys});
    fer_code code = leave(f, VFS_CALL_LOCK, path, sys, err);
    if (sys == EWOULDBLOCK)
        return fer_fail(err, FER_BUSY, "lock %s: held by another process", path);
    return code;
}

static void fault_close(vfs_file *file)
{
    vfs_fault *f = fault_of(file->fs);
    fer_mutex_lock(&f->mu);
    fault_file *ff = file_of(file);
    ff->node->opens--;
    if (ff->holds_lock && ff->crashes == f->crashes)
        ff->node->locked = false;
    f->open_files--;
    fer_mutex_unlock(&f->mu);
    fer_free(ff);
}

static fer_code fault_pread(vfs_file *file, void *p, size_t n, uint64_t off, size_t *ret_n,
                            fer_err *err)
{
    fault_file *ff = file_of(file);
    int sys = enter_file(file, VFS_CALL_PREAD);
    if (sys == 0 && ff->node->is_dir)
        sys = EISDIR;
    if (sys == 0)
        *ret_n = disk_read(ff->node, p, n, off);
    return leave(fault_of(file->fs), VFS_CALL_PREAD, ff->path, sys, err);
}

static fer_code fault_pwrite(vfs_file *file, const void *p, size_t n, uint64_t off, fer_err *err)
{
    vfs_fault *f = fault_of(file->fs);
    fault_file *ff = file_of(file);
    int sys = enter_file(file, VFS_CALL_PWRITE);
    bool alive = ff->crashes == f->crashes && ff->writable;
    if (!ff->writable)
        sys = EBADF;
    else if (ff->direct && (n | off | (uintptr_t)p) % VFS_BLOCK_BYTES != 0)
        sys = EINVAL;
    size_t part = sys == 0 ? n : f->rule.wrote < n ? f->rule.wrote : n;
    int disk_sys = alive ? disk_write(f->disk, ff->node, p, part, off) : 0;
    if (alive)
        ff->node->mtime_ms = now_ms(f);
    sys = sys != 0 ? sys : disk_sys;
    note(f, (vfs_fault_op){VFS_CALL_PWRITE, ff->path, NULL, off, n, sys, ff->node->id, p});
    return leave(f, VFS_CALL_PWRITE, ff->path, sys, err);
}

static fer_code fault_sync(vfs_file *file, fer_err *err)
{
    vfs_fault *f = fault_of(file->fs);
    fault_file *ff = file_of(file);
    int sys = enter_file(file, VFS_CALL_SYNC);
    if (ff->crashes == f->crashes) {
        if (sys == 0)
            disk_sync(ff->node);
        else
            disk_sync_failed(ff->node);
    }
    note(f,
         (vfs_fault_op){.kind = VFS_CALL_SYNC, .path = ff->path, .sys = sys, .file = ff->node->id});
    return leave(f, VFS_CALL_SYNC, ff->path, sys, err);
}

static fer_code fault_truncate(vfs_file *file, uint64_t size, fer_err *err)
{
    vfs_fault *f = fault_of(file->fs);
    fault_file *ff = file_of(file);
    int sys = enter_file(file, VFS_CALL_TRUNCATE);
    if (sys == 0 && !ff->writable)
        sys = EINVAL;
    if (sys == 0)
        sys = disk_truncate(f->disk, ff->node, size);
    note(f, (vfs_fault_op){VFS_CALL_TRUNCATE, ff->path, NULL, size, 0, sys, ff->node->id, NULL});
    return leave(f, VFS_CALL_TRUNCATE, ff->path, sys, err);
}

static fer_code fault_size(vfs_file *file, uint64_t *ret, fer_err *err)
{
    fault_file *ff = file_of(file);
    int sys = enter_file(file, VFS_CALL_SIZE);
    if (sys == 0)
        *ret = ff->node->cached.n;
    return leave(fault_of(file->fs), VFS_CALL_SIZE, ff->path, sys, err);
}

static fer_code fault_map(vfs_file *file, vfs_map *ret, fer_err *err)
{
    vfs_fault *f = fault_of(file->fs);
    fault_file *ff = file_of(file);
    int sys = enter_file(file, VFS_CALL_MAP);
    if (sys == 0 && ff->node->is_dir)
        sys = ENODEV;
    size_t n = sys == 0 ? ff->node->cached.n : 0;
    if (n != 0) {
        uint8_t *copy = fer_alloc(n);
        memcpy(copy, ff->node->cached.p, n);
        *ret = (vfs_map){copy, n, file->fs, NULL};
        f->maps++;
    } else if (sys == 0) {
        *ret = (vfs_map){0};
    }
    return leave(f, VFS_CALL_MAP, ff->path, sys, err);
}

static void fault_unmap(vfs_map *m)
{
    vfs_fault *f = fault_of(m->fs);
    fer_mutex_lock(&f->mu);
    f->maps--;
    fer_mutex_unlock(&f->mu);
    fer_free((void *)(uintptr_t)m->p);
}

/* Names. */

static fer_code fault_stat(vfs *fs, const char *path, vfs_stat *ret, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    inode *node;
    int sys = enter(f, VFS_CALL_STAT, path, NULL);
    if (sys == 0)
        sys = disk_find(f->disk, path, &node);
    if (sys == 0)
        *ret = (vfs_stat){node->cached.n, node->is_dir, node->mtime_ms};
    return leave(f, VFS_CALL_STAT, path, sys, err);
}

/* Names copied under the lock, so that the callback may use the vfs. */
typedef struct name_copy {
    fer_arena *a;
    fer_str *v;
    size_t n;
} name_copy;

static void copy_name(void *arg, const char *name)
{
    name_copy *c = arg;
    c->v = fer_arena_grow(c->a, c->v, c->n * sizeof *c->v, (c->n + 1) * sizeof *c->v);
    c->v[c->n++] = fer_arena_dup(c->a, str_of(name));
}

static fer_code fault_list(vfs *fs, const char *dir, vfs_list_fn fn, void *arg, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    name_copy names = {.a = a};
    inode *node;
    int sys = enter(f, VFS_CALL_LIST, dir, NULL);
    if (sys == 0)
        sys = disk_find(f->disk, dir, &node);
    if (sys == 0 && !node->is_dir)
        sys = ENOTDIR;
    if (sys == 0)
        disk_each_name(node, copy_name, &names);
    FER_TRY(leave(f, VFS_CALL_LIST, dir, sys, err));
    for (size_t i = 0; i < names.n; i++)
        FER_TRY(fn(arg, names.v[i].p));
    return FER_OK;
}

static fer_code fault_mkdir(vfs *fs, const char *path, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    inode *node;
    int sys = enter(f, VFS_CALL_MKDIR, path, NULL);
    if (sys == 0)
        sys = disk_create(f->disk, path, true, now_ms(f), &node);
    note(f, (vfs_fault_op){.kind = VFS_CALL_MKDIR, .path = path, .sys = sys});
    return leave(f, VFS_CALL_MKDIR, path, sys, err);
}

static fer_code fault_rmdir(vfs *fs, const char *path, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    int sys = enter(f, VFS_CALL_RMDIR, path, NULL);
    if (sys == 0)
        sys = disk_rmdir(f->disk, path);
    note(f, (vfs_fault_op){.kind = VFS_CALL_RMDIR, .path = path, .sys = sys});
    return leave(f, VFS_CALL_RMDIR, path, sys, err);
}

static fer_code fault_unlink(vfs *fs, const char *path, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    int sys = enter(f, VFS_CALL_UNLINK, path, NULL);
    if (sys == 0)
        sys = disk_unlink(f->disk, path);
    note(f, (vfs_fault_op){.kind = VFS_CALL_UNLINK, .path = path, .sys = sys});
    return leave(f, VFS_CALL_UNLINK, path, sys, err);
}

static fer_code fault_rename(vfs *fs, const char *from, const char *to, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    int sys = enter(f, VFS_CALL_RENAME, from, to);
    if (sys == 0)
        sys = disk_rename(f->disk, from, to);
    note(f, (vfs_fault_op){.kind = VFS_CALL_RENAME, .path = from, .to = to, .sys = sys});
    return leave(f, VFS_CALL_RENAME, from, sys, err);
}

static fer_code fault_link(vfs *fs, const char *from, const char *to, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    int sys = enter(f, VFS_CALL_LINK, from, to);
    if (sys == 0)
        sys = disk_link(f->disk, from, to);
    note(f, (vfs_fault_op){.kind = VFS_CALL_LINK, .path = from, .to = to, .sys = sys});
    return leave(f, VFS_CALL_LINK, from, sys, err);
}

static fer_code fault_sync_dir(vfs *fs, const char *path, fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    inode *node;
    int sys = enter(f, VFS_CALL_SYNC_DIR, path, NULL);
    if (sys == 0)
        sys = disk_find(f->disk, path, &node);
    if (sys == 0 && !node->is_dir)
        sys = ENOTDIR;
    if (sys == 0)
        disk_sync_dir(f->disk, node);
    note(f, (vfs_fault_op){.kind = VFS_CALL_SYNC_DIR, .path = path, .sys = sys});
    return leave(f, VFS_CALL_SYNC_DIR, path, sys, err);
}

static fer_code fault_free_bytes(vfs *fs, const char *path, uint64_t *ret_free, uint64_t *ret_total,
                                 fer_err *err)
{
    vfs_fault *f = fault_of(fs);
    inode *node;
    int sys = enter(f, VFS_CALL_FREE_BYTES, path, NULL);
    if (sys == 0)
        sys = disk_find(f->disk, path, &node);
    if (sys == 0) {
        uint64_t used = disk_used(f->disk), total = disk_capacity(f->disk);
        *ret_free = total > used ? total - used : 0;
        *ret_total = total;
    }
    return leave(f, VFS_CALL_FREE_BYTES, path, sys, err);
}

/* The test's side. */

vfs_fault *vfs_fault_new(fer_clock *clock)
{
    return vfs_fault_new_on(disk_new(), clock);
}

vfs_fault *vfs_fault_new_on(disk *d, fer_clock *clock)
{
    static const vfs_ops ops = {
        .open = fault_open,
        .stat = fault_stat,
        .list = fault_list,
        .mkdir = fault_mkdir,
        .rmdir = fault_rmdir,
        .unlink = fault_unlink,
        .rename = fault_rename,
        .link = fault_link,
        .sync_dir = fault_sync_dir,
        .free_bytes = fault_free_bytes,
        .lock = fault_lock,
        .pread = fault_pread,
        .pwrite = fault_pwrite,
        .sync = fault_sync,
        .truncate = fault_truncate,
        .size = fault_size,
        .map = fault_map,
        .unmap = fault_unmap,
        .close = fault_close,
    };
    vfs_fault *f = fer_calloc(1, sizeof *f);
    f->base.ops = &ops;
    f->clock = clock;
    f->disk = d;
    f->arena = fer_arena_new(NULL, 0);
    fer_mutex_init(&f->mu, "vfs_fault", 0);
    return f;
}

void vfs_fault_free(vfs_fault *f)
{
    assert(f->open_files == 0);
    assert(f->maps == 0);
    disk_free(f->disk);
    fer_arena_free(f->arena);
    fer_free(f->ops);
    fer_mutex_done(&f->mu);
    fer_free(f);
}

disk *vfs_fault_disk(vfs_fault *f)
{
    return f->disk;
}

void vfs_fault_record(vfs_fault *f)
{
    fer_mutex_lock(&f->mu);
    f->records = true;
    fer_mutex_unlock(&f->mu);
}

vfs *vfs_fault_fs(vfs_fault *f)
{
    return &f->base;
}

uint64_t vfs_fault_count(vfs_fault *f, vfs_call kind)
{
    fer_mutex_lock(&f->mu);
    uint64_t n = f->counts[kind];
    fer_mutex_unlock(&f->mu);
    return n;
}

static void set_rule(vfs_fault *f, vfs_fault_rule rule)
{
    f->rule = rule;
    f->matched = 0;
    f->hits = 0;
}

void vfs_fault_set(vfs_fault *f, const vfs_fault_rule *rule)
{
    assert(rule->nth >= 1 && rule->sys != 0);
    fer_mutex_lock(&f->mu);
    set_rule(f, *rule);
    fer_mutex_unlock(&f->mu);
}

void vfs_fault_clear(vfs_fault *f)
{
    fer_mutex_lock(&f->mu);
    set_rule(f, (vfs_fault_rule){0});
    fer_mutex_unlock(&f->mu);
}

uint64_t vfs_fault_hits(vfs_fault *f)
{
    fer_mutex_lock(&f->mu);
    uint64_t n = f->hits;
    fer_mutex_unlock(&f->mu);
    return n;
}

void vfs_fault_set_capacity(vfs_fault *f, uint64_t bytes)
{
    fer_mutex_lock(&f->mu);
    disk_set_capacity(f->disk, bytes);
    fer_mutex_unlock(&f->mu);
}

void vfs_fault_crash(vfs_fault *f, fer_rng *rng)
{
    fer_mutex_lock(&f->mu);
    set_rule(f, (vfs_fault_rule){0});
    f->crashes++;
    disk_crash(f->disk, rng);
    fer_mutex_unlock(&f->mu);
}

size_t vfs_fault_ops(vfs_fault *f, const vfs_fault_op **ret)
{
    fer_mutex_lock(&f->mu);
    *ret = f->ops;
    size_t n = f->ops_n;
    fer_mutex_unlock(&f->mu);
    return n;
}
