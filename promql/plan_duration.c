/* plan_duration.c - duration expressions: [5m + step()], offset (range() / 2). */
#include "promql/plan.h"

#include <inttypes.h>
#include <math.h>

static fer_code evaluate(const duration_expr *d, const plan_times *t, double *ret, fer_err *err)
{
    double l = 0, r = 0;
    if (d->l != NULL)
        FER_TRY(evaluate(d->l, t, &l, err));
    if (d->r != NULL)
        FER_TRY(evaluate(d->r, t, &r, err));

    switch (d->op) {
    case DUR_LITERAL:
        *ret = d->value;
        return FER_OK;
    case DUR_STEP:
        *ret = ms_to_seconds(t->step_ms);
        return FER_OK;
    case DUR_RANGE:
        *ret = ms_to_seconds(t->end_ms - t->start_ms);
        return FER_OK;
    case DUR_ADD:
        *ret = l + r;
        return FER_OK;
    case DUR_SUB:
        *ret = l - r;
        return FER_OK;
    case DUR_MUL:
        *ret = l * r;
        return FER_OK;
    case DUR_DIV:
        if (r == 0)
            return fer_fail(err, FER_INVALID, "%" PRIu32 ":%" PRIu32 ": division by zero",
                            d->pos.start, d->pos.end);
        *ret = l / r;
        return FER_OK;
    case DUR_MOD:
        if (r == 0)
            return fer_fail(err, FER_INVALID, "%" PRIu32 ":%" PRIu32 ": modulo by zero",
                            d->pos.start, d->pos.end);
        *ret = fmod(l, r);
        return FER_OK;
    case DUR_POW:
        *ret = pow(l, r);
        return FER_OK;
    /* One operand: the parser puts it left or right. */
    case DUR_NEG:
        *ret = -(d->l != NULL ? l : r);
        return FER_OK;
    case DUR_POS:
    case DUR_PAREN:
        *ret = d->l != NULL ? l : r;
        return FER_OK;
    case DUR_MIN_OF:
        *ret = isnan(l) || isnan(r) ? NAN : fmin(l, r);
        return FER_OK;
    case DUR_MAX_OF:
        *ret = isnan(l) || isnan(r) ? NAN : fmax(l, r);
        return FER_OK;
    }
    return fer_fail(err, FER_INVALID, "unexpected duration expression");
}

fer_code plan_duration(const duration *d, const plan_times *t, bool may_be_negative,
                       int64_t *ret_ms, fer_err *err)
{
    if (d->e == NULL) {
        *ret_ms = d->ms;
        return FER_OK;
    }
    double s;
    FER_TRY(evaluate(d->e, t, &s, err));
    uint32_t from = d->e->pos.start, to = d->e->pos.end;
    if (!isfinite(s))
        return fer_fail(err, FER_INVALID, "%" PRIu32 ":%" PRIu32 ": duration is NaN or infinite",
                        from, to);
    if (s <= 0 && !may_be_negative)
        return fer_fail(err, FER_INVALID,
                        "%" PRIu32 ":%" PRIu32 ": duration must be greater than 0", from, to);
    /* Prometheus keeps durations as int64 nanoseconds. */
    const double limit = 9223372036.854775807;
    if (s > limit || s < -limit)
        return fer_fail(err, FER_INVALID, "%" PRIu32 ":%" PRIu32 ": duration is out of range", from,
                        to);
    *ret_ms = (int64_t)(s * 1000);
    return FER_OK;
}
