/* wal.c - the log's writer.
 *
 * Records go, compressed, into a queue and stay there until they are durable (or given up by
 * wal_relax). The queue is always the end of the log:
 *
 *     queue    [ in the segment, not synced | not written ]
 *              0                         written          n
 *     segment  ... safe_end ............ end
 *
 * Writing frames what is not written for the place in the segment where it will stand and hands it to
 * one pwrite. A sync moves safe_end to end and empties the first part of the queue.
 *
 * When a write, a sync or the making of a segment fails, the segment is given up: the file is cut
 * back to safe_end, which takes torn bytes away, so that Prometheus, which deletes all that follows a
 * torn record, can read on; and `written` goes back to 0, so that the next wal_write puts the whole
 * queue into a new segment. A segment that holds nothing to be kept is removed instead and its number
 * used again, so that a disk that stays full does not fill with empty files. Cutting and removing may
 * fail as well: readers skip the torn bytes and find the records again behind them; the cut is tried
 * once more when the next segment begins.
 *
 * A segment is cut when the next record does not fit: its last page is filled up with zeros and it is
 * synced before the next one is made, so all segments before the last are durable. The directory is
 * synced when a segment is made, before anything in it can be called durable.
 */
#include "tsdb/wal/wal.h"

#include <assert.h>
#include <inttypes.h>
#include <snappy-c.h>
#include <zstd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/varint.h"
#include "tsdb/wal/wal_dir.h"
#include "tsdb/wal/wal_file.h"
#include "tsdb/wal/wal_frame.h"

enum {
    PWRITE_BYTES = 4 << 20,      /* of a queue longer than this, so much at a time */
    BUFFER_KEEP_BYTES = 8 << 20, /* larger buffers are given back once they are empty */
    ITEM_BYTES = 5,              /* before each record in the queue: length u32, FRAME_PACKED u8 */
    NAMES_TRIED = 1000,
    ZSTD_LEVEL = 3,
    AHEAD_PARTS = 128, /* of a segment are written ahead at a time */
};

struct wal {
    vfs *fs;
    char *dir;
    fer_log *log;
    fer_clock *clock;
    uint64_t segment_pages;
    wal_compression compression;
    ZSTD_CCtx *zstd;

    uint64_t ahead_bytes;
    wal_file *file;    /* NULL: the next write makes a segment */
    uint64_t segment;  /* its number, or that of the next */
    uint64_t end;      /* of what was written to it */
    uint64_t safe_end; /* of what of it is not in the queue any more */
    bool unsynced;     /* written to since the last sync */

    fer_buf queue;
    size_t written; /* bytes of the queue that are in the segment */
    fer_buf frame;  /* what the next pwrite writes */

    fer_code failed; /* of the last write or sync, until a write succeeds */
    bool torn;       /* a segment given up still has bytes behind torn_end */
    uint64_t torn_segment, torn_end;

    wal_stats stats;
};

/* ---- the queue ---- */

/* Compresses into the queue's room; false if that made it no shorter. */
static bool pack(wal *w, fer_str rec, char *room, size_t room_bytes, size_t *ret_n)
{
    size_t n = room_bytes;
    if (w->compression == WAL_SNAPPY) {
        if (snappy_compress(rec.p, rec.n, room, &n) != SNAPPY_OK)
            return false;
    } else {
        n = ZSTD_compressCCtx(w->zstd, room, room_bytes, rec.p, rec.n, ZSTD_LEVEL);
        if (ZSTD_isError(n))
            return false;
    }
    *ret_n = n;
    return n < rec.n;
}

static size_t packed_bound(const wal *w, size_t n)
{
    switch (w->compression) {
    case WAL_SNAPPY:
        return snappy_max_compressed_length(n);
    case WAL_ZSTD:
        return ZSTD_compressBound(n);
    case WAL_PLAIN:
        break;
    }
    return n;
}

void wal_append(wal *w, fer_str rec)
{
    assert(rec.n <= WAL_RECORD_BYTES_MAX);
    size_t bound = packed_bound(w, rec.n);
    char *item = fer_buf_room(&w->queue, ITEM_BYTES + bound);
    assert(item != NULL);
    size_t n = rec.n;
    uint8_t packed = 0;
    if (w->compression != WAL_PLAIN && rec.n != 0 && pack(w, rec, item + ITEM_BYTES, bound, &n)) {
        packed = w->compression == WAL_SNAPPY ? FRAME_SNAPPY : FRAME_ZSTD;
    } else {
        n = rec.n;
        if (n != 0)
            memcpy(item + ITEM_BYTES, rec.p, n);
    }
    be32_put((uint8_t *)item, (uint32_t)n);
    item[4] = (char)packed;
    w->queue.n += ITEM_BYTES + n;
    w->stats.records++;
}

static void give_back(fer_buf *b)
{
    fer_buf_done(b);
    fer_buf_init(b, SIZE_MAX / 2, NULL);
}

static void empty(fer_buf *b)
{
    fer_buf_clear(b);
    if (b->cap > BUFFER_KEEP_BYTES)
        give_back(b);
}

void wal_rest(wal *w)
{
    give_back(&w->frame);
    if (w->queue.n == 0)
        give_back(&w->queue);
}

/* What is in the segment needs no second writing. */
static void forget_written(wal *w)
{
    size_t left = w->queue.n - w->written;
    if (left == 0) {
        empty(&w->queue);
    } else {
        memmove(w->queue.p, w->queue.p + w->written, left);
        w->queue.n = left;
    }
    w->written = 0;
    w->safe_end = w->end;
}

void wal_relax(wal *w)
{
    forget_written(w);
}

size_t wal_pending_bytes(const wal *w)
{
    return w->queue.n;
}

/* ---- framing ---- */

static void put_zeros(fer_buf *b, size_t n)
{
    char *p = fer_buf_room(b, n);
    assert(p != NULL);
    memset(p, 0, n);
    b->n += n;
}

/* Bytes left in the page of a position in the segment; a whole page at its begin. */
static size_t page_left(uint64_t pos)
{
    return WAL_PAGE_BYTES - (size_t)(pos % WAL_PAGE_BYTES);
}

/* Whether a record of n stored bytes at pos ends within the segment. Any does at its begin: a record
 * longer than a segment makes one of its own. */
static bool fits(const wal *w, uint64_t pos, size_t n)
{
    enum { PAYLOAD = WAL_PAGE_BYTES - WAL_HEADER_BYTES };
    if (pos == 0)
        return true;
    uint64_t pages_after = w->segment_pages;
    uint64_t pages_begun = (pos + WAL_PAGE_BYTES - 1) / WAL_PAGE_BYTES;
    if (pages_begun > pages_after)
        return false;
    pages_after -= pages_begun;
    size_t left = pos % WAL_PAGE_BYTES == 0 ? 0 : page_left(pos);
    uint64_t room = pages_after * PAYLOAD;
    if (left >= WAL_HEADER_BYTES)
        room += left - WAL_HEADER_BYTES;
    else if (pages_after == 0)
        return false;
    return n <= room;
}

/* Appends the record's fragments to the frame, for position pos of the segment; returns the position
 * behind them. */
static uint64_t put_record(fer_buf *frame, uint64_t pos, uint8_t packed, fer_str rec)
{
    bool first = true, last;
    do {
        size_t left = page_left(pos);
        if (left < WAL_HEADER_BYTES) {
            put_zeros(frame, left);
            pos += left;
            left = WAL_PAGE_BYTES;
        }
        fer_str part = str_head(rec, left - WAL_HEADER_BYTES);
        rec = str_from(rec, part.n);
        last = rec.n == 0;

        uint8_t *p = (uint8_t *)fer_buf_room(frame, WAL_HEADER_BYTES + part.n);
        assert(p != NULL);
        uint8_t kind =
            first ? (last ? FRAME_WHOLE : FRAME_FIRST) : (last ? FRAME_LAST : FRAME_MIDDLE);
        p[0] = kind | packed;
        be16_put(p + 1, (uint16_t)part.n);
        be32_put(p + 3, crc32c(0, part.p, part.n));
        if (part.n != 0)
            memcpy(p + WAL_HEADER_BYTES, part.p, part.n);
        frame->n += WAL_HEADER_BYTES + part.n;
        pos += WAL_HEADER_BYTES + part.n;
        first = false;
    } while (!last);
    return pos;
}

/* Frames records from `written` on until the segment is full, the frame long enough or the queue at
 * its end. Returns how far in the queue; *full when the segment must be cut, its padding is then in
 * the frame. */
static size_t frame_records(wal *w, bool *full)
{
    *full = false;
    fer_buf_clear(&w->frame);
    uint64_t pos = w->end;
    size_t at = w->written;
    while (at < w->queue.n && w->frame.n < PWRITE_BYTES) {
        const uint8_t *item = (const uint8_t *)w->queue.p + at;
        fer_str rec = {(const char *)item + ITEM_BYTES, be32_get(item)};
        if (!fits(w, pos, rec.n)) {
            *full = true;
            if (pos % WAL_PAGE_BYTES != 0)
                put_zeros(&w->frame, page_left(pos));
            break;
        }
        pos = put_record(&w->frame, pos, item[4], rec);
        at += ITEM_BYTES + rec.n;
    }
    return at;
}

/* ---- segments ---- */

static void cut_torn(wal *w)
{
    if (!w->torn)
        return;
    char path[PATH_MAX];
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    if (wal_segment_path(path, w->dir, w->torn_segment, NULL) == FER_OK &&
        vfs_open(w->fs, path, VFS_READ_WRITE, &f, NULL) == FER_OK &&
        vfs_truncate(f, w->torn_end, NULL) == FER_OK)
        w->torn = false;
}

static void note_torn(wal *w, const fer_err *err)
{
    LOGW(w->log, "A WAL segment was given up and its torn end cannot be cut off; readers skip it",
         "segment", LOG_INT(w->segment), "offset", LOG_INT(w->safe_end), "err", err->msg);
    w->torn = true;
    w->torn_segment = w->segment;
    w->torn_end = w->safe_end;
}

/* Gives up the segment after a failure; all of the queue is to be written again. Returns code. */
static fer_code give_up(wal *w, fer_code code)
{
    fer_err err = {0};
    if (w->file != NULL && w->safe_end != 0) {
        if (wal_file_cut(w->file, w->safe_end, &err) != FER_OK)
            note_torn(w, &err);
        w->segment++;
    } else if (w->file != NULL) {
        char path[PATH_MAX];
        if (wal_segment_path(path, w->dir, w->segment, &err) != FER_OK ||
            vfs_unlink(w->fs, path, &err) != FER_OK) {
            note_torn(w, &err);
            w->segment++;
        }
    }
    wal_file_close(w->file);
    w->file = NULL;
    w->end = w->safe_end = 0;
    w->unsynced = false;
    w->written = 0;
    w->failed = code;
    w->stats.writes_failed++;
    return code;
}

/* Makes the next segment's file. A name that is taken, such as that of a segment that was given up
 * and could not be removed, is left alone. */
static fer_code make_segment(wal *w, fer_err *err)
{
    cut_torn(w);
    char path[PATH_MAX];
    fer_code code = FER_EXISTS;
    for (int i = 0; i < NAMES_TRIED && code == FER_EXISTS; i++) {
        if (i > 0)
            w->segment++;
        FER_TRY(wal_segment_path(path, w->dir, w->segment, err));
        code = wal_file_create(w->fs, path, w->ahead_bytes, w->segment_pages * WAL_PAGE_BYTES,
                               &w->file, err);
    }
    FER_TRY(code);
    return vfs_sync_dir(w->fs, w->dir, err);
}

static fer_code write_frame(wal *w, fer_err *err)
{
    if (w->frame.n == 0)
        return FER_OK;
    FER_TRY(wal_file_append(w->file, fer_buf_str(&w->frame), err));
    uint64_t end = w->end + w->frame.n;
    w->stats.pages += end / WAL_PAGE_BYTES - w->end / WAL_PAGE_BYTES;
    w->stats.bytes_written += w->frame.n;
    w->end = end;
    w->unsynced = true;
    return FER_OK;
}

static fer_code sync_file(wal *w, fer_err *err)
{
    uint64_t begin = w->clock->mono_ns(w->clock);
    fer_code code = wal_file_sync(w->file, err);
    uint64_t took = w->clock->mono_ns(w->clock) - begin;
    w->stats.fsyncs++;
    w->stats.fsync_ns += took;
    if (took > w->stats.fsync_max_ns)
        w->stats.fsync_max_ns = took;
    FER_TRY(code);
    w->unsynced = false;
    forget_written(w);
    return FER_OK;
}

static fer_code end_segment(wal *w, fer_err *err)
{
    FER_TRY(sync_file(w, err));
    wal_file_trim(w->file);
    wal_file_close(w->file);
    w->file = NULL;
    w->segment++;
    w->end = w->safe_end = 0;
    return FER_OK;
}

/* ---- the calls ---- */

static fer_code write_some(wal *w, fer_err *err)
{
    if (w->file == NULL)
        FER_TRY(make_segment(w, err));
    bool full;
    size_t upto = frame_records(w, &full);
    FER_TRY(write_frame(w, err));
    w->written = upto;
    return full ? end_segment(w, err) : FER_OK;
}

fer_code wal_write(wal *w, fer_err *err)
{
    while (w->written < w->queue.n) {
        fer_code code = write_some(w, err);
        if (code != FER_OK)
            return give_up(w, code);
    }
    w->failed = FER_OK;
    empty(&w->frame);
    return FER_OK;
}

fer_code wal_sync(wal *w, fer_err *err)
{
    if (w->failed != FER_OK)
        return fer_fail(err, w->failed, "%s: not written again since it failed", w->dir);
    if (!w->unsynced)
        return FER_OK;
    fer_code code = sync_file(w, err);
    return code == FER_OK ? FER_OK : give_up(w, code);
}

/* Fills the last page up. */
static fer_code pad(wal *w, fer_err *err)
{
    if (w->end % WAL_PAGE_BYTES == 0)
        return FER_OK;
    fer_buf_clear(&w->frame);
    put_zeros(&w->frame, page_left(w->end));
    return write_frame(w, err);
}

fer_code wal_cut(wal *w, fer_err *err)
{
    if (w->failed != FER_OK)
        return fer_fail(err, w->failed, "%s: not written again since it failed", w->dir);
    if (w->file == NULL)
        return FER_OK;
    fer_code code = pad(w, err);
    if (code == FER_OK)
        code = end_segment(w, err);
    return code == FER_OK ? FER_OK : give_up(w, code);
}

void wal_stats_get(const wal *w, wal_stats *ret)
{
    *ret = w->stats;
    ret->segment = w->segment;
}

/* Makes the directory, durably in its parent; that also if it is there already, for whoever made it
 * may have failed to. */
static fer_code make_dir(vfs *fs, const char *dir, fer_err *err)
{
    FER_TRY(vfs_mkdir_all(fs, dir, err));
    char parent[PATH_MAX];
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    while (n > 0 && dir[n - 1] != '/')
        n--;
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (n >= sizeof parent)
        return fer_fail(err, FER_INVALID, "%s: the path is too long", dir);
    memcpy(parent, n == 0 ? "." : dir, n == 0 ? 1 : n);
    parent[n == 0 ? 1 : n] = '\0';
    return vfs_sync_dir(fs, parent, err);
}

/* What a process that died wrote and did not sync is still there to be read, until the power goes. Whoever reads the log
 * takes it for durable, so it is made durable. All segments but the newest are. */
static fer_code sync_newest(vfs *fs, const char *dir, uint64_t segment, fer_err *err)
{
    char path[PATH_MAX];
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    FER_TRY(wal_segment_path(path, dir, segment, err));
    FER_TRY(vfs_open(fs, path, VFS_READ_WRITE, &f, err));
    return vfs_sync(f, err);
}

/* One behind every segment there and every segment that a checkpoint stands for. All that is there is durable then. */
static fer_code next_segment(vfs *fs, const char *dir, uint64_t *ret, fer_err *err)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t *v;
    size_t n;
    uint64_t next = 0;
    FER_TRY(wal_list_checkpoints(fs, dir, a, &v, &n, err));
    if (n != 0)
        next = v[n - 1] + 1;
    FER_TRY(wal_list(fs, dir, a, &v, &n, err));
    if (n != 0 && v[n - 1] >= next)
        next = v[n - 1] + 1;
    *ret = next;
    if (n != 0)
        FER_TRY(sync_newest(fs, dir, v[n - 1], err));
    return vfs_sync_dir(fs, dir, err);
}

/* An empty first segment. */
static fer_code begin_log(vfs *fs, const char *dir, fer_err *err)
{
    char path[PATH_MAX];
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    FER_TRY(wal_segment_path(path, dir, 0, err));
    FER_TRY(vfs_open(fs, path, VFS_CREATE, &f, err));
    return vfs_sync_dir(fs, dir, err);
}

uint64_t wal_ahead_bytes(uint64_t segment_bytes)
{
    uint64_t bytes = segment_bytes != 0 ? segment_bytes : WAL_SEGMENT_BYTES_DEFAULT;
    uint64_t pages = bytes / WAL_PAGE_BYTES / AHEAD_PARTS;
    return (pages == 0 ? 1 : pages) * WAL_PAGE_BYTES;
}

fer_code wal_open(vfs *fs, const char *dir, const wal_options *o, fer_log *log, wal **ret,
                  fer_err *err)
{
    uint64_t bytes = o->segment_bytes != 0 ? o->segment_bytes : WAL_SEGMENT_BYTES_DEFAULT;
    if (bytes % WAL_PAGE_BYTES != 0)
        return fer_fail(err, FER_INVALID, "WAL segment size %" PRIu64 " is not a multiple of %d",
                        bytes, WAL_PAGE_BYTES);
    assert(o->ahead_bytes % WAL_PAGE_BYTES == 0);
    FER_TRY(make_dir(fs, dir, err));
    uint64_t segment;
    FER_TRY(next_segment(fs, dir, &segment, err));
    if (o->begun && segment == 0) {
        FER_TRY(begin_log(fs, dir, err));
        segment = 1;
    }

    wal *w = fer_calloc(1, sizeof *w);
    w->fs = fs;
    w->dir = fer_memdup0(dir, strlen(dir));
    w->log = log;
    w->clock = o->clock != NULL ? o->clock : fer_clock_system();
    w->segment_pages = bytes / WAL_PAGE_BYTES;
    w->compression = o->compression;
    w->ahead_bytes = o->ahead_bytes;
    w->segment = segment;
    fer_buf_init(&w->queue, SIZE_MAX / 2, NULL);
    fer_buf_init(&w->frame, SIZE_MAX / 2, NULL);
    if (o->compression == WAL_ZSTD && (w->zstd = ZSTD_createCCtx()) == NULL) {
        wal_close(w, NULL);
        return fer_fail(err, FER_NOMEM, "no memory for zstd");
    }
    *ret = w;
    return FER_OK;
}

static fer_code finish(wal *w, fer_err *err)
{
    FER_TRY(wal_write(w, err));
    cut_torn(w);
    if (w->file == NULL)
        return FER_OK;
    fer_code code = pad(w, err);
    return code == FER_OK ? wal_sync(w, err) : give_up(w, code);
}

fer_code wal_close(wal *w, fer_err *err)
{
    fer_code code = finish(w, err);
    if (w->file != NULL)
        wal_file_trim(w->file);
    wal_file_close(w->file);
    ZSTD_freeCCtx(w->zstd);
    fer_buf_done(&w->queue);
    fer_buf_done(&w->frame);
    fer_free(w->dir);
    fer_free(w);
    return code;
}
