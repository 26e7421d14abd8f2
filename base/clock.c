/* clock.c - the system's clocks and a fake one. */
#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static int64_t system_wall_ms(fer_clock *c)
{
    (void)c;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint64_t system_mono_ns(fer_clock *c)
{
    (void)c;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

fer_clock *fer_clock_system(void)
{
    static fer_clock clock = {system_wall_ms, system_mono_ns};
    return &clock;
}

static int64_t fake_wall_ms(fer_clock *c)
{
    return atomic_load(&((fer_clock_fake *)c)->wall);
}

static uint64_t fake_mono_ns(fer_clock *c)
{
    return atomic_load(&((fer_clock_fake *)c)->mono);
}

void fer_clock_fake_init(fer_clock_fake *c, int64_t wall_ms)
{
    c->base = (fer_clock){fake_wall_ms, fake_mono_ns};
    atomic_init(&c->wall, wall_ms);
    atomic_init(&c->mono, 1);
}

void fer_clock_fake_advance(fer_clock_fake *c, int64_t ms)
{
    atomic_fetch_add(&c->wall, ms);
    atomic_fetch_add(&c->mono, (uint64_t)ms * 1000000u);
}
