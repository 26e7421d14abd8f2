/* vfs_disk.c - see vfs_disk.h for the model. */
#include "base/vfs_disk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

enum { PAGE = 4096, SECTOR = 512 };

static const uint64_t file_bytes_max = 1ULL << 32;

typedef struct entry {
    char *name;
    inode *node;   /* NULL in a change: the name goes */
    uint64_t step; /* of a change: changes of one step are durable together */
} entry;

typedef struct entries {
    entry *v;
    size_t n;
    size_t cap;
} entries;

struct disk_names {
    entries cached;
    entries durable;
    entries changes; /* from durable to cached, oldest first */
};

struct disk {
    inode *root;
    inode **nodes; /* by id */
    size_t n, cap;
    uint64_t capacity;
    uint64_t step;
    inode *newest; /* written to last; NULL: synced since, or nothing was written */
    size_t newest_off, newest_n;
};

/* Names. */

static void entries_add(entries *e, const char *name, size_t n, inode *node, uint64_t step)
{
    if (e->n == e->cap) {
        e->cap = e->cap == 0 ? 8 : e->cap * 2;
        e->v = fer_realloc(e->v, e->cap * sizeof *e->v);
    }
    e->v[e->n++] = (entry){fer_memdup0(name, n), node, step};
}

static entry *entries_find(const entries *e, const char *name, size_t n)
{
    for (size_t i = 0; i < e->n; i++) {
        if (strlen(e->v[i].name) == n && memcmp(e->v[i].name, name, n) == 0)
            return &e->v[i];
    }
    return NULL;
}

/* The name means `node` from now on; NULL removes it. */
static void entries_set(entries *e, const char *name, size_t n, inode *node)
{
    entry *have = entries_find(e, name, n);
    if (have == NULL && node != NULL) {
        entries_add(e, name, n, node, 0);
    } else if (have != NULL && node != NULL) {
        have->node = node;
    } else if (have != NULL) {
        assert(e->v != NULL);
        fer_free(have->name);
        *have = e->v[--e->n];
    }
}

static void entries_clear(entries *e)
{
    for (size_t i = 0; i < e->n; i++)
        fer_free(e->v[i].name);
    e->n = 0;
}

static void entries_done(entries *e)
{
    entries_clear(e);
    fer_free(e->v);
}

/* Carries the first n changes over. */
static void apply_changes(disk_names *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const entry *c = &names->changes.v[i];
        entries_set(&names->durable, c->name, strlen(c->name), c->node);
    }
}

/* Life. */

static inode *inode_new(disk *d, bool is_dir, int64_t mtime_ms)
{
    inode *node = fer_calloc(1, sizeof *node);
    node->is_dir = is_dir;
    node->mtime_ms = mtime_ms;
    if (is_dir)
        node->names = fer_calloc(1, sizeof *node->names);
    if (d->n == d->cap) {
        d->cap = d->cap == 0 ? 64 : d->cap * 2;
        d->nodes = fer_realloc(d->nodes, d->cap * sizeof(inode *));
    }
    node->id = d->n;
    d->nodes[d->n++] = node;
    return node;
}

static void inode_free(inode *node)
{
    if (node->is_dir) {
        entries_done(&node->names->cached);
        entries_done(&node->names->durable);
        entries_done(&node->names->changes);
        fer_free(node->names);
    }
    fer_free(node->cached.p);
    fer_free(node->durable.p);
    fer_free(node->dirty);
    fer_free(node);
}

disk *disk_new(void)
{
    disk *d = fer_calloc(1, sizeof *d);
    d->capacity = 1ULL << 40;
    d->root = inode_new(d, true, 0);
    d->root->links = 1;
    return d;
}

void disk_free(disk *d)
{
    for (size_t i = 0; i < d->n; i++)
        inode_free(d->nodes[i]);
    fer_free(d->nodes);
    fer_free(d);
}

uint64_t disk_used(const disk *d)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        const inode *node = d->nodes[i];
        if (node->links != 0 || node->opens != 0)
            sum += node->cached.n;
    }
    return sum;
}

uint64_t disk_capacity(const disk *d)
{
    return d->capacity;
}

void disk_set_capacity(disk *d, uint64_t bytes)
{
    d->capacity = bytes;
}

/* Paths. */

typedef struct place {
    inode *dir;
    const char *name; /* not NUL-terminated; n 0: the directory itself */
    size_t n;
} place;

static const char *next_part(const char *path, size_t *n)
{
    for (;;) {
        path += strspn(path, "/");
        *n = strcspn(path, "/");
        if (*n != 1 || *path != '.')
            return path;
        path++;
    }
}

/* The directory a path lies in and the last name; the name need not exist. */
static int find_place(disk *d, const char *path, place *ret)
{
    inode *dir = d->root;
    size_t n, next_n;
    const char *part = next_part(path, &n);
    if (*path == '\0')
        return ENOENT;
    for (;;) {
        const char *next = next_part(part + n, &next_n);
        if (next_n == 0)
            break;
        const entry *e = entries_find(&dir->names->cached, part, n);
        if (e == NULL)
            return ENOENT;
        if (!e->node->is_dir)
            return ENOTDIR;
        dir = e->node;
        part = next;
        n = next_n;
    }
    *ret = (place){dir, part, n};
    return 0;
}

static inode *place_node(const place *at)
{
    if (at->n == 0)
        return at->dir;
    const entry *e = entries_find(&at->dir->names->cached, at->name, at->n);
    return e == NULL ? NULL : e->node;
}

/* Changes what a name means, in the cache. */
static void set_name(disk *d, const place *at, inode *node)
{
    assert(at->n > 0); /* the root has no name */
    inode *before = place_node(at);
    if (node != NULL)
        node->links++;
    if (before != NULL)
        before->links--;
    entries_set(&at->dir->names->cached, at->name, at->n, node);
    entries_add(&at->dir->names->changes, at->name, at->n, node, d->step);
}

static int find_both(disk *d, const char *path, place *ret_place, inode **ret_node)
{
    int sys = find_place(d, path, ret_place);
    if (sys != 0)
        return sys;
    *ret_node = place_node(ret_place);
    return *ret_node == NULL ? ENOENT : 0;
}

int disk_find(disk *d, const char *path, inode **ret)
{
    place at;
    return find_both(d, path, &at, ret);
}

inode *disk_node(disk *d, uint64_t id)
{
    return d->nodes[id];
}

int disk_create(disk *d, const char *path, bool is_dir, int64_t mtime_ms, inode **ret)
{
    place at;
    int sys = find_place(d, path, &at);
    if (sys != 0)
        return sys;
    if (place_node(&at) != NULL)
        return EEXIST;
    *ret = inode_new(d, is_dir, mtime_ms);
    d->step++;
    set_name(d, &at, *ret);
    return 0;
}

int disk_unlink(disk *d, const char *path)
{
    place at;
    inode *node;
    int sys = find_both(d, path, &at, &node);
    if (sys != 0)
        return sys;
    if (node->is_dir)
        return EISDIR;
    d->step++;
    set_name(d, &at, NULL);
    return 0;
}

int disk_rmdir(disk *d, const char *path)
{
    place at;
    inode *node;
    int sys = find_both(d, path, &at, &node);
    if (sys != 0)
        return sys;
    if (!node->is_dir)
        return ENOTDIR;
    if (node == d->root)
        return EBUSY;
    if (node->names->cached.n != 0)
        return ENOTEMPTY;
    d->step++;
    set_name(d, &at, NULL);
    return 0;
}

int disk_rename(disk *d, const char *from, const char *to)
{
    place src, dst;
    inode *node;
    int sys = find_both(d, from, &src, &node);
    if (sys == 0)
        sys = find_place(d, to, &dst);
    if (sys != 0)
        return sys;
    if (node == d->root)
        return EBUSY;
    inode *over = place_node(&dst);
    if (over == node)
        return 0;
    if (over != NULL && over->is_dir != node->is_dir)
        return over->is_dir ? EISDIR : ENOTDIR;
    if (over != NULL && over->is_dir && over->names->cached.n != 0)
        return ENOTEMPTY;
    d->step++;
    set_name(d, &dst, node);
    set_name(d, &src, NULL);
    return 0;
}

int disk_link(disk *d, const char *from, const char *to)
{
    place src, dst;
    inode *node;
    int sys = find_both(d, from, &src, &node);
    if (sys == 0)
        sys = find_place(d, to, &dst);
    if (sys != 0)
        return sys;
    if (node->is_dir)
        return EPERM;
    if (place_node(&dst) != NULL)
        return EEXIST;
    d->step++;
    set_name(d, &dst, node);
    return 0;
}

void disk_each_name(const inode *dir, void (*fn)(void *arg, const char *name), void *arg)
{
    for (size_t i = 0; i < dir->names->cached.n; i++)
        fn(arg, dir->names->cached.v[i].name);
}

/* Bytes. */

static size_t pages_of(size_t n)
{
    return (n + PAGE - 1) / PAGE;
}

/* Grows with zeros or cuts. */
static void bytes_resize(disk_bytes *b, size_t n)
{
    if (n > b->cap) {
        b->cap = n < b->cap * 2 ? b->cap * 2 : n;
        b->p = fer_realloc(b->p, b->cap);
    }
    if (n > b->n)
        memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void mark_dirty(inode *file, size_t from, size_t to)
{
    size_t need = pages_of(to);
    if (need > file->dirty_n) {
        size_t cap = need < file->dirty_n * 2 ? file->dirty_n * 2 : need;
        file->dirty = fer_realloc(file->dirty, cap);
        memset(file->dirty + file->dirty_n, 0, cap - file->dirty_n);
        file->dirty_n = cap;
    }
    if (to > from)
        memset(file->dirty + from / PAGE, 1, need - from / PAGE);
}

size_t disk_read(const inode *file, void *p, size_t n, uint64_t off)
{
    if (off >= file->cached.n)
        return 0;
    size_t left = file->cached.n - (size_t)off;
    if (n > left)
        n = left;
    if (n != 0)
        memcpy(p, file->cached.p + off, n);
    return n;
}

/* How far a file may grow. */
static uint64_t size_limit(const disk *d, const inode *file)
{
    uint64_t used = disk_used(d);
    return file->cached.n + (d->capacity > used ? d->capacity - used : 0);
}

int disk_write(disk *d, inode *file, const void *p, size_t n, uint64_t off)
{
    if (n == 0)
        return 0;
    if (off > file_bytes_max || n > file_bytes_max - off)
        return EFBIG;
    uint64_t end = off + n;
    if (end > file->cached.n) {
        uint64_t limit = size_limit(d, file);
        end = end < limit ? end : limit;
    }
    if (end <= off)
        return ENOSPC;
    size_t old = file->cached.n, fits = (size_t)(end - off);
    if (end > old)
        bytes_resize(&file->cached, (size_t)end);
    memcpy(file->cached.p + off, p, fits);
    mark_dirty(file, off < old ? (size_t)off : old, (size_t)end);
    d->newest = file;
    d->newest_off = (size_t)off;
    d->newest_n = fits;
    return fits < n ? ENOSPC : 0;
}

int disk_truncate(disk *d, inode *file, uint64_t size)
{
    if (size > file_bytes_max)
        return EFBIG;
    if (size > file->cached.n && size > size_limit(d, file))
        return ENOSPC;
    size_t old = file->cached.n, n = (size_t)size;
    bytes_resize(&file->cached, n);
    mark_dirty(file, old < n ? old : n, old < n ? n : old);
    return 0;
}

/* Durability. */

void disk_sync(inode *file)
{
    bytes_resize(&file->durable, file->cached.n);
    for (size_t page = 0; page < pages_of(file->cached.n); page++) {
        if (page >= file->dirty_n || !file->dirty[page])
            continue;
        size_t at = page * PAGE, left = file->cached.n - at;
        memcpy(file->durable.p + at, file->cached.p + at, left < PAGE ? left : PAGE);
    }
    disk_sync_failed(file);
}

void disk_sync_failed(inode *file)
{
    if (file->dirty_n != 0)
        memset(file->dirty, 0, file->dirty_n);
}

/* How many changes of a directory there are up to the last one of a step; 0 when it has none. */
static size_t changes_upto(const inode *dir, uint64_t step)
{
    const entries *c = &dir->names->changes;
    size_t n = c->n;
    while (n > 0 && c->v[n - 1].step != step)
        n--;
    return n;
}

/* Carries the first n changes of a directory, and of others what is one with them. */
static void carry_changes(disk *d, inode *dir, size_t n)
{
    entries *c = &dir->names->changes;
    entries carried = {fer_alloc((n + 1) * sizeof(entry)), n, n};
    apply_changes(dir->names, n);
    memcpy(carried.v, c->v, n * sizeof(entry));
    memmove(c->v, c->v + n, (c->n - n) * sizeof(entry));
    c->n -= n;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d->n; k++) {
            inode *other = d->nodes[k];
            size_t more = other->is_dir ? changes_upto(other, carried.v[i].step) : 0;
            if (more != 0)
                carry_changes(d, other, more);
        }
    entries_done(&carried);
}

void disk_sync_dir(disk *d, inode *dir)
{
    if (dir->names->changes.n != 0)
        carry_changes(d, dir, dir->names->changes.n);
}

static uint64_t below(fer_rng *rng, uint64_t n)
{
    return fer_rng_u64(rng) % n;
}

/* Lets chance carry dirty sectors of a file: none, all, or each by a coin. */
static void carry_some(inode *file, fer_rng *rng)
{
    enum { NONE, ALL, SOME } how = (int)below(rng, 3);
    if (how == NONE)
        return;
    if (how == ALL || below(rng, 2) == 0)
        bytes_resize(&file->durable, file->cached.n);
    size_t n = file->durable.n < file->cached.n ? file->durable.n : file->cached.n;
    for (size_t at = 0; at < n; at += SECTOR) {
        if (at / PAGE >= file->dirty_n || !file->dirty[at / PAGE])
            continue;
        if (how == ALL || below(rng, 2) == 0)
            memcpy(file->durable.p + at, file->cached.p + at, n - at < SECTOR ? n - at : SECTOR);
    }
}

static void crash_file(inode *file, fer_rng *rng)
{
    if (rng != NULL)
        carry_some(file, rng);
    file->cached.n = 0;
    bytes_resize(&file->cached, file->durable.n);
    if (file->durable.n != 0)
        memcpy(file->cached.p, file->durable.p, file->durable.n);
    disk_sync_failed(file);
}

static void crash_dir(inode *dir, fer_rng *rng)
{
    disk_names *names = dir->names;
    size_t keep = rng == NULL ? 0 : (size_t)below(rng, names->changes.n + 1);
    while (keep > 0 && keep < names->changes.n &&
           names->changes.v[keep].step == names->changes.v[keep - 1].step)
        keep++;
    apply_changes(names, keep);
    entries_clear(&names->changes);
    entries_clear(&names->cached);
    for (size_t i = 0; i < names->durable.n; i++) {
        const entry *e = &names->durable.v[i];
        entries_add(&names->cached, e->name, strlen(e->name), e->node, 0);
    }
}

/* Counts the names anew, from the root down. */
static void count_links(inode *dir)
{
    for (size_t i = 0; i < dir->names->cached.n; i++) {
        inode *node = dir->names->cached.v[i].node;
        if (node->links++ == 0 && node->is_dir)
            count_links(node);
    }
}

void disk_crash(disk *d, fer_rng *rng)
{
    d->newest = NULL;
    for (size_t i = 0; i < d->n; i++) {
        inode *node = d->nodes[i];
        node->links = 0;
        node->locked = false;
        if (node->is_dir)
            crash_dir(node, rng);
        else
            crash_file(node, rng);
    }
    d->root->links = 1;
    count_links(d->root);
}

/* ---- what a crash may leave, as a copy ---- */

typedef struct builder {
    const disk *from;
    disk *to;
    const disk_survival *how; /* NULL: a copy with all that is not synced */
    uint64_t seed;            /* of CHANGES_BY_CHANCE */
    inode **twins;            /* by ids of from; NULL: not made yet */
} builder;

static bool is_dirty(const inode *file, size_t at)
{
    return at / PAGE < file->dirty_n && file->dirty[at / PAGE] != 0;
}

/* Whether the sector at `at`, which is dirty, survives. */
static bool is_carried(const builder *b, const inode *file, size_t at)
{
    const disk *d = b->from;
    switch (b->how->data) {
    case DATA_LOST:
    case DATA_ZEROED:
        return false;
    case DATA_KEPT:
        return true;
    case DATA_TORN:
        return file != d->newest || at < b->how->cut;
    case DATA_HOLED:
        return file != d->newest || at >= b->how->cut || at + SECTOR <= d->newest_off;
    case DATA_BY_CHANCE:
        return below(b->how->rng, 2) == 0;
    }
    return false;
}

static size_t surviving_size(const builder *b, const inode *file)
{
    size_t durable = file->durable.n, cached = file->cached.n;
    switch (b->how->data) {
    case DATA_LOST:
        return durable;
    case DATA_TORN:
        if (file != b->from->newest || cached <= durable)
            return cached;
        return b->how->cut > durable ? (size_t)b->how->cut : durable;
    case DATA_BY_CHANCE:
        return below(b->how->rng, 2) == 0 ? durable : cached;
    case DATA_KEPT:
    case DATA_ZEROED:
    case DATA_HOLED:
        break;
    }
    return cached;
}

static void bytes_copy(disk_bytes *to, const disk_bytes *from)
{
    bytes_resize(to, from->n);
    if (from->n != 0)
        memcpy(to->p, from->p, from->n);
}

static void fill_file(const builder *b, inode *twin, const inode *file)
{
    bytes_copy(&twin->durable, &file->durable);
    if (b->how == NULL) {
        bytes_copy(&twin->cached, &file->cached);
        mark_dirty(twin, 0, file->cached.n);
        for (size_t i = 0; i < twin->dirty_n; i++)
            twin->dirty[i] = is_dirty(file, i * PAGE);
        return;
    }
    bytes_resize(&twin->durable, surviving_size(b, file));
    size_t n = twin->durable.n < file->cached.n ? twin->durable.n : file->cached.n;
    for (size_t at = 0; at < n; at += SECTOR)
        if (is_dirty(file, at) && is_carried(b, file, at))
            memcpy(twin->durable.p + at, file->cached.p + at, n - at < SECTOR ? n - at : SECTOR);
    bytes_copy(&twin->cached, &twin->durable);
}

static bool has_happened(const builder *b, const entry *change)
{
    switch (b->how->changes) {
    case CHANGES_LOST:
        return false;
    case CHANGES_KEPT:
        return true;
    case CHANGES_FIRST:
        return change->step < b->how->change;
    case CHANGES_ALL_BUT:
        return change->step != b->how->change;
    case CHANGES_ONLY:
        return change->step == b->how->change;
    case CHANGES_BY_CHANCE:
        return fer_hash_mix(b->seed, change->step) % 2 == 0;
    }
    return false;
}

static inode *copy_node(builder *b, const inode *node);

static void copy_entries(builder *b, entries *to, const entries *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const entry *e = &from->v[i];
        inode *twin = e->node == NULL ? NULL : copy_node(b, e->node);
        entries_add(to, e->name, strlen(e->name), twin, e->step);
    }
}

static void survive_changes(const builder *b, entries *e, const entries *changes)
{
    for (size_t i = 0; i < changes->n; i++) {
        const entry *c = &changes->v[i];
        if (has_happened(b, c))
            entries_set(e, c->name, strlen(c->name), c->node);
    }
}

static void fill_dir(builder *b, inode *twin, const inode *dir)
{
    const disk_names *from = dir->names;
    disk_names *to = twin->names;
    if (b->how == NULL) {
        copy_entries(b, &to->cached, &from->cached);
        copy_entries(b, &to->durable, &from->durable);
        copy_entries(b, &to->changes, &from->changes);
        return;
    }
    entries left = {0};
    for (size_t i = 0; i < from->durable.n; i++) {
        const entry *e = &from->durable.v[i];
        entries_add(&left, e->name, strlen(e->name), e->node, 0);
    }
    survive_changes(b, &left, &from->changes);
    copy_entries(b, &to->cached, &left);
    copy_entries(b, &to->durable, &left);
    entries_done(&left);
}

static inode *copy_node(builder *b, const inode *node)
{
    inode *twin = b->twins[node->id];
    if (twin != NULL)
        return twin;
    twin = inode_new(b->to, node->is_dir, node->mtime_ms);
    b->twins[node->id] = twin;
    if (node->is_dir)
        fill_dir(b, twin, node);
    else
        fill_file(b, twin, node);
    return twin;
}

static disk *build(const disk *d, const disk_survival *how)
{
    disk *to = fer_calloc(1, sizeof *to);
    to->capacity = d->capacity;
    to->step = d->step;
    builder b = {.from = d, .to = to, .how = how, .twins = fer_calloc(d->n, sizeof(inode *))};
    if (how != NULL && how->changes == CHANGES_BY_CHANCE)
        b.seed = fer_rng_u64(how->rng);
    to->root = copy_node(&b, d->root);
    to->root->links = 1;
    count_links(to->root);
    if (how == NULL && d->newest != NULL && b.twins[d->newest->id] != NULL) {
        to->newest = b.twins[d->newest->id];
        to->newest_off = d->newest_off;
        to->newest_n = d->newest_n;
    }
    fer_free(b.twins);
    return to;
}

disk *disk_survivor(const disk *d, const disk_survival *how)
{
    return build(d, how);
}

disk *disk_copy(const disk *d)
{
    return build(d, NULL);
}

static int by_step(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

size_t disk_unsynced_changes(const disk *d, uint64_t *ret, size_t cap)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < d->n; i++) {
        const inode *dir = d->nodes[i];
        if (!dir->is_dir || dir->links == 0)
            continue;
        const entries *c = &dir->names->changes;
        for (size_t k = 0; k < c->n; k++)
            if ((k == 0 || c->v[k].step != c->v[k - 1].step) && n++ < cap)
                ret[kept++] = c->v[k].step;
    }
    if (kept > 1)
        qsort(ret, kept, sizeof *ret, by_step);
    return n;
}

bool disk_has_unsynced_data(const disk *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const inode *file = d->nodes[i];
        if (file->links == 0 || file->is_dir)
            continue;
        if (file->cached.n != file->durable.n)
            return true;
        for (size_t k = 0; k < file->dirty_n; k++)
            if (file->dirty[k] != 0)
                return true;
    }
    return false;
}

size_t disk_newest_cuts(const disk *d, uint64_t *ret, size_t cap)
{
    if (d->newest == NULL || !is_dirty(d->newest, d->newest_off))
        return 0;
    size_t n = 0, end = d->newest_off + d->newest_n;
    for (size_t at = d->newest_off / SECTOR * SECTOR + SECTOR; at < end; at += SECTOR)
        if (n++ < cap)
            ret[n - 1] = at;
    return n;
}

static uint64_t text_hash(uint64_t h, const char *text)
{
    return fer_hash_mix(h, fer_hash64(text, strlen(text)));
}

/* Names come in any order: what is below a directory is summed up. */
static uint64_t node_hash(const inode *node, uint64_t path)
{
    if (!node->is_dir)
        return fer_hash_mix(path, fer_hash64(node->cached.p, node->cached.n));
    uint64_t sum = fer_hash_mix(path, 1);
    const entries *e = &node->names->cached;
    for (size_t i = 0; i < e->n; i++)
        sum += node_hash(e->v[i].node, text_hash(path, e->v[i].name));
    return sum;
}

uint64_t disk_hash(const disk *d)
{
    return node_hash(d->root, 0);
}
