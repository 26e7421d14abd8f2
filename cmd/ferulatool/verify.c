/* verify.c - findings, and the parts of a data directory one after the other. */
#include "cmd/ferulatool/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/varint.h"
#include "cmd/ferulatool/db_path.h"
#include "tsdb/block/dir_file.h"
#include "tsdb/chunk/chunk.h"
#include "tsdb/chunk/chunk_hist.h"
#include "tsdb/wal/wal_dir.h"

enum { TEXT_MAX = 512, ST_COUNT_MASK = (1 << CHUNK_ST_COUNT_BITS) - 1 };

void verify_begin(verify *v, vfs *fs, verify_fn found, void *arg)
{
    *v = (verify){.fs = fs, .found = found, .arg = arg};
    samples_init(&v->decoded, NULL);
}

void verify_end(verify *v)
{
    samples_done(&v->decoded);
}

void verify_found(verify *v, const char *file, uint64_t offset, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->findings++;
    v->found(v->arg, file, offset, n < 0 ? "?" : text);
}

/* ---- chunks ---- */

static void check_samples(verify *v, const char *file, uint64_t offset, uint8_t encoding,
                          fer_str data, uint64_t n, int64_t mint, int64_t maxt)
{
    samples *s = &v->decoded;
    samples_clear(s);
    if (chunk_decode(encoding, data, INT64_MIN, INT64_MAX, s) != FER_OK)
        verify_found(v, file, offset, "chunk: its samples do not decode");
    else if (s->n != n || n == 0)
        verify_found(v, file, offset, "chunk: %zu samples, not %" PRIu64, s->n, n);
    else if (s->t[0] != mint || s->t[s->n - 1] != maxt)
        verify_found(v, file, offset,
                     "chunk: samples from %" PRId64 " to %" PRId64 ", not from %" PRId64
                     " to %" PRId64,
                     s->t[0], s->t[s->n - 1], mint, maxt);
}

uint64_t verify_chunk(verify *v, const char *file, uint64_t offset, uint8_t encoding, fer_str data,
                      int64_t mint, int64_t maxt)
{
    v->chunks++;
    if (mint > maxt)
        verify_found(v, file, offset, "chunk: ends before it begins");
    if (data.n < 2 || !chunk_is_known(encoding)) {
        verify_found(v, file, offset, "chunk: %zu bytes of encoding %d", data.n, encoding);
        return 0;
    }
    uint64_t n = be16_get((const uint8_t *)data.p);
    if (encoding == CHUNK_HISTOGRAM_ST || encoding == CHUNK_FLOAT_HISTOGRAM_ST)
        n &= ST_COUNT_MASK;
    v->samples += n;
    check_samples(v, file, offset, encoding, data, n, mint, maxt);
    return n;
}

/* ---- a data directory ---- */

static bool path_of(verify *v, char path[PATH_MAX], const char *dir, const char *name)
{
    fer_err err;
    if (dir_file_path(path, dir, name, &err) == FER_OK)
        return true;
    verify_found(v, dir, 0, "%s", err.msg);
    return false;
}

static void verify_blocks(verify *v, const char *dir)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    ulid *names = NULL;
    size_t n = 0;
    fer_err err;
    char path[PATH_MAX];
    if (db_path_blocks(dir, a, &names, &n, &err) != FER_OK)
        verify_found(v, dir, 0, "%s", err.msg);
    for (size_t i = 0; i < n; i++)
        if (path_of(v, path, dir, names[i].text))
            verify_block(v, path);
}

static void verify_checkpoints(verify *v, const char *log_dir)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *numbers = NULL;
    size_t n = 0;
    fer_err err;
    char path[PATH_MAX];
    if (wal_list_checkpoints(v->fs, log_dir, a, &numbers, &n, &err) != FER_OK)
        verify_found(v, log_dir, 0, "%s", err.msg);
    for (size_t i = 0; i < n; i++) {
        int len = snprintf(path, sizeof path, "%s/checkpoint.%08" PRIu64, log_dir, numbers[i]);
        if (len > 0 && (size_t)len < sizeof path)
            verify_log(v, path);
    }
}

void verify_dir(verify *v, const char *dir)
{
    char path[PATH_MAX];
    verify_blocks(v, dir);
    if (path_of(v, path, dir, "wal") && vfs_exists(v->fs, path)) {
        verify_checkpoints(v, path);
        verify_log(v, path);
    }
    if (path_of(v, path, dir, "wbl") && vfs_exists(v->fs, path))
        verify_log(v, path);
    if (path_of(v, path, dir, "chunks_head") && vfs_exists(v->fs, path))
        verify_chunks_head(v, path);
}
