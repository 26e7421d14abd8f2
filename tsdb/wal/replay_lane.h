/* replay_lane.h - what the log tells of series, put into the head by several threads, each for its own slots.
 *
 * The thread that reads the log makes series and hands over, in the order of the log, what becomes of them; lanes (head_lane.h) take it
 * in, those of a series one after the other. So the head is the same whatever the number of lanes. What is on its way is bounded:
 * when a lane is behind the reader waits.
 *
 * Threads: all calls from the reader's; lanes run between open and close, on threads of their own or, without any, in the calls.
 */
#ifndef FERULA_TSDB_REPLAY_LANE_H
#define FERULA_TSDB_REPLAY_LANE_H

#include "tsdb/block/tombstones.h"
#include "tsdb/head/head_lane.h"
#include "tsdb/wal/replay.h"
#include "tsdb/wal/replay_chunks.h"

enum { REPLAY_THREADS_MAX = 16, RANK_REPLAY_LANE = 130 };

typedef struct replay_lanes replay_lanes;

/* Begins; with threads 0 nothing runs beside the reader. Threads that cannot be had are done without. Chunks are looked up in `chunks`,
 * which outlives the lanes. The caller owns the result: replay_lanes_close(). */
replay_lanes *replay_lanes_open(head *h, const replay_chunks *chunks, unsigned threads);
/* Waits until all is in the head and ends. Adds counters to *stats and deletions, not sorted, to *stones. */
void replay_lanes_close(replay_lanes *l, replay_stats *stats, tombstones *stones);

/* A sample of the slot, in the order of the log: what is there already is passed over, what is late put in its place. */
void replay_lanes_float(replay_lanes *l, uint32_t slot, int64_t t, double v);
/* The same for a histogram, which is sound and copied. */
void replay_lanes_hist(replay_lanes *l, uint32_t slot, int64_t t, const hist_sample *s);
/* The chunks of a series from the first on. */
void replay_lanes_chunks(replay_lanes *l, uint32_t slot, uint32_t first);
/* A deletion, which goes no further than the newest sample so far. */
void replay_lanes_deletion(replay_lanes *l, uint32_t slot, int64_t mint, int64_t maxt);

#endif
