/* load.h - load commands into a storage in memory.
 *
 * Counter reset hints become those the database would tell on reading: unknown for the first
 * histogram of a chunk, not_reset for the others, gauge where the script says so.
 * Threads: one at a time.
 */
#ifndef FERULA_PROMQLTEST_LOAD_H
#define FERULA_PROMQLTEST_LOAD_H

#include "promql/memstore.h"
#include "promql/promqltest/script.h"

/* FER_INVALID when samples do not ascend (a second load of a series), or classic histograms do not
 * make native ones. `a` is scratch for the time of the call. */
FER_MUST_CHECK fer_code load_into(memstore *m, const load_command *c, fer_arena *a, fer_err *err);

#endif
