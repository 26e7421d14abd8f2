#include "tsdb/block/block.h"

#include <string.h>

#include "tsdb/block/dir_file.h"

/* 0 for what is not there. */
static uint64_t size_of(vfs *fs, const char *dir, const char *name)
{
    char path[PATH_MAX];
    vfs_stat st = {0};
    if (dir_file_path(path, dir, name, NULL) != FER_OK ||
        vfs_stat_path(fs, path, &st, NULL) != FER_OK)
        return 0;
    return st.size;
}

static fer_code open_files(block *b, vfs *fs, const char *path, fer_account *acct, fer_err *err)
{
    FER_TRY(block_meta_load(fs, path, b->arena, &b->meta, err));
    FER_TRY(block_index_open(&b->index, fs, path, acct, err));
    char chunks[PATH_MAX];
    FER_TRY(dir_file_path(chunks, path, "chunks", err));
    FER_TRY(block_chunks_open(&b->chunks, fs, chunks, acct, err));
    tombstones_init(&b->stones, acct);
    FER_TRY(tombstones_load(&b->stones, fs, path, err));
    b->file_bytes =
        block_bytes(b) + size_of(fs, path, "meta.json") + size_of(fs, path, "tombstones");
    if (block_failed(b))
        return fer_fail(err, FER_CORRUPT, "its files changed while they were opened");
    return FER_OK;
}

static void free_block(block *b)
{
    tombstones_done(&b->stones);
    block_chunks_close(&b->chunks);
    block_index_close(&b->index);
    fer_arena_free(b->arena);
    fer_free(b);
}

fer_code block_open(vfs *fs, const char *dir, const char *name, fer_account *acct, block **ret,
                    fer_err *err)
{
    char path[PATH_MAX];
    FER_TRY(dir_file_path(path, dir, name, err));
    block *b = fer_calloc(1, sizeof *b);
    atomic_init(&b->refs, 1);
    b->arena = fer_arena_new(NULL, 0);
    b->name = fer_arena_dup(b->arena, str_of(name)).p;
    fer_code code = open_files(b, fs, path, acct, err);
    if (code != FER_OK) {
        free_block(b);
        return code;
    }
    block_forget(b); /* opening looked at all symbols and the table of postings */
    *ret = b;
    return FER_OK;
}

block *block_ref(block *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void block_unref(block *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free_block(b);
}

bool block_failed(const block *b)
{
    bool failed = vfs_map_failed(&b->index.map);
    for (size_t i = 0; i < b->chunks.n; i++)
        failed |= vfs_map_failed(&b->chunks.segments[i]);
    return failed;
}

void block_forget(const block *b)
{
    vfs_forget(&b->index.map);
    for (size_t i = 0; i < b->chunks.n; i++)
        vfs_forget(&b->chunks.segments[i]);
}

uint64_t block_bytes(const block *b)
{
    return b->index.map.n + block_chunks_bytes(&b->chunks);
}
