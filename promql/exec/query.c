/* query.c - memory, limits and errors of a running query. */
#include "promql/exec/query.h"

#include "base/text.h"
#include "promql/exec/bits.h"

/* How much work passes between two looks at the clock: about 100 us. */
enum { WORK_PER_CHECK = 1 << 15 };

/* Steps of one evaluation: more than --query.max-samples has by default, and a subquery of a year at one second has 31 M.
 * Columns have room for all of them, so this also bounds what passes, in memory and time, until the next look at the clock. */
enum { STEPS_MAX = 1 << 26 };

void *query_alloc(query *q, size_t count, size_t size)
{
    void *p = fer_arena_calloc(q->scratch, count == 0 ? 1 : count, size);
    if (p == NULL)
        fer_fail_budget(q->err, "query");
    return p;
}

bool query_grow(query *q, void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return true;
    size_t to = *cap < 8 ? 8 : *cap * 2;
    to = to < need ? need : to;
    void *old;
    memcpy(&old, array, sizeof old);
    void *p = fer_arena_grow(q->scratch, old, *cap * size, to * size);
    if (p == NULL) {
        fer_fail_budget(q->err, "query");
        return false;
    }
    memcpy(array, &p, sizeof p);
    *cap = to;
    return true;
}

fer_code(query_fail)(query *q, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fer_code c = fer_vfail(q->err, FER_INVALID, fmt, ap);
    va_end(ap);
    return c;
}

fer_code query_check(query *q)
{
    q->work = 0;
    switch (fer_cancel_check(q->ctx.cancel)) {
    case FER_OK:
        return FER_OK;
    case FER_TIMEOUT:
        return fer_fail(q->err, FER_TIMEOUT, "query timed out in expression evaluation");
    default:
        return fer_fail(q->err, FER_CANCELED, "query was canceled in expression evaluation");
    }
}

fer_code query_work(query *q, uint64_t n)
{
    q->work += n;
    return q->work < WORK_PER_CHECK ? FER_OK : query_check(q);
}

fer_code query_hold(query *q, uint64_t points)
{
    q->held += points;
    if (q->held > q->peak)
        q->peak = q->held;
    if (q->held > q->max_samples)
        return fer_fail(q->err, FER_LIMIT,
                        "query processing would load too many samples into memory in expression "
                        "evaluation");
    return FER_OK;
}

void query_release(query *q, uint64_t points)
{
    q->held -= points;
}

uint32_t query_sym(query *q, fer_str text)
{
    uint32_t id = syms_intern(q->ctx.syms, text);
    if (id == SYM_NONE)
        fer_fail_budget(q->err, "query symbols");
    return id;
}

fer_str query_quote(query *q, fer_str text)
{
    fer_buf b;
    fer_buf_init(&b, text.n * 10 + 2, NULL);
    text_quote(&b, text);
    fer_str s = fer_arena_dup(q->scratch, fer_buf_str(&b));
    fer_buf_done(&b);
    return s.p == NULL ? (fer_str){"", 0} : s;
}

fer_code query_grid(query *q, int64_t start, int64_t end, int64_t step, grid *ret)
{
    ret->start = start;
    ret->step = step;
    ret->n = 0;
    if (end < start)
        return FER_OK;
    uint64_t steps = ((uint64_t)end - (uint64_t)start) / (uint64_t)step + 1;
    if (steps > STEPS_MAX)
        return fer_fail(q->err, FER_LIMIT,
                        "query processing would load too many samples into memory in expression "
                        "evaluation");
    ret->n = (size_t)steps;
    return query_check(q);
}
