/* info.c - info(): not evaluated yet. */
#include "promql/exec/oper.h"

fer_code info_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    return fer_fail(q->err, FER_UNSUPPORTED, "info() is not evaluated yet");
}
