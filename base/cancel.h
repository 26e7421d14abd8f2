/* cancel.h - a token that long work checks: cancelled by its owner, or past a deadline.
 *
 * Threads: cancel and check from any thread; the token outlives both.
 */
#ifndef FERULA_BASE_CANCEL_H
#define FERULA_BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"

typedef struct fer_cancel {
    _Atomic bool canceled;
    uint64_t deadline_ns; /* on clock's mono_ns; 0 = none */
    fer_clock *clock;
} fer_cancel;

static inline void fer_cancel_init(fer_cancel *c, fer_clock *clock, uint64_t deadline_ns)
{
    atomic_init(&c->canceled, false);
    c->deadline_ns = deadline_ns;
    c->clock = clock;
}

static inline void fer_cancel_now(fer_cancel *c)
{
    atomic_store_explicit(&c->canceled, true, memory_order_relaxed);
}

/* FER_OK, FER_CANCELED or FER_TIMEOUT. Reads the clock: call it per series or per
 * thousands of samples, not per sample. A NULL token never ends. */
static inline fer_code fer_cancel_check(const fer_cancel *c)
{
    if (c == NULL)
        return FER_OK;
    if (atomic_load_explicit(&c->canceled, memory_order_relaxed))
        return FER_CANCELED;
    if (c->deadline_ns != 0 && c->clock->mono_ns(c->clock) >= c->deadline_ns)
        return FER_TIMEOUT;
    return FER_OK;
}

#endif
