/* rows.h - whole streams kept in memory: the parts of each label set put together.
 */
#ifndef FERULA_PROMQL_EXEC_ROWS_H
#define FERULA_PROMQL_EXEC_ROWS_H

#include "promql/exec/oper.h"

typedef struct rows rows;

FER_MUST_CHECK fer_code rows_new(query *q, size_t n_steps, rows **ret);
/* Copies the series. FER_INVALID when the set already has a value at one of the steps. */
FER_MUST_CHECK fer_code rows_add(rows *r, const vec *v);
size_t rows_count(const rows *r);
/* In the order the sets first came; writable, valid until the next call. */
vec rows_at(rows *r, size_t i);

#endif
