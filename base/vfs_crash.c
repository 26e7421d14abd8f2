#include "base/vfs_crash.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/vfs_disk.h"

enum { CHANGES_MAX = 256, CUTS_MAX = 256, CUTS_TRIED = 12, CHANCES = 6, WHAT_BYTES = 160 };

typedef struct variant {
    disk_survival how;
    bool killed;
} variant;

enum { VARIANTS_MAX = 3 * CHANGES_MAX + 2 * CUTS_TRIED + 32 };

struct vfs_crash {
    vfs_crash_depth depth;
    disk *disk;
    fer_rng_seeded rng;
    variant variants[VARIANTS_MAX]; /* of the present place */
    size_t n, next;
    bool begun;     /* the variants are those of the present place */
    uint64_t *seen; /* open addressing; 0: free */
    size_t n_seen, cap_seen;
    uint64_t equal;
    char what[WHAT_BYTES];
};

vfs_crash *vfs_crash_new(vfs_fault *begin, vfs_crash_depth depth)
{
    vfs_crash *c = fer_calloc(1, sizeof *c);
    c->depth = depth;
    c->disk = disk_copy(vfs_fault_disk(begin));
    fer_rng_seeded_init(&c->rng, 7);
    return c;
}

void vfs_crash_free(vfs_crash *c)
{
    if (c == NULL)
        return;
    disk_free(c->disk);
    fer_free(c->seen);
    fer_free(c);
}

vfs_fault *vfs_crash_settled(vfs_fault *f, fer_clock *clock)
{
    const disk_survival all = {.data = DATA_KEPT, .changes = CHANGES_KEPT};
    return vfs_fault_new_on(disk_survivor(vfs_fault_disk(f), &all), clock);
}

vfs_fault *vfs_crash_killed(vfs_fault *f, fer_clock *clock)
{
    return vfs_fault_new_on(disk_copy(vfs_fault_disk(f)), clock);
}

/* ---- living again ---- */

static int find_or_make(disk *d, const char *path, inode **ret)
{
    int sys = disk_find(d, path, ret);
    return sys == 0 ? 0 : disk_create(d, path, false, 0, ret);
}

static int open_again(disk *d, const char *path)
{
    inode *file;
    int sys = find_or_make(d, path, &file);
    return sys == 0 ? disk_truncate(d, file, 0) : sys;
}

static int apply(disk *d, const vfs_fault_op *op)
{
    inode *node;
    switch (op->kind) {
    case VFS_CALL_OPEN:
        return open_again(d, op->path);
    case VFS_CALL_LOCK:
        return find_or_make(d, op->path, &node);
    case VFS_CALL_MKDIR:
        return disk_create(d, op->path, true, 0, &node);
    case VFS_CALL_RMDIR:
        return disk_rmdir(d, op->path);
    case VFS_CALL_UNLINK:
        return disk_unlink(d, op->path);
    case VFS_CALL_RENAME:
        return disk_rename(d, op->path, op->to);
    case VFS_CALL_LINK:
        return disk_link(d, op->path, op->to);
    case VFS_CALL_SYNC_DIR:
        if (disk_find(d, op->path, &node) == 0)
            disk_sync_dir(d, node);
        return 0;
    case VFS_CALL_PWRITE:
        return disk_write(d, disk_node(d, op->file), op->bytes, op->n, op->off);
    case VFS_CALL_SYNC:
        disk_sync(disk_node(d, op->file));
        return 0;
    case VFS_CALL_TRUNCATE:
        return disk_truncate(d, disk_node(d, op->file), op->off);
    default:
        return -1;
    }
}

void vfs_crash_apply(vfs_crash *c, const vfs_fault_op *op)
{
    c->begun = false;
    if (op->sys != 0)
        return;
    int sys = apply(c->disk, op);
    assert(sys == 0);
    (void)sys;
}

/* ---- what a crash can leave here ---- */

static void add(vfs_crash *c, disk_survival how)
{
    if (c->n < VARIANTS_MAX)
        c->variants[c->n++] = (variant){.how = how};
}

static void add_cuts(vfs_crash *c)
{
    uint64_t cuts[CUTS_MAX];
    size_t n = disk_newest_cuts(c->disk, cuts, CUTS_MAX);
    if (n > CUTS_MAX)
        n = CUTS_MAX;
    size_t tried = c->depth == CRASH_SHORT ? 1 : CUTS_TRIED;
    for (size_t i = 0; i < tried && i < n; i++) {
        uint64_t cut = cuts[n <= tried ? i : (i + 1) * n / (tried + 1)];
        add(c, (disk_survival){.data = DATA_TORN, .changes = CHANGES_KEPT, .cut = cut});
        if (c->depth == CRASH_FULL)
            add(c, (disk_survival){.data = DATA_HOLED, .changes = CHANGES_KEPT, .cut = cut});
    }
}

static void add_changes(vfs_crash *c)
{
    uint64_t steps[CHANGES_MAX];
    size_t n = disk_unsynced_changes(c->disk, steps, CHANGES_MAX);
    if (n > CHANGES_MAX)
        n = CHANGES_MAX;
    if (n < 2)
        return;
    if (c->depth == CRASH_SHORT) {
        add(c, (disk_survival){DATA_LOST, CHANGES_ONLY, .change = steps[n - 1]});
        return;
    }
    for (size_t i = 0; i < n; i++) {
        add(c, (disk_survival){DATA_LOST, CHANGES_ONLY, .change = steps[i]});
        add(c, (disk_survival){DATA_KEPT, CHANGES_ALL_BUT, .change = steps[i]});
        if (i > 0)
            add(c, (disk_survival){DATA_KEPT, CHANGES_FIRST, .change = steps[i]});
    }
}

static void list_variants(vfs_crash *c)
{
    c->n = c->next = 0;
    c->begun = true;
    uint64_t step;
    bool data = disk_has_unsynced_data(c->disk);
    bool changes = disk_unsynced_changes(c->disk, &step, 1) != 0;
    add(c, (disk_survival){DATA_KEPT, CHANGES_KEPT});
    if (!data && !changes)
        return;
    add(c, (disk_survival){DATA_LOST, CHANGES_LOST});
    add(c, (disk_survival){DATA_LOST, CHANGES_KEPT});
    add(c, (disk_survival){DATA_KEPT, CHANGES_LOST});
    if (data)
        add(c, (disk_survival){DATA_ZEROED, CHANGES_KEPT});
    if (data)
        add_cuts(c);
    add_changes(c);
    for (int i = 0; i < (c->depth == CRASH_FULL ? CHANCES : 1); i++)
        add(c, (disk_survival){DATA_BY_CHANCE, CHANGES_BY_CHANCE, .rng = &c->rng.base});
    c->variants[c->n++] = (variant){.killed = true};
}

static void describe(vfs_crash *c, const variant *v)
{
    static const char *const data[] = {
        [DATA_LOST] = "unsynced bytes lost",        [DATA_KEPT] = "all bytes kept",
        [DATA_ZEROED] = "unsynced bytes are zeros", [DATA_TORN] = "newest write torn behind",
        [DATA_HOLED] = "newest write lost before",  [DATA_BY_CHANCE] = "bytes by chance",
    };
    static const char *const changes[] = {
        [CHANGES_LOST] = "unsynced names lost",  [CHANGES_KEPT] = "all names kept",
        [CHANGES_FIRST] = "names before change", [CHANGES_ALL_BUT] = "all names but change",
        [CHANGES_ONLY] = "only change",          [CHANGES_BY_CHANCE] = "names by chance",
    };
    if (v->killed)
        snprintf(c->what, sizeof c->what, "the process is killed, the cache lives");
    else
        snprintf(c->what, sizeof c->what, "%s (%" PRIu64 "), %s (%" PRIu64 ")", data[v->how.data],
                 v->how.cut, changes[v->how.changes], v->how.change);
}

/* ---- disks seen ---- */

static bool put(uint64_t *v, size_t cap, uint64_t key)
{
    size_t i = key & (cap - 1);
    while (v[i] != 0 && v[i] != key)
        i = (i + 1) & (cap - 1);
    bool is_new = v[i] == 0;
    v[i] = key;
    return is_new;
}

static void grow(vfs_crash *c)
{
    size_t cap = c->cap_seen == 0 ? 1024 : c->cap_seen * 2;
    uint64_t *v = fer_calloc(cap, sizeof *v);
    for (size_t i = 0; i < c->cap_seen; i++)
        if (c->seen[i] != 0)
            (void)put(v, cap, c->seen[i]);
    fer_free(c->seen);
    c->seen = v;
    c->cap_seen = cap;
}

static bool is_new(vfs_crash *c, uint64_t key)
{
    if (2 * c->n_seen >= c->cap_seen)
        grow(c);
    if (!put(c->seen, c->cap_seen, key == 0 ? 1 : key)) {
        c->equal++;
        return false;
    }
    c->n_seen++;
    return true;
}

uint64_t vfs_crash_equal(const vfs_crash *c)
{
    return c->equal;
}

bool vfs_crash_next(vfs_crash *c, uint64_t epoch, fer_clock *clock, vfs_crash_image *ret)
{
    if (!c->begun)
        list_variants(c);
    while (c->next < c->n) {
        const variant *v = &c->variants[c->next++];
        disk *d = v->killed ? disk_copy(c->disk) : disk_survivor(c->disk, &v->how);
        /* what no sync has carried matters behind the crash, too: such disks are seldom equal */
        uint64_t key = v->killed ? fer_rng_u64(&c->rng.base) : disk_hash(d);
        if (!is_new(c, fer_hash_mix(key, epoch))) {
            disk_free(d);
            continue;
        }
        describe(c, v);
        *ret = (vfs_crash_image){vfs_fault_new_on(d, clock), c->what, v->killed};
        return true;
    }
    return false;
}
