/* num.h - number text as Go writes and reads it.
 *
 * Source: strconv.FormatFloat/ParseFloat of Go, as Prometheus uses them. Digits
 * are the shortest that read back (shortest.h), numbers come from fast_float
 * through the shim. Locale-independent. Any thread.
 */
#ifndef FERULA_BASE_NUM_H
#define FERULA_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { NUM_TEXT_MAX = 352 }; /* longest 'f' text: 1 sign, 309 digits, or 0.000... of denormals */

/* Each writes to buf (NUM_TEXT_MAX bytes; not NUL-terminated) and returns the length.
 * NaN, +Inf, -Inf print so. */
size_t num_format_f(char *buf, double v); /* FormatFloat(v, 'f', -1, 64) */
size_t num_format_e(char *buf, double v); /* FormatFloat(v, 'e', -1, 64) */
size_t num_format_g(char *buf, double v); /* FormatFloat(v, 'g', -1, 64): 123456, 1e+06, 1e-05 */
/* Prometheus' JSON sample text: 'f', or 'e' when |v| >= 1e21 or 0 < |v| < 1e-6. */
size_t num_format_json(char *buf, double v);
/* OpenMetrics float: 'g' text, with ".0" appended to integral numbers without exponent. */
size_t num_format_om(char *buf, double v);

size_t num_format_i64(char *buf, int64_t v);
size_t num_format_u64(char *buf, uint64_t v);
/* The four digits of v < 10000, zeros in front. */
void num_put_four(char *buf, uint32_t v);

/* strconv.ParseFloat(s, 64): decimal, exponent, hex floats, underscores not accepted, "inf",
 * "+Inf", "infinity", "nan" in any case. The whole of s must be the number. False, *ret untouched,
 * when it is none; false, *ret = +-Inf, when it is out of range. */
bool num_parse_f64(fer_str s, double *ret);
/* Decimal with optional sign; false when empty, other bytes, or out of range. */
bool num_parse_i64(fer_str s, int64_t *ret);
bool num_parse_u64(fer_str s, uint64_t *ret);

#endif
