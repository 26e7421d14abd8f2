#include "tsdb/block/block_write.h"

#include <stdio.h>
#include <string.h>

#include "base/varint.h"
#include "tsdb/block/block_chunks.h"
#include "tsdb/block/block_index_write.h"
#include "tsdb/block/block_sums.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/block/tombstones.h"
#include "tsdb/chunk/chunk_hist.h"
#include "tsdb/chunk/chunk_xor.h"
#include "tsdb/chunk/chunk_xor2.h"

enum { COUNT_BYTES = 2 };

struct block_writer {
    vfs *fs;
    fer_account *acct;
    ulid id;
    char *dir;
    char tmp[PATH_MAX];
    index_writer *index;
    chunk_writer *chunks;
    index_chunk *placed; /* chunks of the present series */
    size_t cap;
    block_meta stats;     /* stats alone */
    chunk_spread *counts; /* may be NULL */
};

static fer_code open_writers(block_writer *w, uint64_t segment_bytes, fer_err *err)
{
    char name[ULID_CHARS + 32], chunks[PATH_MAX];
    snprintf(name, sizeof name, "%s.tmp-for-creation", w->id.text);
    FER_TRY(dir_file_path(w->tmp, w->dir, name, err));
    FER_TRY(dir_file_path(chunks, w->tmp, "chunks", err));
    FER_TRY(vfs_remove_all(w->fs, w->tmp, err));
    FER_TRY(chunk_writer_open(w->fs, chunks, segment_bytes, &w->chunks, err));
    return index_writer_open(w->fs, w->tmp, w->acct, &w->index, err);
}

fer_code block_writer_open(vfs *fs, const char *dir, const ulid *id, uint64_t segment_bytes,
                           fer_account *acct, block_writer **ret, fer_err *err)
{
    block_writer *w = fer_calloc(1, sizeof *w);
    w->fs = fs;
    w->acct = acct;
    w->id = *id;
    w->dir = fer_memdup0(dir, strlen(dir));
    fer_code code = open_writers(w, segment_bytes, err);
    if (code != FER_OK) {
        block_writer_abort(w);
        return code;
    }
    *ret = w;
    return FER_OK;
}

void block_writer_count(block_writer *w, chunk_spread *t)
{
    w->counts = t;
}

fer_code block_writer_symbol(block_writer *w, fer_str text, fer_err *err)
{
    return index_writer_symbol(w->index, text, err);
}

static void make_room(block_writer *w, size_t n)
{
    if (n <= w->cap)
        return;
    size_t cap = n < 64 ? 64 : n * 2;
    w->placed = fer_realloc(w->placed, cap * sizeof *w->placed);
    fer_account_force(w->acct, (cap - w->cap) * sizeof *w->placed);
    w->cap = cap;
}

/* Every encoding begins with the number of its samples. */
static fer_code count_samples(block_writer *w, const block_chunk *c, fer_err *err)
{
    if (c->data.n < COUNT_BYTES)
        return fer_fail(err, FER_CORRUPT, "a chunk of %zu bytes", c->data.n);
    uint64_t n = be16_get((const uint8_t *)c->data.p);
    if (c->encoding == CHUNK_HISTOGRAM_ST || c->encoding == CHUNK_FLOAT_HISTOGRAM_ST)
        n &= (1U << CHUNK_ST_COUNT_BITS) - 1;
    if (w->counts != NULL) {
        spread_add(&w->counts->samples, &chunk_samples_scale, (double)n);
        spread_add(&w->counts->bytes, &chunk_bytes_scale, (double)c->data.n);
        spread_add(&w->counts->range_ms, &chunk_range_scale, (double)(c->maxt - c->mint));
    }
    w->stats.stats.samples += n;
    if (c->encoding == CHUNK_XOR || c->encoding == CHUNK_XOR2)
        w->stats.stats.float_samples += n;
    else
        w->stats.stats.histogram_samples += n;
    return FER_OK;
}

fer_code block_writer_series(block_writer *w, const label_id *pairs, size_t n,
                             const block_chunk *chunks, size_t n_chunks, fer_err *err)
{
    if (n_chunks == 0)
        return FER_OK;
    make_room(w, n_chunks);
    chunk_writer_series(w->chunks);
    for (size_t i = 0; i < n_chunks; i++) {
        const block_chunk *c = &chunks[i];
        FER_TRY(count_samples(w, c, err));
        w->placed[i] = (index_chunk){.mint = c->mint, .maxt = c->maxt};
        FER_TRY(chunk_writer_add(w->chunks, c->encoding, c->data, &w->placed[i].ref, err));
    }
    w->stats.stats.series++;
    w->stats.stats.chunks += n_chunks;
    return index_writer_series(w->index, pairs, n, w->placed, n_chunks, err);
}

/* ---- the end ---- */

static fer_code close_chunks(block_writer *w, fer_err *err)
{
    chunk_writer *c = w->chunks;
    w->chunks = NULL;
    return chunk_writer_close(c, err);
}

static fer_code close_index(block_writer *w, fer_err *err)
{
    index_writer *x = w->index;
    w->index = NULL;
    return index_writer_close(x, err);
}

static fer_code finish(block_writer *w, const block_meta *meta, fer_err *err)
{
    char path[PATH_MAX];
    tombstones none;
    tombstones_init(&none, NULL);
    FER_TRY(close_chunks(w, err));
    FER_TRY(close_index(w, err));
    FER_TRY(block_meta_store(w->fs, w->tmp, meta, err));
    FER_TRY(tombstones_store(&none, w->fs, w->tmp, err));
    FER_TRY(block_sums_store(w->fs, w->tmp, meta, err));
    FER_TRY(vfs_sync_dir(w->fs, w->tmp, err));
    FER_TRY(dir_file_path(path, w->dir, w->id.text, err));
    FER_TRY(vfs_rename(w->fs, w->tmp, path, err));
    w->tmp[0] = '\0';
    return vfs_sync_dir(w->fs, w->dir, err);
}

fer_code block_writer_close(block_writer *w, block_meta *meta, fer_err *err)
{
    meta->id = w->id;
    meta->stats = w->stats.stats;
    fer_code code = FER_OK;
    if (meta->stats.samples != 0)
        code = finish(w, meta, err);
    block_writer_abort(w);
    return code;
}

void block_writer_abort(block_writer *w)
{
    if (w == NULL)
        return;
    chunk_writer_abort(w->chunks);
    index_writer_abort(w->index);
    if (w->tmp[0] != '\0') {
        /* What cannot be removed now, the next start removes. */
        fer_code ignored = vfs_remove_all(w->fs, w->tmp, NULL);
        (void)ignored;
    }
    fer_account_release(w->acct, w->cap * sizeof *w->placed);
    fer_free(w->placed);
    fer_free(w->dir);
    fer_free(w);
}
