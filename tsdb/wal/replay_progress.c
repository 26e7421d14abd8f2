#include "tsdb/wal/replay_progress.h"

#include "base/arena.h"
#include "tsdb/wal/wal_dir.h"

#define TELL_EVERY_NS 1000000000ULL

static uint64_t segment_bytes(vfs *fs, const char *dir, uint64_t number)
{
    char path[PATH_MAX];
    vfs_stat st;
    if (wal_segment_path(path, dir, number, NULL) != FER_OK ||
        vfs_stat_path(fs, path, &st, NULL) != FER_OK)
        return 0;
    return st.size;
}

void replay_progress_begin(replay_progress *p, vfs *fs, const char *wal_dir, fer_clock *clock,
                           fer_log *log)
{
    *p = (replay_progress){.clock = clock, .log = log, .begun_ns = clock->mono_ns(clock)};
    p->told_ns = p->begun_ns;
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(NULL, 0);
    uint64_t *seg;
    size_t n;
    if (wal_list(fs, wal_dir, tmp, &seg, &n, NULL) != FER_OK || n == 0 ||
        seg[n - 1] - seg[0] >= n) /* a gap: the rest is not read */
        return;
    p->first = seg[0];
    p->n = n;
    p->before = fer_alloc((n + 1) * sizeof *p->before);
    p->before[0] = 0;
    for (size_t i = 0; i < n; i++)
        p->before[i + 1] = p->before[i] + segment_bytes(fs, wal_dir, seg[i]);
}

void replay_progress_done(replay_progress *p)
{
    fer_free(p->before);
    p->before = NULL;
    p->n = 0;
}

static void tell(const replay_progress *p, uint64_t segment, uint64_t offset, uint64_t took_ns)
{
    uint64_t all = p->before[p->n], done = p->before[segment - p->first] + offset;
    if (done == 0 || done > all)
        return;
    double left_s = (double)took_ns / 1e9 * (double)(all - done) / (double)done;
    LOGI(p->log, "Reading the log", "segment", LOG_INT(segment), "last",
         LOG_INT(p->first + p->n - 1), "percent", LOG_INT(done * 100 / all), "seconds_left",
         LOG_INT(left_s + 0.5));
}

void replay_progress_at(replay_progress *p, uint64_t segment, uint64_t offset)
{
    uint64_t now = p->clock->mono_ns(p->clock);
    if (now - p->told_ns < TELL_EVERY_NS)
        return;
    p->told_ns = now;
    if (segment >= p->first && segment - p->first < p->n) /* not of a checkpoint */
        tell(p, segment, offset, now - p->begun_ns);
}
