/* hist_arith.c - binary operators on native histograms. */
#include "promql/exec/hist_arith.h"

static hist_remark types_of(hist_operand l, hist_operand r)
{
    if (l.h == NULL)
        return r.h == NULL ? REMARK_FLOAT_FLOAT : REMARK_FLOAT_HISTOGRAM;
    return r.h == NULL ? REMARK_HISTOGRAM_FLOAT : REMARK_HISTOGRAM_HISTOGRAM;
}

/* + and -: contradicting hints cost the result. */
static fer_code combine(query *q, hist *work, op kind, hist_operand l, hist_operand r,
                        hist_outcome *ret)
{
    unsigned notes = 0;
    FER_TRY(hist_checked(q, hist_load(work, l.h)));
    fer_code c = kind == OP_ADD ? hist_add(work, r.h, &notes) : hist_sub(work, r.h, &notes);
    if (c == FER_INVALID) {
        ret->remark = REMARK_LAYOUT;
        return FER_OK;
    }
    FER_TRY(hist_checked(q, c));
    if (kind == OP_SUB)
        work->reset_hint = HISTOGRAM_GAUGE;
    if ((notes & HIST_RECONCILED) != 0)
        ret->remark = REMARK_RECONCILED;
    if ((notes & HIST_COLLISION) != 0)
        ret->remark = REMARK_COLLISION;
    ret->there = (notes & HIST_COLLISION) == 0;
    hist_compact(work);
    return FER_OK;
}

/* With a float on the other side. */
static fer_code scale(query *q, hist *work, op kind, const histogram *h, double v)
{
    FER_TRY(hist_checked(q, hist_load(work, h)));
    switch (kind) {
    case OP_MUL:
        hist_scale(work, v);
        break;
    case OP_DIV:
        hist_divide(work, v);
        break;
    default:
        hist_trim(work, v, kind == OP_TRIM_UPPER);
        return FER_OK;
    }
    hist_compact(work);
    return FER_OK;
}

fer_code hist_arith(query *q, hist_column *c, op kind, hist_operand l, hist_operand r,
                    hist_outcome *ret)
{
    bool both = l.h != NULL && r.h != NULL;
    bool trim = kind == OP_TRIM_LOWER || kind == OP_TRIM_UPPER;
    *ret = (hist_outcome){.keep = true, .computed = true};
    if (both && (kind == OP_ADD || kind == OP_SUB))
        return combine(q, &c->work, kind, l, r, ret);
    if (both && (kind == OP_EQ || kind == OP_NE)) {
        ret->there = true;
        ret->computed = false;
        ret->keep = histogram_same(l.h, r.h) == (kind == OP_EQ);
        return FER_OK;
    }
    bool left = l.h != NULL && r.h == NULL && (kind == OP_MUL || kind == OP_DIV || trim);
    bool right = l.h == NULL && r.h != NULL && kind == OP_MUL;
    ret->there = left || right;
    if (left)
        return scale(q, &c->work, kind, l.h, r.v);
    if (right)
        return scale(q, &c->work, kind, r.h, l.v);
    ret->remark = types_of(l, r);
    return FER_OK;
}

fer_code hist_remark_tell(query *q, const plan *p, hist_remark r)
{
    op kind = p->e->u.binary.op;
    const char *what = kind == OP_ADD ? "addition" : "subtraction";
    switch (r) {
    case REMARK_FLOAT_FLOAT:
        return anno_incompatible_types(q, p, "float", op_text(kind), "float");
    case REMARK_FLOAT_HISTOGRAM:
        return anno_incompatible_types(q, p, "float", op_text(kind), "histogram");
    case REMARK_HISTOGRAM_FLOAT:
        return anno_incompatible_types(q, p, "histogram", op_text(kind), "float");
    case REMARK_HISTOGRAM_HISTOGRAM:
        return anno_incompatible_types(q, p, "histogram", op_text(kind), "histogram");
    case REMARK_LAYOUT:
        return anno_incompatible_layout(q, p, op_text(kind));
    case REMARK_COLLISION:
        return anno_notes(q, p, p, HIST_COLLISION, what);
    case REMARK_RECONCILED:
        return anno_notes(q, p, p, HIST_RECONCILED, what);
    default:
        return FER_OK;
    }
}
