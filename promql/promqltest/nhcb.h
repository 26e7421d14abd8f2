/* nhcb.h - native histograms with custom buckets (schema -53) made of classic ones.
 *
 * Series x_bucket{le}, x_count and x_sum of equal other labels become a series x of histograms, one
 * for each step at which any of them has a value.
 */
#ifndef FERULA_PROMQLTEST_NHCB_H
#define FERULA_PROMQLTEST_NHCB_H

#include "promql/promqltest/script.h"

/* *ret holds the native series only, in the arena. FER_INVALID when cumulative counts fall. */
FER_MUST_CHECK fer_code nhcb_convert(const load_command *classic, fer_arena *a, load_command *ret,
                                     fer_err *err);

#endif
