/* verify_block.c - a block: meta.json, index, chunks and tombstones, each and against each other. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "cmd/ferulatool/verify_index.h"
#include "tsdb/block/block_sums.h"
#include "tsdb/block/dir_file.h"

/* The parent of a block of samples out of order is the head, which has no ULID and no times. */
#define HEAD_ULID "00000000000000000000000000"

typedef struct block_check {
    verify *v;
    const char *dir, *name;
    char meta_path[PATH_MAX], index_path[PATH_MAX], chunks_dir[PATH_MAX], stones_path[PATH_MAX];
    fer_arena *a;
    block_meta meta;
    bool has_meta;
    block_content content;
    bool has_content;
} block_check;

/* ---- meta.json ---- */

/* Members that writers of the format use; Thanos adds a section of its own. */
static void check_members(block_check *b, const json_t *o, const char *where,
                          const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)o, key, value)
    {
        const char *const *k = known;
        while (*k != NULL && strcmp(*k, key) != 0)
            k++;
        if (*k == NULL)
            verify_found(b->v, b->meta_path, 0, "meta.json: unknown member \"%s\"%s", key, where);
    }
}

static void check_all_members(block_check *b, fer_str text)
{
    static const char *const top[] = {"ulid",       "minTime", "maxTime", "stats",
                                      "compaction", "version", "thanos",  NULL};
    static const char *const stats[] = {"numSamples", "numFloatSamples", "numHistogramSamples",
                                        "numSeries",  "numChunks",       "numTombstones",
                                        NULL};
    static const char *const compaction[] = {"level",  "sources", "deletable", "parents",
                                             "failed", "hints",   NULL};
    static const char *const parent[] = {"ulid", "minTime", "maxTime", NULL};
    json_t *o = json_loadb(text.p, text.n, 0, NULL);
    if (o == NULL)
        return; /* parsing has said so */
    const json_t *c = json_object_get(o, "compaction");
    check_members(b, o, "", top);
    check_members(b, json_object_get(o, "stats"), " of stats", stats);
    check_members(b, c, " of compaction", compaction);
    const json_t *parents = json_object_get(c, "parents");
    for (size_t i = 0; i < json_array_size(parents); i++)
        check_members(b, json_array_get(parents, i), " of a parent", parent);
    json_decref(o);
}

static void check_sources(block_check *b)
{
    const block_meta *m = &b->meta;
    const char *path = b->meta_path;
    if (m->level < 1 || m->n_sources == 0)
        verify_found(b->v, path, 0, "meta.json: level %" PRId64 " of %zu sources", m->level,
                     m->n_sources);
    for (size_t i = 1; i < m->n_sources; i++)
        if (strcmp(m->sources[i - 1].text, m->sources[i].text) >= 0)
            verify_found(b->v, path, 0, "meta.json: sources out of order");
    if (m->level == 1 && m->n_parents == 0 &&
        (m->n_sources != 1 || strcmp(m->sources[0].text, m->id.text) != 0))
        verify_found(b->v, path, 0, "meta.json: a block of level 1 that is not its own source");
    for (size_t i = 0; i < m->n_parents; i++)
        if (strcmp(m->parents[i].id.text, HEAD_ULID) != 0 &&
            (m->parents[i].min_time >= m->parents[i].max_time ||
             m->parents[i].max_time <= m->min_time || m->parents[i].min_time >= m->max_time))
            verify_found(b->v, path, 0, "meta.json: parent %s has no time in common with the block",
                         m->parents[i].id.text);
}

static void check_meta(block_check *b)
{
    fer_err err;
    fer_str text;
    if (block_meta_load(b->v->fs, b->dir, b->a, &b->meta, &err) != FER_OK ||
        vfs_read_all(b->v->fs, b->meta_path, BLOCK_META_BYTES_MAX, b->a, &text, &err) != FER_OK) {
        verify_found(b->v, b->meta_path, 0, "%s", err.msg);
        return;
    }
    b->has_meta = true;
    if (strcmp(b->meta.id.text, b->name) != 0)
        verify_found(b->v, b->meta_path, 0, "meta.json: ulid %s", b->meta.id.text);
    check_all_members(b, text);
    check_sources(b);
}

static void check_count(block_check *b, const char *what, uint64_t told, uint64_t found)
{
    if (told != found)
        verify_found(b->v, b->meta_path, 0, "meta.json: %s %" PRIu64 ", but there are %" PRIu64,
                     what, told, found);
}

/* The counts by kind came with Prometheus 2.45; blocks that have neither are older. */
static void check_stats(block_check *b)
{
    const block_meta *m = &b->meta;
    const block_content *c = &b->content;
    check_count(b, "numSeries", m->stats.series, c->series);
    check_count(b, "numChunks", m->stats.chunks, c->chunks);
    check_count(b, "numSamples", m->stats.samples, c->samples);
    if (m->stats.float_samples != 0 || m->stats.histogram_samples != 0) {
        check_count(b, "numFloatSamples", m->stats.float_samples, c->float_samples);
        check_count(b, "numHistogramSamples", m->stats.histogram_samples, c->histogram_samples);
    }
    if (c->chunks != 0 && (c->min_time < m->min_time || c->max_time >= m->max_time))
        verify_found(b->v, b->meta_path, 0,
                     "meta.json: the chunks span %" PRId64 " to %" PRId64
                     ", which is not inside minTime and maxTime",
                     c->min_time, c->max_time);
}

/* ---- index, chunks, tombstones ---- */

static void check_index(block_check *b)
{
    block_index x;
    block_chunks chunks;
    fer_err err;
    fer_code opened = block_chunks_open(&chunks, b->v->fs, b->chunks_dir, NULL, &err);
    if (opened != FER_OK)
        verify_found(b->v, b->chunks_dir, 0, "%s", err.msg);
    if (block_index_open(&x, b->v->fs, b->dir, NULL, &err) != FER_OK) {
        verify_found(b->v, b->index_path, 0, "%s", err.msg);
    } else {
        block_chunks none = {0};
        verify_index(b->v, b->index_path, &x, opened == FER_OK ? &chunks : &none, b->chunks_dir,
                     &b->content);
        b->has_content = true;
        block_index_close(&x);
    }
    if (opened == FER_OK)
        block_chunks_close(&chunks);
}

static void check_tombstones(block_check *b)
{
    tombstones t;
    fer_err err;
    tombstones_init(&t, NULL);
    if (tombstones_load(&t, b->v->fs, b->dir, &err) != FER_OK) {
        verify_found(b->v, b->stones_path, 0, "%s", err.msg);
    } else {
        for (size_t i = 0; b->has_content && i < t.n; i++)
            if (!block_content_has(&b->content, t.v[i].ref))
                verify_found(b->v, b->stones_path, 0, "tombstones: %" PRIu64 " is no series",
                             t.v[i].ref);
        if (b->has_meta)
            check_count(b, "numTombstones", b->meta.stats.tombstones, t.n);
    }
    tombstones_done(&t);
}

static void found_sum(void *arg, const char *file, const char *what)
{
    const block_check *b = arg;
    char path[PATH_MAX];
    if (dir_file_path(path, b->dir, file, NULL) == FER_OK)
        verify_found(b->v, path, 0, "%s: %s", file, what);
}

void verify_block(verify *v, const char *dir)
{
    const char *slash = strrchr(dir, '/');
    block_check b = {.v = v, .dir = dir, .name = slash == NULL ? dir : slash + 1};
    fer_err err;
    if (dir_file_path(b.meta_path, dir, "meta.json", &err) != FER_OK ||
        dir_file_path(b.index_path, dir, "index", &err) != FER_OK ||
        dir_file_path(b.chunks_dir, dir, "chunks", &err) != FER_OK ||
        dir_file_path(b.stones_path, dir, "tombstones", &err) != FER_OK) {
        verify_found(v, dir, 0, "%s", err.msg);
        return;
    }
    v->blocks++;
    b.a = fer_arena_new(NULL, 0);
    check_meta(&b);
    check_index(&b);
    if (b.has_meta && b.has_content)
        check_stats(&b);
    check_tombstones(&b);
    block_sums_check(v->fs, dir, b.has_meta ? &b.meta : NULL, found_sum, &b);
    block_content_done(&b.content);
    fer_arena_free(b.a);
}
