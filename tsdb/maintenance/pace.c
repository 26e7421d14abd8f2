#include "tsdb/maintenance/pace.h"

#include <stddef.h>
#include <time.h>

#define SPELL_NS UINT64_C(2000000)
#define REST_MAX_NS UINT64_C(50000000) /* after a spell that the disk or the scheduler made long */

enum { REST_PER_WORK = 3 };

void pace_begin(pace *p)
{
    p->begun_ns = p->clock->mono_ns(p->clock);
    p->seen = p->writes(p->arg);
}

uint64_t pace_due(pace *p)
{
    uint64_t worked = p->clock->mono_ns(p->clock) - p->begun_ns;
    if (worked < SPELL_NS)
        return 0;
    uint64_t before = p->seen;
    pace_begin(p);
    if (p->seen == before)
        return 0;
    return worked < REST_MAX_NS / REST_PER_WORK ? worked * REST_PER_WORK : REST_MAX_NS;
}

void pace_point(pace *p)
{
    uint64_t ns = p == NULL ? 0 : pace_due(p);
    if (ns == 0)
        return;
    nanosleep(&(struct timespec){.tv_nsec = (long)ns}, NULL);
    pace_begin(p);
}
