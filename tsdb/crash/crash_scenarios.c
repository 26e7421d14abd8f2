#include "tsdb/crash/crash_scenarios.h"

#include <stdio.h>
#include <stdlib.h>

#include "tsdb/block/dir_file.h"
#include "tsdb/tsdb_int.h"

enum { LONG_PAD = 3000, LONGER_PAD = 8000 };

static void check(fer_code code, const fer_err *err)
{
    if (code == FER_OK)
        return;
    fprintf(stderr, "%s\n", err->msg);
    abort();
}

/* ---- writing ---- */

static void append(crash_life *l)
{
    life_ticks(l, 16);
}

static void write_chunks(crash_life *l)
{
    life_ticks(l, 7);
    life_keep(l);
    life_ticks(l, 1);
}

/* ---- the head becomes a block ---- */

static void nine_ticks(crash_life *l)
{
    life_open(l);
    life_ticks(l, 9);
    life_close(l);
}

static void cut_head(crash_life *l)
{
    life_ticks(l, 2);
    life_keep(l);
    life_ticks(l, 1);
}

/* The second checkpoint takes the place of the first. */
static void cut_heads(crash_life *l)
{
    life_ticks(l, 4);
    life_keep(l);
    life_ticks(l, 6);
    life_keep(l);
    life_ticks(l, 1);
}

/* ---- out of order ---- */

static void with_window(crash_life *l)
{
    l->t.o.ooo_window_ms = 30 * MODEL_TICK_MS;
}

/* Samples behind the newest, between others that are not; the start in between reads them back. */
static void come_late(crash_life *l)
{
    life_ticks(l, 4);
    life_late(l, 0, 2);
    life_ticks(l, 2);
    life_late(l, 2, 5);
    life_ticks(l, 1);
}

static void nine_ticks_some_late(crash_life *l)
{
    with_window(l);
    life_open(l);
    life_ticks(l, 9);
    life_late(l, 1, 8);
    life_close(l);
}

/* They become blocks behind the one that is cut, which then are merged with it. */
static void cut_late(crash_life *l)
{
    life_ticks(l, 1);
    life_late(l, 8, 9);
    life_keep(l);
    life_ticks(l, 4);
    life_late(l, 9, 12);
    life_keep(l);
    life_ticks(l, 1);
}

/* ---- blocks ---- */

/* The head is cut n times; it holds five ticks then. */
static void make_blocks(crash_life *l, int n)
{
    life_open(l);
    life_ticks(l, 5);
    for (int i = 0; i < n; i++) {
        life_ticks(l, 6);
        life_keep(l);
    }
    life_close(l);
}

static void three_blocks(crash_life *l)
{
    make_blocks(l, 3);
}

/* A fourth block is cut, and the first three become one. */
static void merge_blocks(crash_life *l)
{
    life_ticks(l, 6);
    life_keep(l);
    life_ticks(l, 1);
}

static fer_code move_block(void *arg, const char *name)
{
    crash_life *l = arg;
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof from, LIFE_SNAPSHOT_DIR "/%s", name);
    snprintf(to, sizeof to, LIFE_DIR "/%s", name);
    return vfs_rename(l->t.o.fs, from, to, &l->t.err);
}

/* A block of nine ticks of the head comes to lie over one of six, and over ticks that are still in the head. */
static void overlapping_blocks(crash_life *l)
{
    life_open(l);
    life_ticks(l, 9);
    check(tsdb_snapshot(l->t.db, LIFE_SNAPSHOT_DIR, true, &l->t.err), &l->t.err);
    life_ticks(l, 4);
    life_keep(l);
    life_close(l);
    check(vfs_list(l->t.o.fs, LIFE_SNAPSHOT_DIR, move_block, l, &l->t.err), &l->t.err);
    check(vfs_rmdir(l->t.o.fs, LIFE_SNAPSHOT_DIR, &l->t.err), &l->t.err);
}

static void merge_overlap(crash_life *l)
{
    life_keep(l);
    life_ticks(l, 1);
}

/* ---- deletions ---- */

static void add_stones(crash_life *l, const block *b, int from, int to)
{
    char dir[PATH_MAX];
    index_postings all;
    tombstones stones;
    snprintf(dir, sizeof dir, LIFE_DIR "/%s", b->name);
    check(block_index_postings(&b->index, b->index.all, &all, &l->t.err), &l->t.err);
    tombstones_init(&stones, NULL);
    for (size_t i = 0; i < all.n; i++)
        tombstones_add(&stones, index_posting(&all, i), model_time(from), model_time(to) - 1);
    tombstones_sort(&stones);
    check(tombstones_store(&stones, l->t.o.fs, dir, &l->t.err), &l->t.err);
    tombstones_done(&stones);
    model_span *s = life_span(l, from, to);
    s->begun = s->done = 0;
}

/* The first block loses a tick, the second and the newest all. */
static void blocks_with_stones(crash_life *l)
{
    make_blocks(l, 3);
    life_open(l);
    block_list all = block_set_all(&l->t.db->blocks);
    add_stones(l, all.v[0], 2, 3);
    add_stones(l, all.v[1], 6, 12);
    add_stones(l, all.v[2], 12, 18);
    block_list_done(&all);
    life_close(l);
}

static void clean(crash_life *l)
{
    life_clean(l);
    life_ticks(l, 1);
}

/* From blocks, from the head, and all of a block; then the blocks are merged. */
static void delete (crash_life *l)
{
    life_ticks(l, 1);
    life_delete(l, 1, 8, 20);
    life_ticks(l, 1);
    life_delete(l, l->m.n_series - 1, 0, 6);
    life_delete(l, 0, 20, 24);
    life_ticks(l, 4);
    life_keep(l);
    life_ticks(l, 1);
}

/* From chunks_head, in order and out of it, and from the logs; then the same ticks are sent again, and become a block. */
static void delete_late(crash_life *l)
{
    life_late(l, 8, 9);
    life_make_chunks(l);
    life_keep(l);
    life_delete(l, 2, 2, 6);
    life_again(l, 1, 3, 5);
    life_late(l, 0, 1);
    life_ticks(l, 2);
    life_keep(l);
    life_again(l, 2, 2, 3);
    life_delete(l, 1, 2, 4);
    life_again(l, 0, 5, 6);
    life_ticks(l, 1);
}

/* ---- damage ---- */

/* The index of the second block has a wrong first byte. */
static void a_damaged_block(crash_life *l)
{
    make_blocks(l, 3);
    life_open(l);
    char path[PATH_MAX];
    block_list all = block_set_all(&l->t.db->blocks);
    snprintf(path, sizeof path, LIFE_DIR "/%s/index", all.v[1]->name);
    block_list_done(&all);
    life_close(l);
    vfs_file *f;
    check(vfs_open(l->t.o.fs, path, VFS_READ_WRITE, &f, &l->t.err), &l->t.err);
    check(vfs_pwrite(f, "x", 1, 0, &l->t.err), &l->t.err);
    vfs_close(f);
    life_forget(l, 6, 12);
}

/* Opening has set the block aside. */
static void go_on(crash_life *l)
{
    life_ticks(l, 1);
    life_keep(l);
    life_ticks(l, 1);
}

/* ---- retention ---- */

static void four_blocks(crash_life *l)
{
    l->t.o.max_block_ms = MODEL_BLOCK_MS; /* they stay apart */
    make_blocks(l, 4);
    l->t.o.retention_ms = 2 * MODEL_BLOCK_MS;
}

static void expire(crash_life *l)
{
    for (int i = 0; i < 2; i++) {
        model_span *s = life_span(l, 6 * i, 6 * i + 6);
        s->expires = true;
        s->begun = life_ops(l);
    }
    life_keep(l);
    life_ticks(l, 1);
}

/* ---- all ---- */

static void snapshot(crash_life *l)
{
    life_ticks(l, 1);
    life_snapshot(l);
    life_ticks(l, 1);
}

/* Head cuts, checkpoints, merges and restarts, one behind the other. */
static void live_long(crash_life *l)
{
    for (int i = 0; i < 4; i++) {
        life_ticks(l, 8);
        life_keep(l);
        if (i % 2 == 1) {
            life_close(l);
            life_open(l);
        }
    }
}

const crash_scenario crash_scenarios[] = {
    {"append", 24, 1, LONG_PAD, NULL, append},
    {"chunks_head", 8, 6, 1, NULL, write_chunks},
    {"head_cut", 8, 6, 1, nine_ticks, cut_head},
    {"checkpoint", 24, 1, LONGER_PAD, nine_ticks, cut_heads},
    {"compaction", 8, 6, 1, three_blocks, merge_blocks},
    {"overlap", 8, 6, 1, overlapping_blocks, merge_overlap},
    {"stones", 8, 6, 1, blocks_with_stones, merge_blocks},
    {"clean_tombstones", 8, 6, 1, blocks_with_stones, clean},
    {"delete", 8, 6, 1, three_blocks, delete},
    {"quarantine", 8, 6, 1, a_damaged_block, go_on},
    {"retention", 8, 6, 1, four_blocks, expire},
    {"snapshot", 8, 6, 1, three_blocks, snapshot},
    {"ooo", 12, 2, 1, with_window, come_late},
    {"ooo_cut", 8, 6, 1, nine_ticks_some_late, cut_late},
    {"ooo_delete", 8, 6, 1, nine_ticks_some_late, delete_late},
    {"ooo_snapshot", 8, 6, 1, nine_ticks_some_late, snapshot},
    {"life", 16, 3, LONGER_PAD, NULL, live_long, true},
};

const size_t n_crash_scenarios = sizeof crash_scenarios / sizeof *crash_scenarios;
