/* block_meta.h - a block's meta.json: what it is, when, how much, made from what.
 *
 * Read with jansson, unknown members ignored; written in Prometheus' exact layout. docs/formats/block.md.
 * Threads: pure.
 */
#ifndef FERULA_TSDB_BLOCK_META_H
#define FERULA_TSDB_BLOCK_META_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/rng.h"
#include "base/vfs.h"

enum { ULID_CHARS = 26, BLOCK_META_BYTES_MAX = 16 << 20 };

typedef struct ulid {
    char text[ULID_CHARS + 1];
} ulid;

/* Whether the name is a ULID: 26 digits of Crockford's base 32, of 128 bits at most. */
bool ulid_is_valid(const char *name);

/* A new one: the time, and 80 random bits. */
ulid ulid_make(int64_t now_ms, fer_rng *rng);

/* A block this one was made from. */
typedef struct block_parent {
    ulid id;
    int64_t min_time, max_time;
} block_parent;

typedef struct block_meta {
    ulid id;
    int64_t min_time, max_time; /* ms; max_time is exclusive */
    struct {
        uint64_t samples, float_samples, histogram_samples, series, chunks, tombstones;
    } stats;
    int64_t level;
    ulid *sources;
    size_t n_sources;
    block_parent *parents;
    size_t n_parents;
    fer_str *hints;
    size_t n_hints;
    bool deletable, failed;
} block_meta;

/* Lists and texts live in the arena. FER_CORRUPT with the reason. */
FER_MUST_CHECK fer_code block_meta_parse(fer_str json, fer_arena *a, block_meta *ret, fer_err *err);
void block_meta_print(fer_buf *out, const block_meta *m);

FER_MUST_CHECK fer_code block_meta_load(vfs *fs, const char *dir, fer_arena *a, block_meta *ret,
                                        fer_err *err);
/* Replaces dir/meta.json: after a crash the old or the new is there. */
FER_MUST_CHECK fer_code block_meta_store(vfs *fs, const char *dir, const block_meta *m,
                                         fer_err *err);

/* "from-out-of-order" and its like. */
bool block_meta_has_hint(const block_meta *m, fer_str hint);

#endif
