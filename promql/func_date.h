/* func_date.h - calendar functions over Unix seconds, in UTC. */
#ifndef FERULA_PROMQL_FUNC_DATE_H
#define FERULA_PROMQL_FUNC_DATE_H

#include "promql/ast.h"

/* FN_MINUTE, FN_HOUR, FN_DAY_OF_WEEK (Sunday 0), FN_DAY_OF_MONTH, FN_DAY_OF_YEAR, FN_DAYS_IN_MONTH,
 * FN_MONTH, FN_YEAR. Values that are no time (NaN, out of range) fall on one fixed date far away, as
 * in Go on amd64. */
double func_date(function_id id, double unix_seconds);

#endif
