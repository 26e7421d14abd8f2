/* clock.h - time as a table (DESIGN D2), so that tests own it. */
#ifndef FERULA_BASE_CLOCK_H
#define FERULA_BASE_CLOCK_H

#include <stdint.h>

typedef struct fer_clock fer_clock;
struct fer_clock {
    int64_t (*wall_ms)(fer_clock *c);  /* Unix time, milliseconds */
    uint64_t (*mono_ns)(fer_clock *c); /* never goes back; arbitrary origin */
};

/* The machine's clocks. Static; any thread. */
fer_clock *fer_clock_system(void);

/* A clock that stands still until told; for tests. Any thread. */
typedef struct fer_clock_fake {
    fer_clock base;
    _Atomic int64_t wall;
    _Atomic uint64_t mono;
} fer_clock_fake;
void fer_clock_fake_init(fer_clock_fake *c, int64_t wall_ms);
void fer_clock_fake_advance(fer_clock_fake *c, int64_t ms);

#endif
