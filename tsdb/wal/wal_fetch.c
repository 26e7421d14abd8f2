/* wal_fetch.c - a ring of blocks between the thread that reads and the one that takes.
 *
 *    n_taken <= the caller's block <= n_read <= n_taken + FETCH_BLOCKS
 */
#include "tsdb/wal/wal_fetch.h"

#include <assert.h>

#include "base/mem.h"
#include "base/pages.h"
#include "base/thread.h"

enum { RANK_WAL_FETCH = 135 };

struct wal_fetch {
    uint8_t *memory;
    fetched block[FETCH_BLOCKS];
    vfs_file *file;
    uint64_t n_blocks; /* of the file */
    bool has_thread;
    fer_thread thread;
    fer_mutex mu;
    fer_cond read, taken;
    /* ---- under mu ---- */
    uint64_t n_read, n_taken; /* blocks of the file so far */
    bool holds;               /* the caller has the block n_taken */
    bool end;
};

wal_fetch *wal_fetch_new(void)
{
    wal_fetch *w = fer_calloc(1, sizeof *w);
    w->memory = fer_pages_alloc((size_t)FETCH_BLOCKS * FETCH_BLOCK_BYTES);
    for (size_t i = 0; i < FETCH_BLOCKS; i++)
        w->block[i].p = w->memory + i * FETCH_BLOCK_BYTES;
    fer_mutex_init(&w->mu, "wal fetch", RANK_WAL_FETCH);
    fer_cond_init(&w->read);
    fer_cond_init(&w->taken);
    return w;
}

void wal_fetch_free(wal_fetch *w)
{
    if (w == NULL)
        return;
    assert(w->file == NULL);
    fer_cond_done(&w->taken);
    fer_cond_done(&w->read);
    fer_mutex_done(&w->mu);
    fer_pages_free(w->memory, (size_t)FETCH_BLOCKS * FETCH_BLOCK_BYTES);
    fer_free(w);
}

static fetched *block_of(wal_fetch *w, uint64_t number)
{
    return &w->block[number % FETCH_BLOCKS];
}

static void read_block(wal_fetch *w, uint64_t number)
{
    fetched *b = block_of(w, number);
    b->at = number * FETCH_BLOCK_BYTES;
    b->n = 0;
    b->code = vfs_pread(w->file, b->p, FETCH_BLOCK_BYTES, b->at, &b->n, NULL);
}

static void fetch_main(void *arg)
{
    wal_fetch *w = arg;
    fer_mutex_lock(&w->mu);
    while (!w->end && w->n_read < w->n_blocks) {
        if (w->n_read - w->n_taken == FETCH_BLOCKS) {
            fer_cond_wait(&w->taken, &w->mu);
            continue;
        }
        uint64_t number = w->n_read;
        fer_mutex_unlock(&w->mu);
        read_block(w, number);
        fer_mutex_lock(&w->mu);
        w->n_read++;
        fer_cond_signal(&w->read);
    }
    fer_mutex_unlock(&w->mu);
}

void wal_fetch_begin(wal_fetch *w, vfs_file *f, uint64_t size)
{
    assert(w->file == NULL);
    w->file = f;
    w->n_blocks = (size + FETCH_BLOCK_BYTES - 1) / FETCH_BLOCK_BYTES;
    w->n_read = w->n_taken = 0;
    w->holds = w->end = false;
    w->has_thread =
        w->n_blocks > 1 && fer_thread_start(&w->thread, "wal read", fetch_main, w, NULL) == FER_OK;
}

/* The block that the caller gets next has been read. */
static void wait_for_block(wal_fetch *w)
{
    if (!w->has_thread)
        read_block(w, w->n_read++);
    while (w->n_read == w->n_taken)
        fer_cond_wait(&w->read, &w->mu);
}

fetched *wal_fetch_next(wal_fetch *w)
{
    fetched *ret = NULL;
    fer_mutex_lock(&w->mu);
    if (w->holds) {
        w->n_taken++;
        fer_cond_signal(&w->taken);
    }
    w->holds = w->n_taken < w->n_blocks;
    if (w->holds) {
        wait_for_block(w);
        ret = block_of(w, w->n_taken);
    }
    fer_mutex_unlock(&w->mu);
    return ret;
}

void wal_fetch_end(wal_fetch *w)
{
    if (w->has_thread) {
        fer_mutex_lock(&w->mu);
        w->end = true;
        fer_cond_signal(&w->taken);
        fer_mutex_unlock(&w->mu);
        fer_thread_join(&w->thread);
    }
    w->file = NULL;
}
