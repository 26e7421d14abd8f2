/* block_set.h - the blocks of a data directory.
 *
 * Loading never fails for a block's sake: a damaged one is set aside, is named in the log, counted, and told in the answers
 * of queries whose time it may cover. Aside is DIR/quarantine/, where Prometheus, which does not start with a damaged
 * block, does not look; one that only could not be read stays where it is. Who has mended a block moves it back; who
 * gives it up deletes it there. Blocks that others replace (their parents, or marked
 * deletable) are not served; they are what a compaction that did not finish cleaning up leaves, and
 * block_set_clean() removes them.
 *
 * Blocks come and go while queries run: whoever got a block holds a reference and reads on, its files may be
 * gone meanwhile (a mapping outlives its name).
 * Threads: load, clean, replace and free one at a time; the rest by any.
 */
#ifndef FERULA_TSDB_BLOCK_SET_H
#define FERULA_TSDB_BLOCK_SET_H

#include "base/log.h"
#include "base/thread.h"
#include "tsdb/block/block.h"

enum { RANK_BLOCKS = 90 };

/* A block that could not be opened. */
typedef struct damaged_block {
    ulid id;
    bool has_range; /* its meta.json could be read */
    int64_t min_time, max_time;
    char *why;
    bool to_move; /* its bytes are wrong, and it is not yet aside */
    bool aside;   /* else the next start may serve it */
} damaged_block;

typedef struct block_set {
    fer_mutex mu;
    /* ---- under mu ---- */
    block **v; /* by min_time */
    size_t n;
    damaged_block *damaged;
    size_t n_damaged;
    uint64_t changes; /* calls of block_set_replace() */
    /* ---- for load and clean ---- */
    ulid *replaced; /* blocks that are not served and may go */
    size_t n_replaced, cap_replaced;
    /* ---- immutable ---- */
    fer_account acct;
    bool keep_unfinished; /* set before loading: nothing is removed */
} block_set;

void block_set_init(block_set *s, fer_account *parent);
void block_set_done(block_set *s);
/* Removes what unfinished work left (ULID.tmp-for-creation, .tmp-for-deletion, .tmp) unless told to keep it, then opens the blocks in
 * dir. Fails only when the directory cannot be listed. */
FER_MUST_CHECK fer_code block_set_load(block_set *s, vfs *fs, const char *dir, fer_log *log,
                                       fer_err *err);
/* The end of the newest block that was cut in order; INT64_MIN without one. The head begins there. */
int64_t block_set_end(block_set *s);

/* Blocks whose mappings have failed (block_failed) are opened anew, or become damaged ones. */
void block_set_judge(block_set *s, vfs *fs, const char *dir, fer_log *log);

/* Notes a block that is not served for block_set_clean(): its folder, or what is unfinished of it, could not be removed. */
void block_set_remove_later(block_set *s, const ulid *id);
/* Removes the folders of blocks that others replace, and of those noted. The first failure is told; the rest is tried all the same. */
FER_MUST_CHECK fer_code block_set_clean(block_set *s, vfs *fs, const char *dir, fer_err *err);

/* All blocks, by min_time, each with a reference: block_list_done(). */
typedef struct block_list {
    block **v;
    size_t n;
} block_list;
block_list block_set_all(block_set *s);
void block_list_done(block_list *l);

/* At one moment for all readers: those in gone are not served any more, the blocks in add are; their
 * references pass to the set. */
void block_set_replace(block_set *s, block *const *add, size_t n_add, block *const *gone,
                       size_t n_gone);
/* How often the list was changed. */
uint64_t block_set_changes(block_set *s);
/* Takes the folder of a block away: after a crash it is whole or will be removed at the next start. */
FER_MUST_CHECK fer_code block_folder_remove(vfs *fs, const char *dir, const char *name,
                                            fer_err *err);

/* The blocks that overlap [mint, maxt] and have not failed, by min_time, each with a reference the caller drops. NULL past the
 * arena's budget (then nothing is referenced). */
block **block_set_get(block_set *s, int64_t mint, int64_t maxt, fer_arena *a, size_t *ret_n);
/* Calls fn for each damaged block, and each that has failed, that may hold data of [mint, maxt]. */
void block_set_each_damaged(block_set *s, int64_t mint, int64_t maxt,
                            void (*fn)(void *arg, const damaged_block *d), void *arg);

typedef struct block_set_stats {
    uint64_t blocks, damaged, bytes;
    int64_t min_time; /* of the oldest; INT64_MAX without blocks */
    int64_t max_time; /* the last inside one; INT64_MIN without blocks */
} block_set_stats;
void block_set_stats_get(block_set *s, block_set_stats *ret);

#endif
