/* replay_series.h - the series records of the log, to series of the head.
 *
 * What a new series looks up lies all over memory. So series go through in three steps, several of them at once: its names and the hashes
 * of its pairs, the pairs, the series; each step asks for what the next will look at. A label that stands where the series
 * before has it, as most do, is not looked up at all.
 *
 * Threads: one at a time, the one that owns the head.
 */
#ifndef FERULA_TSDB_REPLAY_SERIES_H
#define FERULA_TSDB_REPLAY_SERIES_H

#include "tsdb/head/head.h"

/* A series of the log is the head's slot; SLOT_NONE: it is left out, for the reason in err. In the order of the log. */
typedef void (*replay_series_fn)(void *arg, uint64_t ref, uint32_t slot, const fer_err *err);

typedef struct replay_series replay_series;

/* The caller owns the result: replay_series_free(). */
replay_series *replay_series_new(head *h, replay_series_fn fn, void *arg);
void replay_series_free(replay_series *s);

/* One series of a record, whose texts live until the flush: as they stand there, each value behind its name. */
void replay_series_take(replay_series *s, uint64_t ref, labels ls);
/* All that were taken are done. */
void replay_series_flush(replay_series *s);

#endif
