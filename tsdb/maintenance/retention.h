/* retention.h - which blocks have had their time. Pure; threads: any. */
#ifndef FERULA_TSDB_RETENTION_H
#define FERULA_TSDB_RETENTION_H

#include "tsdb/block/block.h"

typedef struct retention_limits {
    int64_t time_ms;     /* 0: none */
    uint64_t size_bytes; /* 0: none */
} retention_limits;

/* What counts towards the size beside blocks. */
typedef struct retention_state {
    uint64_t other_bytes; /* logs and chunks of the head */
    int64_t now_ms;
} retention_state;

typedef enum retention_cause { KEPT = 0, EXPIRED_BY_TIME, EXPIRED_BY_SIZE } retention_cause;

/* As Prometheus: a block goes when the newest block's end is `time_ms` or more after its own, or when it and all
 * newer ones together pass the size; with it all older ones go. The newest block always stays as far
 * as time is concerned. A newest block that ends more than an hour after now tells of a clock that jumped:
 * then nothing goes because of time. Writes ret[i] for v[i]; returns how many go. */
size_t retention_choose(const retention_limits *l, const retention_state *s, block *const *v,
                        size_t n, retention_cause *ret);

#endif
