#include "tsdb/maintenance/pace.h"

#include <stddef.h>
#include <time.h>

#define MS UINT64_C(1000000)
#define SPELL_NS (2 * MS)
#define UNSPREAD_NS (100 * MS)   /* of work: small blocks are not spread */
#define WRITING_NS (1000 * MS)   /* who wrote within it still writes */
#define REST_MAX_NS (50 * MS)    /* after a spell that the disk or the scheduler made long */
#define SPREAD_MAX_NS (250 * MS) /* a rest of work that is spread: a stop waits for it */

enum { REST_PER_WORK = 3 };

static void begin_spell(pace *p, uint64_t now, double done)
{
    p->begun_ns = now;
    p->done = done;
}

void pace_begin(pace *p)
{
    p->worked_ns = 0;
    p->seen = p->writes(p->arg);
    p->written = false;
    begin_spell(p, p->clock->mono_ns(p->clock), 0);
}

static bool is_writing(pace *p, uint64_t now)
{
    uint64_t writes = p->writes(p->arg);
    if (writes != p->seen) {
        p->seen = writes;
        p->written_ns = now;
        p->written = true;
    }
    return p->written && now - p->written_ns < WRITING_NS;
}

/* The rest that keeps to the span, after a spell that did `part` of the work. */
static uint64_t spread_rest(const pace *p, uint64_t worked, double part)
{
    double given = part * (double)p->span_ns;
    if (p->worked_ns < UNSPREAD_NS || given <= (double)worked)
        return 0;
    uint64_t rest = (uint64_t)given - worked;
    return rest < SPREAD_MAX_NS ? rest : SPREAD_MAX_NS;
}

uint64_t pace_due(pace *p, double done)
{
    uint64_t now = p->clock->mono_ns(p->clock), worked = now - p->begun_ns;
    if (worked < SPELL_NS)
        return 0;
    double part = done - p->done;
    p->worked_ns += worked;
    begin_spell(p, now, done);
    if (!is_writing(p, now))
        return 0;
    uint64_t rest = worked < REST_MAX_NS / REST_PER_WORK ? worked * REST_PER_WORK : REST_MAX_NS;
    uint64_t spread = spread_rest(p, worked, part);
    return rest >= spread || (p->is_awaited != NULL && p->is_awaited(p->arg)) ? rest : spread;
}

void pace_point(pace *p, double done)
{
    uint64_t ns = p == NULL ? 0 : pace_due(p, done);
    if (ns == 0)
        return;
    if (p->meanwhile != NULL)
        p->meanwhile(p->arg);
    nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
    begin_spell(p, p->clock->mono_ns(p->clock), p->done);
}
